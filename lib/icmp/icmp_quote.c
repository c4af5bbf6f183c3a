/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What an error quotes may have been written by anybody: nothing in it is believed before it is
 * held against where the message ends. That end is the only length there is. The quoted packet was
 * longer, and what its own header says of that is not even looked at.
 *
 * A quotation that is made up yields a flow that is made up. Whether there is such a flow, and
 * whether the quoted sequence number fits it, is for the backend's stack to judge (RFC 5927, 4.1).
 */
#include "icmp.h"

#include <netinet/in.h>

#include "icmp_message.h"
#include "parse.h"
#include "wire.h"

#define L4_BYTES_QUOTED 8 /* what any router quotes of the L4 header (RFC 792) */

/* Sets where the quoted L4 header starts, and the addresses turned round; `at` is the start of the
 * quotation, `end` that of what comes behind it. */
static enum icmp_quote
read_ipv4(const uint8_t *frame, uint32_t at, uint32_t end, struct extension_chain *upper,
	struct icmp_flow *flow)
{
	const struct wire_ipv4 *ip = (const void *)(frame + at);
	if (end - at < sizeof(*ip))
		return ICMP_QUOTE_TRUNCATED;
	uint32_t header_length = (ip->version_ihl & 0xfu) * 4;
	if (ip->version_ihl >> 4 != 4 || header_length < sizeof(*ip))
		return ICMP_QUOTE_MALFORMED;
	if (end - at < header_length)
		return ICMP_QUOTE_TRUNCATED;

	flow->vip = addr_from_v4(ip->src);
	flow->client = addr_from_v4(ip->dst);
	upper->offset = at + header_length;
	upper->proto = ip->proto;
	upper->later_fragment = ip->fragment & wire_u16(IPV4_OFFSET_MASK);
	return ICMP_QUOTE_OK;
}

static enum icmp_quote
read_ipv6(const uint8_t *frame, uint32_t at, uint32_t end, struct extension_chain *upper,
	struct icmp_flow *flow)
{
	const struct wire_ipv6 *ip = (const void *)(frame + at);
	if (end - at < sizeof(*ip))
		return ICMP_QUOTE_TRUNCATED;
	if (wire_u32(ip->version_class_label) >> 28 != 6)
		return ICMP_QUOTE_MALFORMED;

	flow->vip = addr_from_v6(ip->src);
	flow->client = addr_from_v6(ip->dst);
	if (addr_is_v4(&flow->client))
		return ICMP_QUOTE_MALFORMED; /* v4-mapped: would pass for an IPv4 client */
	upper->offset = at + (uint32_t)sizeof(*ip);
	upper->proto = ip->next_header;
	/* The packet goes on beyond what lies here, who knows how far. */
	switch (parse_extensions(frame, end, UINT32_MAX, upper)) {
	case PARSE_OK:
		return ICMP_QUOTE_OK;
	case PARSE_NOT_CONTIGUOUS:
		return ICMP_QUOTE_TRUNCATED;
	default:
		return ICMP_QUOTE_MALFORMED;
	}
}

/* The quoted packet went from VIP to client, so its source port is the VIP's. */
static void
read_ports(const uint8_t *l4, struct icmp_flow *flow)
{
	const struct wire_udp *ports = (const void *)l4; /* as in TCP */
	if (flow->proto != IPPROTO_TCP && flow->proto != IPPROTO_UDP)
		return;
	flow->vip_port = wire_u16(ports->sport);
	flow->client_port = wire_u16(ports->dport);
}

enum icmp_quote
icmp_read_quote(const uint8_t *frame, uint32_t frame_length, const struct packet *pk,
	struct icmp_flow *flow)
{
	uint32_t at = pk->l4_offset + (uint32_t)sizeof(struct wire_icmp);
	uint32_t end = (uint32_t)pk->l3_offset + pk->l3_length;
	if (end > frame_length || at > end)
		return ICMP_QUOTE_TRUNCATED;
	if (pk->fragment == FRAGMENT_NONE && !icmp_checksum_is_right(frame, pk))
		return ICMP_QUOTE_MALFORMED;

	struct extension_chain upper = {0};
	*flow = (struct icmp_flow){0};
	enum icmp_quote result = pk->family == 4 ? read_ipv4(frame, at, end, &upper, flow)
						 : read_ipv6(frame, at, end, &upper, flow);
	if (result != ICMP_QUOTE_OK)
		return result;
	if (!addr_equal(&flow->vip, &pk->dst))
		return ICMP_QUOTE_NOT_OURS;
	if (upper.proto == (pk->family == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6))
		return ICMP_QUOTE_OF_ICMP;
	flow->proto = upper.proto;
	flow->fragment = upper.later_fragment;
	if (flow->fragment)
		return ICMP_QUOTE_OK;
	if (upper.offset + L4_BYTES_QUOTED > end)
		return ICMP_QUOTE_TRUNCATED;
	read_ports(frame + upper.offset, flow);
	return ICMP_QUOTE_OK;
}
