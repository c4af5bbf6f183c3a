/* SPDX-License-Identifier: BSD-3-Clause */
/* Each address three times, a second apart, however slowly they are taken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "announcement.h"

#define START_US 5000000

static struct ip_addr
numbered(uint32_t n)
{
	return addr_from_v4(__builtin_bswap32(n));
}

static uint32_t
number_of(const struct ip_addr *a)
{
	return __builtin_bswap32(addr_v4(a));
}

static void
add(struct announcements *a, uint32_t from, uint32_t to)
{
	for (uint32_t n = from; n < to; n++) {
		struct ip_addr address = numbered(n);
		assert_int_equal(announcements_add(a, &address), 0);
	}
}

static void
test_three_rounds(void **state)
{
	(void)state;
	struct announcements a = {0};
	struct mono now = {START_US};
	struct ip_addr address;
	assert_false(announcements_next(&a, now, &address));
	add(&a, 1, 3);
	for (int round = 0; round < ANNOUNCEMENT_ROUNDS; round++) {
		for (uint32_t n = 1; n < 3; n++) {
			assert_true(announcements_next(&a, now, &address));
			assert_int_equal(number_of(&address), n);
		}
		assert_false(announcements_next(&a, now, &address));
		now = mono_add_ms(now, ANNOUNCEMENT_PAUSE_MS - 1);
		assert_false(announcements_next(&a, now, &address));
		now = mono_add_ms(now, 1);
	}
	assert_false(announcements_next(&a, now, &address));
	assert_int_equal(a.room, 0); /* nothing is kept */
}

/* 10,000 addresses, ten every 10 ms, and some that come later: each three times, none early. */
static void
test_many(void **state)
{
	(void)state;
	enum { MANY = 10000, LATE = 100 };
	static uint8_t times[MANY + LATE];
	static uint64_t last_us[MANY + LATE];
	struct announcements a = {0};
	struct ip_addr address;
	uint64_t first_round_done_us = 0;
	uint32_t told = 0, total = 0;
	add(&a, 0, MANY);
	for (uint64_t us = START_US; us < START_US + 60000000; us += 10000) {
		if (us == START_US + 2000000)
			add(&a, MANY, MANY + LATE);
		for (int i = 0; i < 10 && announcements_next(&a, (struct mono){us}, &address);
			i++) {
			uint32_t n = number_of(&address);
			assert_true(times[n] == 0 || us - last_us[n] >= 1000000);
			told += times[n]++ == 0;
			last_us[n] = us;
			total++;
			if (told == MANY + LATE && first_round_done_us == 0)
				first_round_done_us = us;
		}
	}
	assert_int_equal(total, 3 * (MANY + LATE));
	for (int n = 0; n < MANY + LATE; n++)
		assert_int_equal(times[n], ANNOUNCEMENT_ROUNDS);
	/* Those that nobody has heard of come before repetitions. */
	assert_in_range(first_round_done_us - START_US, 10000000, 10200000);
}

static void
test_clear(void **state)
{
	(void)state;
	struct announcements a = {0};
	struct ip_addr address;
	struct mono now = {START_US};
	add(&a, 0, 200);
	assert_true(announcements_next(&a, now, &address));
	announcements_clear(&a);
	assert_false(announcements_next(&a, mono_add_ms(now, 5000), &address));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_three_rounds),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_clear),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
