/* SPDX-License-Identifier: BSD-3-Clause */
#include "yardstick.h"

#include <rte_hash.h>
#include <rte_hash_crc.h>

#include "bench.h"
#include "bounds.h"
#include "flow_table.h"

#define WARM_UP_MAX (1u << 20) /* keys: three cache lines each, more than caches hold */

struct key {
	uint64_t low, high;
};
static_assert(sizeof(struct key) == 16, "an IPv4 5-tuple, padded");

static struct rte_hash *table;

/* Key and ring slots of each place, buckets with their extras; found by trying. */
size_t
yardstick_heap_bytes(uint64_t flow_count)
{
	return ((size_t)64 << 20) + flow_table_entries(flow_count) * 96;
}

static struct key
key_of(uint64_t number)
{
	return (struct key){.low = number * 0x9e3779b97f4a7c15u, .high = number};
}

void
yardstick_make(uint64_t flow_count, int socket)
{
	struct rte_hash_parameters parameters = {
		.name = "yardstick",
		.entries = (uint32_t)flow_table_entries(flow_count),
		.key_len = sizeof(struct key),
		.hash_func = rte_hash_crc,
		.socket_id = socket,
	};
	table = rte_hash_create(&parameters);
	if (!table)
		bench_fail("rte_hash: no memory for %llu flows", (unsigned long long)flow_count);
	for (uint64_t number = 0; number < flow_count; number++) {
		struct key key = key_of(number);
		if (rte_hash_add_key_data(table, &key, table) < 0)
			bench_fail("rte_hash: no room");
	}
}

void
yardstick_free(void)
{
	rte_hash_free(table);
}

static uint32_t
look_up(const void **keys)
{
	uint32_t found = 0;
	for (uint32_t at = 0; at < BENCH_BATCH; at += BURST_MAX) {
		uint64_t hits = 0;
		void *data[BURST_MAX];
		rte_hash_lookup_bulk_data(table, &keys[at], BURST_MAX, &hits, data);
		found += (uint32_t)__builtin_popcountll(hits);
	}
	return found;
}

double
yardstick_run(struct generator *generator, uint64_t flow_count)
{
	static struct key drawn[BENCH_BATCH];
	static const void *keys[BENCH_BATCH];
	for (uint32_t i = 0; i < BENCH_BATCH; i++) {
		drawn[i] = key_of(generator_draw(generator, flow_count));
		keys[i] = &drawn[i];
	}
	uint64_t start = bench_read_tsc();
	uint32_t found = look_up(keys);
	uint64_t cycles = bench_read_tsc() - start;
	if (found != BENCH_BATCH)
		bench_fail("rte_hash: %u of %u keys were found", found, BENCH_BATCH);
	return (double)cycles / BENCH_BATCH;
}

void
yardstick_warm_up(struct generator *generator, uint64_t flow_count)
{
	uint64_t keys = flow_count < WARM_UP_MAX ? flow_count : WARM_UP_MAX;
	for (uint64_t done = 0; done < keys; done += BENCH_BATCH)
		yardstick_run(generator, flow_count);
}
