/* SPDX-License-Identifier: BSD-3-Clause */
#include "row_diff.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "row_table.h"

#define GONE UINT32_MAX /* the number of a backend that the other side does not have */

/* One pool, and room for what it becomes. Backends have the numbers of their places, from 1. */
struct pool_rows {
	const struct config_pool *pool;
	struct standing *standings;
	struct rows_member *members; /* those with a weight */
	size_t member_count;
	uint16_t *rows;
};

static bool
allocate(struct pool_rows *p, const struct config *config)
{
	uint32_t most = 1;
	for (uint32_t i = 0; i < config->pool_count; i++)
		if (config->pools[i].backend_count > most)
			most = config->pools[i].backend_count;
	p->standings = calloc(most, sizeof(*p->standings));
	p->members = calloc(most, sizeof(*p->members));
	p->rows = calloc(ROWS_MAX, sizeof(*p->rows));
	return p->standings && p->members && p->rows;
}

static void
release(struct pool_rows *p)
{
	free(p->standings);
	free(p->members);
	free(p->rows);
}

/* 0 or -ENOMEM. */
static int
gather(struct pool_rows *p, const struct row_side *side, const struct flow_key *key, uint32_t index)
{
	const struct config_pool *pool = &side->config->pools[index];
	p->pool = pool;
	p->member_count = 0;
	int rc = side->standings ? side->standings(side->context, side->config, index, p->standings)
				 : 0;
	if (rc < 0)
		return rc;
	for (uint32_t b = 0; b < pool->backend_count; b++) {
		const struct config_backend *backend = &pool->backends[b];
		uint16_t weight = side->standings		     ? p->standings[b].weight
				  : backend->state == BACKEND_ACTIVE ? backend->weight
								     : 0;
		if (weight > 0)
			p->members[p->member_count++] = (struct rows_member){
				.identity = row_identity(key, pool->name, backend->name),
				.index = (uint16_t)(b + 1),
				.weight = weight,
			};
	}
	return 0;
}

/* True if both come out the same, except for the numbers in them. */
static bool
same_members(const struct pool_rows *a, const struct pool_rows *b)
{
	if (a->pool->rows != b->pool->rows || a->member_count != b->member_count)
		return false;
	for (size_t i = 0; i < a->member_count; i++)
		if (a->members[i].identity != b->members[i].identity ||
			a->members[i].weight != b->members[i].weight)
			return false;
	return true;
}

/* By number before: the number of the backend of that name afterwards. Both are sorted by name. */
static void
match_names(const struct config_pool *before, const struct config_pool *after, uint32_t *numbers)
{
	numbers[ROWS_NOBODY] = ROWS_NOBODY;
	for (uint32_t i = 0, j = 0; i < before->backend_count; i++) {
		int order = 1;
		while (j < after->backend_count &&
			(order = strcmp(after->backends[j].name, before->backends[i].name)) < 0)
			j++;
		numbers[i + 1] = order == 0 && j < after->backend_count ? j + 1 : GONE;
	}
}

static uint32_t
count_moved(const struct pool_rows *before, const struct pool_rows *after, const uint32_t *numbers,
	uint32_t rows)
{
	uint32_t moved = 0;
	for (uint32_t row = 0; row < rows; row++) {
		uint16_t was = before->rows[rows_of_tag(row, before->pool->rows)];
		moved += numbers[was] != after->rows[rows_of_tag(row, after->pool->rows)];
	}
	return moved;
}

static void
build(struct pool_rows *p)
{
	rows_build(p->rows, p->pool->rows, p->members, p->member_count);
}

static struct row_change
compare(struct pool_rows *before, struct pool_rows *after, uint32_t *numbers)
{
	uint32_t rows =
		before->pool->rows > after->pool->rows ? before->pool->rows : after->pool->rows;
	struct row_change change = {.rows = rows};
	if (same_members(before, after))
		return change;
	build(before);
	build(after);
	match_names(before->pool, after->pool, numbers);
	change.moved = count_moved(before, after, numbers, rows);
	return change;
}

/* Pools are sorted by name on both sides. Counts those that are in both; 0 or -ENOMEM. */
static int
compare_all(const struct row_side *before, const struct row_side *after, struct pool_rows *was,
	struct pool_rows *is, uint32_t *numbers, struct row_change *changes, uint32_t *count)
{
	struct flow_key key_before, key_after;
	flow_key_expand(&key_before, before->config->hash_key);
	flow_key_expand(&key_after, after->config->hash_key);
	*count = 0;
	for (uint32_t i = 0, j = 0;
		i < before->config->pool_count && j < after->config->pool_count;) {
		int order = strcmp(before->config->pools[i].name, after->config->pools[j].name);
		if (order == 0) {
			int rc = gather(was, before, &key_before, i);
			if (rc == 0)
				rc = gather(is, after, &key_after, j);
			if (rc < 0)
				return rc;
			changes[*count] = compare(was, is, numbers);
			changes[(*count)++].pool = j;
		}
		i += order <= 0;
		j += order >= 0;
	}
	return 0;
}

int
row_diff(const struct row_side *before, const struct row_side *after, struct row_change **changes,
	uint32_t *count)
{
	struct pool_rows was = {0}, is = {0};
	uint32_t *numbers = calloc(BACKENDS_MAX + 1, sizeof(*numbers));
	struct row_change *made = calloc(after->config->pool_count + 1, sizeof(*made));
	int rc = -ENOMEM;
	if (numbers && made && allocate(&was, before->config) && allocate(&is, after->config))
		rc = compare_all(before, after, &was, &is, numbers, made, count);
	if (rc == 0) {
		*changes = made;
		made = NULL;
	}
	free(made);
	free(numbers);
	release(&was);
	release(&is);
	return rc;
}
