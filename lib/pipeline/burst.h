/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The path of a burst, from received frames to named exits. Every packet of it is taken through one
 * stage before any goes to the next, so that what a stage will read can be fetched while others
 * are worked on:
 *
 *   net      parse L2 and L3            malformed -> drop
 *   service  VIP? -> parse L4 -> service   not a VIP -> punt; no service -> drop
 *   flow     hash, look up; else row, insert
 *   backend  next hop, size
 *   encap    TTL, outer header, Ethernet header   -> SENT, to a port
 *
 * Nothing here sends, frees or allocates: the caller does what the exits say and then settles the
 * account. Frames are struct rte_mbuf, of which only data pointers and lengths are used, so tests
 * and fuzzers need neither EAL nor pools.
 *
 * One worker calls it with its own state; nothing is shared but the flow table.
 */
#ifndef FAIRLEAD_BURST_H
#define FAIRLEAD_BURST_H

#include <rte_mbuf.h>

#include "counters.h"
#include "flow_table.h"
#include "packet.h"
#include "punt.h"
#include "tables.h"

/* A worker's own state, over all bursts. */
struct pipeline {
	struct pipeline_counters *counters;
	struct flow_table *flows;
	struct punt_meter punt;
	struct mono now; /* the worker renews it every millisecond or so */
	uint16_t tick;
};

/* A burst. The caller fills count and mbufs; pipeline_burst the rest. */
struct burst {
	uint32_t count;
	struct rte_mbuf *mbufs[BURST_MAX];
	uint8_t exit[BURST_MAX];     /* enum exit */
	uint8_t out_port[BURST_MAX]; /* where the exit is SENT */

	/* between the stages */
	uint16_t frame_length[BURST_MAX]; /* as received */
	uint16_t service[BURST_MAX];	  /* SERVICE_NONE until it is known */
	uint16_t backend[BURST_MAX];	  /* 0 until it is known */
	bool new_flow[BURST_MAX];
	uint8_t flow_events[FLOW_EVENT_COUNT];
	uint64_t hash[BURST_MAX];
	struct packet packets[BURST_MAX];
};

/* Takes `burst`, received on `port`, through all stages; afterwards every exit is set, and frames whose
 * exit is SENT are ready for the wire. Frames of other exits are as they were received. */
void pipeline_burst(struct pipeline *pipeline, const struct tables *tables, uint8_t port,
	struct burst *burst);

/* Counts the burst by its exits. The caller may have changed some since: what could not be sent or
 * punted leaves by EXIT_DROP_TX_FULL or EXIT_DROP_PUNT_FULL. */
void pipeline_settle(struct pipeline *pipeline, const struct burst *burst);

#endif
