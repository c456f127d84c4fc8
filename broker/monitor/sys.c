/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Queues of requests and of events, and the one thread that empties them, which may wait for workers. Workers only put
 * something into a queue; when it is full, they drop and count it.
 *
 * Requests of ordinary accounts have a queue of their own, which comes after that of the system account, and a share of the
 * thread's time: whoever asks in a loop takes nothing away from operators, and only so much from the workers.
 *
 * How many connections an account has (CONNS) is not queued: an event marks its account as changed, and whatever has come
 * together by the time the thread looks is one message. So a storm of connections costs CONNS messages by the batch of
 * events, not by the connection.
 *
 * Threads: receive and note run on workers and take the lock for a few instructions; serve_all is the thread; the rest is
 * the control thread's.
 */
#include "sys.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <tern/error.h>
#include <tern/log.h>
#include <tern/subject.h>

#include "sys_answer.h"
#include "sys_event.h"

#define BATCH_MAX         64 /* events published at once */
#define REST_SHARE        3 /* after a request of an ordinary account the next one waits so many times its time */
#define SUBJECT_MAX_BYTES 128
#define NS_PER_MS         1000000u
#define NEVER             UINT64_MAX

/* An event that waits. */
struct queued {
  struct queued *next;
  struct nats_event event; /* with a connection */
};

/* Requests that wait. */
struct requests {
  struct sys_request *first, **last;
  unsigned count;
};

/* What the thread has taken out of the queues. */
struct taken {
  struct queued *events;
  struct sys_request *request;
  bool *changed; /* by number of account, of which there are changed_count; NULL: nothing has */
  uint32_t changed_count;
  uint64_t requests_dropped, events_dropped;
  bool busy; /* more waits */
  bool ending;
};

/* Messages to the system account that go together. */
struct batch {
  struct route_inside messages[BATCH_MAX];
  char subjects[BATCH_MAX][NATS_EVENT_SUBJECT_MAX];
  size_t count;
};

struct sys {
  struct sys_options options;
  struct sys_subjects *subjects;
  struct nats_watch watch;
  char refused[SUBJECT_MAX_BYTES]; /* the subject of refused connections */
  char statsz[SUBJECT_MAX_BYTES];
  pthread_t thread;
  bool has_thread;
  struct batch batch;                  /* the thread's, like the next two */
  uint64_t requests_told, events_told; /* dropped ones that were logged */
  pthread_mutex_t lock;                /* of what follows */
  pthread_cond_t come;
  struct requests requests, own_requests; /* of the system account; of ordinary accounts about themselves */
  uint64_t own_due_ns;                    /* when the next of the latter is answered */
  struct queued *first_event, **last_event;
  struct sys_request *reloads, *reloading; /* asked for; being done */
  unsigned reload_count;
  size_t event_bytes;
  bool *changed; /* by number of account; NULL: nothing has */
  uint32_t account_count;
  bool has_system;
  uint32_t system; /* account */
  uint64_t statsz_ms, statsz_due_ms, conns_due_ms;
  uint64_t sequence;
  uint64_t dropped, events_dropped;
  bool ending;
};

/* ---- on the workers ---- */

static void receive(void *arg, struct sys_request *request) {
  struct sys *sys = arg;
  struct requests *requests = request != NULL && request->own ? &sys->own_requests : &sys->requests;
  pthread_mutex_lock(&sys->lock);
  if (request == NULL || requests->count == SYS_WAITING_MAX) {
    sys->dropped++;
    free(request);
  } else {
    *requests->last = request;
    requests->last = &request->next;
    requests->count++;
  }
  pthread_cond_signal(&sys->come);
  pthread_mutex_unlock(&sys->lock);
}

static size_t size_of(const struct queued *queued) { return sizeof *queued + queued->event.conn->size; }

static void free_queued(struct queued *queued) {
  if (queued != NULL) free(queued->event.conn);
  free(queued);
}

static void note(void *arg, const struct nats_event *event) {
  struct sys *sys = arg;
  struct queued *queued = event->conn != NULL ? malloc(sizeof *queued) : NULL;
  if (queued != NULL) *queued = (struct queued){.event = *event};
  if (queued == NULL) free(event->conn);
  pthread_mutex_lock(&sys->lock);
  if (event->counts && event->account < sys->account_count) {
    if (sys->changed == NULL) sys->changed = calloc(sys->account_count, sizeof *sys->changed);
    if (sys->changed != NULL) sys->changed[event->account] = true;
  }
  if (queued != NULL && sys->event_bytes + size_of(queued) <= SYS_EVENTS_MAX_BYTES) {
    sys->event_bytes += size_of(queued);
    *sys->last_event = queued;
    sys->last_event = &queued->next;
    queued = NULL;
  } else if (event->conn != NULL) {
    sys->events_dropped++;
  }
  pthread_cond_signal(&sys->come);
  pthread_mutex_unlock(&sys->lock);
  free_queued(queued);
}

/* ---- the thread: publishing ---- */

static uint64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000 * NS_PER_MS + (uint64_t)now.tv_nsec;
}

static uint64_t now_ms(void) { return now_ns() / NS_PER_MS; }

static uint64_t next_sequence(struct sys *sys) {
  pthread_mutex_lock(&sys->lock);
  const uint64_t sequence = ++sys->sequence;
  pthread_mutex_unlock(&sys->lock);
  return sequence;
}

/* False: there is none. */
static bool system_account(struct sys *sys, uint32_t *number) {
  pthread_mutex_lock(&sys->lock);
  const bool has = sys->has_system;
  *number = sys->system;
  pthread_mutex_unlock(&sys->lock);
  return has;
}

static void publish(struct sys *sys, unsigned worker, uint32_t account, const struct route_inside *messages,
                    size_t count, const char *what) {
  int error = count > 0 ? sys->options.publish(sys->options.arg, worker, account, messages, count) : 0;
  if (error != 0 && error != TERN_ECLOSED)
    tern_log(TERN_LOG_WARN, "$SYS message not sent: %s: %s", what, tern_strerror(error));
}

static void send(struct sys *sys) {
  struct batch *batch = &sys->batch;
  uint32_t system;
  if (system_account(sys, &system)) publish(sys, 0, system, batch->messages, batch->count, "events");
  for (size_t i = 0; i < batch->count; i++)
    free((char *)(uintptr_t)batch->messages[i].payload.ptr);
  batch->count = 0;
}

/* Takes the text over. */
static void put(struct sys *sys, const char *subject, char *text, size_t len) {
  struct batch *batch = &sys->batch;
  if (text == NULL) return; /* no memory for it */
  char *to = batch->subjects[batch->count];
  const size_t subject_len = strlen(subject);
  memcpy(to, subject, subject_len);
  batch->messages[batch->count++] = (struct route_inside){{to, subject_len}, {text, len}};
  if (batch->count == BATCH_MAX) send(sys);
}

static void tell_event(struct sys *sys, const struct nats_event *event) {
  char subject[NATS_EVENT_SUBJECT_MAX];
  size_t len;
  if (!sys_event_subject(sys->options.monitor, event, subject)) return;
  char *text = sys_event_text(sys->options.monitor, event, next_sequence(sys), &len);
  put(sys, subject, text, len);
}

static bool is_wanted(struct sys *sys, uint32_t account, const char *subject) {
  return sys->options.is_wanted(sys->options.arg, account, tern_slice_of(subject));
}

static void tell_conns_of(struct sys *sys, uint32_t system, const struct sys_account *account) {
  char subjects[2][NATS_EVENT_SUBJECT_MAX];
  size_t len;
  if (!sys_event_conns_subjects(account->name, subjects)) return;
  for (int i = 1; i >= 0; i--) { /* the old one comes first, as in nats-server */
    if (!is_wanted(sys, system, subjects[i])) continue;
    char *text = sys_event_conns(sys->options.monitor, account, next_sequence(sys), &len);
    put(sys, subjects[i], text, len);
  }
}

/* Of accounts that have changed, and with `all` of all that have connections; never of `$G`. */
static void tell_conns(struct sys *sys, const bool *changed, uint32_t changed_count, bool all) {
  struct sys_accounts accounts;
  uint32_t system;
  if (!system_account(sys, &system) || sys_accounts_read(sys->options.monitor, &accounts) != 0) return;
  for (size_t i = 0; i < accounts.count; i++) {
    const struct sys_account *account = &accounts.at[i];
    const bool has_changed = account->number < changed_count && changed[account->number];
    if (account->number != 0 && (has_changed || (all && account->figures.connections > 0)))
      tell_conns_of(sys, system, account);
  }
  sys_accounts_free(&accounts);
}

/* ---- the thread: requests ---- */

static void answer(struct sys *sys, const struct sys_request *request, char *text, size_t len) {
  if (text == NULL) return;
  const struct route_inside message = {request->reply, {text, len}};
  publish(sys, request->worker, request->account, &message, 1, sys_kind_name(request->kind));
  free(text);
}

/* Waits for the control thread. False: too many do. */
static bool wait_for_reload(struct sys *sys, struct sys_request *request) {
  pthread_mutex_lock(&sys->lock);
  const bool may = sys->reload_count < SYS_RELOADS_MAX;
  if (may) {
    request->next = sys->reloads;
    sys->reloads = request;
    sys->reload_count++;
  } else {
    sys->dropped++;
  }
  pthread_mutex_unlock(&sys->lock);
  if (may) sys->options.reload(sys->options.arg);
  return may;
}

static void serve(struct sys *sys, struct sys_request *request) {
  const uint64_t begin_ns = now_ns();
  const bool own = request->own;
  size_t len = 0;
  if (sys_answer_is_to_reload(sys->options.monitor, request)) {
    if (wait_for_reload(sys, request)) return;
  } else {
    char *text = sys_answer(sys->options.monitor, request, next_sequence(sys), &len);
    answer(sys, request, text, len);
  }
  free(request);
  if (!own) return;
  const uint64_t end_ns = now_ns();
  pthread_mutex_lock(&sys->lock);
  sys->own_due_ns = end_ns + (end_ns - begin_ns) * REST_SHARE;
  pthread_mutex_unlock(&sys->lock);
}

/* ---- the thread: taking ---- */

/* All with the lock. */
static struct sys_request *take_from(struct requests *requests) {
  struct sys_request *request = requests->first;
  if (request == NULL) return NULL;
  requests->first = request->next;
  if (requests->first == NULL) requests->last = &requests->first;
  requests->count--;
  request->next = NULL;
  return request;
}

static struct sys_request *take_request(struct sys *sys) {
  struct sys_request *request = take_from(&sys->requests);
  if (request == NULL && now_ns() >= sys->own_due_ns) request = take_from(&sys->own_requests);
  return request;
}

static struct queued *take_events(struct sys *sys) {
  struct queued *events = sys->first_event, **end = &sys->first_event;
  for (int n = 0; n < BATCH_MAX && *end != NULL; n++) {
    sys->event_bytes -= size_of(*end);
    end = &(*end)->next;
  }
  struct queued *rest = *end;
  *end = NULL;
  sys->first_event = rest;
  if (rest == NULL) sys->last_event = &sys->first_event;
  return events;
}

static bool has_work(const struct sys *sys) {
  return sys->requests.first != NULL || sys->first_event != NULL || sys->changed != NULL || sys->ending ||
         sys->dropped != sys->requests_told || sys->events_dropped != sys->events_told;
}

/* Waits until there is work, or it is time for something. */
static void wait_for_work(struct sys *sys) {
  while (!has_work(sys)) {
    uint64_t due = sys->statsz_due_ms < sys->conns_due_ms ? sys->statsz_due_ms : sys->conns_due_ms;
    if (due != NEVER) due *= NS_PER_MS;
    if (sys->own_requests.first != NULL && sys->own_due_ns < due) due = sys->own_due_ns;
    if (due == NEVER) {
      pthread_cond_wait(&sys->come, &sys->lock);
      continue;
    }
    if (due <= now_ns()) return;
    const struct timespec until = {.tv_sec = (time_t)(due / (1000 * NS_PER_MS)),
                                   .tv_nsec = (long)(due % (1000 * NS_PER_MS))};
    pthread_cond_timedwait(&sys->come, &sys->lock, &until);
  }
}

static void take(struct sys *sys, struct taken *taken) {
  *taken = (struct taken){.events = take_events(sys),
                          .request = take_request(sys),
                          .changed = sys->changed,
                          .changed_count = sys->account_count,
                          .requests_dropped = sys->dropped,
                          .events_dropped = sys->events_dropped,
                          .ending = sys->ending};
  sys->changed = NULL;
  taken->busy = sys->requests.first != NULL || sys->first_event != NULL;
}

/* The log is for one line in a rush, not for one each. */
static void log_dropped(struct sys *sys, const struct taken *taken) {
  if (taken->busy) return;
  if (taken->requests_dropped != sys->requests_told)
    tern_log(TERN_LOG_WARN, "%llu $SYS requests dropped: too long, too many at once, or no memory",
             (unsigned long long)(taken->requests_dropped - sys->requests_told));
  if (taken->events_dropped != sys->events_told)
    tern_log(TERN_LOG_WARN, "%llu $SYS events dropped: too many connections came and went at once",
             (unsigned long long)(taken->events_dropped - sys->events_told));
  pthread_mutex_lock(&sys->lock); /* sys_serve's wait looks at them */
  sys->requests_told = taken->requests_dropped;
  sys->events_told = taken->events_dropped;
  pthread_mutex_unlock(&sys->lock);
}

/* What is due by the clock; says so of each, and when it is due again. */
static void take_due(struct sys *sys, bool *statsz, bool *conns) {
  const uint64_t now = now_ms();
  pthread_mutex_lock(&sys->lock);
  *statsz = now >= sys->statsz_due_ms;
  *conns = now >= sys->conns_due_ms;
  if (*statsz) {
    sys->statsz_ms *= 2;
    if (sys->statsz_ms > SYS_STATSZ_LONGEST_MS) sys->statsz_ms = SYS_STATSZ_LONGEST_MS;
    sys->statsz_due_ms = now + sys->statsz_ms;
  }
  if (*conns) sys->conns_due_ms = now + SYS_CONNS_MS;
  pthread_mutex_unlock(&sys->lock);
}

static void tell_statsz(struct sys *sys) {
  uint32_t system;
  const struct sys_request like = {.kind = SYS_KIND_PING};
  size_t len = 0;
  if (!system_account(sys, &system) || !is_wanted(sys, system, sys->statsz)) return;
  char *text = sys_answer(sys->options.monitor, &like, next_sequence(sys), &len);
  put(sys, sys->statsz, text, len);
}

static void tell_all(struct sys *sys, struct taken *taken) {
  bool statsz, conns;
  while (taken->events != NULL) {
    struct queued *queued = taken->events;
    taken->events = queued->next;
    tell_event(sys, &queued->event);
    free_queued(queued);
  }
  take_due(sys, &statsz, &conns);
  if (taken->changed != NULL || conns)
    tell_conns(sys, taken->changed, taken->changed != NULL ? taken->changed_count : 0, conns);
  if (statsz) tell_statsz(sys);
  send(sys);
  free(taken->changed);
}

static void *serve_all(void *arg) {
  struct sys *sys = arg;
  struct taken taken = {0};
  while (!taken.ending || taken.busy) {
    pthread_mutex_lock(&sys->lock);
    wait_for_work(sys);
    take(sys, &taken);
    pthread_mutex_unlock(&sys->lock);
    log_dropped(sys, &taken);
    tell_all(sys, &taken);
    if (taken.request == NULL) continue;
    if (taken.ending)
      free(taken.request);
    else
      serve(sys, taken.request);
  }
  return NULL;
}

/* ---- control ---- */

static int init_sync(struct sys *sys) {
  pthread_condattr_t attributes;
  int error = -pthread_condattr_init(&attributes);
  if (error != 0) return error;
  pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
  error = -pthread_cond_init(&sys->come, &attributes);
  pthread_condattr_destroy(&attributes);
  if (error == 0 && (error = -pthread_mutex_init(&sys->lock, NULL)) != 0) pthread_cond_destroy(&sys->come);
  return error;
}

int sys_new(const struct sys_options *options, struct sys **out) {
  struct sys *sys = calloc(1, sizeof *sys);
  if (sys == NULL) return -ENOMEM;
  sys->options = *options;
  sys->requests.last = &sys->requests.first;
  sys->own_requests.last = &sys->own_requests.first;
  sys->last_event = &sys->first_event;
  sys->statsz_due_ms = sys->conns_due_ms = NEVER;
  snprintf(sys->refused, sizeof sys->refused, "$SYS.SERVER.%s.CLIENT.AUTH.ERR", options->server_id);
  snprintf(sys->statsz, sizeof sys->statsz, "$SYS.SERVER.%s.STATSZ", options->server_id);
  sys->watch = (struct nats_watch){.refused = sys->refused, .note = note, .arg = sys};
  const struct sys_receiver receiver = {receive, sys};
  int error = init_sync(sys);
  if (error == 0 &&
      (error = sys_subjects_new(options->workers, options->server_id, &receiver, &sys->subjects)) != 0) {
    pthread_cond_destroy(&sys->come);
    pthread_mutex_destroy(&sys->lock);
  }
  if (error != 0) {
    free(sys);
    return error;
  }
  *out = sys;
  return 0;
}

/* Room for marks of so many accounts. Without memory for it, those that are marked stay what they are. */
static void count_accounts(struct sys *sys, const struct sys_place *system, const struct sys_place *others,
                           size_t count) {
  uint32_t accounts = system != NULL ? system->account + 1 : 0;
  for (size_t i = 0; i < count; i++)
    if (others[i].account >= accounts) accounts = others[i].account + 1;
  if (accounts <= sys->account_count) return;
  if (sys->changed != NULL) {
    bool *changed = realloc(sys->changed, accounts * sizeof *changed);
    if (changed == NULL) return;
    memset(changed + sys->account_count, 0, (accounts - sys->account_count) * sizeof *changed);
    sys->changed = changed;
  }
  sys->account_count = accounts;
}

/* Nobody is told of connections any more, and no worker is about to. */
static void stop_watching(struct sys *sys) {
  if (!sys->has_system) return; /* only this thread changes it */
  sys->options.watch(sys->options.arg, NULL);
  tern_workers_synchronize(sys->options.workers);
}

static void set_system(struct sys *sys, const struct sys_place *system) {
  const bool same = system != NULL && sys->has_system && sys->system == system->account;
  if (same) return;
  stop_watching(sys);
  pthread_mutex_lock(&sys->lock);
  sys->has_system = system != NULL;
  sys->system = sys->watch.account = system != NULL ? system->account : 0;
  sys->statsz_ms = SYS_STATSZ_FIRST_MS;
  sys->statsz_due_ms = system != NULL ? now_ms() + SYS_STATSZ_FIRST_MS : NEVER;
  sys->conns_due_ms = system != NULL ? now_ms() + SYS_CONNS_MS : NEVER;
  pthread_cond_signal(&sys->come);
  pthread_mutex_unlock(&sys->lock);
  if (system != NULL) sys->options.watch(sys->options.arg, &sys->watch);
}

int sys_serve(struct sys *sys, const struct sys_place *system, const struct sys_place *others, size_t count) {
  int error = 0;
  if (!sys->has_thread && (system != NULL || count > 0)) {
    error = -pthread_create(&sys->thread, NULL, serve_all, sys);
    if (error != 0) return error;
    sys->has_thread = true;
    pthread_setname_np(sys->thread, "tern-sys");
  }
  pthread_mutex_lock(&sys->lock);
  count_accounts(sys, system, others, count);
  pthread_mutex_unlock(&sys->lock);
  set_system(sys, system);
  return sys_subjects_serve(sys->subjects, system, others, count);
}

void sys_reload_begins(struct sys *sys) {
  pthread_mutex_lock(&sys->lock);
  struct sys_request **end = &sys->reloading;
  while (*end != NULL)
    end = &(*end)->next;
  *end = sys->reloads;
  sys->reloads = NULL;
  pthread_mutex_unlock(&sys->lock);
}

void sys_reloaded(struct sys *sys, const char *reason) {
  size_t len = 0;
  for (;;) {
    pthread_mutex_lock(&sys->lock);
    struct sys_request *request = sys->reloading;
    if (request != NULL) {
      sys->reloading = request->next;
      sys->reload_count--;
    }
    pthread_mutex_unlock(&sys->lock);
    if (request == NULL) return;
    char *text = sys_answer_reloaded(sys->options.monitor, reason, next_sequence(sys), &len);
    answer(sys, request, text, len);
    free(request);
  }
}

void sys_announce(struct sys *sys, const char *what) {
  char subject[SUBJECT_MAX_BYTES];
  uint32_t system;
  size_t len = 0;
  if (!system_account(sys, &system)) return;
  snprintf(subject, sizeof subject, "$SYS.SERVER.%s.%s", sys->options.server_id, what);
  char *text = sys_event_server(sys->options.monitor, next_sequence(sys), &len);
  const struct route_inside message = {tern_slice_of(subject), {text, len}};
  if (text != NULL) publish(sys, 0, system, &message, 1, what);
  free(text);
}

uint64_t sys_dropped(struct sys *sys) {
  pthread_mutex_lock(&sys->lock);
  const uint64_t dropped = sys->dropped;
  pthread_mutex_unlock(&sys->lock);
  return dropped;
}

uint64_t sys_events_dropped(struct sys *sys) {
  pthread_mutex_lock(&sys->lock);
  const uint64_t dropped = sys->events_dropped;
  pthread_mutex_unlock(&sys->lock);
  return dropped;
}

static void free_requests(struct sys_request *request) {
  for (struct sys_request *next; request != NULL; request = next) {
    next = request->next;
    free(request);
  }
}

void sys_free(struct sys *sys) {
  if (sys == NULL) return;
  stop_watching(sys);
  sys_subjects_free(sys->subjects);
  pthread_mutex_lock(&sys->lock);
  sys->ending = true;
  pthread_cond_signal(&sys->come);
  pthread_mutex_unlock(&sys->lock);
  if (sys->has_thread) pthread_join(sys->thread, NULL);
  sys_announce(sys, "SHUTDOWN");
  free_requests(sys->own_requests.first);
  free_requests(sys->reloads);
  free_requests(sys->reloading);
  pthread_cond_destroy(&sys->come);
  pthread_mutex_destroy(&sys->lock);
  free(sys);
}
