/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Frames as buffers hold them, made into what the stages want: one segment, written by nobody else,
 * with room in front for any encapsulation. Ports are set up so that frames come like that; what
 * does not (several segments, shared or external buffers, no headroom) is copied.
 * A worker, with its own pool.
 */
#ifndef FAIRLEAD_BUFFER_H
#define FAIRLEAD_BUFFER_H

#include <rte_mbuf.h>

#include "encap.h"

/* In front of a frame: the outer header, and a VLAN tag more than the frame came with. */
#define BUFFER_HEADROOM_MIN (ENCAP_HEADER_MAX + 4)

static inline bool
buffer_is_plain(const struct rte_mbuf *m)
{
	return m->nb_segs == 1 && rte_mbuf_refcnt_read(m) == 1 && RTE_MBUF_DIRECT(m) &&
	       m->data_off >= BUFFER_HEADROOM_MIN;
}

/*
 * Whether the device has found the IPv4 header checksum right. Only this word of a device is taken:
 * where it says wrong, or nothing, software looks. That costs nothing, a wrong one being rare, and no
 * packet is dropped for what is not its own: of one that a NIC takes for a tunnel the flag may be
 * about the header inside (RTE_MBUF_F_RX_OUTER_IP_CKSUM_BAD is there for the outermost one), so of
 * those it is not taken at all. ol_flags and packet_type lie in the buffer's first cache line.
 */
static inline bool
buffer_ipv4_checksum_is_right(const struct rte_mbuf *m)
{
	uint64_t said =
		m->ol_flags & (RTE_MBUF_F_RX_IP_CKSUM_MASK | RTE_MBUF_F_RX_OUTER_IP_CKSUM_BAD);
	return said == RTE_MBUF_F_RX_IP_CKSUM_GOOD && !(m->packet_type & RTE_PTYPE_TUNNEL_MASK);
}

/* Whether a frame is longer than any buffer of the pool, and so than any port was set up for. `pool`
 * may be NULL, which has none. */
static inline bool
buffer_is_too_long(const struct rte_mbuf *m, struct rte_mempool *pool)
{
	return pool && m->pkt_len + RTE_PKTMBUF_HEADROOM > rte_pktmbuf_data_room_size(pool);
}

/* A plain copy, and the original freed; or NULL, and the original untouched: no buffer is free, or it
 * is too long. `pool` may be NULL, which has none. */
struct rte_mbuf *buffer_make_plain(struct rte_mbuf *m, struct rte_mempool *pool);

#endif
