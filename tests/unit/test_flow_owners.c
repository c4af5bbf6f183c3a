/* SPDX-License-Identifier: BSD-3-Clause */
/* Needs: nothing. The file's array is a zeroed array here. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bounds.h"
#include "flow_owners.h"

static struct flow_owner *memory;
static struct flow_owners *owners;

static int
set_up(void **state)
{
	(void)state;
	memory = calloc(1, flow_owners_bytes());
	owners = memory ? flow_owners_attach(memory) : NULL;
	return owners ? 0 : -1;
}

static int
tear_down(void **state)
{
	(void)state;
	flow_owners_detach(owners);
	free(memory);
	return 0;
}

/* What a restart does. */
static void
restart(void)
{
	flow_owners_detach(owners);
	owners = flow_owners_attach(memory);
	assert_non_null(owners);
}

static uint16_t
acquire(const char *name)
{
	uint16_t index = 0;
	assert_int_equal(flow_owners_acquire(owners, name, &index), 0);
	assert_int_not_equal(index, 0);
	assert_int_equal(flow_owners_state(owners, index), FLOW_OWNER_ACTIVE);
	assert_string_equal(flow_owners_name(owners, index), name);
	assert_int_equal(flow_owners_find(owners, name), index);
	return index;
}

static void
test_empty(void **state)
{
	(void)state;
	assert_int_equal(flow_owners_bytes(), 65536 * 144);
	assert_int_equal(flow_owners_highest(owners), 0);
	assert_int_equal(flow_owners_find(owners, "web/a"), 0);
	assert_int_equal(flow_owners_state(owners, 0), FLOW_OWNER_FREE);
	assert_int_equal(flow_owners_state(owners, 65535), FLOW_OWNER_FREE);
	assert_int_equal(flow_owners_generation(owners, 1), 0);
	assert_null(flow_owners_name(owners, 1));
}

static void
test_life_of_an_index(void **state)
{
	(void)state;
	uint16_t a = acquire("web/a"), b = acquire("web/b");
	assert_int_not_equal(a, b);
	assert_int_equal(acquire("web/a"), a);
	uint8_t generation = flow_owners_generation(owners, a);

	/* Active: not released. Retired: keeps its name, and gets its index back. */
	flow_owners_release(owners, a);
	assert_int_equal(flow_owners_state(owners, a), FLOW_OWNER_ACTIVE);
	flow_owners_retire(owners, a);
	assert_int_equal(flow_owners_state(owners, a), FLOW_OWNER_RETIRED);
	assert_string_equal(flow_owners_name(owners, a), "web/a");
	assert_int_equal(acquire("web/a"), a);
	assert_int_equal(flow_owners_generation(owners, a), generation);

	flow_owners_retire(owners, a);
	flow_owners_release(owners, a);
	assert_int_equal(flow_owners_state(owners, a), FLOW_OWNER_FREE);
	assert_null(flow_owners_name(owners, a));
	assert_int_equal(flow_owners_find(owners, "web/a"), 0);
	/* What was never given comes first. */
	assert_int_equal(acquire("web/c"), b + 1);
	assert_int_equal(acquire("web/a"), b + 2);
	assert_int_equal(flow_owners_highest(owners), b + 2);
	/* Free ones do not become retired. */
	flow_owners_retire(owners, a);
	assert_int_equal(flow_owners_state(owners, a), FLOW_OWNER_FREE);
}

static void
test_names(void **state)
{
	(void)state;
	char name[FLOW_OWNER_NAME_MAX + 2];
	uint16_t index;
	memset(name, 'x', sizeof(name));
	name[FLOW_OWNER_NAME_MAX + 1] = '\0';
	assert_int_equal(flow_owners_acquire(owners, name, &index), -ENAMETOOLONG);
	assert_int_equal(flow_owners_acquire(owners, "", &index), -EINVAL);
	assert_int_equal(flow_owners_highest(owners), 0);
	name[FLOW_OWNER_NAME_MAX] = '\0';
	acquire(name);
	restart();
	assert_int_equal(flow_owners_find(owners, name), 1);
}

/* All 65535, then the free ones in turn, each with the next generation. */
static void
test_all_of_them(void **state)
{
	(void)state;
	char name[32];
	uint16_t index;
	for (unsigned i = 1; i <= BACKENDS_MAX; i++) {
		snprintf(name, sizeof(name), "pool%u/backend", i);
		assert_int_equal(acquire(name), i);
	}
	assert_int_equal(flow_owners_acquire(owners, "one/more", &index), -ENOSPC);
	assert_int_equal(acquire("pool77/backend"), 77);
	/* Retired ones are not taken from their names. */
	flow_owners_retire(owners, 500);
	flow_owners_retire(owners, 65535);
	flow_owners_retire(owners, 300);
	assert_int_equal(flow_owners_acquire(owners, "one/more", &index), -ENOSPC);
	flow_owners_release(owners, 500);
	flow_owners_release(owners, 65535);
	flow_owners_release(owners, 300);
	uint8_t generation = flow_owners_generation(owners, 300);
	assert_int_equal(acquire("one/more"), 300);
	assert_int_equal(flow_owners_generation(owners, 300), (generation + 1) % 4);
	flow_owners_retire(owners, 300);
	flow_owners_release(owners, 300);
	/* 300 rests until the others have had their turn. */
	assert_int_equal(acquire("two/more"), 500);
	restart();
	acquire("one/more");
	acquire("three/more");
	assert_int_equal(flow_owners_acquire(owners, "four/more", &index), -ENOSPC);
}

static void
test_generations_go_round(void **state)
{
	(void)state;
	/* As if all indices but 1 were in use. */
	acquire("web/0");
	memory[0].highest = BACKENDS_MAX;
	for (unsigned i = 2; i <= BACKENDS_MAX; i++) {
		memory[i].state = FLOW_OWNER_RETIRED;
		snprintf(memory[i].name, sizeof(memory[i].name), "old/%u", i);
	}
	restart();
	for (unsigned i = 1; i < 10; i++) {
		char name[32];
		snprintf(name, sizeof(name), "web/%u", i);
		uint8_t before = flow_owners_generation(owners, 1);
		flow_owners_retire(owners, 1);
		flow_owners_release(owners, 1);
		assert_int_equal(acquire(name), 1);
		assert_int_equal(flow_owners_generation(owners, 1), (before + 1) % 4);
	}
}

static void
test_restart(void **state)
{
	(void)state;
	uint16_t a = acquire("web/a"), b = acquire("web/b"), c = acquire("web/c");
	uint8_t generation = flow_owners_generation(owners, b);
	flow_owners_retire(owners, c);
	flow_owners_retire(owners, a);
	flow_owners_release(owners, a);
	restart();
	assert_int_equal(flow_owners_highest(owners), c);
	assert_int_equal(flow_owners_state(owners, a), FLOW_OWNER_FREE);
	assert_int_equal(flow_owners_state(owners, b), FLOW_OWNER_RETIRED);
	assert_int_equal(flow_owners_state(owners, c), FLOW_OWNER_RETIRED);
	assert_int_equal(flow_owners_find(owners, "web/a"), 0);
	assert_int_equal(acquire("web/b"), b);
	assert_int_equal(acquire("web/c"), c);
	assert_int_equal(flow_owners_generation(owners, b), generation);
}

/* What a crash or damage can leave: nothing of it is read as a name. */
static void
test_damage(void **state)
{
	(void)state;
	acquire("web/a");
	acquire("web/b");
	acquire("web/c");
	acquire("web/d");
	memset(memory[2].name, 'x', sizeof(memory[2].name)); /* no end */
	memory[3].state = 17;
	memcpy(memory[4].name, "web/a", sizeof("web/a")); /* twice */
	/* A new owner of which all but the state was written. */
	memcpy(memory[5].name, "web/e", sizeof("web/e"));
	memory[5].generation = 1;
	memory[0].highest = 5;
	restart();
	assert_int_equal(flow_owners_find(owners, "web/a"), 1);
	for (uint16_t i = 2; i <= 5; i++)
		assert_null(flow_owners_name(owners, i));
	assert_int_equal(flow_owners_find(owners, "web/e"), 0);
	assert_int_equal(acquire("web/e"), 6);
	/* An impossible highest index is no reason to read beyond the array. */
	memory[0].highest = UINT64_MAX;
	restart();
	assert_int_equal(flow_owners_highest(owners), BACKENDS_MAX);
	assert_int_equal(acquire("web/a"), 1);
	assert_int_equal(flow_owners_find(owners, "web/e"), 6);
}

/* At random, with restarts, against an array of what each name should have. */
#define NAMES 300

struct expected {
	char name[16];
	uint16_t index; /* 0: none */
	enum flow_owner_state state;
};

static void
assert_as_expected(const struct expected *e)
{
	assert_int_equal(flow_owners_find(owners, e->name), e->index);
	if (e->index == 0)
		return;
	assert_int_equal(flow_owners_state(owners, e->index), e->state);
	assert_string_equal(flow_owners_name(owners, e->index), e->name);
}

static void
test_at_random(void **state)
{
	(void)state;
	static struct expected list[NAMES];
	unsigned random = 12345;
	for (unsigned i = 0; i < NAMES; i++)
		snprintf(list[i].name, sizeof(list[i].name), "p/%u", i);
	for (unsigned step = 0; step < 20000; step++) {
		random = random * 1664525 + 1013904223;
		struct expected *e = &list[(random >> 8) % NAMES];
		unsigned what = (random >> 24) % 64;
		if (what < 30) {
			uint16_t index = acquire(e->name);
			assert_true(e->index == 0 || index == e->index);
			e->index = index;
			e->state = FLOW_OWNER_ACTIVE;
		} else if (what < 48 && e->index != 0) {
			flow_owners_retire(owners, e->index);
			e->state = FLOW_OWNER_RETIRED;
		} else if (what < 63 && e->index != 0) {
			flow_owners_release(owners, e->index);
			e->index = e->state == FLOW_OWNER_RETIRED ? 0 : e->index;
		} else if (what == 63) {
			restart();
			for (unsigned i = 0; i < NAMES; i++)
				list[i].state = FLOW_OWNER_RETIRED;
		}
		assert_as_expected(e);
		if (step % 100 == 0)
			for (unsigned i = 0; i < NAMES; i++)
				assert_as_expected(&list[i]);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_empty, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_life_of_an_index, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_names, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_all_of_them, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_generations_go_round, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_restart, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_damage, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_at_random, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
