/* SPDX-License-Identifier: BSD-3-Clause */
#include "burst_isa.h"

#include <netinet/in.h>

#include "buffer.h"
#include "choose.h"
#include "icmp.h"
#include "parse.h"
#include "parse_plain.h"
#include "vlan.h"
#include "wrap.h"

static_assert(BURST_MAX <= UINT8_MAX, "flow_events count in 8 bits");
static_assert(BUFFER_READ_BYTES >= PLAIN_READ_BYTES, "parse_plain may read so far");
static_assert(BURST_MAX == 32, "masks of a burst have 32 bits");

/* So many lie in the first-level cache with their slots and counters, and are not fetched ahead. */
#define CACHED_BACKENDS 128

static inline bool
has_bit(uint32_t mask, uint32_t i)
{
	return mask >> i & 1;
}

/* The station that a frame is for. Multicast is judged later, when it is known what is inside. The
 * frame has its whole Ethernet header. */
static inline bool
for_this_station(const uint8_t *frame, uint64_t own)
{
	uint64_t word;
	memcpy(&word, frame, sizeof(word));
	return word << 16 == own << 16 || (frame[0] & 1);
}

/* What is not known of any packet yet. An answer goes back through the port. */
static void
begin(struct burst *b, uint8_t port)
{
	memset(b->exit, EXIT_PENDING, sizeof(b->exit));
	memset(b->out_port, port, sizeof(b->out_port));
	memset(b->service, 0xff, sizeof(b->service)); /* SERVICE_NONE */
	memset(b->backend, 0, sizeof(b->backend));
	memset(b->quotes, 0, sizeof(b->quotes));
	memset(b->flow_events, 0, sizeof(b->flow_events));
	memset(b->hash, 0, sizeof(b->hash));
	b->plain = b->sought = b->new_flows = 0;
}
static_assert(SERVICE_NONE == 0xffff, "begin() sets its bytes");

/* A frame that is not for a VIP: a neighbour's question for one, or Linux's. */
static enum exit
punt(struct pipeline *p, const struct tables *t, uint8_t port, const struct burst *b, uint32_t i,
	bool is_ip)
{
	struct rte_mbuf *m = b->mbufs[i];
	enum exit exit = answer_neighbour(&p->answer, t, port, m, &b->packets[i], is_ip, p->now);
	if (exit != EXIT_PENDING)
		return exit;
	return punt_exit(&p->punt, t, port, b->frames[i], m->data_len, m->pkt_len, &b->packets[i],
		is_ip, p->now);
}

/* One whose buffer is not plain (buffer.h): a copy takes its place, or it is dropped. */
static __attribute__((noinline)) enum exit
make_plain(struct pipeline *p, struct burst *b, uint32_t i)
{
	struct rte_mbuf *plain = buffer_make_plain(b->mbufs[i], p->pool);
	if (!plain)
		return buffer_is_too_long(b->mbufs[i], p->pool) ? EXIT_DROP_FRAME_TOO_LONG
								: EXIT_DROP_NO_BUFFER;
	b->mbufs[i] = plain;
	return EXIT_PENDING;
}

/* A frame that is not plain: the parser says what it is. */
static __attribute__((noinline)) enum exit
take_in(struct pipeline *p, const struct tables *t, uint8_t port, struct burst *b, uint32_t i)
{
	if (!buffer_is_plain(b->mbufs[i])) {
		enum exit exit = make_plain(p, b, i);
		if (exit != EXIT_PENDING)
			return exit;
	}
	const struct rte_mbuf *m = b->mbufs[i];
	const uint8_t *frame = b->frames[i] = rte_pktmbuf_mtod(m, uint8_t *);
	struct packet *pk = &b->packets[i];
	enum parse_result result = buffer_ipv4_checksum_is_right(m)
					   ? parse_l3_checked(frame, m->data_len, m->data_len, pk)
					   : parse_l3(frame, m->data_len, m->data_len, pk);
	if (result != PARSE_OK && result != PARSE_PUNT_NOT_IP)
		return exit_of_parse(result);
	if (!for_this_station(frame, tables_station(&t->ports[port])))
		return EXIT_DROP_OTHER_MAC;
	return result == PARSE_OK ? EXIT_PENDING : punt(p, t, port, b, i, false);
}

#define LINE_BYTES 64

/*
 * Cache lines of the frames that will be read or written: the first one; the second, if the burst before
 * had IPv6 in it; those in front, which an outer header goes into, and which nobody has touched since
 * the buffer was used before.
 */
static inline __attribute__((always_inline)) void
fetch_frames(const struct burst *b, bool second_line, uint32_t outer_bytes)
{
	const uint32_t count = b->count;
	for (uint32_t i = 0; i < count; i++)
		__builtin_prefetch(rte_pktmbuf_mtod(b->mbufs[i], const uint8_t *));
	for (uint32_t i = 0; second_line && i < count; i++)
		__builtin_prefetch(rte_pktmbuf_mtod(b->mbufs[i], const uint8_t *) + LINE_BYTES);
	for (uint32_t before = 1; before <= outer_bytes; before += LINE_BYTES)
		for (uint32_t i = 0; i < count; i++)
			__builtin_prefetch(
				rte_pktmbuf_mtod(b->mbufs[i], const uint8_t *) - before, 1);
}

/* Bytes are stored between the stages, and for all that the compiler knows they might be part of
 * anything: what a loop needs from one turn to the next is in registers (here and below). */
static void
stage_net(struct pipeline *p, const struct tables *t, uint8_t port, struct burst *b)
{
	const struct plain_station station = plain_station(tables_station(&t->ports[port]));
	const struct buffer_look usual = buffer_look(b->mbufs[0]);
	const uint32_t count = b->count;
	uint32_t plain = 0;
	begin(b, port);
	fetch_frames(b, p->has_ipv6, t->outer_bytes);
	for (uint32_t i = 0; i < count; i++) {
		const struct rte_mbuf *m = b->mbufs[i];
		uint8_t *frame = rte_pktmbuf_mtod(m, uint8_t *);
		struct packet *pk = &b->packets[i];
		b->frame_length[i] = (uint16_t)m->pkt_len;
		b->frames[i] = frame;
		bool checksum_is_right =
			usual.checksum_may_be_right && !(m->packet_type & RTE_PTYPE_TUNNEL_MASK);
		if (__builtin_expect(buffer_looks_like(m, &usual) &&
					     parse_plain(frame, m->data_len, &station,
						     checksum_is_right, pk),
			    1)) {
			plain |= (uint32_t)1 << i;
		} else {
			b->exit[i] = (uint8_t)take_in(p, t, port, b, i);
			if (b->exit[i] != EXIT_PENDING)
				continue;
		}
		b->vip[i] = service_table_at(&t->services, &pk->dst);
		__builtin_prefetch(b->vip[i]);
	}
	b->plain = plain;
	/* Two are as good as all: who has much of it soon shows some. */
	p->has_ipv6 = b->packets[0].family == 6 || b->packets[count - 1].family == 6;
}

/* A source that no packet to a VIP can have. Not asked of a flow that the table knows: its first
 * packet had to answer. */
static enum exit
judge_source(const struct tables *t, const struct packet *pk)
{
	if (addr_is_martian(&pk->src))
		return EXIT_DROP_SOURCE_MARTIAN;
	if (service_table_vip(&t->services, &pk->src))
		return EXIT_DROP_SOURCE_VIP;
	return EXIT_PENDING;
}

/* An ICMP error: service and hash of the flow that it quotes. */
static enum exit
follow_quote(const struct tables *t, struct burst *b, uint32_t i, const struct service_entry *vip)
{
	static const enum exit refused[] = {
		[ICMP_QUOTE_TRUNCATED] = EXIT_DROP_ICMP_QUOTE_TRUNCATED,
		[ICMP_QUOTE_MALFORMED] = EXIT_DROP_ICMP_QUOTE_MALFORMED,
		[ICMP_QUOTE_NOT_OURS] = EXIT_DROP_ICMP_QUOTE_FOREIGN,
		[ICMP_QUOTE_OF_ICMP] = EXIT_DROP_ICMP_QUOTE_FOREIGN,
	};
	struct icmp_flow flow;
	enum icmp_quote quote =
		icmp_read_quote(b->frames[i], b->mbufs[i]->data_len, &b->packets[i], &flow);
	if (quote != ICMP_QUOTE_OK)
		return refused[quote];
	uint16_t service = service_table_port(&t->services, vip, flow.proto, flow.vip_port);
	if (flow.fragment || service == SERVICE_NONE)
		return EXIT_DROP_ICMP_QUOTE_FOREIGN;
	const struct packet quoted = {
		.src = flow.client,
		.dst = flow.vip,
		.sport = flow.client_port,
		.dport = flow.vip_port,
		.proto = flow.proto,
	};
	b->service[i] = service;
	b->hash[i] = choose_hash(&t->key, &t->service[service], &quoted);
	b->quotes[i] = true;
	return EXIT_PENDING;
}

static enum exit
take_icmp(struct pipeline *p, const struct tables *t, struct burst *b, uint32_t i,
	const struct service_entry *vip)
{
	switch (icmp_kind(&b->packets[i])) {
	case ICMP_ECHO_REQUEST:
		return answer_echo(&p->answer, t, b->mbufs[i], &b->packets[i], p->now);
	case ICMP_ERROR:
		return follow_quote(t, b, i, vip);
	case ICMP_OTHER:
		break;
	}
	return EXIT_DROP_ICMP_OTHER;
}

/* A later fragment, whose hash is known: service and backend as its first one has noted them. */
static enum exit
follow_first_fragment(struct pipeline *p, const struct tables *t, struct burst *b, uint32_t i)
{
	struct fragment_note note =
		b->resumed ? *b->resumed : fragment_note_find(p->notes, b->hash[i], p->tick);
	if (note.backend == 0 || note.service >= t->service_limit ||
		!tables_is(t, note.backend, note.generation))
		return EXIT_HELD;
	b->service[i] = note.service;
	b->backend[i] = note.backend;
	return EXIT_PENDING;
}

static void
note_first_fragment(struct pipeline *p, const struct tables *t, const struct burst *b, uint32_t i)
{
	const struct fragment_note note = {
		.backend = b->backend[i],
		.service = b->service[i],
		.generation = t->backends[b->backend[i]].generation,
	};
	fragment_note_leave(p->notes, fragment_hash(&t->key, &b->packets[i]), note, p->tick);
}

/* Neither TCP nor UDP, or a later fragment. */
static __attribute__((noinline)) enum exit
find_unusual(struct pipeline *p, const struct tables *t, struct burst *b, uint32_t i,
	const struct service_entry *vip)
{
	const struct packet *pk = &b->packets[i];
	bool icmp = pk->proto == (pk->family == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6);
	enum exit exit = judge_source(t, pk);
	if (exit != EXIT_PENDING)
		return exit;
	if (icmp)
		return pk->fragment != FRAGMENT_NONE ? EXIT_DROP_ICMP_FRAGMENT
						     : take_icmp(p, t, b, i, vip);
	if (pk->fragment == FRAGMENT_LATER) {
		b->hash[i] = fragment_hash(&t->key, pk);
		return follow_first_fragment(p, t, b, i);
	}
	return answer_error(&p->answer, t, b->mbufs[i], pk, ICMP_PORT_UNREACHABLE, 0,
		EXIT_DROP_NO_SERVICE, p->now);
}

/* What parse_plain has not seen to. EXIT_PENDING: the packet is as far as a plain one now. */
static __attribute__((noinline)) enum exit
find_upper(struct pipeline *p, const struct tables *t, uint8_t port, struct burst *b, uint32_t i)
{
	struct packet *pk = &b->packets[i];
	if (!vlan_is_served(&t->ports[port], b->frames[i], pk))
		return punt(p, t, port, b, i, true);
	/* A neighbour that makes sure of us asks the VIP itself, from its link-local address. */
	if (pk->next_proto == IPPROTO_ICMPV6) {
		enum exit exit =
			answer_neighbour(&p->answer, t, port, b->mbufs[i], pk, true, p->now);
		if (exit != EXIT_PENDING)
			return exit;
	}
	if (b->frames[i][0] & 1)
		return EXIT_DROP_VIP_MULTICAST;
	uint32_t length = b->mbufs[i]->data_len;
	enum parse_result result = parse_l4(b->frames[i], length, length, pk);
	return result == PARSE_OK ? EXIT_PENDING : exit_of_parse(result);
}

/* `sought` gains the packet's bit, if its flow is to be looked up. */
static inline enum exit
find_service(struct pipeline *p, const struct tables *t, uint8_t port, struct burst *b, uint32_t i,
	bool is_plain, uint32_t *sought)
{
	const struct packet *pk = &b->packets[i];
	const struct service_entry *vip = service_table_vip_from(&t->services, b->vip[i], &pk->dst);
	if (__builtin_expect(!vip, 0))
		return punt(p, t, port, b, i, true);
	if (__builtin_expect(!is_plain, 0)) {
		enum exit exit = find_upper(p, t, port, b, i);
		if (exit != EXIT_PENDING)
			return exit;
	}
	uint16_t service = service_table_port(&t->services, vip, pk->proto, pk->dport);
	if (__builtin_expect(service == SERVICE_NONE || pk->dport == 0, 0))
		return find_unusual(p, t, b, i, vip);
	const struct tables_service *entry = &t->service[service];
	b->service[i] = service;
	b->hash[i] = choose_hash(&t->key, entry, pk);
	if (__builtin_expect(entry->affinity == TABLES_AFFINITY_NONE, 0))
		return judge_source(t, pk);
	flow_prefetch(p->flows, b->hash[i]);
	*sought |= (uint32_t)1 << i;
	return EXIT_PENDING;
}

static void
stage_service(struct pipeline *p, const struct tables *t, uint8_t port, struct burst *b)
{
	const uint32_t count = b->count, plain = b->plain;
	uint32_t sought = 0;
	for (uint32_t i = 0; i < count; i++) {
		if (__builtin_expect(b->exit[i] != EXIT_PENDING, 0))
			continue;
		enum exit exit = find_service(p, t, port, b, i, has_bit(plain, i), &sought);
		if (__builtin_expect(exit != EXIT_PENDING, 0))
			b->exit[i] = (uint8_t)exit;
	}
	b->sought = sought;
}

/*
 * A full table is searched for what may be given up, which takes as long as several packets do. A flood
 * of flows that find nothing must not cost the known ones their rate: so many searches in vain are
 * made each time that the clock is read, about a millisecond, and then new flows get empty places only.
 */
static inline bool
is_tired_of_searching(struct pipeline *p)
{
	if (p->vain_at.us != p->now.us) {
		p->vain_at = p->now;
		p->vain_searches = 0;
	}
	return p->vain_searches >= VAIN_SEARCHES_MAX;
}

/* The flow of a packet is not in the table, or not as the packet has it. */
static inline uint16_t
begin_flow(struct pipeline *p, const struct tables *t, struct burst *b, uint32_t i)
{
	enum exit exit = judge_source(t, &b->packets[i]);
	if (__builtin_expect(exit != EXIT_PENDING, 0)) {
		b->exit[i] = (uint8_t)exit;
		return 0;
	}
	struct choice choice = choose_new(p->flows, t, &t->service[b->service[i]], &b->packets[i],
		b->hash[i], p->tick, is_tired_of_searching(p));
	bool is_tried = choice.event != FLOW_EVENT_MISS;
	b->flow_events[FLOW_EVENT_MISS]++;
	b->flow_events[choice.event] += is_tried;
	p->vain_searches += choice.event == FLOW_EVENT_FULL;
	b->new_flows |= (uint32_t)(is_tried && choice.event != FLOW_EVENT_UPDATED) << i;
	if (choice.backend == 0)
		b->exit[i] = EXIT_DROP_NO_BACKEND;
	return choice.backend;
}

/* What has no flow of its own to look up: all that stands still, in its order. */
static __attribute__((noinline)) void
choose_the_rest(struct pipeline *p, const struct tables *t, struct burst *b)
{
	for (uint32_t i = 0; i < b->count; i++) {
		/* Its first may stand in front of it in this very burst, and has its note by now. */
		if (b->exit[i] == EXIT_HELD)
			b->exit[i] = (uint8_t)follow_first_fragment(p, t, b, i);
		if (b->exit[i] != EXIT_PENDING || b->backend[i] != 0)
			continue;
		b->backend[i] = choose_without_trace(
			p->flows, t, &t->service[b->service[i]], b->hash[i], p->tick);
		if (b->backend[i] == 0)
			b->exit[i] = EXIT_DROP_NO_BACKEND;
		else if (b->packets[i].fragment == FRAGMENT_FIRST)
			note_first_fragment(p, t, b, i);
	}
}

/* Known flows whose packets change nothing of them: those that are found at the first look. Returns
 * who is left. */
static inline uint32_t
find_known(struct pipeline *p, const struct tables *t, struct burst *b)
{
	const struct flow_table flows = *p->flows;
	const struct tables_backend *backends = t->backends;
	const uint32_t *accepts = t->accepts;
	const uint32_t limit = t->backend_limit, count = b->count, quick = b->sought & b->plain;
	const uint16_t tick = p->tick;
	uint32_t left = b->sought & ~b->plain;
	for (uint32_t i = 0; i < count; i++) {
		if (__builtin_expect(!has_bit(quick, i), 0))
			continue;
		uint16_t backend = choose_quick(
			&flows, accepts, limit, b->hash[i], b->packets[i].tcp_flags, tick);
		b->backend[i] = backend;
		left |= (uint32_t)(backend == 0) << i;
		__builtin_prefetch(&backends[backend]);
	}
	return left;
}

/* What a flow that was not found at the first look may need: its other bucket, and what begin_flow
 * reads. */
static inline __attribute__((always_inline)) void
fetch_for_second_look(
	const struct pipeline *p, const struct tables *t, const struct burst *b, uint32_t i)
{
	flow_prefetch_other(p->flows, b->hash[i]);
	__builtin_prefetch(service_table_at(&t->services, &b->packets[i].src));
	tables_prefetch_row(t, t->service[b->service[i]].pool, flow_hash_tag(b->hash[i]));
}

/* The row has been fetched: now the backend that it names. Apart from what follows, since putting a flow
 * into the table lets no load behind it begin. */
static inline __attribute__((always_inline)) void
fetch_backend_of_row(const struct tables *t, const struct burst *b, uint32_t i)
{
	uint16_t pool = t->service[b->service[i]].pool;
	__builtin_prefetch(&t->backends[tables_row_backend(t, pool, flow_hash_tag(b->hash[i]))]);
}

/* All other flows, in their order: what a packet in front has begun or ended counts for the next. */
static inline void
find_flow(struct pipeline *p, const struct tables *t, struct burst *b, uint32_t i)
{
	const struct packet *pk = &b->packets[i];
	struct flow_hit hit = flow_find(p->flows, b->hash[i], p->tick);
	uint16_t backend = 0;
	if (hit.place)
		backend = choose_known(p->flows, t, hit, pk, b->frames[i], b->hash[i], p->tick);
	if (backend != 0)
		b->flow_events[FLOW_EVENT_HIT]++;
	else
		backend = begin_flow(p, t, b, i);
	__builtin_prefetch(&t->backends[backend]);
	b->backend[i] = backend;
	if (__builtin_expect(pk->fragment == FRAGMENT_FIRST && backend != 0, 0))
		note_first_fragment(p, t, b, i);
}

static void
stage_flow(struct pipeline *p, const struct tables *t, struct burst *b)
{
	uint32_t left = find_known(p, t, b);
	b->flow_events[FLOW_EVENT_HIT] = (uint8_t)__builtin_popcount(b->sought & ~left);
	for (uint32_t m = left; m != 0; m &= m - 1)
		fetch_for_second_look(p, t, b, (uint32_t)__builtin_ctz(m));
	if (__builtin_expect(t->backend_limit > CACHED_BACKENDS, 0))
		for (uint32_t m = left; m != 0; m &= m - 1)
			fetch_backend_of_row(t, b, (uint32_t)__builtin_ctz(m));
	for (; left != 0; left &= left - 1)
		find_flow(p, t, b, (uint32_t)__builtin_ctz(left));
	uint32_t all = (uint32_t)((UINT64_C(1) << b->count) - 1);
	if (__builtin_expect(b->sought != all, 0))
		choose_the_rest(p, t, b);
}

/* Too long for the way to its backend: in fragments where IPv4 allows it, else the client is told. */
static enum exit
too_big(struct pipeline *p, const struct tables *t, struct burst *b, uint32_t i, uint8_t port)
{
	const struct packet *pk = &b->packets[i];
	const struct tables_backend *backend = &t->backends[b->backend[i]];
	const struct wire_ipv4 *ip = (const void *)(b->frames[i] + pk->l3_offset);
	if (pk->family == 4 && !(ip->fragment & wire_u16(IPV4_DF))) {
		b->out_port[i] = port;
		return EXIT_SENT_IN_FRAGMENTS;
	}
	uint32_t mtu = (uint32_t)t->ports[port].mtu - backend->target.header_length;
	return answer_error(&p->answer, t, b->mbufs[i], pk, ICMP_PACKET_TOO_BIG, mtu,
		EXIT_DROP_TOO_BIG, p->now);
}

/* One that cannot simply be sent: the first reason counts. */
static __attribute__((noinline)) enum exit
keep_back(struct pipeline *p, const struct tables *t, struct burst *b, uint32_t i, uint64_t slot)
{
	const struct packet *pk = &b->packets[i];
	if (!t->backends[b->backend[i]].encap->wrap)
		return t->ports[b->out_port[i]].has_kernel_path ? EXIT_PUNTED_SERVICE
								: EXIT_DROP_NO_KERNEL_PATH;
	if (!l2_slot_resolved(slot))
		return EXIT_DROP_NEXT_HOP;
	if (pk->ttl <= 1)
		return answer_error(&p->answer, t, b->mbufs[i], pk, ICMP_TIME_EXCEEDED, 0,
			EXIT_DROP_TTL_EXPIRED, p->now);
	return too_big(p, t, b, i, l2_slot_port(slot));
}

static inline enum exit
send_packet(struct pipeline *p, const struct tables *t, struct burst *b, uint32_t i)
{
	const struct packet *pk = &b->packets[i];
	const struct tables_backend *backend = &t->backends[b->backend[i]];
	uint64_t slot = atomic_load_explicit(&t->slots[backend->slot], memory_order_acquire);
	uint8_t port = l2_slot_port(slot);
	const struct tables_port *out = &t->ports[port];
	if (__builtin_expect(!backend->encap->wrap || !l2_slot_resolved(slot) || pk->ttl <= 1 ||
				     pk->l3_length + backend->target.header_length > out->mtu,
		    0))
		return keep_back(p, t, b, i, slot);
	uint8_t *l3 = b->frames[i] + pk->l3_offset;
	l2_decrement_ttl(l3, pk->family);
	wrap_packet(b->mbufs[i], l3, pk->l3_length, pk->family, pk->tos, backend, slot,
		tables_station(out), flow_hash_bucket(b->hash[i]));
	b->out_port[i] = port;
	return EXIT_SENT;
}

/* With thousands of backends: the next-hop slot, now that the backend has been fetched, and what will be
 * counted. */
static inline __attribute__((always_inline)) void
fetch_for_sending(const struct pipeline *p, const struct tables *t, const struct burst *b)
{
	for (uint32_t i = 0; i < b->count; i++) {
		if (b->exit[i] != EXIT_PENDING)
			continue;
		__builtin_prefetch(&t->slots[t->backends[b->backend[i]].slot]);
		__builtin_prefetch(&p->counters->backends[b->backend[i]], 1);
		__builtin_prefetch(&p->counters->services[b->service[i]], 1);
	}
}

static void
stage_send(struct pipeline *p, const struct tables *t, struct burst *b)
{
	const uint32_t count = b->count;
	if (__builtin_expect(t->backend_limit > CACHED_BACKENDS, 0))
		fetch_for_sending(p, t, b);
	for (uint32_t i = 0; i < count; i++)
		if (__builtin_expect(b->exit[i] == EXIT_PENDING, 1))
			b->exit[i] = (uint8_t)send_packet(p, t, b, i);
}

#ifndef BURST_ENTRY
#define BURST_ENTRY pipeline_burst_baseline
#endif

void
BURST_ENTRY(
	struct pipeline *pipeline, const struct tables *tables, uint8_t port, struct burst *burst)
{
	stage_net(pipeline, tables, port, burst);
	stage_service(pipeline, tables, port, burst);
	stage_flow(pipeline, tables, burst);
	stage_send(pipeline, tables, burst);
}
