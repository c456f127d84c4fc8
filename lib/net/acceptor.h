/* SPDX-License-Identifier: Apache-2.0 */
/** The acceptor: the thread that accepts connections for a worker pool. See acceptor.c. */
#ifndef TERN_NET_ACCEPTOR_H
#define TERN_NET_ACCEPTOR_H

#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <tern/listener.h>
#include <tern/stats.h>

#include "url.h"

/** A listening socket. Written by the control thread before and after the acceptor knows it. */
struct tern_listener {
  struct tern_listener *next; /* on the acceptor's list, under its lock */
  struct tern_workers *workers;
  tern_protocol_factory *factory;
  void *arg;
  int fd;
  struct tern__address address;
  char url[TERN__URL_MAX];
  struct tern_counter pauses;   /* written by the acceptor */
  _Atomic uint32_t rate;        /* connections a second; 0: as many as come */
  struct tern_counter *delayed; /* written by the acceptor; NULL: not counted */
  uint64_t paid_ns;             /* the acceptor's: up to then they have been taken */
  bool late;                    /* the acceptor's: whoever is found has waited for the rate */
  /* One for being open, one for each socket that is on its way to a worker; who takes the last one away
   * posts `drained`. */
  _Atomic uint32_t holds;
  sem_t drained;
  dev_t path_dev; /* Unix-domain: the socket file we made */
  ino_t path_ino;
};

/** Starts to accept for a listener whose socket listens; starts the pool's acceptor when it is the first.
 * Returns 0 or -errno. Thread: control. */
int tern__acceptor_add(struct tern_listener *listener);
/** Stops to accept for it, waits until the sockets on their way have been taken over, and ends the acceptor
 * with its last listener. Thread: control. Blocks: briefly. */
void tern__acceptor_remove(struct tern_listener *listener);

#endif
