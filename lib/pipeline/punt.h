/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What goes to Linux, in which class, and how much of it. Routing protocols, ARP and neighbour
 * discovery have a class of their own, so that a flood of anything else cannot cost the box its
 * adjacencies. Owned by one worker.
 */
#ifndef FAIRLEAD_PUNT_H
#define FAIRLEAD_PUNT_H

#include "exits.h"
#include "bounds.h"
#include "packet.h"
#include "tables.h"
#include "token_bucket.h"

struct punt_meter {
	struct token_bucket control[PORTS_MAX], other[PORTS_MAX];
};

/* The exit of a frame that is not for a VIP. `pk` is what parse_l3 left; `is_ip` tells whether there
 * is an IP header at all. */
enum exit punt_exit(struct punt_meter *meter, const struct tables *tables, uint8_t port,
	const uint8_t *frame, uint32_t available, uint32_t frame_length, const struct packet *pk,
	bool is_ip, struct mono now);

#endif
