/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The files a running server leaves for others: pid file and ports file (nats-server's forms).
 * Thread: control. Errors: 0 or -errno, and the reason is logged with the path and what to do.
 */
#ifndef BROKER_OPS_FILES_H
#define BROKER_OPS_FILES_H

#include <stddef.h>
#include <stdint.h>

/** Something that listens, as the ports file tells it: {"kind":["scheme://host:port"]}. */
struct files_listener {
  const char *kind;   /* "nats", "monitoring" */
  const char *scheme; /* "nats", "tls", "http", "https" */
  const char *host;
  uint16_t port;
};

/** Writes the decimal pid without a newline. The file stays when the server ends, as nats-server's. */
int files_write_pid(const char *path);
/**
 * Writes `<dir>/<basename of program>_<pid>.ports`: one line of JSON, {"nats":["nats://127.0.0.1:4222"]}, with
 * an entry for each listener; a wildcard host is expanded to the addresses of every interface. Written under another name and renamed, so
 * that nobody reads half of it.
 */
int files_write_ports(const char *dir, const char *program, const struct files_listener *listeners,
                      size_t count);
/** Removes the ports file. */
void files_remove_ports(const char *dir, const char *program);

#endif
