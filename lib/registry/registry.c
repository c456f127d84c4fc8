/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The registry as a whole: its parts, its figures, the generations that keep caches honest, the growing of the
 * table, and in-process handlers.
 *
 * Generations. A cached result is as good as new while four cells have not moved: the literal filter with this
 * text (literal), wildcard filters that begin with the subject's first token (first), with its first two
 * (second), and those that begin with a wildcard (root). Each change goes to exactly one cell:
 *
 *     filter     a.b.c          a.*        a.b.>             *.b, >
 *     cell       literal[a.b.c] first[a]   second[a.b]       root
 *
 *     matcher                                writer
 *       g = cells (acquire)                    change the shared level
 *       walk, store {g, result}                cell += 1 (release)
 *       later: cells == g ? use : walk
 *
 * Either the walk saw the change, or the cells were read before the writer's step and differ from now on (R1).
 * Cells only count up, so their sum stands for all four. Churn on one filter moves one cell (R6).
 *
 * The epoch counts every change, after its cell. While it stands, nothing has changed and the cells need no look; it
 * also goes with a message to other workers, which so know what the match had seen (R7).
 *
 * The table does not resize itself; when it holds two entries per bucket a job on the reclaimer's background
 * thread doubles it. Threads: see each function in the headers.
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <tern/error.h>

#include "hash.h"
#include "pool.h"
#include "shared.h"
#include "table.h"
#include "tokens.h"

#define BUCKETS_MIN 1024ul
#define BUCKETS_MAX (1ul << 24) /* reserves address space, 16 bytes each; memory only when used */
/* Entries made by one writer between two looks at the load of the table. */
#define GROW_CHECK 64

/* Memory for entries that a writer provides at a time, once it has made so many that more are likely. Below what the
 * allocator gives back to the system by itself. */
#define PROVIDE_BYTES (32 * 1024)
#define PROVIDE_FROM  (512 * 1024)

void *tern__shared_alloc(size_t size) {
  if (tern__pool_fault != NULL && tern__pool_fault(size)) return NULL;
  return malloc(size);
}

#ifdef TERN_SEEDED_BUGS
void tern__race_point(void) {
  static _Thread_local unsigned passed;
  if (++passed % 5 == 0) sched_yield();
}
#endif

uint64_t tern__child_hash(uint64_t parent_hash, uint64_t token_hash) {
  return tern__hash_mix(parent_hash, token_hash);
}

static struct tern_registry_stats sum_up(const struct tern_registry *registry) {
  int64_t nodes = 0, filters = 0, bytes = 0;
  for (size_t i = 0; i <= TERN_WORKERS_MAX; i++) {
    const struct tern__counters *c = &registry->counters[i];
    /* relaxed: figures, pair with the adds in tern__count_entry, entry.c and interest.c */
    nodes += atomic_load_explicit(&c->nodes, memory_order_relaxed);
    filters += atomic_load_explicit(&c->filters, memory_order_relaxed);
    bytes += atomic_load_explicit(&c->bytes, memory_order_relaxed);
  }
  /* one worker may be seen before it made and another after it removed */
  return (struct tern_registry_stats){
      .filters = filters > 0 ? (uint64_t)filters : 0,
      .nodes = nodes > 0 ? (uint64_t)nodes : 0,
      .bytes = bytes > 0 ? (uint64_t)bytes : 0,
  };
}

struct tern_registry_stats tern_registry_stats(const struct tern_registry *registry) {
  return sum_up(registry);
}

static void grow(struct tern_job *job) {
  struct tern_registry *registry = tern_container(job, struct tern_registry, grow_job);
  /* relaxed: only this job writes it, and jobs are ordered by `growing` */
  uint64_t buckets = atomic_load_explicit(&registry->buckets, memory_order_relaxed);
  uint64_t nodes = sum_up(registry).nodes;
  while (2 * buckets <= nodes && buckets < BUCKETS_MAX)
    buckets *= 2;
  cds_lfht_resize(registry->table, buckets);
  /* release: so many buckets may be read from now on; pairs with the load in tern_index_bring, and as a hint with that in
   * tern__count_entry */
  atomic_store_explicit(&registry->buckets, buckets, memory_order_release);
  /* release: the job is over and may be queued again; pairs with the exchange in tern__count_entry and the
   * load in tern_registry_free */
  atomic_store_explicit(&registry->growing, false, memory_order_release);
}

/* The allocator grows a thread's heap by a page at a time: a system call and a page fault for some forty entries. What is
 * taken from it in one piece and given back at once it keeps for what comes next, at one price. */
__attribute__((noinline)) static void provide(struct tern__writer *writer, int64_t total) {
  writer->provided = total + PROVIDE_BYTES;
  if (total < PROVIDE_FROM) return;
  void *memory = malloc(PROVIDE_BYTES);
  if (memory == NULL) return;
  tern_memory_provide(memory, PROVIDE_BYTES);
  free(memory);
}

void tern__count_entry(struct tern__writer *writer, const struct tern__entry *entry, int sign) {
  struct tern_registry *registry = writer->registry;
  int64_t bytes = (int64_t)tern__entry_bytes(entry);
  /* relaxed: pairs with publish in interest.c; when removing, the reader of the last reference is alone */
  struct tern__interest *interest = atomic_load_explicit(&entry->interest, memory_order_relaxed);
  if (sign < 0 && interest != NULL) bytes += tern__interest_bytes(interest);
  /* relaxed, all three: figures */
  int64_t made = atomic_fetch_add_explicit(&writer->counters->nodes, sign, memory_order_relaxed);
  int64_t total = atomic_fetch_add_explicit(&writer->counters->bytes, sign * bytes, memory_order_relaxed);
  if (!entry->in_trie) atomic_fetch_add_explicit(&writer->counters->filters, sign, memory_order_relaxed);
  if (sign > 0 && total > writer->provided) provide(writer, total);
  if (sign < 0 || made % GROW_CHECK != 0) return;
  /* relaxed: a hint, see grow */
  uint64_t buckets = atomic_load_explicit(&registry->buckets, memory_order_relaxed);
  if (buckets >= BUCKETS_MAX || sum_up(registry).nodes <= 2 * buckets) return;
  /* acq_rel: one job at a time; pairs with the release at the end of grow */
  if (atomic_exchange_explicit(&registry->growing, true, memory_order_acq_rel)) return;
  writer->reclaimer->ops->background(writer->reclaimer, &registry->grow_job);
}

int tern__filter_parse(struct tern_registry *registry, struct tern_slice text, struct tern__filter *filter) {
  if (text.len > TERN__FILTER_MAX_BYTES || !tern_filter_is_valid(text)) return TERN_ESUBJECT;
  struct tern__generations *generations = &registry->generations;
  *filter = (struct tern__filter){.text = text, .hash = tern_subject_hash(text)};
  struct tern__tokens tokens = {text, false};
  struct tern_slice token;
  size_t literal_tokens = 0, first_len = 0, second_len = 0;
  while (tern__next_token(&tokens, &token)) {
    if (tern__token_is_wild(token)) {
      filter->wildcard = true;
      break;
    }
    literal_tokens++;
    if (literal_tokens == 1) first_len = token.len;
    if (literal_tokens == 2) second_len = first_len + 1 + token.len;
  }
  if (!filter->wildcard)
    filter->generation = &generations->literal[filter->hash % 8192];
  else if (literal_tokens == 0)
    filter->generation = &generations->root;
  else if (literal_tokens == 1)
    filter->generation = &generations->first[tern__hash(text.ptr, first_len) % 4096];
  else
    filter->generation = &generations->second[tern__hash(text.ptr, second_len) % 8192];
  return 0;
}

void tern__bump(struct tern_registry *registry, const struct tern__filter *filter) {
  /* release: the change comes first; pairs with the acquire loads in match.c (R1, R6) */
  atomic_fetch_add_explicit(filter->generation, 1, memory_order_release);
  /* release: the generation comes first; pairs with the acquire in tern__epoch (R7) */
  atomic_fetch_add_explicit(&registry->generations.epoch, 1, memory_order_release);
}

struct tern_registry *tern_registry_new(struct tern_reclaimer *reclaimer) {
  /* calloc has what is as large as this straight from the system, so that of the 160 KiB of generations only the pages in
   * use are there. It aligns to less than a line. */
  char *memory = calloc(1, sizeof(struct tern_registry) + alignof(struct tern_registry));
  if (memory == NULL) return NULL;
  const uintptr_t mask = alignof(struct tern_registry) - 1;
  struct tern_registry *registry = (void *)(((uintptr_t)memory + mask) & ~mask);
  registry->memory = memory;
  registry->table = tern__table_new(BUCKETS_MIN, BUCKETS_MAX, reclaimer->flavor);
  if (registry->table == NULL) {
    free(registry->memory);
    return NULL;
  }
  registry->root.entry.in_trie = 1;
  registry->root_hash = tern__hash("", 0);
  registry->star_hash = tern__hash("*", 1);
  registry->tail_hash = tern__hash(">", 1);
  registry->grow_job.run = grow;
  atomic_init(&registry->buckets, BUCKETS_MIN);
  return registry;
}

void tern_registry_free(struct tern_registry *registry) {
  if (registry == NULL) return;
  /* A job that was given to the background thread is run, also when everything is about to stop. acquire: pairs
   * with the release at the end of grow. */
  while (atomic_load_explicit(&registry->growing, memory_order_acquire))
    nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
  if (cds_lfht_destroy(registry->table, NULL) != 0) {
    fprintf(stderr, "tern: a registry was freed with %llu entries still in use; this is a bug\n",
            (unsigned long long)sum_up(registry).nodes);
    abort();
  }
  free(registry->memory);
}

/* Handlers are counted in the last line, which several threads may share. */
static struct tern__writer handler_writer(struct tern_registry *registry, struct tern_reclaimer *reclaimer) {
  return (struct tern__writer){registry, reclaimer, &registry->counters[TERN_WORKERS_MAX], INT64_MAX};
}

static int attach(struct tern__writer *writer, const struct tern__filter *filter,
                  struct tern_handler *handler) {
  struct tern__entry *found = tern__entry_find(writer->registry, filter);
  struct tern__entry *entry = tern__entry_get(writer, filter, found); /* one reference per handler */
  if (entry == NULL) return -ENOMEM;
  int error = tern__handler_change(writer, entry, NULL, handler);
  if (error != 0)
    tern__entry_put(writer, entry);
  else
    tern__bump(writer->registry, filter);
  return error;
}

static int replace(struct tern__writer *writer, const struct tern__filter *filter, struct tern_handler *from,
                   struct tern_handler *to) {
  struct tern__entry *entry = tern__entry_find(writer->registry, filter);
  if (entry == NULL) return -ENOENT;
  int error = tern__handler_change(writer, entry, from, to);
  if (error != 0) return error;
  tern__bump(writer->registry, filter);
  if (to == NULL) tern__entry_put(writer, entry);
  return 0;
}

int tern_registry_attach(struct tern_registry *registry, struct tern_reclaimer *reclaimer,
                         struct tern_handler *handler, struct tern_slice filter) {
  struct tern__writer writer = handler_writer(registry, reclaimer);
  struct tern__filter parsed;
  int error = tern__filter_parse(registry, filter, &parsed);
  if (error != 0) return error;
  tern__reclaimer_enter(reclaimer);
  error = attach(&writer, &parsed, handler);
  tern__reclaimer_leave(reclaimer);
  return error;
}

int tern_registry_swap(struct tern_registry *registry, struct tern_reclaimer *reclaimer,
                       struct tern_handler *old_handler, struct tern_handler *new_handler,
                       struct tern_slice filter) {
  struct tern__writer writer = handler_writer(registry, reclaimer);
  struct tern__filter parsed;
  if (tern__filter_parse(registry, filter, &parsed) != 0) return -ENOENT;
  tern__reclaimer_enter(reclaimer);
  int error = replace(&writer, &parsed, old_handler, new_handler);
  tern__reclaimer_leave(reclaimer);
  return error;
}

void tern_registry_detach(struct tern_registry *registry, struct tern_reclaimer *reclaimer,
                          struct tern_handler *handler, struct tern_slice filter) {
  (void)tern_registry_swap(registry, reclaimer, handler, NULL, filter); /* not there: nothing to do */
}
