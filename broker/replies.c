/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See replies.h. A reply subject names its entry, so nothing is searched for:
 *
 *     _R_.<16 digits of the worker>.<8 of the place><16 that only who got the request knows>
 *
 * The table grows with what is expected and stays; places that are free form a list. Each entry has a timer. An answer
 * with a reply subject of its own, to which the requester may say more, makes an entry for the way back.
 *
 * A request that is measured (service_latency.h) ends with a report: when it is answered, when the time is over, when nobody
 * took it, and, looked at now and then, when those who waited for its answer are gone.
 *
 * An answer is delivered by publishing it in the requester's account from inside of its delivery here. What that costs is
 * nobody's turn: it is one message for one that was delivered.
 */
#include "replies.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <tern/error.h>

#include "container.h"

#define PREFIX_LEN 20 /* "_R_.", the worker's digits */
#define PLACE_AT   21
#define SECRET_AT  29
_Static_assert(SECRET_AT + 16 == REPLIES_SUBJECT_LEN, "the last part");
#define NO_PLACE UINT32_MAX
#define SECRETS  32 /* 256 bytes: as much as getrandom gives in one piece */

struct entry {
  struct tern_timer timer;
  struct replies *replies;
  struct replies_request request; /* its texts are behind this */
  uint64_t secret;
  uint64_t until_ms; /* of one that is measured: the end of its time */
  uint32_t place;
  size_t size;
};

/* A place of the table: an entry, or the next free one. */
struct place {
  struct entry *entry;
  uint32_t next_free;
};

/* What subscribes in the account of a service. */
struct catcher {
  struct tern_sink sink;
  struct replies *replies;
  uint32_t account;
};

struct replies {
  struct tern_worker *worker;
  struct tern_loop *loop;
  struct route **routes;
  uint32_t route_count;
  struct catcher **catchers; /* by number of account */
  size_t *waiting;           /* bytes of the entries of each account's requests */
  struct place *places;
  uint32_t place_count, first_free, count;
  uint64_t secrets[SECRETS]; /* random, the first of them not used yet */
  uint32_t secret_count;
  replies_measured_fn *measured;
  void *measured_arg;
  char prefix[PREFIX_LEN];
};

static void put_hex(char *to, uint64_t value, int digits) {
  while (digits-- > 0) {
    to[digits] = "0123456789abcdef"[value & 15];
    value >>= 4;
  }
}

static bool read_hex(const char *from, int digits, uint64_t *out) {
  uint64_t value = 0;
  for (int i = 0; i < digits; i++) {
    char c = from[i];
    if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) return false;
    value = value << 4 | (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
  }
  *out = value;
  return true;
}

struct replies *replies_new(struct tern_worker *worker) {
  struct replies *replies = calloc(1, sizeof *replies);
  if (replies == NULL) return NULL;
  uint64_t random;
  if (getrandom(&random, sizeof random, GRND_NONBLOCK) != sizeof random) random = (uintptr_t)replies;
  replies->worker = worker;
  replies->loop = tern_worker_loop(worker);
  replies->first_free = NO_PLACE;
  memcpy(replies->prefix, "_R_.", 4);
  put_hex(replies->prefix + 4, random, 16);
  return replies;
}

void replies_on_measured(struct replies *replies, replies_measured_fn *measured, void *arg) {
  replies->measured = measured;
  replies->measured_arg = arg;
}

/* Nothing finds it any more. */
static void unlink_entry(struct entry *entry) {
  struct replies *replies = entry->replies;
  tern_timer_stop(replies->loop, &entry->timer);
  struct place *place = &replies->places[entry->place];
  place->entry = NULL;
  place->next_free = replies->first_free;
  replies->first_free = entry->place;
  replies->waiting[entry->request.from] -= entry->size;
  replies->count--;
}

static void release_entry(struct entry *entry) {
  tern_pool_release(tern_loop_pool(entry->replies->loop), entry, entry->size);
}

static void remove_entry(struct entry *entry) {
  unlink_entry(entry);
  release_entry(entry);
}

/* Tells of one that is measured and unlinked: what it tells may come back here. */
static void tell(const struct entry *entry, enum latency_end end, uint64_t source) {
  const struct replies *replies = entry->replies;
  if (entry->request.latency != NULL && replies->measured != NULL)
    replies->measured(replies->measured_arg, &entry->request, end, source);
}

static void end_entry(struct entry *entry, enum latency_end end) {
  unlink_entry(entry);
  tell(entry, end, 0);
  release_entry(entry);
}

void replies_free(struct replies *replies) {
  if (replies == NULL) return;
  for (uint32_t i = 0; i < replies->place_count; i++)
    if (replies->places[i].entry != NULL) remove_entry(replies->places[i].entry);
  for (uint32_t i = 0; i < replies->route_count; i++) {
    if (replies->catchers == NULL || replies->catchers[i] == NULL) continue;
    tern_index_remove(replies->routes[i]->index, &replies->catchers[i]->sink);
    free(replies->catchers[i]);
  }
  free(replies->catchers);
  free(replies->waiting);
  free(replies->places);
  free(replies);
}

int replies_set_routes(struct replies *replies, struct route **routes, uint32_t count) {
  replies->routes = routes;
  if (count > replies->route_count) {
    struct catcher **catchers = realloc(replies->catchers, count * sizeof(struct catcher *));
    if (catchers != NULL) replies->catchers = catchers;
    size_t *waiting = realloc(replies->waiting, count * sizeof *waiting);
    if (waiting != NULL) replies->waiting = waiting;
    if (catchers == NULL || waiting == NULL) return -ENOMEM;
    for (uint32_t i = replies->route_count; i < count; i++) {
      catchers[i] = NULL;
      waiting[i] = 0;
    }
    replies->route_count = count;
  }
  return 0;
}

/* ---- what comes back ---- */

/* Does it look like one of the reply subjects made here, whether or not that is still expected? */
static bool is_made_here(const struct replies *replies, struct tern_slice subject) {
  return subject.len == REPLIES_SUBJECT_LEN && memcmp(subject.ptr, replies->prefix, PREFIX_LEN) == 0;
}

static struct entry *find(const struct replies *replies, struct tern_slice subject) {
  uint64_t place, secret;
  if (!is_made_here(replies, subject) || !read_hex(subject.ptr + PLACE_AT, 8, &place) ||
      !read_hex(subject.ptr + SECRET_AT, 16, &secret))
    return NULL;
  struct entry *entry = place < replies->place_count ? replies->places[place].entry : NULL;
  return entry != NULL && entry->secret == secret ? entry : NULL;
}

/* The reply subject in the requester's account for what the service wants to hear: empty when there is none. */
static struct tern_slice reply_back(const struct entry *entry, struct tern_slice reply,
                                    char subject[REPLIES_SUBJECT_LEN]) {
  struct replies_request back = {.from = entry->request.to,
                                 .to = entry->request.from,
                                 .subject = entry->request.reply,
                                 .reply = reply,
                                 .ms = entry->request.ms};
  if (reply.len == 0 || replies_expect(entry->replies, &back, subject) != 0) return (struct tern_slice){0};
  return (struct tern_slice){subject, REPLIES_SUBJECT_LEN};
}

/* An answer. The entry goes first when it is the last one: its delivery may come back here. */
static bool deliver(struct tern_sink *sink, struct tern_message *m) {
  struct catcher *catcher = container_of(sink, struct catcher, sink);
  struct replies *replies = catcher->replies;
  struct entry *entry = find(replies, m->subject);
  if (entry == NULL || entry->request.to != catcher->account) return false;
  char back[REPLIES_SUBJECT_LEN];
  struct route *route = replies->routes[entry->request.from];
  if (route->depth >= ROUTE_DEPTH_MAX) return false;
  struct tern_message answer = *m;
  answer.reply = reply_back(entry, m->reply, back);
  /* the text must stay while it is delivered, whatever becomes of the entry */
  struct tern_pool *pool = tern_loop_pool(replies->loop);
  size_t len = entry->request.reply.len;
  char *subject = tern_pool_alloc(pool, len);
  if (subject == NULL) {
    tern_counter_add(&route->stats->no_memory, 1);
    return false;
  }
  memcpy(subject, entry->request.reply.ptr, len);
  answer.subject = (struct tern_slice){subject, len};
  answer.hash = tern_subject_hash(answer.subject);
  bool last = !entry->request.many || m->body.len == 0;
  uint64_t ms = entry->request.ms;
  struct latency *latency = entry->request.latency;
  if (latency != NULL) latency_end(latency);
  if (last) unlink_entry(entry);
  route->depth++;
  struct route_result result = route_publish(route, &answer, 0);
  route->depth--;
  tern_pool_release(pool, subject, len);
  if (last) {
    tell(entry, result.receivers == 0 && latency != NULL && latency->waits ? LATENCY_LEFT : LATENCY_ANSWERED,
         m->source);
    release_entry(entry);
  }
  entry = last ? NULL : find(replies, m->subject);
  if (entry != NULL && result.receivers == 0)
    remove_entry(entry);
  else if (entry != NULL)
    tern_timer_start(replies->loop, &entry->timer, ms);
  if (result.receivers == 0) replies_forget(replies, answer.reply);
  return result.receivers > 0;
}

static const struct tern_sink_ops catcher_ops = {.deliver = deliver};

/* By way of several accounts the answer goes to an entry before this one, so it is who that one is for. */
static bool is_awaited(const struct entry *entry) {
  const struct replies *replies = entry->replies;
  while (is_made_here(replies, entry->request.reply))
    if ((entry = find(replies, entry->request.reply)) == NULL) return false;
  return route_is_wanted(replies->routes[entry->request.from], entry->request.reply);
}

/* Until the next look at one that is measured, or its end. */
static uint64_t until_look(const struct entry *entry) {
  const uint64_t now = tern_loop_now_ms(entry->replies->loop);
  const uint64_t left = entry->until_ms > now ? entry->until_ms - now : 0;
  return entry->request.latency->waits && left > REPLIES_LOOK_MS ? REPLIES_LOOK_MS : left;
}

static void time_passed(struct tern_timer *timer) {
  struct entry *entry = container_of(timer, struct entry, timer);
  const uint64_t left = entry->request.latency != NULL ? until_look(entry) : 0;
  if (left == 0)
    end_entry(entry, LATENCY_TOO_LATE);
  else if (!is_awaited(entry))
    end_entry(entry, LATENCY_LEFT);
  else
    tern_timer_start(entry->replies->loop, timer, left);
}

/* ---- what is expected ---- */

/* Sees to it that answers from the account are caught. */
static int catch (struct replies *replies, uint32_t account) {
  if (replies->catchers[account] != NULL) return 0;
  struct catcher *catcher = calloc(1, sizeof *catcher);
  if (catcher == NULL) return -ENOMEM;
  char filter[PREFIX_LEN + 2];
  memcpy(filter, replies->prefix, PREFIX_LEN);
  memcpy(filter + PREFIX_LEN, ".*", 2);
  catcher->sink.ops = &catcher_ops;
  catcher->replies = replies;
  catcher->account = account;
  int error = tern_index_add(replies->routes[account]->index, &catcher->sink,
                             (struct tern_slice){filter, sizeof filter}, (struct tern_slice){0});
  if (error == 0)
    replies->catchers[account] = catcher;
  else
    free(catcher);
  return error;
}

/* A free place, which stays the first one of the list. */
static int place_ready(struct replies *replies) {
  if (replies->first_free != NO_PLACE) return 0;
  uint32_t count = replies->place_count == 0 ? 16 : replies->place_count * 2;
  struct place *places = realloc(replies->places, count * sizeof *places);
  if (places == NULL) return -ENOMEM;
  for (uint32_t i = replies->place_count; i < count; i++)
    places[i] = (struct place){NULL, i + 1 < count ? i + 1 : NO_PLACE};
  replies->first_free = replies->place_count;
  replies->places = places;
  replies->place_count = count;
  return 0;
}

static struct tern_slice keep(char **to, struct tern_slice text) {
  struct tern_slice kept = {*to, text.len};
  if (text.len > 0) memcpy(*to, text.ptr, text.len);
  *to += text.len;
  return kept;
}

/* Bytes that are kept of how a request is measured. */
static size_t latency_size(const struct latency *latency) {
  if (latency == NULL) return 0;
  return sizeof *latency + latency->subject.len + latency->requestor.len + latency->header.len;
}

static struct latency *keep_latency(char **to, const struct latency *latency) {
  if (latency == NULL) return NULL;
  struct latency *kept = (struct latency *)(void *)*to; /* the first behind the entry */
  *to += sizeof *kept;
  *kept = *latency;
  kept->subject = keep(to, latency->subject);
  kept->requestor = keep(to, latency->requestor);
  kept->header = keep(to, latency->header);
  return kept;
}

/* A system without random bits passes no requests: answers could be forged. */
static int draw_secret(struct replies *replies, uint64_t *secret) {
  if (replies->secret_count == 0) {
    if (getrandom(replies->secrets, sizeof replies->secrets, GRND_NONBLOCK) != sizeof replies->secrets)
      return -EAGAIN;
    replies->secret_count = SECRETS;
  }
  *secret = replies->secrets[--replies->secret_count];
  return 0;
}

int replies_expect(struct replies *replies, const struct replies_request *request,
                   char subject[REPLIES_SUBJECT_LEN]) {
  size_t size =
      sizeof(struct entry) + latency_size(request->latency) + request->subject.len + request->reply.len;
  if (replies->waiting[request->from] + size > REPLIES_MAX_BYTES) return TERN_ELIMIT;
  uint64_t secret;
  int error = catch (replies, request->to);
  if (error == 0) error = place_ready(replies);
  if (error == 0) error = draw_secret(replies, &secret);
  if (error != 0) return error;
  struct entry *entry = tern_pool_alloc(tern_loop_pool(replies->loop), size);
  if (entry == NULL) return -ENOMEM;
  memset(entry, 0, sizeof *entry);
  char *texts = (char *)(entry + 1);
  entry->replies = replies;
  entry->request = *request;
  entry->request.latency = keep_latency(&texts, request->latency);
  entry->request.subject = keep(&texts, request->subject);
  entry->request.reply = keep(&texts, request->reply);
  entry->size = size;
  entry->secret = secret;
  entry->place = replies->first_free;
  replies->first_free = replies->places[entry->place].next_free;
  replies->places[entry->place].entry = entry;
  replies->waiting[request->from] += size;
  replies->count++;
  entry->timer.fired = time_passed;
  entry->until_ms = tern_loop_now_ms(replies->loop) + request->ms;
  if (entry->request.latency != NULL) entry->request.latency->waits = is_awaited(entry);
  tern_timer_start(replies->loop, &entry->timer, request->latency != NULL ? until_look(entry) : request->ms);
  memcpy(subject, replies->prefix, PREFIX_LEN);
  subject[PREFIX_LEN] = '.';
  put_hex(subject + PLACE_AT, entry->place, 8);
  put_hex(subject + SECRET_AT, entry->secret, 16);
  return 0;
}

void replies_forget(struct replies *replies, struct tern_slice subject) {
  struct entry *entry = find(replies, subject);
  if (entry != NULL) end_entry(entry, LATENCY_NOBODY);
}

const struct replies_request *replies_find(struct replies *replies, struct tern_slice subject) {
  struct entry *entry = find(replies, subject);
  return entry != NULL ? &entry->request : NULL;
}

uint32_t replies_count(const struct replies *replies) { return replies->count; }
