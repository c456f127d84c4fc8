/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Permissions: any block, and any question about it.
 *
 *     input   filter LF queue LF subject LF block
 *
 * What must hold:
 *   - a block makes permissions, or an error that says something;
 *   - who may publish everything may publish to the subject;
 *   - a subscription that is permitted, and matches a subject that it may not receive, is one that needs a filter;
 *   - what may not be received may not be subscribed to by that name.
 */
#include "permissions.h"

#include <stdlib.h>
#include <string.h>

#include <tern/subject.h>

#include "check.h"
#include "conf_report.h"
#include "target.h"

static bool cut_line(const char **at, const char *end, struct tern_slice *line) {
  const char *lf = *at < end ? memchr(*at, '\n', (size_t)(end - *at)) : NULL;
  if (lf == NULL) return false;
  *line = (struct tern_slice){*at, (size_t)(lf - *at)};
  *at = lf + 1;
  return true;
}

static void count_line(void *arg, bool warning, const char *text) {
  FUZZ_CHECK(!warning && text[0] != '\0');
  ++*(unsigned *)arg;
}

static struct permissions *read_text(const char *text, size_t len) {
  struct conf *conf;
  struct conf_error error;
  if (memmem(text, len, "include", 7) != NULL || conf_parse("fuzz", text, len, &conf, &error) != 0)
    return NULL;
  unsigned lines = 0;
  struct conf_report report = {.line = count_line, .arg = &lines};
  struct permissions *permissions = NULL;
  int result = permissions_read(conf_root(conf), &report, &permissions);
  FUZZ_CHECK((result == 0) == (permissions != NULL) && (result == 0) == (lines == 0));
  conf_free(conf);
  return permissions;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
  const char *at = (const char *)data, *end = at + len;
  struct tern_slice filter, queue, subject;
  if (!cut_line(&at, end, &filter) || !cut_line(&at, end, &queue) || !cut_line(&at, end, &subject)) return 0;
  struct permissions *permissions = read_text(at, (size_t)(end - at));
  if (permissions == NULL) return 0;
  bool publish = permissions_may_publish(permissions, subject);
  FUZZ_CHECK(publish || !permissions_may_publish_all(permissions));
  bool subscribe = permissions_may_subscribe(permissions, filter, queue);
  bool filtered = permissions_needs_filter(permissions, filter, queue);
  bool receive = permissions_may_receive(permissions, subject, queue);
  FUZZ_CHECK(!subscribe || receive || filtered || !tern_filter_matches(filter, subject));
  FUZZ_CHECK(receive || !permissions_may_subscribe(permissions, subject, queue));
  const struct permissions_answers *answers = permissions_answers(permissions);
  FUZZ_CHECK(answers == NULL || (answers->max > 0 && answers->expires_ms > 0));
  permissions_free(permissions);
  return 0;
}
