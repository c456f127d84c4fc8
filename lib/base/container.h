/* SPDX-License-Identifier: Apache-2.0 */
/**
 * tern_container: from an embedded member back to what it is embedded in.
 */
#ifndef TERN_BASE_CONTAINER_H
#define TERN_BASE_CONTAINER_H

#include <stddef.h>

#define tern_container(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#endif
