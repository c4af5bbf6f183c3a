/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The straight line of the parser, for workers to inline: an untagged frame in one piece, an IPv4 header
 * of 20 bytes or an IPv6 one, TCP or UDP behind it. Whatever is not that goes to parse_l3 and
 * parse_l4 (parse.h), which say the same of these frames too: they use the same judgements.
 */
#ifndef FAIRLEAD_PARSE_INLINE_H
#define FAIRLEAD_PARSE_INLINE_H

#include <netinet/in.h>

#include "checksum.h"
#include "parse.h"
#include "wire.h"

#define LIKELY(x)   __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)

#define IPV4_PLAIN	 0x45 /* version 4, five words: no options */
#define TCP_OFFSET_SHIFT 4

/* Bytes up to `need` are about to be read, of a layer that ends at `end`. */
static inline enum parse_result
reach(uint32_t need, uint32_t available, uint32_t end, enum parse_result drop)
{
	if (LIKELY(need <= available && need <= end))
		return PARSE_OK;
	return need > end ? drop : PARSE_NOT_CONTIGUOUS;
}

/* The five words of a header without options, not folded. */
static inline uint64_t
ipv4_plain_sum(const struct wire_ipv4 *ip)
{
	uint64_t first, second;
	memcpy(&first, ip, sizeof(first));
	memcpy(&second, (const uint8_t *)ip + 8, sizeof(second));
	return (first & UINT32_MAX) + (first >> 32) + (second & UINT32_MAX) + (second >> 32) +
	       ip->dst;
}

/* All but the first look at an IPv4 header, of `header_length` bytes that are within reach. Inlined
 * once for the usual 20, with no loop left in it, and once for longer ones. The sum of a right
 * header, checksum included, is a multiple of 0xffff: the division by a constant is one
 * multiplication. The sum cannot be 0, since the version is not. */
static inline enum parse_result
judge_ipv4(const uint8_t *frame, uint32_t offset, uint32_t header_length, uint32_t frame_length,
	bool checksum_is_right, struct packet *pk)
{
	const struct wire_ipv4 *ip = (const void *)(frame + offset);
	uint32_t total = wire_u16(ip->total_length);
	if (UNLIKELY(total < header_length || offset + total > frame_length))
		return PARSE_DROP_IPV4_TOTAL_LENGTH;
	if (!checksum_is_right) {
		uint64_t sum = ipv4_plain_sum(ip);
		if (header_length > sizeof(*ip))
			sum += checksum_sum(ip + 1, header_length - sizeof(*ip));
		if (UNLIKELY(sum % 0xffff != 0))
			return PARSE_DROP_IPV4_CHECKSUM;
	}

	pk->src = addr_from_v4(ip->src);
	pk->dst = addr_from_v4(ip->dst);
	pk->l3_offset = (uint16_t)offset;
	pk->l3_length = (uint16_t)total;
	pk->family = 4;
	pk->ttl = ip->ttl;
	pk->tos = ip->tos;
	pk->next_proto = ip->proto;
	pk->l4_offset = (uint16_t)(offset + header_length);
	return PARSE_OK;
}

/* The same of an IPv6 header, whose version is 6. */
static inline enum parse_result
judge_ipv6(const uint8_t *frame, uint32_t offset, uint32_t frame_length, struct packet *pk)
{
	const struct wire_ipv6 *ip = (const void *)(frame + offset);
	uint32_t header_end = offset + (uint32_t)sizeof(*ip);
	uint32_t payload = wire_u16(ip->payload_length);
	/* No link here carries 65496 bytes of payload or more, and so l3_length has 16 bits. A
	 * jumbo payload option (RFC 2675) takes a hop-by-hop header, which "no payload" cannot
	 * hold. */
	if (UNLIKELY(header_end + payload > frame_length || payload > UINT16_MAX - sizeof(*ip) ||
		     (payload == 0 && ip->next_header == IPPROTO_HOPOPTS)))
		return PARSE_DROP_IPV6_PAYLOAD_LENGTH;

	pk->src = addr_from_v6(ip->src);
	pk->dst = addr_from_v6(ip->dst);
	if (UNLIKELY(addr_is_v4(&pk->src) || addr_is_v4(&pk->dst)))
		return PARSE_DROP_IPV6_MAPPED;
	pk->l3_offset = (uint16_t)offset;
	pk->l3_length = (uint16_t)(sizeof(*ip) + payload);
	pk->family = 6;
	pk->ttl = ip->hop_limit;
	pk->tos = (uint8_t)(wire_u32(ip->version_class_label) >> 20);
	pk->next_proto = ip->next_header;
	pk->l4_offset = (uint16_t)header_end;
	return PARSE_OK;
}

static inline bool
ipv4_is_fragment(const struct wire_ipv4 *ip)
{
	return ip->fragment & wire_u16(IPV4_MF | IPV4_OFFSET_MASK);
}

static inline bool
is_extension(uint8_t proto)
{
	return proto == IPPROTO_HOPOPTS || proto == IPPROTO_ROUTING || proto == IPPROTO_FRAGMENT ||
	       proto == IPPROTO_AH || proto == IPPROTO_DSTOPTS;
}

static inline enum parse_result
note_ports(be16 sport, be16 dport, struct packet *pk)
{
	pk->sport = wire_u16(sport);
	pk->dport = wire_u16(dport);
	return LIKELY(sport != 0 && dport != 0) ? PARSE_OK : PARSE_DROP_PORT_ZERO;
}

static inline enum parse_result
parse_tcp(const uint8_t *frame, uint32_t available, uint32_t end, struct packet *pk)
{
	const struct wire_tcp *tcp = (const void *)(frame + pk->l4_offset);
	enum parse_result result = reach(
		pk->l4_offset + (uint32_t)sizeof(*tcp), available, end, PARSE_DROP_L4_TRUNCATED);
	if (UNLIKELY(result != PARSE_OK))
		return result;
	uint32_t length = (uint32_t)(tcp->offset >> TCP_OFFSET_SHIFT) * 4;
	if (UNLIKELY(length < sizeof(*tcp)))
		return PARSE_DROP_TCP_HEADER_LENGTH;
	if (UNLIKELY(pk->l4_offset + length > end))
		return pk->fragment == FRAGMENT_FIRST ? PARSE_DROP_L4_TRUNCATED
						      : PARSE_DROP_TCP_HEADER_LENGTH;
	pk->tcp_flags = tcp->flags;
	return note_ports(tcp->sport, tcp->dport, pk);
}

static inline enum parse_result
parse_udp(const uint8_t *frame, uint32_t available, uint32_t end, struct packet *pk)
{
	const struct wire_udp *udp = (const void *)(frame + pk->l4_offset);
	enum parse_result result = reach(
		pk->l4_offset + (uint32_t)sizeof(*udp), available, end, PARSE_DROP_L4_TRUNCATED);
	if (UNLIKELY(result != PARSE_OK))
		return result;
	uint32_t length = wire_u16(udp->length);
	if (UNLIKELY(length < sizeof(*udp)))
		return PARSE_DROP_UDP_LENGTH;
	/* A first fragment holds less than the length says. */
	if (UNLIKELY(pk->l4_offset + length > end && pk->fragment == FRAGMENT_NONE))
		return PARSE_DROP_UDP_LENGTH;
	return note_ports(udp->sport, udp->dport, pk);
}

/* parse_l3, or parse_l3_checked if `checksum_is_right`, of a frame in one piece. Workers. */
static inline enum parse_result
parse_l3_inline(const uint8_t *frame, uint32_t length, bool checksum_is_right, struct packet *pk)
{
	const uint32_t offset = sizeof(struct wire_ether);
	if (LIKELY(length >= offset + sizeof(struct wire_ipv4))) {
		be16 type = ((const struct wire_ether *)(const void *)frame)->type;
		pk->vlan = 0;
		pk->vlan_tags = 0;
		if (LIKELY(type == wire_u16(ETHERTYPE_IP4) && frame[offset] == IPV4_PLAIN))
			return judge_ipv4(frame, offset, sizeof(struct wire_ipv4), length,
				checksum_is_right, pk);
		if (LIKELY(type == wire_u16(ETHERTYPE_IP6) && frame[offset] >> 4 == 6 &&
			    length >= offset + sizeof(struct wire_ipv6)))
			return judge_ipv6(frame, offset, length, pk);
	}
	return checksum_is_right ? parse_l3_checked(frame, length, length, pk)
				 : parse_l3(frame, length, length, pk);
}

/* What parse_l4 finds in no packet until it does. */
static inline void
begin_l4(struct packet *pk)
{
	pk->proto = pk->next_proto;
	pk->sport = pk->dport = 0;
	pk->tcp_flags = 0;
	pk->fragment = FRAGMENT_NONE;
	pk->icmp_type = pk->icmp_code = 0;
	pk->fragment_offset = 0;
	pk->fragment_id = 0;
}

/* IPv4 options, fragments, IPv6 extension headers. */
static inline bool
l4_is_unusual(const uint8_t *frame, const struct packet *pk)
{
	if (UNLIKELY(pk->family != 4))
		return is_extension(pk->next_proto);
	const struct wire_ipv4 *ip = (const void *)(frame + pk->l3_offset);
	return pk->l4_offset - pk->l3_offset != sizeof(*ip) || ipv4_is_fragment(ip);
}

/* parse_l4 of a frame in one piece. Workers. */
static inline enum parse_result
parse_l4_inline(const uint8_t *frame, uint32_t length, struct packet *pk)
{
	uint32_t end = (uint32_t)pk->l3_offset + pk->l3_length;
	bool is_tcp = pk->next_proto == IPPROTO_TCP;
	if (UNLIKELY(l4_is_unusual(frame, pk) || !(is_tcp || pk->next_proto == IPPROTO_UDP)))
		return parse_l4(frame, length, length, pk);
	begin_l4(pk);
	return is_tcp ? parse_tcp(frame, length, end, pk) : parse_udp(frame, length, end, pk);
}

#endif
