/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The outbound chain against a flat buffer: random operations, everything checked after each of them; sending
 * cut at every byte; running out of memory at every allocation.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <tern/limits.h>

#include "buf.h"
#include "chain.h"
#include "pool.h"

#define MODEL_MAX (1 << 20)

struct model {
  struct tern__chain chain;
  char *bytes; /* what the chain should hold: bytes[start .. end) */
  size_t start, end;
};

static struct tern_pool *pool;
static uint32_t random_state;
static uint8_t next_byte;

static size_t random_below(size_t bound) {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 17;
  random_state ^= random_state << 5;
  return random_state % bound;
}

static void fill(char *to, size_t len) {
  for (size_t i = 0; i < len; i++)
    to[i] = (char)(next_byte += 7);
}

static void model_init(struct model *m) {
  tern__chain_init(&m->chain, pool);
  m->bytes = malloc(MODEL_MAX);
  assert_non_null(m->bytes);
  m->start = m->end = 0;
}

static void model_free(struct model *m) {
  tern__chain_clear(&m->chain);
  free(m->bytes);
}

static void model_add(struct model *m, const char *bytes, size_t len) {
  if (m->end + len > MODEL_MAX) {
    memmove(m->bytes, m->bytes + m->start, m->end - m->start);
    m->end -= m->start;
    m->start = 0;
  }
  assert_true(m->end + len <= MODEL_MAX);
  memcpy(m->bytes + m->end, bytes, len);
  m->end += len;
}

static size_t model_len(const struct model *m) { return m->end - m->start; }

/* The chain holds exactly the model's bytes, and gathers a correct first part of them. */
static void check(const struct model *m) {
  assert_int_equal(m->chain.pending, model_len(m));
  size_t at = 0;
  for (struct tern__segment *s = m->chain.head; s != NULL; s = s->next) {
    assert_true(s->buf->refs > 0);
    assert_memory_equal(s->data, m->bytes + m->start + at, s->len);
    at += s->len;
    if (s->next == NULL) assert_ptr_equal(s, m->chain.tail);
  }
  assert_int_equal(at, model_len(m));
  struct iovec iov[TERN__CHAIN_IOV_MAX];
  size_t bytes, sum = 0;
  int count = tern__chain_gather(&m->chain, iov, &bytes);
  assert_true(count <= TERN__CHAIN_IOV_MAX && bytes <= TERN__CHAIN_WRITE_BYTES);
  assert_int_equal(count > 0, model_len(m) > 0);
  for (int i = 0; i < count; i++) {
    assert_true(iov[i].iov_len > 0);
    assert_memory_equal(iov[i].iov_base, m->bytes + m->start + sum, iov[i].iov_len);
    sum += iov[i].iov_len;
  }
  assert_int_equal(sum, bytes);
  if (model_len(m) == 0 && m->chain.tail == NULL) assert_null(m->chain.chunk);
}

static void consume(struct model *m, size_t len) {
  tern__chain_consume(&m->chain, len);
  m->start += len;
}

static void add_copy(struct model *m, size_t len) {
  char bytes[70000];
  fill(bytes, len);
  assert_int_equal(tern__chain_append(&m->chain, bytes, len), 0);
  model_add(m, bytes, len);
}

static void add_reserved(struct model *m, size_t reserve, size_t commit) {
  char *room = tern__chain_reserve(&m->chain, reserve);
  assert_non_null(room);
  fill(room, commit);
  tern__chain_commit(&m->chain, commit);
  model_add(m, room, commit);
}

static void add_reference(struct model *m, size_t size) {
  struct tern_buf *buf = tern_buf_new(pool, size);
  assert_non_null(buf);
  fill(buf->data, size);
  size_t from = random_below(size + 1), len = random_below(size - from + 1);
  assert_int_equal(tern__chain_append_buf(&m->chain, buf, buf->data + from, len), 0);
  model_add(m, buf->data + from, len);
  tern_buf_unref(buf);
}

static void random_operations(void **state) {
  (void)state;
  struct model m[2];
  model_init(&m[0]);
  model_init(&m[1]);
  random_state = 99;
  for (int step = 0; step < 60000; step++) {
    struct model *a = &m[random_below(2)], *b = a == &m[0] ? &m[1] : &m[0];
    size_t room = random_below(50) == 0 ? TERN_RESERVE_MAX_BYTES : random_below(300);
    size_t len;
    switch (random_below(9)) {
      case 0:
      case 1:
        add_copy(a, random_below(200));
        break;
      case 2:
        add_reserved(a, room, random_below(room + 1));
        break;
      case 3:
        if (random_below(100) == 0) add_copy(a, random_below(70000));
        break;
      case 4:
        add_reference(a, 1 + random_below(3000));
        break;
      case 5: /* one to the end of the other */
        if (random_below(10) != 0) break;
        tern__chain_splice(&a->chain, &b->chain);
        model_add(a, b->bytes + b->start, model_len(b));
        b->start = b->end;
        break;
      case 6: /* a part of it */
        len = random_below(model_len(b) + 1);
        assert_int_equal(tern__chain_move(&a->chain, &b->chain, len), 0);
        model_add(a, b->bytes + b->start, len);
        b->start += len;
        break;
      default: /* more goes than comes */
        consume(a, random_below(8) == 0 ? model_len(a) : random_below(model_len(a) + 1));
    }
    check(a);
    check(b);
  }
  model_free(&m[0]);
  model_free(&m[1]);
}

/* The same chain sent in two writes, the first cut after every possible number of bytes; likewise moved. */
static void cut_at_every_byte(void **state) {
  (void)state;
  for (size_t cut = 0;; cut++) {
    struct model m, to;
    model_init(&m);
    model_init(&to);
    random_state = 5;
    add_copy(&m, 100);
    add_reserved(&m, 0, 0);
    add_reference(&m, 300);
    add_reserved(&m, 200, 0);
    add_reference(&m, 300);
    add_copy(&m, 5000);
    add_reserved(&m, 16384, 10);
    size_t all = model_len(&m);
    if (cut % 2 == 0) {
      consume(&m, cut);
    } else {
      assert_int_equal(tern__chain_move(&to.chain, &m.chain, cut), 0);
      model_add(&to, m.bytes, cut);
      m.start += cut;
      check(&to);
    }
    check(&m);
    add_copy(&m, 10);
    check(&m);
    consume(&m, model_len(&m));
    check(&m);
    assert_null(m.chain.head);
    assert_null(m.chain.chunk);
    model_free(&m);
    model_free(&to);
    if (cut == all) break;
  }
}

static void small_writes_share_a_segment(void **state) {
  (void)state;
  struct model m;
  model_init(&m);
  for (int i = 0; i < 100; i++)
    add_copy(&m, 30);
  assert_ptr_equal(m.chain.head, m.chain.tail);
  struct tern_buf *chunk = m.chain.chunk;
  struct tern_buf *buf = tern_buf_new(pool, 2000);
  fill(buf->data, 2000);
  assert_int_equal(tern__chain_append_buf(&m.chain, buf, buf->data, 2000), 0);
  model_add(&m, buf->data, 2000);
  assert_int_equal(buf->refs, 2);
  add_copy(&m, 30);
  assert_ptr_equal(m.chain.chunk, chunk); /* the reference did not waste the chunk */
  assert_int_equal(tern_pool_stats(pool).live_objects, 2 + 3);
  consume(&m, 3000);
  assert_int_equal(buf->refs, 2);
  consume(&m, 2000);
  assert_int_equal(buf->refs, 1);
  check(&m);
  consume(&m, 30);
  assert_int_equal(tern_pool_stats(pool).live_objects, 1);
  tern_buf_unref(buf);
  model_free(&m);
}

static void many_segments_leave_in_bounded_pieces(void **state) {
  (void)state;
  struct model m;
  model_init(&m);
  for (int i = 0; i < 300; i++) {
    struct tern_buf *buf = tern_buf_new(pool, 3000);
    fill(buf->data, 3000);
    assert_int_equal(tern__chain_append_buf(&m.chain, buf, buf->data, 3000), 0);
    model_add(&m, buf->data, 3000);
    tern_buf_unref(buf);
  }
  struct iovec iov[TERN__CHAIN_IOV_MAX];
  size_t bytes;
  assert_int_equal(tern__chain_gather(&m.chain, iov, &bytes), TERN__CHAIN_IOV_MAX);
  assert_int_equal(bytes, 3000 * TERN__CHAIN_IOV_MAX);
  check(&m);
  model_free(&m);
  model_init(&m);
  for (int i = 0; i < 10; i++)
    add_copy(&m, 60000);
  (void)tern__chain_gather(&m.chain, iov, &bytes);
  assert_int_equal(bytes, TERN__CHAIN_WRITE_BYTES);
  model_free(&m);
}

static unsigned allocations, failing;

static int fail_one(size_t size) {
  (void)size;
  return ++allocations == failing;
}

static void no_memory(void **state) {
  (void)state;
  struct tern_buf *buf = tern_buf_new(pool, 5000);
  assert_non_null(buf);
  bool failed = true;
  for (failing = 1; failed; failing++) {
    struct tern__chain a, b;
    char bytes[30000] = {0};
    tern__chain_init(&a, pool);
    tern__chain_init(&b, pool);
    allocations = 0;
    tern__pool_fault = fail_one;
    int error = tern__chain_append(&a, bytes, sizeof bytes);
    if (error == 0) error = tern__chain_append_buf(&a, buf, buf->data + 5, 100);
    if (error == 0) {
      size_t before = a.pending;
      error = tern__chain_move(&b, &a, 5000);
      assert_int_equal(a.pending, error == 0 ? before - 5000 : before);
      assert_int_equal(b.pending, error == 0 ? 5000 : 0);
    }
    if (error == 0 && tern__chain_reserve(&a, TERN_RESERVE_MAX_BYTES) == NULL) error = -ENOMEM;
    tern__pool_fault = NULL;
    failed = allocations >= failing;
    assert_int_equal(error, failed ? -ENOMEM : 0);
    tern__chain_clear(&a);
    tern__chain_clear(&b);
    assert_int_equal(buf->refs, 1);
    assert_int_equal(tern_pool_stats(pool).live_objects, 1);
  }
  tern_buf_unref(buf);
}

static int set_up(void **state) {
  (void)state;
  pool = tern_pool_new();
  return pool == NULL;
}

static int tear_down(void **state) {
  (void)state;
  tern_pool_free(pool); /* aborts when something is left */
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(random_operations, set_up, tear_down),
      cmocka_unit_test_setup_teardown(cut_at_every_byte, set_up, tear_down),
      cmocka_unit_test_setup_teardown(small_writes_share_a_segment, set_up, tear_down),
      cmocka_unit_test_setup_teardown(many_segments_leave_in_bounded_pieces, set_up, tear_down),
      cmocka_unit_test_setup_teardown(no_memory, set_up, tear_down),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
