/* SPDX-License-Identifier: Apache-2.0 */
/** Bars of rates, for the HTML report. See page_bars.c. */
#ifndef BENCH_PAGE_BARS_H
#define BENCH_PAGE_BARS_H

#include <jansson.h>
#include <stdio.h>

/** Bars of the rates of one case's servers; nothing of an open loop. The heading goes before the first ones, and is NULL
 * then. */
void page_bars(FILE *out, const json_t *rows, const json_t *labels, const char *of_case,
               const char **heading);

#endif
