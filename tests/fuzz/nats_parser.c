/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parser, both sides. The first two bytes of an input say how, the rest is fed:
 *
 *     byte 0   bits: 1 server side, 2 headers allowed, 4 small limits (so seeds begin with 0 to 7)
 *     byte 1   how the input is cut
 *
 * What must hold:
 *   - the input in one piece, byte by byte, and cut and kept at places that byte 1 chooses give the same operations,
 *     the same error and the same number of bytes left over;
 *   - no operation exceeds a limit, and its slices lie in the input;
 *   - nothing is left in the pool, which tern_pool_free checks.
 */
#include "nats_trace.h"
#include "target.h"

#define LINE_MAX    24
#define PAYLOAD_MAX 40

static uint32_t random_state;

static uint32_t next_random(void) {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 17;
  random_state ^= random_state << 5;
  return random_state;
}

static size_t piece_random(void *arg) {
  uint32_t most = *(const uint32_t *)arg;
  return 1 + next_random() % most;
}

static size_t piece_one(void *arg) {
  (void)arg;
  return 1;
}

static bool stop_random(void *arg) {
  (void)arg;
  return next_random() % 2 == 0;
}

static void check_slice(struct tern_slice slice, const char *input, size_t len) {
  TRACE_CHECK(slice.len == 0 || (slice.ptr >= input && slice.ptr + slice.len <= input + len));
}

static void check_message(const struct tern_nats_op *op, const struct trace_plan *plan, const char *input,
                          size_t len) {
  check_slice(op->subject, input, len);
  check_slice(op->reply, input, len);
  check_slice(op->body, input, len);
  check_slice(op->size_text, input, len);
  check_slice(op->header_text, input, len);
  TRACE_CHECK(op->subject.len > 0);
  TRACE_CHECK(op->header_len <= op->body.len);
  TRACE_CHECK(op->size_text.len >= 1 && op->size_text.len <= 9);
  if (plan->line_max == 0) return;
  TRACE_CHECK(op->body.len <= plan->payload_max);
  TRACE_CHECK(op->subject.len + op->reply.len + op->size_text.len + op->header_text.len < plan->line_max);
}

/* The whole input, each operation looked at. */
static void check_limits(struct tern_pool *pool, const struct trace_plan *plan, const char *input,
                         size_t len) {
  struct tern_nats_parser parser;
  struct tern_nats_op op;
  struct tern_chunk chunk = {input, len, NULL};
  size_t unused = len;
  tern_nats_init(&parser, plan->side, pool);
  if (plan->line_max != 0) tern_nats_set_limits(&parser, plan->line_max, plan->payload_max);
  tern_nats_set_headers(&parser, plan->headers);
  tern_nats_feed(&parser, &chunk);
  while (tern_nats_next(&parser, &op) > 0) {
    TRACE_CHECK(tern_nats_unused(&parser) < unused); /* it comes to an end */
    unused = tern_nats_unused(&parser);
    TRACE_CHECK(op.owner == NULL || op.verb <= TERN_NATS_HMSG);
    switch (op.verb) {
      case TERN_NATS_HPUB:
        TRACE_CHECK(plan->headers); /* fall through */
      case TERN_NATS_PUB:
        TRACE_CHECK(plan->side == TERN_NATS_FROM_CLIENT);
        check_message(&op, plan, input, len);
        break;
      case TERN_NATS_MSG:
      case TERN_NATS_HMSG:
        TRACE_CHECK(plan->side == TERN_NATS_FROM_SERVER);
        check_slice(op.sid, input, len);
        check_message(&op, plan, input, len);
        break;
      case TERN_NATS_SUB:
        TRACE_CHECK(op.subject.len > 0 && op.sid.len > 0);
        check_slice(op.group, input, len);
        break;
      case TERN_NATS_UNSUB:
        TRACE_CHECK(op.sid.len > 0 && op.max >= 0 && op.max <= 999999999);
        check_slice(op.sid, input, len);
        break;
      case TERN_NATS_CONNECT:
      case TERN_NATS_INFO:
      case TERN_NATS_ERR:
        check_slice(op.arg, input, len);
        TRACE_CHECK(plan->line_max == 0 || op.arg.len <= plan->line_max);
        break;
      default:
        break;
    }
  }
  tern_nats_reset(&parser);
}

static void check_same(struct tern_pool *pool, const struct trace_plan *plan, const char *input, size_t len,
                       const struct trace *expect) {
  struct trace t;
  trace_run(&t, pool, plan, input, len);
  TRACE_CHECK(t.error == expect->error);
  TRACE_CHECK(t.len == expect->len && memcmp(t.text, expect->text, t.len) == 0);
  TRACE_CHECK(t.unused == expect->unused);
  trace_free(&t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
  if (len < 3) return 0;
  struct tern_pool *pool = tern_pool_new();
  if (pool == NULL) return 0;
  struct trace_plan plan = {.side = data[0] & 1 ? TERN_NATS_FROM_SERVER : TERN_NATS_FROM_CLIENT,
                            .headers = (data[0] & 2) != 0};
  if (data[0] & 4) {
    plan.line_max = LINE_MAX;
    plan.payload_max = PAYLOAD_MAX;
  }
  const char *input = (const char *)data + 2;
  struct trace whole;
  check_limits(pool, &plan, input, len - 2);
  trace_run(&whole, pool, &plan, input, len - 2);
  plan.piece = piece_one;
  check_same(pool, &plan, input, len - 2, &whole);
  random_state = 1 + data[1];
  uint32_t most = 1 + data[1] % 64;
  plan.repeats = data[0] & 8 ? 1 + data[1] : 0;
  plan.pubs = data[0] & 16 ? 1 + data[1] % TRACE_PUBS_MAX : 0;
  plan.piece = piece_random;
  plan.stop = stop_random;
  plan.arg = &most;
  check_same(pool, &plan, input, len - 2, &whole);
  trace_free(&whole);
  tern_pool_free(pool);
  return 0;
}
