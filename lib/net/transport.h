/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Inside of transports: the part they have in common, and what a kind of transport supplies. See transport.c
 * for the states and who calls what. All functions: Thread: the loop's.
 */
#ifndef TERN_NET_TRANSPORT_H
#define TERN_NET_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <tern/transport.h>

#include "chain.h"
#include "watch.h"

enum tern__transport_state {
  TERN__TRANSPORT_CONNECTING, /* connection_made has not been called yet */
  TERN__TRANSPORT_OPEN,
  TERN__TRANSPORT_CLOSING,   /* close was called: output still leaves, nothing is received */
  TERN__TRANSPORT_LINGERING, /* all is out and the peer told; what it still sends is thrown away */
  TERN__TRANSPORT_ENDED,     /* all I/O is over; connection_lost has been queued */
};

/** What a kind of transport supplies. None of these calls the protocol, except through the functions below.
 */
struct tern__transport_ops {
  /* Moves output from t->out on, as much as goes. Calls tern__transport_block when more must wait for
   * the other side (and tern__transport_unblocked when it need not any more). Returns 0 or the error that
   * ends the connection. May be called in the middle of a tick, from inside any call of the protocol. */
  int (*flush)(struct tern_transport *t);
  /* Reading was paused or may go on. On resume, if something may be there to read, arranges for a later turn;
   * data_received is never called from inside. */
  void (*reading)(struct tern_transport *t, bool paused);
  /* All output is out, and write_eof or close was called: tell the other side. */
  void (*send_eof)(struct tern_transport *t);
  /* The end has come: give up descriptor, timers, partner. error is why (0: good order). */
  void (*cut)(struct tern_transport *t, int error);
  /* Fills in who is at the other end. Wrappers need neither this nor `nobody`. */
  void (*describe)(struct tern_transport *t, struct tern_peer *peer);
  /* Frees the transport; last call. */
  void (*destroy)(struct tern_transport *t);
  /* What tern_transport_peer answers when there is no memory for the full answer. */
  struct tern_peer nobody;
};

/** The common part; every kind starts with it. */
struct tern_transport {
  const struct tern__transport_ops *ops;
  struct tern_loop *loop;
  struct tern_protocol *protocol;
  struct tern_transport *below; /* a wrapper's inner transport, else NULL */
  struct tern_transport *above; /* the wrapper around this one, or NULL */
  struct tern__chain out;
  size_t attention; /* pending above this needs attend() after a write */
  size_t high, low;
  uint64_t stalled_since_ms; /* when waiting output last made progress; 0: none waits */
  struct tern_flush flush;
  struct tern_timer linger;
  struct tern_deferred lost;
  struct tern_loop_member member; /* on the loop's list unless there is a transport above */
  struct tern_peer *peer;         /* NULL until somebody asks */
  int error;                      /* for connection_lost */
  uint8_t state;                  /* enum tern__transport_state */
  bool writable;                  /* open and no write_eof: the one test of the hot path */
  bool blocked;                   /* the other side takes nothing at the moment */
  bool flushing;                  /* inside ops->flush */
  bool write_paused;              /* pause_writing was called last */
  bool read_paused;
  bool eof_in;   /* the peer has finished sending */
  bool eof_out;  /* write_eof was called */
  bool eof_sent; /* and everything before it is out */
};

/** Sets up the common part and makes the transport a member of the loop. */
void tern__transport_init(struct tern_transport *t, const struct tern__transport_ops *ops,
                          struct tern_loop *loop, struct tern_protocol *protocol);
/** Undoes tern__transport_init for a transport no protocol has heard of; the caller frees it. */
void tern__transport_discard(struct tern_transport *t);
/** Sets up a wrapper around a transport: it takes over the membership. Its end comes by
 * tern__transport_lost, when the lower one is lost. */
void tern__transport_wrap(struct tern_transport *t, const struct tern__transport_ops *ops,
                          struct tern_transport *below, struct tern_protocol *protocol);

/** The connection stands: connection_made. */
void tern__transport_made(struct tern_transport *t);
/** Hands received bytes up; drops them when closing or paused. */
void tern__transport_received(struct tern_transport *t, const struct tern_chunk *chunk);
/** The peer has finished sending. */
void tern__transport_eof(struct tern_transport *t);
/** For ops->flush: the other side takes nothing more at the moment. moved: it took something in this call,
 * so the stall clock starts anew. */
void tern__transport_block(struct tern_transport *t, bool moved);
/** The other side may take output again. */
void tern__transport_unblocked(struct tern_transport *t);
/** I/O failed: the end, with that error unless everything had been sent and the peer told. */
void tern__transport_broken(struct tern_transport *t, int error);
/** The end: drops output, cuts the connection, queues connection_lost. The first call counts. */
void tern__transport_end(struct tern_transport *t, int error);
/** Tells the protocol connection_lost and destroys the transport (wrappers call it, others are deferred). */
void tern__transport_lost(struct tern_transport *t, int error);
/** Takes over output collected by a wrapper. (Nobody but the wrapper closes what is below it; when that ends,
 * the wrapper has no output any more.) */
void tern__transport_splice(struct tern_transport *t, struct tern__chain *from);

/** True while received bytes have somewhere to go, if only away. */
static inline bool tern__transport_wants_input(const struct tern_transport *t) {
  if (t->state == TERN__TRANSPORT_OPEN) return !t->read_paused && !t->eof_in;
  return t->state == TERN__TRANSPORT_LINGERING;
}

#endif
