/* SPDX-License-Identifier: BSD-3-Clause */
#include "choose.h"

#include <netinet/in.h>

static bool
is_dead(const void *context, struct flow_entry entry)
{
	return !tables_accepts(context, entry.backend, flow_mark(entry.state, entry.generation));
}

static bool
is_reproducible(const void *context, struct flow_entry entry)
{
	const struct tables *tables = context;
	return !is_dead(context, entry) &&
	       tables_row_backend(tables, tables->backends[entry.backend].pool, entry.tag) ==
		       entry.backend;
}

struct flow_judge
choose_judge(const struct tables *tables)
{
	return (struct flow_judge){
		.is_dead = is_dead,
		.is_reproducible = is_reproducible,
		.context = tables,
	};
}

static bool
carries_data(const struct packet *pk, const uint8_t *frame)
{
	const struct wire_tcp *tcp = (const void *)(frame + pk->l4_offset);
	unsigned headers = (unsigned)(pk->l4_offset - pk->l3_offset) + (tcp->offset >> 4) * 4u;
	return pk->l3_length > headers;
}

/* The state of a known flow after this packet. */
static inline enum flow_state
state_after(enum flow_state state, const struct packet *pk, const uint8_t *frame)
{
	if (state >= FLOW_DATAGRAM)
		return state;
	if (pk->tcp_flags & (TCP_FIN | TCP_RST))
		return FLOW_CLOSING;
	if (pk->tcp_flags & TCP_SYN)
		return state;
	if (state == FLOW_CLOSING && !carries_data(pk, frame))
		return FLOW_CLOSING;
	return FLOW_ESTABLISHED;
}

static inline bool
begins_anew(const struct flow_entry *entry, const struct packet *pk)
{
	return entry->state == FLOW_CLOSING &&
	       (pk->tcp_flags & (TCP_SYN | TCP_ACK | TCP_RST)) == TCP_SYN;
}

uint16_t
choose_eventful(struct flow_table *flows, struct flow_hit hit, const struct packet *pk,
	const uint8_t *frame, uint64_t hash, uint16_t tick)
{
	struct flow_entry entry = flow_entry_unpack(hit.word);
	if (begins_anew(&entry, pk)) {
		flow_remove(flows, hash, tick);
		return 0;
	}
	flow_refresh(hit, state_after(entry.state, pk, frame), tick);
	return entry.backend;
}

uint16_t
choose_without_trace(const struct flow_table *flows, const struct tables *tables,
	const struct tables_service *service, uint64_t hash, uint16_t tick)
{
	uint16_t by_row = tables_row_backend(tables, service->pool, flow_hash_tag(hash));
	if (service->affinity == TABLES_AFFINITY_NONE)
		return by_row;
	struct flow_hit hit = flow_lookup(flows, hash, tick);
	uint16_t owner = (uint16_t)(hit.word >> 16);
	return hit.place && tables_accepts(tables, owner, hit.word % FLOW_MARKS) ? owner : by_row;
}
