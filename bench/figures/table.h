/* SPDX-License-Identifier: Apache-2.0 */
/** A table whose columns are as wide as they need to be, as Markdown. See table.c. */
#ifndef BENCH_TABLE_H
#define BENCH_TABLE_H

#include <jansson.h>
#include <stdio.h>

/** Starts a table with the heads of its columns, separated by '|'; a head that begins with '>' is aligned to the right.
 * NULL: out of memory. */
json_t *table_new(const char *heads);
/** Begins a row. */
void table_row(json_t *table);
/** Adds a cell to the last row. */
void table_cell(json_t *table, const char *text);
/** Writes it. */
void table_write(const json_t *table, FILE *out);

#endif
