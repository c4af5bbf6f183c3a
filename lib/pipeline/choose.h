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

#include "counters.h"
#include "flow_table.h"
#include "packet.h"
#include "tables.h"
#include "wire.h"

struct choice {
	uint16_t backend; /* 0: nobody */
	bool new_flow;
	uint8_t event_count;
	uint8_t events[2]; /* enum flow_event */
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

/* For a packet whose flow is not known: its row, and a new entry. Worker. */
struct choice choose_new(struct flow_table *flows, const struct tables *tables,
	const struct tables_service *service, const struct packet *pk, uint64_t hash,
	uint16_t tick);

/* For what leaves no trace in the table: packets without affinity, by their row alone, and what is
 * about a flow and not of it (an ICMP error). 0: nobody. Worker. */
uint16_t choose_without_trace(const struct flow_table *flows, const struct tables *tables,
	const struct tables_service *service, uint64_t hash, uint16_t tick);

#endif
