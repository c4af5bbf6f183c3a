/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Internet addresses and prefixes.
 *
 * An address of either family is 16 bytes in network order; IPv4 is held v4-mapped
 * (::ffff:a.b.c.d, RFC 4291 2.5.5.2). So one key, one comparison and one table serve both.
 * The mapped form must not arrive on the wire: the parser drops such IPv6 packets as martian.
 *
 *   byte 0                             10    12              16
 *        +------------------------------+-----+---------------+
 *   IPv4 | 0                            |ff ff| a   b   c   d |
 *        +------------------------------+-----+---------------+
 *   IPv6 | as on the wire                                     |
 *        +----------------------------------------------------+
 *
 * All functions: any thread, no state.
 */
#ifndef FAIRLEAD_ADDR_H
#define FAIRLEAD_ADDR_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Numbers in network byte order; the type only says so. */
typedef uint16_t be16;
typedef uint32_t be32;

struct ip_addr {
	union {
		uint8_t bytes[16];
		be32 words[4];
		uint64_t halves[2]; /* native order: for comparing and hashing only */
	};
};
static_assert(sizeof(struct ip_addr) == 16, "an address is 16 bytes");

struct ip_prefix {
	struct ip_addr addr; /* host bits are 0 */
	uint8_t len;	     /* bits of the family: 0..32 or 0..128 */
};

struct mac_addr {
	uint8_t bytes[6];
};

#define ADDR_TEXT_MAX	48 /* "ffff:…:255.255.255.255" and the NUL */
#define PREFIX_TEXT_MAX 52
#define MAC_TEXT_MAX	18

#define V4_MAPPED_WORD __builtin_bswap32(0x0000ffffu)

static inline struct ip_addr
addr_from_v4(be32 v4)
{
	/* By halves, as they are read: a load of eight bytes waits for two stores of four. */
	return (struct ip_addr){.halves = {0, (uint64_t)v4 << 32 | V4_MAPPED_WORD}};
}

static inline struct ip_addr
addr_from_v6(const uint8_t bytes[16])
{
	struct ip_addr a;
	memcpy(a.bytes, bytes, sizeof(a.bytes));
	return a;
}

static inline bool
addr_is_v4(const struct ip_addr *a)
{
	return a->halves[0] == 0 && a->words[2] == V4_MAPPED_WORD;
}

static inline be32
addr_v4(const struct ip_addr *a)
{
	return a->words[3];
}

static inline bool
addr_equal(const struct ip_addr *a, const struct ip_addr *b)
{
	return a->halves[0] == b->halves[0] && a->halves[1] == b->halves[1];
}

/* Orders by bytes: for sorting. */
static inline int
addr_compare(const struct ip_addr *a, const struct ip_addr *b)
{
	return memcmp(a->bytes, b->bytes, sizeof(a->bytes));
}

/* What cannot be an endpoint of a forwarded packet: multicast, broadcast, 0/8, 127/8, ::, ::1,
 * link-local IPv6, v4-mapped IPv6 cannot be told from IPv4 here and is the parser's business. */
static inline bool
addr_is_martian(const struct ip_addr *a)
{
	if (addr_is_v4(a)) {
		uint8_t first = a->bytes[12];
		return first == 0 || first == 127 || first >= 224;
	}
	if (a->bytes[0] == 0xff)
		return true; /* multicast */
	if (a->bytes[0] == 0xfe && (a->bytes[1] & 0xc0) == 0x80)
		return true; /* link-local */
	/* :: and ::1 */
	return a->halves[0] == 0 && a->words[2] == 0 && __builtin_bswap32(a->words[3]) <= 1;
}

/* "192.0.2.1" or "2001:db8::1"; no zone, no prefix length, no v4-mapped form. 0 or -EINVAL. */
int addr_parse(const char *text, struct ip_addr *out);

/* Canonical text (RFC 5952). Returns `text`, which holds at least ADDR_TEXT_MAX bytes. */
const char *addr_format(const struct ip_addr *a, char *text);

/* "192.0.2.0/24", or an address alone for the full length. Host bits set: -ERANGE; else as above. */
int prefix_parse(const char *text, struct ip_prefix *out);
const char *prefix_format(const struct ip_prefix *p, char *text);
bool prefix_contains(const struct ip_prefix *p, const struct ip_addr *a);

/* Six bytes as in "00:11:22:33:44:55", two digits each, of either case. 0 or -EINVAL. */
int mac_parse(const char *text, struct mac_addr *out);

/* Returns `text`, which holds at least MAC_TEXT_MAX bytes: "00:11:22:33:44:55". */
const char *mac_format(const struct mac_addr *mac, char *text);

#endif
