/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The ways of health checks by the path: which backend the packets of a probe are for. They are known
 * by what each probe has to itself: its source address, and its port or, of a ping, its sequence
 * number.
 *
 *   (source, port or sequence, protocol) ──> backend
 *
 * A way that has ended is still found: the socket's reset leaves when the probe is over. It goes when
 * another probe gets the same port, or when room is needed, the one that ended first before others.
 *
 * Control only.
 */
#ifndef FAIRLEAD_PROBE_WAYS_H
#define FAIRLEAD_PROBE_WAYS_H

#include "addr.h"

struct probe_way {
	struct ip_addr source;
	uint16_t
		number; /* the source port, or the sequence number of an echo request; host order */
	uint8_t proto;	/* IPPROTO_* */
	uint8_t generation; /* of the backend's index */
	uint16_t backend;   /* its index */
	uint16_t service;   /* whose VIP is asked: its number */
};

struct probe_ways;

/* Room for `max` ways. NULL when memory is out. */
struct probe_ways *probe_ways_create(uint32_t max);
/* NULL is allowed. */
void probe_ways_destroy(struct probe_ways *ways);

/* A cookie for probe_ways_end; 0 if all the room is taken by ways that have not ended. */
uint32_t probe_ways_begin(struct probe_ways *ways, const struct probe_way *way);
void probe_ways_end(struct probe_ways *ways, uint32_t cookie);

/* NULL if there is none. Valid until a way begins. */
const struct probe_way *probe_ways_find(const struct probe_ways *ways, const struct ip_addr *source,
	uint16_t number, uint8_t proto);

#endif
