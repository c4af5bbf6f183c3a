/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A timer wheel: thousands of timers behind one of libevent's, so that the loop wakes at most once
 * a tick whatever their number, and not at all for ticks at which nothing is due.
 *
 *   slot       0     1     2          1023
 *           ┌─────┬─────┬─────┬─ … ─┬─────┐   A timer hangs in slot (tick mod 1024), and stays there
 *           │  •  │     │ • • │     │  •  │   while its tick is of a later turn.
 *           └─────┴─────┴─────┴─ … ─┴─────┘   A tick is 10 ms, a turn 10.24 s.
 *
 * Arm and disarm are O(1). A timer runs at its tick, up to 10 ms after its moment, never before. Of
 * more than the loop has time for, it runs some and lets the loop turn: a file that wants more checks
 * than this machine can do makes them late, and the operator who mends it is answered all the same.
 *
 * Control only, in its event loop. Source: Varghese and Lauck 1987, scheme 6.
 */
#ifndef FAIRLEAD_WHEEL_H
#define FAIRLEAD_WHEEL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "mono.h"

#define WHEEL_TICK_US 10000
#define WHEEL_RUN_US  10000 /* and no more at a time */

struct event_base;
struct wheel;

struct wheel_timer {
	LIST_ENTRY(wheel_timer) link;
	void (*expire)(struct wheel_timer *timer); /* may arm and disarm any timer */
	uint64_t tick;
	bool is_armed;
};

/* NULL when memory is out. */
struct wheel *wheel_create(struct event_base *loop);
/* What is still armed never runs. NULL is allowed. */
void wheel_destroy(struct wheel *wheel);

/* One that is armed gets a new moment. A moment that is past is the next tick's. */
void wheel_arm(struct wheel *wheel, struct wheel_timer *timer, struct mono at);
/* One that is not armed is allowed. */
void wheel_disarm(struct wheel_timer *timer);

#endif
