/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * "Who has this address?", asked on the link: ARP requests (RFC 826) and neighbour solicitations
 * (RFC 4861, 4.3); and what the owner of an address says, asked or of its own accord.
 *
 *   frame --read--> struct solicitation --is the target ours?--> answer --> frame
 *
 * Bytes in, bytes out. Frames that are written carry no VLAN tag. No state, any thread.
 */
#ifndef FAIRLEAD_SOLICITATION_H
#define FAIRLEAD_SOLICITATION_H

#include <stdbool.h>

#include "packet.h"

struct solicitation {
	struct ip_addr target; /* whose MAC address is asked for */
	struct ip_addr
		asker; /* 0.0.0.0 or ::, of its family: a probe before it is taken into use */
	struct mac_addr station;
};

/*
 * Reads the question that a frame asks; false if it asks none, or not as it should: such frames are
 * Linux's. An ARP announcement (RFC 5227, 3), which has the form of a request, asks nothing.
 * A neighbour solicitation has to pass all of RFC 4861, 7.1.1; with extension headers it does not
 * (RFC 6980 forbids fragments, and nobody sends the others).
 *
 * The frame is contiguous. `pk` is as parse_l3 left it: solicitation_read_arp wants
 * PARSE_PUNT_NOT_IP, solicitation_read_nd PARSE_OK.
 */
bool solicitation_read_arp(const uint8_t *frame, uint32_t frame_length, const struct packet *pk,
	struct solicitation *asked);
bool solicitation_read_nd(
	const uint8_t *frame, const struct packet *pk, struct solicitation *asked);

/* The longest of what is written: Ethernet, IPv6, advertisement, the option with the MAC. */
#define SOLICITATION_FRAME_MAX (14 + 40 + 24 + 8)

/*
 * Write the whole frame into `out`, which has SOLICITATION_FRAME_MAX bytes, and return its length.
 * The answer says that the target is at `own`, to the station that asked; one to a probe for an
 * IPv6 address is for all nodes (RFC 4861, 7.2.4).
 */
uint32_t solicitation_answer(
	uint8_t *out, const struct solicitation *asked, const struct mac_addr *own);
/* To all on the link: an ARP announcement (RFC 5227, 3) or an unsolicited advertisement (RFC 4861,
 * 7.2.6). It overrides what they knew. */
uint32_t solicitation_announce(
	uint8_t *out, const struct ip_addr *address, const struct mac_addr *own);

#endif
