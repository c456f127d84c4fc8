/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See interest.h. Plain subscriptions are counted by each worker, which alone knows how many it has. What is shared, groups
 * and handlers, is in the match of any of them: the first worker's says it. The call runs on the worker, the rest on the
 * thread that asks.
 */
#include "interest.h"

#include <errno.h>
#include <string.h>

#include <tern/subject.h>

#include "client.h"

struct asking {
  const struct nats_server *server;
  uint32_t account;
  struct tern_slice subject;
  uint64_t hash;
  struct nats_interest *out;
  int error;
};

static void add_groups(struct nats_interest *out, const struct tern_match *match) {
  for (uint32_t i = 0; i < match->group_count; i++) {
    const struct tern_match_group *group = &match->groups[i];
    out->groups++;
    out->members += group->weight;
    if (out->listed == NATS_INTEREST_GROUPS) continue;
    struct nats_interest_group *to = &out->list[out->listed++];
    to->members = group->weight;
    to->workers = group->worker_count;
    to->len = (uint32_t)group->name.len;
    memcpy(to->name, group->name.ptr,
           group->name.len < NATS_INTEREST_NAME_BYTES ? group->name.len : NATS_INTEREST_NAME_BYTES);
  }
}

static void call_match(struct tern_worker *on, void *arg) {
  struct asking *a = arg;
  const struct nats_worker *worker = a->server->workers[tern_worker_index(on)];
  struct tern_index *index = worker->routes[a->account]->index;
  const struct tern_match *match = tern_index_match(index, a->subject, a->hash);
  if (match == NULL) {
    a->error = -ENOMEM;
    return;
  }
  uint64_t plain = 0, members = 0;
  for (uint32_t i = 0; i < match->local_count; i++)
    plain += match->local[i]->count;
  for (uint32_t i = 0; i < match->group_count; i++)
    members += match->groups[i].local_count;
  a->out->subscriptions += plain;
  a->out->workers += plain + members > 0;
  if (tern_worker_index(on) == 0) {
    a->out->handlers = match->handler_count;
    add_groups(a->out, match);
  }
  tern_index_done(index, match);
}

int nats_interest_find(const struct nats_server *server, struct tern_workers *workers, uint32_t account,
                       struct tern_slice subject, struct nats_interest *out) {
  struct asking a = {.server = server,
                     .account = account,
                     .subject = subject,
                     .hash = tern_subject_hash(subject),
                     .out = out};
  memset(out, 0, sizeof *out);
  for (unsigned i = 0; i < tern_workers_count(workers) && a.error == 0; i++) {
    const int error = tern_workers_call(workers, i, call_match, &a);
    if (error != 0) a.error = error;
  }
  return a.error;
}
