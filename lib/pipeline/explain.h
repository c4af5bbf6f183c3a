/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What would become of a packet of this flow now, asked of the live tables without changing them.
 * Control, while workers run.
 */
#ifndef FAIRLEAD_EXPLAIN_H
#define FAIRLEAD_EXPLAIN_H

#include <stdbool.h>

#include "exits.h"
#include "flow_table.h"
#include "tables.h"

enum explain_why {
	EXPLAIN_NOT_A_VIP,
	EXPLAIN_NO_SERVICE,
	EXPLAIN_BY_ENTRY,    /* the flow table remembers it */
	EXPLAIN_BY_ROW,	     /* no entry: the row table decides */
	EXPLAIN_OWNER_GONE,  /* an entry, but its backend left: the row table decides */
	EXPLAIN_NO_AFFINITY, /* the row table decides for every packet */
	EXPLAIN_NOBODY,	     /* the pool takes no new flows */
};

struct explain_tuple {
	struct ip_addr src, vip;
	uint16_t sport, port;
	uint8_t proto; /* IPPROTO_* */
};

struct explanation {
	enum explain_why why;
	enum exit exit;	  /* what a packet of ordinary size would leave by */
	uint16_t service; /* SERVICE_NONE if there is none */
	uint64_t hash;
	uint32_t row;
	uint16_t row_backend; /* 0: nobody */
	bool has_entry;
	struct flow_entry entry;
	uint16_t entry_age; /* ticks */
	uint16_t backend;   /* 0: nobody */
	uint64_t slot;
};

struct explanation pipeline_explain(const struct tables *tables, const struct flow_table *flows,
	const struct explain_tuple *tuple, uint16_t tick);

/* "the flow table remembers it" … */
const char *explain_why_text(enum explain_why why);

#endif
