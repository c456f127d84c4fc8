/* SPDX-License-Identifier: Apache-2.0 */
/* A module whose entry point returns no description at all. It must be refused when it is loaded. */
#include <stddef.h>

#include <tern/module.h>

const struct tern_module *tern_module_v1(void) { return NULL; }
