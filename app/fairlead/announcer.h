/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tells the links whose neighbours we answer where the VIPs are: all of them when such a link comes
 * up, which it does at start, and those that a reload adds. Who took a VIP over is known at once,
 * not when entries in neighbour tables have grown old. Control only.
 */
#ifndef FAIRLEAD_ANNOUNCER_H
#define FAIRLEAD_ANNOUNCER_H

#include "announcement.h"
#include "dataplane.h"
#include "tables.h"

#define ANNOUNCER_INTERVAL_MS 10

struct announcer {
	struct dataplane *dp;
	struct {
		struct announcements due;
		bool is_up;
	} links[PORTS_MAX];
};

/* VIPs of `tables` that `before`, which may be NULL, does not have. */
void announcer_add(
	struct announcer *announcer, const struct tables *tables, const struct tables *before);

/* Every second: looks after links. */
void announcer_tick(struct announcer *announcer, const struct tables *tables);

/* Every ANNOUNCER_INTERVAL_MS: announces a few of those that are due and still in `tables`. */
void announcer_step(struct announcer *announcer, const struct tables *tables, struct mono now);

void announcer_fini(struct announcer *announcer);

#endif
