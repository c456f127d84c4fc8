/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The commands: what each operation of the client protocol does. One table, one function per verb; the parser
 * has checked the form already. The order of checks and answers inside each function is nats-server's, which
 * clients and their test suites rely on.
 *
 * Commands whose effect depends on what has come before (PING, UNSUB with a maximum) first take in what other
 * workers have sent here (guarantee O2).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tern/error.h>
#include <tern/limits.h>
#include <tern/log.h>
#include <tern/subject.h>

#include "account.h"
#include "auth.h"
#include "client.h"
#include "container.h"
#include "events.h"
#include "mappings.h"
#include "overflow.h"
#include "pace.h"
#include "permit.h"

#define OK_LINE "+OK\r\n"
/* What these cost a connection's turn, in deliveries. A new queue group copies the list of the filter's groups, which
 * is long where a client makes it long. */
#define SUB_COST          20
#define QUEUE_SUB_COST    250
#define FILTER_COST_BYTES 4  /* of a filter count as one: its tokens are looked up one by one */
#define INBOX_COST_BYTES  16 /* of records that are handled out of turn */

static void acknowledge(struct nats_client *client) {
  if (client->options.verbose) nats_client_send(client, OK_LINE, sizeof OK_LINE - 1);
}

static void active(struct nats_client *client) { client->active_ms = tern_loop_now_ms(client->worker->loop); }

static bool starts_with(struct tern_slice text, const char *prefix) {
  size_t len = strlen(prefix);
  return text.len >= len && memcmp(text.ptr, prefix, len) == 0;
}

static const char *or_none(const char *text) { return text != NULL ? text : "-"; }

void nats_connected(struct nats_client *client) {
  struct nats_connect *options = &client->options;
  if (client->worker->settings->limits.no_headers) options->headers = false;
  if ((options->account != NULL && options->account[0] != '\0') || options->new_account) {
    nats_client_error(client, true, "Authorization Violation");
  } else if (options->no_responders && !options->headers) {
    nats_client_error(client, true, "no responders requires headers support");
  } else {
    tern_nats_set_headers(&client->parser, options->headers);
    if (nats_overflow_adopt(client) != 0)
      tern_log_event(TERN_LOG_ERROR, nats_client_about(client, "no_memory"),
                     "no memory for its overflow policy");
    acknowledge(client);
    if (!client->connected) nats_ping_connected(client);
    tern_log_event(TERN_LOG_DEBUG, nats_client_about(client, "client_identified"),
                   "connected: name %s, %s %s", or_none(options->name), or_none(options->lang),
                   or_none(options->version));
    const bool first = !client->connected;
    client->connected = true;
    if (first) nats_event_connected(client);
  }
}

static void on_connect(struct nats_client *client, const struct tern_nats_op *op) {
  struct nats_connect *options = &client->options;
  if (!client->connected) nats_ping_greeted(client);
  const bool ask = nats_auth_is_asked(client);
  struct nats_credentials *said = ask ? calloc(1, sizeof *said) : NULL;
  int error = ask && said == NULL ? -ENOMEM : nats_connect_parse_all(options, said, op->arg);
  if (error != 0) {
    tern_log_event(
        TERN_LOG_ERROR, nats_client_about(client, "connect_refused"), "CONNECT refused: %s",
        error == -EINVAL ? "not a JSON object with fields of the right types" : tern_strerror(error));
    nats_client_end(client);
  } else if (options->protocol < 0 || options->protocol > 1) {
    nats_client_error(client, true, "invalid client protocol");
  } else if (ask) {
    nats_auth_connect(client, said); /* says nats_connected, at once or later */
    return;
  } else {
    nats_connected(client);
  }
  nats_credentials_free(said);
}

static bool is_plain_of(struct tern_sink *sink, void *arg) {
  struct nats_client *client = arg;
  client->turn_cost++; /* there may be very many to look at */
  return nats_sub_client(container_of(sink, struct nats_sub, sink)) == client;
}

void nats_no_responders(struct nats_client *client, struct tern_slice subject, struct tern_slice reply) {
  struct tern_sink *sink = tern_index_find(client->route->index, reply, is_plain_of, client);
  if (sink == NULL) return;
  struct nats_sub *sub = container_of(sink, struct nats_sub, sink);
  char body[64];
  size_t len = subject.len + sizeof "NATS/1.0 503\r\nNats-Subject: \r\n\r\n" - 1;
  int digits = snprintf(body, sizeof body, " %zu %zu\r\n", len, len);
  struct iovec parts[] = {
      {.iov_base = (char *)(uintptr_t) "HMSG ", .iov_len = 5},
      {.iov_base = (char *)(uintptr_t)reply.ptr, .iov_len = reply.len},
      {.iov_base = (char *)(uintptr_t) " ", .iov_len = 1},
      {.iov_base = sub->sid, .iov_len = sub->sid_len},
      {.iov_base = body, .iov_len = (size_t)digits},
      {.iov_base = (char *)(uintptr_t) "NATS/1.0 503\r\nNats-Subject: ", .iov_len = 28},
      {.iov_base = (char *)(uintptr_t)subject.ptr, .iov_len = subject.len},
      {.iov_base = (char *)(uintptr_t) "\r\n\r\n\r\n", .iov_len = 6},
  };
  nats_client_writev(client, parts, 8);
}

/* Is there anything to be asked about this subject? Almost always its first byte says no. */
static inline bool must_judge(const struct nats_client *client, struct tern_slice subject) {
  return subject.ptr[0] == '_' || subject.ptr[0] == '$' || client->permissions != NULL;
}

static bool is_reserved(struct tern_slice subject) {
  return starts_with(subject, "_GR_.") || starts_with(subject, "$NRG.");
}

/* Subjects the client, or all of them, may not publish to, and replies they may not use. False when refused. */
static bool may_publish(struct nats_client *client, const struct tern_nats_op *op) {
  if (is_reserved(op->subject) ||
      (client->permissions != NULL && !nats_permit_publish(client, op->subject))) {
    nats_violation(client, "Publish to", op->subject, "");
    return false;
  }
  if (starts_with(op->reply, "_R_.") || starts_with(op->reply, "_GR_.") ||
      starts_with(op->reply, "$JS.ACK.")) {
    nats_violation(client, "Publish with Reply of", op->reply, "");
    return false;
  }
  return true;
}

/* Puts a publish on the account of its source: its turn, and the pause when a worker it went to is congested. */
static void charge(struct nats_client *client, const struct route_result *result) {
  struct tern_worker *worker = client->worker->worker;
  client->turn_cost += result->cost;
  if (result->workers != 0 && tern_worker_any_congested(worker, result->workers) &&
      client->flow == NATS_OPEN) {
    client->flow = NATS_PAUSED;
    tern_counter_add(&client->worker->stats.stalled, 1);
    tern_worker_wait(worker, &client->waiter);
  }
}

/* Nothing but the delivery may be due for each message of a run. */
static bool may_run(const struct nats_client *client, const struct tern_nats_op *op, uint64_t hash) {
  return op->reply.len == 0 && op->body.len <= TERN_COPY_MAX_BYTES && !client->options.verbose &&
         !client->options.pedantic && !client->worker->trace && client->route->mappings == NULL &&
         !client->paced && (client->answers == NULL || nats_permit_publish_all(client, op->subject, hash));
}

/*
 * What follows with the same line as op, which was m and had this result, goes as runs: as many messages at a time as the
 * turn has room for, judged by what the last ones have cost; or one at a time where that says nothing. Not inlined:
 * messages of their own shall not pay for this one's registers.
 */
__attribute__((noinline)) static bool publish_repeats(struct nats_client *client,
                                                      const struct tern_nats_op *op, struct tern_message *m,
                                                      struct route_result *result) {
  uint32_t count = 1, last;
  bool any = false;
  while (client->flow == NATS_OPEN && client->turn_cost <= NATS_TURN_COST_MAX) {
    uint64_t room = (uint64_t)(NATS_TURN_COST_MAX - client->turn_cost) * count + 1;
    if (result->cost > 1) room = room / result->cost + 1;
    if (result->single) room = 1;
    last = count;
    count = tern_nats_take_repeats(&client->parser, op, (uint32_t)room, &m->stride);
    if (count == 0) break;
    any = true;
    m->body.ptr += (size_t)m->stride * last;
    nats_count_in(client, count, count * op->body.len);
    m->more = count - 1;
    *result = route_publish(client->route, m, 0);
    nats_sample(client, m, count);
    charge(client, result);
  }
  return any;
}

/* May the client publish there whatever has come before? */
static bool is_free(const struct nats_client *client, const struct tern_message *m) {
  return !is_reserved(m->subject) &&
         (client->permissions == NULL || nats_permit_publish_all(client, m->subject, m->hash));
}

/* Takes PUBs that follow, up to one that is a matter for nats_command, or the second of a run, unless runs do not go as
 * one. Returns how many. Compiled once for each answer to that. */
static inline __attribute__((always_inline)) uint32_t take_list(struct nats_client *client,
                                                                struct tern_message *list, bool no_runs) {
  struct tern_nats_parser *parser = &client->parser;
  uint32_t count = 0;
  while (count < ROUTE_LIST_MAX) {
    struct tern_message *m = &list[count], *before = count > 0 ? m - 1 : NULL;
    int taken = tern_nats_take_pub(parser, no_runs ? before : NULL, m);
    if (taken == 0) break;
    m->hash = taken == 2 && before != NULL ? before->hash : tern_subject_hash(m->subject);
    bool again = !no_runs && before != NULL && m->hash == before->hash && m->body.len == before->body.len;
    if (again || m->body.len > TERN_COPY_MAX_BYTES) {
      tern_nats_give_back(parser, m);
      break;
    }
    uint32_t end = count + 1;
    if (taken == 1) end += tern_nats_take_alike(parser, m, ROUTE_LIST_MAX - end);
    for (uint32_t first = count; count < end; count++, m++) {
      if (count > first) m->hash = tern_subject_hash(m->subject);
      if (must_judge(client, m->subject) && !is_free(client, m)) {
        tern_nats_give_back(parser, m);
        return count;
      }
      m->source = client->id;
    }
  }
  return count;
}

/* What follows with lines of its own goes as lists. Not inlined: as above. */
__attribute__((noinline)) static void publish_lists(struct nats_client *client, bool no_runs) {
  struct nats_worker *worker = client->worker;
  struct tern_message *list = worker->list;
  uint32_t count = ROUTE_LIST_MAX;
  while (count == ROUTE_LIST_MAX && client->flow == NATS_OPEN && client->turn_cost <= NATS_TURN_COST_MAX) {
    count = no_runs ? take_list(client, list, true) : take_list(client, list, false);
    if (count == 0) return;
    struct route_result result = {0};
    uint32_t done =
        route_publish_list(client->route, list, count, NATS_TURN_COST_MAX - client->turn_cost, &result);
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < done; i++)
      bytes += list[i].body.len;
    nats_count_in(client, done, bytes);
    nats_sample(client, list, done);
    charge(client, &result);
    no_runs = result.single;
    if (done < count) tern_nats_give_back(&client->parser, &list[done]);
  }
}

/* PUB and HPUB; published: the subject as the client wrote it. */
static inline void publish(struct nats_client *client, const struct tern_nats_op *op,
                           struct tern_slice published) {
  active(client);
  nats_count_in(client, 1, op->body.len);
  if (client->options.pedantic && !tern_subject_is_literal(published))
    nats_client_error(client, false, "Invalid Publish Subject");
  if ((must_judge(client, op->subject) || op->reply.len > 0) && !may_publish(client, op)) return;
  acknowledge(client);
  struct tern_message m = {
      .subject = op->subject,
      .reply = op->reply,
      .body = op->body,
      .header_len = op->header_len,
      .header_text = op->header_text,
      .size_text = op->size_text,
      .owner = op->owner,
      .hash = tern_subject_hash(op->subject),
      .source = client->id,
  };
  bool tell = client->options.no_responders && op->reply.len > 0;
  struct route_result result = route_publish(client->route, &m, tell ? ROUTE_TELL_UNTAKEN : 0);
  if (tell && result.receivers == 0) nats_no_responders(client, published, op->reply);
  nats_sample(client, &m, 1);
  charge(client, &result);
  if (client->paced) nats_pace_charge(client, op->body.len);
  if (!may_run(client, op, m.hash)) {
    if (op->body.len > TERN_COPY_MAX_BYTES) nats_busiest_take_large(client, &m);
    return;
  }
  if (!result.single && tern_nats_may_repeat(&client->parser, op) && publish_repeats(client, op, &m, &result))
    return;
  publish_lists(client, result.single);
}

/* In an account that has mappings the subject becomes another one first. */
__attribute__((noinline)) static void publish_mapped(struct nats_client *client,
                                                     const struct tern_nats_op *op) {
  char text[4096];
  size_t room = tern_worker_record_max(client->worker->worker) / ROUTE_WORDS_SHARE;
  room = room > op->reply.len ? room - op->reply.len : 0;
  size_t len = mappings_apply(client->route->mappings, op->subject, route_draw(client->route, 100), text,
                              room < sizeof text ? room : sizeof text);
  if (len == SIZE_MAX) {
    tern_log_event(TERN_LOG_ERROR, nats_client_about(client, "message_dropped"),
                   "what a mapping makes of a subject is too long; message dropped");
    return;
  }
  struct tern_nats_op mapped = *op;
  if (len > 0) mapped.subject = (struct tern_slice){text, len};
  publish(client, &mapped, op->subject);
}

static void on_pub(struct nats_client *client, const struct tern_nats_op *op) {
  if (client->route->mappings == NULL)
    publish(client, op, op->subject);
  else
    publish_mapped(client, op);
}

static bool may_subscribe(struct nats_client *client, const struct tern_nats_op *op) {
  const struct nats_limits *limits = &client->worker->settings->limits;
  bool reserved = op->group.len == 5 && memcmp(op->group.ptr, "_sys_", 5) == 0;
  if (reserved || (client->permissions != NULL &&
                   !permissions_may_subscribe(client->permissions, op->subject, op->group))) {
    if (op->group.len > 0)
      nats_violation_of_two(client, "Subscription to", op->subject, " using queue ", op->group, "");
    else
      nats_violation(client, "Subscription to", op->subject, "");
    return false;
  }
  if (limits->max_subscription_tokens != 0 &&
      tern_subject_tokens(op->subject) > limits->max_subscription_tokens) {
    nats_violation(client, "Subscription to", op->subject, ", too many tokens");
    return false;
  }
  /* relaxed: pairs with nats_server_refuse */
  if (atomic_load_explicit(&client->worker->server->refuses, memory_order_relaxed) &
      NATS_REFUSES_SUBSCRIPTIONS) {
    tern_counter_add(&client->worker->stats.refused_by_memory, 1);
    nats_client_error(client, false, "maximum subscriptions exceeded");
    return false;
  }
  const uint32_t max = nats_account_max_subscriptions(client);
  if (client->sids.count >= max) {
    struct nats_stats *stats = &client->worker->stats;
    tern_counter_add(
        max == limits->max_subscriptions ? &stats->refused_by_connection : &stats->account_subscriptions, 1);
    nats_client_error(client, false, "maximum subscriptions exceeded");
    return false;
  }
  return true;
}

static struct tern_slice move_word(char **to, struct tern_slice word) {
  struct tern_slice moved = {*to, word.len};
  if (word.len > 0) memcpy(*to, word.ptr, word.len);
  *to += word.len;
  return moved;
}

/* SUB and UNSUB make garbage that waits for a grace period. While too much of it waits, they wait, too: true when the
 * operation is held, for nats_command_held. The connection reads no further meanwhile, the others are not concerned. */
static bool must_wait(struct nats_client *client, const struct tern_nats_op *op) {
  struct nats_worker *worker = client->worker;
  if (!tern_worker_limbo_is_full(worker->worker)) return false;
  struct tern_nats_op words = {.verb = op->verb, .sid = op->sid};
  if (op->verb == TERN_NATS_UNSUB) {
    words.max = op->max;
  } else {
    words.subject = op->subject;
    words.group = op->group;
  }
  size_t size = sizeof(struct nats_held) + words.subject.len + words.group.len + words.sid.len;
  struct nats_held *held = tern_pool_alloc(tern_loop_pool(worker->loop), size);
  if (held == NULL) {
    tern_log_event(TERN_LOG_ERROR, nats_client_about(client, "no_memory"),
                   "no memory to hold back a SUB or UNSUB; closing");
    nats_client_end(client);
    return true;
  }
  char *to = held->text;
  held->op = words;
  held->op.subject = move_word(&to, words.subject);
  held->op.group = move_word(&to, words.group);
  held->op.sid = move_word(&to, words.sid);
  held->size = size;
  client->held = held;
  client->flow = NATS_PAUSED;
  tern_worker_wait_limbo(worker->worker, &client->waiter);
  return true;
}

/* A subscription that silently is not there, or does not end, would be worse than a reconnect. */
static void no_memory(struct nats_client *client) {
  tern_log_event(TERN_LOG_ERROR, nats_client_about(client, "no_memory"),
                 "no memory for a subscription; closing");
  nats_client_end(client);
}

static void on_sub(struct nats_client *client, const struct tern_nats_op *op) {
  if (must_wait(client, op)) return;
  active(client);
  client->turn_cost += op->group.len > 0 ? QUEUE_SUB_COST : SUB_COST;
  client->turn_cost += (uint32_t)op->subject.len / FILTER_COST_BYTES;
  if (client->worker->glanced > 1)
    client->worker->glanced--;
  else
    nats_sub_look_ahead(client);
  if (!may_subscribe(client, op)) return;
  if (nats_sub_find(client, op->sid) == NULL) {
    int error = nats_sub_add(client, op->subject, op->group, op->sid);
    if (error == TERN_ESUBJECT) {
      nats_client_error(client, false, "Invalid Subject");
      return;
    }
    if (error != 0) {
      no_memory(client);
      return;
    }
  }
  acknowledge(client);
}

/* Takes in what other workers have sent until now. */
static void take_in(struct nats_client *client) {
  client->turn_cost += (uint32_t)(tern_worker_drain_inbox(client->worker->worker) / INBOX_COST_BYTES);
}

static void on_unsub(struct nats_client *client, const struct tern_nats_op *op) {
  if (must_wait(client, op)) return;
  active(client);
  client->turn_cost += SUB_COST;
  take_in(client); /* what came before counts towards max */
  struct nats_sub *sub = nats_sub_find(client, op->sid);
  if (sub != NULL) {
    client->turn_cost += (uint32_t)tern_sink_filter(&sub->sink).len / FILTER_COST_BYTES;
    if (op->max == 0) {
      nats_sub_remove(sub);
    } else if (nats_sub_limit(sub, (uint64_t)op->max) != 0) {
      no_memory(client);
      return;
    }
  }
  acknowledge(client);
}

static void on_ping(struct nats_client *client, const struct tern_nats_op *op) {
  (void)op;
  active(client);
  take_in(client); /* O2 */
  nats_client_send(client, "PONG\r\n", 6);
  if (client->ponged) return;
  client->ponged = true;
  if (client->connected && client->options.protocol >= 1) nats_info_send(client, true);
}

static void on_pong(struct nats_client *client, const struct tern_nats_op *op) {
  (void)op;
  nats_ping_answered(client);
}

static void on_ok(struct nats_client *client, const struct tern_nats_op *op) {
  (void)client, (void)op; /* clients may say +OK; it means nothing */
}

static void on_err(struct nats_client *client, const struct tern_nats_op *op) {
  tern_log_event(TERN_LOG_ERROR, nats_client_about(client, "protocol_error"), "Client Error %.*s; closing",
                 (int)op->arg.len, op->arg.ptr);
  nats_client_because(client, NATS_PARSE_ERROR);
  nats_client_end(client);
}

/* INFO from a client has no effect, but must be JSON of an object: CONNECT's reader checks just that. */
static void on_info(struct nats_client *client, const struct tern_nats_op *op) {
  struct nats_connect ignored;
  nats_connect_init(&ignored);
  int error = nats_connect_parse(&ignored, op->arg);
  nats_connect_fini(&ignored);
  if (error == 0) return;
  tern_log_event(TERN_LOG_ERROR, nats_client_about(client, "protocol_error"),
                 "INFO that is not JSON; closing");
  nats_client_end(client);
}

static void (*const commands[])(struct nats_client *client, const struct tern_nats_op *op) = {
    [TERN_NATS_CONNECT] = on_connect, [TERN_NATS_PUB] = on_pub,     [TERN_NATS_HPUB] = on_pub,
    [TERN_NATS_SUB] = on_sub,         [TERN_NATS_UNSUB] = on_unsub, [TERN_NATS_PING] = on_ping,
    [TERN_NATS_PONG] = on_pong,       [TERN_NATS_OK] = on_ok,       [TERN_NATS_ERR] = on_err,
    [TERN_NATS_INFO] = on_info,
};

void nats_command(struct nats_client *client, const struct tern_nats_op *op) {
  if (client->worker->trace) nats_trace(client, op);
  commands[op->verb](client, op);
}

void nats_held_drop(struct nats_client *client) {
  if (client->held == NULL) return;
  tern_pool_release(tern_loop_pool(client->worker->loop), client->held, client->held->size);
  client->held = NULL;
}

void nats_command_held(struct nats_client *client) {
  struct nats_held *held = client->held;
  if (held == NULL) return;
  client->held = NULL;
  commands[held->op.verb](client, &held->op);
  tern_pool_release(tern_loop_pool(client->worker->loop), held, held->size);
}
