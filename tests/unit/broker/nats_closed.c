/* SPDX-License-Identifier: Apache-2.0 */
/* Connections that have ended: the latest are remembered, up to the bound, with the reason. */
#include "fixture.h"

#include "conns.h"

static struct sim sim;

/* A client that says something and is gone. */
static void visit(const char *said) {
  struct sim_client c;
  memset(&c, 0, sizeof c);
  join(&sim, &c, 0, QUIET);
  if (said != NULL) sim_say(&c, said);
  ticks(&sim, 5);
  sim_hang_up(&c);
  ticks(&sim, 20);
  sim_client_free(&c);
}

static const struct nats_closed *closed(void) { return &sim.core.nats.workers[0]->closed; }

static void the_latest_are_remembered(void **unused) {
  (void)unused;
  start(&sim, 1, NULL);
  sim.core.nats.closed_max = 20; /* more than the ring begins with */
  for (unsigned i = 0; i < 50; i++) {
    visit(NULL);
    assert_int_equal(closed()->added, i + 1);
    assert_int_equal(closed()->count, i < 20 ? i + 1 : 20);
    assert_int_equal(nats_closed_at(closed(), i)->cid, i + 1);
    const struct nats_conn *oldest = nats_closed_at(closed(), closed()->added - closed()->count);
    assert_int_equal(oldest->cid, i < 20 ? 1 : i - 18);
    uint64_t bytes = 0;
    for (uint64_t n = closed()->added - closed()->count; n < closed()->added; n++)
      bytes += nats_closed_at(closed(), n)->size;
    assert_int_equal(SUM(&sim, closed_bytes), bytes);
  }
  assert_null(nats_closed_at(closed(), 29));
  assert_null(nats_closed_at(closed(), 50));
  end(&sim, NULL, 0);
}

static void nothing_is_remembered_when_nobody_can_ask(void **unused) {
  (void)unused;
  start(&sim, 1, NULL);
  visit(NULL);
  assert_int_equal(closed()->added, 0);
  end(&sim, NULL, 0);
}

static void the_reason_is_why_the_broker_ended_it(void **unused) {
  (void)unused;
  static const struct {
    const char *said, *reason;
  } cases[] = {{NULL, "Client Closed"},
               {"PUB foo\r\n", "Protocol Violation"},
               {"NONSENSE\r\n", "Protocol Violation"},
               {"-ERR x\r\n", "Parse Error"},
               {"PUB f 999999999\r\n", "Maximum Message Payload Exceeded"},
               {"CONNECT {\"protocol\":2}\r\n", "Bad Client Protocol Version"}};
  start(&sim, 1, NULL);
  sim.core.nats.closed_max = 20;
  for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    visit(cases[i].said);
    assert_string_equal(nats_reason_text(nats_closed_at(closed(), i)->reason), cases[i].reason);
  }
  end(&sim, NULL, 0);
}

static void every_reason_has_a_text(void **unused) {
  (void)unused;
  for (int i = NATS_REASON_NONE + 1; i < NATS_REASONS; i++)
    assert_true(nats_reason_text((enum nats_reason)i)[0] != '\0');
  assert_int_equal(nats_reason_of("Stale Connection"), NATS_STALE_CONNECTION);
  assert_int_equal(nats_reason_of("max_memory"), NATS_SLOW_PENDING);
  assert_int_equal(nats_reason_of("anything else"), NATS_PROTOCOL_VIOLATION);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_latest_are_remembered),
      cmocka_unit_test(nothing_is_remembered_when_nobody_can_ask),
      cmocka_unit_test(the_reason_is_why_the_broker_ended_it),
      cmocka_unit_test(every_reason_has_a_text),
  };
  return cmocka_run_group_tests_name("nats_closed", tests, NULL, NULL);
}
