/* SPDX-License-Identifier: BSD-3-Clause */
#include "icmp.h"

#include <netinet/in.h>

#include "checksum.h"
#include "icmp_message.h"
#include "wire.h"

static enum icmp_kind
kind4(uint8_t type)
{
	switch (type) {
	case ICMP4_ECHO_REQUEST:
		return ICMP_ECHO_REQUEST;
	case ICMP4_UNREACHABLE:
	case ICMP4_TIME_EXCEEDED:
	case ICMP4_PARAMETER_PROBLEM:
		return ICMP_ERROR;
	default:
		return ICMP_OTHER;
	}
}

enum icmp_kind
icmp_kind(const struct packet *pk)
{
	if (pk->fragment == FRAGMENT_LATER)
		return ICMP_OTHER;
	if (pk->family == 4)
		return kind4(pk->icmp_type);
	if (pk->icmp_type < ICMP6_INFORMATIONAL)
		return ICMP_ERROR;
	return pk->icmp_type == ICMP6_ECHO_REQUEST ? ICMP_ECHO_REQUEST : ICMP_OTHER;
}

uint64_t
icmp_sum(const void *message, uint32_t bytes, uint8_t family, const struct ip_addr *src,
	const struct ip_addr *dst)
{
	uint64_t sum = 0;
	if (family == 6) {
		sum += checksum_sum(src->bytes, sizeof(src->bytes));
		sum += checksum_sum(dst->bytes, sizeof(dst->bytes));
		sum += wire_u32(bytes);
		sum += wire_u32(IPPROTO_ICMPV6);
	}
	return sum + checksum_sum(message, bytes);
}

bool
icmp_checksum_is_right(const uint8_t *frame, const struct packet *pk)
{
	uint32_t bytes = (uint32_t)pk->l3_offset + pk->l3_length - pk->l4_offset;
	return checksum_fold(
		       icmp_sum(frame + pk->l4_offset, bytes, pk->family, &pk->src, &pk->dst)) == 0;
}

static void
turn_round4(struct wire_ipv4 *ip)
{
	/* The order of the addresses makes no difference to the checksum. */
	be32 client = ip->src;
	ip->src = ip->dst;
	ip->dst = client;
	/* The TTL is the first byte of its word, the protocol the second. */
	be16 before = (be16)(ip->ttl | ip->proto << 8);
	be16 after = (be16)(ICMP_TTL | ip->proto << 8);
	ip->checksum = checksum_update(ip->checksum, before, after);
	ip->ttl = ICMP_TTL;
}

static void
turn_round6(struct wire_ipv6 *ip)
{
	uint8_t client[sizeof(ip->src)];
	memcpy(client, ip->src, sizeof(client));
	memcpy(ip->src, ip->dst, sizeof(client));
	memcpy(ip->dst, client, sizeof(client));
	ip->hop_limit = ICMP_TTL;
}

void
icmp_make_reply(uint8_t *frame, const struct packet *pk)
{
	struct wire_ether *ether = (void *)frame;
	struct mac_addr station = ether->src;
	ether->src = ether->dst;
	ether->dst = station;

	uint8_t reply;
	if (pk->family == 4) {
		turn_round4((void *)(frame + pk->l3_offset));
		reply = ICMP4_ECHO_REPLY;
	} else {
		turn_round6((void *)(frame + pk->l3_offset));
		reply = ICMP6_ECHO_REPLY;
	}

	/* The type is the first byte of its word. */
	struct wire_icmp *icmp = (void *)(frame + pk->l4_offset);
	be16 checksum = checksum_update(icmp->checksum, icmp->type, reply);
	/* A reply of nothing but zeros sums up to 0, for which the update cannot tell 0xffff, which
	 * is right, from 0, which is not (RFC 1624, 3). For any other reply the two are equal. */
	icmp->checksum = checksum == 0 ? 0xffff : checksum;
	icmp->type = reply;
}
