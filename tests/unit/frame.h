/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * For the tests of the parser: frames written as bytes, a helper a layer, into the one frame `f`,
 * and parsed into the one packet `pk`. The helpers put in what is right, and finish() the lengths
 * and checksums; the cases then break one thing each.
 *
 *	ether(0x0800); ipv4(IPPROTO_UDP); udp(8); finish(); assert_parses_to(PARSE_OK);
 */
#ifndef FAIRLEAD_TEST_FRAME_H
#define FAIRLEAD_TEST_FRAME_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "parse.h"
#include "wire.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define FRAME_MAX    70000

static struct frame {
	uint32_t length;
	uint32_t l3; /* where the IP header starts */
	uint8_t bytes[FRAME_MAX];
} f;

static struct packet pk;

static inline void
put(const void *bytes, size_t count)
{
	memcpy(f.bytes + f.length, bytes, count);
	f.length += (uint32_t)count;
}

static inline void
put_bytes(uint8_t value, size_t count)
{
	memset(f.bytes + f.length, value, count);
	f.length += (uint32_t)count;
}

static inline void
put16(uint32_t value)
{
	uint8_t bytes[2] = {(uint8_t)(value >> 8), (uint8_t)value};
	put(bytes, sizeof(bytes));
}

static inline void
put32(uint32_t value)
{
	put16(value >> 16);
	put16(value & 0xffff);
}

static inline void
set16(uint32_t at, uint32_t value)
{
	f.bytes[at] = (uint8_t)(value >> 8);
	f.bytes[at + 1] = (uint8_t)value;
}

static inline void
ether(uint16_t type)
{
	static const uint8_t macs[12] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2};
	f.length = 0;
	put(macs, sizeof(macs));
	put16(type);
	f.l3 = f.length;
}

static inline void
tag(uint16_t tci, uint16_t type)
{
	put16(tci);
	put16(type);
	f.l3 = f.length;
}

/* RFC 1071 to the letter, over the header at l3, whatever its length field says. */
static inline void
fix_ipv4_checksum(void)
{
	uint32_t sum = 0, bytes = (f.bytes[f.l3] & 0xfu) * 4;
	set16(f.l3 + 10, 0);
	for (uint32_t i = 0; i < bytes; i += 2) {
		sum += (uint32_t)(f.bytes[f.l3 + i] << 8 | f.bytes[f.l3 + i + 1]);
		if (sum > 0xffff)
			sum -= 0xffff;
	}
	set16(f.l3 + 10, ~sum & 0xffff);
}

static inline void
ipv4_fragment(uint8_t proto, uint32_t fragment, const void *options, size_t option_bytes)
{
	f.bytes[f.length++] = (uint8_t)(0x40 | (5 + option_bytes / 4));
	f.bytes[f.length++] = 0xb9;
	put16(0); /* total length: see finish */
	put16(0x1234);
	put16(fragment);
	f.bytes[f.length++] = 64;
	f.bytes[f.length++] = proto;
	put16(0);
	put32(0xc6336407); /* 198.51.100.7 */
	put32(0xc0000250); /* 192.0.2.80 */
	put(options, option_bytes);
}

static inline void
ipv4(uint8_t proto)
{
	ipv4_fragment(proto, 0x4000, "", 0);
}

static inline void
ipv6(uint8_t next_header)
{
	static const uint8_t src[16] = {0x20, 1, 0x0d, 0xb8, 0, 1, [15] = 7};
	static const uint8_t dst[16] = {0x20, 1, 0x0d, 0xb8, [15] = 0x80};
	put32(0x6b912345);
	put16(0);
	f.bytes[f.length++] = next_header;
	f.bytes[f.length++] = 64;
	put(src, sizeof(src));
	put(dst, sizeof(dst));
}

/* Hop-by-hop, destination options or routing header of 8 x (units + 1) bytes. */
static inline void
extension(uint8_t next_header, uint8_t units)
{
	uint8_t head[8] = {next_header, units, 1, 0};
	put(head, sizeof(head));
	put_bytes(0, units * 8u);
}

static inline void
fragment_header(uint8_t next_header, uint32_t offset_and_more, uint32_t id)
{
	f.bytes[f.length++] = next_header;
	f.bytes[f.length++] = 0;
	put16(offset_and_more);
	put32(id);
}

static inline void
tcp(uint8_t words, uint8_t flags)
{
	put16(40000);
	put16(443);
	put32(1);
	put32(0);
	f.bytes[f.length++] = (uint8_t)(words << 4);
	f.bytes[f.length++] = flags;
	put16(0xffff);
	put32(0);
	put_bytes(1, words > 5 ? (words - 5) * 4u : 0);
}

static inline void
udp(uint16_t length)
{
	put16(40000);
	put16(53);
	put16(length);
	put16(0);
}

/* Puts in what depends on the whole: IP length and checksum. */
static inline void
finish(void)
{
	if (f.bytes[f.l3] >> 4 == 4) {
		set16(f.l3 + 2, f.length - f.l3);
		fix_ipv4_checksum();
	} else {
		set16(f.l3 + 4, f.length - f.l3 - 40);
	}
}

static inline void
ipv4_tcp(void)
{
	ether(0x0800);
	ipv4(IPPROTO_TCP);
	tcp(5, TCP_SYN);
	finish();
}

static inline void
ipv6_tcp(void)
{
	ether(0x86dd);
	ipv6(IPPROTO_TCP);
	tcp(5, TCP_SYN);
	finish();
}

/* Both stages, from memory of exactly `available` bytes, so that a sanitizer sees any byte that is
 * read without having been asked for. What is not set shows as 0xaa. */
static inline enum parse_result
parse_split(uint32_t available, uint32_t frame_length)
{
	uint8_t *exact = malloc(available + (available == 0));
	assert_non_null(exact);
	memcpy(exact, f.bytes, available);
	memset(&pk, 0xaa, sizeof(pk));
	enum parse_result result = parse_l3(exact, available, frame_length, &pk);
	if (result == PARSE_OK)
		result = parse_l4(exact, available, frame_length, &pk);
	assert_memory_equal(exact, f.bytes, available);
	free(exact);
	return result;
}

static inline enum parse_result
parse(void)
{
	return parse_split(f.length, f.length);
}

#define assert_parses_to(expected)                                                                 \
	assert_string_equal(parse_result_name(parse()), parse_result_name(expected))

#endif
