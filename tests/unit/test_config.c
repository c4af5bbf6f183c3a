/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a folder in tests/config cannot say: texts that end or are spoiled anywhere, big ones, and
 * that what is printed means what was read. The first argument is the shipped example.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "mono.h"

static const char *example_path;

/* Parses; the result, and what was said, for the caller to free. */
static int
parse_said(const char *text, size_t length, struct config **config, char **said)
{
	size_t said_length;
	FILE *errors = open_memstream(said, &said_length);
	assert_non_null(errors);
	int rc = config_parse(config, "test.json", text, length, errors);
	fclose(errors);
	return rc;
}

static int
parse(const char *text, size_t length, struct config **config)
{
	char *said;
	int rc = parse_said(text, length, config, &said);
	free(said);
	return rc;
}

static char *
print(const struct config *config)
{
	char *text = NULL;
	size_t length;
	FILE *out = open_memstream(&text, &length);
	assert_non_null(out);
	assert_int_equal(config_print(config, out), 0);
	fclose(out);
	return text;
}

static char *
read_example(size_t *length)
{
	FILE *file = fopen(example_path, "r");
	assert_non_null(file);
	char *text = malloc(1 << 16);
	assert_non_null(text);
	*length = fread(text, 1, 1 << 16, file);
	assert_in_range(*length, 100, (1 << 16) - 1);
	fclose(file);
	return text;
}

/* The line and column behind the last of `length` bytes of plain ASCII. */
static void
place_behind(const char *text, size_t length, unsigned *line, unsigned *column)
{
	*line = *column = 1;
	for (size_t at = 0; at < length; at++) {
		*column = text[at] == '\n' ? 1 : *column + 1;
		*line += text[at] == '\n';
	}
}

/* What is said of a beginning of the example: one line, of a place in it or just behind it. */
static void
assert_refused_with_place(const char *text, size_t cut, const char *said)
{
	unsigned line, column, end_line, end_column;
	int used = 0;
	place_behind(text, cut, &end_line, &end_column);
	assert_int_equal(sscanf(said, "test.json:%u:%u: wanted JSON, got a syntax error: %n", &line,
				 &column, &used),
		2);
	assert_true(used > 0);
	assert_ptr_equal(strchr(said, '\n'), said + strlen(said) - 1);
	assert_true(line > 0 && column > 0);
	assert_true(line < end_line || (line == end_line && column <= end_column));
}

/* Each piece in memory of just its size, so that a sanitizer sees a look behind the end. */
static void
test_truncated_at_every_byte(void **state)
{
	(void)state;
	size_t length;
	char *text = read_example(&length);
	size_t complete = length;
	while (text[complete - 1] != '}')
		complete--;
	for (size_t cut = 0; cut <= length; cut++) {
		char *piece = malloc(cut ? cut : 1);
		assert_non_null(piece);
		memcpy(piece, text, cut);
		struct config *config = NULL;
		char *said;
		int rc = parse_said(piece, cut, &config, &said);
		assert_int_equal(rc, cut < complete ? -EINVAL : 0);
		if (rc < 0)
			assert_refused_with_place(text, cut, said);
		config_free(config);
		free(said);
		free(piece);
	}
	free(text);
}

/* A short file of very many values: they cost memory and time, so they are counted first. */
static void
test_values(void **state)
{
	(void)state;
	for (size_t excess = 0; excess < 2; excess++) {
		/* The array itself, and a comma before each of its elements but the first. */
		size_t zeros = CONFIG_VALUES_MAX - 1 + excess, length = 2 * zeros + 1;
		char *text = malloc(length);
		assert_non_null(text);
		for (size_t i = 0; i < length; i++)
			text[i] = i % 2 ? '0' : ',';
		text[0] = '[';
		text[length - 1] = ']';
		char *said, wanted[128];
		struct config *config = NULL;
		assert_int_equal(parse_said(text, length, &config, &said), -EINVAL);
		snprintf(wanted, sizeof(wanted),
			"test.json:1:%zu: wanted at most %u values, got more\n", length - 2,
			CONFIG_VALUES_MAX);
		assert_string_equal(
			said, excess ? wanted : "test.json:1:1: wanted an object, got an array\n");
		free(said);
		free(text);
	}
}

/* Each byte turned into others: accepted or refused, but never a crash or a hang. */
static void
test_every_byte_changed(void **state)
{
	(void)state;
	static const char others[] = {'\0', '"', '\\', '{', '}', '[', ',', '0', '-', ' ', '\x80'};
	size_t length;
	char *text = read_example(&length);
	for (size_t at = 0; at < length; at++) {
		char kept = text[at];
		for (size_t i = 0; i < sizeof(others); i++) {
			struct config *config = NULL;
			text[at] = others[i];
			int rc = parse(text, length, &config);
			assert_true(rc == 0 || rc == -EINVAL);
			config_free(config);
		}
		text[at] = kept;
	}
	free(text);
}

static void
test_example_prints_as_itself(void **state)
{
	(void)state;
	struct config *config, *again;
	char *said;
	size_t length;
	char *text = read_example(&length);
	assert_int_equal(parse_said(text, length, &config, &said), 0);
	assert_string_equal(said, "");
	free(said);
	free(text);
	char *printed = print(config);
	assert_int_equal(parse(printed, strlen(printed), &again), 0);
	char *printed_again = print(again);
	assert_string_equal(printed, printed_again);
	free(printed);
	free(printed_again);
	config_free(again);
	config_free(config);
}

#define HEAD                                                                                       \
	"{\"edge\":{\"name\":\"e\",\"hash_key\":\"000102030405060708090a0b0c0d0eFf\"},"            \
	"\"dataplane\":{\"workers\":\"4,1-2\",\"ports\":[{\"name\":\"u\",\"device\":\"d\"}]},"

static void
test_values_and_defaults(void **state)
{
	(void)state;
	static const char text[] = HEAD
		"\"pools\":{"
		"\"z\":{\"forward\":{\"mode\":\"ipip\",\"source4\":\"10.8.0.0/"
		"16\"},\"rows\":131072,"
		"\"health\":{\"type\":\"http\",\"port\":81},"
		"\"backends\":[{\"name\":\"b\",\"address\":\"10.0.0.2\",\"state\":\"drain\"},"
		"{\"name\":\"a\",\"address\":\"10.0.0.1\",\"weight\":7}]},"
		"\"a\":{\"backends\":[{\"name\":\"c\",\"address\":\"2001:db8::c\"}]}},"
		"\"services\":[{\"name\":\"s\",\"vips\":[\"2001:db8::1\",\"192.0.2.1\"],"
		"\"protocol\":\"udp\",\"ports\":[81,80,\"90-99\"],\"pool\":\"z\"},"
		"{\"name\":\"r\",\"vips\":[\"192.0.2.2\"],\"protocol\":\"tcp\",\"ports\":[\"any\"],"
		"\"pool\":\"a\",\"affinity\":\"client\"}]}";
	struct config *c;
	assert_int_equal(parse(text, sizeof(text) - 1, &c), 0);

	assert_string_equal(c->edge_name, "e");
	assert_int_equal(c->hash_key[1], 1);
	assert_int_equal(c->hash_key[15], 0xff);
	assert_int_equal(c->worker_count, 3);
	assert_int_equal(c->workers[0], 1);
	assert_int_equal(c->workers[2], 4);
	assert_int_equal(c->ports[0].mtu, 1500);
	assert_null(c->ports[0].kernel_interface);
	assert_int_equal(c->flow_table.capacity, 1048576);
	assert_string_equal(c->flow_table.path, "/dev/shm/fairlead-e.flows");
	assert_int_equal(c->flow_table.tcp_syn_s, 60);
	assert_int_equal(c->flow_table.tcp_established_s, 7440);
	assert_int_equal(c->flow_table.tcp_closing_s, 120);
	assert_int_equal(c->flow_table.datagram_s, 300);
	assert_int_equal(c->flow_table.client_s, 3600);
	assert_int_equal(c->punt.control_pps, 20000);
	assert_int_equal(c->punt.other_pps, 100000);
	assert_true(c->hugepages);
	assert_int_equal(c->memory_mb, 0);
	assert_false(c->has_announce);
	assert_string_equal(c->control_socket, "/run/fairlead/control.sock");
	assert_null(c->control_metrics);

	assert_int_equal(c->pool_count, 2);
	const struct config_pool *z = &c->pools[1];
	assert_string_equal(c->pools[0].name, "a");
	assert_string_equal(c->pools[0].forward.mode, "l2");
	assert_int_equal(c->pools[0].rows, 65536);
	assert_int_equal(c->pools[0].health.type, HEALTH_NONE);
	assert_string_equal(z->forward.mode, "ipip");
	assert_true(z->forward.settings.has_source4);
	assert_false(z->forward.settings.has_source6);
	assert_int_equal(z->forward.settings.source4.len, 16);
	assert_int_equal(z->rows, 131072);
	assert_int_equal(z->health.type, HEALTH_HTTP);
	assert_string_equal(z->health.path, "/");
	assert_int_equal(z->health.interval_ms, 1000);
	assert_string_equal(z->backends[0].name, "a");
	assert_int_equal(z->backends[0].weight, 7);
	assert_int_equal(z->backends[1].weight, 100);
	assert_int_equal(z->backends[1].state, BACKEND_DRAIN);

	const struct config_service *s = &c->services[1];
	assert_string_equal(c->services[0].name, "r");
	assert_int_equal(c->services[0].ports[0].first, 0);
	assert_int_equal(c->services[0].ports[0].last, 65535);
	assert_int_equal(c->services[0].affinity, AFFINITY_CLIENT);
	assert_string_equal(c->pools[c->services[0].pool].name, "a");
	assert_string_equal(c->pools[s->pool].name, "z");
	assert_int_equal(s->protocol, IPPROTO_UDP);
	assert_true(addr_is_v4(&s->vips[0]));
	assert_int_equal(s->port_count, 2);
	assert_int_equal(s->ports[0].first, 80);
	assert_int_equal(s->ports[0].last, 81);
	assert_int_equal(s->ports[1].first, 90);
	config_free(c);
}

static void
test_values_of_checks(void **state)
{
	(void)state;
#define BACKEND "\"backends\":[{\"name\":\"b\",\"address\":\"10.0.0.1\"}]"
	static const char text[] = HEAD
		"\"pools\":{"
		"\"none\":{" BACKEND "},"
		"\"https\":{\"health\":{\"type\":\"https\",\"port\":443,\"interval_ms\":700},"
		"\"when_down\":{\"tcp\":{\"flows\":\"move\",\"move_after_ms\":9}},"
		"\"min_healthy\":0,\"panic\":\"stop\",\"slow_start_s\":60," BACKEND "},"
		"\"dns\":{\"health\":{\"type\":\"dns\",\"port\":53,\"query\":\"a.example\","
		"\"fast_interval_ms\":20}," BACKEND "},"
		"\"exec\":{\"health\":{\"type\":\"exec\",\"command\":[\"/bin/a\",\"\"]}," BACKEND
		"},"
		"\"http\":{\"health\":{\"type\":\"http\",\"port\":80,\"via\":\"path\",\"path\":"
		"\"/x\","
		"\"statuses\":[301,\"302-303\",200]}," BACKEND "}},"
		"\"services\":[{\"name\":\"s\",\"vips\":[\"192.0.2.1\"],\"protocol\":\"tcp\","
		"\"ports\":[80],\"pool\":\"http\"}],"
		"\"control\":{\"socket_mode\":\"0600\",\"socket_group\":\"adm\"}}";
	struct config *c;
	assert_int_equal(parse(text, sizeof(text) - 1, &c), 0);
	const struct config_pool *dns = &c->pools[0], *exec = &c->pools[1], *http = &c->pools[2],
				 *https = &c->pools[3], *none = &c->pools[4];

	assert_int_equal(none->health.type, HEALTH_NONE);
	assert_int_equal(none->tcp_when_down.flows, FLOWS_KEEP);
	assert_int_equal(none->udp_when_down.flows, FLOWS_MOVE);
	assert_int_equal(none->udp_when_down.move_after_ms, 0);
	assert_int_equal(none->min_healthy, 1);
	assert_int_equal(none->panic, PANIC_ALL);
	assert_int_equal(none->slow_start_s, 0);

	assert_true(https->health.verify);
	assert_int_equal(https->health.via, HEALTH_VIA_ADDRESS);
	assert_string_equal(https->health.path, "/");
	assert_null(https->health.host);
	assert_null(https->health.body);
	assert_int_equal(https->health.status_count, 1);
	assert_int_equal(https->health.statuses[0].first, 200);
	assert_int_equal(https->health.statuses[0].last, 299);
	assert_int_equal(https->health.fast_interval_ms, 700);
	assert_int_equal(https->tcp_when_down.flows, FLOWS_MOVE);
	assert_int_equal(https->tcp_when_down.move_after_ms, 9);
	assert_int_equal(https->min_healthy, 0);
	assert_int_equal(https->panic, PANIC_STOP);
	assert_int_equal(https->slow_start_s, 60);

	assert_false(http->health.verify);
	assert_int_equal(http->health.via, HEALTH_VIA_PATH);
	assert_string_equal(http->health.path, "/x");
	assert_int_equal(http->health.status_count, 2);
	assert_int_equal(http->health.statuses[0].last, 200);
	assert_int_equal(http->health.statuses[1].first, 301);
	assert_int_equal(http->health.statuses[1].last, 303);

	assert_string_equal(dns->health.query_type, "A");
	assert_string_equal(dns->health.rcode, "NOERROR");
	assert_null(dns->health.answer);
	assert_null(dns->health.path);
	assert_int_equal(dns->health.interval_ms, 1000);
	assert_int_equal(dns->health.fast_interval_ms, 20);

	assert_int_equal(exec->health.port, 0);
	assert_int_equal(exec->health.command_count, 2);
	assert_string_equal(exec->health.command[0], "/bin/a");
	assert_string_equal(exec->health.command[1], "");

	assert_int_equal(c->control_socket_mode, 0600);
	assert_string_equal(c->control_socket_group, "adm");
	assert_string_equal(c->control_state, "/var/lib/fairlead/e");
	config_free(c);
}

static void
test_names_of_choices(void **state)
{
	(void)state;
	assert_string_equal(health_type_name(HEALTH_NONE), "none");
	assert_string_equal(health_type_name(HEALTH_HTTPS), "https");
	assert_string_equal(health_type_name(HEALTH_EXEC), "exec");
	assert_string_equal(health_via_name(HEALTH_VIA_PATH), "path");
	assert_string_equal(flows_when_down_name(FLOWS_KEEP), "keep");
	assert_string_equal(flows_when_down_name(FLOWS_MOVE), "move");
	assert_string_equal(panic_name(PANIC_STOP), "stop");
	assert_string_equal(affinity_name(AFFINITY_CLIENT), "client");
	assert_string_equal(backend_state_name(BACKEND_DISABLED), "disabled");
}

/* 10k services on 1,000 pools of ten backends; `spoil` is put into the last service. */
static char *
big_text(size_t *length, const char *spoil)
{
	char *text = NULL;
	FILE *out = open_memstream(&text, length);
	assert_non_null(out);
	fputs(HEAD "\"pools\":{", out);
	for (unsigned p = 0; p < 1000; p++) {
		fprintf(out, "%s\n\"pool%u\":{\"backends\":[", p ? "," : "", p);
		for (unsigned b = 0; b < 10; b++)
			fprintf(out, "%s{\"name\":\"backend%u\",\"address\":\"10.%u.%u.%u\"}",
				b ? "," : "", b, p >> 8, p & 255, b + 1);
		fputs("]}", out);
	}
	fputs("},\n\"services\":[", out);
	for (unsigned s = 0; s < 10000; s++)
		fprintf(out,
			"%s{\"name\":\"service%u\",\"vips\":[\"172.16.%u.%u\",\"2001:db8::%x\"],"
			"\"protocol\":\"tcp\",\"ports\":[80,443,\"8000-8099\"],\"pool\":\"pool%u\"%"
			"s}",
			s ? ",\n" : "", s, s >> 8, s & 255, s + 1, s % 1000,
			s == 9999 ? spoil : "");
	fputs("]}\n", out);
	fclose(out);
	return text;
}

static void
test_ten_thousand(void **state)
{
	(void)state;
	size_t length;
	char *text = big_text(&length, "");
	struct config *config;
	struct mono start = mono_now();
	assert_int_equal(parse(text, length, &config), 0);
	uint64_t took_ms = mono_ms_between(start, mono_now());
	print_message("%zu bytes in %llu ms\n", length, (unsigned long long)took_ms);
	/* A tenth of a second on an idle machine; anything quadratic would take minutes. */
	assert_true(took_ms < 10000);
	assert_int_equal(config->service_count, 10000);
	assert_int_equal(config->pool_count, 1000);
	char *printed = print(config);
	struct config *again;
	assert_int_equal(parse(printed, strlen(printed), &again), 0);
	char *printed_again = print(again);
	assert_string_equal(printed, printed_again);
	free(printed);
	free(printed_again);
	config_free(again);
	config_free(config);
	free(text);
}

static void
test_error_at_the_end_of_ten_thousand(void **state)
{
	(void)state;
	size_t length;
	char *text = big_text(&length, ",\"affinity\":\"quic\"");
	struct config *config = NULL;
	char *said;
	assert_int_equal(parse_said(text, length, &config, &said), -EINVAL);
	assert_string_equal(said,
		"test.json:11001:138: /services/9999/affinity: wanted \"flow\", \"client\" or "
		"\"none\", got \"quic\"\n");
	free(said);
	free(text);
}

/* Ten thousand VIPs of one service, and one more service that takes one of them. */
static void
test_ten_thousand_vips(void **state)
{
	(void)state;
	for (unsigned clash = 0; clash < 2; clash++) {
		char *text = NULL;
		size_t length;
		FILE *out = open_memstream(&text, &length);
		assert_non_null(out);
		fputs(HEAD "\"pools\":{\"p\":{\"backends\":[{\"name\":\"b\",\"address\":\"10.0.0."
			   "1\"}]}},"
			   "\"services\":[{\"name\":\"s\",\"vips\":[",
			out);
		for (unsigned v = 0; v < 10000; v++)
			fprintf(out, "%s\"172.16.%u.%u\"", v ? "," : "", v >> 8, v & 255);
		fprintf(out,
			"],\"protocol\":\"tcp\",\"ports\":[80],\"pool\":\"p\"},{\"name\":\"t\","
			"\"vips\":[\"172.%u.3.7\"],\"protocol\":\"tcp\",\"ports\":[80],"
			"\"pool\":\"p\"}]}",
			clash ? 16 : 17);
		fclose(out);
		struct config *config = NULL;
		assert_int_equal(parse(text, length, &config), clash ? -EINVAL : 0);
		config_free(config);
		free(text);
	}
}

static void
count_backends(unsigned pools, unsigned each, int expected)
{
	char *text = NULL;
	size_t length;
	FILE *out = open_memstream(&text, &length);
	assert_non_null(out);
	fputs(HEAD "\"pools\":{", out);
	for (unsigned p = 0; p < pools; p++) {
		fprintf(out, "%s\"p%u\":{\"backends\":[", p ? "," : "", p);
		for (unsigned b = 0; b < each; b++)
			fprintf(out, "%s{\"name\":\"%u\",\"address\":\"10.%u.%u.%u\"}",
				b ? "," : "", b, p, b >> 8, b & 255);
		fputs("]}", out);
	}
	fputs("},\"services\":[]}", out);
	fclose(out);
	struct config *config = NULL;
	assert_int_equal(parse(text, length, &config), expected);
	config_free(config);
	free(text);
}

static void
test_backends_in_all_pools(void **state)
{
	(void)state;
	assert_int_equal(BACKENDS_MAX, 3 * 21845);
	count_backends(3, 21845, 0);
	count_backends(2, 32768, -EINVAL);
}

/* A few hundred kilobytes that stand for 10^9 rules: refused by the count, not by memory. */
static void
test_vips_times_ports(void **state)
{
	(void)state;
	char *text = NULL;
	size_t length;
	FILE *out = open_memstream(&text, &length);
	assert_non_null(out);
	fputs(HEAD "\"pools\":{\"p\":{\"backends\":[{\"name\":\"b\",\"address\":\"10.0.0.1\"}]}},"
		   "\"services\":[{\"name\":\"s\",\"protocol\":\"tcp\",\"pool\":\"p\",\"vips\":[",
		out);
	for (unsigned v = 0; v < 30000; v++)
		fprintf(out, "%s\"172.16.%u.%u\"", v ? "," : "", v >> 8, v & 255);
	fputs("],\"ports\":[", out);
	for (unsigned port = 1; port < 60000; port += 2)
		fprintf(out, "%s%u", port > 1 ? "," : "", port);
	fputs("]}]}", out);
	fclose(out);
	struct config *config = NULL;
	assert_int_equal(parse(text, length, &config), -EINVAL);
	assert_null(config);
	free(text);
}

int
main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: %s EXAMPLE\n", argv[0]);
		return 2;
	}
	example_path = argv[1];
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values_and_defaults),
		cmocka_unit_test(test_values_of_checks),
		cmocka_unit_test(test_names_of_choices),
		cmocka_unit_test(test_example_prints_as_itself),
		cmocka_unit_test(test_truncated_at_every_byte),
		cmocka_unit_test(test_every_byte_changed),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_ten_thousand),
		cmocka_unit_test(test_error_at_the_end_of_ten_thousand),
		cmocka_unit_test(test_ten_thousand_vips),
		cmocka_unit_test(test_backends_in_all_pools),
		cmocka_unit_test(test_vips_times_ports),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
