/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stop protocol stage by stage, on simulated workers: who waits for whom at which barrier, what may hold a worker
 * up and for how long, and what is found when something never comes back. That nothing gets lost whatever the
 * interleaving is shown in worker.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <tern/error.h>
#include <unistd.h>

#include "container.h"
#include "support.h"
#include "worker_internal.h"

enum { KIND = TERN_RECORD_USER, DEADLINE_MS = 500 };

static struct tern_workers *workers;
static unsigned stopping_calls[3], stopped_calls[3], received[3];
static bool is_quiet;

static void on_record(struct tern_worker *worker, unsigned from, unsigned kind, const void *data,
                      size_t len) {
  (void)from, (void)kind, (void)data, (void)len;
  assert_int_equal(stopped_calls[worker->index], 0);
  received[worker->index]++;
}
static void on_stopping(struct tern_worker *worker) { stopping_calls[worker->index]++; }
static bool on_quiet(struct tern_worker *worker) {
  (void)worker;
  return is_quiet;
}
static void on_stopped(struct tern_worker *worker) { stopped_calls[worker->index]++; }

static void make(unsigned count) {
  const struct tern_workers_options options = {.count = count,
                                               .ring_bytes = 256,
                                               .record = on_record,
                                               .stopping = on_stopping,
                                               .quiet = on_quiet,
                                               .stopped = on_stopped};
  memset(stopping_calls, 0, sizeof stopping_calls);
  memset(stopped_calls, 0, sizeof stopped_calls);
  memset(received, 0, sizeof received);
  is_quiet = true;
  assert_int_equal(tern__workers_new_sim(&options, &workers), 0);
}

static struct tern_worker *at(unsigned index) { return tern_workers_at(workers, index); }

static void ticks(unsigned index, unsigned count) {
  while (count-- > 0 && !tern__worker_is_done(at(index)))
    tern__worker_tick(at(index));
}

static void send_records(unsigned from, unsigned to, unsigned count) {
  tern__sim_enter(at(from));
  for (; count > 0; count--) {
    void *room = tern_worker_reserve(at(from), to, KIND, 32);
    assert_non_null(room);
    memset(room, 0, 32);
    tern_worker_commit(at(from), to);
  }
  tern__sim_enter(NULL);
}

/* What is left of the stop goes well. */
static void end(void) {
  assert_int_equal(tern_workers_stop(workers, DEADLINE_MS), 0);
  for (unsigned i = 0; i < tern_workers_count(workers); i++) {
    assert_int_equal(stopping_calls[i], 1);
    assert_int_equal(stopped_calls[i], 1);
  }
  tern_workers_free(workers);
}

static void a_worker_without_others_stops_in_a_tick(void **state) {
  (void)state;
  make(1);
  tern__sim_post_stop(workers, DEADLINE_MS);
  assert_int_equal(stopping_calls[0], 0);
  ticks(0, 1);
  assert_true(tern__worker_is_done(at(0)));
  end();
}

/* Nobody is more than a barrier ahead of anybody. */
static void nobody_passes_a_barrier_alone(void **state) {
  (void)state;
  make(3);
  tern__sim_post_stop(workers, DEADLINE_MS);
  ticks(0, 20);
  assert_int_equal(at(0)->stage, TERN__STAGE_QUIET);
  assert_int_equal(stopping_calls[0], 1);
  ticks(1, 20);
  assert_int_equal(at(1)->stage, TERN__STAGE_QUIET);
  ticks(2, 1); /* has heard the others already; they wait for its second mark next */
  assert_int_equal(at(2)->stage, TERN__STAGE_LAST);
  assert_int_equal(stopped_calls[0] + stopped_calls[1] + stopped_calls[2], 0);
  ticks(0, 20);
  assert_int_equal(at(0)->stage, TERN__STAGE_LAST);
  ticks(1, 20);
  assert_int_equal(at(1)->stage, TERN__STAGE_FREED);
  assert_int_equal(stopped_calls[1], 1);
  ticks(0, 20);
  assert_int_equal(at(0)->stage, TERN__STAGE_FREED);
  ticks(2, 1);
  assert_true(tern__worker_is_done(at(2)));
  assert_false(tern__worker_is_done(at(0)) || tern__worker_is_done(at(1)));
  end();
}

/* Input that was read before: as long as somebody has some, nobody closes anything; but not beyond the deadline. */
static void input_is_waited_for_until_the_deadline(void **state) {
  (void)state;
  make(2);
  is_quiet = false;
  tern__sim_post_stop(workers, DEADLINE_MS);
  for (unsigned round = 0; round < 2; round++) {
    for (unsigned i = 0; i < 20; i++)
      ticks(i % 2, 1);
    assert_int_equal(at(0)->stage, TERN__STAGE_QUIET);
    assert_int_equal(at(1)->stage, TERN__STAGE_QUIET);
    tern__sim_advance(workers, round == 0 ? DEADLINE_MS - 1 : 1);
  }
  ticks(0, 1);
  assert_true(at(0)->stage > TERN__STAGE_QUIET);
  end();
}

/* The mark says "all has been sent": it is not given while records wait outside of a full ring. */
static void a_mark_comes_after_what_has_spilled(void **state) {
  (void)state;
  make(2);
  send_records(0, 1, 50);
  tern__sim_post_stop(workers, DEADLINE_MS);
  ticks(0, 20);
  assert_true(tern__lane_is_spilling(&at(0)->lanes[1]));
  _Atomic uint32_t *mark = &at(1)->in[0].mark;
  assert_int_equal(atomic_load_explicit(mark, memory_order_relaxed), 0); /* one thread: pairs with nothing */
  while (tern__lane_is_spilling(&at(0)->lanes[1])) {
    ticks(1, 1);
    assert_int_equal(stopped_calls[1], 0);
    ticks(0, 1);
  }
  assert_true(atomic_load_explicit(mark, memory_order_relaxed) >= 1); /* the same */
  end();
}

/* ---- transports ---- */

struct transport {
  struct tern_loop_member member;
  struct tern_loop *loop;
  unsigned closed, aborted;
};

static void on_shutdown(struct tern_loop_member *member, int error) {
  struct transport *transport = tern_container(member, struct transport, member);
  assert_true(error == 0 || error == TERN_ESHUTDOWN);
  if (error == 0)
    transport->closed++;
  else
    transport->aborted++;
  if (error != 0) tern__loop_leave(member);
}

static void join(struct transport *transport) {
  *transport = (struct transport){.member.shutdown = on_shutdown, .loop = tern_worker_loop(at(0))};
  tern__sim_enter(at(0));
  tern__loop_join(transport->loop, &transport->member);
  tern__sim_enter(NULL);
}

static void transports_close_and_are_aborted_at_the_deadline(void **state) {
  (void)state;
  struct transport early, late;
  make(2);
  join(&early);
  tern__sim_post_stop(workers, DEADLINE_MS);
  for (unsigned i = 0; i < 20; i++)
    ticks(i % 2, 1);
  assert_int_equal(early.closed, 1);
  assert_int_equal(at(0)->stage, TERN__STAGE_CLOSING);
  join(&late); /* a callback may still connect */
  ticks(0, 1);
  assert_int_equal(late.closed, 1);
  tern__sim_advance(workers, DEADLINE_MS - 1);
  ticks(0, 1);
  assert_int_equal(early.aborted + late.aborted, 0);
  tern__sim_advance(workers, 1);
  ticks(0, 2);
  assert_int_equal(early.aborted, 1);
  assert_int_equal(late.aborted, 1);
  assert_int_equal(tern_workers_stop(workers, 0), TERN_ELIMIT); /* tells that not all ended in good order */
  tern_workers_free(workers);
}

/* ---- what is lent ---- */

static struct tern_buf_handle lend(unsigned owner) {
  tern__sim_enter(at(owner));
  struct tern_buf *buf = tern_buf_new(tern_loop_pool(tern_worker_loop(at(owner))), 100);
  struct tern_buf_handle handle = tern_buf_export(buf, tern_buf_data(buf), 100);
  tern_buf_unref(buf);
  tern__sim_enter(NULL);
  return handle;
}

static struct tern_buf *borrow(unsigned holder, struct tern_buf_handle handle) {
  tern__sim_enter(at(holder));
  struct tern_buf *buf = tern_buf_import(at(holder), handle);
  tern__sim_enter(NULL);
  return buf;
}

static void buffers_of_others_are_waited_for(void **state) {
  (void)state;
  make(2);
  struct tern_buf *held = borrow(1, lend(0));
  tern__sim_post_stop(workers, DEADLINE_MS);
  for (unsigned i = 0; i < 40; i++)
    ticks(i % 2, 1);
  tern__sim_advance(workers, 5000); /* no deadline is for this */
  for (unsigned i = 0; i < 40; i++)
    ticks(i % 2, 1);
  assert_int_equal(at(0)->stage, TERN__STAGE_FREED);
  assert_int_equal(at(1)->stage, TERN__STAGE_FREED);
  tern__sim_enter(at(1));
  tern_buf_unref(held);
  tern__sim_enter(NULL);
  end();
}

/* Runs the stop in a child, which must die of an abort after these words. */
static void assert_stop_dies_of(const char *words) {
  int out[2];
  assert_int_equal(pipe(out), 0);
  pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    setrlimit(RLIMIT_CORE, &(struct rlimit){0});
    signal(SIGABRT, SIG_DFL); /* not the test's, nor a sanitizer's */
    dup2(out[1], STDERR_FILENO);
    tern_workers_stop(workers, DEADLINE_MS);
    _exit(0);
  }
  close(out[1]);
  char text[512] = "";
  size_t len = 0;
  for (ssize_t n; (n = read(out[0], text + len, sizeof text - 1 - len)) > 0;)
    len += (size_t)n;
  close(out[0]);
  int status;
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_true(WIFSIGNALED(status));
  assert_int_equal(WTERMSIG(status), SIGABRT);
  if (strstr(text, words) == NULL) fail_msg("said '%s', not '%s'", text, words);
}

static void a_buffer_that_never_comes_back_is_found(void **state) {
  (void)state;
  make(2);
  struct tern_buf *held = borrow(1, lend(0));
  assert_stop_dies_of("tern: worker 1 ends with 1 buffers of others held");
  tern__sim_enter(at(1));
  tern_buf_unref(held);
  tern__sim_enter(NULL);
  end();
}

static void a_buffer_that_was_lent_to_nobody_is_found(void **state) {
  (void)state;
  make(2);
  struct tern_buf_handle lost = lend(0);
  assert_stop_dies_of("tern: worker 0 ends with 1 buffers lent to others");
  struct tern_buf *found = borrow(1, lost);
  tern__sim_enter(at(1));
  tern_buf_unref(found);
  tern__sim_enter(NULL);
  end();
}

/* ---- what is retired ---- */

static unsigned freed;
static void on_free(struct tern_retired *retired) {
  (void)retired;
  freed++;
}

static void limbo_is_emptied_before_the_end(void **state) {
  (void)state;
  struct tern_retired retired = {.free = on_free};
  make(2);
  freed = 0;
  struct tern_reclaimer *reclaimer = tern_worker_reclaimer(at(0));
  tern__sim_enter(at(0));
  reclaimer->ops->retire(reclaimer, &retired, sizeof retired);
  tern__sim_enter(NULL);
  tern__sim_post_stop(workers, DEADLINE_MS);
  for (unsigned i = 0; i < 40; i++)
    ticks(i % 2, 1);
  assert_false(tern__worker_is_done(at(0))); /* no grace period has passed */
  assert_int_equal(freed, 0);
  end();
  assert_int_equal(freed, 1);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_worker_without_others_stops_in_a_tick),
      cmocka_unit_test(nobody_passes_a_barrier_alone),
      cmocka_unit_test(input_is_waited_for_until_the_deadline),
      cmocka_unit_test(a_mark_comes_after_what_has_spilled),
      cmocka_unit_test(transports_close_and_are_aborted_at_the_deadline),
      cmocka_unit_test(buffers_of_others_are_waited_for),
      cmocka_unit_test(a_buffer_that_never_comes_back_is_found),
      cmocka_unit_test(a_buffer_that_was_lent_to_nobody_is_found),
      cmocka_unit_test(limbo_is_emptied_before_the_end),
  };
  return cmocka_run_group_tests_name("stop", tests, NULL, NULL);
}
