/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libnats: visibility across connections, reconnecting after a restart, thousands of connections, a slow consumer.
 */
#include <signal.h>

#include "client.h"

#define PAIRS         10000
#define CONNECTIONS   2000
#define SLOW_MESSAGES 20000

static struct broker server;

/* O2: after pub.Flush(); sub.Flush() the message is there. Fresh pairs, so that all workers meet. */
static void test_flush_pairs(void) {
  enum { PEERS = 6 };
  natsConnection *peers[PEERS];
  natsSubscription *subs[PEERS];
  for (int i = 0; i < PEERS; i++) {
    char subject[16];
    peers[i] = client_connect(&server);
    snprintf(subject, sizeof subject, "flush.%d", i);
    OK(natsConnection_SubscribeSync(&subs[i], peers[i], subject));
    client_flush(peers[i]);
  }
  for (int i = 0; i < test_scaled(PAIRS); i++) {
    int from = i % PEERS, to = (i / PEERS + from + i) % PEERS;
    char subject[16];
    snprintf(subject, sizeof subject, "flush.%d", to);
    OK(natsConnection_PublishString(peers[from], subject, "x"));
    client_flush(peers[from]);
    client_flush(peers[to]);
    natsMsg *message = NULL;
    natsStatus status = natsSubscription_NextMsg(&message, subs[to], 0);
    CHECK(status == NATS_OK, "pair %d: not there after both flushes (O2)", i);
    natsMsg_Destroy(message);
  }
  /* O3: a subscription flushed here is seen by a publish there, and (O4) not any more after it was left. */
  for (int i = 0; i < test_scaled(PAIRS) / 5; i++) {
    natsConnection *one = peers[i % PEERS], *two = peers[(i + 1 + i / PEERS) % PEERS];
    natsSubscription *sub = NULL;
    natsMsg *message = NULL;
    OK(natsConnection_SubscribeSync(&sub, one, i % 2 ? "see.it" : "see.*"));
    client_flush(one);
    OK(natsConnection_PublishString(two, "see.it", "x"));
    client_flush(two);
    client_flush(one);
    CHECK(natsSubscription_NextMsg(&message, sub, 0) == NATS_OK,
          "round %d: the subscription was not seen (O3)", i);
    natsMsg_Destroy(message);
    natsSubscription_Destroy(sub);
  }
  for (int i = 0; i < PEERS; i++) {
    natsSubscription_Destroy(subs[i]);
    natsConnection_Destroy(peers[i]);
  }
}

static void on_event(natsConnection *connection, void *closure) {
  (void)connection;
  atomic_fetch_add_explicit((_Atomic int *)closure, 1, memory_order_release); /* pairs with client_await */
}

static void test_reconnect(const char *path) {
  static _Atomic int disconnected, reconnected; /* the library calls back once more after we are done */
  natsOptions *options = NULL;
  natsConnection *a = NULL;
  natsSubscription *sub = NULL, *group = NULL;
  OK(natsOptions_Create(&options));
  OK(natsOptions_SetURL(options, server.url));
  OK(natsOptions_SetReconnectWait(options, 20));
  OK(natsOptions_SetMaxReconnect(options, 100000));
  OK(natsOptions_SetDisconnectedCB(options, on_event, &disconnected));
  OK(natsOptions_SetReconnectedCB(options, on_event, &reconnected));
  OK(natsConnection_Connect(&a, options));
  natsOptions_Destroy(options);
  OK(natsConnection_SubscribeSync(&sub, a, "re.*"));
  OK(natsConnection_QueueSubscribeSync(&group, a, "re.>", "q"));
  OK(natsConnection_PublishString(a, "re.1", "before"));
  client_expect(sub, "re.1", "before");
  client_expect(group, "re.1", "before");
  for (int round = 1; round <= 3; round++) {
    int port = server.port;
    CHECK(broker_stop(&server, round == 2 ? SIGTERM : SIGINT) == 0, "exit code");
    client_await(&disconnected, round, "disconnects");
    OK(natsConnection_PublishString(a, "re.2", "while away")); /* kept by the library */
    broker_start(&server, &(struct broker_setup){.path = path, .port = port});
    client_await(&reconnected, round, "reconnects");
    client_flush(a);
    client_expect(sub, "re.2", "while away");
    client_expect(group, "re.2", "while away");
    natsConnection *other = client_connect(&server);
    OK(natsConnection_PublishString(other, "re.3", "after"));
    client_flush(other);
    client_expect(sub, "re.3", "after");
    client_expect(group, "re.3", "after");
    natsConnection_Destroy(other);
  }
  natsSubscription_Destroy(sub);
  natsSubscription_Destroy(group);
  natsConnection_Destroy(a);
}

/* Thousands of connections, each with a subscription of its own and one all share. */
static void test_many_connections(void) {
  static natsConnection *many[CONNECTIONS];
  static natsSubscription *own[CONNECTIONS], *shared[CONNECTIONS];
  int count = test_scaled(CONNECTIONS);
  if (test_allow_files(count + 200) < count + 200) count = test_allow_files(0) - 200;
  CHECK(count > 0, "too few files allowed");
  for (int i = 0; i < count; i++) {
    char subject[32];
    many[i] = client_connect(&server);
    snprintf(subject, sizeof subject, "many.%d", i);
    OK(natsConnection_SubscribeSync(&own[i], many[i], subject));
    OK(natsConnection_SubscribeSync(&shared[i], many[i], "many.all"));
  }
  for (int i = 0; i < count; i++)
    client_flush(many[i]);
  for (int i = 0; i < count; i++) {
    char subject[32];
    snprintf(subject, sizeof subject, "many.%d", (i * 7 + 3) % count);
    OK(natsConnection_PublishString(many[i], subject, "own"));
  }
  OK(natsConnection_PublishString(many[0], "many.all", "shared"));
  for (int i = 0; i < count; i++)
    client_flush(many[i]);
  int received = 0;
  for (int i = 0; i < count; i++) {
    natsMsg *message = NULL;
    client_expect(shared[i], "many.all", "shared");
    while (natsSubscription_NextMsg(&message, own[i], 0) == NATS_OK) {
      natsMsg_Destroy(message);
      received++;
    }
    natsSubscription_Destroy(own[i]);
    natsSubscription_Destroy(shared[i]);
  }
  CHECK(received == count, "%d messages came, %d were sent", received, count);
  for (int i = 0; i < count; i++)
    natsConnection_Destroy(many[i]);
  printf("%d connections\n", count);
}

static void on_count(natsConnection *connection, natsSubscription *sub, natsMsg *message, void *closure) {
  (void)connection;
  (void)sub;
  atomic_fetch_add_explicit((_Atomic int *)closure, 1, memory_order_release); /* pairs with client_await */
  natsMsg_Destroy(message);
}

/* A subscriber whose callback stands still, so that its library drops, hurts neither publisher nor the other one. */
static void test_slow_consumer(void) {
  natsConnection *slow = client_connect(&server), *fast = client_connect(&server),
                 *publisher = client_connect(&server);
  natsSubscription *stuck = NULL, *sub = NULL;
  static _Atomic int got;
  static char data[2000];
  OK(natsConnection_SubscribeSync(&stuck, slow, "slow.>"));
  OK(natsSubscription_SetPendingLimits(stuck, 100, 100000));
  OK(natsConnection_Subscribe(&sub, fast, "slow.>", on_count, &got));
  OK(natsSubscription_SetPendingLimits(sub, -1, -1));
  client_flush(slow);
  client_flush(fast);
  for (int i = 0; i < test_scaled(SLOW_MESSAGES); i++)
    OK(natsConnection_Publish(publisher, i % 2 ? "slow.a" : "slow.b", data, i % (int)sizeof data));
  client_flush(publisher);
  client_await(&got, test_scaled(SLOW_MESSAGES), "messages past a slow consumer");
  /* libnats 3.4 may crash when a subscription is destroyed while messages for it are still coming in */
  client_flush(slow);
  client_flush(fast);
  natsSubscription_Destroy(stuck);
  natsSubscription_Destroy(sub);
  natsConnection_Destroy(slow);
  natsConnection_Destroy(fast);
  natsConnection_Destroy(publisher);
}

int main(int argc, char **argv) {
  CHECK(argc == 2, "usage: connections BROKER");
  test_allow_files(3 * CONNECTIONS);
  broker_start(&server, &(struct broker_setup){.path = argv[1]});
  test_flush_pairs();
  test_slow_consumer();
  test_reconnect(argv[1]);
  test_many_connections();
  CHECK(broker_stop(&server, SIGTERM) == 0, "exit code");
  nats_Close();
  return 0;
}
