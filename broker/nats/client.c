/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A NATS client connection: the protocol object between its transport and the commands.
 *
 *     made -> INFO                                    refused: INFO, -ERR, end
 *     data -> parser -> command, one after another    until the input is used up, or
 *                                                     - the turn is over: others first, then the kept input
 *                                                     - a worker's ring is full: wait (tern_worker_wait)
 *                                                     - SUB, UNSUB while too much waits for a grace period: this
 *                                                       one is held, and goes first (tern_worker_wait_limbo)
 *                                                     - the connection ends
 *     lost -> no deliveries; subscriptions removed in slices; freed
 *
 * While input is kept, reading from the transport is paused, so a client can never make the broker hold more
 * than one read of unparsed input plus one message. Whatever stops the input leaves the next operation, a
 * PING for example, unanswered: that is what guarantees O1 and O2 rest on.
 *
 * Ends: parse errors and refusals send their -ERR and close after a flush. Slow consumers are cut off at once.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tern/error.h>
#include <tern/log.h>

#include "account.h"
#include "auth.h"
#include "client.h"
#include "container.h"
#include "events.h"
#include "overflow.h"
#include "pace.h"
#include "permit.h"

size_t nats_client_pending(const struct nats_client *client) {
  size_t pending = tern_transport_pending(client->transport);
  if (client->overflow != NULL) pending += nats_overflow_stats(client).waiting_bytes;
  return pending;
}

struct tern_log_about nats_client_about(const struct nats_client *client, const char *event) {
  const struct tern_peer *peer = tern_transport_peer(client->transport);
  return (struct tern_log_about){.event = event, .ip = peer->address, .port = peer->port, .cid = client->id};
}

void nats_client_queued(struct nats_client *client) {
  if (nats_client_pending(client) > client->worker->settings->limits.max_pending)
    nats_client_slow(client, "Pending Bytes");
}

void nats_client_writev(struct nats_client *client, const struct iovec *parts, int count) {
  if (!nats_overflow_append(client, parts, count)) tern_transport_writev(client->transport, parts, count);
  nats_client_queued(client);
}

void nats_client_send(struct nats_client *client, const char *text, size_t len) {
  if (client->worker->trace) {
    const int plus = text[0] == '+'; /* nats-server shows +OK without it */
    tern_log_event(TERN_LOG_TRACE, nats_client_about(client, "trace_out"), "->> [%.*s]", (int)len - 2 - plus,
                   text + plus);
  }
  nats_client_writev(client, &(struct iovec){.iov_base = (char *)(uintptr_t)text, .iov_len = len}, 1);
}

static void deadline_passed(struct tern_timer *timer) {
  struct nats_client *client = container_of(timer, struct nats_client, write_deadline);
  uint64_t deadline = client->worker->settings->limits.write_deadline_ms;
  uint64_t stalled = tern_transport_stalled_ms(client->transport);
  if (stalled < deadline)
    tern_timer_start(client->worker->loop, timer, deadline - stalled);
  else if (client->flow == NATS_ENDED)
    tern_transport_abort(client->transport, TERN_ESLOW);
  else if (!nats_overflow_is_patient(client)) /* its policy may be newer than the timer */
    nats_client_slow(client, "Write Deadline");
}

static void start_deadline(struct nats_client *client) {
  client->write_deadline.fired = deadline_passed;
  tern_timer_start(client->worker->loop, &client->write_deadline,
                   client->worker->settings->limits.write_deadline_ms);
}

void nats_client_end(struct nats_client *client) {
  if (client->flow == NATS_ENDED) return;
  nats_client_because(client, NATS_PROTOCOL_VIOLATION);
  nats_overflow_flush(client);
  client->flow = NATS_ENDED;
  tern_transport_close(client->transport);
  start_deadline(client); /* for the rest of its output */
}

void nats_client_error(struct nats_client *client, bool close, const char *format, ...) {
  char stack[512], *text = stack;
  va_list args;
  va_start(args, format);
  int len = vsnprintf(stack, sizeof stack, format, args);
  va_end(args);
  if (len >= (int)sizeof stack && (text = malloc((size_t)len + 1)) != NULL) {
    va_start(args, format);
    vsnprintf(text, (size_t)len + 1, format, args);
    va_end(args);
  }
  if (text == NULL) { /* no memory for the long form: the short one is still true */
    text = stack;
    len = (int)sizeof stack - 1;
  }
  tern_counter_add(&client->worker->stats.protocol_errors, 1);
  tern_log_event(TERN_LOG_DEBUG, nats_client_about(client, "client_error"), "-ERR '%s'", text);
  if (client->worker->trace)
    tern_log_event(TERN_LOG_TRACE, nats_client_about(client, "trace_out"), "->> [-ERR %s]", text);
  struct iovec parts[] = {{.iov_base = (char *)(uintptr_t) "-ERR '", .iov_len = 6},
                          {.iov_base = text, .iov_len = (size_t)len},
                          {.iov_base = (char *)(uintptr_t) "'\r\n", .iov_len = 3}};
  if (close) nats_client_because(client, nats_reason_of(text));
  nats_client_writev(client, parts, 3);
  if (text != stack) free(text);
  if (close) nats_client_end(client);
}

void nats_client_slow(struct nats_client *client, const char *why) {
  if (client->flow == NATS_ENDED) return;
  client->flow = NATS_ENDED;
  struct nats_stats *stats = &client->worker->stats;
  const enum nats_reason reason = nats_reason_of(why);
  nats_client_because(client, reason);
  tern_counter_add(&stats->slow_consumers, 1);
  tern_counter_add(reason == NATS_SLOW_DEADLINE ? &stats->slow_deadline : &stats->slow_pending, 1);
  tern_log_event(TERN_LOG_WARN, nats_client_about(client, "slow_consumer"),
                 "Slow Consumer Detected: %s exceeded with %zu bytes pending", why,
                 nats_client_pending(client));
  tern_transport_abort(client->transport, TERN_ESLOW);
}

/* What a parse error means to the client: -ERR or silence, and a line in the log. */
static void parse_failed(struct nats_client *client, int error) {
  static const char *const answers[] = {
      [-TERN_NATS_EUNKNOWN] = "Unknown Protocol Operation",
      [-TERN_NATS_ELINE] = "maximum control line exceeded",
      [-TERN_NATS_EPAYLOAD] = "Maximum Payload Violation",
      [-TERN_NATS_ENOMEM] = NULL,
  };
  static const char *const silent[] = {
      [-TERN_NATS_EARGS] = "wrong number or form of arguments",
      [-TERN_NATS_EHEADERS] = "message headers without headers:true in CONNECT, or with no_header_support",
      [-TERN_NATS_ENOMEM] = "no memory to keep an incomplete operation",
  };
  if (error == TERN_NATS_EPAYLOAD &&
      nats_account_max_payload(client) < client->worker->settings->limits.max_payload)
    tern_counter_add(&client->worker->stats.account_payload, 1);
  if (error != TERN_NATS_ENOMEM && answers[-error] != NULL) {
    tern_log_event(TERN_LOG_ERROR, nats_client_about(client, "protocol_error"), "Client parser error: %s",
                   answers[-error]);
    nats_client_error(client, true, "%s", answers[-error]);
  } else {
    tern_log_event(TERN_LOG_ERROR, nats_client_about(client, "protocol_error"),
                   "Client parser error: %s; closing", silent[-error]);
    tern_counter_add(&client->worker->stats.protocol_errors, 1);
    nats_client_end(client);
  }
}

void nats_client_set_reading(struct nats_client *client) {
  const struct nats_worker *worker = client->worker;
  bool paused = client->flow == NATS_PAUSED || worker->stopping || worker->pressed;
  if (client->reading_paused == paused) return;
  client->reading_paused = paused;
  if (paused)
    tern_transport_pause_reading(client->transport);
  else if (!nats_secure_waits(client))
    tern_transport_resume_reading(client->transport);
}

/* Carries out operations until there are none or something stops the input. */
static void run(struct nats_client *client) {
  struct tern_nats_op op;
  int more = 0;
  client->turn_cost = 0;
  client->worker->glanced = 0;
  while (client->flow == NATS_OPEN && (more = tern_nats_next(&client->parser, &op)) > 0) {
    nats_command(client, &op);
    if (client->turn_cost > NATS_TURN_COST_MAX && client->flow == NATS_OPEN) {
      client->flow = NATS_PAUSED;
      tern_loop_defer(client->worker->loop, &client->turn);
    }
  }
  if (client->flow == NATS_ENDED) {
    tern_nats_reset(&client->parser);
    return;
  }
  if (more == 0 || client->flow == NATS_PAUSED) more = tern_nats_keep(&client->parser);
  if (more < 0) {
    parse_failed(client, more);
    tern_nats_reset(&client->parser);
    return;
  }
  nats_client_set_reading(client);
}

static void on_data(struct tern_protocol *protocol, const struct tern_chunk *chunk) {
  struct nats_client *client = container_of(protocol, struct nats_client, protocol);
  if (client->flow != NATS_OPEN) return; /* ended: whatever comes is ignored */
  if (client->auth != NULL && !nats_auth_may_begin(client, chunk)) return;
  tern_nats_feed(&client->parser, chunk);
  run(client);
}

/* The peer has finished: what it sent has been carried out, what it was sent is flushed. */
static bool on_eof(struct tern_protocol *protocol) {
  struct nats_client *client = container_of(protocol, struct nats_client, protocol);
  nats_client_because(client, NATS_CLIENT_CLOSED);
  nats_client_end(client);
  return false;
}

void nats_client_go_on(struct nats_client *client) {
  if (client->flow != NATS_PAUSED) return;
  client->flow = NATS_OPEN;
  nats_command_held(client);
  run(client);
}

static void wait_over(struct tern_waiter *waiter) {
  nats_client_go_on(container_of(waiter, struct nats_client, waiter));
}

static void client_free(struct nats_client *client) {
  nats_permit_fini(client);
  nats_overflow_free(client);
  nats_connect_fini(&client->options);
  tern_pool_release(tern_loop_pool(client->worker->loop), client, sizeof *client);
}

/* The next turn: more input, or for a lost connection the next slice of subscriptions. */
static void next_turn(struct tern_deferred *deferred) {
  struct nats_client *client = container_of(deferred, struct nats_client, turn);
  if (client->transport == NULL) {
    if (nats_sub_remove_some(client))
      tern_loop_defer(client->worker->loop, deferred);
    else
      client_free(client);
  } else if (client->flow == NATS_PAUSED && !tern_waiter_is_waiting(&client->waiter)) {
    client->flow = NATS_OPEN;
    run(client);
  }
}

static void on_pause_writing(struct tern_protocol *protocol) {
  struct nats_client *client = container_of(protocol, struct nats_client, protocol);
  client->write_paused = true;
  if (client->flow != NATS_ENDED && !nats_overflow_is_patient(client)) start_deadline(client);
}

static void on_resume_writing(struct tern_protocol *protocol) {
  struct nats_client *client = container_of(protocol, struct nats_client, protocol);
  client->write_paused = false;
  if (client->flow == NATS_ENDED) return; /* the deadline is for all that is left */
  tern_timer_stop(client->worker->loop, &client->write_deadline);
  nats_overflow_resume(client);
}

static void on_made(struct tern_protocol *protocol, struct tern_transport *transport) {
  struct nats_client *client = container_of(protocol, struct nats_client, protocol);
  client->transport = transport;
  tern_log_event(TERN_LOG_DEBUG, nats_client_about(client, "client_connected"), "Client connection created");
  if (!nats_auth_start(client)) return;
  if (nats_secure_open(client)) return;
  nats_info_send(client, false);
  nats_client_begin(client);
}

void nats_client_begin(struct nats_client *client) {
  if (client->refused) {
    tern_log_event(TERN_LOG_ERROR, nats_client_about(client, "connections_exceeded"),
                   "maximum connections exceeded");
    nats_client_error(client, true, "maximum connections exceeded");
    return;
  }
  if (!nats_pace_enter(client) || !nats_pace_user(client, nats_auth_name(client))) return;
  nats_auth_begin(client);
  nats_ping_start(client);
}

static struct nats_client **bucket_of(struct nats_worker *worker, uint64_t id) {
  return &worker->by_id[id & (worker->by_id_size - 1)];
}

static void leave_server(struct nats_server *server) {
  /* relaxed: a plain count; pairs with the add in nats_factory */
  atomic_fetch_sub_explicit(&server->connections, 1, memory_order_relaxed);
}

static void on_lost(struct tern_protocol *protocol, int error) {
  struct nats_client *client = container_of(protocol, struct nats_client, protocol);
  struct nats_worker *worker = client->worker;
  if (client->transport != NULL)
    tern_log_event(TERN_LOG_DEBUG, nats_client_about(client, "client_closed"), "Client connection closed: %s",
                   error == 0 ? "Client Closed" : tern_strerror(error));
  nats_closed_add(client, error);
  nats_event_lost(client);
  nats_secure_lost(client);
  client->transport = NULL;
  client->flow = NATS_ENDED;
  tern_nats_reset(&client->parser);
  tern_timer_stop(worker->loop, &client->ping);
  tern_timer_stop(worker->loop, &client->write_deadline);
  tern_waiter_cancel(&client->waiter);
  nats_held_drop(client);
  nats_auth_end(client);
  nats_pace_leave(client);
  nats_account_leave(client);
  if (client->prev != NULL)
    client->prev->next = client->next;
  else
    worker->clients = client->next;
  if (client->next != NULL) client->next->prev = client->prev;
  struct nats_client **at = bucket_of(worker, client->id);
  while (*at != client)
    at = &(*at)->next_by_id;
  *at = client->next_by_id;
  worker->client_count--;
  tern_counter_add(&worker->stats.connections, (uint64_t)-1);
  if (!client->refused) leave_server(worker->server);
  tern_loop_defer(worker->loop, &client->turn); /* frees it, when its subscriptions are gone */
}

const struct tern_protocol_ops nats_client_ops = {
    .connection_made = on_made,
    .data_received = on_data,
    .eof_received = on_eof,
    .connection_lost = on_lost,
    .pause_writing = on_pause_writing,
    .resume_writing = on_resume_writing,
};

/* Keeps the buckets at least as many as the clients. Without memory they stay fewer: slower, not wrong. */
static void grow_buckets(struct nats_worker *worker) {
  if (worker->client_count < worker->by_id_size) return;
  uint32_t size = worker->by_id_size * 2;
  struct nats_client **buckets = calloc(size, sizeof(struct nats_client *));
  if (buckets == NULL) return;
  free(worker->by_id);
  worker->by_id = buckets;
  worker->by_id_size = size;
  for (struct nats_client *c = worker->clients; c != NULL; c = c->next) {
    c->next_by_id = *bucket_of(worker, c->id);
    *bucket_of(worker, c->id) = c;
  }
}

struct tern_protocol *nats_factory(void *arg, struct tern_loop *loop) {
  struct nats_server *server = arg;
  struct nats_worker *worker = server->workers[tern_worker_index(tern_worker_of(loop))];
  struct nats_client *client = tern_pool_alloc(tern_loop_pool(loop), sizeof *client);
  if (client == NULL) {
    tern_log(TERN_LOG_ERROR, "connection refused: no memory for it");
    return NULL;
  }
  memset(client, 0, sizeof *client);
  client->protocol.ops = &nats_client_ops;
  client->worker = worker;
  client->route = worker->routes[0];
  client->waiter.ready = wait_over;
  client->turn.call = next_turn;
  client->active_ms = client->start_ms = tern_loop_now_ms(loop);
  nats_ping_greet(client);
  nats_connect_init(&client->options);
  tern_nats_init(&client->parser, TERN_NATS_FROM_CLIENT, tern_loop_pool(loop));
  tern_nats_set_limits(&client->parser, worker->settings->limits.max_control_line,
                       worker->settings->limits.max_payload);
  /* relaxed: ids need only be unique; the count need only be right in the end (pairs with on_lost) */
  client->id = atomic_fetch_add_explicit(&server->next_id, 1, memory_order_relaxed);
  uint64_t open = atomic_fetch_add_explicit(&server->connections, 1, memory_order_relaxed);
  /* relaxed: pairs with nats_server_refuse */
  bool refuses =
      (atomic_load_explicit(&server->refuses, memory_order_relaxed) & NATS_REFUSES_CONNECTIONS) != 0;
  client->refused = refuses || open >= worker->settings->limits.max_connections;
  if (client->refused)
    tern_counter_add(refuses ? &worker->stats.refused_by_memory : &worker->stats.refused_by_server, 1);
  if (client->refused) leave_server(server); /* the refused must not take places while they linger */
  client->next = worker->clients;
  if (client->next != NULL) client->next->prev = client;
  worker->clients = client;
  worker->client_count++;
  client->next_by_id = *bucket_of(worker, client->id);
  *bucket_of(worker, client->id) = client;
  grow_buckets(worker);
  tern_counter_add(&worker->stats.connections, 1);
  tern_counter_add(&worker->stats.total_connections, 1);
  return &client->protocol;
}

int nats_worker_new(struct nats_server *server, struct tern_worker *on, struct route **routes,
                    struct nats_worker **out) {
  struct nats_worker *worker = calloc(1, sizeof *worker);
  if (worker == NULL) return -ENOMEM;
  worker->by_id_size = 16;
  worker->by_id = calloc(worker->by_id_size, sizeof(struct nats_client *));
  if (worker->by_id == NULL) {
    free(worker);
    return -ENOMEM;
  }
  worker->server = server;
  worker->settings = settings_ref(server->settings);
  worker->routes = routes;
  worker->worker = on;
  worker->loop = tern_worker_loop(on);
  worker->trace = tern_log_enabled(TERN_LOG_TRACE);
  nats_secure_init(worker);
  if (nats_busiest_start(worker) != 0) {
    nats_worker_free(worker);
    return -ENOMEM;
  }
  server->workers[tern_worker_index(on)] = worker;
  *out = worker;
  return 0;
}

void nats_worker_free(struct nats_worker *worker) {
  if (worker == NULL) return;
  settings_unref(worker->settings);
  nats_permit_forget(worker);
  nats_closed_free(&worker->closed);
  nats_busiest_stop(worker);
  free(worker->by_id);
  free(worker);
}

void nats_worker_set_routes(struct nats_worker *worker, struct route **routes) { worker->routes = routes; }

void nats_worker_stop(struct nats_worker *worker) {
  worker->stopping = true;
  for (struct nats_client *client = worker->clients; client != NULL; client = client->next) {
    nats_pace_release(client); /* what was read is carried out all the same, at once */
    nats_client_set_reading(client);
  }
}

bool nats_worker_is_quiet(const struct nats_worker *worker) {
  for (const struct nats_client *client = worker->clients; client != NULL; client = client->next)
    if (client->flow == NATS_PAUSED) return false;
  return true;
}

const struct nats_stats *nats_worker_stats(const struct nats_worker *worker) { return &worker->stats; }

const struct route_stats *nats_worker_route_stats(const struct nats_worker *worker) {
  return worker->routes[0]->stats;
}

struct nats_client *nats_client_find(const struct nats_worker *worker, uint64_t id) {
  struct nats_client *client = worker->by_id[id & (worker->by_id_size - 1)];
  while (client != NULL && client->id != id)
    client = client->next_by_id;
  return client;
}

void nats_untaken(void *arg, uint64_t source, struct tern_slice subject, struct tern_slice reply) {
  struct nats_client *client = nats_client_find(arg, source);
  if (client != NULL && client->flow != NATS_ENDED) nats_no_responders(client, subject, reply);
}
