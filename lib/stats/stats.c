/* SPDX-License-Identifier: BSD-3-Clause */
#include "stats.h"

#include <stdlib.h>

struct stats {
	struct pipeline_counters *const *workers;
	uint32_t worker_count;
	/* What former owners of an index had counted under it. */
	struct stats_traffic former[BACKENDS_MAX + 1];
};

struct stats *
stats_create(struct pipeline_counters *const *workers, uint32_t worker_count)
{
	struct stats *stats = calloc(1, sizeof(*stats));
	if (!stats)
		return NULL;
	stats->workers = workers;
	stats->worker_count = worker_count;
	return stats;
}

void
stats_destroy(struct stats *stats)
{
	free(stats);
}

struct totals
stats_totals(const struct stats *stats)
{
	struct totals totals = {0};
	for (uint32_t i = 0; i < stats->worker_count; i++)
		counters_add_to(&totals, stats->workers[i]);
	return totals;
}

struct stats_traffic
stats_service(const struct stats *stats, uint16_t service)
{
	struct stats_traffic sum = {0};
	for (uint32_t i = 0; i < stats->worker_count; i++) {
		const struct service_counters *c = &stats->workers[i]->services[service];
		sum.packets += counter_read(&c->traffic.packets);
		sum.bytes += counter_read(&c->traffic.bytes);
		sum.new_flows += counter_read(&c->new_flows);
	}
	return sum;
}

static struct stats_traffic
sum_backend(const struct stats *stats, uint16_t index)
{
	struct stats_traffic sum = {0};
	for (uint32_t i = 0; i < stats->worker_count; i++) {
		const struct traffic *c = &stats->workers[i]->backends[index];
		sum.packets += counter_read(&c->packets);
		sum.bytes += counter_read(&c->bytes);
	}
	return sum;
}

struct stats_traffic
stats_backend(const struct stats *stats, uint16_t index)
{
	struct stats_traffic sum = sum_backend(stats, index);
	sum.packets -= stats->former[index].packets;
	sum.bytes -= stats->former[index].bytes;
	return sum;
}

void
stats_forget_backend(struct stats *stats, uint16_t index)
{
	stats->former[index] = sum_backend(stats, index);
}
