/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Generic UDP encapsulation (draft-ietf-intarea-gue-09). Variant 0 has a header that says what is
 * inside; in variant 1 the IP packet follows UDP directly, and its version is what tells the
 * variants apart: both 4 and 6 begin with the bits 01.
 *
 *    0                   1                   2                   3
 *    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *   |Var|C|  Hlen   | Proto: 4, 41  |  Flags                        |    variant 0; all else 0
 *   |0 1 … the inner IP packet                                           variant 1
 */
#include "outer_udp.h"

#define GUE_HEADER_VARIANT 0

struct wire_gue {
	uint8_t variant_control_length;
	uint8_t proto;
	be16 flags;
} WIRE_STRUCT;
static_assert(sizeof(struct wire_gue) == 4, "draft-ietf-intarea-gue-09, 3.1");

struct wire_udp_gue {
	struct wire_udp udp;
	struct wire_gue gue;
} WIRE_STRUCT;
static_assert(sizeof(struct wire_udp_gue) <= OUTER_OWN_BYTES_MAX, "it fits");

static int
gue_prepare(struct encap_target *target, const struct encap_settings *settings,
	const struct ip_addr *backend)
{
	const struct wire_udp_gue own = {.udp = outer_udp_prepared(settings->port)};
	return outer_ip_prepare(target, settings, backend, &own,
		settings->variant == GUE_HEADER_VARIANT ? sizeof(own) : sizeof(own.udp));
}

static void
gue_wrap(struct encap_packet *packet, const struct encap_target *target)
{
	const struct wire_udp_gue *prepared = outer_ip_own(target);
	size_t bytes = outer_ip_own_bytes(target);
	struct wire_udp_gue *own = (struct wire_udp_gue *)(packet->inner - bytes);
	own->udp = prepared->udp;
	if (bytes == sizeof(*own))
		own->gue = (struct wire_gue){.proto = outer_ip_inner_proto(packet)};
	outer_udp_write(packet, target, &own->udp);
}

const struct encap encap_gue = {
	.name = "gue",
	.protos = {IPPROTO_UDP},
	.prepare = gue_prepare,
	.wrap = gue_wrap,
};
