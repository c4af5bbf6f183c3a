/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <netinet/in.h>
#include <stdlib.h>

#include "probe_ways.h"

static struct probe_way
way_from(const char *source, uint16_t number, uint8_t proto, uint16_t backend)
{
	struct probe_way way = {.number = number, .proto = proto, .backend = backend};
	assert_int_equal(addr_parse(source, &way.source), 0);
	return way;
}

/* Who a packet is for; 0: nobody. */
static uint16_t
backend_of(const struct probe_ways *ways, const char *source, uint16_t number, uint8_t proto)
{
	struct probe_way asked = way_from(source, number, proto, 0);
	const struct probe_way *way = probe_ways_find(ways, &asked.source, number, proto);
	return way ? way->backend : 0;
}

static uint32_t
begin(struct probe_ways *ways, const char *source, uint16_t number, uint8_t proto, uint16_t backend)
{
	struct probe_way way = way_from(source, number, proto, backend);
	return probe_ways_begin(ways, &way);
}

static void
all_of_the_key_counts(void **state)
{
	(void)state;
	struct probe_ways *ways = probe_ways_create(8);
	begin(ways, "10.0.0.1", 4000, IPPROTO_TCP, 1);
	begin(ways, "10.0.0.2", 4000, IPPROTO_TCP, 2);
	begin(ways, "10.0.0.1", 4001, IPPROTO_TCP, 3);
	begin(ways, "10.0.0.1", 4000, IPPROTO_UDP, 4);
	begin(ways, "2001:db8::1", 4000, IPPROTO_TCP, 5);
	assert_int_equal(backend_of(ways, "10.0.0.1", 4000, IPPROTO_TCP), 1);
	assert_int_equal(backend_of(ways, "10.0.0.2", 4000, IPPROTO_TCP), 2);
	assert_int_equal(backend_of(ways, "10.0.0.1", 4001, IPPROTO_TCP), 3);
	assert_int_equal(backend_of(ways, "10.0.0.1", 4000, IPPROTO_UDP), 4);
	assert_int_equal(backend_of(ways, "2001:db8::1", 4000, IPPROTO_TCP), 5);
	assert_int_equal(backend_of(ways, "10.0.0.3", 4000, IPPROTO_TCP), 0);
	assert_int_equal(backend_of(ways, "10.0.0.1", 4002, IPPROTO_TCP), 0);
	probe_ways_destroy(ways);
}

static void
ended_ways_are_found_until_their_number_is_taken(void **state)
{
	(void)state;
	struct probe_ways *ways = probe_ways_create(8);
	uint32_t cookie = begin(ways, "10.0.0.1", 4000, IPPROTO_TCP, 1);
	assert_int_not_equal(cookie, 0);
	assert_int_equal(begin(ways, "10.0.0.1", 4000, IPPROTO_TCP, 2), 0); /* two at once */
	probe_ways_end(ways, cookie);
	assert_int_equal(backend_of(ways, "10.0.0.1", 4000, IPPROTO_TCP), 1);
	assert_int_not_equal(begin(ways, "10.0.0.1", 4000, IPPROTO_TCP, 2), 0);
	assert_int_equal(backend_of(ways, "10.0.0.1", 4000, IPPROTO_TCP), 2);
	probe_ways_destroy(ways);
}

static void
the_one_that_ended_first_makes_room(void **state)
{
	(void)state;
	struct probe_ways *ways = probe_ways_create(3);
	uint32_t cookies[3];
	for (uint16_t i = 0; i < 3; i++)
		cookies[i] = begin(ways, "10.0.0.1", i, IPPROTO_TCP, i + 1);
	assert_int_equal(begin(ways, "10.0.0.1", 9, IPPROTO_TCP, 9), 0);
	probe_ways_end(ways, cookies[1]);
	probe_ways_end(ways, cookies[0]);
	assert_int_not_equal(begin(ways, "10.0.0.1", 9, IPPROTO_TCP, 9), 0);
	assert_int_equal(backend_of(ways, "10.0.0.1", 0, IPPROTO_TCP), 1);
	assert_int_equal(backend_of(ways, "10.0.0.1", 1, IPPROTO_TCP), 0);
	assert_int_equal(backend_of(ways, "10.0.0.1", 2, IPPROTO_TCP), 3);
	assert_int_equal(backend_of(ways, "10.0.0.1", 9, IPPROTO_TCP), 9);
	probe_ways_destroy(ways);
}

/* Against arrays that are searched from one end to the other. */
static void
many_at_random(void **state)
{
	(void)state;
	enum { NUMBERS = 300, ROOM = 256, STEPS = 200000 };
	struct probe_ways *ways = probe_ways_create(ROOM);
	uint32_t cookies[NUMBERS] = {0}, open = 0;
	uint16_t backends[NUMBERS] = {0};
	srandom(7);
	for (int step = 0; step < STEPS; step++) {
		uint16_t number = (uint16_t)(random() % NUMBERS);
		if (cookies[number] != 0) {
			assert_int_equal(backend_of(ways, "10.0.0.1", number, IPPROTO_TCP),
				backends[number]);
			probe_ways_end(ways, cookies[number]);
			cookies[number] = 0;
			open--;
			continue;
		}
		backends[number] = (uint16_t)(random() % 60000 + 1);
		cookies[number] = begin(ways, "10.0.0.1", number, IPPROTO_TCP, backends[number]);
		assert_int_equal(cookies[number] != 0, open < ROOM);
		open += cookies[number] != 0;
	}
	probe_ways_destroy(ways);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_of_the_key_counts),
		cmocka_unit_test(ended_ways_are_found_until_their_number_is_taken),
		cmocka_unit_test(the_one_that_ended_first_makes_room),
		cmocka_unit_test(many_at_random),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
