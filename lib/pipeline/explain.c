/* SPDX-License-Identifier: BSD-3-Clause */
#include "explain.h"

#include "choose.h"

const char *
explain_why_text(enum explain_why why)
{
	static const char *const texts[] = {
		[EXPLAIN_NOT_A_VIP] = "the address is no VIP: the packet is Linux's",
		[EXPLAIN_NO_SERVICE] = "the VIP has no service of this protocol and port",
		[EXPLAIN_BY_ENTRY] = "the flow table remembers the flow",
		[EXPLAIN_BY_ROW] = "a new flow: its row decides",
		[EXPLAIN_OWNER_GONE] = "the flow's backend has gone, or is down: its row decides",
		[EXPLAIN_NO_AFFINITY] = "affinity none: the row decides for every packet",
		[EXPLAIN_NOBODY] = "no backend of the pool takes new flows",
	};
	return texts[why];
}

static void
explain_backend(struct explanation *e, const struct tables *tables, const struct flow_table *flows,
	const struct tables_service *service, uint16_t tick)
{
	uint32_t tag = flow_hash_tag(e->hash);
	e->row = tag & (tables->pools[service->pool].row_count - 1);
	e->row_backend = tables_row_backend(tables, service->pool, tag);
	e->backend = e->row_backend;
	e->why = EXPLAIN_BY_ROW;
	if (service->affinity == TABLES_AFFINITY_NONE) {
		e->why = EXPLAIN_NO_AFFINITY;
	} else {
		struct flow_hit hit = flow_lookup(flows, e->hash, tick);
		e->has_entry = hit.place != NULL;
		if (e->has_entry) {
			e->entry = flow_entry_unpack(hit.word);
			e->entry_age = flow_age(e->entry.tick, tick);
			e->why = EXPLAIN_OWNER_GONE;
			if (tables_accepts(tables, e->entry.backend, hit.word % FLOW_MARKS)) {
				e->backend = e->entry.backend;
				e->why = EXPLAIN_BY_ENTRY;
			}
		}
	}
	if (e->backend == 0)
		e->why = EXPLAIN_NOBODY;
}

struct explanation
pipeline_explain(const struct tables *tables, const struct flow_table *flows,
	const struct explain_tuple *tuple, uint16_t tick)
{
	struct explanation e = {
		.why = EXPLAIN_NOT_A_VIP,
		.exit = EXIT_PUNTED_OTHER,
		.service = SERVICE_NONE,
		.slot = L2_SLOT_UNRESOLVED,
	};
	const struct service_entry *vip = service_table_vip(&tables->services, &tuple->vip);
	if (!vip)
		return e;
	e.why = EXPLAIN_NO_SERVICE;
	e.exit = EXIT_ANSWERED_NO_SERVICE;
	e.service = service_table_port(&tables->services, vip, tuple->proto, tuple->port);
	if (e.service == SERVICE_NONE)
		return e;
	const struct tables_service *service = &tables->service[e.service];
	struct packet pk = {
		.src = tuple->src,
		.dst = tuple->vip,
		.sport = tuple->sport,
		.dport = tuple->port,
		.proto = tuple->proto,
	};
	e.hash = choose_hash(&tables->key, service, &pk);
	explain_backend(&e, tables, flows, service, tick);
	if (e.backend == 0) {
		e.exit = EXIT_DROP_NO_BACKEND;
		return e;
	}
	if (!tables->backends[e.backend].encap->wrap) {
		e.exit = EXIT_PUNTED_SERVICE;
		return e;
	}
	e.slot = atomic_load_explicit(
		&tables->slots[tables->backends[e.backend].slot], memory_order_acquire);
	e.exit = l2_slot_resolved(e.slot) ? EXIT_SENT : EXIT_DROP_NEXT_HOP;
	return e;
}
