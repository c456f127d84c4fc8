/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asking for connections: every one exactly once, in slices, sorted; their subscriptions, more of them than a slice
 * takes; and memory refused at each step (the linker wraps malloc and realloc).
 */
#include "fixture.h"

#include <errno.h>

#include "conns.h"

#define CLIENTS 40
#define SUBS    12000

void *__real_malloc(size_t size);
void *__real_realloc(void *block, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_realloc(void *block, size_t size);

static int refuse_after = -1; /* allocations to allow; -1: all */

static bool refused(void) {
  if (refuse_after == 0) return true;
  if (refuse_after > 0) refuse_after--;
  return false;
}

void *__wrap_malloc(size_t size) { return refused() ? NULL : __real_malloc(size); }
void *__wrap_realloc(void *block, size_t size) { return refused() ? NULL : __real_realloc(block, size); }

static struct sim sim;
static struct sim_client c[CLIENTS];

static struct nats_conn_keys find(struct nats_conns_query query) {
  struct nats_conn_keys keys;
  assert_int_equal(nats_conns_find(&sim.core.nats, sim.workers, &query, &keys), 0);
  return keys;
}

static void everyone_is_found_once_and_in_order(void **unused) {
  (void)unused;
  struct nats_conn_keys keys = find((struct nats_conns_query){.open = true});
  assert_int_equal(keys.count, CLIENTS);
  assert_int_equal(keys.total, CLIENTS);
  for (size_t i = 1; i < keys.count; i++)
    assert_true(keys.keys[i - 1].cid < keys.keys[i].cid);
  const uint64_t one = keys.keys[7].cid;
  free(keys.keys);
  keys = find((struct nats_conns_query){.open = true, .cid = one});
  assert_int_equal(keys.count, 1);
  assert_int_equal(keys.keys[0].cid, one);
  assert_int_equal(keys.total, CLIENTS);
  free(keys.keys);
  keys = find((struct nats_conns_query){.open = true, .account = "other"});
  assert_int_equal(keys.total, 0);
  free(keys.keys);
}

/* The value that each sort goes by grows with the client's number; ascending ones are those of time and cid. */
static void they_are_sorted_by_what_is_asked_for(void **unused) {
  (void)unused;
  for (unsigned i = 0; i < CLIENTS; i++) {
    char line[64];
    for (unsigned n = 0; n < i; n++) {
      snprintf(line, sizeof line, "SUB s.%u.%u %u\r\nPUB self.%u 1\r\nx\r\n", i, n, n, i);
      sim_say(&c[i], line);
    }
    tern__sim_advance(sim.workers, 10);
    snprintf(line, sizeof line, "SUB self.%u self\r\nPUB self.%u 1\r\nx\r\nPING\r\n", i, i);
    sim_say(&c[i], line);
    ticks(&sim, 10);
    sim_pull(&c[i]);
  }
  static const struct {
    enum nats_conn_sort sort;
    bool last_first;
  } cases[] = {{NATS_BY_CID, false},    {NATS_BY_START, false},   {NATS_BY_SUBS, true},
               {NATS_BY_IN_MSGS, true}, {NATS_BY_IN_BYTES, true}, {NATS_BY_LAST, true},
               {NATS_BY_IDLE, false}};
  struct nats_conn_keys all = find((struct nats_conns_query){.open = true});
  const uint64_t lowest = all.keys[0].cid;
  free(all.keys);
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    struct nats_conn_keys keys = find((struct nats_conns_query){.open = true, .sort = cases[i].sort});
    for (size_t n = 0; n < CLIENTS; n++)
      assert_int_equal(keys.keys[n].cid, lowest + (cases[i].last_first ? CLIENTS - 1 - n : n));
    free(keys.keys);
  }
}

static void count_conn(void *arg, const struct nats_conn *conn) {
  unsigned *count = arg;
  assert_string_equal(conn->account, "$G");
  assert_string_equal(conn->name, "somebody");
  assert_string_equal(conn->lang, "");
  assert_int_equal(conn->stop_ms, 0);
  ++*count;
}

static void those_that_are_gone_are_left_out(void **unused) {
  (void)unused;
  struct nats_conn_keys keys = find((struct nats_conns_query){.open = true});
  unsigned count = 0;
  assert_int_equal(
      nats_conns_describe(&sim.core.nats, sim.workers, keys.keys, keys.count, false, count_conn, &count), 0);
  assert_int_equal(count, CLIENTS);
  sim_hang_up(&c[CLIENTS - 1]);
  ticks(&sim, 20);
  count = 0;
  assert_int_equal(
      nats_conns_describe(&sim.core.nats, sim.workers, keys.keys, keys.count, false, count_conn, &count), 0);
  assert_int_equal(count, CLIENTS - 1);
  free(keys.keys);
  sim_client_free(&c[CLIENTS - 1]);
  memset(&c[CLIENTS - 1], 0, sizeof c[0]);
  join(&sim, &c[CLIENTS - 1], 0, QUIET ",\"name\":\"somebody\"");
}

/* What has been seen of the subscriptions of one client, by number. */
struct seen {
  unsigned char times[SUBS];
  unsigned count, most;
};

static bool see_sub(void *arg, const struct nats_sub_info *sub) {
  struct seen *seen = arg;
  char text[64];
  assert_string_equal(sub->account, "$G");
  if (sub->subject.len > 4 && memcmp(sub->subject.ptr, "big.", 4) == 0) {
    snprintf(text, sizeof text, "%.*s", (int)sub->sid.len, sub->sid.ptr);
    unsigned number = (unsigned)strtoul(text, NULL, 10);
    assert_true(number < SUBS);
    seen->times[number]++;
    assert_int_equal(sub->group.len, number % 2 == 0 ? 1 : 0);
  }
  return ++seen->count < seen->most;
}

static void all_subscriptions_are_listed_once(void **unused) {
  (void)unused;
  static struct seen seen;
  for (unsigned i = 0; i < SUBS; i++) {
    char line[64];
    snprintf(line, sizeof line, i % 2 == 0 ? "SUB big.%u q %u\r\n" : "SUB big.%u %u\r\n", i, i);
    sim_say(&c[0], line);
    if (i % 20 == 0) ticks(&sim, 5);
  }
  ticks(&sim, 10);
  struct nats_conn_keys keys = find((struct nats_conns_query){.open = true});
  const uint64_t cid = keys.keys[0].cid; /* the oldest */
  free(keys.keys);
  for (int round = 0; round < 2; round++) { /* of the one, of all */
    seen = (struct seen){.most = UINT32_MAX};
    assert_int_equal(nats_conns_subs(&sim.core.nats, sim.workers, round == 0 ? cid : 0, see_sub, &seen), 0);
    for (unsigned i = 0; i < SUBS; i++)
      assert_int_equal(seen.times[i], 1);
    assert_int_equal(seen.count, round == 0 ? SUBS + 1 : SUM(&sim, subscriptions));
  }
  seen = (struct seen){.most = 3};
  assert_int_equal(nats_conns_subs(&sim.core.nats, sim.workers, 0, see_sub, &seen), 0);
  assert_int_equal(seen.count, 3);
  seen = (struct seen){.most = 3};
  assert_int_equal(nats_conns_subs(&sim.core.nats, sim.workers, UINT64_MAX, see_sub, &seen), 0);
  assert_int_equal(seen.count, 0);
}

static void ignore_conn(void *arg, const struct nats_conn *conn) { (void)arg, (void)conn; }
static bool ignore_sub(void *arg, const struct nats_sub_info *sub) {
  (void)arg, (void)sub;
  return true;
}

static void memory_may_be_refused(void **unused) {
  (void)unused;
  const struct nats_conns_query query = {.open = true};
  struct nats_conn_keys keys, all = find(query);
  refuse_after = 0;
  int found = nats_conns_find(&sim.core.nats, sim.workers, &query, &keys);
  refuse_after = 5;
  int described =
      nats_conns_describe(&sim.core.nats, sim.workers, all.keys, all.count, false, ignore_conn, NULL);
  refuse_after = 2;
  int listed = nats_conns_subs(&sim.core.nats, sim.workers, 0, ignore_sub, NULL);
  refuse_after = -1;
  assert_int_equal(found, -ENOMEM);
  assert_int_equal(described, -ENOMEM);
  assert_int_equal(listed, -ENOMEM);
  free(all.keys);
}

static int set_up(void **state) {
  (void)state;
  struct nats_limits limits = sim_limits();
  start(&sim, 2, &limits);
  for (unsigned i = 0; i < CLIENTS; i++)
    join(&sim, &c[i], i % 2, QUIET ",\"name\":\"somebody\"");
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  end(&sim, c, CLIENTS);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(everyone_is_found_once_and_in_order),
      cmocka_unit_test(they_are_sorted_by_what_is_asked_for),
      cmocka_unit_test(those_that_are_gone_are_left_out),
      cmocka_unit_test(all_subscriptions_are_listed_once),
      cmocka_unit_test(memory_may_be_refused),
  };
  return cmocka_run_group_tests_name("nats_conns", tests, set_up, tear_down);
}
