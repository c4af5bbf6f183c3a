/* SPDX-License-Identifier: BSD-3-Clause */
#include "answer.h"

#include <string.h>

#include "solicitation.h"
#include "vlan.h"

#define MAC_GROUP_BIT 0x01 /* multicast, and broadcast with it */

/* Puts an untagged frame in the place of the one in `m`, with its tag if that has one; false if the
 * buffer is too short for it, which those of a port are not: they hold 1,500 bytes and more behind
 * their headroom. */
static bool
replace_frame(struct rte_mbuf *m, const struct packet *pk, const uint8_t *frame, uint32_t length)
{
	const uint32_t macs = 2 * sizeof(struct mac_addr);
	const uint32_t tag_bytes = pk->vlan_tags * (uint32_t)sizeof(struct wire_vlan);
	uint8_t tag[sizeof(struct wire_vlan)];
	if (RTE_PKTMBUF_HEADROOM + length + tag_bytes > m->buf_len)
		return false;
	memcpy(tag, rte_pktmbuf_mtod(m, const uint8_t *) + macs, tag_bytes);
	m->data_off = RTE_PKTMBUF_HEADROOM;
	m->data_len = (uint16_t)(length + tag_bytes);
	m->pkt_len = m->data_len;
	uint8_t *out = rte_pktmbuf_mtod(m, uint8_t *);
	memcpy(out, frame, macs);
	memcpy(out + macs, tag, tag_bytes);
	memcpy(out + macs + tag_bytes, frame + macs, length - macs);
	return true;
}

enum exit
answer_echo(struct answer_meter *meter, const struct tables *tables, struct rte_mbuf *m,
	const struct packet *pk, struct mono now)
{
	uint8_t *frame = rte_pktmbuf_mtod(m, uint8_t *);
	const struct wire_ether *ether = (const void *)frame;
	/* No station has such an address, and an answer would be heard by all. */
	if (ether->src.bytes[0] & MAC_GROUP_BIT)
		return EXIT_DROP_VIP_MULTICAST;
	/* First: damaged ones get no answer, and cost those who are right none. */
	if (!icmp_checksum_is_right(frame, pk))
		return EXIT_DROP_ICMP_CHECKSUM;
	if (!token_bucket_take(&meter->echo, tables->icmp_echo_pps, now))
		return EXIT_DROP_ICMP_METERED;
	icmp_make_reply(frame, pk);
	return EXIT_ANSWERED_ECHO;
}

enum exit
answer_error(struct answer_meter *meter, const struct tables *tables, struct rte_mbuf *m,
	const struct packet *pk, enum icmp_message message, uint32_t mtu, enum exit otherwise,
	struct mono now)
{
	static const enum exit answered[ICMP_MESSAGES] = {
		[ICMP_PORT_UNREACHABLE] = EXIT_ANSWERED_NO_SERVICE,
		[ICMP_TIME_EXCEEDED] = EXIT_ANSWERED_TTL_EXPIRED,
		[ICMP_PACKET_TOO_BIG] = EXIT_ANSWERED_TOO_BIG,
	};
	const uint8_t *frame = rte_pktmbuf_mtod(m, const uint8_t *);
	uint8_t composed[ICMP_ERROR_BYTES_MAX];
	if (tables->icmp_errors_pps == 0 || !icmp_may_answer(frame, pk))
		return otherwise;
	if (!token_bucket_take(&meter->errors, tables->icmp_errors_pps, now))
		return EXIT_DROP_ICMP_METERED;
	uint32_t length = icmp_compose(composed, message, mtu, frame, pk);
	return replace_frame(m, pk, composed, length) ? answered[message] : otherwise;
}

enum exit
answer_neighbour(struct answer_meter *meter, const struct tables *tables, uint8_t port,
	struct rte_mbuf *m, const struct packet *pk, bool is_ip, struct mono now)
{
	const uint8_t *frame = rte_pktmbuf_mtod(m, const uint8_t *);
	uint8_t composed[SOLICITATION_FRAME_MAX];
	struct solicitation asked;
	if (!tables->ports[port].answers_neighbours ||
		!vlan_is_served(&tables->ports[port], frame, pk))
		return EXIT_PENDING;
	if (!(is_ip ? solicitation_read_nd(frame, pk, &asked)
		    : solicitation_read_arp(frame, m->data_len, pk, &asked)) ||
		!service_table_vip(&tables->services, &asked.target))
		return EXIT_PENDING;
	if (!token_bucket_take(&meter->neighbours, tables->neighbours_pps, now))
		return EXIT_DROP_NEIGHBOUR_METERED;
	uint32_t length = solicitation_answer(composed, &asked, &tables->ports[port].mac);
	return replace_frame(m, pk, composed, length) ? EXIT_ANSWERED_NEIGHBOUR : EXIT_PENDING;
}
