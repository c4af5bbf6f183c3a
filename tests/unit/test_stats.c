/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "openmetrics.h"

static struct pipeline_counters *workers[2];
static struct stats *stats;

static int
setup(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++)
		workers[i] = calloc(1, sizeof(*workers[i]));
	stats = stats_create(workers, 2);
	return stats == NULL;
}

static int
teardown(void **state)
{
	(void)state;
	stats_destroy(stats);
	free(workers[0]);
	free(workers[1]);
	return 0;
}

static void
count(struct traffic *traffic, uint64_t packets, uint64_t bytes)
{
	counter_add(&traffic->packets, packets);
	counter_add(&traffic->bytes, bytes);
}

static void
test_totals_add_up(void **state)
{
	(void)state;
	count(&workers[0]->received, 10, 1000);
	count(&workers[1]->received, 5, 500);
	count(&workers[0]->exits[EXIT_SENT], 9, 900);
	count(&workers[0]->exits[EXIT_DROP_TX_FULL], 1, 100);
	count(&workers[1]->exits[EXIT_PUNTED_OTHER], 3, 300);
	count(&workers[1]->exits[EXIT_DROP_PORT_ZERO], 2, 200);
	struct totals t = stats_totals(stats);
	assert_int_equal(t.received, 15);
	assert_int_equal(t.received_bytes, 1500);
	assert_int_equal(t.by_kind[EXIT_KIND_SENT], 9);
	assert_int_equal(t.by_kind[EXIT_KIND_PUNTED], 3);
	assert_int_equal(t.by_kind[EXIT_KIND_ANSWERED], 0);
	assert_int_equal(t.by_kind[EXIT_KIND_DROPPED], 3);
}

static void
test_next_owner_starts_from_zero(void **state)
{
	(void)state;
	count(&workers[0]->backends[7], 4, 400);
	count(&workers[1]->backends[7], 1, 100);
	assert_int_equal(stats_backend(stats, 7).packets, 5);
	stats_forget_backend(stats, 7);
	assert_int_equal(stats_backend(stats, 7).packets, 0);
	assert_int_equal(stats_backend(stats, 7).bytes, 0);
	count(&workers[0]->backends[7], 2, 200);
	assert_int_equal(stats_backend(stats, 7).packets, 2);
	assert_int_equal(stats_backend(stats, 8).packets, 0);
}

static void
test_every_exit_has_a_name_of_its_own(void **state)
{
	(void)state;
	for (int i = 0; i < EXIT_COUNT; i++) {
		const char *name = exit_name((enum exit)i);
		assert_non_null(name);
		assert_true(strlen(exit_meaning((enum exit)i)) > 0);
		for (int j = 0; j < i; j++)
			assert_string_not_equal(name, exit_name((enum exit)j));
		bool drop = strncmp(name, "drop_", 5) == 0;
		assert_int_equal(drop, exit_kind((enum exit)i) == EXIT_KIND_DROPPED);
	}
	assert_string_equal(
		exit_name(exit_of_parse(PARSE_DROP_IPV4_CHECKSUM)), "drop_ipv4_checksum");
}

/* Names and form of the page are an interface: each line that a dashboard may rest on. */
static void
test_openmetrics_page(void **state)
{
	(void)state;
	count(&workers[0]->received, 3, 180);
	count(&workers[0]->exits[EXIT_SENT], 3, 180);
	count(&workers[0]->services[2].traffic, 3, 180);
	counter_add(&workers[0]->services[2].new_flows, 1);
	count(&workers[0]->backends[1], 3, 180);
	const struct openmetrics_service services[] = {{"web", 2}};
	const struct openmetrics_backend backends[] = {
		{"caches", "cache1", 1, 4, true, .healthy = true, .weight = 70}};
	const struct openmetrics_gauges gauges = {
		.flow_entries = 4,
		.flow_capacity = 1024,
		.configuration_generation = 7,
		.configuration_unconfirmed = 1,
		.snapshot_generation = 2,
		.next_hops_resolved = 1,
		.health_probes = 9,
		.health_probe_failures = 2,
	};
	char *page;
	size_t bytes;
	FILE *out = open_memstream(&page, &bytes);
	openmetrics_write(out, stats, &gauges, services, 1, backends, 1);
	fclose(out);
	static const char *const lines[] = {
		"# TYPE fairlead_received_packets counter\n",
		"\nfairlead_received_packets_total 3\n",
		"\nfairlead_received_bytes_total 180\n",
		"\nfairlead_exit_packets_total{exit=\"sent\",kind=\"sent\"} 3\n",
		"\nfairlead_exit_packets_total{exit=\"drop_no_service\",kind=\"dropped\"} 0\n",
		"\nfairlead_flow_events_total{event=\"hit\"} 0\n",
		"\nfairlead_flow_table_entries 4\n",
		"\nfairlead_flow_table_capacity 1024\n",
		"\nfairlead_configuration_generation 7\n",
		"\nfairlead_configuration_unconfirmed 1\n",
		"\nfairlead_configuration_reload_refused 0\n",
		"\nfairlead_snapshot_generation 2\n",
		"\nfairlead_next_hops_resolved 1\n",
		"\nfairlead_next_hops_unresolved 0\n",
		"\nfairlead_service_packets_total{service=\"web\"} 3\n",
		"\nfairlead_service_bytes_total{service=\"web\"} 180\n",
		"\nfairlead_service_new_flows_total{service=\"web\"} 1\n",
		"\nfairlead_backend_packets_total{pool=\"caches\",backend=\"cache1\"} 3\n",
		"\nfairlead_backend_bytes_total{pool=\"caches\",backend=\"cache1\"} 180\n",
		"\nfairlead_backend_flows{pool=\"caches\",backend=\"cache1\"} 4\n",
		"\nfairlead_backend_next_hop_resolved{pool=\"caches\",backend=\"cache1\"} 1\n",
		"\nfairlead_backend_healthy{pool=\"caches\",backend=\"cache1\"} 1\n",
		"\nfairlead_backend_draining{pool=\"caches\",backend=\"cache1\"} 0\n",
		"\nfairlead_backend_in_panic{pool=\"caches\",backend=\"cache1\"} 0\n",
		"\nfairlead_backend_weight{pool=\"caches\",backend=\"cache1\"} 70\n",
		"\nfairlead_health_probes_total 9\n",
		"\nfairlead_health_probe_failures_total 2\n",
	};
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		if (!strstr(page, lines[i]))
			fail_msg("missing: %s", lines[i]);
	assert_string_equal(page + bytes - 6, "# EOF\n");
	free(page);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_totals_add_up),
		CASE(test_next_owner_starts_from_zero),
		CASE(test_every_exit_has_a_name_of_its_own),
		CASE(test_openmetrics_page),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
