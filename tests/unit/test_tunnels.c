/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * gre, gue and vxlan: what they put in front of a packet, byte for byte, and what may vary in it.
 * What they share with ipip is test_encap.c's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <errno.h>

#include "encap.h"
#include "wire.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define INNER_BYTES 28
#define HEADROOM    80

#define PORT_FIRST 49152
#define PORT_COUNT 16384

struct mode {
	const struct encap *encap;
	struct encap_settings settings; /* beside the outer sources */
};

static const struct mode gre = {.encap = &encap_gre};
static const struct mode gre_keyed = {&encap_gre, {.has_key = true, .key = 0xfedcba98}};
static const struct mode gre_key_0 = {&encap_gre, {.has_key = true}};
static const struct mode gue = {&encap_gue, {.port = 6080}};
static const struct mode gue_direct = {&encap_gue, {.port = 9886, .variant = 1}};
static const struct mode vxlan = {
	&encap_vxlan, {.port = 4789,
			      .vni = 0xabcdef,
			      .inner_destination = {{0x02, 0x11, 0x22, 0x33, 0x44, 0x55}},
			      .inner_source = {{0x02, 0xaa, 0xbb, 0xcc, 0xdd, 0xee}}}};

#define backend4 "10.0.0.11"
#define backend6 "2001:db8::11"

/*
 * The outer IP header, and what follows it up to the inner packet: of 28 bytes, with TOS b9 and
 * entropy 12345678, from 10.99.0.0/16 or 2001:db8:99::/64. Made with Scapy 2.5.
 */
static const struct {
	const struct mode *mode;
	const char *backend;
	uint8_t inner_family;
	const char *expected;
} exact[] = {
	{&gre, backend4, 4,
		"45b9003400004000402fcefc0a6356780a00000b"
		"00000800"},
	{&gre, backend4, 6,
		"45b9003400004000402fcefc0a6356780a00000b"
		"000086dd"},
	{&gre, backend6, 4,
		"6b91234500202f4020010db800990000000000001234567820010db8000000000000000000000011"
		"00000800"},
	{&gre, backend6, 6,
		"6b91234500202f4020010db800990000000000001234567820010db8000000000000000000000011"
		"000086dd"},
	{&gre_keyed, backend4, 4,
		"45b9003800004000402fcef80a6356780a00000b"
		"20000800fedcba98"},
	{&gre_keyed, backend4, 6,
		"45b9003800004000402fcef80a6356780a00000b"
		"200086ddfedcba98"},
	{&gre_keyed, backend6, 4,
		"6b91234500242f4020010db800990000000000001234567820010db8000000000000000000000011"
		"20000800fedcba98"},
	{&gre_keyed, backend6, 6,
		"6b91234500242f4020010db800990000000000001234567820010db8000000000000000000000011"
		"200086ddfedcba98"},
	{&gue, backend4, 4,
		"45b9003c000040004011cf120a6356780a00000b"
		"c48d17c00028000000040000"},
	{&gue, backend4, 6,
		"45b9003c000040004011cf120a6356780a00000b"
		"c48d17c00028000000290000"},
	{&gue, backend6, 4,
		"6b9123450028114020010db800990000000000001234567820010db8000000000000000000000011"
		"c48d17c00028000000040000"},
	{&gue, backend6, 6,
		"6b9123450028114020010db800990000000000001234567820010db8000000000000000000000011"
		"c48d17c00028000000290000"},
	{&gue_direct, backend4, 4,
		"45b90038000040004011cf160a6356780a00000b"
		"c48d269e00240000"},
	{&gue_direct, backend4, 6,
		"45b90038000040004011cf160a6356780a00000b"
		"c48d269e00240000"},
	{&gue_direct, backend6, 4,
		"6b9123450024114020010db800990000000000001234567820010db8000000000000000000000011"
		"c48d269e00240000"},
	{&gue_direct, backend6, 6,
		"6b9123450024114020010db800990000000000001234567820010db8000000000000000000000011"
		"c48d269e00240000"},
	{&vxlan, backend4, 4,
		"45b9004e000040004011cf000a6356780a00000b"
		"c48d12b5003a000008000000abcdef0002112233445502aabbccddee0800"},
	{&vxlan, backend4, 6,
		"45b9004e000040004011cf000a6356780a00000b"
		"c48d12b5003a000008000000abcdef0002112233445502aabbccddee86dd"},
	{&vxlan, backend6, 4,
		"6b912345003a114020010db800990000000000001234567820010db8000000000000000000000011"
		"c48d12b5003a000008000000abcdef0002112233445502aabbccddee0800"},
	{&vxlan, backend6, 6,
		"6b912345003a114020010db800990000000000001234567820010db8000000000000000000000011"
		"c48d12b5003a000008000000abcdef0002112233445502aabbccddee86dd"},
};

static uint64_t random_state;

static uint32_t
random32(void)
{
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(random_state >> 32);
}

static struct encap_target
prepare(const struct mode *mode, const char *backend)
{
	struct encap_settings s = mode->settings;
	struct ip_addr to;
	struct encap_target target;
	s.has_source4 = s.has_source6 = true;
	assert_int_equal(prefix_parse("10.99.0.0/16", &s.source4), 0);
	assert_int_equal(prefix_parse("2001:db8:99::/64", &s.source6), 0);
	assert_int_equal(addr_parse(backend, &to), 0);
	memset(&target, 0xff, sizeof(target));
	assert_int_equal(mode->encap->prepare(&target, &s, &to), 0);
	return target;
}

static void
assert_hex(const uint8_t *bytes, size_t count, const char *expected)
{
	char text[2 * ENCAP_HEADER_MAX + 1] = "";
	for (size_t i = 0; i < count; i++)
		snprintf(text + 2 * i, 3, "%02x", bytes[i]);
	assert_string_equal(text, expected);
}

/* Every combination of families; nothing before the header changes, and nothing after it. */
static void
test_byte_exact(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(exact); i++) {
		size_t bytes = strlen(exact[i].expected) / 2;
		uint8_t buffer[HEADROOM + INNER_BYTES + 8], before[sizeof(buffer)];
		memset(buffer, 0xee, sizeof(buffer));
		memset(buffer + HEADROOM, 0xcc, INNER_BYTES);
		memcpy(before, buffer, sizeof(buffer));
		struct encap_target target = prepare(exact[i].mode, exact[i].backend);
		struct encap_packet packet = {
			.inner = buffer + HEADROOM,
			.l3_length = INNER_BYTES,
			.inner_family = exact[i].inner_family,
			.tos = 0xb9,
			.entropy = 0x12345678,
		};
		assert_int_equal(target.header_length, bytes);
		exact[i].mode->encap->wrap(&packet, &target);
		assert_ptr_equal(packet.outer, buffer + HEADROOM - bytes);
		assert_hex(packet.outer, bytes, exact[i].expected);
		assert_memory_equal(buffer, before, HEADROOM - bytes);
		assert_memory_equal(
			buffer + HEADROOM, before + HEADROOM, sizeof(buffer) - HEADROOM);
	}
}

static void
test_key_0_is_a_key(void **state)
{
	(void)state;
	uint8_t buffer[64] = {0};
	struct encap_target target = prepare(&gre_key_0, backend4);
	struct encap_packet packet = {.inner = buffer + 40, .l3_length = 24, .inner_family = 4};
	encap_gre.wrap(&packet, &target);
	assert_hex(packet.outer + 20, 8, "2000080000000000");
}

static void
test_longest_fits(void **state)
{
	(void)state;
	assert_int_equal(prepare(&vxlan, backend6).header_length, ENCAP_HEADER_MAX);
}

static void
test_source_missing(void **state)
{
	(void)state;
	static const struct mode *const modes[] = {&gre, &gre_keyed, &gue, &gue_direct, &vxlan};
	for (size_t i = 0; i < COUNT(modes); i++) {
		struct encap_settings only4 = modes[i]->settings, only6 = modes[i]->settings;
		only4.has_source4 = only6.has_source6 = true;
		struct ip_addr to4, to6;
		struct encap_target target;
		assert_int_equal(addr_parse(backend4, &to4), 0);
		assert_int_equal(addr_parse(backend6, &to6), 0);
		assert_int_equal(prefix_parse("10.99.0.1", &only4.source4), 0);
		assert_int_equal(prefix_parse("2001:db8:99::1", &only6.source6), 0);
		assert_int_equal(modes[i]->encap->prepare(&target, &only4, &to4), 0);
		assert_int_equal(modes[i]->encap->prepare(&target, &only4, &to6), -EINVAL);
		assert_int_equal(modes[i]->encap->prepare(&target, &only6, &to6), 0);
		assert_int_equal(modes[i]->encap->prepare(&target, &only6, &to4), -EINVAL);
	}
}

static uint16_t
be16_at(const uint8_t *bytes)
{
	return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

/* RFC 1071 to the letter; 0xffff over a header that holds its right checksum. */
static uint16_t
naive_sum(const uint8_t *data, size_t bytes)
{
	uint32_t sum = 0;
	for (size_t i = 0; i < bytes; i += 2) {
		sum += be16_at(data + i);
		if (sum > 0xffff)
			sum -= 0xffff;
	}
	return (uint16_t)sum;
}

/* Random packets: lengths and checksum fit, and of what follows the outer IP header only the UDP
 * source port and the UDP length depend on the flow and the packet. */
static void
test_random_packets(void **state)
{
	(void)state;
	random_state = 1;
	uint8_t buffer[HEADROOM + 1], reference[HEADROOM + 1];
	for (unsigned n = 0; n < 300000; n++) {
		size_t i = n % COUNT(exact);
		struct encap_target target = prepare(exact[i].mode, exact[i].backend);
		struct encap_packet one = {.inner = reference + HEADROOM,
			.l3_length = INNER_BYTES,
			.inner_family = exact[i].inner_family};
		struct encap_packet packet = {.inner = buffer + HEADROOM,
			.l3_length = (uint16_t)(random32() % (UINT16_MAX - ENCAP_HEADER_MAX)),
			.inner_family = exact[i].inner_family,
			.tos = (uint8_t)random32(),
			.entropy = random32()};
		exact[i].mode->encap->wrap(&one, &target);
		exact[i].mode->encap->wrap(&packet, &target);

		size_t ip_bytes = target.family == 4 ? 20 : 40;
		uint8_t *ip = packet.outer, *own = ip + ip_bytes;
		const uint8_t *wanted = one.outer + ip_bytes;
		size_t own_bytes = target.header_length - ip_bytes;
		if (target.family == 4) {
			assert_int_equal(naive_sum(ip, 20), 0xffff);
			assert_int_equal(be16_at(ip + 2), 20 + own_bytes + packet.l3_length);
		} else {
			assert_int_equal(be16_at(ip + 4), own_bytes + packet.l3_length);
		}
		if (exact[i].mode->encap != &encap_gre) {
			assert_int_equal(
				be16_at(own), PORT_FIRST + (packet.entropy >> 18) % PORT_COUNT);
			assert_int_equal(be16_at(own + 4), own_bytes + packet.l3_length);
			assert_int_equal(be16_at(own + 6), 0);
			memcpy(own, wanted, 2);
			memcpy(own + 4, wanted + 4, 2);
		}
		assert_memory_equal(own, wanted, own_bytes);
	}
}

/* Every port of the range comes up, and none beside it. */
static void
test_source_ports(void **state)
{
	(void)state;
	uint8_t buffer[64];
	bool seen[UINT16_MAX + 1] = {false};
	struct encap_target target = prepare(&gue, backend4);
	for (uint64_t entropy = 0; entropy <= UINT32_MAX; entropy += 1 << 16) {
		struct encap_packet packet = {.inner = buffer + 40,
			.l3_length = 24,
			.inner_family = 4,
			.entropy = (uint32_t)entropy};
		encap_gue.wrap(&packet, &target);
		seen[be16_at(packet.outer + 20)] = true;
	}
	for (unsigned port = 0; port <= UINT16_MAX; port++)
		assert_int_equal(seen[port], port >= PORT_FIRST);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_byte_exact),
		cmocka_unit_test(test_key_0_is_a_key),
		cmocka_unit_test(test_longest_fits),
		cmocka_unit_test(test_source_missing),
		cmocka_unit_test(test_random_packets),
		cmocka_unit_test(test_source_ports),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
