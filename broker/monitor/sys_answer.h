/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What a request by message asks for, and the answer: a page in an envelope that says which server it is from.
 *
 *     {"server": {"name": ..., "id": ...}, "data": {the page}}      or "error": {"code": 400, "description": "..."}
 *
 * An order (RELOAD, KICK, LDM) has no page: without an error it was carried out. Thread: any that is no worker.
 */
#ifndef BROKER_MONITOR_SYS_ANSWER_H
#define BROKER_MONITOR_SYS_ANSWER_H

#include <stddef.h>
#include <stdint.h>

#include "json.h"
#include "monitor.h"
#include "sys_subjects.h"

/** Kinds of requests, by their subjects. */
#define SYS_SERVER_KINDS  11 /* $SYS.REQ.SERVER.PING.<name> and $SYS.REQ.SERVER.<id>.<name> */
#define SYS_ACCOUNT_KINDS 6  /* $SYS.REQ.ACCOUNT.<account>.<name> */
#define SYS_ORDER_KINDS   3  /* $SYS.REQ.SERVER.<id>.<name> */
enum {
  SYS_KIND_PING = 0, /* $SYS.REQ.SERVER.PING is this one */
  SYS_KIND_STATZ = SYS_SERVER_KINDS,
  SYS_KIND_CONNZ,
  SYS_KIND_RELOAD = SYS_SERVER_KINDS + SYS_ACCOUNT_KINDS,
  SYS_KIND_KICK,
  SYS_KIND_LDM,
  SYS_KIND_USER, /* $SYS.REQ.USER.INFO */
  SYS_KINDS
};

/** The last token of its subject. */
const char *sys_kind_name(unsigned kind);
/** Does its subject name an account? */
static inline bool sys_kind_is_of_account(unsigned kind) {
  return kind >= SYS_KIND_STATZ && kind < SYS_KIND_RELOAD;
}
/** Is it an order? */
static inline bool sys_kind_is_order(unsigned kind) {
  return kind >= SYS_KIND_RELOAD && kind < SYS_KIND_USER;
}
/**
 * Makes the answer, after carrying out an order other than RELOAD.
 * @param sequence the number of the answer
 * @return text to be freed, or NULL when there is none: others are meant, or memory is refused
 */
char *sys_answer(struct monitor *monitor, const struct sys_request *request, uint64_t sequence, size_t *len);
/** Is the server to be reloaded? If not, sys_answer has the answer to such a request. */
bool sys_answer_is_to_reload(struct monitor *monitor, const struct sys_request *request);
/** The answer when that has been done, or not, for a reason (else NULL). NULL without memory. */
char *sys_answer_reloaded(struct monitor *monitor, const char *reason, uint64_t sequence, size_t *len);
/** The server, in an answer, as an object of that key (NULL: none). Reads what a reload changes. */
void sys_put_server(struct json_writer *json, const char *key, struct monitor *monitor, uint64_t sequence);

#endif
