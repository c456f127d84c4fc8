/* SPDX-License-Identifier: Apache-2.0 */
/** Publishers and subscribers of numbered messages. See load.c. */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include "check.h"
#include "engine.h"
#include "pace.h"

/** Sends the messages of a shape, and waits at the end until the server has taken them. */
struct publisher {
  const struct shape *shape;
  unsigned index, of; /* which of how many */
  double rate;        /* of all of them together; 0: as fast as possible */
  uint64_t wanted;    /* messages; UINT64_MAX: until PHASE_STOP */
  uint64_t window;    /* how many of all may be sent and not received; 0: any number */
  unsigned copies;    /* how often each is received */
  struct batch batch;
  uint64_t first, sent; /* number of the batch's first frame; messages sent */
  size_t at;            /* bytes of the batch sent */
  bool asked;           /* whether everything has been taken */
  uint64_t last_ns;     /* when it was */
};

/** Receives and checks. */
struct subscriber {
  const char *filter, *group;
  struct checker checker;
  bool asked, answered; /* in PHASE_DRAIN */
  uint64_t last_ns;     /* when the last message came */
  /** For latencies, where the thread has room for them: the publishers' common rate; 0: none. */
  double rate;
  const struct conn *conn;
};

/** owner: the struct. */
extern const struct role role_publisher, role_publisher_beside, role_subscriber;

/** Encodes the batch. Returns 0 or -ENOMEM. */
int publisher_init(struct publisher *publisher);
void publisher_free(struct publisher *publisher);

/** What subscribers do with input, for roles that are more than that. */
int64_t subscriber_input(struct conn *conn, const char *data, size_t len);
void subscriber_phase(struct conn *conn, enum phase phase);

#endif
