/* SPDX-License-Identifier: BSD-3-Clause */
#include "split.h"

#include <rte_ip_frag.h>

#include "buffer.h"
#include "checksum.h"
#include "wrap.h"

/* rte_ip_frag makes chains of a header and a piece of the original; the wire wants plain frames. */
static bool
make_plain(struct rte_mbuf **pieces, unsigned count, struct rte_mempool *pool)
{
	for (unsigned i = 0; i < count; i++) {
		struct rte_mbuf *plain = buffer_make_plain(pieces[i], pool);
		if (!plain) {
			rte_pktmbuf_free_bulk(pieces, count);
			return false;
		}
		pieces[i] = plain;
	}
	return true;
}

unsigned
split_packet(struct rte_mbuf *m, const struct packet *pk, const struct tables_backend *backend,
	uint64_t slot, const struct tables_port *port, uint32_t entropy, struct rte_mempool *pool,
	struct rte_mbuf *pieces[SPLIT_PIECES_MAX])
{
	if (!pool)
		return 0;
	/* It also wants the packet alone, without link header and padding. */
	rte_pktmbuf_adj(m, pk->l3_offset);
	rte_pktmbuf_trim(m, (uint16_t)(m->pkt_len - pk->l3_length));
	l2_decrement_ttl(rte_pktmbuf_mtod(m, uint8_t *), pk->family);
	uint16_t mtu = (uint16_t)(port->mtu - backend->target.header_length);
	int32_t made = rte_ipv4_fragment_packet(m, pieces, SPLIT_PIECES_MAX, mtu, pool, pool);
	unsigned count = made > 0 ? (unsigned)made : 0;
	if (!make_plain(pieces, count, pool))
		return 0;
	for (unsigned i = 0; i < count; i++) {
		uint8_t *l3 = rte_pktmbuf_mtod(pieces[i], uint8_t *);
		struct wire_ipv4 *ip = (void *)l3;
		/* … and it leaves checksums to the NIC. */
		ip->checksum = 0;
		ip->checksum = checksum_fold(checksum_sum(ip, (ip->version_ihl & 0xfu) * 4));
		wrap_packet(pieces[i], l3, (uint16_t)pieces[i]->pkt_len, pk->family, pk->tos,
			backend, slot, tables_station(port), entropy);
	}
	return count;
}
