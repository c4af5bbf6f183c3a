/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * For the tests of ICMP: messages behind the headers of frame.h, with checksums by the letter of
 * RFC 1071, which the code under test does not share.
 *
 *	client_to_vip(6, IPPROTO_ICMPV6); icmp(ECHO_REQUEST6, 0, 1); finish_icmp(); parse_ok();
 */
#ifndef FAIRLEAD_TEST_ICMP_LAB_H
#define FAIRLEAD_TEST_ICMP_LAB_H

#include "frame.h"

#include "icmp.h"

#define ECHO_REPLY4   0
#define ECHO_REQUEST4 8
#define ECHO_REQUEST6 128
#define ECHO_REPLY6   129

static const int families[] = {4, 6};

static uint32_t icmp_at; /* where the ICMP message of `f` starts */
static uint64_t random_state = 1;

static inline uint32_t
random32(void)
{
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(random_state >> 32);
}

static inline uint8_t
icmp_proto(int family)
{
	return family == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
}

/* Ethernet and IP header of what a client sends to the VIP. */
static inline void
client_to_vip(int family, uint8_t proto)
{
	ether(family == 4 ? 0x0800 : 0x86dd);
	if (family == 4)
		ipv4(proto);
	else
		ipv6(proto);
}

static inline void
icmp(uint8_t type, uint8_t code, uint32_t rest)
{
	icmp_at = f.length;
	f.bytes[f.length++] = type;
	f.bytes[f.length++] = code;
	put16(0);
	put32(rest);
}

static inline void
put_random(size_t count)
{
	for (size_t i = 0; i < count; i++)
		f.bytes[f.length++] = (uint8_t)random32();
}

/* RFC 1071, 1: 16-bit words in network order, carries added back one by one. `sum` goes on. */
static inline uint32_t
naive_sum(uint32_t sum, const uint8_t *bytes, size_t count)
{
	for (size_t i = 0; i < count; i += 2) {
		sum += (uint32_t)(bytes[i] << 8 | (i + 1 < count ? bytes[i + 1] : 0));
		if (sum > 0xffff)
			sum -= 0xffff;
	}
	return sum;
}

/* Over the ICMP message at `at` up to `end`; for IPv6 with the pseudo header, as a real one. */
static inline uint16_t
naive_icmp_checksum(const uint8_t *frame, uint32_t l3, uint32_t at, uint32_t end)
{
	uint32_t bytes = end - at, sum = 0;
	if (frame[l3] >> 4 == 6) {
		uint8_t pseudo[40] = {[34] = (uint8_t)(bytes >> 8), (uint8_t)bytes, 0, 0, 0, 58};
		memcpy(pseudo, frame + l3 + 8, 32);
		sum = naive_sum(0, pseudo, sizeof(pseudo));
	}
	return (uint16_t)~naive_sum(sum, frame + at, bytes);
}

static inline void
finish_icmp(void)
{
	finish();
	set16(icmp_at + 2, 0);
	set16(icmp_at + 2, naive_icmp_checksum(f.bytes, f.l3, icmp_at, f.length));
}

static inline void
parse_ok(void)
{
	assert_parses_to(PARSE_OK);
}

/* The first `bytes` of the frame in memory of their own, so that a sanitizer sees a read past. */
static inline uint8_t *
exact_copy(const uint8_t *bytes, uint32_t count)
{
	uint8_t *copy = malloc(count);
	assert_non_null(copy);
	memcpy(copy, bytes, count);
	return copy;
}

#endif
