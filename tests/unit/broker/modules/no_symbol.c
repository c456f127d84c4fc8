/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Not a handler module: a shared object without the entry point. Loading it must fail and say so; nothing in
 * it is ever called.
 */
int no_symbol_value(void) __attribute__((visibility("default")));
int no_symbol_value(void) { return 0; }
