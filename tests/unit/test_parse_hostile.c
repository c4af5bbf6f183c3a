/* SPDX-License-Identifier: BSD-3-Clause */
/* IPv6 extension headers, fragments of both families, and frames cut, split and changed anywhere.
 */
#include "frame.h"

#include "bounds.h"

/* --- extension headers ----------------------------------------------------------------------- */

static void
test_ipv6_extensions(void **state)
{
	(void)state;
	ether(0x86dd);
	ipv6(IPPROTO_HOPOPTS);
	extension(IPPROTO_DSTOPTS, 0);
	extension(IPPROTO_ROUTING, 1);
	extension(IPPROTO_AH, 2);
	static const uint8_t ah[16] = {IPPROTO_DSTOPTS, 2};
	put(ah, sizeof(ah));
	extension(IPPROTO_UDP, 255);
	uint32_t l4 = f.length;
	udp(8);
	finish();
	assert_parses_to(PARSE_OK);
	assert_int_equal(pk.next_proto, IPPROTO_HOPOPTS);
	assert_int_equal(pk.proto, IPPROTO_UDP);
	assert_int_equal(pk.l4_offset, l4);
	assert_int_equal(pk.dport, 53);

	/* Segments left, in the third header of the chain. */
	f.bytes[14 + 40 + 8 + 16 + 3] = 1;
	assert_parses_to(PARSE_DROP_IPV6_ROUTING_HEADER);

	/* Hop-by-hop not first. */
	ether(0x86dd);
	ipv6(IPPROTO_DSTOPTS);
	extension(IPPROTO_HOPOPTS, 0);
	extension(IPPROTO_TCP, 0);
	tcp(5, 0);
	finish();
	assert_parses_to(PARSE_DROP_IPV6_EXTENSION);

	/* AH shorter than its own fixed fields, and just as long. */
	ether(0x86dd);
	ipv6(IPPROTO_AH);
	put(ah, 12);
	udp(8);
	finish();
	f.bytes[14 + 40] = IPPROTO_UDP;
	for (uint8_t words = 0; words < 2; words++) {
		f.bytes[14 + 40 + 1] = words;
		assert_parses_to(words == 0 ? PARSE_DROP_IPV6_EXTENSION : PARSE_OK);
	}
	assert_int_equal(pk.dport, 53);

	/* "No next header" behind an extension: what follows it is nobody's. */
	ether(0x86dd);
	ipv6(IPPROTO_DSTOPTS);
	extension(IPPROTO_NONE, 0);
	put_bytes(0, 3);
	finish();
	assert_parses_to(PARSE_OK);
	assert_int_equal(pk.proto, IPPROTO_NONE);
	assert_int_equal(pk.l4_offset, 14 + 48);
}

static void
test_ipv6_extension_truncated(void **state)
{
	(void)state;
	static const uint8_t types[] = {
		IPPROTO_HOPOPTS, IPPROTO_ROUTING, IPPROTO_DSTOPTS, IPPROTO_FRAGMENT, IPPROTO_AH};
	for (size_t i = 0; i < COUNT(types); i++) {
		for (uint32_t bytes = 1; bytes < 8; bytes++) {
			ether(0x86dd);
			ipv6(types[i]);
			put_bytes(0, bytes);
			finish();
			assert_parses_to(PARSE_DROP_IPV6_EXTENSION);
		}
		if (types[i] == IPPROTO_FRAGMENT)
			continue;
		ether(0x86dd); /* as long as it says, less one byte */
		ipv6(types[i]);
		extension(IPPROTO_TCP, 4);
		f.length -= types[i] == IPPROTO_AH ? 40 - 24 + 1 : 1;
		finish();
		assert_parses_to(PARSE_DROP_IPV6_EXTENSION);
	}
}

static void
test_ipv6_extension_chain(void **state)
{
	(void)state;
	for (unsigned count = 1; count <= 50; count++) {
		ether(0x86dd);
		ipv6(IPPROTO_DSTOPTS);
		for (unsigned i = 1; i < count; i++)
			extension(IPPROTO_DSTOPTS, 0);
		extension(IPPROTO_TCP, 0);
		tcp(5, TCP_SYN);
		finish();
		assert_parses_to(
			count <= IPV6_EXTENSIONS_MAX ? PARSE_OK : PARSE_DROP_IPV6_EXTENSION_CHAIN);
	}
}

/* --- fragments ------------------------------------------------------------------------------- */

/* `data` bytes of UDP, from its header on for a first fragment. */
static void
udp_fragment(int six, uint32_t offset, int more, uint32_t data)
{
	ether(six ? 0x86dd : 0x0800);
	if (six) {
		ipv6(IPPROTO_FRAGMENT);
		fragment_header(IPPROTO_UDP, offset | (uint32_t)more, 0x89abcdef);
	} else {
		ipv4_fragment(IPPROTO_UDP, offset / 8 | (more ? 0x2000u : 0), "", 0);
	}
	uint32_t start = f.length;
	if (offset == 0)
		udp(3000);
	else
		put_bytes(0, data);
	if (offset == 0 && data > 8)
		put_bytes(0, data - 8);
	f.length = start + data;
	finish();
}

static void
test_fragments(void **state)
{
	(void)state;
	for (int six = 0; six < 2; six++) {
		uint32_t data = six ? 62 : 34, id = six ? 0x89abcdef : 0x1234;
		udp_fragment(six, 0, 1, 1480);
		assert_parses_to(PARSE_OK);
		assert_int_equal(pk.fragment, FRAGMENT_FIRST);
		assert_int_equal(pk.fragment_id, id);
		assert_int_equal(pk.fragment_offset, 0);
		assert_int_equal(pk.dport, 53);
		assert_int_equal(pk.l4_offset, data);

		udp_fragment(six, 1480, 0, 21);
		assert_parses_to(PARSE_OK);
		assert_int_equal(pk.fragment, FRAGMENT_LATER);
		assert_int_equal(pk.fragment_id, id);
		assert_int_equal(pk.fragment_offset, 1480);
		assert_int_equal(pk.proto, IPPROTO_UDP);
		assert_int_equal(pk.sport | pk.dport, 0);
		assert_int_equal(pk.l4_offset, data);

		/* UDP's length may be past this fragment, but not below its header. */
		udp_fragment(six, 0, 1, 1480);
		set16(data + 4, 7);
		assert_parses_to(PARSE_DROP_UDP_LENGTH);

		/* A tiny first one, at every length. */
		udp_fragment(six, 0, 1, 8);
		assert_parses_to(PARSE_OK);
		for (uint32_t bytes = 0; bytes < 8; bytes++) {
			udp_fragment(six, 0, 1, bytes);
			assert_parses_to(PARSE_DROP_FRAGMENT_MALFORMED); /* not a multiple of 8 */
		}
		/* Not the last, of odd length; empty. */
		udp_fragment(six, 1480, 1, 20);
		assert_parses_to(PARSE_DROP_FRAGMENT_MALFORMED);
		udp_fragment(six, 1480, 1, 0);
		assert_parses_to(PARSE_DROP_FRAGMENT_MALFORMED);
		udp_fragment(six, 1480, 0, 0);
		assert_parses_to(PARSE_DROP_FRAGMENT_MALFORMED);
		/* Up to 65535 bytes in all, and one more. */
		uint32_t offset = 65528 - 24, room = 65535 - offset - (six ? 0 : 20);
		udp_fragment(six, offset, 0, room);
		assert_parses_to(PARSE_OK);
		udp_fragment(six, offset, 0, room + 1);
		assert_parses_to(PARSE_DROP_FRAGMENT_MALFORMED);
		udp_fragment(six, 65528, 0, 1400);
		assert_parses_to(PARSE_DROP_FRAGMENT_MALFORMED);
	}
}

static void
test_first_fragment_holds_all_headers(void **state)
{
	(void)state;
	for (int six = 0; six < 2; six++) {
		for (uint32_t data = 8; data <= 48; data += 8) {
			ether(six ? 0x86dd : 0x0800);
			if (six) {
				ipv6(IPPROTO_FRAGMENT);
				fragment_header(IPPROTO_TCP, 1, 7);
			} else {
				ipv4_fragment(IPPROTO_TCP, 0x2000, "", 0);
			}
			uint32_t start = f.length;
			tcp(8, TCP_SYN); /* 32 bytes */
			put_bytes(0, 16);
			f.length = start + data;
			finish();
			assert_parses_to(data < 32 ? PARSE_DROP_L4_TRUNCATED : PARSE_OK);
		}
	}
	/* Headers within the fragmentable part. */
	ether(0x86dd);
	ipv6(IPPROTO_FRAGMENT);
	fragment_header(IPPROTO_DSTOPTS, 1, 7);
	extension(IPPROTO_UDP, 0);
	udp(3000);
	finish();
	assert_parses_to(PARSE_OK);
	assert_int_equal(pk.dport, 53);
	assert_int_equal(pk.fragment, FRAGMENT_FIRST);
	f.length -= 8;
	finish();
	assert_parses_to(PARSE_DROP_L4_TRUNCATED);
	/* A later one of the same: data, whatever its header names. */
	f.bytes[14 + 40 + 3] = 8;
	assert_parses_to(PARSE_OK);
	assert_int_equal(pk.fragment, FRAGMENT_LATER);
	assert_int_equal(pk.proto, IPPROTO_DSTOPTS);
	assert_int_equal(pk.l4_offset, 62);
}

static void
test_fragment_headers(void **state)
{
	(void)state;
	ether(0x86dd); /* atomic: no fragment */
	ipv6(IPPROTO_FRAGMENT);
	fragment_header(IPPROTO_TCP, 0, 7);
	tcp(5, TCP_SYN);
	finish();
	assert_parses_to(PARSE_OK);
	assert_int_equal(pk.fragment, FRAGMENT_NONE);
	assert_int_equal(pk.fragment_id, 0);
	assert_int_equal(pk.dport, 443);

	static const uint16_t pairs[][2] = {{0, 0}, {0, 1}, {1, 0}, {1, 1}, {1, 8}};
	for (size_t i = 0; i < COUNT(pairs); i++) {
		ether(0x86dd);
		ipv6(IPPROTO_FRAGMENT);
		fragment_header(IPPROTO_FRAGMENT, pairs[i][0], 7);
		fragment_header(IPPROTO_UDP, pairs[i][1], 7);
		udp(8);
		finish();
		assert_parses_to(PARSE_DROP_FRAGMENT_MALFORMED);
	}
	/* DF and the reserved bit make no fragment. */
	for (uint32_t bits = 0; bits < 4; bits++) {
		ether(0x0800);
		ipv4_fragment(IPPROTO_UDP, bits << 14 & 0xc000, "", 0);
		udp(8);
		finish();
		assert_parses_to(PARSE_OK);
		assert_int_equal(pk.fragment, FRAGMENT_NONE);
	}
}

/* --- anything, anywhere ---------------------------------------------------------------------- */

/* Frames of all kinds that parse. */
static void
write_kind(unsigned kind)
{
	static const uint8_t options[12] = {1, 1, 68, 8, 5, 0, 0, 0, 0, 0, 0, 0};
	static const uint8_t icmp[8] = {3, 4};
	switch (kind) {
	case 0:
		ipv4_tcp();
		return;
	case 1:
		ipv6_tcp();
		return;
	case 2:
		ether(0x88a8);
		tag(100, 0x8100);
		tag(200, 0x0800);
		ipv4_fragment(IPPROTO_UDP, 0x4000, options, sizeof(options));
		udp(12);
		put_bytes(7, 4);
		break;
	case 3:
		ether(0x8100);
		tag(100, 0x86dd);
		ipv6(IPPROTO_HOPOPTS);
		extension(IPPROTO_ROUTING, 0);
		extension(IPPROTO_DSTOPTS, 2);
		extension(IPPROTO_FRAGMENT, 1);
		fragment_header(IPPROTO_DSTOPTS, 0x0001, 5);
		extension(IPPROTO_TCP, 0);
		tcp(8, TCP_ACK);
		break;
	case 4:
		ether(0x86dd);
		ipv6(IPPROTO_AH);
		put_bytes(2, 16); /* 2: its length in words, less two */
		f.bytes[54] = IPPROTO_ICMPV6;
		put(icmp, sizeof(icmp));
		break;
	case 5:
		udp_fragment(0, 1480, 1, 64);
		return;
	case 6:
		udp_fragment(1, 1480, 0, 63);
		return;
	case 7:
		udp_fragment(1, 0, 1, 64);
		return;
	case 8:
		ether(0x86dd);
		ipv6(IPPROTO_DSTOPTS);
		for (unsigned i = 1; i < IPV6_EXTENSIONS_MAX; i++)
			extension(IPPROTO_DSTOPTS, 0);
		extension(IPPROTO_UDP, 0);
		udp(8);
		break;
	default:
		ether(0x0800);
		ipv4(IPPROTO_ICMP);
		put(icmp, sizeof(icmp));
	}
	finish();
}
#define KINDS 10

/* Cut anywhere, a frame is not what it was; it is dropped, and never asked for again. */
static void
test_cut_at_every_byte(void **state)
{
	(void)state;
	for (unsigned kind = 0; kind < KINDS; kind++) {
		write_kind(kind);
		assert_parses_to(PARSE_OK);
		for (uint32_t length = 0; length < f.length; length++) {
			enum parse_result result = parse_split(length, length);
			assert_true(result > PARSE_NOT_CONTIGUOUS);
		}
	}
}

/* Split anywhere: either the whole answer, or the request for more; and with more bytes it does not
 * ask again for what it had. */
static void
test_split_at_every_byte(void **state)
{
	(void)state;
	for (unsigned kind = 0; kind < KINDS; kind++) {
		write_kind(kind);
		assert_parses_to(PARSE_OK);
		struct packet whole = pk;
		bool enough = false;
		for (uint32_t available = 0; available <= f.length; available++) {
			enum parse_result result = parse_split(available, f.length);
			if (result == PARSE_OK) {
				enough = true;
				assert_memory_equal(&pk, &whole, sizeof(pk));
			} else {
				assert_int_equal(result, PARSE_NOT_CONTIGUOUS);
				assert_false(enough);
			}
		}
		assert_true(enough);
	}
}

/* parse_l4 alone may be asked again after the pull-up. */
static void
test_asked_again(void **state)
{
	(void)state;
	for (unsigned kind = 0; kind < KINDS; kind++) {
		write_kind(kind);
		assert_parses_to(PARSE_OK);
		struct packet whole = pk;
		uint32_t l3_end = f.l3 + (whole.family == 6 ? 40u : (f.bytes[f.l3] & 0xfu) * 4);
		memset(&pk, 0xaa, sizeof(pk));
		assert_int_equal(parse_l3(f.bytes, l3_end, f.length, &pk), PARSE_OK);
		enum parse_result result = PARSE_NOT_CONTIGUOUS;
		for (uint32_t available = l3_end; result == PARSE_NOT_CONTIGUOUS; available++)
			result = parse_l4(f.bytes, available, f.length, &pk);
		assert_int_equal(result, PARSE_OK);
		assert_memory_equal(&pk, &whole, sizeof(pk));
	}
}

static uint64_t random_state;

static uint32_t
random_below(uint32_t bound)
{
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)((random_state >> 33) % bound);
}

static void
check_invariants(enum parse_result result, uint32_t available, uint32_t frame_length)
{
	if (available == frame_length)
		assert_int_not_equal(result, PARSE_NOT_CONTIGUOUS);
	if (result != PARSE_OK)
		return;
	uint32_t end = (uint32_t)pk.l3_offset + pk.l3_length;
	assert_true(end <= frame_length);
	assert_true(pk.l4_offset <= end);
	assert_true(pk.l4_offset >= pk.l3_offset + (pk.family == 4 ? 20 : 40));
	assert_int_equal(addr_is_v4(&pk.src), pk.family == 4);
	assert_int_equal(addr_is_v4(&pk.dst), pk.family == 4);
	assert_true(pk.fragment <= FRAGMENT_LATER);
	assert_int_equal(pk.fragment == FRAGMENT_LATER, pk.fragment_offset != 0);
	bool ports = pk.fragment != FRAGMENT_LATER &&
		     (pk.proto == IPPROTO_TCP || pk.proto == IPPROTO_UDP);
	assert_int_equal(pk.sport != 0, ports);
	assert_int_equal(pk.dport != 0, ports);
}

/* A million frames with a few bytes changed, cut and split. Half have their checksum put right, or
 * few would get past it. Every answer turns up, but for the mapped address: chance does not write
 * its twelve bytes. */
static void
test_changed_at_random(void **state)
{
	(void)state;
	static const uint8_t tempting[] = {0, 1, 4, 6, 17, 43, 44, 0x45, 0x4f, 51, 58, 59, 60, 0x60,
		0x80, 0x81, 0x86, 0xdd, 0xff};
	unsigned seen[PARSE_DROP_PORT_ZERO + 1] = {0};
	random_state = 1;
	for (unsigned round = 0; round < 1000000; round++) {
		write_kind(round % KINDS);
		for (uint32_t changes = random_below(5); changes > 0; changes--) {
			uint32_t at = 12 + random_below(f.length - 12);
			f.bytes[at] = random_below(2) ? tempting[random_below(COUNT(tempting))]
						      : (uint8_t)random_below(256);
		}
		if (random_below(2) && f.bytes[f.l3] >> 4 == 4 && f.l3 + 60 <= FRAME_MAX)
			fix_ipv4_checksum();
		uint32_t length = random_below(4) ? f.length : random_below(f.length + 1);
		uint32_t available = random_below(2) ? length : random_below(length + 1);
		enum parse_result result = parse_split(available, length);
		check_invariants(result, available, length);
		seen[result]++;
		if (result == PARSE_NOT_CONTIGUOUS)
			check_invariants(parse_split(length, length), length, length);
	}
	for (size_t i = 0; i < COUNT(seen); i++)
		if (seen[i] == 0 && i != PARSE_DROP_IPV6_MAPPED)
			fail_msg("%s never came", parse_result_name((enum parse_result)i));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ipv6_extensions),
		cmocka_unit_test(test_ipv6_extension_truncated),
		cmocka_unit_test(test_ipv6_extension_chain),
		cmocka_unit_test(test_fragments),
		cmocka_unit_test(test_first_fragment_holds_all_headers),
		cmocka_unit_test(test_fragment_headers),
		cmocka_unit_test(test_cut_at_every_byte),
		cmocka_unit_test(test_split_at_every_byte),
		cmocka_unit_test(test_asked_again),
		cmocka_unit_test(test_changed_at_random),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
