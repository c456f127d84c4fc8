/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How connections begin where TLS is to be had, on simulated workers and with a real client session: every way in, every
 * way to fail, and that a crowd of handshakes is taken a few at a time.
 */
#include "certs.h"
#include "conns.h"
#include "fixture.h"
#include "tls_engine.h"

#define ROOM  32768
#define CROWD 9

static struct tern_tls *server_tls, *client_tls;
static const struct tern_mem_faults none = {0}; /* in memory: a socket pair counts as a Unix-domain socket */

/* The client's side of TLS over a simulated client. */
struct secured {
  struct tern_tls_io io; /* first: out is told by it */
  struct tern__tls_session *session;
  struct sim_client *client;
  char out[ROOM];
  size_t out_len;
  bool complete;
};

static int put_out(struct tern_tls_io *io, const void *data, size_t len) {
  struct secured *s = (struct secured *)io;
  assert_true(s->out_len + len <= ROOM);
  memcpy(s->out + s->out_len, data, len);
  s->out_len += len;
  return 0;
}

static void session_begin(struct secured *s, struct sim_client *client) {
  char reason[TERN__TLS_REASON_MAX];
  memset(s, 0, sizeof *s);
  s->io.out = put_out;
  s->client = client;
  assert_int_equal(client_tls->engine->session_new(client_tls->context, "localhost", &s->io, &s->session), 0);
  assert_int_equal(client_tls->engine->handshake(s->session, reason, sizeof reason), 0);
}

/* What the session wants to send, in pieces of so many bytes. */
static void session_send(struct secured *s, size_t piece) {
  for (size_t at = 0; at < s->out_len; at += piece)
    sim_send(s->client, s->out + at, s->out_len - at < piece ? s->out_len - at : piece);
  s->out_len = 0;
}

static void session_feed(struct secured *s) {
  struct sim_client *c = s->client;
  sim_pull(c);
  s->io.in = unread(c);
  s->io.in_len = c->in_len - c->read_to;
  c->read_to = c->in_len;
}

/* Returns false when the broker ends the connection. */
static bool shake_hands(struct secured *s) {
  char reason[TERN__TLS_REASON_MAX];
  for (unsigned n = 0; n < TICKS_MAX && !s->complete && !s->client->lost; n++) {
    session_send(s, 1000);
    ticks(s->client->sim, 1);
    session_feed(s);
    s->complete = client_tls->engine->handshake(s->session, reason, sizeof reason) == 1;
  }
  session_send(s, 1000);
  return s->complete;
}

static void say_secured(struct secured *s, const char *text) {
  assert_int_equal(client_tls->engine->write(s->session, text, strlen(text)), 0);
  session_send(s, ROOM);
}

/* Reads until the text ends what came; returns all of it. */
static const char *hear_secured(struct secured *s, const char *end) {
  static char heard[ROOM];
  char reason[TERN__TLS_REASON_MAX];
  size_t len = 0;
  heard[0] = '\0';
  for (unsigned n = 0; n < TICKS_MAX && strstr(heard, end) == NULL; n++) {
    ssize_t got = client_tls->engine->read(s->session, heard + len, ROOM - len - 1, reason, sizeof reason);
    if (got > 0) heard[len += (size_t)got] = '\0';
    if (got > 0) continue;
    ticks(s->client->sim, 1);
    session_feed(s);
  }
  if (strstr(heard, end) == NULL) fail_msg("'%s' is not in '%s'", end, heard);
  return heard;
}

static void session_end(struct secured *s) { client_tls->engine->session_free(s->session); }

static void start_with(struct sim *sim, unsigned workers, struct tls_settings tls) {
  start(sim, workers, NULL);
  struct nats_limits limits = sim_limits();
  struct settings *settings = settings_new(&limits);
  assert_non_null(settings);
  const struct nats_identity identity = {
      .server_id = "i", .server_name = "n", .nats_version = "1", .tern_version = "1", .host = "h"};
  tls.context = server_tls;
  if (tls.timeout_ms == 0) tls.timeout_ms = 2000;
  tern_tls_ref(server_tls);
  settings->tls = tls;
  assert_int_equal(nats_settings_describe(settings, &identity), 0);
  assert_int_equal(core_set_settings(&sim->core, sim->workers, settings), 0);
  settings_unref(settings);
  ticks(sim, 1); /* the clock has begun */
}

static void drop_tls(struct sim *sim) {
  struct nats_limits limits = sim_limits();
  struct settings *settings = settings_new(&limits);
  const struct nats_identity identity = {
      .server_id = "i", .server_name = "n", .nats_version = "1", .tern_version = "1", .host = "h"};
  assert_int_equal(nats_settings_describe(settings, &identity), 0);
  assert_int_equal(core_set_settings(&sim->core, sim->workers, settings), 0);
  settings_unref(settings);
}

static void come(struct sim *sim, struct sim_client *c, unsigned worker) {
  assert_int_equal(sim_connect(sim, c, worker, &none), 0);
}

static const char *info_of(struct sim_client *c) {
  const char *info = unread(c);
  expect_info(c);
  return info;
}

/* A session's conversation works in both directions; told: INFO came in clear. */
static void converse(struct secured *s, bool told) {
  say_secured(s, "CONNECT {" QUIET "}\r\nSUB a 1\r\nPUB a 2\r\nok\r\nPING\r\n");
  const char *heard = hear_secured(s, "PONG\r\n");
  assert_int_equal(strncmp(heard, "INFO ", 5) == 0, !told);
  assert_non_null(strstr(heard, "MSG a 1 2\r\nok\r\nPONG\r\n"));
}

/* What monitoring tells of the only connection. */
struct told {
  bool first;
  unsigned certificates;
  char subject[64], key[65]; /* of the first */
};

static void note(void *arg, const struct nats_conn *conn) {
  struct told *told = arg;
  told->first = conn->tls_first;
  for (const struct tern_tls_certificate *at = conn->shown; at != NULL; at = at->next)
    told->certificates++;
  if (conn->shown == NULL) return;
  snprintf(told->subject, sizeof told->subject, "%s", conn->shown->subject);
  snprintf(told->key, sizeof told->key, "%s", conn->shown->key_sha256);
}

static struct told told_of(struct sim *sim, bool certificates) {
  const struct nats_conns_query query = {.open = true};
  struct nats_conn_keys keys;
  struct told told = {0};
  assert_int_equal(nats_conns_find(&sim->core.nats, sim->workers, &query, &keys), 0);
  assert_int_equal(keys.count, 1);
  assert_int_equal(
      nats_conns_describe(&sim->core.nats, sim->workers, keys.keys, 1, certificates, note, &told), 0);
  free(keys.keys);
  return told;
}

static void info_then_tls(void **state) {
  (void)state;
  struct sim sim;
  struct sim_client c[1];
  struct secured s;
  start_with(&sim, 2, (struct tls_settings){.verify = false});
  come(&sim, &c[0], 1);
  const char *info = info_of(&c[0]);
  assert_non_null(strstr(info, "\"tls_required\":true"));
  assert_null(strstr(info, "tls_verify"));
  session_begin(&s, &c[0]);
  ticks(&sim, 2);
  assert_int_equal(SUM(&sim, tls_pending), 0); /* it has said nothing */
  assert_true(shake_hands(&s));
  converse(&s, true);
  const struct told told = told_of(&sim, true);
  assert_false(told.first);
  assert_int_equal(told.certificates, 0);
  assert_int_equal(SUM(&sim, tls_handshakes), 1);
  assert_int_equal(SUM(&sim, tls_resumed), 0);
  assert_int_equal(SUM(&sim, tls_failed), 0);
  assert_int_equal(SUM(&sim, tls_pending), 0);
  assert_int_equal(SUM(&sim, tls_12) + SUM(&sim, tls_13), 1);
  session_end(&s);
  sim_hang_up(&c[0]);
  ticks(&sim, 20);
  assert_int_equal(SUM(&sim, tls_12) + SUM(&sim, tls_13), 0);
  assert_int_equal(SUM(&sim, tls_handshakes), 1);
  end(&sim, c, 1);
}

static void tls_then_info(void **state) {
  (void)state;
  struct sim sim;
  struct sim_client c[2];
  struct secured s;
  start_with(&sim, 1, (struct tls_settings){.first = true});
  come(&sim, &c[0], 0);
  expect_silence(&c[0]);
  session_begin(&s, &c[0]);
  assert_true(shake_hands(&s));
  converse(&s, false);
  assert_true(told_of(&sim, false).first);
  session_end(&s);
  come(&sim, &c[1], 0);
  sim_say(&c[1], "CONNECT {}\r\nPING\r\n");
  expect_end(&c[1]); /* without a word */
  end(&sim, c, 2);
}

static void what_peers_show_is_told_if_asked_for(void **state) {
  (void)state;
  const struct tern_tls_pair pair = {certs_path("server.pem"), certs_path("server.key")};
  const struct tern_tls_options options = {
      .server = true, .pairs = &pair, .pair_count = 1, .verify = true, .ca_file = certs_path("ca.pem")};
  struct tern_tls *lenient = server_tls;
  char error[256];
  if (tern_tls_new(&options, &server_tls, error, sizeof error) != 0) fail_msg("%s", error);
  struct sim sim;
  struct sim_client c[1];
  struct secured s;
  start_with(&sim, 1, (struct tls_settings){.verify = true});
  come(&sim, &c[0], 0);
  info_of(&c[0]);
  session_begin(&s, &c[0]);
  assert_true(shake_hands(&s));
  converse(&s, true);
  assert_int_equal(told_of(&sim, false).certificates, 0);
  const struct told told = told_of(&sim, true);
  assert_int_equal(told.certificates, 2); /* its issuer's, too */
  assert_string_equal(told.subject, "CN=alice,O=Example");
  assert_int_equal(strlen(told.key), 64);
  session_end(&s);
  end(&sim, c, 1);
  tern_tls_unref(server_tls);
  server_tls = lenient;
}

static void auto_waits_and_then_tells(void **state) {
  (void)state;
  struct sim sim;
  struct sim_client c[3];
  struct secured s;
  start_with(&sim, 1, (struct tls_settings){.first = true, .first_wait_ms = 50});
  come(&sim, &c[0], 0);
  come(&sim, &c[1], 0);
  come(&sim, &c[2], 0);
  session_begin(&s, &c[0]);
  assert_true(shake_hands(&s)); /* at once */
  converse(&s, false);
  session_end(&s);
  later(&sim, 40);
  expect_silence(&c[1]);
  later(&sim, 30);
  info_of(&c[1]);
  session_begin(&s, &c[1]);
  assert_true(shake_hands(&s));
  converse(&s, true);
  session_end(&s);
  info_of(&c[2]);
  later(&sim, 1900);
  assert_false(c[2].lost);
  later(&sim, 60); /* the time for the handshake counts from the beginning */
  expect_end(&c[2]);
  end(&sim, c, 3);
}

static void the_time_for_the_handshake_is_bounded(void **state) {
  (void)state;
  struct sim sim;
  struct sim_client c[2];
  start_with(&sim, 1, (struct tls_settings){.timeout_ms = 1000});
  for (unsigned i = 0; i < 2; i++) {
    come(&sim, &c[i], 0);
    info_of(&c[i]);
  }
  sim_send(&c[1], "\x16\x03\x01\x02\x00\x01", 6); /* the beginning of a hello */
  later(&sim, 990);
  expect_silence(&c[0]);
  expect_silence(&c[1]);
  assert_int_equal(SUM(&sim, tls_pending), 1);
  later(&sim, 30);
  expect_end(&c[0]);
  later(&sim, 1100); /* TLS has its last words */
  expect_end(&c[1]);
  assert_int_equal(SUM(&sim, tls_failed), 2); /* who said nothing, and who did not go on */
  assert_int_equal(SUM(&sim, tls_pending), 0);
  end(&sim, c, 2);
}

static void what_is_not_tls_ends_it(void **state) {
  (void)state;
  struct sim sim;
  struct sim_client c[2];
  start_with(&sim, 1, (struct tls_settings){.verify = false});
  for (unsigned i = 0; i < 2; i++) {
    come(&sim, &c[i], 0);
    info_of(&c[i]);
  }
  sim_say(&c[0], "CONNECT {}\r\nPING\r\n");
  expect_end(&c[0]);
  sim_send(&c[1], "\x16garbage", 8);
  later(&sim, 10);
  later(&sim, 1100);
  for (unsigned n = 0; n < TICKS_MAX && !c[1].lost; n++) {
    ticks(&sim, 1);
    sim_pull(&c[1]); /* an alert */
  }
  assert_true(c[1].lost);
  assert_null(strstr(unread(&c[1]), "INFO"));
  assert_int_equal(SUM(&sim, tls_failed), 2);
  assert_int_equal(SUM(&sim, tls_handshakes), 0);
  end(&sim, c, 2);
}

static void both_where_both_are_allowed(void **state) {
  (void)state;
  struct sim sim;
  struct sim_client c[3];
  struct secured s;
  start_with(&sim, 1, (struct tls_settings){.allow_plain = true, .verify = true});
  for (unsigned i = 0; i < 2; i++)
    come(&sim, &c[i], 0);
  assert_int_equal(sim_connect(&sim, &c[2], 0, NULL), 0);
  const char *info = info_of(&c[0]);
  assert_non_null(strstr(info, "\"tls_available\":true,\"tls_verify\":true"));
  assert_null(strstr(info, "tls_required"));
  say_and_sync(&c[0], "CONNECT {" QUIET "}\r\n");
  later(&sim, 60000); /* nothing is late */
  expect(&c[0], "PING\r\n");
  say_and_sync(&c[0], "");
  info_of(&c[1]);
  later(&sim, 60000);
  session_begin(&s, &c[1]);
  assert_true(shake_hands(&s));
  converse(&s, true);
  session_end(&s);
  info = info_of(&c[2]); /* a Unix-domain socket: nobody is in between */
  assert_null(strstr(info, "tls_"));
  say_and_sync(&c[2], "CONNECT {" QUIET "}\r\n");
  end(&sim, c, 3);
}

static void an_opening_goes_by_the_settings_it_began_with(void **state) {
  (void)state;
  struct sim sim;
  struct sim_client c[4];
  struct secured s;
  start_with(&sim, 1, (struct tls_settings){.verify = false});
  come(&sim, &c[0], 0);
  info_of(&c[0]);
  drop_tls(&sim);
  come(&sim, &c[1], 0);
  assert_null(strstr(info_of(&c[1]), "tls_"));
  say_and_sync(&c[1], "CONNECT {" QUIET "}\r\n");
  session_begin(&s, &c[0]);
  assert_true(shake_hands(&s));
  converse(&s, true);
  session_end(&s);
  end(&sim, c, 2);
  start_with(&sim, 1, (struct tls_settings){.first = true, .first_wait_ms = 50});
  come(&sim, &c[2], 0);
  drop_tls(&sim);
  later(&sim, 80);
  assert_null(strstr(info_of(&c[2]), "tls_")); /* what it says holds */
  say_and_sync(&c[2], "CONNECT {" QUIET "}\r\n");
  end(&sim, &c[2], 1);
}

static void so_many_in_a_second(void **state) {
  (void)state;
  struct sim sim;
  struct sim_client c[5];
  start_with(&sim, 2, (struct tls_settings){.rate = 2});
  for (unsigned i = 0; i < 4; i++) {
    come(&sim, &c[i], i % 2);
    info_of(&c[i]);
  }
  for (unsigned i = 0; i < 2; i++)
    expect_silence(&c[i]);
  for (unsigned i = 2; i < 4; i++) {
    expect(&c[i], "-ERR 'Connection throttling is active. Please try again later.'\r\n");
    expect_end(&c[i]);
  }
  assert_int_equal(SUM(&sim, tls_throttled), 2);
  later(&sim, 1000);
  come(&sim, &c[4], 0);
  info_of(&c[4]);
  expect_silence(&c[4]);
  end(&sim, c, 5);
}

/* All say hello in the same tick; some wait, everybody is served, one leaves while it waits. */
/* B1: neither who has begun nor who waits to begin keeps the buffer its hello was read into. */
static void a_hello_holds_no_read_buffer(void **state) {
  (void)state;
  struct sim sim;
  struct sim_client c[CROWD];
  static struct secured s[CROWD];
  start_with(&sim, 1, (struct tls_settings){.first = true});
  for (unsigned i = 0; i < CROWD; i++) {
    come(&sim, &c[i], 0);
    session_begin(&s[i], &c[i]);
  }
  ticks(&sim, 2);
  struct nats_worker *worker = sim.core.nats.workers[0];
  tern__sim_enter(tern_workers_at(sim.workers, 0));
  struct nats_client *client = worker->clients; /* the one that came last */
  for (unsigned i = CROWD; i-- > 0; client = client->next) {
    struct tern_buf *buf = tern_buf_new(tern_loop_pool(worker->loop), TERN_READ_BYTES);
    assert_non_null(buf);
    memcpy(tern_buf_data(buf), s[i].out, s[i].out_len);
    client->protocol.ops->data_received(
        &client->protocol,
        &(struct tern_chunk){.data = tern_buf_data(buf), .len = s[i].out_len, .owner = buf});
    s[i].out_len = 0;
    assert_false(tern_buf_is_shared(buf));
    tern_buf_unref(buf);
  }
  assert_non_null(worker->openings);
  tern__sim_enter(NULL);
  for (unsigned i = 0; i < CROWD; i++) {
    assert_true(shake_hands(&s[i]));
    session_end(&s[i]);
  }
  end(&sim, c, CROWD);
}

static void a_crowd_is_taken_a_few_at_a_time(void **state) {
  (void)state;
  struct sim sim;
  struct sim_client c[CROWD];
  static struct secured s[CROWD];
  start_with(&sim, 1, (struct tls_settings){.first = true});
  for (unsigned i = 0; i < CROWD; i++) {
    come(&sim, &c[i], 0);
    session_begin(&s[i], &c[i]);
  }
  ticks(&sim, 2);
  for (unsigned i = 0; i < CROWD; i++)
    session_send(&s[i], ROOM);
  unsigned waited = 0, answered = 0;
  for (unsigned n = 0; n < TICKS_MAX && answered < CROWD; n++) {
    tick(&sim, 0);
    waited += sim.core.nats.workers[0]->openings != NULL;
    answered = 0;
    for (unsigned i = 0; i < CROWD; i++)
      answered += c[i].in_len > 0;
    if (n == 0) assert_true(answered < CROWD);
  }
  assert_int_equal(answered, CROWD);
  assert_int_equal(SUM(&sim, tls_pending), CROWD);
  assert_true(waited >= (CROWD - 2) / 2 - 1);
  for (unsigned i = 0; i < CROWD; i++) {
    assert_true(shake_hands(&s[i]));
    converse(&s[i], false);
    session_end(&s[i]);
  }
  end(&sim, c, CROWD);
}

/* Whoever waits for its turn is not read, whatever else stops and goes on. */
static void who_waits_is_not_read(void **state) {
  (void)state;
  struct sim sim;
  struct sim_client c[CROWD];
  static struct secured s[CROWD];
  start_with(&sim, 1, (struct tls_settings){.first = true});
  for (unsigned i = 0; i < CROWD; i++) {
    come(&sim, &c[i], 0);
    session_begin(&s[i], &c[i]);
  }
  ticks(&sim, 2);
  for (unsigned i = 0; i < CROWD; i++) {
    sim_send(&c[i], s[i].out, 10);
    memmove(s[i].out, s[i].out + 10, s[i].out_len -= 10);
  }
  for (unsigned n = 0; n < TICKS_MAX && sim.core.nats.workers[0]->openings == NULL; n++)
    tick(&sim, 0);
  assert_non_null(sim.core.nats.workers[0]->openings);
  core_shed_memory(&sim.core, sim.workers, false, false, true);
  core_shed_memory(&sim.core, sim.workers, false, false, false);
  for (unsigned i = 0; i < CROWD; i++)
    session_send(&s[i], ROOM);
  for (unsigned i = 0; i < CROWD; i++) {
    assert_true(shake_hands(&s[i]));
    converse(&s[i], false);
    session_end(&s[i]);
  }
  end(&sim, c, CROWD);
}

/* Ends with openings in every state: waiting for bytes, in the queue, in the middle. */
static void a_server_may_stop_meanwhile(void **state) {
  (void)state;
  struct sim sim;
  struct sim_client c[CROWD];
  static struct secured s[CROWD];
  start_with(&sim, 1, (struct tls_settings){.first = true});
  for (unsigned i = 0; i < CROWD; i++) {
    come(&sim, &c[i], 0);
    session_begin(&s[i], &c[i]);
  }
  ticks(&sim, 2);
  for (unsigned i = 1; i < CROWD; i++)
    session_send(&s[i], ROOM);
  for (unsigned n = 0; n < TICKS_MAX && sim.core.nats.workers[0]->openings == NULL; n++)
    tick(&sim, 0);
  assert_non_null(sim.core.nats.workers[0]->openings);
  assert_true(core_close_clients(&sim.core, sim.workers, 2, NULL) == 2); /* some of them by order */
  tick(&sim, 0);
  end(&sim, c, CROWD); /* aborts on a leak */
  for (unsigned i = 0; i < CROWD; i++)
    session_end(&s[i]);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(info_then_tls),
      cmocka_unit_test(tls_then_info),
      cmocka_unit_test(what_peers_show_is_told_if_asked_for),
      cmocka_unit_test(auto_waits_and_then_tells),
      cmocka_unit_test(the_time_for_the_handshake_is_bounded),
      cmocka_unit_test(what_is_not_tls_ends_it),
      cmocka_unit_test(both_where_both_are_allowed),
      cmocka_unit_test(an_opening_goes_by_the_settings_it_began_with),
      cmocka_unit_test(so_many_in_a_second),
      cmocka_unit_test(a_hello_holds_no_read_buffer),
      cmocka_unit_test(a_crowd_is_taken_a_few_at_a_time),
      cmocka_unit_test(who_waits_is_not_read),
      cmocka_unit_test(a_server_may_stop_meanwhile),
  };
  char error[256];
  certs_make();
  const struct tern_tls_pair pair = {certs_path("server.pem"), certs_path("server.key")};
  const struct tern_tls_options server = {.server = true, .pairs = &pair, .pair_count = 1};
  const struct tern_tls_pair own = {certs_path("chain.pem"), certs_path("chain.key")};
  const struct tern_tls_options client = {.ca_file = certs_path("ca.pem"), .pairs = &own, .pair_count = 1};
  if (tern_tls_new(&server, &server_tls, error, sizeof error) != 0 ||
      tern_tls_new(&client, &client_tls, error, sizeof error) != 0) {
    fprintf(stderr, "%s\n", error);
    return 1;
  }
  int failed = cmocka_run_group_tests_name("nats/secure", tests, NULL, NULL);
  tern_tls_unref(server_tls);
  tern_tls_unref(client_tls);
  return failed;
}
