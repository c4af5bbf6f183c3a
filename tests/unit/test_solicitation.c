/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Questions on the link, written byte by byte, and what is said to them. Each case of the hostile
 * ones breaks one thing of a good question.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "parse.h"
#include "solicitation.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct mac_addr own = {{2, 0, 0, 0, 0, 1}};
static const struct mac_addr station = {{2, 0, 0, 0, 0, 9}};

/* Who has 192.0.2.80? Tell 192.0.2.1. */
static const uint8_t arp_request[] = {
	0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 9, 8, 6, /* Ethernet */
	0, 1, 8, 0, 6, 4, 0, 1,					    /* request */
	2, 0, 0, 0, 0, 9, 192, 0, 2, 1,				    /* sender */
	0, 0, 0, 0, 0, 0, 192, 0, 2, 80,			    /* target */
};
static const uint8_t arp_reply[] = {
	2,
	0,
	0,
	0,
	0,
	9,
	2,
	0,
	0,
	0,
	0,
	1,
	8,
	6,
	0,
	1,
	8,
	0,
	6,
	4,
	0,
	2,
	2,
	0,
	0,
	0,
	0,
	1,
	192,
	0,
	2,
	80,
	2,
	0,
	0,
	0,
	0,
	9,
	192,
	0,
	2,
	1,
};
static const uint8_t arp_announcement[] = {
	0xff,
	0xff,
	0xff,
	0xff,
	0xff,
	0xff,
	2,
	0,
	0,
	0,
	0,
	1,
	8,
	6,
	0,
	1,
	8,
	0,
	6,
	4,
	0,
	1,
	2,
	0,
	0,
	0,
	0,
	1,
	192,
	0,
	2,
	80,
	0,
	0,
	0,
	0,
	0,
	0,
	192,
	0,
	2,
	80,
};

/* Who has 2001:db8::80? Tell fe80::9. */
static const uint8_t nd_solicitation[] = {
	0x33, 0x33, 0xff, 0, 0, 0x80, 2, 0, 0, 0, 0, 9, 0x86, 0xdd, /* Ethernet */
	0x60, 0, 0, 0, 0, 32, 58, 255,				    /* IPv6 */
	0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9,	    /* source */
	0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, 0, 0, 0x80,    /* the group */
	135, 0, 0x4a, 0x96, 0, 0, 0, 0,				    /* solicitation */
	0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x80, /* target */
	1, 1, 2, 0, 0, 0, 0, 9,					    /* its MAC */
};
enum {
	ND_HOP_LIMIT = 21,
	ND_SOURCE = 22,
	ND_TYPE = 54,
	ND_CODE = 55,
	ND_CHECKSUM = 56,
	ND_OPTION = 78
};

static bool
ask(const uint8_t *frame, uint32_t length, struct solicitation *asked)
{
	struct packet pk = {0};
	enum parse_result result = parse_l3(frame, length, length, &pk);
	if (result == PARSE_PUNT_NOT_IP)
		return solicitation_read_arp(frame, length, &pk, asked);
	return result == PARSE_OK && solicitation_read_nd(frame, &pk, asked);
}

/* RFC 1071 to the letter: what the checksum of the message at 54, of `bytes` bytes, should be. */
static void
fix_nd_checksum(uint8_t *frame, uint32_t bytes)
{
	uint32_t sum = 58 + bytes;
	frame[ND_CHECKSUM] = frame[ND_CHECKSUM + 1] = 0;
	for (uint32_t i = ND_SOURCE; i < ND_TYPE + bytes; i += 2)
		sum += (uint32_t)frame[i] << 8 | frame[i + 1];
	sum = (sum & 0xffff) + (sum >> 16);
	sum = ~((sum & 0xffff) + (sum >> 16));
	frame[ND_CHECKSUM] = (uint8_t)(sum >> 8);
	frame[ND_CHECKSUM + 1] = (uint8_t)sum;
}

static struct ip_addr
address(const char *text)
{
	struct ip_addr a;
	assert_int_equal(addr_parse(text, &a), 0);
	return a;
}

static void
test_arp(void **state)
{
	(void)state;
	struct solicitation asked;
	uint8_t out[SOLICITATION_FRAME_MAX];
	assert_true(ask(arp_request, sizeof(arp_request), &asked));
	struct ip_addr target = address("192.0.2.80"), asker = address("192.0.2.1");
	assert_true(addr_equal(&asked.target, &target));
	assert_true(addr_equal(&asked.asker, &asker));
	assert_memory_equal(&asked.station, &station, sizeof(station));
	assert_int_equal(solicitation_answer(out, &asked, &own), sizeof(arp_reply));
	assert_memory_equal(out, arp_reply, sizeof(arp_reply));
	assert_int_equal(solicitation_announce(out, &target, &own), sizeof(arp_announcement));
	assert_memory_equal(out, arp_announcement, sizeof(arp_announcement));
}

/* One byte changed: position and value. None of these asks anything. */
static void
test_arp_that_asks_nothing(void **state)
{
	(void)state;
	static const struct {
		uint8_t at, value;
	} changes[] = {{6, 3}, {13, 7}, {15, 6}, {16, 9}, {18, 8}, {19, 16}, {21, 2}, {28, 224}};
	struct solicitation asked;
	for (size_t i = 0; i < COUNT(changes); i++) {
		uint8_t frame[sizeof(arp_request)];
		memcpy(frame, arp_request, sizeof(frame));
		frame[changes[i].at] = changes[i].value;
		assert_false(ask(frame, sizeof(frame), &asked));
	}
	for (uint32_t length = 0; length < sizeof(arp_request); length++)
		assert_false(ask(arp_request, length, &asked));
	assert_false(ask(arp_announcement, sizeof(arp_announcement), &asked));
	assert_false(ask(arp_reply, sizeof(arp_reply), &asked));
}

static void
test_nd(void **state)
{
	(void)state;
	struct solicitation asked;
	uint8_t out[SOLICITATION_FRAME_MAX], frame[sizeof(nd_solicitation)];
	memcpy(frame, nd_solicitation, sizeof(frame));
	fix_nd_checksum(frame, 32);
	assert_true(ask(frame, sizeof(frame), &asked));
	struct ip_addr target = address("2001:db8::80"), asker = address("fe80::9");
	assert_true(addr_equal(&asked.target, &target));
	assert_true(addr_equal(&asked.asker, &asker));

	assert_int_equal(solicitation_answer(out, &asked, &own), SOLICITATION_FRAME_MAX);
	static const uint8_t head[] = {
		2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 1, 0x86, 0xdd, 0x60, 0, 0, 0, 0, 32, 58, 255};
	static const uint8_t option[] = {2, 1, 2, 0, 0, 0, 0, 1};
	assert_memory_equal(out, head, sizeof(head));
	assert_memory_equal(out + ND_SOURCE, target.bytes, 16);
	assert_memory_equal(out + ND_SOURCE + 16, asker.bytes, 16);
	assert_int_equal(out[ND_TYPE], 136);
	assert_int_equal(out[ND_TYPE + 4], 0x60); /* solicited, override, no router */
	assert_memory_equal(out + ND_TYPE + 8, target.bytes, 16);
	assert_memory_equal(out + ND_OPTION, option, sizeof(option));
	memcpy(frame, out, sizeof(frame));
	fix_nd_checksum(frame, 32);
	assert_memory_equal(out, frame, sizeof(frame));
}

/* A probe (RFC 4862, 5.4) has no source and no option; the answer is for everybody. */
static void
test_nd_probe(void **state)
{
	(void)state;
	struct solicitation asked;
	uint8_t out[SOLICITATION_FRAME_MAX], announced[SOLICITATION_FRAME_MAX];
	uint8_t frame[ND_OPTION];
	memcpy(frame, nd_solicitation, sizeof(frame));
	frame[19] = 24;
	memset(frame + ND_SOURCE, 0, 16);
	fix_nd_checksum(frame, 24);
	assert_true(ask(frame, sizeof(frame), &asked));
	uint32_t length = solicitation_answer(out, &asked, &own);
	assert_int_equal(solicitation_announce(announced, &asked.target, &own), length);
	assert_memory_equal(out, announced, length);
	static const uint8_t all_nodes_mac[] = {0x33, 0x33, 0, 0, 0, 1};
	assert_memory_equal(out, all_nodes_mac, sizeof(all_nodes_mac));
	assert_int_equal(out[ND_TYPE + 4], 0x20);

	frame[ND_SOURCE + 16 + 11] = 2; /* to another group */
	fix_nd_checksum(frame, 24);
	assert_false(ask(frame, sizeof(frame), &asked));
}

static void
test_nd_that_asks_nothing(void **state)
{
	(void)state;
	static const struct {
		uint8_t at, value;
	} changes[] = {{6, 3}, {20, 17}, {ND_HOP_LIMIT, 254}, {ND_SOURCE, 0xff}, {ND_TYPE, 136},
		{ND_CODE, 1}, {ND_OPTION + 1, 0}, {ND_OPTION + 1, 2}};
	struct solicitation asked;
	uint8_t frame[sizeof(nd_solicitation)];
	for (size_t i = 0; i < COUNT(changes); i++) {
		memcpy(frame, nd_solicitation, sizeof(frame));
		frame[changes[i].at] = changes[i].value;
		fix_nd_checksum(frame, 32);
		assert_false(ask(frame, sizeof(frame), &asked));
	}
	memcpy(frame, nd_solicitation, sizeof(frame));
	fix_nd_checksum(frame, 32);
	frame[ND_CHECKSUM] ^= 1;
	assert_false(ask(frame, sizeof(frame), &asked));
	/* Shorter by its own length field, whatever follows in the frame. */
	for (uint8_t bytes = 0; bytes < 32; bytes += 2) {
		memcpy(frame, nd_solicitation, sizeof(frame));
		frame[19] = bytes;
		if (bytes == 24)
			continue; /* without the option it is a good one */
		fix_nd_checksum(frame, bytes);
		assert_false(ask(frame, sizeof(frame), &asked));
	}
}

/* Whatever comes, nothing is read beyond the frame, which is all there is: the sanitizer looks. */
static void
test_any_bytes(void **state)
{
	(void)state;
	uint32_t random = 1;
	for (int round = 0; round < 20000; round++) {
		const uint8_t *good = round & 1 ? nd_solicitation : arp_request;
		uint32_t length = round & 1 ? sizeof(nd_solicitation) : sizeof(arp_request);
		uint32_t cut = (random >> 8) % (length + 1);
		uint8_t *frame = malloc(cut ? cut : 1);
		memcpy(frame, good, cut);
		for (int i = 0; i < 3 && cut > 0; i++) {
			random = random * 1664525 + 1013904223;
			frame[(random >> 8) % cut] = (uint8_t)(random >> 24);
		}
		random = random * 1664525 + 1013904223;
		struct solicitation asked;
		ask(frame, cut, &asked);
		free(frame);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_arp),
		cmocka_unit_test(test_arp_that_asks_nothing),
		cmocka_unit_test(test_nd),
		cmocka_unit_test(test_nd_probe),
		cmocka_unit_test(test_nd_that_asks_nothing),
		cmocka_unit_test(test_any_bytes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
