/* SPDX-License-Identifier: Apache-2.0 */
/** Requests and answers: the bench's own connections are on both sides. See request.c. */
#ifndef BENCH_REQUEST_H
#define BENCH_REQUEST_H

#include "check.h"
#include "engine.h"
#include "pace.h"
#include "windows.h"

/** Sends requests, so many at a time, or when they are due, and checks and times the answers. */
struct requester {
  struct shape shape; /* its own: the reply subject is */
  char inbox[SUBJECT_MAX_BYTES];
  unsigned in_flight;
  bool probe; /* runs beside something else: ends with PHASE_STOP, its answers are not counted as received */
  uint64_t wanted;
  double rate;        /* of all requesters, in a second; 0: each as fast as possible */
  unsigned of, index; /* how many they are, and which it is */
  struct pace pace;
  struct batch batch; /* one frame */
  struct checker checker;
  uint64_t sent;     /* requests that are whole */
  size_t at;         /* bytes of the frame at hand; at its end: none is at hand */
  uint64_t *sent_ns; /* when, by number % slots; 0: answered */
  uint64_t slots;    /* a power of 2 */
  uint64_t last_ns;
  bool finished;
  struct histogram *before; /* its own latencies, until PHASE_DISTURB; NULL: all go to the thread's */
  struct histogram *during; /* and then; not freed with it */
  const struct windows
      *windows; /* those of undisturbed and of disturbed ones in place of phases; NULL: none */
  struct conn *conn;
};

/** Answers with what it was asked. */
struct responder {
  const char *subject, *group;
  char *out; /* answers to the input at hand */
  size_t len, size;
};

extern const struct role role_requester, role_responder;

/** Prepares a requester: subject is where responders listen, index makes its inbox. Returns 0, -EINVAL or -ENOMEM. */
int requester_init(struct requester *requester, const struct dialect *dialect, const char *subject,
                   unsigned index, unsigned size);
void requester_free(struct requester *requester);
void responder_free(struct responder *responder);

#endif
