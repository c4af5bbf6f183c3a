/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The path of a burst, from received frames to named exits. Every packet of it is taken through one
 * stage before any goes to the next, so that what a stage will read can be fetched while others
 * are worked on:
 *
 *   net      parse L2 and L3, of plain     malformed -> drop
 *            frames (parse_plain.h) L4 too
 *   service  VIP? -> parse L4 -> service   not a VIP -> punt; ping, no service -> answer;
 *                                          "who has this VIP?" -> answer
 *   flow     hash, look up; else row, insert
 *   send     next hop, TTL, size           expired, too big -> answer
 *            outer header, Ethernet header -> SENT, to a port
 *
 * An ICMP error to a VIP takes the way of the flow that it quotes, and leaves no trace in the table.
 * A later fragment takes the way that its first one noted; if there is no note yet its exit is
 * EXIT_HELD: the caller holds it (fragment.h) and brings it again when there is one.
 *
 * Nothing here sends or frees: the caller does what the exits say and then settles the account. The
 * pool is used for frames that are not plain (buffer.h) and to fragment; without one, as in tests
 * and fuzzers that have no EAL, those are dropped by name.
 *
 * One worker calls it with its own state; nothing is shared but the flow table.
 */
#ifndef FAIRLEAD_BURST_H
#define FAIRLEAD_BURST_H

#include <rte_mbuf.h>

#include "answer.h"
#include "counters.h"
#include "flow_table.h"
#include "fragment.h"
#include "packet.h"
#include "punt.h"
#include "split.h"
#include "tables.h"

/* A worker's own state, over all bursts. */
struct pipeline {
	struct pipeline_counters *counters;
	struct flow_table *flows;
	struct rte_mempool *pool;     /* or NULL */
	struct fragment_notes *notes; /* shared by all workers */
	struct punt_meter punt;
	struct answer_meter answer;
	struct mono now; /* the worker renews it every millisecond or so */
	uint16_t tick;
	bool has_ipv6; /* the last burst had */
	/* Flows that found no place in the table, at `now`, however it was searched. */
	uint32_t vain_searches;
	struct mono vain_at;
};

/* A burst. The caller fills count, which is not 0, mbufs and resumed; pipeline_burst the rest. */
struct burst {
	uint32_t count;
	struct rte_mbuf *mbufs[BURST_MAX];
	/* The note of a fragment that has waited and comes again, alone; NULL otherwise. */
	const struct fragment_note *resumed;
	uint8_t exit[BURST_MAX];     /* enum exit */
	uint8_t out_port[BURST_MAX]; /* where the exit is SENT*, or ANSWERED_* */

	/* between the stages; masks have one bit a place */
	uint32_t plain;				    /* seen to by parse_plain */
	uint32_t sought;			    /* whose flow is looked up */
	uint32_t new_flows;			    /* of which a flow began */
	uint8_t *frames[BURST_MAX];		    /* first byte */
	uint16_t frame_length[BURST_MAX];	    /* as received */
	const struct service_entry *vip[BURST_MAX]; /* where the destination's would be */
	uint16_t service[BURST_MAX];		    /* SERVICE_NONE until it is known */
	uint16_t backend[BURST_MAX];		    /* 0 until it is known */
	bool quotes
		[BURST_MAX]; /* an ICMP error: hash and service are those of the flow it quotes */
	uint8_t flow_events[FLOW_EVENT_COUNT];
	bool found_no_place;	  /* a flow of this burst, after a search */
	uint64_t hash[BURST_MAX]; /* 0 until it is known */
	struct packet packets[BURST_MAX];
};

/* Whether all 32 bytes are this one. */
static inline bool
burst_is_all(const uint8_t bytes[BURST_MAX], uint8_t byte)
{
	uint64_t words[BURST_MAX / sizeof(uint64_t)], differs = 0;
	memcpy(words, bytes, sizeof(words));
	for (size_t i = 0; i < BURST_MAX / sizeof(uint64_t); i++)
		differs |= words[i] ^ byte * UINT64_C(0x0101010101010101);
	return differs == 0;
}

/* Takes `burst`, received on `port`, through all stages; afterwards every exit is set, and frames
 * whose exit is SENT or ANSWERED_* are ready for the wire. Frames that are punted are as they were
 * received. A frame that was not plain may have been replaced by a copy in burst->mbufs. By which
 * instructions that is done, burst_isa.h says. */
void pipeline_burst(
	struct pipeline *pipeline, const struct tables *tables, uint8_t port, struct burst *burst);

/* For place `i`, whose exit is SENT_IN_FRAGMENTS: the frames to send to its out_port (split.h). The
 * original stays to be freed. 0: it is EXIT_DROP_NO_BUFFER. */
unsigned pipeline_split(struct pipeline *pipeline, const struct tables *tables,
	const struct burst *burst, uint32_t i, struct rte_mbuf *pieces[SPLIT_PIECES_MAX]);

/* Whether all of a full burst goes out by one port. */
static inline bool
burst_is_sent_whole(const struct burst *burst)
{
	return burst->count == BURST_MAX && burst_is_all(burst->exit, EXIT_SENT) &&
	       burst_is_all(burst->out_port, burst->out_port[0]);
}

/* Gives all places an exit without looking at the frames: for what has waited in vain. */
void pipeline_refuse(struct burst *burst, enum exit exit);

/* Counts the burst by its exits. The caller may have changed some since: what could not be sent or
 * punted leaves by EXIT_DROP_TX_FULL or EXIT_DROP_PUNT_FULL. */
void pipeline_settle(struct pipeline *pipeline, const struct burst *burst);

#endif
