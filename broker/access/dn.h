/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Distinguished names as text (RFC 4514, the successor of 2253: "CN=a,O=b+OU=c"), to be compared whatever the order of
 * their parts. Pure; thread: any.
 */
#ifndef BROKER_ACCESS_DN_H
#define BROKER_ACCESS_DN_H

#include <stdbool.h>

/** Longer names, and those of more parts, match nothing. */
#define DN_BYTES_MAX 2048
#define DN_PARTS_MAX 64

/** How alike two names are. */
enum dn_likeness {
  DN_OTHER,     /* not the same name, or one of them is none */
  DN_REORDERED, /* the same parts in another order */
  DN_SAME,
};

/** Compares: types in any case, values to the byte; the attributes inside a part (a+b) have no order. */
enum dn_likeness dn_compare(const char *one, const char *other);

#endif
