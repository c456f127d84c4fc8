/* SPDX-License-Identifier: Apache-2.0 */
/** Where "all addresses" is. */
#ifndef BROKER_OPS_WILDCARD_H
#define BROKER_OPS_WILDCARD_H

/**
 * Where to listen for a host of the configuration: for "0.0.0.0", the default, "::", which takes IPv4 too, unless the
 * system has no IPv6; nats-server does so. Any other host is returned as it is. Thread: any.
 */
const char *wildcard_host(const char *host);

#endif
