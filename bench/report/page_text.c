/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What all parts of the page need: texts that cannot be taken for markup, and the class that gives a server its colour
 * and dashes. Pure but for what they write.
 */
#include "page_text.h"

#include <string.h>

#include "rows.h"

void page_text(FILE *out, const char *text) {
  for (; *text != '\0'; text++) {
    switch (*text) {
      case '<':
        fputs("&lt;", out);
        break;
      case '>':
        fputs("&gt;", out);
        break;
      case '&':
        fputs("&amp;", out);
        break;
      case '"':
        fputs("&quot;", out);
        break;
      default:
        fputc(*text, out);
    }
  }
}

void page_heading(FILE *out, const char **heading) {
  if (*heading != NULL) fputs(*heading, out);
  *heading = NULL;
}

const char *page_series(const json_t *rows, const json_t *labels, const char *label) {
  static const char *const names[PAGE_SERIES] = {"s0", "s1", "s2", "s3", "s4", "s5"};
  const char *limit = rows_limit_label(rows);
  if (limit != NULL && strcmp(label, limit) == 0) return "limit";
  size_t i, place = 0;
  json_t *other;
  json_array_foreach(labels, i, other) {
    if (strcmp(json_string_value(other), label) == 0) break;
    place += limit == NULL || strcmp(json_string_value(other), limit) != 0;
  }
  return names[place % PAGE_SERIES];
}
