/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The packet's whole path, over frames in plain memory and tables made by hand: which exit, which
 * bytes, which counters, and what stays where when the row table changes.
 */
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
	l2_slot slots[4];
	uint16_t rows[2][ROWS];
	struct flow_table flows;
	void *flow_memory;
	struct pipeline pipeline;
	struct burst burst;
	struct rte_mbuf mbufs[BURST_MAX];
	uint8_t buffers[BURST_MAX][BUFFER];
};

static struct ip_addr
address(const char *text)
{
	struct ip_addr a;
	assert_int_equal(addr_parse(text, &a), 0);
	return a;
}

/* Every row of a pool to one backend; 0 to nobody. */
static void
set_rows(struct bench *b, int pool, uint16_t backend)
{
	for (uint32_t r = 0; r < ROWS; r++)
		b->rows[pool][r] = backend;
}

static void
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

static void
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
		assert_int_equal(b->backends[i].encap->prepare(
					 &b->backends[i].target, &settings, &far),
			0);
		atomic_store(&b->slots[i], l2_slot_pack(&backend_macs[i], PORT, 0));
	}
	atomic_store(&b->slots[0], L2_SLOT_UNRESOLVED);
	set_rows(b, 0, 1);
	set_rows(b, 1, 3);
	for (int i = 0; i < 2; i++)
		b->pools[i] = (struct tables_pool){b->rows[i], ROWS};
}

static int
setup(void **state)
{
	static const struct flow_timeouts timeouts = {.ticks = {0, 15, 1860, 30, 75, 900}};
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

static int
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

static uint16_t
write_l4(uint8_t *at, const struct shape *s)
{
	if (s->proto == IPPROTO_TCP) {
		*(struct wire_tcp *)(void *)at = (struct wire_tcp){.sport = wire_u16(s->sport),
			.dport = wire_u16(s->dport), .offset = 5 << 4, .flags = s->flags};
		return (uint16_t)(20 + s->payload);
	}
	if (s->proto == IPPROTO_UDP) {
		*(struct wire_udp *)(void *)at = (struct wire_udp){.sport = wire_u16(s->sport),
			.dport = wire_u16(s->dport), .length = wire_u16((uint16_t)(8 + s->payload))};
		return (uint16_t)(8 + s->payload);
	}
	*(struct wire_icmp *)(void *)at = (struct wire_icmp){.type = s->flags};
	return (uint16_t)(8 + s->payload);
}

/* Puts a frame into place `i` of the burst. */
static uint8_t *
put_frame(struct bench *b, uint32_t i, const struct shape *s)
{
	struct ip_addr src = address(s->src), dst = address(s->dst);
	struct rte_mbuf *m = &b->mbufs[i];
	memset(b->buffers[i], 0, BUFFER);
	*m = (struct rte_mbuf){.buf_addr = b->buffers[i], .buf_len = BUFFER,
		.data_off = RTE_PKTMBUF_HEADROOM, .nb_segs = 1, .refcnt = 1};
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
		*ip = (struct wire_ipv4){.version_ihl = 0x45, .ttl = ttl, .proto = s->proto,
			.total_length = wire_u16((uint16_t)(20 + l4)), .src = addr_v4(&src),
			.dst = addr_v4(&dst)};
		ip->checksum = checksum_fold(checksum_sum(ip, sizeof(*ip)));
		length = (uint16_t)(length + 20 + l4);
	} else {
		struct wire_ipv6 *ip = (void *)(frame + 14);
		uint16_t l4 = write_l4(frame + 54, s);
		*ip = (struct wire_ipv6){.version_class_label = wire_u32(0x60000000),
			.payload_length = wire_u16(l4), .next_header = s->proto, .hop_limit = ttl};
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

static void
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
static enum exit
pass(struct bench *b, struct shape s)
{
	put_frame(b, 0, &s);
	run(b);
	return b->burst.exit[0];
}

/* … and the backend whose MAC is on it. */
static int
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
#define SYN_TO_WEB(port) \
	(struct shape){CLIENT, "192.0.2.80", port, 80, IPPROTO_TCP, TCP_SYN, 64, 0}
#define ACK_TO_WEB(port) \
	(struct shape){CLIENT, "192.0.2.80", port, 80, IPPROTO_TCP, TCP_ACK, 64, 0}

static enum flow_state
state_of(struct bench *b, uint16_t sport)
{
	struct explain_tuple tuple = {address(CLIENT), address("192.0.2.80"), sport, 80,
		IPPROTO_TCP};
	struct explanation e =
		pipeline_explain(&b->tables, &b->flows, &tuple, b->pipeline.tick);
	return e.has_entry ? e.entry.state : FLOW_EMPTY;
}

static void
test_l2_bytes(void **state)
{
	struct bench *b = *state;
	struct shape s = SYN_TO_WEB(1000);
	uint8_t before[64];
	uint8_t *frame = put_frame(b, 0, &s);
	memcpy(before, frame, 60);
	run(b);
	assert_int_equal(b->burst.exit[0], EXIT_SENT);
	assert_int_equal(b->burst.out_port[0], PORT);
	const struct rte_mbuf *m = &b->mbufs[0];
	/* The six bytes of link padding are gone: 14 + 20 + 20. */
	assert_int_equal(m->pkt_len, 54);
	assert_int_equal(m->data_len, 54);
	assert_ptr_equal(rte_pktmbuf_mtod(m, uint8_t *), frame);
	assert_memory_equal(frame, backend_macs[1].bytes, 6);
	assert_memory_equal(frame + 6, port_mac.bytes, 6);
	assert_int_equal(frame[22], 63);
	assert_int_equal(checksum_fold(checksum_sum(frame + 14, 20)), 0);
	assert_memory_equal(frame + 26, before + 26, 28);
}

static void
test_ipip_bytes(void **state)
{
	struct bench *b = *state;
	struct shape s = {CLIENT, "192.0.2.90", 5, 6, IPPROTO_UDP, 0, 9, 30};
	assert_int_equal(pass(b, s), EXIT_SENT);
	const struct rte_mbuf *m = &b->mbufs[0];
	const uint8_t *frame = rte_pktmbuf_mtod(m, const uint8_t *);
	const struct wire_ipv4 *outer = (const void *)(frame + 14);
	const struct wire_ipv4 *inner = (const void *)(frame + 34);
	assert_int_equal(m->pkt_len, 14 + 20 + 20 + 8 + 30);
	assert_memory_equal(frame, backend_macs[3].bytes, 6);
	assert_int_equal(outer->proto, IPPROTO_IPIP);
	assert_int_equal(wire_u16(outer->total_length), 20 + 20 + 8 + 30);
	assert_int_equal(checksum_fold(checksum_sum(outer, 20)), 0);
	assert_int_equal(inner->ttl, 8);
	assert_int_equal(checksum_fold(checksum_sum(inner, 20)), 0);
}

static void
test_flow_stays_when_its_row_moves(void **state)
{
	struct bench *b = *state;
	assert_int_equal(backend_of(b, SYN_TO_WEB(1000)), 1);
	set_rows(b, 0, 2);
	assert_int_equal(backend_of(b, ACK_TO_WEB(1000)), 1);
	assert_int_equal(backend_of(b, SYN_TO_WEB(1001)), 2);
	/* The other family has its own flows, in the same table. */
	struct shape v6 = {"2001:db8:1::1", "2001:db8::80", 9, 80, IPPROTO_TCP, TCP_SYN, 0, 0};
	assert_int_equal(backend_of(b, v6), 2);
	set_rows(b, 0, 1);
	assert_int_equal(backend_of(b, v6), 2);
}

static void
test_flow_leaves_a_backend_that_is_gone(void **state)
{
	struct bench *b = *state;
	assert_int_equal(backend_of(b, SYN_TO_WEB(1000)), 1);
	b->backends[1].encap = NULL;
	set_rows(b, 0, 2);
	assert_int_equal(backend_of(b, ACK_TO_WEB(1000)), 2);
	/* And does not come back with the next owner of the index. */
	b->backends[1].encap = &encap_l2;
	b->backends[1].generation = 2;
	assert_int_equal(backend_of(b, ACK_TO_WEB(1000)), 2);
}

static void
test_affinity(void **state)
{
	struct bench *b = *state;
	struct shape sticky = {CLIENT, "192.0.2.80", 7, 443, IPPROTO_TCP, TCP_SYN, 0, 0};
	struct shape same_client = {CLIENT, "192.0.2.81", 8, 9999, IPPROTO_TCP, TCP_SYN, 0, 0};
	struct shape other_client = {"198.51.100.8", "192.0.2.81", 8, 9999, IPPROTO_TCP, TCP_SYN,
		0, 0};
	struct shape dns = {CLIENT, "192.0.2.53", 7, 53, IPPROTO_UDP, 0, 0, 20};
	assert_int_equal(backend_of(b, sticky), 1);
	assert_int_equal(backend_of(b, dns), 1);
	set_rows(b, 0, 2);
	assert_int_equal(backend_of(b, same_client), 1);
	assert_int_equal(backend_of(b, other_client), 2);
	assert_int_equal(backend_of(b, dns), 2);
}

static void
test_tcp_states(void **state)
{
	struct bench *b = *state;
	const uint16_t port = 1000;
	struct shape data = {CLIENT, "192.0.2.80", port, 80, IPPROTO_TCP, TCP_ACK | TCP_PSH, 0, 9};
	struct shape fin = ACK_TO_WEB(port), rst = ACK_TO_WEB(port);
	fin.flags |= TCP_FIN;
	rst.flags = TCP_RST;
	pass(b, rst);
	assert_int_equal(state_of(b, port), FLOW_EMPTY);
	pass(b, SYN_TO_WEB(port));
	assert_int_equal(state_of(b, port), FLOW_SYN);
	pass(b, ACK_TO_WEB(port));
	assert_int_equal(state_of(b, port), FLOW_ESTABLISHED);
	pass(b, SYN_TO_WEB(port));
	assert_int_equal(state_of(b, port), FLOW_ESTABLISHED);
	pass(b, fin);
	assert_int_equal(state_of(b, port), FLOW_CLOSING);
	pass(b, ACK_TO_WEB(port));
	assert_int_equal(state_of(b, port), FLOW_CLOSING);
	pass(b, data);
	assert_int_equal(state_of(b, port), FLOW_ESTABLISHED);
	pass(b, rst);
	assert_int_equal(state_of(b, port), FLOW_CLOSING);
	/* A new connection on the old ports goes by its row. */
	set_rows(b, 0, 2);
	assert_int_equal(backend_of(b, SYN_TO_WEB(port)), 2);
	assert_int_equal(state_of(b, port), FLOW_SYN);
}

static void
test_idle_flow_expires(void **state)
{
	struct bench *b = *state;
	assert_int_equal(backend_of(b, SYN_TO_WEB(1000)), 1);
	set_rows(b, 0, 2);
	b->pipeline.tick = (uint16_t)(b->pipeline.tick + 15);
	assert_int_equal(backend_of(b, SYN_TO_WEB(1000)), 1);
	b->pipeline.tick = (uint16_t)(b->pipeline.tick + 16);
	assert_int_equal(backend_of(b, SYN_TO_WEB(1000)), 2);
}

static void
test_exits(void **state)
{
	struct bench *b = *state;
	const struct {
		struct shape shape;
		enum exit exit;
	} cases[] = {
		{{CLIENT, "192.0.2.80", 1, 81, IPPROTO_TCP, TCP_SYN, 0, 0}, EXIT_ANSWERED_NO_SERVICE},
		{{CLIENT, "192.0.2.80", 1, 80, IPPROTO_UDP, 0, 0, 0}, EXIT_ANSWERED_NO_SERVICE},
		{{CLIENT, "192.0.2.80", 0, 80, IPPROTO_TCP, 0, 0, 0}, EXIT_DROP_PORT_ZERO},
		{{CLIENT, "192.0.2.80", 1, 80, IPPROTO_TCP, 0, 1, 0}, EXIT_ANSWERED_TTL_EXPIRED},
		{{CLIENT, "192.0.2.80", 0, 0, IPPROTO_ICMP, 8, 0, 8}, EXIT_DROP_ICMP_CHECKSUM},
		{{CLIENT, "192.0.2.80", 0, 0, IPPROTO_ICMP, 13, 0, 8}, EXIT_DROP_ICMP_OTHER},
		{{"127.0.0.1", "192.0.2.80", 1, 80, IPPROTO_TCP, 0, 0, 0},
			EXIT_DROP_SOURCE_MARTIAN},
		{{"192.0.2.53", "192.0.2.80", 1, 80, IPPROTO_TCP, 0, 0, 0}, EXIT_DROP_SOURCE_VIP},
		{{CLIENT, "192.0.2.1", 1, 80, IPPROTO_TCP, 0, 0, 0}, EXIT_PUNTED_OTHER},
		{{CLIENT, "192.0.2.1", 1, 179, IPPROTO_TCP, 0, 0, 0}, EXIT_PUNTED_CONTROL},
		{{"fe80::1", "ff02::1:ff00:1", 0, 0, IPPROTO_ICMPV6, 135, 255, 16},
			EXIT_PUNTED_CONTROL},
		{{CLIENT, "192.0.2.90", 1, 80, IPPROTO_UDP, 0, 0, 1460}, EXIT_SENT_IN_FRAGMENTS},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(
			exit_name(pass(b, cases[i].shape)), exit_name(cases[i].exit));
}

static void
test_exits_of_the_tables(void **state)
{
	struct bench *b = *state;
	atomic_store(&b->slots[1], L2_SLOT_UNRESOLVED);
	assert_int_equal(pass(b, SYN_TO_WEB(1)), EXIT_DROP_NEXT_HOP);
	set_rows(b, 0, 0);
	assert_int_equal(pass(b, SYN_TO_WEB(2)), EXIT_DROP_NO_BACKEND);
	b->tables.punt_other_pps = 0;
	struct shape foreign = {CLIENT, "192.0.2.1", 1, 80, IPPROTO_TCP, 0, 0, 0};
	assert_int_equal(pass(b, foreign), EXIT_DROP_PUNT_METERED);
	b->tables.ports[PORT].has_kernel_path = false;
	assert_int_equal(pass(b, foreign), EXIT_DROP_NO_KERNEL_PATH);
}

static void
test_exits_of_the_link(void **state)
{
	struct bench *b = *state;
	struct shape s = SYN_TO_WEB(1);
	put_frame(b, 0, &s)[5] ^= 1;
	put_frame(b, 1, &s)[0] |= 1;
	put_frame(b, 2, &s)[24] ^= 1;
	put_frame(b, 3, &s);
	b->mbufs[3].nb_segs = 2;
	put_frame(b, 4, &s);
	b->mbufs[4].data_off = 2;
	memmove(b->buffers[4] + 2, b->buffers[4] + RTE_PKTMBUF_HEADROOM, 60);
	uint8_t *arp = put_frame(b, 5, &s);
	memset(arp, 0xff, 6);
	arp[12] = 0x08, arp[13] = 0x06;
	uint8_t *tagged = put_frame(b, 6, &s);
	memmove(tagged + 16, tagged + 12, 44);
	memcpy(tagged + 12, "\x81\x00\x00\x07", 4);
	run(b);
	static const enum exit expected[] = {EXIT_DROP_OTHER_MAC, EXIT_DROP_VIP_MULTICAST,
		EXIT_DROP_IPV4_CHECKSUM, EXIT_DROP_NO_BUFFER, EXIT_DROP_NO_BUFFER,
		EXIT_PUNTED_CONTROL, EXIT_PUNTED_OTHER};
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
		assert_string_equal(exit_name(b->burst.exit[i]), exit_name(expected[i]));
}

/* An answer goes back to the station and the client that asked, from the VIP. */
static void
check_answer(struct bench *b, uint8_t type, uint8_t code)
{
	const struct rte_mbuf *m = &b->mbufs[0];
	const uint8_t *frame = rte_pktmbuf_mtod(m, const uint8_t *);
	const struct wire_ipv4 *ip = (const void *)(frame + 14);
	const struct wire_icmp *icmp = (const void *)(frame + 34);
	struct ip_addr client = address(CLIENT), vip = address("192.0.2.80");
	assert_int_equal(b->burst.out_port[0], PORT);
	assert_memory_equal(frame, router_mac.bytes, 6);
	assert_memory_equal(frame + 6, port_mac.bytes, 6);
	assert_int_equal(ip->dst, addr_v4(&client));
	assert_int_equal(ip->src, addr_v4(&vip));
	assert_int_equal(icmp->type, type);
	assert_int_equal(icmp->code, code);
	assert_int_equal(checksum_fold(checksum_sum(ip, 20)), 0);
	assert_int_equal(checksum_fold(checksum_sum(icmp, m->pkt_len - 34)), 0);
}

static void
test_answers(void **state)
{
	struct bench *b = *state;
	struct shape ping = {CLIENT, "192.0.2.80", 0, 0, IPPROTO_ICMP, 8, 64, 0};
	struct wire_icmp *icmp = (void *)(put_frame(b, 0, &ping) + 34);
	icmp->checksum = checksum_fold(checksum_sum(icmp, 8));
	b->mbufs[0].data_len = 42;
	b->mbufs[0].pkt_len = 42;
	run(b);
	assert_int_equal(b->burst.exit[0], EXIT_ANSWERED_ECHO);
	check_answer(b, 0, 0);
	struct shape traced = SYN_TO_WEB(1);
	traced.ttl = 1;
	assert_int_equal(pass(b, traced), EXIT_ANSWERED_TTL_EXPIRED);
	check_answer(b, 11, 0);
	struct shape closed = SYN_TO_WEB(1);
	closed.dport = 81;
	assert_int_equal(pass(b, closed), EXIT_ANSWERED_NO_SERVICE);
	check_answer(b, 3, 3);
	b->tables.icmp_errors_pps = 0;
	assert_int_equal(pass(b, closed), EXIT_DROP_NO_SERVICE);
	assert_int_equal(pass(b, traced), EXIT_DROP_TTL_EXPIRED);
	b->tables.icmp_errors_pps = 10;
	for (int i = 0; i < 20; i++)
		pass(b, closed);
	assert_int_equal(b->burst.exit[0], EXIT_DROP_ICMP_METERED);
}

/* Packet too big, about what a backend sent: it goes to the backend that the flow is on. */
static void
test_quoted_flow(void **state)
{
	struct bench *b = *state;
	assert_int_equal(backend_of(b, SYN_TO_WEB(1000)), 1);
	assert_int_equal(backend_of(b, ACK_TO_WEB(1000)), 1);
	set_rows(b, 0, 2);
	struct shape error = {"198.51.100.99", "192.0.2.80", 0, 0, IPPROTO_ICMP, 3, 64, 28};
	for (uint16_t port = 1000; port <= 1001; port++) {
		uint8_t *frame = put_frame(b, 0, &error);
		struct wire_icmp *icmp = (void *)(frame + 34);
		struct wire_ipv4 *quoted = (void *)(frame + 42);
		struct ip_addr client = address(CLIENT), vip = address("192.0.2.80");
		icmp->code = 4;
		*quoted = (struct wire_ipv4){.version_ihl = 0x45, .ttl = 60, .proto = IPPROTO_TCP,
			.total_length = wire_u16(1500), .src = addr_v4(&vip),
			.dst = addr_v4(&client)};
		struct wire_udp *ports = (void *)(frame + 62);
		ports->sport = wire_u16(80);
		ports->dport = wire_u16(port);
		icmp->checksum = checksum_fold(checksum_sum(icmp, 36));
		b->mbufs[0].data_len = 70;
		b->mbufs[0].pkt_len = 70;
		run(b);
		assert_int_equal(b->burst.exit[0], EXIT_SENT);
		assert_int_equal(b->burst.backend[0], port == 1000 ? 1 : 2);
	}
	/* It has neither refreshed nor made an entry. */
	assert_int_equal(state_of(b, 1000), FLOW_ESTABLISHED);
	assert_int_equal(state_of(b, 1001), FLOW_EMPTY);
	assert_int_equal(counter_read(&b->pipeline.counters->flow_events[FLOW_EVENT_HIT]), 1);
}

/* Turns the frame of place 0 into a fragment of one packet. */
static void
make_fragment(struct bench *b, uint16_t field)
{
	struct wire_ipv4 *ip = (void *)(rte_pktmbuf_mtod(&b->mbufs[0], uint8_t *) + 14);
	ip->id = wire_u16(77);
	ip->fragment = wire_u16(field);
	ip->checksum = 0;
	ip->checksum = checksum_fold(checksum_sum(ip, 20));
}

static void
test_fragments_follow_the_first(void **state)
{
	struct bench *b = *state;
	struct shape first = {CLIENT, "192.0.2.80", 1000, 80, IPPROTO_TCP, TCP_ACK, 64, 28};
	put_frame(b, 0, &first);
	make_fragment(b, 3);
	run(b);
	assert_int_equal(b->burst.exit[0], EXIT_HELD);
	put_frame(b, 0, &first);
	make_fragment(b, IPV4_MF);
	run(b);
	assert_int_equal(b->burst.exit[0], EXIT_SENT);
	assert_int_equal(b->burst.backend[0], 1);
	set_rows(b, 0, 2);
	put_frame(b, 0, &first);
	make_fragment(b, 3);
	run(b);
	assert_int_equal(b->burst.exit[0], EXIT_SENT);
	assert_int_equal(b->burst.backend[0], 1);
	/* What was held has not been received yet: run() has checked the identity. */
	assert_int_equal(counter_read(&b->pipeline.counters->received.packets), 2);
	assert_int_equal(
		counter_read(&b->pipeline.counters->services[WEB].traffic.packets), 2);
}

static void
test_instance_on_this_box(void **state)
{
	struct bench *b = *state;
	b->backends[1].encap = &encap_kernel;
	struct shape s = SYN_TO_WEB(1);
	s.ttl = 1;
	assert_int_equal(pass(b, s), EXIT_PUNTED_SERVICE);
	assert_int_equal(rte_pktmbuf_mtod(&b->mbufs[0], const uint8_t *)[22], 1);
	assert_int_equal(counter_read(&b->pipeline.counters->backends[1].packets), 1);
	b->tables.ports[PORT].has_kernel_path = false;
	assert_int_equal(pass(b, s), EXIT_DROP_NO_KERNEL_PATH);
}

static void
test_full_table_gives_way_in_order(void **state)
{
	struct bench *b = *state;
	/* More SYNs than the table has places: the flood costs only itself. */
	for (uint16_t port = 1; port <= 8; port++) {
		assert_int_equal(backend_of(b, SYN_TO_WEB(port)), 1);
		assert_int_equal(backend_of(b, ACK_TO_WEB(port)), 1);
	}
	set_rows(b, 0, 2);
	for (uint32_t n = 0; n < 20000; n++) {
		struct shape syn = SYN_TO_WEB((uint16_t)(1000 + n));
		assert_int_equal(backend_of(b, syn), 2);
	}
	for (uint16_t port = 1; port <= 8; port++)
		assert_int_equal(backend_of(b, ACK_TO_WEB(port)), 1);
	assert_true(counter_read(&b->pipeline.counters->flow_events
					  [FLOW_EVENT_INSERTED_OVER_SYN]) > 0);
}

static void
test_counters_by_name(void **state)
{
	struct bench *b = *state;
	for (uint16_t port = 1; port <= 3; port++) {
		pass(b, SYN_TO_WEB(port));
		pass(b, ACK_TO_WEB(port));
	}
	const struct pipeline_counters *c = b->pipeline.counters;
	assert_int_equal(counter_read(&c->services[WEB].traffic.packets), 6);
	assert_int_equal(counter_read(&c->services[WEB].new_flows), 3);
	assert_int_equal(counter_read(&c->backends[1].packets), 6);
	assert_int_equal(counter_read(&c->backends[1].bytes), 360);
	assert_int_equal(counter_read(&c->flow_events[FLOW_EVENT_HIT]), 3);
	assert_int_equal(counter_read(&c->flow_events[FLOW_EVENT_INSERTED]), 3);
}

static void
test_explain_agrees(void **state)
{
	struct bench *b = *state;
	assert_int_equal(backend_of(b, SYN_TO_WEB(1000)), 1);
	set_rows(b, 0, 2);
	struct explain_tuple tuple = {address(CLIENT), address("192.0.2.80"), 1000, 80,
		IPPROTO_TCP};
	struct explanation e =
		pipeline_explain(&b->tables, &b->flows, &tuple, b->pipeline.tick);
	assert_int_equal(e.why, EXPLAIN_BY_ENTRY);
	assert_int_equal(e.backend, 1);
	assert_int_equal(e.row_backend, 2);
	assert_int_equal(e.exit, EXIT_SENT);
	tuple.sport = 1001;
	e = pipeline_explain(&b->tables, &b->flows, &tuple, b->pipeline.tick);
	assert_int_equal(e.why, EXPLAIN_BY_ROW);
	assert_int_equal(e.backend, 2);
	tuple.vip = address("192.0.2.1");
	e = pipeline_explain(&b->tables, &b->flows, &tuple, b->pipeline.tick);
	assert_int_equal(e.why, EXPLAIN_NOT_A_VIP);
}

/* A burst of 32 has the same exits as 32 bursts of one. */
static void
test_burst_equals_single(void **state)
{
	struct bench *b = *state;
	enum exit singly[BURST_MAX];
	srand(7);
	struct shape shapes[BURST_MAX];
	static const char *const vips[] = {"192.0.2.80", "192.0.2.81", "192.0.2.53", "192.0.2.90",
		"192.0.2.1"};
	for (int i = 0; i < BURST_MAX; i++) {
		shapes[i] = (struct shape){CLIENT, vips[rand() % 5], (uint16_t)(rand() % 4),
			(uint16_t)(rand() % 2 ? 80 : 53), rand() % 2 ? IPPROTO_TCP : IPPROTO_UDP,
			TCP_ACK, (uint8_t)(rand() % 3), (uint16_t)(rand() % 1600)};
		singly[i] = pass(b, shapes[i]);
	}
	for (uint32_t i = 0; i < BURST_MAX; i++)
		put_frame(b, i, &shapes[i]);
	run(b);
	for (int i = 0; i < BURST_MAX; i++)
		assert_int_equal(b->burst.exit[i], singly[i]);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_l2_bytes),
		CASE(test_ipip_bytes),
		CASE(test_flow_stays_when_its_row_moves),
		CASE(test_flow_leaves_a_backend_that_is_gone),
		CASE(test_affinity),
		CASE(test_tcp_states),
		CASE(test_idle_flow_expires),
		CASE(test_exits),
		CASE(test_exits_of_the_tables),
		CASE(test_exits_of_the_link),
		CASE(test_answers),
		CASE(test_quoted_flow),
		CASE(test_fragments_follow_the_first),
		CASE(test_instance_on_this_box),
		CASE(test_full_table_gives_way_in_order),
		CASE(test_counters_by_name),
		CASE(test_explain_agrees),
		CASE(test_burst_equals_single),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
