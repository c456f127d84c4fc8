/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The protocol of lib/examples/ping.c without its main, over the in-memory transport: the same conversation whatever
 * the faults of the transport (single bytes, short writes, delays). The pair is made on a worker, because the
 * conversation looks its handlers up in that worker's index; the test looks at it through tern_workers_call only.
 */
int ping_main(int argc, char **argv);
#define main ping_main
#include "../../lib/examples/ping.c"
#undef main

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#define LOOKS_MAX 20000 /* a millisecond apart */

/* The other end: sends its script when connected, collects the answers. Belongs to the worker. */
struct script {
  struct tern_protocol protocol;
  const char *send;
  const struct tern_mem_faults *faults; /* of both ends */
  int pair_error;
  char answers[1024];
  size_t len;
  bool lost;
  int error;
};

static void script_made(struct tern_protocol *protocol, struct tern_transport *transport) {
  const struct script *s = (struct script *)protocol;
  tern_transport_write(transport, s->send, strlen(s->send));
}

static void script_received(struct tern_protocol *protocol, const struct tern_chunk *chunk) {
  struct script *s = (struct script *)protocol;
  for (size_t i = 0; i < chunk->len && s->len + 1 < sizeof s->answers; i++)
    s->answers[s->len++] = chunk->data[i];
}

static void script_lost(struct tern_protocol *protocol, int error) {
  struct script *s = (struct script *)protocol;
  s->lost = true;
  s->error = error;
}

static const struct tern_protocol_ops script_ops = {
    .connection_made = script_made, .data_received = script_received, .connection_lost = script_lost};

static struct tern_line_ops over_memory = {.size = sizeof(struct tern_line_protocol), .line = on_line};

/* On the worker: connects the two. */
static void connect_pair(struct tern_worker *worker, void *arg) {
  struct script *s = arg;
  struct tern_loop *loop = tern_worker_loop(worker);
  struct tern_protocol *server = tern_line_factory(&over_memory, loop);
  s->pair_error = server != NULL ? tern_mem_pair(loop, &s->protocol, server, s->faults, s->faults) : -ENOMEM;
}

/* What is looked at. */
struct look {
  const struct script *script;
  struct script seen;
};

/* On the worker: takes a copy. */
static void look(struct tern_worker *worker, void *arg) {
  struct look *l = arg;
  (void)worker;
  l->seen = *l->script;
}

/* Runs a whole conversation, which must end with EXIT; returns what was seen at its end. */
static struct script converse(struct tern_workers *workers, const char *send,
                              const struct tern_mem_faults *faults) {
  struct script script = {.protocol = {&script_ops}, .send = send, .faults = faults};
  struct look l = {.script = &script};
  assert_int_equal(tern_workers_call(workers, 0, connect_pair, &script), 0);
  for (int looks = 0; !l.seen.lost && looks < LOOKS_MAX; looks++) {
    nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    assert_int_equal(tern_workers_call(workers, 0, look, &l), 0);
    assert_int_equal(l.seen.pair_error, 0);
  }
  assert_true(l.seen.lost);
  return l.seen;
}

/* What ping's main sets up. */
struct fixture {
  struct tern_workers *workers;
  struct tern_registry *registry;
};

static int set_up(void **state) {
  static struct fixture f;
  struct tern_workers_options options = {
      .count = 1, .arg = &f.registry, .started = started, .stopped = stopped};
  assert_int_equal(tern_workers_new(&options, &f.workers), 0);
  struct tern_reclaimer *reclaimer = tern_workers_reclaimer(f.workers);
  f.registry = tern_registry_new(reclaimer);
  assert_non_null(f.registry);
  assert_int_equal(tern_registry_attach(f.registry, reclaimer, &ping, tern_slice_of("PING")), 0);
  assert_int_equal(tern_registry_attach(f.registry, reclaimer, &end, tern_slice_of("EXIT")), 0);
  assert_int_equal(tern_workers_start(f.workers), 0);
  *state = &f;
  return 0;
}

static int tear_down(void **state) {
  struct fixture *f = *state;
  struct tern_reclaimer *reclaimer = tern_workers_reclaimer(f->workers);
  assert_int_equal(tern_workers_stop(f->workers, 2000), 0);
  tern_registry_detach(f->registry, reclaimer, &ping, tern_slice_of("PING"));
  tern_registry_detach(f->registry, reclaimer, &end, tern_slice_of("EXIT"));
  tern_registry_free(f->registry);
  tern_workers_free(f->workers);
  return 0;
}

static const char conversation_script[] = "PING:1\r\nno colon\nNOSUCH:x\n:\nPING:\nEXIT:now\nPING:too late\n";
static const char conversation_answers[] =
    "PONG:ack\nERROR:malformed message\nERROR:unknown type\nERROR:unknown type\nPONG:ack\n";

static void the_answers_do_not_depend_on_how_bytes_move(void **state) {
  const struct fixture *f = *state;
  static const struct tern_mem_faults faults[] = {
      {0},
      {.read_max = 1},
      {.write_max = 1},
      {.read_max = 7, .write_max = 3, .delay_ticks = 2},
      {.eagain_every = 2, .capacity = 16},
  };
  for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
    struct script seen = converse(f->workers, conversation_script, &faults[i]);
    assert_string_equal(seen.answers, conversation_answers);
    assert_int_equal(seen.error, 0);
  }
}

static void a_reset_ends_the_conversation_with_an_error(void **state) {
  const struct fixture *f = *state;
  const struct tern_mem_faults reset = {.reset_after = 12};
  struct script seen = converse(f->workers, "PING:1\nPING:2\nPING:3\n", &reset);
  assert_int_not_equal(seen.error, 0);
}

static void main_reports_an_address_it_cannot_use(void **state) {
  (void)state;
  char program[] = "ping", address[] = "nonsense://";
  char *arguments[] = {program, address, NULL};
  assert_int_equal(ping_main(2, arguments), 1);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(the_answers_do_not_depend_on_how_bytes_move, set_up, tear_down),
      cmocka_unit_test_setup_teardown(a_reset_ends_the_conversation_with_an_error, set_up, tear_down),
      cmocka_unit_test(main_reports_an_address_it_cannot_use),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
