/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * No length is believed before it is held against what there is, and lengths are added in 32 bits,
 * where no sum of them overflows. The usual frame does not come here (parse_plain.h): what does may be
 * anything.
 */
#include "parse.h"

#include <netinet/in.h>

#include "bounds.h"
#include "checksum.h"
#include "wire.h"

#define LIKELY(x)   __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)
#define NOINLINE    __attribute__((noinline))

#define VLAN_TAGS_MAX	    2
#define IPV4_PLAIN	    0x45 /* version 4, five words: no options */
#define TCP_OFFSET_SHIFT    4
#define IPV4_OPTION_END	    0
#define IPV4_OPTION_NOP	    1
#define IPV4_OPTION_LSRR    131
#define IPV4_OPTION_SSRR    137
#define FRAGMENT_UNIT	    8
#define AH_BYTES_MIN	    12
#define EXTENSION_BYTES_MAX (256 * 8)

static_assert(sizeof(struct wire_ether) + VLAN_TAGS_MAX * sizeof(struct wire_vlan) +
			      sizeof(struct wire_ipv6) +
			      IPV6_EXTENSIONS_MAX * EXTENSION_BYTES_MAX <=
		      UINT16_MAX,
	"l4_offset holds the longest chain");

/* The first bytes of every IPv6 extension header (RFC 8200, 4; RFC 4302, 2 for AH). */
struct extension {
	uint8_t next_header;
	uint8_t length; /* 8-byte units without the first; AH: 4-byte units without the first two */
	uint8_t routing_type;
	uint8_t segments_left; /* routing header only */
} WIRE_STRUCT;

/* --- link and network header ---------------------------------------------------------------- */

/* Bytes up to `need` are about to be read, of a layer that ends at `end`. */
static inline enum parse_result
reach(uint32_t need, uint32_t available, uint32_t end, enum parse_result drop)
{
	if (LIKELY(need <= available && need <= end))
		return PARSE_OK;
	return need > end ? drop : PARSE_NOT_CONTIGUOUS;
}

/* All but the first look at an IPv4 header, of `header_length` bytes that are within reach. */
static enum parse_result
judge_ipv4(const uint8_t *frame, uint32_t offset, uint32_t header_length, uint32_t frame_length,
	bool checksum_is_right, struct packet *pk)
{
	const struct wire_ipv4 *ip = (const void *)(frame + offset);
	uint32_t total = wire_u16(ip->total_length);
	if (UNLIKELY(total < header_length || offset + total > frame_length))
		return PARSE_DROP_IPV4_TOTAL_LENGTH;
	if (!checksum_is_right && checksum_fold(checksum_sum(ip, header_length)) != 0)
		return PARSE_DROP_IPV4_CHECKSUM;

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
static enum parse_result
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
is_tag(be16 type)
{
	return type == wire_u16(ETHERTYPE_DOT1Q) || type == wire_u16(ETHERTYPE_QINQ);
}

/* The first byte is not 0x45: wrong, or there are options. */
static NOINLINE enum parse_result
parse_ipv4_unusual(const uint8_t *frame, uint32_t offset, uint32_t available, uint32_t frame_length,
	bool checksum_is_right, struct packet *pk)
{
	uint8_t version_ihl = frame[offset];
	if (version_ihl >> 4 != 4)
		return PARSE_DROP_IPV4_VERSION;
	uint32_t header_length = (version_ihl & 0xfu) * 4;
	if (header_length < sizeof(struct wire_ipv4))
		return PARSE_DROP_IPV4_HEADER_LENGTH;
	enum parse_result result = reach(
		offset + header_length, available, frame_length, PARSE_DROP_IPV4_HEADER_LENGTH);
	if (result != PARSE_OK)
		return result;
	return judge_ipv4(frame, offset, header_length, frame_length, checksum_is_right, pk);
}

static inline enum parse_result
parse_ipv4(const uint8_t *frame, uint32_t offset, uint32_t available, uint32_t frame_length,
	bool checksum_is_right, struct packet *pk)
{
	enum parse_result result = reach(offset + (uint32_t)sizeof(struct wire_ipv4), available,
		frame_length, PARSE_DROP_IPV4_TRUNCATED);
	if (UNLIKELY(result != PARSE_OK))
		return result;
	if (UNLIKELY(frame[offset] != IPV4_PLAIN))
		return parse_ipv4_unusual(
			frame, offset, available, frame_length, checksum_is_right, pk);
	return judge_ipv4(
		frame, offset, sizeof(struct wire_ipv4), frame_length, checksum_is_right, pk);
}

static inline enum parse_result
parse_ipv6(const uint8_t *frame, uint32_t offset, uint32_t available, uint32_t frame_length,
	struct packet *pk)
{
	enum parse_result result = reach(offset + (uint32_t)sizeof(struct wire_ipv6), available,
		frame_length, PARSE_DROP_IPV6_TRUNCATED);
	if (UNLIKELY(result != PARSE_OK))
		return result;
	if (UNLIKELY(frame[offset] >> 4 != 6))
		return PARSE_DROP_IPV6_VERSION;
	return judge_ipv6(frame, offset, frame_length, pk);
}

static inline enum parse_result
parse_network(const uint8_t *frame, uint32_t offset, be16 type, uint32_t available,
	uint32_t frame_length, bool checksum_is_right, struct packet *pk)
{
	if (LIKELY(type == wire_u16(ETHERTYPE_IP4)))
		return parse_ipv4(frame, offset, available, frame_length, checksum_is_right, pk);
	if (LIKELY(type == wire_u16(ETHERTYPE_IP6)))
		return parse_ipv6(frame, offset, available, frame_length, pk);
	return PARSE_PUNT_NOT_IP;
}

static NOINLINE enum parse_result
parse_tagged(const uint8_t *frame, be16 type, uint32_t available, uint32_t frame_length,
	bool checksum_is_right, struct packet *pk)
{
	uint32_t offset = sizeof(struct wire_ether);
	while (is_tag(type) && pk->vlan_tags < VLAN_TAGS_MAX) {
		const struct wire_vlan *tag = (const void *)(frame + offset);
		offset += (uint32_t)sizeof(*tag);
		enum parse_result result =
			reach(offset, available, frame_length, PARSE_DROP_ETHER_TRUNCATED);
		if (result != PARSE_OK)
			return result;
		if (pk->vlan_tags++ == 0)
			pk->vlan = wire_u16(tag->tci) & VLAN_ID_MASK;
		type = tag->type;
	}
	return parse_network(frame, offset, type, available, frame_length, checksum_is_right, pk);
}

static inline enum parse_result
parse_frame(const uint8_t *frame, uint32_t available, uint32_t frame_length, bool checksum_is_right,
	struct packet *pk)
{
	const struct wire_ether *ether = (const void *)frame;
	enum parse_result result =
		reach(sizeof(*ether), available, frame_length, PARSE_DROP_ETHER_TRUNCATED);
	if (UNLIKELY(result != PARSE_OK))
		return result;
	be16 type = ether->type;
	pk->vlan = 0;
	pk->vlan_tags = 0;
	if (UNLIKELY(is_tag(type)))
		return parse_tagged(frame, type, available, frame_length, checksum_is_right, pk);
	return parse_network(
		frame, sizeof(*ether), type, available, frame_length, checksum_is_right, pk);
}

enum parse_result
parse_l3(const uint8_t *frame, uint32_t available, uint32_t frame_length, struct packet *pk)
{
	return parse_frame(frame, available, frame_length, false, pk);
}

enum parse_result
parse_l3_checked(const uint8_t *frame, uint32_t available, uint32_t frame_length, struct packet *pk)
{
	return parse_frame(frame, available, frame_length, true, pk);
}

/* --- options, extension headers, fragments -------------------------------------------------- */

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

/* RFC 791, 3.1. What follows the end-of-list option is not looked at. */
static enum parse_result
check_ipv4_options(const uint8_t *options, uint32_t length)
{
	for (uint32_t at = 0; at < length && options[at] != IPV4_OPTION_END;) {
		if (options[at] == IPV4_OPTION_NOP) {
			at++;
			continue;
		}
		if (options[at] == IPV4_OPTION_LSRR || options[at] == IPV4_OPTION_SSRR)
			return PARSE_DROP_IPV4_OPTIONS;
		if (length - at < 2 || options[at + 1] < 2 || options[at + 1] > length - at)
			return PARSE_DROP_IPV4_OPTIONS;
		at += options[at + 1];
	}
	return PARSE_OK;
}

struct fragment {
	uint32_t offset; /* bytes */
	bool more;
	uint32_t id;
	uint32_t data_length;
	uint32_t counted; /* of this packet, what counts against 65535 bytes once put together */
};

/* RFC 791, 3.2; RFC 8200, 4.5. */
static enum parse_result
note_fragment(const struct fragment *fragment, struct packet *pk)
{
	if (fragment->data_length == 0 || fragment->offset + fragment->counted > UINT16_MAX ||
		(fragment->more && fragment->data_length % FRAGMENT_UNIT != 0))
		return PARSE_DROP_FRAGMENT_MALFORMED;
	pk->fragment = fragment->offset == 0 ? FRAGMENT_FIRST : FRAGMENT_LATER;
	pk->fragment_offset = (uint16_t)fragment->offset;
	pk->fragment_id = fragment->id;
	return PARSE_OK;
}

static enum parse_result
parse_ipv4_fragment(const struct wire_ipv4 *ip, struct packet *pk)
{
	uint16_t field = wire_u16(ip->fragment);
	struct fragment fragment = {
		.offset = (field & IPV4_OFFSET_MASK) * (uint32_t)FRAGMENT_UNIT,
		.more = field & IPV4_MF,
		.id = wire_u16(ip->id),
		.data_length = (uint32_t)pk->l3_offset + pk->l3_length - pk->l4_offset,
		.counted = pk->l3_length,
	};
	return note_fragment(&fragment, pk);
}

static inline uint32_t
ipv6_fragment_offset(const uint8_t *fragment_header)
{
	const struct wire_ipv6_fragment *header = (const void *)fragment_header;
	return wire_u16(header->offset) & ~(FRAGMENT_UNIT - 1u);
}

/* The fragment header at `offset`, whose 8 bytes are within reach. */
static enum parse_result
parse_ipv6_fragment(const uint8_t *frame, uint32_t offset, uint32_t end, struct packet *pk)
{
	const struct wire_ipv6_fragment *header = (const void *)(frame + offset);
	struct fragment fragment = {
		.offset = ipv6_fragment_offset(frame + offset),
		.more = wire_u16(header->offset) & 1,
		.id = wire_u32(header->id),
		.data_length = end - offset - (uint32_t)sizeof(*header),
		/* The payload length that it would have, without this header. */
		.counted = pk->l3_length - (uint32_t)(sizeof(struct wire_ipv6) + sizeof(*header)),
	};
	if (fragment.offset == 0 && !fragment.more)
		return PARSE_OK; /* atomic */
	return note_fragment(&fragment, pk);
}

/* The length of one extension header of type `proto`, or 0 if it cannot be. */
static uint32_t
extension_length(const struct extension *header, uint8_t proto)
{
	if (proto == IPPROTO_FRAGMENT)
		return sizeof(struct wire_ipv6_fragment);
	if (proto != IPPROTO_AH)
		return (header->length + 1u) * 8;
	uint32_t length = (header->length + 2u) * 4;
	return length >= AH_BYTES_MIN ? length : 0;
}

/* RFC 8200, 4. */
enum parse_result
parse_extensions(
	const uint8_t *frame, uint32_t available, uint32_t end, struct extension_chain *chain)
{
	uint32_t at = chain->offset;
	uint8_t proto = chain->proto;

	chain->fragment_header = 0;
	chain->later_fragment = false;
	for (unsigned count = 0; is_extension(proto) && !chain->later_fragment; count++) {
		if (count == IPV6_EXTENSIONS_MAX)
			return PARSE_DROP_IPV6_EXTENSION_CHAIN;
		if (proto == IPPROTO_HOPOPTS && count > 0)
			return PARSE_DROP_IPV6_EXTENSION;
		enum parse_result result = reach(at + 8, available, end, PARSE_DROP_IPV6_EXTENSION);
		if (result != PARSE_OK)
			return result;
		const struct extension *header = (const void *)(frame + at);
		if (proto == IPPROTO_ROUTING && header->segments_left != 0)
			return PARSE_DROP_IPV6_ROUTING_HEADER;
		if (proto == IPPROTO_FRAGMENT) {
			if (chain->fragment_header != 0)
				return PARSE_DROP_FRAGMENT_MALFORMED;
			chain->fragment_header = at;
			chain->later_fragment = ipv6_fragment_offset(frame + at) != 0;
		}
		uint32_t length = extension_length(header, proto);
		if (length == 0 || at + length > end)
			return PARSE_DROP_IPV6_EXTENSION;
		at += length;
		proto = header->next_header;
	}
	chain->offset = at;
	chain->proto = proto;
	return PARSE_OK;
}

static enum parse_result
parse_ipv6_chain(const uint8_t *frame, uint32_t available, uint32_t end, struct packet *pk)
{
	struct extension_chain chain = {
		.offset = pk->l3_offset + (uint32_t)sizeof(struct wire_ipv6),
		.proto = pk->next_proto,
	};
	enum parse_result result = parse_extensions(frame, available, end, &chain);
	if (result != PARSE_OK)
		return result;
	pk->proto = chain.proto;
	pk->l4_offset = (uint16_t)chain.offset;
	if (chain.fragment_header != 0)
		return parse_ipv6_fragment(frame, chain.fragment_header, end, pk);
	return PARSE_OK;
}

/* --- transport ------------------------------------------------------------------------------ */

static inline enum parse_result
note_ports(be16 sport, be16 dport, struct packet *pk)
{
	pk->sport = wire_u16(sport);
	pk->dport = wire_u16(dport);
	return LIKELY(sport != 0 && dport != 0) ? PARSE_OK : PARSE_DROP_PORT_ZERO;
}

static enum parse_result
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

static enum parse_result
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

static enum parse_result
parse_icmp(const uint8_t *frame, uint32_t available, uint32_t end, struct packet *pk)
{
	const struct wire_icmp *icmp = (const void *)(frame + pk->l4_offset);
	enum parse_result result = reach(
		pk->l4_offset + (uint32_t)sizeof(*icmp), available, end, PARSE_DROP_L4_TRUNCATED);
	if (result != PARSE_OK)
		return result;
	pk->icmp_type = icmp->type;
	pk->icmp_code = icmp->code;
	return PARSE_OK;
}

static inline enum parse_result
parse_upper(const uint8_t *frame, uint32_t available, uint32_t end, struct packet *pk)
{
	if (LIKELY(pk->proto == IPPROTO_TCP))
		return parse_tcp(frame, available, end, pk);
	if (LIKELY(pk->proto == IPPROTO_UDP))
		return parse_udp(frame, available, end, pk);
	if (pk->proto == (pk->family == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6))
		return parse_icmp(frame, available, end, pk);
	return PARSE_OK;
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

static NOINLINE enum parse_result
parse_l4_unusual(const uint8_t *frame, uint32_t available, uint32_t end, struct packet *pk)
{
	enum parse_result result;
	if (pk->family == 6) {
		result = parse_ipv6_chain(frame, available, end, pk);
	} else {
		const struct wire_ipv4 *ip = (const void *)(frame + pk->l3_offset);
		result = check_ipv4_options((const uint8_t *)(ip + 1),
			pk->l4_offset - pk->l3_offset - (uint32_t)sizeof(*ip));
		if (result == PARSE_OK && ipv4_is_fragment(ip))
			result = parse_ipv4_fragment(ip, pk);
	}
	if (result != PARSE_OK || pk->fragment == FRAGMENT_LATER)
		return result;
	return parse_upper(frame, available, end, pk);
}

enum parse_result
parse_l4(const uint8_t *frame, uint32_t available, uint32_t frame_length, struct packet *pk)
{
	uint32_t end = (uint32_t)pk->l3_offset + pk->l3_length;
	if (UNLIKELY(end > frame_length))
		return PARSE_DROP_L4_TRUNCATED;
	if (UNLIKELY(pk->l4_offset > available))
		return PARSE_NOT_CONTIGUOUS;
	begin_l4(pk);
	if (UNLIKELY(l4_is_unusual(frame, pk)))
		return parse_l4_unusual(frame, available, end, pk);
	return parse_upper(frame, available, end, pk);
}

/* --- names ---------------------------------------------------------------------------------- */

const char *
parse_result_name(enum parse_result result)
{
	static const char *const names[] = {[PARSE_OK] = "ok",
		[PARSE_PUNT_NOT_IP] = "not_ip",
		[PARSE_NOT_CONTIGUOUS] = "not_contiguous",
#define PARSE_NAME(enumerator, name, text) [PARSE_DROP_##enumerator] = #name,
		PARSE_DROPS(PARSE_NAME)
#undef PARSE_NAME
	};
	return names[result];
}
