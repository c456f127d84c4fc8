/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Entries of the shared table: found, made and removed without locks.
 *
 * A literal filter is one entry. A wildcard filter is a path of branches, one per token, each found by the hash
 * of its parent's hash and its token, so that there are no arrays of children to copy. After `a.*` and then
 * `a.*.c` (refs in parentheses, `=` marks interest):
 *
 *     root -- a (1) -- * (1)=        root -- a (1) -- * (2)= -- c (1)=
 *
 * A child holds a reference on its parent; the terminal branch is held by the interest. Life of an entry:
 *
 *               add_unique                   last put: CAS 0 -> DEAD          grace period
 *     [private] ----------> [refs >= 1] <--> [refs 0] ----------> [DEAD, unlinked] ------> [freed]
 *                                get: +1                 who finds it here unlinks it too, and tries again
 *
 * Only one thread wins the step to DEAD; it unlinks, lowers the parent's counter, retires, and goes on with the
 * parent's reference. Nobody takes a reference on a DEAD entry, so a new owner of the same filter makes a new
 * entry (R3: whoever finds a DEAD one helps instead of waiting).
 *
 * May run at the same time (X: the caller must not):
 *                      find  get   put(own reference)
 *     find              -     -     -
 *     get               -     -     -
 *     put               -     -     X  the same reference twice
 *
 * Called by workers and the control thread, online (RCU). Does not know what the interest is.
 */
#include <stdlib.h>
#include <string.h>

#include "hash.h"
#include "shared.h"
#include "table.h"
#include "tokens.h"

struct child_key {
  const struct tern__branch *parent;
  struct tern_slice token;
};

static int is_literal(struct cds_lfht_node *node, const void *key) {
  tern__table_found(node);
  const struct tern__entry *entry = tern_container(node, struct tern__entry, node);
  const struct tern_slice *text = key;
  return !entry->in_trie && entry->len == text->len &&
         memcmp(tern__entry_text(entry), text->ptr, text->len) == 0;
}

static int is_child(struct cds_lfht_node *node, const void *key) {
  tern__table_found(node);
  struct tern__entry *entry = tern_container(node, struct tern__entry, node);
  const struct child_key *child = key;
  return entry->in_trie && entry->len == child->token.len &&
         tern__branch_of(entry)->parent == child->parent &&
         memcmp(tern__entry_text(entry), child->token.ptr, child->token.len) == 0;
}

struct tern__entry *tern__find_literal(struct tern_registry *registry, uint64_t hash,
                                       struct tern_slice text) {
  struct cds_lfht_node *node = tern__table_lookup(registry->table, hash, is_literal, &text);
  return node == NULL ? NULL : tern_container(node, struct tern__entry, node);
}

struct tern__branch *tern__find_child(struct tern_registry *registry, uint64_t hash,
                                      const struct tern__branch *parent, struct tern_slice token) {
  struct child_key key = {parent, token};
  struct cds_lfht_node *node = tern__table_lookup(registry->table, hash, is_child, &key);
  return node == NULL ? NULL : tern__branch_of(tern_container(node, struct tern__entry, node));
}

struct tern__entry *tern__entry_find(struct tern_registry *registry, const struct tern__filter *filter) {
  if (!filter->wildcard) return tern__find_literal(registry, filter->hash, filter->text);
  struct tern__branch *branch = &registry->root;
  uint64_t hash = registry->root_hash;
  struct tern__tokens tokens = {filter->text, false};
  struct tern_slice token;
  while (branch != NULL && tern__next_token(&tokens, &token)) {
    hash = tern__child_hash(hash, tern__hash(token.ptr, token.len));
    branch = tern__find_child(registry, hash, branch, token);
  }
  return branch == NULL ? NULL : &branch->entry;
}

static bool ref_unless_dead(struct tern__entry *entry) {
  /* relaxed: only a first guess for the exchange below */
  uint32_t refs = atomic_load_explicit(&entry->refs, memory_order_relaxed);
  do {
    /* seeded: takes a reference on an entry that is being removed, so the interest is lost */
    if ((refs & TERN__ENTRY_DEAD) && !TERN_BUG(dead_not_checked)) return false;
    /* acquire: pairs with the release of the last put, which gave the entry up in the state we take it in */
  } while (!atomic_compare_exchange_weak_explicit(&entry->refs, &refs, refs + 1, memory_order_acquire,
                                                  memory_order_relaxed));
  return true;
}

static void free_entry(struct tern_retired *retired) {
  struct tern__entry *entry = tern_container(retired, struct tern__entry, retired);
  /* relaxed: a grace period has passed, nobody else can reach the entry; pairs with the exchange in publish */
  tern__interest_free(atomic_load_explicit(&entry->interest, memory_order_relaxed));
#ifdef TERN_SEEDED_BUGS
  memset(entry, 0xdb, tern__entry_bytes(entry)); /* whoever still reads it shall notice */
#endif
  free(entry->in_trie ? (void *)tern__branch_of(entry) : (void *)entry);
}

/* What free_entry gives back. */
static size_t garbage_bytes(struct tern__entry *entry) {
  /* relaxed: the holder of the last reference is the only one left who could change it */
  return tern__entry_bytes(entry) +
         tern__interest_garbage(atomic_load_explicit(&entry->interest, memory_order_relaxed));
}

/* An entry that nobody can see yet, with one reference. */
static struct tern__entry *entry_new(struct tern__branch *parent, struct tern_slice text) {
  struct tern__entry *entry;
  char *to;
  if (parent != NULL) {
    struct tern__branch *branch = tern__shared_alloc(sizeof *branch + text.len);
    if (branch == NULL) return NULL;
    *branch = (struct tern__branch){.entry = {.in_trie = 1}, .parent = parent};
    entry = &branch->entry;
    to = (char *)(branch + 1);
  } else {
    entry = tern__shared_alloc(sizeof *entry + text.len);
    if (entry == NULL) return NULL;
    *entry = (struct tern__entry){.in_trie = 0};
    to = (char *)(entry + 1);
  }
  cds_lfht_node_init(&entry->node);
  atomic_init(&entry->refs, 1);
  entry->len = (uint32_t)text.len & 0x7fffffffu;
  memcpy(to, text.ptr, text.len);
  return entry;
}

static _Atomic uint32_t *counter_of(struct tern__branch *parent, struct tern_slice token) {
  if (tern__token_is_star(token)) return &parent->stars;
  if (tern__token_is_tail(token)) return &parent->tails;
  return &parent->literals;
}

/* Adds (delta 1) or takes back (-1) a reference on a parent the caller holds one on. The root never goes away,
 * so it is not counted. */
static void change_parent_refs(struct tern_registry *registry, struct tern__branch *parent, uint32_t delta) {
  if (parent == &registry->root) return;
  /* relaxed: the caller's own reference keeps the count from zero meanwhile */
  atomic_fetch_add_explicit(&parent->entry.refs, delta, memory_order_relaxed);
}

static void unlink_dead(struct tern_registry *registry, struct tern__entry *entry) {
  cds_lfht_del(registry->table, &entry->node); /* not an error when somebody else was faster */
}

static void drop_ref(struct tern__writer *writer, struct tern__entry *entry) {
  for (;;) {
    if (entry == &writer->registry->root.entry) return; /* see change_parent_refs */
    /* release: what this owner did comes before the next owner's acquire in ref_unless_dead;
     * acquire: the one who goes on to remove has seen what all the others did */
    if (atomic_fetch_sub_explicit(&entry->refs, 1, memory_order_acq_rel) != 1) return;
    tern__race_point();
    uint32_t zero = 0;
    /* acq_rel: pairs with ref_unless_dead, which fails from here on */
    if (!atomic_compare_exchange_strong_explicit(&entry->refs, &zero, TERN__ENTRY_DEAD, memory_order_acq_rel,
                                                 memory_order_relaxed))
      return; /* taken again meanwhile, or another thread was first */
    tern__race_point();
    unlink_dead(writer->registry, entry);
    struct tern__branch *parent = entry->in_trie ? tern__branch_of(entry)->parent : NULL;
    struct tern_slice token = {tern__entry_text(entry), entry->len};
    /* relaxed: matchers that care see it through the generation's release in tern__bump */
    if (parent != NULL) atomic_fetch_sub_explicit(counter_of(parent, token), 1, memory_order_relaxed);
    tern__count_entry(writer, entry, -1);
    /* R5: this thread frees it, a grace period later. relaxed: it is `home` to who still looks at the entry */
    atomic_store_explicit(&entry->home, (uintptr_t)free_entry, memory_order_relaxed);
    if (TERN_BUG(retire_immediately)) /* seeded: readers may still look at it */
      free_entry(&entry->retired);
    else
      writer->reclaimer->ops->retire(writer->reclaimer, &entry->retired, garbage_bytes(entry));
    if (parent == NULL) return;
    entry = &parent->entry;
  }
}

/* A literal filter (parent NULL) or a child of a parent the caller holds a reference on, which a look-up has found or not
 * found; the returned entry has a reference for the caller. The caller's reference on the parent stays its own. */
static struct tern__entry *get_one(struct tern__writer *writer, uint64_t hash, struct tern__branch *parent,
                                   struct tern_slice text, struct tern__entry *found) {
  struct tern_registry *registry = writer->registry;
  struct child_key key = {parent, text};
  tern__table_match *match = parent != NULL ? is_child : is_literal;
  const void *match_key = parent != NULL ? (const void *)&key : (const void *)&text;
  for (struct tern__entry *entry = found;;) {
    struct cds_lfht_node *node;
    if (entry == NULL) {
      struct tern__entry *mine = entry_new(parent, text);
      if (mine == NULL) return NULL;
      if (parent != NULL) {
        change_parent_refs(registry, parent, 1);
        /* relaxed: as in drop_ref */
        atomic_fetch_add_explicit(counter_of(parent, text), 1, memory_order_relaxed);
      }
      node = tern__table_add(registry->table, hash, match, match_key, &mine->node);
      entry = tern_container(node, struct tern__entry, node);
      if (entry == mine) {
        tern__count_entry(writer, mine, 1);
        return mine;
      }
      if (parent != NULL) {
        /* relaxed: undo of the above */
        atomic_fetch_sub_explicit(counter_of(parent, text), 1, memory_order_relaxed);
        change_parent_refs(registry, parent, UINT32_MAX); /* modulo 2^32: minus one */
      }
      free(mine->in_trie ? (void *)tern__branch_of(mine) : (void *)mine); /* was never visible */
    }
    tern__race_point();
    if (ref_unless_dead(entry)) return entry;
    unlink_dead(registry, entry); /* R3: help, do not wait */
    node = tern__table_lookup(registry->table, hash, match, match_key);
    entry = node == NULL ? NULL : tern_container(node, struct tern__entry, node);
  }
}

static struct tern__entry *get_branch(struct tern__writer *writer, const struct tern__filter *filter,
                                      struct tern__entry *found) {
  if (found != NULL && ref_unless_dead(found))
    return found; /* the usual case: one exchange, not one a token */
  struct tern__branch *branch = &writer->registry->root;
  uint64_t hash = writer->registry->root_hash;
  struct tern__tokens tokens = {filter->text, false};
  struct tern_slice token;
  while (tern__next_token(&tokens, &token)) {
    hash = tern__child_hash(hash, tern__hash(token.ptr, token.len));
    struct tern__branch *there = tern__find_child(writer->registry, hash, branch, token);
    struct tern__entry *child = get_one(writer, hash, branch, token, there == NULL ? NULL : &there->entry);
    drop_ref(writer, &branch->entry); /* the child holds one of its own now */
    if (child == NULL) return NULL;
    branch = tern__branch_of(child);
  }
  return &branch->entry;
}

struct tern__entry *tern__entry_get(struct tern__writer *writer, const struct tern__filter *filter,
                                    struct tern__entry *found) {
  if (!filter->wildcard) return get_one(writer, filter->hash, NULL, filter->text, found);
  struct tern__entry *entry = get_branch(writer, filter, found);
  /* relaxed, both: figures */
  if (entry != NULL &&
      atomic_fetch_add_explicit(&tern__branch_of(entry)->holders, 1, memory_order_relaxed) == 0)
    atomic_fetch_add_explicit(&writer->counters->filters, 1, memory_order_relaxed);
  return entry;
}

void tern__entry_put(struct tern__writer *writer, struct tern__entry *entry) {
  /* relaxed, both: figures */
  if (entry->in_trie &&
      atomic_fetch_sub_explicit(&tern__branch_of(entry)->holders, 1, memory_order_relaxed) == 1)
    atomic_fetch_sub_explicit(&writer->counters->filters, 1, memory_order_relaxed);
  drop_ref(writer, entry);
}
