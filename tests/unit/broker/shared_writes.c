/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the data path writes that another worker reads or writes (bench/AUDIT.md), counted in cache lines: the broker on
 * two simulated workers, one publishes, the other has the subscriber. Everything that both can reach is compared with a
 * copy made before a step of one of them.
 *
 *     worker 0   INBOX READY: messages are read, matched, put into the ring     nothing, however many there are
 *                PUBLISH                                                        the ring's tail, the bell of worker 1
 *                FLUSH REST                                                     nothing
 *     worker 1   INBOX: records are taken                                       its bell, the ring's head
 *                READY ... REST: messages are written to the socket             nothing
 *
 * A SUB changes the filter's entry and two lines of the registry, a further one on the same worker nothing.
 * Not compared: the records in the ring, which are what travels. All of it with nobody who looks, and with the busiest
 * subjects counted and latencies measured.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "broker_sim.h"
#include "shared.h"
#include "worker_internal.h"

enum {
  LINE = 64,
  RING_SHARED_BYTES = 256, /* tail and head, see ring.c */
  SUBJECTS = 10,
  MESSAGES = 100,
  REGIONS = 6
};

struct region {
  const char *what;
  const char *at;
  size_t bytes;
  char *copy;
};

struct watched {
  struct region regions[REGIONS];
  unsigned count;
};

static void watch(struct watched *watched, const char *what, const void *at, size_t bytes) {
  assert_true(watched->count < REGIONS);
  struct region *region = &watched->regions[watched->count++];
  *region = (struct region){what, at, bytes, malloc(bytes)};
  assert_non_null(region->copy);
}

static void take_copy(struct watched *watched) {
  for (unsigned i = 0; i < watched->count; i++)
    memcpy(watched->regions[i].copy, watched->regions[i].at, watched->regions[i].bytes);
}

/* Lines that are not as in the copy, of the region of that name or of all. */
static unsigned changed_lines(const struct watched *watched, const char *what) {
  unsigned changed = 0;
  for (unsigned i = 0; i < watched->count; i++) {
    const struct region *r = &watched->regions[i];
    if (what != NULL && strcmp(r->what, what) != 0) continue;
    uintptr_t line = UINTPTR_MAX;
    for (size_t at = 0; at < r->bytes; at++) {
      if (r->at[at] == r->copy[at] || ((uintptr_t)r->at + at) / LINE == line) continue;
      line = ((uintptr_t)r->at + at) / LINE;
      changed++;
      if (what == NULL) print_message("%s: byte %zu\n", r->what, at);
    }
  }
  return changed;
}

static void forget(struct watched *watched) {
  for (unsigned i = 0; i < watched->count; i++)
    free(watched->regions[i].copy);
}

struct scene {
  struct sim sim;
  struct sim_client publisher, subscriber;
  struct tern_worker *from, *to;
};

static const struct tern_slice filter = {"shared.*", 8};

static void connect_client(struct scene *scene, struct sim_client *client, unsigned worker,
                           const char *then) {
  assert_int_equal(sim_connect(&scene->sim, client, worker, NULL), 0);
  sim_say(client, "CONNECT {\"verbose\":false,\"pedantic\":false}\r\n");
  sim_say(client, then);
  sim_settle(&scene->sim);
}

/* No two lines in a row are the same, and there is a reply: each message becomes a record. */
static void publish(struct scene *scene, unsigned messages) {
  for (unsigned i = 0; i < messages; i++) {
    char text[64];
    snprintf(text, sizeof text, "PUB shared.%u answers 5\r\nhello\r\n", i % SUBJECTS);
    sim_say(&scene->publisher, text);
  }
}

static void open_scene(struct scene *scene, bool looked_at) {
  memset(scene, 0, sizeof *scene);
  scene->sim.watched = looked_at;
  assert_int_equal(sim_open(&scene->sim, 2, 0, NULL), 0);
  connect_client(scene, &scene->subscriber, 1, "SUB shared.* 1\r\n");
  connect_client(scene, &scene->publisher, 0, "PING\r\n");
  scene->from = tern_workers_at(scene->sim.workers, 0);
  scene->to = tern_workers_at(scene->sim.workers, 1);
  publish(scene, SUBJECTS); /* matches are cached, the ring exists, the epoch is known */
  sim_settle(&scene->sim);
}

static void close_scene(struct scene *scene) {
  sim_close(&scene->sim);
  sim_client_free(&scene->publisher);
  sim_client_free(&scene->subscriber);
}

/* What both workers can reach but the other one's insides. */
static void watch_common(struct scene *scene, struct watched *watched) {
  struct tern_registry *registry = scene->sim.core.registries[0];
  struct tern__filter parsed;
  assert_int_equal(tern__filter_parse(registry, filter, &parsed), 0);
  struct tern__entry *entry = tern__entry_find(registry, &parsed);
  assert_non_null(entry);
  watch(watched, "ring", scene->from->lanes[1].ring, RING_SHARED_BYTES);
  watch(watched, "registry", registry, sizeof *registry);
  watch(watched, "entry", entry, sizeof(struct tern__branch));
  watch(watched, "pool", scene->sim.workers, sizeof(struct tern_workers));
  watch(watched, "server", &scene->sim.core.nats, sizeof scene->sim.core.nats);
}

static void step(struct scene *scene, struct tern_worker *worker, enum tern__phase from,
                 enum tern__phase to) {
  (void)scene;
  for (int phase = from; phase <= (int)to; phase++)
    tern__worker_step(worker, (enum tern__phase)phase);
}

static void sender_writes(unsigned messages, bool looked_at) {
  struct scene scene;
  struct watched watched = {.count = 0};
  open_scene(&scene, looked_at);
  watch_common(&scene, &watched);
  watch(&watched, "receiver", scene.to, sizeof *scene.to);
  uint64_t records = tern_worker_stats(scene.from).records_out;
  publish(&scene, messages);
  take_copy(&watched);
  step(&scene, scene.from, TERN__PHASE_INBOX, TERN__PHASE_READY);
  assert_int_equal(tern_worker_stats(scene.from).records_out, records + messages);
  assert_int_equal(changed_lines(&watched, NULL), 0); /* P12: none per message */
  step(&scene, scene.from, TERN__PHASE_PUBLISH, TERN__PHASE_PUBLISH);
  assert_int_equal(changed_lines(&watched, "ring"), 1);     /* the tail */
  assert_int_equal(changed_lines(&watched, "receiver"), 1); /* its bell */
  assert_int_equal(changed_lines(&watched, NULL), 2);
  take_copy(&watched);
  step(&scene, scene.from, TERN__PHASE_FLUSH, TERN__PHASE_REST);
  assert_int_equal(changed_lines(&watched, NULL), 0);
  forget(&watched);
  close_scene(&scene);
}

static void receiver_writes(unsigned messages, bool looked_at) {
  struct scene scene;
  struct watched watched = {.count = 0};
  open_scene(&scene, looked_at);
  watch_common(&scene, &watched);
  publish(&scene, messages);
  tern__worker_tick(scene.from);
  uint64_t records = tern_worker_stats(scene.to).records_in;
  struct watched mine = {.count = 0};
  watch(&watched, "sender", scene.from, sizeof *scene.from);
  watch(&mine, "bell", &scene.to->bell, sizeof scene.to->bell);
  take_copy(&watched);
  take_copy(&mine);
  step(&scene, scene.to, TERN__PHASE_INBOX, TERN__PHASE_INBOX);
  assert_int_equal(tern_worker_stats(scene.to).records_in, records + messages + looked_at); /* a mark */
  assert_int_equal(changed_lines(&watched, "ring"), 1);                                     /* the head */
  assert_int_equal(changed_lines(&watched, NULL), 1);
  assert_int_equal(changed_lines(&mine, NULL), 1);
  take_copy(&watched);
  take_copy(&mine);
  step(&scene, scene.to, TERN__PHASE_READY, TERN__PHASE_REST);
  assert_int_equal(changed_lines(&watched, NULL) + changed_lines(&mine, NULL), 0);
  sim_pull(&scene.subscriber);
  assert_non_null(strstr(scene.subscriber.in, "MSG shared.0 1 answers 5\r\nhello\r\n"));
  forget(&watched);
  forget(&mine);
  close_scene(&scene);
}

static void test_a_batch_is_one_tail_and_one_bell(void **state) {
  (void)state;
  for (int looked_at = 0; looked_at < 2; looked_at++) {
    sender_writes(1, looked_at == 1);
    sender_writes(MESSAGES, looked_at == 1);
  }
}

static void test_taking_a_batch_is_one_head_and_one_bell(void **state) {
  (void)state;
  for (int looked_at = 0; looked_at < 2; looked_at++) {
    receiver_writes(1, looked_at == 1);
    receiver_writes(MESSAGES, looked_at == 1);
  }
}

/* What worker 0 writes for one more SUB of a client of its own. */
static void subscribe(struct scene *scene, struct watched *watched, const char *text) {
  take_copy(watched);
  sim_say(&scene->publisher, text);
  step(scene, scene->from, TERN__PHASE_INBOX, TERN__PHASE_REST);
}

static void test_only_the_first_subscription_of_a_worker_is_shared(void **state) {
  (void)state;
  struct scene scene;
  struct watched watched = {.count = 0};
  open_scene(&scene, false);
  watch_common(&scene, &watched);
  subscribe(&scene, &watched, "SUB shared.* 1\r\n");
  assert_in_range(changed_lines(&watched, "entry"), 1,
                  2); /* bits and references; it may lie across two lines */
  assert_int_equal(changed_lines(&watched, "registry"), 2); /* the filter's generation, the epoch */
  assert_int_equal(changed_lines(&watched, "pool") + changed_lines(&watched, "server"), 0);
  subscribe(&scene, &watched, "SUB shared.* 2\r\nUNSUB 2\r\n");
  assert_int_equal(changed_lines(&watched, NULL), 0);
  forget(&watched);
  close_scene(&scene);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_a_batch_is_one_tail_and_one_bell),
      cmocka_unit_test(test_taking_a_batch_is_one_head_and_one_bell),
      cmocka_unit_test(test_only_the_first_subscription_of_a_worker_is_shared),
  };
  return cmocka_run_group_tests_name("shared_writes", tests, NULL, NULL);
}
