/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"

static bool
is_zero(const uint8_t *memory, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		if (memory[i] != 0)
			return false;
	return true;
}

/* Pieces of many sizes: zeroed, aligned, and none overlaps another. */
static void
test_pieces(void **state)
{
	(void)state;
	enum { PIECES = 2000 };
	struct {
		uint8_t *memory;
		size_t bytes;
	} pieces[PIECES];
	struct arena *arena = arena_create(ARENA_ANY_NODE);
	assert_non_null(arena);
	size_t total = 0;
	unsigned seed = 1;
	for (unsigned i = 0; i < PIECES; i++) {
		seed = seed * 1103515245u + 12345u;
		size_t align = (size_t)1 << (seed >> 8) % 13;
		size_t bytes = (seed >> 16) % (i % 100 == 0 ? 1000000 : 3000);
		uint8_t *memory = arena_alloc(arena, bytes, align);
		assert_non_null(memory);
		assert_int_equal((uintptr_t)memory % align, 0);
		assert_true(is_zero(memory, bytes));
		memset(memory, (int)(i & 0xff) | 1, bytes);
		pieces[i].memory = memory;
		pieces[i].bytes = bytes;
		total += bytes;
	}
	for (unsigned i = 0; i < PIECES; i++)
		for (size_t b = 0; b < pieces[i].bytes; b++)
			if (pieces[i].memory[b] != ((i & 0xff) | 1))
				fail_msg("piece %u was written over", i);
	assert_true(arena_bytes(arena) >= total);
	arena_destroy(arena);
}

static void
test_empty_pieces(void **state)
{
	(void)state;
	struct arena *arena = arena_create(ARENA_ANY_NODE);
	assert_int_equal(arena_bytes(arena), 0);
	assert_non_null(arena_array(arena, 0, 64));
	assert_non_null(arena_alloc(arena, 0, 1));
	arena_destroy(arena);
}

static void
test_arrays(void **state)
{
	(void)state;
	struct arena *arena = arena_create(ARENA_ANY_NODE);
	assert_non_null(arena_alloc(arena, 1, 1));
	uint64_t *array = arena_array(arena, 100000, sizeof(*array));
	assert_non_null(array);
	assert_int_equal((uintptr_t)array % 64, 0);
	assert_true(is_zero((uint8_t *)array, 100000 * sizeof(*array)));
	assert_null(arena_array(arena, SIZE_MAX / 2, 4));
	assert_null(arena_array(arena, SIZE_MAX, 1));
	assert_null(arena_alloc(arena, SIZE_MAX / 2, 4096));
	/* A refusal leaves the arena as it was. */
	assert_non_null(arena_alloc(arena, 10, 8));
	arena_destroy(arena);
}

static void
test_strings(void **state)
{
	(void)state;
	struct arena *arena = arena_create(ARENA_ANY_NODE);
	char text[] = "caches";
	char *copy = arena_strdup(arena, text);
	text[0] = 'x';
	assert_string_equal(copy, "caches");
	assert_string_equal(arena_strdup(arena, ""), "");
	assert_string_equal(copy, "caches");
	arena_destroy(arena);
}

static void
test_on_a_node(void **state)
{
	(void)state;
	struct arena *arena = arena_create(0);
	assert_non_null(arena);
	char *memory = arena_alloc(arena, 1 << 20, 64);
	assert_non_null(memory);
	memory[(1 << 20) - 1] = 1;
	arena_destroy(arena);
	arena_destroy(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_empty_pieces),
		cmocka_unit_test(test_arrays),
		cmocka_unit_test(test_strings),
		cmocka_unit_test(test_on_a_node),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
