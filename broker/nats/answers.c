/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests that may be answered: found by reply, and in the order they came, which is the order they expire in and the
 * order they make room in:
 *
 *     buckets:   [ - ][ C ][ - ][ A - B ]          by the hash of the reply
 *     by age:    oldest  A <-> B <-> C  newest
 *
 * What has expired is removed when something is added; until then it is only not found. The terms are those of the
 * client's permissions; when the terms change, the table is thrown away.
 */
#include "answers.h"

#include <stdlib.h>
#include <string.h>

#include <tern/subject.h>

#define FIRST_BUCKETS 16

struct request {
  struct request *next; /* of the bucket */
  struct request *older, *newer;
  uint64_t hash;
  uint64_t came_ms;
  uint64_t answered;
  size_t len;
  char reply[];
};

struct nats_answers {
  struct permissions_answers terms;
  struct request **buckets; /* a power of two */
  size_t bucket_count;
  size_t count;
  size_t bytes; /* of the requests */
  struct request *oldest, *newest;
};

struct nats_answers *nats_answers_new(const struct permissions_answers *terms) {
  struct nats_answers *answers = calloc(1, sizeof *answers);
  if (answers == NULL) return NULL;
  answers->terms = *terms;
  answers->bucket_count = FIRST_BUCKETS;
  answers->buckets = calloc(FIRST_BUCKETS, sizeof(struct request *));
  if (answers->buckets != NULL) return answers;
  free(answers);
  return NULL;
}

bool nats_answers_are_for(const struct nats_answers *answers, const struct permissions_answers *terms) {
  return terms != NULL && terms->max == answers->terms.max && terms->expires_ms == answers->terms.expires_ms;
}

static size_t size_of(const struct request *request) { return sizeof *request + request->len; }

static struct request **bucket_of(const struct nats_answers *answers, uint64_t hash) {
  return &answers->buckets[hash & (answers->bucket_count - 1)];
}

/* Where the request hangs, or would hang. */
static struct request **find(const struct nats_answers *answers, struct tern_slice reply, uint64_t hash) {
  struct request **at = bucket_of(answers, hash);
  while (*at != NULL &&
         !((*at)->hash == hash && (*at)->len == reply.len && memcmp((*at)->reply, reply.ptr, reply.len) == 0))
    at = &(*at)->next;
  return at;
}

static void drop(struct nats_answers *answers, struct request **at) {
  struct request *request = *at;
  *at = request->next;
  *(request->older != NULL ? &request->older->newer : &answers->oldest) = request->newer;
  *(request->newer != NULL ? &request->newer->older : &answers->newest) = request->older;
  answers->count--;
  answers->bytes -= size_of(request);
  free(request);
}

static void drop_oldest(struct nats_answers *answers) {
  struct request **at = bucket_of(answers, answers->oldest->hash);
  while (*at != answers->oldest)
    at = &(*at)->next;
  drop(answers, at);
}

static bool has_expired(const struct nats_answers *answers, const struct request *request, uint64_t now_ms) {
  return now_ms - request->came_ms > answers->terms.expires_ms;
}

/* Without memory the buckets stay fewer: slower, not wrong. */
static void grow(struct nats_answers *answers) {
  size_t count = answers->bucket_count * 2;
  struct request **buckets = calloc(count, sizeof(struct request *));
  if (buckets == NULL) return;
  free(answers->buckets);
  answers->buckets = buckets;
  answers->bucket_count = count;
  for (struct request *request = answers->oldest; request != NULL; request = request->newer) {
    struct request **bucket = bucket_of(answers, request->hash);
    request->next = *bucket;
    *bucket = request;
  }
}

uint64_t nats_answers_note(struct nats_answers *answers, struct tern_slice reply, uint64_t now_ms) {
  uint64_t hash = tern_subject_hash(reply), forgotten = 0;
  struct request **before = find(answers, reply, hash);
  if (*before != NULL) drop(answers, before);
  while (answers->oldest != NULL && has_expired(answers, answers->oldest, now_ms))
    drop_oldest(answers);
  struct request *request = malloc(sizeof *request + reply.len);
  if (request == NULL) return 1;
  *request = (struct request){.hash = hash, .came_ms = now_ms, .len = reply.len, .older = answers->newest};
  memcpy(request->reply, reply.ptr, reply.len);
  for (; answers->oldest != NULL && answers->bytes + size_of(request) > NATS_ANSWERS_MAX_BYTES; forgotten++) {
    drop_oldest(answers);
    request->older = answers->newest;
  }
  if (answers->count >= answers->bucket_count) grow(answers);
  struct request **bucket = bucket_of(answers, hash);
  request->next = *bucket;
  *bucket = request;
  *(answers->newest != NULL ? &answers->newest->newer : &answers->oldest) = request;
  answers->newest = request;
  answers->count++;
  answers->bytes += size_of(request);
  return forgotten;
}

bool nats_answers_take(struct nats_answers *answers, struct tern_slice subject, uint64_t now_ms) {
  struct request **at = find(answers, subject, tern_subject_hash(subject));
  if (*at == NULL) return false;
  bool allowed = !has_expired(answers, *at, now_ms);
  if (!allowed || ++(*at)->answered >= answers->terms.max) drop(answers, at);
  return allowed;
}

void nats_answers_free(struct nats_answers *answers) {
  if (answers == NULL) return;
  for (struct request *request = answers->oldest, *newer; request != NULL; request = newer) {
    newer = request->newer;
    free(request);
  }
  free(answers->buckets);
  free(answers);
}
