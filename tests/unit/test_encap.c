/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "checksum.h"
#include "encap.h"
#include "l2.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static uint64_t random_state;

static uint32_t
random32(void)
{
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(random_state >> 32);
}

static struct ip_addr
address(const char *text)
{
	struct ip_addr a;
	assert_int_equal(addr_parse(text, &a), 0);
	return a;
}

static struct encap_settings
settings(const char *source4, const char *source6)
{
	struct encap_settings s = {.has_source4 = source4, .has_source6 = source6};
	if (source4)
		assert_int_equal(prefix_parse(source4, &s.source4), 0);
	if (source6)
		assert_int_equal(prefix_parse(source6, &s.source6), 0);
	return s;
}

/* RFC 1071 to the letter; 0xffff over a header that holds its right checksum. */
static uint16_t
naive_sum(const uint8_t *data, size_t bytes)
{
	uint32_t sum = 0;
	for (size_t i = 0; i < bytes; i += 2) {
		sum += (uint32_t)(data[i] << 8 | data[i + 1]);
		if (sum > 0xffff)
			sum -= 0xffff;
	}
	return (uint16_t)sum;
}

static uint32_t
be32_at(const uint8_t *data)
{
	return (uint32_t)data[0] << 24 | (uint32_t)data[1] << 16 | (uint32_t)data[2] << 8 | data[3];
}

/* --- ipip ----------------------------------------------------------------------------------- */

#define INNER_BYTES 28
#define HEADROOM    80

/* Wraps INNER_BYTES of 0xcc behind HEADROOM bytes of 0xee, and sees that nothing else changes. */
static void
wrap_and_compare(const struct encap *encap, const struct encap_target *target, uint8_t inner_family,
	const uint8_t *expected, size_t expected_bytes)
{
	uint8_t buffer[HEADROOM + INNER_BYTES + 8], before[sizeof(buffer)];
	memset(buffer, 0xee, sizeof(buffer));
	memset(buffer + HEADROOM, 0xcc, INNER_BYTES);
	memcpy(before, buffer, sizeof(buffer));
	struct encap_packet packet = {
		.inner = buffer + HEADROOM,
		.l3_length = INNER_BYTES,
		.inner_family = inner_family,
		.tos = 0xb9,
		.entropy = 0x12345678,
	};
	assert_int_equal(target->header_length, expected_bytes);
	encap->wrap(&packet, target);
	assert_ptr_equal(packet.outer, buffer + HEADROOM - expected_bytes);
	assert_memory_equal(buffer, before, HEADROOM - expected_bytes);
	if (expected_bytes > 0)
		assert_memory_equal(packet.outer, expected, expected_bytes);
	assert_memory_equal(buffer + HEADROOM, before + HEADROOM, sizeof(buffer) - HEADROOM);
}

/* A DSCP of the pool's own takes the place of the packet's; ECN does not. */
static void
test_dscp(void **state)
{
	(void)state;
	uint8_t buffer[100] = {0};
	struct encap_settings s = {.has_source4 = true, .has_source6 = true};
	struct ip_addr to4, to6;
	struct encap_target target;
	struct encap_packet packet = {.inner = buffer + 60, .l3_length = 40, .inner_family = 4};
	assert_int_equal(addr_parse("10.0.0.11", &to4), 0);
	assert_int_equal(addr_parse("2001:db8::11", &to6), 0);
	assert_int_equal(prefix_parse("10.99.0.1", &s.source4), 0);
	assert_int_equal(prefix_parse("2001:db8:99::1", &s.source6), 0);
	for (unsigned tos = 0; tos < 256; tos++) {
		packet.tos = (uint8_t)tos;
		for (unsigned dscp = 0; dscp <= 64; dscp++) {
			s.has_dscp = dscp < 64;
			s.dscp = (uint8_t)(dscp % 64);
			unsigned wanted = s.has_dscp ? dscp << 2 | (tos & 3) : tos;
			assert_int_equal(encap_ipip.prepare(&target, &s, &to4), 0);
			encap_ipip.wrap(&packet, &target);
			assert_int_equal(packet.outer[1], wanted);
			assert_int_equal(checksum_fold(checksum_sum(packet.outer, 20)), 0);
			assert_int_equal(encap_ipip.prepare(&target, &s, &to6), 0);
			encap_ipip.wrap(&packet, &target);
			assert_int_equal(packet.outer[0] << 4 & 0xf0, wanted & 0xf0);
			assert_int_equal(packet.outer[1] >> 4, wanted & 0xf);
		}
	}
}

static void
test_ipip_byte_exact(void **state)
{
	(void)state;
	/* 10.99.86.120 (the /16 and the low half of the entropy) to 10.0.0.11; DF, ID 0, TTL 64 */
	static const uint8_t four_in_four[] = {0x45, 0xb9, 0x00, 0x30, 0x00, 0x00, 0x40, 0x00, 0x40,
		0x04, 0xcf, 0x2b, 0x0a, 0x63, 0x56, 0x78, 0x0a, 0x00, 0x00, 0x0b};
	static const uint8_t six_in_four[] = {0x45, 0xb9, 0x00, 0x30, 0x00, 0x00, 0x40, 0x00, 0x40,
		0x29, 0xcf, 0x06, 0x0a, 0x63, 0x56, 0x78, 0x0a, 0x00, 0x00, 0x0b};
	/* 2001:db8:99::1234:5678 to 2001:db8::11; class b9, label 12345, hop limit 64 */
	static const uint8_t four_in_six[] = {0x6b, 0x91, 0x23, 0x45, 0x00, 0x1c, 0x04, 0x40, 0x20,
		0x01, 0x0d, 0xb8, 0x00, 0x99, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x12, 0x34, 0x56,
		0x78, 0x20, 0x01, 0x0d, 0xb8, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
		0x00, 0x00, 0x11};
	uint8_t six_in_six[sizeof(four_in_six)];
	memcpy(six_in_six, four_in_six, sizeof(six_in_six));
	six_in_six[6] = 0x29;

	struct encap_settings s = settings("10.99.0.0/16", "2001:db8:99::/64");
	struct ip_addr backend4 = address("10.0.0.11"), backend6 = address("2001:db8::11");
	struct encap_target target;
	assert_int_equal(encap_ipip.prepare(&target, &s, &backend4), 0);
	assert_int_equal(target.family, 4);
	wrap_and_compare(&encap_ipip, &target, 4, four_in_four, sizeof(four_in_four));
	wrap_and_compare(&encap_ipip, &target, 6, six_in_four, sizeof(six_in_four));
	assert_int_equal(encap_ipip.prepare(&target, &s, &backend6), 0);
	assert_int_equal(target.family, 6);
	wrap_and_compare(&encap_ipip, &target, 4, four_in_six, sizeof(four_in_six));
	wrap_and_compare(&encap_ipip, &target, 6, six_in_six, sizeof(six_in_six));
}

static void
test_ipip_source_missing(void **state)
{
	(void)state;
	struct encap_settings only4 = settings("10.99.0.1", NULL);
	struct encap_settings only6 = settings(NULL, "2001:db8::99");
	struct ip_addr backend4 = address("10.0.0.11"), backend6 = address("2001:db8::11");
	struct encap_target target;
	assert_int_equal(encap_ipip.prepare(&target, &only4, &backend4), 0);
	assert_int_equal(encap_ipip.prepare(&target, &only4, &backend6), -EINVAL);
	assert_int_equal(encap_ipip.prepare(&target, &only6, &backend6), 0);
	assert_int_equal(encap_ipip.prepare(&target, &only6, &backend4), -EINVAL);
}

/* Random packets to random backends: the checksum right, every field where it belongs. */
static void
test_ipip_random_ipv4(void **state)
{
	(void)state;
	random_state = 1;
	uint8_t buffer[64];
	for (unsigned i = 0; i < 300000; i++) {
		uint8_t len = (uint8_t)(random32() % 33);
		uint32_t mask = len == 32 ? 0 : UINT32_MAX >> len;
		uint32_t base = random32() & ~mask, backend = random32();
		struct encap_settings s = {.has_source4 = true,
			.source4 = {.addr = addr_from_v4(wire_u32(base)), .len = len}};
		struct ip_addr to = addr_from_v4(wire_u32(backend));
		struct encap_target target;
		assert_int_equal(encap_ipip.prepare(&target, &s, &to), 0);
		struct encap_packet packet = {.inner = buffer + 40,
			.l3_length = (uint16_t)(random32() % (UINT16_MAX - 20 + 1)),
			.inner_family = random32() % 2 ? 4 : 6,
			.tos = (uint8_t)random32(),
			.entropy = random32()};
		encap_ipip.wrap(&packet, &target);

		const uint8_t *ip = buffer + 20;
		assert_ptr_equal(packet.outer, ip);
		assert_int_equal(naive_sum(ip, 20), 0xffff);
		assert_int_equal(ip[0], 0x45);
		assert_int_equal(ip[1], packet.tos);
		assert_int_equal(ip[2] << 8 | ip[3], packet.l3_length + 20);
		assert_int_equal(be32_at(ip + 4), 0x00004000);
		assert_int_equal(ip[8], 64);
		assert_int_equal(ip[9], packet.inner_family == 4 ? 4 : 41);
		assert_int_equal(be32_at(ip + 16), backend);
		uint32_t host = be32_at(ip + 12) & mask;
		assert_int_equal(be32_at(ip + 12) & ~mask, base);
		if (len <= 30) {
			assert_int_not_equal(host, 0);
			assert_int_not_equal(host, mask);
		}
		uint32_t wanted = packet.entropy & mask;
		if (len > 30 || (wanted != 0 && wanted != mask))
			assert_int_equal(host, wanted);
	}
}

static void
test_ipip_random_ipv6(void **state)
{
	(void)state;
	random_state = 2;
	uint8_t buffer[64];
	for (unsigned i = 0; i < 300000; i++) {
		struct encap_settings s = {.has_source6 = true};
		struct ip_addr to;
		for (size_t w = 0; w < 4; w++) {
			s.source6.addr.words[w] = random32();
			to.words[w] = random32();
		}
		s.source6.len = (uint8_t)(random32() % 129);
		for (unsigned bit = s.source6.len; bit < 128; bit++)
			s.source6.addr.bytes[bit / 8] &= (uint8_t) ~(0x80u >> bit % 8);
		struct encap_target target;
		assert_int_equal(encap_ipip.prepare(&target, &s, &to), 0);
		struct encap_packet packet = {.inner = buffer + 60,
			.l3_length = (uint16_t)random32(),
			.inner_family = random32() % 2 ? 4 : 6,
			.tos = (uint8_t)random32(),
			.entropy = random32()};
		encap_ipip.wrap(&packet, &target);

		const uint8_t *ip = buffer + 20;
		assert_ptr_equal(packet.outer, ip);
		assert_int_equal(
			be32_at(ip), 6u << 28 | (uint32_t)packet.tos << 20 | packet.entropy >> 12);
		assert_int_equal(ip[4] << 8 | ip[5], packet.l3_length);
		assert_int_equal(ip[6], packet.inner_family == 4 ? 4 : 41);
		assert_int_equal(ip[7], 64);
		assert_memory_equal(ip + 24, to.bytes, 16);
		struct ip_addr from = addr_from_v6(ip + 8);
		assert_true(prefix_contains(&s.source6, &from));
		/* At most the low 32 bits vary. */
		assert_memory_equal(from.bytes, s.source6.addr.bytes, 12);
		if (s.source6.len == 128)
			assert_true(addr_equal(&from, &s.source6.addr));
	}
}

/* Small subnets: exactly the addresses that a host may have, all of them. */
static void
test_ipip_hosts_of_small_prefixes(void **state)
{
	(void)state;
	static const struct {
		const char *prefix;
		uint32_t hosts; /* bit i: the address i above the first occurs */
	} cases[] = {
		{"10.99.0.8/32", 0x01},
		{"10.99.0.8/31", 0x03},
		{"10.99.0.8/30", 0x06},
		{"10.99.0.8/29", 0x7e},
		{"10.99.0.0/27", 0x7ffffffe},
	};
	struct ip_addr backend = address("10.0.0.11");
	uint8_t buffer[64];
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct encap_settings s = settings(cases[i].prefix, NULL);
		struct encap_target target;
		assert_int_equal(encap_ipip.prepare(&target, &s, &backend), 0);
		uint32_t seen = 0;
		for (uint32_t entropy = 0; entropy < 64; entropy++) {
			struct encap_packet packet = {.inner = buffer + 40,
				.l3_length = 28,
				.inner_family = 4,
				.entropy = entropy};
			encap_ipip.wrap(&packet, &target);
			seen |= 1u << (be32_at(packet.outer + 12) -
					wire_u32(addr_v4(&s.source4.addr)));
		}
		assert_int_equal(seen, cases[i].hosts);
	}
}

/* --- l2 and the table ------------------------------------------------------------------------ */

static void
test_l2_adds_nothing(void **state)
{
	(void)state;
	struct encap_settings s = settings(NULL, NULL);
	struct ip_addr backend = address("10.0.0.11");
	struct encap_target target;
	memset(&target, 0xff, sizeof(target));
	assert_int_equal(encap_l2.prepare(&target, &s, &backend), 0);
	assert_int_equal(target.family, 0);
	wrap_and_compare(&encap_l2, &target, 4, NULL, 0);
	wrap_and_compare(&encap_l2, &target, 6, NULL, 0);
}

static void
test_find(void **state)
{
	(void)state;
	assert_ptr_equal(encap_find("l2"), &encap_l2);
	assert_ptr_equal(encap_find("ipip"), &encap_ipip);
	assert_null(encap_find(""));
	assert_null(encap_find("l"));
	assert_null(encap_find("ipip "));
	assert_null(encap_find("IPIP"));
	for (const struct encap *const *encap = encap_all; *encap; encap++)
		assert_ptr_equal(encap_find((*encap)->name), *encap);
}

/* --- l2_slot.h, l2.h ------------------------------------------------------------------------- */

static void
test_slot(void **state)
{
	(void)state;
	static const struct mac_addr mac = {{0x02, 0x11, 0x22, 0x33, 0x44, 0xff}};
	for (unsigned port = 0; port <= PORTS_MAX; port++) {
		for (unsigned vlan = 0; vlan < 4096; vlan++) {
			uint64_t slot = l2_slot_pack(&mac, (uint8_t)port, (uint16_t)vlan);
			struct mac_addr got = l2_slot_mac(slot);
			assert_memory_equal(got.bytes, mac.bytes, 6);
			assert_int_equal(l2_slot_port(slot), port);
			assert_int_equal(l2_slot_vlan(slot), vlan);
			assert_int_equal(l2_slot_resolved(slot), port != PORTS_MAX);
		}
	}
	assert_false(l2_slot_resolved(L2_SLOT_UNRESOLVED));
}

static void
test_write(void **state)
{
	(void)state;
	static const struct mac_addr dst = {{0x02, 0, 0, 0, 0, 0x0b}},
				     src = {{0x02, 0, 0, 0, 0, 0x01}};
	static const uint8_t untagged[] = {
		0x02, 0, 0, 0, 0, 0x0b, 0x02, 0, 0, 0, 0, 0x01, 0x08, 0x00};
	static const uint8_t tagged[] = {
		0x02, 0, 0, 0, 0, 0x0b, 0x02, 0, 0, 0, 0, 0x01, 0x81, 0x00, 0x0f, 0xfe, 0x86, 0xdd};
	uint8_t buffer[40], clean[40];
	memset(clean, 0xee, sizeof(clean));
	const struct {
		uint16_t vlan, ethertype;
		const uint8_t *expected;
		size_t bytes;
	} cases[] = {
		{0, 0x0800, untagged, sizeof(untagged)},
		{0xffe, 0x86dd, tagged, sizeof(tagged)},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		uint64_t slot = l2_slot_pack(&dst, 3, cases[i].vlan);
		memset(buffer, 0xee, sizeof(buffer));
		assert_int_equal(l2_length(slot), cases[i].bytes);
		uint8_t *start = l2_write(buffer + 32, slot, l2_mac_word(&src), cases[i].ethertype);
		assert_ptr_equal(start, buffer + 32 - cases[i].bytes);
		assert_memory_equal(start, cases[i].expected, cases[i].bytes);
		assert_memory_equal(buffer, clean, 32 - cases[i].bytes);
		assert_memory_equal(buffer + 32, clean, 8);
	}
}

/* Checksum of `ip` as it now is, its field taken for 0; stored in network order. */
static void
set_checksum(uint8_t *ip)
{
	ip[10] = ip[11] = 0;
	uint16_t checksum = (uint16_t)~naive_sum(ip, 20);
	ip[10] = (uint8_t)(checksum >> 8);
	ip[11] = (uint8_t)checksum;
}

static void
check_decrement(uint8_t ip[20])
{
	uint8_t expected[20];
	memcpy(expected, ip, 20);
	expected[8]--;
	set_checksum(expected);
	l2_decrement_ttl(ip, 4);
	assert_memory_equal(ip, expected, 20);
}

static void
test_decrement_ttl(void **state)
{
	(void)state;
	random_state = 3;
	for (unsigned ttl = 2; ttl <= 255; ttl++) {
		for (unsigned i = 0; i < 2000; i++) {
			uint8_t ip[20];
			for (size_t b = 0; b < sizeof(ip); b++)
				ip[b] = (uint8_t)random32();
			ip[0] = 0x45;
			ip[8] = (uint8_t)ttl;
			set_checksum(ip);
			check_decrement(ip);
		}
	}
}

/* Every checksum that a right header can hold: the ID takes it there. */
static void
test_decrement_ttl_every_checksum(void **state)
{
	(void)state;
	uint8_t ip[20] = {0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, 6, 0, 0, 192, 0, 2, 1, 192, 0, 2, 80};
	bool seen[65536] = {false};
	for (unsigned id = 0; id < 65536; id++) {
		ip[4] = (uint8_t)(id >> 8);
		ip[5] = (uint8_t)id;
		ip[8] = 64;
		set_checksum(ip);
		seen[ip[10] << 8 | ip[11]] = true;
		check_decrement(ip);
	}
	for (unsigned checksum = 0; checksum < 0xffff; checksum++)
		assert_true(seen[checksum]);
}

/* 0xffff is the other zero: nobody computes it, but a header that has it is right as it came, and
 * must be right as it goes. */
static void
test_decrement_ttl_other_zero(void **state)
{
	(void)state;
	uint8_t ip[20] = {0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, 6, 0, 0, 192, 0, 2, 1, 192, 0, 2, 80};
	uint16_t rest = (uint16_t)~naive_sum(ip, 20);
	ip[4] = (uint8_t)(rest >> 8); /* now the rest sums to 0xffff */
	ip[5] = (uint8_t)rest;
	ip[10] = ip[11] = 0xff;
	assert_int_equal(naive_sum(ip, 20), 0xffff);
	l2_decrement_ttl(ip, 4);
	assert_int_equal(ip[8], 63);
	assert_int_equal(naive_sum(ip, 20), 0xffff);
}

static void
test_decrement_hop_limit(void **state)
{
	(void)state;
	uint8_t ip[40], expected[40];
	for (unsigned limit = 2; limit <= 255; limit++) {
		memset(ip, 0xee, sizeof(ip));
		ip[7] = (uint8_t)limit;
		memcpy(expected, ip, sizeof(ip));
		expected[7]--;
		l2_decrement_ttl(ip, 6);
		assert_memory_equal(ip, expected, sizeof(ip));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dscp),
		cmocka_unit_test(test_ipip_byte_exact),
		cmocka_unit_test(test_ipip_source_missing),
		cmocka_unit_test(test_ipip_random_ipv4),
		cmocka_unit_test(test_ipip_random_ipv6),
		cmocka_unit_test(test_ipip_hosts_of_small_prefixes),
		cmocka_unit_test(test_l2_adds_nothing),
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_slot),
		cmocka_unit_test(test_write),
		cmocka_unit_test(test_decrement_ttl),
		cmocka_unit_test(test_decrement_ttl_every_checksum),
		cmocka_unit_test(test_decrement_ttl_other_zero),
		cmocka_unit_test(test_decrement_hop_limit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
