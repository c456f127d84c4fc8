/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tern-bench report: rows in, something to read out.
 *
 *     row files -> rows_read -> report_table (report_table.c), report_page (page.c), report_csv and JSON (here)
 *
 * CSV has a column for every scalar of any row, named with dots ("latency.p99.9"), in the order they first appear;
 * what a row does not have stays empty.
 */
#include "report.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "noise.h"
#include "rows.h"

#define FORMATS_MAX 16

/* Puts the scalars of a row into `flat`, an object from the columns' names. */
static void flatten(json_t *flat, const char *prefix, json_t *object) {
  const char *key;
  json_t *value;
  json_object_foreach(object, key, value) {
    char name[160];
    snprintf(name, sizeof name, "%s%s%s", prefix, *prefix != '\0' ? "." : "", key);
    if (json_is_object(value))
      flatten(flat, name, value);
    else if (!json_is_array(value) && !json_is_null(value))
      json_object_set(flat, name, value);
  }
}

/* A field, quoted where it must be. */
static void write_field(FILE *out, const char *text) {
  bool plain = text[strcspn(text, ",\"\r\n")] == '\0';
  if (!plain) fputc('"', out);
  for (; *text != '\0'; text++) {
    if (*text == '"') fputc('"', out);
    fputc(*text, out);
  }
  if (!plain) fputc('"', out);
}

static void write_value(FILE *out, const json_t *value) {
  if (json_is_string(value)) {
    write_field(out, json_string_value(value));
  } else if (value != NULL) {
    char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(9));
    if (text != NULL) fputs(text, out);
    free(text);
  }
}

void report_csv(FILE *out, json_t *rows) {
  json_t *columns = json_object(), *flats = json_array(), *row, *value;
  const char *name;
  size_t i;
  json_array_foreach(rows, i, row) {
    json_t *flat = json_object();
    flatten(flat, "", row);
    json_object_update(columns, flat);
    json_array_append_new(flats, flat);
  }
  const char *separator = "";
  json_object_foreach(columns, name, value) {
    fputs(separator, out);
    write_field(out, name);
    separator = ",";
  }
  fputs("\r\n", out);
  json_array_foreach(flats, i, row) {
    separator = "";
    json_object_foreach(columns, name, value) {
      fputs(separator, out);
      write_value(out, json_object_get(row, name));
      separator = ",";
    }
    fputs("\r\n", out);
  }
  json_decref(columns);
  json_decref(flats);
}

static void report_json(FILE *out, json_t *rows) {
  size_t i;
  json_t *row;
  json_array_foreach(rows, i, row) {
    json_dumpf(row, out, JSON_COMPACT | JSON_REAL_PRECISION(9));
    fputc('\n', out);
  }
}

int report_write(const char *format, const char *path, json_t *rows) {
  static const struct {
    const char *format;
    void (*write)(FILE *out, json_t *rows);
  } writers[] = {{"table", report_table}, {"csv", report_csv}, {"html", report_page}, {"json", report_json}};
  size_t i = 0;
  while (i < sizeof writers / sizeof writers[0] && strcmp(writers[i].format, format) != 0)
    i++;
  if (i == sizeof writers / sizeof writers[0]) {
    fprintf(stderr, "tern-bench: there is no format '%s'; it can be table, csv, html or json\n", format);
    return -1;
  }
  bool to_file = path != NULL && strcmp(path, "-") != 0;
  FILE *out = to_file ? fopen(path, "w") : stdout;
  if (out != NULL) {
    writers[i].write(out, rows);
    bool written = fflush(out) == 0 && !ferror(out);
    if (to_file && fclose(out) != 0) written = false;
    if (written) return 0;
  }
  fprintf(stderr, "tern-bench: cannot write %s: %s\n", to_file ? path : "to standard output",
          strerror(errno));
  return -1;
}

static const char usage[] =
    "usage: tern-bench report [options] ROWFILE...\n"
    "  ROWFILE             what --json printed, one row in a line; a comparison's --rows file\n"
    "      --table[=FILE]  a table of medians and ratios, as Markdown (the default, to standard output)\n"
    "      --csv FILE      every scalar of every row\n"
    "      --html FILE     a page with bars and percentile curves, which fetches nothing\n"
    "      --json FILE     the rows again, of all files\n"
    "FILE - is standard output. Exit code: 0 written, 2 not.\n";

/* What is to be written. */
struct wish {
  const char *format, *path;
};

/* Reads all files and writes all wishes. */
static int make(const struct wish *wishes, unsigned count, char **files) {
  json_t *rows = json_array();
  char error[400];
  int code = EXIT_FINE;
  for (; *files != NULL && code == EXIT_FINE; files++) {
    if (rows_read(rows, *files, error, sizeof error) == 0) continue;
    fprintf(stderr, "tern-bench: %s\n", error);
    code = EXIT_INCOMPLETE;
  }
  if (code == EXIT_FINE && json_array_size(rows) == 0) {
    fputs("tern-bench: no measurement is in any of the files\n", stderr);
    code = EXIT_INCOMPLETE;
  }
  noise_mark(rows);
  for (unsigned i = 0; i < count && code == EXIT_FINE; i++) {
    if (report_write(wishes[i].format, wishes[i].path, rows) != 0) code = EXIT_INCOMPLETE;
  }
  json_decref(rows);
  return code;
}

int report_main(int argc, char **argv) {
  static const struct option names[] = {
      {"table", optional_argument, NULL, 't'}, {"csv", required_argument, NULL, 'c'},
      {"html", required_argument, NULL, 'p'},  {"json", required_argument, NULL, 'j'},
      {"help", no_argument, NULL, 'h'},        {NULL, 0, NULL, 0}};
  struct wish wishes[FORMATS_MAX] = {{"table", "-"}};
  unsigned count = 0;
  for (int option, at = 0; (option = getopt_long(argc, argv, "h", names, &at)) != -1;) {
    if (option == 'h') {
      fputs(usage, stdout);
      return EXIT_FINE;
    }
    if (option == '?' || count == FORMATS_MAX) {
      fputs(usage, stderr);
      return EXIT_INCOMPLETE;
    }
    wishes[count++] = (struct wish){names[at].name, optarg};
  }
  if (optind == argc) {
    fputs(usage, stderr);
    return EXIT_INCOMPLETE;
  }
  return make(wishes, count > 0 ? count : 1, argv + optind);
}
