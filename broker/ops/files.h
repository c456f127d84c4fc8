/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The files a running server leaves for others: pid file and ports file (nats-server's forms).
 * Thread: control. Errors: 0 or -errno, and the reason is logged with the path and what to do.
 */
#ifndef BROKER_OPS_FILES_H
#define BROKER_OPS_FILES_H

#include <stdint.h>

/** Writes the decimal pid without a newline. The file stays when the server ends, as nats-server's. */
int files_write_pid(const char *path);
/**
 * Writes `<dir>/<basename of program>_<pid>.ports`: one line of JSON, {"nats":["nats://127.0.0.1:4222"]}; a
 * wildcard host is expanded to the addresses of every interface. Written under another name and renamed, so
 * that nobody reads half of it.
 */
int files_write_ports(const char *dir, const char *program, const char *host, uint16_t port);
/** Removes the ports file. */
void files_remove_ports(const char *dir, const char *program);

#endif
