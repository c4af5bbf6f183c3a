/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The standing of a backend: whether it gets new flows and keeps the ones it has, at one moment.
 * From what the file says, what an operator has said since, and what health checks say:
 *
 *   file: disabled ───────────────────────────────────────> no new, none kept
 *   file or operator: drain ──────────────────────────────> no new; kept until a deadline, and by
 *                                                           when_down if it is down as well
 *   check: down ── pool panics? ── no ────────────────────> no new; kept by when_down
 *                        └── yes, panic "all" ────────────> as if up
 *   up ──────────────────────────────────────────────────> new by weight, in slow start a part of it
 *   pool panics, panic "stop": nobody gets new flows.
 *
 * A pool panics when fewer than min_healthy of its active backends are not down. Active are those
 * that the file has "active" and no operator drains.
 *
 * A flow that is not kept goes to the backend of its row with its next packet. Slow start only ever
 * raises a weight, step by step, so rows only ever move to the backend that starts, and tracked flows
 * never.
 *
 * Pure: no clock, no state. Control only.
 */
#ifndef FAIRLEAD_STANDING_H
#define FAIRLEAD_STANDING_H

#include "config.h"
#include "health.h"
#include "mono.h"

/* Whose flows are kept, as bits. */
#define STANDING_KEEPS_TCP 1u
#define STANDING_KEEPS_UDP 2u

/* Steps of a slow start: each rebuilds the rows of the pool, and a new flow sees no finer share. */
#define SLOW_START_STEPS 20

enum standing_kind {
	STANDING_ACTIVE,
	STANDING_STARTING, /* in slow start */
	STANDING_DRAIN,	   /* no new flows, flows left */
	STANDING_DRAINED,  /* by its deadline; the caller sees to "no flow left" */
	STANDING_DOWN,
	STANDING_DISABLED,
};

/* What is known of one backend besides its pool's configuration. */
struct standing_facts {
	bool drained_by_hand;
	struct mono drain_deadline; /* of that; 0: none */
	enum health_verdict verdict;
	struct mono since;  /* the verdict */
	bool is_new;	    /* came by a reload: gets nothing while the verdict is UNKNOWN */
	struct mono starts; /* when a slow start began; 0: none */
};

struct standing {
	enum standing_kind kind;
	uint16_t weight; /* for the rows; 0: no new flows */
	uint8_t keeps;	 /* STANDING_KEEPS_* */
	bool in_panic;	 /* its pool is */
};

/*
 * Standings of all backends of a pool, in the configuration's order. Returns the next moment at
 * which one of them changes by the passing of time alone, 0 if none does.
 */
struct mono standing_of_pool(const struct config_pool *pool, const struct standing_facts *facts,
	struct mono now, struct standing *standings);

/* "active", "starting", "drain", "drained", "down", "disabled". */
const char *standing_name(enum standing_kind kind);

#endif
