/* SPDX-License-Identifier: Apache-2.0 */
/** Figures of the whole server, added up from those of the workers. */
#ifndef BROKER_FIGURES_H
#define BROKER_FIGURES_H

#include <stdint.h>

struct core_figures {
  uint64_t connections, total_connections, subscriptions, filters;
  uint64_t in_msgs, in_bytes, out_msgs, out_bytes;
  uint64_t slow_consumers, overflow_dropped, stale_connections, protocol_errors, stalled;
  uint64_t refused_by_address, refused_by_user;          /* connections */
  uint64_t refused_by_memory;                            /* connections and subscriptions */
  uint64_t cut_by_memory, paced;                         /* connections; pauses of fast publishers */
  uint64_t no_memory, rerouted, untaken;                 /* messages, see route.h */
  uint64_t overflows, retired, retired_bytes, held_back; /* see tern_worker_stats */
  uint64_t gp_age_ms;                                    /* the oldest worker's */
  uint64_t nodes, registry_bytes;                        /* see tern_registry_stats */
  uint64_t handler_calls, handler_errors;
  uint64_t connections_delayed; /* by connections_per_second */
};

/** Figures of subscriptions and of how they are matched. */
struct core_subjects {
  uint64_t subscriptions, inserts, removes;
  uint64_t matches, cache_hits;
  uint64_t cached, fanout, fanout_max; /* results in caches; their receivers, in all and at most */
};

#endif
