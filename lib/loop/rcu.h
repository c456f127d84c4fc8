/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The RCU shim: the few primitives tern needs, over one of two backends (rcu.c). Quiescent-state based: an
 * online thread may hold pointers to shared entries until it reports a quiescent state or goes offline.
 * No liburcu type is visible here but the name of its flavour table, which its hash table wants.
 */
#ifndef TERN_LOOP_RCU_H
#define TERN_LOOP_RCU_H

#include <stdbool.h>

struct rcu_flavor_struct;

/** Makes the calling thread known; it is offline afterwards. Nests. Must be undone before the thread ends. */
void tern__rcu_register(void);
/** Undoes a tern__rcu_register. */
void tern__rcu_unregister(void);
/** Begins to look at shared entries. Thread: registered, offline. */
void tern__rcu_online(void);
/** Ends it: nothing shared is held. Thread: registered, online. */
void tern__rcu_offline(void);
/** Reports that nothing shared is held at this moment. Thread: registered, online. Cost: one load, mostly. */
void tern__rcu_quiescent(void);
/** True between online and offline. Thread: any. */
bool tern__rcu_is_online(void);
/**
 * Waits until every thread that is online now has been quiescent or offline. An online caller counts as
 * quiescent. Thread: any. Blocks: yes; never with a lock held that an online thread may wait for.
 */
void tern__rcu_synchronize(void);
/** For cds_lfht_new_flavor. */
const struct rcu_flavor_struct *tern__rcu_flavor(void);

#endif
