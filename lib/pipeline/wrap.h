/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The last step of a packet: outer header by the backend's mode, then Ethernet. Worker; inline, since
 * the packet path and the splitter both end here.
 */
#ifndef FAIRLEAD_WRAP_H
#define FAIRLEAD_WRAP_H

#include <rte_mbuf.h>

#include "l2.h"
#include "tables.h"

/*
 * `l3` is the IP header, its TTL already decremented; what lies in front of it is free for writing,
 * header_length + l2_length(slot) bytes at least. Returns the start of the frame, which ends where
 * the packet does. Also control, for packets of its own.
 */
static inline uint8_t *
wrap_bytes(uint8_t *l3, uint16_t l3_length, uint8_t family, uint8_t tos,
	const struct tables_backend *backend, uint64_t slot, uint64_t src, uint32_t entropy)
{
	/* What adds nothing (mode l2) has nothing to write either. */
	uint8_t *outer = l3;
	uint8_t outer_family = family;
	if (backend->target.header_length > 0) {
		struct encap_packet packet = {
			.inner = l3,
			.l3_length = l3_length,
			.inner_family = family,
			.tos = tos,
			.entropy = entropy,
		};
		backend->encap->wrap(&packet, &backend->target);
		outer = packet.outer;
		outer_family = backend->target.family;
	}
	return l2_write(outer, slot, src, outer_family == 4 ? ETHERTYPE_IP4 : ETHERTYPE_IP6);
}

/* The same for a packet in `m`: afterwards `m` starts with the Ethernet header and ends with the
 * packet: link padding is cut off. */
static inline void
wrap_packet(struct rte_mbuf *m, uint8_t *l3, uint16_t l3_length, uint8_t family, uint8_t tos,
	const struct tables_backend *backend, uint64_t slot, uint64_t src, uint32_t entropy)
{
	uint8_t *start = wrap_bytes(l3, l3_length, family, tos, backend, slot, src, entropy);
	m->data_off = (uint16_t)(start - (uint8_t *)m->buf_addr);
	m->data_len = (uint16_t)(l3 + l3_length - start);
	m->pkt_len = m->data_len;
}

#endif
