/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>

#include "arena.h"
#include "service_table.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static uint64_t random_state;

static uint32_t
random_below(uint32_t bound)
{
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)((random_state >> 33) % bound);
}

static struct ip_addr
address(const char *text)
{
	struct ip_addr a;
	assert_int_equal(addr_parse(text, &a), 0);
	return a;
}

static struct service_rule
rule(const char *vip, uint8_t proto, uint16_t first, uint16_t last, uint16_t service)
{
	return (struct service_rule){address(vip),
		{.first_port = first, .last_port = last, .service = service, .proto = proto}};
}

/* One look-up as a worker does it. */
static uint16_t
lookup(const struct service_table *table, const struct ip_addr *vip, uint8_t proto, uint16_t port)
{
	const struct service_entry *entry = service_table_vip(table, vip);
	return entry ? service_table_port(table, entry, proto, port) : SERVICE_NONE;
}

static uint16_t
lookup_text(const struct service_table *table, const char *vip, uint8_t proto, uint16_t port)
{
	struct ip_addr a = address(vip);
	return lookup(table, &a, proto, port);
}

static void
test_edges_of_ranges(void **state)
{
	(void)state;
	struct service_rule rules[] = {
		rule("192.0.2.80", IPPROTO_TCP, 443, 443, 1),
		rule("192.0.2.80", IPPROTO_TCP, 80, 80, 0),
		rule("192.0.2.80", IPPROTO_TCP, 8000, 8099, 2),
		rule("192.0.2.80", IPPROTO_UDP, 0, 65535, 3),
		rule("192.0.2.80", IPPROTO_TCP, 65535, 65535, 4),
		rule("2001:db8::80", IPPROTO_TCP, 80, 80, 5),
		rule("2001:db8::", IPPROTO_TCP, 80, 80, 6), /* one half of it is all zeros */
		rule("::2", IPPROTO_TCP, 80, 80, 7),
	};
	struct arena *arena = arena_create(ARENA_ANY_NODE);
	struct service_table table;
	assert_int_equal(service_table_build(&table, arena, rules, COUNT(rules)), 0);
	assert_int_equal(table.vip_count, 4);

	static const struct {
		const char *vip;
		uint8_t proto;
		uint16_t port, service;
	} cases[] = {
		{"192.0.2.80", IPPROTO_TCP, 79, SERVICE_NONE},
		{"192.0.2.80", IPPROTO_TCP, 80, 0},
		{"192.0.2.80", IPPROTO_TCP, 81, SERVICE_NONE},
		{"192.0.2.80", IPPROTO_TCP, 443, 1},
		{"192.0.2.80", IPPROTO_TCP, 7999, SERVICE_NONE},
		{"192.0.2.80", IPPROTO_TCP, 8000, 2},
		{"192.0.2.80", IPPROTO_TCP, 8050, 2},
		{"192.0.2.80", IPPROTO_TCP, 8099, 2},
		{"192.0.2.80", IPPROTO_TCP, 8100, SERVICE_NONE},
		{"192.0.2.80", IPPROTO_TCP, 65534, SERVICE_NONE},
		{"192.0.2.80", IPPROTO_TCP, 65535, 4},
		{"192.0.2.80", IPPROTO_UDP, 0, 3},
		{"192.0.2.80", IPPROTO_UDP, 443, 3},
		{"192.0.2.80", IPPROTO_UDP, 65535, 3},
		{"192.0.2.80", IPPROTO_SCTP, 80, SERVICE_NONE},
		{"2001:db8::80", IPPROTO_TCP, 80, 5},
		{"2001:db8::80", IPPROTO_UDP, 80, SERVICE_NONE},
		{"192.0.2.81", IPPROTO_TCP, 80, SERVICE_NONE},
		{"2001:db8::81", IPPROTO_TCP, 80, SERVICE_NONE},
		{"2001:db8::", IPPROTO_TCP, 80, 6},
		{"::2", IPPROTO_TCP, 80, 7},
	};
	for (size_t i = 0; i < COUNT(cases); i++)
		assert_int_equal(lookup_text(&table, cases[i].vip, cases[i].proto, cases[i].port),
			cases[i].service);
	arena_destroy(arena);
}

static void
test_vip_or_not(void **state)
{
	(void)state;
	struct service_rule rules[] = {rule("192.0.2.80", IPPROTO_TCP, 80, 80, 0)};
	struct arena *arena = arena_create(ARENA_ANY_NODE);
	struct service_table table;
	assert_int_equal(service_table_build(&table, arena, rules, 1), 0);
	static const char *const others[] = {"::", "::1", "0.0.0.0", "192.0.2.79", "192.0.2.81",
		"2001:db8::80", "::192.0.2.80", "ff02::1", "255.255.255.255"};
	for (size_t i = 0; i < COUNT(others); i++) {
		struct ip_addr a = address(others[i]);
		assert_null(service_table_vip(&table, &a));
	}
	struct ip_addr vip = address("192.0.2.80");
	const struct service_entry *entry = service_table_vip(&table, &vip);
	assert_non_null(entry);
	assert_true(addr_equal(&entry->vip, &vip));
	assert_int_equal((uintptr_t)entry % 64, 0);
	arena_destroy(arena);
}

static void
test_empty(void **state)
{
	(void)state;
	struct arena *arena = arena_create(ARENA_ANY_NODE);
	struct service_table table;
	assert_int_equal(service_table_build(&table, arena, NULL, 0), 0);
	assert_int_equal(table.vip_count, 0);
	assert_int_equal(lookup_text(&table, "192.0.2.80", IPPROTO_TCP, 80), SERVICE_NONE);
	assert_int_equal(lookup_text(&table, "::", IPPROTO_TCP, 80), SERVICE_NONE);
	arena_destroy(arena);
}

static void
test_refused(void **state)
{
	(void)state;
	static const struct {
		uint16_t first, last;
		int result;
	} cases[] = {
		{80, 80, -EEXIST},
		{80, 90, -EEXIST},
		{70, 80, -EEXIST},
		{0, 65535, -EEXIST},
		{100, 100, -EEXIST},
		{85, 86, -EEXIST},
		{79, 101, -EEXIST},
		{101, 200, 0},
		{0, 79, 0},
		{65535, 65535, 0},
		{90, 89, -EINVAL},
		{200, 100, -EINVAL},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct service_rule rules[] = {
			rule("192.0.2.80", IPPROTO_TCP, 80, 100, 0),
			rule("192.0.2.80", IPPROTO_UDP, 80, 100, 1), /* another protocol */
			rule("192.0.2.81", IPPROTO_TCP, 80, 100, 2), /* another VIP */
			rule("192.0.2.80", IPPROTO_TCP, cases[i].first, cases[i].last, 3),
		};
		struct arena *arena = arena_create(ARENA_ANY_NODE);
		struct service_table table;
		assert_int_equal(
			service_table_build(&table, arena, rules, COUNT(rules)), cases[i].result);
		arena_destroy(arena);
	}
	struct service_rule nowhere[] = {rule("::", IPPROTO_TCP, 80, 80, 0)};
	struct arena *arena = arena_create(ARENA_ANY_NODE);
	struct service_table table;
	assert_int_equal(service_table_build(&table, arena, nowhere, 1), -EINVAL);
	assert_int_equal(service_table_build(&table, arena, nowhere, SIZE_MAX), -EINVAL);
	arena_destroy(arena);
}

/* --- against a list ------------------------------------------------------------------------- */

/* Rules of VIP i are those from first[i] to before first[i + 1], in `list`. */
struct naive {
	struct service_rule *list;
	size_t *first;
	struct ip_addr *vips;
	size_t vip_count, rule_count, room;
};

static struct ip_addr
nth_vip(size_t i)
{
	struct ip_addr a;
	switch (i % 4) {
	case 0:
	case 1: /* IPv4, one after the other */
		return addr_from_v4(__builtin_bswap32((uint32_t)(0xc0000000 + i)));
	case 2: /* IPv6 within one /64 */
		a = address("2001:db8::");
		a.words[3] = __builtin_bswap32((uint32_t)i);
		return a;
	default: /* one VIP in each of many /48 */
		a = address("2001:db8::80");
		a.bytes[4] = (uint8_t)(i >> 8);
		a.bytes[5] = (uint8_t)i;
		a.bytes[3] = (uint8_t)(0xb8 + (i >> 16));
		return a;
	}
}

static void
naive_add(struct naive *naive, const struct ip_addr *vip, uint8_t proto, uint32_t first,
	uint32_t last)
{
	if (naive->rule_count == naive->room) {
		naive->room = naive->room ? naive->room * 2 : 1024;
		naive->list = realloc(naive->list, naive->room * sizeof(*naive->list));
		assert_non_null(naive->list);
	}
	naive->list[naive->rule_count++] =
		(struct service_rule){*vip, {.first_port = (uint16_t)first,
						    .last_port = (uint16_t)last,
						    .service = (uint16_t)random_below(SERVICE_NONE),
						    .proto = proto}};
}

/* About `wanted` ranges that do not overlap, some of them next to each other. */
static void
naive_fill_vip(struct naive *naive, const struct ip_addr *vip, uint32_t wanted)
{
	static const uint8_t protos[] = {IPPROTO_TCP, IPPROTO_UDP};
	for (size_t p = 0; p < COUNT(protos); p++) {
		if (random_below(8) == 0) {
			naive_add(naive, vip, protos[p], 0, 65535);
			continue;
		}
		uint32_t ranges = p == 0 ? wanted - wanted / 2 : wanted / 2;
		uint32_t step = ranges ? 65536 / ranges : 0;
		for (uint32_t r = 0; r < ranges; r++) {
			uint32_t first = r * step + (random_below(2) ? random_below(step) : 0);
			uint32_t room = (r + 1) * step - first;
			uint32_t last = first + (random_below(2) ? random_below(room) : room - 1);
			naive_add(naive, vip, protos[p], first, last);
		}
	}
}

static uint16_t
naive_lookup(const struct naive *naive, size_t vip, uint8_t proto, uint16_t port)
{
	for (size_t i = naive->first[vip]; i < naive->first[vip + 1]; i++) {
		const struct service_range *r = &naive->list[i].range;
		if (r->proto == proto && r->first_port <= port && port <= r->last_port)
			return r->service;
	}
	return SERVICE_NONE;
}

static struct naive
naive_create(size_t vip_count, uint32_t ranges_max)
{
	struct naive naive = {.vip_count = vip_count};
	naive.first = calloc(vip_count + 1, sizeof(*naive.first));
	naive.vips = calloc(vip_count, sizeof(*naive.vips));
	assert_non_null(naive.first);
	assert_non_null(naive.vips);
	for (size_t i = 0; i < vip_count; i++) {
		naive.vips[i] = nth_vip(i);
		naive.first[i] = naive.rule_count;
		naive_fill_vip(&naive, &naive.vips[i], 1 + random_below(ranges_max));
	}
	naive.first[vip_count] = naive.rule_count;
	return naive;
}

static void
naive_destroy(struct naive *naive)
{
	free(naive->list);
	free(naive->first);
	free(naive->vips);
}

static void
build_shuffled(struct service_table *table, struct arena *arena, const struct naive *naive)
{
	struct service_rule *rules = malloc(naive->rule_count * sizeof(*rules));
	assert_non_null(rules);
	memcpy(rules, naive->list, naive->rule_count * sizeof(*rules));
	for (size_t i = naive->rule_count - 1; i > 0; i--) {
		size_t j = random_below((uint32_t)i + 1);
		struct service_rule swap = rules[i];
		rules[i] = rules[j];
		rules[j] = swap;
	}
	assert_int_equal(service_table_build(table, arena, rules, naive->rule_count), 0);
	free(rules); /* the table keeps nothing of its input */
	assert_int_equal(table->vip_count, naive->vip_count);
	assert_true((size_t)(table->last - table->entries) + 1 >= 2 * naive->vip_count);
}

static void
check_against_list(const struct service_table *table, const struct naive *naive, unsigned lookups)
{
	static const uint8_t protos[] = {
		IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP, IPPROTO_SCTP, 0, 255};
	for (unsigned i = 0; i < lookups; i++) {
		size_t vip = random_below((uint32_t)naive->vip_count);
		uint8_t proto = protos[random_below(16) < 14 ? i % 2 : i % COUNT(protos)];
		uint16_t port = (uint16_t)random_below(65536);
		if (random_below(2)) { /* right at an edge */
			size_t rules = naive->first[vip + 1] - naive->first[vip];
			const struct service_rule *near =
				&naive->list[naive->first[vip] + random_below((uint32_t)rules)];
			port = (uint16_t)(random_below(2)
						  ? near->range.first_port - random_below(2)
						  : near->range.last_port + random_below(2));
		}
		assert_int_equal(lookup(table, &naive->vips[vip], proto, port),
			naive_lookup(naive, vip, proto, port));
		struct ip_addr stranger = nth_vip(naive->vip_count + random_below(100000));
		assert_null(service_table_vip(table, &stranger));
	}
}

static void
test_against_list(void **state)
{
	(void)state;
	static const struct {
		size_t vips;
		uint32_t ranges_max;
		unsigned rounds, lookups;
	} cases[] = {
		{1, 1, 50, 200},
		{3, 5, 50, 500},   /* within the entry */
		{7, 12, 50, 1000}, /* some within, some beside */
		{50, 2000, 3, 50000},
		{10000, 8, 2, 200000},
	};
	random_state = 1;
	for (size_t c = 0; c < COUNT(cases); c++) {
		for (unsigned round = 0; round < cases[c].rounds; round++) {
			struct naive naive = naive_create(cases[c].vips, cases[c].ranges_max);
			struct arena *arena = arena_create(ARENA_ANY_NODE);
			struct service_table table;
			build_shuffled(&table, arena, &naive);
			check_against_list(&table, &naive, cases[c].lookups);
			naive_destroy(&naive);
			arena_destroy(arena);
		}
	}
}

/* Every count of ranges around where they move out of the entry, and every port. */
static void
test_every_port_of_every_count(void **state)
{
	(void)state;
	random_state = 2;
	for (uint16_t ranges = 1; ranges <= 2 * SERVICE_INLINE_MAX + 1; ranges++) {
		struct service_rule rules[2 * SERVICE_INLINE_MAX + 1];
		for (uint16_t r = 0; r < ranges; r++)
			rules[r] = rule("192.0.2.80", r % 2 ? IPPROTO_UDP : IPPROTO_TCP,
				(uint16_t)(r * 100), (uint16_t)(r * 100 + r), r);
		struct arena *arena = arena_create(ARENA_ANY_NODE);
		struct service_table table;
		assert_int_equal(service_table_build(&table, arena, rules, ranges), 0);
		for (uint32_t port = 0; port < 65536; port++) {
			uint32_t r = port / 100;
			bool inside = r < ranges && port % 100 <= r;
			assert_int_equal(
				lookup_text(&table, "192.0.2.80", IPPROTO_TCP, (uint16_t)port),
				inside && r % 2 == 0 ? r : SERVICE_NONE);
			assert_int_equal(
				lookup_text(&table, "192.0.2.80", IPPROTO_UDP, (uint16_t)port),
				inside && r % 2 == 1 ? r : SERVICE_NONE);
		}
		arena_destroy(arena);
	}
}

/* One access a look-up is the point of the table, so VIPs as people number them must not cluster:
 * entries stand on average less than one away from where they are sought. */
static void
check_distance(struct ip_addr (*nth)(uint32_t), uint32_t count)
{
	struct service_rule *rules = calloc(count, sizeof(*rules));
	assert_non_null(rules);
	for (uint32_t i = 0; i < count; i++)
		rules[i] = (struct service_rule){nth(i), {80, 80, 0, IPPROTO_TCP, 0}};
	struct arena *arena = arena_create(ARENA_ANY_NODE);
	struct service_table table;
	assert_int_equal(service_table_build(&table, arena, rules, count), 0);
	uint64_t total = 0;
	for (uint32_t i = 0; i < count; i++) {
		struct ip_addr vip = nth(i);
		const struct service_entry *entry = service_table_vip(&table, &vip);
		assert_non_null(entry);
		uint64_t distance = (uint64_t)(entry - service_table_at(&table, &vip));
		total += distance & (uint64_t)(table.last - table.entries);
	}
	assert_true(total < count);
	free(rules);
	arena_destroy(arena);
}

static struct ip_addr
sequential4(uint32_t i)
{
	return addr_from_v4(__builtin_bswap32(0xc0000200 + i));
}

static struct ip_addr
one_a_network4(uint32_t i)
{
	return addr_from_v4(__builtin_bswap32(0x0a000001 + (i << 8)));
}

static struct ip_addr
sequential6(uint32_t i)
{
	struct ip_addr a = address("2001:db8::");
	a.words[3] = __builtin_bswap32(i + 1);
	return a;
}

static struct ip_addr
one_a_network6(uint32_t i)
{
	struct ip_addr a = address("2001:db8::53");
	a.words[1] = __builtin_bswap32(i);
	return a;
}

static void
test_vips_do_not_cluster(void **state)
{
	(void)state;
	static struct ip_addr (*const patterns[])(uint32_t) = {
		sequential4, one_a_network4, sequential6, one_a_network6};
	static const uint32_t counts[] = {16, 256, 1000, 4096, 10000};
	for (size_t p = 0; p < COUNT(patterns); p++)
		for (size_t c = 0; c < COUNT(counts); c++)
			check_distance(patterns[p], counts[c]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_edges_of_ranges),
		cmocka_unit_test(test_vip_or_not),
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_against_list),
		cmocka_unit_test(test_every_port_of_every_count),
		cmocka_unit_test(test_vips_do_not_cluster),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
