/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The Ethernet header of an outgoing frame, and the decrement of a forwarded packet's TTL.
 * Workers; touches only the bytes it is given.
 */
#ifndef FAIRLEAD_L2_H
#define FAIRLEAD_L2_H

#include "l2_slot.h"
#include "wire.h"

/* Bytes that l2_write puts in front of the IP header. */
static inline unsigned
l2_length(uint64_t slot)
{
	return l2_slot_vlan(slot) ? 18 : 14;
}

/* Writes l2_length(slot) bytes that end at `l3`; returns their start. `ethertype` in host order. */
static inline uint8_t *
l2_write(uint8_t *l3, uint64_t slot, const struct mac_addr *src, uint16_t ethertype)
{
	uint16_t vlan = l2_slot_vlan(slot);
	be16 type = wire_u16(ethertype);
	uint8_t *end = l3;
	if (__builtin_expect(vlan != 0, 0)) {
		struct wire_vlan *tag = (struct wire_vlan *)(void *)(l3 - 4);
		tag->tci = wire_u16(vlan);
		tag->type = type;
		type = wire_u16(ETHERTYPE_DOT1Q);
		end -= 4;
	}
	struct wire_ether *ether = (struct wire_ether *)(void *)(end - sizeof(*ether));
	ether->dst = l2_slot_mac(slot);
	ether->src = *src;
	ether->type = type;
	return (uint8_t *)ether;
}

/* IPv4: TTL less 1 and the checksum with it (RFC 1624); IPv6: hop limit less 1. TTL is above 1. */
static inline void
l2_decrement_ttl(uint8_t *l3, uint8_t family)
{
	if (family == 4) {
		struct wire_ipv4 *ip = (struct wire_ipv4 *)(void *)l3;
		/* The TTL is the high byte of its word on the wire: the sum loses 0x0100 there. */
		uint32_t sum = (uint32_t)ip->checksum + wire_u16(0x0100);
		ip->ttl--;
		ip->checksum = (be16)(sum + (sum >= 0xffff));
	} else {
		((struct wire_ipv6 *)(void *)l3)->hop_limit--;
	}
}

#endif
