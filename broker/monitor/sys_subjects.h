/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The subjects that requests come to, and the requests. Each subject is a handler in the registry of an account:
 *
 *     the system account   $SYS.REQ.SERVER.PING, ...PING.<kind>, ...<id>.<kind>, $SYS.REQ.ACCOUNT.<account>.<kind>
 *     each other account   the few that tell a client about itself and its own account, under the same names
 *
 * In nats-server the latter are imports of the system account's services; what a requester sees is the same.
 */
#ifndef BROKER_MONITOR_SYS_SUBJECTS_H
#define BROKER_MONITOR_SYS_SUBJECTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <tern/registry.h>
#include <tern/worker.h>

/** Bytes of the body of a request. */
#define SYS_BODY_MAX_BYTES (16 * 1024)

struct sys_subjects;

/** An account in which requests are answered. */
struct sys_place {
  struct tern_registry *registry;
  uint32_t account; /* its number */
};

/** A request, as it came to a worker. Free it. */
struct sys_request {
  struct sys_request *next; /* the receiver's */
  unsigned kind, worker;
  uint32_t account; /* it came from, and is answered in */
  uint64_t client;  /* who asks */
  bool own;         /* about the account it came from, whatever it says */
  struct tern_slice reply, body;
  const char *named; /* the account in the subject, or NULL */
  char bytes[];
};

/** Who gets the requests. */
struct sys_receiver {
  /** Takes a request over; NULL: one was lost, it was too long or there is no memory. Must not block. Thread: any worker,
   * several at once. */
  void (*receive)(void *arg, struct sys_request *request);
  void *arg;
};

/** Makes them; none is anywhere yet. Returns 0 or -ENOMEM. Thread: control, like all here. */
int sys_subjects_new(struct tern_workers *workers, const char *server_id, const struct sys_receiver *receiver,
                     struct sys_subjects **out);
/**
 * From now on requests are received in these places and no others: in the system account (NULL: there is none), and in
 * so many other ones. What was received there before still is, without a gap.
 * Returns 0 or a negative error: then they are not received in all of these places.
 */
int sys_subjects_serve(struct sys_subjects *subjects, const struct sys_place *system,
                       const struct sys_place *others, size_t count);
/** What other accounts than the system account may ask: the subjects one by one, NULL behind the last. Thread: any. */
const char *sys_subjects_own(size_t index, unsigned *kind);
/** Ends it: nothing is received any more. NULL is allowed. */
void sys_subjects_free(struct sys_subjects *subjects);

#endif
