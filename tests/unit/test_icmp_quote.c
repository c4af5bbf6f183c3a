/* SPDX-License-Identifier: BSD-3-Clause */
/* What an error to a VIP quotes, read as the flow that it is about; whole, cut, made up. */
#include "icmp_lab.h"

#include "bounds.h"

static struct icmp_flow flow;
static uint32_t quote_at; /* where the quoted IP header starts */

/* --- writing errors -------------------------------------------------------------------------- */

/* A destination unreachable or packet too big with an MTU, about a packet that is put behind it. */
static void
error_about(int family)
{
	client_to_vip(family, icmp_proto(family));
	if (family == 4)
		icmp(3, 4, 1400);
	else
		icmp(2, 0, 1400);
	quote_at = f.length;
}

/* What frame.h writes goes from the client to the VIP; a quoted packet went the other way. */
static void
turn_round(void)
{
	uint8_t *ip = f.bytes + quote_at;
	size_t size = ip[0] >> 4 == 4 ? 4 : 16;
	uint8_t client[16], *src = ip + (size == 4 ? 12 : 8), *dst = src + size;
	memcpy(client, src, size);
	memcpy(src, dst, size);
	memcpy(dst, client, size);
}

static void
quote_ip(int family, uint8_t proto)
{
	error_about(family);
	if (family == 4)
		ipv4(proto);
	else
		ipv6(proto);
	turn_round();
}

/* The first 8 bytes of TCP: the VIP's port, the client's, a sequence number. */
static void
quote_l4(void)
{
	put16(443);
	put16(40000);
	put32(0xdecade00);
}

static void
quote_tcp(int family)
{
	quote_ip(family, IPPROTO_TCP);
	quote_l4();
	finish_icmp();
}

/* --- reading them ---------------------------------------------------------------------------- */

/* From exactly the bytes there are. `f` is a right frame up to its ICMP header. */
static enum icmp_quote
read_quote(void)
{
	parse_ok();
	assert_int_equal(icmp_kind(&pk), ICMP_ERROR);
	uint8_t *frame = exact_copy(f.bytes, f.length);
	memset(&flow, 0xaa, sizeof(flow));
	enum icmp_quote result = icmp_read_quote(frame, f.length, &pk, &flow);
	assert_memory_equal(frame, f.bytes, f.length);
	free(frame);
	return result;
}

static void
assert_flow(uint8_t proto, uint16_t vip_port, uint16_t client_port, bool fragment)
{
	assert_int_equal(read_quote(), ICMP_QUOTE_OK);
	assert_true(addr_equal(&flow.vip, &pk.dst));
	assert_true(addr_equal(&flow.client, &pk.src)); /* here the client itself complains */
	assert_int_equal(flow.proto, proto);
	assert_int_equal(flow.vip_port, vip_port);
	assert_int_equal(flow.client_port, client_port);
	assert_int_equal(flow.fragment, fragment);
}

/* --- what is read ---------------------------------------------------------------------------- */

static void
test_flow_of_eight_bytes(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(families); i++) {
		quote_tcp(families[i]);
		assert_flow(IPPROTO_TCP, 443, 40000, false);

		quote_ip(families[i], IPPROTO_UDP);
		quote_l4();
		put_random(1000);
		finish_icmp();
		assert_flow(IPPROTO_UDP, 443, 40000, false);

		/* No ports, as far as the parser of packets to a VIP goes. */
		quote_ip(families[i], IPPROTO_SCTP);
		quote_l4();
		finish_icmp();
		assert_flow(IPPROTO_SCTP, 0, 0, false);
	}
}

/* From a router on the way: it is the quoted destination that counts. */
static void
test_flow_is_the_quoted_one(void **state)
{
	(void)state;
	static const uint8_t client4[4] = {203, 0, 113, 9};
	quote_tcp(4);
	memcpy(f.bytes + quote_at + 16, client4, sizeof(client4));
	finish_icmp();
	assert_int_equal(read_quote(), ICMP_QUOTE_OK);
	assert_int_equal(addr_v4(&flow.client), wire_u32(0xcb007109));
	assert_false(addr_equal(&flow.client, &pk.src));

	quote_tcp(6);
	f.bytes[quote_at + 24 + 15] = 0x99;
	finish_icmp();
	assert_int_equal(read_quote(), ICMP_QUOTE_OK);
	assert_int_equal(flow.client.bytes[15], 0x99);
	assert_int_equal(flow.client.bytes[0], 0x20);
}

/* Options and extension headers, without and within. */
static void
test_flow_behind_options(void **state)
{
	(void)state;
	static const uint8_t options[40] = {7, 39, 4};
	ether(0x0800);
	ipv4_fragment(IPPROTO_ICMP, 0, options, 12);
	f.bytes[f.l3 + 21] = 11;
	icmp(11, 0, 0);
	quote_at = f.length;
	ipv4_fragment(IPPROTO_TCP, 0, options, sizeof(options));
	turn_round();
	quote_l4();
	finish_icmp();
	assert_flow(IPPROTO_TCP, 443, 40000, false);

	ether(0x8100);
	tag(7, 0x86dd);
	ipv6(IPPROTO_DSTOPTS);
	extension(IPPROTO_ICMPV6, 1);
	icmp(3, 0, 0);
	quote_at = f.length;
	ipv6(IPPROTO_HOPOPTS);
	turn_round();
	extension(IPPROTO_DSTOPTS, 2);
	extension(IPPROTO_UDP, 255);
	quote_l4();
	finish_icmp();
	assert_flow(IPPROTO_UDP, 443, 40000, false);
}

/* All types of error, and whatever MTU or pointer they come with (hostile inputs 48). */
static void
test_rest_of_the_header_is_not_read(void **state)
{
	(void)state;
	static const uint32_t mtus[] = {0, 1, 67, 68, 1279, 1280, 65535, 65536, UINT32_MAX};
	static const uint8_t types4[] = {3, 11, 12}, types6[] = {0, 1, 2, 3, 4, 100, 127};
	for (size_t i = 0; i < COUNT(mtus); i++) {
		for (uint32_t type = 0; type < COUNT(types4); type++) {
			quote_tcp(4);
			f.bytes[icmp_at] = types4[type];
			f.bytes[icmp_at + 1] = (uint8_t)i;
			set16(icmp_at + 4, mtus[i] >> 16);
			set16(icmp_at + 6, mtus[i] & 0xffff);
			finish_icmp();
			assert_flow(IPPROTO_TCP, 443, 40000, false);
		}
		for (uint32_t type = 0; type < COUNT(types6); type++) {
			quote_tcp(6);
			f.bytes[icmp_at] = types6[type];
			set16(icmp_at + 4, mtus[i] >> 16);
			set16(icmp_at + 6, mtus[i] & 0xffff);
			finish_icmp();
			assert_flow(IPPROTO_TCP, 443, 40000, false);
		}
	}
}

static void
test_quoted_lengths_and_checksums_are_not_trusted(void **state)
{
	(void)state;
	static const uint16_t lengths[] = {0, 1, 19, 20, 28, 1500, 0xffff};
	for (size_t i = 0; i < COUNT(lengths); i++) {
		quote_tcp(4);
		set16(quote_at + 2, lengths[i]);
		set16(quote_at + 10, lengths[i]);
		finish_icmp();
		assert_flow(IPPROTO_TCP, 443, 40000, false);

		quote_tcp(6);
		set16(quote_at + 4, lengths[i]);
		finish_icmp();
		assert_flow(IPPROTO_TCP, 443, 40000, false);
	}
}

/* --- fragments ------------------------------------------------------------------------------- */

static void
quote_fragment(int family, uint32_t offset, bool more, uint8_t proto)
{
	error_about(family);
	if (family == 4) {
		ipv4_fragment(proto, offset / 8 | (more ? 0x2000u : 0), "", 0);
	} else {
		ipv6(IPPROTO_FRAGMENT);
		fragment_header(proto, offset | more, 7);
	}
	turn_round();
}

static void
test_quoted_fragment(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(families); i++) {
		quote_fragment(families[i], 0, true, IPPROTO_UDP);
		quote_l4();
		finish_icmp();
		assert_flow(IPPROTO_UDP, 443, 40000, false);

		quote_fragment(families[i], 0, false, IPPROTO_UDP); /* atomic */
		quote_l4();
		finish_icmp();
		assert_flow(IPPROTO_UDP, 443, 40000, false);

		static const uint32_t offsets[] = {8, 1480, 65528};
		for (size_t o = 0; o < COUNT(offsets); o++) {
			quote_fragment(families[i], offsets[o], o & 1, IPPROTO_UDP);
			quote_l4(); /* looks like ports, and is data */
			finish_icmp();
			assert_flow(IPPROTO_UDP, 0, 0, true);

			/* Of the data nothing is needed. */
			quote_fragment(families[i], offsets[o], false, IPPROTO_TCP);
			finish_icmp();
			assert_flow(IPPROTO_TCP, 0, 0, true);
		}
	}
}

/* --- what is refused ------------------------------------------------------------------------- */

/* Cut after each byte, with lengths and checksum that agree to it. `whole` is the shortest that
 * will do. Then once more with link padding behind, which is no part of the quotation. */
static void
assert_truncated_before(uint32_t whole)
{
	struct frame full = f;
	for (uint32_t length = quote_at; length < full.length; length++) {
		enum icmp_quote expected = length < whole ? ICMP_QUOTE_TRUNCATED : ICMP_QUOTE_OK;
		f = full;
		f.length = length;
		finish_icmp();
		assert_int_equal(read_quote(), expected);
		f.length = full.length;
		assert_int_equal(read_quote(), expected);
	}
	f = full;
	finish_icmp();
	assert_int_equal(read_quote(), ICMP_QUOTE_OK);
}

static void
test_truncated_at_every_byte(void **state)
{
	(void)state;
	static const uint8_t options[8] = {1, 1, 1, 1};
	for (size_t i = 0; i < COUNT(families); i++) {
		quote_ip(families[i], IPPROTO_TCP);
		tcp(8, TCP_ACK);
		uint32_t l4 = quote_at + (families[i] == 4 ? 20 : 40);
		assert_truncated_before(l4 + 8);

		/* A later fragment is whole with its header. */
		quote_fragment(families[i], 1480, true, IPPROTO_UDP);
		uint32_t end = f.length;
		quote_l4();
		assert_truncated_before(end);
	}
	error_about(4);
	ipv4_fragment(IPPROTO_UDP, 0, options, sizeof(options));
	turn_round();
	udp(8);
	put_bytes(0, 4);
	assert_truncated_before(quote_at + 36);

	error_about(4);
	ipv4_fragment(IPPROTO_UDP, 1480 / 8, options, sizeof(options));
	turn_round();
	quote_l4();
	assert_truncated_before(quote_at + 28);

	quote_ip(6, IPPROTO_HOPOPTS);
	extension(IPPROTO_ROUTING, 0);
	extension(IPPROTO_FRAGMENT, 2);
	f.bytes[quote_at + 40 + 8 + 3] = 0; /* segments left */
	fragment_header(IPPROTO_DSTOPTS, 1, 7);
	extension(IPPROTO_TCP, 1);
	uint32_t l4 = f.length;
	tcp(5, 0);
	assert_truncated_before(l4 + 8);
}

/* A packet of which the frame does not hold all is not read at all. */
static void
test_frame_shorter_than_the_packet(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(families); i++) {
		quote_tcp(families[i]);
		parse_ok();
		for (uint32_t length = icmp_at; length < f.length; length++) {
			uint8_t *frame = exact_copy(f.bytes, length);
			assert_int_equal(
				icmp_read_quote(frame, length, &pk, &flow), ICMP_QUOTE_TRUNCATED);
			free(frame);
		}
	}
}

static void
test_quoted_source_is_not_the_vip(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(families); i++) {
		uint32_t size = families[i] == 4 ? 4 : 16;
		for (uint32_t byte = 0; byte < size; byte++) {
			quote_tcp(families[i]);
			f.bytes[quote_at + (size == 4 ? 12 : 8) + byte] ^= 0x10;
			finish_icmp();
			assert_int_equal(read_quote(), ICMP_QUOTE_NOT_OURS);
		}
		quote_tcp(families[i]);
		turn_round(); /* what the client itself sent */
		finish_icmp();
		assert_int_equal(read_quote(), ICMP_QUOTE_NOT_OURS);
	}
}

static void
test_header_length_lies(void **state)
{
	(void)state;
	for (unsigned words = 0; words < 16; words++) {
		quote_tcp(4);
		f.bytes[quote_at] = (uint8_t)(0x40 | words);
		finish_icmp();
		if (words < 5)
			assert_int_equal(read_quote(), ICMP_QUOTE_MALFORMED);
		else if (words > 5)
			assert_int_equal(read_quote(), ICMP_QUOTE_TRUNCATED);
		else
			assert_flow(IPPROTO_TCP, 443, 40000, false);
	}
	/* Believed as far as there are bytes: the ports are then those 4 bytes on. */
	quote_tcp(4);
	put_bytes(0x11, 4);
	f.bytes[quote_at] = 0x46;
	finish_icmp();
	assert_flow(IPPROTO_TCP, 0xdeca, 0xde00, false);
}

static void
test_version_lies(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(families); i++) {
		for (unsigned version = 0; version < 16; version++) {
			quote_tcp(families[i]);
			put_bytes(0, 40);
			f.bytes[quote_at] = (uint8_t)(version << 4 | (f.bytes[quote_at] & 0xf));
			finish_icmp();
			assert_int_equal(read_quote(), version == (unsigned)families[i]
							       ? ICMP_QUOTE_OK
							       : ICMP_QUOTE_MALFORMED);
		}
	}
}

static void
test_v4_mapped_client(void **state)
{
	(void)state;
	static const uint8_t mapped[16] = {[10] = 0xff, 0xff, 198, 51, 100, 7};
	quote_tcp(6);
	memcpy(f.bytes + quote_at + 24, mapped, sizeof(mapped));
	finish_icmp();
	assert_int_equal(read_quote(), ICMP_QUOTE_MALFORMED);
}

static void
assert_malformed(void)
{
	finish_icmp();
	assert_int_equal(read_quote(), ICMP_QUOTE_MALFORMED);
}

static void
test_quoted_extensions_are_wrong(void **state)
{
	(void)state;
	for (unsigned count = 1; count <= 50; count++) {
		quote_ip(6, IPPROTO_DSTOPTS);
		for (unsigned i = 1; i < count; i++)
			extension(IPPROTO_DSTOPTS, 0);
		extension(IPPROTO_TCP, 0);
		quote_l4();
		if (count <= IPV6_EXTENSIONS_MAX) {
			finish_icmp();
			assert_flow(IPPROTO_TCP, 443, 40000, false);
		} else {
			assert_malformed();
		}
	}
	quote_ip(6, IPPROTO_DSTOPTS); /* hop-by-hop not first */
	extension(IPPROTO_HOPOPTS, 0);
	extension(IPPROTO_TCP, 0);
	quote_l4();
	assert_malformed();

	quote_ip(6, IPPROTO_ROUTING); /* segments left */
	extension(IPPROTO_TCP, 0);
	f.bytes[quote_at + 40 + 3] = 1;
	quote_l4();
	assert_malformed();

	quote_ip(6, IPPROTO_FRAGMENT); /* twice */
	fragment_header(IPPROTO_FRAGMENT, 1, 7);
	fragment_header(IPPROTO_TCP, 1, 7);
	quote_l4();
	assert_malformed();

	quote_ip(6, IPPROTO_AH); /* shorter than its own fixed fields */
	fragment_header(IPPROTO_TCP, 0, 0);
	quote_l4();
	assert_malformed();
}

static void
test_icmp_in_icmp(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(families); i++) {
		uint8_t proto = icmp_proto(families[i]);
		for (unsigned type = 0; type < 256; type++) {
			quote_ip(families[i], proto);
			f.bytes[f.length++] = (uint8_t)type;
			put_bytes(0, 7);
			finish_icmp();
			assert_int_equal(read_quote(), ICMP_QUOTE_OF_ICMP);
		}
		quote_fragment(families[i], 1480, false, proto);
		put_bytes(0, 8);
		finish_icmp();
		assert_int_equal(read_quote(), ICMP_QUOTE_OF_ICMP);

		/* The other family's ICMP is but a protocol without ports. */
		quote_ip(families[i], proto == IPPROTO_ICMP ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
		quote_l4();
		finish_icmp();
		assert_int_equal(read_quote(), ICMP_QUOTE_OK);
	}
}

static void
test_checksum_of_the_error(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(families); i++) {
		quote_tcp(families[i]);
		put_random(5);
		finish_icmp();
		assert_flow(IPPROTO_TCP, 443, 40000, false);
		/* Anywhere behind the type, without which it would be no error. */
		for (uint32_t at = icmp_at + 1; at < f.length; at++) {
			f.bytes[at] ^= 0x20;
			assert_int_equal(read_quote(), ICMP_QUOTE_MALFORMED);
			f.bytes[at] ^= 0x20;
		}
	}
}

/* In the first fragment of an error the checksum covers more than there is. */
static void
test_error_in_fragments(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(families); i++) {
		ether(families[i] == 4 ? 0x0800 : 0x86dd);
		if (families[i] == 4) {
			ipv4_fragment(IPPROTO_ICMP, 0x2000, "", 0);
			icmp(3, 4, 1400);
		} else {
			ipv6(IPPROTO_FRAGMENT);
			fragment_header(IPPROTO_ICMPV6, 1, 7);
			icmp(2, 0, 1400);
		}
		quote_at = f.length;
		if (families[i] == 4)
			ipv4_fragment(IPPROTO_TCP, 0, "\1\1\1", 4); /* fill up to 8 bytes */
		else
			ipv6(IPPROTO_TCP);
		turn_round();
		quote_l4();
		finish();
		assert_flow(IPPROTO_TCP, 443, 40000, false);
		assert_int_equal(pk.fragment, FRAGMENT_FIRST);
	}
}

/* --- anything at all ------------------------------------------------------------------------- */

/* Bytes of the quotation changed at random, with a checksum that is right for them: nothing is read
 * past the end, and what is taken for a flow of a VIP is one. */
static void
test_changed_at_random(void **state)
{
	(void)state;
	uint32_t seen[ICMP_QUOTE_OF_ICMP + 1] = {0};
	for (unsigned run = 0; run < 200000; run++) {
		int family = families[run % COUNT(families)];
		quote_ip(family, family == 6 && run % 4 == 1 ? IPPROTO_DSTOPTS : IPPROTO_TCP);
		put_random(random32() % 64);
		for (unsigned changes = random32() % 4; changes > 0; changes--) {
			uint32_t at = quote_at + random32() % (f.length - quote_at);
			f.bytes[at] = (uint8_t)random32();
		}
		f.length -= random32() % (f.length - quote_at);
		finish_icmp();
		enum icmp_quote result = read_quote();
		seen[result]++;
		if (result != ICMP_QUOTE_OK)
			continue;
		assert_true(addr_equal(&flow.vip, &pk.dst));
		assert_int_equal(addr_is_v4(&flow.client), family == 4);
		assert_int_not_equal(flow.proto, icmp_proto(family));
		if (flow.fragment || (flow.proto != IPPROTO_TCP && flow.proto != IPPROTO_UDP))
			assert_int_equal(flow.client_port | flow.vip_port, 0);
	}
	for (size_t result = 0; result < COUNT(seen); result++)
		assert_true(seen[result] > 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_flow_of_eight_bytes),
		cmocka_unit_test(test_flow_is_the_quoted_one),
		cmocka_unit_test(test_flow_behind_options),
		cmocka_unit_test(test_rest_of_the_header_is_not_read),
		cmocka_unit_test(test_quoted_lengths_and_checksums_are_not_trusted),
		cmocka_unit_test(test_quoted_fragment),
		cmocka_unit_test(test_truncated_at_every_byte),
		cmocka_unit_test(test_frame_shorter_than_the_packet),
		cmocka_unit_test(test_quoted_source_is_not_the_vip),
		cmocka_unit_test(test_header_length_lies),
		cmocka_unit_test(test_version_lies),
		cmocka_unit_test(test_v4_mapped_client),
		cmocka_unit_test(test_quoted_extensions_are_wrong),
		cmocka_unit_test(test_icmp_in_icmp),
		cmocka_unit_test(test_checksum_of_the_error),
		cmocka_unit_test(test_error_in_fragments),
		cmocka_unit_test(test_changed_at_random),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
