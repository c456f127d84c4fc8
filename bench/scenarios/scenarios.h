/* SPDX-License-Identifier: Apache-2.0 */
/** The scenarios, for the table of them in suite.c. */
#ifndef BENCH_SCENARIOS_H
#define BENCH_SCENARIOS_H

#include "bench.h"

extern const struct scenario scenario_pub, scenario_pubsub, scenario_fanout, scenario_fanin, scenario_many,
    scenario_open, scenario_queue, scenario_wildcard, scenario_mixed, scenario_headers; /* scenario_flow.c */
extern const struct scenario scenario_request;               /* scenario_request.c */
extern const struct scenario scenario_crowd;                 /* scenario_crowd.c */
extern const struct scenario scenario_subscribe;             /* scenario_subscribe.c */
extern const struct scenario scenario_churn, scenario_stuck; /* scenario_disturb.c */
extern const struct scenario scenario_idle, scenario_storm;  /* scenario_connect.c */

#endif
