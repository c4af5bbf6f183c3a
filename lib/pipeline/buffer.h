/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Frames as buffers hold them, made into what the stages want: one segment, written by nobody else,
 * with room in front for any encapsulation. Ports are set up so that frames come like that; what
 * does not (several segments, shared or external buffers, no headroom) is copied.
 * A worker, with its own pool.
 */
#ifndef FAIRLEAD_BUFFER_H
#define FAIRLEAD_BUFFER_H

#include <assert.h>
#include <rte_mbuf.h>
#include <stddef.h>
#include <string.h>

#include "encap.h"

/* In front of a frame: the outer header, and a VLAN tag more than the frame came with. */
#define BUFFER_HEADROOM_MIN (ENCAP_HEADER_MAX + 4)

/* The four numbers that DPDK keeps together so that a driver can set them by one store:
 *   | data_off 16 | refcnt 16 | nb_segs 16 | port 16 |, read by one load here. */
static_assert(
	offsetof(struct rte_mbuf, refcnt) == offsetof(struct rte_mbuf, rearm_data) + 2 &&
		offsetof(struct rte_mbuf, nb_segs) == offsetof(struct rte_mbuf, rearm_data) + 4 &&
		offsetof(struct rte_mbuf, data_off) == offsetof(struct rte_mbuf, rearm_data),
	"rearm_data is laid out as DPDK documents it");
#define BUFFER_COUNTS_MASK 0x0000ffffffff0000u
#define BUFFER_COUNTS_ONE  0x0000000100010000u /* one owner, one segment; x86 is little-endian */

static inline bool
buffer_is_plain(const struct rte_mbuf *m)
{
	uint64_t word;
	memcpy(&word, &m->rearm_data, sizeof(word));
	return (word & BUFFER_COUNTS_MASK) == BUFFER_COUNTS_ONE &&
	       (uint16_t)word >= BUFFER_HEADROOM_MIN && RTE_MBUF_DIRECT(m);
}

/* A plain copy, and the original freed; or NULL, and the original untouched: no buffer is free, or
 * none is long enough. `pool` may be NULL, which has none. */
struct rte_mbuf *buffer_make_plain(struct rte_mbuf *m, struct rte_mempool *pool);

#endif
