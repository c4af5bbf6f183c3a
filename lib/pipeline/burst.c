/* SPDX-License-Identifier: BSD-3-Clause */
#include "burst.h"

#include <netinet/in.h>

#include "buffer.h"
#include "choose.h"
#include "icmp.h"
#include "parse.h"
#include "parse_plain.h"
#include "vlan.h"
#include "wrap.h"

static_assert(BURST_MAX <= UINT8_MAX, "flow_events count in 8 bits");
static_assert(BURST_MAX == 32, "masks of a burst have 32 bits");

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
	memset(b->new_flow, 0, sizeof(b->new_flow));
	memset(b->quotes, 0, sizeof(b->quotes));
	memset(b->flow_events, 0, sizeof(b->flow_events));
	memset(b->hash, 0, sizeof(b->hash));
	b->plain = b->sought = 0;
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

static void
stage_net(struct pipeline *p, const struct tables *t, uint8_t port, struct burst *b)
{
	const struct plain_station station = plain_station(tables_station(&t->ports[port]));
	uint32_t plain = 0;
	begin(b, port);
	for (uint32_t i = 0; i < b->count; i++)
		__builtin_prefetch(rte_pktmbuf_mtod(b->mbufs[i], const uint8_t *));
	for (uint32_t i = 0; i < b->count; i++) {
		const struct rte_mbuf *m = b->mbufs[i];
		struct packet *pk = &b->packets[i];
		b->frame_length[i] = (uint16_t)m->pkt_len;
		b->frames[i] = rte_pktmbuf_mtod(m, uint8_t *);
		if (__builtin_expect(
			    buffer_is_plain(m) && parse_plain(b->frames[i], m->data_len, &station,
							  buffer_ipv4_checksum_is_right(m), pk),
			    1)) {
			plain |= (uint32_t)1 << i;
		} else {
			b->exit[i] = (uint8_t)take_in(p, t, port, b, i);
			if (b->exit[i] != EXIT_PENDING)
				continue;
		}
		b->vip_slot[i] = service_table_slot(&t->services, &pk->dst);
		service_table_prefetch(&t->services, b->vip_slot[i]);
	}
	b->plain = plain;
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

/* What parse_plain has not seen to. PARSE_OK: it is as far as a plain packet now. */
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

static inline enum exit
find_service(struct pipeline *p, const struct tables *t, uint8_t port, struct burst *b, uint32_t i)
{
	const struct packet *pk = &b->packets[i];
	const struct service_entry *vip =
		service_table_vip_at(&t->services, b->vip_slot[i], &pk->dst);
	if (__builtin_expect(!vip, 0))
		return punt(p, t, port, b, i, true);
	if (__builtin_expect(!has_bit(b->plain, i), 0)) {
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
	b->sought |= (uint32_t)1 << i;
	return EXIT_PENDING;
}

static void
stage_service(struct pipeline *p, const struct tables *t, uint8_t port, struct burst *b)
{
	for (uint32_t i = 0; i < b->count; i++)
		if (__builtin_expect(b->exit[i] == EXIT_PENDING, 1))
			b->exit[i] = (uint8_t)find_service(p, t, port, b, i);
}

/* The flow of a packet is not in the table, or not as the packet has it. */
static __attribute__((noinline)) uint16_t
begin_flow(struct pipeline *p, const struct tables *t, struct burst *b, uint32_t i)
{
	enum exit exit = judge_source(t, &b->packets[i]);
	if (exit != EXIT_PENDING) {
		b->exit[i] = (uint8_t)exit;
		return 0;
	}
	struct choice choice = choose_new(
		p->flows, t, &t->service[b->service[i]], &b->packets[i], b->hash[i], p->tick);
	b->new_flow[i] = choice.new_flow;
	for (uint32_t e = 0; e < choice.event_count; e++)
		b->flow_events[choice.events[e]]++;
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

/* Flows that packets of this burst have begun, one bit for a 64th of all: after the look-up of the
 * burst, a flow that was not there may be. */
static inline uint64_t
begun_bit(uint64_t hash)
{
	return (uint64_t)1 << hash % 64;
}

/* What has happened since the look-up of the burst counts: the packets in front may have made this
 * entry, or changed it. */
static inline struct flow_hit
refresh_hit(const struct flow_table *flows, struct flow_hit hit, uint64_t begun, uint64_t hash,
	uint16_t tick)
{
	bool is_stale = hit.place ? !flow_hit_is_fresh(hit) : (begun & begun_bit(hash)) != 0;
	return __builtin_expect(is_stale, 0) ? flow_lookup(flows, hash, tick) : hit;
}

static void
stage_flow(struct pipeline *p, const struct tables *t, struct burst *b)
{
	struct flow_hit hits[BURST_MAX];
	uint32_t known = 0;
	uint64_t begun = 0;
	flow_lookup_burst(p->flows, b->hash, b->count, p->tick, hits);
	for (uint32_t i = 0; i < b->count; i++) {
		if (__builtin_expect(!has_bit(b->sought, i), 0))
			continue;
		const struct packet *pk = &b->packets[i];
		uint64_t hash = b->hash[i];
		struct flow_hit hit = refresh_hit(p->flows, hits[i], begun, hash, p->tick);
		uint16_t backend = 0;
		if (__builtin_expect(hit.place != NULL, 1))
			backend = choose_known(p->flows, t, hit, pk, b->frames[i], hash, p->tick);
		if (__builtin_expect(backend != 0, 1)) {
			known++;
		} else {
			backend = begin_flow(p, t, b, i);
			begun |= begun_bit(hash);
		}
		__builtin_prefetch(&t->backends[backend]);
		b->backend[i] = backend;
		if (__builtin_expect(pk->fragment == FRAGMENT_FIRST && backend != 0, 0))
			note_first_fragment(p, t, b, i);
	}
	b->flow_events[FLOW_EVENT_HIT] = (uint8_t)known;
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

static inline enum exit
send_packet(struct pipeline *p, const struct tables *t, struct burst *b, uint32_t i)
{
	const struct packet *pk = &b->packets[i];
	const struct tables_backend *backend = &t->backends[b->backend[i]];
	if (__builtin_expect(!backend->encap->wrap, 0))
		return t->ports[b->out_port[i]].has_kernel_path ? EXIT_PUNTED_SERVICE
								: EXIT_DROP_NO_KERNEL_PATH;
	uint64_t slot = atomic_load_explicit(&t->slots[backend->slot], memory_order_acquire);
	if (!l2_slot_resolved(slot))
		return EXIT_DROP_NEXT_HOP;
	if (__builtin_expect(pk->ttl <= 1, 0))
		return answer_error(&p->answer, t, b->mbufs[i], pk, ICMP_TIME_EXCEEDED, 0,
			EXIT_DROP_TTL_EXPIRED, p->now);
	uint8_t port = l2_slot_port(slot);
	const struct tables_port *out = &t->ports[port];
	if (__builtin_expect(pk->l3_length + backend->target.header_length > out->mtu, 0))
		return too_big(p, t, b, i, port);
	uint8_t *l3 = b->frames[i] + pk->l3_offset;
	l2_decrement_ttl(l3, pk->family);
	wrap_packet(b->mbufs[i], l3, pk->l3_length, pk->family, pk->tos, backend, slot,
		tables_station(out), flow_hash_bucket(b->hash[i]));
	b->out_port[i] = port;
	return EXIT_SENT;
}

unsigned
pipeline_split(struct pipeline *pipeline, const struct tables *tables, const struct burst *burst,
	uint32_t i, struct rte_mbuf *pieces[SPLIT_PIECES_MAX])
{
	const struct tables_backend *backend = &tables->backends[burst->backend[i]];
	uint64_t slot = atomic_load_explicit(&tables->slots[backend->slot], memory_order_acquire);
	/* The neighbour may have moved since the burst was looked at. */
	if (l2_slot_port(slot) != burst->out_port[i])
		return 0;
	return split_packet(burst->mbufs[i], &burst->packets[i], backend, slot,
		&tables->ports[burst->out_port[i]], flow_hash_bucket(burst->hash[i]),
		pipeline->pool, pieces);
}

static void
stage_send(struct pipeline *p, const struct tables *t, struct burst *b)
{
	for (uint32_t i = 0; i < b->count; i++)
		if (__builtin_expect(b->exit[i] == EXIT_PENDING, 1))
			b->exit[i] = (uint8_t)send_packet(p, t, b, i);
}

void
pipeline_burst(
	struct pipeline *pipeline, const struct tables *tables, uint8_t port, struct burst *burst)
{
	stage_net(pipeline, tables, port, burst);
	stage_service(pipeline, tables, port, burst);
	stage_flow(pipeline, tables, burst);
	stage_send(pipeline, tables, burst);
}

void
pipeline_refuse(struct burst *burst, enum exit exit)
{
	begin(burst, 0);
	memset(burst->exit, (int)exit, sizeof(burst->exit));
	for (uint32_t i = 0; i < burst->count; i++)
		burst->frame_length[i] = (uint16_t)burst->mbufs[i]->pkt_len;
}

static inline void
count_traffic(struct traffic *traffic, uint64_t packets, uint64_t bytes)
{
	counter_add(&traffic->packets, packets);
	counter_add(&traffic->bytes, bytes);
}

/* The places from `i` on, to the one that is returned, left by one exit, for one service, with or
 * without a backend: they are counted at once. Often that is the whole burst. */
static inline uint32_t
end_of_run(const struct burst *b, uint32_t i)
{
	uint32_t first = i;
	while (++i < b->count && b->exit[i] == b->exit[first] &&
		b->service[i] == b->service[first] &&
		(b->backend[i] != 0) == (b->backend[first] != 0))
		;
	return i;
}

static inline void
settle_run(struct pipeline_counters *c, const struct burst *b, uint32_t first, uint32_t end)
{
	uint8_t exit = b->exit[first];
	/* It is received when it leaves. */
	if (exit == EXIT_HELD)
		return;
	uint64_t packets = end - first, bytes = 0, new_flows = 0;
	bool reached = b->backend[first] != 0 && exit_kind(exit) != EXIT_KIND_DROPPED;
	for (uint32_t i = first; i < end; i++) {
		bytes += b->frame_length[i];
		new_flows += b->new_flow[i];
		if (__builtin_expect(reached, 1))
			count_traffic(&c->backends[b->backend[i]], 1, b->frame_length[i]);
	}
	count_traffic(&c->received, packets, bytes);
	count_traffic(&c->exits[exit], packets, bytes);
	if (reached) {
		struct service_counters *service = &c->services[b->service[first]];
		count_traffic(&service->traffic, packets, bytes);
		counter_add(&service->new_flows, new_flows);
	}
}

void
pipeline_settle(struct pipeline *pipeline, const struct burst *b)
{
	struct pipeline_counters *c = pipeline->counters;
	counters_begin(c);
	for (uint32_t first = 0, end; first < b->count; first = end) {
		end = end_of_run(b, first);
		settle_run(c, b, first, end);
	}
	for (int e = 0; e < FLOW_EVENT_COUNT; e++)
		counter_add(&c->flow_events[e], b->flow_events[e]);
	counters_end(c);
}
