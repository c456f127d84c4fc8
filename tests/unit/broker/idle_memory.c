/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an idle connection takes of its worker's memory, from the pool's figures: three structs and nothing else. No
 * buffer stays with it, whatever it has sent or received before. (RSS is what tern-bench idle measures.)
 *
 *     connect, CONNECT, PING      -> so many bytes each
 *     half a message              -> more: what has come is kept
 *     the rest, and answers read  -> as many bytes as before
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "broker_sim.h"

enum {
  CLIENTS = 64,
  BODY_BYTES = 20000,
  CONNECTION_BYTES = 512 + 384 + 192 /* nats_client, tern__socket and tern_peer, as the pool rounds them */
};

static struct sim sim;
static struct sim_client clients[CLIENTS];

static uint64_t live_bytes(void) {
  struct tern_loop *loop = tern_worker_loop(tern_workers_at(sim.workers, 0));
  return tern_pool_stats(tern_loop_pool(loop)).live_bytes;
}

static void say_all(const char *text) {
  for (unsigned i = 0; i < CLIENTS; i++)
    sim_say(&clients[i], text);
  sim_settle(&sim);
}

static void connect_client(struct sim_client *client) {
  assert_int_equal(sim_connect(&sim, client, 0, NULL), 0);
  sim_say(client, "CONNECT {\"verbose\":false,\"pedantic\":false}\r\nPING\r\n");
  sim_settle(&sim);
}

static void test_an_idle_connection_holds_no_buffer(void **state) {
  (void)state;
  static char body[BODY_BYTES + 1];
  memset(body, 'x', BODY_BYTES);
  assert_int_equal(sim_open(&sim, 1, 0, NULL), 0);
  connect_client(
      &clients[0]); /* the loop's own buffer, for all connections, comes with the first bytes read */
  uint64_t one = live_bytes();
  for (unsigned i = 1; i < CLIENTS; i++)
    connect_client(&clients[i]);
  uint64_t idle = live_bytes();
  assert_in_range((idle - one) / (CLIENTS - 1), CONNECTION_BYTES / 2, CONNECTION_BYTES);

  say_all("PUB nobody 20000\r\nhalf of"); /* 7 bytes of the body */
  assert_true(live_bytes() > idle + (uint64_t)CLIENTS * BODY_BYTES);
  say_all(body + 7);
  say_all("\r\nPING\r\n");
  for (unsigned i = 0; i < CLIENTS; i++)
    assert_non_null(strstr(clients[i].in, "PONG\r\nPONG\r\n"));
  assert_int_equal(live_bytes(), idle);

  say_all("SUB all 1\r\n");
  uint64_t subscribed = live_bytes();
  sim_say(&clients[0], "PUB all 20000\r\n");
  sim_say(&clients[0], body);
  sim_say(&clients[0], "\r\n");
  sim_settle(&sim);
  for (unsigned i = 0; i < CLIENTS; i++)
    assert_non_null(strstr(clients[i].in, "MSG all 1 20000\r\nx"));
  say_all("UNSUB 1\r\n");
  assert_true(live_bytes() < subscribed);
  /* what is left is the worker's: one cached match for each subject, made meanwhile */
  assert_in_range(live_bytes(), idle, idle + 1024);

  sim_close(&sim); /* aborts on a leak */
  for (unsigned i = 0; i < CLIENTS; i++)
    sim_client_free(&clients[i]);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_an_idle_connection_holds_no_buffer)};
  return cmocka_run_group_tests_name("idle_memory", tests, NULL, NULL);
}
