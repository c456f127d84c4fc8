/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What clients publish most, by account and subject, of the last 30 to 60 seconds. Each worker has sketches (sketch.h) of
 * its own, which are fed with samples; there are none, and nothing is sampled, unless nats_server.watched.
 *
 *     messages up to TERN_COPY_MAX_BYTES   of each `step` that follow one another, one, drawn at random: it counts as step
 *     larger ones                          each with the probability p = min(1, bytes / (step * 4096)): it counts as 1 / p
 *
 * The step is 1, so that everything is counted, up to about 500 messages a second on the worker, and grows with the rate
 * up to NATS_BUSIEST_STEP_MAX: the data path pays a subtraction for each publish, run or list (nats_sample in client.h).
 *
 * How wrong is it? Two errors add up:
 *   S1  sampling. What is expected of the samples' sum is what was published. Of n small messages the estimate has a
 *       standard deviation of at most sqrt(step * n): a subject that has a tenth of a million messages is known to 10 %
 *       at a step of 1024, one that has a million to 3 %. For b bytes it is at most sqrt(step * 4096 * b).
 *   S2  the sketch, which is never too low and too high by at most 1/256 of what the worker has counted (K1 to K3).
 *       `low` and `high` are the bounds of this error, for what was sampled.
 */
#ifndef BROKER_NATS_BUSIEST_H
#define BROKER_NATS_BUSIEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <tern/worker.h>

#include "sketch.h"

/** How long subjects are counted for; the window before is remembered. */
#define NATS_BUSIEST_WINDOW_MS 30000
/** One message of so many, at most. */
#define NATS_BUSIEST_STEP_MAX 1024
/** Samples a second, about, that a worker takes before the step grows. */
#define NATS_BUSIEST_SAMPLES 512

struct nats_server;
struct nats_worker;
struct nats_client;
struct tern_message;

/** A worker's part; see busiest.c. */
struct nats_busiest;

/** Makes the worker's part, if the server is watched. Returns 0 or -ENOMEM. Thread: the worker's, like the next ones. */
int nats_busiest_start(struct nats_worker *worker);
void nats_busiest_stop(struct nats_worker *worker);
/** Some of these messages, which a client has published, are to be counted: worker->until_sample has become negative with
 * them. A run, or count messages that stand in a row. */
void nats_busiest_take(struct nats_client *client, const struct tern_message *list, uint32_t count);
/** The same for a message with a large body, whatever until_sample is. */
void nats_busiest_take_large(struct nats_client *client, const struct tern_message *m);
/** Bytes of memory a worker's part takes; 0: it has none. Thread: any. */
size_t nats_busiest_bytes(const struct nats_server *server);

/** One subject. */
struct nats_busy {
  uint64_t key; /* private */
  uint64_t msgs, bytes;
  uint64_t low, high; /* bounds of what it is sorted by (S2) */
  uint64_t least;     /* private */
  uint32_t account;   /* number */
  uint32_t len;       /* of the subject, of which text has the first SKETCH_TEXT_BYTES */
  char text[SKETCH_TEXT_BYTES];
};

/** What is wanted. */
struct nats_busy_query {
  bool by_bytes;       /* else by messages */
  bool of_one_account; /* account: its number */
  uint32_t account;
};

/** What was found, busiest first; free(list). */
struct nats_busy_list {
  struct nats_busy *list;
  size_t count;
  uint64_t total;  /* messages, or bytes, of all accounts and subjects */
  uint64_t ms;     /* so long were they counted */
  uint32_t step;   /* of the worker that samples most sparsely now */
  bool is_watched; /* false: nobody counts */
};

/** Thread: any that is no worker. Blocks: for a tick of each worker. Returns 0, -ENOMEM, or TERN_ECLOSED when the workers do
 * not run. */
int nats_busiest_find(const struct nats_server *server, struct tern_workers *workers,
                      const struct nats_busy_query *query, struct nats_busy_list *out);

#endif
