/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which backend gets a packet: the flow table, else the row table; and what the packet does to the
 * flow's entry. `fairctl explain` asks the same functions, without the part that writes.
 *
 *   TCP, seen from the client's side only:
 *
 *     miss --SYN--> syn --anything else--> established --FIN, RST--> closing
 *     miss --other than SYN and RST--> established          |  ^
 *                    closing --data without FIN, RST--------+  |   (the RST was not the peer's)
 *                    closing --SYN--> a new flow, by its row --+
 *
 * A SYN on a flow that lives goes where the flow goes: whether it is stale, forged or a new
 * connection is for that backend's TCP to say (RFC 9293, 3.10.7.4; RFC 5961, 4).
 * A RST never makes an entry.
 */
#ifndef FAIRLEAD_CHOOSE_H
#define FAIRLEAD_CHOOSE_H

#include <netinet/in.h>

#include "counters.h"
#include "flow_inline.h"
#include "packet.h"
#include "tables.h"
#include "wire.h"

struct choice {
	uint16_t backend; /* 0: nobody */
	uint8_t event; /* enum flow_event: what came of putting it into the table; FLOW_EVENT_MISS:
			   * that was not tried */
};

static inline uint64_t
choose_hash(
	const struct flow_key *key, const struct tables_service *service, const struct packet *pk)
{
	if (service->affinity == TABLES_AFFINITY_CLIENT)
		return flow_hash_client(key, &pk->src, service->salt);
	return flow_hash_tuple(key, &pk->src, &pk->dst, pk->sport, pk->dport, pk->proto);
}

/* Judges entries for the flow table, by a snapshot's tables. Any thread. */
struct flow_judge choose_judge(const struct tables *tables);

/* TCP flags that can change the state of a flow. */
#define CHOOSE_EVENTFUL (TCP_SYN | TCP_FIN | TCP_RST)
/* States that a packet without them leaves as they are. */
#define CHOOSE_QUIET                                                                               \
	(1u << FLOW_ESTABLISHED | 1u << FLOW_DATAGRAM | 1u << FLOW_CLIENT |                        \
		1u << FLOW_CLIENT_DATAGRAM)

/* The same as a mask of flow_mark(). */
#define CHOOSE_QUIET_MARKS                                                                         \
	(0xfu << FLOW_ESTABLISHED * 4 | 0xfu << FLOW_DATAGRAM * 4 | 0xfu << FLOW_CLIENT * 4 |      \
		0xfu << FLOW_CLIENT_DATAGRAM * 4)
static_assert(FLOW_MARKS == 32 && FLOW_GENERATIONS == 4, "four marks a state");

/*
 * The backend of a packet that changes nothing at all of a flow which is found at the first look: most
 * packets. 0: it has to be asked for by flow_find and choose_known or choose_new. Many answers are
 * asked for in a row, and one in twenty is 0 in no order that a CPU could guess: so there is no branch
 * on the way. `accepts` and `backend_limit` are the tables'. Worker.
 */
static inline uint16_t
choose_quick(const struct flow_table *flows, const uint32_t *accepts, uint32_t backend_limit,
	uint64_t hash, uint8_t tcp_flags, uint16_t tick)
{
	uint64_t word = flow_peek(flows, hash);
	uint32_t named = word >> 16 & UINT16_MAX;
	uint32_t backend = named < backend_limit ? named : 0;
	uint32_t refuses = ~((accepts[backend] & CHOOSE_QUIET_MARKS) >> word % FLOW_MARKS) & 1;
	uint64_t differs = (word ^ (hash << 32 | (uint64_t)tick << 5)) & FLOW_TAG_AND_TICK;
	/* By arithmetic, or the compiler would make a branch of each. */
	uint64_t reasons = differs | refuses | (tcp_flags & CHOOSE_EVENTFUL);
	return (uint16_t)(backend & (0u - (uint32_t)(reasons == 0)));
}

/* choose_known, for a packet that may change its flow. */
uint16_t choose_eventful(struct flow_table *flows, struct flow_hit hit, const struct packet *pk,
	const uint8_t *frame, uint64_t hash, uint16_t tick);

/*
 * The backend of a packet whose flow was found, and the entry refreshed; 0 if the packet begins a flow
 * after all: the entry's backend does not take it any more, or a connection begins on the ports of
 * one that closes. Worker. `frame` is read for the length of the TCP header.
 */
static inline uint16_t
choose_known(struct flow_table *flows, const struct tables *tables, struct flow_hit hit,
	const struct packet *pk, const uint8_t *frame, uint64_t hash, uint16_t tick)
{
	uint16_t backend = (uint16_t)(hit.word >> 16);
	unsigned mark = hit.word % FLOW_MARKS;
	if (__builtin_expect(!tables_accepts(tables, backend, mark), 0))
		return 0;
	enum flow_state state = (enum flow_state)(mark >> 2);
	if (__builtin_expect((pk->tcp_flags & CHOOSE_EVENTFUL) || !(CHOOSE_QUIET >> state & 1), 0))
		return choose_eventful(flows, hit, pk, frame, hash, tick);
	flow_refresh(hit, state, tick);
	return backend;
}

/* The state of a flow that begins with this packet. */
static inline enum flow_state
choose_first_state(const struct tables_service *service, const struct packet *pk)
{
	if (service->affinity == TABLES_AFFINITY_CLIENT)
		return pk->proto == IPPROTO_TCP ? FLOW_CLIENT : FLOW_CLIENT_DATAGRAM;
	if (pk->proto != IPPROTO_TCP)
		return FLOW_DATAGRAM;
	if (pk->tcp_flags & TCP_FIN)
		return FLOW_CLOSING;
	return pk->tcp_flags & TCP_SYN ? FLOW_SYN : FLOW_ESTABLISHED;
}

static inline enum flow_event
choose_event_of(enum flow_inserted inserted)
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

/* For a packet whose flow is not known: its row, and a new entry; `only_empty` as for flow_put. Worker. */
static inline struct choice
choose_new(struct flow_table *flows, const struct tables *tables,
	const struct tables_service *service, const struct packet *pk, uint64_t hash, uint16_t tick,
	bool only_empty)
{
	struct choice choice = {.event = FLOW_EVENT_MISS};
	choice.backend = tables_row_backend(tables, service->pool, flow_hash_tag(hash));
	if (choice.backend == 0)
		return choice;
	enum flow_state state = choose_first_state(service, pk);
	if (state != FLOW_CLIENT && pk->proto == IPPROTO_TCP && (pk->tcp_flags & TCP_RST))
		return choice;
	struct flow_judge judge = choose_judge(tables);
	struct flow_entry winner, entry = {
					  .backend = choice.backend,
					  .state = state,
					  .generation = tables->backends[choice.backend].generation,
				  };
	enum flow_inserted inserted =
		flow_put(flows, hash, entry, tick, only_empty, &judge, &winner);
	choice.event = (uint8_t)choose_event_of(inserted);
	/* The winner may be another worker's, under a snapshot that is not this one: then the row. */
	if (inserted != FLOW_FULL &&
		tables_accepts(tables, winner.backend, flow_mark(winner.state, winner.generation)))
		choice.backend = winner.backend;
	return choice;
}

/* For what leaves no trace in the table: packets without affinity, by their row alone, and what is
 * about a flow and not of it (an ICMP error). 0: nobody. Worker. */
uint16_t choose_without_trace(const struct flow_table *flows, const struct tables *tables,
	const struct tables_service *service, uint64_t hash, uint16_t tick);

#endif
