/* SPDX-License-Identifier: Apache-2.0 */
/** A log file that is rotated by size. Thread: one at a time. */
#ifndef TERN_BASE_LOG_FILE_H
#define TERN_BASE_LOG_FILE_H

#include <stddef.h>
#include <stdint.h>

struct tern__log_file {
  int fd;
  char *path;
  uint64_t size;    /* bytes in it */
  uint64_t limit;   /* bytes at which it is rotated; 0: never */
  uint64_t next_at; /* the same, or more after a rotation that failed */
  uint32_t keep;    /* files, the current one included; 0: all */
};

/** Opens (or makes) the file to append to. Returns 0 or -errno. */
int tern__log_file_open(struct tern__log_file *file, const char *path, uint64_t limit, uint32_t keep);
void tern__log_file_close(struct tern__log_file *file);
/** Opens the path again. Returns 0, or -errno: then the old file stays. */
int tern__log_file_reopen(struct tern__log_file *file);
/** Writes whole lines. Returns 0, or -errno; *written is how much was, which ends with a line where the file allows. */
int tern__log_file_write(struct tern__log_file *file, const char *lines, size_t len, size_t *written);
/** True when the size has reached the limit. */
static inline int tern__log_file_is_full(const struct tern__log_file *file) {
  return file->limit != 0 && file->size > file->next_at;
}
/**
 * Renames the file to `<path>.YYYY.MM.DD.hh.mm.ss.nnnnnnnnn` (the backup's name), begins a new one, and removes the
 * oldest backups beyond the number. Returns 0, or -errno: then the old file stays for another limit's bytes.
 */
int tern__log_file_rotate(struct tern__log_file *file, char *backup, size_t room);

#endif
