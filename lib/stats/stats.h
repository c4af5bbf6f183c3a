/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the workers counted, summed for a reader. Numbers never go back: not at a reload, and not when
 * a backend's index is given to another backend, which starts from 0 under its own name.
 * Control only; the counters read are the workers'.
 */
#ifndef FAIRLEAD_STATS_H
#define FAIRLEAD_STATS_H

#include "counters.h"

struct stats;

/* `workers` is an array of pointers, which stays the caller's. NULL when memory is out. */
struct stats *stats_create(struct pipeline_counters *const *workers, uint32_t worker_count);
void stats_destroy(struct stats *stats);

struct totals stats_totals(const struct stats *stats);

struct stats_traffic {
	uint64_t packets, bytes;
	uint64_t new_flows; /* services only */
};
struct stats_traffic stats_service(const struct stats *stats, uint16_t service);
struct stats_traffic stats_backend(const struct stats *stats, uint16_t index);

/* The index has lost its owner for good: what was counted under it is not the next owner's. */
void stats_forget_backend(struct stats *stats, uint16_t index);

#endif
