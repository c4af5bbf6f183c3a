/* SPDX-License-Identifier: BSD-3-Clause */
#include "burst.h"

#include <netinet/in.h>

#include "choose.h"
#include "l2.h"
#include "parse.h"

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
stage_net(struct pipeline *p, const struct tables *t, uint8_t port, struct burst *b)
{
	for (uint32_t i = 0; i < b->count; i++)
		__builtin_prefetch(frame_of(b, i));
	for (uint32_t i = 0; i < b->count; i++) {
		const struct rte_mbuf *m = b->mbufs[i];
		const uint8_t *frame = frame_of(b, i);
		struct packet *pk = &b->packets[i];
		b->frame_length[i] = (uint16_t)m->pkt_len;
		b->service[i] = SERVICE_NONE;
		b->backend[i] = 0;
		b->new_flow[i] = false;
		b->exit[i] = EXIT_PENDING;
		if (m->nb_segs != 1) {
			b->exit[i] = EXIT_DROP_NOT_CONTIGUOUS;
			continue;
		}
		enum parse_result result = parse_l3(frame, m->data_len, m->pkt_len, pk);
		if (__builtin_expect(result == PARSE_OK, 1)) {
			if (!for_this_station(frame, &t->ports[port].mac))
				b->exit[i] = EXIT_DROP_OTHER_MAC;
			else
				service_table_prefetch(&t->services, &pk->dst);
		} else if (result == PARSE_PUNT_NOT_IP) {
			b->exit[i] = for_this_station(frame, &t->ports[port].mac)
				? (uint8_t)punt_exit(&p->punt, t, port, frame, m->data_len,
					  m->pkt_len, pk, false, p->now)
				: (uint8_t)EXIT_DROP_OTHER_MAC;
		} else {
			b->exit[i] = (uint8_t)exit_of_parse(result);
		}
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

static inline enum exit
judge_upper_layer(const struct packet *pk)
{
	if (pk->fragment != FRAGMENT_NONE)
		return EXIT_DROP_FRAGMENT;
	if (pk->proto == IPPROTO_ICMP || pk->proto == IPPROTO_ICMPV6)
		return EXIT_DROP_ICMP;
	return pk->ttl <= 1 ? EXIT_DROP_TTL_EXPIRED : EXIT_PENDING;
}

static enum exit
find_service(const struct tables *t, struct burst *b, uint32_t i, const struct service_entry *vip)
{
	const struct rte_mbuf *m = b->mbufs[i];
	const uint8_t *frame = frame_of(b, i);
	struct packet *pk = &b->packets[i];
	enum exit exit = judge_vip_packet(t, frame, pk);
	if (exit != EXIT_PENDING)
		return exit;
	enum parse_result result = parse_l4(frame, m->data_len, m->pkt_len, pk);
	if (result != PARSE_OK)
		return exit_of_parse(result);
	exit = judge_upper_layer(pk);
	if (exit != EXIT_PENDING)
		return exit;
	uint16_t service = service_table_port(&t->services, vip, pk->proto, pk->dport);
	if (service == SERVICE_NONE)
		return EXIT_DROP_NO_SERVICE;
	b->service[i] = service;
	return EXIT_PENDING;
}

static void
stage_service(struct pipeline *p, const struct tables *t, uint8_t port, struct burst *b)
{
	for (uint32_t i = 0; i < b->count; i++) {
		if (b->exit[i] != EXIT_PENDING)
			continue;
		const struct rte_mbuf *m = b->mbufs[i];
		const struct packet *pk = &b->packets[i];
		const struct service_entry *vip = service_table_vip(&t->services, &pk->dst);
		/* A VLAN that no configuration names is Linux's, whatever is in it. */
		if (!vip || pk->vlan_tags > 0) {
			b->exit[i] = (uint8_t)punt_exit(&p->punt, t, port, frame_of(b, i),
				m->data_len, m->pkt_len, pk, true, p->now);
			continue;
		}
		b->exit[i] = (uint8_t)find_service(t, b, i, vip);
		if (b->exit[i] != EXIT_PENDING)
			continue;
		const struct tables_service *service = &t->service[b->service[i]];
		b->hash[i] = choose_hash(&t->key, service, pk);
		if (service->affinity != TABLES_AFFINITY_NONE)
			flow_prefetch(p->flows, b->hash[i]);
	}
}

static void
stage_flow(struct pipeline *p, const struct tables *t, struct burst *b)
{
	struct flow_judge judge = choose_judge(t);
	memset(b->flow_events, 0, sizeof(b->flow_events));
	for (uint32_t i = 0; i < b->count; i++) {
		if (b->exit[i] != EXIT_PENDING)
			continue;
		struct choice choice = choose_backend(p->flows, t, &judge,
			&t->service[b->service[i]], &b->packets[i], frame_of(b, i), b->hash[i],
			p->tick);
		b->backend[i] = choice.backend;
		b->new_flow[i] = choice.new_flow;
		for (uint32_t e = 0; e < choice.event_count; e++)
			b->flow_events[choice.events[e]]++;
		if (choice.backend == 0)
			b->exit[i] = EXIT_DROP_NO_BACKEND;
		else
			__builtin_prefetch(&t->backends[choice.backend]);
	}
}

static inline enum exit
send_packet(const struct tables *t, struct burst *b, uint32_t i)
{
	struct rte_mbuf *m = b->mbufs[i];
	const struct packet *pk = &b->packets[i];
	const struct tables_backend *backend = &t->backends[b->backend[i]];
	uint64_t slot = atomic_load_explicit(&t->slots[backend->slot], memory_order_acquire);
	if (!l2_slot_resolved(slot))
		return EXIT_DROP_NEXT_HOP;
	uint8_t port = l2_slot_port(slot);
	uint8_t outer_length = backend->target.header_length;
	if ((uint32_t)pk->l3_length + outer_length > t->ports[port].mtu)
		return EXIT_DROP_TOO_BIG;
	if (m->data_off + (uint32_t)pk->l3_offset < outer_length + l2_length(slot))
		return EXIT_DROP_NO_HEADROOM;

	uint8_t *l3 = frame_of(b, i) + pk->l3_offset;
	l2_decrement_ttl(l3, pk->family);
	struct encap_packet wrapped = {
		.inner = l3,
		.l3_length = pk->l3_length,
		.inner_family = pk->family,
		.tos = pk->tos,
		.entropy = flow_hash_bucket(b->hash[i]),
	};
	backend->encap->wrap(&wrapped, &backend->target);
	uint8_t *start = l2_write(wrapped.outer, slot, &t->ports[port].mac,
		encap_ethertype(&wrapped, &backend->target));

	/* Link padding ends here: what is sent is as long as the IP header says. */
	m->data_off = (uint16_t)(start - (uint8_t *)m->buf_addr);
	m->data_len = (uint16_t)(l3 + pk->l3_length - start);
	m->pkt_len = m->data_len;
	b->out_port[i] = port;
	return EXIT_SENT;
}

static void
stage_send(const struct tables *t, struct burst *b)
{
	for (uint32_t i = 0; i < b->count; i++)
		if (b->exit[i] == EXIT_PENDING)
			__builtin_prefetch((const void *)&t->slots[t->backends[b->backend[i]].slot]);
	for (uint32_t i = 0; i < b->count; i++)
		if (b->exit[i] == EXIT_PENDING)
			b->exit[i] = (uint8_t)send_packet(t, b, i);
}

void
pipeline_burst(
	struct pipeline *pipeline, const struct tables *tables, uint8_t port, struct burst *burst)
{
	stage_net(pipeline, tables, port, burst);
	stage_service(pipeline, tables, port, burst);
	stage_flow(pipeline, tables, burst);
	stage_send(tables, burst);
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
	uint64_t bytes = 0;
	counters_begin(c);
	for (uint32_t i = 0; i < b->count; i++) {
		bytes += b->frame_length[i];
		count_traffic(&c->exits[b->exit[i]], b->frame_length[i]);
		if (b->exit[i] != EXIT_SENT)
			continue;
		struct service_counters *service = &c->services[b->service[i]];
		count_traffic(&service->traffic, b->frame_length[i]);
		counter_add(&service->new_flows, b->new_flow[i]);
		count_traffic(&c->backends[b->backend[i]], b->frame_length[i]);
	}
	counter_add(&c->received.packets, b->count);
	counter_add(&c->received.bytes, bytes);
	for (int e = 0; e < FLOW_EVENT_COUNT; e++)
		counter_add(&c->flow_events[e], b->flow_events[e]);
	counters_end(c);
}
