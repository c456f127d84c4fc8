/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The broker's core on simulated workers: everything but threads and real time is the real thing, and the test
 * decides what runs next. Clients are the test's end of a socket pair, so that what they send is there at once, in
 * whatever phase the worker is; or, to have faults injected, of an in-memory pair on the worker's own loop.
 */
#ifndef SUPPORT_BROKER_SIM_H
#define SUPPORT_BROKER_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <tern/transport.h>

#include "core.h"
#include "sim.h"

#define SIM_WORKERS_MAX 4
/** What one client may receive in its life. */
#define SIM_INPUT_MAX_BYTES (16 * 1024 * 1024)

struct sim_client;

struct sim {
  struct core core;
  struct tern_workers *workers;
  unsigned count;
  enum tern__phase next_phase[SIM_WORKERS_MAX];
  uint64_t random; /* may be set before sim_open, as the next one */
  bool watched;    /* somebody may ask for the busiest subjects; latencies are measured in every tick */
  struct sim_client *clients;
};

/** The far end of a client connection. */
struct sim_client {
  struct tern_protocol protocol;
  struct tern_transport *transport; /* in-memory: NULL before and after its life */
  int fd;                           /* socket pair: -1 after its life */
  struct sim *sim;
  struct sim_client *next;
  unsigned worker;
  char *in; /* everything received, NUL-terminated */
  size_t in_len;
  size_t read_to; /* the test's: how far it has looked */
  bool lost;
};

/** Limits as the broker's defaults. */
struct nats_limits sim_limits(void);
/** Settings with these limits (NULL: those of sim_limits), complete. NULL without memory. */
struct settings *sim_settings(const struct nats_limits *limits);
/** Makes the workers. ring_bytes 0: the default. Returns 0 or a negative error (then nothing is left). */
int sim_open(struct sim *sim, unsigned workers, size_t ring_bytes, const struct nats_limits *limits);
/** Stops the workers in order and frees everything; clients must be freed after. Aborts on a leak. */
void sim_close(struct sim *sim);
/** Connects a client to a worker; with faults in memory, else by a socket pair. Returns 0 or a negative error. */
int sim_connect(struct sim *sim, struct sim_client *client, unsigned worker,
                const struct tern_mem_faults *faults);
/** Frees what the client has collected. */
void sim_client_free(struct sim_client *client);
/** Sends bytes; ignored when the connection is gone. */
void sim_send(struct sim_client *client, const char *text, size_t len);
/** Sends a string. */
void sim_say(struct sim_client *client, const char *text);
/** Takes in what has arrived from the broker. */
void sim_pull(struct sim_client *client);
/** Closes the client's end. */
void sim_hang_up(struct sim_client *client);
/** Runs the next phase of a worker chosen by the seed, or a step of the grace-period thread. */
void sim_step(struct sim *sim);
/** Ticks all workers until nothing more happens (bounded). */
void sim_settle(struct sim *sim);
/** A number below bound. */
uint32_t sim_draw(struct sim *sim, uint32_t bound);

#endif
