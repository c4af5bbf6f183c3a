/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Flows by number, and their packets. Flow n comes from a client address and port of its own, no two
 * flows are equal, and belongs to service n modulo the number of services: TCP, IPv4 or IPv6.
 * Numbers are drawn uniformly, or by Zipf's law of exponent 1 (number n as often as 1/(n + 1)).
 */
#ifndef FAIRLEAD_GENERATOR_H
#define FAIRLEAD_GENERATOR_H

#include "device.h"
#include "flow_hash.h"

struct tuple {
	struct ip_addr src, dst;
	uint16_t sport, dport; /* host order */
};

/* Flows have numbers below this; a run has some above those that it says. */
#define GENERATOR_FLOWS_MAX (1u << 26)

/* Frame lengths are counted with the FCS (4 bytes), as testers do; buffers lack it. */
enum generator_size {
	GENERATOR_64,	/* IPv6: 78, which is the shortest with TCP */
	GENERATOR_IMIX, /* 28 of 64, 16 of 570, 4 of 1518 */
	GENERATOR_1518,
	GENERATOR_9000,
	GENERATOR_SIZES,
};
extern const char *const generator_sizes[GENERATOR_SIZES]; /* "64", "imix" … */

struct generator {
	uint32_t services;
	int family; /* 4 or 6 */
	enum generator_size size;
	bool zipf;
	uint64_t random;
};

struct tuple generator_tuple(const struct generator *generator, uint64_t number);

static inline uint64_t
generator_hash(const struct flow_key *key, const struct tuple *t)
{
	return flow_hash_tuple(key, &t->src, &t->dst, t->sport, t->dport, 6 /* TCP */);
}

/* A number from 0 to count - 1. */
uint64_t generator_draw(struct generator *generator, uint64_t count);

/* Writes a packet of the flow with these TCP flags where the device will put it: frame->buffer at the
 * headroom's end, and its length. Returns the bytes of the IP packet. */
uint32_t generator_write(struct generator *generator, struct device_frame *frame,
	const struct tuple *t, uint8_t tcp_flags);

/* Out of every cache: the buffer's head, the headroom in front of the frame, and the frame's headers. */
void generator_flush(const struct device_frame *frame);

#endif
