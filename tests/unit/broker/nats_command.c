/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The commands one by one: a script is said and the exact answer has to come back; whether the connection ends is part
 * of it. The end-to-end transcripts compare such scripts with nats-server; here every branch has one, also those that
 * need a state (a held command, a message for nobody) which a script alone does not bring about.
 */
#include "fixture.h"

#include <tern/log.h>
#include <unistd.h>

#include "pool.h"

#define ERR(text) "-ERR '" text "'\r\n"

struct script {
  const char *connect; /* fields of CONNECT, NULL: none is sent */
  const char *say;
  const char *answer; /* all of it */
  bool ends;          /* the connection */
};

static void run(const struct script *script) {
  struct sim sim;
  struct sim_client c;
  print_message("%s", script->say);
  start(&sim, 1, NULL);
  assert_int_equal(sim_connect(&sim, &c, 0, NULL), 0);
  expect_info(&c);
  if (script->connect != NULL) {
    char line[256];
    snprintf(line, sizeof line, "CONNECT {%s}\r\n", script->connect);
    sim_say(&c, line);
    ticks(&sim, 5);
  }
  sim_say(&c, script->say);
  ticks(&sim, 20);
  sim_pull(&c);
  assert_string_equal(unread(&c), script->answer);
  assert_int_equal(c.lost, script->ends);
  end(&sim, &c, 1);
}

#define RUN_ALL(scripts)                                            \
  for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts)[0]; i++) \
  run(&(scripts)[i])

static void connect_says_who_it_does_not_want(void **state) {
  (void)state;
  static const struct script scripts[] = {
      {NULL, "CONNECT {}\r\n", "+OK\r\n", false},
      {NULL, "CONNECT {\"verbose\":false}\r\n", "", false},
      {NULL, "CONNECT {\"verbose\":false}\r\nCONNECT {\"verbose\":true}\r\n", "+OK\r\n", false},
      {NULL, "CONNECT {\"account\":\"A\"}\r\n", ERR("Authorization Violation"), true},
      {NULL, "CONNECT {\"account\":\"\"}\r\n", "+OK\r\n", false},
      {NULL, "CONNECT {\"new_account\":true}\r\n", ERR("Authorization Violation"), true},
      {NULL, "CONNECT {\"protocol\":2}\r\n", ERR("invalid client protocol"), true},
      {NULL, "CONNECT {\"protocol\":-1}\r\n", ERR("invalid client protocol"), true},
      {NULL, "CONNECT {\"no_responders\":true}\r\n", ERR("no responders requires headers support"), true},
      {NULL, "CONNECT {\"no_responders\":true,\"headers\":true}\r\n", "+OK\r\n", false},
      {NULL, "CONNECT {\"verbose\":1}\r\n", "", true},
      {NULL, "CONNECT nonsense\r\n", "", true},
  };
  RUN_ALL(scripts);
}

static void verbose_clients_get_ok_for_what_was_done(void **state) {
  (void)state;
  static const struct script scripts[] = {
      {"", "SUB a 1\r\n", "+OK\r\n+OK\r\n", false}, /* the first is CONNECT's */
      {"", "SUB a 1\r\nPUB a 1\r\nx\r\n", "+OK\r\n+OK\r\n+OK\r\nMSG a 1 1\r\nx\r\n", false},
      {"", "UNSUB 1\r\n", "+OK\r\n+OK\r\n", false}, /* nothing to undo is done, too */
      {"", "PING\r\nPONG\r\n+OK\r\n", "+OK\r\nPONG\r\n", false},
      {"", "SUB a..b 1\r\n", "+OK\r\n" ERR("Invalid Subject"), false},
      {"\"headers\":true", "HPUB a 12 12\r\nNATS/1.0\r\n\r\n\r\n", "+OK\r\n+OK\r\n", false},
  };
  RUN_ALL(scripts);
}

static void pedantic_clients_are_told_of_subjects(void **state) {
  (void)state;
  static const struct script scripts[] = {
      {"\"verbose\":false", "PUB a.* 1\r\nx\r\n", ERR("Invalid Publish Subject"), false},
      {"\"verbose\":false", "SUB > 1\r\nPUB a..b 1\r\nx\r\n", ERR("Invalid Publish Subject"), false},
      {QUIET, "PUB a.* 1\r\nx\r\nPING\r\n", "PONG\r\n", false},
  };
  RUN_ALL(scripts);
}

static void some_subjects_are_not_for_clients(void **state) {
  (void)state;
  static const struct script scripts[] = {
      {QUIET, "PUB _GR_.x 0\r\n\r\n", ERR("Permissions Violation for Publish to \"_GR_.x\""), false},
      {QUIET, "PUB $NRG.x 0\r\n\r\n", ERR("Permissions Violation for Publish to \"$NRG.x\""), false},
      {QUIET, "PUB $NRG 0\r\n\r\nPUB _GR_ 0\r\n\r\nPUB _R_.x 0\r\n\r\n", "", false},
      {QUIET, "PUB a _R_.x 0\r\n\r\n", ERR("Permissions Violation for Publish with Reply of \"_R_.x\""),
       false},
      {QUIET, "PUB a _GR_.x 0\r\n\r\n", ERR("Permissions Violation for Publish with Reply of \"_GR_.x\""),
       false},
      {QUIET, "PUB a $JS.ACK.x 0\r\n\r\n",
       ERR("Permissions Violation for Publish with Reply of \"$JS.ACK.x\""), false},
      {QUIET, "SUB > 1\r\nPUB _GR_.x 0\r\n\r\n", ERR("Permissions Violation for Publish to \"_GR_.x\""),
       false},
      {QUIET, "SUB a _sys_ 1\r\nPUB a 0\r\n\r\n",
       ERR("Permissions Violation for Subscription to \"a\" using queue \"_sys_\""), false},
      {QUIET, "SUB a _sys 1\r\nPUB a 0\r\n\r\n", "MSG a 1 0\r\n\r\n", false},
  };
  RUN_ALL(scripts);
}

static void names_in_errors_are_quoted(void **state) {
  (void)state;
  static const struct script scripts[] = {
      {QUIET, "PUB _GR_.\"\\\x01\x7f\xff\xc3\xa4 0\r\n\r\n",
       ERR("Permissions Violation for Publish to \"_GR_.\\\"\\\\\\x01\\x7f\\xff\xc3\xa4\""), false},
      {QUIET, "PUB _GR_.\xc3 0\r\n\r\n", ERR("Permissions Violation for Publish to \"_GR_.\\xc3\""), false},
  };
  RUN_ALL(scripts);
}

static void the_first_pong_comes_with_a_second_info(void **state) {
  (void)state;
  static const char *const fields[] = {QUIET ",\"protocol\":1", QUIET};
  for (unsigned i = 0; i < 2; i++) {
    struct sim sim;
    struct sim_client c;
    start(&sim, 1, NULL);
    join(&sim, &c, 0, fields[i]);
    if (i == 0) expect_info(&c);
    expect_silence(&c);
    say_and_sync(&c, ""); /* only the first */
    expect_silence(&c);
    end(&sim, &c, 1);
  }
  static const struct script before_connect = {NULL, "PING\r\n", "PONG\r\n", false};
  run(&before_connect);
}

static void what_servers_say_to_clients_is_taken_calmly(void **state) {
  (void)state;
  static const struct script scripts[] = {
      {QUIET, "INFO {\"server_id\":\"x\"}\r\nPING\r\n", "PONG\r\n", false},
      {QUIET, "INFO nonsense\r\nPING\r\n", "", true},
      {QUIET, "-ERR 'why'\r\nPING\r\n", "", true},
      {QUIET, "+OK\r\nPING\r\n", "PONG\r\n", false},
  };
  RUN_ALL(scripts);
}

static void requests_for_nobody_are_answered(void **state) {
  (void)state;
  static const struct script scripts[] = {
      {REQUESTS, "SUB in 9\r\nPUB service in 2\r\nhi\r\n",
       "HMSG in 9 39 39\r\nNATS/1.0 503\r\nNats-Subject: service\r\n\r\n\r\n", false},
      {REQUESTS, "SUB in g 9\r\nPUB service in 2\r\nhi\r\n", "", false}, /* a queue group is not asked */
      {REQUESTS, "PUB service in 2\r\nhi\r\n", "", false},               /* nobody to tell */
      {REQUESTS, "SUB in 9\r\nPUB service 2\r\nhi\r\n", "", false},      /* no reply is wanted */
      {QUIET ",\"headers\":true", "SUB in 9\r\nPUB service in 2\r\nhi\r\n", "", false},
      {REQUESTS, "SUB in 9\r\nSUB service 1\r\nPUB service in 2\r\nhi\r\n", "MSG service 1 in 2\r\nhi\r\n",
       false},
  };
  RUN_ALL(scripts);
}

/* Arguments may be a password: the trace shows the words of an operation and never an argument. */
static void the_trace_does_not_show_what_connect_says(void **state) {
  (void)state;
  struct sim sim;
  struct sim_client c;
  char path[] = "/tmp/tern-trace-XXXXXX";
  static char log[65536];
  int fd = mkstemp(path);
  assert_true(fd >= 0);
  assert_int_equal(tern_log_start(&(struct tern_log_options){.path = path, .trace = true}), 0);
  start(&sim, 1, NULL);
  join(&sim, &c, 0, QUIET ",\"pass\":\"secret\"");
  say_and_sync(&c, "SUB a q 1\r\nUNSUB 1 7\r\nPUB b in 2\r\nhi\r\n");
  end(&sim, &c, 1);
  tern_log_stop();
  ssize_t n = pread(fd, log, sizeof log - 1, 0);
  close(fd);
  unlink(path);
  assert_true(n > 0);
  assert_non_null(strstr(log, "<<- [CONNECT {"));
  assert_non_null(strstr(log, "<<- [SUB a q 1]"));
  assert_non_null(strstr(log, "<<- [UNSUB 1 7]"));
  assert_non_null(strstr(log, "<<- [PUB b in 2]"));
  assert_non_null(strstr(log, "->> [PONG]"));
  assert_null(strstr(log, "secret"));
}

static int no_memory(size_t size) {
  (void)size;
  return 1;
}

/* A subscription that silently is not there would be worse than an end. */
static void without_memory_for_a_subscription_the_connection_ends(void **state) {
  (void)state;
  struct sim sim;
  struct sim_client c;
  start(&sim, 1, NULL);
  join(&sim, &c, 0, QUIET);
  say_and_sync(&c, "SUB a 1\r\n");
  struct nats_client *client = sim.core.nats.workers[0]->clients;
  const struct tern_nats_op op = {
      .verb = TERN_NATS_SUB, .subject = tern_slice_of("b"), .sid = tern_slice_of("2")};
  tern__sim_enter(tern_workers_at(sim.workers, 0));
  tern__pool_fault = no_memory;
  nats_command(client, &op);
  tern__pool_fault = NULL;
  assert_int_equal(client->flow, NATS_ENDED);
  assert_null(nats_sub_find(client, op.sid));
  tern__sim_enter(NULL);
  expect_end(&c);
  end(&sim, &c, 1);
}

/* A held command that is dropped with its connection, and one that does nothing because there is none. */
static void what_is_held_can_be_dropped(void **state) {
  (void)state;
  struct sim sim;
  struct sim_client c;
  start(&sim, 1, NULL);
  join(&sim, &c, 0, QUIET);
  struct nats_client *client = sim.core.nats.workers[0]->clients;
  tern__sim_enter(tern_workers_at(sim.workers, 0));
  nats_command_held(client);
  nats_held_drop(client);
  assert_int_equal(client->flow, NATS_OPEN);
  struct nats_held *held = tern_pool_alloc(tern_loop_pool(client->worker->loop), sizeof *held + 2);
  assert_non_null(held);
  memcpy(held->text, "b2", 2);
  *held = (struct nats_held){
      .op = {.verb = TERN_NATS_SUB, .subject = {held->text, 1}, .sid = {held->text + 1, 1}},
      .size = sizeof *held + 2};
  client->held = held;
  nats_command_held(client);
  assert_null(client->held);
  assert_non_null(nats_sub_find(client, tern_slice_of("2")));
  tern__sim_enter(NULL);
  say_and_sync(&c, "");
  end(&sim, &c, 1); /* the pool would tell if it were left over */
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(connect_says_who_it_does_not_want),
      cmocka_unit_test(verbose_clients_get_ok_for_what_was_done),
      cmocka_unit_test(pedantic_clients_are_told_of_subjects),
      cmocka_unit_test(some_subjects_are_not_for_clients),
      cmocka_unit_test(names_in_errors_are_quoted),
      cmocka_unit_test(the_first_pong_comes_with_a_second_info),
      cmocka_unit_test(what_servers_say_to_clients_is_taken_calmly),
      cmocka_unit_test(requests_for_nobody_are_answered),
      cmocka_unit_test(the_trace_does_not_show_what_connect_says),
      cmocka_unit_test(without_memory_for_a_subscription_the_connection_ends),
      cmocka_unit_test(what_is_held_can_be_dropped),
  };
  return cmocka_run_group_tests_name("nats_command", tests, NULL, NULL);
}
