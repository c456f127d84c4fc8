/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The protocol object of a client connection: what each fault of the input means to it, how it ends, who is told what
 * at the end, and how a worker finds its clients again. Its bounds are in limits.c.
 */
#include "fixture.h"

#include <tern/error.h>

#include "pool.h"

static struct nats_worker *worker_of(struct sim *sim, unsigned worker) {
  return sim->core.nats.workers[worker];
}

/* ---- faults of the input ---- */

static void what_cannot_be_parsed_ends_the_connection(void **state) {
  (void)state;
  static const struct {
    const char *say, *answer; /* empty: the connection ends without a word */
  } cases[] = {
      {"NONSENSE\r\n", "-ERR 'Unknown Protocol Operation'\r\n"},
      {"SUB\r\n", "-ERR 'Unknown Protocol Operation'\r\n"},
      {"SUB a b c d\r\n", ""},
      {"PUB a -1\r\n", ""},
      {"PUB a 65\r\n", "-ERR 'Maximum Payload Violation'\r\n"},
      {"HPUB a 12 12\r\n", ""}, /* without headers:true */
      {"PUB aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa 1\r\n",
       "-ERR 'maximum control line exceeded'\r\n"},
  };
  struct nats_limits limits = sim_limits();
  limits.max_payload = 64;
  limits.max_control_line = 64;
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    struct sim sim;
    struct sim_client c[2];
    start(&sim, 1, &limits);
    join(&sim, &c[0], 0, QUIET);
    join(&sim, &c[1], 0, QUIET);
    say_and_sync(&c[1], "SUB after 1\r\n");
    sim_say(&c[0], cases[i].say);
    sim_say(&c[0], "PUB after 1\r\nx\r\nPING\r\n"); /* comes too late */
    expect(&c[0], cases[i].answer);
    expect_end(&c[0]);
    expect_silence(&c[1]);
    assert_int_equal(SUM(&sim, protocol_errors), 1);
    assert_int_equal(SUM(&sim, connections), 1);
    end(&sim, c, 2);
  }
}

static int no_memory(size_t size) {
  (void)size;
  return 1;
}

/* Half an operation has to be kept; when that is not possible, going on would be wrong. */
static void input_that_cannot_be_kept_ends_the_connection(void **state) {
  (void)state;
  struct sim sim;
  struct sim_client c;
  start(&sim, 1, NULL);
  join(&sim, &c, 0, QUIET);
  struct nats_client *client = worker_of(&sim, 0)->clients;
  const char half[] = "PUB a.subject.that.goes.on";
  tern__sim_enter(tern_workers_at(sim.workers, 0));
  struct tern_buf *buf = tern_buf_new(tern_loop_pool(client->worker->loop), sizeof half);
  assert_non_null(buf);
  memcpy(tern_buf_data(buf), half, sizeof half);
  tern__pool_fault = no_memory;
  client->protocol.ops->data_received(
      &client->protocol,
      &(struct tern_chunk){.data = tern_buf_data(buf), .len = sizeof half - 1, .owner = buf});
  tern__pool_fault = NULL;
  tern_buf_unref(buf);
  tern__sim_enter(NULL);
  assert_int_equal(client->flow, NATS_ENDED);
  expect_end(&c);
  end(&sim, &c, 1);
}

/* ---- errors and ends ---- */

static void a_long_error_is_sent_whole(void **state) {
  (void)state;
  struct sim sim;
  struct sim_client c;
  static char name[2001], expected[2100];
  start(&sim, 1, NULL);
  join(&sim, &c, 0, QUIET);
  const size_t lengths[] = {1, 470, 505, 511, 512, 513, 2000}; /* around the room on the stack, too */
  for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
    memset(name, 'n', lengths[i]);
    name[lengths[i]] = '\0';
    tern__sim_enter(tern_workers_at(sim.workers, 0));
    nats_client_error(worker_of(&sim, 0)->clients, false, "%s", name);
    tern__sim_enter(NULL);
    snprintf(expected, sizeof expected, "-ERR '%s'\r\n", name);
    expect(&c, expected);
  }
  say_and_sync(&c, ""); /* the connection stays */
  end(&sim, &c, 1);
}

static void the_first_end_counts(void **state) {
  (void)state;
  struct sim sim;
  struct sim_client c;
  start(&sim, 1, NULL);
  join(&sim, &c, 0, QUIET);
  struct nats_client *client = worker_of(&sim, 0)->clients;
  tern__sim_enter(tern_workers_at(sim.workers, 0));
  nats_client_error(client, true, "enough");
  nats_client_end(client);
  nats_client_slow(client, "anything"); /* too late to be cut off: what is queued still leaves */
  tern__sim_enter(NULL);
  assert_int_equal(SUM(&sim, slow_consumers), 0);
  expect(&c, "-ERR 'enough'\r\n");
  expect_end(&c);
  end(&sim, &c, 1);
}

/* With TLS a transport may pause and resume while what was written before the end is on its way. */
static void the_last_output_has_a_deadline(void **state) {
  (void)state;
  struct sim sim;
  struct sim_client c;
  start(&sim, 1, NULL);
  join(&sim, &c, 0, QUIET);
  struct nats_client *client = worker_of(&sim, 0)->clients;
  tern__sim_enter(tern_workers_at(sim.workers, 0));
  nats_client_end(client);
  client->protocol.ops->pause_writing(&client->protocol);
  client->protocol.ops->resume_writing(&client->protocol);
  assert_true(tern_timer_is_started(&client->write_deadline));
  tern__sim_enter(NULL);
  expect_end(&c);
  end(&sim, &c, 1);
}

static void who_is_slow_is_counted_once(void **state) {
  (void)state;
  struct sim sim;
  struct sim_client c;
  start(&sim, 1, NULL);
  join(&sim, &c, 0, QUIET);
  struct nats_client *client = worker_of(&sim, 0)->clients;
  tern__sim_enter(tern_workers_at(sim.workers, 0));
  nats_client_slow(client, "anything");
  nats_client_slow(client, "anything");
  tern__sim_enter(NULL);
  assert_int_equal(SUM(&sim, slow_consumers), 1);
  expect_end(&c);
  end(&sim, &c, 1);
}

/* The end of the client's stream: all it has said before is carried out, and answered. */
static void what_was_said_before_the_end_is_done(void **state) {
  (void)state;
  struct sim sim;
  struct sim_client c[2];
  start(&sim, 1, NULL);
  join(&sim, &c[0], 0, QUIET);
  join(&sim, &c[1], 0, QUIET);
  say_and_sync(&c[1], "SUB a 1\r\n");
  sim_say(&c[0], "PUB a 4\r\nlast\r\nPUB a 4\r\nha");
  sim_hang_up(&c[0]);
  expect(&c[1], "MSG a 1 4\r\nlast\r\n");
  expect_silence(&c[1]); /* half a message is none */
  assert_int_equal(SUM(&sim, connections), 1);
  end(&sim, c, 2);
}

static void lines_of_the_log_tell_address_and_number(void **state) {
  (void)state;
  struct sim sim;
  struct sim_client c;
  const struct tern_mem_faults none = {0};
  start(&sim, 1, NULL);
  assert_int_equal(sim_connect(&sim, &c, 0, &none), 0);
  struct nats_client *client = worker_of(&sim, 0)->clients;
  const struct tern_peer *peer = tern_transport_peer(client->transport);
  struct tern_log_about about = nats_client_about(client, "event");
  assert_string_equal(about.event, "event");
  assert_string_equal(about.ip, peer->address);
  assert_int_equal(about.port, peer->port);
  assert_int_equal(about.cid, client->id);
  end(&sim, &c, 1);
}

/* ---- making ---- */

static void without_memory_a_connection_is_refused(void **state) {
  (void)state;
  struct sim sim;
  struct sim_client c;
  start(&sim, 1, NULL);
  tern__sim_enter(tern_workers_at(sim.workers, 0));
  tern__pool_fault = no_memory;
  assert_null(nats_factory(&sim.core.nats, tern_worker_loop(tern_workers_at(sim.workers, 0))));
  tern__pool_fault = NULL;
  tern__sim_enter(NULL);
  assert_int_equal(SUM(&sim, connections), 0);
  assert_int_equal(SUM(&sim, total_connections), 0);
  assert_int_equal(atomic_load(&sim.core.nats.connections), 0); /* one thread */
  join(&sim, &c, 0, QUIET);
  end(&sim, &c, 1);
}

/* More clients than the table of ids has buckets at first; each is found for what comes back late. */
static void clients_are_found_by_their_number(void **state) {
  (void)state;
  enum { MANY = 60 };
  struct sim sim;
  static struct sim_client c[MANY];
  uint64_t ids[MANY];
  start(&sim, 1, NULL);
  for (unsigned i = 0; i < MANY; i++) {
    join(&sim, &c[i], 0, REQUESTS);
    ids[i] = worker_of(&sim, 0)->clients->id; /* the youngest is first */
    say_and_sync(&c[i], "SUB in 9\r\n");
  }
  assert_true(worker_of(&sim, 0)->by_id_size >= MANY);
  for (unsigned i = 0; i < MANY; i += 2)
    sim_hang_up(&c[i]);
  sim_settle(&sim);
  assert_int_equal(worker_of(&sim, 0)->client_count, MANY / 2);
  for (unsigned i = 0; i < MANY; i++) {
    tern__sim_enter(tern_workers_at(sim.workers, 0));
    nats_untaken(worker_of(&sim, 0), ids[i], tern_slice_of("service"), tern_slice_of("in"));
    tern__sim_enter(NULL);
    if (i % 2 == 0) continue; /* it is gone; nobody else may get it */
    expect(&c[i], "HMSG in 9 39 39\r\nNATS/1.0 503\r\nNats-Subject: service\r\n\r\n\r\n");
  }
  for (unsigned i = 1; i < MANY; i += 2)
    say_and_sync(&c[i], "");
  end(&sim, c, MANY);
}

static void a_worker_is_quiet_when_nothing_is_kept(void **state) {
  (void)state;
  struct sim sim;
  struct sim_client c;
  start(&sim, 1, NULL);
  assert_true(nats_worker_is_quiet(worker_of(&sim, 0)));
  join(&sim, &c, 0, QUIET);
  assert_true(nats_worker_is_quiet(worker_of(&sim, 0)));
  struct nats_client *client = worker_of(&sim, 0)->clients;
  client->flow = NATS_PAUSED;
  assert_false(nats_worker_is_quiet(worker_of(&sim, 0)));
  client->flow = NATS_OPEN;
  tern__sim_enter(tern_workers_at(sim.workers, 0));
  nats_worker_stop(worker_of(&sim, 0));
  tern__sim_enter(NULL);
  sim_say(&c, "PING\r\n");
  expect_silence(&c); /* nothing is read any more */
  end(&sim, &c, 1);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_cannot_be_parsed_ends_the_connection),
      cmocka_unit_test(input_that_cannot_be_kept_ends_the_connection),
      cmocka_unit_test(a_long_error_is_sent_whole),
      cmocka_unit_test(the_first_end_counts),
      cmocka_unit_test(the_last_output_has_a_deadline),
      cmocka_unit_test(who_is_slow_is_counted_once),
      cmocka_unit_test(what_was_said_before_the_end_is_done),
      cmocka_unit_test(lines_of_the_log_tell_address_and_number),
      cmocka_unit_test(without_memory_a_connection_is_refused),
      cmocka_unit_test(clients_are_found_by_their_number),
      cmocka_unit_test(a_worker_is_quiet_when_nothing_is_kept),
  };
  return cmocka_run_group_tests_name("nats_client", tests, NULL, NULL);
}
