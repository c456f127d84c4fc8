/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Permissions where they count: at SUB, at PUB, and at delivery for subscriptions that are wider than what is denied to
 * them (sub.c gives those sinks an operation of their own).
 *
 * Verdicts on subjects are kept, by worker, in a table with two places for each hash: clients publish to few subjects, and
 * a message goes to many clients with the same permissions. A verdict is that of one set of permissions on one subject;
 * both are compared, so places that belong to others are only a look-up more. Nobody frees permissions while
 * verdicts name them, see nats_permit_forget.
 */
#include "permit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tern/subject.h>

#include <tern/utf8.h>

#include "answers.h"

#define VERDICT_SETS        4096 /* half a MiB, of which what is used is touched */
#define VERDICT_SUBJECT_MAX 50

enum question { PUBLISH, RECEIVE };

struct verdict {
  const struct permissions *permissions; /* NULL: none */
  uint32_t hash;                         /* of the subject */
  uint8_t question;                      /* enum question */
  uint8_t len : 7;
  uint8_t good : 1;
  char subject[VERDICT_SUBJECT_MAX];
};
_Static_assert(sizeof(struct verdict) == 64, "a cache line");

struct nats_verdicts {
  struct verdict set[VERDICT_SETS][2]; /* the newer one first */
};

static bool ask(const struct permissions *permissions, enum question question, struct tern_slice subject) {
  return question == PUBLISH ? permissions_may_publish(permissions, subject)
                             : permissions_may_receive(permissions, subject, (struct tern_slice){NULL, 0});
}

static bool is_of(const struct verdict *verdict, const struct permissions *permissions,
                  enum question question, struct tern_slice subject, uint64_t hash) {
  return verdict->permissions == permissions && verdict->hash == (uint32_t)hash &&
         verdict->question == question && verdict->len == subject.len &&
         memcmp(verdict->subject, subject.ptr, subject.len) == 0;
}

static bool judge(const struct nats_client *client, enum question question, struct tern_slice subject,
                  uint64_t hash) {
  struct nats_worker *worker = client->worker;
  const struct permissions *permissions = client->permissions;
  if (worker->verdicts == NULL) worker->verdicts = calloc(1, sizeof *worker->verdicts);
  if (worker->verdicts == NULL || subject.len > VERDICT_SUBJECT_MAX)
    return ask(permissions, question, subject);
  struct verdict *set = worker->verdicts->set[(hash ^ (uintptr_t)permissions >> 4) % VERDICT_SETS];
  if (is_of(&set[0], permissions, question, subject, hash)) return set[0].good;
  if (is_of(&set[1], permissions, question, subject, hash)) return set[1].good;
  bool good = ask(permissions, question, subject);
  set[1] = set[0];
  set[0] = (struct verdict){.permissions = permissions,
                            .hash = (uint32_t)hash,
                            .question = (uint8_t)question,
                            .len = (uint8_t)(subject.len & 0x7F),
                            .good = good};
  memcpy(set[0].subject, subject.ptr, subject.len);
  return good;
}

void nats_permit_forget(struct nats_worker *worker) {
  free(worker->verdicts);
  worker->verdicts = NULL;
}

void nats_permit_fini(struct nats_client *client) { nats_answers_free(client->answers); }

bool nats_permit_publish_all(const struct nats_client *client, struct tern_slice subject, uint64_t hash) {
  return permissions_may_publish_all(client->permissions) || judge(client, PUBLISH, subject, hash);
}

bool nats_permit_publish(struct nats_client *client, struct tern_slice subject) {
  if (nats_permit_publish_all(client, subject, tern_subject_hash(subject))) return true;
  return client->answers != NULL &&
         nats_answers_take(client->answers, subject, tern_loop_now_ms(client->worker->loop));
}

bool nats_permit_delivery(const struct nats_client *client, const struct tern_message *m,
                          struct tern_slice group) {
  if (group.len > 0) return permissions_may_receive(client->permissions, m->subject, group);
  return judge(client, RECEIVE, m->subject, m->hash);
}

/* Replies are seldom seen twice: they would only push others out of the table of verdicts. */
void nats_permit_answer(struct nats_client *client, struct tern_slice reply) {
  const struct permissions_answers *terms = permissions_answers(client->permissions);
  if (terms == NULL || permissions_may_publish(client->permissions, reply)) return;
  if (client->answers == NULL) client->answers = nats_answers_new(terms);
  uint64_t forgotten = 1;
  if (client->answers != NULL)
    forgotten = nats_answers_note(client->answers, reply, tern_loop_now_ms(client->worker->loop));
  tern_counter_add(&client->worker->stats.forgotten_answers, forgotten);
}

/* ---- changes ---- */

static bool keeps(struct nats_client *client, const struct nats_sub *sub) {
  struct tern_slice filter = tern_sink_filter(&sub->sink);
  if (client->permissions == NULL ||
      permissions_may_subscribe(client->permissions, filter, tern_sink_group(&sub->sink)))
    return true;
  nats_violation_of_two(client, "Subscription to", filter, " (sid ", nats_sub_sid(sub), ")");
  return false;
}

void nats_permissions_changed(struct nats_client *client, const struct permissions *permissions) {
  if (client->permissions == NULL && permissions == NULL) return;
  client->permissions = permissions;
  if (client->answers != NULL &&
      (permissions == NULL || !nats_answers_are_for(client->answers, permissions_answers(permissions)))) {
    nats_answers_free(client->answers);
    client->answers = NULL;
  }
  struct nats_sids *sids = &client->sids;
  for (uint32_t slot = 0; slot < sids->capacity && client->flow != NATS_ENDED;) {
    struct nats_sub *sub = nats_sids_at(sids, slot);
    if (sub != NULL && !keeps(client, sub)) {
      nats_sub_remove(sub); /* another one may move to this slot */
      continue;
    }
    if (sub != NULL) nats_sub_guard(sub);
    slot++;
  }
}

/* ---- what a client is told ---- */

/* What Go takes for not printable of what is assigned in Unicode: blanks, what formats text, and private use. */
static bool is_printable(uint32_t code) {
  static const struct {
    uint32_t first, last;
  } hidden[] = {
      {0x80, 0xA0},       {0xAD, 0xAD},       {0x600, 0x605},     {0x61C, 0x61C},     {0x6DD, 0x6DD},
      {0x70F, 0x70F},     {0x890, 0x891},     {0x8E2, 0x8E2},     {0x1680, 0x1680},   {0x180E, 0x180E},
      {0x2000, 0x200F},   {0x2028, 0x202F},   {0x205F, 0x206F},   {0x3000, 0x3000},   {0xE000, 0xF8FF},
      {0xFEFF, 0xFEFF},   {0xFFF0, 0xFFFB},   {0xFFFE, 0xFFFF},   {0x110BD, 0x110BD}, {0x110CD, 0x110CD},
      {0x13430, 0x1343F}, {0x1BCA0, 0x1BCA3}, {0x1D173, 0x1D17A}, {0xE0000, 0xE00FF}, {0xF0000, 0x10FFFF}};
  for (size_t i = 0; i < sizeof hidden / sizeof hidden[0]; i++)
    if (code >= hidden[i].first && code <= hidden[i].last) return false;
  return true;
}

/* Of a well-formed character of more than one byte. */
static uint32_t code_of(const char *text, size_t len) {
  uint32_t code = (unsigned char)text[0] & (0x7Fu >> len);
  for (size_t i = 1; i < len; i++)
    code = code << 6 | ((unsigned char)text[i] & 0x3Fu);
  return code;
}

/* The text in Go's %q form, as error texts have it: \" \\ \a and so on, \xff for bytes that are no well-formed UTF-8 and
 * control characters, \u200b and \U000e0001 for what else is_printable knows of. malloc'ed; NULL without memory. */
static char *quoted(struct tern_slice text) {
  static const char letters[] = "abtnvfr"; /* from 7 on */
  char *room = malloc(text.len * 4 + 1);   /* \u0080 is of two bytes, \U000e0001 of four */
  if (room == NULL) return NULL;
  char *to = room;
  for (size_t i = 0; i < text.len;) {
    unsigned char c = (unsigned char)text.ptr[i];
    size_t len = tern_utf8_len(text.ptr + i, text.len - i);
    if (c == '"' || c == '\\') {
      *to++ = '\\';
      *to++ = (char)c;
    } else if (c >= '\a' && c <= '\r') {
      *to++ = '\\';
      *to++ = letters[c - '\a'];
    } else if (len > 1 && !is_printable(code_of(text.ptr + i, len))) {
      const uint32_t code = code_of(text.ptr + i, len);
      to += snprintf(to, 11, code < 0x10000 ? "\\u%04x" : "\\U%08x", code);
    } else if (len == 0 || c < 0x20 || c == 0x7F) {
      len = 1;
      to += snprintf(to, 5, "\\x%02x", c);
    } else {
      memcpy(to, text.ptr + i, len);
      to += len;
    }
    i += len != 0 ? len : 1;
  }
  *to = '\0';
  return room;
}

void nats_violation(struct nats_client *client, const char *what, struct tern_slice name, const char *rest) {
  char *text = quoted(name);
  tern_counter_add(&client->worker->stats.violations, 1);
  nats_client_error(client, false, "Permissions Violation for %s \"%s\"%s", what, text != NULL ? text : "",
                    rest);
  free(text);
}

void nats_violation_of_two(struct nats_client *client, const char *what, struct tern_slice name,
                           const char *before, struct tern_slice second, const char *after) {
  char *text = quoted(name), *other = quoted(second);
  tern_counter_add(&client->worker->stats.violations, 1);
  nats_client_error(client, false, "Permissions Violation for %s \"%s\"%s\"%s\"%s", what,
                    text != NULL ? text : "", before, other != NULL ? other : "", after);
  free(text);
  free(other);
}
