/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "mono.h"
#include "plan.h"

#define EDGE	  "\"edge\":{\"name\":\"e\",\"hash_key\":\"00112233445566778899aabbccddeeff\"},"
#define DATAPLANE "\"dataplane\":{\"workers\":\"1\",\"ports\":[{\"name\":\"u\",\"device\":\"d\"}]},"
#define A	  "{\"name\":\"a\",\"address\":\"10.0.0.1\"}"
#define B	  "{\"name\":\"b\",\"address\":\"10.0.0.2\"}"
#define POOLS	  "\"pools\":{\"p\":{\"backends\":[" A "," B "]}},"
#define WEB                                                                                        \
	"{\"name\":\"web\",\"vips\":[\"192.0.2.80\"],\"protocol\":\"tcp\",\"ports\":[80],"         \
	"\"pool\":\"p\"}"
#define SERVICES "\"services\":[" WEB "]"
#define BASE	 "{" EDGE DATAPLANE POOLS SERVICES "}"

static struct config *
config_of(const char *text)
{
	struct config *config = NULL;
	FILE *errors = fopen("/dev/null", "w");
	assert_non_null(errors);
	assert_int_equal(config_parse(&config, "test.json", text, strlen(text), errors), 0);
	fclose(errors);
	return config;
}

/* The plan outlives both configurations: it is printed when they are gone. */
static void
assert_plan(const char *before_text, const char *after_text, const char *expected)
{
	struct config *before = config_of(before_text), *after = config_of(after_text);
	struct plan *plan = plan_make(before, after);
	config_free(before);
	config_free(after);
	assert_non_null(plan);
	char *printed = NULL;
	size_t length;
	FILE *out = open_memstream(&printed, &length);
	assert_non_null(out);
	plan_print(plan, out);
	fclose(out);
	assert_string_equal(printed, expected);
	assert_int_equal(plan->needs_restart, strchr(expected, '!') != NULL);
	free(printed);
	plan_free(plan);
}

static void
test_same_is_empty(void **state)
{
	(void)state;
	assert_plan(BASE, BASE, "");
	/* Order, defaults spelt out and ranges written differently mean the same. */
	assert_plan(BASE,
		"{" SERVICES "," EDGE
		"\"pools\":{\"p\":{\"rows\":65536,\"forward\":{\"mode\":\"l2\"},"
		"\"backends\":[" B ",{\"weight\":100,\"name\":\"a\",\"address\":\"10.0.0.1\"}]}},"
		"\"dataplane\":{\"hugepages\":true,\"workers\":\"1-1\","
		"\"ports\":[{\"name\":\"u\",\"device\":\"d\",\"mtu\":1500}]},\"control\":{}}",
		"");
}

static void
test_backends(void **state)
{
	(void)state;
	assert_plan(BASE,
		"{" EDGE DATAPLANE "\"pools\":{\"p\":{\"backends\":[{\"name\":\"c\",\"address\":"
		"\"10.0.0.3\"},{\"name\":\"b\",\"address\":\"10.0.0.9\",\"weight\":50,"
		"\"state\":\"drain\"}]}}," SERVICES "}",
		"- backend p/a\n"
		"~ backend p/b: address 10.0.0.2 -> 10.0.0.9, weight 100 -> 50, "
		"state active -> drain\n"
		"+ backend p/c\n");
}

static void
test_pools(void **state)
{
	(void)state;
	assert_plan(BASE,
		"{" EDGE DATAPLANE "\"pools\":{"
		"\"o\":{\"backends\":[" A "]},"
		"\"p\":{\"forward\":{\"mode\":\"ipip\",\"source4\":\"10.9.0.0/"
		"24\"},\"rows\":131072,"
		"\"health\":{\"type\":\"tcp\",\"port\":80},\"backends\":[" A "," B "]}}," SERVICES
		"}",
		"+ pool o: 1 backends\n"
		"~ pool p: forward/mode l2 -> ipip, forward/source4 none -> 10.9.0.0/24, "
		"health none -> tcp, rows 65536 -> 131072\n");
	assert_plan("{" EDGE DATAPLANE "\"pools\":{\"p\":{\"backends\":[" A "," B "]},\"q\":{"
		    "\"backends\":[" A "]}}," SERVICES "}",
		BASE, "- pool q\n");
}

/* The one pool of BASE with these members beside its backends. */
#define POOL_WITH(members)                                                                         \
	"{" EDGE DATAPLANE "\"pools\":{\"p\":{" members ",\"backends\":[" A "," B "]}}," SERVICES  \
	"}"
#define HTTP(more) POOL_WITH("\"health\":{\"type\":\"http\",\"port\":80" more "}")

static void
test_health(void **state)
{
	(void)state;
	assert_plan(BASE, HTTP(""), "~ pool p: health none -> http\n");
	assert_plan(HTTP(""), BASE, "~ pool p: health http -> none\n");
	assert_plan(HTTP(""), HTTP(",\"path\":\"/\",\"statuses\":[\"200-250\",\"251-299\"]"), "");
	assert_plan(HTTP(""),
		HTTP(",\"path\":\"/up\",\"host\":\"a.example\",\"statuses\":[204,301,302],\"via\":"
		     "\"path\",\"interval_ms\":500,\"rise\":1"),
		"~ pool p: health/via address -> path, health/path / -> /up, "
		"health/host none -> a.example, "
		"health/statuses [\"200-299\"] -> [204, \"301-302\"], "
		"health/interval_ms 1000 -> 500, health/fast_interval_ms 1000 -> 500, "
		"health/rise 2 -> 1\n");
	/* Another type: what it does not have is gone, though the struct still has room for it. */
	assert_plan(HTTP(""), POOL_WITH("\"health\":{\"type\":\"icmp\",\"fall\":5}"),
		"~ pool p: health/type http -> icmp, health/port 80 -> none, health/path / -> "
		"none, health/statuses [\"200-299\"] -> none, health/fall 3 -> 5\n");
	assert_plan(POOL_WITH("\"health\":{\"type\":\"exec\",\"command\":[\"/bin/a\"]}"),
		POOL_WITH("\"health\":{\"type\":\"exec\",\"command\":[\"/bin/a\",\"-v\"]}"),
		"~ pool p: health/command [\"/bin/a\"] -> [\"/bin/a\", \"-v\"]\n");
	assert_plan(POOL_WITH("\"health\":{\"type\":\"https\",\"port\":443}"),
		POOL_WITH("\"health\":{\"type\":\"https\",\"port\":443,\"verify\":false}"),
		"~ pool p: health/verify true -> false\n");
}

static void
test_when_down(void **state)
{
	(void)state;
	assert_plan(BASE, POOL_WITH("\"when_down\":{\"tcp\":{\"flows\":\"keep\"}}"), "");
	assert_plan(BASE,
		POOL_WITH("\"when_down\":{\"tcp\":{\"flows\":\"move\",\"move_after_ms\":500},"
			  "\"udp\":{\"move_after_ms\":7}},\"min_healthy\":2,\"panic\":\"stop\","
			  "\"slow_start_s\":30"),
		"~ pool p: when_down/tcp/flows keep -> move, "
		"when_down/tcp/move_after_ms none -> 500, "
		"when_down/udp/move_after_ms 0 -> 7, min_healthy 1 -> 2, panic all -> stop, "
		"slow_start_s 0 -> 30\n");
}

static void
test_control(void **state)
{
	(void)state;
	assert_plan(BASE,
		"{" EDGE DATAPLANE POOLS "\"control\":{\"socket_mode\":\"0600\","
		"\"socket_group\":\"adm\",\"state\":\"/srv/state\"}," SERVICES "}",
		"! control /control/socket_mode: 0660 -> 0600 (needs a restart)\n"
		"! control /control/socket_group: none -> adm (needs a restart)\n"
		"! control /control/state: /var/lib/fairlead/e -> /srv/state (needs a restart)\n");
}

static void
test_services(void **state)
{
	(void)state;
	assert_plan(BASE,
		"{" EDGE DATAPLANE POOLS "\"services\":["
		"{\"name\":\"dns\",\"vips\":[\"192.0.2.53\"],\"protocol\":\"udp\",\"ports\":[53],"
		"\"pool\":\"p\"},"
		"{\"name\":\"web\",\"vips\":[\"192.0.2.80\",\"2001:db8::80\"],\"protocol\":\"tcp\","
		"\"ports\":[\"80-89\"],\"pool\":\"p\",\"affinity\":\"client\"}]}",
		"+ service dns\n"
		"~ service web: vips [\"192.0.2.80\"] -> [\"192.0.2.80\", \"2001:db8::80\"], "
		"ports [80] -> [\"80-89\"], affinity flow -> client\n");
	assert_plan(BASE, "{" EDGE DATAPLANE POOLS "\"services\":[]}", "- service web\n");
}

/* The index of a service's pool moves when a pool comes; its name does not, and that is what
 * counts. */
static void
test_pool_of_service(void **state)
{
	(void)state;
	static const char two[] = "{" EDGE DATAPLANE "\"pools\":{\"a\":{\"backends\":[" A "]},"
				  "\"p\":{\"backends\":[" A "," B "]}}," SERVICES "}";
	assert_plan(BASE, two, "+ pool a: 1 backends\n");
	assert_plan(two,
		"{" EDGE DATAPLANE "\"pools\":{\"a\":{\"backends\":[" A "]},\"p\":{\"backends\":[" A
		"," B "]}},\"services\":[{\"name\":\"web\",\"vips\":[\"192.0.2.80\"],"
		"\"protocol\":\"tcp\",\"ports\":[80],\"pool\":\"a\"}]}",
		"~ service web: pool p -> a\n");
}

static void
test_restart(void **state)
{
	(void)state;
	assert_plan(BASE,
		"{\"edge\":{\"name\":\"f\",\"hash_key\":\"10112233445566778899aabbccddeeff\"},"
		"\"dataplane\":{\"workers\":\"1-2\",\"ports\":[{\"name\":\"u\",\"device\":\"d\","
		"\"mtu\":9000}],\"flow_table\":{\"timeouts\":{\"tcp_syn_s\":8}},"
		"\"punt\":{\"other_pps\":0},\"hugepages\":false,\"memory_mb\":64},"
		"\"control\":{\"metrics\":\"127.0.0.1:9464\"}," POOLS SERVICES "}",
		"! edge /edge/name: e -> f (needs a restart)\n"
		"! edge /edge/hash_key: changed (needs a restart)\n"
		"! dataplane /dataplane/workers: 1 -> 1-2 (needs a restart)\n"
		"! dataplane /dataplane/ports/0/mtu: 1500 -> 9000 (needs a restart)\n"
		"! dataplane /dataplane/flow_table/path: /dev/shm/fairlead-e.flows -> "
		"/dev/shm/fairlead-f.flows (needs a restart)\n"
		"! dataplane /dataplane/flow_table/timeouts/tcp_syn_s: 60 -> 8 (needs a restart)\n"
		"! dataplane /dataplane/punt/other_pps: 100000 -> 0 (needs a restart)\n"
		"! dataplane /dataplane/hugepages: true -> false (needs a restart)\n"
		"! dataplane /dataplane/memory_mb: 0 -> 64 (needs a restart)\n"
		"! control /control/metrics: none -> 127.0.0.1:9464 (needs a restart)\n"
		"! control /control/state: /var/lib/fairlead/e -> /var/lib/fairlead/f (needs a "
		"restart)\n");
	assert_plan(BASE,
		"{" EDGE "\"dataplane\":{\"workers\":\"1\",\"ports\":[{\"name\":\"u\",\"device\":"
		"\"d\"},{\"name\":\"v\",\"device\":\"e\"}]}," POOLS SERVICES "}",
		"! dataplane /dataplane/ports: 1 -> 2 of them (needs a restart)\n");
}

static void
test_announce(void **state)
{
	(void)state;
	static const char with[] =
		"{" EDGE DATAPLANE "\"announce\":{\"interface\":\"any0\"}," POOLS SERVICES "}";
	assert_plan(BASE, with, "+ announce any0\n");
	assert_plan(with, BASE, "- announce any0\n");
	assert_plan(with,
		"{" EDGE DATAPLANE
		"\"announce\":{\"interface\":\"any0\",\"min_healthy\":2}," POOLS SERVICES "}",
		"~ announce any0: min_healthy 1 -> 2\n");
}

/* 10k services and backends, all of them changed: the pace is that of a merge. */
static void
test_ten_thousand(void **state)
{
	(void)state;
	char *texts[2];
	struct config *configs[2];
	for (unsigned i = 0; i < 2; i++) {
		size_t length;
		FILE *out = open_memstream(&texts[i], &length);
		assert_non_null(out);
		fputs("{" EDGE DATAPLANE "\"pools\":{\"p\":{\"backends\":[", out);
		for (unsigned b = 0; b < 10000; b++)
			fprintf(out,
				"%s{\"name\":\"b%u\",\"address\":\"10.0.%u.%u\",\"weight\":%u}",
				b ? "," : "", b, b >> 8, b & 255, 10 + i);
		fputs("]}},\"services\":[", out);
		for (unsigned s = 0; s < 10000; s++)
			fprintf(out,
				"%s{\"name\":\"s%u\",\"vips\":[\"172.16.%u.%u\"],\"protocol\":"
				"\"tcp\","
				"\"ports\":[%u],\"pool\":\"p\"}",
				s ? "," : "", s, s >> 8, s & 255, 80 + i);
		fputs("]}", out);
		fclose(out);
		configs[i] = config_of(texts[i]);
		free(texts[i]);
	}
	struct mono start = mono_now();
	struct plan *plan = plan_make(configs[0], configs[1]);
	uint64_t took_ms = mono_ms_between(start, mono_now());
	assert_non_null(plan);
	print_message("20000 changes in %llu ms\n", (unsigned long long)took_ms);
	assert_int_equal(plan->count, 20000);
	assert_true(took_ms < 10000);
	plan_free(plan);
	plan = plan_make(configs[0], configs[0]);
	assert_non_null(plan);
	assert_int_equal(plan->count, 0);
	plan_free(plan);
	config_free(configs[0]);
	config_free(configs[1]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same_is_empty),
		cmocka_unit_test(test_backends),
		cmocka_unit_test(test_pools),
		cmocka_unit_test(test_health),
		cmocka_unit_test(test_when_down),
		cmocka_unit_test(test_control),
		cmocka_unit_test(test_services),
		cmocka_unit_test(test_pool_of_service),
		cmocka_unit_test(test_restart),
		cmocka_unit_test(test_announce),
		cmocka_unit_test(test_ten_thousand),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
