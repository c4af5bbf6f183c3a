/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the edge itself answers: pings to a VIP, packets that get no further, and neighbours that ask
 * where a VIP is. An answer takes the place of the packet in its buffer and goes back through the
 * port that it came by, with the VLAN tag that it came with: frames of VLANs that are not served do
 * not come here.
 * Each kind has a token bucket a worker; a rate of 0 is silence. Owned by one worker.
 */
#ifndef FAIRLEAD_ANSWER_H
#define FAIRLEAD_ANSWER_H

#include <rte_mbuf.h>

#include "exits.h"
#include "icmp.h"
#include "packet.h"
#include "tables.h"
#include "token_bucket.h"

struct answer_meter {
	struct token_bucket echo, errors, neighbours;
};

/* EXIT_ANSWERED_ECHO and the reply is in `m`; or the drop it is instead. `m` is plain. */
enum exit answer_echo(struct answer_meter *meter, const struct tables *tables, struct rte_mbuf *m,
	const struct packet *pk, struct mono now);

/* The EXIT_ANSWERED_* of `message`, and the error is in `m`; `otherwise` where none may be sent or
 * none is wanted; EXIT_DROP_ICMP_METERED. `m` is plain and as it was received. */
enum exit answer_error(struct answer_meter *meter, const struct tables *tables, struct rte_mbuf *m,
	const struct packet *pk, enum icmp_message message, uint32_t mtu, enum exit otherwise,
	struct mono now);

/* EXIT_ANSWERED_NEIGHBOUR and the answer is in `m`; EXIT_DROP_NEIGHBOUR_METERED; EXIT_PENDING where
 * it is no question for a VIP, or is not asked on a port that answers. `pk` as parse_l3 left it,
 * with PARSE_OK if `is_ip`, else with PARSE_PUNT_NOT_IP; `m` is plain. */
enum exit answer_neighbour(struct answer_meter *meter, const struct tables *tables, uint8_t port,
	struct rte_mbuf *m, const struct packet *pk, bool is_ip, struct mono now);

#endif
