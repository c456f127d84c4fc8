/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See auth.h. A password that has to be compared with a bcrypt hash makes a job, which has all it needs of its own, as
 * the connection or the settings may be gone when it is done:
 *
 *     worker                            hasher's thread                     worker
 *     CONNECT -> job, input paused -->  compare, tern_workers_call   -->    client by id; asked again with the result
 *
 * When settings have changed meanwhile, the credentials are judged by the new ones; if they have another hash, that is
 * compared as well. The deadline is over with CONNECT: what takes long after it is not the client's fault, and bounded
 * by the hasher's queue. Secrets are overwritten as soon as there is a verdict, and never logged.
 */
#include "auth.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <tern/error.h>
#include <tern/log.h>
#include <tern/tls.h>

#include "access.h"
#include "account.h"
#include "container.h"
#include "events.h"
#include "hasher.h"
#include "pace.h"
#include "permit.h"

static const char violation[] = "Authorization Violation";

static const struct access *access_of(const struct nats_client *client) {
  return client->worker->settings->access;
}

bool nats_auth_is_asked(const struct nats_client *client) {
  return access_of(client) != NULL && access_of(client)->required;
}

const char *nats_auth_name(const struct nats_client *client) {
  return client->user != NULL && client->user->name[0] != '\0' ? client->user->name : NULL;
}

static void drop(struct nats_client *client) {
  if (client->auth == NULL) return;
  tern_timer_stop(client->worker->loop, &client->auth->deadline);
  settings_unref(client->auth->former);
  tern_pool_release(tern_loop_pool(client->worker->loop), client->auth, sizeof *client->auth);
  client->auth = NULL;
}

void nats_auth_end(struct nats_client *client) {
  drop(client);
  client->user = NULL;
}

/* `user` is what the client says it is, or "". */
static void refuse(struct nats_client *client, const char *user, const char *why) {
  tern_counter_add(&client->worker->stats.auth_refused, 1);
  tern_log_event(TERN_LOG_ERROR, nats_client_about(client, "auth_refused"), "authentication error%s%s%s: %s",
                 *user != '\0' ? " - User \"" : "", user, *user != '\0' ? "\"" : "", why);
  nats_event_refused(client, user);
  nats_client_error(client, true, violation);
}

/* ---- the beginning ---- */

static uid_t uid_of(const struct nats_client *client) { return tern_transport_peer(client->transport)->uid; }

/* Whom it is let in as without credentials; NULL: not at all. */
static const struct access_user *unasked_of(const struct nats_client *client) {
  const struct access_user *user = access_unasked(access_of(client), uid_of(client));
  return user != NULL && access_may_come(user, ACCESS_STANDARD) ? user : NULL;
}

static void deadline_passed(struct tern_timer *timer) {
  struct nats_client *client = container_of(timer, struct nats_auth, deadline)->client;
  tern_counter_add(&client->worker->stats.auth_late, 1);
  tern_log_event(TERN_LOG_ERROR, nats_client_about(client, "auth_timeout"),
                 "authentication timeout: no CONNECT in time");
  nats_client_error(client, true, "Authentication Timeout");
}

/* False without memory. */
static bool make_auth(struct nats_client *client) {
  client->auth = tern_pool_alloc(tern_loop_pool(client->worker->loop), sizeof *client->auth);
  if (client->auth == NULL) return false;
  *client->auth = (struct nats_auth){.client = client, .deadline.fired = deadline_passed};
  return true;
}

static struct route *route_of(const struct nats_client *client, const struct access_user *user) {
  return client->worker->routes[user != NULL ? user->account->number : 0];
}

/* From now on the client is this user, in the user's account; NULL: nobody, in `$G`. False: that is full. Who stays in an
 * account keeps the place there: somebody who comes at this moment does not get it. */
static bool become(struct nats_client *client, const struct access_user *user, uint8_t proof) {
  const bool stays = client->counted && client->route == route_of(client, user);
  if (!stays) nats_account_leave(client);
  client->user = user;
  client->proof = proof;
  client->route = route_of(client, user);
  nats_permissions_changed(client, user != NULL ? user->permissions : NULL);
  if (!stays) return nats_account_enter(client);
  nats_account_limit(client);
  return true;
}

static bool end_too_many(struct nats_client *client) {
  tern_counter_add(&client->worker->stats.account_connections, 1);
  nats_client_error(client, true, "maximum account active connections exceeded");
  return false;
}

bool nats_auth_start(struct nats_client *client) {
  if (!nats_auth_is_asked(client) || client->refused) return true;
  const bool made = make_auth(client);
  if (made) client->auth->pending = true;
  if (!made || (access_of(client)->wants_nonce && !nkey_nonce(client->auth->nonce))) {
    tern_log_event(TERN_LOG_ERROR, nats_client_about(client, "no_memory"),
                   "no memory or no random bits for authentication; closing");
    nats_client_end(client);
    return false;
  }
  return true;
}

void nats_auth_begin(struct nats_client *client) {
  if (client->auth == NULL || !client->auth->pending) return;
  const struct settings *settings = client->worker->settings;
  uint64_t ms = settings->access != NULL ? settings->access->timeout_ms : 0;
  if (ms == 0)
    ms = settings->tls.context != NULL ? settings->tls.timeout_ms + UINT64_C(1000) : ACCESS_TIMEOUT_MS;
  tern_timer_start(client->worker->loop, &client->auth->deadline, ms);
}

/* It has not said who it is, and goes on without: only now is it somebody, as others may not lack the place before. */
static bool begin_unasked(struct nats_client *client, const struct access_user *user) {
  const enum access_proof proof = access_proof_unasked(access_of(client), uid_of(client));
  client->auth->pending = false;
  tern_timer_stop(client->worker->loop, &client->auth->deadline);
  if (client->auth->nonce[0] == '\0') drop(client);
  if (!become(client, user, (uint8_t)proof)) return end_too_many(client);
  return nats_pace_user(client, nats_auth_name(client));
}

bool nats_auth_may_begin(struct nats_client *client, const struct tern_chunk *chunk) {
  struct nats_auth *auth = client->auth;
  if (!auth->pending || auth->began || chunk->len == 0) return true;
  auth->began = true; /* no other verb than CONNECT begins so */
  if (*(const char *)chunk->data == 'C' || *(const char *)chunk->data == 'c') return true;
  const struct access_user *unasked = unasked_of(client);
  if (unasked != NULL) return begin_unasked(client, unasked);
  refuse(client, "", "something else than CONNECT");
  return false;
}

/* ---- CONNECT ---- */

/* A password that is being compared. */
struct job {
  struct hasher_job hashing;
  struct tern_workers *workers;
  struct nats_server *server;
  unsigned worker;
  uint64_t client; /* id */
  struct nats_credentials *said;
  int result;
  char hash[];
};

static const char *or_empty(const char *text) { return text != NULL ? text : ""; }

static bool is_empty(const char *text) { return text == NULL || *text == '\0'; }

static bool says_nothing(const struct nats_credentials *said) {
  return is_empty(said->user) && is_empty(said->pass) && is_empty(said->token) && is_empty(said->nkey);
}

static enum access_verdict check(const struct nats_client *client, const struct nats_credentials *said,
                                 struct access_result *result) {
  struct tern_tls_certificate *certificate = NULL;
  struct access_credentials credentials = {
      .user = or_empty(said->user),
      .password = or_empty(said->pass),
      .token = or_empty(said->token),
      .nkey = or_empty(said->nkey),
      .signature = or_empty(said->signature),
      .nonce = client->auth != NULL ? client->auth->nonce : "",
      .way = ACCESS_STANDARD,
      .uid = uid_of(client),
      .by_certificate = client->worker->settings->tls.map && uid_of(client) == (uid_t)-1,
  };
  if (credentials.by_certificate && tern_tls_certificate(client->transport, &certificate) == 0)
    credentials.certificate = certificate;
  enum access_verdict verdict = access_check(access_of(client), &credentials, tern_ed25519_verify, result);
  tern_tls_certificate_free(certificate);
  return verdict;
}

static void grant(struct nats_client *client, const struct access_result *result) {
  if (client->route != route_of(client, result->user) && client->sids.count > 0) {
    refuse(client, "", "another account, while there are subscriptions");
    return;
  }
  tern_counter_add(&client->worker->stats.auth_granted, 1);
  if (client->auth != NULL) client->auth->pending = client->auth->awaiting = false;
  if (client->auth != NULL) tern_timer_stop(client->worker->loop, &client->auth->deadline);
  if (client->auth != NULL && client->auth->nonce[0] == '\0') drop(client);
  if (!become(client, result->user, (uint8_t)result->proof))
    end_too_many(client);
  else if (nats_pace_user(client, nats_auth_name(client)))
    nats_connected(client);
}

static void compared(struct hasher_job *hashing, int result);

static void free_job(struct job *job) {
  nats_credentials_free(job->said);
  explicit_bzero(job->hash, strlen(job->hash));
  free(job);
}

/* The input waits until there is a verdict. Takes the credentials over. */
static void begin_comparing(struct nats_client *client, struct nats_credentials *said,
                            const struct access_result *result) {
  struct hasher *hasher = client->worker->server->hasher;
  size_t size = strlen(result->hash) + 1;
  struct job *job = calloc(1, sizeof *job + size);
  int error = hasher == NULL || job == NULL ? -ENOMEM : 0;
  if (job == NULL) nats_credentials_free(said);
  if (error == 0 && client->auth == NULL && !make_auth(client)) error = -ENOMEM; /* a second CONNECT */
  if (job != NULL) {
    *job = (struct job){.hashing = {.hash = job->hash, .password = result->secret, .done = compared},
                        .workers = tern_worker_pool_of(client->worker->worker),
                        .server = client->worker->server,
                        .worker = tern_worker_index(client->worker->worker),
                        .client = client->id,
                        .said = said};
    memcpy(job->hash, result->hash, size);
  }
  if (error == 0) error = hasher_submit(hasher, &job->hashing);
  if (error == 0) {
    client->auth->awaiting = true;
    client->flow = NATS_PAUSED;
    tern_timer_stop(client->worker->loop, &client->auth->deadline);
    return;
  }
  if (job != NULL) free_job(job);
  tern_counter_add(&client->worker->stats.auth_crowded, 1);
  tern_log_event(TERN_LOG_ERROR, nats_client_about(client, "auth_crowded"),
                 "too many passwords to compare, or no memory for it; closing: %s", tern_strerror(error));
  nats_client_error(client, true, "Authentication Timeout"); /* clients come again after it */
}

/* What is to be done about credentials, of which this hash (NULL: none) is known to match. Takes them over. */
static void judge(struct nats_client *client, struct nats_credentials *said, const char *matched) {
  struct access_result result;
  struct hasher *hasher = client->worker->server->hasher;
  enum access_verdict verdict = check(client, said, &result);
  if (verdict == ACCESS_HASHED) {
    bool matches = matched != NULL && strcmp(matched, result.hash) == 0;
    if (!matches && (hasher == NULL || !hasher_knows(hasher, result.hash, result.secret))) {
      begin_comparing(client, said, &result);
      return;
    }
    verdict = ACCESS_GRANTED;
  }
  if (verdict == ACCESS_GRANTED)
    grant(client, &result);
  else
    refuse(client, access_of(client)->token == NULL ? or_empty(said->user) : "", result.why);
  nats_credentials_free(said);
}

void nats_auth_connect(struct nats_client *client, struct nats_credentials *said) {
  if (client->connected && client->user != NULL && says_nothing(said)) {
    nats_credentials_free(said); /* options are changed, not who it is */
    nats_connected(client);
    return;
  }
  judge(client, said, NULL);
}

/* On the client's worker. */
static void deliver(struct tern_worker *worker, void *arg) {
  struct job *job = arg;
  (void)worker;
  struct nats_client *client = nats_client_find(job->server->workers[job->worker], job->client);
  if (client == NULL || client->flow == NATS_ENDED) return;
  client->auth->awaiting = false;
  if (job->result == 1) {
    struct nats_credentials *said = job->said;
    job->said = NULL;
    judge(client, said, job->hash);
  } else if (job->result == 0) {
    refuse(client, access_of(client)->token == NULL ? or_empty(job->said->user) : "", "wrong password");
  } else {
    nats_client_end(client); /* the server ends, or has no memory */
  }
  bool goes_on = client->flow == NATS_PAUSED && (client->auth == NULL || !client->auth->awaiting);
  if (goes_on) tern_loop_defer(client->worker->loop, &client->turn);
}

static void compared(struct hasher_job *hashing, int result) {
  struct job *job = container_of(hashing, struct job, hashing);
  job->result = result;
  tern_workers_call(job->workers, job->worker, deliver,
                    job); /* fails only when there are no clients any more */
  free_job(job);
}

/* ---- another configuration ---- */

/* Without -ERR, as by nats-server. */
static void end_gone(struct nats_client *client, const char *user, const char *why) {
  tern_log_event(TERN_LOG_INFO, nats_client_about(client, "auth_gone"), "closed by a reload%s%s%s: %s",
                 *user != '\0' ? " - User \"" : "", user, *user != '\0' ? "\"" : "", why);
  nats_client_because(client, NATS_CLIENT_CLOSED);
  nats_client_end(client);
}

/* One that ends has no say any more, but is told of as who it was; without memory as nobody. */
static void keep_user(struct nats_client *client, struct settings *before) {
  client->permissions = NULL;
  if (client->user == NULL || (client->auth == NULL && !make_auth(client)))
    client->user = NULL;
  else if (client->auth->former == NULL)
    client->auth->former = settings_ref(before);
}

static void match_anew(struct nats_client *client, struct settings *before) {
  const struct access *access = access_of(client);
  struct access_result result = {0};
  if (client->transport == NULL || client->flow == NATS_ENDED) {
    nats_account_leave(client);
    keep_user(client, before);
    return;
  }
  if (client->auth != NULL &&
      client->auth->pending) { /* CONNECT is judged by it, or the result of comparing */
    if (!client->auth->awaiting && !nats_auth_is_asked(client)) drop(client);
    return;
  }
  enum access_verdict verdict =
      access == NULL
          ? ACCESS_GRANTED
          : access_rematch(access, client->user, (enum access_proof)client->proof, uid_of(client), &result);
  const bool moved = client->route != route_of(client, result.user);
  if (verdict == ACCESS_GRANTED && !moved) {
    become(client, result.user, (uint8_t)result.proof);
    return;
  }
  const char *user = or_empty(nats_auth_name(client));
  nats_account_leave(client); /* whoever stays does not have to go for it */
  keep_user(client, before);
  if (verdict == ACCESS_REFUSED)
    refuse(client, user, result.why);
  else
    end_gone(client, user, verdict == ACCESS_GONE ? result.why : "its account is another one now");
}

void nats_auth_changed(struct nats_worker *worker, struct settings *before) {
  for (struct nats_client *client = worker->clients; client != NULL; client = client->next)
    match_anew(client, before);
  for (struct nats_client *client = worker->clients; client != NULL; client = client->next)
    if (nats_account_shed(client)) end_too_many(client);
}
