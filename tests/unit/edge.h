/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * For the tests of what needs packet buffers: the edge of the packet tests, its tables made by hand,
 * and their captures, read from the file that `tests/packet/run --write` makes.
 *
 *	VIPs 192.0.2.80 and 2001:db8::80, TCP 80 and 8000-8099, UDP 53
 *	three backends of one pool, by rows, in the mode that edge_set_mode sets
 *	VLAN 10 is served; neighbours are told where the VIPs are
 *
 * A test that cannot start EAL is skipped, and says why.
 */
#ifndef FAIRLEAD_TEST_EDGE_H
#define FAIRLEAD_TEST_EDGE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_mbuf.h>

#include "arena.h"
#include "burst.h"
#include "l2.h"

#define EDGE_BACKENDS 3
#define EDGE_PORT     0
#define EDGE_VLAN     10
/* Buffers hold a jumbo frame of MTU 9000. */
#define EDGE_BUFFER_ROOM  (RTE_PKTMBUF_HEADROOM + 9216)
#define EDGE_TEST_SKIPPED 77 /* as meson has it */

static const struct mac_addr edge_mac = {{0x02, 0x70, 0x63, 0x61, 0x70, 0x00}};

struct edge {
	struct arena *arena;
	struct tables tables;
	struct tables_service services[2];
	struct tables_pool pool;
	struct tables_backend backends[EDGE_BACKENDS + 1];
	uint32_t accepts[EDGE_BACKENDS + 1];
	l2_slot slots[EDGE_BACKENDS + 1];
	struct outer_source outer_sources[OUTER_SOURCES_PER_POOL];
	uint16_t rows[ROWS_MIN];
	struct flow_table flows;
	void *flow_memory;
	struct pipeline pipeline;
};

static inline struct ip_addr
edge_address(const char *text)
{
	struct ip_addr a;
	assert_int_equal(addr_parse(text, &a), 0);
	return a;
}

static inline void
edge_set_mode(struct edge *e, const struct encap *mode)
{
	struct encap_settings settings = {.has_source4 = true, .port = 4789};
	assert_int_equal(prefix_parse("10.0.9.2", &settings.source4), 0);
	for (uint16_t i = 1; i <= EDGE_BACKENDS; i++) {
		char text[ADDR_TEXT_MAX];
		snprintf(text, sizeof(text), "10.0.9.%u", 10u + i);
		struct ip_addr address = edge_address(text);
		struct mac_addr mac = {{2, 0, 0, 0, 9, (uint8_t)i}};
		struct tables_backend *b = &e->backends[i];
		*b = (struct tables_backend){.encap = mode, .slot = i, .generation = 1};
		e->accepts[i] = tables_accepting(1, TABLES_KEEPS_TCP | TABLES_KEEPS_UDP);
		assert_int_equal(mode->prepare(&b->target, &settings, &address), 0);
		atomic_store(&e->slots[i], l2_slot_pack(&mac, EDGE_PORT, 0));
	}
	e->tables.outer_sources = e->outer_sources;
	e->tables.outer_source_count = outer_source_settle(
		e->outer_sources, outer_source_add(e->outer_sources, 0, mode, &settings));
}

static inline void
edge_make_services(struct edge *e)
{
	struct service_rule rules[6];
	size_t count = 0;
	for (int six = 0; six < 2; six++) {
		struct ip_addr vip = edge_address(six ? "2001:db8::80" : "192.0.2.80");
		rules[count++] = (struct service_rule){vip, {80, 80, 0, IPPROTO_TCP, 0}};
		rules[count++] = (struct service_rule){vip, {8000, 8099, 0, IPPROTO_TCP, 0}};
		rules[count++] = (struct service_rule){vip, {53, 53, 1, IPPROTO_UDP, 0}};
	}
	assert_int_equal(service_table_build(&e->tables.services, e->arena, rules, count), 0);
}

/* A flow table for `capacity` flows; frames beyond `mtu` are too big. */
static inline struct edge *
edge_create(uint32_t capacity, uint16_t mtu, struct rte_mempool *pool)
{
	static const struct flow_timeouts timeouts = {.ticks = {0, 15, 1860, 30, 75, 900, 900}};
	static const uint8_t key[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
	struct arena *arena = arena_create(ARENA_ANY_NODE);
	assert_non_null(arena);
	struct edge *e = arena_array(arena, 1, sizeof(*e));
	e->arena = arena;
	edge_make_services(e);
	edge_set_mode(e, &encap_l2);
	for (uint32_t r = 0; r < ROWS_MIN; r++)
		e->rows[r] = (uint16_t)(1 + r % EDGE_BACKENDS);
	e->pool = (struct tables_pool){e->rows, ROWS_MIN};
	struct tables *t = &e->tables;
	flow_key_expand(&t->key, key);
	t->service = e->services;
	t->service_limit = 2;
	t->pools = &e->pool;
	t->backends = e->backends;
	t->accepts = e->accepts;
	t->backend_limit = EDGE_BACKENDS + 1;
	t->slots = e->slots;
	t->port_count = 1;
	t->ports[EDGE_PORT] =
		(struct tables_port){.mac = edge_mac, .mtu = mtu, .has_kernel_path = true};
	t->ports[EDGE_PORT].vlans[EDGE_VLAN / 64] |= UINT64_C(1) << EDGE_VLAN % 64;
	t->ports[EDGE_PORT].answers_neighbours = true;
	t->icmp_echo_pps = t->icmp_errors_pps = t->neighbours_pps = 10000000;
	t->punt_control_pps = t->punt_other_pps = 10000000;
	e->flow_memory = arena_alloc(arena, flow_table_bytes(capacity), 64);
	flow_table_attach(&e->flows, e->flow_memory, capacity, &timeouts);
	e->pipeline.flows = &e->flows;
	e->pipeline.pool = pool;
	e->pipeline.notes = fragment_notes_create(ARENA_ANY_NODE);
	e->pipeline.counters = arena_array(arena, 1, sizeof(*e->pipeline.counters));
	assert_non_null(e->pipeline.notes);
	assert_non_null(e->pipeline.counters);
	e->pipeline.now = (struct mono){1000000000};
	e->pipeline.tick = flow_tick(e->pipeline.now);
	return e;
}

static inline void
edge_destroy(struct edge *e)
{
	fragment_notes_destroy(e->pipeline.notes);
	arena_destroy(e->arena);
}

/* What has been counted; the identity holds. */
static inline struct totals
edge_totals(const struct edge *e)
{
	struct totals totals = {0};
	counters_add_to(&totals, e->pipeline.counters);
	uint64_t left = 0;
	for (int k = 0; k < EXIT_KINDS; k++)
		left += totals.by_kind[k];
	assert_int_equal(left, totals.received);
	return totals;
}

/* --- frames --------------------------------------------------------------------------------------- */

struct edge_frame {
	uint32_t length;
	const uint8_t *bytes;
};

struct edge_capture {
	uint32_t count;
	struct edge_frame *frames;
	uint8_t *file;
};

/* A capture file as this machine's own byte order has it (pcap, microseconds). */
static inline struct edge_capture
edge_read_capture(const char *path)
{
	enum { FILE_HEADER = 24, RECORD_HEADER = 16, CAPTURED_AT = 8 };
	struct edge_capture capture = {0};
	FILE *file = fopen(path, "rb");
	assert_non_null(file);
	assert_int_equal(fseek(file, 0, SEEK_END), 0);
	size_t bytes = (size_t)ftell(file), at = FILE_HEADER;
	rewind(file);
	capture.file = malloc(bytes);
	capture.frames = calloc(bytes / RECORD_HEADER + 1, sizeof(*capture.frames));
	assert_true(capture.file && capture.frames);
	assert_int_equal(fread(capture.file, 1, bytes, file), bytes);
	fclose(file);
	while (at + RECORD_HEADER <= bytes) {
		struct edge_frame *frame = &capture.frames[capture.count++];
		memcpy(&frame->length, capture.file + at + CAPTURED_AT, sizeof(frame->length));
		frame->bytes = capture.file + at + RECORD_HEADER;
		at += RECORD_HEADER + frame->length;
	}
	assert_int_equal(at, bytes);
	assert_true(capture.count > 1000);
	return capture;
}

static inline void
edge_free_capture(struct edge_capture *capture)
{
	free(capture->frames);
	free(capture->file);
}

/* --- buffers -------------------------------------------------------------------------------------- */

/* Starts EAL; what else it is told stands in `more`. False, and why, where it cannot. */
static inline bool
edge_start_eal(const char *more)
{
	char program[] = "test", no_huge[] = "--no-huge", no_conf[] = "--no-shconf",
	     no_pci[] = "--no-pci", memory[] = "-m", megabytes[] = "256",
	     no_telemetry[] = "--no-telemetry", log[] = "--log-level=error", lcores[32], extra[64];
	char *arguments[] = {program, no_huge, no_conf, no_pci, memory, megabytes, no_telemetry,
		log, lcores, extra};
	cpu_set_t allowed;
	size_t first = 0;
	assert_int_equal(sched_getaffinity(0, sizeof(allowed), &allowed), 0);
	while (!CPU_ISSET(first, &allowed))
		first++;
	snprintf(lcores, sizeof(lcores), "--lcores=0@%zu", first);
	snprintf(extra, sizeof(extra), "%s", more ? more : no_pci);
	/* Where EAL keeps what it keeps even so. */
	setenv("RUNTIME_DIRECTORY", "/tmp", 0);
	if (rte_eal_init((int)(sizeof(arguments) / sizeof(arguments[0])), arguments) < 0) {
		fprintf(stderr, "EAL does not start here: %s\n", rte_strerror(rte_errno));
		return false;
	}
	/* EAL has tied this thread to one CPU, where all the other tests would meet it. */
	assert_int_equal(sched_setaffinity(0, sizeof(allowed), &allowed), 0);
	return true;
}

static inline struct rte_mempool *
edge_create_pool(const char *name, unsigned buffers)
{
	struct rte_mempool *pool =
		rte_pktmbuf_pool_create(name, buffers, 0, 0, EDGE_BUFFER_ROOM, SOCKET_ID_ANY);
	assert_non_null(pool);
	return pool;
}

/* A plain buffer that holds these bytes; NULL if the pool is empty. */
static inline struct rte_mbuf *
edge_put(struct rte_mempool *pool, const uint8_t *bytes, uint32_t length)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
	if (!m)
		return NULL;
	assert_true(length <= rte_pktmbuf_tailroom(m));
	memcpy(rte_pktmbuf_mtod(m, uint8_t *), bytes, length);
	m->data_len = (uint16_t)length;
	m->pkt_len = length;
	return m;
}

#endif
