/* SPDX-License-Identifier: BSD-3-Clause */
/* What becomes of a burst that has been through the stages: counted, split, refused. */
#include "burst.h"

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

void
pipeline_refuse(struct burst *burst, enum exit exit)
{
	memset(burst->exit, (int)exit, sizeof(burst->exit));
	memset(burst->service, 0xff, sizeof(burst->service)); /* SERVICE_NONE */
	memset(burst->backend, 0, sizeof(burst->backend));
	memset(burst->flow_events, 0, sizeof(burst->flow_events));
	burst->new_flows = 0;
	for (uint32_t i = 0; i < burst->count; i++)
		burst->frame_length[i] = (uint16_t)burst->mbufs[i]->pkt_len;
}

static inline void
count_traffic(struct traffic *traffic, uint64_t packets, uint64_t bytes)
{
	counter_add(&traffic->packets, packets);
	counter_add(&traffic->bytes, bytes);
}

/* Whether a full burst is for one service. */
static inline bool
is_of_one_service(const struct burst *b)
{
	uint16_t differs = 0;
	for (uint32_t i = 0; i < BURST_MAX; i++)
		differs |= b->service[i] ^ b->service[0];
	return b->count == BURST_MAX && differs == 0;
}

/* The places from `first` on, to the one that is returned, left by one exit. */
static inline uint32_t
end_of_run(const struct burst *b, uint32_t first)
{
	if (first == 0 && b->count == BURST_MAX && burst_is_all(b->exit, b->exit[0]))
		return BURST_MAX;
	uint32_t i = first + 1;
	while (i < b->count && b->exit[i] == b->exit[first])
		i++;
	return i;
}

static inline void
count_for_service(struct pipeline_counters *c, uint16_t number, uint64_t packets, uint64_t bytes,
	uint32_t new_flows)
{
	struct service_counters *service = &c->services[number];
	count_traffic(&service->traffic, packets, bytes);
	if (new_flows != 0)
		counter_add(&service->new_flows, (uint64_t)__builtin_popcount(new_flows));
}

static inline void
settle_run(struct pipeline_counters *c, const struct burst *b, uint32_t first, uint32_t end,
	bool one_service)
{
	uint8_t exit = b->exit[first];
	/* It is received when it leaves. */
	if (exit == EXIT_HELD)
		return;
	/* Packets that got as far as a backend, or Linux in its place, are that backend's and their
	 * service's. */
	bool is_dropped = exit_kind(exit) == EXIT_KIND_DROPPED;
	uint64_t packets = end - first, bytes = 0;
	for (uint32_t i = first; i < end; i++) {
		uint64_t length = b->frame_length[i];
		bytes += length;
		uint16_t backend = b->backend[i];
		if (__builtin_expect(backend == 0 || is_dropped, 0))
			continue;
		count_traffic(&c->backends[backend], 1, length);
		if (!one_service)
			count_for_service(
				c, b->service[i], 1, length, b->new_flows & (uint32_t)1 << i);
	}
	count_traffic(&c->received, packets, bytes);
	count_traffic(&c->exits[exit], packets, bytes);
	if (one_service && b->backend[first] != 0 && !is_dropped)
		count_for_service(c, b->service[first], packets, bytes, b->new_flows);
}

void
pipeline_settle(struct pipeline *pipeline, const struct burst *b)
{
	struct pipeline_counters *c = pipeline->counters;
	counters_begin(c);
	for (uint32_t first = 0, end; first < b->count; first = end) {
		end = end_of_run(b, first);
		settle_run(c, b, first, end, end - first == BURST_MAX && is_of_one_service(b));
	}
	for (int e = 0; e < FLOW_EVENT_COUNT; e++)
		counter_add(&c->flow_events[e], b->flow_events[e]);
	counters_end(c);
}
