/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The sweep of the flow table: a slice every tenth of a second, a whole round in half a minute. It
 * removes what has expired, counts what lives, and at the end of a round lets go the indices of
 * backends that nothing remembers any more. Control only.
 */
#ifndef FAIRLEAD_SWEEP_H
#define FAIRLEAD_SWEEP_H

#include "bounds.h"
#include "flow_table.h"
#include "registry.h"
#include "stats.h"
#include "tables.h"

#define SWEEP_INTERVAL_MS 100
#define SWEEP_SLICES	  300 /* of a round */

struct sweep {
	struct flow_table *flows;
	struct registry *registry;
	struct stats *stats;
	uint32_t next_bucket;
	struct flow_census current; /* of the round under way */
	struct flow_census last;    /* of the last whole round */
	uint64_t *counts[2];	    /* by backend index: current, last */
};

/* 0 or -ENOMEM. */
int sweep_init(struct sweep *sweep, struct flow_table *flows, struct registry *registry,
	struct stats *stats);
void sweep_fini(struct sweep *sweep);

/* One slice; `tables` are those of the snapshot in force. */
void sweep_step(struct sweep *sweep, const struct tables *tables, struct mono now);

/* A whole round at once, for a reader who wants numbers of this moment: about 20 ms a million entries. */
void sweep_round(struct sweep *sweep, const struct tables *tables, struct mono now);

#endif
