/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bytes to struct packet, and the name of what is wrong with them.
 *
 * The bytes are read where they lie: `available` of them are contiguous from `frame`; the whole
 * frame has `frame_length`, which may be more if the buffer is segmented. A header that lies
 * beyond `available` but within `frame_length` is PARSE_NOT_CONTIGUOUS: pull it up and ask again.
 * (The pipeline makes frames contiguous before it parses, and never sees it.) No state, any thread,
 * nothing is written to the frame.
 *
 * PARSE_OK comes first; the PARSE_PUNT_* are not for a forwarder to judge and go to Linux; each of
 * the rest is a reason to drop, and becomes a counter of that name.
 */
#ifndef FAIRLEAD_PARSE_H
#define FAIRLEAD_PARSE_H

#include "packet.h"

/* clang-format off */
#define PARSE_DROPS(X) /* enumerator, name, what an operator reads */ \
	X(ETHER_TRUNCATED, ether_truncated, "frame shorter than its Ethernet or VLAN header") \
	X(IPV4_TRUNCATED, ipv4_truncated, "frame ends within the IPv4 header") \
	X(IPV4_VERSION, ipv4_version, "EtherType IPv4, version field is not 4") \
	X(IPV4_HEADER_LENGTH, ipv4_header_length, "IPv4 header length below 5 words or past the end") \
	X(IPV4_TOTAL_LENGTH, ipv4_total_length, "IPv4 total length below the header or past the frame") \
	X(IPV4_CHECKSUM, ipv4_checksum, "wrong IPv4 header checksum") \
	X(IPV4_OPTIONS, ipv4_options, "IPv4 options malformed, or source routing") \
	X(IPV6_TRUNCATED, ipv6_truncated, "frame ends within the IPv6 header") \
	X(IPV6_VERSION, ipv6_version, "EtherType IPv6, version field is not 6") \
	X(IPV6_PAYLOAD_LENGTH, ipv6_payload_length, "IPv6 payload length past the frame, or a jumbogram") \
	X(IPV6_MAPPED, ipv6_mapped, "v4-mapped IPv6 address on the wire") \
	X(IPV6_EXTENSION, ipv6_extension, "IPv6 extension header truncated or out of place") \
	X(IPV6_EXTENSION_CHAIN, ipv6_extension_chain, "more IPv6 extension headers than are followed") \
	X(IPV6_ROUTING_HEADER, ipv6_routing_header, "IPv6 routing header with segments left") \
	X(FRAGMENT_MALFORMED, fragment_malformed, "fragment past 65535 bytes, empty, of odd length, or nested") \
	X(L4_TRUNCATED, l4_truncated, "IP payload ends within the TCP, UDP or ICMP header") \
	X(UDP_LENGTH, udp_length, "UDP length below 8 or past the IP payload") \
	X(TCP_HEADER_LENGTH, tcp_header_length, "TCP data offset below 5 words or past the IP payload") \
	X(PORT_ZERO, port_zero, "TCP or UDP port 0")
/* clang-format on */

enum parse_result {
	PARSE_OK,
	PARSE_PUNT_NOT_IP, /* ARP, LLDP, LLC and whatever else has no IP header */
	PARSE_NOT_CONTIGUOUS,
#define PARSE_ENUM(enumerator, name, text) PARSE_DROP_##enumerator,
	PARSE_DROPS(PARSE_ENUM)
#undef PARSE_ENUM
};

/*
 * Link and network header, up to the addresses. Checks version, lengths, the IPv4 header checksum
 * (RFC 1071; RFC 791, 3.1; RFC 8200, 3). Up to 2 VLAN tags (802.1Q, 802.1ad) are looked through;
 * a third makes it PARSE_PUNT_NOT_IP. Fills the parse_l3 part of `pk` on PARSE_OK; on
 * PARSE_PUNT_NOT_IP only vlan and vlan_tags are meaningful.
 */
enum parse_result parse_l3(
	const uint8_t *frame, uint32_t available, uint32_t frame_length, struct packet *pk);

/* The same where somebody else has found the IPv4 header checksum right, as a NIC does: it is not
 * looked at again. */
enum parse_result parse_l3_checked(
	const uint8_t *frame, uint32_t available, uint32_t frame_length, struct packet *pk);

/*
 * From IPv4 options or IPv6 extensions to ports, flags and type. `pk` is what parse_l3 left.
 * PARSE_OK means: proto, l4_offset and fragment are set; for TCP and UDP that are no later
 * fragments the ports too; for ICMP and ICMPv6 type and code. Other protocols pass unread.
 * IPv4 options are walked: NOP, EOL and well-formed ones pass, LSRR and SSRR are dropped
 * (RFC 7126, 4.3). An atomic fragment (RFC 6946) counts as no fragment. A first fragment has to
 * hold all headers up to the end of the L4 header (RFC 1858, RFC 7112). For a later fragment proto
 * is what its IPv4 or fragment header says, which in IPv6 may name one more extension header. May
 * be called again with the same `pk` after PARSE_NOT_CONTIGUOUS.
 */
enum parse_result parse_l4(
	const uint8_t *frame, uint32_t available, uint32_t frame_length, struct packet *pk);

/* Where a chain of IPv6 extension headers leads. */
struct extension_chain {
	uint32_t offset;	  /* in: the end of the IPv6 header; out: that of the chain */
	uint32_t fragment_header; /* out: where it lies; 0: there is none */
	uint8_t proto;		  /* in: the first next header; out: the upper layer */
	bool later_fragment;	  /* out: the fragment offset is not 0, the chain ends there */
};

/*
 * Follows extension headers, at most IPV6_EXTENSIONS_MAX, of a packet that ends at `end`, of which
 * the bytes up to `available` lie here: what parse_l4 does, and what a packet quoted in an ICMPv6
 * error needs, where the rest is missing for good. Offsets are bytes from `frame`. ESP, "no next
 * header" and all that is unknown end the walk as an upper layer, which may lie beyond `available`.
 * Unless the result is PARSE_OK, `chain` means nothing.
 */
enum parse_result parse_extensions(
	const uint8_t *frame, uint32_t available, uint32_t end, struct extension_chain *chain);

/* Lower-case name of a drop reason, e.g. "ipv4_checksum"; "ok", "not_ip", "not_contiguous". */
const char *parse_result_name(enum parse_result result);

#endif
