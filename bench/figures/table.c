/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables: an array of rows, each an array of texts, the first of which are the heads. Padded, so that it reads
 * well on a terminal too. Texts are taken as one column per byte; the program's own are ASCII.
 */
#include "table.h"

#include <stdbool.h>
#include <string.h>

#define COLUMNS_MAX 24

void table_row(json_t *table) { json_array_append_new(table, json_array()); }

static void add_cell(json_t *table, const char *text, size_t len) {
  json_t *row = json_array_get(table, json_array_size(table) - 1);
  json_array_append_new(row, json_stringn(text, len));
}

void table_cell(json_t *table, const char *text) { add_cell(table, text, strlen(text)); }

json_t *table_new(const char *heads) {
  json_t *table = json_array();
  if (table == NULL) return NULL;
  table_row(table);
  for (size_t len; (len = strcspn(heads, "|")) > 0; heads += len + (heads[len] == '|'))
    add_cell(table, heads, len);
  return table;
}

/* A cell's text; of a head without its mark. */
static const char *cell_text(const json_t *table, size_t row, size_t column) {
  const char *text = json_string_value(json_array_get(json_array_get(table, row), column));
  if (text == NULL) return "";
  return row == 0 && *text == '>' ? text + 1 : text;
}

static bool is_right(const json_t *table, size_t column) {
  const char *head = json_string_value(json_array_get(json_array_get(table, 0), column));
  return head != NULL && *head == '>';
}

/* A cell, padded; what would end it is replaced. */
static void write_cell(FILE *out, const char *text, size_t width, bool right) {
  size_t len = strlen(text), pad = width > len ? width - len : 0;
  fprintf(out, " %*s", right ? (int)pad : 0, "");
  for (; *text != '\0'; text++)
    fputc(*text == '|' || *text == '\n' ? '/' : *text, out);
  fprintf(out, "%*s |", right ? 0 : (int)pad, "");
}

static void write_rule(FILE *out, size_t width, bool right) {
  for (size_t i = 0; i < width + 2 - right; i++)
    fputc('-', out);
  if (right) fputc(':', out);
  fputc('|', out);
}

void table_write(const json_t *table, FILE *out) {
  size_t width[COLUMNS_MAX] = {0}, columns = json_array_size(json_array_get(table, 0));
  if (columns > COLUMNS_MAX) columns = COLUMNS_MAX;
  for (size_t row = 0; row < json_array_size(table); row++) {
    for (size_t column = 0; column < columns; column++) {
      size_t len = strlen(cell_text(table, row, column));
      if (len > width[column]) width[column] = len;
    }
  }
  for (size_t row = 0; row < json_array_size(table); row++) {
    fputc('|', out);
    for (size_t column = 0; column < columns; column++)
      write_cell(out, cell_text(table, row, column), width[column], is_right(table, column));
    fputc('\n', out);
    if (row > 0) continue;
    fputc('|', out);
    for (size_t column = 0; column < columns; column++)
      write_rule(out, width[column], is_right(table, column));
    fputc('\n', out);
  }
}
