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

/* A plain copy, and the original freed; or NULL, and the original untouched: no buffer is free, or
 * none is long enough. `pool` may be NULL, which has none. */
struct rte_mbuf *buffer_make_plain(struct rte_mbuf *m, struct rte_mempool *pool);

#endif
