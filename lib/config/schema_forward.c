/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The part of schema.h's table that says how packets get to the backends: modes, and which fields
 * each of them has.
 */
#include "config.h"
#include "schema.h"

#define IN(member)    .offset = offsetof(struct config_pool, member), .bytes = BYTES(member)
#define BYTES(member) sizeof(((struct config_pool *)0)->member)
#define SETTING(member)                                                                            \
	IN(forward.settings.member),                                                               \
		.has_offset = offsetof(struct config_pool, forward.settings.has_##member)

#define UDP_PORT_GUE   6080 /* IANA: gue */
#define UDP_PORT_VXLAN 4789 /* RFC 7348, 5 */
#define VNI_MAX	       ((1 << 24) - 1)
#define DSCP_MAX       63 /* RFC 2474, 3 */
/* Locally administered (the bit 02), then ASCII "fl". */
#define MAC_INNER_SOURCE      0x02666c000001
#define MAC_INNER_DESTINATION 0x02666c000002

static const struct choice forward_modes[] = {
	{"l2", 0}, {"ipip", 1}, {"gre", 2}, {"gue", 3}, {"vxlan", 4}, {"kernel", 5}, {NULL, 0}};

/* The modes that have a field. */
static const struct field_kind with_source[] = {{.kind = "ipip", .need = NEED_BY_FAMILY},
	{.kind = "gre", .need = NEED_BY_FAMILY}, {.kind = "gue", .need = NEED_BY_FAMILY},
	{.kind = "vxlan", .need = NEED_BY_FAMILY}, {0}};
static const struct field_kind with_dscp[] = {{.kind = "ipip", .need = NEED_NONE},
	{.kind = "gre", .need = NEED_NONE}, {.kind = "gue", .need = NEED_NONE},
	{.kind = "vxlan", .need = NEED_NONE}, {0}};
static const struct field_kind with_key[] = {{.kind = "gre", .need = NEED_NONE}, {0}};
static const struct field_kind with_port[] = {
	{.kind = "gue", .need = NEED_DEFAULT, .fallback = UDP_PORT_GUE},
	{.kind = "vxlan", .need = NEED_DEFAULT, .fallback = UDP_PORT_VXLAN}, {0}};
static const struct field_kind with_variant[] = {
	{.kind = "gue", .need = NEED_DEFAULT, .fallback = 0}, {0}};
static const struct field_kind with_vni[] = {{.kind = "vxlan", .need = NEED_REQUIRED}, {0}};
static const struct field_kind with_inner_destination[] = {
	{.kind = "vxlan", .need = NEED_DEFAULT, .fallback = MAC_INNER_DESTINATION}, {0}};
static const struct field_kind with_inner_source[] = {
	{.kind = "vxlan", .need = NEED_DEFAULT, .fallback = MAC_INNER_SOURCE}, {0}};

static const struct field forward_fields[] = {
	{
		.key = "mode",
		.type = &type_choice_name,
		.meaning =
			"Way to the backends: `l2` writes their MAC address (same segment), "
			"`kernel` hands to Linux on this box; the others wrap the packet: `ipip` "
			"in IP (RFC 2003, 2473, 4213), "
			"`gre` in GRE (RFC 2784), `gue` in UDP (draft-ietf-intarea-gue), `vxlan` "
			"in an Ethernet frame in UDP (RFC 7348). A field below that its mode does "
			"not have is an error.",
		.choices = forward_modes,
		.fallback_text = "l2",
		IN(forward.mode),
	},
	{
		.key = "source4",
		.type = &type_prefix4,
		.meaning = "Outer source towards IPv4 backends. The host bits of a prefix vary by "
			   "flow, so "
			   "that the receiver's queues share the load.",
		.kinds = with_source,
		SETTING(source4),
	},
	{
		.key = "source6",
		.type = &type_prefix6,
		.meaning = "The same towards IPv6 backends.",
		.kinds = with_source,
		SETTING(source6),
	},
	{
		.key = "dscp",
		.type = &type_integer,
		.meaning = "DSCP of outer headers; that of the packet inside if not given. ECN is "
			   "always the packet's (RFC 6040).",
		.min = 0,
		.max = DSCP_MAX,
		.kinds = with_dscp,
		SETTING(dscp),
	},
	{
		.key = "key",
		.type = &type_integer,
		.meaning = "Key of the GRE header (RFC 2890); no key in it if not given.",
		.min = 0,
		.max = UINT32_MAX,
		.kinds = with_key,
		SETTING(key),
	},
	{
		.key = "port",
		.type = &type_integer,
		.meaning = "UDP port of the backends. The source port varies by flow, from 49152 "
			   "up.",
		.min = 1,
		.max = UINT16_MAX,
		.kinds = with_port,
		SETTING(port),
	},
	{
		.key = "variant",
		.type = &type_integer,
		.meaning = "Of GUE: 0 has a header of 4 bytes, in 1 the packet follows UDP "
			   "directly.",
		.min = 0,
		.max = 1,
		.kinds = with_variant,
		SETTING(variant),
	},
	{
		.key = "vni",
		.type = &type_integer,
		.meaning = "VXLAN network identifier.",
		.min = 0,
		.max = VNI_MAX,
		.kinds = with_vni,
		SETTING(vni),
	},
	{
		.key = "inner_destination",
		.type = &type_mac,
		.meaning = "MAC address of the VXLAN device on every backend of the pool: `ip link "
			   "set vxlan0 address …`.",
		.kinds = with_inner_destination,
		SETTING(inner_destination),
	},
	{
		.key = "inner_source",
		.type = &type_mac,
		.meaning = "MAC address that the frames inside VXLAN come from.",
		.kinds = with_inner_source,
		SETTING(inner_source),
	},
	{0},
};
const struct object schema_forward = {.fields = forward_fields, .kind_key = "mode"};
