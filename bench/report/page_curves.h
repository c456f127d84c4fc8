/* SPDX-License-Identifier: Apache-2.0 */
/** Percentile curves, for the HTML report. See page_curves.c. */
#ifndef BENCH_PAGE_CURVES_H
#define BENCH_PAGE_CURVES_H

#include <jansson.h>
#include <stdio.h>

/** Percentile curves of one case's servers, with a table of the main points; nothing when it has no latencies. The heading
 * goes before the first ones, and is NULL then. */
void page_curves(FILE *out, const json_t *rows, const json_t *labels, const char *of_case,
                 const char **heading);

#endif
