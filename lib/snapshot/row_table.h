/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A pool's rows, built once and shared by all snapshots in which the pool is the same: they are most
 * of a snapshot's memory and of its building time. Counted references; frozen from the start.
 * One copy for each NUMA node that has workers. Control only; workers read `rows`.
 */
#ifndef FAIRLEAD_ROW_TABLE_H
#define FAIRLEAD_ROW_TABLE_H

#include "flow_hash.h"
#include "rows.h"

struct row_table;

/* Who a backend is in rows_member: the keyed hash of its name, the same in every snapshot. */
uint64_t row_identity(const struct flow_key *key, const char *pool, const char *backend);

/* One reference; the members are copied. NULL when memory is out. */
struct row_table *row_table_build(const struct rows_member *members, size_t member_count,
	uint32_t row_count, const int *numa_nodes, uint32_t node_count);
struct row_table *row_table_share(struct row_table *table);

/* Whether row_table_build would make the very same table of these members, given in the same order. */
bool row_table_is_of(const struct row_table *table, const struct rows_member *members,
	size_t member_count, uint32_t row_count);

/* NULL is allowed. */
void row_table_release(struct row_table *table);

uint32_t row_table_count(const struct row_table *table);
/* `node` counts the nodes given to row_table_build. */
const uint16_t *row_table_rows(const struct row_table *table, uint32_t node);
size_t row_table_bytes(const struct row_table *table);

#endif
