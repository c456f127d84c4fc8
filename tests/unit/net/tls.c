/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS transports: the battery over TCP and over the in-memory pair, whole and in pieces, and with helpers; and what only
 * TLS has. Where it matters when a helper is at something, it is held up by an errand of the test's own (`gate`).
 */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
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
#include "errand.h"
#include "tls_ends.h"
#include "transport.h"
#include "watch.h"

#define REFUSE_REALLOC
#include "refuse_memory.h"

static struct tls_talk talk;

/* Keeps the one helper busy until it is opened. */
static struct gate {
  struct tern__errand errand;
  sem_t open, there;
} gate;

static int set_up(void **state) {
  (void)state;
  tls_talk_open(&talk);
  gate = (struct gate){.errand.work = NULL};
  return sem_init(&gate.open, 0, 0) + sem_init(&gate.there, 0, 0);
}

static void open_gate(void) { assert_int_equal(sem_post(&gate.open), 0); }

static int tear_down(void **state) {
  (void)state;
  open_gate(); /* for a test that has failed before it did */
  tls_talk_close(&talk);
  return 0;
}

static void default_contexts(void) {
  talk.client.context = tls_client();
  talk.server.context = tls_server("server");
}

/* ---- beginning ---- */

static void clear_first(void **state) {
  (void)state;
  default_contexts();
  talk.server.clear = "INFO {}";
  talk.client.peeks = true; /* and the client waits for that */
  assert_int_equal(tern_mem_pair(talk.loop, &talk.client.base, &talk.server.base, NULL, NULL), 0);
  tls_talk_ticks(&talk);
  assert_string_equal(talk.client.got, "INFO {}");
  assert_int_equal(talk.client.secured + talk.server.secured, 0);
  tls_end_start(&talk.client, NULL);
  assert_int_equal(tern_transport_write(talk.client.t, "CONNECT", 7), 0); /* waits for the handshake */
  assert_int_equal(tern_transport_pending(talk.server.t), 0);
  tls_talk_ticks(&talk);
  assert_int_equal(talk.client.secured, 1);
  assert_int_equal(talk.server.secured, 1);
  assert_string_equal(talk.server.got, "CONNECT");
  assert_string_equal(tern_transport_peer(talk.server.t)->kind, "mem");
}

static void peeking(void **state) {
  (void)state;
  default_contexts();
  talk.server.peeks = true;
  tls_talk_connect(&talk, NULL);
  assert_int_equal(talk.server.secured, 1);
  assert_int_equal(tern_transport_write(talk.client.t, "hello", 5), 0);
  tls_talk_ticks(&talk);
  assert_string_equal(talk.server.got, "hello");
}

static size_t traced;

static void show(void *arg, char direction, const char *bytes, size_t len) {
  (void)arg, (void)direction, (void)bytes;
  traced += len;
}

/* The transport that TLS is put over has a wrapper of its own: it sees what is on the wire. */
static void over_a_trace(void **state) {
  (void)state;
  char much[200000] = {0};
  default_contexts();
  struct tern_protocol *wrapper = tern_trace_wrap(talk.loop, &talk.client.base, show, NULL);
  struct tern_mem_faults small = {.capacity = 1000};
  assert_int_equal(tern_mem_pair(talk.loop, wrapper, &talk.server.base, &small, &small), 0);
  tls_talk_ticks(&talk);
  assert_int_equal(talk.client.secured + talk.server.secured, 2);
  assert_true(traced > 500);
  tern_transport_pause_reading(talk.server.t);
  assert_int_equal(tern_transport_write(talk.client.t, much, sizeof much), 0);
  tls_talk_ticks(&talk);
  assert_int_equal(talk.client.paused, 1); /* past the trace, too */
  assert_true(tern_transport_pending(talk.client.t) > sizeof much - 40000);
}

static void not_open_any_more(void **state) {
  (void)state;
  default_contexts();
  struct tern_tls *context = talk.client.context;
  talk.client.context = NULL;
  tls_talk_connect(&talk, NULL);
  tern_transport_close(talk.client.t);
  struct tern_transport *t = talk.client.t;
  struct tern_tls_start how = {0};
  assert_int_equal(tern_tls_start(t, &talk.client.base, context, &how, &talk.client.t), TERN_ECLOSED);
  assert_ptr_equal(talk.client.t, t);
  talk.client.context = context;
  tls_talk_ticks(&talk);
}

static void what_was_agreed_on(void **state) {
  (void)state;
  struct tern_tls_info info;
  default_contexts();
  assert_int_equal(tern_mem_pair(talk.loop, &talk.client.base, &talk.server.base, NULL, NULL), 0);
  assert_false(tern_tls_info(talk.client.t, &info));
  tls_talk_ticks(&talk);
  assert_true(tern_tls_info(talk.client.t, &info));
  assert_string_equal(info.version, "1.3");
  assert_string_equal(info.cipher, "TLS_AES_128_GCM_SHA256"); /* the first of those both have */
  assert_false(info.resumed);
  assert_true(tern_tls_info(talk.server.t, &info));
}

/* ---- handshakes that fail ---- */

static void failed(const struct tls_end *end) {
  assert_int_equal(end->secured, 0);
  assert_int_equal(end->lost, 1);
  assert_int_equal(end->error, TERN_ETLS);
}

static void a_stranger(void **state) {
  (void)state;
  struct tern_tls_pair pair = {certs_path("stranger.pem"), certs_path("stranger.key")};
  talk.client.context = tls_client();
  talk.server.context =
      tls_context(&(struct tern_tls_options){.server = true, .pairs = &pair, .pair_count = 1});
  tls_talk_connect(&talk, NULL);
  failed(&talk.client);
  failed(&talk.server); /* by the alert, which has reached it */
}

static void another_name(void **state) {
  (void)state;
  default_contexts();
  talk.client.server_name = "other.example.com";
  tls_talk_connect(&talk, NULL);
  failed(&talk.client);
}

static void garbage(void **state) {
  (void)state;
  talk.server.context = tls_server("server");
  talk.client.clear = "CONNECT {}\r\nPING\r\n";
  tls_talk_connect(&talk, NULL);
  failed(&talk.server);
}

static void half_a_handshake(void **state) {
  (void)state;
  talk.server.context = tls_server("server");
  talk.client.clear = "\x16\x03\x01\x02";
  tls_talk_connect(&talk, NULL);
  assert_int_equal(talk.server.lost, 0);
  tern_transport_close(talk.client.t);
  tls_talk_ticks(&talk);
  failed(&talk.server);
}

static void too_slow(void **state) {
  (void)state;
  talk.server.context = tls_server("server");
  talk.server.handshake_ms = 1;
  assert_int_equal(tern_mem_pair(talk.loop, &talk.client.base, &talk.server.base, NULL, NULL), 0);
  for (int i = 0; i < 1000 && talk.server.lost == 0; i++)
    tern_loop_tick(talk.loop, 10);
  failed(&talk.server);
}

static void handshakes_take_turns(void **state) {
  (void)state;
  enum { PAIRS = 12 };
  static struct tls_talk many[PAIRS];
  default_contexts();
  talk.client.lost = talk.server.lost = 1; /* its ends are not used */
  for (int i = 0; i < PAIRS; i++) {
    many[i] = talk;
    many[i].client.lost = many[i].server.lost = 0;
    assert_int_equal(tern_mem_pair(talk.loop, &many[i].client.base, &many[i].server.base, NULL, NULL), 0);
  }
  int before = 0, ready = 0;
  for (int tick = 0; tick < 200 && ready < 2 * PAIRS; tick++) {
    tern_loop_tick(talk.loop, 0);
    ready = 0;
    for (int i = 0; i < PAIRS; i++)
      ready += many[i].client.secured + many[i].server.secured;
    assert_true(ready - before <= TERN__HEAVY_PER_TICK);
    before = ready;
  }
  assert_int_equal(ready, 2 * PAIRS);
  for (int i = 0; i < PAIRS; i++)
    tern_transport_abort(many[i].client.t, -EIO);
  tls_talk_ticks(&talk);
}

/* ---- the end ---- */

static void cut_short(void **state) {
  (void)state;
  default_contexts();
  tls_talk_connect(&talk, NULL);
  tern_transport_close(talk.client.t->below); /* no close_notify */
  tls_talk_ticks(&talk);
  assert_int_equal(talk.server.error, TERN_ETLS);
}

static void closed_before_it_was_secured(void **state) {
  (void)state;
  default_contexts();
  assert_int_equal(tern_mem_pair(talk.loop, &talk.client.base, &talk.server.base, NULL, NULL), 0);
  assert_int_equal(tern_transport_write(talk.server.t, "-ERR", 4), 0);
  tern_transport_close(talk.server.t);
  tls_talk_ticks(&talk);
  assert_string_equal(talk.client.got, "-ERR");
  assert_int_equal(talk.client.error, 0);
  assert_int_equal(talk.server.error, 0);
}

/* ---- with helpers ---- */

static void wait_at_gate(struct tern__errand *errand) {
  (void)errand;
  sem_post(&gate.there);
  while (sem_wait(&gate.open) != 0)
    continue;
}

static void nothing_more(struct tern__errand *errand, bool done) { (void)errand, (void)done; }

static void helped(bool client_too) {
  default_contexts();
  assert_int_equal(tern_helpers_new(1, &talk.server.helpers), 0);
  if (client_too) talk.client.helpers = talk.server.helpers;
}

/* The server's helper is not to be had. */
static void close_gate(void) {
  helped(false);
  gate.errand.work = wait_at_gate;
  gate.errand.back = nothing_more;
  assert_int_equal(tern__helpers_send(talk.server.helpers, talk.loop, &gate.errand), 0);
  assert_int_equal(sem_wait(&gate.there), 0);
}

/* The server's first step waits for it. */
static void connect_before_the_gate(void) {
  close_gate();
  tls_talk_connect(&talk, NULL);
  assert_int_equal(talk.server.secured + talk.server.lost, 0);
}

static void helpers_do_it(void **state) {
  (void)state;
  helped(true);
  talk.server.clear = "INFO {}";
  talk.client.peeks = true;
  talk.server.peeks = true;
  assert_int_equal(tern_mem_pair(talk.loop, &talk.client.base, &talk.server.base, NULL, NULL), 0);
  tls_talk_ticks(&talk);
  tls_end_start(&talk.client, NULL);
  assert_int_equal(tern_transport_write(talk.client.t, "CONNECT", 7),
                   0); /* comes with the client's last flight */
  tls_talk_await(&talk);
  tls_talk_ticks(&talk);
  assert_string_equal(talk.server.got, "CONNECT");
  assert_int_equal(tern_transport_write(talk.server.t, "+OK", 3), 0);
  tls_talk_ticks(&talk);
  assert_string_equal(talk.client.got, "INFO {}+OK");
}

static void others_go_on_meanwhile(void **state) {
  (void)state;
  connect_before_the_gate();
  struct tls_talk other = talk; /* in clear, on the same loop */
  other.client = (struct tls_end){.base.ops = talk.client.base.ops};
  other.server = (struct tls_end){.base.ops = talk.server.base.ops};
  tls_talk_connect(&other, NULL);
  assert_int_equal(tern_transport_write(other.client.t, "PING", 4), 0);
  tls_talk_ticks(&talk);
  assert_string_equal(other.server.got, "PING");
  assert_int_equal(talk.server.secured, 0);
  tern_transport_close(other.client.t);
  tls_talk_ticks(&talk);
  open_gate();
  tls_talk_await(&talk);
  assert_int_equal(talk.server.secured, 1);
}

static void ended_while_a_helper_has_it(void **state) {
  (void)state;
  connect_before_the_gate();
  tern_transport_abort(talk.server.t, -EIO);
  tls_talk_ticks(&talk);
  assert_int_equal(talk.server.lost, 1); /* does not wait for the helper */
  assert_int_equal(talk.server.error, -EIO);
  open_gate();
  tls_talk_await(&talk);
}

static void the_peer_leaves_while_a_helper_has_it(void **state) {
  (void)state;
  connect_before_the_gate();
  tern_transport_abort(talk.client.t, -EIO);
  open_gate();
  tls_talk_await(&talk);
  for (int i = 0; i < 1000 && talk.server.lost == 0; i++)
    tern_loop_tick(talk.loop, 10);
  assert_int_equal(talk.server.lost, 1);
}

static void too_slow_while_a_helper_has_it(void **state) {
  (void)state;
  talk.server.handshake_ms = 1;
  close_gate();
  tls_talk_connect(&talk, NULL);
  for (int i = 0; i < 1000 && talk.server.lost == 0; i++)
    tern_loop_tick(talk.loop, 10);
  failed(&talk.server);
  open_gate();
}

static void the_loop_is_freed_before_it_is_back(void **state) {
  (void)state;
  connect_before_the_gate();
  tern_transport_abort(talk.server.t, -EIO);
  tern_transport_abort(talk.client.t, -EIO);
  tls_talk_ticks(&talk);
  assert_int_equal(tern_loop_transports(talk.loop), 0);
  open_gate(); /* what was the connection's comes back to tear_down */
}

static void *stop_helpers(void *arg) {
  tern_helpers_stop(arg);
  return NULL;
}

static void helpers_that_stop_give_it_back(void **state) {
  (void)state;
  pthread_t stopper;
  connect_before_the_gate();
  assert_int_equal(pthread_create(&stopper, NULL, stop_helpers, talk.server.helpers), 0);
  tls_talk_await(&talk); /* by the loop itself: the helper is still at the gate */
  open_gate();
  pthread_join(stopper, NULL);
  assert_int_equal(talk.server.secured, 1);
  assert_int_equal(talk.client.secured, 1);
}

static void helpers_that_have_stopped(void **state) {
  (void)state;
  helped(true);
  tern_helpers_stop(talk.server.helpers);
  tls_talk_connect(&talk, NULL);
  assert_int_equal(talk.client.secured + talk.server.secured, 2);
}

/* What was held for a helper is let go, however small the pieces are, and the loop's turns are kept. */
static void helpers_that_have_stopped_and_small_pieces(void **state) {
  (void)state;
  const struct tern_mem_faults bytes = {.read_max = 7};
  helped(true);
  tern_helpers_stop(talk.server.helpers);
  tls_talk_connect(&talk, &bytes);
  tls_talk_await(&talk);
  assert_int_equal(talk.client.secured + talk.server.secured, 2);
}

static void an_alert_by_a_helper(void **state) {
  (void)state;
  helped(true);
  talk.client.server_name = "other.example.com";
  tls_talk_connect(&talk, NULL);
  tls_talk_await(&talk);
  for (int i = 0; i < 1000 && talk.server.lost + talk.client.lost < 2; i++)
    tern_loop_tick(talk.loop, 10);
  failed(&talk.client);
  assert_int_equal(talk.server.error, TERN_ETLS);
}

static void no_memory_for_helpers(void **state) {
  (void)state;
  helped(false);
  struct tern_tls *context = talk.server.context;
  talk.server.context = NULL;
  tls_talk_connect(&talk, NULL);
  struct tern_transport *t = talk.server.t;
  struct tern_tls_start how = {.helpers = talk.server.helpers};
  allocations_left = 0;
  int error = tern_tls_start(t, &talk.server.base, context, &how, &talk.server.t);
  allocations_left = -1;
  talk.server.context = context;
  assert_int_equal(error, -ENOMEM);
  assert_ptr_equal(talk.server.t, t);
  assert_int_equal(tern_transport_write(t, "still in clear", 14), 0);
  tls_talk_ticks(&talk);
  assert_int_equal(talk.client.lost, 1); /* it takes that for a handshake */
}

static void no_memory_for_what_a_helper_says(void **state) {
  (void)state;
  connect_before_the_gate();
  allocations_left = 0;
  open_gate();
  for (int i = 0; i < 1000 && talk.server.lost == 0; i++)
    tern_loop_tick(talk.loop, 10);
  allocations_left = -1;
  assert_int_equal(talk.server.lost, 1);
  assert_int_equal(talk.server.error, -ENOMEM);
  assert_int_equal(talk.server.secured, 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

static const struct CMUnitTest own[] = {
    TEST(clear_first),
    TEST(peeking),
    TEST(over_a_trace),
    TEST(not_open_any_more),
    TEST(what_was_agreed_on),
    TEST(a_stranger),
    TEST(another_name),
    TEST(garbage),
    TEST(half_a_handshake),
    TEST(too_slow),
    TEST(handshakes_take_turns),
    TEST(cut_short),
    TEST(closed_before_it_was_secured),
    TEST(helpers_do_it),
    TEST(others_go_on_meanwhile),
    TEST(ended_while_a_helper_has_it),
    TEST(the_peer_leaves_while_a_helper_has_it),
    TEST(too_slow_while_a_helper_has_it),
    TEST(the_loop_is_freed_before_it_is_back),
    TEST(helpers_that_stop_give_it_back),
    TEST(helpers_that_have_stopped),
    TEST(helpers_that_have_stopped_and_small_pieces),
    TEST(an_alert_by_a_helper),
    TEST(no_memory_for_helpers),
    TEST(no_memory_for_what_a_helper_says),
};

int main(void) {
  const struct tern_mem_faults bytes = {.read_max = 1, .write_max = 700, .eagain_every = 3};
  const struct tern_mem_faults small = {.capacity = 20000, .delay_ticks = 2};
  const struct battery_kind tcp = {.connect = battery_connect_tcp};
  const struct battery_kind mem = {.connect = battery_connect_mem};
  const struct battery_kind mem_bytes = {.connect = battery_connect_mem, .faults = &bytes};
  const struct battery_kind mem_small = {.connect = battery_connect_mem, .faults = &small};
  struct tern_helpers *helpers;
  certs_make();
  if (tern_helpers_new(2, &helpers) != 0) return 1;
  struct tls_kind kinds[] = {
      {.base = {.name = "tls over tcp", .peer_kind = "tcp", .volume = 4 << 20, .bounded = true},
       .below = &tcp},
      {.base = {.name = "tls over mem", .peer_kind = "mem", .volume = 1 << 20}, .below = &mem},
      {.base = {.name = "tls over mem, byte by byte", .peer_kind = "mem", .volume = 6000},
       .below = &mem_bytes},
      {.base = {.name = "tls over mem, full", .peer_kind = "mem", .volume = 200000, .bounded = true},
       .below = &mem_small},
      {.base = {.name = "tls over tcp, with helpers", .peer_kind = "tcp", .volume = 1 << 20, .bounded = true},
       .below = &tcp,
       .helpers = helpers},
      {.base = {.name = "tls over mem, with helpers", .peer_kind = "mem", .volume = 1 << 20},
       .below = &mem,
       .helpers = helpers},
  };
  int failures = cmocka_run_group_tests_name("tls alone", own, NULL, NULL);
  for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
    kinds[i].base.connect = tls_ends_connect;
    kinds[i].client = tls_client();
    kinds[i].server = tls_server("server");
    failures += battery_run(&kinds[i].base);
    tern_tls_unref(kinds[i].client);
    tern_tls_unref(kinds[i].server);
  }
  tern_helpers_free(helpers);
  return failures;
}
