/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ICMP and ICMPv6 at the edge: echo to a VIP answered, errors to a VIP understood, errors to a
 * client composed. Bytes in, bytes out; what may be said how often is the pipeline's business.
 *
 * An error to a VIP is about a packet that a backend sent from it. Its quotation starts with that
 * packet's header, and the flow is the quoted one turned round:
 *
 *   | IP, to the VIP | ICMP error | quoted IP: VIP -> client | 8 bytes and more of quoted L4 |
 *
 * RFC 792, RFC 1191, RFC 1812 4.3, RFC 4443, RFC 5508. No state, any thread.
 */
#ifndef FAIRLEAD_ICMP_H
#define FAIRLEAD_ICMP_H

#include <stdbool.h>

#include "packet.h"

enum icmp_kind {
	ICMP_ECHO_REQUEST,
	ICMP_ERROR, /* quotes a packet of one of our flows, perhaps */
	ICMP_OTHER, /* neither: replies, timestamps, redirects, ND, later fragments … */
};

/* What an ICMP packet to a VIP is; `pk` as parse_l4 left it (proto ICMP or ICMPv6). Redirects are
 * for the link that they are on (RFC 1122, 3.2.2.2) and source quench for nobody (RFC 6633, 3 and
 * 6): neither is an ICMP_ERROR, since no backend may act on it. */
enum icmp_kind icmp_kind(const struct packet *pk);

/* The flow that an error is about, from the client's side, as flow_hash_tuple wants it. */
struct icmp_flow {
	struct ip_addr client, vip;
	uint16_t client_port, vip_port; /* host order; 0 if neither TCP nor UDP, as parse_l4 does */
	uint8_t proto;
	bool fragment; /* the quoted packet was a later fragment: no ports */
};

enum icmp_quote {
	ICMP_QUOTE_OK,
	ICMP_QUOTE_TRUNCATED, /* ends before the 8th byte of the quoted L4 header */
	ICMP_QUOTE_MALFORMED, /* quoted version, IHL or extensions are wrong; or ICMP's checksum */
	ICMP_QUOTE_NOT_OURS,  /* the quoted source is not the address that the error was sent to */
	ICMP_QUOTE_OF_ICMP,   /* the quoted packet is ICMP: no flow of ours */
};

/*
 * Reads the quotation of an ICMP_ERROR. The frame is contiguous up to `frame_length`; an IP packet
 * that ends beyond it is ICMP_QUOTE_TRUNCATED. Quoted lengths are not trusted; quoted IPv6
 * extension headers are walked, bounded. A later fragment needs no L4 header. The quoted checksum
 * is not looked at (RFC 5508, 3.1: it may have been changed); that of the ICMP message is, unless
 * the error came in fragments, since then the rest of what it covers is missing. `flow` is
 * meaningful if the result is ICMP_QUOTE_OK.
 */
enum icmp_quote icmp_read_quote(const uint8_t *frame, uint32_t frame_length,
	const struct packet *pk, struct icmp_flow *flow);

/* True if an ICMP message's checksum is right, over its whole length: the frame is contiguous up to
 * the end of its IP packet, which is no fragment. */
bool icmp_checksum_is_right(const uint8_t *frame, const struct packet *pk);

/*
 * Turns an echo request into its reply, where it lies: MAC and IP addresses swapped, TTL or hop
 * limit 64, type, checksums updated, so that damage done to the data on its way here still shows.
 * Only the headers are touched. Not for fragments. IPv4 options are kept (RFC 1122, 3.2.2.6), and
 * so are DSCP, IPv6 extension headers and VLAN tags.
 */
void icmp_make_reply(uint8_t *frame, const struct packet *pk);

enum icmp_message {
	ICMP_PORT_UNREACHABLE,
	ICMP_TIME_EXCEEDED,
	ICMP_PACKET_TOO_BIG, /* IPv4: fragmentation needed, RFC 1191 */
	ICMP_MESSAGES,
};

/*
 * Whether an error about this packet may be sent at all (RFC 1812 4.3.2.7, RFC 4443 2.4 e): not
 * about ICMP errors, nor redirects, later fragments, frames or packets to or from multicast or
 * broadcast, sources that are no single host, which the destination itself is none of. ICMP of a
 * type that is not known to be a query counts as an error. IPv6 packet-too-big has the exception
 * for multicast that no VIP needs. `pk` as parse_l4 left it.
 */
bool icmp_may_answer(const uint8_t *frame, const struct packet *pk);

/* The longest error: RFC 4443's minimum MTU and the Ethernet header. */
#define ICMP_ERROR_BYTES_MAX (14 + 1280)
/* Of the packet that an error is about, no byte beyond this many is read: 1280, 40, 8. */
#define ICMP_QUOTED_BYTES_MAX (1280 - 40 - 8)

/*
 * Writes the whole frame of an error about the packet `frame` into `out`, which has
 * ICMP_ERROR_BYTES_MAX bytes: back to the station it came from, from the VIP to the client,
 * untagged. Quotes as much as fits into 576 bytes (IPv4, RFC 1812 4.3.2.3) or 1280 (IPv6). `mtu` is
 * for ICMP_PACKET_TOO_BIG: bytes of an IP packet of the client's that would pass, at most 65535.
 * The frame's bytes are quoted as they are given: hand them over before TTL and headers are
 * changed, contiguous up to the end of the IP packet or ICMP_QUOTED_BYTES_MAX of it, whichever is
 * first. Returns the length of the frame.
 */
uint32_t icmp_compose(uint8_t *out, enum icmp_message message, uint32_t mtu, const uint8_t *frame,
	const struct packet *pk);

#endif
