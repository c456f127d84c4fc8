/* SPDX-License-Identifier: Apache-2.0 */
/** What all parts of the HTML report need. See page_text.c. */
#ifndef BENCH_PAGE_TEXT_H
#define BENCH_PAGE_TEXT_H

#include <jansson.h>
#include <stdio.h>

/** Colours and dashes there are for servers. */
#define PAGE_SERIES 6

/** Writes text with what HTML would take for markup escaped. */
void page_text(FILE *out, const char *text);
/** Writes a heading, the first time it is called: then *heading is NULL. */
void page_heading(FILE *out, const char **heading);
/** The class ("s0"...) of a server's bars and curves: the same one all over the page. labels are those of all rows. */
const char *page_series(const json_t *rows, const json_t *labels, const char *label);

#endif
