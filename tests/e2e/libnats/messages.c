/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libnats: publish and subscribe, wildcards, headers, auto-unsubscribe, drain, no echo, large payloads.
 * One function per feature, one broker for all, connections of their own for each.
 */
#include <signal.h>

#include "client.h"

#define LARGE (1024 * 1024)

static struct broker server;

static void test_wildcards(void) {
  natsConnection *a = client_connect(&server), *b = client_connect(&server);
  natsSubscription *star = NULL, *all = NULL, *literal = NULL;
  OK(natsConnection_SubscribeSync(&star, b, "w.*.c"));
  OK(natsConnection_SubscribeSync(&all, b, "w.>"));
  OK(natsConnection_SubscribeSync(&literal, b, "w.b.c"));
  client_flush(b);
  OK(natsConnection_PublishString(a, "w.b.c", "1"));
  OK(natsConnection_PublishString(a, "w.b", "2"));
  OK(natsConnection_PublishString(a, "w", "3"));
  OK(natsConnection_PublishString(a, "w.x.c", "4"));
  OK(natsConnection_PublishString(a, "w.x.c.d", "5"));
  client_flush(a);
  client_flush(b);
  client_expect(star, "w.b.c", "1");
  client_expect(star, "w.x.c", "4");
  client_expect_nothing(star);
  client_expect(all, "w.b.c", "1");
  client_expect(all, "w.b", "2");
  client_expect(all, "w.x.c", "4");
  client_expect(all, "w.x.c.d", "5");
  client_expect_nothing(all);
  client_expect(literal, "w.b.c", "1");
  client_expect_nothing(literal);
  OK(natsSubscription_Unsubscribe(all));
  client_flush(b);
  OK(natsConnection_PublishString(a, "w.y", "6"));
  OK(natsConnection_PublishString(a, "w.y.c", "7"));
  client_flush(a);
  client_expect(star, "w.y.c", "7");
  natsSubscription_Destroy(star);
  natsSubscription_Destroy(all);
  natsSubscription_Destroy(literal);
  natsConnection_Destroy(a);
  natsConnection_Destroy(b);
}

static void test_headers(void) {
  natsConnection *a = client_connect(&server);
  natsSubscription *sub = NULL;
  natsMsg *message = NULL, *got = NULL;
  const char *value = NULL;
  OK(natsConnection_SubscribeSync(&sub, a, "h.*"));
  OK(natsMsg_Create(&message, "h.1", "reply.here", "data", 4));
  OK(natsMsgHeader_Set(message, "Key", "value"));
  OK(natsMsgHeader_Add(message, "kEY-two", "with blanks  inside"));
  OK(natsMsgHeader_Add(message, "Key", "second"));
  OK(natsConnection_PublishMsg(a, message));
  natsMsg_Destroy(message);
  OK(natsSubscription_NextMsg(&got, sub, test_wait_ms()));
  OK(natsMsgHeader_Get(got, "Key", &value));
  CHECK(strcmp(value, "value") == 0, "got %s", value);
  OK(natsMsgHeader_Get(got, "kEY-two", &value));
  CHECK(strcmp(value, "with blanks  inside") == 0, "got %s", value);
  CHECK(natsMsgHeader_Get(got, "key-two", &value) == NATS_NOT_FOUND, "the case of keys is kept");
  const char **values = NULL;
  int count = 0;
  OK(natsMsgHeader_Values(got, "Key", &values, &count));
  CHECK(count == 2 && strcmp(values[1], "second") == 0, "%d values", count);
  free(values);
  CHECK(strcmp(natsMsg_GetReply(got), "reply.here") == 0 && natsMsg_GetDataLength(got) == 4, "reply or data");
  natsMsg_Destroy(got);
  natsSubscription_Destroy(sub);
  natsConnection_Destroy(a);
}

static void test_auto_unsubscribe(void) {
  natsConnection *a = client_connect(&server);
  natsSubscription *sub = NULL;
  OK(natsConnection_SubscribeSync(&sub, a, "auto"));
  OK(natsSubscription_AutoUnsubscribe(sub, 10));
  for (int i = 0; i < 25; i++)
    OK(natsConnection_PublishString(a, "auto", "x"));
  client_flush(a);
  for (int i = 0; i < 10; i++)
    client_expect(sub, "auto", "x");
  natsMsg *message = NULL;
  CHECK(natsSubscription_NextMsg(&message, sub, 20) != NATS_OK, "an eleventh message");
  natsSubscription_Destroy(sub);
  /* The broker counted as well: nothing more came in on the connection. */
  natsStatistics *stats = NULL;
  uint64_t in = 0;
  OK(natsStatistics_Create(&stats));
  OK(natsConnection_GetStats(a, stats));
  OK(natsStatistics_GetCounts(stats, &in, NULL, NULL, NULL, NULL));
  CHECK(in == 10, "%llu messages in", (unsigned long long)in);
  natsStatistics_Destroy(stats);
  natsConnection_Destroy(a);
}

static void test_no_echo(void) {
  natsOptions *options = NULL;
  natsConnection *a = NULL, *b = client_connect(&server);
  natsSubscription *own = NULL, *other = NULL;
  OK(natsOptions_Create(&options));
  OK(natsOptions_SetURL(options, server.url));
  OK(natsOptions_SetNoEcho(options, true));
  OK(natsConnection_Connect(&a, options));
  natsOptions_Destroy(options);
  OK(natsConnection_SubscribeSync(&own, a, "echo"));
  OK(natsConnection_SubscribeSync(&other, b, "echo"));
  client_flush(b);
  OK(natsConnection_PublishString(a, "echo", "x"));
  client_flush(a);
  client_expect(other, "echo", "x");
  client_expect_nothing(own);
  natsSubscription_Destroy(own);
  natsSubscription_Destroy(other);
  natsConnection_Destroy(a);
  natsConnection_Destroy(b);
}

static void on_slow(natsConnection *connection, natsSubscription *sub, natsMsg *message, void *closure) {
  (void)connection;
  (void)sub;
  usleep(200);
  atomic_fetch_add_explicit((_Atomic int *)closure, 1, memory_order_release); /* pairs with client_await */
  natsMsg_Destroy(message);
}

static void on_closed(natsConnection *connection, void *closure) {
  (void)connection;
  atomic_fetch_add_explicit((_Atomic int *)closure, 1, memory_order_release); /* pairs with client_await */
}

static void test_drain(void) {
  enum { COUNT = 500 };
  static _Atomic int first, second, closed;
  natsConnection *a = client_connect(&server), *b = NULL;
  natsOptions *options = NULL;
  natsSubscription *one = NULL, *two = NULL;
  OK(natsOptions_Create(&options));
  OK(natsOptions_SetURL(options, server.url));
  OK(natsOptions_SetClosedCB(options, on_closed, &closed));
  OK(natsConnection_Connect(&b, options));
  natsOptions_Destroy(options);
  OK(natsConnection_Subscribe(&one, b, "drain.1", on_slow, &first));
  OK(natsConnection_Subscribe(&two, b, "drain.2", on_slow, &second));
  client_flush(b);
  for (int i = 0; i < COUNT; i++) {
    OK(natsConnection_PublishString(a, "drain.1", "x"));
    OK(natsConnection_PublishString(a, "drain.2", "x"));
  }
  client_flush(a);
  client_flush(b);
  OK(natsSubscription_Drain(one)); /* what was on its way is still handled, nothing newer comes */
  OK(natsSubscription_WaitForDrainCompletion(one, test_wait_ms()));
  OK(natsConnection_PublishString(a, "drain.1", "late"));
  client_flush(a);
  client_flush(b);
  client_await(&first, COUNT, "drained subscription");
  OK(natsConnection_Drain(b));
  client_await(&closed, 1, "drained connection is closed");
  client_await(&second, COUNT, "drained connection");
  natsSubscription_Destroy(one);
  natsSubscription_Destroy(two);
  natsConnection_Destroy(b);
  natsConnection_Destroy(a);
}

static uint32_t checksum(const char *data, int size) {
  uint32_t hash = 2166136261u;
  for (int i = 0; i < size; i++)
    hash = (hash ^ (unsigned char)data[i]) * 16777619u;
  return hash;
}

static void test_large(void) {
  natsConnection *a = client_connect(&server), *b = client_connect(&server);
  natsSubscription *sub = NULL;
  static char data[LARGE + 1];
  CHECK(natsConnection_GetMaxPayload(a) == LARGE, "max_payload %lld",
        (long long)natsConnection_GetMaxPayload(a));
  OK(natsConnection_SubscribeSync(&sub, b, "large"));
  client_flush(b);
  for (int round = 0; round < 16; round++) {
    int size = round == 0 ? LARGE : LARGE - 77777 * round % LARGE;
    for (int i = 0; i < size; i++)
      data[i] = (char)(i * 7 + i / 251 + round);
    OK(natsConnection_Publish(a, "large", data, size));
    OK(natsConnection_PublishString(a, "large", "small"));
    natsMsg *message = NULL;
    OK(natsSubscription_NextMsg(&message, sub, test_wait_ms()));
    CHECK(natsMsg_GetDataLength(message) == size &&
              checksum(natsMsg_GetData(message), size) == checksum(data, size),
          "round %d: %d bytes came as %d, or damaged", round, size, natsMsg_GetDataLength(message));
    natsMsg_Destroy(message);
    client_expect(sub, "large", "small");
  }
  CHECK(natsConnection_Publish(a, "large", data, LARGE + 1) == NATS_MAX_PAYLOAD, "one byte too many");
  natsSubscription_Destroy(sub);
  natsConnection_Destroy(a);
  natsConnection_Destroy(b);
}

int main(int argc, char **argv) {
  CHECK(argc == 2, "usage: messages BROKER");
  broker_start(&server, &(struct broker_setup){.path = argv[1]});
  test_wildcards();
  test_headers();
  test_auto_unsubscribe();
  test_no_echo();
  test_drain();
  test_large();
  CHECK(broker_stop(&server, SIGTERM) == 0, "exit code");
  nats_Close();
  return 0;
}
