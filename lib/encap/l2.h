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

/* Writes l2_length(slot) bytes that end at `l3`; returns their start. `src` is the l2_mac_word() of
 * the port; `ethertype` in host order. */
static inline uint8_t *
l2_write(uint8_t *l3, uint64_t slot, uint64_t src, uint16_t ethertype)
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
	/* Two stores: the slot's word, whose upper bytes the second one writes over. */
	uint8_t *start = end - sizeof(struct wire_ether);
	uint64_t source_and_type = src | (uint64_t)type << 48;
	memcpy(start, &slot, sizeof(slot));
	memcpy(start + sizeof(struct mac_addr), &source_and_type, sizeof(source_and_type));
	return start;
}

/* IPv4: TTL less 1 and the checksum with it (RFC 1624); IPv6: hop limit less 1. TTL is above 1. */
static inline void
l2_decrement_ttl(uint8_t *l3, uint8_t family)
{
	if (family == 4) {
		/* | TTL 8 | protocol 8 | checksum 16 |, read and written as one word. The TTL is the
		 * high byte of its 16 bits on the wire, so the checksum gains 0x0100 there, which is 1
		 * here: minus 1 below and plus 1 above is plus 0xffff. A checksum that comes to 0xffff
		 * or beyond goes round, to 0 and on. */
		uint8_t *at = l3 + offsetof(struct wire_ipv4, ttl);
		uint32_t word;
		memcpy(&word, at, sizeof(word));
		uint32_t around = word >= 0xfffe0000;
		word += 0xffff + (around << 16);
		memcpy(at, &word, sizeof(word));
	} else {
		((struct wire_ipv6 *)(void *)l3)->hop_limit--;
	}
}

#endif
