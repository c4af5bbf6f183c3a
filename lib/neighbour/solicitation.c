/* SPDX-License-Identifier: BSD-3-Clause */
#include "solicitation.h"

#include <netinet/in.h>

#include "checksum.h"
#include "icmp_message.h"
#include "wire.h"

#define ARP_ETHERNET 1
#define ARP_REQUEST  1
#define ARP_REPLY    2

#define ND_SOLICITATION	 135
#define ND_ADVERTISEMENT 136
#define ND_SOLICITED	 0x40000000u
#define ND_OVERRIDE	 0x20000000u
#define ND_HOP_LIMIT	 255 /* what has crossed no router */

#define ND_OPTION_UNIT	     8
#define ND_OPTION_SOURCE_MAC 1
#define ND_OPTION_TARGET_MAC 2

#define MAC_GROUP_BIT 0x01

/* An option that holds a MAC address. */
struct nd_mac_option {
	uint8_t type, length; /* in units of 8 bytes */
	struct mac_addr mac;
} WIRE_STRUCT;

static const struct mac_addr broadcast = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};
static const struct mac_addr all_nodes_mac = {{0x33, 0x33, 0, 0, 0, 1}}; /* RFC 2464, 7 */
static const struct ip_addr all_nodes = {.bytes = {0xff, 2, [15] = 1}};
static const struct ip_addr unspecified;

/* --- the question ---------------------------------------------------------------------------- */

bool
solicitation_read_arp(const uint8_t *frame, uint32_t frame_length, const struct packet *pk,
	struct solicitation *asked)
{
	const struct wire_ether *ether = (const void *)frame;
	uint32_t offset = (uint32_t)(sizeof(*ether) + pk->vlan_tags * sizeof(struct wire_vlan));
	const struct wire_arp *arp = (const void *)(frame + offset);
	if (frame_length < offset + sizeof(*arp))
		return false;
	/* The EtherType ends where ARP begins, behind a tag and behind a MAC address. */
	const struct wire_vlan *before = (const void *)(frame + offset - sizeof(*before));
	if (before->type != wire_u16(ETHERTYPE_ARP_) || (ether->src.bytes[0] & MAC_GROUP_BIT))
		return false;
	if (arp->hardware != wire_u16(ARP_ETHERNET) || arp->protocol != wire_u16(ETHERTYPE_IP4) ||
		arp->hardware_length != sizeof(struct mac_addr) ||
		arp->protocol_length != sizeof(be32) || arp->operation != wire_u16(ARP_REQUEST))
		return false;
	struct ip_addr sender = addr_from_v4(arp->sender);
	if (arp->sender == arp->target || (arp->sender != 0 && addr_is_martian(&sender)))
		return false;
	*asked = (struct solicitation){
		.target = addr_from_v4(arp->target),
		.asker = sender,
		.station = ether->src,
	};
	return true;
}

/* RFC 4861, 7.1.1: every option has a length, and a probe does not say where it comes from. */
static bool
options_are_right(const uint8_t *options, uint32_t bytes, bool is_probe)
{
	while (bytes > 0) {
		if (bytes < ND_OPTION_UNIT)
			return false;
		uint32_t length = options[1] * (uint32_t)ND_OPTION_UNIT;
		if (length == 0 || length > bytes)
			return false;
		if (is_probe && options[0] == ND_OPTION_SOURCE_MAC)
			return false;
		options += length;
		bytes -= length;
	}
	return true;
}

/* ff02::1:ff00:0 and the last three bytes of the address (RFC 4291, 2.7.1). */
static bool
is_solicited_node_group(const struct ip_addr *group)
{
	static const uint8_t prefix[13] = {0xff, 2, [11] = 1, [12] = 0xff};
	return memcmp(group->bytes, prefix, sizeof(prefix)) == 0;
}

bool
solicitation_read_nd(const uint8_t *frame, const struct packet *pk, struct solicitation *asked)
{
	const struct wire_ether *ether = (const void *)frame;
	uint32_t offset = pk->l3_offset + (uint32_t)sizeof(struct wire_ipv6);
	uint32_t bytes = pk->l3_length - (uint32_t)sizeof(struct wire_ipv6);
	const struct wire_nd *nd = (const void *)(frame + offset);
	if (pk->family != 6 || pk->next_proto != IPPROTO_ICMPV6 || pk->ttl != ND_HOP_LIMIT ||
		bytes < sizeof(*nd) || nd->type != ND_SOLICITATION || nd->code != 0)
		return false;
	if (ether->src.bytes[0] & MAC_GROUP_BIT || pk->src.bytes[0] == 0xff)
		return false;
	bool is_probe = addr_equal(&pk->src, &unspecified);
	if (is_probe && !is_solicited_node_group(&pk->dst))
		return false;
	if (!options_are_right(
		    (const uint8_t *)(nd + 1), bytes - (uint32_t)sizeof(*nd), is_probe) ||
		checksum_fold(icmp_sum(nd, bytes, 6, &pk->src, &pk->dst)) != 0)
		return false;
	*asked = (struct solicitation){
		.target = addr_from_v6(nd->target),
		.asker = pk->src,
		.station = ether->src,
	};
	return true;
}

/* --- what is said ---------------------------------------------------------------------------- */

static void
put_ether(uint8_t *out, const struct mac_addr *dst, const struct mac_addr *own, uint16_t type)
{
	*(struct wire_ether *)(void *)out =
		(struct wire_ether){.dst = *dst, .src = *own, .type = wire_u16(type)};
}

static uint32_t
put_arp(uint8_t *out, uint16_t operation, const struct ip_addr *sender, const struct mac_addr *own,
	const struct ip_addr *target, const struct mac_addr *target_mac)
{
	struct wire_arp *arp = (void *)(out + sizeof(struct wire_ether));
	*arp = (struct wire_arp){
		.hardware = wire_u16(ARP_ETHERNET),
		.protocol = wire_u16(ETHERTYPE_IP4),
		.hardware_length = sizeof(struct mac_addr),
		.protocol_length = sizeof(be32),
		.operation = wire_u16(operation),
		.sender_mac = *own,
		.sender = addr_v4(sender),
		.target_mac = *target_mac,
		.target = addr_v4(target),
	};
	return sizeof(struct wire_ether) + sizeof(*arp);
}

static uint32_t
put_advertisement(uint8_t *out, uint32_t flags, const struct ip_addr *address,
	const struct mac_addr *own, const struct ip_addr *to)
{
	struct wire_ipv6 *ip = (void *)(out + sizeof(struct wire_ether));
	struct wire_nd *nd = (void *)(ip + 1);
	struct nd_mac_option *option = (void *)(nd + 1);
	const uint32_t bytes = sizeof(*nd) + sizeof(*option);
	*ip = (struct wire_ipv6){
		.version_class_label = wire_u32(6u << 28),
		.payload_length = wire_u16((uint16_t)bytes),
		.next_header = IPPROTO_ICMPV6,
		.hop_limit = ND_HOP_LIMIT,
	};
	memcpy(ip->src, address->bytes, sizeof(ip->src));
	memcpy(ip->dst, to->bytes, sizeof(ip->dst));
	*nd = (struct wire_nd){.type = ND_ADVERTISEMENT, .flags = wire_u32(flags)};
	memcpy(nd->target, address->bytes, sizeof(nd->target));
	*option = (struct nd_mac_option){
		.type = ND_OPTION_TARGET_MAC,
		.length = sizeof(*option) / ND_OPTION_UNIT,
		.mac = *own,
	};
	nd->checksum = checksum_fold(icmp_sum(nd, bytes, 6, address, to));
	return (uint32_t)(sizeof(struct wire_ether) + sizeof(*ip)) + bytes;
}

uint32_t
solicitation_answer(uint8_t *out, const struct solicitation *asked, const struct mac_addr *own)
{
	if (addr_is_v4(&asked->target)) {
		put_ether(out, &asked->station, own, ETHERTYPE_ARP_);
		return put_arp(out, ARP_REPLY, &asked->target, own, &asked->asker, &asked->station);
	}
	bool is_probe = addr_equal(&asked->asker, &unspecified);
	put_ether(out, is_probe ? &all_nodes_mac : &asked->station, own, ETHERTYPE_IP6);
	return put_advertisement(out, is_probe ? ND_OVERRIDE : ND_SOLICITED | ND_OVERRIDE,
		&asked->target, own, is_probe ? &all_nodes : &asked->asker);
}

uint32_t
solicitation_announce(uint8_t *out, const struct ip_addr *address, const struct mac_addr *own)
{
	static const struct mac_addr nobody;
	if (addr_is_v4(address)) {
		put_ether(out, &broadcast, own, ETHERTYPE_ARP_);
		return put_arp(out, ARP_REQUEST, address, own, address, &nobody);
	}
	put_ether(out, &all_nodes_mac, own, ETHERTYPE_IP6);
	return put_advertisement(out, ND_OVERRIDE, address, own, &all_nodes);
}
