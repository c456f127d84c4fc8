/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asking who somebody is. read.c makes what is asked.
 *
 *     nothing said            -> the socket's peer, or anybody, or refused
 *     nkey                    -> its user, if the signature of the nonce is the key's
 *     certificate that maps   -> the user named like it (certificate.h); the password still has to match
 *     user                    -> by name; password compared, or left to the caller if it is a hash
 *     token, single user      -> compared, or left to the caller
 *
 * Pure but for the check of signatures. Names are found in a sorted array.
 */
#include "access.h"

#include <stdlib.h>
#include <string.h>

#include "certificate.h"
#include "nkey.h"
#include "password.h"

/* ---- memory ---- */

struct block {
  struct block *next;
  size_t size;
  max_align_t bytes[];
};

void *access_alloc(struct access *access, size_t size) {
  struct block *block = calloc(1, sizeof *block + size);
  if (block == NULL) return NULL;
  block->next = access->blocks;
  block->size = size;
  access->blocks = block;
  return block->bytes;
}

void access_free(struct access *access) {
  if (access == NULL) return;
  for (size_t i = 0; i < access->permissions_count; i++)
    permissions_free(access->permissions[i]);
  free(access->permissions);
  free(access->peers);
  for (struct block *block = access->blocks, *next; block != NULL; block = next) {
    next = block->next;
    explicit_bzero(block->bytes, block->size);
    free(block);
  }
  free(access);
}

/* ---- finding ---- */

static int by_name(const void *a, const void *b) {
  const struct access_user *one = *(const struct access_user *const *)a,
                           *other = *(const struct access_user *const *)b;
  return strcmp(one->name, other->name);
}

void access_sort(struct access *access) {
  if (access->user_count > 0) qsort(access->users, access->user_count, sizeof *access->users, by_name);
}

const struct access_user *access_user(const struct access *access, const char *name, bool is_nkey) {
  const struct access_user like = {.name = name}, *key = &like;
  if (access->user_count == 0) return NULL;
  const struct access_user *const *found =
      bsearch(&key, access->users, access->user_count, sizeof *access->users, by_name);
  return found != NULL && (*found)->is_nkey == is_nkey ? *found : NULL;
}

struct access_account *access_account(const struct access *access, const char *name) {
  for (size_t i = 0; i < access->account_count; i++)
    if (strcmp(access->accounts[i].name, name) == 0) return &access->accounts[i];
  return NULL;
}

static const struct access_user *user_of_peer(const struct access *access, uid_t uid) {
  for (size_t i = 0; i < access->peer_count; i++)
    if (access->peers[i].uid == uid) return access->peers[i].user;
  return NULL;
}

const struct access_user *access_unasked(const struct access *access, uid_t uid) {
  const struct access_user *peer = user_of_peer(access, uid);
  return peer != NULL ? peer : access->anybody;
}

enum access_proof access_proof_unasked(const struct access *access, uid_t uid) {
  return user_of_peer(access, uid) != NULL ? ACCESS_BY_PEER : ACCESS_BY_NOTHING;
}

/* ---- verdicts ---- */

static enum access_verdict refuse(struct access_result *result, const char *why) {
  *result = (struct access_result){.why = why};
  return ACCESS_REFUSED;
}

static enum access_verdict grant(struct access_result *result, const struct access_user *user,
                                 enum access_proof proof) {
  *result = (struct access_result){.user = user, .proof = proof};
  return ACCESS_GRANTED;
}

static enum access_verdict compare(struct access_result *result, const struct access_user *user,
                                   enum access_proof proof, const char *given) {
  if (password_is_hash(user->password)) {
    *result = (struct access_result){.user = user, .proof = proof, .hash = user->password, .secret = given};
    return ACCESS_HASHED;
  }
  if (!password_equal(user->password, given)) return refuse(result, "wrong password");
  return grant(result, user, proof);
}

static enum access_verdict check_nkey(const struct access *access, const struct access_credentials *said,
                                      access_verify_fn *verify, struct access_result *result) {
  unsigned char signature[NKEY_SIG_BYTES];
  const struct access_user *user = access_user(access, said->nkey, true);
  if (user == NULL) return refuse(result, "unknown nkey");
  if (!access_may_come(user, said->way)) return refuse(result, "connection type not allowed");
  if (said->nonce[0] == '\0') return refuse(result, "no nonce was sent when it connected");
  if (said->signature[0] == '\0') return refuse(result, "no signature");
  if (!nkey_read_signature(said->signature, signature)) return refuse(result, "no valid signature");
  if (verify(user->key, said->nonce, strlen(said->nonce), signature) != 0)
    return refuse(result, "wrong signature");
  return grant(result, user, ACCESS_BY_SECRET);
}

static enum access_verdict check_certificate(const struct access *access,
                                             const struct access_credentials *said,
                                             struct access_result *result) {
  if (said->certificate == NULL) return refuse(result, "no certificate");
  const struct access_user *user = certificate_user(access, said->certificate, said->way);
  if (user == NULL) return refuse(result, "no user is named like the certificate");
  return compare(result, user, ACCESS_BY_CERTIFICATE, said->password);
}

static enum access_verdict check_user(const struct access *access, const struct access_credentials *said,
                                      struct access_result *result) {
  const struct access_user *user = access_user(access, said->user, false);
  if (user == NULL) return refuse(result, "unknown user");
  if (!access_may_come(user, said->way)) return refuse(result, "connection type not allowed");
  return compare(result, user, ACCESS_BY_SECRET, said->password);
}

/* An nkey says nothing where there are none. */
static bool said_nothing(const struct access_credentials *said) {
  return said->user[0] == '\0' && said->password[0] == '\0' && said->token[0] == '\0';
}

enum access_verdict access_check(const struct access *access, const struct access_credentials *said,
                                 access_verify_fn *verify, struct access_result *result) {
  if (!access->required) return grant(result, NULL, ACCESS_BY_NOTHING);
  if (said->nkey[0] != '\0' && access->wants_nonce) return check_nkey(access, said, verify, result);
  if (said->by_certificate && access->user_count > 0) return check_certificate(access, said, result);
  if (said_nothing(said)) {
    const struct access_user *user = access_unasked(access, said->uid);
    if (user != NULL && access_may_come(user, said->way))
      return grant(result, user, access_proof_unasked(access, said->uid));
  }
  if (said->user[0] != '\0' && access->user_count > 0) return check_user(access, said, result);
  if (access->token != NULL) return compare(result, access->token, ACCESS_BY_SECRET, said->token);
  if (access->single == NULL || strcmp(access->single->name, said->user) != 0)
    return refuse(result, said_nothing(said) ? "no credentials" : "unknown user");
  return compare(result, access->single, ACCESS_BY_SECRET, said->password);
}

/* ---- those who are connected ---- */

/* Who a user is now: found the same way as it was then. */
static const struct access_user *successor(const struct access *access, const struct access_user *user) {
  if (access->token != NULL && user->name[0] == '\0') return access->token;
  if (access->single != NULL && strcmp(access->single->name, user->name) == 0) return access->single;
  return access_user(access, user->name, user->is_nkey);
}

enum access_verdict access_rematch(const struct access *access, const struct access_user *user,
                                   enum access_proof proof, uid_t uid, struct access_result *result) {
  if (!access->required && (user == NULL || user->name[0] == '\0')) /* nobody, or who had the token */
    return grant(result, NULL, ACCESS_BY_NOTHING);
  bool unasked = user == NULL || proof == ACCESS_BY_NOTHING || proof == ACCESS_BY_PEER;
  const struct access_user *now = unasked ? access_unasked(access, uid) : successor(access, user);
  if (now == NULL && unasked && (user == NULL || successor(access, user) != NULL))
    return refuse(result, "credentials are required now");
  if (now == NULL && user->name[0] == '\0') return refuse(result, "there is no token any more");
  if (now == NULL || (user != NULL && strcmp(now->account->name, user->account->name) != 0)) {
    refuse(result, now == NULL ? "the user is no more" : "the user is in another account now");
    return ACCESS_GONE;
  }
  if (!access_may_come(now, ACCESS_STANDARD)) return refuse(result, "connection type not allowed");
  bool same = user != NULL && proof != ACCESS_BY_PEER && strcmp(user->name, now->name) == 0;
  if (same && !now->is_nkey && !password_equal(user->password, now->password)) { /* of no_auth_user's, too */
    refuse(result, "the password has changed");
    return now == access->single ? ACCESS_GONE : ACCESS_REFUSED; /* as nats-server, which looks in its list */
  }
  return grant(result, now, proof);
}
