/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Writes JSON text from front to back, as Go's encoding/json does: two spaces of indentation, or none; `<`, `>` and `&`
 * as escapes; what is no UTF-8 replaced. Memory that is refused makes the writer fail for good; ask once, at the end.
 * `key` is NULL for the elements of an array. Thread: any, one at a time.
 */
#ifndef BROKER_JSON_H
#define BROKER_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <tern/buffer.h>

/** Zero-initialise it; free(text) in the end. */
struct json_writer {
  char *text; /* NUL-terminated once something is in it */
  size_t len, room;
  unsigned depth;
  bool compact; /* no indentation */
  bool filled;  /* something stands in the open object or array */
  bool failed;  /* memory was refused; the text is of no use */
};

/** bracket: '{' or '['. */
void json_put_open(struct json_writer *to, const char *key, char bracket);
/** bracket: '}' or ']'. */
void json_put_close(struct json_writer *to, char bracket);
void json_put_string(struct json_writer *to, const char *key, const char *text);
void json_put_slice(struct json_writer *to, const char *key, struct tern_slice text);
void json_put_uint(struct json_writer *to, const char *key, uint64_t value);
void json_put_int(struct json_writer *to, const char *key, int64_t value);
void json_put_number(struct json_writer *to, const char *key, double value);
void json_put_bool(struct json_writer *to, const char *key, bool value);
/** A point in time, in nanoseconds since 1970, as RFC 3339 has it, in UTC. */
void json_put_time(struct json_writer *to, const char *key, uint64_t ns);
/** A text of 22 random characters, as nats-server tells its events apart by. They need only be unlikely to meet again. */
void json_put_id(struct json_writer *to, const char *key);
/** A value that is JSON already. */
void json_put_value(struct json_writer *to, const char *key, const char *text, size_t len);
/** Anything that is JSON already, and text around it. */
void json_put_raw(struct json_writer *to, const char *text, size_t len);

#endif
