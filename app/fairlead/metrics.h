/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * GET /metrics: OpenMetrics over HTTP, in control's loop. Everything else is 404.
 */
#ifndef FAIRLEAD_METRICS_H
#define FAIRLEAD_METRICS_H

#include "daemon.h"

struct event_base;
struct metrics;

/* Listens on "address:port" or "[address]:port". */
int metrics_open(struct metrics **metrics, struct daemon *daemon, struct event_base *loop,
	const char *where, struct error *err);
/* NULL is allowed. */
void metrics_close(struct metrics *metrics);

#endif
