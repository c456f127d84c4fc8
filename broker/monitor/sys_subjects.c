/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See sys_subjects.h. Each subject has a handler of its own in the registry, so that the others of `$SYS.REQ.>` have
 * nobody, as in nats-server. All handlers of one account are a set; sets come and go as a whole.
 *
 * Threads: handle runs on workers, and copies what it hands on; the rest is the control thread's.
 */
#include "sys_subjects.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sys_answer.h"

/* $SYS.REQ.SERVER.PING, each kind for servers twice: for all and for this one; orders for this one only. */
#define SYSTEM_SUBJECTS   (1 + 2 * SYS_SERVER_KINDS + SYS_ACCOUNT_KINDS + SYS_ORDER_KINDS + 1)
#define SUBJECT_MAX_BYTES 128

/* What other accounts may ask. */
static const struct {
  const char *filter;
  unsigned kind;
} own[] = {
    {"$SYS.REQ.ACCOUNT.PING.CONNZ", SYS_KIND_CONNZ},
    {"$SYS.REQ.SERVER.PING.CONNZ", SYS_KIND_CONNZ},
    {"$SYS.REQ.ACCOUNT.PING.STATZ", SYS_KIND_STATZ},
    {"$SYS.REQ.USER.INFO", SYS_KIND_USER},
};
#define OWN_SUBJECTS (sizeof own / sizeof own[0])

/* Where requests come to. */
struct subject {
  struct tern_handler handler; /* first: the registry's pointer is ours */
  const struct set *set;
  unsigned kind;
  char filter[SUBJECT_MAX_BYTES];
};

/* The subjects of one account. */
struct set {
  struct set *next;
  struct sys_receiver receiver;
  struct sys_place place;
  bool is_system;
  bool wanted; /* while the places change */
  size_t count;
  struct subject subjects[];
};

struct sys_subjects {
  struct tern_workers *workers;
  char *server_id;
  struct sys_receiver receiver;
  struct set *sets;
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

static struct sys_request *copy_request(const struct subject *subject, const struct tern_message *message) {
  const struct set *set = subject->set;
  const struct tern_slice body = {message->body.ptr + message->header_len,
                                  message->body.len - message->header_len};
  const bool names = set->is_system && sys_kind_is_of_account(subject->kind);
  const struct tern_slice named = names ? named_account(message->subject) : (struct tern_slice){0};
  if (body.len > SYS_BODY_MAX_BYTES) return NULL;
  struct sys_request *request = malloc(sizeof *request + message->reply.len + body.len + named.len + 1);
  if (request == NULL) return NULL;
  char *to = request->bytes;
  *request = (struct sys_request){.kind = subject->kind,
                                  .worker = tern_worker_index(tern_worker_self()),
                                  .account = set->place.account,
                                  .client = message->source,
                                  .own = !set->is_system,
                                  .reply = copy(&to, message->reply),
                                  .body = copy(&to, body)};
  if (!names) return request;
  request->named = copy(&to, named).ptr;
  *to = '\0';
  return request;
}

static void handle(struct tern_handler *handler, const struct tern_message *message) {
  const struct subject *subject = (const struct subject *)(const void *)handler;
  if (!tern_subject_is_literal(message->reply)) return; /* nobody waits for an answer */
  subject->set->receiver.receive(subject->set->receiver.arg, copy_request(subject, message));
}

/* ---- control ---- */

const char *sys_subjects_own(size_t index, unsigned *kind) {
  if (index >= OWN_SUBJECTS) return NULL;
  *kind = own[index].kind;
  return own[index].filter;
}

static struct subject *add(struct set *set, unsigned kind) {
  struct subject *subject = &set->subjects[set->count++];
  subject->handler.handle = handle;
  subject->set = set;
  subject->kind = kind;
  return subject;
}

static void add_system(struct set *set, unsigned kind, const char *whose, const char *who) {
  struct subject *subject = add(set, kind);
  snprintf(subject->filter, sizeof subject->filter, "$SYS.REQ.%s.%s.%s", whose, who, sys_kind_name(kind));
}

static void fill_system(struct set *set, const char *server_id) {
  strncpy(add(set, SYS_KIND_PING)->filter, "$SYS.REQ.SERVER.PING", SUBJECT_MAX_BYTES - 1);
  for (unsigned kind = 0; kind < SYS_KINDS; kind++) {
    if (kind < SYS_SERVER_KINDS) add_system(set, kind, "SERVER", "PING");
    if (kind < SYS_SERVER_KINDS || sys_kind_is_order(kind)) add_system(set, kind, "SERVER", server_id);
    if (sys_kind_is_of_account(kind)) add_system(set, kind, "ACCOUNT", "*");
  }
  strncpy(add(set, SYS_KIND_USER)->filter, "$SYS.REQ.USER.INFO", SUBJECT_MAX_BYTES - 1);
}

static void fill_other(struct set *set) {
  for (size_t i = 0; i < OWN_SUBJECTS; i++)
    strncpy(add(set, own[i].kind)->filter, own[i].filter, SUBJECT_MAX_BYTES - 1);
}

static void detach(struct sys_subjects *subjects, struct set *set, size_t count) {
  for (size_t i = 0; i < count; i++)
    tern_registry_detach(set->place.registry, tern_workers_reclaimer(subjects->workers),
                         &set->subjects[i].handler, tern_slice_of(set->subjects[i].filter));
}

static int attach(struct sys_subjects *subjects, struct set *set) {
  for (size_t i = 0; i < set->count; i++) {
    int error = tern_registry_attach(set->place.registry, tern_workers_reclaimer(subjects->workers),
                                     &set->subjects[i].handler, tern_slice_of(set->subjects[i].filter));
    if (error == 0) continue;
    detach(subjects, set, i);
    tern_workers_synchronize(subjects->workers);
    return error;
  }
  return 0;
}

/* The set of a place, which there is already or which is made. */
static int want(struct sys_subjects *subjects, const struct sys_place *place, bool is_system) {
  for (struct set *set = subjects->sets; set != NULL; set = set->next) {
    if (set->place.registry != place->registry || set->is_system != is_system) continue;
    set->wanted = true;
    return 0;
  }
  const size_t count = is_system ? SYSTEM_SUBJECTS : OWN_SUBJECTS;
  struct set *set = calloc(1, sizeof *set + count * sizeof set->subjects[0]);
  if (set == NULL) return -ENOMEM;
  set->receiver = subjects->receiver;
  set->place = *place;
  set->is_system = is_system;
  set->wanted = true;
  if (is_system)
    fill_system(set, subjects->server_id);
  else
    fill_other(set);
  int error = attach(subjects, set);
  if (error != 0) {
    free(set);
    return error;
  }
  set->next = subjects->sets;
  subjects->sets = set;
  return 0;
}

/* Takes those away that are not wanted. */
static void sweep(struct sys_subjects *subjects) {
  struct set *gone = NULL;
  for (struct set **at = &subjects->sets; *at != NULL;) {
    struct set *set = *at;
    if (set->wanted) {
      at = &set->next;
      continue;
    }
    detach(subjects, set, set->count);
    *at = set->next;
    set->next = gone;
    gone = set;
  }
  if (gone != NULL) tern_workers_synchronize(subjects->workers);
  for (struct set *next; gone != NULL; gone = next) {
    next = gone->next;
    free(gone);
  }
}

int sys_subjects_new(struct tern_workers *workers, const char *server_id, const struct sys_receiver *receiver,
                     struct sys_subjects **out) {
  struct sys_subjects *subjects = calloc(1, sizeof *subjects);
  if (subjects == NULL) return -ENOMEM;
  subjects->workers = workers;
  subjects->receiver = *receiver;
  subjects->server_id = strdup(server_id);
  if (subjects->server_id == NULL) {
    free(subjects);
    return -ENOMEM;
  }
  *out = subjects;
  return 0;
}

int sys_subjects_serve(struct sys_subjects *subjects, const struct sys_place *system,
                       const struct sys_place *others, size_t count) {
  for (struct set *set = subjects->sets; set != NULL; set = set->next)
    set->wanted = false;
  int error = system != NULL ? want(subjects, system, true) : 0;
  for (size_t i = 0; i < count; i++) {
    int failed = want(subjects, &others[i], false);
    if (error == 0) error = failed;
  }
  sweep(subjects);
  return error;
}

void sys_subjects_free(struct sys_subjects *subjects) {
  if (subjects == NULL) return;
  sys_subjects_serve(subjects, NULL, NULL, 0);
  free(subjects->server_id);
  free(subjects);
}
