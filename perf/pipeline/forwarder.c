/* SPDX-License-Identifier: BSD-3-Clause */
#include "forwarder.h"

#include <stdio.h>
#include <limits.h>
#include <stdlib.h>

#include <rte_cycles.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_pause.h>

#include "arena.h"
#include "bench.h"

#define POOL_BACKENDS 10
#define NOW_US	      1000000000u

const char *const forwarder_modes[FORWARDER_MODES] = {"l2", "ipip", "gre", "gue", "vxlan"};
const struct mac_addr forwarder_mac = {{2, 0, 0, 0, 0, 1}};

/* --- the configuration ---------------------------------------------------------------------- */

static const char *
forward_of(unsigned mode)
{
	static const char *const forwards[FORWARDER_MODES] = {
		"\"mode\": \"l2\"",
		"\"mode\": \"ipip\", \"source4\": \"10.255.0.0/16\"",
		"\"mode\": \"gre\", \"source4\": \"10.255.0.1\"",
		"\"mode\": \"gue\", \"source4\": \"10.255.0.1\"",
		"\"mode\": \"vxlan\", \"source4\": \"10.255.0.1\", \"vni\": 7",
	};
	return forwards[mode];
}

static void
print_pools(FILE *out, uint32_t pools, uint32_t backends, unsigned mode)
{
	for (uint32_t p = 0; p < pools; p++) {
		fprintf(out, "%s\"p%u\": {\"forward\": {%s}, \"backends\": [", p > 0 ? "," : "", p,
			forward_of(mode));
		for (uint32_t b = p; b < backends; b += pools)
			fprintf(out, "%s{\"name\": \"b%u\", \"address\": \"10.64.%u.%u\"}",
				b > p ? "," : "", b, b / 256, b % 256);
		fputs("]}", out);
	}
}

static void
print_services(FILE *out, uint32_t services, uint32_t pools)
{
	for (uint32_t s = 0; s < services; s++) {
		struct ip_addr vip4 = forwarder_vip(s, 4), vip6 = forwarder_vip(s, 6);
		char text4[ADDR_TEXT_MAX], text6[ADDR_TEXT_MAX];
		fprintf(out,
			"%s{\"name\": \"s%u\", \"vips\": [\"%s\", \"%s\"], \"protocol\": \"tcp\", "
			"\"ports\": [%u], \"pool\": \"p%u\"}",
			s > 0 ? "," : "", s, addr_format(&vip4, text4), addr_format(&vip6, text6),
			FORWARDER_PORT, s % pools);
	}
}

static struct config *
make_config(uint32_t services, uint32_t backends, unsigned mode)
{
	uint32_t pools = (backends + POOL_BACKENDS - 1) / POOL_BACKENDS;
	char *text = NULL;
	size_t length = 0;
	struct config *config;
	FILE *out = open_memstream(&text, &length);
	if (!out)
		bench_fail("out of memory");
	fputs("{\"edge\": {\"name\": \"e\", \"hash_key\": \"00112233445566778899aabbccddeeff\"},"
	      "\"dataplane\": {\"workers\": \"1\", \"ports\": "
	      "[{\"name\": \"p\", \"device\": \"net_null0\"}]}, \"pools\": {",
		out);
	print_pools(out, pools, backends, mode);
	fputs("}, \"services\": [", out);
	print_services(out, services, pools);
	fputs("]}", out);
	fclose(out);
	if (config_parse(&config, "benchmark", text, length, stderr) < 0)
		bench_fail("the configuration is refused");
	free(text);
	return config;
}

struct ip_addr
forwarder_vip(uint32_t service, int family)
{
	if (family == 4)
		return addr_from_v4(__builtin_bswap32(0xc6120000u + service)); /* 198.18.0.0 */
	struct ip_addr vip = {.bytes = {0x20, 0x01, 0x0d, 0xb8, 0, 1}};
	vip.words[3] = __builtin_bswap32(service + 1);
	return vip;
}

/* --- from it to workers --------------------------------------------------------------------- */

/* Every next hop has a MAC address of its own and lies behind the device. */
static void
resolve_next_hops(const struct nexthop_table *nexthops)
{
	const l2_slot *slots = nexthop_slots(nexthops);
	for (uint32_t i = 1; i <= nexthop_highest(nexthops); i++) {
		struct mac_addr mac = {{2, 0, 1, 0, (uint8_t)(i >> 8), (uint8_t)i}};
		atomic_store((l2_slot *)(uintptr_t)&slots[i], l2_slot_pack(&mac, 0, 0));
	}
}

static void
build_snapshots(struct forwarder *f)
{
	struct error err;
	f->base = (struct snapshot_base){
		.registry = registry_create(flow_owners_attach(calloc(1, flow_owners_bytes()))),
		.ports = {{.mac = forwarder_mac, .mtu = FORWARDER_MTU}},
		.port_count = 1,
		.numa_nodes = {ARENA_ANY_NODE},
		.node_count = 1,
	};
	if (nexthop_create(&f->base.nexthops, NULL, 0, &err) < 0)
		bench_fail("%s", err.text);
	for (unsigned mode = 0; mode < FORWARDER_MODES; mode++) {
		struct config *config = make_config(f->service_count, f->backend_count, mode);
		flow_key_expand(&f->base.key, config->hash_key);
		if (snapshot_build(&f->snapshots[mode], &f->base, config,
			    mode > 0 ? f->snapshots[mode - 1] : NULL, &err) < 0)
			bench_fail("%s", err.text);
	}
	resolve_next_hops(f->base.nexthops);
}

static struct worker *
create_worker(struct forwarder *f, uint16_t id)
{
	struct arena *arena = arena_create(ARENA_ANY_NODE); /* as the daemon's */
	struct worker *w = arena ? arena_array(arena, 1, sizeof(*w)) : NULL;
	if (!w)
		bench_fail("out of memory");
	w->orders = &f->orders;
	w->id = id;
	w->clock_period = UINT64_MAX; /* TSC cycles: it is never read */
	w->fragments = fragment_buffer_create(ARENA_ANY_NODE);
	w->pipeline = (struct pipeline){
		.counters = arena_array(arena, 1, sizeof(*w->pipeline.counters)),
		.notes = fragment_notes_create(ARENA_ANY_NODE),
		.now = {NOW_US},
		.tick = flow_tick((struct mono){NOW_US}),
	};
	return w;
}

struct forwarder *
forwarder_create(uint32_t services, uint32_t backends)
{
	static const struct kernelpath_port no_kernel_path;
	struct error err;
	struct forwarder *f = bench_alloc(sizeof(*f));
	f->service_count = services;
	f->backend_count = backends;
	build_snapshots(f);
	f->orders = (struct worker_orders){
		.publish = &f->publish, .port_count = 1, .dpdk_ports = {DEVICE_PORT}};
	if (kernelpath_create(&f->orders.kernelpath, &no_kernel_path, 1, NULL, &err) < 0)
		bench_fail("%s", err.text);
	if (publish_init(&f->publish, DEVICE_QUEUES) < 0)
		bench_fail("out of memory");
	for (uint16_t id = 0; id < DEVICE_QUEUES; id++)
		f->workers[id] = create_worker(f, id);
	return f;
}

const struct tables *
forwarder_tables(const struct forwarder *f, unsigned mode)
{
	return snapshot_tables(f->snapshots[mode], 0);
}

/* --- running -------------------------------------------------------------------------------- */

/*
 * The second worker's thread. It spins between its jobs: a CPU that has slept begins a run slower than it
 * goes on. What one thread wrote before it changed `state`, the other sees after it has seen the change.
 */
static struct {
	enum {
		FOLLOWER_NONE,
		FOLLOWER_FREE,
		FOLLOWER_HAS_JOB,
		FOLLOWER_ENDS,
	} _Atomic state;
	unsigned lcore;
	void (*job)(void *context);
	void *context;
} follower;

static int
follow(void *unused)
{
	(void)unused;
	int state;
	while ((state = (int)atomic_load(&follower.state)) != FOLLOWER_ENDS) {
		if (state != FOLLOWER_HAS_JOB) {
			rte_pause();
			continue;
		}
		follower.job(follower.context);
		atomic_store(&follower.state, FOLLOWER_FREE);
	}
	return 0;
}

static void
give_job(void (*job)(void *context), void *context)
{
	if (atomic_load(&follower.state) == FOLLOWER_NONE) {
		follower.lcore = rte_get_next_lcore(UINT_MAX, 1, 0);
		if (rte_eal_remote_launch(follow, NULL, follower.lcore) < 0)
			bench_fail("the second worker does not start");
	}
	follower.job = job;
	follower.context = context;
	atomic_store(&follower.state, FOLLOWER_HAS_JOB);
}

static void
await_job(void)
{
	while (atomic_load(&follower.state) != FOLLOWER_FREE)
		rte_pause();
}

void
forwarder_on_cpu_of(unsigned worker, void (*job)(void *context), void *context)
{
	if (worker == 0) {
		job(context);
		return;
	}
	give_job(job, context);
	await_job();
}

static void
run_worker(void *worker)
{
	worker_run(worker);
}

/* A worker reads its clock once a millisecond: of the time that it works, here. The tick of the flow
 * table stands still. */
static void
let_time_pass(struct forwarder *f, unsigned id)
{
	f->worked[id] += device_cycles(device_queues[id]);
	f->workers[id]->pipeline.now.us = NOW_US + f->worked[id] / (rte_get_tsc_hz() / 1000) * 1000;
}

void
forwarder_run(struct forwarder *f, unsigned mode, struct flow_table *flows, const unsigned *counts,
	unsigned worker_count)
{
	f->orders.worker_count = worker_count;
	atomic_store(&f->publish.current[0], forwarder_tables(f, mode));
	atomic_store(&f->orders.shutdown, false);
	atomic_store(&f->orders.go, false);
	f->run.done = &f->orders.shutdown;
	atomic_store(&f->run.unfinished, worker_count);
	for (unsigned id = 0; id < worker_count; id++) {
		f->workers[id]->pipeline.flows = flows;
		device_rewind(device_queues[id], counts[id], &f->run);
	}
	if (worker_count > 1)
		give_job(run_worker, f->workers[1]);
	atomic_store(&f->orders.go, true);
	worker_run(f->workers[0]);
	if (worker_count > 1)
		await_job();
	for (unsigned id = 0; id < worker_count; id++)
		let_time_pass(f, id);
}

void
forwarder_end(void)
{
	if (atomic_load(&follower.state) == FOLLOWER_NONE)
		return;
	atomic_store(&follower.state, FOLLOWER_ENDS);
	rte_eal_wait_lcore(follower.lcore);
}

struct totals
forwarder_totals(const struct forwarder *f)
{
	struct totals totals = {0};
	for (int id = 0; id < DEVICE_QUEUES; id++)
		counters_add_to(&totals, f->workers[id]->pipeline.counters);
	return totals;
}
