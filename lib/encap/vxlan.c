/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * VXLAN (RFC 7348): an Ethernet frame in UDP. The frame is there only because VXLAN carries frames:
 * its destination is a MAC address that the operator gives the VXLAN device of every backend of the
 * pool, so that nothing has to be learnt or asked inside the tunnel.
 *
 *    0                   1                   2                   3
 *    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *   |0 0 0 0 1 0 0 0|            Reserved                           |
 *   |                VNI                            |   Reserved    |
 *   | inner destination, inner source, EtherType: 14 bytes          |
 */
#include "outer_udp.h"

#define VXLAN_VNI_VALID (UINT32_C(0x08) << 24)

struct wire_udp_vxlan {
	struct wire_udp udp;
	be32 flags;
	be32 vni;
	struct wire_ether ether;
} WIRE_STRUCT;
static_assert(sizeof(struct wire_udp_vxlan) == 8 + 8 + 14, "RFC 7348, 5");
static_assert(sizeof(struct wire_udp_vxlan) <= OUTER_OWN_BYTES_MAX, "it fits");

static int
vxlan_prepare(struct encap_target *target, const struct encap_settings *settings,
	const struct ip_addr *backend)
{
	const struct wire_udp_vxlan own = {
		.udp = outer_udp_prepared(settings->port),
		.flags = wire_u32(VXLAN_VNI_VALID),
		.vni = wire_u32(settings->vni << 8),
		.ether.dst = settings->inner_destination,
		.ether.src = settings->inner_source,
	};
	return outer_ip_prepare(target, settings, backend, &own, sizeof(own));
}

static void
vxlan_wrap(struct encap_packet *packet, const struct encap_target *target)
{
	struct wire_udp_vxlan *own = (struct wire_udp_vxlan *)(packet->inner - sizeof(*own));
	memcpy(own, outer_ip_own(target), sizeof(*own));
	own->ether.type = wire_u16(outer_ip_inner_ethertype(packet));
	outer_udp_write(packet, target, &own->udp);
}

const struct encap encap_vxlan = {
	.name = "vxlan",
	.protos = {IPPROTO_UDP},
	.prepare = vxlan_prepare,
	.wrap = vxlan_wrap,
};
