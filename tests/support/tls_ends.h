/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Connections under TLS for tests, over whatever connects two protocols.
 */
#ifndef TERN_TESTS_TLS_ENDS_H
#define TERN_TESTS_TLS_ENDS_H

#include <tern/tls.h>

#include "transport_battery.h"

/** A kind of connection with TLS put over it. */
struct tls_kind {
  struct battery_kind base;         /* its connect is tls_ends_connect */
  const struct battery_kind *below; /* what is underneath */
  struct tern_tls *client, *server; /* contexts */
};

/** Connects and shakes hands, ticking the loop; both protocols are told connection_made when that is done, the
 * server's first. As battery_kind.connect. */
int tls_ends_connect(const struct battery_kind *kind, struct tern_loop *loop, struct tern_protocol *client,
                     struct tern_protocol *server);

#endif
