/* SPDX-License-Identifier: Apache-2.0 */
/** Versions. Clients gate features on the one in INFO, so that is the nats-server whose behaviour tern has.
 */
#ifndef BROKER_OPS_VERSION_H
#define BROKER_OPS_VERSION_H

/** tern's own version. */
#define TERN_VERSION "0.1.0"
/** The nats-server version tern behaves as. */
#define TERN_NATS_VERSION "2.12.0"

#endif
