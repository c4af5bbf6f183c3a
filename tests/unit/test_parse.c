/* SPDX-License-Identifier: BSD-3-Clause */
/* Link, network and transport headers; test_parse_hostile.c has extension headers, fragments and
 * frames cut and changed anywhere. */
#include "frame.h"

#include <ctype.h>

/* --- what is right --------------------------------------------------------------------------- */

static void
test_ipv4_tcp(void **state)
{
	(void)state;
	ipv4_tcp();
	put_bytes(0, 6); /* to 60 bytes: padding is not the packet's */
	assert_parses_to(PARSE_OK);
	struct ip_addr src = addr_from_v4(wire_u32(0xc6336407));
	struct ip_addr dst = addr_from_v4(wire_u32(0xc0000250));
	assert_true(addr_equal(&pk.src, &src));
	assert_true(addr_equal(&pk.dst, &dst));
	assert_int_equal(pk.l3_offset, 14);
	assert_int_equal(pk.l3_length, 40);
	assert_int_equal(pk.vlan, 0);
	assert_int_equal(pk.vlan_tags, 0);
	assert_int_equal(pk.family, 4);
	assert_int_equal(pk.ttl, 64);
	assert_int_equal(pk.tos, 0xb9);
	assert_int_equal(pk.next_proto, IPPROTO_TCP);
	assert_int_equal(pk.proto, IPPROTO_TCP);
	assert_int_equal(pk.l4_offset, 34);
	assert_int_equal(pk.sport, 40000);
	assert_int_equal(pk.dport, 443);
	assert_int_equal(pk.tcp_flags, TCP_SYN);
	assert_int_equal(pk.fragment, FRAGMENT_NONE);
	assert_int_equal(pk.fragment_offset, 0);
	assert_int_equal(pk.fragment_id, 0);
	assert_int_equal(pk.icmp_type, 0);
	assert_int_equal(pk.icmp_code, 0);
}

static void
test_ipv6_tcp(void **state)
{
	(void)state;
	ipv6_tcp();
	put_bytes(0, 20);
	assert_parses_to(PARSE_OK);
	assert_memory_equal(pk.src.bytes, f.bytes + 22, 16);
	assert_memory_equal(pk.dst.bytes, f.bytes + 38, 16);
	assert_int_equal(pk.l3_offset, 14);
	assert_int_equal(pk.l3_length, 60);
	assert_int_equal(pk.family, 6);
	assert_int_equal(pk.ttl, 64);
	assert_int_equal(pk.tos, 0xb9);
	assert_int_equal(pk.next_proto, IPPROTO_TCP);
	assert_int_equal(pk.proto, IPPROTO_TCP);
	assert_int_equal(pk.l4_offset, 54);
	assert_int_equal(pk.sport, 40000);
	assert_int_equal(pk.dport, 443);
	assert_int_equal(pk.tcp_flags, TCP_SYN);
	assert_int_equal(pk.fragment, FRAGMENT_NONE);
}

static void
test_icmp(void **state)
{
	(void)state;
	static const uint8_t echo4[8] = {8, 1}, echo6[8] = {128, 2};
	ether(0x0800);
	ipv4(IPPROTO_ICMP);
	put(echo4, 8);
	finish();
	assert_parses_to(PARSE_OK);
	assert_int_equal(pk.icmp_type, 8);
	assert_int_equal(pk.icmp_code, 1);
	assert_int_equal(pk.tcp_flags, 0);
	assert_int_equal(pk.sport | pk.dport, 0);

	ether(0x86dd);
	ipv6(IPPROTO_ICMPV6);
	put(echo6, 8);
	finish();
	assert_parses_to(PARSE_OK);
	assert_int_equal(pk.icmp_type, 128);
	assert_int_equal(pk.icmp_code, 2);
	f.length--;
	finish();
	assert_parses_to(PARSE_DROP_L4_TRUNCATED);

	/* The other family's ICMP is no ICMP. */
	ether(0x86dd);
	ipv6(IPPROTO_ICMP);
	finish();
	assert_parses_to(PARSE_OK);
	assert_int_equal(pk.proto, IPPROTO_ICMP);
}

static void
test_other_protocols_pass_unread(void **state)
{
	(void)state;
	static const uint8_t protos[] = {IPPROTO_SCTP, IPPROTO_GRE, IPPROTO_IPIP, IPPROTO_IPV6,
		IPPROTO_ESP, IPPROTO_NONE, 136 /* UDP-Lite */, 255};
	for (size_t i = 0; i < COUNT(protos); i++) {
		for (int six = 0; six < 2; six++) {
			ether(six ? 0x86dd : 0x0800);
			six ? ipv6(protos[i]) : ipv4(protos[i]);
			finish();
			assert_parses_to(PARSE_OK);
			assert_int_equal(pk.proto, protos[i]);
			assert_int_equal(pk.l4_offset, f.length);
			assert_int_equal(pk.sport | pk.dport, 0);
		}
	}
}

static void
test_tcp_flags_all_pass(void **state)
{
	(void)state;
	ipv4_tcp();
	for (unsigned flags = 0; flags < 256; flags++) {
		f.bytes[14 + 20 + 13] = (uint8_t)flags;
		assert_parses_to(PARSE_OK);
		assert_int_equal(pk.tcp_flags, flags);
	}
}

static void
test_ttl_is_not_judged(void **state)
{
	(void)state;
	for (unsigned ttl = 0; ttl < 256; ttl++) {
		ipv4_tcp();
		f.bytes[14 + 8] = (uint8_t)ttl;
		fix_ipv4_checksum();
		assert_parses_to(PARSE_OK);
		assert_int_equal(pk.ttl, ttl);
	}
}

/* --- Ethernet, VLAN -------------------------------------------------------------------------- */

static void
test_ether(void **state)
{
	(void)state;
	static const uint16_t foreign[] = {
		0x0806, 0x88cc, 0x0026 /* LLC */, 0x05dc, 0, 0x8847, 0xffff};
	ipv4_tcp();
	for (uint32_t length = 0; length < 14; length++)
		assert_int_equal(parse_split(length, length), PARSE_DROP_ETHER_TRUNCATED);
	assert_int_equal(parse_split(14, 14), PARSE_DROP_IPV4_TRUNCATED);
	for (size_t i = 0; i < COUNT(foreign); i++) {
		ether(foreign[i]);
		assert_parses_to(PARSE_PUNT_NOT_IP);
		assert_int_equal(pk.vlan_tags, 0);
	}
}

static void
test_vlan(void **state)
{
	(void)state;
	static const struct {
		unsigned tags;
		uint16_t types[3], tcis[3], vlan;
		enum parse_result result;
	} cases[] = {
		{1, {0x8100}, {100}, 100, PARSE_OK},
		{1, {0x88a8}, {0xffff}, 4095, PARSE_OK},
		{1, {0x8100}, {0xe000}, 0, PARSE_OK}, /* priority tag */
		{2, {0x88a8, 0x8100}, {0xa064, 7}, 100, PARSE_OK},
		{2, {0x8100, 0x8100}, {0, 7}, 0, PARSE_OK},
		{3, {0x88a8, 0x8100, 0x8100}, {1, 2, 3}, 1, PARSE_PUNT_NOT_IP},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		for (int six = 0; six < 2; six++) {
			ether(cases[i].types[0]);
			for (unsigned t = 0; t < cases[i].tags; t++)
				tag(cases[i].tcis[t], t + 1 < cases[i].tags ? cases[i].types[t + 1]
						      : six		    ? 0x86dd
									    : 0x0800);
			six ? ipv6(IPPROTO_TCP) : ipv4(IPPROTO_TCP);
			tcp(5, TCP_ACK);
			finish();
			assert_parses_to(cases[i].result);
			assert_int_equal(pk.vlan, cases[i].vlan);
			assert_int_equal(pk.vlan_tags, cases[i].tags > 2 ? 2 : cases[i].tags);
			if (cases[i].result == PARSE_OK) {
				assert_int_equal(pk.l3_offset, f.l3);
				assert_int_equal(pk.dport, 443);
			}
			for (uint32_t length = 14; length < f.l3 && cases[i].tags < 3; length++)
				assert_int_equal(
					parse_split(length, length), PARSE_DROP_ETHER_TRUNCATED);
		}
	}
}

/* --- IPv4 ------------------------------------------------------------------------------------ */

static void
test_ipv4_version_and_header_length(void **state)
{
	(void)state;
	for (unsigned version = 0; version < 16; version++) {
		ipv4_tcp();
		f.bytes[14] = (uint8_t)(version << 4 | 5);
		fix_ipv4_checksum();
		assert_parses_to(version == 4 ? PARSE_OK : PARSE_DROP_IPV4_VERSION);
	}
	for (unsigned words = 0; words < 5; words++) {
		ipv4_tcp();
		f.bytes[14] = (uint8_t)(0x40 | words);
		assert_parses_to(PARSE_DROP_IPV4_HEADER_LENGTH);
	}
	ipv4_tcp(); /* 40 bytes of IP, 60 of header */
	f.bytes[14] = 0x4f;
	assert_parses_to(PARSE_DROP_IPV4_HEADER_LENGTH);
	f.length = 14 + 19;
	assert_parses_to(PARSE_DROP_IPV4_TRUNCATED);
}

static void
test_ipv4_total_length(void **state)
{
	(void)state;
	for (uint32_t total = 0; total < 70; total++) {
		ipv4_tcp();
		put_bytes(0, 6);
		set16(14 + 2, total);
		fix_ipv4_checksum();
		assert_parses_to(total < 20    ? PARSE_DROP_IPV4_TOTAL_LENGTH
				 : total < 40  ? PARSE_DROP_L4_TRUNCATED
				 : total <= 46 ? PARSE_OK
					       : PARSE_DROP_IPV4_TOTAL_LENGTH);
	}
	ipv4_tcp();
	set16(14 + 2, 0xffff);
	fix_ipv4_checksum();
	assert_parses_to(PARSE_DROP_IPV4_TOTAL_LENGTH);

	static const uint8_t options[40] = {1};
	ether(0x0800); /* options past the total length */
	ipv4_fragment(IPPROTO_TCP, 0, options, sizeof(options));
	finish();
	set16(14 + 2, 59);
	fix_ipv4_checksum();
	assert_parses_to(PARSE_DROP_IPV4_TOTAL_LENGTH);
}

static void
test_ipv4_checksum(void **state)
{
	(void)state;
	static const uint8_t options[8] = {1, 1, 1, 1, 1, 1, 1, 1};
	for (size_t option_bytes = 0; option_bytes <= 8; option_bytes += 4) {
		ether(0x0800);
		ipv4_fragment(IPPROTO_TCP, 0x4000, options, option_bytes);
		tcp(5, TCP_SYN);
		finish();
		assert_parses_to(PARSE_OK);
		for (uint32_t bit = 0; bit < (20 + option_bytes) * 8; bit++) {
			if (bit < 8 || bit / 16 == 1)
				continue; /* judged as version and length first */
			f.bytes[14 + bit / 8] ^= (uint8_t)(1u << bit % 8);
			assert_parses_to(PARSE_DROP_IPV4_CHECKSUM);
			f.bytes[14 + bit / 8] ^= (uint8_t)(1u << bit % 8);
		}
	}
	/* All 65536 values of the field: the right one, and with it its other zero, no other. */
	unsigned right = 0;
	ipv4_tcp();
	for (uint32_t checksum = 0; checksum < 65536; checksum++) {
		set16(14 + 10, checksum);
		right += parse_l3(f.bytes, f.length, f.length, &pk) == PARSE_OK;
	}
	assert_int_equal(right, 1);
}

/* Somebody else has checked it: any value passes, all else is judged as ever. */
static void
test_checksum_checked_before(void **state)
{
	(void)state;
	for (uint32_t options = 0; options <= 4; options += 4) {
		ether(0x0800);
		ipv4_fragment(IPPROTO_TCP, 0x4000, (const uint8_t[]){1, 1, 1, 1}, options);
		tcp(5, TCP_SYN);
		finish();
		set16(14 + 10, 0xdead);
		assert_int_equal(
			parse_l3(f.bytes, f.length, f.length, &pk), PARSE_DROP_IPV4_CHECKSUM);
		struct packet checked = {0};
		assert_int_equal(parse_l3_checked(f.bytes, f.length, f.length, &checked), PARSE_OK);
		finish();
		assert_int_equal(parse_l3(f.bytes, f.length, f.length, &pk), PARSE_OK);
		assert_true(addr_equal(&checked.src, &pk.src) && addr_equal(&checked.dst, &pk.dst));
		assert_int_equal(checked.l4_offset, pk.l4_offset);
		assert_int_equal(checked.l3_length, pk.l3_length);
		f.bytes[14] = 0x55;
		assert_int_equal(parse_l3_checked(f.bytes, f.length, f.length, &checked),
			PARSE_DROP_IPV4_VERSION);
		f.bytes[14] = 0x45;
		set16(14 + 2, 19);
		assert_int_equal(parse_l3_checked(f.bytes, f.length, f.length, &checked),
			PARSE_DROP_IPV4_TOTAL_LENGTH);
	}
}

static void
test_ipv4_options(void **state)
{
	(void)state;
	static const struct {
		uint8_t bytes[40];
		size_t count;
		enum parse_result result;
	} cases[] = {
		{{1, 1, 1, 1}, 4, PARSE_OK},
		{{0, 0, 0, 0}, 4, PARSE_OK},
		{{0, 131, 0, 255}, 4, PARSE_OK},	      /* nothing counts after the end */
		{{148, 4, 0, 0}, 4, PARSE_OK},		      /* router alert */
		{{1, 7, 3, 4}, 4, PARSE_OK},		      /* record route, full */
		{{68, 12, 5, 0}, 12, PARSE_OK},		      /* timestamp */
		{{7, 39, 4}, 40, PARSE_OK},		      /* record route, 40 bytes */
		{{131, 3, 4, 0}, 4, PARSE_DROP_IPV4_OPTIONS}, /* LSRR */
		{{1, 137, 3, 4}, 4, PARSE_DROP_IPV4_OPTIONS}, /* SSRR */
		{{1, 1, 1, 131}, 4, PARSE_DROP_IPV4_OPTIONS},
		{{7, 5, 4, 0}, 4, PARSE_DROP_IPV4_OPTIONS}, /* past the end */
		{{1, 1, 7, 2}, 4, PARSE_OK},		    /* the shortest */
		{{1, 1, 1, 7}, 4, PARSE_DROP_IPV4_OPTIONS}, /* no length */
		{{7, 0, 0, 0}, 4, PARSE_DROP_IPV4_OPTIONS},
		{{7, 1, 0, 0}, 4, PARSE_DROP_IPV4_OPTIONS},
		{{7, 255}, 40, PARSE_DROP_IPV4_OPTIONS},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		ether(0x0800);
		ipv4_fragment(IPPROTO_TCP, 0, cases[i].bytes, cases[i].count);
		tcp(5, TCP_SYN);
		finish();
		assert_parses_to(cases[i].result);
		if (cases[i].result == PARSE_OK) {
			assert_int_equal(pk.l4_offset, 34 + cases[i].count);
			assert_int_equal(pk.dport, 443);
			assert_int_equal(pk.fragment, FRAGMENT_NONE);
		}
		/* What goes to Linux is not judged by its options. */
		assert_int_equal(parse_l3(f.bytes, f.length, f.length, &pk), PARSE_OK);

		/* The same with nothing behind it, and as a fragment. */
		bool right = cases[i].result == PARSE_OK;
		ether(0x0800);
		ipv4_fragment(IPPROTO_SCTP, 0, cases[i].bytes, cases[i].count);
		finish();
		assert_parses_to(cases[i].result);
		ether(0x0800);
		ipv4_fragment(IPPROTO_TCP, 100, cases[i].bytes, cases[i].count);
		put_bytes(0, 5);
		finish();
		assert_parses_to(cases[i].result);
		assert_int_equal(pk.fragment, right ? FRAGMENT_LATER : FRAGMENT_NONE);
	}
}

/* --- IPv6 ------------------------------------------------------------------------------------ */

static void
test_ipv6_header(void **state)
{
	(void)state;
	for (unsigned version = 0; version < 16; version++) {
		ipv6_tcp();
		f.bytes[14] = (uint8_t)(version << 4 | 0xb);
		assert_parses_to(version == 6 ? PARSE_OK : PARSE_DROP_IPV6_VERSION);
	}
	ipv6_tcp();
	for (uint32_t length = 14; length < 54; length++)
		assert_int_equal(parse_split(length, length), PARSE_DROP_IPV6_TRUNCATED);
	for (uint32_t payload = 0; payload < 30; payload++) {
		set16(14 + 4, payload);
		assert_parses_to(payload < 20	 ? PARSE_DROP_L4_TRUNCATED
				 : payload == 20 ? PARSE_OK
						 : PARSE_DROP_IPV6_PAYLOAD_LENGTH);
	}
	/* A jumbogram; and "no next header", whose payload may well be empty. */
	ether(0x86dd);
	ipv6(IPPROTO_HOPOPTS);
	extension(IPPROTO_TCP, 0);
	assert_parses_to(PARSE_DROP_IPV6_PAYLOAD_LENGTH);
	ether(0x86dd);
	ipv6(IPPROTO_NONE);
	assert_parses_to(PARSE_OK);
	assert_int_equal(pk.l3_length, 40);
	/* l3_length would not hold it. */
	ether(0x86dd);
	ipv6(IPPROTO_SCTP);
	put_bytes(0, 65535);
	set16(14 + 4, 65535 - 40);
	assert_parses_to(PARSE_OK);
	assert_int_equal(pk.l3_length, 65535);
	set16(14 + 4, 65536 - 40);
	assert_parses_to(PARSE_DROP_IPV6_PAYLOAD_LENGTH);
}

static void
test_ipv6_mapped(void **state)
{
	(void)state;
	static const uint8_t mapped[16] = {[10] = 0xff, 0xff, 192, 0, 2, 80};
	for (uint32_t at = 22; at <= 38; at += 16) {
		ipv6_tcp();
		memcpy(f.bytes + at, mapped, 16);
		assert_parses_to(PARSE_DROP_IPV6_MAPPED);
		f.bytes[at + 10] = 0; /* v4-compatible is not mapped */
		assert_parses_to(PARSE_OK);
	}
}

/* --- TCP, UDP -------------------------------------------------------------------------------- */

static void
test_tcp_header_length(void **state)
{
	(void)state;
	for (uint8_t words = 0; words < 16; words++) {
		ipv4_tcp();
		put_bytes(0, 20);
		finish();
		f.bytes[14 + 20 + 12] = (uint8_t)(words << 4);
		assert_parses_to(words < 5 || words > 10 ? PARSE_DROP_TCP_HEADER_LENGTH : PARSE_OK);
	}
}

static void
test_udp_length(void **state)
{
	(void)state;
	for (int six = 0; six < 2; six++) {
		for (uint16_t length = 0; length < 30; length++) {
			ether(six ? 0x86dd : 0x0800);
			six ? ipv6(IPPROTO_UDP) : ipv4(IPPROTO_UDP);
			udp(length);
			put_bytes(0, 12);
			finish();
			put_bytes(0, 10); /* padding does not count */
			assert_parses_to(
				length < 8 || length > 20 ? PARSE_DROP_UDP_LENGTH : PARSE_OK);
		}
	}
}

static void
test_port_zero(void **state)
{
	(void)state;
	for (uint32_t at = 34; at <= 36; at += 2) {
		ipv4_tcp();
		set16(at, 0);
		assert_parses_to(PARSE_DROP_PORT_ZERO);
		ether(0x0800);
		ipv4(IPPROTO_UDP);
		udp(8);
		finish();
		set16(at, 0);
		assert_parses_to(PARSE_DROP_PORT_ZERO);
	}
}

/* --- names ----------------------------------------------------------------------------------- */

static void
test_names(void **state)
{
	(void)state;
	assert_string_equal(parse_result_name(PARSE_OK), "ok");
	assert_string_equal(parse_result_name(PARSE_PUNT_NOT_IP), "not_ip");
	assert_string_equal(parse_result_name(PARSE_NOT_CONTIGUOUS), "not_contiguous");
	/* The name is the enumerator in small letters. */
	static const struct {
		enum parse_result result;
		const char *enumerator;
	} drops[] = {
#define DROP(enumerator, name, text) {PARSE_DROP_##enumerator, #enumerator},
		PARSE_DROPS(DROP)
#undef DROP
	};
	for (size_t i = 0; i < COUNT(drops); i++) {
		const char *name = parse_result_name(drops[i].result);
		assert_int_equal(strlen(name), strlen(drops[i].enumerator));
		for (size_t c = 0; name[c]; c++)
			assert_int_equal(name[c], tolower(drops[i].enumerator[c]));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ipv4_tcp),
		cmocka_unit_test(test_ipv6_tcp),
		cmocka_unit_test(test_icmp),
		cmocka_unit_test(test_other_protocols_pass_unread),
		cmocka_unit_test(test_tcp_flags_all_pass),
		cmocka_unit_test(test_ttl_is_not_judged),
		cmocka_unit_test(test_ether),
		cmocka_unit_test(test_vlan),
		cmocka_unit_test(test_ipv4_version_and_header_length),
		cmocka_unit_test(test_ipv4_total_length),
		cmocka_unit_test(test_ipv4_checksum),
		cmocka_unit_test(test_checksum_checked_before),
		cmocka_unit_test(test_ipv4_options),
		cmocka_unit_test(test_ipv6_header),
		cmocka_unit_test(test_ipv6_mapped),
		cmocka_unit_test(test_tcp_header_length),
		cmocka_unit_test(test_udp_length),
		cmocka_unit_test(test_port_zero),
		cmocka_unit_test(test_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
