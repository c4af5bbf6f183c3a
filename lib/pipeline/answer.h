/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the edge itself answers: pings to a VIP, and packets that get no further. An answer takes the
 * place of the packet in its buffer and goes back through the port that it came by.
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
	struct token_bucket echo, errors;
};

/* EXIT_ANSWERED_ECHO and the reply is in `m`; or the drop it is instead. `m` is plain. */
enum exit answer_echo(struct answer_meter *meter, const struct tables *tables, struct rte_mbuf *m,
	const struct packet *pk, struct mono now);

/* The EXIT_ANSWERED_* of `message`, and the error is in `m`; `otherwise` where none may be sent or
 * none is wanted; EXIT_DROP_ICMP_METERED. `m` is plain and as it was received. */
enum exit answer_error(struct answer_meter *meter, const struct tables *tables, struct rte_mbuf *m,
	const struct packet *pk, enum icmp_message message, uint32_t mtu, enum exit otherwise,
	struct mono now);

#endif
