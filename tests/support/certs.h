/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Certificates for a test program: made by certs.sh into a directory of their own, removed at its end.
 */
#ifndef TERN_TESTS_CERTS_H
#define TERN_TESTS_CERTS_H

/** Makes them. Exits with 77, after saying why, when this machine has no openssl(1). */
void certs_make(void);
/** The path of one, "server.pem"; valid as long as the program. */
const char *certs_path(const char *name);

#endif
