/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `--signal`, as in nats-server: a word for each signal a server listens to, and whom it is for.
 *
 *     quit              the one running process of this program
 *     quit=1234         that process
 *     quit=/run/x.pid   the process whose number is in the file
 *     quit=12*          all processes of this program whose numbers begin so; quit=*: all of them
 *
 * Processes of this program are those in /proc whose executable has the same name as this one's, whatever directory it
 * lies in and even when it has been replaced since. Of those whose executable this user may not see, the name of the
 * process is compared.
 */
#include "signal_send.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

static const struct command {
  const char *word;
  int number;
} commands[] = {
    {"quit", SIGINT},   {"term", SIGTERM},   {"stop", SIGKILL},
    {"reload", SIGHUP}, {"reopen", SIGUSR1}, {"ldm", SIGUSR2},
};

/** More processes than these are not looked at. */
#define PIDS_MAX 1024

struct pids {
  pid_t at[PIDS_MAX];
  size_t count;
};

/* ---- who runs ---- */

/* The name behind the last slash, without what the kernel adds to a file that is gone. False when it is not to be seen. */
static bool executable_of(const char *pid, char *name, size_t room) {
  static const char gone[] = " (deleted)";
  char link[NAME_MAX + 16], path[PATH_MAX];
  snprintf(link, sizeof link, "/proc/%s/exe", pid);
  ssize_t len = readlink(link, path, sizeof path - 1);
  if (len < 0) return false;
  path[len] = '\0';
  size_t end = (size_t)len, gone_len = sizeof gone - 1;
  if (end > gone_len && strcmp(path + end - gone_len, gone) == 0) path[end - gone_len] = '\0';
  const char *slash = strrchr(path, '/');
  snprintf(name, room, "%.*s", (int)room - 1, slash != NULL ? slash + 1 : path);
  return true;
}

static bool name_of(const char *pid, char *name, size_t room) {
  char path[NAME_MAX + 16];
  snprintf(path, sizeof path, "/proc/%s/comm", pid);
  FILE *file = fopen(path, "re");
  bool read = file != NULL && fgets(name, (int)room, file) != NULL;
  if (file != NULL) fclose(file);
  if (read) name[strcspn(name, "\n")] = '\0';
  return read;
}

static bool is_same_program(const char *pid, const char *executable, const char *name) {
  char theirs[NAME_MAX + 1];
  if (executable_of(pid, theirs, sizeof theirs)) return strcmp(theirs, executable) == 0;
  return errno == EACCES && name_of(pid, theirs, sizeof theirs) && strcmp(theirs, name) == 0;
}

/* All processes of this program but this one whose numbers begin with the prefix. */
static int find_processes(const char *prefix, struct pids *pids) {
  char executable[NAME_MAX + 1] = "", name[NAME_MAX + 1] = "";
  DIR *proc = opendir("/proc");
  if (proc == NULL || !executable_of("self", executable, sizeof executable)) {
    fprintf(stderr, "tern: cannot look for running servers: /proc cannot be read; give the process id\n");
    if (proc != NULL) closedir(proc);
    return -1;
  }
  name_of("self", name, sizeof name);
  struct dirent *entry;
  pids->count = 0;
  while ((entry = readdir(proc)) != NULL && pids->count < PIDS_MAX) {
    const char *pid = entry->d_name;
    if (!isdigit((unsigned char)pid[0]) || strncmp(pid, prefix, strlen(prefix)) != 0) continue;
    pid_t number = (pid_t)strtol(pid, NULL, 10);
    if (number != getpid() && is_same_program(pid, executable, name)) pids->at[pids->count++] = number;
  }
  closedir(proc);
  if (pids->count > 0) return 0;
  fprintf(stderr, "tern: no %s processes running%s%s\n", executable,
          prefix[0] != '\0' ? " with a number that begins with " : "", prefix);
  return -1;
}

static int find_single(struct pids *pids) {
  if (find_processes("", pids) < 0) return -1;
  if (pids->count == 1) return 0;
  fprintf(stderr,
          "tern: multiple processes running; say which by its process id, a pid file, or * for all:\n");
  for (size_t i = 0; i < pids->count; i++)
    fprintf(stderr, "%d\n", (int)pids->at[i]);
  return -1;
}

/* ---- whom it is for ---- */

/* A number of a process and nothing else. */
static bool read_pid(const char *text, pid_t *pid) {
  char *end;
  errno = 0;
  long number = strtol(text, &end, 10);
  if (!isdigit((unsigned char)text[0]) || errno != 0 || number < 1 || number > INT_MAX) return false;
  *pid = (pid_t)number;
  return end[strspn(end, " \t\r\n")] == '\0';
}

static int read_pid_file(const char *path, pid_t *pid) {
  char text[64] = "";
  FILE *file = fopen(path, "re");
  if (file == NULL) {
    fprintf(stderr, "tern: cannot read the pid file %s: %s; give a process id or the server's pid file\n",
            path, strerror(errno));
    return -1;
  }
  bool read = fgets(text, sizeof text, file) != NULL && read_pid(text, pid);
  fclose(file);
  if (read) return 0;
  fprintf(stderr, "tern: there is no process id in %s; give a process id or the server's pid file\n", path);
  return -1;
}

static int find_whom(const char *whom, struct pids *pids) {
  size_t len = strlen(whom);
  char prefix[32];
  if (len == 0) return find_single(pids);
  if (whom[len - 1] == '*' && strspn(whom, "0123456789") == len - 1 && len < sizeof prefix) {
    snprintf(prefix, sizeof prefix, "%.*s", (int)(len - 1), whom);
    return find_processes(prefix, pids);
  }
  pids->count = 1;
  return read_pid(whom, &pids->at[0]) ? 0 : read_pid_file(whom, &pids->at[0]);
}

int signal_send(const char *text) {
  const char *equals = strchr(text, '=');
  size_t len = equals != NULL ? (size_t)(equals - text) : strlen(text);
  const struct command *command = NULL;
  for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
    if (strlen(commands[i].word) == len && strncmp(commands[i].word, text, len) == 0) command = &commands[i];
  if (command == NULL) {
    fprintf(stderr, "tern: unknown signal \"%.*s\"; there are quit, term, stop, reload, reopen and ldm\n",
            (int)len, text);
    return -1;
  }
  struct pids *pids = malloc(sizeof *pids);
  if (pids == NULL) {
    fprintf(stderr, "tern: no memory\n");
    return -1;
  }
  int error = find_whom(equals != NULL ? equals + 1 : "", pids);
  for (size_t i = 0; error == 0 && i < pids->count; i++) {
    if (kill(pids->at[i], command->number) == 0) continue;
    fprintf(stderr, "tern: cannot signal %s to process %d: %s%s\n", command->word, (int)pids->at[i],
            strerror(errno), errno == EPERM ? "; be its user, or root" : "");
    error = -1;
  }
  free(pids);
  return error;
}
