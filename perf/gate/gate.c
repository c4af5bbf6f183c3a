/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One case of perf/gate/run: bursts of a fixed seed through the pipeline as the daemon has it. What
 * is counted, by valgrind from outside, is gate_measured() and all that it calls; frames are written
 * outside of it. Packet buffers are plain memory, so neither EAL nor root is needed.
 *
 *	gate [--isa NAME] CASE
 *			one case, silently: it ends with 1 and a sentence if packets did not fare
 *			as the case says
 *	gate --list	the cases
 *	gate --all	all of them, one after the other
 *
 * Ten VIPs of each family, one pool of ten backends. Known flows fill half of the flow table.
 */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "bench.h"
#include "burst_isa.h"
#include "checksum.h"
#include "l2.h"
#include "wire.h"

#define VIPS	      10
#define BACKENDS      10
#define PORT	      0
#define PORT_FLOW     443 /* affinity "flow", TCP and UDP */
#define PORT_NONE     53  /* affinity "none" */
#define MEASURED      (64 * BURST_MAX)
#define FRAME_ROOM    (RTE_PKTMBUF_HEADROOM + 256)
#define FRAME_MIN     60 /* without the frame check sequence */
#define CAPACITY      12288
#define KNOWN	      8192
#define CAPACITY_FULL FLOW_CAPACITY_MIN
#define KNOWN_FULL    (16 * FLOW_CAPACITY_MIN)
#define SEED	      0x6661697261746c65u

/* What the measured packets are, and what the flow table says to each of them. */
struct stream {
	const char *name;
	uint8_t proto, tcp_flags;
	bool of_known_flows;
	bool table_is_full;
	uint16_t port;
	enum flow_event event; /* FLOW_EVENT_COUNT: none, the table is not asked */
};

static const struct stream streams[] = {
	{"hit", IPPROTO_TCP, TCP_ACK, true, false, PORT_FLOW, FLOW_EVENT_HIT},
	{"hit-udp", IPPROTO_UDP, 0, true, false, PORT_FLOW, FLOW_EVENT_HIT},
	/* A RST of an unknown flow is looked up, and leaves nothing behind. */
	{"miss", IPPROTO_TCP, TCP_RST, false, false, PORT_FLOW, FLOW_EVENT_MISS},
	{"none", IPPROTO_UDP, 0, false, false, PORT_NONE, FLOW_EVENT_COUNT},
	{"new", IPPROTO_TCP, TCP_SYN, false, false, PORT_FLOW, FLOW_EVENT_INSERTED},
	{"full", IPPROTO_TCP, TCP_SYN, false, true, PORT_FLOW, FLOW_EVENT_FULL},
};
#define STREAMS (sizeof(streams) / sizeof(streams[0]))

struct gate {
	const struct stream *stream;
	bool six;
	uint64_t random;
	struct arena *arena;
	struct tables tables;
	struct tables_service services[2];
	struct tables_pool pool;
	struct tables_backend backends[BACKENDS + 1];
	uint32_t accepts[BACKENDS + 1];
	l2_slot slots[BACKENDS + 1];
	uint16_t rows[ROWS_MIN];
	struct flow_table flows;
	struct pipeline pipeline;
	struct burst burst;
	uint64_t events[FLOW_EVENT_COUNT];
	struct rte_mbuf mbufs[BURST_MAX];
	uint8_t frames[BURST_MAX][FRAME_ROOM] __attribute__((aligned(64)));
};

static struct ip_addr
address(bool six, uint32_t v4, uint32_t low)
{
	if (!six)
		return addr_from_v4(wire_u32(v4 + low));
	struct ip_addr a = {.words = {wire_u32(0x20010db8), wire_u32(v4), 0, wire_u32(low)}};
	return a;
}

static struct ip_addr
vip_of(bool six, uint32_t number)
{
	return address(six, 0xc0000200, 1 + number); /* 192.0.2.1 and on */
}

static void
make_services(struct gate *g)
{
	struct service_rule rules[VIPS * 2 * 3];
	size_t count = 0;
	for (uint32_t i = 0; i < VIPS * 2; i++) {
		struct ip_addr vip = vip_of(i >= VIPS, i % VIPS);
		const struct service_range ranges[] = {
			{PORT_FLOW, PORT_FLOW, 0, IPPROTO_TCP, 0},
			{PORT_FLOW, PORT_FLOW, 0, IPPROTO_UDP, 0},
			{PORT_NONE, PORT_NONE, 1, IPPROTO_UDP, 0},
		};
		for (int r = 0; r < 3; r++)
			rules[count++] = (struct service_rule){vip, ranges[r]};
	}
	if (service_table_build(&g->tables.services, g->arena, rules, count) < 0)
		bench_fail("gate: the service table cannot be built");
	g->services[0].affinity = TABLES_AFFINITY_FLOW;
	g->services[1].affinity = TABLES_AFFINITY_NONE;
}

/* Outer headers are of the family of the packets inside; their source varies with the flow. */
static void
make_backends(struct gate *g, const struct encap *mode)
{
	struct encap_settings settings = {
		.source4 = {address(false, 0x0a000100, 0), 120},
		.source6 = {address(true, 0x0a000100, 0), 64},
		.key = 7,
		.vni = 7,
		.port = 6080,
		.inner_destination = {{2, 0x66, 0x6c, 0, 0, 2}},
		.inner_source = {{2, 0x66, 0x6c, 0, 0, 1}},
		.has_source4 = true,
		.has_source6 = true,
		.has_vni = true,
		.has_port = true,
		.has_variant = true,
		.has_inner_destination = true,
		.has_inner_source = true,
	};
	for (uint16_t i = 1; i <= BACKENDS; i++) {
		struct ip_addr far = address(g->six, 0x0a000200, i);
		struct mac_addr mac = {{2, 0, 0, 0, 1, (uint8_t)i}};
		g->backends[i] = (struct tables_backend){.encap = mode, .slot = i, .generation = 1};
		g->accepts[i] = tables_accepting(1, TABLES_KEEPS_TCP | TABLES_KEEPS_UDP);
		if (mode->prepare(&g->backends[i].target, &settings, &far) < 0)
			bench_fail("gate: %s cannot be prepared", mode->name);
		atomic_store(&g->slots[i], l2_slot_pack(&mac, PORT, 0));
	}
}

static void
make_rows(struct gate *g, uint32_t first)
{
	for (uint32_t r = 0; r < ROWS_MIN; r++)
		g->rows[r] = (uint16_t)(1 + (r + first) % BACKENDS);
}

static void
make_tables(struct gate *g, const struct encap *mode)
{
	static const uint8_t key[16] = "0123456789abcdef";
	struct tables *t = &g->tables;
	make_services(g);
	make_backends(g, mode);
	make_rows(g, 0);
	g->pool = (struct tables_pool){g->rows, ROWS_MIN};
	flow_key_expand(&t->key, key);
	t->service = g->services;
	t->service_limit = 2;
	t->pools = &g->pool;
	t->backends = g->backends;
	t->accepts = g->accepts;
	t->backend_limit = BACKENDS + 1;
	t->slots = g->slots;
	t->port_count = 1;
	t->ports[PORT] = (struct tables_port){.mac = {{2, 0, 0, 0, 0, 1}}, .mtu = 1500};
}

static void
make_pipeline(struct gate *g, uint32_t capacity)
{
	static const struct flow_timeouts timeouts = {.ticks = {0, 15, 1860, 30, 75, 900, 900}};
	void *memory = arena_alloc(g->arena, flow_table_bytes(capacity), 64);
	struct pipeline *p = &g->pipeline;
	p->counters = arena_array(g->arena, 1, sizeof(*p->counters));
	p->notes = fragment_notes_create(ARENA_ANY_NODE);
	if (!memory || !p->counters || !p->notes)
		bench_fail("gate: out of memory");
	flow_table_attach(&g->flows, memory, capacity, &timeouts);
	p->flows = &g->flows;
	p->now = (struct mono){1000000000};
	p->tick = flow_tick(p->now);
}

static uint16_t
write_l4(const struct gate *g, uint8_t *at, uint32_t flow, uint8_t tcp_flags)
{
	be16 sport = wire_u16((uint16_t)(1024 + flow % 60000));
	be16 dport = wire_u16(g->stream->port);
	if (g->stream->proto == IPPROTO_UDP) {
		*(struct wire_udp *)(void *)at = (struct wire_udp){.sport = sport,
			.dport = dport,
			.length = wire_u16(sizeof(struct wire_udp))};
		return sizeof(struct wire_udp);
	}
	*(struct wire_tcp *)(void *)at = (struct wire_tcp){
		.sport = sport, .dport = dport, .offset = 5 << 4, .flags = tcp_flags};
	return sizeof(struct wire_tcp);
}

/* Frame `i` of the burst; flows of one number are one flow. */
static void
put_frame(struct gate *g, uint32_t i, uint32_t flow, uint8_t tcp_flags)
{
	struct rte_mbuf *m = &g->mbufs[i];
	*m = (struct rte_mbuf){.buf_addr = g->frames[i],
		.buf_len = FRAME_ROOM,
		.data_off = RTE_PKTMBUF_HEADROOM,
		.nb_segs = 1,
		.refcnt = 1};
	uint8_t *frame = rte_pktmbuf_mtod(m, uint8_t *);
	memset(frame, 0, FRAME_ROOM - RTE_PKTMBUF_HEADROOM);
	struct ip_addr src = address(g->six, 0x14000000, flow); /* 20.0.0.0 and on */
	struct ip_addr dst = vip_of(g->six, flow % VIPS);
	struct wire_ether *ether = (void *)frame;
	ether->dst = g->tables.ports[PORT].mac;
	ether->src = (struct mac_addr){{2, 0, 0, 0, 0, 9}};
	ether->type = wire_u16(g->six ? ETHERTYPE_IP6 : ETHERTYPE_IP4);
	uint8_t *l3 = frame + sizeof(*ether);
	uint16_t length;
	if (g->six) {
		struct wire_ipv6 *ip = (void *)l3;
		length = write_l4(g, l3 + sizeof(*ip), flow, tcp_flags);
		*ip = (struct wire_ipv6){.version_class_label = wire_u32(0x60000000),
			.payload_length = wire_u16(length),
			.next_header = g->stream->proto,
			.hop_limit = 64};
		memcpy(ip->src, src.bytes, sizeof(ip->src));
		memcpy(ip->dst, dst.bytes, sizeof(ip->dst));
		length = (uint16_t)(length + sizeof(*ether) + sizeof(*ip));
	} else {
		struct wire_ipv4 *ip = (void *)l3;
		length = write_l4(g, l3 + sizeof(*ip), flow, tcp_flags);
		*ip = (struct wire_ipv4){.version_ihl = 0x45,
			.ttl = 64,
			.proto = g->stream->proto,
			.total_length = wire_u16((uint16_t)(sizeof(*ip) + length)),
			.src = addr_v4(&src),
			.dst = addr_v4(&dst)};
		ip->checksum = checksum_fold(checksum_sum(ip, sizeof(*ip)));
		length = (uint16_t)(length + sizeof(*ether) + sizeof(*ip));
	}
	m->data_len = length < FRAME_MIN ? FRAME_MIN : length;
	m->pkt_len = m->data_len;
	g->burst.mbufs[i] = m;
	g->burst.count = i + 1;
}

/* perf/gate/run has this name. */
static __attribute__((noinline)) void
gate_measured(struct gate *g)
{
	pipeline_burst(&g->pipeline, &g->tables, PORT, &g->burst);
	pipeline_settle(&g->pipeline, &g->burst);
}

static void
check_and_count(struct gate *g)
{
	const struct burst *b = &g->burst;
	for (uint32_t i = 0; i < b->count; i++)
		if (b->exit[i] != EXIT_SENT)
			bench_fail("gate: a packet left by %s", exit_name(b->exit[i]));
	for (int e = 0; e < FLOW_EVENT_COUNT; e++)
		g->events[e] += b->flow_events[e];
}

/* Outside of what is counted, by the same code: the table is as the worker leaves it. */
static void
fill_flow_table(struct gate *g, uint32_t known)
{
	for (uint32_t flow = 0; flow < known; flow += BURST_MAX) {
		for (uint32_t i = 0; i < BURST_MAX; i++)
			put_frame(g, i, flow + i, TCP_ACK);
		pipeline_burst(&g->pipeline, &g->tables, PORT, &g->burst);
		pipeline_settle(&g->pipeline, &g->burst);
		check_and_count(g);
	}
	/* Rows of others: so no entry can be given up for its row's sake. */
	if (g->stream->table_is_full)
		make_rows(g, 1);
	memset(g->events, 0, sizeof(g->events));
}

static void
measure(struct gate *g, uint32_t known)
{
	const struct stream *stream = g->stream;
	for (uint32_t done = 0; done < MEASURED; done += BURST_MAX) {
		for (uint32_t i = 0; i < BURST_MAX; i++) {
			uint32_t flow = stream->of_known_flows
						? (uint32_t)(bench_random(&g->random) % known)
						: known + done + i;
			put_frame(g, i, flow, stream->tcp_flags);
		}
		gate_measured(g);
		check_and_count(g);
	}
	uint64_t wanted = 0, all = 0;
	for (int e = 0; e < FLOW_EVENT_COUNT; e++) {
		all += g->events[e];
		wanted += e == (int)stream->event ? g->events[e] : 0;
	}
	if (stream->event == FLOW_EVENT_COUNT ? all != 0 : wanted != MEASURED)
		bench_fail("gate: not what %s is to be: %u packets, %lu events of the flow table, "
			   "%lu of them as wanted",
			stream->name, MEASURED, all, wanted);
}

static void
run_case(const struct stream *stream, const struct encap *mode, bool six)
{
	struct gate *g = bench_alloc(sizeof(*g));
	bool full = stream->table_is_full;
	g->stream = stream;
	g->six = six;
	g->random = SEED;
	g->arena = arena_create(ARENA_ANY_NODE);
	if (!g->arena)
		bench_fail("gate: out of memory");
	make_tables(g, mode);
	make_pipeline(g, full ? CAPACITY_FULL : CAPACITY);
	fill_flow_table(g, full ? KNOWN_FULL : KNOWN);
	measure(g, full ? KNOWN_FULL : KNOWN);
	fragment_notes_destroy(g->pipeline.notes);
	arena_destroy(g->arena);
}

/* "--list", "--all", or the name of a case: how many were meant. Hits go by every mode. */
static unsigned
for_cases(const char *wanted)
{
	unsigned count = 0;
	for (unsigned t = 0; t < STREAMS; t++) {
		for (const struct encap *const *mode = encap_all; *mode; mode++) {
			if (!(*mode)->wrap || (t > 0 && *mode != &encap_l2))
				continue;
			for (int six = 0; six < 2; six++) {
				char name[64];
				snprintf(name, sizeof(name), "%s-%s-ipv%d", streams[t].name,
					(*mode)->name, six ? 6 : 4);
				if (strcmp(wanted, "--list") == 0)
					puts(name);
				else if (strcmp(wanted, "--all") == 0 || strcmp(wanted, name) == 0)
					run_case(&streams[t], *mode, six);
				else
					continue;
				count++;
			}
		}
	}
	return count;
}

/* "baseline" is what the compiler is told for all, and what is run if nothing else is asked for. */
static bool
use_isa(const char *name)
{
	enum pipeline_isa isa = PIPELINE_BASELINE;
	while (isa < PIPELINE_ISAS && strcmp(pipeline_isa_name(isa), name) != 0)
		isa++;
	if (isa == PIPELINE_ISAS || !pipeline_isa_available(isa))
		return false;
	pipeline_use(isa);
	return true;
}

int
main(int argc, char **argv)
{
	if (argc == 4 && strcmp(argv[1], "--isa") == 0) {
		if (!use_isa(argv[2]))
			bench_fail("gate: no code for %s", argv[2]);
		argv += 2;
		argc -= 2;
	}
	if (argc != 2 || for_cases(argv[1]) == 0) {
		fprintf(stderr, "usage: gate [--isa NAME] CASE | --list | --all\n");
		return 2;
	}
	return 0;
}
