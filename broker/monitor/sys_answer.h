/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What a request by message asks for, and the answer: a page in an envelope that says which server it is from.
 *
 *     {"server": {"name": ..., "id": ...}, "data": {the page}}      or "error": {"code": 400, "description": "..."}
 *
 * Thread: any that is no worker.
 */
#ifndef BROKER_MONITOR_SYS_ANSWER_H
#define BROKER_MONITOR_SYS_ANSWER_H

#include <stddef.h>
#include <stdint.h>

#include <tern/buffer.h>

#include "monitor.h"

/** Kinds of requests. */
#define SYS_SERVER_KINDS  11 /* $SYS.REQ.SERVER.PING.<name> and $SYS.REQ.SERVER.<id>.<name> */
#define SYS_ACCOUNT_KINDS 5  /* $SYS.REQ.ACCOUNT.<account>.<name> */
#define SYS_KINDS         (SYS_SERVER_KINDS + SYS_ACCOUNT_KINDS)
/** What $SYS.REQ.SERVER.PING is. */
#define SYS_KIND_PING 0

/** The last token of its subject. */
const char *sys_kind_name(unsigned kind);
/**
 * Makes an answer.
 * @param account of those kinds: the one named by the subject ("PING": all, where that is allowed), else NULL
 * @param sequence the number of the answer
 * @return text to be freed, or NULL when there is none: others are meant, or memory is refused
 */
char *sys_answer(struct monitor *monitor, unsigned kind, const char *account, struct tern_slice body,
                 uint64_t sequence, size_t *len);

#endif
