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

/* The state of a flow that begins with this packet. */
static enum flow_state
first_state(const struct tables_service *service, const struct packet *pk)
{
	if (service->affinity == TABLES_AFFINITY_CLIENT)
		return pk->proto == IPPROTO_TCP ? FLOW_CLIENT : FLOW_CLIENT_DATAGRAM;
	if (pk->proto != IPPROTO_TCP)
		return FLOW_DATAGRAM;
	if (pk->tcp_flags & TCP_FIN)
		return FLOW_CLOSING;
	return pk->tcp_flags & TCP_SYN ? FLOW_SYN : FLOW_ESTABLISHED;
}

static inline bool
begins_anew(const struct flow_entry *entry, const struct packet *pk)
{
	return entry->state == FLOW_CLOSING &&
	       (pk->tcp_flags & (TCP_SYN | TCP_ACK | TCP_RST)) == TCP_SYN;
}

static enum flow_event
event_of(enum flow_inserted inserted)
{
	switch (inserted) {
	case FLOW_INSERTED:
		return FLOW_EVENT_INSERTED;
	case FLOW_INSERTED_OVER_SYN:
		return FLOW_EVENT_INSERTED_OVER_SYN;
	case FLOW_INSERTED_OVER_CLOSING:
		return FLOW_EVENT_INSERTED_OVER_CLOSING;
	case FLOW_INSERTED_OVER_REPRODUCIBLE:
		return FLOW_EVENT_INSERTED_OVER_REPRODUCIBLE;
	case FLOW_UPDATED:
		return FLOW_EVENT_UPDATED;
	case FLOW_FULL:
		break;
	}
	return FLOW_EVENT_FULL;
}

struct choice
choose_new(struct flow_table *flows, const struct tables *tables,
	const struct tables_service *service, const struct packet *pk, uint64_t hash, uint16_t tick)
{
	struct choice choice = {.events = {FLOW_EVENT_MISS}, .event_count = 1};
	choice.backend = tables_row_backend(tables, service->pool, flow_hash_tag(hash));
	if (choice.backend == 0)
		return choice;
	enum flow_state state = first_state(service, pk);
	if (state != FLOW_CLIENT && pk->proto == IPPROTO_TCP && (pk->tcp_flags & TCP_RST))
		return choice;
	struct flow_judge judge = choose_judge(tables);
	struct flow_entry winner, entry = {
					  .backend = choice.backend,
					  .state = state,
					  .generation = tables->backends[choice.backend].generation,
				  };
	enum flow_inserted inserted = flow_insert(flows, hash, entry, tick, &judge, &winner);
	choice.events[choice.event_count++] = (uint8_t)event_of(inserted);
	choice.new_flow = inserted != FLOW_UPDATED;
	/* The winner may be another worker's, under a snapshot that is not this one: then the row. */
	if (inserted != FLOW_FULL && !is_dead(tables, winner))
		choice.backend = winner.backend;
	return choice;
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
