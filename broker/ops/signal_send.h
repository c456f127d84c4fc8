/* SPDX-License-Identifier: Apache-2.0 */
/** `--signal`: tells a running server what to do. Thread: the one there is. */
#ifndef BROKER_OPS_SIGNAL_SEND_H
#define BROKER_OPS_SIGNAL_SEND_H

/**
 * Carries out what the flag says: COMMAND, COMMAND=PID, COMMAND=FILE or COMMAND=PREFIX*. What is wrong is said on standard
 * error. Returns 0, or -1 when a signal could not be sent, or to nobody.
 */
int signal_send(const char *text);

#endif
