/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of this room share: type numbers, and the sum over a message. Any thread. */
#ifndef FAIRLEAD_ICMP_MESSAGE_H
#define FAIRLEAD_ICMP_MESSAGE_H

#include "addr.h"

/* RFC 792; router discovery is RFC 1256. */
enum icmp4_type {
	ICMP4_ECHO_REPLY = 0,
	ICMP4_UNREACHABLE = 3,
	ICMP4_ECHO_REQUEST = 8,
	ICMP4_ROUTER_ADVERTISEMENT = 9,
	ICMP4_ROUTER_SOLICITATION = 10,
	ICMP4_TIME_EXCEEDED = 11,
	ICMP4_PARAMETER_PROBLEM = 12,
	ICMP4_TIMESTAMP = 13,
	ICMP4_TIMESTAMP_REPLY = 14,
};

/* RFC 4443, 2.1; RFC 4861, 4.5. */
enum icmp6_type {
	ICMP6_UNREACHABLE = 1,
	ICMP6_PACKET_TOO_BIG = 2,
	ICMP6_TIME_EXCEEDED = 3,
	ICMP6_INFORMATIONAL = 128, /* and above; all below are errors */
	ICMP6_ECHO_REQUEST = 128,
	ICMP6_ECHO_REPLY = 129,
	ICMP6_REDIRECT = 137,
};

#define ICMP_TTL 64 /* of what we say ourselves: the default of RFC 1700 */

/* The sum, not folded, over `bytes` bytes of an ICMP message and, for family 6, the pseudo header
 * (RFC 8200, 8.1), in which the order of the two addresses makes no difference. */
uint64_t icmp_sum(const void *message, uint32_t bytes, uint8_t family, const struct ip_addr *src,
	const struct ip_addr *dst);

#endif
