/* SPDX-License-Identifier: Apache-2.0 */
/** What tests may do to the pool beyond <tern/buffer.h>. */
#ifndef TERN_BASE_POOL_H
#define TERN_BASE_POOL_H

#include <stddef.h>

/** When set, asked before every allocation from any pool; non-zero makes that allocation fail. Set it while
 * no other thread allocates. */
extern int (*tern__pool_fault)(size_t size);

#endif
