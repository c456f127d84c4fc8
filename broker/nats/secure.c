/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a connection begins where TLS is to be had. Until it is clear whether the client wants TLS, and then until the
 * handshake is complete, its protocol has the callbacks of this file; what it is in between is in struct nats_opening,
 * which is freed then. Connections without TLS never come here.
 *
 *                   handshake_first      else
 *     made          (wait) -- "auto" --> INFO in clear
 *     first byte    0x16: TLS   else, with allow_non_tls: go on in clear   else: end, nothing is said
 *     secured       INFO, if it has not been said; now CONNECT may come, and the time for it counts
 *
 * A handshake costs as much as thousands of messages. Its steps are done by helpers (server->helpers); what is left to
 * the worker, the session and its end, is still so much that it begins HANDSHAKES_MAX of them in a tick. Those of a
 * crowd wait their turn, reading paused, while everything else goes on.
 *
 * An opening goes by the settings it began with, whatever is reloaded meanwhile. Thread: the client's worker.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <tern/error.h>
#include <tern/limits.h>
#include <tern/log.h>
#include <tern/tls.h>

#include "client.h"
#include "container.h"

#define FIRST_BYTE_OF_TLS 0x16 /* a record of the handshake */
#define HANDSHAKES_MAX    2

struct nats_opening {
  struct nats_client *client;
  struct settings *settings;         /* a reference */
  struct tern_timer timer;           /* INFO is due, or the handshake is late */
  uint64_t until_ms;                 /* when it is late */
  bool told;                         /* INFO has been sent, in clear */
  bool wanted;                       /* the handshake: the client has begun it */
  bool begun;                        /* and so has this end */
  struct tern_chunk first;           /* the client's first bytes, while they wait for their turn */
  struct nats_opening *next, **prev; /* those who wait; prev is NULL: not among them */
};

static void leave_queue(struct nats_opening *opening) {
  if (opening->prev == NULL) return;
  *opening->prev = opening->next;
  if (opening->next != NULL)
    opening->next->prev = opening->prev;
  else
    opening->client->worker->openings_end = opening->prev;
  opening->next = NULL;
  opening->prev = NULL;
}

static void forget(struct nats_client *client) {
  struct nats_opening *opening = client->opening;
  struct nats_worker *worker = client->worker;
  if (opening->wanted) tern_counter_add(&worker->stats.tls_pending, (uint64_t)-1);
  leave_queue(opening);
  tern_timer_stop(worker->loop, &opening->timer);
  if (opening->first.owner != NULL) tern_buf_unref(opening->first.owner);
  settings_unref(opening->settings);
  tern_pool_release(tern_loop_pool(worker->loop), opening, sizeof *opening);
  client->opening = NULL;
}

/* Ends a connection that has failed to begin; what is queued in clear still leaves. */
static void give_up(struct nats_client *client, const char *why) {
  tern_log_event(TERN_LOG_ERROR, nats_client_about(client, "tls_failed"), "TLS handshake error: %s", why);
  nats_client_because(client, NATS_TLS_FAILURE);
  tern_counter_add(&client->worker->stats.tls_failed, 1);
  nats_client_end(client);
}

/* ---- the handshake ---- */

static uint32_t time_left(const struct nats_opening *opening) {
  uint64_t now = tern_loop_now_ms(opening->client->worker->loop);
  return opening->until_ms > now ? (uint32_t)(opening->until_ms - now) : 1;
}

static void start_handshake(struct nats_opening *opening, const struct tern_chunk *first) {
  struct nats_client *client = opening->client;
  struct tern_tls_start how = {
      .handshake_ms = time_left(opening), .first = first, .helpers = client->worker->server->helpers};
  opening->begun = true;
  tern_timer_stop(client->worker->loop, &opening->timer);
  int error = tern_tls_start(client->transport, &client->protocol, opening->settings->tls.context, &how,
                             &client->transport);
  if (error == 0) return;
  tern_log_event(TERN_LOG_ERROR, nats_client_about(client, "tls_failed"), "TLS cannot begin: %s",
                 tern_strerror(error));
  nats_client_because(client, NATS_TLS_FAILURE);
  if (error != TERN_ETLS) /* else counted when it is lost */
    tern_counter_add(&client->worker->stats.tls_failed, 1);
  tern_transport_abort(client->transport, error);
}

/* Those who waited longest. */
static void next_handshakes(struct tern_deferred *deferred) {
  struct nats_worker *worker = container_of(deferred, struct nats_worker, next_openings);
  worker->handshakes = 0;
  while (worker->openings != NULL && worker->handshakes < HANDSHAKES_MAX) {
    struct nats_opening *opening = worker->openings;
    struct nats_client *client = opening->client;
    leave_queue(opening);
    if (client->flow == NATS_ENDED) continue; /* its time was over */
    worker->handshakes++;
    start_handshake(opening, &opening->first);
    if (!client->reading_paused) tern_transport_resume_reading(client->transport);
  }
  if (worker->handshakes > 0) tern_loop_defer(worker->loop, deferred);
}

/* A hello is short; many of them shall not hold a read buffer each (B1). */
static struct tern_buf *own(struct nats_client *client, const struct tern_chunk *chunk) {
  if (chunk->owner != NULL && chunk->len > TERN_COPY_MAX_BYTES) {
    tern_buf_ref(chunk->owner);
    return chunk->owner;
  }
  struct tern_buf *copy = tern_buf_new(tern_loop_pool(client->worker->loop), chunk->len);
  if (copy != NULL) memcpy(tern_buf_data(copy), chunk->data, chunk->len);
  return copy;
}

static void wait_for_turn(struct nats_opening *opening, const struct tern_chunk *chunk) {
  struct nats_client *client = opening->client;
  struct tern_buf *buf = own(client, chunk);
  if (buf == NULL) {
    tern_transport_abort(client->transport, -ENOMEM);
    return;
  }
  opening->first = (struct tern_chunk){
      .data = buf == chunk->owner ? chunk->data : tern_buf_data(buf), .len = chunk->len, .owner = buf};
  tern_transport_pause_reading(client->transport);
  opening->prev = client->worker->openings_end;
  *opening->prev = opening;
  client->worker->openings_end = &opening->next;
}

static void want_handshake(struct nats_opening *opening, const struct tern_chunk *chunk) {
  struct nats_worker *worker = opening->client->worker;
  if (opening->begun) return;
  opening->wanted = true;
  tern_counter_add(&worker->stats.tls_pending, 1);
  tern_timer_stop(worker->loop, &opening->client->ping); /* starts again when CONNECT may come */
  if (worker->handshakes < HANDSHAKES_MAX) {
    worker->handshakes++;
    start_handshake(opening, chunk);
  } else {
    wait_for_turn(opening, chunk);
  }
  tern_loop_defer(worker->loop, &worker->next_openings);
}

/* ---- what may come first ---- */

/* INFO in clear; from here on the client goes by what it said. */
static void tell(struct nats_opening *opening) {
  struct nats_client *client = opening->client;
  opening->told = true;
  settings_unref(opening->settings);
  opening->settings = settings_ref(client->worker->settings);
  nats_info_send(client, false);
}

static void go_on_in_clear(struct nats_client *client, bool told) {
  forget(client);
  client->protocol.ops = &nats_client_ops;
  if (told) return;
  nats_info_send(client, false);
  nats_client_begin(client);
}

/* The time is over: to wait for a client that begins by itself, or for the handshake. */
static void time_over(struct tern_timer *timer) {
  struct nats_opening *opening = container_of(timer, struct nats_opening, timer);
  struct nats_client *client = opening->client;
  if (client->flow == NATS_ENDED) return;
  if (opening->told || opening->settings->tls.first_wait_ms == 0) {
    give_up(client, "it took too long");
    return;
  }
  tell(opening);
  if (opening->settings->tls.context == NULL)
    go_on_in_clear(client, true), nats_client_begin(client);
  else if (opening->settings->tls.allow_plain)
    nats_client_begin(client);
  else
    tern_timer_start(client->worker->loop, timer, time_left(opening));
}

static struct nats_client *client_of(struct tern_protocol *protocol) {
  return container_of(protocol, struct nats_client, protocol);
}

static void on_data(struct tern_protocol *protocol, const struct tern_chunk *chunk) {
  struct nats_client *client = client_of(protocol);
  struct nats_opening *opening = client->opening;
  if (client->flow == NATS_ENDED) return;
  if ((unsigned char)chunk->data[0] == FIRST_BYTE_OF_TLS) {
    want_handshake(opening, chunk);
  } else if (opening->settings->tls.allow_plain) {
    go_on_in_clear(client, opening->told);
    nats_client_ops.data_received(protocol, chunk);
  } else {
    give_up(client, "what came is not TLS");
  }
}

/* The gauge of a version. */
static struct tern_counter *connections_of(struct nats_stats *stats, const struct tern_tls_info *info) {
  return strcmp(info->version, "1.2") == 0 ? &stats->tls_12 : &stats->tls_13;
}

static void count_secured(struct nats_client *client, const struct tern_tls_info *info) {
  struct nats_stats *stats = &client->worker->stats;
  tern_counter_add(&stats->tls_handshakes, 1);
  if (info->resumed) tern_counter_add(&stats->tls_resumed, 1);
  tern_counter_add(connections_of(stats, info), 1);
}

void nats_secure_lost(const struct nats_client *client) {
  struct tern_tls_info info;
  if (client->protocol.ops != &nats_client_ops)
    return; /* its handshake ended when it was closing: not counted */
  if (client->transport == NULL || !tern_tls_info(client->transport, &info)) return;
  tern_counter_add(connections_of(&client->worker->stats, &info), (uint64_t)-1);
}

static void on_secured(struct tern_protocol *protocol) {
  struct nats_client *client = client_of(protocol);
  const bool told = client->opening->told;
  struct tern_tls_info info;
  if (tern_tls_info(client->transport, &info)) {
    count_secured(client, &info);
    tern_log_event(TERN_LOG_DEBUG, nats_client_about(client, "tls_secured"),
                   "TLS handshake complete, version %s, cipher suite %s", info.version, info.cipher);
  }
  forget(client);
  client->protocol.ops = &nats_client_ops;
  client->tls_first = !told;
  if (!told) nats_info_send(client, false);
  nats_client_begin(client);
}

static bool on_eof(struct tern_protocol *protocol) { return nats_client_ops.eof_received(protocol); }

static void on_lost(struct tern_protocol *protocol, int error) {
  struct nats_client *client = client_of(protocol);
  if (error == TERN_ETLS) {
    nats_client_because(client, NATS_TLS_FAILURE);
    tern_counter_add(&client->worker->stats.tls_failed, 1);
  }
  forget(client);
  nats_client_ops.connection_lost(protocol, error);
}

static void on_pause_writing(struct tern_protocol *protocol) { nats_client_ops.pause_writing(protocol); }

static void on_resume_writing(struct tern_protocol *protocol) { nats_client_ops.resume_writing(protocol); }

static const struct tern_protocol_ops opening_ops = {
    .data_received = on_data,
    .eof_received = on_eof,
    .connection_lost = on_lost,
    .pause_writing = on_pause_writing,
    .resume_writing = on_resume_writing,
    .secured = on_secured,
};

/* ---- beginning ---- */

static bool is_for(const struct nats_client *client, const struct tls_settings *tls) {
  return tls->context != NULL && strcmp(tern_transport_peer(client->transport)->kind, "unix") != 0;
}

bool nats_secure_waits(const struct nats_client *client) {
  return client->opening != NULL && client->opening->prev != NULL;
}

const char *nats_secure_fields(const struct nats_client *client) {
  const struct tls_settings *tls = &client->worker->settings->tls;
  if (!is_for(client, tls)) return "";
  if (tls->allow_plain)
    return tls->verify ? ",\"tls_available\":true,\"tls_verify\":true" : ",\"tls_available\":true";
  return tls->verify ? ",\"tls_required\":true,\"tls_verify\":true" : ",\"tls_required\":true";
}

/* connection_rate_limit: so many in a second of the clock, over all workers. */
static bool may_come(struct nats_server *server, uint32_t rate, uint64_t now_ms) {
  const uint64_t second = (now_ms / 1000) << 32;
  uint64_t was, now;
  if (rate == 0) return true;
  /* relaxed: the second and its count are one word, and say nothing about other data (pairs with the exchange below) */
  was = atomic_load_explicit(&server->secured, memory_order_relaxed);
  do {
    now = (was & ~(uint64_t)UINT32_MAX) == second ? was + 1 : second + 1;
    if ((uint32_t)now > rate) return false;
    /* relaxed, both: as above (pairs with itself on other workers) */
  } while (!atomic_compare_exchange_weak_explicit(&server->secured, &was, now, memory_order_relaxed,
                                                  memory_order_relaxed));
  return true;
}

void nats_secure_init(struct nats_worker *worker) {
  worker->openings_end = &worker->openings;
  worker->next_openings.call = next_handshakes;
}

bool nats_secure_open(struct nats_client *client) {
  struct nats_worker *worker = client->worker;
  const struct tls_settings *tls = &worker->settings->tls;
  const uint64_t now = tern_loop_now_ms(worker->loop);
  if (!is_for(client, tls) || client->refused) return false;
  if (!may_come(worker->server, tls->rate, now)) {
    tern_counter_add(&worker->stats.tls_throttled, 1);
    if (!tls->first) nats_info_send(client, false);
    nats_client_because(client, NATS_MAX_CONNECTIONS);
    nats_client_error(client, true, "Connection throttling is active. Please try again later.");
    return true;
  }
  struct nats_opening *opening = tern_pool_alloc(tern_loop_pool(worker->loop), sizeof *opening);
  if (opening == NULL) {
    tern_transport_abort(client->transport, -ENOMEM);
    return true;
  }
  *opening = (struct nats_opening){.client = client,
                                   .settings = settings_ref(worker->settings),
                                   .timer.fired = time_over,
                                   .until_ms = now + tls->timeout_ms};
  client->opening = opening;
  client->protocol.ops = &opening_ops;
  if (!tls->first) tell(opening);
  if (!tls->first && tls->allow_plain)
    nats_client_begin(client);
  else
    tern_timer_start(worker->loop, &opening->timer,
                     tls->first && tls->first_wait_ms != 0 ? tls->first_wait_ms : tls->timeout_ms);
  return true;
}
