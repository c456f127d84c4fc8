/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See imports.h. All exports are read first, then the imports, each of which needs an export that covers it and is meant
 * for its account. The verdicts are nats-server's, but where it takes what cannot work
 * (an entry that is neither stream nor service, a subject that is none, more wildcards than there are) it is said here.
 *
 * A cycle is an import whose exporter gets the subject from the importer, by way of however many others: of streams or of
 * services; one that is made of both is none, because what comes by a stream goes no further (crossing.h).
 */
#include "imports.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <tern/subject.h>

#include "conf_report.h"
#include "values.h"

/* An import while reading: where it comes from and arrives. */
struct draft {
  const struct conf_node *node;
  const char *importer, *exporter;
  bool service;
  const char *remote;           /* the exporter's subject */
  const char *to, *local;       /* the importer's, as written and with wildcards */
  const struct draft *seen_for; /* looked at in the search for cycles of this one */
};

struct reader {
  struct conf_report *report;
  struct imports *imports;
  struct draft *drafts;
  const struct conf_node *accounts; /* the block, or NULL */
  bool no_memory;
};

/* The keys of one import. */
struct entry {
  const struct conf_node *stream, *service, *prefix, *to, *share;
};

static bool is_key(const struct conf_node *node, const char *names) {
  size_t len = strlen(node->key);
  for (const char *at = names; *at != '\0'; at += strcspn(at, "|"), at += *at == '|')
    if (strcspn(at, "|") == len && strncasecmp(at, node->key, len) == 0) return true;
  return false;
}

static struct tern_slice slice(const char *text) { return (struct tern_slice){text, strlen(text)}; }

/* Room for one more in an array that grows by doubling. NULL without memory. */
static void *grow(struct reader *reader, void *array, size_t count, size_t size) {
  void *larger = array;
  if ((count & (count + 1)) == 0) larger = realloc(array, (2 * count + 2) * size);
  if (larger == NULL) reader->no_memory = true;
  return larger;
}

/* A subject to subscribe to, or NULL after a report. */
static const char *subject_of(struct reader *reader, const struct conf_node *node) {
  if (node->type != CONF_STRING) {
    conf_wrong_type(reader->report, node, node->key, "a subject in quotes");
    return NULL;
  }
  if (tern_filter_is_valid(slice(node->text))) return node->text;
  conf_wrong(reader->report, node, "%s: \"%.128s\" is not a valid subject", node->key, node->text);
  return NULL;
}

static bool is_list(struct reader *reader, const struct conf_node *node) {
  if (node->type == CONF_ARRAY) return true;
  conf_wrong_type(reader->report, node, node->key, "a list: [ ... ]");
  return false;
}

/* ---- exports ---- */

static void read_answers(struct reader *reader, const struct conf_node *node, struct export *export) {
  const char *text = node->type == CONF_STRING ? node->text : "";
  if (strcasecmp(text, "single") == 0 || strcasecmp(text, "singleton") == 0)
    export->answers = IMPORT_ANSWER_ONE;
  else if (strcasecmp(text, "stream") == 0)
    export->answers = IMPORT_ANSWER_MANY;
  else if (strcasecmp(text, "chunk") == 0 || strcasecmp(text, "chunked") == 0)
    export->answers = IMPORT_ANSWER_CHUNKS;
  else
    conf_wrong(reader->report, node, "%s must be singleton, stream or chunked", node->key);
}

static void read_threshold(struct reader *reader, const struct conf_node *node, struct export *export) {
  int64_t ms = -1;
  const char *problem = node->type == CONF_STRING ? value_duration_with_unit(node->text, &ms) : "no string";
  if (problem == NULL && ms > 0)
    export->answer_ms = (uint64_t)ms;
  else
    conf_wrong(reader->report, node, "%s must be a duration in quotes, like \"5s\"", node->key);
}

/* Of a hundred requests: 50, "50%" or "50"; or "headers". */
static void read_sampling(struct reader *reader, const struct conf_node *node, struct export *export) {
  const char *text = node->type == CONF_STRING ? node->text : "";
  int64_t percent = node->type == CONF_INT ? node->integer : 0;
  if (strcasecmp(text, "headers") == 0) {
    export->sampling = IMPORTS_BY_HEADERS;
    return;
  }
  text += text[0] == '+';
  const size_t digits = strspn(text, "0123456789");
  if (digits > 0 && digits <= 3 && (text[digits] == '\0' || strcmp(text + digits, "%") == 0))
    percent = strtol(text, NULL, 10);
  if (percent < 1 || percent > 100)
    conf_wrong(reader->report, node, "sampling must be headers, or a percentage from 1 to 100");
  else
    export->sampling = (uint32_t)percent;
}

/* A subject, or {sampling: 50, subject: SUBJECT}. */
static void read_latency(struct reader *reader, const struct conf_node *node, struct export *export) {
  const struct conf_node *subject = node->type == CONF_STRING ? node : NULL;
  export->sampling = 100;
  if (node->type != CONF_STRING && node->type != CONF_MAP) {
    conf_wrong_type(reader->report, node, "latency",
                    "a subject, or a block: {sampling: 50, subject: SUBJECT}");
    return;
  }
  for (const struct conf_node *at = node->first; node->type == CONF_MAP && at != NULL; at = at->next) {
    if (is_key(at, "sampling"))
      read_sampling(reader, at, export);
    else if (is_key(at, "subject"))
      subject = at;
    else
      conf_warn(reader->report, at, "latency: there is no field \"%.64s\"; ignored", at->key);
  }
  if (subject == NULL) {
    conf_wrong(reader->report, node, "latency needs a subject");
    return;
  }
  const char *text = subject_of(reader, subject);
  if (text == NULL) return;
  free(export->latency);
  if (!tern_subject_is_literal(slice(text)) || strpbrk(text, " \t\n\v\f\r") != NULL)
    conf_wrong(reader->report, subject, "latency: the subject must not have wildcards or blanks");
  else if ((export->latency = strdup(text)) == NULL)
    reader->no_memory = true;
}

/* Reports must not be requests to a service that is measured, and a service that is has one answer. */
static void check_latency(struct reader *reader, const struct conf_node *node, const struct export *export,
                          const char *account, const char *service) {
  const struct imports *imports = reader->imports;
  if (export->latency == NULL) return;
  if (export->answers != IMPORT_ANSWER_ONE)
    conf_wrong(reader->report, node, "latency is for services with one answer");
  bool loops = tern_filter_matches(slice(service), slice(export->latency));
  for (size_t i = 0; i < imports->export_count; i++) {
    const struct export *other = &imports->exports[i];
    loops |= other->latency != NULL && strcmp(other->account, account) == 0 &&
             tern_filter_matches(slice(other->subject), slice(export->latency));
  }
  if (loops)
    conf_wrong(reader->report, node, "latency: the subject is that of a service whose latency is measured");
}

/* The token must be a wildcard, for names of accounts to stand there. */
static void check_position(struct reader *reader, const struct conf_node *node, const char *subject,
                           int64_t position) {
  const char *at = subject;
  for (int64_t i = 1; i < position && at != NULL; i++) {
    at = strchr(at, '.');
    if (at != NULL) at++;
  }
  if (position < 1 || at == NULL || at[0] != '*' || (at[1] != '.' && at[1] != '\0'))
    conf_wrong(reader->report, node, "account_token_position must be that of a '*' in the subject");
}

/* An account, and no variable. */
static bool is_block(const struct conf_node *account) {
  return account->type == CONF_MAP && !account->is_variable;
}

static bool is_defined(const struct reader *reader, const char *name) {
  const struct conf_node *account = reader->accounts->first;
  while (account != NULL && (!is_block(account) || strcmp(account->key, name) != 0))
    account = account->next;
  return account != NULL;
}

static void check_approved(struct reader *reader, const struct conf_node *list, bool service) {
  for (const struct conf_node *at = list->first; at != NULL; at = at->next) {
    if (at->type != CONF_STRING)
      conf_wrong_type(reader->report, at, "accounts", "a list of names");
    else if (!is_defined(reader, at->text))
      conf_wrong(reader->report, at, "\"%.64s\" account not defined for %s export", at->text,
                 service ? "service" : "stream");
  }
}

static void free_export(const struct export *export) {
  for (size_t i = 0; i < export->approved_count; i++)
    free(export->approved[i]);
  free(export->approved);
  free(export->account);
  free(export->subject);
  free(export->latency);
}

/* The names of a list; what is none has been reported. False without memory. */
static bool copy_approved(struct export *export, const struct conf_node *list) {
  size_t count = 0;
  for (const struct conf_node *at = list->first; at != NULL; at = at->next)
    count++;
  export->approved = calloc(count > 0 ? count : 1, sizeof *export->approved);
  if (export->approved == NULL) return false;
  for (const struct conf_node *at = list->first; at != NULL; at = at->next) {
    if (at->type != CONF_STRING) continue;
    char *name = strdup(at->text);
    if (name == NULL) return false;
    export->approved[export->approved_count++] = name;
  }
  return true;
}

/* Adds one whose keys are read. approved: NULL: all accounts. */
static void add_export(struct reader *reader, struct export *export, const char *account, const char *subject,
                       const struct conf_node *approved) {
  struct imports *imports = reader->imports;
  struct export *more = grow(reader, imports->exports, imports->export_count, sizeof *more);
  if (more == NULL) {
    free_export(export);
    return;
  }
  imports->exports = more;
  export->account = strdup(account);
  export->subject = strdup(subject);
  if (export->account != NULL && export->subject != NULL &&
      (approved == NULL || copy_approved(export, approved))) {
    more[imports->export_count++] = *export;
    return;
  }
  reader->no_memory = true;
  free_export(export);
}

static void read_export(struct reader *reader, const char *account, const struct conf_node *block) {
  struct export export = {.answer_ms = IMPORTS_ANSWER_MS};
  const struct conf_node *subject = NULL, *only_service = NULL, *position = NULL, *approved = NULL,
                         *latency = NULL;
  for (const struct conf_node *node = block->first; node != NULL; node = node->next) {
    if (is_key(node, "stream|service")) {
      if (subject != NULL) conf_wrong(reader->report, node, "an export is either a stream or a service");
      subject = node;
      export.service = is_key(node, "service");
    } else if (is_key(node, "accounts")) {
      if (!is_list(reader, node)) {
        free_export(&export);
        return;
      }
      approved = node->first != NULL ? node : NULL;
    } else if (is_key(node, "response|response_type")) {
      read_answers(reader, only_service = node, &export);
    } else if (is_key(node, "threshold|response_threshold|response_max_time|response_time")) {
      read_threshold(reader, only_service = node, &export);
    } else if (is_key(node, "account_token_position")) {
      position = node;
      export.token_position = node->type == CONF_INT ? node->integer : 0;
    } else if (is_key(node, "latency")) {
      read_latency(reader, only_service = latency = node, &export);
    } else {
      conf_unknown(reader->report, node, "exports");
    }
  }
  const char *text = subject != NULL ? subject_of(reader, subject) : NULL;
  if (subject == NULL)
    conf_wrong(reader->report, block, "an export needs a stream or a service: {stream: SUBJECT}");
  else if (only_service != NULL && !export.service)
    conf_wrong(reader->report, only_service, "%s is for services only", only_service->key);
  if (text == NULL) {
    free_export(&export);
    return;
  }
  if (approved != NULL) check_approved(reader, approved, export.service);
  if (position != NULL) check_position(reader, position, text, export.token_position);
  if (latency != NULL) check_latency(reader, latency, &export, account, text);
  add_export(reader, &export, account, text, approved);
}

static void read_exports(struct reader *reader, const struct conf_node *account,
                         const struct conf_node *list) {
  if (!is_list(reader, list)) return;
  for (const struct conf_node *at = list->first; at != NULL; at = at->next) {
    if (at->type == CONF_MAP)
      read_export(reader, account->key, at);
    else
      conf_wrong_type(reader->report, at, "an export", "a block: {stream: SUBJECT}");
  }
}

/* ---- may it be imported? ---- */

/* Does the filter match all that the other one does? */
static bool covers(const char *filter, const char *other) {
  size_t len = strlen(filter), other_len = strlen(other);
  bool tail = len > 0 && filter[len - 1] == '>', other_tail = other_len > 0 && other[other_len - 1] == '>';
  return tern_filter_matches(slice(filter), slice(other)) && (tail || !other_tail);
}

/* Is there a subject that both match? */
static bool collide(const char *one, const char *other) {
  for (;;) {
    size_t len = strcspn(one, "."), other_len = strcspn(other, ".");
    if ((len == 1 && one[0] == '>') || (other_len == 1 && other[0] == '>')) return true;
    bool wild = (len == 1 && one[0] == '*') || (other_len == 1 && other[0] == '*');
    if (!wild && (len != other_len || memcmp(one, other, len) != 0)) return false;
    if (one[len] == '\0' || other[other_len] == '\0') return one[len] == other[other_len];
    one += len + 1;
    other += other_len + 1;
  }
}

static bool approves(const struct export *export, const struct draft *draft) {
  const char *token = draft->remote;
  for (int64_t i = 1; i < export->token_position && token != NULL; i++) {
    token = strchr(token, '.');
    if (token != NULL) token++;
  }
  if (export->token_position > 0) {
    size_t len = strlen(draft->importer);
    return token != NULL && strcspn(token, ".") == len && memcmp(token, draft->importer, len) == 0;
  }
  if (export->approved_count == 0) return true;
  for (size_t i = 0; i < export->approved_count; i++)
    if (strcmp(export->approved[i], draft->importer) == 0) return true;
  return false;
}

static const struct export *find_export(const struct reader *reader, const struct draft *draft) {
  for (size_t i = 0; i < reader->imports->export_count; i++) {
    const struct export *export = &reader->imports->exports[i];
    if (export->service == draft->service && strcmp(export->account, draft->exporter) == 0 &&
        covers(export->subject, draft->remote) && approves(export, draft))
      return export;
  }
  return NULL;
}

/* Does the account get the subject from the importer of the draft? What lies behind an import is looked at once. */
static bool comes_from(struct reader *reader, const char *account, const char *subject,
                       const struct draft *draft) {
  if (strcmp(account, draft->importer) == 0 && collide(subject, draft->local)) return true;
  for (size_t i = 0; i < reader->imports->count; i++) {
    struct draft *other = &reader->drafts[i];
    if (other->seen_for == draft || other->service != draft->service ||
        strcmp(other->importer, account) != 0 || !collide(other->local, subject))
      continue;
    other->seen_for = draft;
    if (comes_from(reader, other->exporter, other->remote, draft)) return true;
  }
  return false;
}

static bool is_duplicate(const struct reader *reader, const struct draft *draft) {
  for (size_t i = 0; i < reader->imports->count; i++) {
    const struct draft *other = &reader->drafts[i];
    if (other->service != draft->service || strcmp(other->importer, draft->importer) != 0) continue;
    if (draft->service
            ? strcmp(other->local, draft->local) == 0
            : strcmp(other->exporter, draft->exporter) == 0 && strcmp(other->remote, draft->remote) == 0)
      return true;
  }
  return false;
}

/* ---- imports ---- */

/* {account: NAME, subject: SUBJECT}; false after a report. */
static bool read_source(struct reader *reader, const struct conf_node *block, struct draft *draft) {
  const struct conf_node *account = NULL, *subject = NULL;
  if (block->type != CONF_MAP) {
    conf_wrong_type(reader->report, block, block->key, "a block: {account: NAME, subject: SUBJECT}");
    return false;
  }
  for (const struct conf_node *node = block->first; node != NULL; node = node->next) {
    if (is_key(node, "account"))
      account = node;
    else if (is_key(node, "subject"))
      subject = node;
    else
      conf_unknown(reader->report, node, "imports");
  }
  if (account == NULL || subject == NULL || account->type != CONF_STRING) {
    conf_wrong(reader->report, block,
               "%s needs the account and the subject: {account: NAME, subject: SUBJECT}", block->key);
    return false;
  }
  draft->exporter = account->text;
  draft->remote = subject_of(reader, subject);
  for (const struct conf_node *at = reader->accounts->first; at != NULL; at = at->next)
    if (strcmp(at->key, draft->exporter) == 0) return draft->remote != NULL;
  conf_wrong(reader->report, account, "there is no account \"%.64s\" to import from", draft->exporter);
  return false;
}

/* Does the token of a subject stand for a wildcard? */
static bool is_placeholder(const char *token, size_t len) {
  if (len > 1 && token[0] == '$') return strspn(token + 1, "0123456789") == len - 1;
  return len > 4 && memcmp(token, "{{", 2) == 0 && memcmp(token + len - 2, "}}", 2) == 0;
}

/* A copy that has `*` for each token like $1, when there are wildcards they may stand for. */
static char *with_stars(const char *subject, const char *remote) {
  char *copy = malloc(strlen(subject) + 1), *to = copy;
  if (copy == NULL) return NULL;
  const bool literal = tern_subject_is_literal(slice(remote));
  for (const char *at = subject;; at++) {
    const size_t len = strcspn(at, ".");
    const bool star = !literal && is_placeholder(at, len);
    memcpy(to, star ? "*" : at, star ? 1 : len);
    to += star ? 1 : len;
    at += len;
    *to++ = *at;
    if (*at == '\0') return copy;
  }
}

static void free_import(const struct import *import) {
  free(import->importer);
  free(import->exporter);
  free(import->remote);
  free(import->local);
  transform_free(import->transform);
}

/* Adds an import whose keys are read. */
static void add_import(struct reader *reader, const struct draft *draft, bool share) {
  const struct export *export = find_export(reader, draft);
  const char *problem = NULL;
  if (export == NULL)
    problem = draft->service ? "that account exports no such service to this one"
                             : "that account exports no such stream to this one";
  else if (is_duplicate(reader, draft))
    problem = draft->service ? "another import has the same subject here" : "it is imported already";
  else if (comes_from(reader, draft->exporter, draft->remote, draft))
    problem = "that account has it from this one, directly or by way of others: a cycle";
  struct transform *transform = NULL;
  if (problem == NULL)
    transform = draft->service ? transform_new_back(draft->remote, draft->to, &problem)
                               : transform_new(draft->remote, draft->to, TRANSFORM_STARS, &problem);
  if (problem != NULL) {
    conf_wrong(reader->report, draft->node, "import of \"%.128s\" from account \"%.64s\": %s", draft->remote,
               draft->exporter, problem);
    return;
  }
  struct imports *imports = reader->imports;
  struct import *more = grow(reader, imports->at, imports->count, sizeof *more);
  if (more != NULL) imports->at = more;
  struct draft *drafts = grow(reader, reader->drafts, imports->count, sizeof *drafts);
  if (drafts != NULL) reader->drafts = drafts;
  struct import import = {.service = draft->service,
                          .importer = strdup(draft->importer),
                          .exporter = strdup(draft->exporter),
                          .remote = strdup(draft->remote),
                          .local = strdup(draft->local),
                          .transform = transform,
                          .share = share,
                          .answers = export->answers,
                          .answer_ms = export->answer_ms,
                          .export = export};
  if (transform == NULL || more == NULL || drafts == NULL || import.importer == NULL ||
      import.exporter == NULL || import.remote == NULL || import.local == NULL) {
    reader->no_memory = true;
    free_import(&import);
    return;
  }
  drafts[imports->count] = *draft;
  drafts[imports->count].to = NULL;
  drafts[imports->count].seen_for = NULL;
  more[imports->count++] = import;
}

/* prefix or to; the result is malloc'ed. NULL after a report, or without memory. */
static char *local_of(struct reader *reader, const struct entry *entry, const struct draft *draft) {
  const char *prefix = "", *dot = "", *rest = draft->remote;
  if (entry->to != NULL) {
    rest = subject_of(reader, entry->to);
    if (rest == NULL) return NULL;
  }
  if (entry->prefix != NULL && entry->to != NULL) {
    conf_wrong(reader->report, entry->prefix, "an import has either a prefix or to");
    return NULL;
  }
  if (entry->prefix != NULL && draft->service) {
    conf_warn(reader->report, entry->prefix, "prefix is for streams only; ignored");
  } else if (entry->prefix != NULL) {
    prefix = entry->prefix->type == CONF_STRING ? entry->prefix->text : "";
    dot = prefix[0] != '\0' && prefix[strlen(prefix) - 1] == '.' ? "" : ".";
    size_t len = strlen(prefix) - (dot[0] == '\0' && prefix[0] != '\0');
    if (!tern_subject_is_literal((struct tern_slice){prefix, len})) {
      conf_wrong(reader->report, entry->prefix, "prefix must be a subject without wildcards");
      return NULL;
    }
  }
  size_t size = strlen(prefix) + strlen(dot) + strlen(rest) + 1;
  char *local = malloc(size);
  if (local == NULL) {
    reader->no_memory = true;
    return NULL;
  }
  memcpy(local, prefix, strlen(prefix));
  memcpy(local + strlen(prefix), dot, strlen(dot));
  memcpy(local + strlen(prefix) + strlen(dot), rest, strlen(rest) + 1);
  return local;
}

static void read_import(struct reader *reader, const char *account, const struct conf_node *block) {
  struct entry entry = {0};
  for (const struct conf_node *node = block->first; node != NULL; node = node->next) {
    if (is_key(node, "stream"))
      entry.stream = node;
    else if (is_key(node, "service"))
      entry.service = node;
    else if (is_key(node, "prefix"))
      entry.prefix = node;
    else if (is_key(node, "to"))
      entry.to = node;
    else if (is_key(node, "share"))
      entry.share = node;
    else if (is_key(node, "allow_trace"))
      conf_warn(reader->report, node, "allow_trace: tern does not have message tracing; ignored");
    else
      conf_unknown(reader->report, node, "imports");
  }
  if ((entry.stream == NULL) == (entry.service == NULL)) {
    conf_wrong(reader->report, block, "an import is either a stream or a service");
    return;
  }
  if (entry.share != NULL && entry.share->type != CONF_BOOL) {
    conf_wrong_type(reader->report, entry.share, "share", "true or false, without quotes");
    return;
  }
  struct draft draft = {.node = block, .importer = account, .service = entry.service != NULL};
  if (!read_source(reader, draft.service ? entry.service : entry.stream, &draft)) return;
  char *to = local_of(reader, &entry, &draft);
  if (to == NULL) return;
  char *local = with_stars(to, draft.remote);
  draft.to = to;
  draft.local = local;
  size_t before = reader->imports->count;
  if (local != NULL)
    add_import(reader, &draft, entry.share != NULL && entry.share->truth);
  else
    reader->no_memory = true;
  if (reader->imports->count == before) free(local); /* else it is freed with the drafts */
  free(to);
}

static void read_imports(struct reader *reader, const struct conf_node *account,
                         const struct conf_node *list) {
  if (!is_list(reader, list)) return;
  for (const struct conf_node *at = list->first; at != NULL; at = at->next) {
    if (at->type == CONF_MAP)
      read_import(reader, account->key, at);
    else
      conf_wrong_type(reader->report, at, "an import",
                      "a block: {stream: {account: NAME, subject: SUBJECT}}");
  }
}

/* ---- all ---- */

static void read_mappings(struct reader *reader, const char *account, const struct conf_node *block) {
  struct imports *imports = reader->imports;
  struct mappings *mappings;
  if (mappings_read(block, reader->report, &mappings) == -ENOMEM) reader->no_memory = true;
  if (mappings == NULL) return;
  struct import_mappings *more = grow(reader, imports->mappings, imports->mappings_count, sizeof *more);
  if (more != NULL) imports->mappings = more;
  char *name = strdup(account);
  if (more == NULL || name == NULL) {
    reader->no_memory = true;
    mappings_free(mappings);
    free(name);
    return;
  }
  more[imports->mappings_count++] = (struct import_mappings){name, mappings};
}

typedef void block_reader(struct reader *reader, const struct conf_node *account,
                          const struct conf_node *node);

/* Has the key of every account read. */
static void each_account(struct reader *reader, const char *key, block_reader *read) {
  if (reader->accounts == NULL) return;
  for (const struct conf_node *account = reader->accounts->first; account != NULL; account = account->next) {
    if (!is_block(account)) continue;
    for (const struct conf_node *node = account->first; node != NULL; node = node->next)
      if (is_key(node, key)) read(reader, account, node);
  }
}

static void read_account_mappings(struct reader *reader, const struct conf_node *account,
                                  const struct conf_node *node) {
  read_mappings(reader, account->key, node);
}

int imports_read(const struct conf_node *root, struct conf_report *report, struct imports **out) {
  unsigned errors = report->errors;
  struct reader reader = {.report = report, .imports = calloc(1, sizeof *reader.imports)};
  *out = NULL;
  if (reader.imports == NULL) return -ENOMEM;
  for (const struct conf_node *node = root->first; node != NULL; node = node->next) {
    if (is_key(node, "accounts") && node->type == CONF_MAP)
      reader.accounts = node;
    else if (is_key(node, "mappings|maps") && !node->is_variable)
      read_mappings(&reader, "$G", node);
  }
  each_account(&reader, "mappings|maps", read_account_mappings);
  each_account(&reader, "exports", read_exports);
  each_account(&reader, "imports", read_imports);
  for (size_t i = 0; i < reader.imports->count; i++)
    free((char *)(uintptr_t)reader.drafts[i].local);
  free(reader.drafts);
  if (!reader.no_memory && report->errors == errors) {
    *out = reader.imports;
    return 0;
  }
  imports_free(reader.imports);
  return reader.no_memory ? -ENOMEM : -EINVAL;
}

void imports_free(struct imports *imports) {
  if (imports == NULL) return;
  for (size_t i = 0; i < imports->count; i++)
    free_import(&imports->at[i]);
  for (size_t i = 0; i < imports->export_count; i++)
    free_export(&imports->exports[i]);
  for (size_t i = 0; i < imports->mappings_count; i++) {
    free(imports->mappings[i].account);
    mappings_free(imports->mappings[i].mappings);
  }
  free(imports->at);
  free(imports->exports);
  free(imports->mappings);
  free(imports);
}

const struct mappings *imports_mappings(const struct imports *imports, const char *account) {
  for (size_t i = 0; imports != NULL && i < imports->mappings_count; i++)
    if (strcmp(imports->mappings[i].account, account) == 0) return imports->mappings[i].mappings;
  return NULL;
}

/* Are they measured alike? */
static bool is_measured_as(const struct export *one, const struct export *other) {
  if (one->latency == NULL || other->latency == NULL) return one->latency == other->latency;
  return one->sampling == other->sampling && strcmp(one->latency, other->latency) == 0;
}

bool import_equal(const struct import *one, const struct import *other) {
  return one->service == other->service && one->share == other->share && one->answers == other->answers &&
         one->answer_ms == other->answer_ms && strcmp(one->importer, other->importer) == 0 &&
         strcmp(one->exporter, other->exporter) == 0 && transform_equal(one->transform, other->transform) &&
         is_measured_as(one->export, other->export);
}
