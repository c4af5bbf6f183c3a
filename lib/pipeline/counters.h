/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What one worker counts. Nobody else writes it; a reader sums over the workers.
 *
 * A burst is accounted as a whole, between two steps of `sequence` (odd: under way), so a reader that
 * finds the same even number before and after has numbers that belong together, and the identity of
 * exits.h holds in them. Counters never go back and survive reloads: services and backends are
 * counted under numbers that belong to their names for as long as the process runs.
 */
#ifndef FAIRLEAD_COUNTERS_H
#define FAIRLEAD_COUNTERS_H

#include <stdatomic.h>
#include <stdint.h>

#include "exits.h"
#include "bounds.h"

typedef _Atomic uint64_t counter; // its worker: rw; everyone: ro

/* Plain addition: there is one writer. */
static inline void
counter_add(counter *c, uint64_t n)
{
	uint64_t value = atomic_load_explicit(c, memory_order_relaxed);
	atomic_store_explicit(c, value + n, memory_order_relaxed);
}

static inline uint64_t
counter_read(const counter *c)
{
	return atomic_load_explicit(c, memory_order_relaxed);
}

struct traffic {
	counter packets, bytes; /* bytes of frames as received, without FCS */
};

/* What happened at the flow table. */
/* clang-format off */
#define FLOW_EVENTS(X) /* enumerator, name, what an operator reads */ \
	X(HIT, hit, "packets of a known flow") \
	X(MISS, miss, "packets of an unknown flow, or of one whose backend is gone") \
	X(INSERTED, inserted, "flows put into the table") \
	X(INSERTED_OVER_SYN, inserted_over_syn, "flows put in the place of a half-open one: the table is full") \
	X(INSERTED_OVER_CLOSING, inserted_over_closing, "flows put in the place of a closing one: the table is full") \
	X(INSERTED_OVER_REPRODUCIBLE, inserted_over_reproducible, "flows put in the place of one that its row alone keeps in place") \
	X(UPDATED, updated, "flows that another worker had put in, or given a new backend") \
	X(FULL, full, "flows that found no place and go by their row")
/* clang-format on */

enum flow_event {
#define FLOW_EVENT_ENUM(enumerator, name, text) FLOW_EVENT_##enumerator,
	FLOW_EVENTS(FLOW_EVENT_ENUM)
#undef FLOW_EVENT_ENUM
		FLOW_EVENT_COUNT,
};

struct service_counters {
	struct traffic traffic;
	counter new_flows;
};

struct pipeline_counters {
	_Atomic uint32_t sequence;
	struct traffic received;
	struct traffic exits[EXIT_COUNT];
	counter flow_events[FLOW_EVENT_COUNT];
	counter bursts;		/* that were not empty */
	counter polls;		/* of all ports, empty ones too */
	counter busy_cycles;	/* of the TSC, in polls that found packets */
	counter kernel_sent;	/* frames from Linux and from control that a port took */
	counter kernel_tx_full; /* … and that it had no room for */
	struct service_counters services[SERVICES_MAX];
	struct traffic backends[BACKENDS_MAX + 1];
};

static inline void
counters_begin(struct pipeline_counters *c)
{
	uint32_t s = atomic_load_explicit(&c->sequence, memory_order_relaxed);
	atomic_store_explicit(&c->sequence, s + 1, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
}

static inline void
counters_end(struct pipeline_counters *c)
{
	uint32_t s = atomic_load_explicit(&c->sequence, memory_order_relaxed);
	atomic_store_explicit(&c->sequence, s + 1, memory_order_release);
}

/* A sum over workers, of what belongs together. */
struct totals {
	uint64_t received, received_bytes;
	uint64_t packets[EXIT_COUNT], bytes[EXIT_COUNT];
	uint64_t by_kind[EXIT_KINDS];
	uint64_t flow_events[FLOW_EVENT_COUNT];
};

/* Adds one worker's numbers to `totals`. Any thread. */
void counters_add_to(struct totals *totals, const struct pipeline_counters *counters);

/* "hit", "inserted_over_syn" … */
const char *flow_event_name(enum flow_event event);
const char *flow_event_meaning(enum flow_event event);

#endif
