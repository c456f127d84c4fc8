/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A whole conversation: the broker's core on simulated workers, and up to four clients that say, in pieces and in an
 * order that the input decides, whatever the input has them say. Three bytes first, then a script:
 *
 *     byte 0   workers: '1', '2', '3'
 *     byte 1   bits: 1 small limits, 2 the largest rings instead of the smallest, 4 memory connections lose patience
 *     byte 2   where the random order of the workers' steps begins
 *
 *     @a @b @c @d   what follows is said by this client (it connects by a socket pair if need be)
 *     @A @B @C @D   the same, but connecting in memory with cut reads, short writes and little room
 *     @,            the piece ends here: what came since the last @ is sent
 *     @1 ... @9     that many times eight steps of workers chosen at random
 *     @.            everything settles
 *     @+ @^         a second, a minute passes
 *     @z @r         the client stops, resumes reading (in memory)
 *     @!            the client hangs up
 *     @@            the character
 *
 * What must hold: nothing crashes, nothing is left over (sim_close sees to that), and what each client has received is
 * a flow of operations that a client understands, complete unless its connection was broken off.
 */
#include <stdlib.h>
#include <string.h>

#include <tern/codec_nats.h>
#include <tern/log.h>

#include "broker_sim.h"
#include "check.h"
#include "target.h"

#define CLIENTS         4
#define INPUT_MAX_BYTES 4096
#define RING_BYTES      32768 /* the smallest */
#define STEPS_MAX       4000
#define SETTLES_MAX     6

struct run {
  struct sim sim;
  struct sim_client clients[CLIENTS];
  bool present[CLIENTS];
  bool broken[CLIENTS]; /* its flow may end anywhere */
  struct tern_mem_faults faults;
  unsigned current;
  unsigned steps, settles;
  uint64_t slow; /* connections that were cut off as slow */
};

static struct nats_limits limits_of(uint8_t how) {
  struct nats_limits limits = sim_limits();
  if (!(how & 1)) return limits;
  limits.max_payload = 200;
  limits.max_control_line = 80;
  limits.max_pending = 2000;
  limits.max_connections = 3;
  limits.max_subscriptions = 5;
  limits.max_subscription_tokens = 4;
  limits.ping_interval_ms = 3000;
  limits.write_deadline_ms = 2000;
  return limits;
}

/* The log is part of what runs, the trace of all traffic included; it goes nowhere. */
static void log_to_nowhere(void) {
  static bool started;
  struct tern_log_options options = {.path = "/dev/null", .debug = true, .trace = true};
  if (!started && tern_log_start(&options) != 0) abort();
  started = true;
}

static uint64_t count_slow(const struct run *run) {
  uint64_t slow = 0;
  for (unsigned i = 0; i < run->sim.count; i++)
    slow += tern_counter_read(&nats_worker_stats(run->sim.core.nats.workers[i])->slow_consumers);
  return slow;
}

/* ---- what a client received ---- */

static void check_op(const struct tern_nats_op *op) {
  switch (op->verb) {
    case TERN_NATS_HMSG:
      FUZZ_CHECK(op->header_len > 0);
      break;
    case TERN_NATS_INFO:
      FUZZ_CHECK(op->arg.len > 2 && op->arg.ptr[0] == '{' && op->arg.ptr[op->arg.len - 1] == '}');
      break;
    case TERN_NATS_ERR:
      FUZZ_CHECK(op->arg.len > 2 && op->arg.ptr[0] == '\'' && op->arg.ptr[op->arg.len - 1] == '\'');
      break;
    default:
      break;
  }
}

static void check_received(const struct sim_client *client, bool broken) {
  struct tern_pool *pool = tern_pool_new();
  if (pool == NULL) abort();
  struct tern_nats_parser parser;
  struct tern_nats_op op;
  struct tern_chunk chunk = {client->in, client->in_len, NULL};
  tern_nats_init(&parser, TERN_NATS_FROM_SERVER, pool);
  tern_nats_set_limits(&parser, 2 * INPUT_MAX_BYTES, 2 * INPUT_MAX_BYTES);
  tern_nats_set_headers(&parser, true);
  tern_nats_feed(&parser, &chunk);
  int more;
  unsigned count = 0;
  for (; (more = tern_nats_next(&parser, &op)) > 0; count++) {
    FUZZ_CHECK(count > 0 || op.verb == TERN_NATS_INFO);
    check_op(&op);
  }
  FUZZ_CHECK(more == 0);
  if (!broken) {
    FUZZ_CHECK(count > 0);
    FUZZ_CHECK(tern_nats_unused(&parser) == 0);
    FUZZ_CHECK(client->in[client->in_len - 1] == '\n');
  }
  tern_nats_reset(&parser);
  tern_pool_free(pool);
}

/* ---- the script ---- */

static void forget(struct run *run, unsigned i) {
  if (!run->present[i]) return;
  check_received(&run->clients[i], run->broken[i] || count_slow(run) > 0);
  sim_client_free(&run->clients[i]);
  run->present[i] = false;
}

static void become(struct run *run, unsigned i, bool in_memory) {
  run->current = i;
  if (run->present[i] && !run->clients[i].lost) return;
  forget(run, i);
  run->broken[i] = in_memory;
  run->present[i] = true;
  if (sim_connect(&run->sim, &run->clients[i], i % run->sim.count, in_memory ? &run->faults : NULL) != 0)
    abort();
}

static void step(struct run *run, unsigned count) {
  for (; count > 0 && run->steps < STEPS_MAX; count--, run->steps++)
    sim_step(&run->sim);
}

static void set_reading(struct run *run, bool paused) {
  struct sim_client *client = &run->clients[run->current];
  if (!run->present[run->current] || client->transport == NULL) return;
  tern__sim_enter(tern_workers_at(run->sim.workers, client->worker));
  if (paused)
    tern_transport_pause_reading(client->transport);
  else
    tern_transport_resume_reading(client->transport);
  tern__sim_enter(NULL);
}

static void control(struct run *run, char what) {
  struct sim_client *client = &run->clients[run->current];
  if (what >= 'a' && what < 'a' + CLIENTS) {
    become(run, (unsigned)(what - 'a'), false);
  } else if (what >= 'A' && what < 'A' + CLIENTS) {
    become(run, (unsigned)(what - 'A'), true);
  } else if (what >= '1' && what <= '9') {
    step(run, 8 * (unsigned)(what - '0'));
  } else if (what == '.' && run->settles < SETTLES_MAX) {
    run->settles++;
    sim_settle(&run->sim);
  } else if (what == '+' || what == '^') {
    tern__sim_advance(run->sim.workers, what == '+' ? 1000 : 60000);
  } else if (what == 'z' || what == 'r') {
    set_reading(run, what == 'z');
  } else if (what == '!' && run->present[run->current]) {
    run->broken[run->current] = true;
    sim_pull(client);
    sim_hang_up(client);
  }
}

static void say(struct run *run, const char *text, size_t len) {
  if (run->present[run->current] && len > 0) sim_send(&run->clients[run->current], text, len);
}

static void play(struct run *run, const char *script, size_t len) {
  char piece[INPUT_MAX_BYTES];
  size_t used = 0;
  for (size_t i = 0; i < len; i++) {
    bool escape = script[i] == '@' && i + 1 < len;
    if (escape && script[i + 1] != '@') {
      say(run, piece, used);
      used = 0;
      control(run, script[i + 1]);
    } else {
      piece[used++] = script[i];
    }
    i += escape;
  }
  say(run, piece, used);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
  if (len < 3 || len > INPUT_MAX_BYTES) return 0;
  log_to_nowhere();
  struct run run;
  memset(&run, 0, sizeof run);
  run.sim.random = data[2];
  if (data[1] & 4) run.faults.reset_after = 700;
  run.faults.read_max = 7;
  run.faults.write_max = 150;
  run.faults.capacity = 400;
  run.faults.eagain_every = 3;
  struct nats_limits limits = limits_of(data[1]);
  if (sim_open(&run.sim, 1 + data[0] % 3, data[1] & 2 ? 0 : RING_BYTES, &limits) != 0) abort();
  play(&run, (const char *)data + 3, len - 3);
  step(&run, 100);
  for (unsigned i = 0; i < CLIENTS; i++)
    if (run.present[i]) sim_pull(&run.clients[i]);
  run.slow = count_slow(&run);
  sim_close(&run.sim);
  for (unsigned i = 0; i < CLIENTS; i++) {
    if (!run.present[i]) continue;
    sim_pull(&run.clients[i]);
    check_received(&run.clients[i], run.broken[i] || run.slow > 0);
    sim_client_free(&run.clients[i]);
  }
  return 0;
}
