/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What would become of a frame if it came now: the very stages of burst.h, over the live tables, but
 * with a flow table, notes of fragments and meters of its own. So nothing that workers use is
 * written, no token of theirs is taken, and the answer cannot differ from what they would do.
 *
 *   frame ──> stages, empty flow table ──> hash ──> live flow table, read ──> entry
 *               copy ──> stages, that entry in the table ──> exit, backend
 *
 * Each frame is judged by itself, except that a later fragment finds the note of a first one that
 * was rehearsed before it.
 * Control, while workers run.
 */
#ifndef FAIRLEAD_REHEARSAL_H
#define FAIRLEAD_REHEARSAL_H

#include "explain.h"
#include "fragment.h"
#include "packet.h"

/* A frame: the largest MTU, Ethernet, two VLAN tags. */
#define REHEARSAL_FRAME_MAX (MTU_MAX + 22)

struct rehearsal;

/* NULL when memory is out. */
struct rehearsal *rehearsal_create(void);
/* NULL is allowed. */
void rehearsal_destroy(struct rehearsal *rehearsal);

/* What workers read, and never written here. */
struct rehearsal_stage {
	const struct tables *tables;
	const struct flow_table *flows;
	const struct fragment_notes *notes;
	uint8_t port; /* where the frame comes in */
	struct mono now;
};

struct rehearsed {
	enum exit exit;	      /* EXIT_HELD: it would wait for its first fragment */
	struct packet packet; /* family 0: no IP header was read */
	uint16_t service;     /* SERVICE_NONE: it got no further than the VIP */
	uint16_t backend;     /* 0: none was chosen */
	bool has_entry;	      /* the flow table knows the flow */
	struct flow_entry entry;
	bool is_quote; /* an ICMP error, that goes where the flow goes which it quotes */
	enum explain_why
		why; /* if there is a service and it is neither held nor a later fragment */
};

/* `length` is at most REHEARSAL_FRAME_MAX. */
struct rehearsed rehearsal_frame(struct rehearsal *rehearsal, const struct rehearsal_stage *stage,
	const uint8_t *frame, uint32_t length);

#endif
