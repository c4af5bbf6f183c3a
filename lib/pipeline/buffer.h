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

/* From the start of a frame, however short it is, that can be read. */
#define BUFFER_READ_BYTES 64

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

/*
 * Whether the device has found the IPv4 header checksum right. Only this word of a device is taken:
 * where it says wrong, or nothing, software looks. That costs nothing, a wrong one being rare, and no
 * packet is dropped for what is not its own: of one that a NIC takes for a tunnel the flag may be
 * about the header inside (RTE_MBUF_F_RX_OUTER_IP_CKSUM_BAD is there for the outermost one), so of
 * those it is not taken at all. ol_flags and packet_type lie in the buffer's first cache line.
 */
#define BUFFER_CHECKSUM_FLAGS (RTE_MBUF_F_RX_IP_CKSUM_MASK | RTE_MBUF_F_RX_OUTER_IP_CKSUM_BAD)

static inline bool
buffer_ipv4_checksum_is_right(const struct rte_mbuf *m)
{
	return (m->ol_flags & BUFFER_CHECKSUM_FLAGS) == RTE_MBUF_F_RX_IP_CKSUM_GOOD &&
	       !(m->packet_type & RTE_PTYPE_TUNNEL_MASK);
}

/*
 * What the buffers of a burst look like: a port fills them alike, so most are as the first one and need
 * two comparisons, not six.
 */
struct buffer_look {
	uint64_t
		rearm; /* data_off, refcnt, nb_segs, port; of a buffer that is not plain, none at all */
	uint64_t flags;
	bool checksum_may_be_right; /* if the packet is none of a tunnel */
};

static inline struct buffer_look
buffer_look(const struct rte_mbuf *m)
{
	struct buffer_look look = {.flags = m->ol_flags};
	memcpy(&look.rearm, &m->rearm_data, sizeof(look.rearm));
	/* A buffer has an owner, so none looks like this. Those of a port are of one length. */
	if (!buffer_is_plain(m) || m->buf_len < m->data_off + BUFFER_READ_BYTES)
		look.rearm = 0;
	look.checksum_may_be_right =
		(m->ol_flags & BUFFER_CHECKSUM_FLAGS) == RTE_MBUF_F_RX_IP_CKSUM_GOOD;
	return look;
}

static inline bool
buffer_looks_like(const struct rte_mbuf *m, const struct buffer_look *look)
{
	uint64_t rearm;
	memcpy(&rearm, &m->rearm_data, sizeof(rearm));
	return ((rearm ^ look->rearm) | (m->ol_flags ^ look->flags)) == 0;
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
