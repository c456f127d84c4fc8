/* SPDX-License-Identifier: Apache-2.0 */
/** Accounts in simulation: settings with imports, and clients that are in an account. */
#ifndef TERN_TESTS_BROKER_ACCOUNTS_H
#define TERN_TESTS_BROKER_ACCOUNTS_H

#include "fixture.h"

#include "conf_report.h"
#include "crossing.h"
#include "imports.h"

/* Settings of a configuration's text; a reference of the caller's. */
static inline struct settings *settings_of(const char *text) {
  struct conf_error error;
  struct conf *conf;
  struct conf_report report = {0};
  struct nats_limits limits = sim_limits();
  struct nats_identity identity = {.server_id = "NSIM",
                                   .server_name = "sim",
                                   .nats_version = "2.12.0",
                                   .tern_version = "0",
                                   .host = "mem"};
  struct settings *settings = settings_new(&limits);
  assert_int_equal(nats_settings_describe(settings, &identity), 0);
  if (conf_parse("test.conf", text, strlen(text), &conf, &error) != 0) fail_msg("%s", error.text);
  assert_int_equal(imports_read(conf_root(conf), &report, &settings->imports), 0);
  conf_free(conf);
  return settings;
}

/* These settings hold from now on. */
static inline void configure(struct sim *sim, const char *text) {
  struct settings *settings = settings_of(text);
  assert_int_equal(core_set_settings(&sim->core, sim->workers, settings), 0);
  assert_int_equal(core_set_imports(&sim->core, sim->workers, true), 0);
  settings_unref(settings);
}

static inline void start_with(struct sim *sim, unsigned workers, const char *text) {
  start(sim, workers, NULL);
  configure(sim, text);
}

/* Joins and is in the account. How far it is away is not known: that would be a different text each time. */
static inline void join_account(struct sim *sim, struct sim_client *c, unsigned worker, const char *account,
                                const char *fields) {
  uint32_t number;
  join(sim, c, worker, fields);
  assert_int_equal(core_account(&sim->core, sim->workers, true, account, &number), 0);
  struct nats_worker *nats = sim->core.nats.workers[worker];
  nats->clients->route = nats->routes[number];
  nats->routes[number]->name = account;
  nats->clients->rtt_ns = 0;
}

/* The client's next line is a request with this start and end around the reply subject, which is returned. */
static inline const char *expect_request(struct sim_client *c, const char *start, const char *end) {
  static char reply[64];
  expect(c, start);
  expect(c, "_R_.");
  size_t len = strcspn(unread(c), " ");
  assert_in_range(len, 1, sizeof reply - 6);
  snprintf(reply, sizeof reply, "_R_.%.*s", (int)len, unread(c));
  c->read_to += len;
  expect(c, end);
  return reply;
}

static inline void say_to(struct sim_client *c, const char *subject, const char *rest) {
  char line[256];
  snprintf(line, sizeof line, "PUB %s %s", subject, rest);
  say_and_sync(c, line);
}

#endif
