/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Child processes of a comparison: servers, and measurements.
 *
 *     child_start -> child_wait (bounded) -> child_complaint, child.out -> child_stop
 *
 * What they print goes to files without a name, so that nobody waits for anybody to read. A child gets SIGKILL
 * when its parent dies, whatever the reason: nothing is left running. One thread; blocks in child_wait and
 * child_stop only.
 */
#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TICK_NS     5000000
#define STOP_MAX_S  10
#define EXIT_NOEXEC 127

static void become(const char *const *argv, int out, int err, pid_t parent) {
  int null = open("/dev/null", O_RDONLY);
  if (dup2(null, STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0 || dup2(err, STDERR_FILENO) < 0)
    _exit(EXIT_NOEXEC);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  setpgid(0, 0); /* a terminal's Ctrl-C is the parent's business */
  if (getppid() == parent) execvp(argv[0], (char *const *)(uintptr_t)argv);
  fprintf(stderr, "cannot run %s: %s\n", argv[0], strerror(errno));
  fflush(stderr);
  _exit(EXIT_NOEXEC);
}

int child_start(struct child *child, const char *const *argv) {
  *child = (struct child){.out = tmpfile(), .err = tmpfile()};
  pid_t parent = getpid();
  if (child->out != NULL && child->err != NULL) {
    fcntl(fileno(child->out), F_SETFD, FD_CLOEXEC);
    fcntl(fileno(child->err), F_SETFD, FD_CLOEXEC);
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) become(argv, fileno(child->out), fileno(child->err), parent);
    if (pid > 0) {
      child->pid = pid;
      return 0;
    }
  }
  int error = errno;
  child_stop(child);
  return -error;
}

bool child_ended(struct child *child) {
  int status;
  if (child->pid == 0) return true;
  pid_t pid = waitpid(child->pid, &status, WNOHANG);
  if (pid == 0 || (pid < 0 && errno == EINTR)) return false;
  child->pid = 0;
  child->exit_code =
      pid < 0 || !WIFEXITED(status) ? 128 + (pid < 0 ? 0 : WTERMSIG(status)) : WEXITSTATUS(status);
  return true;
}

bool child_wait(struct child *child, double seconds, const volatile sig_atomic_t *stop) {
  const struct timespec tick = {.tv_nsec = TICK_NS};
  for (double waited = 0; waited < seconds && (stop == NULL || !*stop); waited += TICK_NS / 1e9) {
    if (child_ended(child)) return true;
    nanosleep(&tick, NULL);
  }
  return child_ended(child);
}

void child_stop(struct child *child) {
  if (!child_ended(child)) {
    kill(child->pid, SIGTERM);
    if (!child_wait(child, STOP_MAX_S, NULL)) {
      kill(child->pid, SIGKILL);
      waitpid(child->pid, NULL, 0);
    }
  }
  if (child->out != NULL) fclose(child->out);
  if (child->err != NULL) fclose(child->err);
  *child = (struct child){0};
}

char *child_complaint(struct child *child, char *text, size_t size) {
  static const char own[] = "tern-bench: ";
  char line[512];
  *text = '\0';
  if (child->err == NULL) return text;
  rewind(child->err);
  while (fgets(line, sizeof line, child->err) != NULL) {
    line[strcspn(line, "\r\n")] = '\0';
    bool is_own = strncmp(line, own, sizeof own - 1) == 0;
    if (*line != '\0') snprintf(text, size, "%s", is_own ? line + sizeof own - 1 : line);
    if (is_own) break; /* what follows is help */
  }
  return text;
}
