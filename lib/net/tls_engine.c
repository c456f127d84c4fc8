/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loading the TLS module, and what needs it without a connection: contexts, signatures.
 *
 * openssl.so is loaded by the first who asks and stays: OpenSSL cannot be unloaded. That it is loaded is state
 * of the process, because the loader's is. When it cannot be loaded the next call tries again, so a broker
 * can be given the missing package while it runs.
 *
 * Thread: any. A context is immutable; only its reference count changes.
 */
#include "tls_engine.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <tern/error.h>
#include <tern/module_path.h>

#define FILE_NAME  "openssl.so"
#define PATH_BYTES 1024

static pthread_mutex_t loading = PTHREAD_MUTEX_INITIALIZER;
static _Atomic(const struct tern__tls_engine *) loaded; /* written under the lock, once */

/* The first directory that has the file decides. Returns 0, or an error and its text. */
static int find_file(char path[PATH_BYTES], char *error, size_t size) {
  char dir[PATH_BYTES - sizeof FILE_NAME];
  for (unsigned i = 0; tern_module_dir(i, dir, sizeof dir); i++) {
    snprintf(path, PATH_BYTES, "%s/" FILE_NAME, dir);
    if (dir[0] != '\0' && access(path, R_OK) == 0) return 0;
  }
  char dirs[PATH_BYTES];
  tern_module_dirs(dirs, sizeof dirs);
  snprintf(error, size,
           "TLS needs the module " FILE_NAME
           ", which is in none of %s; install it there or set TERN_MODULE_PATH",
           dirs);
  return TERN_EMODULE;
}

/* Under the lock. */
static int load(const struct tern__tls_engine **out, char *error, size_t size) {
  char path[PATH_BYTES];
  int result = find_file(path, error, size);
  if (result != 0) return result;
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (library == NULL) {
    const char *why = dlerror();
    snprintf(error, size, "TLS module %s cannot be loaded: %s", path, why != NULL ? why : "unknown error");
    return TERN_EMODULE;
  }
  tern__tls_engine_fn *entry = (tern__tls_engine_fn *)(uintptr_t)dlsym(library, TERN__TLS_ENGINE_ENTRY);
  const struct tern__tls_engine *engine = entry != NULL ? entry() : NULL;
  if (engine != NULL && engine->abi == TERN__TLS_ENGINE_ABI) {
    *out = engine;
    return 0;
  }
  dlclose(library);
  snprintf(error, size, "TLS module %s is not of this version of tern: install both from one build", path);
  return TERN_EMODULE;
}

static int get_engine(const struct tern__tls_engine **out, char *error, size_t size) {
  /* acquire: pairs with the release below; whoever sees the table sees what loading has set up */
  *out = atomic_load_explicit(&loaded, memory_order_acquire);
  if (*out != NULL) return 0;
  pthread_mutex_lock(&loading);
  /* relaxed: written under this lock only */
  *out = atomic_load_explicit(&loaded, memory_order_relaxed);
  int result = *out != NULL ? 0 : load(out, error, size);
  /* release: pairs with the acquire above */
  if (result == 0) atomic_store_explicit(&loaded, *out, memory_order_release);
  pthread_mutex_unlock(&loading);
  return result;
}

int tern_tls_load(char *error, size_t size) {
  const struct tern__tls_engine *engine;
  return get_engine(&engine, error, size);
}

int tern_tls_new(const struct tern_tls_options *options, struct tern_tls **out, char *error, size_t size) {
  const struct tern__tls_engine *engine;
  int result = get_engine(&engine, error, size);
  if (result != 0) return result;
  struct tern_tls *tls = malloc(sizeof *tls);
  if (tls == NULL) {
    snprintf(error, size, "there is no memory for the TLS context");
    return -ENOMEM;
  }
  *tls = (struct tern_tls){.server = options->server, .engine = engine};
  /* relaxed: nobody else has it yet */
  atomic_store_explicit(&tls->refs, 1, memory_order_relaxed);
  result = engine->context_new(options, &tls->context, error, size);
  if (result != 0)
    free(tls);
  else
    *out = tls;
  return result;
}

void tern_tls_ref(struct tern_tls *tls) {
  /* relaxed: whoever adds a reference has one */
  atomic_fetch_add_explicit(&tls->refs, 1, memory_order_relaxed);
}

void tern_tls_unref(struct tern_tls *tls) {
  /* acq_rel: pairs with itself on other threads; the last one frees after everybody's last use */
  if (tls == NULL || atomic_fetch_sub_explicit(&tls->refs, 1, memory_order_acq_rel) != 1) return;
  tls->engine->context_free(tls->context);
  free(tls);
}

int tern_ed25519_verify(const uint8_t key[32], const void *message, size_t len, const uint8_t signature[64]) {
  const struct tern__tls_engine *engine;
  char error[1];
  int result = get_engine(&engine, error, sizeof error);
  return result != 0 ? result : engine->ed25519_verify(key, message, len, signature);
}
