/* SPDX-License-Identifier: Apache-2.0 */
/*
 * In-process handlers: from `--handler FILTER=MODULE` to code that runs on the workers, and back out.
 *
 *     options              binding                 instance                      registry
 *     "greet.*=greet"  ->  filter, module  ->  +-> handler -------- attach ----> greet.*
 *                          live -----------------/ module, state, library (dlopen), fd (private copy)
 *
 * A binding is one line of configuration and lasts as long as the server. An instance is a module loaded for
 * it: two bindings to one file have two instances, with code and state of their own. The file is copied into
 * memory (memfd) and loaded from there, so whoever writes over the file never changes running code, and the
 * same path can be loaded again while the old code is still in use.
 *
 * Reload compares the file on disk (device, inode, size, modification time) with what the live instance was
 * copied from, then for all bindings attaches, swaps or detaches; after one grace period for all of them no
 * worker can be inside a replaced instance any more, and these are stopped and unloaded.
 *
 * Threads: everything is the control thread's, except handle_message, which the registry calls on the
 * workers, several at once, and what that calls. It shares only constants, per-worker counters and the log
 * limiters. Modules are trusted code: nothing here protects the process from one that crashes or blocks;
 * blocking is measured and logged.
 */
#include "handlers.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <tern/error.h>
#include <tern/log.h>
#include <tern/module.h>
#include <tern/module_path.h>
#include <tern/stats.h>
#include <tern/subject.h>

#include "route.h"

/* A call that takes longer held up its worker noticeably. The clock is coarse (a few ms), and cheap. */
#define SLOW_CALL_MS       50
#define LOG_INTERVAL_MS    1000
#define FD_PATH_MAX        32
#define CACHE_LINE         64
#define MODULE_ENTRY_POINT "tern_module_v1"

/* What a file was when it was read; another stamp is another content. */
struct stamp {
  dev_t device;
  ino_t inode;
  off_t size;
  struct timespec modified;
};

/* A loaded module. Constant after attach, except for the limiters. */
struct instance {
  struct tern_handler handler; /* first: the registry's pointer is ours */
  struct handlers *handlers;
  const struct options_handler *config;
  const struct tern_module *module; /* inside the library */
  void *state;                      /* the module's own */
  void *library;
  int fd; /* the copy; open while loaded, because the loader knows libraries by the name made of it */
  struct stamp stamp;
  _Atomic uint64_t error_logged_ms; /* monotonic; 0: never */
  _Atomic uint64_t slow_logged_ms;
  struct instance *next; /* among those to be unloaded */
};

/* One configured handler. */
struct binding {
  const struct options_handler *config;
  struct instance *live; /* NULL: its file is gone */
};

/* What one worker counts, on a cache line of its own. */
struct slot {
  _Alignas(CACHE_LINE) struct tern_counter calls;
  struct tern_counter errors;
};

struct handlers {
  struct tern_workers *workers;
  struct tern_registry *registry;
  _Atomic uint32_t max_payload; /* of what they publish */
  struct slot *slots;           /* one for each worker */
  unsigned slot_count;
  size_t count;
  struct binding bindings[];
};

/* ---- on the workers ---- */

/* One call of a module: the context it sees, and what the context's functions need. */
struct call {
  struct tern_module_context context; /* first: the module's pointer is ours */
  const struct instance *instance;
  const struct tern_message *message;
};

static const struct call *call_of(const struct tern_module_context *context) {
  return (const struct call *)(const void *)context;
}

/* What may be sent as a subject: anything else would break the protocol of those who receive it. */
static bool is_sendable(struct tern_slice subject) {
  for (size_t i = 0; i < subject.len; i++)
    if ((unsigned char)subject.ptr[i] <= ' ' || subject.ptr[i] == 0x7f) return false;
  return tern_subject_is_valid(subject);
}

static int publish(const struct tern_module_context *context, struct tern_slice subject,
                   struct tern_slice reply, struct tern_slice payload) {
  /* relaxed: a limit, it says nothing about other data (pairs with handlers_set_max_payload) */
  if (payload.len >
      atomic_load_explicit(&call_of(context)->instance->handlers->max_payload, memory_order_relaxed))
    return TERN_ELIMIT;
  if (!is_sendable(subject) || (reply.len > 0 && !is_sendable(reply))) return TERN_ESUBJECT;
  struct route *route = route_current();
  if (route == NULL) return TERN_ECLOSED; /* a thread of the module's own */
  return route_publish_inside(route, subject, reply, payload);
}

static int respond(const struct tern_module_context *context, struct tern_slice payload) {
  struct tern_slice to = call_of(context)->message->reply;
  return to.len > 0 ? publish(context, to, (struct tern_slice){0}, payload) : 0;
}

static uint64_t coarse_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* True at most once per LOG_INTERVAL_MS and limiter. */
static bool may_log(_Atomic uint64_t *logged_ms, uint64_t now_ms) {
  /* relaxed, here and below: pairs with the exchange of other workers; only the winner matters, nothing is
   * ordered by it */
  uint64_t before = atomic_load_explicit(logged_ms, memory_order_relaxed);
  if (before != 0 && now_ms - before < LOG_INTERVAL_MS) return false;
  return atomic_compare_exchange_strong_explicit(logged_ms, &before, now_ms, memory_order_relaxed,
                                                 memory_order_relaxed);
}

static void handle_message(struct tern_handler *handler, const struct tern_message *message) {
  struct instance *instance = (struct instance *)(void *)handler;
  unsigned worker = tern_worker_index(tern_worker_self());
  struct slot *slot = &instance->handlers->slots[worker];
  struct call call = {{publish, respond, instance->state}, instance, message};
  uint64_t start_ms = coarse_ms();
  int result = instance->module->handle(&call.context, message);
  uint64_t end_ms = coarse_ms();
  tern_counter_add(&slot->calls, 1);
  if (result < 0) {
    tern_counter_add(&slot->errors, 1);
    if (may_log(&instance->error_logged_ms, end_ms))
      tern_log(TERN_LOG_ERROR, "handler %s for %s failed on %.*s: %s", instance->config->module,
               instance->config->filter, (int)message->subject.len, message->subject.ptr,
               tern_strerror(result));
  }
  if (end_ms - start_ms > SLOW_CALL_MS && may_log(&instance->slow_logged_ms, end_ms))
    tern_log(TERN_LOG_WARN, "handler %s for %s took %" PRIu64 " ms: everyone on worker %u waited for it",
             instance->config->module, instance->config->filter, end_ms - start_ms, worker);
}

/* ---- finding the file ---- */

static int read_stamp(int fd, struct stamp *stamp) {
  struct stat st;
  if (fstat(fd, &st) < 0) return -errno;
  *stamp = (struct stamp){st.st_dev, st.st_ino, st.st_size, st.st_mtim};
  return S_ISREG(st.st_mode) ? 0 : -EINVAL;
}

static bool same_stamp(const struct stamp *a, const struct stamp *b) {
  return a->device == b->device && a->inode == b->inode && a->size == b->size &&
         a->modified.tv_sec == b->modified.tv_sec && a->modified.tv_nsec == b->modified.tv_nsec;
}

/* Opens a module's file and describes it. Returns the descriptor or -errno. Does not wait on a FIFO. */
static int open_module(const char *path, struct stamp *stamp) {
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return -errno;
  int error = read_stamp(fd, stamp);
  if (error == 0) return fd;
  close(fd);
  return error;
}

/* Tries `<dir>/<name>.so`. Returns a descriptor or -errno. */
static int open_in(const char *dir, const char *name, struct stamp *stamp) {
  char path[PATH_MAX];
  int n = snprintf(path, sizeof path, "%s/%s.so", dir, name);
  return n < 0 || (size_t)n >= sizeof path ? -ENAMETOOLONG : open_module(path, stamp);
}

static bool is_missing(int error) { return error == -ENOENT || error == -ENOTDIR; }

/* Looks a name up where modules are. The first directory that has it decides. */
static int open_by_name(const char *name, struct stamp *stamp) {
  int fd = -ENOENT;
  char dir[PATH_MAX];
  for (unsigned i = 0; is_missing(fd) && tern_module_dir(i, dir, sizeof dir); i++)
    if (dir[0] != '\0') fd = open_in(dir, name, stamp);
  return fd;
}

static int open_configured(const struct options_handler *config, struct stamp *stamp) {
  return strchr(config->module, '/') != NULL ? open_module(config->module, stamp)
                                             : open_by_name(config->module, stamp);
}

/* Says why a file could not be opened, and where it was looked for. */
static void complain_open(enum tern_log_level level, const struct options_handler *config, int error) {
  if (error == -EINVAL) {
    tern_log(level, "handler module %s is not a regular file", config->module);
  } else if (strchr(config->module, '/') != NULL) {
    tern_log(level, "handler module %s: %s", config->module, tern_strerror(error));
  } else {
    char dirs[PATH_MAX];
    tern_module_dirs(dirs, sizeof dirs);
    tern_log(level, "handler module %s: %s; looked for %s.so in %s (a path with a '/' is used as it is)",
             config->module, tern_strerror(error), config->module, dirs);
  }
}

/* ---- loading ---- */

/* A file without a name, for the private copy. */
static int anonymous_file(const char *label) {
  int fd = memfd_create(label, MFD_CLOEXEC);
  if (fd >= 0) return fd;
  const char *dir = getenv("TMPDIR");
  char path[PATH_MAX];
  int n = snprintf(path, sizeof path, "%s/tern-module-XXXXXX", dir != NULL ? dir : "/tmp");
  if (n < 0 || (size_t)n >= sizeof path) return -ENAMETOOLONG;
  fd = mkostemp(path, O_CLOEXEC);
  if (fd < 0) return -errno;
  unlink(path);
  return fd;
}

/* Copies what can be read from fd. Returns the copy's descriptor or -errno. */
static int private_copy(int fd) {
  int copy = anonymous_file("tern-module");
  if (copy < 0) return copy;
  ssize_t n;
  do {
    n = sendfile(copy, fd, NULL, 1 << 20);
  } while (n > 0 || (n < 0 && errno == EINTR));
  if (n == 0) return copy;
  int error = -errno;
  close(copy);
  return error;
}

static void fd_path(int fd, char *path) { snprintf(path, FD_PATH_MAX, "/proc/self/fd/%d", fd); }

/* The loader's last complaint, without the name of our copy, which nobody knows. */
static const char *loader_text(const char *path) {
  const char *text = dlerror();
  if (text == NULL) return "no reason given";
  size_t len = strlen(path);
  return strncmp(text, path, len) == 0 && text[len] == ':' ? text + len + 2 : text;
}

static int unfit(const struct options_handler *config, const char *why) {
  tern_log(TERN_LOG_ERROR, "handler module %s cannot be used: %s", config->module, why);
  return TERN_EMODULE;
}

/* Calls the entry point and checks what it describes; sets instance->module. */
static int check_module(struct instance *instance) {
  const struct tern_module *(*entry)(void);
  void *symbol = dlsym(instance->library, MODULE_ENTRY_POINT);
  if (symbol == NULL) return unfit(instance->config, "it has no function " MODULE_ENTRY_POINT);
  memcpy(&entry, &symbol, sizeof entry);
  const struct tern_module *module = entry();
  if (module == NULL) return unfit(instance->config, MODULE_ENTRY_POINT " returned nothing");
  if (module->abi != TERN_MODULE_ABI) {
    char why[96];
    snprintf(why, sizeof why,
             "it was built for version %" PRIu32 " of the module interface, this is version %d", module->abi,
             TERN_MODULE_ABI);
    return unfit(instance->config, why);
  }
  if (module->name == NULL || module->version == NULL || module->handle == NULL)
    return unfit(instance->config, "its description lacks a name, a version or the function handle");
  instance->module = module;
  return 0;
}

/* Closes the library and its copy. A library that refuses to go (marked so, or still referenced) keeps its
 * descriptor open for good, so that no other module gets the same name from the loader. */
static void close_library(struct instance *instance) {
  char path[FD_PATH_MAX];
  fd_path(instance->fd, path);
  if (instance->library != NULL) {
    dlclose(instance->library);
    void *resident = dlopen(path, RTLD_NOW | RTLD_NOLOAD);
    if (resident != NULL) {
      dlclose(resident);
      tern_log(TERN_LOG_WARN, "handler module %s stays in memory: it cannot be unloaded",
               instance->config->module);
      return;
    }
  }
  close(instance->fd);
}

/* Ends an instance that no worker can reach. */
static void unload(struct instance *instance) {
  if (instance->module->stop != NULL) instance->module->stop(instance->state);
  tern_log(TERN_LOG_INFO, "handler %s for %s unloaded", instance->config->module, instance->config->filter);
  close_library(instance);
  free(instance);
}

/* From a copy of the file to a started module. Logs what goes wrong; then nothing is left open. */
static int start_copy(struct instance *instance) {
  char path[FD_PATH_MAX];
  fd_path(instance->fd, path);
  instance->library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  int error = instance->library == NULL ? unfit(instance->config, loader_text(path)) : check_module(instance);
  if (error == 0 && instance->module->start != NULL) {
    error = instance->module->start(instance->config->filter, &instance->state);
    if (error < 0)
      tern_log(TERN_LOG_ERROR, "handler module %s refused to start for %s: %s", instance->config->module,
               instance->config->filter, tern_strerror(error));
  }
  if (error >= 0) return 0;
  close_library(instance);
  return error;
}

/* Copies the file for an instance. Refuses one that changes meanwhile: somebody is still writing it. */
static int copy_module(struct instance *instance, int fd) {
  struct stamp after = instance->stamp;
  instance->fd = private_copy(fd);
  int error = instance->fd < 0 ? instance->fd : read_stamp(fd, &after);
  if (error < 0)
    tern_log(TERN_LOG_ERROR, "handler module %s cannot be copied: %s", instance->config->module,
             tern_strerror(error));
  else if (!same_stamp(&instance->stamp, &after))
    error = unfit(instance->config, "the file is being written; reload again when that is done");
  if (error < 0 && instance->fd >= 0) close(instance->fd);
  return error;
}

/* Loads what the open file holds for a binding and starts it. Logs what goes wrong. The caller closes fd. */
static int load(struct handlers *handlers, const struct options_handler *config, int fd,
                const struct stamp *stamp, struct instance **out) {
  struct instance *instance = calloc(1, sizeof *instance);
  if (instance == NULL) return unfit(config, tern_strerror(-ENOMEM));
  instance->handler.handle = handle_message;
  instance->handlers = handlers;
  instance->config = config;
  instance->stamp = *stamp;
  int error = copy_module(instance, fd);
  if (error == 0) error = start_copy(instance);
  if (error < 0) {
    free(instance);
    return error;
  }
  *out = instance;
  return 0;
}

/* ---- bindings ---- */

static struct tern_slice filter_of(const struct binding *binding) {
  return tern_slice_of(binding->config->filter);
}

static void complain_attach(const struct binding *binding, int error) {
  tern_log(TERN_LOG_ERROR, "handler %s cannot be attached to %s: %s", binding->config->module,
           binding->config->filter, tern_strerror(error));
}

/* Puts a new instance where the old one was, if any. On failure the new one is unloaded again. */
static int install(struct handlers *handlers, struct binding *binding, struct instance *instance,
                   struct instance **replaced) {
  struct tern_reclaimer *reclaimer = tern_workers_reclaimer(handlers->workers);
  struct instance *old = binding->live;
  int error = old != NULL ? tern_registry_swap(handlers->registry, reclaimer, &old->handler,
                                               &instance->handler, filter_of(binding))
                          : tern_registry_attach(handlers->registry, reclaimer, &instance->handler,
                                                 filter_of(binding));
  if (error < 0) {
    complain_attach(binding, error);
    unload(instance);
    return error;
  }
  if (old != NULL) {
    old->next = *replaced;
    *replaced = old;
  }
  binding->live = instance;
  tern_log(TERN_LOG_INFO, "handler %s for %s: %s %s %s", binding->config->module, binding->config->filter,
           instance->module->name, instance->module->version,
           old != NULL ? "replaces the old one" : "loaded");
  return 0;
}

static void detach(struct handlers *handlers, struct binding *binding, struct instance **replaced) {
  if (binding->live == NULL) return;
  tern_registry_detach(handlers->registry, tern_workers_reclaimer(handlers->workers), &binding->live->handler,
                       filter_of(binding));
  binding->live->next = *replaced;
  *replaced = binding->live;
  binding->live = NULL;
}

/* Waits until no worker is inside any of them, then unloads them. */
static void unload_all(struct handlers *handlers, struct instance *list) {
  if (list == NULL) return;
  tern_workers_synchronize(handlers->workers);
  while (list != NULL) {
    struct instance *next = list->next;
    unload(list);
    list = next;
  }
}

/* Looks at a binding's file and does what it asks for; what is to be unloaded is added to *replaced. */
static int refresh(struct handlers *handlers, struct binding *binding, struct instance **replaced) {
  struct stamp stamp = {0};
  int fd = open_configured(binding->config, &stamp);
  if (fd < 0) return fd;
  int error = 0;
  if (binding->live == NULL || !same_stamp(&stamp, &binding->live->stamp)) {
    struct instance *instance;
    error = load(handlers, binding->config, fd, &stamp, &instance);
    if (error == 0) error = install(handlers, binding, instance, replaced);
    if (error != 0) error = TERN_EMODULE; /* the reason is logged */
  }
  close(fd);
  return error;
}

static int no_memory(struct handlers *handlers) {
  tern_log(TERN_LOG_ERROR, "handlers cannot be set up: %s", tern_strerror(-ENOMEM));
  free(handlers);
  return -ENOMEM;
}

void handlers_set_max_payload(struct handlers *handlers, uint32_t max_payload) {
  /* relaxed: pairs with the load in publish */
  atomic_store_explicit(&handlers->max_payload, max_payload, memory_order_relaxed);
}

int handlers_new(struct tern_workers *workers, struct tern_registry *registry, const struct options *options,
                 struct handlers **out) {
  size_t count = options->handler_count;
  struct handlers *handlers = calloc(1, sizeof *handlers + count * sizeof handlers->bindings[0]);
  if (handlers == NULL) return no_memory(NULL);
  handlers->workers = workers;
  handlers->registry = registry;
  atomic_init(&handlers->max_payload, options->max_payload);
  handlers->slot_count = tern_workers_count(workers);
  handlers->slots = aligned_alloc(CACHE_LINE, handlers->slot_count * sizeof handlers->slots[0]);
  if (handlers->slots == NULL) return no_memory(handlers);
  memset(handlers->slots, 0, handlers->slot_count * sizeof handlers->slots[0]);
  int error = 0;
  for (; handlers->count < count && error == 0; handlers->count++) {
    struct binding *binding = &handlers->bindings[handlers->count];
    binding->config = &options->handlers[handlers->count];
    if (!tern_filter_is_valid(filter_of(binding))) {
      tern_log(TERN_LOG_ERROR,
               "handler filter \"%s\" is not valid: tokens are separated by '.', none is empty, "
               "and '>' can only be the last",
               binding->config->filter);
      error = TERN_ESUBJECT;
    } else {
      struct instance *replaced = NULL; /* stays empty: there is nothing to replace yet */
      error = refresh(handlers, binding, &replaced);
      if (error < 0 && error != TERN_EMODULE) complain_open(TERN_LOG_ERROR, binding->config, error);
    }
  }
  if (error < 0) {
    handlers_free(handlers);
    return error;
  }
  *out = handlers;
  return 0;
}

void handlers_reload(struct handlers *handlers) {
  struct instance *replaced = NULL;
  for (size_t i = 0; i < handlers->count; i++) {
    struct binding *binding = &handlers->bindings[i];
    int error = refresh(handlers, binding, &replaced);
    if (is_missing(error)) {
      complain_open(TERN_LOG_WARN, binding->config, error);
      detach(handlers, binding, &replaced);
    } else if (error < 0) {
      if (error != TERN_EMODULE) complain_open(TERN_LOG_ERROR, binding->config, error);
      if (binding->live != NULL)
        tern_log(TERN_LOG_WARN, "handler %s for %s: the old one stays", binding->config->module,
                 binding->config->filter);
    }
  }
  unload_all(handlers, replaced);
}

void handlers_free(struct handlers *handlers) {
  if (handlers == NULL) return;
  struct instance *list = NULL;
  for (size_t i = 0; i < handlers->count; i++)
    detach(handlers, &handlers->bindings[i], &list);
  unload_all(handlers, list);
  free(handlers->slots);
  free(handlers);
}

struct handlers_stats handlers_stats(const struct handlers *handlers) {
  struct handlers_stats sum = {0};
  for (unsigned i = 0; i < handlers->slot_count; i++) {
    sum.calls += tern_counter_read(&handlers->slots[i].calls);
    sum.errors += tern_counter_read(&handlers->slots[i].errors);
  }
  return sum;
}
