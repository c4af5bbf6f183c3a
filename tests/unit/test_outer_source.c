/* SPDX-License-Identifier: BSD-3-Clause */
/* The tunnels' own sources: what a mode sends is known by them, and the search finds what a look at
 * each finds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <netinet/in.h>

#include "outer_source.h"
#include "wire.h"

#define ENTROPIES 1000
#define SETS	  300
#define SOURCES	  40
#define PACKETS	  400

static struct ip_addr
address(const char *text)
{
	struct ip_addr a;
	assert_int_equal(addr_parse(text, &a), 0);
	return a;
}

static struct encap_settings
settings_with(const char *source4, const char *source6)
{
	struct encap_settings settings = {
		.has_source4 = true,
		.has_source6 = true,
		.port = 6080,
		.vni = 7,
	};
	assert_int_equal(prefix_parse(source4, &settings.source4), 0);
	assert_int_equal(prefix_parse(source6, &settings.source6), 0);
	return settings;
}

/* An inner packet wrapped by `mode`: source, protocol and UDP port of its outer header. */
static void
wrapped(const struct encap *mode, const struct encap_settings *settings,
	const struct ip_addr *backend, uint8_t inner_family, uint32_t entropy, struct ip_addr *src,
	uint8_t *proto, uint16_t *port)
{
	uint8_t bytes[ENCAP_HEADER_MAX + 40] = {0};
	struct encap_target target;
	assert_int_equal(mode->prepare(&target, settings, backend), 0);
	struct encap_packet packet = {
		.inner = bytes + ENCAP_HEADER_MAX,
		.l3_length = 40,
		.inner_family = inner_family,
		.entropy = entropy,
	};
	mode->wrap(&packet, &target);
	const struct wire_udp *udp;
	if (target.family == 4) {
		const struct wire_ipv4 *ip = (const void *)packet.outer;
		*src = addr_from_v4(ip->src);
		*proto = ip->proto;
		udp = (const void *)(ip + 1);
	} else {
		const struct wire_ipv6 *ip = (const void *)packet.outer;
		*src = addr_from_v6(ip->src);
		*proto = ip->next_header;
		udp = (const void *)(ip + 1);
	}
	*port = *proto == IPPROTO_UDP ? wire_u16(udp->dport) : 0;
}

/* Every packet that any mode makes is known by what is said of the mode. */
static void
test_every_mode_is_known(void **state)
{
	(void)state;
	const struct encap_settings settings = settings_with("10.77.0.0/16", "2001:db8:77::/96");
	const struct ip_addr backends[] = {address("10.0.9.11"), address("2001:db8:9::11")};
	unsigned tunnels = 0;
	for (const struct encap *const *mode = encap_all; *mode; mode++) {
		struct outer_source all[OUTER_SOURCES_PER_POOL];
		uint32_t count = outer_source_add(all, 0, *mode, &settings);
		count = outer_source_settle(all, count);
		if (*mode == &encap_l2 || *mode == &encap_kernel) {
			assert_int_equal(count, 0);
			continue;
		}
		tunnels++;
		for (int b = 0; b < 2; b++)
			for (uint32_t n = 0; n < ENTROPIES; n++) {
				struct ip_addr src;
				uint8_t proto;
				uint16_t port;
				wrapped(*mode, &settings, &backends[b], n & 1 ? 4 : 6,
					n * 2654435761u, &src, &proto, &port);
				assert_true(outer_source_is(all, count, &src, proto, port));
				assert_false(outer_source_is(all, count, &src, proto, 9));
				assert_false(outer_source_is(all, count, &src, 89, port));
				assert_false(
					outer_source_is(all, count, &backends[b], proto, port));
			}
	}
	assert_int_equal(tunnels, 4);
}

static void
test_a_family_without_source(void **state)
{
	(void)state;
	struct encap_settings settings = settings_with("10.0.9.2", "2001:db8:9::2");
	struct outer_source all[OUTER_SOURCES_PER_POOL];
	settings.has_source6 = false;
	assert_int_equal(outer_source_add(all, 0, &encap_gre, &settings), 1);
	struct ip_addr four = address("10.0.9.2"), six = address("2001:db8:9::2");
	assert_true(outer_source_is(all, 1, &four, IPPROTO_GRE, 0));
	assert_false(outer_source_is(all, 1, &six, IPPROTO_GRE, 0));
	assert_false(outer_source_is(all, 0, &four, IPPROTO_GRE, 0));
}

static void
test_same_and_nested_are_one(void **state)
{
	(void)state;
	static const char *const prefixes[] = {
		"10.1.0.0/16", "10.1.0.0/24", "10.1.2.3", "10.1.0.0/16", "10.2.0.0/16"};
	struct outer_source all[5];
	for (int i = 0; i < 5; i++) {
		all[i] = (struct outer_source){.proto = IPPROTO_GRE};
		assert_int_equal(prefix_parse(prefixes[i], &all[i].prefix), 0);
	}
	assert_int_equal(outer_source_settle(all, 5), 2);
	struct ip_addr end = address("10.1.255.255"), behind = address("10.3.0.0");
	assert_true(outer_source_is(all, 2, &end, IPPROTO_GRE, 0));
	assert_false(outer_source_is(all, 2, &behind, IPPROTO_GRE, 0));
}

/* Few values, so that they meet: IPv4 and IPv6 with all their bits in the last two bytes. */
static struct ip_addr
some_address(void)
{
	struct ip_addr a = address(rand() & 1 ? "10.0.0.0" : "::");
	a.bytes[14] = (uint8_t)(rand() & 3);
	a.bytes[15] = (uint8_t)rand();
	return a;
}

static struct outer_source
some_source(void)
{
	struct outer_source source = {
		.prefix.addr = some_address(),
		.proto = rand() & 1 ? IPPROTO_UDP : IPPROTO_GRE,
	};
	unsigned bits = (unsigned)rand() % 12; /* that are free; more than an address has here */
	if (source.proto == IPPROTO_UDP)
		source.port = (uint16_t)(1 + (rand() & 1));
	source.prefix.len = (uint8_t)((addr_is_v4(&source.prefix.addr) ? 32 : 128) - bits);
	for (unsigned bit = 0; bit < bits; bit++)
		source.prefix.addr.bytes[15 - bit / 8] &= (uint8_t) ~(1u << bit % 8);
	/* An IPv6 prefix that has the v4-mapped addresses in its middle. */
	if (!addr_is_v4(&source.prefix.addr) && rand() % 8 == 0)
		source.prefix = (struct ip_prefix){.len = 0};
	return source;
}

static bool
any_holds(const struct outer_source *all, uint32_t count, const struct outer_source *packet)
{
	for (uint32_t i = 0; i < count; i++)
		if (all[i].proto == packet->proto && all[i].port == packet->port &&
			prefix_contains(&all[i].prefix, &packet->prefix.addr))
			return true;
	return false;
}

static void
test_as_if_each_were_asked(void **state)
{
	(void)state;
	srand(50);
	unsigned found = 0;
	for (int set = 0; set < SETS; set++) {
		struct outer_source all[SOURCES], settled[SOURCES];
		uint32_t count = (uint32_t)rand() % (SOURCES + 1);
		for (uint32_t i = 0; i < count; i++)
			all[i] = settled[i] = some_source();
		uint32_t left = outer_source_settle(settled, count);
		assert_true(left <= count);
		for (int i = 0; i < PACKETS; i++) {
			struct outer_source packet = some_source();
			packet.prefix.addr = some_address();
			bool ours = any_holds(all, count, &packet);
			found += ours;
			assert_int_equal(outer_source_is(settled, left, &packet.prefix.addr,
						 packet.proto, packet.port),
				ours);
		}
	}
	assert_true(found > SETS && found < SETS * PACKETS - SETS);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_mode_is_known),
		cmocka_unit_test(test_a_family_without_source),
		cmocka_unit_test(test_same_and_nested_are_one),
		cmocka_unit_test(test_as_if_each_were_asked),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
