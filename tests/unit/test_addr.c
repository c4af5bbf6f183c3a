/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "addr.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct ip_addr
address(const char *text)
{
	struct ip_addr a;
	assert_int_equal(addr_parse(text, &a), 0);
	return a;
}

static struct ip_prefix
prefix(const char *text)
{
	struct ip_prefix p;
	assert_int_equal(prefix_parse(text, &p), 0);
	return p;
}

static void
test_layout(void **state)
{
	(void)state;
	static const uint8_t mapped[16] = {[10] = 0xff, 0xff, 192, 0, 2, 1};
	static const uint8_t six[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 0x80};
	struct ip_addr v4 = address("192.0.2.1"), v6 = address("2001:db8::80");
	assert_memory_equal(v4.bytes, mapped, 16);
	assert_memory_equal(v6.bytes, six, 16);
	assert_true(addr_is_v4(&v4));
	assert_false(addr_is_v4(&v6));

	struct ip_addr again = addr_from_v4(addr_v4(&v4));
	assert_true(addr_equal(&again, &v4));
	again = addr_from_v6(six);
	assert_true(addr_equal(&again, &v6));
	assert_false(addr_equal(&v4, &v6));
}

static void
test_text_there_and_back(void **state)
{
	(void)state;
	static const struct {
		const char *in, *out;
	} cases[] = {
		{"0.0.0.0", "0.0.0.0"},
		{"255.255.255.255", "255.255.255.255"},
		{"::", "::"},
		{"::1", "::1"},
		/* RFC 5952, 4: no leading zeros, lower case, the longest run of zeros, the first of
		   two */
		{"2001:0DB8:0:0:0:0:0:0001", "2001:db8::1"},
		{"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},
		{"2001:0:0:1:0:0:0:1", "2001:0:0:1::1"},
		{"2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"},
		{"ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255",
			"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
	};
	char text[ADDR_TEXT_MAX];
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct ip_addr a = address(cases[i].in);
		assert_string_equal(addr_format(&a, text), cases[i].out);
	}
}

static void
test_text_refused(void **state)
{
	(void)state;
	static const char *const bad[] = {"", " 192.0.2.1", "192.0.2.1 ", "192.0.2", "192.0.2.256",
		"192.0.2.01", "192.0.2.1.1", "0x7f.0.0.1", "192.0.2.1/32", "2001:db8",
		"2001:db8:::1", "2001:db8::1::2", "fe80::1%eth0", "::ffff:192.0.2.1",
		"::ffff:c000:201", "g::", "[::1]"};
	struct ip_addr a;
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_int_equal(addr_parse(bad[i], &a), -EINVAL);
}

static void
test_compare_orders_by_bytes(void **state)
{
	(void)state;
	static const char *const sorted[] = {"::", "10.0.0.1", "10.0.0.2", "10.0.1.0", "192.0.2.1",
		"2001:db8::1", "2001:db8::100"};
	for (size_t i = 0; i < COUNT(sorted); i++) {
		for (size_t j = 0; j < COUNT(sorted); j++) {
			struct ip_addr a = address(sorted[i]), b = address(sorted[j]);
			int order = addr_compare(&a, &b);
			assert_int_equal((order > 0) - (order < 0), (i > j) - (i < j));
		}
	}
}

static void
test_martians(void **state)
{
	(void)state;
	static const char *const martian[] = {"0.0.0.0", "0.1.2.3", "127.0.0.1", "127.255.255.255",
		"224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255", "::", "::1",
		"ff02::1", "ff0e::1", "fe80::1", "febf::1"};
	static const char *const citizen[] = {"1.0.0.0", "126.255.255.255", "128.0.0.0",
		"223.255.255.255", "10.0.0.1", "::2", "2001:db8::1", "fec0::1", "fe7f::1",
		"fd00::1", "feff::1", "1::", "0:0:0:1::"};
	for (size_t i = 0; i < COUNT(martian); i++) {
		struct ip_addr a = address(martian[i]);
		assert_true(addr_is_martian(&a));
	}
	for (size_t i = 0; i < COUNT(citizen); i++) {
		struct ip_addr a = address(citizen[i]);
		assert_false(addr_is_martian(&a));
	}
}

static void
test_prefix_text(void **state)
{
	(void)state;
	static const struct {
		const char *in, *out;
	} good[] = {
		{"192.0.2.0/24", "192.0.2.0/24"},
		{"192.0.2.1", "192.0.2.1/32"},
		{"192.0.2.1/32", "192.0.2.1/32"},
		{"0.0.0.0/0", "0.0.0.0/0"},
		{"192.0.2.128/25", "192.0.2.128/25"},
		{"2001:db8::/32", "2001:db8::/32"},
		{"2001:db8::1", "2001:db8::1/128"},
		{"::/0", "::/0"},
		{"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128",
			"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128"},
	};
	static const struct {
		const char *in;
		int error;
	} bad[] = {
		{"192.0.2.1/24", -ERANGE},
		{"192.0.2.129/25", -ERANGE},
		{"1.0.0.0/0", -ERANGE},
		{"2001:db8::1/64", -ERANGE},
		{"2001:db8::1/127", -ERANGE},
		{"192.0.2.0/33", -EINVAL},
		{"2001:db8::/129", -EINVAL},
		{"192.0.2.0/", -EINVAL},
		{"192.0.2.0/-1", -EINVAL},
		{"192.0.2.0/+8", -EINVAL},
		{"192.0.2.0/ 8", -EINVAL},
		{"192.0.2.0/24x", -EINVAL},
		{"192.0.2.0/24/24", -EINVAL},
		{"192.0.2.0/18446744073709551640", -EINVAL},
		{"/24", -EINVAL},
		{"", -EINVAL},
		{"::ffff:0.0.0.0/96", -EINVAL},
		{"0000000000000000000000000000000000000000000000000000/8", -EINVAL},
	};
	char text[PREFIX_TEXT_MAX];
	struct ip_prefix p;
	for (size_t i = 0; i < COUNT(good); i++) {
		p = prefix(good[i].in);
		assert_string_equal(prefix_format(&p, text), good[i].out);
	}
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_int_equal(prefix_parse(bad[i].in, &p), bad[i].error);
}

static void
test_prefix_contains(void **state)
{
	(void)state;
	static const struct {
		const char *prefix, *address;
		bool inside;
	} cases[] = {
		{"192.0.2.0/24", "192.0.2.0", true},
		{"192.0.2.0/24", "192.0.2.255", true},
		{"192.0.2.0/24", "192.0.3.0", false},
		{"192.0.2.128/25", "192.0.2.127", false},
		{"192.0.2.1/32", "192.0.2.1", true},
		{"192.0.2.1/32", "192.0.2.0", false},
		{"0.0.0.0/0", "255.255.255.255", true},
		{"2001:db8::/33", "2001:db8:7fff::1", true},
		{"2001:db8::/33", "2001:db8:8000::1", false},
		{"2001:db8::1/128", "2001:db8::1", true},
		{"2001:db8::1/128", "2001:db8::3", false},
		{"::/0", "2001:db8::1", true},
		/* The families do not meet, whatever their common form. */
		{"::/0", "192.0.2.1", false},
		{"::/64", "192.0.2.1", false},
		{"0.0.0.0/0", "2001:db8::1", false},
		{"0.0.0.0/0", "::", false},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct ip_prefix p = prefix(cases[i].prefix);
		struct ip_addr a = address(cases[i].address);
		assert_int_equal(prefix_contains(&p, &a), cases[i].inside);
	}
}

/* Against a look at every bit, for every length. */
static void
test_prefix_contains_every_length(void **state)
{
	(void)state;
	struct ip_addr base = address("2001:db8:ffff:0:a5a5:5a5a:1234:8001");
	for (unsigned len = 0; len <= 128; len++) {
		struct ip_prefix p = {.addr = base, .len = (uint8_t)len};
		for (unsigned bit = len; bit < 128; bit++)
			p.addr.bytes[bit / 8] &= (uint8_t) ~(0x80u >> bit % 8);
		for (unsigned bit = 0; bit < 128; bit++) {
			struct ip_addr a = base;
			a.bytes[bit / 8] ^= (uint8_t)(0x80u >> bit % 8);
			assert_int_equal(prefix_contains(&p, &a), bit >= len);
		}
	}
}

static void
test_mac(void **state)
{
	(void)state;
	char text[MAC_TEXT_MAX];
	struct mac_addr mac = {{0x00, 0x11, 0x22, 0xaa, 0xbb, 0xff}};
	assert_string_equal(mac_format(&mac, text), "00:11:22:aa:bb:ff");
	struct mac_addr read = {{0}};
	assert_int_equal(mac_parse("00:11:22:Aa:bB:ff", &read), 0);
	assert_memory_equal(&read, &mac, sizeof(mac));
	static const char *const wrong[] = {"", "00", "00:11:22:aa:bb",
		"00:11:22:aa:bb:", "00:11:22:aa:bb:f", "00:11:22:aa:bb:fff",
		"00:11:22:aa:bb:ff:", "00-11-22-aa-bb-ff", "0:11:22:aa:bb:ff", "00:11:22:aa:bb:fg",
		" 00:11:22:aa:bb:ff", "00:11:22:aa:bb:+f", "001122aabbff", "0x:11:22:aa:bb:ff"};
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(mac_parse(wrong[i], &read), -EINVAL);
	assert_memory_equal(&read, &mac, sizeof(mac));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_layout),
		cmocka_unit_test(test_text_there_and_back),
		cmocka_unit_test(test_text_refused),
		cmocka_unit_test(test_compare_orders_by_bytes),
		cmocka_unit_test(test_martians),
		cmocka_unit_test(test_prefix_text),
		cmocka_unit_test(test_prefix_contains),
		cmocka_unit_test(test_prefix_contains_every_length),
		cmocka_unit_test(test_mac),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
