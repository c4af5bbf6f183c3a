/* SPDX-License-Identifier: BSD-3-Clause */
/* What workers inline of the flow table finds and leaves behind just what flow_table.c does; every
 * instruction set compares alike. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "flow_inline.h"

#define CAPACITY 96 /* full soon, so that nothing is rare */
#define FLOWS	 200
#define ROUNDS	 20000
#define LOOKS	 16

static uint64_t state_of_random;

static uint64_t
random_word(void)
{
	state_of_random += 0x9e3779b97f4a7c15u;
	uint64_t x = state_of_random;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

/* Some are dead, some reproducible: by numbers in the entry, so that both tables are judged alike. */
static bool
is_dead(const void *context, struct flow_entry entry)
{
	(void)context;
	return entry.backend == 9;
}

static bool
is_reproducible(const void *context, struct flow_entry entry)
{
	(void)context;
	return entry.backend == 8;
}

static const struct flow_judge judge = {.is_dead = is_dead, .is_reproducible = is_reproducible};
static const struct flow_timeouts timeouts = {.ticks = {0, 3, 30, 6, 9, 20, 20}};

static void
lay_out(struct flow_table *table)
{
	void *memory = aligned_alloc(64, flow_table_bytes(CAPACITY));
	assert_non_null(memory);
	memset(memory, 0, flow_table_bytes(CAPACITY));
	flow_table_attach(table, memory, CAPACITY, &timeouts);
}

/* Flows that share their tag, so that one bucket has it twice, as well as others. */
static uint64_t
some_flow(void)
{
	uint64_t n = random_word() % FLOWS;
	uint64_t tag = n % 5 == 0 ? 7 : n * 2654435761u & UINT32_MAX;
	return (n * 0x100000001b3u) << 32 | tag;
}

static void
look_up(const struct flow_table *table, uint64_t hash, uint16_t now)
{
	struct flow_hit wanted = flow_lookup(table, hash, now);
	struct flow_hit found = flow_find(table, hash, now);
	assert_ptr_equal(found.place, wanted.place);
	if (wanted.place)
		assert_int_equal(found.word, wanted.word);
	uint64_t peeked = flow_peek(table, hash);
	const struct flow_bucket *first = &table->buckets[flow_first_bucket(table, hash)];
	int at = 0;
	while (at < FLOW_BUCKET_ENTRIES && first->entries[at] >> 32 != (uint32_t)hash)
		at++;
	if (at == FLOW_BUCKET_ENTRIES)
		assert_true(peeked >> 32 != (uint32_t)hash);
	else
		assert_int_equal(peeked, first->entries[at]);
}

static void
test_same_table(void **state)
{
	(void)state;
	struct flow_table reference, table;
	lay_out(&reference);
	lay_out(&table);
	unsigned outcomes[FLOW_FULL + 1] = {0};
	state_of_random = 1;
	for (unsigned round = 0; round < ROUNDS; round++) {
		uint16_t now = (uint16_t)((2040 + round / 50) % FLOW_TICKS);
		uint64_t hash = some_flow();
		struct flow_entry winners[2],
			entry = {
				.backend = (uint16_t)(1 + random_word() % 9),
				.state = (enum flow_state)(1 + random_word() % (FLOW_STATES - 1)),
			};
		enum flow_inserted wanted =
			flow_insert(&reference, hash, entry, now, &judge, &winners[0]);
		assert_int_equal(
			flow_put(&table, hash, entry, now, false, &judge, &winners[1]), wanted);
		outcomes[wanted]++;
		if (wanted != FLOW_FULL)
			assert_int_equal(flow_entry_pack(winners[0]), flow_entry_pack(winners[1]));
		if (random_word() % 4 == 0)
			assert_int_equal(
				flow_remove(&reference, hash, now), flow_remove(&table, hash, now));
		assert_memory_equal(reference.buckets, table.buckets, flow_table_bytes(CAPACITY));
		for (int look = 0; look < LOOKS; look++)
			look_up(&table, some_flow(), now);
	}
	for (int outcome = 0; outcome <= FLOW_FULL; outcome++)
		assert_true(outcomes[outcome] > 0);
	free(reference.buckets);
	free(table.buckets);
}

#ifdef FLOW_HAS_VECTORS
/* Each in a function of its own, which may use what not every CPU has. */
#define MASKS(isa, attribute)                                                                      \
	static attribute void masks_##isa(                                                         \
		const struct flow_bucket *bucket, uint32_t tag, uint32_t masks[2])                 \
	{                                                                                          \
		masks[0] = flow_tag_mask_##isa(bucket, tag);                                       \
		masks[1] = flow_empty_mask_##isa(bucket);                                          \
	}
MASKS(sse42, FLOW_SSE42)
MASKS(avx2, FLOW_AVX2)
MASKS(avx512, FLOW_AVX512)

static const struct {
	const char *name;
	void (*masks)(const struct flow_bucket *bucket, uint32_t tag, uint32_t masks[2]);
} isas[] = {{"sse4.2", masks_sse42}, {"avx2", masks_avx2}, {"avx512f", masks_avx512}};

static bool
is_available(unsigned isa)
{
	return isa == 0	  ? __builtin_cpu_supports("sse4.2")
	       : isa == 1 ? __builtin_cpu_supports("avx2")
			  : __builtin_cpu_supports("avx512f");
}

static void
test_same_masks(void **state)
{
	(void)state;
	for (unsigned isa = 0; isa < sizeof(isas) / sizeof(isas[0]); isa++) {
		if (!is_available(isa)) {
			print_message("%s: not on this CPU\n", isas[isa].name);
			continue;
		}
		state_of_random = isa;
		for (unsigned round = 0; round < ROUNDS; round++) {
			struct flow_bucket bucket;
			for (int i = 0; i < FLOW_BUCKET_ENTRIES; i++) {
				/* The lower half has other entries' tags in it: it must not count. */
				uint64_t word = (random_word() % 4) << 32 | random_word() % 4;
				bucket.entries[i] = random_word() % 4 == 0 ? 0 : word;
			}
			uint32_t tag = (uint32_t)(random_word() % 4), masks[2];
			isas[isa].masks(&bucket, tag, masks);
			assert_int_equal(masks[0], flow_tag_mask_scalar(&bucket, tag));
			assert_int_equal(masks[1], flow_empty_mask_scalar(&bucket));
		}
	}
}
#else
static void
test_same_masks(void **state)
{
	(void)state;
	skip();
}
#endif

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same_table),
		cmocka_unit_test(test_same_masks),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
