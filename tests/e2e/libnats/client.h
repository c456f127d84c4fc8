/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * What the libnats programs share: OK() around every call, a connection, a bounded wait.
 */
#ifndef TERN_E2E_CLIENT_H
#define TERN_E2E_CLIENT_H

#include <nats/nats.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "broker.h"
#include "check.h"

/* ThreadSanitizer in this program, not in the broker it starts: libnats gives one TLS session to two of its threads,
 * and what OpenSSL, which is not instrumented, does about it cannot be seen. */
__attribute__((visibility("default"))) const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void) { return "race:libssl.so\nrace:libcrypto.so\n"; }

/** Ends the test unless a libnats call gives NATS_OK. */
#define OK(call)                                                                      \
  do {                                                                                \
    natsStatus ok_status = (call);                                                    \
    CHECK(ok_status == NATS_OK, "%s gives %s", #call, natsStatus_GetText(ok_status)); \
  } while (0)

/** Connects to the broker. */
static inline natsConnection *client_connect(const struct broker *broker) {
  natsConnection *connection = NULL;
  OK(natsConnection_ConnectTo(&connection, broker->url));
  return connection;
}

/** Flushes with a bound that slow builds keep. */
static inline void client_flush(natsConnection *connection) {
  OK(natsConnection_FlushTimeout(connection, test_wait_ms()));
}

/** Waits until the counter has this value; ends the test when it goes past it or takes too long. */
static inline void client_await(_Atomic int *counter, int value, const char *what) {
  int now = 0;
  for (int i = 0; i < test_wait_ms(); i++) {
    now = atomic_load_explicit(counter, memory_order_acquire); /* pairs with the callback's release */
    if (now >= value) break;
    usleep(1000);
  }
  CHECK(now == value, "%s: %d, wanted %d", what, now, value);
}

/** Checks that nothing waits on a synchronous subscription. To be called after a flush. */
static inline void client_expect_nothing(natsSubscription *subscription) {
  natsMsg *message = NULL;
  natsStatus status = natsSubscription_NextMsg(&message, subscription, 20);
  CHECK(status == NATS_TIMEOUT, "got %s",
        status == NATS_OK ? natsMsg_GetSubject(message) : natsStatus_GetText(status));
}

/** Takes the next message of a synchronous subscription and compares its subject and data. */
static inline void client_expect(natsSubscription *subscription, const char *subject, const char *data) {
  natsMsg *message = NULL;
  natsStatus status = natsSubscription_NextMsg(&message, subscription, test_wait_ms());
  CHECK(status == NATS_OK, "%s: %s", subject, natsStatus_GetText(status));
  CHECK(strcmp(natsMsg_GetSubject(message), subject) == 0, "got %s, wanted %s", natsMsg_GetSubject(message),
        subject);
  CHECK((size_t)natsMsg_GetDataLength(message) == strlen(data) &&
            memcmp(natsMsg_GetData(message), data, strlen(data)) == 0,
        "%s: got %.*s, wanted %s", subject, natsMsg_GetDataLength(message), natsMsg_GetData(message), data);
  natsMsg_Destroy(message);
}

#endif
