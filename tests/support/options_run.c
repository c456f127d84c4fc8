/* SPDX-License-Identifier: Apache-2.0 */
/* The command line in a test: words in, options and printed text out. */
#include "options_run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

int divert(int fd, FILE *file) {
  int saved = dup(fd);
  assert_true(saved >= 0);
  dup2(fileno(file), fd);
  return saved;
}

void restore(int fd, int saved, FILE *file, char *text, size_t room) {
  dup2(saved, fd);
  close(saved);
  rewind(file);
  text[fread(text, 1, room - 1, file)] = '\0';
  fclose(file);
}

struct options_run *options_run(const char *const *words) {
  static struct options_run run;
  char *argv[WORDS_MAX + 2] = {strdup("tern")};
  int argc = 1;
  for (; argc <= WORDS_MAX && words[argc - 1] != NULL; argc++)
    argv[argc] = strdup(words[argc - 1]);
  memset(&run, 0, sizeof run);
  assert_int_equal(options_init(&run.options), 0);
  FILE *out = tmpfile(), *err = tmpfile();
  assert_true(out != NULL && err != NULL);
  fflush(stdout);
  int saved_out = divert(STDOUT_FILENO, out), saved_err = divert(STDERR_FILENO, err);
  run.verdict = options_parse(&run.options, argc, argv);
  fflush(stdout);
  restore(STDOUT_FILENO, saved_out, out, run.out, sizeof run.out);
  restore(STDERR_FILENO, saved_err, err, run.err, sizeof run.err);
  for (int i = 0; i < argc; i++)
    free(argv[i]);
  return &run;
}

void assert_contains(const char *text, const char *part) {
  if (strstr(text, part) == NULL) fail_msg("\"%s\" is not in: %s", part, text);
}
