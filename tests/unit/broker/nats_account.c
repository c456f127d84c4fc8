/* SPDX-License-Identifier: Apache-2.0 */
/* What an account limits: connections on all workers together, subscriptions of each, bytes of a message; and what holds
 * when the server's own limit is less. */
#include "access.h"
#include "account.h"
#include "accounts.h"

static struct nats_client *newest(struct sim *sim, unsigned worker) {
  return sim->core.nats.workers[worker]->clients;
}

static uint64_t open_in(const struct nats_client *client) {
  return atomic_load_explicit(client->route->clients, memory_order_relaxed); /* relaxed: one thread */
}

static void connections(void **state) {
  (void)state;
  struct sim sim;
  struct sim_client c[3];
  struct nats_client *clients[3];
  struct access_account account = {
      .name = "A", .max_connections = 2, .max_subscriptions = -1, .max_payload = -1};
  struct access_user user = {.name = "a", .account = &account};
  start(&sim, 2, NULL);
  for (unsigned i = 0; i < 3; i++) {
    join_account(&sim, &c[i], i & 1, "A", QUIET);
    clients[i] = newest(&sim, i & 1);
    clients[i]->user = &user;
    assert_int_equal(nats_account_enter(clients[i]), i < 2);
  }
  assert_int_equal(open_in(clients[0]), 3);
  nats_account_leave(clients[2]);
  nats_account_leave(clients[2]); /* once is enough */
  assert_int_equal(open_in(clients[0]), 2);
  sim_hang_up(&c[0]); /* who is gone does not count */
  ticks(&sim, 10);
  assert_int_equal(open_in(clients[1]), 1);
  assert_true(nats_account_enter(clients[2]));
  account.max_connections = -1;
  assert_int_equal(open_in(clients[1]), 2);
  end(&sim, c, 3);
}

static void subscriptions_and_bytes(void **state) {
  (void)state;
  struct sim sim;
  struct sim_client c[2];
  struct nats_limits limits = sim_limits();
  limits.max_payload = 100;
  limits.max_subscriptions = 3;
  struct access_account account = {
      .name = "A", .max_connections = -1, .max_subscriptions = 2, .max_payload = 10};
  struct access_user user = {.name = "a", .account = &account};
  start(&sim, 1, &limits);
  for (unsigned i = 0; i < 2; i++)
    join_account(&sim, &c[i], 0, "A", QUIET);
  struct nats_client *client = newest(&sim, 0);
  client->user = &user;
  assert_true(nats_account_enter(client));
  assert_int_equal(nats_account_max_payload(client), 10);
  assert_int_equal(nats_account_max_subscriptions(client), 2);
  assert_int_equal(nats_account_max_payload(client->next), 100);
  assert_int_equal(nats_account_max_subscriptions(client->next), 3);
  say_and_sync(&c[1], "SUB a 1\r\nSUB b 2\r\nPUB x 10\r\n0123456789\r\n");
  sim_say(&c[1], "SUB c 3\r\n");
  expect(&c[1], "-ERR 'maximum subscriptions exceeded'\r\n");
  /* the server's are less */
  account.max_subscriptions = account.max_payload = 1000;
  assert_int_equal(nats_account_max_payload(client), 100);
  assert_int_equal(nats_account_max_subscriptions(client), 3);
  say_and_sync(&c[1], "SUB c 3\r\n");
  account.max_payload = 10;
  sim_say(&c[1], "PUB x 11\r\n");
  expect(&c[1], "-ERR 'Maximum Payload Violation'\r\n");
  expect_end(&c[1]);
  say_and_sync(&c[0], "PUB x 11\r\n01234567890\r\n"); /* a client of another user, or none */
  assert_int_equal(SUM(&sim, account_subscriptions), 1);
  assert_int_equal(SUM(&sim, account_payload), 1);
  sim_say(&c[0], "PUB x 101\r\n"); /* the server's own */
  expect(&c[0], "-ERR 'Maximum Payload Violation'\r\n");
  expect_end(&c[0]);
  assert_int_equal(SUM(&sim, account_payload), 1);
  end(&sim, c, 2);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(connections),
                                     cmocka_unit_test(subscriptions_and_bytes)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
