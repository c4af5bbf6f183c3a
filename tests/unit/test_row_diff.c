/* SPDX-License-Identifier: BSD-3-Clause */
/* Rows that move from one configuration to the next, against what the rows themselves say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "row_diff.h"
#include "row_table.h"

#define HEAD                                                                                       \
	"{\"edge\":{\"name\":\"e\",\"hash_key\":\"00112233445566778899aabbccddeeff\"},"            \
	"\"dataplane\":{\"workers\":\"1\",\"ports\":[{\"name\":\"u\",\"device\":\"d\"}]},"         \
	"\"services\":[],\"pools\":{"

/* Pools as they stand between the braces. */
static struct config *
config_of(const char *pools)
{
	char *text;
	struct config *config;
	int length = asprintf(&text, HEAD "%s}}", pools);
	assert_int_equal(config_parse(&config, "test", text, (size_t)length, stderr), 0);
	free(text);
	return config;
}

/* One pool "p" of backends b0 … b99, of which `without` is missing; extra members of backend `odd`. */
static struct config *
hundred(int without, int odd, const char *extra)
{
	char *pools;
	size_t length;
	FILE *out = open_memstream(&pools, &length);
	assert_non_null(out);
	fputs("\"p\":{\"backends\":[", out);
	const char *between = "";
	for (int b = 0; b < 100; b++) {
		if (b == without)
			continue;
		fprintf(out, "%s{\"name\":\"b%d\",\"address\":\"10.0.0.%d\"%s}", between, b, b + 1,
			b == odd ? extra : "");
		between = ",";
	}
	fputs("]}", out);
	fclose(out);
	struct config *config = config_of(pools);
	free(pools);
	return config;
}

/* Frees both. The one pool that is in both, if `count` is 1. */
static struct row_change
diff(struct config *before, struct config *after, uint32_t expected)
{
	const struct row_side was = {.config = before}, is = {.config = after};
	struct row_change *changes, first;
	uint32_t count;
	assert_int_equal(row_diff(&was, &is, &changes, &count), 0);
	assert_int_equal(count, expected);
	first = changes[0];
	free(changes);
	config_free(before);
	config_free(after);
	return first;
}

/* Rows of a backend, from the definition: built by themselves, with other numbers. */
static uint32_t
rows_of(const struct config_pool *pool, const uint8_t secret[16], const char *name)
{
	static uint16_t rows[ROWS_MAX];
	struct flow_key key;
	flow_key_expand(&key, secret);
	struct rows_member *members = calloc(pool->backend_count, sizeof(*members));
	assert_non_null(members);
	for (uint32_t b = 0; b < pool->backend_count; b++)
		members[b] = (struct rows_member){
			.identity = row_identity(&key, pool->name, pool->backends[b].name),
			.index = strcmp(pool->backends[b].name, name) == 0 ? 2 : 1,
			.weight = pool->backends[b].weight,
		};
	rows_build(rows, pool->rows, members, pool->backend_count);
	free(members);
	uint32_t count = 0;
	for (uint32_t r = 0; r < pool->rows; r++)
		count += rows[r] == 2;
	return count;
}

static void
test_same_moves_nothing(void **state)
{
	(void)state;
	struct row_change change = diff(hundred(-1, 0, ""), hundred(-1, 0, ""), 1);
	assert_int_equal(change.moved, 0);
	assert_int_equal(change.rows, ROWS_MIN);
	/* An address is not what rows follow from. */
	change = diff(config_of("\"p\":{\"backends\":[{\"name\":\"a\",\"address\":\"10.0.0.1\"}]}"),
		config_of("\"p\":{\"backends\":[{\"name\":\"a\",\"address\":\"10.0.0.2\"}]}"), 1);
	assert_int_equal(change.moved, 0);
}

static void
test_removed_moves_just_its_rows(void **state)
{
	(void)state;
	struct config *all = hundred(-1, 0, "");
	uint32_t own = rows_of(&all->pools[0], all->hash_key, "b42");
	assert_in_range(own, ROWS_MIN / 200, ROWS_MIN / 50);
	assert_int_equal(diff(all, hundred(42, 0, ""), 1).moved, own);
	/* The way back, and by draining instead of removing. */
	assert_int_equal(diff(hundred(42, 0, ""), hundred(-1, 0, ""), 1).moved, own);
	assert_int_equal(
		diff(hundred(-1, 0, ""), hundred(-1, 42, ",\"state\":\"drain\""), 1).moved, own);
}

static void
test_weight(void **state)
{
	(void)state;
	struct config *light = hundred(-1, 7, ",\"weight\":50"), *full = hundred(-1, 0, "");
	uint32_t lost = rows_of(&full->pools[0], full->hash_key, "b7") -
			rows_of(&light->pools[0], light->hash_key, "b7");
	assert_true(lost > 0);
	assert_int_equal(diff(full, light, 1).moved, lost);
}

/* Half of the weight in effect, of all backends but the first, which gets none. */
static int
half_weights(void *context, const struct config *config, uint32_t pool, struct standing *standings)
{
	assert_string_equal(context, "context");
	for (uint32_t b = 0; b < config->pools[pool].backend_count; b++)
		standings[b] = (struct standing){
			.weight = b ? config->pools[pool].backends[b].weight / 2 : 0};
	return 0;
}

static void
test_weights_in_effect(void **state)
{
	(void)state;
	struct config *config = hundred(-1, 0, "");
	char context[] = "context";
	const struct row_side was = {
		.config = config, .standings = half_weights, .context = context};
	const struct row_side is = {.config = config};
	struct row_change *changes;
	uint32_t count;
	assert_int_equal(row_diff(&was, &is, &changes, &count), 0);
	assert_int_equal(count, 1);
	/* Equal weights, halved, give the same rows; the one that had none takes its own back. */
	assert_int_equal(changes[0].moved, rows_of(&config->pools[0], config->hash_key, "b0"));
	free(changes);
	config_free(config);
}

static void
test_renamed(void **state)
{
	(void)state;
#define TWO(name)                                                                                  \
	"\"p\":{\"backends\":[{\"name\":\"a\",\"address\":\"10.0.0.1\"},"                          \
	"{\"name\":\"" name "\",\"address\":\"10.0.0.2\"}]}"
	struct config *before = config_of(TWO("b")), *after = config_of(TWO("c"));
	uint32_t b = rows_of(&before->pools[0], before->hash_key, "b");
	uint32_t c = rows_of(&after->pools[0], after->hash_key, "c");
	uint32_t moved = diff(before, after, 1).moved;
	/* All of b's, and what c takes from a. */
	assert_in_range(moved, b > c ? b : c, b + c);
	assert_true(moved > ROWS_MIN / 2);
	/* All of them have another name. */
	struct row_change change = diff(
		config_of("\"p\":{\"backends\":[{\"name\":\"a\",\"address\":\"10.0.0.1\"}]}"),
		config_of("\"p\":{\"backends\":[{\"name\":\"b\",\"address\":\"10.0.0.1\"}]}"), 1);
	assert_int_equal(change.moved, ROWS_MIN);
}

static void
test_pools_come_and_go(void **state)
{
	(void)state;
#define POOL(name, backend)                                                                        \
	"\"" name "\":{\"backends\":[{\"name\":\"" backend "\",\"address\":\"10.0.0.1\"}]}"
	struct row_change change = diff(config_of(POOL("a", "x") "," POOL("m", "x")),
		config_of(POOL("b", "x") "," POOL("m", "y") "," POOL("z", "x")), 1);
	assert_int_equal(change.pool, 1);
	assert_int_equal(change.moved, ROWS_MIN);
	diff(config_of(POOL("a", "x")), config_of(POOL("b", "x")), 0);
	diff(config_of(""), config_of(POOL("b", "x")), 0);
}

static void
test_nobody_left(void **state)
{
	(void)state;
#define ONE(state)                                                                                 \
	"\"p\":{\"backends\":[{\"name\":\"a\",\"address\":\"10.0.0.1\",\"state\":\"" state "\"}]}"
	assert_int_equal(
		diff(config_of(ONE("active")), config_of(ONE("disabled")), 1).moved, ROWS_MIN);
	assert_int_equal(
		diff(config_of(ONE("drain")), config_of(ONE("active")), 1).moved, ROWS_MIN);
	assert_int_equal(diff(config_of(ONE("drain")), config_of(ONE("disabled")), 1).moved, 0);
	/* Gone altogether, and another there that has no rows either. */
	assert_int_equal(diff(config_of(POOL("p", "a")),
				 config_of("\"p\":{\"backends\":[{\"name\":\"b\",\"address\":"
					   "\"10.0.0.1\",\"weight\":0}]}"),
				 1)
				 .moved,
		ROWS_MIN);
}

static void
test_more_rows(void **state)
{
	(void)state;
#define SIZED(rows)                                                                                \
	"\"p\":{\"rows\":" rows ",\"backends\":[{\"name\":\"a\",\"address\":\"10.0.0.1\"},"        \
	"{\"name\":\"b\",\"address\":\"10.0.0.2\"}]}"
	struct row_change more = diff(config_of(SIZED("65536")), config_of(SIZED("262144")), 1);
	assert_int_equal(more.rows, ROWS_MAX);
	assert_in_range(more.moved, 1, ROWS_MAX - 1);
	struct row_change less = diff(config_of(SIZED("262144")), config_of(SIZED("65536")), 1);
	assert_int_equal(less.rows, ROWS_MAX);
	assert_int_equal(less.moved, more.moved);
	/* Of one backend all rows stay, however many there are. */
	assert_int_equal(diff(config_of(POOL("p", "a")),
				 config_of("\"p\":{\"rows\":131072,\"backends\":[{\"name\":\"a\","
					   "\"address\":\"10.0.0.1\"}]}"),
				 1)
				 .moved,
		0);
}

static void
test_another_key(void **state)
{
	(void)state;
	struct config *before = hundred(-1, 0, ""), *after = hundred(-1, 0, "");
	after->hash_key[3] ^= 1;
	/* About one row in a hundred has the same backend by chance. */
	assert_in_range(diff(before, after, 1).moved, ROWS_MIN / 100 * 98, ROWS_MIN);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same_moves_nothing),
		cmocka_unit_test(test_removed_moves_just_its_rows),
		cmocka_unit_test(test_weight),
		cmocka_unit_test(test_weights_in_effect),
		cmocka_unit_test(test_renamed),
		cmocka_unit_test(test_pools_come_and_go),
		cmocka_unit_test(test_nobody_left),
		cmocka_unit_test(test_more_rows),
		cmocka_unit_test(test_another_key),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
