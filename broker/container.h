/* SPDX-License-Identifier: Apache-2.0 */
/** container_of: from an embedded member back to what it is embedded in. */
#ifndef BROKER_CONTAINER_H
#define BROKER_CONTAINER_H

#include <stddef.h>

#define container_of(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#endif
