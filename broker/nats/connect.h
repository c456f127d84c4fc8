/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What a CONNECT says. Pure: JSON in, values out.
 */
#ifndef BROKER_NATS_CONNECT_H
#define BROKER_NATS_CONNECT_H

#include <stdbool.h>
#include <stdint.h>

#include <tern/buffer.h>

#include "overflow_rules.h"

/** A client's options. Starts with the protocol's defaults; each CONNECT changes what it names. */
struct nats_connect {
  bool verbose;                    /* default true */
  bool pedantic;                   /* default true */
  bool echo;                       /* default true */
  bool headers;                    /* default false */
  bool no_responders;              /* default false */
  bool new_account;                /* asking for it is refused */
  int64_t protocol;                /* default 0 */
  struct overflow_rules *overflow; /* what to do with messages when it is behind; NULL: never said */
  char *account;                   /* strings: malloc'ed, NULL when never given */
  char *name;
  char *lang;
  char *version;
};

/** What a CONNECT says to prove who it is: malloc'ed strings, NULL when not said. Kept no longer than it takes to check. */
struct nats_credentials {
  char *user, *pass, *token, *nkey, *signature;
};

/** Overwrites and frees them; made by calloc. NULL is allowed. */
void nats_credentials_free(struct nats_credentials *credentials);

/** The state before any CONNECT. */
void nats_connect_init(struct nats_connect *connect);
/** Frees the strings. */
void nats_connect_fini(struct nats_connect *connect);
/**
 * Reads the JSON of a CONNECT over the present values, with the rules of Go's encoding/json: keys in any
 * case, unknown keys ignored, the last of several wins, null changes nothing, invalid UTF-8 is replaced.
 * Returns 0, -EINVAL when it is not acceptable JSON or a value has the wrong type, or -ENOMEM. After an error
 * the values are undefined but may be freed.
 */
int nats_connect_parse(struct nats_connect *connect, struct tern_slice json);
/** The same, and the credentials as well (NULL: they are checked for their type only). */
int nats_connect_parse_all(struct nats_connect *connect, struct nats_credentials *credentials,
                           struct tern_slice json);
/** The JSON of a CONNECT for the log, with [REDACTED] for what may be a secret; to be freed. NULL: it is none, or no memory. */
char *nats_connect_shown(struct tern_slice json);

#endif
