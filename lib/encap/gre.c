/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * GRE (RFC 2784; within IPv6 RFC 7676), with a key where one is configured (RFC 2890). No checksum:
 * the inner packet has its own. No sequence numbers: they would order packets across workers.
 *
 *    0                   1                   2                   3
 *    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *   |C|0|K|S|   Reserved0     | Ver |      Protocol: an EtherType   |
 *   |                   Key, if K is set: forward.key               |
 */
#include "outer_ip.h"

#define GRE_KEY_PRESENT 0x2000

struct wire_gre {
	be16 flags_version;
	be16 protocol;
	be32 key;
} WIRE_STRUCT;
static_assert(sizeof(struct wire_gre) == 8, "RFC 2890, 2");
static_assert(sizeof(struct wire_gre) <= OUTER_OWN_BYTES_MAX, "it fits");

#define GRE_BYTES	offsetof(struct wire_gre, key)
#define GRE_BYTES_KEYED sizeof(struct wire_gre)

static int
gre_prepare(struct encap_target *target, const struct encap_settings *settings,
	const struct ip_addr *backend)
{
	const struct wire_gre gre = {
		.flags_version = wire_u16(settings->has_key ? GRE_KEY_PRESENT : 0),
		.key = wire_u32(settings->key),
	};
	return outer_ip_prepare(
		target, settings, backend, &gre, settings->has_key ? GRE_BYTES_KEYED : GRE_BYTES);
}

static void
gre_wrap(struct encap_packet *packet, const struct encap_target *target)
{
	const struct wire_gre *prepared = outer_ip_own(target);
	size_t bytes = outer_ip_own_bytes(target);
	struct wire_gre *gre = (struct wire_gre *)(packet->inner - bytes);
	gre->flags_version = prepared->flags_version;
	gre->protocol = wire_u16(outer_ip_inner_ethertype(packet));
	if (bytes == GRE_BYTES_KEYED)
		gre->key = prepared->key;
	outer_ip_write(packet, target, gre, IPPROTO_GRE);
}

const struct encap encap_gre = {
	.name = "gre",
	.protos = {IPPROTO_GRE},
	.prepare = gre_prepare,
	.wrap = gre_wrap,
};
