/* SPDX-License-Identifier: BSD-3-Clause */
#include "rehearsal.h"

#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "buffer.h"
#include "burst.h"
#include "choose.h"

/* One flow is in it at a time. */
#define CAPACITY 1
/* An answer quotes the packet behind headers of its own. */
#define TAILROOM    128
#define BUFFER_SIZE (RTE_PKTMBUF_HEADROOM + REHEARSAL_FRAME_MAX + TAILROOM)

static_assert(RTE_PKTMBUF_HEADROOM >= BUFFER_HEADROOM_MIN, "frames here are plain");

struct rehearsal {
	struct pipeline pipeline;
	struct burst burst;
	struct flow_table flows;
	void *flow_memory;
	struct rte_mbuf *mbuf;
	uint8_t buffer[BUFFER_SIZE];
};

struct rehearsal *
rehearsal_create(void)
{
	static const struct flow_timeouts timeouts;
	struct rehearsal *r = calloc(1, sizeof(*r));
	if (!r)
		return NULL;
	r->flow_memory = aligned_alloc(sizeof(struct flow_bucket), flow_table_bytes(CAPACITY));
	r->mbuf = aligned_alloc(RTE_CACHE_LINE_SIZE, sizeof(*r->mbuf));
	r->pipeline.notes = fragment_notes_create(ARENA_ANY_NODE);
	if (!r->flow_memory || !r->mbuf || !r->pipeline.notes) {
		rehearsal_destroy(r);
		return NULL;
	}
	flow_table_attach(&r->flows, r->flow_memory, CAPACITY, &timeouts);
	r->pipeline.flows = &r->flows;
	return r;
}

void
rehearsal_destroy(struct rehearsal *r)
{
	if (!r)
		return;
	fragment_notes_destroy(r->pipeline.notes);
	free(r->mbuf);
	free(r->flow_memory);
	free(r);
}

/* Takes a fresh copy of the frame through the stages. */
static void
run(struct rehearsal *r, const struct rehearsal_stage *stage, const uint8_t *frame, uint32_t length,
	const struct fragment_note *resumed)
{
	memcpy(r->buffer + RTE_PKTMBUF_HEADROOM, frame, length);
	memset(r->mbuf, 0, sizeof(*r->mbuf));
	r->mbuf->buf_addr = r->buffer;
	r->mbuf->buf_len = BUFFER_SIZE;
	r->mbuf->data_off = RTE_PKTMBUF_HEADROOM;
	r->mbuf->data_len = (uint16_t)length;
	r->mbuf->pkt_len = length;
	r->mbuf->nb_segs = 1;
	rte_mbuf_refcnt_set(r->mbuf, 1);
	memset(&r->burst, 0, sizeof(r->burst));
	r->burst.count = 1;
	r->burst.mbufs[0] = r->mbuf;
	r->burst.resumed = resumed;
	/* Full meters, every time. */
	memset(&r->pipeline.punt, 0, sizeof(r->pipeline.punt));
	memset(&r->pipeline.answer, 0, sizeof(r->pipeline.answer));
	r->pipeline.now = stage->now;
	r->pipeline.tick = flow_tick(stage->now);
	pipeline_burst(&r->pipeline, stage->tables, stage->port, &r->burst);
}

/* Whether the stages have chosen a backend, or tried to, by flow table and rows. */
static bool
has_chosen(const struct burst *b)
{
	return (b->backend[0] != 0 || b->exit[0] == EXIT_DROP_NO_BACKEND) &&
	       b->packets[0].fragment != FRAGMENT_LATER;
}

/* The live entry of the flow, into the table here; true if there is one. */
static bool
borrow_entry(struct rehearsal *r, const struct rehearsal_stage *stage, struct flow_entry *entry)
{
	struct flow_hit hit = flow_lookup(stage->flows, r->burst.hash[0], r->pipeline.tick);
	if (!hit.place)
		return false;
	struct flow_judge judge = choose_judge(stage->tables);
	struct flow_entry winner;
	*entry = flow_entry_unpack(hit.word);
	memset(r->flow_memory, 0, flow_table_bytes(CAPACITY));
	flow_insert(&r->flows, r->burst.hash[0], *entry, r->pipeline.tick, &judge, &winner);
	return true;
}

static enum explain_why
why_chosen(const struct rehearsal_stage *stage, const struct rehearsed *done)
{
	const struct flow_entry *entry = &done->entry;
	if (done->backend == 0)
		return EXPLAIN_NOBODY;
	if (stage->tables->service[done->service].affinity == TABLES_AFFINITY_NONE)
		return EXPLAIN_NO_AFFINITY;
	if (!done->has_entry)
		return EXPLAIN_BY_ROW;
	if (!tables_accepts(
		    stage->tables, entry->backend, flow_mark(entry->state, entry->generation)))
		return EXPLAIN_OWNER_GONE;
	return done->backend == entry->backend ? EXPLAIN_BY_ENTRY : EXPLAIN_BY_ROW;
}

struct rehearsed
rehearsal_frame(struct rehearsal *r, const struct rehearsal_stage *stage, const uint8_t *frame,
	uint32_t length)
{
	struct rehearsed done = {0};
	memcpy(r->flows.limits, stage->flows->limits, sizeof(r->flows.limits));
	memset(r->flow_memory, 0, flow_table_bytes(CAPACITY));
	run(r, stage, frame, length, NULL);
	if (r->burst.exit[0] == EXIT_HELD) {
		struct fragment_note note =
			fragment_note_find(stage->notes, r->burst.hash[0], r->pipeline.tick);
		if (note.backend != 0)
			run(r, stage, frame, length, &note);
	} else if (has_chosen(&r->burst) &&
		   stage->tables->service[r->burst.service[0]].affinity != TABLES_AFFINITY_NONE) {
		done.has_entry = borrow_entry(r, stage, &done.entry);
		if (done.has_entry)
			run(r, stage, frame, length, NULL);
	}
	const struct burst *b = &r->burst;
	done.exit = (enum exit)b->exit[0];
	done.packet = b->packets[0];
	done.service = b->service[0];
	done.backend = b->backend[0];
	done.is_quote = b->quotes[0];
	if (has_chosen(b))
		done.why = why_chosen(stage, &done);
	return done;
}
