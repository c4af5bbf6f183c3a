/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * For the targets that run the pipeline over what they make themselves: one VIP of each family, TCP 80
 * by flow, TCP 443 by client, UDP 53 by row, on three backends; frames in memory of their exact size.
 */
#ifndef FAIRLEAD_FUZZ_EDGE_H
#define FAIRLEAD_FUZZ_EDGE_H

#include <netinet/in.h>
#include <stdbool.h>

#include "arena.h"
#include "burst_isa.h"
#include "fuzz.h"
#include "l2.h"

#define EDGE_CAPACITY FLOW_CAPACITY_MIN
#define EDGE_ROWS     8
#define EDGE_BACKENDS 3

enum { EDGE_WEB, EDGE_STICKY, EDGE_DNS, EDGE_SERVICES };

struct edge {
	struct arena *arena; /* holds it all, itself too */
	struct tables tables;
	struct tables_service services[EDGE_SERVICES];
	struct tables_pool pool;
	struct tables_backend backends[EDGE_BACKENDS + 1];
	uint32_t accepts[EDGE_BACKENDS + 1];
	l2_slot slots[EDGE_BACKENDS + 1];
	uint16_t rows[EDGE_ROWS];
	struct flow_table flows;
};

static const struct mac_addr edge_mac = {{2, 0, 0, 0, 0, 1}};
static const struct mac_addr edge_router = {{2, 0, 0, 0, 0, 9}};

static inline struct ip_addr
edge_address(const char *text)
{
	struct ip_addr a;
	REQUIRE(addr_parse(text, &a) == 0);
	return a;
}

static inline struct ip_addr
edge_vip(int family)
{
	return edge_address(family == 4 ? "192.0.2.80" : "2001:db8::80");
}

static inline void
edge_make_services(struct edge *e)
{
	struct service_rule rules[6];
	size_t count = 0;
	for (int family = 4; family <= 6; family += 2) {
		struct ip_addr vip = edge_vip(family);
		rules[count++] = (struct service_rule){vip, {80, 80, EDGE_WEB, IPPROTO_TCP, 0}};
		rules[count++] =
			(struct service_rule){vip, {443, 443, EDGE_STICKY, IPPROTO_TCP, 0}};
		rules[count++] = (struct service_rule){vip, {53, 53, EDGE_DNS, IPPROTO_UDP, 0}};
	}
	REQUIRE(service_table_build(&e->tables.services, e->arena, rules, count) == 0);
	e->services[EDGE_WEB] = (struct tables_service){1, 0, TABLES_AFFINITY_FLOW};
	e->services[EDGE_STICKY] = (struct tables_service){2, 0, TABLES_AFFINITY_CLIENT};
	e->services[EDGE_DNS] = (struct tables_service){3, 0, TABLES_AFFINITY_NONE};
}

/* Backend `i` comes, or goes from backends and rows, as a new snapshot would have it. */
static inline void
edge_set_backend(struct edge *e, uint16_t i, bool is_there)
{
	struct tables_backend *b = &e->backends[i];
	uint8_t generation = b->generation;
	*b = (struct tables_backend){
		.encap = is_there ? &encap_l2 : NULL,
		.slot = i,
		.generation = (uint8_t)((generation + is_there) % FLOW_GENERATIONS),
	};
	e->accepts[i] =
		is_there ? tables_accepting(b->generation, TABLES_KEEPS_TCP | TABLES_KEEPS_UDP) : 0;
	uint16_t there[EDGE_BACKENDS] = {0};
	unsigned count = 0;
	for (uint16_t n = 1; n <= EDGE_BACKENDS; n++)
		if (e->backends[n].encap)
			there[count++] = n;
	for (unsigned r = 0; r < EDGE_ROWS; r++)
		e->rows[r] = count ? there[r % count] : 0;
}

static inline struct edge *
edge_create(void)
{
	static const struct flow_timeouts timeouts = {.ticks = {0, 15, 1860, 30, 75, 900, 900}};
	static const uint8_t key[16] = "0123456789abcdef";
	struct arena *arena = arena_create(ARENA_ANY_NODE);
	REQUIRE(arena != NULL);
	struct edge *e = arena_array(arena, 1, sizeof(*e));
	void *memory = arena_alloc(arena, flow_table_bytes(EDGE_CAPACITY), 64);
	REQUIRE(e && memory);
	e->arena = arena;
	edge_make_services(e);
	for (uint16_t i = 1; i <= EDGE_BACKENDS; i++) {
		struct mac_addr mac = {{2, 0, 0, 0, 1, (uint8_t)i}};
		e->slots[i] = l2_slot_pack(&mac, 0, 0);
		edge_set_backend(e, i, true);
	}
	e->pool = (struct tables_pool){e->rows, EDGE_ROWS};
	struct tables *t = &e->tables;
	flow_key_expand(&t->key, key);
	t->service = e->services;
	t->service_limit = EDGE_SERVICES;
	t->pools = &e->pool;
	t->backends = e->backends;
	t->accepts = e->accepts;
	t->backend_limit = EDGE_BACKENDS + 1;
	t->slots = e->slots;
	t->port_count = 1;
	t->ports[0] = (struct tables_port){.mac = edge_mac, .mtu = 9000, .has_kernel_path = true};
	t->icmp_echo_pps = t->icmp_errors_pps = 100000;
	t->punt_control_pps = t->punt_other_pps = 100000;
	flow_table_attach(&e->flows, memory, EDGE_CAPACITY, &timeouts);
	pipeline_use(pipeline_widest_isa()); /* as the daemon */
	return e;
}

/* A frame, its buffer behind it, and nothing behind that but room for an answer. */
static inline struct rte_mbuf *
edge_frame(const uint8_t *bytes, uint16_t length)
{
	uint32_t answer = length > ICMP_ERROR_BYTES_MAX ? length : ICMP_ERROR_BYTES_MAX;
	uint32_t room = RTE_PKTMBUF_HEADROOM + answer;
	struct rte_mbuf *m = calloc(1, sizeof(*m));
	uint8_t *buffer = calloc(1, room);
	REQUIRE(m && buffer && room <= UINT16_MAX);
	*m = (struct rte_mbuf){
		.buf_addr = buffer,
		.buf_len = (uint16_t)room,
		.data_off = RTE_PKTMBUF_HEADROOM,
		.data_len = length,
		.pkt_len = length,
		.nb_segs = 1,
		.refcnt = 1,
	};
	memcpy(rte_pktmbuf_mtod(m, uint8_t *), bytes, length);
	return m;
}

static inline void
edge_frame_free(struct rte_mbuf *m)
{
	free(m->buf_addr);
	free(m);
}

/* What has been counted; the identity holds. */
static inline struct totals
edge_totals(const struct pipeline *pipeline)
{
	struct totals totals = {0};
	counters_add_to(&totals, pipeline->counters);
	uint64_t kinds = 0;
	for (int k = 0; k < EXIT_KINDS; k++)
		kinds += totals.by_kind[k];
	REQUIRE(kinds == totals.received);
	return totals;
}

#endif
