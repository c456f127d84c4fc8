/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The load-test client's pacing, command line and URLs, and what it reads in /proc/stat.
 */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "cpu.h"
#include "dialect.h"
#include "ending.h"
#include "options.h"
#include "pace.h"
#include "row.h"
#include "windows.h"

static void what_is_due_is_what_has_its_time(void **state) {
  (void)state;
  static const double rates[] = {0.5, 3, 1000, 33333, 1e6, 7e6};
  for (size_t i = 0; i < sizeof rates / sizeof rates[0]; i++) {
    struct pace pace = pace_of(1000000, rates[i], 1, 0);
    assert_int_equal(pace_due(&pace, 0), 0);
    assert_int_equal(pace_due(&pace, 999999), 0);
    assert_int_equal(pace_due(&pace, 1000000), 1);
    for (uint64_t n = 1; n < 4000000000; n = n * 3 + 1) {
      assert_int_equal(pace_due(&pace, pace_time(&pace, n)), n + 1);
      assert_int_equal(pace_due(&pace, pace_time(&pace, n) - 1), n);
    }
  }
}

static void a_rate_is_kept_for_days(void **state) {
  (void)state;
  struct pace pace = pace_of(5, 1e6 / 3, 1, 0);
  assert_int_equal(pace_due(&pace, 5 + UINT64_C(86400) * 3 * 1000000000 - 1), UINT64_C(86400) * 1000000);
}

static void who_was_late_has_everything_to_send(void **state) {
  (void)state;
  struct pace pace = pace_of(0, 1000, 1, 0);
  assert_int_equal(pace_due(&pace, 10 * 1000000), 11);
  assert_int_equal(pace_due(&pace, 2000 * 1000000ull), 2001); /* and nothing is left out in between */
}

static void several_take_turns(void **state) {
  (void)state;
  uint64_t last = 0;
  for (uint64_t n = 0; n < 100; n++) {
    for (unsigned i = 0; i < 4; i++) {
      struct pace pace = pace_of(1000, 1e6, 4, i);
      uint64_t time = pace_time(&pace, n);
      assert_int_equal(time, 1000 + (n * 4 + i) * 1000);
      assert_true(time > last);
      last = time;
    }
  }
}

static void without_a_rate_everything_is_due(void **state) {
  (void)state;
  struct pace pace = pace_of(1000, 0, 3, 2);
  assert_int_equal(pace_due(&pace, 1000), UINT64_MAX);
}

/* ---- The command line ---- */

#define WORDS_MAX 16

/* Parses `scenario` and the words after it, cut where one of `between` is. */
static bool parse_cut(struct options *options, const char *line, const char *between) {
  static char text[256];
  static char error[256];
  char *words[WORDS_MAX] = {NULL}, *at = text, *word;
  int n = 0;
  snprintf(text, sizeof text, "%s", line);
  while ((word = strsep(&at, between)) != NULL && n < WORDS_MAX - 1)
    words[n++] = word;
  *options =
      (struct options){.url = "nats://127.0.0.1:4222", .subject = "bench", .size = 16, .publishers = 1};
  error[0] = '\0';
  bool ok = options_parse(options, n, words, error, sizeof error);
  assert_int_equal(ok, error[0] == '\0');
  return ok;
}

static bool parse(struct options *options, const char *line) { return parse_cut(options, line, " "); }

static void options_are_read(void **state) {
  (void)state;
  struct options o;
  assert_true(parse(&o, "pubsub"));
  assert_int_equal(o.messages, UINT64_MAX);
  assert_true(o.seconds > 0);
  assert_true(parse(&o, "pubsub --msgs 3m --size 128 --pubs 4 --rate 1.5k --quiet --label=x"));
  assert_int_equal(o.messages, 3000000);
  assert_true(o.seconds == 0);
  assert_int_equal(o.size, 128);
  assert_int_equal(o.publishers, 4);
  assert_true(o.rate == 1500);
  assert_true(o.quiet);
  assert_false(o.json);
  assert_string_equal(o.label, "x");
  assert_true(parse(&o, "pubsub --msgs 5 --seconds 0.25"));
  assert_true(o.messages == 5 && o.seconds == 0.25);
  assert_int_equal(o.placement, PLACEMENT_ANY);
  assert_true(parse(&o, "pubsub --placement same") && o.placement == PLACEMENT_SAME);
  assert_true(parse(&o, "pubsub --placement cross") && o.placement == PLACEMENT_CROSS);
  assert_true(parse(&o, "pubsub --help --nothing-else-matters") == false);
  assert_true(parse(&o, "pubsub -h"));
  assert_true(o.help);
}

static void the_command_repeats_the_measurement_and_keeps_secrets(void **state) {
  (void)state;
  struct options o;
  assert_true(parse(&o, "pubsub -s nats://a:b@h:1 --size 20 --label l --json --token t --pid 7 --msgs 5k"));
  assert_string_equal(o.command, "pubsub --size 20 --msgs 5k");
  assert_string_equal(o.target.shown, "nats://h:1");
  assert_string_equal(o.target.user, "a");
  assert_string_equal(o.target.password, "b");
  assert_string_equal(o.target.token, "t");
  assert_true(parse(&o, "idle --subs 3 --subject x --seconds 1 --connections 4 --seconds 2 --subs 5"));
  assert_string_equal(o.command, "idle --subject x --connections 4 --seconds 2 --subs 5");
  assert_true(parse_cut(&o,
                        "crowd/--storm-password/a --size 9/--size/10/--subs/1/--shared/--storm-password/"
                        "it's --subs 7/--size/11/--shared",
                        "/"));
  assert_string_equal(o.command, "crowd --subs 1 --storm-password 'it'\\''s --subs 7' --size 11 --shared");
}

/* How a program ends that is asked to by the same signal twice, so far apart. */
static int end_of_one_asked_twice(useconds_t apart) {
  int status = -1;
  pid_t child = fork();
  if (child == 0) {
    ending_watch();
    raise(SIGINT);
    if (apart > 0) usleep(apart);
    raise(SIGINT);
    _exit(ending ? 0 : 1);
  }
  assert_true(child > 0);
  assert_int_equal(waitpid(child, &status, 0), child);
  return status;
}

static void the_same_wish_told_twice_is_one(void **state) {
  (void)state;
  int status = end_of_one_asked_twice(0);
  assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void whoever_asks_again_does_not_want_to_wait(void **state) {
  (void)state;
  int status = end_of_one_asked_twice(600000);
  assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGINT);
}

static void what_is_not_possible_is_refused(void **state) {
  (void)state;
  static const char *const wrong[] = {
      "--size 7",      "--size x",    "--size 1e99",  "--msgs 0",      "--msgs 1.5",     "--pubs 0",
      "--pubs 5000",   "--seconds 0", "--seconds -1", "--rate 0",      "--subject a*",   "--subject ",
      "--nosuch",      "extra",       "--size",       "-s http://x",   "-s nats://[::1", "--pid 0",
      "-s rediss://x", "--msgs 1kk",  "-s unix://x",  "-s nats://h:x", "-s nats://",     "--placement near"};
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
    struct options o;
    char line[128];
    snprintf(line, sizeof line, "pubsub %s", wrong[i]);
    if (parse(&o, line)) fail_msg("%s is accepted", line);
  }
}

static void urls_are_taken_apart(void **state) {
  (void)state;
  struct target t;
  assert_null(target_parse(&t, "127.0.0.1"));
  assert_ptr_equal(t.dialect, &dialect_nats);
  assert_string_equal(t.port, "4222");
  assert_null(target_parse(&t, "nats://[::1]:5"));
  assert_string_equal(t.host, "::1");
  assert_string_equal(t.port, "5");
  assert_null(target_parse(&t, "nats://sesame@localhost:5"));
  assert_string_equal(t.token, "sesame");
  assert_null(target_parse(&t, "nats://u:p@x@localhost"));
  assert_string_equal(t.password, "p@x");
  assert_null(target_parse(&t, "nats://a%40b:p%3Aw%2fd%25%4@localhost"));
  assert_string_equal(t.user, "a@b");
  assert_string_equal(t.password, "p:w/d%%4");
  assert_non_null(target_parse(&t, "nats://u:a%00b@localhost"));
  assert_null(target_parse(&t, "nats://h:65535"));
  assert_non_null(target_parse(&t, "nats://h:65536"));
  assert_non_null(target_parse(&t, "nats://h:0"));
  assert_null(target_parse(&t, "redis://:secret@localhost"));
  assert_ptr_equal(t.dialect, &dialect_redis);
  assert_string_equal(t.port, "6379");
  assert_string_equal(t.password, "secret");
  assert_null(target_parse(&t, "unix:///run/x.sock"));
  assert_string_equal(t.path, "/run/x.sock");
  assert_null(target_parse(&t, "raw://127.0.0.1:9"));
  assert_ptr_equal(t.dialect, &dialect_raw);
}

static void the_client_was_the_limit_when_only_it_was_busy(void **state) {
  (void)state;
  assert_true(row_client_was_limit(0.95, 0.5, 0.3));
  assert_false(row_client_was_limit(0.85, 0.5, 0.3));  /* it had time */
  assert_false(row_client_was_limit(0.95, 0.95, 0.5)); /* the broker's thread had none either */
  assert_false(row_client_was_limit(0.95, 0.5, 0.95)); /* its many threads filled all processors */
  assert_true(row_client_was_limit(0.95, 0, 0));       /* a broker that is not seen */
}

static void processor_time_and_what_was_stolen_of_it(void **state) {
  (void)state;
  struct machine machine = machine_read("cpu  1 2 3 4 5 6 7 80 9 10\n"); /* guests' 9 and 10 are in 1 and 2 */
  assert_int_equal(machine.ticks, 108);
  assert_int_equal(machine.stolen, 80);
  static const char *const wrong[] = {"", "cpu  1 2 3 4 5 6 7\n", "cpu0 1 2 3 4 5 6 7 8\n", "intr 1"};
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
    assert_int_equal(machine_read(wrong[i]).ticks, 0);
  struct machine now = machine_look();
  assert_true(now.ticks > 0 && now.ticks >= now.stolen);
}

static bool counts_as(const struct windows *windows, uint64_t at_ns, bool disturbed) {
  const struct window *window = windows_find(windows, at_ns);
  return window != NULL && window->disturbed == disturbed;
}

static void a_request_belongs_to_the_window_it_was_due_in(void **state) {
  (void)state;
  static struct windows windows;
  assert_null(windows_find(&windows, 100));
  windows_open(&windows, 100, false);
  assert_null(windows_find(&windows, 99));
  assert_true(counts_as(&windows, 100, false));
  assert_true(counts_as(&windows, 1000000, false)); /* it is still open */
  windows_close(&windows, 200);
  assert_true(counts_as(&windows, 199, false));
  assert_null(windows_find(&windows, 200));
  windows_open(&windows, 300, true);
  assert_null(windows_find(&windows, 299)); /* settling */
  assert_true(counts_as(&windows, 300, true));
  assert_true(counts_as(&windows, 150, false)); /* its answer comes late */
  windows_close(&windows, 400);
  for (unsigned i = 2; i < WINDOWS_MAX; i++) {
    windows_open(&windows, i * 1000, i % 2 != 0);
    windows_close(&windows, i * 1000 + 10);
  }
  assert_true(counts_as(&windows, 399, true));
  assert_true(counts_as(&windows, 63009, true));
  assert_null(windows_find(&windows, 63010));
}

/* Uses the processor until the kernel has noticed. */
static uint64_t spend(const struct process *before, const char *name) {
  uint64_t spent = 0;
  for (unsigned i = 0; i < 100000 && spent == 0; i++) {
    struct process after = process_look(getpid());
    spent = process_threads_ns(before, &after, name);
  }
  return spent;
}

static void threads_are_told_apart_by_name(void **state) {
  (void)state;
  char name[PROCESS_NAME_BYTES];
  assert_int_equal(pthread_getname_np(pthread_self(), name, sizeof name), 0);
  assert_int_equal(pthread_setname_np(pthread_self(), "bench-parts-1"), 0);
  struct process before = process_look(getpid());
  assert_true(before.threads >= 1);
  assert_true(spend(&before, "bench-parts-1") > 0);
  assert_true(spend(&before, NULL) > 0);
  struct process after = process_look(getpid());
  assert_int_equal(process_threads_ns(&before, &after, "bench-parts-2"), 0);
  assert_int_equal(pthread_setname_np(pthread_self(), name), 0);
}

static int worker_in(const char *info) { return dialect_nats.worker(tern_slice_of(info)); }

static void a_server_may_say_which_worker_it_is(void **state) {
  (void)state;
  assert_int_equal(worker_in("{\"client_id\":5,\"tern_worker\":0}"), 0);
  assert_int_equal(worker_in("{\"tern_worker\":63,\"port\":1}"), 63);
  assert_true(worker_in("{\"client_id\":5}") < 0);
  assert_true(worker_in("{\"tern_worker\":\"1\"}") < 0);
  assert_true(worker_in("{\"tern_worker\":-1}") < 0);
  assert_true(worker_in("{\"tern_worker\":99999999999}") < 0);
  assert_true(worker_in("no JSON") < 0);
  assert_null(dialect_redis.worker);
  assert_null(dialect_raw.worker);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_is_due_is_what_has_its_time),
      cmocka_unit_test(a_rate_is_kept_for_days),
      cmocka_unit_test(who_was_late_has_everything_to_send),
      cmocka_unit_test(several_take_turns),
      cmocka_unit_test(without_a_rate_everything_is_due),
      cmocka_unit_test(options_are_read),
      cmocka_unit_test(the_command_repeats_the_measurement_and_keeps_secrets),
      cmocka_unit_test(the_same_wish_told_twice_is_one),
      cmocka_unit_test(whoever_asks_again_does_not_want_to_wait),
      cmocka_unit_test(what_is_not_possible_is_refused),
      cmocka_unit_test(urls_are_taken_apart),
      cmocka_unit_test(the_client_was_the_limit_when_only_it_was_busy),
      cmocka_unit_test(processor_time_and_what_was_stolen_of_it),
      cmocka_unit_test(a_request_belongs_to_the_window_it_was_due_in),
      cmocka_unit_test(threads_are_told_apart_by_name),
      cmocka_unit_test(a_server_may_say_which_worker_it_is),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
