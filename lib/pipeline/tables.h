/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a burst reads: the working part of a snapshot. Frozen when it is published; on a machine with
 * several NUMA nodes each has its own copy. The only thing in reach that changes is the content of
 * the next-hop slots, one atomic word each.
 *
 *   packet -> services -> service -> pool -> rows[row] ─┐
 *                            flow table entry ──────────┴-> backends[index] -> slots[slot]
 *
 * control: builds; workers: ro.
 */
#ifndef FAIRLEAD_TABLES_H
#define FAIRLEAD_TABLES_H

#include <stdbool.h>

#include "encap.h"
#include "flow_hash.h"
#include "flow_table.h"
#include "l2_slot.h"
#include "bounds.h"
#include "outer_source.h"
#include "service_table.h"

enum tables_affinity {
	TABLES_AFFINITY_FLOW,
	TABLES_AFFINITY_CLIENT,
	TABLES_AFFINITY_NONE,
};

struct tables_service {
	uint64_t salt; /* flow_salt() of its name */
	uint16_t pool;
	uint8_t affinity; /* enum tables_affinity */
};

struct tables_pool {
	const uint16_t *rows;
	uint32_t row_count;
};

/* Whose flows a backend keeps. */
#define TABLES_KEEPS_TCP                                                                           \
	(1u << FLOW_SYN | 1u << FLOW_ESTABLISHED | 1u << FLOW_CLOSING | 1u << FLOW_CLIENT)
#define TABLES_KEEPS_UDP (1u << FLOW_DATAGRAM | 1u << FLOW_CLIENT_DATAGRAM)

/* Indexed by the backend's index; the first line is all that mode l2 reads. */
struct tables_backend {
	const struct encap *encap; /* NULL: nobody has this index, or the backend is disabled */
	uint32_t slot;		   /* in tables.slots */
	uint16_t pool;
	uint8_t generation;
	struct encap_target target;
} __attribute__((aligned(64)));
static_assert(offsetof(struct tables_backend, target.header) <= 64 &&
		      sizeof(struct tables_backend) == 128,
	"two cache lines, and all but the prepared header in the first");

struct tables_port {
	struct mac_addr mac;
	uint16_t mtu;
	bool has_kernel_path;
	bool answers_neighbours; /* that ask for VIPs */
	uint64_t vlans[64];	 /* one bit a VLAN that is served; only frames with a tag ask */
};

static_assert(offsetof(struct tables_port, mac) == 0 && sizeof(struct tables_port) >= 8,
	"tables_station() reads a word");

/* The l2_mac_word() of a port, by one load. */
static inline uint64_t
tables_station(const struct tables_port *port)
{
	uint64_t word;
	memcpy(&word, port, sizeof(word));
	return word & UINT64_C(0xffffffffffff);
}

struct tables {
	struct service_table services;
	const struct tables_service *service; /* by service number */
	const struct tables_pool *pools;
	const struct tables_backend *backends; /* [0 .. backend_limit) */
	/* By backend index: the entries that are its own, one bit a flow_mark(). Apart from the
	 * backends, so that thousands of them are asked in a few cache lines. [0] is nobody, and 0. */
	const uint32_t *accepts;
	const l2_slot *slots;
	uint32_t backend_limit;
	uint32_t outer_bytes;	/* the longest that a backend's mode puts in front of a packet */
	uint32_t service_limit; /* numbers lie below it; some may be nobody's */
	uint32_t port_count;
	/* What our own tunnels send with; only what is not for a VIP is held against it. */
	const struct outer_source *outer_sources;
	uint32_t outer_source_count;
	struct flow_key key;
	struct tables_port ports[PORTS_MAX];
	/* Packets a second that each worker may punt, per port. */
	uint32_t punt_control_pps, punt_other_pps;
	/* Pings and errors a second that each worker answers. */
	uint32_t icmp_echo_pps, icmp_errors_pps;
	/* Neighbours a second that each worker tells where a VIP is. */
	uint32_t neighbours_pps;
};

/* What a backend of this generation accepts, that keeps flows of these states (one bit each). */
static inline uint32_t
tables_accepting(uint8_t generation, unsigned states)
{
	uint32_t marks = 0;
	for (int state = 0; state < FLOW_STATES; state++)
		if (states & 1u << state)
			marks |= 1u << flow_mark((enum flow_state)state, generation);
	return marks;
}

/* Whether an entry of this mark goes to the backend that it names: not if that has gone, or its index
 * is another one's now, or it is down and its flows are to move. */
static inline bool
tables_accepts(const struct tables *tables, uint16_t backend, unsigned mark)
{
	return backend < tables->backend_limit && (tables->accepts[backend] >> mark & 1);
}

/* Whether an index is, now, the backend of that generation. */
static inline bool
tables_is(const struct tables *tables, uint16_t backend, uint8_t generation)
{
	return backend < tables->backend_limit && tables->backends[backend].encap &&
	       tables->backends[backend].generation == generation;
}

/* What the row table says for a tag. 0 (ROWS_NOBODY) if the pool has nobody. */
static inline uint16_t
tables_row_backend(const struct tables *tables, uint16_t pool, uint32_t tag)
{
	const struct tables_pool *p = &tables->pools[pool];
	return p->rows[tag & (p->row_count - 1)];
}

/* Fetches that row ahead. Inlined by force, as all that only fetches (flow_inline.h). */
static inline __attribute__((always_inline)) void
tables_prefetch_row(const struct tables *tables, uint16_t pool, uint32_t tag)
{
	const struct tables_pool *p = &tables->pools[pool];
	__builtin_prefetch(&p->rows[tag & (p->row_count - 1)]);
}

#endif
