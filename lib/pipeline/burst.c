/* SPDX-License-Identifier: BSD-3-Clause */
#include "burst.h"

#include <netinet/in.h>

#include "buffer.h"
#include "choose.h"
#include "icmp.h"
#include "parse.h"
#include "vlan.h"
#include "wrap.h"

static_assert(BURST_MAX <= UINT8_MAX, "flow_events count in 8 bits");

static inline uint8_t *
frame_of(const struct burst *b, uint32_t i)
{
	return rte_pktmbuf_mtod(b->mbufs[i], uint8_t *);
}

/* The station that a frame is for. Multicast is judged later, when it is known what is inside. */
static inline bool
for_this_station(const uint8_t *frame, const struct mac_addr *own)
{
	return (frame[0] & 1) || memcmp(frame, own->bytes, sizeof(own->bytes)) == 0;
}

static void
begin(struct burst *b, uint32_t i)
{
	b->frame_length[i] = (uint16_t)b->mbufs[i]->pkt_len;
	b->service[i] = SERVICE_NONE;
	b->backend[i] = 0;
	b->new_flow[i] = false;
	b->quotes[i] = false;
	b->exit[i] = EXIT_PENDING;
}

/* A frame that is not for a VIP: a neighbour's question for one, or Linux's. */
static enum exit
punt(struct pipeline *p, const struct tables *t, uint8_t port, const struct burst *b, uint32_t i,
	bool is_ip)
{
	struct rte_mbuf *m = b->mbufs[i];
	enum exit exit = answer_neighbour(&p->answer, t, port, m, &b->packets[i], is_ip, p->now);
	if (exit != EXIT_PENDING)
		return exit;
	return punt_exit(&p->punt, t, port, frame_of(b, i), m->data_len, m->pkt_len, &b->packets[i],
		is_ip, p->now);
}

static enum exit
take_in(struct pipeline *p, const struct tables *t, uint8_t port, struct burst *b, uint32_t i)
{
	if (__builtin_expect(!buffer_is_plain(b->mbufs[i]), 0)) {
		struct rte_mbuf *plain = buffer_make_plain(b->mbufs[i], p->pool);
		if (!plain)
			return buffer_is_too_long(b->mbufs[i], p->pool) ? EXIT_DROP_FRAME_TOO_LONG
									: EXIT_DROP_NO_BUFFER;
		b->mbufs[i] = plain;
	}
	const struct rte_mbuf *m = b->mbufs[i];
	const uint8_t *frame = frame_of(b, i);
	struct packet *pk = &b->packets[i];
	enum parse_result result = buffer_ipv4_checksum_is_right(m)
					   ? parse_l3_checked(frame, m->data_len, m->pkt_len, pk)
					   : parse_l3(frame, m->data_len, m->pkt_len, pk);
	if (result != PARSE_OK && result != PARSE_PUNT_NOT_IP)
		return exit_of_parse(result);
	if (!for_this_station(frame, &t->ports[port].mac))
		return EXIT_DROP_OTHER_MAC;
	if (result == PARSE_PUNT_NOT_IP)
		return punt(p, t, port, b, i, false);
	service_table_prefetch(&t->services, &pk->dst);
	return EXIT_PENDING;
}

static void
stage_net(struct pipeline *p, const struct tables *t, uint8_t port, struct burst *b)
{
	for (uint32_t i = 0; i < b->count; i++)
		__builtin_prefetch(frame_of(b, i));
	for (uint32_t i = 0; i < b->count; i++) {
		begin(b, i);
		b->out_port[i] = port; /* of an answer */
		b->exit[i] = (uint8_t)take_in(p, t, port, b, i);
	}
}

/* What is said about a packet to a VIP before its ports are looked at. */
static inline enum exit
judge_vip_packet(const struct tables *t, const uint8_t *frame, const struct packet *pk)
{
	if (frame[0] & 1)
		return EXIT_DROP_VIP_MULTICAST;
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
		icmp_read_quote(frame_of(b, i), b->mbufs[i]->data_len, &b->packets[i], &flow);
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
		!tables_backend(t, note.backend, note.generation))
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

static enum exit
find_service(struct pipeline *p, const struct tables *t, uint8_t port, struct burst *b, uint32_t i,
	const struct service_entry *vip)
{
	struct rte_mbuf *m = b->mbufs[i];
	struct packet *pk = &b->packets[i];
	enum exit exit = EXIT_PENDING;
	/* A neighbour that makes sure of us asks the VIP itself, from its link-local address. */
	if (__builtin_expect(pk->next_proto == IPPROTO_ICMPV6, 0))
		exit = answer_neighbour(&p->answer, t, port, m, pk, true, p->now);
	if (exit == EXIT_PENDING)
		exit = judge_vip_packet(t, frame_of(b, i), pk);
	if (exit != EXIT_PENDING)
		return exit;
	enum parse_result result = parse_l4(frame_of(b, i), m->data_len, m->pkt_len, pk);
	if (result != PARSE_OK)
		return exit_of_parse(result);
	bool icmp = pk->proto == (pk->family == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6);
	if (__builtin_expect(pk->fragment != FRAGMENT_NONE, 0)) {
		if (icmp)
			return EXIT_DROP_ICMP_FRAGMENT;
		if (pk->fragment == FRAGMENT_LATER) {
			b->hash[i] = fragment_hash(&t->key, pk);
			return follow_first_fragment(p, t, b, i);
		}
	}
	if (icmp)
		return take_icmp(p, t, b, i, vip);
	uint16_t service = service_table_port(&t->services, vip, pk->proto, pk->dport);
	if (service == SERVICE_NONE)
		return answer_error(&p->answer, t, m, pk, ICMP_PORT_UNREACHABLE, 0,
			EXIT_DROP_NO_SERVICE, p->now);
	b->service[i] = service;
	b->hash[i] = choose_hash(&t->key, &t->service[service], pk);
	return EXIT_PENDING;
}

static void
stage_service(struct pipeline *p, const struct tables *t, uint8_t port, struct burst *b)
{
	for (uint32_t i = 0; i < b->count; i++) {
		if (b->exit[i] != EXIT_PENDING)
			continue;
		const struct packet *pk = &b->packets[i];
		const struct service_entry *vip = service_table_vip(&t->services, &pk->dst);
		b->exit[i] = (uint8_t)(!vip || !vlan_is_served(&t->ports[port], frame_of(b, i), pk)
					       ? punt(p, t, port, b, i, true)
					       : find_service(p, t, port, b, i, vip));
		if (b->exit[i] == EXIT_PENDING && b->backend[i] == 0 &&
			t->service[b->service[i]].affinity != TABLES_AFFINITY_NONE)
			flow_prefetch(p->flows, b->hash[i]);
	}
}

static void
stage_flow(struct pipeline *p, const struct tables *t, struct burst *b)
{
	struct flow_judge judge = choose_judge(t);
	memset(b->flow_events, 0, sizeof(b->flow_events));
	for (uint32_t i = 0; i < b->count; i++) {
		/* Its first may stand in front of it in this very burst, and has its note by now. */
		if (__builtin_expect(b->exit[i] == EXIT_HELD, 0))
			b->exit[i] = (uint8_t)follow_first_fragment(p, t, b, i);
		if (b->exit[i] != EXIT_PENDING || b->backend[i] != 0)
			continue;
		const struct tables_service *service = &t->service[b->service[i]];
		struct choice choice =
			b->quotes[i]
				? choose_without_trace(p->flows, t, service, b->hash[i], p->tick)
				: choose_backend(p->flows, t, &judge, service, &b->packets[i],
					  frame_of(b, i), b->hash[i], p->tick);
		b->backend[i] = choice.backend;
		b->new_flow[i] = choice.new_flow;
		for (uint32_t e = 0; e < choice.event_count; e++)
			b->flow_events[choice.events[e]]++;
		if (choice.backend == 0) {
			b->exit[i] = EXIT_DROP_NO_BACKEND;
			continue;
		}
		__builtin_prefetch(&t->backends[choice.backend]);
		if (__builtin_expect(b->packets[i].fragment == FRAGMENT_FIRST, 0))
			note_first_fragment(p, t, b, i);
	}
}

/* Too long for the way to its backend: in fragments where IPv4 allows it, else the client is told. */
static enum exit
too_big(struct pipeline *p, const struct tables *t, struct burst *b, uint32_t i, uint8_t port)
{
	const struct packet *pk = &b->packets[i];
	const struct tables_backend *backend = &t->backends[b->backend[i]];
	const struct wire_ipv4 *ip = (const void *)(frame_of(b, i) + pk->l3_offset);
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
	uint8_t *l3 = frame_of(b, i) + pk->l3_offset;
	l2_decrement_ttl(l3, pk->family);
	wrap_packet(b->mbufs[i], l3, pk->l3_length, pk->family, pk->tos, backend, slot, &out->mac,
		flow_hash_bucket(b->hash[i]));
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
		if (b->exit[i] == EXIT_PENDING)
			__builtin_prefetch(
				(const void *)&t->slots[t->backends[b->backend[i]].slot]);
	for (uint32_t i = 0; i < b->count; i++)
		if (b->exit[i] == EXIT_PENDING)
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
pipeline_refuse(struct burst *burst, uint32_t i, enum exit exit)
{
	begin(burst, i);
	burst->exit[i] = (uint8_t)exit;
	memset(burst->flow_events, 0, sizeof(burst->flow_events));
}

static inline void
count_traffic(struct traffic *traffic, uint32_t bytes)
{
	counter_add(&traffic->packets, 1);
	counter_add(&traffic->bytes, bytes);
}

void
pipeline_settle(struct pipeline *pipeline, const struct burst *b)
{
	struct pipeline_counters *c = pipeline->counters;
	uint64_t packets = 0, bytes = 0;
	counters_begin(c);
	for (uint32_t i = 0; i < b->count; i++) {
		/* It is received when it leaves. */
		if (b->exit[i] == EXIT_HELD)
			continue;
		packets++;
		bytes += b->frame_length[i];
		count_traffic(&c->exits[b->exit[i]], b->frame_length[i]);
		if (b->backend[i] == 0 || exit_kind(b->exit[i]) == EXIT_KIND_DROPPED)
			continue;
		struct service_counters *service = &c->services[b->service[i]];
		count_traffic(&service->traffic, b->frame_length[i]);
		counter_add(&service->new_flows, b->new_flow[i]);
		count_traffic(&c->backends[b->backend[i]], b->frame_length[i]);
	}
	counter_add(&c->received.packets, packets);
	counter_add(&c->received.bytes, bytes);
	for (int e = 0; e < FLOW_EVENT_COUNT; e++)
		counter_add(&c->flow_events[e], b->flow_events[e]);
	counters_end(c);
}
