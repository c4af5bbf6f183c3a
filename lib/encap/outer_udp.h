/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The UDP header of tunnels over UDP: it is there for the ports. Routers and receivers spread
 * packets by them, so the source port is the flow's (RFC 7348, 5; draft-ietf-intarea-gue), from the
 * range that no service has (RFC 6335, 6).
 *
 * The checksum is 0. Over IPv6 too: RFC 6935, section 5, permits that for tunnels, and RFC 6936 says
 * why it does no harm: what is inside has checksums of its own, which the server checks (or is UDP
 * over IPv4 whose sender does without). A receiver must be told to take such packets over IPv6
 * (Linux: udp6zerocsumrx of a vxlan device, or UDP_NO_CHECK6_RX of a socket).
 */
#ifndef FAIRLEAD_OUTER_UDP_H
#define FAIRLEAD_OUTER_UDP_H

#include "outer_ip.h"

#define OUTER_UDP_PORT_FIRST 49152
#define OUTER_UDP_PORT_BITS  14 /* up to 65535 */

/* To be prepared with. `port` in host order. */
static inline struct wire_udp
outer_udp_prepared(uint16_t port)
{
	return (struct wire_udp){.dport = wire_u16(port)};
}

/* Fills in `udp`, a copy of what was prepared, which reaches to the end of the inner packet; then
 * writes the IP header in front of it. Workers. */
static inline void
outer_udp_write(
	struct encap_packet *packet, const struct encap_target *target, struct wire_udp *udp)
{
	uint32_t flow = packet->entropy >> (OUTER_ENTROPY_BITS - OUTER_UDP_PORT_BITS);
	udp->sport = wire_u16((uint16_t)(OUTER_UDP_PORT_FIRST + flow));
	udp->length = wire_u16((uint16_t)(packet->inner + packet->l3_length - (uint8_t *)udp));
	outer_ip_write(packet, target, udp, IPPROTO_UDP);
}

#endif
