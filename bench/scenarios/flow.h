/* SPDX-License-Identifier: Apache-2.0 */
/** Messages from publishers to subscribers: what most scenarios are, or have running. See flow.c. */
#ifndef BENCH_FLOW_H
#define BENCH_FLOW_H

#include "bench.h"
#include "load.h"

/** What makes one flow different from another. The numbers are in the options. */
struct flow_plan {
  const unsigned *sizes; /* payloads take turns; NULL: the option's */
  unsigned size_count;
  bool many_subjects; /* as many as the option says, under one wildcard */
  bool headers;
  bool queue; /* subscribers are one queue group */
};

/** A flow. */
struct flow {
  struct bench *bench;
  struct shape shape;
  char filter[SUBJECT_MAX_BYTES + 8];
  enum share share;
  struct publisher *publishers;
  struct subscriber *own;          /* what flow_init made */
  struct subscriber **subscribers; /* all there are */
  unsigned publisher_count, subscriber_count;
};

/** Its connections and those of the flow beside it, for bench_open. */
unsigned flow_connections(const struct options *options);
/** Makes room for publishers and subscribers. */
bool flow_make_room(struct flow *flow, struct bench *bench);
/** Makes shape and subscribers as planned. */
bool flow_init(struct flow *flow, struct bench *bench, const struct flow_plan *plan);
/** Adds the connections of publishers and subscribers. */
bool flow_add(struct flow *flow);
/** Adds those of the publishers only. */
bool flow_add_publishers(struct flow *flow);
/** Publishers make an end, subscribers take the rest. Whatever goes wrong is in bench->error. */
void flow_finish(struct flow *flow, unsigned others);
/** After bench_end: adds up what was found. */
void flow_fill(struct flow *flow);
void flow_free(struct flow *flow);

#endif
