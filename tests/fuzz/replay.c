/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A main for fuzz targets in builds without libFuzzer: runs the target once for each file given, and for each file
 * in each directory given. A target that finds something ends the program. It must have seen at least one file, so
 * that a corpus that got lost does not count as a success.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "target.h"

#define INPUT_MAX_BYTES (1024 * 1024)

static unsigned replayed;

static void fail(const char *what, const char *path) {
  fprintf(stderr, "replay: cannot %s %s\n", what, path);
  exit(1);
}

static void replay_file(const char *path) {
  uint8_t *data = malloc(INPUT_MAX_BYTES);
  FILE *file = fopen(path, "rb");
  if (data == NULL || file == NULL) fail("open", path);
  size_t len = fread(data, 1, INPUT_MAX_BYTES, file);
  if (ferror(file)) fail("read", path);
  fclose(file);
  /* In memory of exactly its size, so that a sanitizer notices reading behind it. */
  uint8_t *exact = realloc(data, len > 0 ? len : 1);
  if (exact == NULL) fail("hold", path);
  LLVMFuzzerTestOneInput(exact, len);
  free(exact);
  replayed++;
}

static void replay(const char *path) {
  struct stat status;
  if (stat(path, &status) != 0) fail("find", path);
  if (!S_ISDIR(status.st_mode)) {
    replay_file(path);
    return;
  }
  DIR *directory = opendir(path);
  if (directory == NULL) fail("open", path);
  for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
    char file[4096];
    if (entry->d_name[0] == '.') continue;
    int len = snprintf(file, sizeof file, "%s/%s", path, entry->d_name);
    if (len < 0 || (size_t)len >= sizeof file) fail("name", path);
    replay_file(file);
  }
  closedir(directory);
}

int main(int argc, char **argv) {
  for (int i = 1; i < argc; i++)
    replay(argv[i]);
  printf("%u inputs\n", replayed);
  return replayed == 0;
}
