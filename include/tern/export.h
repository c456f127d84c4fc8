/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The one macro that marks what the shared library exports. Everything else is built with hidden
 * visibility and cannot be linked against.
 */
#ifndef TERN_EXPORT_H
#define TERN_EXPORT_H

/** Marks a function as part of the public interface; in C++ it also says that it is a C function. */
#ifdef __cplusplus
#define TERN_API extern "C" __attribute__((visibility("default")))
#else
#define TERN_API __attribute__((visibility("default")))
#endif

#endif
