/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tern-bench compare: every scenario against every server, in alternating order, for some rounds.
 *
 *     for each round, for each scenario:  A B C limit | limit C B A
 *     each: [start the server] -> tern-bench SCENARIO -s URL --json, a process of its own -> row -> [stop it]
 *
 * Whatever changes on the machine meanwhile changes for all alike; a measurement leaves nothing behind that the
 * next one could feel. The row gets the case, the round, and what was seen when the server was started. A
 * measurement that fails is kept with its error, shown, and counts for nothing, as is the one that an interruption ends,
 * or keeps from beginning;
 * what a server does not have, or not in time, is tried once. Rows are written as they come, so that an end in mid-run
 * loses nothing. The figures are made from the rows (rows.c, report_table.c). One thread; SIGINT and SIGTERM end it
 * after stopping what runs.
 */
#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "cpu.h"
#include "ending.h"
#include "noise.h"
#include "pretty.h"
#include "report.h"
#include "rival.h"
#include "rows.h"

#define RIVALS_MAX 16
#define WORDS_MAX  64
#define GIVE_UP_S  10 /* for a measurement that is asked to end */
#define FILES_MAX  8

/* A comparison. */
struct comparison {
  struct rival rivals[RIVALS_MAX]; /* the limit is the last one */
  unsigned count;
  json_t *cases; /* array of texts: a scenario and its options */
  const char *extra[WORDS_MAX];
  unsigned extras; /* options for all of them, which are not part of the case */
  unsigned rounds;
  double minutes;  /* 0: as long as it takes */
  double patience; /* seconds for one measurement */
  bool quiet, limit, json;
  FILE *kept; /* where the rows go; NULL: nowhere */
  const char *kept_path;
  struct {
    const char *format, *path;
  } files[FILES_MAX]; /* what else is made of all rows */
  unsigned file_count;
  json_t *rows;
  uint64_t start_ns;
  unsigned done, planned;
  bool interrupted; /* the last row is of the measurement that it was in, or before */
  int code;
};

static const char usage[] =
    "usage: tern-bench compare SCENARIO [options of the scenario] SERVERS [options]\n"
    "       tern-bench SCENARIO [options of the scenario] SERVERS [options]\n"
    "       tern-bench suite [options] SERVERS [options]          all scenarios, a second each\n"
    "       tern-bench compare --plan FILE [options where the plan has none] SERVERS [options]\n"
    "servers, in the order in which ratios are told (the first is what they are to):\n"
    "      --compare [LABEL=]URL            runs already\n"
    "      --start \"[LABEL=]URL COMMAND\"    is started anew for each measurement; {port} is replaced in "
    "both\n"
    "options:\n"
    "      --rounds N      rounds; each measures everything twice (default 3)\n"
    "      --minutes M     begin no scenario after so long, whatever --rounds says; of the first round after "
    "twice that\n"
    "      --patience S    cut a measurement off after so long, and do not try it again (default 120)\n"
    "      --rows FILE     keep every measurement (for tern-bench report)\n"
    "      --html FILE     a page of the whole comparison; --csv FILE, --json-file FILE: all its rows;\n"
    "                      8 such files at most\n"
    "      --json          print the rows in place of the table\n"
    "      --no-limit      leave out the byte forwarder\n"
    "      --plan FILE     scenarios with their options, one in a line\n"
    "      --quiet         no progress\n"
    "exit code: 0 fine, 1 messages were lost, doubled, reordered or altered, 2 a measurement failed or was "
    "not made\n";

/* The row a measurement printed, or NULL. */
static json_t *printed_row(struct child *child) {
  rewind(child->out);
  json_t *row = json_loadf(child->out, JSON_DISABLE_EOF_CHECK, NULL);
  if (row != NULL && !json_is_object(row)) {
    json_decref(row);
    row = NULL;
  }
  return row;
}

/* What a server is called that has no label and has not said its name: its URL, without who is to be let in. */
static const char *name_of(const struct rival *rival) {
  if (*rival->label != '\0') return rival->label;
  const char *sign = strrchr(rival->address, '@');
  return sign != NULL ? sign + 1 : rival->address;
}

/* What stands for a measurement that printed nothing. */
static json_t *failed_row(const struct rival *rival, const char *of_case, const char *error) {
  return json_pack("{s:s#, s:s, s:{s:s, s:s}, s:s, s:b, s:s}", "scenario", of_case,
                   (int)strcspn(of_case, " "), "label", name_of(rival), "server", "name",
                   rival->limit ? "forwarder" : name_of(rival), "version", "", "command", of_case, "partial",
                   true, "error", error);
}

/* A measurement's command line. Its texts are the comparison's, the rival's, or in `words` and `pid`. */
struct command_line {
  const char *argv[2 * WORDS_MAX + 16];
  unsigned argc;
  char words[RIVAL_TEXT_MAX], pid[16];
};

static void add_words(struct command_line *line, const char *first, const char *second) {
  line->argv[line->argc++] = first;
  if (second != NULL) line->argv[line->argc++] = second;
}

/* The options for all scenarios come before the case's own, which therefore win. */
static void fill_command_line(struct command_line *line, const struct comparison *c,
                              const struct rival *rival, const char *of_case) {
  char *rest = NULL;
  snprintf(line->words, sizeof line->words, "%s", of_case);
  char *word = strtok_r(line->words, " ", &rest);
  add_words(line, "/proc/self/exe", word);
  for (unsigned i = 0; i < c->extras; i++)
    add_words(line, c->extra[i], NULL);
  while ((word = strtok_r(NULL, " ", &rest)) != NULL && line->argc < 2 * WORDS_MAX)
    add_words(line, word, NULL);
  add_words(line, "-s", rival->address);
  if (*rival->label != '\0') add_words(line, "--label", rival->label);
  snprintf(line->pid, sizeof line->pid, "%ld", (long)rival->child.pid);
  if (rival->child.pid != 0) add_words(line, "--pid", line->pid);
  add_words(line, "--json", "--quiet");
}

/* Why a measurement printed no row. */
static void reason_of(struct child *child, int started, char *text, size_t size) {
  child_complaint(child, text, size);
  if (ending)
    snprintf(text, size, "interrupted");
  else if (started < 0)
    snprintf(text, size, "%s", strerror(-started));
  else if (*text == '\0')
    snprintf(text, size, "it ended without a result");
}

/* Runs the scenario against a server that is there. */
static json_t *run_case(struct comparison *c, const struct rival *rival, const char *of_case) {
  struct command_line line = {.argc = 0};
  struct child child;
  char error[400];
  fill_command_line(&line, c, rival, of_case);
  int started = child_start(&child, line.argv);
  bool in_time = started < 0 || child_wait(&child, c->patience, &ending);
  if (!in_time && !ending) {
    kill(child.pid, SIGTERM); /* it prints what it has */
    child_wait(&child, GIVE_UP_S, &ending);
  }
  json_t *row = started == 0 && child_ended(&child) ? printed_row(&child) : NULL;
  if (row == NULL) {
    reason_of(&child, started, error, sizeof error);
    row = failed_row(rival, of_case, error);
    if (started == 0 && child.exit_code == EXIT_CANNOT) json_object_set_new(row, "cannot", json_true());
  }
  if (!in_time && !ending) {
    json_object_set_new(row, "cut_off", json_true());
    json_object_set_new(row, "partial", json_true());
    json_object_set_new(row, "error", json_sprintf("cut off after %g s", c->patience));
  }
  child_stop(&child);
  return row;
}

/* One measurement: starts the server where needed, and adds what belongs to the comparison to the row. */
static json_t *measure(struct comparison *c, struct rival *rival, const char *of_case, unsigned round) {
  char error[500] = "";
  json_t *row;
  if (!ending && rival_start(rival, error, sizeof error)) {
    row = run_case(c, rival, of_case);
    if (*rival->command != '\0')
      json_object_set_new(
          row, "started",
          json_pack("{s:f, s:I}", "ready_ms", rival->ready_ms, "rss", (json_int_t)rival->resident_bytes));
  } else {
    row = failed_row(rival, of_case, error);
  }
  c->interrupted = ending;
  rival_stop(rival);
  if (c->interrupted) {
    json_object_set_new(row, "partial", json_true());
    json_object_set_new(row, "error", json_string("interrupted"));
  }
  json_object_set_new(row, "case", json_string(of_case));
  json_object_set_new(row, "round", json_integer(round));
  return row;
}

/* Whether a former measurement showed that it is of no use: there is no such thing, or it takes too long. */
static bool known_to_fail(const struct comparison *c, const struct rival *rival, const char *of_case) {
  size_t i;
  json_t *row;
  json_array_foreach(c->rows, i, row) {
    bool hopeless = row_cannot(row) || json_is_true(json_object_get(row, "cut_off"));
    if (hopeless && strcmp(row_case(row), of_case) == 0 && strcmp(row_label(row), rival->label) == 0)
      return true;
  }
  return false;
}

static double elapsed_s(const struct comparison *c) { return (double)(now_ns() - c->start_ns) / 1e9; }

/* "about 5 min left", from how long it took so far. */
static void write_left(const struct comparison *c) {
  double left = elapsed_s(c) / c->done * (c->planned - c->done);
  double first = elapsed_s(c) / c->done * ((double)c->planned / c->rounds - c->done);
  double bound = c->minutes * 60 - elapsed_s(c);
  if (bound < first) bound = first;
  if (c->minutes > 0 && left > bound) left = bound;
  if (left < 0) left = 0;
  if (left >= 90)
    fprintf(stderr, "about %.0f min left\n", left / 60);
  else
    fprintf(stderr, "about %.0f s left\n", left);
}

static void show(const struct comparison *c, const json_t *row, const char *of_case, unsigned round) {
  if (c->quiet) return;
  fprintf(stderr, "[%u/%u] round %u  %-36s %-12s ", c->done, c->planned, round, of_case, row_label(row));
  if (row_cannot(row))
    fprintf(stderr, "left out: %s  ", row_text(row, "error"));
  else if (!row_sound(row))
    fprintf(stderr, "FAILED: %s  ",
            row_faults(row) > 0 ? "lost, doubled, reordered or altered" : row_text(row, "error"));
  else
    fprintf(stderr, "%16s  ", pretty_rate(row_number(row, "rate"), row_text(row, "rate_unit")).text);
  write_left(c);
}

/* Closes the file of rows, after that error in writing it (0: none). What it did not take is said once. */
static void close_kept(struct comparison *c, int error) {
  if (fclose(c->kept) != 0 && error == 0) error = errno;
  c->kept = NULL;
  if (error == 0) return;
  fprintf(stderr, "tern-bench: cannot write %s: %s\n", c->kept_path, strerror(error));
  c->code = EXIT_INCOMPLETE;
}

static void keep(struct comparison *c, const json_t *row) {
  if (c->kept == NULL) return;
  json_dumpf(row, c->kept, JSON_COMPACT | JSON_REAL_PRECISION(9));
  fputc('\n', c->kept);
  if (fflush(c->kept) != 0 || ferror(c->kept)) close_kept(c, errno);
}

/* Measures, shows, and keeps the row. */
static void take_turn(struct comparison *c, struct rival *rival, const char *of_case, unsigned round) {
  c->done++;
  if (c->interrupted || known_to_fail(c, rival, of_case)) return;
  json_t *row = measure(c, rival, of_case, round);
  /* A running server without a label has the name it gives itself. */
  if (*rival->label == '\0') snprintf(rival->label, sizeof rival->label, "%s", row_label(row));
  if (!row_sound(row) && !row_cannot(row)) {
    if (row_faults(row) == 0) c->code = EXIT_INCOMPLETE;
    if (c->code == EXIT_FINE) c->code = EXIT_FAULTS;
  }
  show(c, row, of_case, round);
  keep(c, row);
  json_array_append_new(c->rows, row);
}

static void measure_all(struct comparison *c) {
  size_t i;
  json_t *of_case;
  c->planned = (unsigned)json_array_size(c->cases) * c->count * 2 * c->rounds;
  c->start_ns = now_ns();
  for (unsigned round = 1; round <= c->rounds && !c->interrupted; round++) {
    json_array_foreach(c->cases, i, of_case) {
      const char *text = json_string_value(of_case);
      double factor = round == 1 ? 2 : 1; /* one round is worth waiting for */
      if (c->minutes > 0 && elapsed_s(c) > c->minutes * 60 * factor) return;
      for (unsigned k = 0; k < c->count; k++)
        take_turn(c, &c->rivals[k], text, round);
      for (unsigned k = c->count; k-- > 0;)
        take_turn(c, &c->rivals[k], text, round);
    }
  }
}

/* Adds a plan's cases: lines that are neither empty nor begin with '#'. */
static void add_cases(struct comparison *c, FILE *file) {
  char line[RIVAL_TEXT_MAX];
  while (fgets(line, sizeof line, file) != NULL) {
    line[strcspn(line, "\r\n")] = '\0';
    if (*line != '\0' && *line != '#') json_array_append_new(c->cases, json_string(line));
  }
}

static bool read_plan(struct comparison *c, const char *path) {
  FILE *file = fopen(path, "r");
  if (file == NULL) {
    fprintf(stderr, "tern-bench: cannot read the plan %s\n", path);
    return false;
  }
  add_cases(c, file);
  fclose(file);
  return true;
}

/* The suite, whose plan it tells itself, becomes its scenarios. Returns false after saying what is wrong. */
static bool unfold_suite(struct comparison *c) {
  const char *argv[WORDS_MAX + 4] = {"/proc/self/exe", "suite", "--plan"};
  char error[400];
  struct child child;
  memmove(c->extra, c->extra + 1, --c->extras * sizeof c->extra[0]);
  memcpy(argv + 3, c->extra, c->extras * sizeof c->extra[0]);
  int started = child_start(&child, argv);
  bool ok = started == 0 && child_wait(&child, GIVE_UP_S, &ending) && child.exit_code == EXIT_FINE;
  if (ok) {
    rewind(child.out);
    add_cases(c, child.out);
  } else {
    reason_of(&child, started, error, sizeof error);
    fprintf(stderr, "tern-bench: %s\n", error);
  }
  if (started == 0) child_stop(&child);
  return ok;
}

static bool add_rival(struct comparison *c, const char *text, bool starts) {
  if (c->count < RIVALS_MAX - 1 && rival_parse(&c->rivals[c->count], text, starts)) {
    c->count++;
    return true;
  }
  fprintf(stderr, "tern-bench: '%s' is not %s\n", text,
          starts ? "[LABEL=]URL COMMAND with {port} in it" : "[LABEL=]URL");
  return false;
}

/* Says so when a value is none that the option can have. */
static bool possible(bool is, const char *name, const char *value) {
  if (!is) fprintf(stderr, "tern-bench: '%s' is not a possible value of %s\n", value, name);
  return is;
}

/* A file for all of the comparison. */
static bool add_file(struct comparison *c, const char *name, const char *format, const char *path) {
  if (!possible(*path != '\0', name, path)) return false;
  if (c->file_count == FILES_MAX) {
    fprintf(stderr,
            "tern-bench: --html, --csv and --json-file can be given %d times in all, '%s' is one more\n",
            FILES_MAX, path);
    return false;
  }
  c->files[c->file_count].format = format;
  c->files[c->file_count++].path = path;
  return true;
}

/* A comparison's own option with a value; *known: it is one. Returns false when it is none, or having said what is
 * wrong. */
static bool take_option(struct comparison *c, const char *name, const char *value, bool *known) {
  char *end = NULL;
  *known = true;
  if (strcmp(name, "--compare") == 0) return add_rival(c, value, false);
  if (strcmp(name, "--start") == 0) return add_rival(c, value, true);
  if (strcmp(name, "--plan") == 0) return read_plan(c, value);
  if (strcmp(name, "--html") == 0) return add_file(c, name, "html", value);
  if (strcmp(name, "--csv") == 0) return add_file(c, name, "csv", value);
  if (strcmp(name, "--json-file") == 0) return add_file(c, name, "json", value);
  if (strcmp(name, "--rounds") == 0) {
    unsigned long rounds = strtoul(value, &end, 10);
    c->rounds = rounds < ROUNDS_MAX ? (unsigned)rounds : 0;
    return possible(*end == '\0' && c->rounds > 0, name, value);
  }
  if (strcmp(name, "--minutes") == 0) {
    c->minutes = strtod(value, &end);
    return possible(*end == '\0' && c->minutes > 0, name, value);
  }
  if (strcmp(name, "--patience") == 0) {
    c->patience = strtod(value, &end);
    return possible(*end == '\0' && c->patience > 0, name, value);
  }
  if (strcmp(name, "--rows") == 0) {
    c->kept_path = value;
    c->kept = fopen(value, "w");
    if (c->kept == NULL) fprintf(stderr, "tern-bench: cannot write %s\n", value);
    return c->kept != NULL;
  }
  return *known = false;
}

/* Sorts the words into the comparison's own options and the scenario's. Returns false on a wrong one. */
static bool parse(struct comparison *c, int argc, char **argv) {
  for (int i = 0; i < argc; i++) {
    char name[32];
    const char *equals = strncmp(argv[i], "--", 2) == 0 ? strchr(argv[i], '=') : NULL;
    const char *value = equals != NULL ? equals + 1 : i + 1 < argc ? argv[i + 1] : "";
    snprintf(name, sizeof name, "%.*s", equals != NULL ? (int)(equals - argv[i]) : 31, argv[i]);
    bool known;
    if (strcmp(name, "--quiet") == 0) {
      c->quiet = true;
    } else if (strcmp(name, "--json") == 0) {
      c->json = true;
    } else if (strcmp(name, "--no-limit") == 0) {
      c->limit = false;
    } else if (take_option(c, name, value, &known)) {
      i += equals == NULL;
    } else if (known) {
      return false;
    } else if (c->extras < WORDS_MAX) {
      c->extra[c->extras++] = argv[i];
    }
  }
  return true;
}

/* Without a plan the words that are left are the one case. Returns false when there is nothing to measure. */
static bool settle(struct comparison *c) {
  char text[RIVAL_TEXT_MAX] = "";
  if (c->extras > 0 && strcmp(c->extra[0], "suite") == 0 && !unfold_suite(c)) return false;
  if (json_array_size(c->cases) == 0 && c->extras > 0) {
    for (unsigned i = 0; i < c->extras; i++) {
      size_t used = strlen(text);
      snprintf(text + used, sizeof text - used, "%s%s", i > 0 ? " " : "", c->extra[i]);
    }
    json_array_append_new(c->cases, json_string(text));
    c->extras = 0;
  }
  if (json_array_size(c->cases) == 0 || c->count == 0) return false;
  if (c->limit) rival_limit(&c->rivals[c->count++]);
  return true;
}

/* Says what was measured, wherever that was asked for. */
static void tell(struct comparison *c) {
  noise_mark(c->rows);
  bool told = report_write(c->json ? "json" : "table", "-", c->rows) == 0;
  for (unsigned i = 0; i < c->file_count; i++)
    told &= report_write(c->files[i].format, c->files[i].path, c->rows) == 0;
  if (!told) c->code = EXIT_INCOMPLETE;
}

bool compare_wanted(int argc, char **argv) {
  for (int i = 1; i < argc; i++) {
    if (strncmp(argv[i], "--compare", 9) == 0 || strncmp(argv[i], "--start", 7) == 0) return true;
  }
  return false;
}

int compare_main(int argc, char **argv) {
  static struct comparison c;
  unsigned skip = strcmp(argv[0], "compare") == 0;
  c = (struct comparison){
      .rounds = 3, .patience = 120, .limit = true, .cases = json_array(), .rows = json_array()};
  if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
    fputs(usage, stdout);
    return EXIT_FINE;
  }
  if (!parse(&c, argc - (int)skip, argv + skip) || !settle(&c)) {
    fputs(usage, stderr);
    return EXIT_INCOMPLETE;
  }
  ending_watch();
  measure_all(&c);
  tell(&c);
  if (ending) {
    fputs("tern-bench: interrupted; what was measured until then is above\n", stderr);
    c.code = EXIT_INCOMPLETE;
  }
  if (c.kept != NULL) close_kept(&c, 0);
  json_decref(c.cases);
  json_decref(c.rows);
  return c.code;
}
