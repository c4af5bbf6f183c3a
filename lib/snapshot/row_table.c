/* SPDX-License-Identifier: BSD-3-Clause */
#include "row_table.h"

#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "registry.h"

struct row_table {
	uint32_t references;
	uint32_t row_count;
	uint32_t node_count;
	struct rows_member *members; /* that it was built of */
	size_t member_count;
	struct {
		struct arena *arena;
		uint16_t *rows;
	} nodes[];
};

uint64_t
row_identity(const struct flow_key *key, const char *pool, const char *backend)
{
	char name[FLOW_OWNER_NAME_MAX + 1];
	registry_name_backend(name, pool, backend);
	return flow_name_hash(key, name);
}

struct row_table *
row_table_build(const struct rows_member *members, size_t member_count, uint32_t row_count,
	const int *numa_nodes, uint32_t node_count)
{
	struct row_table *table = calloc(1, sizeof(*table) + node_count * sizeof(table->nodes[0]));
	if (!table)
		return NULL;
	table->references = 1;
	table->row_count = row_count;
	table->node_count = node_count;
	table->member_count = member_count;
	table->members = malloc((member_count + 1) * sizeof(*members));
	if (!table->members) {
		row_table_release(table);
		return NULL;
	}
	memcpy(table->members, members, member_count * sizeof(*members));
	for (uint32_t i = 0; i < node_count; i++) {
		table->nodes[i].arena = arena_create(numa_nodes[i]);
		if (table->nodes[i].arena)
			table->nodes[i].rows =
				arena_array(table->nodes[i].arena, row_count, sizeof(uint16_t));
		if (!table->nodes[i].rows) {
			row_table_release(table);
			return NULL;
		}
		if (i == 0)
			rows_build(table->nodes[0].rows, row_count, members, member_count);
		else
			memcpy(table->nodes[i].rows, table->nodes[0].rows,
				row_count * sizeof(uint16_t));
	}
	return table;
}

struct row_table *
row_table_share(struct row_table *table)
{
	table->references++;
	return table;
}

bool
row_table_is_of(const struct row_table *table, const struct rows_member *members,
	size_t member_count, uint32_t row_count)
{
	if (table->row_count != row_count || table->member_count != member_count)
		return false;
	for (size_t i = 0; i < member_count; i++) {
		const struct rows_member *a = &table->members[i], *b = &members[i];
		if (a->identity != b->identity || a->index != b->index || a->weight != b->weight)
			return false;
	}
	return true;
}

void
row_table_release(struct row_table *table)
{
	if (!table || --table->references > 0)
		return;
	for (uint32_t i = 0; i < table->node_count; i++)
		arena_destroy(table->nodes[i].arena);
	free(table->members);
	free(table);
}

uint32_t
row_table_count(const struct row_table *table)
{
	return table->row_count;
}

const uint16_t *
row_table_rows(const struct row_table *table, uint32_t node)
{
	return table->nodes[node].rows;
}

size_t
row_table_bytes(const struct row_table *table)
{
	return (size_t)table->row_count * sizeof(uint16_t) * table->node_count;
}
