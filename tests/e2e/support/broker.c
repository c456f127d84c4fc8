/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starting and stopping the broker under test (see broker.h).
 *
 * The broker gets a directory of its own under the temporary directory; it chooses its port and writes it into a
 * ports file there, which is what we wait for. It runs as a child that dies with us (PR_SET_PDEATHSIG), so a
 * test that fails leaves nothing behind. Single-threaded use: one test program, one thread that starts and stops.
 */
#include "broker.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define ARGUMENTS_MAX 48
#define POLL_US       10000

static void die(const char *what) {
  fprintf(stderr, "%s: %s\n", what, strerror(errno));
  exit(1);
}

int test_scale(void) {
  const char *text = getenv("TERN_TEST_SCALE");
  long scale = text ? strtol(text, NULL, 10) : 1;
  return scale < 1 ? 1 : (int)scale;
}

int test_scaled(int count) {
  int scaled = count / test_scale();
  return scaled < 1 ? 1 : scaled;
}

int test_wait_ms(void) { return 30000 * test_scale(); }

int test_allow_files(int wanted) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit)) die("getrlimit");
  if (limit.rlim_cur < (rlim_t)wanted) {
    limit.rlim_cur = (rlim_t)wanted < limit.rlim_max ? (rlim_t)wanted : limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit)) die("setrlimit");
  }
  return (int)limit.rlim_cur;
}

static char *read_file(const char *path) {
  FILE *file = fopen(path, "r");
  if (!file) return NULL;
  size_t size = 0, capacity = 4096;
  char *text = malloc(capacity);
  while (text) {
    size += fread(text + size, 1, capacity - size - 1, file);
    if (size < capacity - 1) break;
    capacity *= 2;
    text = realloc(text, capacity);
  }
  fclose(file);
  if (text) text[size] = 0;
  return text;
}

char *broker_log(const struct broker *broker) {
  char path[128];
  snprintf(path, sizeof path, "%s/stderr", broker->dir);
  char *text = read_file(path);
  return text ? text : strdup("");
}

static void write_config(const char *path, const char *const *options) {
  FILE *file = fopen(path, "w");
  if (!file) die(path);
  for (; options && *options; options++) {
    const char *equals = strchr(*options, '=');
    fprintf(file, "%.*s: %s\n", (int)(equals - *options), *options, equals + 1);
  }
  if (fclose(file)) die(path);
}

/* What becomes the broker: never returns. Only async-signal-safe calls, the test may have threads. */
static void become_broker(char *const *arguments, const char *log, int files_max) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  int out = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
  int in = open("/dev/null", O_RDONLY);
  if (out < 0 || in < 0) _exit(126);
  dup2(in, 0);
  dup2(out, 1);
  dup2(out, 2);
  closefrom(3);
  if (files_max > 0) {
    struct rlimit limit = {(rlim_t)files_max, (rlim_t)files_max};
    setrlimit(RLIMIT_NOFILE, &limit);
  }
  execv(arguments[0], arguments);
  _exit(127);
}

/* Waits for the ports file and takes the port from it. */
static void wait_ready(struct broker *broker, const char *path) {
  char name[256];
  const char *slash = strrchr(path, '/');
  snprintf(name, sizeof name, "%s/%s_%d.ports", broker->dir, slash ? slash + 1 : path, (int)broker->pid);
  for (int waited_us = 0; waited_us < test_wait_ms() * 1000; waited_us += POLL_US) {
    int status;
    if (waitpid(broker->pid, &status, WNOHANG) == broker->pid) break;
    char *text = read_file(name);
    const char *url = text ? strstr(text, "://") : NULL; /* nats or tls */
    const char *colon = url ? strchr(url + 3, ':') : NULL;
    broker->port = colon && strchr(text, '}') ? (int)strtol(colon + 1, NULL, 10) : 0;
    free(text);
    if (broker->port > 0) return;
    usleep(POLL_US);
  }
  char *log = broker_log(broker);
  fprintf(stderr, "%s did not start:\n%s", path, log);
  exit(1);
}

void broker_start(struct broker *broker, const struct broker_setup *setup) {
  const char *slash = strrchr(setup->path, '/');
  *broker = (struct broker){0};
  broker->is_reference = strncmp(slash ? slash + 1 : setup->path, "nats-server", 11) == 0;
  snprintf(broker->dir, sizeof broker->dir, "/tmp/tern-e2e-XXXXXX");
  if (!mkdtemp(broker->dir)) die("mkdtemp");

  char port[16], workers[16], config[96], log[96];
  const char *env = getenv("TERN_TEST_WORKERS"), *ring = getenv("TERN_TEST_RING_SIZE");
  int count = setup->workers ? setup->workers : env ? (int)strtol(env, NULL, 10) : 3;
  snprintf(port, sizeof port, "%d", setup->port ? setup->port : -1);
  snprintf(workers, sizeof workers, "%d", count);
  snprintf(config, sizeof config, "%s/config", broker->dir);
  snprintf(log, sizeof log, "%s/stderr", broker->dir);
  const char *arguments[ARGUMENTS_MAX] = {setup->path,        "-a",       "127.0.0.1", "-p", port,
                                          "--ports_file_dir", broker->dir};
  int n = 7;
  char *flags[ARGUMENTS_MAX] = {NULL};
  int flag_count = 0;
  if (broker->is_reference) {
    write_config(config, setup->options);
    arguments[n++] = "-c";
    arguments[n++] = config;
  } else {
    arguments[n++] = "--workers";
    arguments[n++] = workers;
    if (ring != NULL) {
      arguments[n++] = "--ring_size";
      arguments[n++] = ring;
    }
    for (const char *const *option = setup->options; option && *option && n + 1 < ARGUMENTS_MAX; option++)
      if (asprintf(&flags[flag_count], "--%s", *option) > 0) arguments[n++] = flags[flag_count++];
  }
  broker->pid = fork();
  if (broker->pid < 0) die("fork");
  if (broker->pid == 0) become_broker((char *const *)(const void *)arguments, log, setup->files_max);
  for (int i = 0; i < flag_count; i++)
    free(flags[i]);
  wait_ready(broker, setup->path);
  snprintf(broker->url, sizeof broker->url, "nats://127.0.0.1:%d", broker->port);
}

static void remove_directory(const char *path) {
  DIR *dir = opendir(path);
  if (!dir) return;
  for (struct dirent *entry = readdir(dir); entry; entry = readdir(dir))
    unlinkat(dirfd(dir), entry->d_name, 0);
  closedir(dir);
  rmdir(path);
}

int broker_stop(struct broker *broker, int signal_number) {
  int status = 0;
  pid_t ended = 0;
  kill(broker->pid, signal_number);
  for (int waited_us = 0; waited_us < test_wait_ms() * 1000 && ended == 0; waited_us += POLL_US) {
    ended = waitpid(broker->pid, &status, WNOHANG);
    if (ended == 0) usleep(POLL_US);
  }
  if (ended == 0) {
    fprintf(stderr, "broker does not stop on signal %d\n", signal_number);
    kill(broker->pid, SIGKILL);
    waitpid(broker->pid, &status, 0);
  }
  int code = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  if (broker->is_reference && code == 1 && signal_number == SIGTERM) code = 0; /* its way until 2.11 */
  if (code != 0 && signal_number != SIGKILL) {
    char *log = broker_log(broker);
    fprintf(stderr, "broker ended with %d:\n%s", code, log);
    free(log);
  }
  remove_directory(broker->dir);
  return code;
}

long broker_rss_kib(const struct broker *broker) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/status", (int)broker->pid);
  char *text = read_file(path);
  const char *line = text ? strstr(text, "VmRSS:") : NULL;
  long kib = line ? strtol(line + 6, NULL, 10) : -1;
  free(text);
  return kib;
}

int broker_files(const struct broker *broker) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/fd", (int)broker->pid);
  DIR *dir = opendir(path);
  if (!dir) return -1;
  int count = 0;
  while (readdir(dir))
    count++;
  closedir(dir);
  return count - 2;
}
