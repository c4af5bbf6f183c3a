/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From configuration to what workers read: what is shared, what is kept, what is let go, and when.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <netinet/in.h>

#include "arena.h"
#include "publish.h"
#include "snapshot.h"

static struct flow_owner *owner_memory;
static struct flow_owners *owners;
static struct snapshot_base base;

static int
setup(void **state)
{
	(void)state;
	static const uint8_t secret[16] = "fedcba9876543210";
	struct error err;
	owner_memory = calloc(1, flow_owners_bytes());
	owners = flow_owners_attach(owner_memory);
	base = (struct snapshot_base){
		.registry = registry_create(owners),
		.port_count = 1,
		.numa_nodes = {ARENA_ANY_NODE},
		.node_count = 1,
	};
	flow_key_expand(&base.key, secret);
	if (nexthop_create(&base.nexthops, NULL, 0, &err) < 0)
		fail_msg("%s", err.text);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	nexthop_destroy(base.nexthops);
	registry_destroy(base.registry);
	flow_owners_detach(owners);
	free(owner_memory);
	return 0;
}

/* Two pools: "a" with the given backends, "b" with one. */
static struct config *
config_with(const char *backends)
{
	char *text;
	struct config *config;
	int length = asprintf(&text,
		"{\"edge\": {\"name\": \"e\", \"hash_key\": \"00112233445566778899aabbccddeeff\"},"
		"\"dataplane\": {\"workers\": \"1\", \"ports\": [{\"name\": \"p\", \"device\": "
		"\"net_null0\"}]},"
		"\"pools\": {\"a\": {\"forward\": {\"mode\": \"l2\"}, \"backends\": [%s]},"
		"\"b\": {\"forward\": {\"mode\": \"l2\"}, \"backends\": [{\"name\": \"z\", "
		"\"address\": \"10.0.9.9\"}]}},"
		"\"services\": [{\"name\": \"s\", \"vips\": [\"192.0.2.1\"], \"protocol\": \"tcp\","
		"\"ports\": [80], \"pool\": \"a\"}]}",
		backends);
	int rc = config_parse(&config, "test", text, (size_t)length, stderr);
	free(text);
	assert_int_equal(rc, 0);
	return config;
}

#define X	"{\"name\": \"x\", \"address\": \"10.0.0.1\"}"
#define Y	"{\"name\": \"y\", \"address\": \"10.0.0.2\"}"
#define Y_DRAIN "{\"name\": \"y\", \"address\": \"10.0.0.2\", \"state\": \"drain\"}"
#define Y_OFF	"{\"name\": \"y\", \"address\": \"10.0.0.2\", \"state\": \"disabled\"}"
#define W	"{\"name\": \"zz\", \"address\": \"10.0.0.3\"}"

static struct snapshot *
build(const char *backends, const struct snapshot *previous)
{
	struct snapshot *snapshot;
	struct error err;
	if (snapshot_build(&snapshot, &base, config_with(backends), previous, &err) < 0)
		fail_msg("%s", err.text);
	return snapshot;
}

static uint32_t
rows_of(const struct snapshot *snapshot, uint16_t index)
{
	const struct tables_pool *pool = &snapshot_tables(snapshot, 0)->pools[0];
	uint32_t count = 0;
	for (uint32_t r = 0; r < pool->row_count; r++)
		count += pool->rows[r] == index;
	return count;
}

static bool
keeps(const struct tables *tables, uint16_t backend, enum flow_state state)
{
	return tables_accepts(
		tables, backend, flow_mark(state, registry_generation(base.registry, backend)));
}

static void
test_tables_say_what_the_configuration_says(void **state)
{
	(void)state;
	struct snapshot *s = build(X "," Y, NULL);
	const struct tables *t = snapshot_tables(s, 0);
	struct ip_addr vip;
	assert_int_equal(addr_parse("192.0.2.1", &vip), 0);
	const struct service_entry *entry = service_table_vip(&t->services, &vip);
	assert_non_null(entry);
	uint16_t service = service_table_port(&t->services, entry, IPPROTO_TCP, 80);
	assert_int_equal(service, snapshot_service_number(s, 0));
	assert_int_equal(t->service[service].pool, 0);
	uint16_t x = snapshot_backend_index(s, 0, 0), y = snapshot_backend_index(s, 0, 1);
	assert_int_equal(rows_of(s, x) + rows_of(s, y), ROWS_MIN);
	assert_ptr_equal(t->backends[x].encap, &encap_l2);
	assert_true(keeps(t, x, FLOW_ESTABLISHED));
	uint32_t counted[2];
	snapshot_count_rows(s, 0, counted);
	assert_int_equal(counted[0], rows_of(s, x));
	assert_int_equal(counted[1], rows_of(s, y));
	snapshot_free(s);
}

static void
test_unchanged_pools_share_their_rows(void **state)
{
	(void)state;
	struct snapshot *first = build(X "," Y, NULL);
	assert_int_equal(snapshot_rows_built(first), 2);
	struct snapshot *second = build(X "," Y "," W, first);
	assert_int_equal(snapshot_rows_built(second), 1);
	assert_int_equal(snapshot_generation(second), 2);
	const struct tables *before = snapshot_tables(first, 0),
			    *after = snapshot_tables(second, 0);
	assert_ptr_equal(before->pools[1].rows, after->pools[1].rows);
	/* Names keep their indices, and rows move to the new one only. */
	uint16_t w = snapshot_backend_index(second, 0, 2);
	assert_int_equal(snapshot_backend_index(first, 0, 0), snapshot_backend_index(second, 0, 0));
	for (uint32_t r = 0; r < ROWS_MIN; r++)
		if (before->pools[0].rows[r] != after->pools[0].rows[r])
			assert_int_equal(after->pools[0].rows[r], w);
	snapshot_free(first);
	/* The shared rows outlive the snapshot that built them. */
	assert_int_equal(after->pools[1].rows[5], snapshot_backend_index(second, 1, 0));
	snapshot_free(second);
}

static void
test_drained_has_no_rows_and_keeps_its_flows(void **state)
{
	(void)state;
	struct snapshot *s = build(X "," Y_DRAIN, NULL);
	uint16_t y = snapshot_backend_index(s, 0, 1);
	assert_int_equal(rows_of(s, y), 0);
	assert_true(keeps(snapshot_tables(s, 0), y, FLOW_ESTABLISHED));
	assert_true(keeps(snapshot_tables(s, 0), y, FLOW_DATAGRAM));
	snapshot_free(s);
	s = build(X "," Y_OFF, NULL);
	y = snapshot_backend_index(s, 0, 1);
	assert_int_equal(rows_of(s, y), 0);
	assert_false(keeps(snapshot_tables(s, 0), y, FLOW_ESTABLISHED));
	assert_false(keeps(snapshot_tables(s, 0), y, FLOW_DATAGRAM));
	snapshot_free(s);
}

/* x is down, and only its TCP flows wait for it. */
static int
x_is_down(void *context, const struct config *config, uint32_t pool, struct standing *standings)
{
	(void)context;
	for (uint32_t b = 0; b < config->pools[pool].backend_count; b++)
		standings[b] = (struct standing){
			.weight = 100, .keeps = STANDING_KEEPS_TCP | STANDING_KEEPS_UDP};
	if (pool == 0)
		standings[0] =
			(struct standing){.kind = STANDING_DOWN, .keeps = STANDING_KEEPS_TCP};
	return 0;
}

static void
test_standings_decide_rows_and_flows(void **state)
{
	(void)state;
	struct snapshot *s, *before = build(X "," Y, NULL);
	struct error err;
	base.standings = x_is_down;
	assert_int_equal(snapshot_build(&s, &base, snapshot_share_config(before), before, &err), 0);
	assert_int_equal(snapshot_rows_built(s), 1);
	const struct tables *t = snapshot_tables(s, 0);
	uint16_t x = snapshot_backend_index(s, 0, 0), y = snapshot_backend_index(s, 0, 1);
	assert_int_equal(rows_of(s, x), 0);
	assert_int_equal(rows_of(s, y), ROWS_MIN);
	assert_int_equal(snapshot_standing(s, 0, 0).kind, STANDING_DOWN);
	assert_true(keeps(t, x, FLOW_SYN) && keeps(t, x, FLOW_ESTABLISHED) &&
		    keeps(t, x, FLOW_CLOSING) && keeps(t, x, FLOW_CLIENT));
	assert_false(keeps(t, x, FLOW_DATAGRAM) || keeps(t, x, FLOW_CLIENT_DATAGRAM));
	assert_true(keeps(t, y, FLOW_ESTABLISHED) && keeps(t, y, FLOW_DATAGRAM));
	/* The configuration lives as long as either snapshot. */
	snapshot_free(before);
	assert_int_equal(snapshot_config(s)->pool_count, 2);
	snapshot_free(s);
}

static uint16_t forgotten;

static void
note_forgotten(void *context, uint16_t index)
{
	(void)context;
	forgotten = index;
}

static void
test_index_is_free_after_a_whole_round(void **state)
{
	(void)state;
	uint64_t *counts = calloc(BACKENDS_MAX + 1, sizeof(*counts));
	struct snapshot *first = build(X "," Y, NULL);
	uint16_t y = snapshot_backend_index(first, 0, 1);
	struct snapshot *second = build(X, first);
	forgotten = 0;
	snapshot_free(first);
	assert_int_equal(flow_owners_state(owners, y), FLOW_OWNER_RETIRED);
	/* The round under way began before; the next one still sees an entry; the one after does not. */
	registry_sweep_ended(base.registry, counts, note_forgotten, NULL);
	assert_int_equal(forgotten, 0);
	counts[y] = 1;
	registry_sweep_ended(base.registry, counts, note_forgotten, NULL);
	assert_int_equal(forgotten, 0);
	assert_string_equal(registry_backend_name(base.registry, y), "a/y");
	counts[y] = 0;
	registry_sweep_ended(base.registry, counts, note_forgotten, NULL);
	assert_int_equal(forgotten, y);
	assert_int_equal(flow_owners_state(owners, y), FLOW_OWNER_FREE);
	snapshot_free(second);
	free(counts);
}

static void
test_index_comes_back_with_its_name(void **state)
{
	(void)state;
	struct snapshot *first = build(X "," Y, NULL);
	uint16_t y = snapshot_backend_index(first, 0, 1);
	uint8_t generation = registry_generation(base.registry, y);
	struct snapshot *second = build(X, first);
	snapshot_free(first);
	struct snapshot *third = build(X "," Y, second);
	assert_int_equal(snapshot_backend_index(third, 0, 1), y);
	assert_int_equal(registry_generation(base.registry, y), generation);
	snapshot_free(second);
	snapshot_free(third);
}

static void
test_old_snapshot_waits_for_readers(void **state)
{
	(void)state;
	struct publish publish;
	assert_int_equal(publish_init(&publish, 2), 0);
	struct snapshot *first = build(X "," Y, NULL);
	uint16_t y = snapshot_backend_index(first, 0, 1);
	assert_int_equal(publish_put(&publish, first, 1), 0);
	publish_join(&publish, 0);
	publish_join(&publish, 1);
	assert_ptr_equal(publish_tables(&publish, 0), snapshot_tables(first, 0));
	assert_int_equal(publish_put(&publish, build(X, first), 1), 0);
	assert_ptr_equal(publish_tables(&publish, 0), snapshot_tables(publish.snapshot, 0));
	assert_false(publish_reclaim(&publish));
	publish_quiescent(&publish, 0);
	assert_false(publish_reclaim(&publish));
	assert_int_equal(flow_owners_state(owners, y), FLOW_OWNER_ACTIVE);
	/* A reader that stands still does not keep the next one from being published. */
	assert_int_equal(publish_put(&publish, build(X "," W, publish.snapshot), 1), 0);
	assert_false(publish_reclaim(&publish));
	assert_int_equal(publish_oldest_generation(&publish), 1);
	publish_quiescent(&publish, 1);
	publish_quiescent(&publish, 0);
	assert_true(publish_reclaim(&publish));
	assert_int_equal(publish_oldest_generation(&publish), 3);
	assert_int_equal(flow_owners_state(owners, y), FLOW_OWNER_RETIRED);
	publish_leave(&publish, 0);
	publish_leave(&publish, 1);
	publish_fini(&publish);
}

static void
test_service_numbers_belong_to_names(void **state)
{
	(void)state;
	uint16_t a, b, again;
	assert_int_equal(registry_service_number(base.registry, "a", &a), 0);
	assert_int_equal(registry_service_number(base.registry, "b", &b), 0);
	assert_int_equal(registry_service_number(base.registry, "a", &again), 0);
	assert_int_equal(a, again);
	assert_int_not_equal(a, b);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_tables_say_what_the_configuration_says),
		CASE(test_unchanged_pools_share_their_rows),
		CASE(test_drained_has_no_rows_and_keeps_its_flows),
		CASE(test_standings_decide_rows_and_flows),
		CASE(test_index_is_free_after_a_whole_round),
		CASE(test_index_comes_back_with_its_name),
		CASE(test_old_snapshot_waits_for_readers),
		CASE(test_service_numbers_belong_to_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
