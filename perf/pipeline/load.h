/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the packets of a case are to the flow table, and what must become of them. "Known" flows are
 * numbers 0 to flow_count - 1.
 *
 *   kind   packets                            table                   must be counted, a packet
 *   hit    ACKs of known flows                known flows             sent, hit
 *   miss   RSTs of unknown flows: looked up,  known flows             sent, miss
 *          not inserted, sent by their row
 *   new    SYNs of unknown flows              known flows             sent, miss, inserted
 *   full   SYNs of unknown flows: looked up,  every place has a live  sent, miss, full
 *          no place found, sent by their row  flow that only the
 *                                             table remembers
 *   flood  half hit, half full, in random     the same                sent; hit, or miss and full
 *          order
 *
 * The table is laid out for flow_count flows (at least FLOW_CAPACITY_MIN), so known flows fill 48 to
 * 60 % of it. What "new" inserts is taken out after each run, so that it stays so.
 *
 * Flows are known by 64 bits: an unknown one is taken for a known one about once in 300 million
 * look-ups in a full table. One packet of a run may so be a hit; anything else that is not as said
 * ends the program.
 */
#ifndef FAIRLEAD_LOAD_H
#define FAIRLEAD_LOAD_H

#include "forwarder.h"
#include "generator.h"

enum load_kind {
	LOAD_HIT,
	LOAD_MISS,
	LOAD_NEW,
	LOAD_FULL,
	LOAD_FLOOD,
	LOAD_KINDS,
};
extern const char *const load_kinds[LOAD_KINDS]; /* "hit", "miss" … */

#define LOAD_LEFT_OUT_MAX 16

/* The tables of one number of flows and one family. */
struct load_tables {
	struct flow_table known, full;
	size_t bytes; /* of each */
	uint64_t flow_count;
	uint64_t next_unknown; /* numbers of flows that were never sent */
	/* Of the known flows, those that found no place: they are not sent. One in ten million. */
	uint64_t left_out[LOAD_LEFT_OUT_MAX];
	uint32_t left_out_count;
};

/* Makes and fills both; load_tables_free gives the memory back. */
void load_tables_make(struct load_tables *tables, struct forwarder *f, struct generator *generator,
	uint64_t flow_count);
void load_tables_free(struct load_tables *tables);

/* The buffers of one queue, in random order. Warm runs use the first ones, as a port does whose buffers
 * come back from sending soon; cold ones go round. */
struct load_buffers {
	struct rte_mbuf **ring;
	uint32_t count, next; /* count: a multiple of DEVICE_FRAMES_MAX */
};

struct load {
	enum load_kind kind;
	unsigned mode; /* of the forwarder */
	bool cold;     /* buffers and frames are out of the cache, as a NIC without DDIO leaves
				 them; else they were just written */
	struct forwarder *forwarder;
	struct load_tables *tables;
	struct generator *generator;
	struct load_buffers *buffers; /* [DEVICE_QUEUES] */
};

/* Frames of one run on each queue: few beside the flows, where each is one more. */
uint32_t load_run_length(const struct load *load);

/* Before a round: the table, through which another case may have come since, is in the cache as far as it
 * fits, as it is when nothing else runs. */
void load_warm_up(const struct load *load);

/* One run of all queues below `workers`: writes the frames, lets the workers take them, makes sure that
 * all is as said, and tidies up. Cycles a packet of the whole, generator excluded. */
double load_run(const struct load *load, unsigned workers);

/* The same frames, not looked at: received and sent again. */
double load_run_io(const struct load *load);

#endif
