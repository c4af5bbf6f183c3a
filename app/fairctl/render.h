/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The daemon's results as text for people. What a result lacks, since the daemon may be of another
 * version, is shown as "-".
 */
#ifndef FAIRLEAD_FAIRCTL_RENDER_H
#define FAIRLEAD_FAIRCTL_RENDER_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* How much of it. */
struct view {
	bool all;	/* stats: exits that have counted nothing, too */
	uint64_t limit; /* flows: backends shown, the busiest first */
};

typedef void renderer(const json_t *result, const struct view *view, FILE *out);

/* render.c: the traffic */
renderer render_services, render_backends, render_health, render_flows, render_stats,
	render_neighbours, render_explain;
/* render_config.c: the daemon and its configurations */
renderer render_status, render_diff, render_reload, render_confirm, render_history, render_drain;

#endif
