/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Publishing a snapshot: one pointer store for each NUMA node, then waiting, without blocking, until
 * every worker has passed a quiescent state (rte_rcu_qsbr), then freeing the old one.
 *
 *   control: publish_put ──> pointer ──> workers: publish_tables, once a burst
 *            publish_reclaim <── quiescent counters <── publish_quiescent, once a loop turn
 *
 * A worker that stands still delays the freeing of old snapshots and nothing else: later ones can be
 * published meanwhile.
 */
#ifndef FAIRLEAD_PUBLISH_H
#define FAIRLEAD_PUBLISH_H

#include <rte_rcu_qsbr.h>
#include <stdatomic.h>

#include "snapshot.h"

struct publish {
	_Atomic(const struct tables *) current[SNAPSHOT_NODES_MAX]; // control: rw; workers: ro
	struct rte_rcu_qsbr *readers;
	struct snapshot *snapshot; // control
	struct retired *retired;   // control
};

/* Control, before workers run. 0 or -ENOMEM. */
int publish_init(struct publish *publish, uint32_t worker_count);
/* Control, after workers have ended: frees every snapshot. */
void publish_fini(struct publish *publish);

/* Makes `snapshot` the current one; the one before it is retired. Control. 0, or -ENOMEM and nothing
 * has changed. */
int publish_put(struct publish *publish, struct snapshot *snapshot, uint32_t node_count);

/* Frees what no worker can read any more. Control, every few milliseconds while something waits.
 * True if nothing waits. */
bool publish_reclaim(struct publish *publish);

/* The oldest snapshot that a worker may still read; the current one if nothing waits. Control. */
uint64_t publish_oldest_generation(const struct publish *publish);

/* Worker: before its first burst, and after its last. */
static inline void
publish_join(struct publish *publish, uint32_t worker)
{
	rte_rcu_qsbr_thread_register(publish->readers, worker);
	rte_rcu_qsbr_thread_online(publish->readers, worker);
}

static inline void
publish_leave(struct publish *publish, uint32_t worker)
{
	rte_rcu_qsbr_thread_offline(publish->readers, worker);
	rte_rcu_qsbr_thread_unregister(publish->readers, worker);
}

/* Worker: what to read until the next publish_quiescent. */
static inline const struct tables *
publish_tables(const struct publish *publish, uint32_t node)
{
	return atomic_load_explicit(&publish->current[node], memory_order_acquire);
}

/* Worker: nothing of what publish_tables gave is in use any more. */
static inline void
publish_quiescent(struct publish *publish, uint32_t worker)
{
	rte_rcu_qsbr_quiescent(publish->readers, worker);
}

#endif
