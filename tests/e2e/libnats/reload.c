/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libnats: the configuration is reloaded again and again while messages flow, in clear and over TLS, and no message is
 * lost, none comes twice, none out of order (R3 of broker/ops/reload.c, O1). Tern only.
 */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "certs.h"
#include "client.h"

#define PUBLISHERS  2
#define SUBSCRIBERS 3 /* plain ones, with an index for each publisher */
#define MEMBERS     2 /* of a queue group */
#define RELOADS     150

static struct broker server;
static char config[] = "/tmp/tern-e2e-config-XXXXXX";
static bool with_tls;
static _Atomic bool over;

static void write_settings(int round) {
  FILE *file = fopen(config, "w");
  CHECK(file != NULL, "%s cannot be written", config);
  fprintf(file, "max_payload: %dKB\nmax_pending: %dMB\nping_interval: '%ds'\nmax_connections: %d\n",
          round % 2 ? 64 : 512, round % 3 ? 64 : 128, 60 + round % 7, 100 + round);
  if (with_tls)
    fprintf(file, "tls { cert_file: '%s', key_file: '%s', timeout: %d }\n",
            certs_path(round % 2 ? "rsa.pem" : "server.pem"),
            certs_path(round % 2 ? "rsa.key" : "server.key"), 10 + round % 3);
  CHECK(fclose(file) == 0, "%s cannot be written", config);
}

static natsConnection *join(void) {
  natsConnection *connection = NULL;
  natsOptions *options = NULL;
  OK(natsOptions_Create(&options));
  OK(natsOptions_SetURL(options, server.url));
  OK(natsOptions_SetAllowReconnect(options, false)); /* who is disconnected is noticed */
  if (with_tls) {
    OK(natsOptions_SetSecure(options, true));
    OK(natsOptions_LoadCATrustedCertificates(options, certs_path("ca.pem")));
    OK(natsOptions_SetExpectedHostname(options, "localhost"));
  }
  OK(natsConnection_Connect(&connection, options));
  natsOptions_Destroy(options);
  return connection;
}

/* What one subscription has seen of each publisher. */
struct seen {
  _Atomic int count[PUBLISHERS];
  int next[PUBLISHERS];
  bool ordered; /* all messages come here, so that none may be missing in between */
  _Atomic int faults;
};

static void on_message(natsConnection *connection, natsSubscription *sub, natsMsg *message, void *closure) {
  struct seen *seen = closure;
  (void)connection, (void)sub;
  int who = natsMsg_GetSubject(message)[5] - '0';
  int number = (int)strtol(natsMsg_GetData(message), NULL, 10);
  bool fault = seen->ordered ? number != seen->next[who] : number < seen->next[who];
  /* relaxed: read when all have come */
  if (fault) atomic_fetch_add_explicit(&seen->faults, 1, memory_order_relaxed);
  seen->next[who] = number + 1;
  atomic_fetch_add_explicit(&seen->count[who], 1, memory_order_release); /* pairs with client_await */
  natsMsg_Destroy(message);
}

struct publisher {
  pthread_t thread;
  natsConnection *connection;
  int who, sent;
};

static void *publish(void *arg) {
  struct publisher *publisher = arg;
  char subject[16], text[64];
  snprintf(subject, sizeof subject, "load.%d", publisher->who);
  while (!atomic_load_explicit(&over, memory_order_acquire)) { /* pairs with the store in run */
    snprintf(text, sizeof text, "%d and some more bytes", publisher->sent++);
    OK(natsConnection_PublishString(publisher->connection, subject, text));
    if (publisher->sent % 50 == 0) client_flush(publisher->connection);
  }
  client_flush(publisher->connection);
  return NULL;
}

static int reloads_done(void) {
  char *log = broker_log(&server);
  int count = 0;
  for (const char *at = log; (at = strstr(at, "Reloaded server configuration")) != NULL; at++)
    count++;
  free(log);
  return count;
}

static void reload_again_and_again(void) {
  const int rounds = test_scaled(RELOADS);
  for (int round = 1; round <= rounds; round++) {
    write_settings(round);
    kill(server.pid, SIGHUP);
    int done = 0;
    for (int i = 0; i < test_wait_ms() && (done = reloads_done()) < round; i++)
      usleep(1000);
    CHECK(done == round, "%d reloads of %d", done, round);
  }
}

static void run(const char *path) {
  static struct seen seen[SUBSCRIBERS + MEMBERS];
  natsConnection *connections[SUBSCRIBERS + MEMBERS];
  natsSubscription *subs[SUBSCRIBERS + MEMBERS];
  struct publisher publishers[PUBLISHERS];
  char option[64];
  memset(seen, 0, sizeof seen);
  atomic_store_explicit(&over, false, memory_order_relaxed); /* no other thread yet */
  write_settings(0);
  snprintf(option, sizeof option, "config=%s", config);
  const char *const options[] = {option, NULL};
  broker_start(&server, &(struct broker_setup){.path = path, .options = options});
  for (int i = 0; i < SUBSCRIBERS + MEMBERS; i++) {
    connections[i] = join();
    seen[i].ordered = i < SUBSCRIBERS;
    if (i < SUBSCRIBERS)
      OK(natsConnection_Subscribe(&subs[i], connections[i], i % 2 ? "load.*" : "load.>", on_message,
                                  &seen[i]));
    else
      OK(natsConnection_QueueSubscribe(&subs[i], connections[i], "load.>", "group", on_message, &seen[i]));
    OK(natsSubscription_SetPendingLimits(subs[i], -1, -1));
    client_flush(connections[i]);
  }
  for (int i = 0; i < PUBLISHERS; i++) {
    publishers[i] = (struct publisher){.connection = join(), .who = i};
    CHECK(pthread_create(&publishers[i].thread, NULL, publish, &publishers[i]) == 0, "thread");
  }
  reload_again_and_again();
  natsConnection_Destroy(join());                           /* the last settings let others in as well */
  atomic_store_explicit(&over, true, memory_order_release); /* pairs with the load in publish */
  for (int i = 0; i < PUBLISHERS; i++)
    pthread_join(publishers[i].thread, NULL);
  for (int who = 0; who < PUBLISHERS; who++) {
    for (int i = 0; i < SUBSCRIBERS; i++)
      client_await(&seen[i].count[who], publishers[who].sent, "messages past reloads");
    int group = 0;
    for (int n = 0; n < test_wait_ms() && group < publishers[who].sent; n++, usleep(1000)) {
      group = 0;
      for (int i = SUBSCRIBERS; i < SUBSCRIBERS + MEMBERS; i++) /* pairs with on_message */
        group += atomic_load_explicit(&seen[i].count[who], memory_order_acquire);
    }
    CHECK(group == publishers[who].sent, "a queue group got %d of %d", group, publishers[who].sent);
  }
  for (int i = 0; i < SUBSCRIBERS + MEMBERS; i++)
    CHECK(atomic_load_explicit(&seen[i].faults, memory_order_relaxed) == 0, "%d: out of order", i);
  printf("%s: %d and %d messages past %d reloads\n", with_tls ? "TLS" : "in clear", publishers[0].sent,
         publishers[1].sent, test_scaled(RELOADS));
  for (int i = 0; i < PUBLISHERS; i++)
    natsConnection_Destroy(publishers[i].connection);
  for (int i = 0; i < SUBSCRIBERS + MEMBERS; i++) {
    natsSubscription_Destroy(subs[i]);
    natsConnection_Destroy(connections[i]);
  }
  CHECK(broker_stop(&server, SIGTERM) == 0, "exit code");
}

int main(int argc, char **argv) {
  CHECK(argc == 2, "usage: reload BROKER");
  certs_make();
  close(mkstemp(config));
  for (int tls = 0; tls < 2; tls++) {
    with_tls = tls;
    run(argv[1]);
  }
  unlink(config);
  nats_Close();
  return 0;
}
