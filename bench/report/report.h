/* SPDX-License-Identifier: Apache-2.0 */
/** Rows made into something to read: a table, CSV, a page. See report.c. */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H

#include <jansson.h>
#include <stdio.h>

/**
 * Writes rows to a file.
 * @param format "table" (padded Markdown), "csv" (all scalar fields), "html" (one page, nothing fetched) or "json"
 *               (the rows themselves, one in a line)
 * @param path   the file; "-" or NULL: standard output
 * @param rows   an array of rows
 * @return 0, or -1 after printing what went wrong to standard error
 */
int report_write(const char *format, const char *path, json_t *rows);

/** What has to be known about a server's figures in a case: failures, and whether the client was the limit. "" when
 * there is nothing. */
void report_remarks(const json_t *rows, const char *of_case, const char *label, char *text, size_t size);

/** The writers behind it. */
void report_table(FILE *out, json_t *rows);
void report_csv(FILE *out, json_t *rows);
void report_page(FILE *out, json_t *rows);

#endif
