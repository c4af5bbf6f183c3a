/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "standing.h"

#define BACKENDS 3
#define NOW_US	 5000000000ull
#define BOTH	 (STANDING_KEEPS_TCP | STANDING_KEEPS_UDP)

static struct config_backend backends[BACKENDS];
static struct config_pool pool;
static struct standing_facts facts[BACKENDS];
static struct standing standings[BACKENDS];

static int
setup(void **state)
{
	(void)state;
	for (int b = 0; b < BACKENDS; b++) {
		backends[b] = (struct config_backend){.weight = 100};
		facts[b] =
			(struct standing_facts){.verdict = HEALTH_UP, .since = {NOW_US - 1000000}};
	}
	pool = (struct config_pool){
		.backends = backends,
		.backend_count = BACKENDS,
		.min_healthy = 1,
		.udp_when_down.flows = FLOWS_MOVE,
	};
	return 0;
}

static struct mono
stand(uint64_t now_us)
{
	return standing_of_pool(&pool, facts, (struct mono){now_us}, standings);
}

static void
assert_standing(int b, enum standing_kind kind, uint16_t weight, uint8_t keeps)
{
	assert_string_equal(standing_name(standings[b].kind), standing_name(kind));
	assert_int_equal(standings[b].weight, weight);
	assert_int_equal(standings[b].keeps, keeps);
}

static void
test_all_is_well(void **state)
{
	(void)state;
	facts[1].verdict = HEALTH_UNCHECKED;
	facts[2].verdict = HEALTH_UNKNOWN; /* an edge that has just started */
	assert_int_equal(stand(NOW_US).us, 0);
	for (int b = 0; b < BACKENDS; b++)
		assert_standing(b, STANDING_ACTIVE, 100, BOTH);
}

static void
test_down_gets_nothing_new_and_keeps_by_policy(void **state)
{
	(void)state;
	facts[0].verdict = HEALTH_DOWN;
	assert_int_equal(stand(NOW_US).us, 0);
	assert_standing(0, STANDING_DOWN, 0, STANDING_KEEPS_TCP);
	assert_standing(1, STANDING_ACTIVE, 100, BOTH);
	pool.tcp_when_down.flows = FLOWS_MOVE;
	pool.udp_when_down.flows = FLOWS_KEEP;
	stand(NOW_US);
	assert_standing(0, STANDING_DOWN, 0, STANDING_KEEPS_UDP);
}

static void
test_flows_move_when_their_time_is_over(void **state)
{
	(void)state;
	facts[0] = (struct standing_facts){.verdict = HEALTH_DOWN, .since = {NOW_US}};
	pool.tcp_when_down = (struct config_when_down){FLOWS_MOVE, 9000};
	pool.udp_when_down = (struct config_when_down){FLOWS_MOVE, 2000};
	assert_int_equal(stand(NOW_US).us, NOW_US + 2000000);
	assert_standing(0, STANDING_DOWN, 0, BOTH);
	assert_int_equal(stand(NOW_US + 2000000).us, NOW_US + 9000000);
	assert_standing(0, STANDING_DOWN, 0, STANDING_KEEPS_TCP);
	assert_int_equal(stand(NOW_US + 9000000).us, 0);
	assert_standing(0, STANDING_DOWN, 0, 0);
}

static void
test_new_backend_waits_for_its_first_probe(void **state)
{
	(void)state;
	facts[2].verdict = HEALTH_UNKNOWN;
	facts[2].is_new = true;
	stand(NOW_US);
	assert_standing(2, STANDING_DOWN, 0, STANDING_KEEPS_TCP);
}

static void
test_drain(void **state)
{
	(void)state;
	backends[0].state = BACKEND_DRAIN;
	facts[1].drained_by_hand = true;
	facts[1].drain_deadline = (struct mono){NOW_US + 7};
	backends[2].state = BACKEND_DISABLED;
	assert_int_equal(stand(NOW_US).us, NOW_US + 7);
	assert_standing(0, STANDING_DRAIN, 0, BOTH);
	assert_standing(1, STANDING_DRAIN, 0, BOTH);
	assert_standing(2, STANDING_DISABLED, 0, 0);
	assert_int_equal(stand(NOW_US + 7).us, 0);
	assert_standing(1, STANDING_DRAINED, 0, 0);
	/* Whoever drains and goes down has his flows moved all the same. */
	facts[1].drain_deadline.us = 0;
	facts[1].verdict = HEALTH_DOWN;
	stand(NOW_US);
	assert_standing(1, STANDING_DRAIN, 0, STANDING_KEEPS_TCP);
}

static void
test_panic_all_and_stop(void **state)
{
	(void)state;
	pool.min_healthy = 2;
	facts[0].verdict = facts[1].verdict = HEALTH_DOWN;
	stand(NOW_US);
	for (int b = 0; b < BACKENDS; b++) {
		assert_standing(b, STANDING_ACTIVE, 100, BOTH);
		assert_true(standings[b].in_panic);
	}
	pool.panic = PANIC_STOP;
	stand(NOW_US);
	assert_standing(0, STANDING_DOWN, 0, STANDING_KEEPS_TCP);
	assert_standing(2, STANDING_ACTIVE, 0, BOTH);
	/* The drained are not among those who could be healthy. */
	facts[1].verdict = HEALTH_UP;
	stand(NOW_US);
	assert_false(standings[0].in_panic);
	facts[2].drained_by_hand = true;
	stand(NOW_US);
	assert_true(standings[1].in_panic);
	pool.min_healthy = 0;
	facts[1].verdict = HEALTH_DOWN;
	stand(NOW_US);
	assert_false(standings[1].in_panic);
}

static void
test_slow_start_grows_step_by_step(void **state)
{
	(void)state;
	const uint64_t step_us = 3000000;
	pool.slow_start_s = 3 * SLOW_START_STEPS;
	facts[1].starts.us = NOW_US;
	uint16_t before = 0;
	for (uint64_t step = 0; step + 1 < SLOW_START_STEPS; step++) {
		uint64_t now = NOW_US + step * step_us;
		assert_int_equal(stand(now).us, now + step_us);
		assert_int_equal(standings[1].kind, STANDING_STARTING);
		assert_in_range(standings[1].weight, before + 1, 99);
		before = standings[1].weight;
		assert_standing(0, STANDING_ACTIVE, 100, BOTH);
	}
	assert_int_equal(stand(NOW_US + (SLOW_START_STEPS - 1) * step_us).us, 0);
	assert_standing(1, STANDING_ACTIVE, 100, BOTH);
	/* The least weight is not nothing, unless the file wants nothing. */
	backends[1].weight = 1;
	stand(NOW_US);
	assert_standing(1, STANDING_STARTING, 1, BOTH);
	backends[1].weight = 0;
	stand(NOW_US);
	assert_standing(1, STANDING_STARTING, 0, BOTH);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_all_is_well, setup),
		cmocka_unit_test_setup(test_down_gets_nothing_new_and_keeps_by_policy, setup),
		cmocka_unit_test_setup(test_flows_move_when_their_time_is_over, setup),
		cmocka_unit_test_setup(test_new_backend_waits_for_its_first_probe, setup),
		cmocka_unit_test_setup(test_drain, setup),
		cmocka_unit_test_setup(test_panic_all_and_stop, setup),
		cmocka_unit_test_setup(test_slow_start_grows_step_by_step, setup),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
