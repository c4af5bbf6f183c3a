/* SPDX-License-Identifier: BSD-3-Clause */
#include "counters.h"

static const struct {
	const char *name, *meaning;
} events[FLOW_EVENT_COUNT] = {
#define FLOW_EVENT_ROW(enumerator, name, text) [FLOW_EVENT_##enumerator] = {#name, text},
	FLOW_EVENTS(FLOW_EVENT_ROW)
#undef FLOW_EVENT_ROW
};

const char *
flow_event_name(enum flow_event event)
{
	return events[event].name;
}

const char *
flow_event_meaning(enum flow_event event)
{
	return events[event].meaning;
}

/* What is read between two steps of the sequence, to be added only when it belongs together. */
struct reading {
	uint64_t received, received_bytes;
	uint64_t packets[EXIT_COUNT], bytes[EXIT_COUNT];
	uint64_t flow_events[FLOW_EVENT_COUNT];
};

static void
read_all(struct reading *r, const struct pipeline_counters *c)
{
	r->received = counter_read(&c->received.packets);
	r->received_bytes = counter_read(&c->received.bytes);
	for (int i = 0; i < EXIT_COUNT; i++) {
		r->packets[i] = counter_read(&c->exits[i].packets);
		r->bytes[i] = counter_read(&c->exits[i].bytes);
	}
	for (int i = 0; i < FLOW_EVENT_COUNT; i++)
		r->flow_events[i] = counter_read(&c->flow_events[i]);
}

void
counters_add_to(struct totals *totals, const struct pipeline_counters *counters)
{
	struct reading r;
	uint32_t before, after;
	do {
		before = atomic_load_explicit(&counters->sequence, memory_order_acquire);
		read_all(&r, counters);
		atomic_thread_fence(memory_order_acquire);
		after = atomic_load_explicit(&counters->sequence, memory_order_relaxed);
	} while (before != after || (before & 1));

	totals->received += r.received;
	totals->received_bytes += r.received_bytes;
	for (int i = 0; i < EXIT_COUNT; i++) {
		totals->packets[i] += r.packets[i];
		totals->bytes[i] += r.bytes[i];
		totals->by_kind[exit_kind((enum exit)i)] += r.packets[i];
	}
	for (int i = 0; i < FLOW_EVENT_COUNT; i++)
		totals->flow_events[i] += r.flow_events[i];
}
