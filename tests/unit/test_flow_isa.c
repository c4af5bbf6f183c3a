/* SPDX-License-Identifier: BSD-3-Clause */
/* Every instruction set finds what flow_lookup finds, and leaves the same table behind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "bounds.h"
#include "flow_table.h"

#define CAPACITY 96 /* full soon, so that nothing is rare */
#define FLOWS	 200
#define ROUNDS	 4000

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

static bool
is_never(const void *context, struct flow_entry entry)
{
	(void)context;
	(void)entry;
	return false;
}

static const struct flow_judge judge = {.is_dead = is_never, .is_reproducible = is_never};
static const struct flow_timeouts timeouts = {.ticks = {0, 3, 30, 6, 9, 20, 20}};

static void
lay_out(struct flow_table *table, enum flow_isa isa)
{
	void *memory = aligned_alloc(64, flow_table_bytes(CAPACITY));
	assert_non_null(memory);
	memset(memory, 0, flow_table_bytes(CAPACITY));
	flow_table_attach(table, memory, CAPACITY, &timeouts);
	flow_table_use(table, isa);
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
look_up(const struct flow_table *reference, const struct flow_table *table, uint16_t now)
{
	uint64_t hashes[BURST_MAX];
	struct flow_hit hits[BURST_MAX];
	unsigned count = (unsigned)(random_word() % (BURST_MAX + 1));
	for (unsigned i = 0; i < count; i++)
		hashes[i] = some_flow();
	flow_lookup_burst(table, hashes, count, now, hits);
	for (unsigned i = 0; i < count; i++) {
		struct flow_hit hit = flow_lookup(reference, hashes[i], now);
		assert_int_equal(hits[i].place != NULL, hit.place != NULL);
		if (!hit.place)
			continue;
		assert_int_equal(hits[i].word, hit.word);
		assert_true(flow_hit_is_fresh(hits[i]));
		assert_ptr_equal((void *)((uintptr_t)hits[i].place - (uintptr_t)table->buckets),
			(void *)((uintptr_t)hit.place - (uintptr_t)reference->buckets));
	}
}

static void
test_all_are_equal(void **state)
{
	(void)state;
	for (enum flow_isa isa = FLOW_ISA_SCALAR + 1; isa < FLOW_ISAS; isa++) {
		if (!flow_isa_available(isa)) {
			print_message("instruction set %d: not on this CPU\n", (int)isa);
			continue;
		}
		struct flow_table reference, table;
		lay_out(&reference, FLOW_ISA_SCALAR);
		lay_out(&table, isa);
		state_of_random = isa;
		for (unsigned round = 0; round < ROUNDS; round++) {
			uint16_t now = (uint16_t)((2040 + round / 50) % FLOW_TICKS);
			uint64_t hash = some_flow();
			struct flow_entry winners[2],
				entry = {
					.backend = (uint16_t)(1 + random_word() % 9),
					.state = (enum flow_state)(
						1 + random_word() % (FLOW_STATES - 1)),
				};
			assert_int_equal(
				flow_insert(&reference, hash, entry, now, &judge, &winners[0]),
				flow_insert(&table, hash, entry, now, &judge, &winners[1]));
			if (random_word() % 4 == 0)
				assert_int_equal(flow_remove(&reference, hash, now),
					flow_remove(&table, hash, now));
			assert_memory_equal(
				reference.buckets, table.buckets, flow_table_bytes(CAPACITY));
			look_up(&reference, &table, now);
		}
		free(reference.buckets);
		free(table.buckets);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_all_are_equal)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
