/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Where modules (shared objects loaded on demand) are looked for: the directories of $TERN_MODULE_PATH,
 * separated by colons; `../lib/tern` beside the program; and where tern was installed.
 */
#ifndef TERN_MODULE_PATH_H
#define TERN_MODULE_PATH_H

#include <stdbool.h>
#include <stddef.h>

#include <tern/export.h>

/**
 * The directories, first to last.
 * @param number which one, from 0
 * @param[out] dir where to write it
 * @param size room there
 * @return false after the last one; a directory that cannot be told, or is too long, is written as ""
 *
 * Thread: any. Blocks: no.
 */
TERN_API bool tern_module_dir(unsigned number, char *dir, size_t size);
/**
 * All of them in one line, with `, ` between them: what to tell somebody whose module is not there.
 * @param[out] text where to write it; cut when there is no room
 * @param size room there
 */
TERN_API void tern_module_dirs(char *text, size_t size);

#endif
