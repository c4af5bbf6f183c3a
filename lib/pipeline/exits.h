/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Every way in which a packet leaves the pipeline. Each is a counter of that name, per worker, and
 *
 *	received = sent + punted + answered + Σ drops
 *
 * holds whenever a reader looks. The names are an interface: dashboards and tests rely on them.
 */
#ifndef FAIRLEAD_EXITS_H
#define FAIRLEAD_EXITS_H

#include "parse.h"

enum exit_kind {
	EXIT_KIND_SENT,
	EXIT_KIND_PUNTED,
	EXIT_KIND_ANSWERED,
	EXIT_KIND_DROPPED,
	EXIT_KINDS,
};

/* clang-format off */
#define EXITS(X) /* enumerator, name, kind, what an operator reads */ \
	X(SENT, sent, SENT, "sent to a backend") \
	X(SENT_IN_FRAGMENTS, sent_in_fragments, SENT, "sent to a backend, in fragments that fit the MTU") \
	X(ANSWERED_ECHO, answered_echo, ANSWERED, "ping to a VIP, answered") \
	X(ANSWERED_NO_SERVICE, answered_no_service, ANSWERED, "to a VIP without such a service: port unreachable") \
	X(ANSWERED_TTL_EXPIRED, answered_ttl_expired, ANSWERED, "TTL or hop limit used up: time exceeded") \
	X(ANSWERED_TOO_BIG, answered_too_big, ANSWERED, "larger than the MTU: packet too big") \
	X(ANSWERED_NEIGHBOUR, answered_neighbour, ANSWERED, "ARP request or neighbour solicitation for a VIP, answered") \
	X(PUNTED_SERVICE, punted_service, PUNTED, "handed to an instance on this box (mode kernel)") \
	X(PUNTED_CONTROL, punted_control, PUNTED, "ARP, ND or a routing protocol, handed to Linux") \
	X(PUNTED_OTHER, punted_other, PUNTED, "not for a VIP, handed to Linux") \
	X(DROP_OTHER_MAC, drop_other_mac, DROPPED, "unicast frame for another station") \
	X(DROP_VIP_MULTICAST, drop_vip_multicast, DROPPED, "packet to a VIP in a broadcast or multicast frame, or ping that says it comes from such a station") \
	X(DROP_SOURCE_MARTIAN, drop_source_martian, DROPPED, "packet to a VIP from an address that cannot be a client") \
	X(DROP_SOURCE_VIP, drop_source_vip, DROPPED, "packet to a VIP from a VIP") \
	X(DROP_OWN_ENCAPSULATION, drop_own_encapsulation, DROPPED, "our own encapsulation come back: from an outer source of a pool, in its mode") \
	X(DROP_TTL_EXPIRED, drop_ttl_expired, DROPPED, "TTL or hop limit used up; no error may be sent") \
	X(DROP_NO_SERVICE, drop_no_service, DROPPED, "to a VIP without such a service; no error may be sent") \
	X(DROP_ICMP_METERED, drop_icmp_metered, DROPPED, "over the rate at which pings and errors are answered") \
	X(DROP_NEIGHBOUR_METERED, drop_neighbour_metered, DROPPED, "over the rate at which neighbours are told where VIPs are") \
	X(DROP_ICMP_CHECKSUM, drop_icmp_checksum, DROPPED, "ping to a VIP with a wrong checksum") \
	X(DROP_ICMP_OTHER, drop_icmp_other, DROPPED, "ICMP to a VIP that is neither a ping nor an error") \
	X(DROP_ICMP_QUOTE_TRUNCATED, drop_icmp_quote_truncated, DROPPED, "ICMP error that quotes less than 8 bytes of the upper layer") \
	X(DROP_ICMP_QUOTE_MALFORMED, drop_icmp_quote_malformed, DROPPED, "ICMP error with a wrong checksum or a malformed quotation") \
	X(DROP_ICMP_QUOTE_FOREIGN, drop_icmp_quote_foreign, DROPPED, "ICMP error to a VIP about a packet that is not of that VIP, or of none of its flows") \
	X(DROP_ICMP_FRAGMENT, drop_icmp_fragment, DROPPED, "ICMP to a VIP in fragments") \
	X(DROP_FRAGMENT_TIMEOUT, drop_fragment_timeout, DROPPED, "fragment whose first did not come in time") \
	X(DROP_FRAGMENT_NO_ROOM, drop_fragment_no_room, DROPPED, "fragment before its first, and no room to hold it") \
	X(DROP_FRAGMENT_TOO_MANY, drop_fragment_too_many, DROPPED, "fragment before its first, of a packet that has its share of the room") \
	X(DROP_NO_BACKEND, drop_no_backend, DROPPED, "no backend of the pool takes new flows") \
	X(DROP_NEXT_HOP, drop_next_hop, DROPPED, "the backend's next hop is not resolved") \
	X(DROP_TOO_BIG, drop_too_big, DROPPED, "larger than the MTU once encapsulated; no error may be sent") \
	X(DROP_FRAME_TOO_LONG, drop_frame_too_long, DROPPED, "in several buffers, and longer than the largest MTU of all ports allows") \
	X(DROP_NO_BUFFER, drop_no_buffer, DROPPED, "no packet buffer was free to copy into") \
	X(DROP_TX_FULL, drop_tx_full, DROPPED, "the port's transmit queue is full") \
	X(DROP_PUNT_METERED, drop_punt_metered, DROPPED, "over the rate at which Linux is handed packets") \
	X(DROP_PUNT_FULL, drop_punt_full, DROPPED, "the queue towards Linux is full") \
	X(DROP_NO_KERNEL_PATH, drop_no_kernel_path, DROPPED, "not for a VIP, and the port has no kernel interface")

enum exit {
#define EXIT_ENUM(enumerator, name, kind, text) EXIT_##enumerator,
	EXITS(EXIT_ENUM)
#undef EXIT_ENUM
#define EXIT_ENUM(enumerator, name, text) EXIT_DROP_##enumerator,
	PARSE_DROPS(EXIT_ENUM)
#undef EXIT_ENUM
	EXIT_COUNT,
	EXIT_PENDING = EXIT_COUNT, /* has not left yet */
	EXIT_HELD,		   /* a fragment that waits for its first: it will come again */
};
/* clang-format on */

/* The exit of a packet that the parser refused. (Frames are made contiguous before they are parsed.) */
static inline enum exit
exit_of_parse(enum parse_result result)
{
	static_assert((int)EXIT_COUNT - EXIT_DROP_ETHER_TRUNCATED ==
			      (int)PARSE_DROP_PORT_ZERO - PARSE_DROP_ETHER_TRUNCATED + 1,
		"one exit for each reason of the parser, in its order");
	return (enum exit)(EXIT_DROP_ETHER_TRUNCATED + (int)result - PARSE_DROP_ETHER_TRUNCATED);
}

/* "sent", "punted_control", "drop_ipv4_checksum". */
const char *exit_name(enum exit exit);
const char *exit_meaning(enum exit exit);
extern const uint8_t exit_kinds[EXIT_COUNT]; /* enum exit_kind */
static inline enum exit_kind
exit_kind(enum exit exit)
{
	return (enum exit_kind)exit_kinds[exit];
}
/* "sent", "punted", "answered", "dropped". */
const char *exit_kind_name(enum exit_kind kind);

#endif
