/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A subscriber that does not read changes nothing for the others: guarantees B1 and B2.
 *
 * One subscriber to everything never reads. A publisher sends many times max_pending;
 * a healthy subscriber must get all of it in order, and the stuck one must be dropped (its connection ends, without
 * -ERR, perhaps in the middle of a message) once its backlog exceeds max_pending. The broker's memory must stay
 * within a few times max_pending; that is not looked at in sanitizer builds, whose allocators keep what is freed.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "broker.h"
#include "check.h"
#include "stream.h"
#include "wire.h"

#define PENDING        "4194304"
#define MESSAGES       40000 /* about 100 MiB */
#define WINDOW         300
#define GROWTH_MAX_KIB (64 * 1024)

int main(int argc, char **argv) {
  CHECK(argc == 2, "usage: stuck BROKER");
  struct broker server;
  static const char *const options[] = {"max_pending=" PENDING, "write_deadline=2s", NULL};
  broker_start(&server, &(struct broker_setup){.path = argv[1], .options = options});
  uint64_t messages = (uint64_t)test_scaled(MESSAGES);
  if (messages < 10000) messages = 10000; /* still more than the kernel and max_pending hold */
  long before_kib = broker_rss_kib(&server), peak_kib = before_kib;

  struct wire stuck, healthy, publisher;
  CHECK(wire_open(&stuck, server.port), "refused");
  CHECK(wire_printf(&stuck, "CONNECT {\"verbose\":false}\r\nSUB > 1\r\n") && wire_sync(&stuck, NULL),
        "no PONG");
  wire_hello(&healthy, server.port, "");
  CHECK(wire_printf(&healthy, "SUB stuck.> 1\r\n") && wire_sync(&healthy, NULL), "no PONG");
  wire_hello(&publisher, server.port, "");

  static char payload[STREAM_BYTES_MAX + 2];
  uint64_t sent = 0, received = 0;
  while (received < messages) {
    for (; sent < messages && sent < received + WINDOW; sent++) {
      size_t size = stream_fill(payload, 0, sent);
      memcpy(payload + size, "\r\n", 2);
      CHECK(wire_printf(&publisher, "PUB stuck.%u %zu\r\n", (unsigned)(sent % 7), size) &&
                wire_send(&publisher, payload, size + 2),
            "the publisher lost its connection at %llu", (unsigned long long)sent);
    }
    struct wire_event event;
    wire_next(&healthy, &event, test_wait_ms());
    CHECK(event.kind == WIRE_MSG, "the healthy one got event %d at %llu: %s", event.kind,
          (unsigned long long)received, event.subject);
    struct stream_head head = stream_check(event.payload, event.size);
    CHECK(head.sequence == received, "got %llu, wanted %llu (O1)", (unsigned long long)head.sequence,
          (unsigned long long)received);
    received++;
    long now_kib = received % 256 == 0 ? broker_rss_kib(&server) : 0;
    if (now_kib > peak_kib) peak_kib = now_kib;
  }
  /* What the stuck one finds when it looks at last: some messages, then the end. */
  char rest[65536];
  ssize_t n, total = 0;
  struct timeval patience = {test_wait_ms() / 1000, 0};
  setsockopt(stuck.fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  while ((n = recv(stuck.fd, rest, sizeof rest, 0)) > 0)
    total += n;
  CHECK(n == 0 || errno == ECONNRESET, "the stuck one was not dropped: %s", strerror(errno));
  printf("%llu messages past a stuck subscriber, which got %zd bytes; broker %ld -> %ld KiB\n",
         (unsigned long long)received, total, before_kib, peak_kib);
  CHECK(wire_sync(&publisher, NULL) && wire_sync(&healthy, NULL), "the others were disturbed");
  if (!server.is_reference && test_scale() == 1)
    CHECK(peak_kib - before_kib < GROWTH_MAX_KIB, "memory grew by %ld KiB (B1)", peak_kib - before_kib);
  wire_close(&stuck, false);
  wire_close(&healthy, false);
  wire_close(&publisher, false);
  CHECK(broker_stop(&server, SIGTERM) == 0, "exit code");
  return 0;
}
