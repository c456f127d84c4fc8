/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where modules are looked for: the environment first, so that a developer or a test can put something in
 * front; then beside the program, so that a tree that was moved as a whole works; then where it was
 * installed.
 *
 * Called from any thread; reads the environment, the program's own path, and nothing else. Opening the file
 * is the caller's.
 */
#include <tern/module_path.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DIR_MAX 1024

/* The number-th entry of a colon-separated list that is not empty. Counts number down by those it has seen. */
static bool in_list(const char *list, unsigned *number, char *dir, size_t size) {
  while (list != NULL && *list != '\0') {
    size_t len = strcspn(list, ":");
    if (len > 0 && (*number)-- == 0) {
      snprintf(dir, size, "%.*s", len < size ? (int)len : 0, list);
      return true;
    }
    list += len + (list[len] == ':');
  }
  return false;
}

/* `../lib/tern` beside the program. */
static void beside_program(char *dir, size_t size) {
  static const char suffix[] = "/../lib/tern";
  dir[0] = '\0';
  if (size <= sizeof suffix) return;
  size_t most = size - sizeof suffix;
  ssize_t len = readlink("/proc/self/exe", dir, most);
  if (len > 0 && (size_t)len < most) {
    dir[len] = '\0';
    char *slash = strrchr(dir, '/');
    if (slash != NULL) {
      memcpy(slash, suffix, sizeof suffix);
      return;
    }
  }
  dir[0] = '\0';
}

bool tern_module_dir(unsigned number, char *dir, size_t size) {
  if (in_list(getenv("TERN_MODULE_PATH"), &number, dir, size)) return true;
  if (number == 0) {
    beside_program(dir, size);
    return true;
  }
  if (number > 1) return false;
  snprintf(dir, size, "%s", sizeof TERN_MODULE_DIR <= size ? TERN_MODULE_DIR : "");
  return true;
}

void tern_module_dirs(char *text, size_t size) {
  char dir[DIR_MAX];
  size_t len = 0;
  text[0] = '\0';
  for (unsigned i = 0; tern_module_dir(i, dir, sizeof dir); i++) {
    if (dir[0] == '\0') continue;
    int n = snprintf(text + len, size - len, "%s%s", len > 0 ? ", " : "", dir);
    if (n < 0 || (size_t)n >= size - len) return;
    len += (size_t)n;
  }
}
