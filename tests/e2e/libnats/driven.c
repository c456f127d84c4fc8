/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libnats, driven by tests/e2e/clients/clients.py: one request a line on standard input, one answer a line on standard
 * output; words are separated by tabs.
 *
 *     join N KEY=VALUE...    makes connection N of 0 to 3      ok, or: refused STATUS
 *     works N                publishes, subscribes, asks       ok, or: failed WHERE STATUS
 *     told N                 what has happened since           ok LOST BACK CLOSED, counts
 *     wait N WHAT COUNT      until lost, back or closed has been so often    ok, or: failed timeout
 *     leave N                                                  ok
 *
 * KEYs of join: url, user, password, token, nkey and seed, tls=1, ca, cert and key, reconnect=1. With the end of its input
 * the program ends.
 */
#include <stdlib.h>

#include "client.h"

#define CONNECTIONS 4

/* One that was made; libnats may call back for a while after it was destroyed, so that all live as long as the program. */
struct driven {
  struct driven *before;
  natsConnection *connection; /* NULL: none */
  char *seed;                 /* signs the nonce; NULL: it need not */
  bool unsent;                /* the last signature was one that libnats does not send */
  _Atomic int lost, back, closed;
};

static struct driven *all, *numbered[CONNECTIONS];

/* ---- what libnats calls: on threads of its own; the counts pair with the loads in told and wait_for ---- */

static void on_lost(natsConnection *connection, void *closure) {
  struct driven *driven = closure;
  (void)connection;
  atomic_fetch_add_explicit(&driven->lost, 1, memory_order_release); /* pairs with count_of */
}

static void on_back(natsConnection *connection, void *closure) {
  struct driven *driven = closure;
  (void)connection;
  atomic_fetch_add_explicit(&driven->back, 1, memory_order_release); /* pairs with count_of */
}

static void on_closed(natsConnection *connection, void *closure) {
  struct driven *driven = closure;
  (void)connection;
  atomic_fetch_add_explicit(&driven->closed, 1, memory_order_release); /* pairs with count_of */
}

/* libnats 3.4 takes a signature that begins with a zero byte, which is one in 256, for an empty string and leaves it out. */
static natsStatus on_sign(char **error, unsigned char **signature, int *len, const char *nonce,
                          void *closure) {
  struct driven *driven = closure;
  (void)error;
  natsStatus status = nats_Sign(driven->seed, nonce, signature, len);
  driven->unsent = status == NATS_OK && (*signature)[0] == 0;
  return status;
}

static void on_request(natsConnection *connection, natsSubscription *sub, natsMsg *message, void *closure) {
  (void)sub, (void)closure;
  natsConnection_Publish(connection, natsMsg_GetReply(message), natsMsg_GetData(message),
                         natsMsg_GetDataLength(message));
  natsMsg_Destroy(message);
}

/* ---- requests ---- */

/* The value of a key among the words, or NULL. */
static const char *value_of(char *const *words, const char *key) {
  const size_t len = strlen(key);
  for (; *words != NULL; words++)
    if (strncmp(*words, key, len) == 0 && (*words)[len] == '=') return *words + len + 1;
  return NULL;
}

static void set_tls(natsOptions *options, char *const *words) {
  const char *ca = value_of(words, "ca"), *cert = value_of(words, "cert");
  if (value_of(words, "tls") == NULL) return;
  OK(natsOptions_SetSecure(options, true));
  OK(natsOptions_SetExpectedHostname(options, "localhost"));
  if (ca != NULL) OK(natsOptions_LoadCATrustedCertificates(options, ca));
  if (cert != NULL) OK(natsOptions_LoadCertificatesChain(options, cert, value_of(words, "key")));
}

static void set_credentials(natsOptions *options, struct driven *driven, char *const *words) {
  const char *user = value_of(words, "user"), *password = value_of(words, "password");
  const char *token = value_of(words, "token"), *nkey = value_of(words, "nkey");
  if (user != NULL) OK(natsOptions_SetUserInfo(options, user, password != NULL ? password : ""));
  if (token != NULL) OK(natsOptions_SetToken(options, token));
  if (nkey == NULL) return;
  driven->seed = strdup(value_of(words, "seed"));
  OK(natsOptions_SetNKey(options, nkey, on_sign, driven));
}

static natsOptions *make_options(struct driven *driven, char *const *words) {
  natsOptions *options = NULL;
  OK(natsOptions_Create(&options));
  OK(natsOptions_SetURL(options, value_of(words, "url")));
  OK(natsOptions_SetTimeout(options, test_wait_ms()));
  OK(natsOptions_SetAllowReconnect(options, value_of(words, "reconnect") != NULL));
  OK(natsOptions_SetReconnectWait(options, 20));
  OK(natsOptions_SetReconnectJitter(options, 10, 10));
  OK(natsOptions_SetMaxReconnect(options, -1));
  OK(natsOptions_SetDisconnectedCB(options, on_lost, driven));
  OK(natsOptions_SetReconnectedCB(options, on_back, driven));
  OK(natsOptions_SetClosedCB(options, on_closed, driven));
  set_tls(options, words);
  set_credentials(options, driven, words);
  return options;
}

static void join(struct driven **number, char *const *words) {
  struct driven *driven = calloc(1, sizeof *driven);
  CHECK(driven != NULL, "out of memory");
  driven->before = all;
  all = *number = driven;
  natsOptions *options = make_options(driven, words);
  natsStatus status;
  do {
    driven->unsent = false;
    status = natsConnection_Connect(&driven->connection, options);
  } while (status != NATS_OK && driven->unsent); /* another nonce has another signature */
  natsOptions_Destroy(options);
  if (status == NATS_OK)
    puts("ok");
  else
    printf("refused\t%s\n", natsStatus_GetText(status));
}

/* Each step only when those before it went well. */
static void works(struct driven **number, char *const *words) {
  struct driven *driven = *number;
  natsSubscription *sub = NULL, *service = NULL;
  natsMsg *message = NULL, *answer = NULL;
  const char *where = "subscribe";
  (void)words;
  natsStatus status = natsConnection_SubscribeSync(&sub, driven->connection, "driven.*");
  if (status == NATS_OK)
    status = natsConnection_Subscribe(&service, driven->connection, "asked", on_request, NULL);
  if (status == NATS_OK && (where = "publish"))
    status = natsConnection_PublishString(driven->connection, "driven.a", "text");
  if (status == NATS_OK && (where = "receive"))
    status = natsSubscription_NextMsg(&message, sub, test_wait_ms());
  if (status == NATS_OK && (where = "request"))
    status = natsConnection_RequestString(&answer, driven->connection, "asked", "question", test_wait_ms());
  if (status == NATS_OK && strcmp(natsMsg_GetData(answer), "question") != 0) status = NATS_MISMATCH;
  natsMsg_Destroy(message);
  natsMsg_Destroy(answer);
  natsSubscription_Destroy(sub);
  natsSubscription_Destroy(service);
  if (status == NATS_OK)
    puts("ok");
  else
    printf("failed\t%s\t%s\n", where, natsStatus_GetText(status));
}

static int count_of(_Atomic int *counter) {
  return atomic_load_explicit(counter, memory_order_acquire); /* pairs with the adds above */
}

static void told(struct driven **number, char *const *words) {
  struct driven *driven = *number;
  (void)words;
  printf("ok\t%d\t%d\t%d\n", count_of(&driven->lost), count_of(&driven->back), count_of(&driven->closed));
}

static void wait_for(struct driven **number, char *const *words) {
  struct driven *driven = *number;
  CHECK(words[0] != NULL && words[1] != NULL, "wait for what, and how often");
  const long count = strtol(words[1], NULL, 10);
  _Atomic int *counter = strcmp(words[0], "lost") == 0   ? &driven->lost
                         : strcmp(words[0], "back") == 0 ? &driven->back
                                                         : &driven->closed;
  for (int i = 0; i < test_wait_ms() && count_of(counter) < count; i++)
    usleep(1000);
  puts(count_of(counter) >= count ? "ok" : "failed\ttimeout");
}

static void leave(struct driven **number, char *const *words) {
  struct driven *driven = *number;
  (void)words;
  natsConnection_Destroy(driven->connection);
  driven->connection = NULL;
  puts("ok");
}

static const struct {
  const char *name;
  void (*run)(struct driven **number, char *const *words);
} requests[] = {{"join", join}, {"works", works}, {"told", told}, {"wait", wait_for}, {"leave", leave}};

/* One line without its end. */
static void answer(char *line) {
  char *words[16] = {NULL}, *rest = line;
  for (size_t i = 0; i + 1 < sizeof words / sizeof words[0] && rest != NULL; i++)
    words[i] = strsep(&rest, "\t");
  CHECK(words[0] != NULL && words[1] != NULL && rest == NULL, "a request has a name, a number and few words");
  const long number = strtol(words[1], NULL, 10);
  CHECK(number >= 0 && number < CONNECTIONS, "connection %ld", number);
  CHECK(numbered[number] != NULL || strcmp(words[0], "join") == 0, "connection %ld is not there", number);
  for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
    if (strcmp(requests[i].name, words[0]) != 0) continue;
    requests[i].run(&numbered[number], words + 2);
    fflush(stdout);
    return;
  }
  CHECK(false, "no request is called %s", words[0]);
}

int main(void) {
  char *line = NULL;
  size_t room = 0;
  while (getline(&line, &room, stdin) > 0) {
    line[strcspn(line, "\n")] = '\0';
    answer(line);
  }
  free(line);
  for (struct driven *driven = all; driven != NULL; driven = driven->before)
    natsConnection_Destroy(driven->connection);
  nats_Close(); /* the last of libnats's threads has ended */
  while (all != NULL) {
    struct driven *driven = all;
    all = driven->before;
    free(driven->seed);
    free(driven);
  }
  return 0;
}
