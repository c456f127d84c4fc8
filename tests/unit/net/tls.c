/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS transports: the battery over TCP and over the in-memory pair, whole and in pieces; and what only TLS has.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <tern/error.h>
#include <tern/tls.h>

#include "certs.h"
#include "tls_ends.h"
#include "transport.h"

static struct tern_tls *new_context(const struct tern_tls_options *options) {
  struct tern_tls *tls;
  char error[500] = "";
  if (tern_tls_new(options, &tls, error, sizeof error) != 0) fail_msg("%s", error);
  return tls;
}

static struct tern_tls *new_server(void) {
  struct tern_tls_pair pair = {certs_path("server.pem"), certs_path("server.key")};
  return new_context(&(struct tern_tls_options){.server = true, .pairs = &pair, .pair_count = 1});
}

static struct tern_tls *new_client(void) {
  return new_context(&(struct tern_tls_options){.ca_file = certs_path("ca.pem")});
}

/* ---- a connection, both ends in view ---- */

struct end {
  struct tern_protocol base;
  struct tern_tls *context;
  const char *server_name;
  const char *clear; /* said before TLS */
  struct tern_transport *t;
  bool peeks; /* begins when a handshake comes in */
  int secured, lost, error;
  char got[4000];
  size_t len;
  unsigned handshake_ms;
};

static struct tern_loop *loop;
static struct end client, server;

static void start(struct end *end, const struct tern_chunk *first) {
  struct tern_tls_start how = {
      .server_name = end->server_name, .first = first, .handshake_ms = end->handshake_ms};
  assert_int_equal(tern_tls_start(end->t, &end->base, end->context, &how, &end->t), 0);
}

static void made(struct tern_protocol *protocol, struct tern_transport *t) {
  struct end *end = (struct end *)protocol;
  end->t = t;
  if (end->clear != NULL) assert_int_equal(tern_transport_write(t, end->clear, strlen(end->clear)), 0);
  if (end->context != NULL && !end->peeks) start(end, NULL);
}

static void data(struct tern_protocol *protocol, const struct tern_chunk *chunk) {
  struct end *end = (struct end *)protocol;
  if (end->peeks && chunk->data[0] == 0x16) {
    end->peeks = false;
    start(end, chunk);
    return;
  }
  assert_true(end->len + chunk->len < sizeof end->got);
  memcpy(end->got + end->len, chunk->data, chunk->len);
  end->len += chunk->len;
}

static void lost(struct tern_protocol *protocol, int error) {
  struct end *end = (struct end *)protocol;
  end->lost++;
  end->error = error;
}

static void secured(struct tern_protocol *protocol) {
  struct end *end = (struct end *)protocol;
  assert_int_equal(end->lost, 0);
  end->secured++;
}

static const struct tern_protocol_ops end_ops = {
    .connection_made = made, .data_received = data, .connection_lost = lost, .secured = secured};

static void ticks(void) {
  for (int i = 0; i < 100; i++)
    tern_loop_tick(loop, 0);
}

static int set_up(void **state) {
  (void)state;
  client = (struct end){.base.ops = &end_ops, .server_name = "localhost"};
  server = (struct end){.base.ops = &end_ops};
  return tern_loop_new(&loop);
}

static int tear_down(void **state) {
  (void)state;
  if (client.lost == 0) tern_transport_abort(client.t, -EIO);
  if (server.lost == 0) tern_transport_abort(server.t, -EIO);
  ticks();
  assert_int_equal(tern_loop_transports(loop), 0);
  tern_loop_free(loop);
  tern_tls_unref(client.context);
  tern_tls_unref(server.context);
  return 0;
}

static void connect_ends(const struct tern_mem_faults *faults) {
  assert_int_equal(tern_mem_pair(loop, &client.base, &server.base, faults, faults), 0);
  ticks();
}

static void default_contexts(void) {
  client.context = new_client();
  server.context = new_server();
}

/* ---- beginning ---- */

static void clear_first(void **state) {
  (void)state;
  default_contexts();
  server.clear = "INFO {}";
  client.peeks = true; /* and the client waits for that */
  assert_int_equal(tern_mem_pair(loop, &client.base, &server.base, NULL, NULL), 0);
  ticks();
  assert_string_equal(client.got, "INFO {}");
  assert_int_equal(client.secured + server.secured, 0);
  start(&client, NULL);
  assert_int_equal(tern_transport_write(client.t, "CONNECT", 7), 0); /* waits for the handshake */
  assert_int_equal(tern_transport_pending(server.t), 0);
  ticks();
  assert_int_equal(client.secured, 1);
  assert_int_equal(server.secured, 1);
  assert_string_equal(server.got, "CONNECT");
  assert_string_equal(tern_transport_peer(server.t)->kind, "mem");
}

static void peeking(void **state) {
  (void)state;
  default_contexts();
  server.peeks = true;
  connect_ends(NULL);
  assert_int_equal(server.secured, 1);
  assert_int_equal(tern_transport_write(client.t, "hello", 5), 0);
  ticks();
  assert_string_equal(server.got, "hello");
}

static void not_open_any_more(void **state) {
  (void)state;
  default_contexts();
  struct tern_tls *context = client.context;
  client.context = NULL;
  connect_ends(NULL);
  tern_transport_close(client.t);
  struct tern_transport *t = client.t;
  struct tern_tls_start how = {0};
  assert_int_equal(tern_tls_start(t, &client.base, context, &how, &client.t), TERN_ECLOSED);
  assert_ptr_equal(client.t, t);
  client.context = context;
  ticks();
}

static void what_was_agreed_on(void **state) {
  (void)state;
  struct tern_tls_info info;
  default_contexts();
  assert_int_equal(tern_mem_pair(loop, &client.base, &server.base, NULL, NULL), 0);
  assert_false(tern_tls_info(client.t, &info));
  ticks();
  assert_true(tern_tls_info(client.t, &info));
  assert_string_equal(info.version, "1.3");
  assert_memory_equal(info.cipher, "TLS_", 4);
  assert_false(info.resumed);
  assert_true(tern_tls_info(server.t, &info));
}

/* ---- handshakes that fail ---- */

static void failed(const struct end *end) {
  assert_int_equal(end->secured, 0);
  assert_int_equal(end->lost, 1);
  assert_int_equal(end->error, TERN_ETLS);
}

static void a_stranger(void **state) {
  (void)state;
  struct tern_tls_pair pair = {certs_path("stranger.pem"), certs_path("stranger.key")};
  client.context = new_client();
  server.context = new_context(&(struct tern_tls_options){.server = true, .pairs = &pair, .pair_count = 1});
  connect_ends(NULL);
  failed(&client);
  failed(&server); /* by the alert, which has reached it */
}

static void another_name(void **state) {
  (void)state;
  default_contexts();
  client.server_name = "other.example.com";
  connect_ends(NULL);
  failed(&client);
}

static void garbage(void **state) {
  (void)state;
  server.context = new_server();
  client.clear = "CONNECT {}\r\nPING\r\n";
  connect_ends(NULL);
  failed(&server);
}

static void half_a_handshake(void **state) {
  (void)state;
  server.context = new_server();
  client.clear = "\x16\x03\x01\x02";
  connect_ends(NULL);
  assert_int_equal(server.lost, 0);
  tern_transport_close(client.t);
  ticks();
  failed(&server);
}

static void too_slow(void **state) {
  (void)state;
  server.context = new_server();
  server.handshake_ms = 1;
  assert_int_equal(tern_mem_pair(loop, &client.base, &server.base, NULL, NULL), 0);
  for (int i = 0; i < 1000 && server.lost == 0; i++)
    tern_loop_tick(loop, 10);
  failed(&server);
}

/* ---- the end ---- */

static void cut_short(void **state) {
  (void)state;
  default_contexts();
  connect_ends(NULL);
  tern_transport_close(client.t->below); /* no close_notify */
  ticks();
  assert_int_equal(server.error, TERN_ETLS);
}

static void closed_before_it_was_secured(void **state) {
  (void)state;
  default_contexts();
  assert_int_equal(tern_mem_pair(loop, &client.base, &server.base, NULL, NULL), 0);
  assert_int_equal(tern_transport_write(server.t, "-ERR", 4), 0);
  tern_transport_close(server.t);
  ticks();
  assert_string_equal(client.got, "-ERR");
  assert_int_equal(client.error, 0);
  assert_int_equal(server.error, 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

static const struct CMUnitTest own[] = {
    TEST(clear_first),
    TEST(peeking),
    TEST(not_open_any_more),
    TEST(what_was_agreed_on),
    TEST(a_stranger),
    TEST(another_name),
    TEST(garbage),
    TEST(half_a_handshake),
    TEST(too_slow),
    TEST(cut_short),
    TEST(closed_before_it_was_secured),
};

int main(void) {
  const struct tern_mem_faults bytes = {.read_max = 1, .write_max = 700, .eagain_every = 3};
  const struct tern_mem_faults small = {.capacity = 20000, .delay_ticks = 2};
  const struct battery_kind tcp = {.connect = battery_connect_tcp};
  const struct battery_kind mem = {.connect = battery_connect_mem};
  const struct battery_kind mem_bytes = {.connect = battery_connect_mem, .faults = &bytes};
  const struct battery_kind mem_small = {.connect = battery_connect_mem, .faults = &small};
  certs_make();
  struct tls_kind kinds[] = {
      {.base = {.name = "tls over tcp", .peer_kind = "tcp", .volume = 4 << 20, .bounded = true},
       .below = &tcp},
      {.base = {.name = "tls over mem", .peer_kind = "mem", .volume = 1 << 20}, .below = &mem},
      {.base = {.name = "tls over mem, byte by byte", .peer_kind = "mem", .volume = 20000},
       .below = &mem_bytes},
      {.base = {.name = "tls over mem, full", .peer_kind = "mem", .volume = 200000, .bounded = true},
       .below = &mem_small},
  };
  int failures = cmocka_run_group_tests_name("tls alone", own, NULL, NULL);
  for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
    kinds[i].base.connect = tls_ends_connect;
    kinds[i].client = new_client();
    kinds[i].server = new_server();
    failures += battery_run(&kinds[i].base);
    tern_tls_unref(kinds[i].client);
    tern_tls_unref(kinds[i].server);
  }
  return failures;
}
