/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Addresses to be announced on a link: each ANNOUNCEMENT_ROUNDS times, ANNOUNCEMENT_PAUSE_MS apart,
 * since any one frame may be lost. How many are announced at a time is the caller's business: it
 * takes what is due, a few at a time, so that ten thousand addresses are no burst.
 *
 *   list     a b c d e f g h i j k      each has been announced as often as cursors are past it
 *   cursors      ^2    ^1      ^0
 *
 * Control only.
 */
#ifndef FAIRLEAD_ANNOUNCEMENT_H
#define FAIRLEAD_ANNOUNCEMENT_H

#include <stdbool.h>

#include "addr.h"
#include "mono.h"

#define ANNOUNCEMENT_ROUNDS   3
#define ANNOUNCEMENT_PAUSE_MS 1000

struct announcement {
	struct ip_addr address;
	struct mono announced; /* last */
};

/* All zero is empty. */
struct announcements {
	struct announcement *list;
	uint32_t count, room;
	uint32_t cursors[ANNOUNCEMENT_ROUNDS];
};

/* 0 or -ENOMEM. An address that is on its rounds already is announced that much more often. */
int announcements_add(struct announcements *a, const struct ip_addr *address);

/* The next address that is due, which is announced herewith; those that were never announced come
 * first. False if none is due now. */
bool announcements_next(struct announcements *a, struct mono now, struct ip_addr *address);

void announcements_clear(struct announcements *a);

#endif
