/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What publishers and subscribers do; one thread and one connection each.
 *
 *     publisher:  connect, wait for PHASE_PUBLISH, send batches, PING, wait for PONG, done
 *     subscriber: connect, SUB, receive and check; in PHASE_DRAIN: PING, receive until PONG, done
 *
 * After a publisher's PONG the server has taken all of its messages, and after a subscriber's PONG it has
 * sent all of them; what is missing then gets two more quiet seconds before it counts as lost. Through the
 * byte forwarder the end of the stream takes the PONG's place.
 *
 * A thread writes its own struct peer only; main reads state and messages meanwhile and the rest after
 * joining.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "cpu.h"
#include "run.h"

/* About the size of a write: large enough that system calls do not count, small enough for the cache. */
#define BATCH_TARGET_BYTES (256 * 1024)
#define RECEIVE_BYTES      (256 * 1024)
#define INPUT_BYTES        (PAYLOAD_MAX_BYTES + 2 * RECEIVE_BYTES) /* an incomplete message, and what comes next */
#define QUIET_TICKS        (2000 / CLIENT_TICK_MS)
#define PONG_TICKS         (10000 / CLIENT_TICK_MS)

static enum phase phase_of(const struct run *run) {
  /* acquire: pairs with main's release; what main prepared for the phase is visible */
  return (enum phase)atomic_load_explicit(&run->phase, memory_order_acquire);
}

static void set_state(struct peer *peer, enum peer_state state) {
  /* release: pairs with main's acquire; the error text is visible with the state */
  atomic_store_explicit(&peer->state, state, memory_order_release);
}

static void pause_ms(long ms) { nanosleep(&(struct timespec){.tv_nsec = ms * 1000000}, NULL); }

/* Waits until publishing begins; false when it does not. */
static bool wait_for_start(struct peer *peer) {
  while (phase_of(peer->run) == PHASE_CONNECT)
    pause_ms(1);
  return phase_of(peer->run) != PHASE_ABORT;
}

static bool send_all(struct peer *peer, const char *data, size_t len) {
  while (len > 0) {
    long n = client_send(&peer->client, data, len);
    if (n < 0) return false;
    if (n == 0 && phase_of(peer->run) == PHASE_ABORT) return false;
    data += n;
    len -= (size_t)n;
  }
  return true;
}

/* What a publisher remembers about its input. */
struct replies {
  struct tern_nats_parser parser;
  unsigned pongs;
};

/* Takes what the server has to say: answers PING, counts PONG. False on -ERR, the end, or nonsense. */
static bool take_replies(struct peer *peer, struct replies *replies, bool wait) {
  char input[4096];
  struct client *client = &peer->client;
  struct tern_nats_op op;
  long n = client_receive(client, input, sizeof input, wait);
  if (n <= 0) return n == 0;
  tern_nats_feed(&replies->parser, &(struct tern_chunk){.data = input, .len = (size_t)n});
  int result;
  while ((result = tern_nats_next(&replies->parser, &op)) > 0) {
    if (op.verb == TERN_NATS_PONG) replies->pongs++;
    if (op.verb == TERN_NATS_PING && !send_all(peer, "PONG\r\n", 6)) return false;
    if (op.verb == TERN_NATS_ERR) {
      client_fail(client, "the server answered -ERR %.*s", (int)op.arg.len, op.arg.ptr);
      return false;
    }
  }
  if (result < 0) client_fail(client, "the server sent something that is not the NATS protocol");
  return result == 0 && tern_nats_keep(&replies->parser) == 0;
}

/* Sends all batches. */
static bool publish(struct peer *peer, struct batch *batch, struct replies *replies) {
  uint64_t wanted = peer->run->options->messages;
  for (uint64_t sent = 0; sent < wanted && phase_of(peer->run) == PHASE_PUBLISH;) {
    uint64_t n = wanted - sent < batch->frames ? wanted - sent : batch->frames;
    batch_number(batch, sent);
    if (!send_all(peer, batch->bytes, n * batch->frame_bytes)) return false;
    sent += n;
    tern_counter_add(&peer->messages, n);
    if (!peer->client.raw && !take_replies(peer, replies, false)) return false;
  }
  return true;
}

/* Waits until the server has taken everything. */
static bool acknowledge(struct peer *peer, struct replies *replies) {
  if (peer->client.raw) return shutdown(peer->client.fd, SHUT_WR) == 0;
  if (!send_all(peer, "PING\r\n", 6)) return false;
  for (int ticks = 0; replies->pongs == 0; ticks++) {
    if (!take_replies(peer, replies, true) || phase_of(peer->run) == PHASE_ABORT) return false;
    if (ticks == PONG_TICKS) {
      client_fail(&peer->client, "the server did not answer the last PING");
      return false;
    }
  }
  return true;
}

void *publisher_main(void *arg) {
  struct peer *peer = arg;
  struct run *run = peer->run;
  struct batch batch = {0};
  struct replies replies = {.pongs = 0};
  bool ok = client_open(&peer->client, &run->options->target, NULL);
  if (ok) tern_nats_init(&replies.parser, TERN_NATS_FROM_SERVER, peer->client.pool);
  if (ok && batch_init(&batch, &run->shape, peer->index, BATCH_TARGET_BYTES, peer->client.raw) < 0) {
    client_fail(&peer->client, "out of memory");
    ok = false;
  }
  if (ok) {
    set_state(peer, PEER_READY);
    ok = wait_for_start(peer);
    uint64_t cpu = thread_cpu_ns();
    ok = ok && publish(peer, &batch, &replies);
    /* When sending failed the server may have said why before. */
    if (!ok && !peer->client.raw) take_replies(peer, &replies, false);
    ok = ok && acknowledge(peer, &replies);
    peer->cpu_ns = thread_cpu_ns() - cpu;
    peer->last_ns = now_ns();
    tern_nats_reset(&replies.parser);
  }
  batch_free(&batch);
  client_close(&peer->client);
  set_state(peer, ok ? PEER_DONE : PEER_FAILED);
  return NULL;
}

/* Messages this subscriber is to get; main has let all publishers finish. */
static uint64_t expected(const struct run *run) {
  uint64_t sum = 0;
  for (unsigned i = 0; i < run->options->publishers; i++)
    sum += tern_counter_read(&run->publishers[i].messages);
  return sum;
}

/* Checks what is in the buffer and answers. Returns bytes used or -1. */
static long check_input(struct peer *peer, const char *input, size_t len) {
  struct checker *checker = &peer->checker;
  uint64_t before = checker->found.received;
  int64_t used = checker_feed(checker, input, len);
  tern_counter_add(&peer->messages, checker->found.received - before);
  if (used < 0) client_fail(&peer->client, "the server sent something that is not the NATS protocol");
  if (used >= 0 && checker->error[0] != '\0') {
    client_fail(&peer->client, "the server answered -ERR %s", checker->error);
    return -1;
  }
  for (; used >= 0 && checker->pings > 0; checker->pings--) {
    if (!send_all(peer, "PONG\r\n", 6)) return -1;
  }
  return (long)used;
}

/* Receives until everything has come or nothing comes any more. */
static bool subscribe(struct peer *peer, char *input) {
  struct run *run = peer->run;
  bool asked = peer->client.raw; /* the last PING is sent */
  size_t have = 0;
  for (int quiet = 0; phase_of(run) != PHASE_ABORT;) {
    bool draining = phase_of(run) == PHASE_DRAIN;
    if (draining && !asked) {
      if (!send_all(peer, "PING\r\n", 6)) return false;
      asked = true;
    }
    bool answered = draining && (peer->client.raw || peer->checker.pongs > 0);
    if (answered && (peer->checker.found.received >= expected(run) || quiet >= QUIET_TICKS)) return true;
    long n = client_receive(&peer->client, input + have, RECEIVE_BYTES, true);
    if (n == -2 && peer->client.raw) return true;
    if (n < 0) return false;
    quiet = n == 0 && draining ? quiet + 1 : 0;
    if (n == 0) continue;
    peer->last_ns = now_ns();
    have += (size_t)n;
    long used = check_input(peer, input, have);
    if (used < 0) return false;
    have -= (size_t)used;
    memmove(input, input + used, have);
  }
  return false;
}

void *subscriber_main(void *arg) {
  struct peer *peer = arg;
  struct run *run = peer->run;
  char *input = malloc(INPUT_BYTES);
  bool ok = client_open(&peer->client, &run->options->target, run->shape.subject);
  if (ok && (input == NULL ||
             checker_init(&peer->checker, &run->shape, run->options->publishers, peer->client.pool) < 0)) {
    client_fail(&peer->client, "out of memory");
    ok = false;
  }
  if (ok) {
    set_state(peer, PEER_READY);
    uint64_t cpu = thread_cpu_ns();
    ok = subscribe(peer, input);
    peer->cpu_ns = thread_cpu_ns() - cpu;
    tern_nats_reset(&peer->checker.parser);
  }
  free(input);
  client_close(&peer->client);
  set_state(peer, ok ? PEER_DONE : PEER_FAILED);
  return NULL;
}
