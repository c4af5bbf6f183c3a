/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Frames in plain memory and tables made by hand, for tests of the pipeline.
 */
#ifndef FAIRLEAD_PIPELINE_BENCH_H
#define FAIRLEAD_PIPELINE_BENCH_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <netinet/in.h>

#include "arena.h"
#include "burst.h"
#include "checksum.h"
#include "choose.h"
#include "explain.h"
#include "l2.h"
#include "wire.h"

#define ROWS	 ROWS_MIN
#define CAPACITY FLOW_CAPACITY_MIN
#define BUFFER	 2048
#define PORT	 0

enum { WEB = 0, STICKY = 1, DNS = 2, TUNNEL = 3 };

static const struct mac_addr port_mac = {{2, 0, 0, 0, 0, 1}};
static const struct mac_addr router_mac = {{2, 0, 0, 0, 0, 9}};
static const struct mac_addr backend_macs[] = {
	{{0}}, {{2, 0, 0, 0, 1, 1}}, {{2, 0, 0, 0, 1, 2}}, {{2, 0, 0, 0, 1, 3}}};

struct bench {
	struct arena *arena;
	struct tables tables;
	struct tables_service services[4];
	struct tables_pool pools[2];
	struct tables_backend backends[4];
	uint32_t accepts[4];
	l2_slot slots[4];
	uint16_t rows[2][ROWS];
	struct flow_table flows;
	void *flow_memory;
	struct pipeline pipeline;
	struct burst burst;
	struct rte_mbuf mbufs[BURST_MAX];
	uint8_t buffers[BURST_MAX][BUFFER];
};

static inline struct ip_addr
address(const char *text)
{
	struct ip_addr a;
	assert_int_equal(addr_parse(text, &a), 0);
	return a;
}

/* Every row of a pool to one backend; 0 to nobody. */
static inline void
set_rows(struct bench *b, int pool, uint16_t backend)
{
	for (uint32_t r = 0; r < ROWS; r++)
		b->rows[pool][r] = backend;
}

static inline void
make_services(struct bench *b)
{
	struct service_rule rules[] = {
		{address("192.0.2.80"), {80, 80, WEB, IPPROTO_TCP, 0}},
		{address("2001:db8::80"), {80, 80, WEB, IPPROTO_TCP, 0}},
		{address("192.0.2.80"), {443, 443, STICKY, IPPROTO_TCP, 0}},
		{address("192.0.2.81"), {0, 65535, STICKY, IPPROTO_TCP, 0}},
		{address("192.0.2.53"), {53, 53, DNS, IPPROTO_UDP, 0}},
		{address("192.0.2.90"), {0, 65535, TUNNEL, IPPROTO_UDP, 0}},
	};
	assert_int_equal(service_table_build(&b->tables.services, b->arena, rules,
				 sizeof(rules) / sizeof(rules[0])),
		0);
	b->services[WEB] = (struct tables_service){1, 0, TABLES_AFFINITY_FLOW};
	b->services[STICKY] = (struct tables_service){2, 0, TABLES_AFFINITY_CLIENT};
	b->services[DNS] = (struct tables_service){3, 0, TABLES_AFFINITY_NONE};
	b->services[TUNNEL] = (struct tables_service){4, 1, TABLES_AFFINITY_FLOW};
}

static inline void
make_backends(struct bench *b)
{
	struct encap_settings settings = {.has_source4 = true};
	assert_int_equal(prefix_parse("10.0.0.1", &settings.source4), 0);
	struct ip_addr far = address("10.1.0.3");
	for (uint16_t i = 1; i < 4; i++) {
		b->backends[i] = (struct tables_backend){
			.encap = i < 3 ? &encap_l2 : &encap_ipip,
			.slot = i,
			.pool = i < 3 ? 0 : 1,
			.generation = 1,
		};
		b->accepts[i] = tables_accepting(1, TABLES_KEEPS_TCP | TABLES_KEEPS_UDP);
		assert_int_equal(
			b->backends[i].encap->prepare(&b->backends[i].target, &settings, &far), 0);
		atomic_store(&b->slots[i], l2_slot_pack(&backend_macs[i], PORT, 0));
	}
	atomic_store(&b->slots[0], L2_SLOT_UNRESOLVED);
	set_rows(b, 0, 1);
	set_rows(b, 1, 3);
	for (int i = 0; i < 2; i++)
		b->pools[i] = (struct tables_pool){b->rows[i], ROWS};
}

static inline int
setup(void **state)
{
	static const struct flow_timeouts timeouts = {.ticks = {0, 15, 1860, 30, 75, 900, 900}};
	static const uint8_t key[16] = "0123456789abcdef";
	struct bench *b = aligned_alloc(64, sizeof(*b));
	memset(b, 0, sizeof(*b));
	b->arena = arena_create(ARENA_ANY_NODE);
	make_services(b);
	make_backends(b);
	flow_key_expand(&b->tables.key, key);
	b->tables.service = b->services;
	b->tables.pools = b->pools;
	b->tables.backends = b->backends;
	b->tables.accepts = b->accepts;
	b->tables.backend_limit = 4;
	b->tables.slots = b->slots;
	b->tables.port_count = 1;
	b->tables.ports[PORT] =
		(struct tables_port){.mac = port_mac, .mtu = 1500, .has_kernel_path = true};
	b->tables.service_limit = 4;
	b->tables.icmp_echo_pps = 1000000;
	b->tables.icmp_errors_pps = 1000000;
	b->tables.punt_control_pps = 1000000;
	b->tables.punt_other_pps = 1000000;
	b->flow_memory = aligned_alloc(64, flow_table_bytes(CAPACITY));
	memset(b->flow_memory, 0, flow_table_bytes(CAPACITY));
	flow_table_attach(&b->flows, b->flow_memory, CAPACITY, &timeouts);
	b->pipeline.flows = &b->flows;
	b->pipeline.notes = fragment_notes_create(ARENA_ANY_NODE);
	b->pipeline.counters = arena_array(b->arena, 1, sizeof(*b->pipeline.counters));
	b->pipeline.now = (struct mono){1000000000};
	b->pipeline.tick = flow_tick(b->pipeline.now);
	*state = b;
	return 0;
}

static inline int
teardown(void **state)
{
	struct bench *b = *state;
	free(b->flow_memory);
	fragment_notes_destroy(b->pipeline.notes);
	arena_destroy(b->arena);
	free(b);
	return 0;
}

struct shape {
	const char *src, *dst;
	uint16_t sport, dport;
	uint8_t proto, flags, ttl;
	uint16_t payload;
};

static inline uint16_t
write_l4(uint8_t *at, const struct shape *s)
{
	if (s->proto == IPPROTO_TCP) {
		*(struct wire_tcp *)(void *)at = (struct wire_tcp){.sport = wire_u16(s->sport),
			.dport = wire_u16(s->dport),
			.offset = 5 << 4,
			.flags = s->flags};
		return (uint16_t)(20 + s->payload);
	}
	if (s->proto == IPPROTO_UDP) {
		*(struct wire_udp *)(void *)at = (struct wire_udp){.sport = wire_u16(s->sport),
			.dport = wire_u16(s->dport),
			.length = wire_u16((uint16_t)(8 + s->payload))};
		return (uint16_t)(8 + s->payload);
	}
	*(struct wire_icmp *)(void *)at = (struct wire_icmp){.type = s->flags};
	return (uint16_t)(8 + s->payload);
}

/* Puts a frame into place `i` of the burst. */
static inline uint8_t *
put_frame(struct bench *b, uint32_t i, const struct shape *s)
{
	struct ip_addr src = address(s->src), dst = address(s->dst);
	struct rte_mbuf *m = &b->mbufs[i];
	memset(b->buffers[i], 0, BUFFER);
	*m = (struct rte_mbuf){.buf_addr = b->buffers[i],
		.buf_len = BUFFER,
		.data_off = RTE_PKTMBUF_HEADROOM,
		.nb_segs = 1,
		.refcnt = 1};
	uint8_t *frame = rte_pktmbuf_mtod(m, uint8_t *);
	struct wire_ether *ether = (void *)frame;
	ether->dst = port_mac;
	ether->src = router_mac;
	bool v4 = addr_is_v4(&src);
	ether->type = wire_u16(v4 ? ETHERTYPE_IP4 : ETHERTYPE_IP6);
	uint8_t ttl = s->ttl ? s->ttl : 64;
	uint16_t length = 14;
	if (v4) {
		struct wire_ipv4 *ip = (void *)(frame + 14);
		uint16_t l4 = write_l4(frame + 34, s);
		*ip = (struct wire_ipv4){.version_ihl = 0x45,
			.ttl = ttl,
			.proto = s->proto,
			.total_length = wire_u16((uint16_t)(20 + l4)),
			.src = addr_v4(&src),
			.dst = addr_v4(&dst)};
		ip->checksum = checksum_fold(checksum_sum(ip, sizeof(*ip)));
		length = (uint16_t)(length + 20 + l4);
	} else {
		struct wire_ipv6 *ip = (void *)(frame + 14);
		uint16_t l4 = write_l4(frame + 54, s);
		*ip = (struct wire_ipv6){.version_class_label = wire_u32(0x60000000),
			.payload_length = wire_u16(l4),
			.next_header = s->proto,
			.hop_limit = ttl};
		memcpy(ip->src, src.bytes, 16);
		memcpy(ip->dst, dst.bytes, 16);
		length = (uint16_t)(length + 40 + l4);
	}
	m->data_len = length < 60 ? 60 : length;
	m->pkt_len = m->data_len;
	b->burst.mbufs[i] = m;
	b->burst.count = i + 1;
	return frame;
}

static inline void
run(struct bench *b)
{
	pipeline_burst(&b->pipeline, &b->tables, PORT, &b->burst);
	pipeline_settle(&b->pipeline, &b->burst);
	struct totals totals = {0};
	counters_add_to(&totals, b->pipeline.counters);
	uint64_t left = 0;
	for (int k = 0; k < EXIT_KINDS; k++)
		left += totals.by_kind[k];
	assert_int_equal(left, totals.received);
}

/* One packet through the pipeline; its exit. */
static inline enum exit
pass(struct bench *b, struct shape s)
{
	put_frame(b, 0, &s);
	run(b);
	return b->burst.exit[0];
}

/* … and the backend whose MAC is on it. */
static inline int
backend_of(struct bench *b, struct shape s)
{
	if (pass(b, s) != EXIT_SENT)
		return 0;
	const uint8_t *frame = rte_pktmbuf_mtod(&b->mbufs[0], const uint8_t *);
	for (int i = 1; i < 4; i++)
		if (memcmp(frame, backend_macs[i].bytes, 6) == 0)
			return i;
	return -1;
}

#define CLIENT "198.51.100.7"
#define SYN_TO_WEB(port)                                                                           \
	(struct shape)                                                                             \
	{                                                                                          \
		CLIENT, "192.0.2.80", port, 80, IPPROTO_TCP, TCP_SYN, 64, 0                        \
	}
#define ACK_TO_WEB(port)                                                                           \
	(struct shape)                                                                             \
	{                                                                                          \
		CLIENT, "192.0.2.80", port, 80, IPPROTO_TCP, TCP_ACK, 64, 0                        \
	}

static inline enum flow_state
state_of(struct bench *b, uint16_t sport)
{
	struct explain_tuple tuple = {
		address(CLIENT), address("192.0.2.80"), sport, 80, IPPROTO_TCP};
	struct explanation e = pipeline_explain(&b->tables, &b->flows, &tuple, b->pipeline.tick);
	return e.has_entry ? e.entry.state : FLOW_EMPTY;
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
