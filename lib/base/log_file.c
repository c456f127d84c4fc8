/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log in a file. When it has grown beyond its limit it is renamed, as nats-server does,
 *
 *     tern.log  ->  tern.log.2026.11.20.12.17.37.637784012
 *
 * and begun anew; of the backups, which sort by their names, the oldest are removed. Other files beside it that
 * only begin with the same name are not touched. What cannot be renamed is tried again after another limit's bytes.
 *
 * A disk that fills up in the middle of a line leaves a piece of it, which is cut off again, so that the line written
 * next begins a line. Used by the log's thread alone, but for the first opening.
 */
#include "log_file.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/** What a backup's name has more: a letter for each digit. */
static const char suffix[] = ".dddd.dd.dd.dd.dd.dd.ddddddddd";

static int open_path(const char *path) {
  int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
  return fd < 0 ? -errno : fd;
}

/* Takes over a descriptor of the path. */
static void use(struct tern__log_file *file, int fd) {
  struct stat status;
  file->fd = fd;
  file->size = fstat(fd, &status) == 0 ? (uint64_t)status.st_size : 0;
  file->next_at = file->limit;
}

int tern__log_file_open(struct tern__log_file *file, const char *path, uint64_t limit, uint32_t keep) {
  int fd = open_path(path);
  if (fd < 0) return fd;
  *file = (struct tern__log_file){.path = strdup(path), .limit = limit, .keep = keep};
  if (file->path == NULL) {
    close(fd);
    return -ENOMEM;
  }
  use(file, fd);
  return 0;
}

void tern__log_file_close(struct tern__log_file *file) {
  close(file->fd);
  free(file->path);
}

int tern__log_file_reopen(struct tern__log_file *file) {
  int fd = open_path(file->path);
  if (fd < 0) return fd;
  close(file->fd);
  use(file, fd);
  return 0;
}

/* Bytes of the lines that are whole. */
static size_t whole_lines(const char *lines, size_t len) {
  const char *last = memrchr(lines, '\n', len);
  return last != NULL ? (size_t)(last + 1 - lines) : 0;
}

/* Takes back the piece of a line. */
static void cut_piece(struct tern__log_file *file, const char *lines, size_t *written) {
  size_t piece = *written - whole_lines(lines, *written);
  struct stat status;
  if (piece == 0 || fstat(file->fd, &status) < 0 || ftruncate(file->fd, status.st_size - (off_t)piece) < 0)
    return;
  file->size -= piece;
  *written -= piece;
}

int tern__log_file_write(struct tern__log_file *file, const char *lines, size_t len, size_t *written) {
  *written = 0;
  while (*written < len) {
    ssize_t n = write(file->fd, lines + *written, len - *written);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      int error = -errno;
      cut_piece(file, lines, written);
      return error;
    }
    *written += (size_t)n;
    file->size += (uint64_t)n;
  }
  return 0;
}

/* ---- rotation ---- */

static bool is_backup(const char *name, const char *base) {
  size_t base_len = strlen(base);
  if (strncmp(name, base, base_len) != 0 || strlen(name + base_len) != sizeof suffix - 1) return false;
  for (size_t i = 0; i < sizeof suffix - 1; i++) {
    char c = name[base_len + i];
    if (suffix[i] == 'd' ? !isdigit((unsigned char)c) : c != suffix[i]) return false;
  }
  return true;
}

/* Counts the backups in the directory and copies the name of the oldest. */
static unsigned find_backups(DIR *dir, const char *base, char *oldest, size_t room) {
  unsigned count = 0;
  struct dirent *entry;
  rewinddir(dir);
  while ((entry = readdir(dir)) != NULL) {
    if (!is_backup(entry->d_name, base)) continue;
    if (count++ == 0 || strcmp(entry->d_name, oldest) < 0) snprintf(oldest, room, "%s", entry->d_name);
  }
  return count;
}

static void remove_oldest(const struct tern__log_file *file) {
  char path[PATH_MAX], oldest[NAME_MAX + 1];
  if (file->keep == 0) return;
  snprintf(path, sizeof path, "%s", file->path);
  char *slash = strrchr(path, '/');
  const char *base = slash != NULL ? slash + 1 : path;
  const char *parent = slash == NULL ? "." : slash == path ? "/" : path;
  if (slash != NULL) *slash = '\0';
  DIR *dir = opendir(parent);
  if (dir == NULL) return;
  while (find_backups(dir, base, oldest, sizeof oldest) >= file->keep)
    if (unlinkat(dirfd(dir), oldest, 0) < 0) break; /* and with the next rotation again */
  closedir(dir);
}

int tern__log_file_rotate(struct tern__log_file *file, char *backup, size_t room) {
  struct timespec now;
  struct tm tm;
  clock_gettime(CLOCK_REALTIME, &now);
  localtime_r(&now.tv_sec, &tm);
  int n = snprintf(backup, room, "%s.%04d.%02d.%02d.%02d.%02d.%02d.%09ld", file->path, tm.tm_year + 1900,
                   tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, now.tv_nsec);
  int error = n < 0 || (size_t)n >= room ? -ENAMETOOLONG : 0;
  if (error == 0 && rename(file->path, backup) < 0) error = -errno;
  if (error == 0) error = tern__log_file_reopen(file);
  if (error == 0)
    remove_oldest(file);
  else
    file->next_at = file->size + file->limit;
  return error;
}
