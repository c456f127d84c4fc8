/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who wants a message: the result cache, and the walk that fills it.
 *
 * The cache holds values: worker bits, names, weights, pointers to this worker's own sets. It is valid while
 * the subject's four generations have not moved (registry.c); they were read before the walk. A hit is a
 * comparison of hash, text and epoch, and of the sum of the generations when the epoch has moved. Results are
 * counted by plain references, one of the cache, one of the index for the newest and one per match in use, so that a
 * result may leave the cache while it is used.
 *
 *     cache line:  4 hashes | 4 results  ->  { match | sum, cells | groups, sets, weights, names, subject }
 *
 * The walk asks for the literal filter, then follows the wildcard trie from the root, one token at a time:
 *
 *     subject a.b       root -- a -- * =     at each branch: `>` ends here with the rest,
 *                         |     |            `*` and the token itself go on (one of them on the stack)
 *                         |     +--- > =     a branch is reached by one way only: nothing is found twice
 *                         +-- * -- c
 *
 * The stack holds at most one frame per token and lies in the index's scratch memory, like everything that is
 * collected. Tokens `*` and `>` in a published subject never follow a branch of that name as if it were literal.
 * Reading is wait-free (R3): no loop depends on what others do. Pointers into the shared level are not kept.
 *
 * Called by the index's worker, online.
 */
#include <assert.h>
#include <stdlib.h>

#include "bytes.h"
#include "hash.h"
#include "private.h"
#include "tokens.h"

#define CACHE_LINES 1024
/* Larger results are made anew for each message: a cache full of these takes 64 MiB, of usual ones about one. */
#define CACHED_MAX_BYTES 16384

/* Work of walks (tern_index_stats.visited) after which tern_index_alike makes no more of them. */
#define ALIKE_VISITED_MAX 64

enum { TOKENS, FRAMES, SETS, ITEMS, HANDLERS };

struct tern__result {
  struct tern_match match; /* first: what the caller sees */
  uint32_t refs;
  uint32_t subject_len;
  size_t bytes;
  const char *subject;
  uint64_t generation; /* sum of the four cells before the walk */
  uint64_t receivers;  /* a number: results with the same one are known to have the same receivers */
  const _Atomic uint64_t *cells[4];
};

struct token {
  struct tern_slice text;
  uint64_t hash; /* once hashed is set: many a token is only passed by a `*` */
  bool hashed;
};

struct frame {
  const struct tern__branch *branch;
  uint64_t hash;
  size_t depth; /* tokens used up */
};

/* One worker's part in a queue group, or (local != NULL) the own sinks in it. */
struct item {
  uint64_t hash;
  struct tern_slice name;
  uint32_t worker; /* TERN_WORKERS_MAX: local, so that these sort last */
  uint32_t weight;
  struct tern_members *local;
};

struct walk {
  struct tern_index *index;
  struct tern__scratch *scratch;
  size_t tokens;
  size_t sets, items, handlers;
  uint64_t workers;
};

static bool enlarge(struct tern__scratch *scratch, int which, size_t count, size_t size) {
  size_t capacity = 16;
  while (capacity < count)
    capacity *= 2;
  void *array = tern__shared_alloc(capacity * size);
  if (array == NULL) return false;
  if (scratch->array[which] != NULL) memcpy(array, scratch->array[which], scratch->capacity[which] * size);
  free(scratch->array[which]);
  scratch->array[which] = array;
  scratch->capacity[which] = capacity;
  return true;
}

static inline bool reserve(struct tern__scratch *scratch, int which, size_t count, size_t size) {
  return count <= scratch->capacity[which] || enlarge(scratch, which, count, size);
}

static bool add_item(struct walk *walk, const struct item *item) {
  if (!reserve(walk->scratch, ITEMS, walk->items + 1, sizeof *item)) return false;
  ((struct item *)walk->scratch->array[ITEMS])[walk->items++] = *item;
  return true;
}

static bool collect_own(struct walk *walk, const struct tern__entry *entry) {
  struct tern__node *node = tern__node_find(walk->index, entry);
  if (node == NULL) return true;
  if (tern__set_live(&node->plain) > 0) {
    if (!reserve(walk->scratch, SETS, walk->sets + 1, sizeof(struct tern_members *))) return false;
    ((struct tern_members **)walk->scratch->array[SETS])[walk->sets++] = &node->plain.members;
  }
  for (struct tern__group *group = node->groups; group != NULL; group = group->next) {
    struct item item = {.hash = group->hash,
                        .name = tern__group_name(group),
                        .worker = TERN_WORKERS_MAX,
                        .local = &group->set.members};
    if (!add_item(walk, &item)) return false;
  }
  return true;
}

static bool collect_entry(struct walk *walk, const struct tern__entry *entry) {
  tern__race_point();
  /* acquire: pairs with the releases in index.c */
  uint64_t workers = atomic_load_explicit(&entry->workers, memory_order_acquire);
  /* acquire: pairs with publish in interest.c */
  const struct tern__interest *interest = atomic_load_explicit(&entry->interest, memory_order_acquire);
  bool own = (workers & walk->index->own_bit) != 0;
  walk->workers |= workers;
  uint32_t rows = interest != NULL ? tern__rows_used(interest) : 0;
  walk->index->stats.visited += rows;
  for (uint32_t i = 0; i < rows; i++) {
    const struct tern__row *row = &interest->rows[i];
    /* acquire: what has a weight is complete; pairs with append_row in interest.c. The generations tell when the
     * number changes. */
    uint32_t weight = atomic_load_explicit(&row->weight, memory_order_acquire) & TERN__WEIGHT;
    if (weight == 0) continue;
    own = own || row->worker == walk->index->worker;
    struct item item = {
        .hash = row->hash, .name = {row->name, row->name_len}, .worker = row->worker, .weight = weight};
    if (!add_item(walk, &item)) return false;
  }
  for (uint32_t i = 0; interest != NULL && i < interest->handler_count; i++) {
    /* acquire: the handler is set up; pairs with tern__handler_change */
    uintptr_t handler =
        atomic_load_explicit(&interest->handlers[i], memory_order_acquire) & ~TERN__FROZEN_HANDLER;
    if (handler == 0) continue;
    if (!reserve(walk->scratch, HANDLERS, walk->handlers + 1, sizeof(uintptr_t))) return false;
    ((uintptr_t *)walk->scratch->array[HANDLERS])[walk->handlers++] = handler;
  }
  return !own || collect_own(walk, entry);
}

/* Splits the subject. False without memory; no tokens when the subject is not valid. */
static bool split(struct walk *walk, struct tern_slice subject) {
  struct tern__tokens tokens = {subject, false};
  struct tern_slice text;
  while (tern__next_token(&tokens, &text)) {
    if (text.len == 0) {
      walk->tokens = 0;
      return true;
    }
    if (!reserve(walk->scratch, TOKENS, walk->tokens + 1, sizeof(struct token))) return false;
    ((struct token *)walk->scratch->array[TOKENS])[walk->tokens++] = (struct token){.text = text};
  }
  return true;
}

static uint64_t hash_of(struct token *token) {
  if (!token->hashed) token->hash = tern__hash(token->text.ptr, token->text.len);
  token->hashed = true;
  return token->hash;
}

static bool has_children(const _Atomic uint32_t *counter) {
  /* relaxed: a new child also moves a generation, which was read with acquire before (registry.c) */
  return atomic_load_explicit(counter, memory_order_relaxed) != 0;
}

/* The frame of a child; its branch is NULL when there is none. */
static struct frame child_of(struct walk *walk, const struct frame *at, struct tern_slice token,
                             uint64_t token_hash) {
  walk->index->stats.visited++;
  uint64_t hash = tern__child_hash(at->hash, token_hash);
  return (struct frame){tern__find_child(walk->index->writer.registry, hash, at->branch, token), hash,
                        at->depth + 1};
}

static bool walk_trie(struct walk *walk) {
  static const struct tern_slice star = {"*", 1}, tail = {">", 1};
  struct tern_registry *registry = walk->index->writer.registry;
  const struct tern__branch *root = &registry->root;
  if (!has_children(&root->literals) && !has_children(&root->stars) && !has_children(&root->tails))
    return true;
  /* one frame waits per token at most: while one child is followed its sibling waits */
  if (!reserve(walk->scratch, FRAMES, walk->tokens + 1, sizeof(struct frame))) return false;
  struct frame *stack = walk->scratch->array[FRAMES];
  size_t waiting = 0;
  stack[waiting++] = (struct frame){root, registry->root_hash, 0};
  while (waiting > 0) {
    struct frame at = stack[--waiting];
    while (at.branch != NULL && at.depth < walk->tokens) {
      struct token *token = (struct token *)walk->scratch->array[TOKENS] + at.depth;
      struct frame tailed = {NULL, 0, 0}, starred = tailed, next = tailed;
      if (has_children(&at.branch->tails)) tailed = child_of(walk, &at, tail, registry->tail_hash);
      if (tailed.branch != NULL && !collect_entry(walk, &tailed.branch->entry)) return false;
      if (has_children(&at.branch->stars)) starred = child_of(walk, &at, star, registry->star_hash);
      if (has_children(&at.branch->literals) && !tern__token_is_wild(token->text))
        next = child_of(walk, &at, token->text, hash_of(token));
      if (starred.branch != NULL && next.branch != NULL) stack[waiting++] = starred;
      at = next.branch != NULL ? next : starred;
    }
    if (at.branch != NULL && !collect_entry(walk, &at.branch->entry)) return false;
  }
  return true;
}

static int compare_items(const void *left, const void *right) {
  const struct item *a = left, *b = right;
  if (a->hash != b->hash) return a->hash < b->hash ? -1 : 1;
  if (a->name.len != b->name.len) return a->name.len < b->name.len ? -1 : 1;
  int order = memcmp(a->name.ptr, b->name.ptr, a->name.len);
  if (order != 0) return order;
  return a->worker < b->worker ? -1 : a->worker > b->worker;
}

static bool same_group(const struct item *a, const struct item *b) {
  return a->hash == b->hash && tern_slice_equal(a->name, b->name);
}

/* What the sorted items come to. */
struct totals {
  size_t groups, weights, locals, name_bytes;
};

static struct totals add_up(const struct item *items, size_t count) {
  struct totals totals = {0, 0, 0, 0};
  for (size_t i = 0; i < count; i++) {
    bool first = i == 0 || !same_group(&items[i - 1], &items[i]);
    if (first) {
      totals.groups++;
      totals.name_bytes += items[i].name.len;
    }
    if (items[i].local != NULL)
      totals.locals++;
    else if (first || items[i - 1].worker != items[i].worker)
      totals.weights++;
  }
  return totals;
}

/* Merges the sorted items into groups (O5's share: exact weights). Memory of add_up's size is there. */
static void fill_groups(const struct item *items, size_t count, struct tern_match_group *groups,
                        struct tern_match_weight *weights, struct tern_members **locals, char *names) {
  struct tern_match_group *group = NULL;
  for (size_t i = 0; i < count; i++) {
    const struct item *item = &items[i];
    bool first = i == 0 || !same_group(&items[i - 1], item);
    if (first) {
      memcpy(names, item->name.ptr, item->name.len);
      group = group == NULL ? groups : group + 1;
      *group = (struct tern_match_group){
          .name = {names, item->name.len}, .hash = item->hash, .workers = weights, .local = locals};
      names += item->name.len;
    }
    if (item->local != NULL) {
      *locals++ = item->local;
      group->local_count++;
      continue;
    }
    group->weight += item->weight;
    if (first || items[i - 1].worker != item->worker) {
      *weights++ = (struct tern_match_weight){item->worker, item->weight};
      group->worker_count++;
    } else {
      weights[-1].weight += item->weight;
    }
  }
}

/* Puts what was collected into one piece of memory:
 *   result | groups | plain sets | handlers | group sets | weights | names | subject */
static struct tern__result *make_result(struct walk *walk, struct tern_slice subject) {
  struct item *items = walk->scratch->array[ITEMS];
  if (walk->items > 1) qsort(items, walk->items, sizeof *items, compare_items);
  struct totals totals = add_up(items, walk->items);
  size_t groups_at = sizeof(struct tern__result);
  size_t sets_at = groups_at + totals.groups * sizeof(struct tern_match_group);
  size_t handlers_at = sets_at + walk->sets * sizeof(void *);
  size_t locals_at = handlers_at + walk->handlers * sizeof(void *);
  size_t weights_at = locals_at + totals.locals * sizeof(void *);
  size_t names_at = weights_at + totals.weights * sizeof(struct tern_match_weight);
  size_t subject_at = names_at + totals.name_bytes;
  size_t bytes = subject_at + subject.len;
  char *memory = tern_pool_alloc(walk->index->pool, bytes);
  if (memory == NULL) return NULL;
  struct tern__result *result = (void *)memory;
  *result = (struct tern__result){.refs = 1, .bytes = bytes, .subject_len = (uint32_t)subject.len};
  result->subject = memory + subject_at;
  if (subject.len > 0) memcpy(memory + subject_at, subject.ptr, subject.len);
  fill_groups(items, walk->items, (void *)(memory + groups_at), (void *)(memory + weights_at),
              (void *)(memory + locals_at), memory + names_at);
  if (walk->sets > 0) memcpy(memory + sets_at, walk->scratch->array[SETS], walk->sets * sizeof(void *));
  if (walk->handlers > 0)
    memcpy(memory + handlers_at, walk->scratch->array[HANDLERS], walk->handlers * sizeof(void *));
  result->match = (struct tern_match){
      .remote = walk->workers & ~walk->index->own_bit,
      .local_count = (uint32_t)walk->sets,
      .group_count = (uint32_t)totals.groups,
      .handler_count = (uint32_t)walk->handlers,
      .local = (void *)(memory + sets_at),
      .groups = (void *)(memory + groups_at),
      .handlers = (void *)(memory + handlers_at),
  };
  return result;
}

static inline uint64_t read_cell(const _Atomic uint64_t *cell) {
  /* acquire: pairs with the release in tern__bump; the walk that follows sees what the change was */
  return atomic_load_explicit(cell, memory_order_acquire);
}

static inline uint64_t generation_now(const _Atomic uint64_t *const cells[4]) {
  return read_cell(cells[0]) + read_cell(cells[1]) + read_cell(cells[2]) + read_cell(cells[3]);
}

/* The cells of registry.c's picture. A subject of one token has none for two: any cell will do. */
static void choose_cells(struct walk *walk, uint64_t hash, const _Atomic uint64_t *cells[4]) {
  struct tern__generations *generations = &walk->index->writer.registry->generations;
  cells[0] = cells[1] = cells[2] = &generations->root;
  cells[3] = &generations->literal[hash % 8192];
  if (walk->tokens == 0) return;
  struct token *first = walk->scratch->array[TOKENS];
  cells[1] = &generations->first[hash_of(first) % 4096];
  if (walk->tokens == 1) return;
  size_t len = first->text.len + 1 + first[1].text.len;
  cells[2] = &generations->second[tern__hash(first->text.ptr, len) % 8192];
}

static struct tern__result *find_out(struct tern_index *index, struct tern_slice subject, uint64_t hash) {
  assert(index->writer.reclaimer->ops->is_online(index->writer.reclaimer));
  struct walk walk = {.index = index, .scratch = &index->scratch};
  if (!split(&walk, subject)) return NULL;
  const _Atomic uint64_t *cells[4];
  choose_cells(&walk, hash, cells);
  uint64_t epoch = tern__epoch(index->writer.registry); /* R7: before anything is looked at */
  uint64_t generation = generation_now(cells);          /* R1: before anything is looked at */
  if (walk.tokens > 0) {
    struct tern__entry *literal = tern__find_literal(index->writer.registry, hash, subject);
    if (literal != NULL && !collect_entry(&walk, literal)) return NULL;
    if (!walk_trie(&walk)) return NULL;
  }
  struct tern__result *result = make_result(&walk, subject);
  if (result == NULL) return NULL;
  result->generation = generation;
  result->match.epoch = epoch;
  memcpy(result->cells, cells, sizeof cells);
  return result;
}

static inline void result_unref(struct tern_index *index, struct tern__result *result) {
  if (--result->refs == 0) tern_pool_release(index->pool, result, result->bytes);
}

/* Puts a result in front of the others, in place of its subject's former one or of the oldest. */
static void cache_put(struct tern_index *index, struct tern__result *result, uint64_t hash) {
  if (index->cache == NULL) {
    size_t bytes = CACHE_LINES * sizeof *index->cache;
    index->cache = tern__shared_alloc(bytes);
    if (index->cache == NULL) return; /* works without */
    memset(index->cache, 0, bytes);
  }
  struct tern__cache_line *line = &index->cache[hash % CACHE_LINES];
  unsigned victim = 0;
  while (victim < TERN__CACHE_WAYS - 1 && line->hash[victim] != hash)
    victim++;
  if (line->result[victim] != NULL) result_unref(index, line->result[victim]);
  for (unsigned way = victim; way > 0; way--) {
    line->hash[way] = line->hash[way - 1];
    line->result[way] = line->result[way - 1];
  }
  line->hash[0] = hash;
  line->result[0] = result;
  result->refs++;
}

static inline struct tern__result *cache_get(const struct tern__cache_line *line, uint64_t hash) {
  if (line->hash[0] == hash) return line->result[0]; /* by far the most frequent */
  for (unsigned way = 1; way < TERN__CACHE_WAYS; way++)
    if (line->hash[way] == hash) return line->result[way];
  return NULL;
}

bool tern__match_is_cached(const struct tern_index *index, uint64_t hash) {
  return index->cache != NULL && cache_get(&index->cache[hash % CACHE_LINES], hash) != NULL;
}

/* Is it of this subject, and as good as made in this epoch, which was read before? */
static inline bool is_fresh(struct tern__result *result, struct tern_slice subject, uint64_t epoch) {
  if (result->subject_len != subject.len || !tern__same_bytes(result->subject, subject.ptr, subject.len))
    return false;
  if (result->match.epoch == epoch) return true;
  /* seeded: believes the cache whatever happened meanwhile */
  if (!TERN_BUG(cache_ignore_generation) && generation_now(result->cells) != result->generation) return false;
  result->match.epoch = epoch;
  return true;
}

static bool same_sets(struct tern_members *const *a, struct tern_members *const *b, uint32_t count) {
  for (uint32_t i = 0; i < count; i++)
    if (a[i] != b[i]) return false;
  return true;
}

static bool same_shares(const struct tern_match_group *a, const struct tern_match_group *b) {
  if (a->hash != b->hash || a->weight != b->weight || a->worker_count != b->worker_count) return false;
  for (uint32_t i = 0; i < a->worker_count; i++)
    if (a->workers[i].worker != b->workers[i].worker || a->workers[i].weight != b->workers[i].weight)
      return false;
  return a->local_count == b->local_count && same_sets(a->local, b->local, a->local_count) &&
         tern_slice_equal(a->name, b->name);
}

/* Are these the same sinks, groups and workers, and no handlers? */
static bool same_receivers(const struct tern_match *a, const struct tern_match *b) {
  if (a->remote != b->remote || a->local_count != b->local_count) return false;
  if ((a->handler_count | b->handler_count) != 0 || a->group_count != b->group_count) return false;
  for (uint32_t i = 0; i < a->group_count; i++)
    if (!same_shares(&a->groups[i], &b->groups[i])) return false;
  return same_sets(a->local, b->local, a->local_count);
}

/* Neighbours often have the same receivers: a new result has the number of the last new one, then. */
static void recognise(struct tern_index *index, struct tern__result *result) {
  struct tern__result *last = index->newest;
  bool same = last != NULL && same_receivers(&last->match, &result->match) &&
              generation_now(last->cells) == last->generation; /* what is out of date means nothing */
  result->receivers = same ? last->receivers : ++index->receivers;
  if (last != NULL) result_unref(index, last);
  index->newest = result;
  result->refs++;
}

/* Not inlined: the look into the cache shall not pay for this one's registers. */
__attribute__((noinline)) static const struct tern_match *match_anew(struct tern_index *index,
                                                                     struct tern_slice subject,
                                                                     uint64_t hash) {
  index->misses++;
  struct tern__result *result = find_out(index, subject, hash);
  if (result == NULL) return NULL;
  recognise(index, result);
  if (result->bytes <= CACHED_MAX_BYTES) cache_put(index, result, hash);
  index->in_use++;
  return &result->match;
}

const struct tern_match *tern_index_match(struct tern_index *index, struct tern_slice subject,
                                          uint64_t hash) {
  if (index->cache == NULL) return match_anew(index, subject, hash);
  struct tern__result *cached = cache_get(&index->cache[hash % CACHE_LINES], hash);
  uint64_t epoch = tern__epoch(index->writer.registry);
  if (cached == NULL || !is_fresh(cached, subject, epoch)) return match_anew(index, subject, hash);
  index->stats.cache_hits++;
  index->in_use++;
  cached->refs++;
  return &cached->match;
}

/* Has the cached result, which is of these receivers' epoch, the receivers of another one? */
static inline bool is_alike(struct tern__result *cached, const struct tern__result *result) {
  if (cached->receivers == result->receivers) return true;
  if (!same_receivers(&result->match, &cached->match)) return false;
  cached->receivers = result->receivers; /* found out once: neither changes any more */
  return true;
}

/* A result for a message that is not in the cache, for as long as it stays there; NULL when it cannot, or is of another
 * epoch. Should it be like no other, it is there for the match that comes next. */
__attribute__((noinline)) static struct tern__result *find_out_ahead(struct tern_index *index,
                                                                     const struct tern_message *m,
                                                                     uint64_t epoch) {
  const struct tern_match *match = match_anew(index, m->subject, m->hash);
  if (match == NULL) return NULL;
  struct tern__result *result = (struct tern__result *)(uintptr_t)match; /* as in tern_index_done */
  const bool stays = result->refs > 2 && match->epoch == epoch; /* more than `newest` and we hold it */
  tern_index_done(index, match);
  return stays ? result : NULL;
}

uint32_t tern_index_alike(struct tern_index *index, const struct tern_match *match,
                          const struct tern_message *list, uint32_t count) {
  const struct tern__result *result = (const void *)match; /* as in tern_index_done */
  const struct tern__cache_line *cache = index->cache;
  const uint64_t epoch = tern__epoch(index->writer.registry); /* once: all messages had come before */
  const uint64_t visited_max = index->stats.visited + ALIKE_VISITED_MAX;
  const uint64_t misses = index->misses;
  uint32_t alike = 1, unlike = 0;
  if (cache == NULL || match->epoch != epoch || match->handler_count > 0) return alike;
  if (result->bytes > CACHED_MAX_BYTES) return alike; /* its neighbours' would not stay in the cache either */
  for (; alike < count; alike++) {
    const struct tern_message *m = &list[alike];
    if (m->hash == m[-1].hash && tern_slice_equal(m->subject, m[-1].subject)) continue;
    struct tern__result *cached = cache_get(&cache[m->hash % CACHE_LINES], m->hash);
    const bool known = cached != NULL && is_fresh(cached, m->subject, epoch);
    if (!known && index->stats.visited > visited_max) break;
    if (!known) cached = find_out_ahead(index, m, epoch);
    if (cached != NULL && is_alike(cached, result)) continue;
    if (!known && cached == NULL) index->misses--; /* it is walked for again when it is asked for */
    unlike = !known && cached != NULL;             /* it will be found in the cache, where it had not been */
    break;
  }
  index->ahead += unlike;
  index->stats.cache_hits += alike - 1 - (index->misses - misses - unlike);
  return alike;
}

uint64_t tern_index_visited(const struct tern_index *index) { return index->stats.visited; }

void tern_index_done(struct tern_index *index, const struct tern_match *match) {
  /* match is the first member of the result, which is not constant */
  struct tern__result *result = (struct tern__result *)(uintptr_t)match;
  result_unref(index, result);
  if (--index->in_use == 0 &&
      (index->holed != NULL || index->dead_nodes != NULL || index->dead_groups != NULL))
    tern__index_settle(index);
}

static uint64_t fanout_of(const struct tern_match *match) {
  uint64_t fanout = (uint64_t)__builtin_popcountll(match->remote) + match->group_count + match->handler_count;
  for (uint32_t i = 0; i < match->local_count; i++)
    fanout += match->local[i]->count;
  return fanout;
}

void tern__match_figures(const struct tern_index *index, struct tern_index_stats *stats) {
  for (size_t i = 0; index->cache != NULL && i < CACHE_LINES * TERN__CACHE_WAYS; i++) {
    const struct tern__result *result = index->cache[i / TERN__CACHE_WAYS].result[i % TERN__CACHE_WAYS];
    /* the sets of one that is out of date may be gone */
    if (result == NULL || generation_now(result->cells) != result->generation) continue;
    const uint64_t fanout = fanout_of(&result->match);
    stats->cached++;
    stats->fanout += fanout;
    if (fanout > stats->fanout_max) stats->fanout_max = fanout;
  }
}

void tern__match_free(struct tern_index *index) {
  if (index->newest != NULL) result_unref(index, index->newest);
  for (size_t i = 0; index->cache != NULL && i < CACHE_LINES; i++)
    for (unsigned way = 0; way < TERN__CACHE_WAYS; way++)
      if (index->cache[i].result[way] != NULL) result_unref(index, index->cache[i].result[way]);
  free(index->cache);
  for (size_t i = 0; i < sizeof index->scratch.array / sizeof index->scratch.array[0]; i++)
    free(index->scratch.array[i]);
}
