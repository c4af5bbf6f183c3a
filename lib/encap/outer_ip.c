/* SPDX-License-Identifier: BSD-3-Clause */
#include "outer_ip.h"

#include <errno.h>

#define OUTER_TTL    64 /* the default that RFC 1700 names, and most hosts use */
#define IPV4_PLAIN   0x45
#define IPV6_VERSION 6u
#define ECN_BITS     2 /* RFC 3168, 5: the low bits of the octet, below the DSCP */
#define ECN_MASK     ((1u << ECN_BITS) - 1)

/* As many low bits as the prefix leaves free. */
static uint32_t
free_bits_mask(unsigned family_bits, uint8_t prefix_len)
{
	unsigned bits = family_bits - prefix_len;
	return bits >= OUTER_ENTROPY_BITS ? UINT32_MAX : (UINT32_C(1) << bits) - 1;
}

static void
prepare4(struct encap_target *target, const struct ip_prefix *source, const struct ip_addr *backend,
	uint8_t tos)
{
	struct wire_ipv4 *ip = (struct wire_ipv4 *)target->header;
	ip->version_ihl = IPV4_PLAIN;
	ip->tos = tos;
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
prepare6(struct encap_target *target, const struct ip_prefix *source, const struct ip_addr *backend,
	uint8_t tos)
{
	struct wire_ipv6 *ip = (struct wire_ipv6 *)target->header;
	ip->version_class_label =
		wire_u32(IPV6_VERSION << 28 | (uint32_t)tos << OUTER_FLOW_LABEL_BITS);
	ip->hop_limit = OUTER_TTL;
	memcpy(ip->src, source->addr.bytes, sizeof(ip->src));
	memcpy(ip->dst, backend->bytes, sizeof(ip->dst));
	target->entropy_mask = free_bits_mask(128, source->len);
	target->header_length = sizeof(*ip);
	target->family = 6;
}

int
outer_ip_prepare(struct encap_target *target, const struct encap_settings *settings,
	const struct ip_addr *backend, const void *own, size_t own_bytes)
{
	uint8_t tos = settings->has_dscp ? (uint8_t)(settings->dscp << ECN_BITS) : 0;
	*target = (struct encap_target){.tos_mask = settings->has_dscp ? ECN_MASK : UINT8_MAX};
	if (addr_is_v4(backend)) {
		if (!settings->has_source4)
			return -EINVAL;
		prepare4(target, &settings->source4, backend, tos);
	} else {
		if (!settings->has_source6)
			return -EINVAL;
		prepare6(target, &settings->source6, backend, tos);
	}
	if (own_bytes > 0)
		memcpy(target->header + target->header_length, own, own_bytes);
	target->header_length = (uint8_t)(target->header_length + own_bytes);
	return 0;
}
