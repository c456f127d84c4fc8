/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The configuration's block `tls`, `allow_non_tls`, and the flags that replace them. Thread: control.
 */
#ifndef BROKER_OPS_TLS_BLOCK_H
#define BROKER_OPS_TLS_BLOCK_H

#include "options.h"

struct conf_node;
struct conf_report;

/**
 * Makes options->tls of what flags and file say, and reads certificates and keys for it. What is wrong is reported.
 * Returns 0, or -1 after an error; then options->tls is as before.
 */
int tls_block_read(struct options *options, struct conf_report *report);
/** True for keys of the configuration's top level that tls_block_read looks for. */
bool tls_block_has_key(const char *key);
/** The text of the first certificate's file, or of its key's; the caller overwrites and frees it. NULL when it cannot be
 * read, and then it is reported. */
char *tls_block_text(const struct options *options, bool key, struct conf_report *report);
/** A number that changes when one of the files that tls_block_read would read does; 0 without TLS. */
uint64_t tls_block_stamp(const struct options *options);

#endif
