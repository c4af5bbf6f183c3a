/* SPDX-License-Identifier: BSD-3-Clause */
/* Needs: nothing. What rows.h promises, on many sets of identities and not on one lucky one. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bounds.h"
#include "rows.h"

#define MEMBERS_MAX 256
#define SETS	    20

static uint16_t table[ROWS_MAX], other_table[ROWS_MAX];
static uint64_t random_state;

static uint64_t
random_next(void)
{
	uint64_t z = random_state += 0x9e3779b97f4a7c15u;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

/* Members 1 .. count of the set with this number, all of weight 100. */
static void
make_members(struct rows_member *members, size_t count, unsigned set)
{
	random_state = set;
	for (size_t i = 0; i < count; i++)
		members[i] = (struct rows_member){
			.identity = random_next(), .index = (uint16_t)(i + 1), .weight = 100};
}

static void
count_shares(const uint16_t *rows, size_t count, uint32_t shares[static MEMBERS_MAX + 1])
{
	memset(shares, 0, (MEMBERS_MAX + 1) * sizeof(*shares));
	for (size_t i = 0; i < count; i++) {
		assert_in_range(rows[i], 0, MEMBERS_MAX);
		shares[rows[i]]++;
	}
}

static void
assert_all_agree(size_t count, const struct rows_member *members, size_t member_count)
{
	rows_build(table, count, members, member_count);
	for (size_t row = 0; row < count; row++)
		if (table[row] != rows_reference(row, count, members, member_count))
			fail_msg("row %zu: %u, the definition says %u", row, table[row],
				rows_reference(row, count, members, member_count));
	for (int isa = 0; isa <= ROWS_ISA_WIDEST; isa++) {
		if (!rows_isa_available((enum rows_isa)isa))
			continue;
		rows_build_isa((enum rows_isa)isa, other_table, count, members, member_count);
		assert_int_equal(rows_differing(table, other_table, count), 0);
	}
}

/* Weights of each kind that could take another path; doubles; near misses of an identity. */
static void
randomise_members(struct rows_member *members, size_t count, unsigned kind)
{
	uint16_t weight = (uint16_t)(1 + random_next() % 65535);
	for (size_t i = 0; i < count; i++) {
		struct rows_member *m = &members[i];
		m->identity = random_next();
		m->index = (uint16_t)(1 + random_next() % MEMBERS_MAX);
		m->weight = weight;
		if (kind == 1)
			m->weight = random_next() % 3 == 0 ? 0 : weight;
		else if (kind == 2)
			m->weight = (uint16_t)(random_next() % 4);
		else if (kind == 3)
			m->weight = (uint16_t)random_next();
		else if (kind == 4)
			m->weight = random_next() & 1 ? 65535 : 65534;
		if (i > 0 && random_next() % 4 == 0)
			m->identity = members[random_next() % i].identity;
	}
}

static void
test_build_is_the_definition(void **state)
{
	(void)state;
	struct rows_member members[MEMBERS_MAX];
	random_state = 1;
	for (unsigned round = 0; round < 50; round++) {
		size_t member_count = random_next() % 8;
		randomise_members(members, member_count, round % 5);
		assert_all_agree(ROWS_MIN, members, member_count);
	}
	randomise_members(members, 40, 0);
	assert_all_agree(ROWS_MIN, members, 40);
	randomise_members(members, 5, 3);
	assert_all_agree(ROWS_MAX, members, 5);
}

static void
test_nobody_and_one(void **state)
{
	(void)state;
	struct rows_member member = {.identity = 5, .index = 7, .weight = 0};
	uint32_t shares[MEMBERS_MAX + 1];
	rows_build(table, ROWS_MIN, NULL, 0);
	count_shares(table, ROWS_MIN, shares);
	assert_int_equal(shares[ROWS_NOBODY], ROWS_MIN);
	rows_build(table, ROWS_MIN, &member, 1);
	count_shares(table, ROWS_MIN, shares);
	assert_int_equal(shares[ROWS_NOBODY], ROWS_MIN);
	member.weight = 1;
	rows_build(table, ROWS_MIN, &member, 1);
	count_shares(table, ROWS_MIN, shares);
	assert_int_equal(shares[7], ROWS_MIN);
}

static void
assert_only_rows_of(uint16_t index, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (table[i] != other_table[i])
			assert_int_equal(table[i], index);
}

/* `table` with all members, `other_table` without one: they differ in its rows and nowhere else,
 * which is the promise about removing read forwards and that about adding read backwards. */
static void
check_removal(struct rows_member *members, size_t member_count)
{
	rows_build(table, ROWS_MIN, members, member_count);
	for (size_t gone = 0; gone < member_count; gone++) {
		struct rows_member rest[MEMBERS_MAX];
		size_t kept = 0;
		for (size_t i = 0; i < member_count; i++)
			if (i != gone)
				rest[kept++] = members[i];
		rows_build(other_table, ROWS_MIN, rest, kept);
		assert_only_rows_of(members[gone].index, ROWS_MIN);
		for (size_t i = 0; i < ROWS_MIN; i++)
			assert_int_not_equal(other_table[i], members[gone].index);
		/* Weight 0 is the same as not there. */
		uint16_t weight = members[gone].weight;
		members[gone].weight = 0;
		rows_build(table, ROWS_MIN, members, member_count);
		assert_int_equal(rows_differing(table, other_table, ROWS_MIN), 0);
		members[gone].weight = weight;
		rows_build(table, ROWS_MIN, members, member_count);
	}
}

static void
test_removing_and_adding(void **state)
{
	(void)state;
	struct rows_member members[MEMBERS_MAX];
	make_members(members, 20, 2);
	check_removal(members, 20);
	for (size_t i = 0; i < 12; i++)
		members[i].weight = (uint16_t)(1 + i * i * 37);
	check_removal(members, 12);
}

/* A greater weight takes rows from others and gives none away. */
static void
test_raising_a_weight(void **state)
{
	(void)state;
	struct rows_member members[MEMBERS_MAX];
	make_members(members, 10, 3);
	rows_build(other_table, ROWS_MIN, members, 10);
	members[4].weight = 150;
	rows_build(table, ROWS_MIN, members, 10);
	assert_only_rows_of(members[4].index, ROWS_MIN);
	assert_true(rows_differing(table, other_table, ROWS_MIN) > ROWS_MIN / 40);
}

static void
test_order_means_nothing(void **state)
{
	(void)state;
	struct rows_member members[MEMBERS_MAX];
	random_state = 4;
	for (unsigned kind = 0; kind < 5; kind++) {
		/* Doubles of an identity among them. */
		randomise_members(members, 30, kind);
		rows_build(table, ROWS_MIN, members, 30);
		for (int round = 0; round < 3; round++) {
			for (size_t i = 29; i > 0; i--) {
				size_t j = random_next() % (i + 1);
				struct rows_member swap = members[i];
				members[i] = members[j];
				members[j] = swap;
			}
			rows_build(other_table, ROWS_MIN, members, 30);
			assert_int_equal(rows_differing(table, other_table, ROWS_MIN), 0);
		}
	}
}

/* The common factor of the weights means nothing, nor whether the search knows that all are equal:
 * a member with as good as no weight makes it use the general formula. */
static void
test_equal_weights_of_any_size(void **state)
{
	(void)state;
	struct rows_member members[MEMBERS_MAX];
	uint32_t shares[MEMBERS_MAX + 1];
	make_members(members, 30, 5);
	rows_build(table, ROWS_MIN, members, 30);
	for (size_t i = 0; i < 30; i++)
		members[i].weight = 65535;
	rows_build(other_table, ROWS_MIN, members, 30);
	assert_int_equal(rows_differing(table, other_table, ROWS_MIN), 0);
	members[30] = (struct rows_member){.identity = 99, .index = 31, .weight = 1};
	rows_build(table, ROWS_MIN, members, 31);
	count_shares(table, ROWS_MIN, shares);
	assert_in_range(shares[31], 0, 3);
	assert_int_equal(rows_differing(table, other_table, ROWS_MIN), shares[31]);
}

/* The largest of 100 equal shares over their mean. */
static double
largest_of_100(size_t count, unsigned set)
{
	struct rows_member members[100];
	uint32_t shares[MEMBERS_MAX + 1], largest = 0;
	make_members(members, 100, set);
	rows_build(table, count, members, 100);
	count_shares(table, count, shares);
	assert_int_equal(shares[ROWS_NOBODY], 0);
	for (size_t i = 1; i <= 100; i++)
		largest = shares[i] > largest ? shares[i] : largest;
	return largest * 100.0 / (double)count;
}

static void
check_largest(size_t count, double bound, double mean_bound)
{
	double sum = 0, worst = 0, best = 2;
	for (unsigned set = 1; set <= SETS; set++) {
		double largest = largest_of_100(count, set);
		sum += largest;
		worst = fmax(worst, largest);
		best = fmin(best, largest);
	}
	print_message("largest of 100 at %zu rows, %d sets: %.4f to %.4f, mean %.4f\n", count, SETS,
		best, worst, sum / SETS);
	assert_true(worst <= bound);
	assert_true(sum / SETS <= mean_bound);
}

static void
test_equal_shares(void **state)
{
	(void)state;
	check_largest(ROWS_MIN, 1.10, 1.075);
	check_largest(ROWS_MAX, 1.06, 1.040);
}

/*
 * The deviation of a share that a permutation of scores leaves (rows.h): the variance is
 * rows * (1/N - 1/(2N-1)), half of that of independent draws.
 */
static void
test_deviation_is_as_computed(void **state)
{
	(void)state;
	struct rows_member members[100];
	uint32_t shares[MEMBERS_MAX + 1];
	double squares = 0;
	for (unsigned set = 1; set <= SETS; set++) {
		make_members(members, 100, set);
		rows_build(table, ROWS_MIN, members, 100);
		count_shares(table, ROWS_MIN, shares);
		for (size_t i = 1; i <= 100; i++)
			squares += pow(shares[i] - ROWS_MIN / 100.0, 2);
	}
	double ratio = squares / (100 * SETS) / (ROWS_MIN * (1 / 100.0 - 1 / 199.0));
	print_message("variance of a share over what it should be: %.3f\n", ratio);
	assert_true(ratio > 0.88 && ratio < 1.12);
}

/* Weights 1:2:5, ten members of each: every share within the bounds of equal ones. */
static void
check_weights(size_t count, double bound)
{
	static const uint16_t weights[3] = {1, 2, 5};
	double worst = 0, sums[3] = {0};
	for (unsigned set = 1; set <= SETS; set++) {
		struct rows_member members[30];
		uint32_t shares[MEMBERS_MAX + 1];
		make_members(members, 30, set);
		for (size_t i = 0; i < 30; i++)
			members[i].weight = weights[i % 3];
		rows_build(table, count, members, 30);
		count_shares(table, count, shares);
		for (size_t i = 0; i < 30; i++) {
			double expected = (double)count * weights[i % 3] / 80;
			worst = fmax(worst, fabs(shares[i + 1] / expected - 1));
			sums[i % 3] += shares[i + 1];
		}
	}
	print_message("weights 1:2:5 at %zu rows: worst share %.4f off; all together 1:%.4f:%.4f\n",
		count, worst, sums[1] / sums[0], sums[2] / sums[0]);
	assert_true(worst <= bound);
	assert_true(fabs(sums[1] / sums[0] - 2) < 0.02);
	assert_true(fabs(sums[2] / sums[0] - 5) < 0.05);
}

static void
test_weights(void **state)
{
	(void)state;
	check_weights(ROWS_MIN, 0.10);
	check_weights(ROWS_MAX, 0.06);
}

/* Far apart, where the logarithm is taken far from 1: 1 of 1000 and the rest. */
static void
test_weights_far_apart(void **state)
{
	(void)state;
	uint64_t small = 0;
	for (unsigned set = 1; set <= 2 * SETS; set++) {
		struct rows_member members[2];
		uint32_t shares[MEMBERS_MAX + 1];
		make_members(members, 2, set);
		members[0].weight = 10;
		members[1].weight = 9990;
		rows_build(table, ROWS_MAX, members, 2);
		count_shares(table, ROWS_MAX, shares);
		small += shares[1];
	}
	double ratio = (double)small / (2 * SETS) / (ROWS_MAX / 1000.0);
	assert_true(ratio > 0.96 && ratio < 1.04);
}

/* The rows of one that goes spread over the rest as chance would: chi-square, 98 degrees. */
static void
test_removed_rows_spread(void **state)
{
	(void)state;
	struct rows_member members[100], rest[99];
	uint32_t before[MEMBERS_MAX + 1], after[MEMBERS_MAX + 1];
	double sum = 0, worst = 0;
	make_members(members, 100, 6);
	rows_build(table, ROWS_MAX, members, 100);
	count_shares(table, ROWS_MAX, before);
	for (size_t gone = 0; gone < 100; gone += 5) {
		memcpy(rest, members, gone * sizeof(*rest));
		memcpy(rest + gone, members + gone + 1, (99 - gone) * sizeof(*rest));
		rows_build(other_table, ROWS_MAX, rest, 99);
		count_shares(other_table, ROWS_MAX, after);
		double expected = before[gone + 1] / 99.0, chi_square = 0;
		for (size_t i = 1; i <= 100; i++)
			if (i != gone + 1)
				chi_square += pow(after[i] - before[i] - expected, 2) / expected;
		sum += chi_square;
		worst = fmax(worst, chi_square);
	}
	print_message("spread of removed rows: chi-square %.1f, worst %.1f, of 98 degrees\n",
		sum / 20, worst);
	assert_true(worst < 160);		      /* 1 in 10,000 */
	assert_true(sum / 20 > 85 && sum / 20 < 111); /* four deviations of the mean of 20 */
}

static uint64_t
digest(const uint16_t *rows, size_t count)
{
	uint64_t hash = 0xcbf29ce484222325u;
	for (size_t i = 0; i < count; i++) {
		hash = (hash ^ (rows[i] & 0xff)) * 0x100000001b3u;
		hash = (hash ^ rows[i] >> 8) * 0x100000001b3u;
	}
	return hash;
}

/* Numbers that never change: siblings of another version or machine would send flows elsewhere. */
static void
test_pinned(void **state)
{
	(void)state;
	struct rows_member members[100];
	make_members(members, 100, 7);
	rows_build(table, ROWS_MIN, members, 100);
	assert_int_equal(table[0], 50);
	assert_int_equal(table[65535], 63);
	assert_int_equal(digest(table, ROWS_MIN), 0x2e093442c6e15696u);
	for (size_t i = 0; i < 100; i++)
		members[i].weight = (uint16_t)(i * i);
	rows_build(table, ROWS_MAX, members, 100);
	assert_int_equal(table[1], 81);
	assert_int_equal(digest(table, ROWS_MAX), 0x7f9d86e9feeaa0c6u);
}

static void
test_differing(void **state)
{
	(void)state;
	static const uint16_t a[4] = {1, 2, 3, 4}, b[4] = {1, 3, 3, 5};
	assert_int_equal(rows_differing(a, b, 4), 2);
	assert_int_equal(rows_differing(a, a, 4), 0);
	assert_int_equal(rows_of_tag(0xabcd1234, ROWS_MIN), 0x1234);
	assert_int_equal(rows_of_tag(0xabcd1234, ROWS_MAX), 0x11234);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_build_is_the_definition),
		cmocka_unit_test(test_nobody_and_one),
		cmocka_unit_test(test_removing_and_adding),
		cmocka_unit_test(test_raising_a_weight),
		cmocka_unit_test(test_order_means_nothing),
		cmocka_unit_test(test_equal_weights_of_any_size),
		cmocka_unit_test(test_equal_shares),
		cmocka_unit_test(test_deviation_is_as_computed),
		cmocka_unit_test(test_weights),
		cmocka_unit_test(test_weights_far_apart),
		cmocka_unit_test(test_removed_rows_spread),
		cmocka_unit_test(test_pinned),
		cmocka_unit_test(test_differing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
