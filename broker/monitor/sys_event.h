/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Texts and subjects of what the system account is told without asking. Thread: any that is no worker.
 */
#ifndef BROKER_MONITOR_SYS_EVENT_H
#define BROKER_MONITOR_SYS_EVENT_H

#include <stddef.h>
#include <stdint.h>

#include "conns.h"
#include "events.h"
#include "monitor.h"

/** Writes the subject of an event of a connection, NUL-terminated. False: it has none that can be published. */
bool sys_event_subject(const struct monitor *monitor, const struct nats_event *event,
                       char subject[NATS_EVENT_SUBJECT_MAX]);
/** The text of such an event, to be freed. sequence: its number among all that is sent. NULL without memory. */
char *sys_event_text(struct monitor *monitor, const struct nats_event *event, uint64_t sequence, size_t *len);

/** Accounts and what they are doing, at one moment. */
struct sys_accounts {
  struct sys_account {
    char *name;
    uint32_t number;
    struct nats_account_figures figures;
  } * at;
  size_t count;
};
/** Asks the workers. Returns 0, or a negative error: then there are none. */
int sys_accounts_read(struct monitor *monitor, struct sys_accounts *out);
void sys_accounts_free(struct sys_accounts *accounts);

/** How many connections an account has: the text to be freed. NULL without memory. */
char *sys_event_conns(struct monitor *monitor, const struct sys_account *account, uint64_t sequence,
                      size_t *len);
/** The same on request; NULL also: there is no such account, or it has no connections. */
char *sys_event_conns_of(struct monitor *monitor, const char *name, uint64_t sequence, size_t *len);
/** The subjects of that, a new and an old one. False: none that can be published. */
bool sys_event_conns_subjects(const char *name, char subjects[2][NATS_EVENT_SUBJECT_MAX]);

/** What is said of the server itself (SHUTDOWN, LAMEDUCK), to be freed. NULL without memory. */
char *sys_event_server(struct monitor *monitor, uint64_t sequence, size_t *len);

#endif
