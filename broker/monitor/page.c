/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What pages have in common: errors, and parameters read as Go's strconv reads them, with its words for what is wrong.
 * On the thread that makes the page.
 */
#include "page.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <tern/error.h>

#include "inside.h"
#include "values.h"

void page_fail(struct page *page, unsigned status, const char *format, ...) {
  if (page->status != 200) return;
  page->status = status;
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(page->error, sizeof page->error, format, arguments);
  va_end(arguments);
}

static const char *given(const struct page *page, const char *name) {
  return page->query != NULL ? page->query->parameter(page->query->arg, name) : NULL;
}

const char *page_text(const struct page *page, const char *name) {
  const char *text = given(page, name);
  return text != NULL && *text != '\0' ? text : NULL;
}

/* The value in the error is what somebody sent: printable ASCII only, and not too much of it. */
static bool refuse(struct page *page, const char *type, const char *name, const char *function,
                   const char *text, const char *why) {
  char shown[100];
  size_t len = 0;
  for (; text[len] != '\0' && len < sizeof shown - 1; len++)
    shown[len] = text[len] < ' ' || text[len] > '~' || text[len] == '"' ? '.' : text[len];
  shown[len] = '\0';
  page_fail(page, 400, "Error decoding %s for '%s': strconv.%s: parsing \"%s\": %s", type, name, function,
            shown, why);
  return false;
}

bool page_bool(struct page *page, const char *name, bool *value) {
  const char *text = page_text(page, name);
  if (text == NULL || value_bool(text, value) == NULL) return true;
  return refuse(page, "boolean", name, "ParseBool", text, "invalid syntax");
}

bool page_int(struct page *page, const char *name, int64_t *value) {
  const char *text = page_text(page, name);
  if (text == NULL) return true;
  const char *digits = text + (text[0] == '+' && text[1] != '-'); /* Go takes a plus */
  int64_t read = 0;
  const char *problem = value_int(digits, &read);
  if (problem == NULL) {
    *value = read;
    return true;
  }
  return refuse(page, "int", name, "Atoi", text,
                problem == value_too_large ? "value out of range" : "invalid syntax");
}

bool page_uint(struct page *page, const char *name, uint64_t *value) {
  const char *text = page_text(page, name);
  if (text == NULL) return true;
  char *end;
  errno = 0;
  uint64_t read = strtoull(text, &end, 10);
  if (text[strspn(text, "0123456789")] != '\0')
    return refuse(page, "uint64", name, "ParseUint", text, "invalid syntax");
  if (errno != 0) return refuse(page, "uint64", name, "ParseUint", text, "value out of range");
  *value = read;
  return true;
}

bool page_check(struct page *page, int error) {
  if (error != 0) page_fail(page, error == -ENOMEM ? 500 : 503, "%s", tern_strerror(error));
  return error == 0;
}

uint64_t page_now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void page_begin(struct page *page) {
  json_put_string(&page->json, "server_id", page->monitor->source.server_id);
  json_put_time(&page->json, "now", page_now_ns());
}
