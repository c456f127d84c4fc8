/* SPDX-License-Identifier: Apache-2.0 */
/** Simulated workers with accounts and users of a configuration's text. */
#ifndef TERN_TESTS_BROKER_CONFIGURED_H
#define TERN_TESTS_BROKER_CONFIGURED_H

#include "access.h"
#include "access_text.h"
#include "fixture.h"

/* This configuration holds from now on. */
static inline void configure_access(struct sim *sim, const char *text) {
  struct access_said said;
  struct nats_limits limits = sim_limits();
  struct nats_identity identity = {
      .server_id = "N", .server_name = "s", .nats_version = "2.12.0", .tern_version = "0", .host = "h"};
  struct settings *settings = settings_new(&limits);
  assert_non_null(settings);
  settings->access = access_text(text, NULL, &said);
  if (settings->access == NULL) fail_msg("%s", said.first);
  assert_int_equal(core_number_accounts(&sim->core, sim->workers, true, settings->access), 0);
  assert_int_equal(nats_settings_describe(settings, &identity), 0);
  assert_int_equal(core_set_settings(&sim->core, sim->workers, settings), 0);
  settings_unref(settings);
}

/* The number of an account that there is. */
static inline uint32_t number_of(struct sim *sim, const char *account) {
  for (uint32_t i = 0; i < sim->core.account_count; i++)
    if (strcmp(sim->core.names[i], account) == 0) return i;
  fail_msg("no account %s", account);
  return 0;
}

/* A client of a user whose password is the name; a word is said of it and its program. */
static inline void join_user(struct sim *sim, struct sim_client *c, unsigned worker, const char *user) {
  char fields[256];
  snprintf(fields, sizeof fields,
           REQUESTS ",\"user\":\"%s\",\"pass\":\"%s\",\"name\":\"n\",\"lang\":\"c\",\"version\":\"7\"", user,
           user);
  join(sim, c, worker, fields);
}

static inline void leave(struct sim *sim, struct sim_client *c) {
  sim_hang_up(c);
  ticks(sim, 20);
}

#endif
