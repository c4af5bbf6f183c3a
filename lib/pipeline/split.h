/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An IPv4 packet without DF that is too long for the way to its backend: it is fragmented before it is
 * wrapped (RFC 791, 3.2), and each fragment is wrapped by itself. The alternative, fragmenting the
 * outer packet, works for IPv4 tunnels only and makes every decapsulator reassemble; like this
 * the backend's own stack does, which can anyway, and all modes are served by one piece of code.
 * A worker, with its own pool.
 */
#ifndef FAIRLEAD_SPLIT_H
#define FAIRLEAD_SPLIT_H

#include <rte_mbuf.h>

#include "packet.h"
#include "tables.h"

/* A jumbo packet of 9,216 bytes over an MTU of 1,280 is 8 fragments. */
#define SPLIT_PIECES_MAX 10

/*
 * Fills `pieces` with frames ready for the wire; `m`, whose TTL this decrements, stays the caller's to
 * free. How many there are; 0 when buffers are out or the packet would make too many.
 */
unsigned split_packet(struct rte_mbuf *m, const struct packet *pk,
	const struct tables_backend *backend, uint64_t slot, const struct tables_port *port,
	uint32_t entropy, struct rte_mempool *pool, struct rte_mbuf *pieces[SPLIT_PIECES_MAX]);

#endif
