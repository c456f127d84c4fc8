/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A lane on its own: the test is the sender and, with the ring of the inlet, the receiver. Order through overflow and
 * back, what becomes visible when, credit, reservations that are open, and memory that runs out (malloc for spilled
 * records and aligned_alloc for the ring are wrapped by the linker).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lane.h"
#include "support.h"

#define RING_BYTES 256
#define RECORD_MAX (RING_BYTES / 4)
#define RECORDS    20000
#define KIND       7

void *__real_malloc(size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);

static bool no_spill, no_ring;

void *__wrap_malloc(size_t size) { return no_spill ? NULL : __real_malloc(size); }
void *__wrap_aligned_alloc(size_t alignment, size_t size) {
  return no_ring ? NULL : __real_aligned_alloc(alignment, size);
}

static struct tern__inlet inlet;
static struct tern__lane lane;

static int set_up(void **state) {
  (void)state;
  memset(&inlet, 0, sizeof inlet);
  no_spill = no_ring = false;
  tern__lane_init(&lane, &inlet, RING_BYTES);
  return 0;
}

/* relaxed: one thread, pairs with nothing */
static struct tern__ring *ring(void) { return atomic_load_explicit(&inlet.ring, memory_order_relaxed); }

static int tear_down(void **state) {
  (void)state;
  tern__lane_clear(&lane);
  tern__ring_free(ring());
  return 0;
}

/* ---- both ends ---- */

/* Sends a number in len bytes. True when it went past a full ring. */
static bool send_one(uint32_t number, size_t len) {
  void *room = tern__lane_reserve(&lane, KIND, len);
  assert_non_null(room);
  assert_int_equal((uintptr_t)room % 8, 0);
  memset(room, (int)(number & 0xff), len);
  memcpy(room, &number, sizeof number);
  return tern__lane_commit(&lane);
}

/* A record whose memory is the test's. */
struct own {
  struct tern__spill spill;
  uint32_t number;
};

static bool send_own(struct own *own, uint32_t number) {
  own->number = number;
  own->spill = (struct tern__spill){.data = &own->number, .kind = KIND + 1, .len = sizeof own->number};
  return tern__lane_send_spill(&lane, &own->spill);
}

/* Takes the next record that is visible. False when there is none. */
static bool receive(uint32_t expected) {
  struct tern__record record;
  uint32_t number;
  if (ring() == NULL || !tern__ring_next(ring(), &record)) return false;
  assert_in_range(record.kind, KIND, KIND + 1);
  memcpy(&number, record.data, sizeof number);
  assert_int_equal(number, expected);
  for (uint32_t i = sizeof number; i < record.len; i++)
    assert_int_equal(((const unsigned char *)record.data)[i], number & 0xff);
  return true;
}

static void receive_all(uint32_t from, uint32_t to) {
  for (; from < to; from++)
    assert_true(receive(from));
  assert_false(receive(to));
}

/* ---- tests ---- */

static void the_ring_is_made_at_first_use(void **state) {
  (void)state;
  assert_null(ring());
  assert_false(tern__lane_publish(&lane));
  assert_null(ring());
  assert_false(send_one(0, 4));
  assert_non_null(ring());
}

static void a_record_is_visible_once_published(void **state) {
  (void)state;
  struct own own;
  assert_false(send_one(0, 10));
  assert_false(send_own(&own, 1));
  own.number = 99; /* it was copied */
  assert_false(receive(0));
  assert_true(tern__lane_publish(&lane));
  receive_all(0, 2);
  assert_false(tern__lane_publish(&lane)); /* nothing new: no bell */
}

static void the_longest_record_is_a_quarter_of_the_ring(void **state) {
  (void)state;
  assert_null(tern__lane_reserve(&lane, KIND, RECORD_MAX + 1));
  for (uint32_t i = 0; i < 20; i++)
    (void)send_one(i, RECORD_MAX);
  for (uint32_t next = 0; next < 20;) {
    tern__lane_publish(&lane);
    while (receive(next))
      next++;
    tern__ring_release(ring());
  }
}

static void what_is_reserved_and_not_committed_is_not_sent(void **state) {
  (void)state;
  assert_non_null(tern__lane_reserve(&lane, KIND, 8));
  assert_false(send_one(0, 8));
  uint32_t sent = 1;
  while (!send_one(sent++, 8))
    continue;
  assert_non_null(tern__lane_reserve(&lane, KIND, 8)); /* spilled, and given up twice */
  assert_non_null(tern__lane_reserve(&lane, KIND, 8));
  assert_true(send_one(sent++, 8));
  for (uint32_t next = 0; next < sent;) {
    tern__lane_publish(&lane);
    while (receive(next))
      next++;
    tern__ring_release(ring());
  }
  assert_false(tern__lane_is_spilling(&lane));
}

/* All kinds of records at random, through a ring that is mostly full. */
static void order_is_kept_through_overflow_and_back(void **state) {
  (void)state;
  uint64_t random = seeded(1);
  uint32_t sent = 0, next = 0;
  unsigned spills = 0, empty = 0;
  static struct own own[RECORDS];
  while (next < RECORDS) {
    uint64_t choice = draw(&random) % 8;
    for (uint64_t n = draw(&random) % 12; n > 0 && choice < 4 && sent < RECORDS && sent - next < 12;
         n--, sent++) {
      bool spilling = tern__lane_is_spilling(&lane);
      bool spilled = draw(&random) % 3 == 0 ? send_own(&own[sent], sent)
                                            : send_one(sent, 4 + draw(&random) % (RECORD_MAX - 4));
      assert_true(spilled || !spilling); /* nothing overtakes what is queued */
      assert_int_equal(tern__lane_is_spilling(&lane), spilled);
      spills += spilled;
    }
    if (choice < 6) tern__lane_publish(&lane);
    if (choice > 4 && ring() != NULL) {
      for (uint64_t n = draw(&random) % 20; n > 0 && receive(next); n--)
        next++;
      tern__ring_release(ring());
    }
    empty += !tern__lane_is_spilling(&lane);
  }
  assert_true(spills > RECORDS / 10 && empty > RECORDS / 100); /* it went to and fro */
}

/* A RELEASE that comes while a record is being filled. */
static void an_open_reservation_is_not_disturbed(void **state) {
  (void)state;
  struct own own;
  uint32_t number = 0;
  assert_false(send_one(number++, 8)); /* staged before */
  void *room = tern__lane_reserve(&lane, KIND, 8);
  assert_true(send_own(&own, 2));
  tern__lane_publish(&lane); /* what is staged, and no more */
  receive_all(0, 1);
  assert_true(tern__lane_is_spilling(&lane));
  memset(room, 1, 8);
  memcpy(room, &(uint32_t){1}, sizeof(uint32_t));
  assert_false(tern__lane_commit(&lane));
  assert_true(tern__lane_publish(&lane));
  assert_false(tern__lane_is_spilling(&lane));
  receive_all(1, 3);
}

/* A sender with a full ring is told when there is room; one whose ring is not full has not asked. */
static void credit_is_asked_for_when_the_ring_is_full(void **state) {
  (void)state;
  uint32_t sent = 0;
  assert_false(send_one(sent++, 8));
  tern__lane_publish(&lane);
  receive_all(0, 1);
  assert_false(tern__ring_release(ring()));
  while (!send_one(sent++, 8))
    continue;
  assert_true(
      tern__lane_publish(&lane)); /* what the ring holds can be received, or no room would ever appear */
  assert_false(tern__lane_publish(&lane));
  receive_all(1, sent - 1);
  assert_true(tern__ring_release(ring()));
  assert_true(tern__lane_publish(&lane));
  receive_all(sent - 1, sent);
  assert_false(tern__ring_release(ring()));
}

static void without_memory_for_a_ring_records_wait(void **state) {
  (void)state;
  struct own own;
  no_ring = true;
  assert_true(send_one(0, 8));
  assert_true(send_own(&own, 1));
  assert_false(tern__lane_publish(&lane));
  assert_null(ring());
  no_ring = false;
  assert_true(send_one(2, 8)); /* behind the others */
  assert_true(tern__lane_publish(&lane));
  receive_all(0, 3);
}

static void without_memory_for_a_spilled_record_there_is_no_room(void **state) {
  (void)state;
  struct own own;
  uint32_t sent = 0;
  while (!send_one(sent++, 8))
    continue;
  no_spill = true;
  assert_null(tern__lane_reserve(&lane, KIND, 8));
  assert_true(send_own(&own, sent++)); /* brings its memory along */
  for (uint32_t next = 0; next < sent;) {
    tern__lane_publish(&lane);
    while (receive(next))
      next++;
    tern__ring_release(ring());
  }
  assert_non_null(tern__lane_reserve(&lane, KIND, 8)); /* the ring itself needs none */
}

static void clearing_frees_what_waits(void **state) {
  (void)state;
  struct own own;
  no_ring = true;
  assert_true(send_one(0, 8));
  assert_true(send_own(&own, 1)); /* not the lane's to free */
  assert_true(send_one(2, 8));
  assert_non_null(tern__lane_reserve(&lane, KIND, 8));
  tern__lane_clear(&lane);
  assert_false(tern__lane_is_spilling(&lane));
  no_ring = false;
  assert_false(send_one(0, 8));
  tern__lane_publish(&lane);
  receive_all(0, 1);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(the_ring_is_made_at_first_use, set_up, tear_down),
      cmocka_unit_test_setup_teardown(a_record_is_visible_once_published, set_up, tear_down),
      cmocka_unit_test_setup_teardown(the_longest_record_is_a_quarter_of_the_ring, set_up, tear_down),
      cmocka_unit_test_setup_teardown(what_is_reserved_and_not_committed_is_not_sent, set_up, tear_down),
      cmocka_unit_test_setup_teardown(order_is_kept_through_overflow_and_back, set_up, tear_down),
      cmocka_unit_test_setup_teardown(an_open_reservation_is_not_disturbed, set_up, tear_down),
      cmocka_unit_test_setup_teardown(credit_is_asked_for_when_the_ring_is_full, set_up, tear_down),
      cmocka_unit_test_setup_teardown(without_memory_for_a_ring_records_wait, set_up, tear_down),
      cmocka_unit_test_setup_teardown(without_memory_for_a_spilled_record_there_is_no_room, set_up,
                                      tear_down),
      cmocka_unit_test_setup_teardown(clearing_frees_what_waits, set_up, tear_down),
  };
  return cmocka_run_group_tests_name("lane", tests, NULL, NULL);
}
