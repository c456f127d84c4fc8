/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Connections under TLS for tests, over whatever connects two protocols.
 */
#ifndef TERN_TESTS_TLS_ENDS_H
#define TERN_TESTS_TLS_ENDS_H

#include <tern/loop.h>
#include <tern/tls.h>

#include "transport_battery.h"

/** A kind of connection with TLS put over it. */
struct tls_kind {
  struct battery_kind base;         /* its connect is tls_ends_connect */
  const struct battery_kind *below; /* what is underneath */
  struct tern_tls *client, *server; /* contexts */
  struct tern_helpers *helpers;     /* of both; NULL: none */
};

/** Connects and shakes hands, ticking the loop; both protocols are told connection_made when that is done, the
 * server's first. As battery_kind.connect. */
int tls_ends_connect(const struct battery_kind *kind, struct tern_loop *loop, struct tern_protocol *client,
                     struct tern_protocol *server);

/** A context; the test fails when it cannot be made. */
struct tern_tls *tls_context(const struct tern_tls_options *options);
/** A server's with one of the certificates of certs.h, by its name. */
struct tern_tls *tls_server(const char *name);
/** A client's that trusts the authority of certs.h. */
struct tern_tls *tls_client(void);

/** One end of a conversation that a test looks into. */
struct tls_end {
  struct tern_protocol base;
  struct tern_tls *context; /* NULL: speaks in clear */
  const char *server_name;
  const char *clear;            /* said before TLS */
  bool peeks;                   /* begins TLS when a handshake comes in, not at once */
  unsigned handshake_ms;        /* as tern_tls_start */
  struct tern_helpers *helpers; /* NULL: none */
  struct tern_transport *t;
  int secured, paused, lost, error; /* calls so far; why it was lost */
  char got[40000];                  /* all that came, in clear and under TLS */
  size_t len;
};

/** Two ends over a pair in memory. */
struct tls_talk {
  struct tern_loop *loop;
  struct tls_end client, server;
};

/** Makes the loop; then set what the ends are to do. */
void tls_talk_open(struct tls_talk *talk);
/** Connects, and lets the loop tick a while. */
void tls_talk_connect(struct tls_talk *talk, const struct tern_mem_faults *faults);
/** Lets the loop tick a while: anything that does not wait for time, or for helpers, gets done. */
void tls_talk_ticks(struct tls_talk *talk);
/** Ticks until both ends are secured or lost, with helpers. */
void tls_talk_await(struct tls_talk *talk);
/** Ends what is left, and frees everything, the contexts and the server's helpers too. */
void tls_talk_close(struct tls_talk *talk);
/** Begins TLS at an end that peeks. */
void tls_end_start(struct tls_end *end, const struct tern_chunk *first);

#endif
