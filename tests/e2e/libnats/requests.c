/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libnats: requests with many in flight, no responders, queue groups.
 *
 * Many in flight: one connection publishes REQUESTS requests with reply subjects of its own under one wildcard inbox,
 * without waiting, to a queue of responders; every answer must come once and carry its request's number.
 */
#include <pthread.h>
#include <signal.h>

#include "client.h"

#define REQUESTS 5000
#define THREADS  8
#define MEMBERS  5
#define BALANCE  20000

static struct broker server;

static void on_request(natsConnection *connection, natsSubscription *sub, natsMsg *message, void *closure) {
  (void)sub;
  atomic_fetch_add_explicit((_Atomic int *)closure, 1, memory_order_release); /* pairs with client_await */
  if (natsMsg_GetReply(message) != NULL)
    OK(natsConnection_Publish(connection, natsMsg_GetReply(message), natsMsg_GetData(message),
                              natsMsg_GetDataLength(message)));
  natsMsg_Destroy(message);
}

static _Atomic int answered[REQUESTS]; /* by number; written by one callback thread, read after it is done */
static _Atomic int answers;

static void on_answer(natsConnection *connection, natsSubscription *sub, natsMsg *message, void *closure) {
  (void)connection;
  (void)sub;
  (void)closure;
  char text[16] = {0};
  memcpy(text, natsMsg_GetData(message), (size_t)natsMsg_GetDataLength(message) % sizeof text);
  long number = strtol(text, NULL, 10);
  const char *dot = strrchr(natsMsg_GetSubject(message), '.');
  CHECK(number >= 0 && number < REQUESTS && strtol(dot + 1, NULL, 10) == number, "answer %s on %s", text,
        natsMsg_GetSubject(message));
  atomic_fetch_add_explicit(&answered[number], 1, memory_order_relaxed); /* ordered by answers */
  atomic_fetch_add_explicit(&answers, 1, memory_order_release);          /* pairs with client_await */
  natsMsg_Destroy(message);
}

static void test_many_in_flight(void) {
  enum { RESPONDERS = 3 };
  natsConnection *asking = client_connect(&server), *responders[RESPONDERS];
  natsSubscription *subs[RESPONDERS], *inbox = NULL;
  static _Atomic int served;
  for (int i = 0; i < RESPONDERS; i++) {
    responders[i] = client_connect(&server);
    OK(natsConnection_QueueSubscribe(&subs[i], responders[i], "svc.many", "svc", on_request, &served));
    client_flush(responders[i]);
  }
  OK(natsConnection_Subscribe(&inbox, asking, "answers.*", on_answer, NULL));
  for (int i = 0; i < REQUESTS; i++) {
    char reply[32], number[16];
    snprintf(reply, sizeof reply, "answers.%d", i);
    snprintf(number, sizeof number, "%d", i);
    OK(natsConnection_PublishRequestString(asking, "svc.many", reply, number));
  }
  client_flush(asking);
  client_await(&answers, REQUESTS, "answers");
  client_await(&served, REQUESTS, "requests served");
  for (int i = 0; i < REQUESTS; i++)
    CHECK(answered[i] == 1, "request %d was answered %d times", i, answered[i]);
  natsSubscription_Destroy(inbox);
  for (int i = 0; i < RESPONDERS; i++) {
    natsSubscription_Destroy(subs[i]);
    natsConnection_Destroy(responders[i]);
  }
  natsConnection_Destroy(asking);
}

static void *ask(void *arg) {
  natsConnection *connection = arg;
  for (int i = 0; i < test_scaled(300); i++) {
    natsMsg *message = NULL;
    char text[32];
    snprintf(text, sizeof text, "%p %d", (void *)text, i);
    OK(natsConnection_RequestString(&message, connection, "svc.echo", text, test_wait_ms()));
    CHECK((size_t)natsMsg_GetDataLength(message) == strlen(text) &&
              memcmp(natsMsg_GetData(message), text, strlen(text)) == 0,
          "somebody else's answer");
    natsMsg_Destroy(message);
  }
  return NULL;
}

/* The library's own requests, from several threads over one connection (one shared inbox). */
static void test_requests(void) {
  natsConnection *asking = client_connect(&server), *responder = client_connect(&server);
  natsSubscription *sub = NULL;
  static _Atomic int served;
  OK(natsConnection_Subscribe(&sub, responder, "svc.echo", on_request, &served));
  client_flush(responder);
  pthread_t threads[THREADS];
  for (int i = 0; i < THREADS; i++)
    pthread_create(&threads[i], NULL, ask, asking);
  for (int i = 0; i < THREADS; i++)
    pthread_join(threads[i], NULL);
  client_await(&served, THREADS * test_scaled(300), "requests served");
  natsSubscription_Destroy(sub);
  natsConnection_Destroy(responder);
  natsConnection_Destroy(asking);
}

static void test_no_responders(void) {
  natsConnection *a = client_connect(&server), *b = client_connect(&server);
  natsSubscription *sub = NULL;
  natsMsg *message = NULL;
  static _Atomic int served;
  CHECK(natsConnection_RequestString(&message, a, "nobody.there", "x", test_wait_ms()) == NATS_NO_RESPONDERS,
        "no 503");
  OK(natsConnection_QueueSubscribe(&sub, b, "nobody.there", "q", on_request, &served));
  client_flush(b);
  OK(natsConnection_RequestString(&message, a, "nobody.there", "x", test_wait_ms()));
  natsMsg_Destroy(message);
  natsSubscription_Destroy(sub);
  client_flush(b);
  CHECK(natsConnection_RequestString(&message, a, "nobody.there", "x", test_wait_ms()) == NATS_NO_RESPONDERS,
        "no 503");
  natsConnection_Destroy(a);
  natsConnection_Destroy(b);
}

/* Queue members get equal shares: sum of (got - expected)^2 / expected stays far below what any skew would give. */
static void test_balance(void) {
  natsConnection *members[MEMBERS], *publisher = client_connect(&server);
  natsSubscription *subs[MEMBERS];
  static _Atomic int got[MEMBERS];
  int count = test_scaled(BALANCE);
  for (int i = 0; i < MEMBERS; i++) {
    members[i] = client_connect(&server);
    OK(natsConnection_QueueSubscribe(&subs[i], members[i], i % 2 ? "bal.*" : "bal.x", "q", on_request,
                                     &got[i]));
    client_flush(members[i]);
  }
  for (int i = 0; i < count; i++)
    OK(natsConnection_PublishString(publisher, "bal.x", "x"));
  client_flush(publisher);
  int total = 0;
  for (int i = 0; total < count && i < test_wait_ms(); i++) {
    usleep(1000);
    total = 0;
    for (int k = 0; k < MEMBERS; k++)
      total += atomic_load_explicit(&got[k], memory_order_acquire);
  }
  CHECK(total == count, "%d messages to the group, wanted %d", total, count);
  double expected = (double)count / MEMBERS, chi = 0;
  for (int i = 0; i < MEMBERS; i++)
    chi += (got[i] - expected) * (got[i] - expected) / expected;
  printf("queue shares: %d %d %d %d %d, chi-square %.1f\n", got[0], got[1], got[2], got[3], got[4], chi);
  CHECK(chi < 60, "shares are not even: %d %d %d %d %d", got[0], got[1], got[2], got[3], got[4]);
  for (int i = 0; i < MEMBERS; i++) {
    natsSubscription_Destroy(subs[i]);
    natsConnection_Destroy(members[i]);
  }
  natsConnection_Destroy(publisher);
}

int main(int argc, char **argv) {
  CHECK(argc == 2, "usage: requests BROKER");
  broker_start(&server, &(struct broker_setup){.path = argv[1]});
  test_many_in_flight();
  test_requests();
  test_no_responders();
  test_balance();
  CHECK(broker_stop(&server, SIGTERM) == 0, "exit code");
  nats_Close();
  return 0;
}
