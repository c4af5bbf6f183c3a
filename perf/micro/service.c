/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From (VIP, protocol, port) to the service, as the burst does it: entries of 32 fetched ahead, then
 * looked up. VIPs are drawn uniformly at random.
 */
#include <netinet/in.h>
#include <stdio.h>

#include "arena.h"
#include "bench.h"
#include "service_table.h"

#define PORT 443
#define RUNS 64

struct bench {
	struct service_table table;
	uint32_t count; /* of VIPs, each with `ranges` services */
	uint32_t ranges;
	uint64_t random;
	struct ip_addr vips[BENCH_BATCH];
	uint16_t ports[BENCH_BATCH];
};

static struct ip_addr
vip_of(uint32_t number)
{
	return addr_from_v4(__builtin_bswap32(0xc0000000u + number));
}

static void
draw(struct bench *b, uint32_t first)
{
	for (uint32_t i = 0; i < BENCH_BATCH; i++) {
		uint64_t r = bench_random(&b->random);
		b->vips[i] = vip_of(first + (uint32_t)r % b->count);
		b->ports[i] = (uint16_t)(PORT + 2 * ((r >> 32) % b->ranges));
	}
}

static void
draw_vips(void *context)
{
	draw(context, 0);
}

static void
draw_others(void *context)
{
	struct bench *b = context;
	draw(b, b->count);
}

static inline uint32_t
look_up(struct bench *b)
{
	uint32_t found = 0;
	for (uint32_t at = 0; at < BENCH_BATCH; at += BURST_MAX) {
		for (uint32_t i = at; i < at + BURST_MAX; i++)
			__builtin_prefetch(service_table_at(&b->table, &b->vips[i]));
		for (uint32_t i = at; i < at + BURST_MAX; i++) {
			const struct service_entry *vip = service_table_vip(&b->table, &b->vips[i]);
			found += vip && service_table_port(&b->table, vip, IPPROTO_TCP,
						b->ports[i]) != SERVICE_NONE;
		}
	}
	return found;
}

static uint32_t
run_service(void *context)
{
	return look_up(context);
}

static uint32_t
run_no_vip(void *context)
{
	return BENCH_BATCH - look_up(context);
}

static void
build(struct bench *b, struct arena *arena)
{
	uint32_t rule_count = b->count * b->ranges;
	struct service_rule *rules = arena_array(arena, rule_count, sizeof(*rules));
	if (!rules)
		bench_fail("service: out of memory");
	for (uint32_t i = 0; i < rule_count; i++) {
		uint16_t port = (uint16_t)(PORT + 2 * (i % b->ranges));
		rules[i] = (struct service_rule){
			vip_of(i / b->ranges), {port, port, (uint16_t)i, IPPROTO_TCP, 0}};
	}
	if (service_table_build(&b->table, arena, rules, rule_count) < 0)
		bench_fail("service: the table cannot be built");
}

static void
measure(struct bench *b, uint32_t count, uint32_t ranges)
{
	struct arena *arena = arena_create(ARENA_ANY_NODE);
	b->count = count;
	b->ranges = ranges;
	build(b, arena);
	char with[64];
	snprintf(with, sizeof(with), "services=%u vips=%u", count * ranges, count);
	const struct bench_case cases[] = {
		{"service", draw_vips, run_service, b, BENCH_BATCH, RUNS},
		{"no VIP", draw_others, run_no_vip, b, BENCH_BATCH, RUNS},
	};
	bench_group("service", with, cases, sizeof(cases) / sizeof(cases[0]));
	arena_destroy(arena);
}

int
main(int argc, char **argv)
{
	bench_start(argc, argv);
	struct bench *b = bench_alloc(sizeof(*b));
	measure(b, 10, 1);
	measure(b, 10000, 1);
	measure(b, 100, 100);
	return 0;
}
