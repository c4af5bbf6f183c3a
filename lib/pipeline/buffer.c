/* SPDX-License-Identifier: BSD-3-Clause */
#include "buffer.h"

struct rte_mbuf *
buffer_make_plain(struct rte_mbuf *m, struct rte_mempool *pool)
{
	if (buffer_is_too_long(m, pool))
		return NULL;
	struct rte_mbuf *copy = pool ? rte_pktmbuf_alloc(pool) : NULL;
	if (!copy)
		return NULL;
	uint8_t *to = rte_pktmbuf_mtod(copy, uint8_t *);
	for (const struct rte_mbuf *segment = m; segment; segment = segment->next) {
		memcpy(to, rte_pktmbuf_mtod(segment, const uint8_t *), segment->data_len);
		to += segment->data_len;
	}
	copy->data_len = (uint16_t)m->pkt_len;
	copy->pkt_len = m->pkt_len;
	copy->port = m->port;
	rte_pktmbuf_free(m);
	return copy;
}
