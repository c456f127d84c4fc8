/* SPDX-License-Identifier: Apache-2.0 */
/** A configuration tree as text that reads back to the same tree, for tests to compare. */
#ifndef TERN_TESTS_CONF_TEXT_H
#define TERN_TESTS_CONF_TEXT_H

#include "conf.h"

/** Writes the tree below the node, e.g. {"a":1,"b":["x",yes]}. Returns false when it does not fit. */
bool conf_text(const struct conf_node *node, char *text, size_t room);

#endif
