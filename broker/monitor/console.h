/* SPDX-License-Identifier: Apache-2.0 */
/** The console, made of console.html when tern is built (cmake/console.cmake). Constant. */
#ifndef BROKER_MONITOR_CONSOLE_H
#define BROKER_MONITOR_CONSOLE_H

#include <stddef.h>

/** The page, NUL-terminated. */
extern const char console_html[];
extern const size_t console_html_len;
/** What a browser may do with it: the value of Content-Security-Policy. */
extern const char console_policy[];

#endif
