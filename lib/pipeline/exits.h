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
	X(PUNTED_CONTROL, punted_control, PUNTED, "ARP, ND or a routing protocol, handed to Linux") \
	X(PUNTED_OTHER, punted_other, PUNTED, "not for a VIP, handed to Linux") \
	X(DROP_OTHER_MAC, drop_other_mac, DROPPED, "unicast frame for another station") \
	X(DROP_VIP_MULTICAST, drop_vip_multicast, DROPPED, "packet to a VIP in a broadcast or multicast frame") \
	X(DROP_SOURCE_MARTIAN, drop_source_martian, DROPPED, "packet to a VIP from an address that cannot be a client") \
	X(DROP_SOURCE_VIP, drop_source_vip, DROPPED, "packet to a VIP from a VIP") \
	X(DROP_TTL_EXPIRED, drop_ttl_expired, DROPPED, "TTL or hop limit used up") \
	X(DROP_NO_SERVICE, drop_no_service, DROPPED, "to a VIP, but no service has this protocol and port") \
	X(DROP_ICMP, drop_icmp, DROPPED, "ICMP to a VIP") \
	X(DROP_FRAGMENT, drop_fragment, DROPPED, "fragment to a VIP") \
	X(DROP_NO_BACKEND, drop_no_backend, DROPPED, "no backend of the pool takes new flows") \
	X(DROP_NEXT_HOP, drop_next_hop, DROPPED, "the backend's next hop is not resolved") \
	X(DROP_TOO_BIG, drop_too_big, DROPPED, "larger than the MTU once encapsulated") \
	X(DROP_NOT_CONTIGUOUS, drop_not_contiguous, DROPPED, "headers spread over buffer segments") \
	X(DROP_NO_HEADROOM, drop_no_headroom, DROPPED, "no room in the buffer for the new headers") \
	X(DROP_TX_FULL, drop_tx_full, DROPPED, "the port's transmit queue is full") \
	X(DROP_PUNT_METERED, drop_punt_metered, DROPPED, "over the rate at which Linux is handed packets") \
	X(DROP_PUNT_FULL, drop_punt_full, DROPPED, "the queue towards Linux is full") \
	X(DROP_NO_KERNEL_PATH, drop_no_kernel_path, DROPPED, "not for a VIP, and the port has no kernel interface")
/* clang-format on */

enum exit {
#define EXIT_ENUM(enumerator, name, kind, text) EXIT_##enumerator,
	EXITS(EXIT_ENUM)
#undef EXIT_ENUM
#define EXIT_ENUM(enumerator, name, text) EXIT_DROP_##enumerator,
	PARSE_DROPS(EXIT_ENUM)
#undef EXIT_ENUM
	EXIT_COUNT,
	EXIT_PENDING = EXIT_COUNT, /* has not left yet */
};

/* The exit of a packet that the parser refused. */
static inline enum exit
exit_of_parse(enum parse_result result)
{
	static_assert((int)EXIT_COUNT - EXIT_DROP_ETHER_TRUNCATED ==
			(int)PARSE_DROP_PORT_ZERO - PARSE_DROP_ETHER_TRUNCATED + 1,
		"one exit for each reason of the parser, in its order");
	if (result == PARSE_NOT_CONTIGUOUS)
		return EXIT_DROP_NOT_CONTIGUOUS;
	return (enum exit)(EXIT_DROP_ETHER_TRUNCATED + (int)result - PARSE_DROP_ETHER_TRUNCATED);
}

/* "sent", "punted_control", "drop_ipv4_checksum". */
const char *exit_name(enum exit exit);
const char *exit_meaning(enum exit exit);
enum exit_kind exit_kind(enum exit exit);
/* "sent", "punted", "answered", "dropped". */
const char *exit_kind_name(enum exit_kind kind);

#endif
