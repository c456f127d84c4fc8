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
#include <stdlib.h>

#include <tern/error.h>

#include "loop_internal.h"
#include "transport.h"

#define TICKS_MAX 20000

struct starter {
  struct tern_protocol base;
  struct tern_protocol *meant; /* NULL: nobody is to hear of it */
  struct tern_tls *context;
  struct tern_transport *t;
  bool secured, lost;
  bool alone; /* not looked at any more */
  int error;
};

static void made(struct tern_protocol *protocol, struct tern_transport *t) {
  struct starter *s = (struct starter *)protocol;
  struct tern_tls_start how = {.server_name = "localhost"};
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

static struct starter *starter_new(struct tern_protocol *meant, struct tern_tls *context) {
  struct starter *s = calloc(1, sizeof *s);
  if (s == NULL) abort();
  *s = (struct starter){.base.ops = &starter_ops, .meant = meant, .context = context};
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
  struct starter *c = starter_new(client, tls->client), *s = starter_new(server, tls->server);
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
