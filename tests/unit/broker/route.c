/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The data path between routes, on simulated workers, with sinks of the test's own: who gets what, in how many records,
 * what the result says, queue groups whose members refuse, bodies by handle, and the bounds for handlers. That nothing
 * gets lost whatever the interleaving is shown by torture.sim_guarantees.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <tern/error.h>
#include <tern/limits.h>

#include "container.h"
#include "pool.h"
#include "route.h"
#include "sim.h"
#include "worker_internal.h"

#define WORKERS    3
#define RING_BYTES 65536
#define SOURCE     77 /* who publishes */
#define LARGE      (TERN_COPY_MAX_BYTES * 2)

static struct tern_workers *workers;
static struct tern_registry *registry;
static struct route routes[WORKERS];
static struct route_stats stats[WORKERS];

static struct {
  unsigned calls;
  uint64_t source;
  char words[64];
} untaken;

static void on_untaken(void *arg, uint64_t source, struct tern_slice subject, struct tern_slice reply) {
  assert_ptr_equal(arg, &untaken);
  untaken.calls++;
  untaken.source = source;
  snprintf(untaken.words, sizeof untaken.words, "%.*s %.*s", (int)subject.len, subject.ptr, (int)reply.len,
           reply.ptr);
}

/* not the first one, so that the record kinds are not those of any account */
#define ACCOUNT 7

static int on_started(void *arg, struct tern_worker *worker, void **data) {
  (void)arg;
  unsigned index = tern_worker_index(worker);
  if (index == 0) registry = tern_registry_new(tern_workers_reclaimer(tern_worker_pool_of(worker)));
  assert_non_null(registry);
  assert_int_equal(route_init(&routes[index], worker, registry, ACCOUNT, &stats[index]), 0);
  route_on_untaken(&routes[index], on_untaken, &untaken);
  *data = &routes[index];
  return 0;
}

static void on_record(struct tern_worker *worker, unsigned from, unsigned kind, const void *data,
                      size_t len) {
  assert_ptr_equal(route_current(), &routes[tern_worker_index(worker)]);
  assert_int_equal(route_account_of(kind), ACCOUNT);
  route_receive(route_current(), from, kind, data, len);
}

static void on_stopped(struct tern_worker *worker) { route_fini(&routes[tern_worker_index(worker)]); }

static int set_up(void **state) {
  (void)state;
  const struct tern_workers_options options = {.count = WORKERS,
                                               .ring_bytes = RING_BYTES,
                                               .started = on_started,
                                               .record = on_record,
                                               .stopped = on_stopped};
  memset(&untaken, 0, sizeof untaken);
  return tern__workers_new_sim(&options, &workers);
}

static struct tern_worker *at(unsigned worker) { return tern_workers_at(workers, worker); }

static void settle(void) {
  for (unsigned round = 0; round < 10; round++) {
    for (unsigned i = 0; i < WORKERS; i++)
      tern__worker_tick(at(i));
    tern__sim_grace_step(workers);
  }
}

/* ---- sinks, messages and a handler ---- */

struct receiver {
  struct tern_sink sink;
  struct receiver *next; /* of all that have joined */
  unsigned worker;
  bool refuses, leaves;
  unsigned asked, got;
  char last[LARGE + 64]; /* subject, reply and body of the last message */
};

static struct receiver *joined;

static void leave(struct receiver *receiver) {
  struct tern_worker *before = tern_worker_self();
  tern__sim_enter(at(receiver->worker));
  tern_index_remove(routes[receiver->worker].index, &receiver->sink);
  tern__sim_enter(before);
}

static bool deliver(struct tern_sink *sink, struct tern_message *m) {
  struct receiver *receiver = tern_container(sink, struct receiver, sink);
  assert_ptr_equal(tern_worker_self(), at(receiver->worker));
  assert_int_equal(m->hash, tern_subject_hash(m->subject));
  receiver->asked++;
  if (receiver->leaves) leave(receiver);
  if (receiver->refuses) return false;
  receiver->got++;
  assert_int_equal(m->source, SOURCE);
  snprintf(receiver->last, sizeof receiver->last, "%.*s %.*s %.*s", (int)m->subject.len, m->subject.ptr,
           (int)m->reply.len, m->reply.ptr, (int)m->body.len, m->body.ptr);
  return true;
}

static const struct tern_sink_ops receiver_ops = {.deliver = deliver};

static void join(struct receiver *receiver, unsigned worker, const char *filter, const char *group) {
  memset(receiver, 0, sizeof *receiver);
  receiver->sink.ops = &receiver_ops;
  receiver->worker = worker;
  receiver->next = joined;
  joined = receiver;
  tern__sim_enter(at(worker));
  assert_int_equal(
      tern_index_add(routes[worker].index, &receiver->sink, tern_slice_of(filter), tern_slice_of(group)), 0);
  tern__sim_enter(NULL);
}

static struct route_result publish_body(unsigned worker, const char *subject, struct tern_slice body,
                                        struct tern_buf *owner, unsigned flags) {
  struct tern_message m = {.subject = tern_slice_of(subject),
                           .reply = tern_slice_of("in"),
                           .body = body,
                           .owner = owner,
                           .source = SOURCE};
  m.hash = tern_subject_hash(m.subject);
  tern__sim_enter(at(worker));
  struct route_result result = route_publish(&routes[worker], &m, flags);
  tern__sim_enter(NULL);
  return result;
}

static struct route_result publish(unsigned worker, const char *subject, unsigned flags) {
  return publish_body(worker, subject, tern_slice_of("body"), NULL, flags);
}

static unsigned handled;
static int inner_error;

/* Publishes what it was called with again, until it is refused. */
static void handle(struct tern_handler *called, const struct tern_message *m) {
  (void)called;
  handled++;
  int error = route_publish_inside(route_current(), m->subject, m->reply, m->body);
  if (error != 0) inner_error = error;
}

static struct tern_handler handler = {.handle = handle};

/* Whoever is still there leaves, so that a test that failed can say so. */
static int tear_down(void **state) {
  (void)state;
  tern__pool_fault = NULL;
  for (; joined != NULL; joined = joined->next)
    leave(joined);
  tern__sim_enter(at(0));
  tern_registry_detach(registry, tern_worker_reclaimer(at(0)), &handler, tern_slice_of("h"));
  tern__sim_enter(NULL);
  assert_int_equal(tern_workers_stop(workers, 100), 0);
  tern_registry_free(registry);
  tern_workers_free(workers); /* aborts when a buffer is left over */
  return 0;
}

/* ---- plain delivery ---- */

static void everybody_gets_it_by_one_record_a_worker(void **state) {
  (void)state;
  static struct receiver r[9];
  for (unsigned i = 0; i < 9; i++)
    join(&r[i], i % WORKERS, i < 6 ? "a.b" : "a.*", "");
  (void)publish(0, "a.b", 0); /* the first also tells the others the epoch */
  settle();
  uint64_t before = tern_worker_stats(at(0)).records_out;
  struct route_result result = publish(0, "a.b", 0);
  assert_int_equal(result.receivers, 3 + 2);
  assert_int_equal(result.workers, 6);
  assert_true(result.cost >= 3 + 2);
  assert_int_equal(tern_worker_stats(at(0)).records_out, before + 2);
  for (unsigned i = 0; i < 9; i++)
    assert_int_equal(r[i].got, i % WORKERS == 0 ? 2 : 1); /* the others hear of it when they run */
  settle();
  for (unsigned i = 0; i < 9; i++) {
    assert_int_equal(r[i].got, 2);
    assert_string_equal(r[i].last, "a.b in body");
  }
  result = publish(1, "a.c", 0);
  assert_int_equal(result.receivers, 1 + 2);
  settle();
  for (unsigned i = 0; i < 9; i++)
    assert_int_equal(r[i].got, i < 6 ? 2 : 3);
}

static void nobody_is_nobody(void **state) {
  (void)state;
  struct route_result result = publish(0, "a", ROUTE_TELL_UNTAKEN);
  assert_int_equal(result.receivers, 0);
  assert_int_equal(result.workers, 0);
  settle();
  assert_int_equal(untaken.calls, 0); /* the result has said so already */
}

static void a_sink_may_go_while_it_is_delivered_to(void **state) {
  (void)state;
  static struct receiver r[10];
  for (unsigned i = 0; i < 10; i++) {
    join(&r[i], 0, "a", "");
    r[i].leaves = i % 2 == 0;
  }
  assert_int_equal(publish(0, "a", 0).receivers, 10);
  assert_int_equal(publish(0, "a", 0).receivers, 5);
  for (unsigned i = 0; i < 10; i++)
    assert_int_equal(r[i].got, i % 2 == 0 ? 1 : 2);
}

/* O1: who joins a worker by another filter after a message was sent there does not get it, or later ones that did not
 * come this way would be missing. */
static void a_newcomer_gets_nothing_from_before(void **state) {
  (void)state;
  static struct receiver old, newcomer;
  join(&old, 1, "a", "");
  (void)publish(0, "a", 0);
  tern__worker_step(at(0), TERN__PHASE_INBOX); /* published, and not yet received */
  for (enum tern__phase phase = TERN__PHASE_READY; phase < TERN__PHASES; phase++)
    tern__worker_step(at(0), phase);
  join(&newcomer, 1, "*", "");
  settle();
  assert_int_equal(old.got, 1);
  assert_int_equal(newcomer.got, 0);
  (void)publish(0, "a", 0);
  settle();
  assert_int_equal(old.got, 2);
  assert_int_equal(newcomer.got, 1);
}

/* ---- bodies ---- */

static void large_bodies_travel_by_handle(void **state) {
  (void)state;
  static struct receiver r[WORKERS];
  for (unsigned i = 0; i < WORKERS; i++)
    join(&r[i], i, "a", "");
  struct tern_pool *pool = tern_loop_pool(tern_worker_loop(at(0)));
  uint64_t before = tern_pool_stats(pool).live_objects;
  tern__sim_enter(at(0));
  struct tern_buf *buf = tern_buf_new(pool, LARGE);
  assert_non_null(buf);
  memset(tern_buf_data(buf), 'L', LARGE);
  (void)publish_body(0, "a", (struct tern_slice){tern_buf_data(buf), LARGE}, buf, 0);
  tern__sim_enter(at(0));
  assert_true(tern_buf_is_shared(buf)); /* by those on the way */
  tern_buf_unref(buf);
  tern__sim_enter(NULL);
  settle();
  for (unsigned i = 0; i < WORKERS; i++) {
    assert_int_equal(r[i].got, 1);
    assert_int_equal(strlen(r[i].last), strlen("a in ") + LARGE);
    assert_int_equal(strspn(r[i].last + strlen("a in "), "L"), LARGE);
  }
  settle();
  settle();
  assert_int_equal(tern_pool_stats(pool).live_objects, before);
}

static unsigned allocations_left;
static int fail_after_some(size_t size) {
  (void)size;
  return allocations_left == 0 || allocations_left-- == 0;
}

/* Whatever is refused, the message is dropped and counted for that worker, and the next one comes. */
static void messages_dropped_for_memory_are_counted(void **state) {
  (void)state;
  static struct receiver r;
  join(&r, 1, "a", "");
  (void)publish(0, "warm", 0);
  settle();
  allocations_left = 0;
  tern__pool_fault = fail_after_some;
  struct route_result result = publish(0, "a", 0); /* the match */
  tern__pool_fault = NULL;
  assert_int_equal(result.receivers, 0);
  assert_int_equal(tern_counter_read(&routes[0].stats->no_memory), 1);
  (void)publish(0, "a", 0);
  settle();
  assert_int_equal(r.got, 1);
  tern__sim_enter(at(0));
  struct tern_buf *buf = tern_buf_new(tern_loop_pool(tern_worker_loop(at(0))), LARGE);
  memset(tern_buf_data(buf), 'L', LARGE);
  tern__pool_fault = fail_after_some;
  (void)publish_body(0, "a", (struct tern_slice){tern_buf_data(buf), LARGE}, buf, 0); /* the handle */
  tern__pool_fault = NULL;
  tern__sim_enter(at(0));
  tern_buf_unref(buf);
  tern__sim_enter(NULL);
  settle();
  assert_int_equal(r.got, 1);
  assert_int_equal(tern_counter_read(&routes[1].stats->no_memory), 1); /* who would have had it counts it */
  (void)publish(0, "a", 0);
  settle();
  assert_int_equal(r.got, 2);
}

/* ---- queue groups ---- */

static unsigned got_by(const struct receiver *receivers, unsigned count) {
  unsigned got = 0;
  for (unsigned i = 0; i < count; i++)
    got += receivers[i].got;
  return got;
}

static void one_of_each_group_gets_it_with_equal_chances(void **state) {
  (void)state;
  enum { MEMBERS = 6, MESSAGES = 1200 };
  static struct receiver q[MEMBERS], p[2];
  for (unsigned i = 0; i < MEMBERS; i++)
    join(&q[i], i == 0 ? 0 : 1 + i % 2, "a", "q"); /* 1, 2 and 3 members */
  join(&p[0], 2, "a", "p");
  join(&p[1], 1, ">", "p"); /* groups of one name are one group under all filters */
  for (unsigned i = 0; i < MESSAGES; i++) {
    struct route_result result = publish(i % WORKERS, "a", ROUTE_TELL_UNTAKEN);
    assert_in_range(result.receivers, 1, 2);
    settle();
    assert_int_equal(got_by(q, MEMBERS), i + 1);
    assert_int_equal(got_by(p, 2), i + 1);
  }
  for (unsigned i = 0; i < MEMBERS; i++) /* 200 each; the bounds are 8 standard deviations away */
    assert_in_range(q[i].got, 100, 300);
  for (unsigned i = 0; i < 2; i++)
    assert_in_range(p[i].got, 460, 740);
  assert_int_equal(untaken.calls, 0);
}

static void who_refuses_is_passed_over(void **state) {
  (void)state;
  static struct receiver q[6];
  for (unsigned i = 0; i < 6; i++)
    join(&q[i], i % WORKERS, "a", "q");
  for (unsigned willing = 0; willing < 6; willing++) {
    for (unsigned i = 0; i < 6; i++)
      q[i].refuses = i != willing;
    unsigned before = q[willing].got;
    for (unsigned i = 0; i < 30; i++) {
      (void)publish(i % WORKERS, "a", ROUTE_TELL_UNTAKEN);
      settle();
    }
    assert_int_equal(q[willing].got, before + 30);
  }
  assert_int_equal(untaken.calls, 0);
  assert_true(tern_counter_read(&routes[0].stats->rerouted) > 0);
}

static void when_all_refuse_the_source_is_told_once(void **state) {
  (void)state;
  static struct receiver q[6];
  for (unsigned i = 0; i < 6; i++) {
    join(&q[i], i % WORKERS, "a", "q");
    q[i].refuses = true;
  }
  for (unsigned i = 0; i < 30; i++) {
    (void)publish(i % WORKERS, "a", ROUTE_TELL_UNTAKEN);
    settle();
    assert_int_equal(untaken.calls, i + 1);
    for (unsigned n = 0; n < 6;
         n++) { /* it ends: others are asked once, the publisher's worker perhaps twice */
      assert_in_range(q[n].asked, 1, n % WORKERS == i % WORKERS ? 2 : 1);
      q[n].asked = 0;
    }
  }
  assert_int_equal(untaken.source, SOURCE);
  assert_string_equal(untaken.words, "a in");
  (void)publish(0, "a", 0); /* nobody wants to know */
  settle();
  assert_int_equal(untaken.calls, 30);
}

static void who_has_a_receiver_besides_is_not_told(void **state) {
  (void)state;
  static struct receiver q, plain;
  join(&q, 1, "a", "q");
  q.refuses = true;
  join(&plain, 2, "a", "");
  (void)publish(0, "a", ROUTE_TELL_UNTAKEN);
  settle();
  assert_int_equal(q.asked, 1);
  assert_int_equal(plain.got, 1);
  assert_int_equal(untaken.calls, 0);
}

/* ---- handlers ---- */

static void publishing_inside_ends_at_a_depth_and_is_on_the_account(void **state) {
  (void)state;
  tern__sim_enter(at(0));
  assert_int_equal(tern_registry_attach(registry, tern_worker_reclaimer(at(0)), &handler, tern_slice_of("h")),
                   0);
  tern__sim_enter(NULL);
  handled = 0;
  inner_error = 0;
  struct route_result result = publish(1, "h", 0);
  assert_int_equal(handled, 1 + ROUTE_DEPTH_MAX);
  assert_int_equal(inner_error, TERN_ELIMIT);
  assert_int_equal(result.receivers, 1); /* what it caused is not the source's message */
  assert_true(result.cost >= 1 + ROUTE_DEPTH_MAX);
  assert_int_equal(routes[1].depth, 0);
}

static void publishing_inside_has_its_bounds(void **state) {
  (void)state;
  static char words[RING_BYTES], body[LARGE];
  size_t most = tern_worker_record_max(at(0)) / ROUTE_WORDS_SHARE;
  memset(words, 'w', sizeof words);
  memset(body, 'b', sizeof body);
  const struct tern_slice subject = tern_slice_of("a"), none = {0}, large = {body, LARGE};
  tern__sim_enter(at(0));
  assert_int_equal(route_publish_inside(&routes[0], (struct tern_slice){words, most}, none, none), 0);
  assert_int_equal(route_publish_inside(&routes[0], (struct tern_slice){words, most + 1}, none, none),
                   TERN_ELIMIT);
  assert_int_equal(route_publish_inside(&routes[0], subject, (struct tern_slice){words, most - 1}, none), 0);
  assert_int_equal(route_publish_inside(&routes[0], subject, (struct tern_slice){words, most}, none),
                   TERN_ELIMIT);
  assert_int_equal(route_publish_inside(&routes[0], subject, none, large), 0);
  allocations_left = 0;
  tern__pool_fault = fail_after_some;
  assert_int_equal(route_publish_inside(&routes[0], subject, none, large), -ENOMEM);
  tern__pool_fault = NULL;
  assert_int_equal(routes[0].depth, 0);
  tern__sim_enter(NULL);
}

static bool is_wanted(const char *subject) {
  tern__sim_enter(at(0));
  const bool wanted = route_is_wanted(&routes[0], tern_slice_of(subject));
  tern__sim_enter(NULL);
  return wanted;
}

/* By anybody: a handler, a sink here or elsewhere, a member of a group here or elsewhere. */
static void it_is_known_whether_anybody_wants_it(void **state) {
  (void)state;
  static struct receiver receivers[4];
  assert_false(is_wanted("h"));
  tern__sim_enter(at(0));
  assert_int_equal(tern_registry_attach(registry, tern_worker_reclaimer(at(0)), &handler, tern_slice_of("h")),
                   0);
  tern__sim_enter(NULL);
  assert_true(is_wanted("h"));
  for (unsigned i = 0; i < 4; i++) {
    assert_false(is_wanted("a.b"));
    join(&receivers[i], i % 2, "a.*", i < 2 ? "" : "q");
    assert_true(is_wanted("a.b"));
    assert_false(is_wanted("b.b"));
    assert_false(is_wanted("a b")); /* no subject at all */
    leave(&receivers[i]);
  }
}

static void there_is_no_route_outside_of_workers(void **state) {
  (void)state;
  assert_null(route_current());
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(everybody_gets_it_by_one_record_a_worker, set_up, tear_down),
      cmocka_unit_test_setup_teardown(nobody_is_nobody, set_up, tear_down),
      cmocka_unit_test_setup_teardown(a_sink_may_go_while_it_is_delivered_to, set_up, tear_down),
      cmocka_unit_test_setup_teardown(a_newcomer_gets_nothing_from_before, set_up, tear_down),
      cmocka_unit_test_setup_teardown(large_bodies_travel_by_handle, set_up, tear_down),
      cmocka_unit_test_setup_teardown(messages_dropped_for_memory_are_counted, set_up, tear_down),
      cmocka_unit_test_setup_teardown(one_of_each_group_gets_it_with_equal_chances, set_up, tear_down),
      cmocka_unit_test_setup_teardown(who_refuses_is_passed_over, set_up, tear_down),
      cmocka_unit_test_setup_teardown(when_all_refuse_the_source_is_told_once, set_up, tear_down),
      cmocka_unit_test_setup_teardown(who_has_a_receiver_besides_is_not_told, set_up, tear_down),
      cmocka_unit_test_setup_teardown(publishing_inside_ends_at_a_depth_and_is_on_the_account, set_up,
                                      tear_down),
      cmocka_unit_test_setup_teardown(publishing_inside_has_its_bounds, set_up, tear_down),
      cmocka_unit_test_setup_teardown(it_is_known_whether_anybody_wants_it, set_up, tear_down),
      cmocka_unit_test(there_is_no_route_outside_of_workers),
  };
  return cmocka_run_group_tests_name("route", tests, NULL, NULL);
}
