/* SPDX-License-Identifier: BSD-3-Clause */
#include "sweep.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "choose.h"

#define COUNTS_BYTES ((BACKENDS_MAX + 1) * sizeof(uint64_t))

int
sweep_init(struct sweep *sweep, struct flow_table *flows, struct registry *registry,
	struct stats *stats)
{
	*sweep = (struct sweep){.flows = flows, .registry = registry, .stats = stats};
	for (int i = 0; i < 2; i++) {
		sweep->counts[i] = calloc(1, COUNTS_BYTES);
		if (!sweep->counts[i])
			return -ENOMEM;
	}
	sweep->current.by_backend = sweep->counts[0];
	sweep->last.by_backend = sweep->counts[1];
	return 0;
}

void
sweep_fini(struct sweep *sweep)
{
	free(sweep->counts[0]);
	free(sweep->counts[1]);
	*sweep = (struct sweep){0};
}

static void
forget(void *context, uint16_t index)
{
	stats_forget_backend(context, index);
}

static void
begin_round(struct sweep *sweep)
{
	uint64_t *counts = sweep->current.by_backend;
	memset(counts, 0, COUNTS_BYTES);
	sweep->current = (struct flow_census){.by_backend = counts};
	sweep->next_bucket = 0;
}

static void
end_round(struct sweep *sweep)
{
	registry_sweep_ended(sweep->registry, sweep->current.by_backend, forget, sweep->stats);
	struct flow_census finished = sweep->current;
	sweep->current = sweep->last;
	sweep->last = finished;
	begin_round(sweep);
}

static void
sweep_buckets(struct sweep *sweep, const struct tables *tables, struct mono now, uint32_t count)
{
	uint32_t total = sweep->flows->bucket_mask + 1;
	struct flow_judge judge = choose_judge(tables);
	if (count > total - sweep->next_bucket)
		count = total - sweep->next_bucket;
	flow_sweep(
		sweep->flows, sweep->next_bucket, count, flow_tick(now), &judge, &sweep->current);
	sweep->next_bucket += count;
	if (sweep->next_bucket == total)
		end_round(sweep);
}

void
sweep_step(struct sweep *sweep, const struct tables *tables, struct mono now)
{
	sweep_buckets(sweep, tables, now, sweep->flows->bucket_mask / SWEEP_SLICES + 1);
}

void
sweep_round(struct sweep *sweep, const struct tables *tables, struct mono now)
{
	/* The slices counted so far are of another moment. The round keeps its number: an index is
	 * let go only by rounds that saw every bucket, and this one will. */
	begin_round(sweep);
	sweep_buckets(sweep, tables, now, UINT32_MAX);
}
