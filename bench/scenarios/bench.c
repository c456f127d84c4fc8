/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The steps every measurement is made of, and what all rows have in common.
 *
 * The main thread only waits: it looks every two milliseconds how far the threads are, shows progress, and gives up
 * when a connection has failed, when nothing has moved for ten seconds, or on SIGINT. What has been measured until then
 * is kept as that of a failed measurement. Before measuring has begun there is nothing to keep: then only the reason is printed.
 *
 * Thread: main.
 */
#include "bench.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tern/tls.h>
#include <time.h>
#include <unistd.h>

#include "commands.h"
#include "ending.h"
#include "report.h"

#define STALL_NS        UINT64_C(10000000000)
#define QUIET_NS        UINT64_C(2000000000)
#define THREADS_DEFAULT 16

static void pause_ms(long ms) { nanosleep(&(struct timespec){.tv_nsec = ms * 1000000}, NULL); }

/* ---- The steps ---- */

bool bench_cannot(struct bench *bench, int error) {
  if (bench->error[0] == '\0') snprintf(bench->error, sizeof bench->error, "%s", strerror(-error));
  return false;
}

static unsigned choose_threads(const struct options *options, unsigned connections) {
  long processors = sysconf(_SC_NPROCESSORS_ONLN);
  unsigned threads = options->threads;
  if (threads == 0)
    threads = processors < 2 ? 2 : processors < THREADS_DEFAULT ? (unsigned)processors : THREADS_DEFAULT;
  return threads < connections ? threads : connections > 0 ? connections : 1;
}

bool bench_open(struct bench *bench, unsigned connections, bool latency, bool hiccup) {
  const struct options *options = bench->options;
  if (!engine_allow_files(connections, bench->error, sizeof bench->error)) return false;
  unsigned threads = choose_threads(options, connections);
  int error = engine_init(&bench->engine, &options->target, threads, latency);
  if (error != 0) return bench_cannot(bench, error);
  engine_place(&bench->engine, options->placement);
  if (latency && (bench->latency = histogram_new()) == NULL) return bench_cannot(bench, -ENOMEM);
  if (hiccup) hiccup_start(&bench->hiccup);
  return true;
}

unsigned bench_thread(const struct bench *bench, bool receives, unsigned index) {
  unsigned threads = bench->engine.count, pubs = bench->options->publishers,
           subs = bench->options->subscribers;
  if (threads < 2 || subs == 0) return index % threads;
  unsigned receiving = (unsigned)(((uint64_t)threads * subs + (pubs + subs) / 2) / (pubs + subs));
  if (receiving < 1) receiving = 1;
  if (receiving > threads - 1) receiving = threads - 1;
  return receives ? index % receiving : receiving + index % (threads - receiving);
}

static uint64_t moved(const struct bench *bench) {
  const struct engine *engine = &bench->engine;
  uint64_t sum = engine_sent(engine) + engine_received(engine) + engine_prepared(engine);
  for (int phase = 0; phase < PHASES; phase++)
    sum += engine_done(engine, (enum phase)phase);
  return sum;
}

/* Adds to the error what became of a server that broke a connection in mid-run. */
static void explain_loss(struct bench *bench) {
  size_t used = strlen(bench->error);
  const struct engine *engine = &bench->engine;
  const char *more = "; the server is gone";
  if (engine->lost == LOST_NOBODY || bench->begin_ns == 0) return;
  if (target_accepts(engine->target))
    more = engine->lost == LOST_RECEIVER && engine_sent(engine) > 0
               ? "; the server is still there: it may have cut off a subscriber as too slow (slow consumer)"
               : "; the server is still there";
  snprintf(bench->error + used, sizeof bench->error - used, "%s", more);
}

/* True when the measurement cannot go on. */
static bool gone_wrong(struct bench *bench) {
  if (bench->error[0] != '\0') return true;
  if (engine_failed(&bench->engine)) {
    pause_ms(20); /* the server's own words may be on their way to another connection */
    pthread_mutex_lock(&bench->engine.lock);
    snprintf(bench->error, sizeof bench->error, "%s", bench->engine.error);
    bench->lacking = bench->engine.lacking;
    pthread_mutex_unlock(&bench->engine.lock);
    explain_loss(bench);
  } else if (ending) {
    snprintf(bench->error, sizeof bench->error, "interrupted");
  }
  return bench->error[0] != '\0';
}

enum await bench_await(struct bench *bench, enum phase phase, uint64_t count, double seconds) {
  uint64_t begin = now_ns(), before = moved(bench), moved_ns = begin;
  for (;; pause_ms(2)) {
    uint64_t now = now_ns(), sum = moved(bench);
    if (sum != before) moved_ns = now;
    before = sum;
    if (gone_wrong(bench)) return AWAIT_FAILED;
    if (engine_done(&bench->engine, phase) >= count) return AWAIT_DONE;
    if (seconds > 0 && (double)(now - begin) >= seconds * 1e9) return AWAIT_TIME;
    if (seconds <= 0 && now - moved_ns > STALL_NS) {
      snprintf(bench->error, sizeof bench->error, "nothing has moved for 10 seconds");
      return AWAIT_FAILED;
    }
    progress_show(bench, phase, count);
  }
}

enum await bench_sleep(struct bench *bench, double seconds) {
  return bench_await(bench, PHASE_END, UINT64_MAX, seconds);
}

void bench_await_rest(struct bench *bench, uint64_t expected) {
  uint64_t last = 0, moved_ns = now_ns();
  for (; !gone_wrong(bench); pause_ms(2)) {
    uint64_t received = engine_received(&bench->engine), now = now_ns();
    if (received != last) moved_ns = now;
    last = received;
    if (received >= expected || now - moved_ns > QUIET_NS) return;
    progress_show(bench, PHASE_DRAIN, 0);
  }
}

bool bench_connect(struct bench *bench) {
  uint64_t receivers = 0, senders = 0;
  const struct engine *engine = &bench->engine;
  for (unsigned i = 0; i < engine->count; i++) {
    for (unsigned j = 0; j < engine->threads[i].count; j++) {
      const struct role *role = engine->threads[i].conns[j]->role;
      if (role->late) continue;
      if (role->purpose == PURPOSE_RECEIVE)
        receivers++;
      else
        senders++;
    }
  }
  int error = engine_start(&bench->engine);
  if (error != 0) return bench_cannot(bench, error);
  if (bench_await(bench, PHASE_RECEIVERS, receivers, 0) != AWAIT_DONE) return false;
  engine_enter(&bench->engine, PHASE_SENDERS);
  return bench_await(bench, PHASE_SENDERS, senders, 0) == AWAIT_DONE;
}

void bench_begin(struct bench *bench, enum phase phase) {
  pid_t pid =
      bench->options->pid != 0 ? bench->options->pid : process_listening(&bench->options->target.address);
  bench->before = process_look(pid);
  if (bench->machine_before.ticks == 0) bench->machine_before = machine_look();
  bench->begin_ns = bench->engine.start_ns = now_ns();
  engine_enter(&bench->engine, phase);
}

double bench_elapsed(const struct bench *bench) { return (double)(now_ns() - bench->begin_ns) / 1e9; }

/* What the client's threads used, and whether that was too much. */
static void fill_client(struct bench *bench) {
  struct row *row = &bench->row;
  double elapsed = row->seconds > 0 ? row->seconds : 1e-9, busiest = 0;
  for (unsigned i = 0; i < bench->engine.count; i++) {
    const struct thread *thread = &bench->engine.threads[i];
    double used = (double)thread->cpu_ns / 1e9;
    row->client.cpu_seconds += used;
    if (used > busiest) busiest = used;
    if (thread->latency != NULL) histogram_merge(bench->latency, thread->latency);
  }
  double broker = (double)process_busiest_ns(&bench->before, &bench->after) / 1e9 / elapsed;
  double all = row->broker.cpu_seconds / elapsed / (double)sysconf(_SC_NPROCESSORS_ONLN);
  row->client.busiest_thread = busiest / elapsed;
  row->client.bottleneck = row_client_was_limit(busiest / elapsed, broker, all);
}

/* Where the connections are, and what the broker's threads took for each message. */
static void fill_placement(struct bench *bench) {
  struct row *row = &bench->row;
  unsigned aside = 0;
  char name[PROCESS_NAME_BYTES];
  if (bench->options->placement == PLACEMENT_ANY) return;
  for (unsigned i = 0; i < bench->engine.count; i++)
    aside += bench->engine.threads[i].aside_count;
  /* relaxed: the threads that wrote it have ended */
  int worker = atomic_load_explicit(&bench->engine.receivers_worker, memory_order_relaxed);
  row_figure(row, "subscribers_worker", worker);
  row_figure(row, "connections_aside", aside);
  if (row->broker.pid == 0 || row->received == 0) return;
  snprintf(name, sizeof name, "tern-worker-%d", worker % 100);
  double messages = (double)row->received;
  row_figure(row, "threads_ns_per_message",
             (double)process_threads_ns(&bench->before, &bench->after, NULL) / messages);
  row_figure(row, "subscribers_worker_ns_per_message",
             (double)process_threads_ns(&bench->before, &bench->after, name) / messages);
}

void bench_end(struct bench *bench) {
  struct row *row = &bench->row;
  const struct options *options = bench->options;
  const struct engine *engine = &bench->engine;
  bench->after = process_look(bench->before.pid);
  struct machine machine = machine_look();
  if (machine.ticks > bench->machine_before.ticks && machine.stolen >= bench->machine_before.stolen) {
    row->machine.ticks =
        machine.ticks - bench->machine_before.ticks; /* some kernels' waiting time goes back */
    row->machine.stolen = machine.stolen - bench->machine_before.stolen;
  }
  uint64_t end = bench->end_ns != 0 ? bench->end_ns : now_ns();
  engine_join(&bench->engine);
  hiccup_stop(&bench->hiccup);
  progress_end(bench);
  row->size = options->size;
  row->publishers = options->publishers;
  row->subscribers = options->subscribers;
  row->connections = engine->conns;
  row->threads = engine->count;
  row->asked_rate = options->rate;
  row->sent = engine_sent(engine);
  row->received = engine_received(engine);
  row->seconds = (double)(end - bench->begin_ns) / 1e9;
  row->server = engine->server;
  row->version = engine->version;
  row->error = bench->error[0] != '\0' ? bench->error : NULL;
  row->latency = bench->latency;
  row->hiccup = bench->hiccup.late;
  if (bench->before.pid != 0 && bench->after.pid != 0) {
    row->broker.pid = bench->after.pid;
    row->broker.cpu_seconds = (double)(bench->after.cpu_ns - bench->before.cpu_ns) / 1e9;
    row->broker.rss_before = bench->before.resident;
    row->broker.rss_after = bench->after.resident;
    row->broker.rss_peak = bench->after.peak; /* which the kernel brings up to date from time to time only */
    if (row->broker.rss_peak < bench->before.resident) row->broker.rss_peak = bench->before.resident;
    if (row->broker.rss_peak < bench->after.resident) row->broker.rss_peak = bench->after.resident;
  }
  fill_client(bench);
  fill_placement(bench);
}

void bench_close(struct bench *bench) {
  if (bench->engine.threads != NULL) engine_free(&bench->engine);
  bench->engine.threads = NULL;
  hiccup_stop(&bench->hiccup);
}

/* ---- A scenario as a subcommand ---- */

bool bench_write_files(const struct options *options, json_t *rows) {
  bool ok = rows != NULL;
  if (ok && options->json_file != NULL) ok = report_write("json", options->json_file, rows) == 0;
  if (ok && options->csv != NULL) ok = report_write("csv", options->csv, rows) == 0;
  if (ok && options->html != NULL) ok = report_write("html", options->html, rows) == 0;
  return ok;
}

/* Shows the row in the ways asked for, and keeps it. Returns the exit code. */
static int show(const struct bench *bench, json_t *rows) {
  const struct options *options = bench->options;
  json_t *json = row_json(&bench->row);
  bool ok = json != NULL;
  if (!options->json) row_print(&bench->row);
  if (ok && options->json)
    ok = json_dumpf(json, stdout, JSON_COMPACT | JSON_REAL_PRECISION(9)) == 0 && puts("") >= 0;
  ok = ok && fflush(stdout) == 0 && json_array_append(rows, json) == 0;
  json_decref(json);
  if (!ok) fputs("tern-bench: the result could not be written\n", stderr);
  return ok ? row_exit_code(&bench->row) : EXIT_INCOMPLETE;
}

static int measure(const struct scenario *scenario, const struct options *options, json_t *rows) {
  struct bench bench = {.scenario = scenario, .options = options};
  bench.row = (struct row){.scenario = scenario->name,
                           .label = options->label,
                           .url = options->target.shown,
                           .command = options->command,
                           .time = time(NULL),
                           .unit = "msg/s"};
  bool done = scenario->run(&bench);
  assert(done || bench.error[0] != '\0');
  int code = EXIT_INCOMPLETE;
  if (done && bench.begin_ns != 0)
    code = show(&bench, rows);
  else
    fprintf(stderr, "tern-bench: %s\n", bench.error);
  if (bench.lacking) code = EXIT_CANNOT;
  histogram_free(bench.hiccup.late);
  histogram_free(bench.latency);
  return code;
}

/* Makes what target.tls is, where the URL asks for TLS; false, with the reason, when that fails. */
static bool prepare_tls(struct options *options, char *error, size_t size) {
  struct target *target = &options->target;
  if (!target->secure) return true;
  struct tern_tls_pair pair = {.cert_file = options->tls_cert, .key_file = options->tls_key};
  struct tern_tls_options wanted = {.pairs = &pair,
                                    .pair_count = options->tls_cert != NULL ? 1 : 0,
                                    .ca_file = options->tls_ca,
                                    .insecure = options->tls_insecure};
  return tern_tls_new(&wanted, &target->tls, error, size) == 0;
}

/* Why connections cannot be placed as asked for; NULL: they can, as far as is known. */
static const char *lacks_placement(const struct options *options) {
  if (options->placement == PLACEMENT_ANY) return NULL;
  if (options->target.dialect->worker == NULL)
    return "this server does not say which worker a connection is on, which --placement needs";
  return options->subscribers == 0 ? "--placement needs a subscriber (--subs)" : NULL;
}

int bench_run(const struct scenario *scenario, int argc, char **argv, json_t *all) {
  struct options options = {.url = "nats://127.0.0.1:4222",
                            .subject = "bench",
                            .size = 16,
                            .publishers = 1,
                            .subscribers = 1,
                            .subjects = 1000,
                            .in_flight = 1,
                            .connections = 1};
  char error[512];
  if (scenario->defaults != NULL) scenario->defaults(&options);
  struct options defaults = options;
  if (!options_parse(&options, argc, argv, error, sizeof error)) {
    options_complain(scenario->name, error);
    return EXIT_INCOMPLETE;
  }
  if (options.help) {
    options_usage(&defaults, scenario->name, scenario->about);
    return EXIT_FINE;
  }
  const char *lacks = scenario->lacks != NULL ? scenario->lacks(options.target.dialect, &options) : NULL;
  if (lacks == NULL) lacks = lacks_placement(&options);
  if (lacks != NULL) {
    fprintf(stderr, "tern-bench: %s: %s\n", scenario->name, lacks);
    return EXIT_CANNOT;
  }
  if (options.pid != 0 && process_look(options.pid).pid == 0) {
    fprintf(stderr, "tern-bench: --pid %ld: there is no such process, or none that may be seen\n",
            (long)options.pid);
    return EXIT_INCOMPLETE;
  }
  if (!target_resolve(&options.target, error, sizeof error)) {
    fprintf(stderr, "tern-bench: %s\n", error);
    return EXIT_INCOMPLETE;
  }
  if (!prepare_tls(&options, error, sizeof error)) {
    fprintf(stderr, "tern-bench: %s\n", error);
    return EXIT_INCOMPLETE;
  }
  ending_watch();
  json_t *rows = all != NULL ? json_incref(all) : json_array();
  int code = measure(scenario, &options, rows);
  if (all == NULL && json_array_size(rows) > 0 && !bench_write_files(&options, rows)) code = EXIT_INCOMPLETE;
  json_decref(rows);
  tern_tls_unref(options.target.tls);
  return code;
}
