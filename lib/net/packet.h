/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A parsed packet: what the stages of the pipeline know of the bytes. One cache line.
 *
 *   frame: | Ethernet (VLAN tags) | IPv4+options / IPv6 | extensions | TCP, UDP, ICMP … | padding
 *          0                      l3_offset                          l4_offset
 *                                 |<-------------------- l3_length -------------------->|
 *
 * parse_l3 fills the upper part for every packet, parse_l4 the lower one for packets to a VIP only:
 * what goes to Linux is not judged by more than Linux needs.
 */
#ifndef FAIRLEAD_PACKET_H
#define FAIRLEAD_PACKET_H

#include "addr.h"

enum packet_fragment {
	FRAGMENT_NONE = 0,
	FRAGMENT_FIRST, /* offset 0, more to come */
	FRAGMENT_LATER, /* has no L4 header */
};

struct packet {
	/* parse_l3 */
	struct ip_addr src, dst;
	uint16_t l3_offset; /* bytes from the start of the frame */
	uint16_t l3_length; /* bytes of the IP packet by its own header, without link padding */
	uint16_t vlan;	    /* outermost VLAN ID, 0: untagged or priority-tagged */
	uint8_t vlan_tags;  /* tags looked through, 0..2 */
	uint8_t family;	    /* 4 or 6 */
	uint8_t ttl;	    /* TTL or hop limit as received */
	uint8_t tos;	    /* DSCP and ECN */
	uint8_t next_proto; /* IPv4 protocol, IPv6 first next header */

	uint8_t proto; /* parse_l4: IPPROTO_* of the upper layer, past the extension headers */
	/* parse_l3: the end of the IP header; parse_l4: past the extension headers; for a later
	 * fragment, its data. Bytes from the start of the frame. */
	uint16_t l4_offset;

	/* parse_l4 */
	uint16_t sport, dport; /* host order; 0 where the protocol or the fragment has none */
	uint8_t tcp_flags;
	uint8_t fragment; /* enum packet_fragment */
	uint8_t icmp_type, icmp_code;
	uint16_t fragment_offset; /* bytes */
	uint32_t fragment_id;	  /* 16 bits of IPv4, 32 of IPv6; host order; 0 if no fragment */
};
static_assert(sizeof(struct packet) == 64, "one cache line");

#endif
