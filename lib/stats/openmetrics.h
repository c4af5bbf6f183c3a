/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * OpenMetrics text (version 1.0.0). Metric names are an interface: prefix fairlead_, base units,
 * counters end in _total, and a name never changes its meaning. Control only.
 */
#ifndef FAIRLEAD_OPENMETRICS_H
#define FAIRLEAD_OPENMETRICS_H

#include <stdbool.h>
#include <stdio.h>

#include "stats.h"

struct openmetrics_service {
	const char *name;
	uint16_t number;
};

struct openmetrics_backend {
	const char *pool, *name;
	uint16_t index;
	uint64_t flows;
	bool next_hop_resolved;
	bool healthy; /* its check says so, or it has none */
	bool draining;
	bool in_panic;	 /* its pool is */
	uint16_t weight; /* now; 0: no new flows */
};

struct openmetrics_gauges {
	uint64_t flow_entries, flow_capacity; /* in use; laid out for */
	uint64_t configuration_generation, configuration_unconfirmed, configuration_reload_refused;
	uint64_t snapshot_generation;
	uint64_t next_hops_resolved, next_hops_unresolved;
	uint64_t health_probes, health_probe_failures; /* since the start */
};

/* Writes everything, "# EOF" included. */
void openmetrics_write(FILE *out, const struct stats *stats,
	const struct openmetrics_gauges *gauges, const struct openmetrics_service *services,
	uint32_t service_count, const struct openmetrics_backend *backends, uint32_t backend_count);

#define OPENMETRICS_CONTENT_TYPE "application/openmetrics-text; version=1.0.0; charset=utf-8"

#endif
