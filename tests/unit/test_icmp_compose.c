/* SPDX-License-Identifier: BSD-3-Clause */
/* Which packets an error may be sent about, and every byte of the errors. */
#include "icmp_lab.h"

#define IPV4_QUOTED_MAX (576 - 20 - 8)
#define IPV6_QUOTED_MAX (1280 - 40 - 8)

static uint8_t *out; /* ICMP_ERROR_BYTES_MAX of memory of its own */
static uint32_t out_length;

/* --- what may be answered -------------------------------------------------------------------- */

static void
a_packet(int family)
{
	client_to_vip(family, IPPROTO_UDP);
	udp(8);
	finish();
}

static bool
may_answer(void)
{
	parse_ok();
	return icmp_may_answer(f.bytes, &pk);
}

static void
test_may_answer_packets(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(families); i++) {
		a_packet(families[i]);
		assert_true(may_answer());
		client_to_vip(families[i], IPPROTO_TCP);
		tcp(5, TCP_SYN);
		finish();
		assert_true(may_answer());
		client_to_vip(families[i], 99); /* a protocol that is not read */
		finish();
		assert_true(may_answer());
	}
}

static void
test_may_not_answer_icmp_errors(void **state)
{
	(void)state;
	static const uint8_t queries4[] = {0, 8, 9, 10, 13, 14};
	for (unsigned type = 0; type < 256; type++) {
		client_to_vip(4, IPPROTO_ICMP);
		icmp((uint8_t)type, 0, 0);
		finish_icmp();
		assert_int_equal(
			may_answer(), memchr(queries4, (int)type, COUNT(queries4)) != NULL);

		client_to_vip(6, IPPROTO_ICMPV6);
		icmp((uint8_t)type, 0, 0);
		finish_icmp();
		assert_int_equal(may_answer(), type >= 128 && type != 137);
	}
	/* The same numbers in what is no ICMP of the family. */
	for (size_t i = 0; i < COUNT(families); i++) {
		client_to_vip(families[i], families[i] == 4 ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
		icmp(3, 0, 0);
		finish();
		assert_true(may_answer());
	}
	/* Behind an extension header. */
	client_to_vip(6, IPPROTO_DSTOPTS);
	extension(IPPROTO_ICMPV6, 0);
	icmp(1, 4, 0);
	finish_icmp();
	assert_false(may_answer());
}

static void
a_fragment(int family, uint32_t offset, bool more)
{
	ether(family == 4 ? 0x0800 : 0x86dd);
	if (family == 4) {
		ipv4_fragment(IPPROTO_UDP, offset / 8 | (more ? 0x2000u : 0), "", 0);
	} else {
		ipv6(IPPROTO_FRAGMENT);
		fragment_header(IPPROTO_UDP, offset | more, 7);
	}
	udp(8);
	finish();
}

static void
test_may_not_answer_later_fragments(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(families); i++) {
		a_fragment(families[i], 0, true);
		assert_true(may_answer());
		a_fragment(families[i], 1480, true);
		assert_false(may_answer());
		a_fragment(families[i], 1480, false);
		assert_false(may_answer());
	}
}

static void
test_may_not_answer_groups_of_stations(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(families); i++) {
		static const uint8_t groups[][6] = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
			{1, 0, 0x5e, 0, 0, 1}, {0x33, 0x33, 0, 0, 0, 1}};
		for (size_t group = 0; group < COUNT(groups); group++) {
			a_packet(families[i]);
			memcpy(f.bytes, groups[group], 6);
			assert_false(may_answer());
			a_packet(families[i]);
			memcpy(f.bytes + 6, groups[group], 6);
			assert_false(may_answer());
		}
	}
}

static void
set_address(bool destination, const char *text)
{
	struct ip_addr address;
	assert_int_equal(addr_parse(text, &address), 0);
	uint32_t size = pk.family == 4 ? 4 : 16;
	uint32_t at = f.l3 + (pk.family == 4 ? 12 : 8) + (destination ? size : 0);
	memcpy(f.bytes + at, address.bytes + 16 - size, size);
	finish();
}

static void
test_may_not_answer_what_is_no_single_host(void **state)
{
	(void)state;
	static const char *const addresses[] = {"0.0.0.0", "0.1.2.3", "127.0.0.1", "224.0.0.1",
		"239.255.255.255", "240.0.0.1", "255.255.255.255", "::", "::1", "ff02::1",
		"ff0e::1", "fe80::1"};
	for (size_t i = 0; i < COUNT(addresses); i++) {
		for (int destination = 0; destination < 2; destination++) {
			a_packet(strchr(addresses[i], ':') ? 6 : 4);
			assert_true(may_answer());
			set_address(destination, addresses[i]);
			assert_false(may_answer());
		}
	}
	/* The VIP itself is many hosts' address. */
	a_packet(4);
	assert_true(may_answer());
	set_address(false, "192.0.2.80");
	assert_false(may_answer());
	a_packet(6);
	assert_true(may_answer());
	set_address(false, "2001:db8::80");
	assert_false(may_answer());
}

/* --- the errors ------------------------------------------------------------------------------ */

static uint32_t
min(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

static uint16_t
get16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

/* From as many bytes as the contract asks for, and no more. What is not written stays 0xaa. */
static void
compose(enum icmp_message message, uint32_t mtu)
{
	parse_ok();
	uint32_t needed = pk.l3_offset + min(pk.l3_length, ICMP_QUOTED_BYTES_MAX);
	uint8_t *frame = exact_copy(f.bytes, needed);
	out = malloc(ICMP_ERROR_BYTES_MAX);
	assert_non_null(out);
	memset(out, 0xaa, ICMP_ERROR_BYTES_MAX);
	out_length = icmp_compose(out, message, mtu, frame, &pk);
	assert_memory_equal(frame, f.bytes, needed);
	free(frame);
	assert_true(out_length <= ICMP_ERROR_BYTES_MAX);
	for (uint32_t at = out_length; at < ICMP_ERROR_BYTES_MAX; at++)
		assert_int_equal(out[at], 0xaa);
}

struct expected {
	uint8_t type, code;
	uint32_t rest;
};

static struct expected
expected_of(int family, enum icmp_message message, uint32_t mtu)
{
	static const struct expected four[] = {{3, 3, 0}, {11, 0, 0}, {3, 4, 0}};
	static const struct expected six[] = {{1, 4, 0}, {3, 0, 0}, {2, 0, 0}};
	struct expected expected = family == 4 ? four[message] : six[message];
	if (message == ICMP_PACKET_TOO_BIG)
		expected.rest = mtu;
	return expected;
}

/* IPv4 header, field by field; returns where the ICMP message starts. */
static uint32_t
check_ipv4(uint32_t quoted)
{
	const uint8_t *ip = out + 14;
	assert_int_equal(get16(out + 12), 0x0800);
	assert_int_equal(ip[0], 0x45);
	assert_int_equal(ip[1], 0xc0);
	assert_int_equal(get16(ip + 2), 20 + 8 + quoted);
	assert_int_equal(get16(ip + 4), 0);
	assert_int_equal(get16(ip + 6), 0x4000);
	assert_int_equal(ip[8], 64);
	assert_int_equal(ip[9], IPPROTO_ICMP);
	assert_int_equal((uint16_t)~naive_sum(0, ip, 20), 0);
	assert_memory_equal(ip + 12, f.bytes + f.l3 + 16, 4); /* from the VIP */
	assert_memory_equal(ip + 16, f.bytes + f.l3 + 12, 4); /* to the client */
	return 14 + 20;
}

static uint32_t
check_ipv6(uint32_t quoted)
{
	const uint8_t *ip = out + 14;
	assert_int_equal(get16(out + 12), 0x86dd);
	assert_int_equal(get16(ip), 0x6000);
	assert_int_equal(get16(ip + 2), 0);
	assert_int_equal(get16(ip + 4), 8 + quoted);
	assert_int_equal(ip[6], IPPROTO_ICMPV6);
	assert_int_equal(ip[7], 64);
	assert_memory_equal(ip + 8, f.bytes + f.l3 + 24, 16);
	assert_memory_equal(ip + 24, f.bytes + f.l3 + 8, 16);
	return 14 + 40;
}

/* As the client reads it: a packet that parses, an error, about a flow from it to the VIP. */
static void
check_as_the_client_does(void)
{
	struct packet sent = pk, error;
	struct icmp_flow flow;
	assert_int_equal(parse_l3(out, out_length, out_length, &error), PARSE_OK);
	assert_int_equal(parse_l4(out, out_length, out_length, &error), PARSE_OK);
	assert_int_equal(icmp_kind(&error), ICMP_ERROR);
	assert_true(addr_equal(&error.src, &sent.dst));
	assert_true(addr_equal(&error.dst, &sent.src));
	assert_int_equal(error.vlan_tags, 0);
	/* Errors have no errors. */
	assert_false(icmp_may_answer(out, &error));

	enum icmp_quote result = icmp_read_quote(out, out_length, &error, &flow);
	if (sent.proto == icmp_proto(sent.family)) {
		assert_int_equal(result, ICMP_QUOTE_OF_ICMP);
		return;
	}
	assert_int_equal(result, ICMP_QUOTE_OK);
	assert_true(addr_equal(&flow.vip, &sent.src));
	assert_true(addr_equal(&flow.client, &sent.dst));
	assert_int_equal(flow.proto, sent.proto);
	assert_int_equal(flow.vip_port, sent.sport);
	assert_int_equal(flow.client_port, sent.dport);
}

static void
assert_error_is_right(enum icmp_message message, uint32_t mtu)
{
	compose(message, mtu);
	bool four = pk.family == 4;
	uint32_t quoted = min(pk.l3_length, four ? IPV4_QUOTED_MAX : IPV6_QUOTED_MAX);

	assert_memory_equal(out, f.bytes + 6, 6);
	assert_memory_equal(out + 6, f.bytes, 6);
	uint32_t at = four ? check_ipv4(quoted) : check_ipv6(quoted);
	assert_int_equal(out_length, at + 8 + quoted);

	struct expected expected = expected_of(pk.family, message, mtu);
	assert_int_equal(out[at], expected.type);
	assert_int_equal(out[at + 1], expected.code);
	assert_int_equal((uint32_t)get16(out + at + 4) << 16 | get16(out + at + 6), expected.rest);
	assert_memory_equal(out + at + 8, f.bytes + f.l3, quoted);
	assert_int_equal(naive_icmp_checksum(out, 14, at, out_length), 0);

	check_as_the_client_does();
	free(out);
}

static void
assert_errors_are_right(void)
{
	static const uint32_t mtus[] = {68, 1280, 1480, 9176, 65535};
	assert_error_is_right(ICMP_PORT_UNREACHABLE, 0);
	assert_error_is_right(ICMP_TIME_EXCEEDED, 0);
	/* An MTU that is none of theirs. */
	assert_error_is_right(ICMP_PORT_UNREACHABLE, 1480);
	for (size_t i = 0; i < COUNT(mtus); i++)
		assert_error_is_right(ICMP_PACKET_TOO_BIG, mtus[i]);
}

/* UDP with so much random data that the IP packet has `l3_length` bytes. */
static void
a_packet_of(int family, uint32_t l3_length)
{
	client_to_vip(family, IPPROTO_UDP);
	uint32_t data = l3_length - (f.length - f.l3) - 8;
	udp((uint16_t)(8 + data));
	put_random(data);
	finish();
}

static void
test_errors_about_every_length(void **state)
{
	(void)state;
	for (uint32_t length = 28; length <= 640; length++) {
		a_packet_of(4, length);
		assert_errors_are_right();
	}
	for (uint32_t length = 48; length <= 1300; length++) {
		a_packet_of(6, length);
		assert_errors_are_right();
	}
	for (size_t i = 0; i < COUNT(families); i++) {
		a_packet_of(families[i], 9000);
		assert_errors_are_right();
		a_packet_of(families[i], 65535);
		assert_errors_are_right();
	}
}

/* 576 and 1280 bytes, and not one more. */
static void
test_longest_errors(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(families); i++) {
		uint32_t quoted = families[i] == 4 ? IPV4_QUOTED_MAX : IPV6_QUOTED_MAX;
		uint32_t whole = 14 + (families[i] == 4 ? 576 : 1280);
		for (uint32_t less = 2; less-- > 0;) {
			a_packet_of(families[i], quoted - less);
			compose(ICMP_TIME_EXCEEDED, 0);
			assert_int_equal(out_length, whole - less);
			free(out);
		}
		a_packet_of(families[i], quoted + 1);
		compose(ICMP_TIME_EXCEEDED, 0);
		assert_int_equal(out_length, whole);
		free(out);
	}
}

/* Tags do not come back, options and extensions are quoted, link padding is not. */
static void
test_errors_about_other_frames(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(families); i++) {
		uint16_t type = families[i] == 4 ? 0x0800 : 0x86dd;
		ether(0x88a8);
		tag(100, 0x8100);
		tag(7, type);
		if (families[i] == 4) {
			ipv4_fragment(IPPROTO_TCP, 0x4000, "\7\7\4\0\0\0\0", 8);
		} else {
			ipv6(IPPROTO_HOPOPTS);
			extension(IPPROTO_DSTOPTS, 0);
			extension(IPPROTO_TCP, 3);
		}
		tcp(5, TCP_SYN);
		put_random(700);
		finish();
		assert_errors_are_right();

		a_packet(families[i]);
		put_bytes(0x5a, 18);
		assert_errors_are_right();

		a_fragment(families[i], 0, true);
		assert_errors_are_right();

		client_to_vip(families[i], icmp_proto(families[i]));
		icmp(families[i] == 4 ? ECHO_REQUEST4 : ECHO_REQUEST6, 0, 1);
		put_random(57);
		finish_icmp();
		assert_errors_are_right();
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_may_answer_packets),
		cmocka_unit_test(test_may_not_answer_icmp_errors),
		cmocka_unit_test(test_may_not_answer_later_fragments),
		cmocka_unit_test(test_may_not_answer_groups_of_stations),
		cmocka_unit_test(test_may_not_answer_what_is_no_single_host),
		cmocka_unit_test(test_errors_about_every_length),
		cmocka_unit_test(test_longest_errors),
		cmocka_unit_test(test_errors_about_other_frames),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
