/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The outer sources that this edge's tunnels send from, each with what is sent from it: by these it
 * knows its own packets when a routing loop, or a backend that does not take them out of their
 * headers, brings them back.
 *
 * They lie sorted by protocol, UDP port and address, none within another, so that the one in front of
 * the place of a packet is the only one that can hold it: a binary search, which a flood of punted
 * packets can afford however many pools there are.
 *
 * outer_source_add, outer_source_settle: control. outer_source_is: any thread.
 */
#ifndef FAIRLEAD_OUTER_SOURCE_H
#define FAIRLEAD_OUTER_SOURCE_H

#include "encap.h"

struct outer_source {
	struct ip_prefix prefix;
	uint16_t port; /* UDP: the one that it sends to; 0: not over UDP. Host order */
	uint8_t proto; /* of the outer IP header */
};

/* A mode has at most so many for one pool: two families, and ipip has a protocol for each. */
#define OUTER_SOURCES_PER_POOL (2 * ENCAP_PROTOS_MAX)

/* Appends to all[0 .. count) those of a pool; returns how many there are then. */
uint32_t outer_source_add(struct outer_source *all, uint32_t count, const struct encap *encap,
	const struct encap_settings *settings);

/* Sorts them and takes out those that others hold; returns how many are left. */
uint32_t outer_source_settle(struct outer_source *all, uint32_t count);

/* Whether a packet from `src` of protocol `proto`, to UDP port `port` (else 0), is one of ours; `all`
 * is settled. */
bool outer_source_is(const struct outer_source *all, uint32_t count, const struct ip_addr *src,
	uint8_t proto, uint16_t port);

#endif
