/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The module loader with a real worker pool and a real registry, and real shared objects: the built-in ones
 * and those in modules/, copied to a directory of this run's own under one name, `mod.so`, where they are
 * replaced, overwritten and removed as an operator would. The router is not linked: the two functions of it
 * that handlers use are defined here and record what was published.
 *
 * Messages are delivered on the workers, one at a time by tern_workers_call (ask), or without pause by
 * deferred calls that queue themselves again (traffic). What happens there is counted and checked afterwards
 * by the main thread, which is the control thread.
 *
 * long file: one harness (workers, registry, a router's stand-in, files) serves every test.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include <tern/error.h>
#include <tern/log.h>
#include <tern/subject.h>

#include "handlers.h"
#include "route.h"

enum { WORKERS = 3, BURST = 20 };

/* One worker's part of the test. The worker writes it; others look while it does not run, or after a call. */
static struct side {
  struct tern_index *index;
  struct route route;
  char subject[64], reply[64], payload[64]; /* of the last message a handler published */
  uint64_t published;
  struct tern_deferred traffic;
  bool flowing;
  uint64_t sent, met_none, met_several, answered_a, answered_b;
} sides[WORKERS];

static char dir[64];
static struct tern_workers *workers;
static struct tern_registry *registry;
static struct options_handler configured[2];
static struct options options;
static struct handlers *loaded; /* by load_configured; a failed test leaves it to tear_down */

/* ---- what the system refuses: the linker sends these calls here ---- */

static _Thread_local int refuse_after = -1; /* allocations to allow on this thread; -1: all */
static bool refuse_memfd;

static bool refused(void) { return refuse_after >= 0 && refuse_after-- == 0; }

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_malloc(size_t size) { return refused() ? NULL : __real_malloc(size); }
void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size) { return refused() ? NULL : __real_calloc(count, size); }
void *__real_aligned_alloc(size_t alignment, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size) {
  return refused() ? NULL : __real_aligned_alloc(alignment, size);
}
int __real_memfd_create(const char *name, unsigned flags);
int __wrap_memfd_create(const char *name, unsigned flags);
int __wrap_memfd_create(const char *name, unsigned flags) {
  if (!refuse_memfd) return __real_memfd_create(name, flags);
  errno = ENOSYS;
  return -1;
}

/* ---- in place of the router ---- */

struct route *route_current(void) {
  struct tern_worker *self = tern_worker_self();
  return self != NULL ? &sides[tern_worker_index(self)].route : NULL;
}

static void keep(char *text, size_t room, struct tern_slice slice) {
  snprintf(text, room, "%.*s", (int)slice.len, slice.ptr != NULL ? slice.ptr : "");
}

int route_publish_inside(struct route *route, struct tern_slice subject, struct tern_slice reply,
                         struct tern_slice payload) {
  struct side *side = (struct side *)(void *)((char *)route - offsetof(struct side, route));
  keep(side->subject, sizeof side->subject, subject);
  keep(side->reply, sizeof side->reply, reply);
  keep(side->payload, sizeof side->payload, payload);
  side->published++;
  side->answered_a += tern_slice_equal(payload, tern_slice_of("a"));
  side->answered_b += tern_slice_equal(payload, tern_slice_of("b"));
  return 0;
}

/* ---- on the workers ---- */

/* Gives a message to the handlers that match. Returns how many there were. */
static unsigned deliver(struct side *side, struct tern_message *message) {
  message->hash = tern_subject_hash(message->subject);
  const struct tern_match *match = tern_index_match(side->index, message->subject, message->hash);
  if (match == NULL) return 0;
  unsigned count = match->handler_count;
  for (unsigned i = 0; i < count; i++)
    match->handlers[i]->handle(match->handlers[i], message);
  tern_index_done(side->index, match);
  return count;
}

struct request {
  struct tern_message message;
  unsigned handlers;
};

static void on_ask(struct tern_worker *worker, void *arg) {
  struct request *request = arg;
  request->handlers = deliver(&sides[tern_worker_index(worker)], &request->message);
}

static void flow(struct tern_deferred *deferred) {
  struct side *side = (struct side *)(void *)((char *)deferred - offsetof(struct side, traffic));
  struct tern_message message = {.subject = tern_slice_of("s.x"), .reply = tern_slice_of("r")};
  for (int i = 0; i < BURST; i++) {
    unsigned handlers = deliver(side, &message);
    side->sent++;
    side->met_none += handlers == 0;
    side->met_several += handlers > 1;
  }
  if (side->flowing) tern_loop_defer(tern_worker_loop(tern_worker_self()), deferred);
}

static void on_flow(struct tern_worker *worker, void *arg) {
  struct side *side = &sides[tern_worker_index(worker)];
  side->flowing = *(bool *)arg;
  side->traffic.call = flow;
  if (side->flowing) tern_loop_defer(tern_worker_loop(worker), &side->traffic);
}

static int started(void *arg, struct tern_worker *worker, void **data) {
  (void)arg;
  (void)data;
  struct side *side = &sides[tern_worker_index(worker)];
  side->index = tern_index_new(registry, tern_worker_reclaimer(worker), tern_worker_index(worker));
  return side->index != NULL ? 0 : -ENOMEM;
}

static void stopped(struct tern_worker *worker) { tern_index_free(sides[tern_worker_index(worker)].index); }

/* ---- on the main thread ---- */

/* Sends one message on a worker and returns how many handlers it met. */
static unsigned ask_with(unsigned worker, const char *subject, const char *reply, struct tern_slice body,
                         uint32_t header_len) {
  struct request request = {
      .message = {.subject = tern_slice_of(subject), .reply = tern_slice_of(reply), .body = body}};
  request.message.header_len = header_len;
  sides[worker].payload[0] = sides[worker].subject[0] = '\0';
  assert_int_equal(tern_workers_call(workers, worker, on_ask, &request), 0);
  return request.handlers;
}

static unsigned ask(unsigned worker, const char *subject, const char *text) {
  return ask_with(worker, subject, "r.1", tern_slice_of(text), 0);
}

static void set_traffic(bool on) {
  for (unsigned i = 0; i < WORKERS; i++)
    assert_int_equal(tern_workers_call(workers, i, on_flow, &on), 0);
}

static const char *in_dir(const char *name) {
  static char path[PATH_MAX];
  snprintf(path, sizeof path, "%s/%s", dir, name);
  return path;
}

/* Writes a copy of a module to a path. Each copy gets a modification time of its own: tests are faster than
 * file systems count. */
static void write_copy(const char *name, const char *path) {
  static long copies;
  char from[PATH_MAX], bytes[65536];
  snprintf(from, sizeof from, TEST_MODULE_DIR "/%s.so", name);
  int in = open(from, O_RDONLY | O_CLOEXEC), out = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  assert_true(in >= 0 && out >= 0);
  ssize_t n;
  while ((n = read(in, bytes, sizeof bytes)) > 0)
    assert_int_equal(write(out, bytes, (size_t)n), n);
  assert_int_equal(n, 0);
  struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = 1000000 + copies++}};
  assert_int_equal(futimens(out, times), 0);
  close(in);
  close(out);
}

/* Puts a module in the place of mod.so, as installers do: another file, renamed. */
static void put(const char *name) {
  char from[PATH_MAX];
  snprintf(from, sizeof from, "%s/new.so", dir);
  write_copy(name, from);
  assert_int_equal(rename(from, in_dir("mod.so")), 0);
}

/* Writes over mod.so, as careless people do: the same file. */
static void overwrite(const char *name) { write_copy(name, in_dir("mod.so")); }

static void put_text(const char *text) {
  FILE *file = fopen(in_dir("mod.so"), "we");
  assert_non_null(file);
  fputs(text, file);
  fclose(file);
}

static unsigned count_in_log(const char *text) {
  static char log[4 * 1024 * 1024];
  FILE *file = fopen(in_dir("log"), "re");
  assert_non_null(file);
  log[fread(log, 1, sizeof log - 1, file)] = '\0';
  fclose(file);
  unsigned count = 0;
  for (const char *at = log; (at = strstr(at, text)) != NULL; at++)
    count++;
  return count;
}

/* The log is written by a thread of its own; waits (bounded) until a text is there so many times. */
static void assert_logged_times(const char *text, unsigned times) {
  for (int i = 0; i < 2000; i++) {
    if (count_in_log(text) >= times) return;
    nanosleep(&(struct timespec){0, 5000000}, NULL);
  }
  fail_msg("\"%s\" was not logged", text);
}

static void assert_logged(const char *text) { assert_logged_times(text, 1); }

static unsigned open_descriptors(void) {
  DIR *listing = opendir("/proc/self/fd");
  assert_non_null(listing);
  unsigned count = 0;
  while (readdir(listing) != NULL)
    count++;
  closedir(listing);
  return count;
}

/* Modules whose code or data is mapped. */
static unsigned mapped_modules(void) {
  char line[PATH_MAX + 100];
  unsigned count = 0;
  FILE *file = fopen("/proc/self/maps", "re");
  assert_non_null(file);
  while (fgets(line, sizeof line, file) != NULL)
    count += strstr(line, "tern-module") != NULL && strstr(line, " r-xp ") != NULL;
  fclose(file);
  return count;
}

/* ---- setting up ---- */

static void configure(const char *filter, const char *module) {
  configured[options.handler_count].filter = strdup(filter);
  configured[options.handler_count].module = strdup(module);
  options.handler_count++;
}

static int set_up(void **unused) {
  (void)unused;
  snprintf(dir, sizeof dir, "/tmp/tern-handlers-XXXXXX");
  assert_non_null(mkdtemp(dir));
  memset(sides, 0, sizeof sides);
  options = (struct options){.handlers = configured, .max_payload = 1 << 20};
  assert_int_equal(tern_log_start(&(struct tern_log_options){.path = in_dir("log")}), 0);
  struct tern_workers_options how = {.count = WORKERS, .started = started, .stopped = stopped};
  assert_int_equal(tern_workers_new(&how, &workers), 0);
  registry = tern_registry_new(tern_workers_reclaimer(workers));
  assert_non_null(registry);
  assert_int_equal(tern_workers_start(workers), 0);
  return 0;
}

static int tear_down(void **unused) {
  (void)unused;
  set_traffic(false);
  handlers_free(loaded);
  loaded = NULL;
  assert_int_equal(tern_workers_stop(workers, 1000), 0);
  tern_registry_free(registry);
  tern_workers_free(workers);
  tern_log_stop();
  for (size_t i = 0; i < options.handler_count; i++) {
    free(configured[i].filter);
    free(configured[i].module);
  }
  static const char *const files[] = {"log", "mod.so", "new.so"};
  for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
    unlink(in_dir(files[i]));
  return rmdir(dir);
}

static void load_configured(void) {
  assert_int_equal(handlers_new(workers, registry, &options, &loaded), 0);
  assert_non_null(loaded);
}

static void unload(void) {
  handlers_free(loaded);
  loaded = NULL;
}

/* ---- what modules can do ---- */

static void the_built_in_modules_answer(void **unused) {
  (void)unused;
  assert_int_equal(setenv("TERN_MODULE_PATH", "/nonexistent::" BUILTIN_MODULE_DIR, 1), 0);
  configure("echo", "echo");
  configure("greet.*", "greet");
  load_configured();
  for (unsigned worker = 0; worker < WORKERS; worker++) {
    struct side *side = &sides[worker];
    assert_int_equal(ask(worker, "echo", "some text"), 1);
    assert_string_equal(side->subject, "r.1");
    assert_string_equal(side->reply, "");
    assert_string_equal(side->payload, "some text");
    assert_int_equal(ask_with(worker, "echo", "r.2", tern_slice_of("NATS/1.0\r\n\r\npay"), 12), 1);
    assert_string_equal(side->subject, "r.2");
    assert_string_equal(side->payload, "pay");
    assert_int_equal(ask(worker, "greet.me", "Ada"), 1);
    assert_string_equal(side->payload, "Hello, Ada!");
    assert_int_equal(ask(worker, "greet", "Ada"), 0);
    /* nobody wants an answer: nothing is published, and that is no error */
    uint64_t published = side->published;
    assert_int_equal(ask_with(worker, "echo", "", tern_slice_of("x"), 0), 1);
    assert_int_equal(side->published, published);
  }
  assert_int_equal(handlers_stats(loaded).calls, 4 * WORKERS);
  assert_int_equal(handlers_stats(loaded).errors, 0);
  char name[2000];
  memset(name, 'n', sizeof name);
  assert_int_equal(ask_with(0, "greet.me", "r", (struct tern_slice){name, sizeof name}, 0), 1);
  assert_int_equal(handlers_stats(loaded).errors, 1);
  assert_logged("handler greet for greet.* failed on greet.me: limit reached");
  unload();
  assert_int_equal(ask(0, "echo", "x"), 0);
  unsetenv("TERN_MODULE_PATH");
}

static void two_filters_have_two_instances(void **unused) {
  (void)unused;
  put("does");
  configure("x.*", in_dir("mod.so"));
  configure("x.y", in_dir("mod.so"));
  load_configured();
  assert_int_equal(mapped_modules(), 2);
  assert_int_equal(ask(0, "x.z", "filter"), 1);
  assert_string_equal(sides[0].payload, "x.*");
  assert_int_equal(ask(0, "x.y", "filter"), 2);
  assert_int_equal(sides[0].published, 3);
  unload();
  assert_int_equal(mapped_modules(), 0);
}

static void publishing_follows_the_rules(void **unused) {
  (void)unused;
  put("does");
  configure("d", in_dir("mod.so"));
  load_configured();
  assert_int_equal(ask(1, "d", "publish"), 1);
  assert_string_equal(sides[1].subject, "made.here");
  assert_string_equal(sides[1].reply, "answer.to");
  assert_string_equal(sides[1].payload, "made");
  assert_int_equal(handlers_stats(loaded).errors, 0);
  static const char *const refused[] = {"big", "injection", "bad subject", "bad reply"};
  for (unsigned i = 0; i < sizeof refused / sizeof refused[0]; i++) {
    assert_int_equal(ask(1, "d", refused[i]), 1);
    assert_int_equal(handlers_stats(loaded).errors, i + 1);
  }
  /* the reply subject is checked too: it may come from a module of another kind */
  assert_int_equal(ask_with(1, "d", "r\r\nPING", tern_slice_of("filter"), 0), 1);
  assert_int_equal(handlers_stats(loaded).errors, 5);
  assert_int_equal(sides[1].published, 1);
  unload();
}

static void errors_are_counted_and_logged_seldom(void **unused) {
  (void)unused;
  enum { FAILURES = 300 };
  put("does");
  configure("d", in_dir("mod.so"));
  load_configured();
  struct timespec before, after;
  clock_gettime(CLOCK_MONOTONIC, &before);
  for (unsigned i = 0; i < FAILURES; i++)
    assert_int_equal(ask(i % WORKERS, "d", "fail"), 1);
  clock_gettime(CLOCK_MONOTONIC, &after);
  assert_int_equal(handlers_stats(loaded).calls, FAILURES);
  assert_int_equal(handlers_stats(loaded).errors, FAILURES);
  assert_logged("failed on d: protocol violation");
  unload();
  assert_logged("unloaded"); /* so everything before it is there, too */
  /* one at once, then one for each second that may have passed */
  assert_in_range(count_in_log("failed on d"), 1, after.tv_sec - before.tv_sec + 2);
}

static void a_slow_call_is_logged(void **unused) {
  (void)unused;
  put("does");
  configure("d", in_dir("mod.so"));
  load_configured();
  assert_int_equal(ask(2, "d", "sleep"), 1);
  assert_logged("everyone on worker 2 waited for it");
  assert_int_equal(handlers_stats(loaded).errors, 0);
  unload();
}

/* ---- what cannot be loaded ---- */

static void assert_refused(int error, const char *says) {
  struct handlers *handlers = NULL;
  assert_int_equal(handlers_new(workers, registry, &options, &handlers), error);
  assert_null(handlers);
  assert_logged(says);
  assert_int_equal(ask(0, "s.x", "x"), 0);
  assert_int_equal(mapped_modules(), 0);
}

static void unfit_modules_are_refused(void **unused) {
  (void)unused;
  static const struct {
    const char *name;
    const char *says;
  } unfit[] = {
      {"no_symbol", "mod.so cannot be used: it has no function tern_module_v1"},
      {"wrong_abi", "it was built for version 2 of the module interface, this is version 1"},
      {"no_handle", "its description lacks a name, a version or the function handle"},
      {"no_module", "tern_module_v1 returned nothing"},
      {"refuses", "mod.so refused to start for s.*: limit reached"},
  };
  unsigned descriptors = open_descriptors();
  configure("s.*", in_dir("mod.so"));
  for (size_t i = 0; i < sizeof unfit / sizeof unfit[0]; i++) {
    put(unfit[i].name);
    assert_refused(TERN_EMODULE, unfit[i].says);
  }
  put_text("");
  assert_refused(TERN_EMODULE, "mod.so cannot be used: file too short");
  put_text("#!/bin/sh\necho this is no shared object, however long it may become to look like a header\n");
  assert_refused(TERN_EMODULE, "mod.so cannot be used: invalid ELF header");
  assert_int_equal(unlink(in_dir("mod.so")), 0);
  assert_refused(-ENOENT, "mod.so: No such file or directory");
  assert_int_equal(mkdir(in_dir("mod.so"), 0700), 0);
  assert_refused(-EINVAL, "mod.so is not a regular file");
  assert_int_equal(rmdir(in_dir("mod.so")), 0);
  assert_int_equal(mkfifo(in_dir("mod.so"), 0600), 0);
  assert_refused(-EINVAL, "mod.so is not a regular file");
  assert_int_equal(open_descriptors(), descriptors);
}

static void unknown_names_and_bad_filters_are_refused(void **unused) {
  (void)unused;
  assert_int_equal(setenv("TERN_MODULE_PATH", dir, 1), 0);
  put("version_a");
  configure("s.*", "mod");
  configure("s.*", "no_such_module");
  assert_refused(-ENOENT, "looked for no_such_module.so in ");
  assert_logged(dir);
  assert_logged("unloaded"); /* the first one was fine, and is gone again */
  unsetenv("TERN_MODULE_PATH");
  free(configured[0].filter);
  configured[0].filter = strdup("s..x");
  assert_refused(TERN_ESUBJECT, "handler filter \"s..x\" is not valid");
}

/* ---- replacing ---- */

static void assert_answer(const char *answer) {
  for (unsigned worker = 0; worker < WORKERS; worker++) {
    assert_int_equal(ask(worker, "s.x", "?"), answer != NULL ? 1 : 0);
    assert_string_equal(sides[worker].payload, answer != NULL ? answer : "");
  }
}

static void a_reload_follows_the_file(void **unused) {
  (void)unused;
  put("version_a");
  configure("s.*", in_dir("mod.so"));
  unsigned descriptors = open_descriptors();
  load_configured();
  assert_answer("a");
  put("version_b"); /* nothing happens by itself */
  assert_answer("a");
  handlers_reload(loaded);
  assert_answer("b");
  assert_int_equal(mapped_modules(), 1);
  overwrite("version_a"); /* running code is a copy: it does not change under way */
  assert_answer("b");
  handlers_reload(loaded);
  assert_answer("a");
  assert_logged("unloaded");
  assert_logged_times("replaces the old one", 2);
  handlers_reload(loaded); /* nothing has changed: the same instance */
  assert_answer("a");
  assert_int_equal(unlink(in_dir("mod.so")), 0);
  assert_answer("a");
  handlers_reload(loaded);
  assert_answer(NULL);
  assert_int_equal(mapped_modules(), 0);
  handlers_reload(loaded); /* still gone */
  assert_answer(NULL);
  put("version_b");
  handlers_reload(loaded);
  assert_answer("b");
  unload();
  assert_answer(NULL);
  assert_int_equal(count_in_log("replaces the old one"), 2);
  assert_int_equal(mapped_modules(), 0);
  assert_int_equal(open_descriptors(), descriptors);
}

static void an_unfit_successor_leaves_the_old_one(void **unused) {
  (void)unused;
  static const char *const unfit[] = {"no_symbol", "wrong_abi", "no_handle", "no_module", "refuses"};
  put("version_a");
  configure("s.*", in_dir("mod.so"));
  load_configured();
  for (size_t i = 0; i < sizeof unfit / sizeof unfit[0]; i++) {
    put(unfit[i]);
    handlers_reload(loaded);
    assert_answer("a");
    assert_int_equal(mapped_modules(), 1);
  }
  assert_logged("s.*: the old one stays");
  put("version_b");
  handlers_reload(loaded);
  assert_answer("b");
  unload();
}

static void modules_may_be_loaded_before_the_workers_start(void **unused) {
  (void)unused;
  struct tern_workers *idle;
  assert_int_equal(tern_workers_new(&(struct tern_workers_options){.count = 1}, &idle), 0);
  struct tern_registry *other = tern_registry_new(tern_workers_reclaimer(idle));
  assert_non_null(other);
  put("version_a");
  configure("s.*", in_dir("mod.so"));
  struct handlers *handlers = NULL;
  assert_int_equal(handlers_new(idle, other, &options, &handlers), 0);
  put("version_b");
  handlers_reload(handlers);
  assert_int_equal(mapped_modules(), 1);
  handlers_free(handlers);
  assert_int_equal(mapped_modules(), 0);
  tern_registry_free(other);
  tern_workers_free(idle);
}

/* ---- refusals ---- */

/* Each allocation in turn is refused, while loading and while reloading, until one run needs no more. */
static void refused_memory_leaves_things_as_they_were(void **unused) {
  (void)unused;
  enum { ALLOCATIONS_MAX = 1000 };
  put("version_a");
  configure("s.*", in_dir("mod.so"));
  bool enough = false;
  for (int i = 0; i < ALLOCATIONS_MAX && !enough; i++) {
    refuse_after = i;
    int error = handlers_new(workers, registry, &options, &loaded);
    enough = refuse_after >= 0;
    refuse_after = -1;
    assert_int_equal(error < 0, !enough);
    if (error < 0) assert_answer(NULL);
    assert_int_equal(mapped_modules(), enough ? 1 : 0);
  }
  assert_true(enough);
  enough = false;
  for (int i = 0; i < ALLOCATIONS_MAX && !enough; i++) {
    put("version_b");
    refuse_after = i;
    handlers_reload(loaded);
    enough = refuse_after >= 0;
    refuse_after = -1;
    assert_answer(enough ? "b" : "a");
    assert_int_equal(mapped_modules(), 1);
  }
  assert_true(enough);
  unload();
}

static void without_memfd_a_temporary_file_does(void **unused) {
  (void)unused;
  assert_int_equal(setenv("TMPDIR", dir, 1), 0);
  refuse_memfd = true;
  put("version_a");
  configure("s.*", in_dir("mod.so"));
  load_configured();
  assert_answer("a");
  overwrite("version_b");
  handlers_reload(loaded);
  assert_answer("b");
  assert_int_equal(mapped_modules(), 1);
  unload();
  assert_int_equal(setenv("TMPDIR", in_dir("missing"), 1), 0);
  assert_refused(TERN_EMODULE, "mod.so cannot be copied: No such file or directory");
  refuse_memfd = false;
  unsetenv("TMPDIR");
  /* tear_down removes the directory, which shows that nothing was left in it */
}

/* ---- under traffic ---- */

/* Every message meets exactly one of the two modules, whenever it comes. */
static void a_swap_loses_and_doubles_nothing(void **unused) {
  (void)unused;
  enum { SWAPS = 200 };
  put("version_a");
  configure("s.*", in_dir("mod.so"));
  load_configured();
  set_traffic(true);
  for (int i = 1; i <= SWAPS; i++) {
    put(i % 2 != 0 ? "version_b" : "version_a");
    handlers_reload(loaded);
  }
  set_traffic(false);
  uint64_t sent = 0, a = 0, b = 0;
  for (unsigned i = 0; i < WORKERS; i++) {
    tern_workers_synchronize(workers);
    assert_int_equal(sides[i].met_none, 0);
    assert_int_equal(sides[i].met_several, 0);
    sent += sides[i].sent;
    a += sides[i].answered_a;
    b += sides[i].answered_b;
  }
  assert_true(a > 0 && b > 0);
  assert_int_equal(a + b, sent);
  assert_int_equal(handlers_stats(loaded).calls, sent);
  unload();
}

/* Modules that end the program when they are called after their end: replaced, overwritten, removed and put
 * back a thousand times while three workers call them all the time. */
static void nothing_is_called_after_unloading(void **unused) {
  (void)unused;
  enum { CYCLES = 1000 };
  put("poison");
  configure("s.*", in_dir("mod.so"));
  unsigned descriptors = open_descriptors();
  load_configured();
  unsigned loads = 1;
  set_traffic(true);
  for (int i = 0; i < CYCLES; i++) {
    if (i % 4 == 1) {
      assert_int_equal(unlink(in_dir("mod.so")), 0);
    } else {
      if (i % 4 == 3)
        overwrite("poison");
      else
        put("poison");
      loads++;
    }
    handlers_reload(loaded);
  }
  set_traffic(false);
  unload();
  uint64_t met_some = 0;
  for (unsigned i = 0; i < WORKERS; i++) {
    assert_int_equal(sides[i].met_several, 0);
    met_some += sides[i].sent - sides[i].met_none;
  }
  assert_true(met_some > 0);
  assert_int_equal(mapped_modules(), 0);
  assert_int_equal(open_descriptors(), descriptors);
  for (int i = 0; i < 2000 && count_in_log(" unloaded") < loads; i++)
    nanosleep(&(struct timespec){0, 5000000}, NULL);
  assert_int_equal(count_in_log(" unloaded"), loads);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(the_built_in_modules_answer),
      TEST(two_filters_have_two_instances),
      TEST(publishing_follows_the_rules),
      TEST(errors_are_counted_and_logged_seldom),
      TEST(a_slow_call_is_logged),
      TEST(unfit_modules_are_refused),
      TEST(unknown_names_and_bad_filters_are_refused),
      TEST(a_reload_follows_the_file),
      TEST(an_unfit_successor_leaves_the_old_one),
      TEST(modules_may_be_loaded_before_the_workers_start),
      TEST(refused_memory_leaves_things_as_they_were),
      TEST(without_memfd_a_temporary_file_does),
      TEST(a_swap_loses_and_doubles_nothing),
      TEST(nothing_is_called_after_unloading),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
