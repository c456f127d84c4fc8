/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes the manual pages: copies a template to standard output and puts what is known of the options in the place of
 * the lines @FLAGS@ (command line) and @KEYS@ (configuration file), and a file in the place of @EXAMPLE@. A program of
 * the build, not installed; so the pages say what the program does.
 *
 *     manual TEMPLATE [EXAMPLE] > PAGE
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "options_table.h"

/* Text as roff wants it: a backslash or a minus is itself, and no line begins with a dot or a quote. */
static void put_text(const char *text) {
  if (*text == '.' || *text == '\'') printf("\\&");
  for (; *text != '\0'; text++) {
    if (*text == '\\')
      printf("\\e");
    else if (*text == '-')
      printf("\\-");
    else
      putchar(*text);
  }
}

static void put_names(const char *list, const char *dash) {
  const char *name, *between = "";
  size_t len;
  while ((name = option_next_name(&list, &len)) != NULL) {
    char text[64];
    snprintf(text, sizeof text, "%s%.*s", dash, (int)len, name);
    printf("%s\\fB", between);
    put_text(text);
    printf("\\fR");
    between = ", ";
  }
}

static void put_description(const struct option *option) {
  if (option->help != NULL) {
    put_text(option->help);
    printf(".\n");
  }
  if (option->live) printf("Changed by a reload.\n");
}

static bool is_flag(const struct option *option) {
  return option->flags != NULL && option->kind != OPTION_UNSUPPORTED;
}

static bool is_key(const struct option *option) { return option->keys != NULL; }

/* A heading, when there are such options below it. */
static void put_heading(size_t at, bool (*is_shown)(const struct option *option)) {
  for (size_t i = at + 1; i < option_count && option_table[i].kind != OPTION_HEADING; i++) {
    if (!is_shown(&option_table[i])) continue;
    printf(".SS %s\n", option_table[at].help);
    return;
  }
}

static void put_flags(void) {
  for (size_t i = 0; i < option_count; i++) {
    const struct option *option = &option_table[i];
    if (option->kind == OPTION_HEADING) put_heading(i, is_flag);
    if (!is_flag(option)) continue;
    printf(".TP\n");
    put_names(option->flags, "-");
    if (option->value != NULL) printf(" \\fI%s\\fR", option->value);
    printf("\n");
    put_description(option);
  }
}

static const char *value_of(const struct option *option) {
  if (option->value != NULL) return option->value;
  return option->kind == OPTION_LISTEN ? "host:port" : "true|false";
}

static void put_keys(void) {
  const size_t own = strlen(OPTION_OWN_BLOCK);
  for (size_t i = 0; i < option_count; i++) {
    const struct option *option = &option_table[i];
    if (option->kind == OPTION_HEADING) put_heading(i, is_key);
    if (!is_key(option)) continue;
    bool in_own = strncmp(option->keys, OPTION_OWN_BLOCK, own) == 0;
    printf(".TP\n");
    put_names(option->keys + (in_own ? own : 0), "");
    printf(" \\fI%s\\fR%s\n", value_of(option), in_own ? " (in the block tern)" : "");
    if (option->kind == OPTION_LISTEN) printf("Address and port at once, or the port alone.\n");
    put_description(option);
  }
}

static void put_file(FILE *file) {
  char line[1024];
  while (file != NULL && fgets(line, sizeof line, file) != NULL)
    put_text(line);
}

int main(int argc, char **argv) {
  FILE *template = argc > 1 ? fopen(argv[1], "r") : NULL, *example = argc > 2 ? fopen(argv[2], "r") : NULL;
  if (template == NULL || (argc > 2 && example == NULL)) {
    fprintf(stderr, "usage: manual TEMPLATE [EXAMPLE]\n");
    return EXIT_FAILURE;
  }
  char line[1024];
  while (fgets(line, sizeof line, template) != NULL) {
    if (strcmp(line, "@FLAGS@\n") == 0)
      put_flags();
    else if (strcmp(line, "@KEYS@\n") == 0)
      put_keys();
    else if (strcmp(line, "@EXAMPLE@\n") == 0)
      put_file(example);
    else
      fputs(line, stdout);
  }
  fclose(template);
  if (example != NULL) fclose(example);
  return ferror(stdout) != 0 || fflush(stdout) != 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
