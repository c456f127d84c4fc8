/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See sys_event.h. Fields and their order are nats-server's. `sent` and `received` of a connection are what the client
 * has sent and received; those of an account are what the server has, as in nats-server.
 */
#include "sys_event.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tern/subject.h>

#include "access.h"
#include "inside.h"
#include "page.h"
#include "sys_answer.h"

#define SCHEMA     "io.nats.server.advisory.v1."
#define BLANKS     " \t\n\v\f\r"
#define REFUSED_AS "Authentication Failure"

/* ---- subjects ---- */

static bool make_subject(char subject[NATS_EVENT_SUBJECT_MAX], const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The name of an account may have blanks or wildcards in it: then there is no such subject. */
static bool make_subject(char subject[NATS_EVENT_SUBJECT_MAX], const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  const int len = vsnprintf(subject, NATS_EVENT_SUBJECT_MAX, format, arguments);
  va_end(arguments);
  return len > 0 && len < NATS_EVENT_SUBJECT_MAX && strpbrk(subject, BLANKS) == NULL &&
         tern_subject_is_literal(tern_slice_of(subject));
}

bool sys_event_subject(const struct monitor *monitor, const struct nats_event *event,
                       char subject[NATS_EVENT_SUBJECT_MAX]) {
  if (event->kind == NATS_EVENT_REFUSED)
    return make_subject(subject, "$SYS.SERVER.%s.CLIENT.AUTH.ERR", monitor->source.server_id);
  return make_subject(subject, "$SYS.ACCOUNT.%s.%s", event->conn->account,
                      event->kind == NATS_EVENT_CONNECT ? "CONNECT" : "DISCONNECT");
}

bool sys_event_conns_subjects(const char *name, char subjects[2][NATS_EVENT_SUBJECT_MAX]) {
  return make_subject(subjects[0], "$SYS.ACCOUNT.%s.SERVER.CONNS", name) &&
         make_subject(subjects[1], "$SYS.SERVER.ACCOUNT.%s.CONNS", name);
}

/* ---- connections ---- */

static void put_head(struct json_writer *json, const char *type, uint64_t at_ns, struct monitor *monitor,
                     uint64_t sequence) {
  json_put_string(json, "type", type);
  json_put_id(json, "id");
  json_put_time(json, "timestamp", at_ns);
  sys_put_server(json, "server", monitor, sequence);
}

static void put_optional(struct json_writer *json, const char *key, const char *text) {
  if (text[0] != '\0') json_put_string(json, key, text);
}

static void put_client(struct json_writer *json, const struct monitor *monitor,
                       const struct nats_event *event) {
  const struct nats_conn *conn = event->conn;
  json_put_open(json, "client", '{');
  json_put_time(json, "start", monitor_wall_ns(monitor, conn->start_ms));
  put_optional(json, "host", conn->ip);
  json_put_uint(json, "id", conn->cid);
  json_put_string(json, "acc", conn->account);
  put_optional(json, "user", conn->user);
  put_optional(json, "name", conn->name);
  put_optional(json, "lang", conn->lang);
  put_optional(json, "ver", conn->version);
  if (event->kind != NATS_EVENT_CONNECT) {
    if (conn->rtt_ns != 0) json_put_uint(json, "rtt", conn->rtt_ns);
    json_put_time(json, "stop", monitor_wall_ns(monitor, conn->stop_ms));
  }
  json_put_string(json, "kind", "Client");
  json_put_string(json, "client_type", "nats");
  json_put_close(json, '}');
}

/* The text, or NULL when the writer has failed. */
static char *finish(struct json_writer *json, size_t *len) {
  json_put_close(json, '}');
  *len = json->len;
  if (!json->failed) return json->text;
  free(json->text);
  return NULL;
}

char *sys_event_text(struct monitor *monitor, const struct nats_event *event, uint64_t sequence,
                     size_t *len) {
  struct json_writer json = {.compact = true};
  const struct nats_conn *conn = event->conn;
  const bool comes = event->kind == NATS_EVENT_CONNECT, refused = event->kind == NATS_EVENT_REFUSED;
  json_put_open(&json, NULL, '{');
  put_head(&json, comes ? SCHEMA "client_connect" : SCHEMA "client_disconnect",
           monitor_wall_ns(monitor, event->at_ms), monitor, sequence);
  put_client(&json, monitor, event);
  if (!comes) {
    page_put_traffic(&json, "sent", conn->in_msgs, conn->in_bytes);
    page_put_traffic(&json, "received", conn->out_msgs, conn->out_bytes);
    json_put_string(&json, "reason", refused ? REFUSED_AS : nats_reason_text(conn->reason));
  }
  return finish(&json, len);
}

/* ---- accounts ---- */

int sys_accounts_read(struct monitor *monitor, struct sys_accounts *out) {
  const struct monitor_source *source = &monitor->source;
  struct page page = {.monitor = monitor};
  struct monitor_account account;
  uint32_t room, count = 0;
  *out = (struct sys_accounts){0};
  pthread_rwlock_rdlock(&monitor->lock); /* a reload frees the names */
  while (source->account(source->arg, count, &account))
    count++;
  struct nats_account_figures *figures = page_accounts(&page, &room);
  if (figures != NULL) out->at = calloc(count + 1, sizeof *out->at);
  for (uint32_t i = 0; out->at != NULL && i < count; i++) {
    if (!source->account(source->arg, i, &account) || account.is_unused) continue;
    struct sys_account *at = &out->at[out->count];
    *at = (struct sys_account){strdup(account.name), account.number, figures[account.number]};
    if (at->name != NULL) out->count++;
  }
  pthread_rwlock_unlock(&monitor->lock);
  free(figures);
  return out->at != NULL ? 0 : -ENOMEM;
}

void sys_accounts_free(struct sys_accounts *accounts) {
  for (size_t i = 0; i < accounts->count; i++)
    free(accounts->at[i].name);
  free(accounts->at);
}

char *sys_event_conns(struct monitor *monitor, const struct sys_account *account, uint64_t sequence,
                      size_t *len) {
  struct json_writer json = {.compact = true};
  json_put_open(&json, NULL, '{');
  put_head(&json, SCHEMA "account_connections", page_now_ns(), monitor, sequence);
  page_put_account(&json, account->name, &account->figures);
  return finish(&json, len);
}

char *sys_event_conns_of(struct monitor *monitor, const char *name, uint64_t sequence, size_t *len) {
  struct sys_accounts accounts;
  char *text = NULL;
  if (sys_accounts_read(monitor, &accounts) != 0) return NULL;
  for (size_t i = 0; i < accounts.count && text == NULL; i++)
    if (strcmp(accounts.at[i].name, name) == 0 && accounts.at[i].figures.connections > 0)
      text = sys_event_conns(monitor, &accounts.at[i], sequence, len);
  sys_accounts_free(&accounts);
  return text;
}

/* ---- the server ---- */

char *sys_event_server(struct monitor *monitor, uint64_t sequence, size_t *len) {
  struct json_writer json = {.compact = true};
  sys_put_server(&json, NULL, monitor, sequence);
  *len = json.len;
  if (!json.failed) return json.text;
  free(json.text);
  return NULL;
}
