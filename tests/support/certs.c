/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates for a test program; see certs.h. CERTS_SCRIPT is where certs.sh is. */
#include "certs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[64];

static void remove_folder(void) {
  char command[128];
  snprintf(command, sizeof command, "rm -r '%s'", folder);
  if (system(command) != 0) fprintf(stderr, "%s is left\n", folder);
}

void certs_make(void) {
  char command[512];
  snprintf(folder, sizeof folder, "/tmp/tern-certs-XXXXXX");
  if (mkdtemp(folder) == NULL) abort();
  atexit(remove_folder);
  snprintf(command, sizeof command, "sh '%s' '%s'", CERTS_SCRIPT, folder);
  int status = system(command);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
    puts("skipped: openssl(1), which makes the certificates, is not installed");
    exit(77);
  }
  if (status != 0) abort();
}

const char *certs_path(const char *name) {
  static char paths[32][128];
  static size_t count;
  char path[sizeof paths[0]];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  for (size_t i = 0; i < count; i++)
    if (strcmp(paths[i], path) == 0) return paths[i];
  if (count == sizeof paths / sizeof paths[0]) abort();
  return memcpy(paths[count++], path, sizeof path);
}
