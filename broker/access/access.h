/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Who may come in, and as whom: accounts, their users, and how users prove who they are. Made from the configuration's
 * blocks `authorization` and `accounts` and from flags by the control thread; then never changed, so that any thread may
 * ask. A reload makes another one, against which those who are connected are matched again (access_rematch).
 *
 *     access --- accounts: `$G` first, the system account --- users: permissions, how they may connect
 *
 * Part of the settings, and gone with them: whoever keeps a user or an account keeps the settings.
 */
#ifndef BROKER_ACCESS_ACCESS_H
#define BROKER_ACCESS_ACCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "permissions.h"

struct conf_node;
struct conf_report;
struct tern_tls_certificate;

/** Names of accounts that are always there (`$SYS` unless another is the system account, or none). */
#define ACCESS_GLOBAL "$G"
#define ACCESS_SYSTEM "$SYS"

/** Time for CONNECT where the configuration sets none; with TLS it is the time for the handshake and a second. */
#define ACCESS_TIMEOUT_MS 2000

/** Ways to connect, for users who may not use all of them. */
enum access_way {
  ACCESS_STANDARD = 1 << 0,
  ACCESS_WEBSOCKET = 1 << 1,
  ACCESS_LEAFNODE = 1 << 2,
  ACCESS_LEAFNODE_WS = 1 << 3,
  ACCESS_MQTT = 1 << 4,
  ACCESS_MQTT_WS = 1 << 5,
  ACCESS_IN_PROCESS = 1 << 6,
};

struct access_account {
  const char *name;
  uint32_t number; /* of its registry (core_number_accounts); set by who makes the settings. `$G`: 0 */
  bool unused;     /* nobody can be in it: it has no registry, and no number */
  int64_t max_connections;   /* limits; negative: none */
  int64_t max_subscriptions; /* of one connection */
  int64_t max_payload;       /* bytes */
};

struct access_user {
  const char *name; /* for people, too: an nkey is its public key, a token has none ("") */
  const struct access_account *account;
  const struct permissions *permissions; /* NULL: everything is permitted */
  uint32_t ways;                         /* enum access_way, or'ed; 0: any */
  bool is_nkey;                          /* private, as the rest */
  const unsigned char *key;
  const char *password; /* or token: plain or a hash; never NULL but for nkeys */
};

struct access {
  struct access_account *accounts; /* `$G` is the first */
  size_t account_count;
  const struct access_account *system; /* NULL: none */
  bool required;                       /* clients have to say who they are */
  bool wants_nonce;                    /* some of them sign it */
  bool has_hashes;                     /* some passwords are bcrypt's */
  bool has_plain;                      /* some are not */
  uint64_t timeout_ms;                 /* for CONNECT; 0: not configured */
  const struct access_user *anybody;   /* who clients are that say nothing; NULL: nobody */
  /* private */
  const struct access_user *token, *single; /* the one token, the one user; NULL: none */
  const struct access_user **users;         /* by name */
  size_t user_count;
  struct access_peer *peers; /* users of Unix-domain sockets */
  size_t peer_count;
  struct permissions **permissions; /* all there are */
  size_t permissions_count;
  void *blocks; /* memory */
};

/** Flags of the command line, over the file; NULL: not given. */
struct access_flags {
  const char *user, *password, *token;
};

/** What a client says, and what is known about it. No string is NULL: what was not said is "". */
struct access_credentials {
  const char *user, *password, *token, *nkey, *signature;
  const char *nonce;                              /* the text the client had to sign */
  enum access_way way;                            /* how it comes */
  uid_t uid;                                      /* of a Unix-domain socket's peer, else (uid_t)-1 */
  bool by_certificate;                            /* the TLS options say that it names the user */
  const struct tern_tls_certificate *certificate; /* the client's; NULL: none */
};

enum access_verdict {
  ACCESS_GRANTED,
  ACCESS_REFUSED,
  ACCESS_HASHED, /* granted if the password matches the hash, which is for others to compare (hasher.h) */
  ACCESS_GONE, /* access_rematch: the user is no more, or in another account, or the only one's password changed */
};

/** What a user was recognised by. */
enum access_proof { ACCESS_BY_NOTHING, ACCESS_BY_SECRET, ACCESS_BY_CERTIFICATE, ACCESS_BY_PEER };

struct access_result {
  const struct access_user *user; /* NULL: nobody is configured, or refused */
  enum access_proof proof;
  const char *hash; /* ACCESS_HASHED: to be compared with `secret` */
  const char *secret;
  const char *why; /* ACCESS_REFUSED: for the log, never with a secret in it */
};

/** 0 when the signature of the message is the key's (tern_ed25519_verify). */
typedef int access_verify_fn(const uint8_t key[32], const void *message, size_t len,
                             const uint8_t signature[64]);

/**
 * Reads everything that is about access from the configuration; root may be NULL. Says what is wrong, all of it.
 * Returns 0, -EINVAL when something was reported, or -ENOMEM. Thread: control.
 */
int access_new(const struct conf_node *root, const struct access_flags *flags, struct conf_report *report,
               struct access **out);
/** True for keys of the configuration's top level that access_new reads. */
bool access_has_key(const char *key);
/** The same of the block `tern`. */
bool access_has_own_key(const char *key);
/** Frees it; what was secret in it is overwritten. NULL is allowed. */
void access_free(struct access *access);

/**
 * Who is it? The order is nats-server's: nkeys, then users (those of certificates, or by name and password), then the
 * token, then the single user. Who says nothing at all is the user of its Unix-domain socket's peer, or anybody.
 * Checks a signature, if there is one, which takes a tenth of a millisecond. Thread: any.
 */
enum access_verdict access_check(const struct access *access, const struct access_credentials *credentials,
                                 access_verify_fn *verify, struct access_result *result);
/** Who clients are that have said nothing yet: NULL when they have to, or when nobody is configured. */
const struct access_user *access_unasked(const struct access *access, uid_t uid);
/** What that is known by. */
enum access_proof access_proof_unasked(const struct access *access, uid_t uid);
/**
 * Matches one who is connected against another access: granted when the proof would still hold, as far as that can be
 * told without the secret (which nobody keeps): the configured password, token or key is the same.
 */
enum access_verdict access_rematch(const struct access *access, const struct access_user *user,
                                   enum access_proof proof, uid_t uid, struct access_result *result);
/** The account of that name, or NULL. */
struct access_account *access_account(const struct access *access, const char *name);

/** May the user connect in this way? */
static inline bool access_may_come(const struct access_user *user, enum access_way way) {
  return user->ways == 0 || (user->ways & way) != 0;
}

/* ---- for read.c ---- */

/** A peer of Unix-domain sockets and who it is. */
struct access_peer {
  uid_t uid;
  const struct access_user *user;
};

/** Memory that lives as long as the access, zeroed; NULL without. */
void *access_alloc(struct access *access, size_t size);
/** Orders users for access_check. */
void access_sort(struct access *access);
/** The user of that name: one who has a password, or one who has a key. NULL: there is none. */
const struct access_user *access_user(const struct access *access, const char *name, bool is_nkey);

#endif
