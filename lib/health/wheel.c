/* SPDX-License-Identifier: BSD-3-Clause */
#include "wheel.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdlib.h>

#define SLOTS 1024u
#define WORDS (SLOTS / 64)

LIST_HEAD(timer_list, wheel_timer);

struct wheel {
	struct event_base *loop;
	struct event event;
	uint64_t done;	       /* every tick up to this one has been */
	uint64_t wakes;	       /* the tick that the event waits for; UINT64_MAX: none */
	bool is_running;       /* timers expire: the event is set once, when they have */
	struct timer_list due; /* collected, not yet run */
	/* One bit a slot: set if it may hold something. */
	uint64_t filled[WORDS];
	struct timer_list slots[SLOTS];
};

static uint64_t
tick_at(struct mono t)
{
	return t.us / WHEEL_TICK_US;
}

/* The first tick after `done` whose slot may hold something; UINT64_MAX if none does. */
static uint64_t
next_filled(const struct wheel *w)
{
	uint64_t tick = w->done + 1;
	for (unsigned looked = 0; looked <= WORDS; looked++) {
		unsigned slot = (unsigned)(tick % SLOTS), bit = slot % 64;
		uint64_t word = w->filled[slot / 64] >> bit;
		if (word)
			return tick + (uint64_t)__builtin_ctzll(word);
		tick += 64 - bit;
	}
	return UINT64_MAX;
}

static void
sleep_until(struct wheel *w, uint64_t tick)
{
	if (tick == w->wakes)
		return;
	w->wakes = tick;
	if (tick == UINT64_MAX) {
		event_del(&w->event);
		return;
	}
	struct mono now = mono_now();
	uint64_t at_us = tick * WHEEL_TICK_US;
	uint64_t left_us = at_us > now.us ? at_us - now.us : 0;
	struct timeval left = {
		.tv_sec = (time_t)(left_us / 1000000),
		.tv_usec = (suseconds_t)(left_us % 1000000),
	};
	/* The loop counts from the time that it has kept since it woke. */
	event_base_update_cache_time(w->loop);
	event_add(&w->event, &left);
}

/* Takes what is due by `now` out of a slot. */
static void
slot_collect(struct wheel *w, unsigned slot, uint64_t now)
{
	struct wheel_timer *timer = LIST_FIRST(&w->slots[slot]);
	while (timer) {
		struct wheel_timer *next = LIST_NEXT(timer, link);
		if (timer->tick <= now) {
			LIST_REMOVE(timer, link);
			LIST_INSERT_HEAD(&w->due, timer, link);
		}
		timer = next;
	}
	if (LIST_EMPTY(&w->slots[slot]))
		w->filled[slot / 64] &= ~(1ull << slot % 64);
}

static void
collect(struct wheel *w)
{
	uint64_t now = tick_at(mono_now());
	uint64_t first = now - w->done > SLOTS ? now - SLOTS : w->done;
	for (uint64_t tick = first + 1; tick <= now; tick++)
		slot_collect(w, (unsigned)(tick % SLOTS), now);
	w->done = now;
}

/* What was left of the last time goes before what has come due since. */
static void
on_tick(evutil_socket_t fd, short what, void *context)
{
	(void)fd, (void)what;
	struct wheel *w = context;
	struct mono began = mono_now();
	w->is_running = true;
	if (LIST_EMPTY(&w->due))
		collect(w);
	/* One that expires may disarm another of the list, so the list is taken from its front. */
	struct wheel_timer *timer;
	while ((timer = LIST_FIRST(&w->due)) && mono_now().us - began.us < WHEEL_RUN_US) {
		wheel_disarm(timer);
		timer->expire(timer);
	}
	w->is_running = false;
	w->wakes = UINT64_MAX;
	sleep_until(w, timer ? w->done : next_filled(w));
}

struct wheel *
wheel_create(struct event_base *loop)
{
	struct wheel *w = calloc(1, sizeof(*w));
	if (!w)
		return NULL;
	w->loop = loop;
	w->done = tick_at(mono_now());
	w->wakes = UINT64_MAX;
	if (event_assign(&w->event, loop, -1, 0, on_tick, w) < 0) {
		free(w);
		return NULL;
	}
	return w;
}

void
wheel_destroy(struct wheel *wheel)
{
	if (!wheel)
		return;
	event_del(&wheel->event);
	free(wheel);
}

void
wheel_arm(struct wheel *w, struct wheel_timer *timer, struct mono at)
{
	wheel_disarm(timer);
	/* Rounded up: never before its moment. */
	timer->tick = tick_at((struct mono){at.us + WHEEL_TICK_US - 1});
	if (timer->tick <= w->done)
		timer->tick = w->done + 1;
	unsigned slot = (unsigned)(timer->tick % SLOTS);
	LIST_INSERT_HEAD(&w->slots[slot], timer, link);
	timer->is_armed = true;
	w->filled[slot / 64] |= 1ull << slot % 64;
	if (!w->is_running && timer->tick < w->wakes)
		sleep_until(w, timer->tick);
}

void
wheel_disarm(struct wheel_timer *timer)
{
	if (!timer->is_armed)
		return;
	LIST_REMOVE(timer, link);
	timer->is_armed = false;
}
