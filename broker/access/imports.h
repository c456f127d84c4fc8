/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What accounts have to do with one another: exports, imports and mappings, read from the configuration's block
 * `accounts` and the outermost `mappings` (those of `$G`), then never changed. Thread: any.
 *
 *     accounts {
 *       A { exports: [ {stream: "ev.>"}, {service: "svc.time", accounts: [B], latency: {sampling: 10, subject: "lat"}} ] }
 *       B { imports: [ {stream: {account: A, subject: "ev.>"}, prefix: "a"}     A's ev.x arrives as a.ev.x
 *                      {service: {account: A, subject: "svc.time"}, to: "time"} ]   requests to time reach svc.time of A
 *           mappings: { "old": "new" } }
 *     }
 */
#ifndef BROKER_ACCESS_IMPORTS_H
#define BROKER_ACCESS_IMPORTS_H

#include <stdint.h>

#include "mappings.h"
#include "transform.h"

struct conf_node;
struct conf_report;

/** Time for the answer to a request of another account, where the export sets none. */
#define IMPORTS_ANSWER_MS (2 * 60 * 1000)

/** How many answers a request gets. */
enum import_answers {
  IMPORT_ANSWER_ONE,    /* singleton */
  IMPORT_ANSWER_MANY,   /* stream: until an empty one */
  IMPORT_ANSWER_CHUNKS, /* chunked: the same */
};

/** Sampling by the headers of a request. */
#define IMPORTS_BY_HEADERS 0

/** An export. */
struct export {
  bool service; /* else a stream */
  char *account, *subject;
  char **approved;        /* names of the accounts that may import it */
  size_t approved_count;  /* 0: all may */
  int64_t token_position; /* of the importer's name in the subject; 0: nowhere */
  enum import_answers answers;
  uint64_t answer_ms; /* time for the answer, and between two */
  char *latency;      /* where it is reported how long answers took; NULL: nowhere */
  uint32_t sampling;  /* of how many requests of a hundred; IMPORTS_BY_HEADERS: of those that say so */
};

/** An import that may be. */
struct import {
  bool service;                /* else a stream */
  char *importer, *exporter;   /* names of accounts */
  char *remote;                /* the exporter's subject */
  char *local;                 /* the importer's subject, with `*` for what was written as `$1`, ... */
  struct transform *transform; /* of a service: from importer's subjects to exporter's; of a stream: back */
  bool share;                  /* the service is told who asks */
  enum import_answers answers;
  uint64_t answer_ms;          /* time for the answer, and between two */
  const struct export *export; /* that allows it */
};

/** An account that has mappings. */
struct import_mappings {
  char *account;
  struct mappings *mappings;
};

struct imports {
  struct import *at; /* in the order written */
  size_t count;
  struct export *exports; /* in the order written */
  size_t export_count;
  struct import_mappings *mappings;
  size_t mappings_count;
};

/** Reads them all. Returns 0, -EINVAL when something was reported, or -ENOMEM. What accounts there are besides, and
 * other keys of theirs, is not checked here. */
int imports_read(const struct conf_node *root, struct conf_report *report, struct imports **out);
/** Frees them. NULL is allowed. */
void imports_free(struct imports *imports);
/** The mappings of an account; NULL: it has none. */
const struct mappings *imports_mappings(const struct imports *imports, const char *account);
/** Do both do the same? */
bool import_equal(const struct import *one, const struct import *other);

#endif
