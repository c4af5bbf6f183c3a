/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Errors that we say ourselves. The source is the VIP, not an address of this box: the VIP is what
 * the client talks to, what firewalls on the way let back in, and all that a PoP need make known.
 */
#include "icmp.h"

#include <netinet/in.h>

#include "checksum.h"
#include "icmp_message.h"
#include "wire.h"

#define IPV4_PLAIN	     0x45
#define IPV4_ERROR_BYTES_MAX 576
#define IPV6_ERROR_BYTES_MAX 1280
#define INTERNETWORK_CONTROL 0xc0 /* precedence 6, as RFC 1812, 4.3.2.5 wants it for errors */
#define IPV6_VERSION	     6u
#define MAC_GROUP_BIT	     0x01 /* multicast, and broadcast with it */

#define IPV4_HEADERS (sizeof(struct wire_ipv4) + sizeof(struct wire_icmp))
#define IPV6_HEADERS (sizeof(struct wire_ipv6) + sizeof(struct wire_icmp))

static_assert(sizeof(struct wire_ether) + IPV6_ERROR_BYTES_MAX == ICMP_ERROR_BYTES_MAX, "out");
static_assert(IPV6_ERROR_BYTES_MAX - IPV6_HEADERS == ICMP_QUOTED_BYTES_MAX, "longest quotation");

/* --- what may be answered -------------------------------------------------------------------- */

/* Queries and their replies that are in use: RFC 6918 deprecates the rest. */
static bool
is_query4(uint8_t type)
{
	switch (type) {
	case ICMP4_ECHO_REPLY:
	case ICMP4_ECHO_REQUEST:
	case ICMP4_ROUTER_ADVERTISEMENT:
	case ICMP4_ROUTER_SOLICITATION:
	case ICMP4_TIMESTAMP:
	case ICMP4_TIMESTAMP_REPLY:
		return true;
	default:
		return false;
	}
}

static bool
is_icmp_error(const struct packet *pk)
{
	if (pk->family == 4)
		return pk->proto == IPPROTO_ICMP && !is_query4(pk->icmp_type);
	return pk->proto == IPPROTO_ICMPV6 &&
	       (pk->icmp_type < ICMP6_INFORMATIONAL || pk->icmp_type == ICMP6_REDIRECT);
}

bool
icmp_may_answer(const uint8_t *frame, const struct packet *pk)
{
	const struct wire_ether *ether = (const void *)frame;
	if ((ether->src.bytes[0] | ether->dst.bytes[0]) & MAC_GROUP_BIT)
		return false;
	if (addr_is_martian(&pk->src) || addr_is_martian(&pk->dst) ||
		addr_equal(&pk->src, &pk->dst))
		return false;
	return pk->fragment != FRAGMENT_LATER && !is_icmp_error(pk);
}

/* --- composing ------------------------------------------------------------------------------- */

struct type_code {
	uint8_t type, code;
};

static const struct type_code types4[ICMP_MESSAGES] = {
	[ICMP_PORT_UNREACHABLE] = {ICMP4_UNREACHABLE, 3},
	[ICMP_TIME_EXCEEDED] = {ICMP4_TIME_EXCEEDED, 0},
	[ICMP_PACKET_TOO_BIG] = {ICMP4_UNREACHABLE, 4},
};

static const struct type_code types6[ICMP_MESSAGES] = {
	[ICMP_PORT_UNREACHABLE] = {ICMP6_UNREACHABLE, 4},
	[ICMP_TIME_EXCEEDED] = {ICMP6_TIME_EXCEEDED, 0},
	[ICMP_PACKET_TOO_BIG] = {ICMP6_PACKET_TOO_BIG, 0},
};

/* DF and no ID: a datagram that is not fragmented needs none (RFC 6864, 4.1), and a path that does
 * not take 576 bytes is not to be met any more. */
static void
put_ipv4(struct wire_ipv4 *ip, uint32_t total_length, const struct packet *pk)
{
	*ip = (struct wire_ipv4){
		.version_ihl = IPV4_PLAIN,
		.tos = INTERNETWORK_CONTROL,
		.total_length = wire_u16((uint16_t)total_length),
		.fragment = wire_u16(IPV4_DF),
		.ttl = ICMP_TTL,
		.proto = IPPROTO_ICMP,
		.src = addr_v4(&pk->dst),
		.dst = addr_v4(&pk->src),
	};
	ip->checksum = checksum_fold(checksum_sum(ip, sizeof(*ip)));
}

static void
put_ipv6(struct wire_ipv6 *ip, uint32_t payload_length, const struct packet *pk)
{
	*ip = (struct wire_ipv6){
		.version_class_label = wire_u32(IPV6_VERSION << 28),
		.payload_length = wire_u16((uint16_t)payload_length),
		.next_header = IPPROTO_ICMPV6,
		.hop_limit = ICMP_TTL,
	};
	memcpy(ip->src, pk->dst.bytes, sizeof(ip->src));
	memcpy(ip->dst, pk->src.bytes, sizeof(ip->dst));
}

/* The ICMP message with its quotation. The MTU has the last 16 bits of the second word in ICMP (RFC
 * 1191, 4), the whole of it in ICMPv6. */
static void
put_message(struct wire_icmp *icmp, struct type_code what, uint32_t mtu, const uint8_t *quoted,
	uint32_t quoted_bytes, const struct packet *pk)
{
	*icmp = (struct wire_icmp){.type = what.type, .code = what.code, .rest = wire_u32(mtu)};
	memcpy(icmp + 1, quoted, quoted_bytes);
	uint32_t bytes = (uint32_t)sizeof(*icmp) + quoted_bytes;
	icmp->checksum = checksum_fold(icmp_sum(icmp, bytes, pk->family, &pk->src, &pk->dst));
}

static inline uint32_t
min_u32(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

uint32_t
icmp_compose(uint8_t *out, enum icmp_message message, uint32_t mtu, const uint8_t *frame,
	const struct packet *pk)
{
	const struct wire_ether *from = (const void *)frame;
	const uint8_t *quoted = frame + pk->l3_offset;
	struct wire_ether *ether = (void *)out;
	uint8_t *ip = out + sizeof(*ether);
	uint32_t length;

	if (message != ICMP_PACKET_TOO_BIG)
		mtu = 0;
	ether->dst = from->src;
	ether->src = from->dst;
	if (pk->family == 4) {
		length = min_u32((uint32_t)IPV4_HEADERS + pk->l3_length, IPV4_ERROR_BYTES_MAX);
		ether->type = wire_u16(ETHERTYPE_IP4);
		put_ipv4((void *)ip, length, pk);
		put_message((void *)(ip + sizeof(struct wire_ipv4)), types4[message], mtu, quoted,
			length - (uint32_t)IPV4_HEADERS, pk);
	} else {
		length = min_u32((uint32_t)IPV6_HEADERS + pk->l3_length, IPV6_ERROR_BYTES_MAX);
		ether->type = wire_u16(ETHERTYPE_IP6);
		put_ipv6((void *)ip, length - (uint32_t)sizeof(struct wire_ipv6), pk);
		put_message((void *)(ip + sizeof(struct wire_ipv6)), types6[message], mtu, quoted,
			length - (uint32_t)IPV6_HEADERS, pk);
	}
	return (uint32_t)sizeof(*ether) + length;
}
