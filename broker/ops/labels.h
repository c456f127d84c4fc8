/* SPDX-License-Identifier: Apache-2.0 */
/** What a server is labelled with, for those who watch it: tags, and metadata. Thread: control. */
#ifndef BROKER_OPS_LABELS_H
#define BROKER_OPS_LABELS_H

#include "conf_report.h"
#include "options.h"

/** Whether the key is one of these: server_tags, server_metadata. */
bool labels_has_key(const char *key);
/** Reads one of them: adds to options->tags; metadata is only looked at. */
void labels_read(struct options *options, const struct conf_node *node, struct conf_report *report);
/** The map of metadata, of strings; NULL: there is none. */
const struct conf_node *labels_metadata(const struct options *options);
/** Frees options->tags. */
void labels_free(struct options *options);

#endif
