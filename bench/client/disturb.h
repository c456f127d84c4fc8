/* SPDX-License-Identifier: Apache-2.0 */
/** Connections that disturb others, or just are there. See disturb.c. */
#ifndef BENCH_DISTURB_H
#define BENCH_DISTURB_H

#include "engine.h"
#include "load.h"
#include "pace.h"

/** Subscribes and unsubscribes all the time, from PHASE_DISTURB to PHASE_STOP. */
struct churner {
  double rate;       /* pairs of SUB and UNSUB per second */
  uint64_t start_ns; /* of the disturbance */
  uint64_t pairs;    /* done */
  bool asked;
};

/** Subscribes in PHASE_DISTURB and never reads again. */
struct stuck {
  const char *filter;
  bool disconnected; /* by the server */
};

/** Makes many subscriptions in PHASE_PREPARE, then receives their messages. Owner of the connection; the subscriber
 * comes first, so that its role's functions can be used. */
struct loader {
  struct subscriber subscriber;
  unsigned from, step, of; /* it makes the subscriptions from, from + step, ... below of */
  unsigned made;
  char *text; /* being sent; to be freed */
  size_t at, len;
  _Atomic uint64_t last_ns; /* when the server had taken all; main reads it meanwhile */
  bool asked, loaded;
};

/** Connects, and again when it is connected, as often as it can or may from PHASE_RUN to PHASE_STOP. */
struct stormer {
  uint64_t connected;
  struct pace pace;
  double rate;        /* of all stormers, in a second; 0: as often as they can */
  unsigned of, index; /* how many they are, and which it is */
  bool refused;       /* what it does is known to be in vain: the server's refusal is what it waits for */
  bool over;
};

/** Is connected; PHASE_DRAIN: proves that it still is. */
extern const struct role role_idler;
extern const struct role role_churner, role_stuck, role_loader, role_stormer;

/** The subject of subscription number n of a loader. */
int loader_subject(char *to, size_t room, unsigned n);
/** Its id. */
int loader_sid(char *to, size_t room, unsigned n);

#endif
