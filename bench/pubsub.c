/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tern-bench pubsub: publishers and subscribers on one subject, and what became of the messages.
 *
 *     connect subscribers -> connect publishers -> publish -> (time over: stop) -> drain -> join, add up,
 * report
 *
 * The main thread only moves the phases on, shows progress, and gives up when a peer fails or nothing has
 * moved for ten seconds. Figures are over the whole run, from the first message sent to the last received:
 * there is no warm-up to leave out, so runs of a second or more are meant. The peers' work is in peers.c.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cpu.h"
#include "run.h"

#define STALL_NS  UINT64_C(10000000000)
#define PEERS_MAX 4096

static volatile sig_atomic_t interrupted;

static void on_signal(int number) {
  (void)number;
  interrupted = 1;
}

static const char usage[] =
    "usage: tern-bench pubsub [options]\n"
    "  -s, --server URL    nats://[USER:PASSWORD@]HOST:PORT, or raw://HOST:PORT for tern-bench forward\n"
    "                      (default nats://127.0.0.1:4222)\n"
    "      --size BYTES    payload, 8 to 1048576 (default 16)\n"
    "      --msgs N        messages of each publisher, k and m allowed (default 1m)\n"
    "      --seconds S     publish for a time instead\n"
    "      --pubs N        publishers (default 1)\n"
    "      --subs N        subscribers, each of which gets everything (default 1)\n"
    "      --subject NAME  (default bench)\n"
    "      --pid PID       the broker's process, to report its CPU time (default: found when local)\n"
    "      --label TEXT    name of the measurement (default: the server's)\n"
    "      --json          print the result as JSON\n"
    "      --quiet         no progress\n"
    "exit code: 0 all delivered as sent, 1 lost, doubled, reordered or altered, 2 not run or not complete\n";

/* Reads a number of at least min and at most max, with k or m behind it. */
static bool parse_number(const char *text, uint64_t min, uint64_t max, uint64_t *out) {
  char *end;
  errno = 0;
  if (*text < '0' || *text > '9') return false;
  unsigned long long value = strtoull(text, &end, 10);
  uint64_t unit = *end == 'k' ? 1000 : *end == 'm' ? 1000000 : 1;
  if (unit > 1) end++;
  if (errno != 0 || *end != '\0' || value > max / unit) return false;
  *out = value * unit;
  return *out >= min;
}

static bool parse_count(const char *text, unsigned min, unsigned max, unsigned *out) {
  uint64_t value;
  if (!parse_number(text, min, max, &value)) return false;
  *out = (unsigned)value;
  return true;
}

static bool parse_seconds(const char *text, double *out) {
  char *end;
  *out = strtod(text, &end);
  return end != text && *end == '\0' && *out > 0 && *out <= 86400;
}

enum {
  OPTION_SIZE = 256,
  OPTION_MSGS,
  OPTION_SECONDS,
  OPTION_PUBS,
  OPTION_SUBS,
  OPTION_SUBJECT,
  OPTION_PID,
  OPTION_LABEL,
  OPTION_JSON,
  OPTION_QUIET
};

/* One option; false when its value is not acceptable. */
static bool take_option(struct options *options, int option, const char *value) {
  unsigned number;
  switch (option) {
    case 's':
      options->url = value;
      return target_parse(&options->target, value);
    case OPTION_SIZE:
      return parse_count(value, PAYLOAD_MIN_BYTES, PAYLOAD_MAX_BYTES, &options->size);
    case OPTION_MSGS:
      return parse_number(value, 1, UINT64_MAX / 2, &options->messages);
    case OPTION_SECONDS:
      return parse_seconds(value, &options->seconds);
    case OPTION_PUBS:
      return parse_count(value, 1, PUBLISHERS_MAX, &options->publishers);
    case OPTION_SUBS:
      return parse_count(value, 0, PEERS_MAX, &options->subscribers);
    case OPTION_SUBJECT:
      options->subject = value;
      return true;
    case OPTION_PID:
      if (!parse_count(value, 1, INT32_MAX, &number)) return false;
      options->pid = (pid_t)number;
      return true;
    case OPTION_LABEL:
      options->label = value;
      return true;
    case OPTION_JSON:
      return options->json = true;
    case OPTION_QUIET:
      return options->quiet = true;
    default:
      return false;
  }
}

static bool parse_options(struct options *options, int argc, char **argv) {
  static const struct option names[] = {{"server", required_argument, NULL, 's'},
                                        {"size", required_argument, NULL, OPTION_SIZE},
                                        {"msgs", required_argument, NULL, OPTION_MSGS},
                                        {"seconds", required_argument, NULL, OPTION_SECONDS},
                                        {"pubs", required_argument, NULL, OPTION_PUBS},
                                        {"subs", required_argument, NULL, OPTION_SUBS},
                                        {"subject", required_argument, NULL, OPTION_SUBJECT},
                                        {"pid", required_argument, NULL, OPTION_PID},
                                        {"label", required_argument, NULL, OPTION_LABEL},
                                        {"help", no_argument, NULL, 'h'},
                                        {"json", no_argument, NULL, OPTION_JSON},
                                        {"quiet", no_argument, NULL, OPTION_QUIET},
                                        {NULL, 0, NULL, 0}};
  *options = (struct options){.url = "nats://127.0.0.1:4222",
                              .subject = "bench",
                              .size = 16,
                              .publishers = 1,
                              .subscribers = 1,
                              .messages = 1000000};
  target_parse(&options->target, options->url);
  bool messages_given = false;
  for (int option; (option = getopt_long(argc, argv, "hs:", names, NULL)) != -1;) {
    if (option == '?') return false;
    if (option == 'h') {
      fputs(usage, stdout);
      exit(EXIT_FINE);
    }
    messages_given |= option == OPTION_MSGS;
    if (take_option(options, option, optarg)) continue;
    fprintf(stderr, "tern-bench: '%s' is not a possible value\n", optarg);
    return false;
  }
  if (options->seconds > 0 && !messages_given) options->messages = UINT64_MAX;
  bool raw_possible = options->publishers == 1 && options->subscribers >= 1;
  if (options->target.raw && !raw_possible)
    fprintf(stderr, "tern-bench: the forwarder takes one publisher, and at least one subscriber\n");
  return optind == argc && (!options->target.raw || raw_possible);
}

static enum peer_state state_of(const struct peer *peer) {
  /* acquire: pairs with the thread's release; its error text is visible with the state */
  return (enum peer_state)atomic_load_explicit(&peer->state, memory_order_acquire);
}

static void set_phase(struct run *run, enum phase phase) {
  /* release: pairs with the peers' acquire */
  atomic_store_explicit(&run->phase, phase, memory_order_release);
}

static void pause_ms(long ms) { nanosleep(&(struct timespec){.tv_nsec = ms * 1000000}, NULL); }

/* The first of the peers that has failed, or NULL. */
static const struct peer *failed_peer(const struct peer *peers, unsigned count) {
  for (unsigned i = 0; i < count; i++) {
    if (peers[i].started && state_of(&peers[i]) == PEER_FAILED) return &peers[i];
  }
  return NULL;
}

static bool all_at_least(const struct peer *peers, unsigned count, enum peer_state state) {
  for (unsigned i = 0; i < count; i++) {
    if (state_of(&peers[i]) < state) return false;
  }
  return true;
}

static uint64_t messages_of(const struct peer *peers, unsigned count) {
  uint64_t sum = 0;
  for (unsigned i = 0; i < count; i++)
    sum += tern_counter_read(&peers[i].messages);
  return sum;
}

/* Starts peers and waits until they are connected. Returns NULL or why not. */
static const char *start_peers(struct run *run, struct peer *peers, unsigned count, void *(*fn)(void *)) {
  for (unsigned i = 0; i < count; i++) {
    peers[i].run = run;
    peers[i].index = i;
    int error = pthread_create(&peers[i].thread, NULL, fn, &peers[i]);
    if (error != 0) return strerror(error);
    peers[i].started = true;
  }
  while (!all_at_least(peers, count, PEER_READY) && !interrupted)
    pause_ms(1);
  const struct peer *failed = failed_peer(peers, count);
  return failed != NULL ? failed->client.error : NULL;
}

/* Progress, on a terminal in one line that changes, else as a line every second. */
static void show_progress(const struct run *run, uint64_t now, uint64_t sent, uint64_t received) {
  static uint64_t shown_ns, shown_messages;
  bool terminal = isatty(STDERR_FILENO);
  if (shown_ns == 0) shown_ns = run->start_ns;
  if (run->options->quiet || now - shown_ns < (terminal ? 250000000u : 1000000000u)) return;
  uint64_t moved = run->options->subscribers > 0 ? received : sent;
  double rate = (double)(moved - shown_messages) * 1e9 / (double)(now - shown_ns);
  fprintf(stderr, "%s%6.1f s  sent %llu  received %llu  %.0f msg/s%s", terminal ? "\r\033[K" : "",
          (double)(now - run->start_ns) / 1e9, (unsigned long long)sent, (unsigned long long)received, rate,
          terminal ? "" : "\n");
  shown_ns = now;
  shown_messages = moved;
}

/* Moves the phases on until all is done. Returns NULL, or why it is not. */
static const char *supervise(struct run *run) {
  const struct options *options = run->options;
  uint64_t moved = 0, moved_ns = run->start_ns;
  enum phase phase = PHASE_PUBLISH;
  const char *reason = NULL;
  while (reason == NULL) {
    uint64_t now = now_ns();
    uint64_t sent = messages_of(run->publishers, options->publishers);
    uint64_t received = messages_of(run->subscribers, options->subscribers);
    show_progress(run, now, sent, received);
    if (sent + received != moved) moved_ns = now;
    moved = sent + received;
    const struct peer *failed = failed_peer(run->publishers, options->publishers);
    if (failed == NULL) failed = failed_peer(run->subscribers, options->subscribers);
    bool over = options->seconds > 0 && (double)(now - run->start_ns) >= options->seconds * 1e9;
    enum phase next = phase;
    if (failed != NULL) {
      reason = failed->client.error;
    } else if (now - moved_ns > STALL_NS) {
      reason = "nothing has moved for 10 seconds";
    } else if (phase < PHASE_DRAIN && all_at_least(run->publishers, options->publishers, PEER_DONE)) {
      next = PHASE_DRAIN;
    } else if (phase == PHASE_PUBLISH && (over || interrupted)) {
      next = PHASE_STOP;
    } else if (phase == PHASE_DRAIN && all_at_least(run->subscribers, options->subscribers, PEER_DONE)) {
      break;
    }
    if (next != phase) set_phase(run, phase = next);
    pause_ms(2);
  }
  if (!options->quiet && isatty(STDERR_FILENO)) fputs("\r\033[K", stderr);
  return reason == NULL && interrupted ? "interrupted" : reason;
}

static void add_findings(struct findings *sum, const struct findings *add) {
  sum->received += add->received;
  sum->lost += add->lost;
  sum->doubled += add->doubled;
  sum->reordered += add->reordered;
  sum->altered += add->altered;
}

/* Adds up what the joined peers have. */
static void collect(const struct run *run, struct row *row) {
  const struct options *options = run->options;
  uint64_t end_ns = run->start_ns + 1, busiest_ns = 0, all_ns = 0;
  row->sent = messages_of(run->publishers, options->publishers);
  row->expected = row->sent * options->subscribers;
  for (unsigned i = 0; i < options->publishers; i++) {
    const struct peer *peer = &run->publishers[i];
    all_ns += peer->cpu_ns;
    if (peer->cpu_ns > busiest_ns) busiest_ns = peer->cpu_ns;
    if (options->subscribers == 0 && peer->last_ns > end_ns) end_ns = peer->last_ns;
  }
  for (unsigned i = 0; i < options->subscribers; i++) {
    struct peer *peer = &run->subscribers[i];
    for (unsigned p = 0; row->error == NULL && p < options->publishers; p++)
      checker_finish(&peer->checker, p, tern_counter_read(&run->publishers[p].messages));
    add_findings(&row->found, &peer->checker.found);
    all_ns += peer->cpu_ns;
    if (peer->cpu_ns > busiest_ns) busiest_ns = peer->cpu_ns;
    if (peer->last_ns > end_ns) end_ns = peer->last_ns;
  }
  row->received = row->found.received;
  row->seconds = (double)(end_ns - run->start_ns) / 1e9;
  double counted = (double)(options->subscribers > 0 ? row->received : row->sent);
  row->rate = counted / row->seconds;
  row->bytes_per_second = row->rate * options->size;
  row->client.cpu_seconds = (double)all_ns / 1e9;
  row->client.busiest_thread = (double)busiest_ns / 1e9 / row->seconds;
  if (counted > 0) row->broker.cpu_ns_per_message = row->broker.cpu_seconds * 1e9 / counted;
}

/* What does not depend on the outcome. */
static void describe(const struct run *run, struct row *row) {
  const struct options *options = run->options;
  const struct client *client = &run->publishers[0].client;
  *row = (struct row){.scenario = "pubsub",
                      .label = options->label,
                      .url = options->url,
                      .server = client->server,
                      .version = client->version,
                      .command = options->command,
                      .time = time(NULL),
                      .size = options->size,
                      .publishers = options->publishers,
                      .subscribers = options->subscribers,
                      .connections = options->publishers + options->subscribers,
                      .threads = options->publishers + options->subscribers,
                      .unit = "msg/s"};
}

/* Ends all threads. */
static void join_peers(struct peer *peers, unsigned count) {
  for (unsigned i = 0; i < count; i++) {
    if (peers[i].started) pthread_join(peers[i].thread, NULL);
  }
}

/* Connects, publishes and drains. Returns false, with an error printed, when publishing never began. */
static bool carry_out(struct run *run, struct row *row) {
  const struct options *options = run->options;
  const char *error = start_peers(run, run->subscribers, options->subscribers, subscriber_main);
  if (error == NULL) error = start_peers(run, run->publishers, options->publishers, publisher_main);
  if (error == NULL && interrupted) error = "interrupted";
  if (error != NULL) {
    fprintf(stderr, "tern-bench: %s\n", error);
    set_phase(run, PHASE_ABORT);
    return false;
  }
  describe(run, row);
  pid_t broker = options->pid != 0 ? options->pid : peer_process(run->publishers[0].client.fd);
  uint64_t before_ns = broker != 0 ? process_cpu_ns(broker) : CPU_UNKNOWN;
  row->broker.rss_before = process_memory(broker).resident;
  run->start_ns = now_ns();
  set_phase(run, PHASE_PUBLISH);
  row->error = supervise(run);
  uint64_t after_ns = process_cpu_ns(broker);
  if (before_ns != CPU_UNKNOWN && after_ns != CPU_UNKNOWN) {
    struct memory memory = process_memory(broker);
    row->broker.pid = broker;
    row->broker.cpu_seconds = (double)(after_ns - before_ns) / 1e9;
    row->broker.rss_after = memory.resident;
    row->broker.rss_peak = memory.peak;
  }
  if (row->error != NULL) set_phase(run, PHASE_ABORT);
  return true;
}

int pubsub_main(int argc, char **argv) {
  struct options options;
  struct run run = {.options = &options};
  struct row row;
  char command[512] = "pubsub";
  for (int i = 1; i < argc; i++) { /* before getopt puts them in another order */
    size_t len = strlen(command);
    snprintf(command + len, sizeof command - len, " %s", argv[i]);
  }
  if (!parse_options(&options, argc, argv) || !shape_init(&run.shape, options.subject, options.size)) {
    fputs(usage, stderr);
    return EXIT_INCOMPLETE;
  }
  options.command = command;
  run.publishers = calloc(options.publishers, sizeof *run.publishers);
  run.subscribers = calloc(options.subscribers + 1, sizeof *run.subscribers);
  if (run.publishers == NULL || run.subscribers == NULL) {
    fputs("tern-bench: out of memory\n", stderr);
    free(run.publishers);
    free(run.subscribers);
    return EXIT_INCOMPLETE;
  }
  struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND}; /* a second one kills */
  sigaction(SIGINT, &action, NULL);
  sigaction(SIGTERM, &action, NULL);
  int code = EXIT_INCOMPLETE;
  bool begun = carry_out(&run, &row);
  join_peers(run.publishers, options.publishers);
  join_peers(run.subscribers, options.subscribers);
  if (begun) {
    collect(&run, &row);
    json_t *json = options.json ? row_json(&row) : NULL;
    if (!options.json)
      row_print(&row);
    else if (json == NULL || json_dumpf(json, stdout, JSON_COMPACT | JSON_REAL_PRECISION(9)) < 0 ||
             puts("") < 0)
      fputs("tern-bench: out of memory\n", stderr);
    json_decref(json);
    code = row_exit_code(&row);
  }
  for (unsigned i = 0; i < options.subscribers; i++)
    checker_free(&run.subscribers[i].checker);
  free(run.publishers);
  free(run.subscribers);
  return code;
}
