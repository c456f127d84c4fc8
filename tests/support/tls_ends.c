/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections under TLS for tests; see tls_ends.h.
 *
 * Each end is at first a starter: it begins TLS when its connection stands. When both have shaken hands, the
 * transports are given to the protocols they are meant for. An end that is lost before is not heard of, unless
 * the other one's protocol has ended it in its connection_made: then it hears connection_lost alone.
 */
#include "tls_ends.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <tern/error.h>

#include "certs.h"
#include "loop_internal.h"
#include "transport.h"

#define TICKS_MAX 20000

struct starter {
  struct tern_protocol base;
  struct tern_protocol *meant; /* NULL: nobody is to hear of it */
  struct tern_tls *context;
  struct tern_helpers *helpers;
  struct tern_transport *t;
  bool secured, lost;
  bool alone; /* not looked at any more */
  int error;
};

static void made(struct tern_protocol *protocol, struct tern_transport *t) {
  struct starter *s = (struct starter *)protocol;
  struct tern_tls_start how = {.server_name = "localhost", .helpers = s->helpers};
  int error = tern_tls_start(t, protocol, s->context, &how, &s->t);
  if (error == 0) return;
  s->t = t;
  tern_transport_abort(t, error);
}

static void data(struct tern_protocol *protocol, const struct tern_chunk *chunk) {
  (void)protocol, (void)chunk;
  abort(); /* the ends talk when both are told */
}

static void secured(struct tern_protocol *protocol) { ((struct starter *)protocol)->secured = true; }

static void lost(struct tern_protocol *protocol, int error) {
  struct starter *s = (struct starter *)protocol;
  s->lost = true;
  s->error = error;
  if (!s->alone) return;
  if (s->meant != NULL) s->meant->ops->connection_lost(s->meant, error);
  free(s);
}

static const struct tern_protocol_ops starter_ops = {
    .connection_made = made, .data_received = data, .connection_lost = lost, .secured = secured};

static struct starter *starter_new(struct tern_protocol *meant, struct tern_tls *context,
                                   struct tern_helpers *helpers) {
  struct starter *s = calloc(1, sizeof *s);
  if (s == NULL) abort();
  *s = (struct starter){.base.ops = &starter_ops, .meant = meant, .context = context, .helpers = helpers};
  return s;
}

static void tick_until(struct tern_loop *loop, struct starter *a, struct starter *b, bool both_lost) {
  for (int i = 0; i < TICKS_MAX; i++) {
    if (both_lost ? a->lost && b->lost : (a->lost || b->lost) || (a->secured && b->secured)) return;
    tern_loop_tick(loop, i < 100 ? 0 : 1);
  }
  abort();
}

/* Lets what follows a handshake (tickets) arrive. */
static void settle(struct tern_loop *loop, const struct starter *a, const struct starter *b) {
  for (int i = 0; i < TICKS_MAX && !a->lost && !b->lost; i++) {
    tern_loop_tick(loop, 0);
    if (i > 10 && !tern__loop_has_work(loop)) return;
  }
}

/* The starter has done its part. Returns false when the transport is closing: the protocol hears of its end. */
static bool hand_over(struct starter *s) {
  s->alone = true;
  if (tern_transport_is_closing(s->t)) return false;
  struct tern_protocol *meant = s->meant;
  s->t->protocol = meant;
  meant->ops->connection_made(meant, s->t);
  free(s);
  return true;
}

int tls_ends_connect(const struct battery_kind *kind, struct tern_loop *loop, struct tern_protocol *client,
                     struct tern_protocol *server) {
  const struct tls_kind *tls = (const struct tls_kind *)kind;
  struct starter *c = starter_new(client, tls->client, tls->helpers);
  struct starter *s = starter_new(server, tls->server, tls->helpers);
  unsigned before = tern_loop_transports(loop);
  int error = tls->below->connect(tls->below, loop, &c->base, &s->base);
  if (error != 0) {
    free(c), free(s);
    return error;
  }
  if (tern_loop_transports(loop) == before + 1 && s->t == NULL) s->lost = true; /* was not accepted at all */
  tick_until(loop, c, s, false);
  settle(loop, c, s);
  if (c->secured && s->secured && !c->lost && !s->lost) {
    hand_over(s);
    hand_over(c);
    return 0;
  }
  error = c->lost ? c->error : s->error;
  if (!c->lost && c->t != NULL) tern_transport_abort(c->t, TERN_ETLS);
  if (!s->lost && s->t != NULL) tern_transport_abort(s->t, TERN_ETLS);
  tick_until(loop, c, s, true);
  free(c), free(s);
  return error != 0 ? error : TERN_ETLS;
}

/* ---- contexts ---- */

struct tern_tls *tls_context(const struct tern_tls_options *options) {
  struct tern_tls *tls = NULL;
  char error[500] = "";
  if (tern_tls_new(options, &tls, error, sizeof error) != 0) fail_msg("%s", error);
  return tls;
}

struct tern_tls *tls_server(const char *name) {
  char cert[40], key[40];
  snprintf(cert, sizeof cert, "%s.pem", name);
  snprintf(key, sizeof key, "%s.key", name);
  struct tern_tls_pair pair = {certs_path(cert), certs_path(key)};
  return tls_context(&(struct tern_tls_options){.server = true, .pairs = &pair, .pair_count = 1});
}

struct tern_tls *tls_client(void) {
  return tls_context(&(struct tern_tls_options){.ca_file = certs_path("ca.pem")});
}

/* ---- a conversation ---- */

void tls_end_start(struct tls_end *end, const struct tern_chunk *first) {
  struct tern_tls_start how = {.server_name = end->server_name,
                               .first = first,
                               .handshake_ms = end->handshake_ms,
                               .helpers = end->helpers};
  assert_int_equal(tern_tls_start(end->t, &end->base, end->context, &how, &end->t), 0);
}

static void end_made(struct tern_protocol *protocol, struct tern_transport *t) {
  struct tls_end *end = (struct tls_end *)protocol;
  end->t = t;
  if (end->clear != NULL) assert_int_equal(tern_transport_write(t, end->clear, strlen(end->clear)), 0);
  if (end->context != NULL && !end->peeks) tls_end_start(end, NULL);
}

static void end_data(struct tern_protocol *protocol, const struct tern_chunk *chunk) {
  struct tls_end *end = (struct tls_end *)protocol;
  if (end->peeks && chunk->data[0] == 0x16) {
    end->peeks = false;
    tls_end_start(end, chunk);
    return;
  }
  assert_true(end->len + chunk->len < sizeof end->got);
  memcpy(end->got + end->len, chunk->data, chunk->len);
  end->len += chunk->len;
}

static void end_lost(struct tern_protocol *protocol, int error) {
  struct tls_end *end = (struct tls_end *)protocol;
  end->lost++;
  end->error = error;
}

static void end_secured(struct tern_protocol *protocol) {
  struct tls_end *end = (struct tls_end *)protocol;
  assert_int_equal(end->lost, 0);
  end->secured++;
}

static void end_paused(struct tern_protocol *protocol) { ((struct tls_end *)protocol)->paused++; }

static const struct tern_protocol_ops end_ops = {.pause_writing = end_paused,
                                                 .connection_made = end_made,
                                                 .data_received = end_data,
                                                 .connection_lost = end_lost,
                                                 .secured = end_secured};

void tls_talk_open(struct tls_talk *talk) {
  *talk = (struct tls_talk){.client = {.base.ops = &end_ops, .server_name = "localhost"},
                            .server = {.base.ops = &end_ops}};
  assert_int_equal(tern_loop_new(&talk->loop), 0);
}

void tls_talk_ticks(struct tls_talk *talk) {
  for (int i = 0; i < 100; i++)
    tern_loop_tick(talk->loop, 0);
}

void tls_talk_await(struct tls_talk *talk) {
  for (int i = 0; i < TICKS_MAX; i++) {
    if (talk->client.secured + talk->client.lost > 0 && talk->server.secured + talk->server.lost > 0) return;
    tern_loop_tick(talk->loop, 1);
  }
  fail_msg("no end of the handshake");
}

void tls_talk_connect(struct tls_talk *talk, const struct tern_mem_faults *faults) {
  assert_int_equal(tern_mem_pair(talk->loop, &talk->client.base, &talk->server.base, faults, faults), 0);
  tls_talk_ticks(talk);
}

void tls_talk_close(struct tls_talk *talk) {
  if (talk->client.t != NULL && talk->client.lost == 0) tern_transport_abort(talk->client.t, -EIO);
  if (talk->server.t != NULL && talk->server.lost == 0) tern_transport_abort(talk->server.t, -EIO);
  tls_talk_ticks(talk);
  assert_int_equal(tern_loop_transports(talk->loop), 0);
  tern_helpers_free(talk->server.helpers);
  tern_loop_free(talk->loop);
  tern_tls_unref(talk->client.context);
  tern_tls_unref(talk->server.context);
}
