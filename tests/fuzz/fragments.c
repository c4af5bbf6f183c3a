/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fragments in any order, over two workers with a buffer each and the notes between them, while time
 * passes and backends come and go. The input is a list of steps of three bytes:
 *
 *	+--------+----------+----------+
 *	| action | worker 1 | packet 4 |   of a fragment: offset in units of 8 | variant, odd, more, length
 *	+--------+----------+----------+   of time: how much                   | its unit
 *
 * What must hold: a fragment leaves once and as it came; a later one goes where a first of its packet
 * went, at once if that was before it; it is held for its time and no longer; buffers are bounded;
 * every packet is counted.
 */
#include "edge.h"
#include "checksum.h"
#include "wire.h"

#define WORKERS	     2
#define PACKETS	     16
#define UNIT	     8
#define FRAME_MAX    (14 + 40 + 8 + 33 * UNIT)
#define TAKEN_MAX    BURST_MAX
#define TIME_UNIT_MS 4
#define TICKS_MAX    0x7f /* at once: notes are swept in between */

enum action { FRAGMENT_0, FRAGMENT_1, FRAGMENT_2, FRAGMENT_3, TIME, BURST, BACKEND, RELEASE };

#define STEP_ACTION(step)  ((enum action)((step) >> 5))
#define STEP_WORKER(step)  ((step) >> 4 & 1)
#define STEP_PACKET(step)  ((step)&0xf)
#define SHAPE_UNITS(shape) (1 + ((shape)&0x1f))
#define SHAPE_MORE(shape)  ((shape) >> 5 & 1)
#define SHAPE_ODD(shape)   ((shape) >> 6 & 1)
#define SHAPE_OTHER(shape) ((shape) >> 7)

/* A frame as it was received. Its buffer names it in a field for foreign memory, which it has not. */
struct sent {
	uint8_t bytes[FRAME_MAX];
	uint16_t length;
	uint8_t packet;
	bool is_first, is_later; /* or neither: no fragment */
	struct mono came;
};

struct worker {
	struct pipeline pipeline;
	struct fragment_buffer *buffer;
	struct burst burst;
	uint32_t in, out; /* frames */
};

/* What is known of a packet. */
struct history {
	uint32_t went;	 /* bits of the backends that firsts of it were sent to */
	struct mono at;	 /* the last one; */
	uint32_t change; /* how often backends had changed by then */
};

static struct lab {
	struct edge *edge;
	struct worker workers[WORKERS];
	struct fragment_notes *notes;
	struct history packets[PACKETS];
	struct mono now;
	uint32_t changes;
	bool note_left; /* by this input */
} lab;

static uint8_t
family_of(uint8_t packet)
{
	return packet & 1 ? 6 : 4;
}

/* A fragment of packet `packet`, `offset` and `length` in bytes; returns the length of the frame. With
 * `other` the packet says other ports than its namesakes do. */
static uint16_t
make_fragment(uint8_t *out, uint8_t packet, uint32_t offset, uint32_t length, bool more, bool other)
{
	bool udp = packet & 2;
	uint8_t proto = udp ? IPPROTO_UDP : IPPROTO_TCP;
	struct wire_ether *ether = (void *)out;
	*ether = (struct wire_ether){.dst = edge_mac, .src = edge_router};
	struct ip_addr vip = edge_vip(family_of(packet));
	struct ip_addr client = edge_address(packet & 1 ? "2001:db8:c::7" : "198.51.100.7");
	uint8_t *payload;
	if (packet & 1) {
		struct wire_ipv6 *ip = (void *)(ether + 1);
		struct wire_ipv6_fragment *header = (void *)(ip + 1);
		ether->type = wire_u16(ETHERTYPE_IP6);
		*ip = (struct wire_ipv6){.version_class_label = wire_u32(6u << 28),
			.payload_length = wire_u16((uint16_t)(sizeof(*header) + length)),
			.next_header = IPPROTO_FRAGMENT,
			.hop_limit = 64};
		memcpy(ip->src, client.bytes, 16);
		memcpy(ip->dst, vip.bytes, 16);
		*header = (struct wire_ipv6_fragment){.next_header = proto,
			.offset = wire_u16((uint16_t)(offset | more)),
			.id = wire_u32(packet)};
		payload = (uint8_t *)(header + 1);
	} else {
		struct wire_ipv4 *ip = (void *)(ether + 1);
		ether->type = wire_u16(ETHERTYPE_IP4);
		*ip = (struct wire_ipv4){.version_ihl = 0x45,
			.total_length = wire_u16((uint16_t)(sizeof(*ip) + length)),
			.id = wire_u16(packet),
			.fragment = wire_u16((uint16_t)(offset / UNIT | (more ? IPV4_MF : 0))),
			.ttl = 64,
			.proto = proto,
			.src = addr_v4(&client),
			.dst = addr_v4(&vip)};
		ip->checksum = checksum_fold(checksum_sum(ip, sizeof(*ip)));
		payload = (uint8_t *)(ip + 1);
	}
	struct wire_tcp l4 = {
		.sport = wire_u16((uint16_t)(other ? 2000 : 1000 + packet)),
		.dport = wire_u16(udp ? 53 : 80),
		.offset = 5 << 4,
		.flags = TCP_ACK,
	};
	if (udp)
		((struct wire_udp *)(void *)&l4)->length = wire_u16(4000);
	memset(payload, (int)(offset / UNIT), length);
	if (offset == 0)
		memcpy(payload, &l4, length < sizeof(l4) ? length : sizeof(l4));
	return (uint16_t)(payload + length - out);
}

static void
receive(struct worker *w, uint8_t packet, uint8_t units, uint8_t shape)
{
	struct sent *sent = calloc(1, sizeof(*sent));
	REQUIRE(sent != NULL);
	uint32_t length = SHAPE_UNITS(shape) * (uint32_t)UNIT + (SHAPE_ODD(shape) ? 3u : 0);
	sent->length = make_fragment(sent->bytes, packet, units * (uint32_t)UNIT, length,
		SHAPE_MORE(shape), SHAPE_OTHER(shape));
	sent->packet = packet;
	sent->is_first = units == 0 && SHAPE_MORE(shape);
	sent->is_later = units > 0;
	sent->came = lab.now;
	struct rte_mbuf *m = edge_frame(sent->bytes, sent->length);
	m->shinfo = (void *)sent;
	w->burst.mbufs[w->burst.count++] = m;
	w->in++;
}

static struct sent *
sent_of(const struct rte_mbuf *m)
{
	return (void *)m->shinfo;
}

/* To its backend, with its TTL one less, and otherwise what it was. */
static void
check_sent(const struct burst *b, uint32_t i)
{
	const struct rte_mbuf *m = b->mbufs[i];
	const struct sent *sent = sent_of(m);
	uint8_t wanted[FRAME_MAX];
	memcpy(wanted, sent->bytes, sent->length);
	uint8_t *l3 = wanted + sizeof(struct wire_ether);
	l2_decrement_ttl(l3, family_of(sent->packet));
	struct wire_ether *ether = (void *)wanted;
	ether->dst = l2_slot_mac(lab.edge->slots[b->backend[i]]);
	ether->src = edge_mac;
	REQUIRE(m->data_len == sent->length && m->pkt_len == sent->length);
	REQUIRE(memcmp(rte_pktmbuf_mtod(m, uint8_t *), wanted, sent->length) == 0);
	REQUIRE(lab.edge->backends[b->backend[i]].encap != NULL);
}

/* A fragment that leaves the worker, or is held again. */
static void
check_exit(struct worker *w, uint32_t i)
{
	const struct burst *b = &w->burst;
	const struct sent *sent = sent_of(b->mbufs[i]);
	const struct history *history = &lab.packets[sent->packet];
	enum exit exit = b->exit[i];
	uint64_t age_us = lab.now.us - sent->came.us;
	if (exit == EXIT_HELD)
		return;
	REQUIRE(exit < EXIT_COUNT);
	REQUIRE(exit == EXIT_SENT || exit_kind(exit) == EXIT_KIND_DROPPED);
	if (exit == EXIT_SENT)
		check_sent(b, i);
	if (exit == EXIT_SENT && sent->is_later)
		REQUIRE(history->went >> b->backend[i] & 1);
	if (exit == EXIT_DROP_FRAGMENT_TIMEOUT)
		REQUIRE(sent->is_later && age_us >= FRAGMENT_HELD_MS * 1000);
}

/* What came less than a tick after its first, with the same backends, has no reason to wait. */
static void
check_held(const struct sent *sent)
{
	const struct history *history = &lab.packets[sent->packet];
	REQUIRE(sent->is_later);
	if (history->at.us != 0 && history->change == lab.changes)
		REQUIRE(lab.now.us - history->at.us >= FLOW_TICK_US);
}

static void
leave(struct worker *w, uint32_t i)
{
	free(sent_of(w->burst.mbufs[i]));
	edge_frame_free(w->burst.mbufs[i]);
	w->out++;
}

static void
note_firsts(const struct burst *b)
{
	for (uint32_t i = 0; i < b->count; i++) {
		const struct sent *sent = sent_of(b->mbufs[i]);
		lab.note_left |= sent->is_first;
		if (b->exit[i] == EXIT_SENT && sent->is_first)
			lab.packets[sent->packet].went |= 1u << b->backend[i];
	}
}

/* As the worker's loop does it. */
static void
hold(struct worker *w, uint32_t i)
{
	struct burst *b = &w->burst;
	enum fragment_hold held =
		fragment_hold(w->buffer, b->mbufs[i], b->hash[i], 0, w->pipeline.now);
	if (held != FRAGMENT_HELD)
		b->exit[i] = held == FRAGMENT_NO_ROOM ? EXIT_DROP_FRAGMENT_NO_ROOM
						      : EXIT_DROP_FRAGMENT_TOO_MANY;
}

static void
finish(struct worker *w, bool again)
{
	struct burst *b = &w->burst;
	note_firsts(b);
	for (uint32_t i = 0; i < b->count; i++) {
		check_exit(w, i);
		if (b->exit[i] == EXIT_HELD && again)
			b->exit[i] = EXIT_DROP_NO_BACKEND;
		if (b->exit[i] == EXIT_HELD) {
			check_held(sent_of(b->mbufs[i]));
			hold(w, i);
		}
	}
	pipeline_settle(&w->pipeline, b);
	for (uint32_t i = 0; i < b->count; i++) {
		const struct sent *sent = sent_of(b->mbufs[i]);
		if (b->exit[i] == EXIT_SENT && sent->is_first) {
			lab.packets[sent->packet].at = lab.now;
			lab.packets[sent->packet].change = lab.changes;
		}
		if (b->exit[i] != EXIT_HELD)
			leave(w, i);
	}
	b->count = 0;
	unsigned held = fragment_held_count(w->buffer);
	REQUIRE(held <= FRAGMENT_HELD_MAX && held == w->in - w->out);
	edge_totals(&w->pipeline);
}

static void
run_burst(struct worker *w)
{
	if (w->burst.count == 0)
		return;
	w->burst.resumed = NULL;
	pipeline_burst(&w->pipeline, &lab.edge->tables, 0, &w->burst);
	finish(w, false);
}

static void
release(struct worker *w)
{
	struct fragment_held held[TAKEN_MAX];
	struct burst *b = &w->burst;
	run_burst(w);
	unsigned ready =
		fragment_take_ready(w->buffer, lab.notes, w->pipeline.tick, held, TAKEN_MAX);
	for (unsigned i = 0; i < ready; i++) {
		b->count = 1;
		b->mbufs[0] = held[i].frame;
		b->resumed = &held[i].note;
		pipeline_burst(&w->pipeline, &lab.edge->tables, 0, b);
		/* Those taken out with it are in nobody's hands yet. */
		w->out += ready - i - 1;
		finish(w, true);
		w->out -= ready - i - 1;
	}
	b->resumed = NULL;
	unsigned late = fragment_take_expired(w->buffer, w->pipeline.now, held, TAKEN_MAX);
	b->count = late;
	for (unsigned i = 0; i < late; i++)
		b->mbufs[i] = held[i].frame;
	pipeline_refuse(b, EXIT_DROP_FRAGMENT_TIMEOUT);
	finish(w, false);
}

static void
set_time(uint64_t later_us)
{
	uint16_t before = flow_tick(lab.now);
	lab.now.us += later_us;
	for (int i = 0; i < WORKERS; i++) {
		lab.workers[i].pipeline.now = lab.now;
		lab.workers[i].pipeline.tick = flow_tick(lab.now);
	}
	if (flow_tick(lab.now) != before && lab.note_left)
		fragment_notes_sweep(lab.notes, flow_tick(lab.now));
}

/* Everything that waits has had its time: whatever is left leaves. */
static void
end(void)
{
	for (int i = 0; i < WORKERS; i++)
		run_burst(&lab.workers[i]);
	set_time(FRAGMENT_HELD_MS * 1000);
	for (int i = 0; i < WORKERS; i++) {
		struct worker *w = &lab.workers[i];
		do
			release(w);
		while (fragment_held_count(w->buffer) > 0);
		REQUIRE(w->in == w->out);
		fragment_buffer_destroy(w->buffer, NULL);
	}
	/* For the next input: cheaper than to look at every place. */
	if (lab.note_left) {
		fragment_notes_destroy(lab.notes);
		lab.notes = fragment_notes_create(ARENA_ANY_NODE);
		REQUIRE(lab.notes != NULL);
		lab.note_left = false;
	}
}

static void
clean_up(void)
{
	fragment_notes_destroy(lab.notes);
	arena_destroy(lab.edge->arena);
}

static void
begin(void)
{
	if (!lab.edge) {
		lab.edge = edge_create();
		lab.notes = fragment_notes_create(ARENA_ANY_NODE);
		for (int i = 0; i < WORKERS; i++)
			lab.workers[i].pipeline.counters =
				arena_array(lab.edge->arena, 1, sizeof(struct pipeline_counters));
		atexit(clean_up);
	}
	memset(lab.edge->flows.buckets, 0, flow_table_bytes(EDGE_CAPACITY));
	memset(lab.packets, 0, sizeof(lab.packets));
	for (uint16_t i = 1; i <= EDGE_BACKENDS; i++)
		edge_set_backend(lab.edge, i, true);
	lab.changes = 0;
	lab.now = (struct mono){1000000000};
	for (int i = 0; i < WORKERS; i++) {
		struct worker *w = &lab.workers[i];
		w->pipeline.flows = &lab.edge->flows;
		w->pipeline.notes = lab.notes;
		w->buffer = fragment_buffer_create(ARENA_ANY_NODE);
		w->burst.count = w->in = w->out = 0;
		REQUIRE(w->pipeline.counters && w->buffer && lab.notes);
	}
	set_time(0);
}

static void
take_step(const uint8_t step[3])
{
	struct worker *w = &lab.workers[STEP_WORKER(step[0])];
	uint16_t backend = (uint16_t)(1 + STEP_PACKET(step[0]) % EDGE_BACKENDS);
	switch (STEP_ACTION(step[0])) {
	case TIME:
		/* Both have polled before it passes: a burst does not lie about. */
		for (int i = 0; i < WORKERS; i++)
			run_burst(&lab.workers[i]);
		set_time(step[2] & 1 ? (step[1] & TICKS_MAX) * (uint64_t)FLOW_TICK_US
				     : step[1] * (uint64_t)TIME_UNIT_MS * 1000);
		break;
	case BURST:
		run_burst(w);
		break;
	case BACKEND:
		for (int i = 0; i < WORKERS; i++)
			run_burst(&lab.workers[i]);
		edge_set_backend(lab.edge, backend, !lab.edge->backends[backend].encap);
		lab.changes++;
		break;
	case RELEASE:
		release(w);
		break;
	default:
		receive(w, STEP_PACKET(step[0]), step[1], step[2]);
		if (w->burst.count == BURST_MAX)
			run_burst(w);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	begin();
	for (; size >= 3; data += 3, size -= 3)
		take_step(data);
	end();
	return 0;
}
