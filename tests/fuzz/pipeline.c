/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Frames through pipeline_burst and pipeline_settle, over tables made by hand. The input is a list
 * of frames:
 *
 *	| knobs 8 | length 16, little endian | frame | knobs | length | frame | …
 *
 * whose knobs say what is to be done with the frame, and what happens after it:
 *
 *	7        6 5        4 3           2             1 0
 *	+----------+----------+-----------+-------------+----------+
 *	| event 2  | unused 2 | segmented | fix checksum| headroom |
 *	+----------+----------+-----------+-------------+----------+
 *
 * A burst goes until an event, or until it is full. Flows stay from burst to burst of one input.
 */
#include <netinet/in.h>
#include <stdbool.h>

#include "arena.h"
#include "buffer.h"
#include "burst_isa.h"
#include "fuzz.h"
#include "l2.h"
#include "repair.h"

#define CAPACITY  FLOW_CAPACITY_MIN
#define ROWS	  4
#define NEXT_TIME 20 /* ticks: a SYN has expired, an established connection has not */

/* EVENT_BACKEND: the first backend goes, or another one comes in its place. */
enum event { EVENT_NONE, EVENT_TIME, EVENT_ROWS, EVENT_BACKEND };

#define KNOB_HEADROOM(knobs)	 ((knobs)&3)
#define KNOB_FIX_CHECKSUM(knobs) ((knobs) >> 2 & 1)
#define KNOB_SEGMENTED(knobs)	 ((knobs) >> 3 & 1)
#define KNOB_EVENT(knobs)	 ((enum event)((knobs) >> 6))

/* None at all; a VLAN tag's; too little for IPv4 in front of an untagged frame; enough for all. */
static const uint16_t headrooms[] = {0, 4, 19, RTE_PKTMBUF_HEADROOM};

enum { WEB, STICKY, DNS, TUNNEL, SERVICES };
enum { LOCAL, FAR, POOLS };
enum { NOBODY, NEAR1, NEAR2, FAR4, FAR6, LOST, BACKENDS };

static const struct mac_addr port_macs[] = {{{2, 0, 0, 0, 0, 1}}, {{2, 0, 0, 0, 0, 2}}};
/* As a snapshot's, rows never name a backend that is not there. */
enum rows { ROWS_BEFORE, ROWS_AFTER, ROWS_WITHOUT_NEAR1 };
static const uint16_t rows[][POOLS][ROWS] = {
	[ROWS_BEFORE] = {{NEAR1, NEAR1, NEAR2, NOBODY}, {FAR4, FAR6, FAR4, LOST}},
	[ROWS_AFTER] = {{NEAR2, NEAR1, NEAR1, NEAR2}, {FAR6, FAR4, LOST, FAR6}},
	[ROWS_WITHOUT_NEAR1] = {{NEAR2, NOBODY, NEAR2, NEAR2}, {FAR4, FAR6, FAR4, LOST}},
};

/* A frame as it was before the burst. */
struct received {
	uint8_t *bytes;
	uint32_t length;
	uint16_t headroom;
	enum parse_result result; /* of parse_l3, and parse_l4 if that passed */
	struct packet pk;
};

static struct world {
	struct arena *arena; /* holds it all, itself too */
	struct tables tables;
	struct tables_service services[SERVICES];
	struct tables_pool pools[POOLS];
	struct tables_backend backends[BACKENDS];
	uint32_t accepts[BACKENDS];
	struct outer_source outer_sources[OUTER_SOURCES_PER_POOL];
	l2_slot slots[BACKENDS];
	struct flow_table flows;
	struct pipeline pipeline;
	struct burst burst;
	struct rte_mbuf mbufs[BURST_MAX];
	struct received received[BURST_MAX];
	bool notes_left; /* by the input before */
} * world;

static struct ip_addr
address(const char *text)
{
	struct ip_addr a;
	REQUIRE(addr_parse(text, &a) == 0);
	return a;
}

static void
make_services(struct world *w)
{
	struct service_rule rules[] = {
		{address("192.0.2.80"), {80, 80, WEB, IPPROTO_TCP, 0}},
		{address("192.0.2.80"), {443, 443, STICKY, IPPROTO_TCP, 0}},
		{address("2001:db8::80"), {80, 80, WEB, IPPROTO_TCP, 0}},
		{address("2001:db8::80"), {1000, 1999, STICKY, IPPROTO_TCP, 0}},
		{address("2001:db8::80"), {3000, 3999, STICKY, IPPROTO_TCP, 0}},
		{address("2001:db8::80"), {5000, 5999, STICKY, IPPROTO_UDP, 0}},
		{address("2001:db8::80"), {443, 443, TUNNEL, IPPROTO_UDP, 0}},
		{address("2001:db8::80"), {53, 53, DNS, IPPROTO_UDP, 0}},
		{address("192.0.2.53"), {53, 53, DNS, IPPROTO_UDP, 0}},
		{address("192.0.2.90"), {0, 65535, TUNNEL, IPPROTO_UDP, 0}},
		{address("192.0.2.90"), {0, 65535, TUNNEL, IPPROTO_TCP, 0}},
		{address("2001:db8::90"), {0, 65535, TUNNEL, IPPROTO_TCP, 0}},
	};
	REQUIRE(service_table_build(&w->tables.services, w->arena, rules,
			sizeof(rules) / sizeof(rules[0])) == 0);
	w->services[WEB] = (struct tables_service){1, LOCAL, TABLES_AFFINITY_FLOW};
	w->services[STICKY] = (struct tables_service){2, LOCAL, TABLES_AFFINITY_CLIENT};
	w->services[DNS] = (struct tables_service){3, LOCAL, TABLES_AFFINITY_NONE};
	w->services[TUNNEL] = (struct tables_service){4, FAR, TABLES_AFFINITY_FLOW};
}

static void
make_backends(struct world *w)
{
	struct encap_settings settings = {.has_source4 = true, .has_source6 = true};
	REQUIRE(prefix_parse("10.0.0.0/16", &settings.source4) == 0);
	REQUIRE(prefix_parse("2001:db8:f::1", &settings.source6) == 0);
	for (uint8_t i = NEAR1; i < BACKENDS; i++) {
		struct ip_addr a = address(i == FAR6 ? "2001:db8:a::3" : "10.1.0.3");
		struct mac_addr mac = {{2, 0, 0, 0, 1, i}};
		bool is_near = i == NEAR1 || i == NEAR2;
		struct tables_backend *backend = &w->backends[i];
		*backend = (struct tables_backend){
			.encap = is_near ? &encap_l2 : &encap_ipip,
			.slot = i,
			.pool = is_near ? LOCAL : FAR,
		};
		w->accepts[i] = tables_accepting(0, TABLES_KEEPS_TCP | TABLES_KEEPS_UDP);
		REQUIRE(backend->encap->prepare(&backend->target, &settings, &a) == 0);
		/* The odd ones leave untagged by the first port, the others tagged by the second. */
		w->slots[i] = l2_slot_pack(&mac, !(i & 1), i & 1 ? 0 : 7);
	}
	w->slots[LOST] = L2_SLOT_UNRESOLVED;
	w->tables.outer_sources = w->outer_sources;
	w->tables.outer_source_count = outer_source_settle(
		w->outer_sources, outer_source_add(w->outer_sources, 0, &encap_ipip, &settings));
}

static void
clean_up(void)
{
	fragment_notes_destroy(world->pipeline.notes);
	arena_destroy(world->arena);
}

static struct world *
make_world(void)
{
	static const struct flow_timeouts timeouts = {.ticks = {0, 15, 1860, 30, 75, 900, 900}};
	static const uint8_t key[16] = "0123456789abcdef";
	struct arena *arena = arena_create(ARENA_ANY_NODE);
	REQUIRE(arena != NULL);
	struct world *w = arena_alloc(arena, sizeof(*w), 64);
	void *flow_memory = arena_alloc(arena, flow_table_bytes(CAPACITY), 64);
	struct pipeline_counters *counters = arena_array(arena, 1, sizeof(*counters));
	REQUIRE(w && flow_memory && counters);
	w->arena = arena;
	atexit(clean_up);
	make_services(w);
	make_backends(w);
	flow_key_expand(&w->tables.key, key);
	w->tables.service = w->services;
	w->tables.pools = w->pools;
	w->tables.backends = w->backends;
	w->tables.accepts = w->accepts;
	w->tables.backend_limit = BACKENDS;
	w->tables.slots = w->slots;
	w->tables.port_count = 2;
	w->tables.ports[0] = (struct tables_port){.mac = port_macs[0],
		.mtu = 1500,
		.has_kernel_path = true,
		.answers_neighbours = true};
	w->tables.ports[1] = (struct tables_port){.mac = port_macs[1], .mtu = 1280};
	w->tables.service_limit = SERVICES;
	w->tables.icmp_echo_pps = 1000;
	w->tables.icmp_errors_pps = 100;
	w->tables.punt_control_pps = 1000;
	w->tables.punt_other_pps = 100;
	flow_table_attach(&w->flows, flow_memory, CAPACITY, &timeouts);
	w->pipeline.flows = &w->flows;
	w->pipeline.counters = counters;
	pipeline_use(pipeline_widest_isa()); /* as the daemon */
	return w;
}

static void
set_rows(struct world *w, enum rows set)
{
	for (int pool = 0; pool < POOLS; pool++)
		w->pools[pool] = (struct tables_pool){rows[set][pool], ROWS};
}

/* What one input leaves must not matter to the next. Counters only grow. */
static void
start_anew(struct world *w)
{
	memset(w->flows.buckets, 0, flow_table_bytes(CAPACITY));
	w->pipeline.punt = (struct punt_meter){0};
	w->pipeline.answer = (struct answer_meter){0};
	if (!w->pipeline.notes || w->notes_left) {
		fragment_notes_destroy(w->pipeline.notes);
		w->pipeline.notes = fragment_notes_create(ARENA_ANY_NODE);
		w->notes_left = false;
	}
	w->pipeline.now = (struct mono){1000000000};
	w->pipeline.tick = flow_tick(w->pipeline.now);
	set_rows(w, ROWS_BEFORE);
	w->backends[NEAR1].encap = &encap_l2;
	w->backends[NEAR1].generation = 0;
	w->accepts[NEAR1] = tables_accepting(0, TABLES_KEEPS_TCP | TABLES_KEEPS_UDP);
}

static void
let_happen(struct world *w, enum event event)
{
	if (event == EVENT_TIME) {
		w->pipeline.now.us += NEXT_TIME * FLOW_TICK_US;
		w->pipeline.tick = flow_tick(w->pipeline.now);
	}
	struct tables_backend *near = &w->backends[NEAR1];
	if (event == EVENT_ROWS && near->encap)
		set_rows(w, w->pools[0].rows == rows[ROWS_BEFORE][0] ? ROWS_AFTER : ROWS_BEFORE);
	if (event == EVENT_BACKEND) {
		near->encap = near->encap ? NULL : &encap_l2;
		near->generation ^= near->encap != NULL;
		w->accepts[NEAR1] = near->encap ? tables_accepting(near->generation,
							  TABLES_KEEPS_TCP | TABLES_KEEPS_UDP)
						: 0;
		set_rows(w, near->encap ? ROWS_BEFORE : ROWS_WITHOUT_NEAR1);
	}
}

static enum parse_result
parse(const uint8_t *frame, uint32_t length, struct packet *pk)
{
	enum parse_result result = parse_l3(frame, length, length, pk);
	return result == PARSE_OK ? parse_l4(frame, length, length, pk) : result;
}

/* Puts a frame into the burst. */
static void
receive(struct world *w, const uint8_t *data, uint16_t length, uint8_t knobs)
{
	uint32_t i = w->burst.count++;
	struct rte_mbuf *m = &w->mbufs[i];
	struct received *r = &w->received[i];
	*r = (struct received){
		.bytes = fuzz_copy(data, length),
		.length = length,
		.headroom = headrooms[KNOB_HEADROOM(knobs)],
	};
	if (KNOB_FIX_CHECKSUM(knobs))
		repair_checksum(r->bytes, length);
	r->result = parse(r->bytes, length, &r->pk);
	/* With room for an error in the packet's place, as buffers have. */
	uint32_t whole = r->headroom + length + (uint32_t)ICMP_ERROR_BYTES_MAX;
	uint16_t room = whole > UINT16_MAX ? UINT16_MAX : (uint16_t)whole;
	uint8_t *buffer = calloc(1, room);
	REQUIRE(buffer != NULL);
	memcpy(buffer + r->headroom, r->bytes, length);
	*m = (struct rte_mbuf){
		.buf_addr = buffer,
		.buf_len = room,
		.data_off = r->headroom,
		.data_len = length,
		.pkt_len = length + (KNOB_SEGMENTED(knobs) ? 100u : 0),
		.nb_segs = KNOB_SEGMENTED(knobs) ? 2 : 1,
		.refcnt = 1,
	};
	w->burst.mbufs[i] = m;
}

/* The packet that came in, and nothing else: behind an Ethernet header of the test's own, it parses
 * to the same. Only the TTL is one less, and the checksum right again. */
static void
check_inner(const uint8_t *inner, const struct received *r)
{
	uint32_t length = r->pk.l3_length;
	uint8_t *frame = malloc(sizeof(struct wire_ether) + length);
	REQUIRE(frame != NULL);
	struct wire_ether *ether = (void *)frame;
	ether->type = wire_u16(r->pk.family == 4 ? ETHERTYPE_IP4 : ETHERTYPE_IP6);
	memcpy(frame + sizeof(*ether), inner, length);
	struct packet pk;
	REQUIRE(parse(frame, (uint32_t)sizeof(*ether) + length, &pk) == PARSE_OK);
	REQUIRE(addr_equal(&pk.src, &r->pk.src) && addr_equal(&pk.dst, &r->pk.dst));
	REQUIRE(pk.proto == r->pk.proto && pk.sport == r->pk.sport && pk.dport == r->pk.dport);
	REQUIRE(pk.ttl > 0 && pk.ttl + 1 == r->pk.ttl);
	uint8_t *l3 = frame + sizeof(*ether);
	if (pk.family == 4) {
		l3[8]++;
		memcpy(l3 + 10, r->bytes + r->pk.l3_offset + 10, 2);
	} else {
		l3[7]++;
	}
	REQUIRE(memcmp(l3, r->bytes + r->pk.l3_offset, length) == 0);
	free(frame);
}

static void
check_sent(const struct world *w, uint32_t i)
{
	const struct rte_mbuf *m = &w->mbufs[i];
	const struct received *r = &w->received[i];
	uint16_t index = w->burst.backend[i];
	REQUIRE(r->result == PARSE_OK);
	REQUIRE(w->burst.service[i] < SERVICES && index > NOBODY && index < BACKENDS);
	REQUIRE(m->nb_segs == 1 && m->pkt_len == m->data_len);
	REQUIRE((uint32_t)m->data_off + m->data_len <= m->buf_len);

	const struct tables_backend *backend = &w->backends[index];
	uint64_t slot = w->slots[index];
	uint8_t port = w->burst.out_port[i];
	const uint8_t *frame = rte_pktmbuf_mtod(m, const uint8_t *);
	const struct wire_ether *ether = (const void *)frame;
	struct mac_addr mac = l2_slot_mac(slot);
	REQUIRE(backend->encap && l2_slot_resolved(slot) && port == l2_slot_port(slot));
	REQUIRE(memcmp(&ether->dst, &mac, sizeof(mac)) == 0);
	REQUIRE(memcmp(&ether->src, &port_macs[port], sizeof(mac)) == 0);

	/* The outer packet is well-formed, and the frame is not a byte longer than it. */
	struct packet outer;
	REQUIRE(parse_l3(frame, m->data_len, m->data_len, &outer) == PARSE_OK);
	REQUIRE(outer.vlan == l2_slot_vlan(slot) && outer.vlan_tags == (outer.vlan != 0));
	REQUIRE(outer.l3_offset + outer.l3_length == m->data_len);
	REQUIRE(outer.l3_length <= w->tables.ports[port].mtu);
	uint8_t added = backend->target.header_length;
	REQUIRE(outer.l3_length == r->pk.l3_length + added);
	if (added > 0) {
		REQUIRE(outer.family == backend->target.family && outer.tos == r->pk.tos);
		REQUIRE(outer.next_proto == (r->pk.family == 4 ? IPPROTO_IPIP : IPPROTO_IPV6));
		REQUIRE(outer.l4_offset == outer.l3_offset + added);
	}
	check_inner(frame + outer.l3_offset + added, r);
}

/* An answer goes back where the packet came from, and is whole. */
static void
check_answered(const struct world *w, uint32_t i)
{
	const struct rte_mbuf *m = &w->mbufs[i];
	const struct received *r = &w->received[i];
	const uint8_t *frame = rte_pktmbuf_mtod(m, const uint8_t *);
	struct packet pk;
	REQUIRE((uint32_t)m->data_off + m->data_len <= m->buf_len && m->pkt_len == m->data_len);
	REQUIRE(w->burst.out_port[i] == 0);
	REQUIRE(memcmp(frame, r->bytes + 6, 6) == 0 && memcmp(frame + 6, r->bytes, 6) == 0);
	REQUIRE(parse(frame, m->data_len, &pk) == PARSE_OK);
	REQUIRE(addr_equal(&pk.src, &r->pk.dst) && addr_equal(&pk.dst, &r->pk.src));
	REQUIRE(pk.proto == (pk.family == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6));
	REQUIRE(icmp_checksum_is_right(frame, &pk));
}

/* A frame that is neither sent nor answered is as it was. */
static void
check_kept(const struct world *w, uint32_t i)
{
	const struct rte_mbuf *m = &w->mbufs[i];
	const struct received *r = &w->received[i];
	enum exit exit = w->burst.exit[i];
	REQUIRE(m->data_off == r->headroom && m->data_len == r->length);
	REQUIRE(memcmp(rte_pktmbuf_mtod(m, uint8_t *), r->bytes, r->length) == 0);
	REQUIRE(buffer_is_plain(m) || exit == EXIT_DROP_NO_BUFFER);
	if (exit >= EXIT_DROP_ETHER_TRUNCATED && exit < EXIT_COUNT)
		REQUIRE(exit == exit_of_parse(r->result));
	if (exit == EXIT_DROP_OWN_ENCAPSULATION)
		REQUIRE(r->result == PARSE_OK &&
			(r->pk.proto == IPPROTO_IPIP || r->pk.proto == IPPROTO_IPV6));
}

static void
check_totals(const struct world *w, const struct totals *before)
{
	struct totals after = {0};
	counters_add_to(&after, w->pipeline.counters);
	uint64_t packets = 0, bytes = 0, kinds = 0;
	for (int e = 0; e < EXIT_COUNT; e++) {
		packets += after.packets[e];
		bytes += after.bytes[e];
	}
	for (int k = 0; k < EXIT_KINDS; k++)
		kinds += after.by_kind[k];
	uint32_t held = 0;
	for (uint32_t i = 0; i < w->burst.count; i++)
		held += w->burst.exit[i] == EXIT_HELD;
	REQUIRE(after.received == before->received + w->burst.count - held);
	REQUIRE(packets == after.received && bytes == after.received_bytes);
	REQUIRE(kinds == after.received);
}

static void
run_burst(struct world *w)
{
	if (w->burst.count == 0)
		return;
	struct totals before = {0};
	counters_add_to(&before, w->pipeline.counters);
	memset(w->burst.exit, EXIT_PENDING, sizeof(w->burst.exit));
	pipeline_burst(&w->pipeline, &w->tables, 0, &w->burst);
	for (uint32_t i = 0; i < w->burst.count; i++) {
		enum exit exit = w->burst.exit[i];
		REQUIRE(exit < EXIT_COUNT || exit == EXIT_HELD);
		w->notes_left |= w->received[i].pk.fragment == FRAGMENT_FIRST;
		if (exit == EXIT_SENT)
			check_sent(w, i);
		else if (exit < EXIT_COUNT && exit_kind(exit) == EXIT_KIND_ANSWERED)
			check_answered(w, i);
		else
			check_kept(w, i);
	}
	pipeline_settle(&w->pipeline, &w->burst);
	check_totals(w, &before);
	for (uint32_t i = 0; i < w->burst.count; i++) {
		free(w->mbufs[i].buf_addr);
		free(w->received[i].bytes);
	}
	w->burst.count = 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!world)
		world = make_world();
	start_anew(world);
	while (size >= 3) {
		uint8_t knobs = data[0];
		size_t length = data[1] | (size_t)data[2] << 8;
		data += 3, size -= 3;
		if (length > size)
			length = size;
		if (length > UINT16_MAX - RTE_PKTMBUF_HEADROOM)
			length = UINT16_MAX - RTE_PKTMBUF_HEADROOM;
		receive(world, data, (uint16_t)length, knobs);
		data += length, size -= length;
		if (KNOB_EVENT(knobs) != EVENT_NONE || world->burst.count == BURST_MAX)
			run_burst(world);
		let_happen(world, KNOB_EVENT(knobs));
	}
	run_burst(world);
	return 0;
}
