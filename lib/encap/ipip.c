/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * IP in IP: IPv4 or IPv6 (RFC 2003, RFC 2473, RFC 4213) straight inside IPv4 or IPv6. The outer
 * family is the backend's, the inner one the client's.
 *
 * Outer fields that need a reason:
 *
 * IPv4 ID and DF. DF is set and the ID is 0. What is too big was seen to before it came here, so
 * the tunnel never needs fragments, and a datagram that will not be fragmented is atomic: its ID
 * means nothing and may have any value (RFC 6864, 4.1). So no counter has to be unique over
 * workers, siblings and restarts.
 *
 * DSCP and ECN are the inner packet's (RFC 2983 uniform, RFC 6040 normal mode), so that congestion
 * marked on the way in is not lost, and marks made within the tunnel reach the backend.
 *
 * Source. Receivers spread packets over their queues by the outer addresses, and with one source
 * all clients of a backend would meet in one queue. So the host part of the configured prefix is
 * filled from the flow's hash. For IPv6 the flow label too varies (RFC 6438), for the routers
 * between.
 */
#include "encap.h"

#include <errno.h>
#include <netinet/in.h>

#include "checksum.h"
#include "wire.h"

#define OUTER_TTL	 64 /* the default that RFC 1700 names, and most hosts use */
#define IPV4_PLAIN	 0x45
#define IPV6_VERSION	 6u
#define FLOW_LABEL_BITS	 20
#define ENTROPY_BITS_MAX 32

static_assert(sizeof(struct wire_ipv6) <= ENCAP_HEADER_MAX, "either outer header fits");

/* As many low bits as the prefix leaves free. */
static uint32_t
free_bits_mask(unsigned family_bits, uint8_t prefix_len)
{
	unsigned bits = family_bits - prefix_len;
	return bits >= ENTROPY_BITS_MAX ? UINT32_MAX : (UINT32_C(1) << bits) - 1;
}

/*
 * The host part, in host order. The first and the last address of a subnet are not a host's (IPv4:
 * network and broadcast, RFC 1122, 3.2.1.3; IPv6: anycast, RFC 4291, 2.6.1, and RFC 2526), unless
 * it has only the two (RFC 3021, RFC 6164): their share goes to their neighbours.
 */
static inline uint32_t
host_part(uint32_t entropy, uint32_t mask)
{
	uint32_t host = entropy & mask;
	if (mask > 1)
		host = host + (host == 0) - (host == mask);
	return host;
}

static void
prepare4(struct encap_target *target, const struct ip_prefix *source, const struct ip_addr *backend)
{
	struct wire_ipv4 *ip = (struct wire_ipv4 *)target->header;
	ip->version_ihl = IPV4_PLAIN;
	ip->fragment = wire_u16(IPV4_DF);
	ip->ttl = OUTER_TTL;
	ip->src = addr_v4(&source->addr);
	ip->dst = addr_v4(backend);
	target->checksum_sum = (uint16_t)~checksum_fold(checksum_sum(ip, sizeof(*ip)));
	target->entropy_mask = free_bits_mask(32, source->len);
	target->header_length = sizeof(*ip);
	target->family = 4;
}

static void
prepare6(struct encap_target *target, const struct ip_prefix *source, const struct ip_addr *backend)
{
	struct wire_ipv6 *ip = (struct wire_ipv6 *)target->header;
	ip->version_class_label = wire_u32(IPV6_VERSION << 28);
	ip->hop_limit = OUTER_TTL;
	memcpy(ip->src, source->addr.bytes, sizeof(ip->src));
	memcpy(ip->dst, backend->bytes, sizeof(ip->dst));
	target->entropy_mask = free_bits_mask(128, source->len);
	target->header_length = sizeof(*ip);
	target->family = 6;
}

static int
ipip_prepare(struct encap_target *target, const struct encap_settings *settings,
	const struct ip_addr *backend)
{
	*target = (struct encap_target){0};
	if (addr_is_v4(backend)) {
		if (!settings->has_source4)
			return -EINVAL;
		prepare4(target, &settings->source4, backend);
	} else {
		if (!settings->has_source6)
			return -EINVAL;
		prepare6(target, &settings->source6, backend);
	}
	return 0;
}

static inline uint8_t
inner_proto(const struct encap_packet *packet)
{
	return packet->inner_family == 4 ? IPPROTO_IPIP : IPPROTO_IPV6;
}

/* The checksum is that of the prepared header plus the words that are filled in here. */
static inline void
wrap4(struct encap_packet *packet, const struct encap_target *target)
{
	struct wire_ipv4 *ip = (struct wire_ipv4 *)(packet->inner - sizeof(*ip));
	be16 length = wire_u16((uint16_t)(packet->l3_length + sizeof(*ip)));
	be32 host = wire_u32(host_part(packet->entropy, target->entropy_mask));
	uint8_t proto = inner_proto(packet);

	memcpy(ip, target->header, sizeof(*ip));
	ip->tos = packet->tos;
	ip->total_length = length;
	ip->proto = proto;
	ip->src |= host;
	/* TOS and protocol are the second bytes of their words. */
	uint64_t sum = target->checksum_sum + (uint64_t)length + host + wire_u16(packet->tos) +
		       wire_u16(proto);
	ip->checksum = checksum_fold(sum);
	packet->outer = (uint8_t *)ip;
}

static inline void
wrap6(struct encap_packet *packet, const struct encap_target *target)
{
	struct wire_ipv6 *ip = (struct wire_ipv6 *)(packet->inner - sizeof(*ip));
	uint32_t label = packet->entropy >> (ENTROPY_BITS_MAX - FLOW_LABEL_BITS);
	be32 host = wire_u32(host_part(packet->entropy, target->entropy_mask));
	be32 low;

	memcpy(ip, target->header, sizeof(*ip));
	ip->version_class_label |= wire_u32((uint32_t)packet->tos << FLOW_LABEL_BITS | label);
	ip->payload_length = wire_u16(packet->l3_length);
	ip->next_header = inner_proto(packet);
	memcpy(&low, ip->src + 12, sizeof(low));
	low |= host;
	memcpy(ip->src + 12, &low, sizeof(low));
	packet->outer = (uint8_t *)ip;
}

static void
ipip_wrap(struct encap_packet *packet, const struct encap_target *target)
{
	if (target->family == 4)
		wrap4(packet, target);
	else
		wrap6(packet, target);
}

const struct encap encap_ipip = {
	.name = "ipip",
	.prepare = ipip_prepare,
	.wrap = ipip_wrap,
};
