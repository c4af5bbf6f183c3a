/* SPDX-License-Identifier: BSD-3-Clause */
#include "answer.h"

#include <string.h>

enum exit
answer_echo(struct answer_meter *meter, const struct tables *tables, struct rte_mbuf *m,
	const struct packet *pk, struct mono now)
{
	uint8_t *frame = rte_pktmbuf_mtod(m, uint8_t *);
	if (!token_bucket_take(&meter->echo, tables->icmp_echo_pps, now))
		return EXIT_DROP_ICMP_METERED;
	if (!icmp_checksum_is_right(frame, pk))
		return EXIT_DROP_ICMP_CHECKSUM;
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
	/* Buffers hold 1,500 bytes and more behind their headroom: an error is shorter. */
	if (RTE_PKTMBUF_HEADROOM + length > m->buf_len)
		return otherwise;
	m->data_off = RTE_PKTMBUF_HEADROOM;
	m->data_len = (uint16_t)length;
	m->pkt_len = length;
	memcpy(rte_pktmbuf_mtod(m, uint8_t *), composed, length);
	return answered[message];
}
