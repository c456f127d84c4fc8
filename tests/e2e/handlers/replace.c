/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A handler module is replaced, removed and put back all the time, with everything else going on:
 *
 *     PUBLISHERS   number their messages on subjects of their own; SUBSCRIBERS must get every one, once, in order
 *     REQUESTERS   send one request after the other to the handler's subject; each must have exactly one answer: of a
 *                  version that was loaded between request and answer, or "no responders" when there was none
 *     main         puts version a, version b or nothing where the module's file is, sends SIGHUP, and waits for the
 *                  log to say that it is done
 *
 * What may answer is a set of bits for each epoch. An epoch ends when main begins a change (then old and new may answer)
 * and when the change is done (then only the new may):
 *
 *     epoch      0     1      2     3        4       5 ...
 *     allowed    a    a b     b    b none    none  none a
 */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "broker.h"
#include "check.h"
#include "wire.h"

#define PUBLISHERS  2
#define SUBSCRIBERS 3
#define REQUESTERS  2
#define CHANGES     120
#define WINDOW      300 /* messages of one publisher on their way */

enum { VERSION_A = 1, VERSION_B = 2, NOBODY = 4 };

static struct broker server;
static char module_path[128];
static const char *sources[8]; /* by version: the file to copy */
static atomic_bool over;
/* Written by one publisher when it is done; subscribers read it (release, acquire). */
static _Atomic unsigned long total[PUBLISHERS];
static _Atomic unsigned long received[SUBSCRIBERS][PUBLISHERS]; /* by one subscriber; publishers' window */
static _Atomic unsigned epoch;                                  /* main's; requesters read it */
static unsigned allowed[2 * CHANGES + 1]; /* written before its epoch begins (release, acquire) */
static _Atomic unsigned long answers[8];  /* by version */

/* ---- traffic ---- */

static unsigned long slowest(unsigned publisher) {
  unsigned long least = (unsigned long)-1;
  for (int i = 0; i < SUBSCRIBERS; i++) {
    /* acquire: pairs with the subscriber's release */
    unsigned long count = atomic_load_explicit(&received[i][publisher], memory_order_acquire);
    if (count < least) least = count;
  }
  return least;
}

static void *publish(void *arg) {
  unsigned me = (unsigned)(uintptr_t)arg;
  struct wire wire;
  wire_hello(&wire, server.port, "");
  unsigned long n = 0;
  while (!atomic_load_explicit(&over, memory_order_acquire)) { /* pairs with main's release */
    for (int i = 0; n >= slowest(me) + WINDOW; i++) {
      CHECK(i < test_wait_ms(), "publisher %u stands at %lu: a subscriber gets nothing", me, n);
      usleep(1000);
    }
    char payload[32];
    int size = snprintf(payload, sizeof payload, "%lu", n++);
    CHECK(wire_printf(&wire, "PUB load.%u %d\r\n%s\r\n", me, size, payload),
          "publisher %u lost its connection", me);
  }
  CHECK(wire_sync(&wire, NULL), "publisher %u got no PONG", me);
  wire_close(&wire, false);
  atomic_store_explicit(&total[me], n, memory_order_release); /* pairs with all_received's acquire */
  return NULL;
}

static bool all_received(const unsigned long *next) {
  for (unsigned p = 0; p < PUBLISHERS; p++)
    if (next[p] < atomic_load_explicit(&total[p], memory_order_acquire))
      return false; /* pairs with publish */
  return true;
}

static void *subscribe(void *arg) {
  size_t me = (size_t)(uintptr_t)arg;
  unsigned long next[PUBLISHERS] = {0};
  struct wire wire;
  wire_hello(&wire, server.port, "");
  CHECK(wire_printf(&wire, me == 0 ? "SUB load.> 1\r\n" : "SUB load.* 1\r\n") && wire_sync(&wire, NULL),
        "no PONG");
  for (unsigned p = 0; p < PUBLISHERS; p++) /* joined; release: pairs with main */
    atomic_store_explicit(&received[me][p], 0, memory_order_release);
  for (int idle_ms = 0; !all_received(next);) { /* how many there are is known only after the last */
    struct wire_event event;
    wire_next(&wire, &event, 50);
    idle_ms = event.kind == WIRE_TIMEOUT ? idle_ms + 50 : 0;
    if (event.kind == WIRE_TIMEOUT && idle_ms < test_wait_ms()) continue;
    CHECK(event.kind == WIRE_MSG, "subscriber %zu got event %d %s", me, event.kind, event.subject);
    unsigned p = (unsigned)(event.subject[5] - '0');
    unsigned long number = strtoul(event.payload, NULL, 10);
    CHECK(p < PUBLISHERS && number == next[p], "subscriber %zu got %lu on %s, wanted %lu", me, number,
          event.subject, next[p]);
    next[p]++;
    atomic_store_explicit(&received[me][p], next[p], memory_order_release); /* pairs with slowest */
  }
  wire_close(&wire, false);
  return NULL;
}

/* ---- requests ---- */

/* Sends request number n and returns who answered: one of the versions, or NOBODY. */
static unsigned ask(struct wire *wire, unsigned who, unsigned long n) {
  struct wire_event event;
  char inbox[64];
  snprintf(inbox, sizeof inbox, "in.%u.%lu", who, n);
  CHECK(wire_printf(wire, "PUB version %s 2\r\nhi\r\n", inbox), "requester %u lost its connection", who);
  wire_next(wire, &event, test_wait_ms());
  CHECK(event.kind == WIRE_MSG, "requester %u got event %d %s for request %lu", who, event.kind,
        event.subject, n);
  CHECK(strcmp(event.subject, inbox) == 0, "an answer to %s, wanted %s", event.subject, inbox);
  if (event.size == 1 && event.payload[0] == 'a') return VERSION_A;
  if (event.size == 1 && event.payload[0] == 'b') return VERSION_B;
  CHECK(event.size > 12 && strncmp(event.payload, "NATS/1.0 503", 12) == 0, "answer '%.*s'", (int)event.size,
        event.payload);
  return NOBODY;
}

static void hello_requester(struct wire *wire, unsigned who) {
  wire_hello(wire, server.port, "\"headers\":true,\"no_responders\":true");
  CHECK(wire_printf(wire, "SUB in.%u.* 1\r\n", who) && wire_sync(wire, NULL), "no PONG");
}

static void *request(void *arg) {
  unsigned me = (unsigned)(uintptr_t)arg;
  struct wire wire;
  hello_requester(&wire, me);
  for (unsigned long n = 0; !atomic_load_explicit(&over, memory_order_acquire); n++) { /* pairs with main */
    /* acquire, both: pairs with main's release; what the epochs up to it allow is visible */
    unsigned from = atomic_load_explicit(&epoch, memory_order_acquire);
    unsigned who = ask(&wire, me, n);
    unsigned to = atomic_load_explicit(&epoch, memory_order_acquire);
    unsigned may = 0;
    for (unsigned e = from; e <= to; e++)
      may |= allowed[e];
    CHECK(may & who, "request %lu was answered by %u in epochs %u to %u, which allow %u", n, who, from, to,
          may);
    atomic_fetch_add_explicit(&answers[who], 1, memory_order_relaxed); /* a statistic */
  }
  unsigned more = 0;
  CHECK(wire_sync(&wire, &more) && more == 0, "requester %u got %u answers too many", me, more);
  wire_close(&wire, false);
  return NULL;
}

/* ---- the module's file ---- */

static void copy_file(const char *from, const char *to) {
  static char room[1 << 16];
  int in = open(from, O_RDONLY | O_CLOEXEC), out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  CHECK(in >= 0 && out >= 0, "%s, %s", from, to);
  for (ssize_t n; (n = read(in, room, sizeof room)) != 0;)
    CHECK(n > 0 && write(out, room, (size_t)n) == n, "copying %s", from);
  close(in);
  close(out);
}

/* Puts a version (or nothing) where the module's file is: by rename, or written over the file itself. */
static void place(unsigned version, bool in_place) {
  char next[160];
  snprintf(next, sizeof next, "%s.next", module_path);
  if (version == NOBODY) {
    CHECK(unlink(module_path) == 0, "%s", module_path);
  } else if (in_place) {
    copy_file(sources[version], module_path);
  } else {
    copy_file(sources[version], next);
    CHECK(rename(next, module_path) == 0, "%s", module_path);
  }
}

static unsigned log_count(const char *what) {
  char *log = broker_log(&server);
  unsigned count = 0;
  for (const char *at = log; (at = strstr(at, what)) != NULL; at++)
    count++;
  free(log);
  return count;
}

/* One change, from begin to end. */
static void change(unsigned from, unsigned to, unsigned number) {
  /* The old one is unloaded last; where there is none, the new one is loaded. */
  const char *sign = from == NOBODY ? " loaded" : " unloaded";
  unsigned before = log_count(sign);
  unsigned now = atomic_load_explicit(&epoch, memory_order_relaxed); /* only this thread writes it */
  allowed[now + 1] = from | to;
  atomic_store_explicit(&epoch, now + 1, memory_order_release); /* pairs with request's acquire */
  place(to, number % 2 == 0);
  CHECK(kill(server.pid, SIGHUP) == 0, "the broker is gone");
  for (int waited = 0; log_count(sign) == before; waited += 2) {
    CHECK(waited < test_wait_ms(), "change %u, from %u to %u, is not done", number, from, to);
    usleep(2000);
  }
  allowed[now + 2] = to;
  atomic_store_explicit(&epoch, now + 2, memory_order_release); /* as above */
}

/* What comes after a version. All six changes occur. */
static unsigned next_version(unsigned version, unsigned number) {
  static const unsigned others[8][2] = {[VERSION_A] = {VERSION_B, NOBODY},
                                        [VERSION_B] = {VERSION_A, NOBODY},
                                        [NOBODY] = {VERSION_A, VERSION_B}};
  return others[version][number % 5 % 2];
}

static void wait_joined(void) {
  for (int i = 0; i < SUBSCRIBERS; i++)
    for (int waited = 0; atomic_load_explicit(&received[i][PUBLISHERS - 1], memory_order_acquire) != 0;
         waited++) { /* acquire: pairs with subscribe's release */
      CHECK(waited < test_wait_ms(), "subscriber %d does not join", i);
      usleep(1000);
    }
}

int main(int argc, char **argv) {
  CHECK(argc == 4, "usage: replace BROKER MODULE_A MODULE_B");
  sources[VERSION_A] = argv[2];
  sources[VERSION_B] = argv[3];
  char dir[] = "/tmp/tern-handlers-XXXXXX", option[160];
  CHECK(mkdtemp(dir) != NULL, "mkdtemp");
  snprintf(module_path, sizeof module_path, "%s/version.so", dir);
  snprintf(option, sizeof option, "handler=version=%s", module_path);
  place(VERSION_A, true);
  allowed[0] = VERSION_A;
  broker_start(&server,
               &(struct broker_setup){.path = argv[1], .options = (const char *const[]){option, NULL}});
  int files = broker_files(&server);
  for (int p = 0; p < PUBLISHERS; p++) {
    atomic_init(&total[p], (unsigned long)-1);
    for (int i = 0; i < SUBSCRIBERS; i++) /* not 0: not joined yet */
      atomic_init(&received[i][p], (unsigned long)-1 - WINDOW);
  }
  pthread_t threads[SUBSCRIBERS + PUBLISHERS + REQUESTERS];
  size_t count = 0;
  for (uintptr_t i = 0; i < SUBSCRIBERS; i++)
    pthread_create(&threads[count++], NULL, subscribe, (void *)i);
  wait_joined();
  for (uintptr_t i = 0; i < PUBLISHERS; i++)
    pthread_create(&threads[count++], NULL, publish, (void *)i);
  for (uintptr_t i = 0; i < REQUESTERS; i++)
    pthread_create(&threads[count++], NULL, request, (void *)i);

  struct wire wire;
  hello_requester(&wire, 9);
  unsigned version = VERSION_A, changes = (unsigned)test_scaled(CHANGES);
  for (unsigned number = 0; number < changes; number++) {
    unsigned to = next_version(version, number);
    change(version, to, number);
    version = to;
    unsigned who = ask(&wire, 9, number);
    CHECK(who == version, "after change %u, %u answers instead of %u", number, who, version);
  }
  wire_close(&wire, false);
  atomic_store_explicit(&over, true, memory_order_release); /* pairs with the threads' acquire */
  for (size_t i = 0; i < count; i++)
    pthread_join(threads[i], NULL);
  printf("%u changes, %lu and %lu messages; answers: a %lu, b %lu, nobody %lu\n", changes, total[0], total[1],
         answers[VERSION_A], answers[VERSION_B], answers[NOBODY]);
  CHECK(answers[VERSION_A] > 0 && answers[VERSION_B] > 0 && answers[NOBODY] > 0, "some answer never came");
  for (int waited = 0; broker_files(&server) > files; waited += 10) { /* no copy stays open */
    CHECK(waited < test_wait_ms(), "%d files open, %d at first", broker_files(&server), files);
    usleep(10000);
  }
  CHECK(broker_stop(&server, SIGTERM) == 0, "exit code");
  unlink(module_path);
  rmdir(dir);
  return 0;
}
