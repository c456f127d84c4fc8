/* SPDX-License-Identifier: Apache-2.0 */
/** Rows made into something to read: a table, CSV, a page. See report.c. */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H

#include <jansson.h>
#include <stdbool.h>
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

/** Whether the client was the limit in one of a server's measurements of a case. */
bool report_client_limited(const json_t *rows, const char *of_case, const char *label);
/** What has to be known about a server's figures in a case: failures, whether the client was the limit, and noise. "" when
 * there is nothing. */
void report_remarks(const json_t *rows, const char *of_case, const char *label, char *text, size_t size);

/** A paragraph about rounds that were noisy, where there are any. */
void report_noise(FILE *out, const json_t *rows);

/** The writers behind it. */
void report_table(FILE *out, json_t *rows);
void report_csv(FILE *out, json_t *rows);
void report_page(FILE *out, json_t *rows);

#endif
