/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a line of the log looks like.
 *
 *     text      [pid] 2026/11/20 12:17:37.637784 [INF] 127.0.0.1:5000 - cid:7 - text
 *     JSON      {"time":"2026-11-20T11:17:37.637784Z","level":"info","pid":1,"event":"...","ip":"...","port":5000,
 *               "cid":7,"msg":"text"}
 *     syslog    <30>Nov 20 12:17:37 tern[1]: 127.0.0.1:5000 - cid:7 - text
 *     remote    <30>1 2026-11-20T11:17:37.637784Z host tern 1 event - 127.0.0.1:5000 - cid:7 - text
 *
 * With both JSON and a syslog the object stands behind the syslog's header. The text comes last, so that a line that
 * would be too long is cut there and the rest is whole.
 *
 * Texts hold what clients send. In a text line control characters, those of C1 too, and bytes that are not UTF-8 are
 * shown as escapes, so that they neither forge a line nor reach a terminal; a backslash stays what it is. In JSON
 * control characters are escaped as JSON wants it, and what is not UTF-8 becomes U+FFFD.
 */
#include "log_line.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <tern/utf8.h>
#include <time.h>
#include <unistd.h>

/** Of an address; those of Unix-domain sockets are paths. */
#define ADDRESS_BYTES_MAX 128

/* Where the next byte goes, and where no more fit. */
struct text {
  char *at, *end;
};

static const struct level {
  const char *tag, *name;
  int severity;
} levels[] = {
    {"FTL", "fatal", LOG_CRIT}, {"ERR", "error", LOG_ERR},   {"WRN", "warn", LOG_WARNING},
    {"INF", "info", LOG_INFO},  {"DBG", "debug", LOG_DEBUG}, {"TRC", "trace", LOG_DEBUG},
};

__attribute__((format(printf, 2, 3))) static void put(struct text *out, const char *format, ...) {
  va_list args;
  va_start(args, format);
  int n =
      vsnprintf(out->at, (size_t)(out->end - out->at) + 1, format, args); /* its '\0' may stand at the end */
  va_end(args);
  if (n > 0) out->at += n < out->end - out->at ? n : out->end - out->at;
}

/* False when they do not fit as a whole; then nothing is written. */
static bool put_bytes(struct text *out, const char *bytes, size_t len) {
  if (len > (size_t)(out->end - out->at)) return false;
  memcpy(out->at, bytes, len);
  out->at += len;
  return true;
}

/* ---- one character ---- */

/* How a character is shown that is not shown as it is: in `escaped`, or as NULL. len is 0 for a byte that is not UTF-8. */
static const char *escape(char escaped[16], bool json, const char *text, size_t len) {
  unsigned char c = (unsigned char)text[0];
  if (len == 0 && json) return "\xEF\xBF\xBD";
  if (json && (c == '"' || c == '\\')) {
    snprintf(escaped, 16, "\\%c", c);
  } else if (c == '\r' || c == '\n' || c == '\t') {
    snprintf(escaped, 16, "\\%c", c == '\r' ? 'r' : c == '\n' ? 'n' : 't');
  } else if (len == 0 || c < 0x20 || c == 0x7F) {
    snprintf(escaped, 16, json ? "\\u%04x" : "\\x%02x", c);
  } else if (c == 0xC2 && (unsigned char)text[1] < 0xA0) { /* C1 */
    snprintf(escaped, 16, "\\u%04x", (unsigned char)text[1]);
  } else {
    return NULL;
  }
  return escaped;
}

/* As much of the text as fits. */
static void put_text(struct text *out, bool json, const char *text, size_t text_len) {
  char escaped[16];
  for (size_t i = 0; i < text_len;) {
    size_t len = tern_utf8_len(text + i, text_len - i);
    const char *instead = escape(escaped, json, text + i, len);
    if (!put_bytes(out, instead != NULL ? instead : text + i, instead != NULL ? strlen(instead) : len))
      return;
    i += len > 0 ? len : 1;
  }
}

/* ---- the parts of a line ---- */

/* RFC 3339 */
static void put_time(struct text *out, const struct timespec *now) {
  struct tm tm;
  gmtime_r(&now->tv_sec, &tm);
  put(out, "%04d-%02d-%02dT%02d:%02d:%02d.%06ldZ", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour,
      tm.tm_min, tm.tm_sec, now->tv_nsec / 1000);
}

static void put_stamp(struct text *out, const struct timespec *now, bool utc) {
  struct tm tm;
  if (utc)
    gmtime_r(&now->tv_sec, &tm);
  else
    localtime_r(&now->tv_sec, &tm);
  put(out, "%04d/%02d/%02d %02d:%02d:%02d.%06ld ", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour,
      tm.tm_min, tm.tm_sec, now->tv_nsec / 1000);
}

static void put_syslog_head(struct text *out, bool remote, int severity, const struct timespec *now,
                            const char *event) {
  static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
  const char *program = program_invocation_short_name;
  if (remote) {
    char host[256] = "-";
    if (gethostname(host, sizeof host - 1) < 0 || host[0] == '\0') host[0] = '-', host[1] = '\0';
    put(out, "<%d>1 ", LOG_DAEMON | severity);
    put_time(out, now);
    put(out, " %s %.48s %d %s - ", host, program, (int)getpid(), event != NULL ? event : "-");
  } else {
    struct tm tm;
    localtime_r(&now->tv_sec, &tm);
    put(out, "<%d>%.3s %2d %02d:%02d:%02d %.48s[%d]: ", LOG_DAEMON | severity, months + 3 * tm.tm_mon,
        tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, program, (int)getpid());
  }
}

static void put_text_head(struct text *out, unsigned style, const struct level *level,
                          const struct timespec *now, const struct tern_log_about *about) {
  if (!(style & (TERN__LOG_SYSLOG | TERN__LOG_REMOTE))) {
    put(out, "[%d] ", (int)getpid());
    if (style & TERN__LOG_STAMPS) put_stamp(out, now, style & TERN__LOG_UTC);
    put(out, "[%s] ", level->tag);
  }
  if (about->ip == NULL) return;
  bool v6 = strchr(about->ip, ':') != NULL;
  put(out, v6 ? "[" : "");
  put_text(out, false, about->ip, strnlen(about->ip, ADDRESS_BYTES_MAX));
  put(out, v6 ? "]:%u - cid:%llu - " : ":%u - cid:%llu - ", about->port, (unsigned long long)about->cid);
}

static void put_json_head(struct text *out, const struct level *level, const struct timespec *now,
                          const struct tern_log_about *about) {
  put(out, "{\"time\":\"");
  put_time(out, now);
  put(out, "\",\"level\":\"%s\",\"pid\":%d,", level->name, (int)getpid());
  if (about->event != NULL) put(out, "\"event\":\"%s\",", about->event);
  if (about->ip != NULL) {
    put(out, "\"ip\":\"");
    put_text(out, true, about->ip, strnlen(about->ip, ADDRESS_BYTES_MAX));
    put(out, "\",\"port\":%u,\"cid\":%llu,", about->port, (unsigned long long)about->cid);
  }
  put(out, "\"msg\":\"");
}

size_t tern__log_line(char *line, unsigned style, enum tern_log_level level,
                      const struct tern_log_about *about, const char *format, va_list args) {
  const bool json = style & TERN__LOG_JSON;
  const char *tail = json ? "\"}\n" : "\n";
  const size_t tail_len = strlen(tail);
  struct text out = {line, line + TERN__LOG_LINE_BYTES - tail_len};
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (style & (TERN__LOG_SYSLOG | TERN__LOG_REMOTE))
    put_syslog_head(&out, style & TERN__LOG_REMOTE, levels[level].severity, &now, about->event);
  if (json)
    put_json_head(&out, &levels[level], &now, about);
  else
    put_text_head(&out, style, &levels[level], &now, about);
  char text[TERN__LOG_LINE_BYTES];
  int n = vsnprintf(text, sizeof text, format, args);
  if (n > 0) put_text(&out, json, text, (size_t)n < sizeof text ? (size_t)n : sizeof text - 1);
  memcpy(out.at, tail, tail_len);
  return (size_t)(out.at - line) + tail_len;
}
