/* SPDX-License-Identifier: BSD-3-Clause */
/* Needs: nothing. One case after the other; at random: test_flow_model.c, at once:
 * test_flow_threads.c. */
#include "flow_lab.h"

static void
test_geometry(void **state)
{
	(void)state;
	assert_int_equal(flow_table_entries(ONE_PAIR), 16);
	assert_int_equal(flow_table_entries(13), 32);
	assert_int_equal(flow_table_entries(SOME_PAIRS), 512);
	assert_int_equal(flow_table_entries(1 << 20), 1 << 21);
	assert_int_equal(flow_table_bytes(3 << 20), 32 << 20);
	struct lab lab;
	lab_init(&lab, SOME_PAIRS);
	for (uint32_t tag = 0; tag < 100000; tag += 7) {
		uint32_t first = flow_first_bucket(&lab.table, hash_of(tag, tag));
		uint32_t other = flow_other_bucket(&lab.table, first, tag);
		assert_int_not_equal(first, other);
		assert_in_range(other, 0, 63);
		assert_int_equal(flow_other_bucket(&lab.table, other, tag), first);
	}
	lab_free(&lab);
}

static void
test_entry_in_a_word(void **state)
{
	(void)state;
	struct flow_entry e = {.tag = 0xdeadbeef,
		.backend = 0xabcd,
		.tick = 0x5a5,
		.state = FLOW_CLIENT,
		.generation = 2};
	uint64_t word = flow_entry_pack(e);
	assert_int_equal(word, 0xdeadbeefabcd0000u | 0x5a5u << 5 | 5 << 2 | 2);
	assert_int_equal(flow_entry_pack(flow_entry_unpack(word)), word);
}

static void
test_hit_miss_remove(void **state)
{
	(void)state;
	struct lab lab;
	lab_init(&lab, SOME_PAIRS);
	uint64_t hash = hash_of(3, 0x1234);
	assert_null(flow_lookup(&lab.table, hash, 5).place);
	assert_int_equal(lab_insert(&lab, hash, 9, FLOW_SYN, 5), FLOW_INSERTED);
	assert_int_equal(lab_lookup(&lab, hash, 5), 9);
	assert_int_equal(lab_lookup(&lab, hash_of(3, 0x1235), 5), 0);
	assert_int_equal(lab_lookup(&lab, hash_of(4, 0x1234), 5), 0);
	/* A second insertion finds the first. */
	struct flow_entry winner;
	assert_int_equal(
		flow_insert(&lab.table, hash, (struct flow_entry){.backend = 8, .state = 1}, 6,
			&lab.judge, &winner),
		FLOW_UPDATED);
	assert_int_equal(winner.backend, 9);
	assert_int_equal(lab_count(&lab, 0), lab.entries - 1);
	assert_true(flow_remove(&lab.table, hash, 6));
	assert_false(flow_remove(&lab.table, hash, 6));
	assert_int_equal(lab_lookup(&lab, hash, 6), 0);
	assert_int_equal(lab_count(&lab, 0), lab.entries);
	lab_free(&lab);
}

/* Tag 0 is a tag like others, though empty entries are 0 too. */
static void
test_tag_zero(void **state)
{
	(void)state;
	struct lab lab;
	lab_init(&lab, ONE_PAIR);
	assert_int_equal(lab_lookup(&lab, 0, 0), 0);
	assert_false(flow_remove(&lab.table, 0, 0));
	assert_int_equal(lab_insert(&lab, 0, 2, FLOW_DATAGRAM, 0), FLOW_INSERTED);
	assert_int_equal(lab_insert(&lab, 0, 3, FLOW_DATAGRAM, 0), FLOW_UPDATED);
	assert_int_equal(lab_lookup(&lab, 0, 0), 2);
	assert_true(flow_remove(&lab.table, 0, 0));
	lab_free(&lab);
}

static void
test_refresh(void **state)
{
	(void)state;
	struct lab lab;
	lab_init(&lab, ONE_PAIR);
	lab_insert(&lab, 77, 4, FLOW_SYN, 10);
	struct flow_hit hit = flow_lookup(&lab.table, 77, 10);
	flow_refresh(hit, FLOW_SYN, 10);
	assert_int_equal(*hit.place, hit.word);
	flow_refresh(hit, FLOW_ESTABLISHED, 12);
	struct flow_entry e = flow_entry_unpack(*hit.place);
	assert_int_equal(e.state, FLOW_ESTABLISHED);
	assert_int_equal(e.tick, 12);
	assert_int_equal(e.backend, 4);
	assert_int_equal(e.tag, 77);
	/* One who still holds the old word is too late, and nothing of the new one is lost. */
	flow_refresh(hit, FLOW_CLOSING, 13);
	assert_int_equal(*hit.place, flow_entry_pack(e));
	lab_free(&lab);
}

/* Alive at its timeout, over one tick later, wherever the tick counter wraps. */
static void
test_expiry(void **state)
{
	(void)state;
	static const uint16_t starts[] = {0, 1, 1000, 2000, 2040, 2047};
	for (size_t i = 0; i < sizeof(starts) / sizeof(*starts); i++) {
		for (int s = FLOW_SYN; s < FLOW_STATES; s++) {
			struct lab lab;
			lab_init(&lab, ONE_PAIR);
			uint16_t last =
				(uint16_t)((starts[i] + lab_timeouts.ticks[s]) % FLOW_TICKS);
			uint16_t after = (uint16_t)((last + 1) % FLOW_TICKS);
			lab_insert(&lab, 5, 6, (enum flow_state)s, starts[i]);
			assert_int_equal(lab_lookup(&lab, 5, last), 6);
			assert_int_equal(lab_lookup(&lab, 5, after), 0);
			assert_int_equal(lab_sweep(&lab, last).removed, 0);
			assert_int_equal(lab_insert(&lab, 5, 7, FLOW_SYN, after), FLOW_INSERTED);
			assert_int_equal(lab_count(&lab, 0), PAIR_ENTRIES - 1);
			assert_int_equal(lab_lookup(&lab, 5, after), 7);
			lab_free(&lab);
		}
	}
}

/* An entry that another thread, whose clock is a little ahead, has just refreshed. */
static void
test_clocks_read_apart(void **state)
{
	(void)state;
	struct lab lab;
	lab_init(&lab, ONE_PAIR);
	for (uint16_t ahead = 0; ahead <= FLOW_SKEW_TICKS; ahead++) {
		uint16_t now = 2046, tick = (uint16_t)((now + ahead) % FLOW_TICKS);
		lab_insert(&lab, 5, 6, FLOW_SYN, tick);
		assert_int_equal(flow_age(tick, now), 0);
		assert_int_equal(lab_lookup(&lab, 5, now), 6);
		assert_int_equal(lab_sweep(&lab, now).live, 1);
		assert_true(flow_remove(&lab.table, 5, now));
	}
	assert_int_equal(flow_age(7, 9), 2);
	assert_int_equal(flow_age(2047, 0), 1);
	lab_free(&lab);
}

/* What a damaged file could hold. */
static void
test_states_that_do_not_exist(void **state)
{
	(void)state;
	struct lab lab;
	lab_init(&lab, ONE_PAIR);
	for (unsigned i = 0; i < PAIR_ENTRIES; i++)
		lab.table.buckets[i / 8].entries[i % 8] =
			(uint64_t)5 << 32 | 1 << 16 | FLOW_STATES << 2;
	assert_int_equal(lab_lookup(&lab, 5, 0), 0);
	assert_int_equal(lab_insert(&lab, 5, 2, FLOW_SYN, 0), FLOW_INSERTED);
	assert_int_equal(lab_lookup(&lab, 5, 0), 2);
	struct flow_census census = lab_sweep(&lab, 0);
	assert_int_equal(census.live, 1);
	assert_int_equal(census.removed, PAIR_ENTRIES - 1);
	lab_free(&lab);
}

/* Fills both buckets with tags 1, 2, … of even backends, so that even tags are reproducible. */
static void
fill(struct lab *lab, uint32_t count, enum flow_state flow_state, uint32_t tag_step, uint16_t now)
{
	for (uint32_t i = 1; i <= count; i++)
		assert_int_equal(lab_insert(lab, hash_of(i, i * tag_step + 1), 2, flow_state, now),
			FLOW_INSERTED);
}

static void
test_what_is_given_up_in_which_order(void **state)
{
	(void)state;
	struct lab lab;
	lab_init(&lab, ONE_PAIR);
	fill(&lab, 10, FLOW_ESTABLISHED, 2, 100); /* odd tags, even backend: only here */
	assert_int_equal(lab_insert(&lab, 1000, 2, FLOW_ESTABLISHED, 100), FLOW_INSERTED);
	assert_int_equal(lab_insert(&lab, 2001, 2, FLOW_CLOSING, 100), FLOW_INSERTED);
	assert_int_equal(lab_insert(&lab, 3001, 2, FLOW_SYN, 101), FLOW_INSERTED);
	assert_int_equal(lab_insert(&lab, 3003, 2, FLOW_SYN, 100), FLOW_INSERTED);
	assert_int_equal(lab_insert(&lab, 4001, 4, FLOW_CLIENT, 100), FLOW_INSERTED);
	assert_int_equal(lab_insert(&lab, 5001, 2, FLOW_DATAGRAM, 26), FLOW_INSERTED);
	assert_int_equal(lab_count(&lab, 0), 0);

	/* 5001 has expired; 4001 has lost its owner; 3003 is the older SYN. */
	static const struct {
		uint32_t gone;
		enum flow_inserted how;
	} steps[] = {
		{5001, FLOW_INSERTED},
		{4001, FLOW_INSERTED},
		{3003, FLOW_INSERTED_OVER_SYN},
		{3001, FLOW_INSERTED_OVER_SYN},
		{2001, FLOW_INSERTED_OVER_CLOSING},
		{1000, FLOW_INSERTED_OVER_REPRODUCIBLE},
	};
	lab.generation[4]++;
	for (uint32_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
		uint64_t hash = hash_of(i, 6001 + 2 * i);
		assert_int_equal(lab_insert(&lab, hash, 2, FLOW_ESTABLISHED, 102), steps[i].how);
		assert_int_equal(lab_lookup(&lab, steps[i].gone, 102), 0);
		assert_int_equal(lab_lookup(&lab, hash, 102), 2);
		assert_int_equal(lab_sweep(&lab, 102).live + (i < 1), PAIR_ENTRIES);
	}
	/* Sixteen that only this table remembers: nothing goes in, none goes. */
	for (int s = FLOW_SYN; s < FLOW_STATES; s++)
		assert_int_equal(lab_insert(&lab, 7001, 2, (enum flow_state)s, 102), FLOW_FULL);
	assert_int_equal(lab_lookup(&lab, 7001, 102), 0);
	assert_int_equal(lab_sweep(&lab, 102).by_state[FLOW_ESTABLISHED], PAIR_ENTRIES);
	lab_free(&lab);
}

static void
test_flow_under_a_dead_owner(void **state)
{
	(void)state;
	struct lab lab;
	lab_init(&lab, ONE_PAIR);
	fill(&lab, 15, FLOW_ESTABLISHED, 2, 7);
	lab_insert(&lab, 1000, 4, FLOW_ESTABLISHED, 7);
	lab.generation[4] = 3;
	_Atomic uint64_t *place = flow_lookup(&lab.table, 1000, 7).place;
	assert_int_equal(lab_insert(&lab, 1000, 6, FLOW_SYN, 8), FLOW_UPDATED);
	struct flow_hit hit = flow_lookup(&lab.table, 1000, 8);
	assert_ptr_equal(hit.place, place);
	assert_int_equal(flow_entry_unpack(hit.word).backend, 6);
	assert_int_equal(flow_entry_unpack(hit.word).tick, 8);
	/* The same index, given to another: its new flow carries the new generation. */
	assert_true(flow_remove(&lab.table, 1000, 8));
	assert_int_equal(lab_insert(&lab, 1000, 4, FLOW_SYN, 8), FLOW_INSERTED);
	assert_int_equal(flow_entry_unpack(flow_lookup(&lab.table, 1000, 8).word).generation, 3);
	lab_free(&lab);
}

/*
 * Another worker, at the worst moment: between what an insertion has seen and its compare-and-swap.
 * The judge is asked there, so this judge does it.
 */
struct intruder {
	struct lab *lab;
	unsigned acts;	    /* still to come */
	unsigned free;	    /* place that it empties */
	uint64_t hash;	    /* flow that it then inserts there, 0: none */
	uint64_t refreshes; /* flow that it refreshes, 0: none */
};

static bool
intrude(const void *context, struct flow_entry entry)
{
	struct intruder *in = *(struct intruder *const *)context;
	struct flow_table *table = &in->lab->table;
	if (in->acts == 0)
		return lab_is_dead(in->lab, entry);
	in->acts--;
	if (in->refreshes != 0)
		flow_refresh(flow_lookup(table, in->refreshes, 7), FLOW_CLOSING, 7);
	if (in->hash != 0) {
		table->buckets[in->free / 8].entries[in->free % 8] = 0;
		assert_int_equal(lab_insert(in->lab, in->hash, 8, FLOW_SYN, 7), FLOW_INSERTED);
	}
	return lab_is_dead(in->lab, entry);
}

/* A full pair of which place 5 is dead: inserts flow 9001 for backend 6 with an intruder. */
static enum flow_inserted
insert_with_intruder(struct lab *lab, struct intruder *in, struct flow_entry *winner)
{
	struct flow_judge judge = lab->judge;
	judge.is_dead = intrude;
	judge.context = &in;
	in->lab = lab;
	lab_init(lab, ONE_PAIR);
	for (uint32_t i = 0; i < PAIR_ENTRIES; i++)
		lab->table.buckets[i / 8].entries[i % 8] = flow_entry_pack((struct flow_entry){
			.tag = 101 + 2 * i, .backend = i == 5 ? 4 : 2, .tick = 7, .state = 2});
	lab->generation[4] = 1;
	return flow_insert(&lab->table, 9001, (struct flow_entry){.backend = 6, .state = FLOW_SYN},
		7, &judge, winner);
}

static void
test_two_places_for_one_flow(void **state)
{
	(void)state;
	struct lab lab;
	struct flow_entry winner;
	for (unsigned free = 0; free < PAIR_ENTRIES; free++) {
		struct intruder in = {.acts = 1, .free = free, .hash = 9001};
		bool first = free > 5; /* of the two, in the order of look-up */
		if (free == 5)
			continue;
		assert_int_equal(insert_with_intruder(&lab, &in, &winner),
			first ? FLOW_INSERTED : FLOW_UPDATED);
		assert_int_equal(winner.backend, first ? 6 : 8);
		assert_int_equal(lab_lookup(&lab, 9001, 7), winner.backend);
		/* One place is free again: that of the other one. */
		assert_int_equal(lab_count(&lab, 0), 1);
		assert_int_equal(lab_word(&lab, first ? free : 5), 0);
		lab_free(&lab);
	}
}

/* What was seen is no more: the insertion looks again and decides anew. */
static void
test_lost_swap(void **state)
{
	(void)state;
	struct lab lab;
	struct flow_entry winner;
	/* The victim is refreshed: still dead, so it goes at the second attempt. */
	struct intruder in = {.acts = 1, .refreshes = 101 + 2 * 5};
	assert_int_equal(insert_with_intruder(&lab, &in, &winner), FLOW_INSERTED);
	assert_int_equal(lab_lookup(&lab, 9001, 7), 6);
	assert_int_equal(lab_lookup(&lab, 101 + 2 * 5, 7), 0);
	lab_free(&lab);
	/* The other worker takes the victim's place for the same flow. */
	in = (struct intruder){.acts = 1, .free = 5, .hash = 9001};
	assert_int_equal(insert_with_intruder(&lab, &in, &winner), FLOW_UPDATED);
	assert_int_equal(winner.backend, 8);
	assert_int_equal(lab_count(&lab, 0), 0);
	lab_free(&lab);
	/* For another flow: now nothing is dead, and all that is left to give up is its SYN. */
	in = (struct intruder){.acts = 1, .free = 5, .hash = 9003};
	assert_int_equal(insert_with_intruder(&lab, &in, &winner), FLOW_INSERTED_OVER_SYN);
	assert_int_equal(lab_lookup(&lab, 9001, 7), 6);
	lab_free(&lab);
}

/* One tag in many buckets is as many flows. */
static void
test_colliding_tags(void **state)
{
	(void)state;
	struct lab lab;
	lab_init(&lab, SOME_PAIRS);
	uint32_t tag = 0xfeedf00d, flows = 0;
	for (uint32_t b = 0; b < 64; b++) {
		if (flow_other_bucket(&lab.table, b, tag) < b)
			continue; /* the same pair as an earlier one */
		flows++;
		assert_int_equal(
			lab_insert(&lab, hash_of(b, tag), (uint16_t)(100 + b), FLOW_SYN, 1),
			FLOW_INSERTED);
	}
	assert_int_equal(flows, 32);
	for (uint32_t b = 0; b < 64; b++)
		if (flow_other_bucket(&lab.table, b, tag) > b)
			assert_int_equal(lab_lookup(&lab, hash_of(b, tag), 1), 100 + b);
	lab_free(&lab);
}

static void
test_census(void **state)
{
	(void)state;
	struct lab lab;
	lab_init(&lab, SOME_PAIRS);
	for (uint32_t i = 0; i < 100; i++)
		lab_insert(&lab, hash_of(i, 1000 + i), (uint16_t)(1 + i % 3),
			(enum flow_state)(1 + i % 5), 50);
	lab.generation[3] = 1;
	/* Alive: established, datagram and client of backends 1 and 2 (i % 5 is 1, 3, 4). */
	struct flow_census all = lab_sweep(&lab, 50 + 31);
	uint64_t live[4] = {0}, states[FLOW_STATES] = {0}, sum = 0;
	for (uint32_t i = 0; i < 100; i++)
		if (i % 3 != 2 && i % 5 != 0 && i % 5 != 2) {
			live[1 + i % 3]++;
			states[1 + i % 5]++;
			sum++;
		}
	assert_int_equal(all.live, sum);
	assert_int_equal(all.removed, 100 - sum);
	assert_memory_equal(all.by_state, states, sizeof(states));
	assert_memory_equal(lab.by_backend, live, sizeof(live));
	assert_int_equal(lab_count(&lab, 0), lab.entries - sum);
	/* In parts, and round the end: the same. */
	struct flow_census parts = {.by_backend = lab.by_backend};
	flow_sweep(&lab.table, 60, 10, 51, &lab.judge, &parts);
	flow_sweep(&lab.table, 6, 54, 51, &lab.judge, &parts);
	assert_int_equal(parts.live, sum);
	assert_int_equal(parts.removed, 0);
	assert_int_equal(lab.by_backend[1], 2 * live[1]);
	lab_free(&lab);
}

static struct mono
at_tick(uint64_t tick)
{
	return (struct mono){tick * FLOW_TICK_US + 17};
}

/* Established, 1860 ticks: alive if used within them, however often the counter has wrapped. */
static void
test_pause(void **state)
{
	(void)state;
	static const struct {
		uint64_t used, then, now;
		bool lives;
	} cases[] = {
		{10000, 10000, 10000, true},
		{10000, 10000, 11860, true},
		{10000, 10000, 11861, false},
		{10000, 11000, 11860, true},
		{10000, 11000, 11861, false},
		{10000, 11861, 11861, false},	      /* had expired when the pause began */
		{10000, 10000, 10000 + 2048, false},  /* looks new: one round */
		{10000, 10000, 10000 + 20480, false}, /* ten */
		{10000, 10500, 10500 + 2048, false},
		{10015, 10000, 10020, true}, /* used after the last time that was noted */
		{10015, 10000, 11875, true},
		{10015, 10000, 11876, false},
		{10015, 10000, 10015 + 2048, false},
		{10015, 10000, 10010, false}, /* of the future */
		{2047, 2047, 2049, true},
		{2049, 2047, 2050, true},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct lab lab;
		lab_init(&lab, ONE_PAIR);
		lab_insert(&lab, 5, 6, FLOW_ESTABLISHED, flow_tick(at_tick(cases[i].used)));
		uint64_t removed = flow_expire_after_pause(
			&lab.table, at_tick(cases[i].then), at_tick(cases[i].now));
		if (removed != !cases[i].lives)
			fail_msg("case %zu", i);
		assert_int_equal(lab_count(&lab, 0), PAIR_ENTRIES - cases[i].lives);
		lab_free(&lab);
	}
}

/* At the load that the capacity stands for, two choices leave next to nobody without an empty place
 * (who then gets that of an entry which its row would reproduce, as nearly all would be). */
static void
test_load(void **state)
{
	(void)state;
	const size_t capacity = 3 << 16, rounds = 6;
	uint64_t random = 1, failed = 0;
	for (size_t round = 0; round < rounds; round++) {
		struct lab lab;
		lab_init(&lab, capacity);
		assert_int_equal(lab.entries * 3 / 4, capacity);
		for (size_t i = 0; i < capacity; i++)
			failed += lab_insert(&lab, lab_random(&random), 1, FLOW_ESTABLISHED, 1) !=
				  FLOW_INSERTED;
		lab_free(&lab);
	}
	double fraction = (double)failed / (double)(rounds * capacity);
	print_message("at 75 %% load %.5f %% of %zu insertions found both buckets full\n",
		100 * fraction, rounds * capacity);
	assert_true(fraction < 0.0006);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_geometry),
		cmocka_unit_test(test_entry_in_a_word),
		cmocka_unit_test(test_hit_miss_remove),
		cmocka_unit_test(test_tag_zero),
		cmocka_unit_test(test_refresh),
		cmocka_unit_test(test_expiry),
		cmocka_unit_test(test_clocks_read_apart),
		cmocka_unit_test(test_states_that_do_not_exist),
		cmocka_unit_test(test_what_is_given_up_in_which_order),
		cmocka_unit_test(test_flow_under_a_dead_owner),
		cmocka_unit_test(test_two_places_for_one_flow),
		cmocka_unit_test(test_lost_swap),
		cmocka_unit_test(test_colliding_tags),
		cmocka_unit_test(test_census),
		cmocka_unit_test(test_pause),
		cmocka_unit_test(test_load),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
