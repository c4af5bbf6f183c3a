/* SPDX-License-Identifier: BSD-3-Clause */
/* What an ICMP packet is, whether its checksum is right, and echo turned into its reply. */
#include "icmp_lab.h"

/* --- kinds ----------------------------------------------------------------------------------- */

static void
test_kinds(void **state)
{
	(void)state;
	for (int type = 0; type < 256; type++) {
		struct packet four = {
			.family = 4, .proto = IPPROTO_ICMP, .icmp_type = (uint8_t)type};
		enum icmp_kind expected = ICMP_OTHER;
		if (type == 3 || type == 11 || type == 12)
			expected = ICMP_ERROR;
		else if (type == ECHO_REQUEST4)
			expected = ICMP_ECHO_REQUEST;
		assert_int_equal(icmp_kind(&four), expected);

		struct packet six = {
			.family = 6, .proto = IPPROTO_ICMPV6, .icmp_type = (uint8_t)type};
		expected = type < 128		   ? ICMP_ERROR
			   : type == ECHO_REQUEST6 ? ICMP_ECHO_REQUEST
						   : ICMP_OTHER;
		assert_int_equal(icmp_kind(&six), expected);

		/* Its type was not there to be read. */
		four.fragment = six.fragment = FRAGMENT_LATER;
		assert_int_equal(icmp_kind(&four), ICMP_OTHER);
		assert_int_equal(icmp_kind(&six), ICMP_OTHER);
	}
}

/* --- checksums ------------------------------------------------------------------------------- */

/* An echo request of random data, behind the headers that `variant` says. */
enum variant {
	PLAIN,
	OPTIONS, /* or an extension header, of IPv6 */
	TAGGED,
	ATOMIC, /* a fragment of one, IPv6 only */
	VARIANTS,
};

static void
echo_headers(int family, enum variant variant)
{
	/* Record route with room for two, and the end of the list. */
	static const uint8_t options[12] = {7, 11, 4};
	uint16_t type = family == 4 ? 0x0800 : 0x86dd;
	ether(variant == TAGGED ? 0x8100 : type);
	if (variant == TAGGED)
		tag(0x6007, type);
	if (family == 4) {
		ipv4_fragment(
			IPPROTO_ICMP, 0x4000, options, variant == OPTIONS ? sizeof(options) : 0);
	} else if (variant == OPTIONS) {
		ipv6(IPPROTO_DSTOPTS);
		extension(IPPROTO_ICMPV6, 1);
	} else if (variant == ATOMIC) {
		ipv6(IPPROTO_FRAGMENT);
		fragment_header(IPPROTO_ICMPV6, 0, 0x01020304);
	} else {
		ipv6(IPPROTO_ICMPV6);
	}
}

static void
echo(int family, enum variant variant, size_t data)
{
	echo_headers(family, variant);
	icmp(family == 4 ? ECHO_REQUEST4 : ECHO_REQUEST6, 0, random32());
	put_random(data);
	finish_icmp();
	parse_ok();
}

static bool
checksum_is_right(void)
{
	uint8_t *frame = exact_copy(f.bytes, f.length);
	bool right = icmp_checksum_is_right(frame, &pk);
	free(frame);
	return right;
}

static void
test_checksum_is_judged(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(families); i++) {
		for (size_t data = 0; data < 40; data++) {
			echo(families[i], (enum variant)(data % VARIANTS), data);
			assert_true(checksum_is_right());
			for (uint32_t bit = icmp_at * 8; bit < f.length * 8; bit++) {
				f.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
				assert_false(checksum_is_right());
				f.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
			}
		}
	}
}

/* What the link appends is not part of the message. */
static void
test_checksum_is_not_of_the_padding(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(families); i++) {
		echo(families[i], PLAIN, 3);
		put_bytes(0x5a, 15);
		parse_ok();
		assert_true(checksum_is_right());
	}
}

/* An address that is not what was summed. */
static void
test_checksum_of_icmpv6_covers_the_addresses(void **state)
{
	(void)state;
	echo(6, PLAIN, 8);
	f.bytes[f.l3 + 8 + 15] ^= 1;
	parse_ok();
	assert_false(checksum_is_right());
}

/* --- echo ------------------------------------------------------------------------------------ */

static void
swap(uint8_t *a, uint8_t *b, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++) {
		uint8_t byte = a[i];
		a[i] = b[i];
		b[i] = byte;
	}
}

/* Makes `f` what the reply has to be, from RFC 792 and RFC 4443, with whole checksums. */
static void
expect_reply(uint32_t end)
{
	swap(f.bytes, f.bytes + 6, 6);
	uint8_t *ip = f.bytes + f.l3;
	if (pk.family == 4) {
		swap(ip + 12, ip + 16, 4);
		ip[8] = 64;
		fix_ipv4_checksum();
		f.bytes[icmp_at] = ECHO_REPLY4;
	} else {
		swap(ip + 8, ip + 24, 16);
		ip[7] = 64;
		f.bytes[icmp_at] = ECHO_REPLY6;
	}
	set16(icmp_at + 2, 0);
	uint16_t checksum = naive_icmp_checksum(f.bytes, f.l3, icmp_at, end);
	/* Of the two zeros of one's complement it is this one, unless there is but one. */
	set16(icmp_at + 2, checksum == 0 ? 0xffff : checksum);
}

static void
assert_reply_is_exact(uint32_t padding)
{
	uint32_t end = f.length;
	put_random(padding);
	parse_ok();
	uint8_t *frame = exact_copy(f.bytes, f.length);
	icmp_make_reply(frame, &pk);
	expect_reply(end);
	assert_memory_equal(frame, f.bytes, f.length);

	/* And it is one, to whoever reads it: parsed, and with a sum of nothing but ones. */
	parse_ok();
	assert_int_equal(pk.icmp_type, pk.family == 4 ? ECHO_REPLY4 : ECHO_REPLY6);
	assert_int_equal(naive_icmp_checksum(frame, f.l3, icmp_at, end), 0);
	free(frame);
}

static void
test_reply_of_every_length(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(families); i++) {
		for (enum variant variant = PLAIN; variant < VARIANTS; variant++) {
			for (size_t data = 0; data <= 200; data++) {
				echo(families[i], variant, data);
				assert_reply_is_exact((uint32_t)data % 7);
			}
			for (unsigned run = 0; run < 300; run++) {
				echo(families[i], variant, random32() % 9000);
				assert_reply_is_exact(0);
			}
		}
	}
}

static void
test_reply_has_its_own_ttl(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(families); i++) {
		for (uint32_t ttl = 0; ttl < 256; ttl++) {
			echo(families[i], PLAIN, 11);
			f.bytes[f.l3 + (families[i] == 4 ? 8 : 7)] = (uint8_t)ttl;
			finish();
			assert_reply_is_exact(0);
		}
	}
}

/* Damage on the way must not be hidden by a checksum made afresh. */
static void
test_reply_does_not_mend_the_data(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(families); i++) {
		echo(families[i], PLAIN, 33);
		f.bytes[f.length - 2] ^= 0x10;
		parse_ok();
		assert_false(icmp_checksum_is_right(f.bytes, &pk));
		icmp_make_reply(f.bytes, &pk);
		parse_ok();
		assert_false(icmp_checksum_is_right(f.bytes, &pk));
	}
}

/* Where the checksum of the reply is one of the two zeros. */
static void
test_reply_whose_sum_is_zero(void **state)
{
	(void)state;
	for (size_t data = 0; data < 5; data++) { /* all of it zeros */
		client_to_vip(4, IPPROTO_ICMP);
		icmp(ECHO_REQUEST4, 0, 0);
		put_bytes(0, data);
		finish_icmp();
		assert_reply_is_exact(0);
	}
	for (uint32_t id = 0; id <= 0xffff; id += 0x101) { /* ID and sequence number are all */
		client_to_vip(4, IPPROTO_ICMP);
		icmp(ECHO_REQUEST4, 0, id << 16 | (0xffff - id));
		finish_icmp();
		assert_reply_is_exact(0);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_checksum_is_judged),
		cmocka_unit_test(test_checksum_is_not_of_the_padding),
		cmocka_unit_test(test_checksum_of_icmpv6_covers_the_addresses),
		cmocka_unit_test(test_reply_of_every_length),
		cmocka_unit_test(test_reply_has_its_own_ttl),
		cmocka_unit_test(test_reply_does_not_mend_the_data),
		cmocka_unit_test(test_reply_whose_sum_is_zero),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
