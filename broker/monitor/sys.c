/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each subject has a handler of its own in the registry, so that the others of `$SYS.REQ.>` have nobody, as in
 * nats-server. A handler copies the request and hands it to the one thread that makes pages, which may wait for workers.
 *
 * Threads: handle_request runs on workers and takes the lock for a few instructions; answer_all is the thread; the rest
 * is the control thread's.
 */
#include "sys.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tern/error.h>
#include <tern/log.h>
#include <tern/subject.h>

#include "sys_answer.h"

/* $SYS.REQ.SERVER.PING, and each kind for servers twice: for all and for this one. */
#define SUBJECTS          (1 + 2 * SYS_SERVER_KINDS + SYS_ACCOUNT_KINDS)
#define SUBJECT_MAX_BYTES 128

/* Where requests come to. */
struct subject {
  struct tern_handler handler; /* first: the registry's pointer is ours */
  struct sys *sys;
  unsigned kind;
  bool of_account;
  char filter[SUBJECT_MAX_BYTES];
};

/* A request that waits. */
struct request {
  struct request *next;
  unsigned kind, worker;
  uint32_t account; /* it came from */
  struct tern_slice reply, body;
  const char *named; /* the account in the subject, or NULL */
  char bytes[];
};

struct sys {
  struct sys_options options;
  struct tern_registry *registry; /* handlers are in; NULL: none */
  uint32_t account;
  pthread_t thread;
  bool has_thread;
  pthread_mutex_t lock; /* of what follows */
  pthread_cond_t come;
  struct request *first, **last;
  unsigned waiting;
  uint64_t dropped;
  bool ending;
  struct subject subjects[SUBJECTS];
};

/* ---- on the workers ---- */

/* The fourth token: $SYS.REQ.ACCOUNT.<account>.CONNZ */
static struct tern_slice named_account(struct tern_slice subject) {
  const char *from = subject.ptr + strlen("$SYS.REQ.ACCOUNT.");
  const char *end = memchr(from, '.', subject.len - (size_t)(from - subject.ptr));
  return (struct tern_slice){from, (size_t)(end - from)};
}

static struct tern_slice copy(char **to, struct tern_slice from) {
  if (from.len > 0) memcpy(*to, from.ptr, from.len);
  struct tern_slice slice = {*to, from.len};
  *to += from.len;
  return slice;
}

static struct request *copy_request(const struct subject *subject, const struct tern_message *message) {
  const struct tern_slice body = {message->body.ptr + message->header_len,
                                  message->body.len - message->header_len};
  const struct tern_slice named =
      subject->of_account ? named_account(message->subject) : (struct tern_slice){0};
  if (body.len > SYS_BODY_MAX_BYTES) return NULL;
  struct request *request = malloc(sizeof *request + message->reply.len + body.len + named.len + 1);
  if (request == NULL) return NULL;
  char *to = request->bytes;
  *request = (struct request){.kind = subject->kind,
                              .worker = tern_worker_index(tern_worker_self()),
                              .account = subject->sys->account,
                              .reply = copy(&to, message->reply),
                              .body = copy(&to, body)};
  if (!subject->of_account) return request;
  request->named = copy(&to, named).ptr;
  *to = '\0';
  return request;
}

static void handle_request(struct tern_handler *handler, const struct tern_message *message) {
  const struct subject *subject = (const struct subject *)(const void *)handler;
  struct sys *sys = subject->sys;
  if (!tern_subject_is_literal(message->reply)) return; /* nobody waits for an answer */
  struct request *request = copy_request(subject, message);
  pthread_mutex_lock(&sys->lock);
  if (request == NULL || sys->waiting == SYS_WAITING_MAX) {
    sys->dropped++;
    free(request);
  } else {
    *sys->last = request;
    sys->last = &request->next;
    sys->waiting++;
  }
  pthread_cond_signal(&sys->come);
  pthread_mutex_unlock(&sys->lock);
}

/* ---- the thread ---- */

static void answer(struct sys *sys, const struct request *request, uint64_t sequence) {
  size_t len;
  char *text = sys_answer(sys->options.monitor, request->kind, request->named, request->body, sequence, &len);
  if (text == NULL) return;
  const struct tern_slice payload = {text, len};
  int error =
      sys->options.publish(sys->options.arg, request->worker, request->account, request->reply, payload);
  if (error != 0 && error != TERN_ECLOSED)
    tern_log(TERN_LOG_WARN, "Answer to $SYS request %s not sent: %s", sys_kind_name(request->kind),
             tern_strerror(error));
  free(text);
}

/* With the lock. NULL: nothing waits. */
static struct request *take(struct sys *sys) {
  struct request *request = sys->first;
  if (request == NULL) return NULL;
  sys->first = request->next;
  if (sys->first == NULL) sys->last = &sys->first;
  sys->waiting--;
  return request;
}

static void *answer_all(void *arg) {
  struct sys *sys = arg;
  uint64_t told = 0, sequence = 0;
  for (bool ending = false; !ending;) {
    pthread_mutex_lock(&sys->lock);
    while (sys->first == NULL && sys->dropped == told && !sys->ending)
      pthread_cond_wait(&sys->come, &sys->lock);
    ending = sys->ending;
    struct request *request = take(sys);
    const uint64_t dropped = sys->dropped;
    const bool idle = sys->first == NULL; /* the log is for one line in a rush, not for one each */
    pthread_mutex_unlock(&sys->lock);
    if (idle && dropped != told) {
      tern_log(TERN_LOG_WARN, "%llu $SYS requests dropped: too long, too many at once, or no memory",
               (unsigned long long)(dropped - told));
      told = dropped;
    }
    if (request != NULL && !ending) answer(sys, request, ++sequence);
    free(request);
  }
  return NULL;
}

/* ---- control ---- */

static void add_subject(struct sys *sys, unsigned *at, unsigned kind, const char *format, const char *who) {
  struct subject *subject = &sys->subjects[(*at)++];
  subject->handler.handle = handle_request;
  subject->sys = sys;
  subject->kind = kind;
  subject->of_account = kind >= SYS_SERVER_KINDS;
  snprintf(subject->filter, sizeof subject->filter, "$SYS.REQ.%s.%s%s%s", format, who, *at == 1 ? "" : ".",
           *at == 1 ? "" : sys_kind_name(kind));
}

int sys_new(const struct sys_options *options, struct sys **out) {
  struct sys *sys = calloc(1, sizeof *sys);
  if (sys == NULL) return -ENOMEM;
  sys->options = *options;
  sys->last = &sys->first;
  unsigned at = 0;
  add_subject(sys, &at, SYS_KIND_PING, "SERVER", "PING");
  for (unsigned kind = 0; kind < SYS_SERVER_KINDS; kind++) {
    add_subject(sys, &at, kind, "SERVER", "PING");
    add_subject(sys, &at, kind, "SERVER", options->server_id);
  }
  for (unsigned kind = SYS_SERVER_KINDS; kind < SYS_KINDS; kind++)
    add_subject(sys, &at, kind, "ACCOUNT", "*");
  int error = -pthread_mutex_init(&sys->lock, NULL);
  if (error == 0 && (error = -pthread_cond_init(&sys->come, NULL)) != 0) pthread_mutex_destroy(&sys->lock);
  if (error != 0) {
    free(sys);
    return error;
  }
  *out = sys;
  return 0;
}

static void detach(struct sys *sys, unsigned count) {
  for (unsigned i = 0; i < count; i++)
    tern_registry_detach(sys->registry, tern_workers_reclaimer(sys->options.workers),
                         &sys->subjects[i].handler, tern_slice_of(sys->subjects[i].filter));
  tern_workers_synchronize(sys->options.workers);
  sys->registry = NULL;
}

int sys_serve(struct sys *sys, struct tern_registry *registry, uint32_t account) {
  if (registry == sys->registry) return 0;
  if (sys->registry != NULL) detach(sys, SUBJECTS);
  if (registry == NULL) return 0;
  int error = sys->has_thread ? 0 : -pthread_create(&sys->thread, NULL, answer_all, sys);
  if (error != 0) return error;
  sys->has_thread = true;
  sys->registry = registry;
  sys->account = account;
  unsigned done = 0;
  for (; done < SUBJECTS && error == 0; done++)
    error = tern_registry_attach(registry, tern_workers_reclaimer(sys->options.workers),
                                 &sys->subjects[done].handler, tern_slice_of(sys->subjects[done].filter));
  if (error != 0) detach(sys, done - 1);
  return error;
}

uint64_t sys_dropped(struct sys *sys) {
  pthread_mutex_lock(&sys->lock);
  const uint64_t dropped = sys->dropped;
  pthread_mutex_unlock(&sys->lock);
  return dropped;
}

void sys_free(struct sys *sys) {
  if (sys == NULL) return;
  sys_serve(sys, NULL, 0);
  pthread_mutex_lock(&sys->lock);
  sys->ending = true;
  pthread_cond_signal(&sys->come);
  pthread_mutex_unlock(&sys->lock);
  if (sys->has_thread) pthread_join(sys->thread, NULL);
  while (sys->first != NULL) {
    struct request *request = sys->first;
    sys->first = request->next;
    free(request);
  }
  pthread_cond_destroy(&sys->come);
  pthread_mutex_destroy(&sys->lock);
  free(sys);
}
