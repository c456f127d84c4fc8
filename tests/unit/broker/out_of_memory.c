/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A scripted conversation in which the n-th allocation fails, for all n: nothing crashes, nothing leaks (the pools
 * and the sanitizer say so at the end), and a connection that took no part goes on as if nothing had been.
 *
 * Both sources of memory are covered: the workers' pools (their fault hook) and malloc, calloc and realloc (wrapped by
 * the linker; jansson is told to use them too).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "broker_sim.h"
#include "pool.h"
#include "worker_internal.h"

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);

static long countdown = -1; /* the allocation that brings it to 0 fails; negative: none does */
static bool failed;

static bool fails(void) {
  if (countdown < 0) return false;
  if (countdown-- > 0) return false;
  failed = true;
  return true;
}

void *__wrap_malloc(size_t size) { return fails() ? NULL : __real_malloc(size); }
void *__wrap_calloc(size_t count, size_t size) { return fails() ? NULL : __real_calloc(count, size); }
void *__wrap_realloc(void *memory, size_t size) { return fails() ? NULL : __real_realloc(memory, size); }

static int pool_fault(size_t size) {
  (void)size;
  return fails();
}

static const char script[] =
    "CONNECT "
    "{\"verbose\":false,\"headers\":true,\"no_responders\":true,\"protocol\":1,\"name\":\"oom\"}\r\nPING\r\n"
    "SUB a.* 1\r\nSUB a.b 2\r\nSUB a.> g 3\r\nSUB in.* 9\r\nPING\r\n"
    "PUB a.b 5\r\nhello\r\nHPUB a.b in.1 12 14\r\nNATS/1.0\r\n\r\nhi\r\nPUB nobody in.2 0\r\n\r\n"
    "UNSUB 1\r\nUNSUB 2 1\r\nPUB a.b 3\r\nabc\r\nPING\r\n";

/* A body that travels between workers by reference. */
static void say_large(struct sim_client *client, const char *subject) {
  static char frame[9100];
  int head = snprintf(frame, sizeof frame, "PUB %s 9000\r\n", subject);
  memset(frame + head, 'L', 9000);
  memcpy(frame + head + 9000, "\r\n", 2);
  sim_send(client, frame, (size_t)head + 9002);
}

static void pieces(struct sim_client *client, const char *text, size_t size) {
  for (size_t len = strlen(text), at = 0; at < len; at += size) {
    sim_send(client, text + at, len - at < size ? len - at : size);
    sim_settle(client->sim);
  }
}

static bool has(const struct sim_client *client, const char *text) {
  return strstr(client->in, text) != NULL;
}

/* Runs the conversation with the n-th allocation failing. True when that one was reached. */
static bool conversation(long n) {
  struct sim sim = {.random = 1};
  struct sim_client bystander, client, other;
  memset(&client, 0, sizeof client);
  memset(&other, 0, sizeof other);
  assert_int_equal(sim_open(&sim, 2, 0, NULL), 0);
  assert_int_equal(sim_connect(&sim, &bystander, 1, NULL), 0);
  sim_say(&bystander, "CONNECT {\"verbose\":false}\r\nSUB calm 1\r\nPING\r\n");
  sim_settle(&sim);
  assert_true(has(&bystander, "PONG"));

  failed = false;
  countdown = n;
  int connected = sim_connect(&sim, &client, 0, NULL);
  int other_connected = sim_connect(&sim, &other, 1, NULL);
  if (other_connected == 0) {
    sim_say(&other, "CONNECT {\"verbose\":false}\r\nSUB a.b g 1\r\nSUB a.b 2\r\n");
    sim_settle(&sim);
  }
  if (connected == 0) {
    bool *full = &tern_workers_at(sim.workers, 0)->limbo.full;
    *full = true; /* the first SUB is held, and then carried out */
    pieces(&client, script, 23);
    *full = false;
    sim_settle(&sim);
    say_large(&client, "a.b");
    sim_settle(&sim);
  }
  countdown = -1;

  bystander.read_to = bystander.in_len;
  sim_say(&bystander, "PUB calm 4\r\ncalm\r\nPING\r\n");
  sim_settle(&sim);
  assert_non_null(strstr(bystander.in + bystander.read_to, "MSG calm 1 4\r\ncalm\r\nPONG\r\n"));
  if (!failed) { /* the conversation as it should be */
    assert_true(has(&client, "MSG a.b 2 5\r\nhello\r\n"));
    assert_true(has(&client, "HMSG in.2 9 38 38\r\nNATS/1.0 503\r\nNats-Subject: nobody\r\n\r\n\r\n"));
    assert_true(has(&other, "MSG a.b 2 in.1 2\r\nhi\r\n"));
  }
  sim_close(&sim);
  sim_client_free(&bystander);
  sim_client_free(&client);
  sim_client_free(&other);
  return failed;
}

static void every_allocation_may_fail(void **state) {
  (void)state;
  json_set_alloc_funcs(__wrap_malloc, free);
  tern__pool_fault = pool_fault;
  long n = 0;
  while (conversation(n)) {
    n++;
    assert_true(n < 100000);
  }
  print_message("%ld allocations, each failed once\n", n);
  assert_true(n > 50); /* the conversation does allocate */
  tern__pool_fault = NULL;
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(every_allocation_may_fail)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
