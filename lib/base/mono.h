/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Monotonic time, in a struct so that it cannot be mixed with another clock's numbers.
 * CLOCK_MONOTONIC goes on over a restart of the process (not of the machine), and no change of the
 * wall clock moves it: what the flow table's ticks need.
 */
#ifndef FAIRLEAD_MONO_H
#define FAIRLEAD_MONO_H

#include <stdint.h>

struct mono {
	uint64_t us;
};

/* Any thread. A vDSO call: no system call on ordinary machines. */
struct mono mono_now(void);

static inline struct mono
mono_add_ms(struct mono t, uint64_t ms)
{
	return (struct mono){t.us + ms * 1000};
}

/* Milliseconds from `from` to `to`; 0 if `to` is not later. */
static inline uint64_t
mono_ms_between(struct mono from, struct mono to)
{
	return to.us > from.us ? (to.us - from.us) / 1000 : 0;
}

#endif
