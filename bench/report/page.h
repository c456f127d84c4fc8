/* SPDX-License-Identifier: Apache-2.0 */
/** The parts of the HTML report. See page.c; texts and colours: page_text.c. */
#ifndef BENCH_PAGE_H
#define BENCH_PAGE_H

#include <jansson.h>
#include <stdio.h>

/** Colours and dashes there are for servers. */
#define PAGE_SERIES 6

/** Writes text with what HTML would take for markup escaped. */
void page_text(FILE *out, const char *text);
/** The class ("s0"...) of a server's bars and curves: the same one all over the page. labels are those of all rows. */
const char *page_series(const json_t *rows, const json_t *labels, const char *label);
/** Bars of the rates of one case's servers. */
void page_bars(FILE *out, const json_t *rows, const json_t *labels, const char *of_case);
/** Percentile curves of one case's servers, with a table of the main points; nothing when it has no latencies. */
void page_curves(FILE *out, const json_t *rows, const json_t *labels, const char *of_case);

#endif
