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

/* Looks up, and inserts or refreshes. Workers. `frame` is read for the length of the TCP header. */
struct choice choose_backend(struct flow_table *flows, const struct tables *tables,
	const struct flow_judge *judge, const struct tables_service *service,
	const struct packet *pk, const uint8_t *frame, uint64_t hash, uint16_t tick);

/* For what is about a flow and not of it (an ICMP error): the entry is neither made nor refreshed. */
struct choice choose_without_trace(const struct flow_table *flows, const struct tables *tables,
	const struct tables_service *service, uint64_t hash, uint16_t tick);

#endif
