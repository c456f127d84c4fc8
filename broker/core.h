/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The core: what of the broker runs on the workers, without anything that starts threads or opens sockets.
 * The server puts it on a real pool; tests put it on a simulated one.
 *
 *     core_init -> core_worker_options -> tern_workers_new -> core_attach -> tern_workers_start
 *     ... tern_workers_stop -> core_fini -> tern_workers_free
 *
 * Thread: control.
 */
#ifndef BROKER_CORE_H
#define BROKER_CORE_H

#include <tern/registry.h>
#include <tern/worker.h>

#include "figures.h"
#include "nats.h"

struct core {
  struct tern_registry **registries; /* by number of account; the first is that of `$G` */
  char **names;                      /* of them; NULL: it was added without one */
  uint32_t account_count;
  _Atomic uint64_t **clients;  /* of each, on all workers (route.h) */
  struct crossings *crossings; /* what goes between them */
  struct nats_server nats;     /* its factory is nats_factory, with this as argument */
};

/** Prepares what all workers share; takes the reference to the settings over. port: for INFO. */
void core_init(struct core *core, struct settings *settings, uint16_t port);
/** Sets the callbacks by which workers make, use and free their part of the core; leaves count and sizes
 * alone. */
void core_worker_options(struct core *core, struct tern_workers_options *options);
/** Makes the registry of `$G`, before any worker starts. Returns 0 or -ENOMEM. */
int core_attach(struct core *core, struct tern_workers *workers);
/**
 * Makes one more account: a registry, and when the workers run, a route on each of them. Nobody can be in it before this
 * returns. It stays as long as the core does.
 * Returns 0 with its number, or -ENOMEM (then nothing is left of it).
 */
int core_add_account(struct core *core, struct tern_workers *workers, bool running, uint32_t *number);
/** The number of the account of that name, which is made (core_add_account) when there is none. Returns 0 or -ENOMEM. */
int core_account(struct core *core, struct tern_workers *workers, bool running, const char *name,
                 uint32_t *number);
/**
 * Opens the imports of the settings that hold and closes those that are no more; what is in both goes on without a gap.
 * Makes the accounts they are between. To be called after every core_set_settings, and before the first client.
 * Returns 0, or a negative error: then the imports are those of before.
 */
int core_set_imports(struct core *core, struct tern_workers *workers, bool running);
struct access;
/** Gives every account of an access the number it has had before, by its name, or makes it. Returns 0, or -ENOMEM. */
int core_number_accounts(struct core *core, struct tern_workers *workers, bool running,
                         struct access *access);
/** Hands every worker new settings; the caller keeps its reference. Returns 0, or TERN_ECLOSED when the workers do not
 * run. */
int core_set_settings(struct core *core, struct tern_workers *workers, struct settings *settings);
/**
 * Closes clients picked at random until so many are closed or none is open; error: the -ERR they get, or NULL for none.
 * Returns how many. A worker has other work in between when they are many. Blocks: a tick for each slice.
 */
uint64_t core_close_clients(struct core *core, struct tern_workers *workers, uint64_t count,
                            const char *error);
/** Closes as many as there are above max_connections, with its -ERR. */
void core_shed(struct core *core, struct tern_workers *workers);
/** Tells all clients that the server is about to end (lame duck); the listeners must be closed. */
void core_tell_lame_duck(struct tern_workers *workers);
/** Adds up the figures; they may be a moment old. */
/** Bytes of output that wait for clients to take them, on all workers. */
uint64_t core_waiting(struct tern_workers *workers);
/** What clients may not do for want of memory. */
void core_shed_memory(struct core *core, struct tern_workers *workers, bool no_connections,
                      bool no_subscriptions, bool no_reading);
/** Cuts off the client that has most output waiting. Returns how many bytes that were; 0: there is none. */
uint64_t core_cut_slowest(struct tern_workers *workers);
struct core_figures core_figures(const struct core *core, struct tern_workers *workers);

/** Figures of subscriptions in one account, or with CORE_ALL_ACCOUNTS in all. Thread: any that is no worker. Blocks: for
 * some ticks. Returns 0, or TERN_ECLOSED when the workers do not run. */
#define CORE_ALL_ACCOUNTS UINT32_MAX
int core_subjects(struct tern_workers *workers, uint32_t account, struct core_subjects *out);

/** Publishes from inside the broker, in an account, on one worker, in this order. Thread: any that is no worker. Blocks:
 * until that is done. Returns 0, TERN_ECLOSED when the workers do not run, or of the first message that failed TERN_ELIMIT
 * or -ENOMEM; the others have been published. */
int core_publish(struct tern_workers *workers, unsigned worker, uint32_t account,
                 const struct route_inside *messages, size_t count);
/** Does anybody in an account want what is published there? Thread and blocks: as core_publish. */
bool core_is_wanted(struct tern_workers *workers, uint32_t account, struct tern_slice subject);

/** Frees it after the workers have stopped; also what is half made. */
void core_fini(struct core *core);

#endif
