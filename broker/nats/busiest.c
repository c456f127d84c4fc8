/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See busiest.h. Windows begin at multiples of their length by the loop's clock, the same on all workers. Each has two
 * sketches, because the heaviest by messages and by bytes are different ones.
 *
 *     until_sample    messages up to the next sample    |- - - x - - -|- x - - - - -|- - - - x - -|   x: drawn
 *     rest            messages of its block behind it         ^ here: until_sample = rest + next draw
 *
 * Every message of a block has the same chance, whatever the order they come in; a block may be given up at any time, for
 * its messages so far have had theirs. So the step may change whenever it has to.
 *
 * Taking samples, and changing anything, is the worker's. Who asks gets a copy, made on the worker, and adds the workers'
 * up on its own thread.
 */
#include "busiest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <tern/limits.h>

#include "client.h"

/* A large message is sampled for certain when it has so many bytes for each message of a step. */
#define LARGE_BYTES 4096u
_Static_assert(LARGE_BYTES <= TERN_COPY_MAX_BYTES, "at a step of 1 all large messages are counted");

struct window {
  struct sketch by_msgs, by_bytes;
};

struct nats_busiest {
  uint64_t number;          /* of the window that is being filled: the time divided by its length */
  uint64_t born_ms;         /* nothing was counted before */
  uint32_t step, rest;      /* see above */
  uint64_t rate_ms;         /* since when, for the step: */
  uint64_t rate_msgs, hits; /* messages of the worker until then; samples taken since */
  struct window windows[2]; /* by the lowest bit of their number */
};

static uint64_t draw(struct nats_worker *worker, uint64_t bound) {
  return route_draw(worker->routes[0], bound);
}

static uint64_t now_ms(const struct nats_worker *worker) { return tern_loop_now_ms(worker->loop); }

static void clear(struct window *window) {
  sketch_clear(&window->by_msgs);
  sketch_clear(&window->by_bytes);
}

int nats_busiest_start(struct nats_worker *worker) {
  worker->until_sample = INT64_MAX;
  if (!worker->server->watched) return 0;
  struct nats_busiest *busiest = malloc(sizeof *busiest);
  if (busiest == NULL) return -ENOMEM;
  const uint64_t now = now_ms(worker);
  busiest->number = now / NATS_BUSIEST_WINDOW_MS;
  busiest->born_ms = busiest->rate_ms = now;
  busiest->step = 1;
  busiest->rest = 0;
  busiest->rate_msgs = busiest->hits = 0;
  clear(&busiest->windows[0]);
  clear(&busiest->windows[1]);
  worker->busiest = busiest;
  worker->until_sample = 0;
  return 0;
}

void nats_busiest_stop(struct nats_worker *worker) {
  free(worker->busiest);
  worker->busiest = NULL;
}

size_t nats_busiest_bytes(const struct nats_server *server) {
  return server->watched ? sizeof(struct nats_busiest) : 0;
}

/* ---- windows and steps ---- */

static void turn(struct nats_busiest *busiest, uint64_t now) {
  const uint64_t number = now / NATS_BUSIEST_WINDOW_MS;
  if (number == busiest->number) return;
  if (number != busiest->number + 1) clear(&busiest->windows[busiest->number & 1]);
  clear(&busiest->windows[number & 1]);
  busiest->number = number;
}

static uint32_t power_of_two(uint64_t least) {
  uint32_t step = 1;
  while (step < least && step < NATS_BUSIEST_STEP_MAX)
    step *= 2;
  return step;
}

/* The step that the rate of late asks for. Many samples in less than a second make it grow at once. */
static uint32_t wanted_step(struct nats_worker *worker) {
  struct nats_busiest *busiest = worker->busiest;
  const uint64_t now = now_ms(worker), ms = now - busiest->rate_ms;
  const uint64_t msgs = tern_counter_read(&worker->stats.in_msgs);
  uint32_t step = busiest->step;
  if (ms >= 1000)
    step = power_of_two((msgs - busiest->rate_msgs) * 1000 / ms / NATS_BUSIEST_SAMPLES);
  else if (busiest->hits >= NATS_BUSIEST_SAMPLES && step < NATS_BUSIEST_STEP_MAX)
    step *= 2;
  else
    return step;
  busiest->rate_ms = now;
  busiest->rate_msgs = msgs;
  busiest->hits = 0;
  return step;
}

/* Messages between a sample and the next one. */
static uint64_t next_gap(struct nats_worker *worker) {
  struct nats_busiest *busiest = worker->busiest;
  const uint32_t rest = busiest->rest;
  busiest->hits++;
  busiest->step = wanted_step(worker);
  const uint32_t place = (uint32_t)draw(worker, busiest->step);
  busiest->rest = busiest->step - 1 - place;
  return (uint64_t)rest + place;
}

/* Begins a block with the step that is wanted now, if it is another one: after a busy time the next sample may be far. */
static void renew_step(struct nats_worker *worker) {
  const uint32_t step = wanted_step(worker);
  struct nats_busiest *busiest = worker->busiest;
  if (step == busiest->step) return;
  busiest->step = step;
  worker->until_sample = (int64_t)draw(worker, step);
  busiest->rest = step - 1 - (uint32_t)worker->until_sample;
}

/* ---- taking samples ---- */

static void add(struct nats_client *client, const struct tern_message *m, uint64_t msgs, uint64_t bytes) {
  struct nats_busiest *busiest = client->worker->busiest;
  struct window *window = &busiest->windows[busiest->number & 1];
  const struct sketch_key key = {m->subject, m->hash, route_account_of(client->route->kinds)};
  sketch_add(&window->by_msgs, &key, msgs, bytes);
  sketch_add(&window->by_bytes, &key, bytes, msgs);
}

void nats_busiest_take(struct nats_client *client, const struct tern_message *list, uint32_t count) {
  struct nats_worker *worker = client->worker;
  const bool is_run = list->stride > 0; /* the same subject and size all along */
  int64_t left = worker->until_sample;
  uint64_t of_run = 0;
  turn(worker->busiest, now_ms(worker));
  while (left < 0) {
    const struct tern_message *m = is_run ? list : &list[count + left];
    const uint64_t weight = worker->busiest->step;
    if (is_run)
      of_run += weight;
    else if (m->body.len <= TERN_COPY_MAX_BYTES)
      add(client, m, weight, weight * m->body.len);
    left += 1 + (int64_t)next_gap(worker);
  }
  if (is_run) add(client, list, of_run, of_run * list->body.len);
  worker->until_sample = left;
}

void nats_busiest_take_large(struct nats_client *client, const struct tern_message *m) {
  struct nats_worker *worker = client->worker;
  if (worker->busiest == NULL) return;
  const uint64_t len = m->body.len, span = (uint64_t)worker->busiest->step * LARGE_BYTES;
  if (len < span && draw(worker, span) >= len) return;
  turn(worker->busiest, now_ms(worker));
  uint64_t msgs = 1;
  if (len < span) msgs = span / len + (draw(worker, len) < span % len); /* span / len, on average */
  add(client, m, msgs, len < span ? span : len);
}

/* ---- asking ---- */

/* One worker's answer; only the sketches that are wanted are copied. */
struct copying {
  const struct nats_server *server;
  bool by_bytes;
  uint32_t step;
  uint64_t ms;
  struct sketch sketches[2];
};

static void call_copy(struct tern_worker *on, void *arg) {
  struct copying *c = arg;
  struct nats_worker *worker = c->server->workers[tern_worker_index(on)];
  struct nats_busiest *busiest = worker->busiest;
  const uint64_t now = now_ms(worker);
  turn(busiest, now);
  renew_step(worker);
  const uint64_t begin = (busiest->number > 0 ? busiest->number - 1 : 0) * NATS_BUSIEST_WINDOW_MS;
  c->ms = now - (begin > busiest->born_ms ? begin : busiest->born_ms);
  c->step = busiest->step;
  for (unsigned i = 0; i < 2; i++)
    c->sketches[i] = c->by_bytes ? busiest->windows[i].by_bytes : busiest->windows[i].by_msgs;
}

static struct nats_busy row_of(const struct sketch *sketch, uint32_t at, bool by_bytes, uint64_t least) {
  const struct sketch_entry *entry = &sketch->entries[at];
  const uint64_t weight = sketch->weights[at];
  struct nats_busy row = {.key = sketch->keys[at],
                          .msgs = by_bytes ? entry->other : weight,
                          .bytes = by_bytes ? weight : entry->other,
                          .low = weight - entry->error,
                          .high = weight,
                          .least = least,
                          .account = entry->account,
                          .len = entry->len};
  memcpy(row.text, entry->text, entry->len < SKETCH_TEXT_BYTES ? entry->len : SKETCH_TEXT_BYTES);
  return row;
}

/* Rows of one sketch, of which those for the same key are added up later. Returns the most that a key has which is not in
 * it. */
static uint64_t add_rows(struct nats_busy_list *out, const struct sketch *sketch,
                         const struct nats_busy_query *query) {
  const uint64_t least = sketch_least(sketch);
  for (uint32_t i = 0; i < sketch->count; i++)
    if (!query->of_one_account || sketch->entries[i].account == query->account)
      out->list[out->count++] = row_of(sketch, i, query->by_bytes, least);
  out->total += sketch->total;
  return least;
}

static int compare_keys(const void *a, const void *b) {
  const struct nats_busy *left = a, *right = b;
  return left->key < right->key ? -1 : left->key > right->key;
}

static int compare_msgs(const void *a, const void *b) {
  const struct nats_busy *left = a, *right = b;
  if (left->msgs != right->msgs) return left->msgs > right->msgs ? -1 : 1;
  return compare_keys(a, b);
}

static int compare_bytes(const void *a, const void *b) {
  const struct nats_busy *left = a, *right = b;
  if (left->bytes != right->bytes) return left->bytes > right->bytes ? -1 : 1;
  return compare_keys(a, b);
}

/* One row for each key. absent: what a key may have at most in sketches that do not know it, all taken together. */
static void fold(struct nats_busy_list *out, uint64_t absent) {
  size_t count = 0;
  if (out->count > 0) qsort(out->list, out->count, sizeof out->list[0], compare_keys);
  for (size_t i = 0; i < out->count; i++) {
    const struct nats_busy *from = &out->list[i];
    if (count > 0 && out->list[count - 1].key == from->key) {
      struct nats_busy *to = &out->list[count - 1];
      to->msgs += from->msgs;
      to->bytes += from->bytes;
      to->low += from->low;
      to->high += from->high;
      to->least += from->least;
    } else {
      out->list[count++] = *from;
    }
  }
  for (size_t i = 0; i < count; i++)
    out->list[i].high += absent - out->list[i].least;
  out->count = count;
}

int nats_busiest_find(const struct nats_server *server, struct tern_workers *workers,
                      const struct nats_busy_query *query, struct nats_busy_list *out) {
  const unsigned count = tern_workers_count(workers);
  *out = (struct nats_busy_list){.is_watched = server->watched};
  if (!server->watched) return 0;
  struct copying *c = malloc(sizeof *c);
  out->list = malloc((size_t)count * 2 * SKETCH_PLACES * sizeof out->list[0]);
  int error = c == NULL || out->list == NULL ? -ENOMEM : 0;
  uint64_t absent = 0;
  for (unsigned i = 0; i < count && error == 0; i++) {
    c->server = server;
    c->by_bytes = query->by_bytes;
    error = tern_workers_call(workers, i, call_copy, c);
    if (error != 0) break;
    for (unsigned n = 0; n < 2; n++)
      absent += add_rows(out, &c->sketches[n], query);
    if (c->step > out->step) out->step = c->step;
    if (c->ms > out->ms) out->ms = c->ms;
  }
  free(c);
  if (error != 0) {
    free(out->list);
    *out = (struct nats_busy_list){.is_watched = true};
    return error;
  }
  fold(out, absent);
  if (out->count > 0)
    qsort(out->list, out->count, sizeof out->list[0], query->by_bytes ? compare_bytes : compare_msgs);
  return 0;
}
