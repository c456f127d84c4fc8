/* SPDX-License-Identifier: Apache-2.0 */
/** One run of publishers and subscribers: what the command line asked for, the peers, and the result. */
#ifndef BENCH_RUN_H
#define BENCH_RUN_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <tern/stats.h>

#include "check.h"
#include "client.h"
#include "row.h"

/** What was asked for. */
struct options {
  const char *url;
  const char *label; /* NULL: the server's name */
  const char *command;
  const char *subject;
  struct target target;
  unsigned size, publishers, subscribers;
  uint64_t messages; /* of each publisher; UINT64_MAX: until the time is over */
  double seconds;    /* 0: until the messages are sent */
  pid_t pid;         /* the broker's; 0: look for it */
  bool json, quiet;
};

/** Where a run is; only the main thread moves it on, and only forwards. */
enum phase {
  PHASE_CONNECT, /* peers connect, then wait */
  PHASE_PUBLISH, /* publishers send */
  PHASE_STOP,    /* publishers make an end */
  PHASE_DRAIN,   /* everything is sent and acknowledged: subscribers take the rest */
  PHASE_ABORT,   /* everybody returns at once */
};

/** Where a peer is. */
enum peer_state {
  PEER_CONNECTING,
  PEER_READY,
  PEER_DONE,
  PEER_FAILED, /* client.error says why */
};

struct run;

/** A publisher or subscriber: a thread with a connection. */
struct peer {
  struct run *run;
  pthread_t thread;
  bool started;
  unsigned index;
  _Atomic int state;            /* enum peer_state, written by the thread */
  struct tern_counter messages; /* sent or received so far, written by the thread */
  struct client client;
  uint64_t cpu_ns;  /* spent since publishing began; valid when done or failed */
  uint64_t last_ns; /* when the last message was sent or came; likewise */
  struct checker checker;
};

/** A run. */
struct run {
  const struct options *options;
  struct shape shape;
  _Atomic int phase; /* enum phase */
  struct peer *publishers, *subscribers;
  uint64_t start_ns;
};

/** Threads of the peers; arg is the struct peer. */
void *publisher_main(void *arg);
void *subscriber_main(void *arg);

/** The subcommands; argv[0] is their name. They return the exit code. */
int pubsub_main(int argc, char **argv);
int forward_main(int argc, char **argv);
int self_main(int argc, char **argv);

#endif
