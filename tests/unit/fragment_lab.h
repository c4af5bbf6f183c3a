/* SPDX-License-Identifier: BSD-3-Clause */
/* Notes and buffers of a test's own, and notes that follow from their hash. */
#ifndef FAIRLEAD_FRAGMENT_LAB_H
#define FAIRLEAD_FRAGMENT_LAB_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "arena.h"
#include "bounds.h"
#include "flow_table.h"
#include "fragment.h"

#define TICK 2045 /* so that what follows crosses the end of the round */

static inline uint64_t
lab_random(uint64_t *state)
{
	*state += 0x9e3779b97f4a7c15u;
	uint64_t z = *state;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

static inline struct fragment_notes *
lab_notes(void)
{
	struct fragment_notes *notes = fragment_notes_create(ARENA_ANY_NODE);
	assert_non_null(notes);
	return notes;
}

static inline bool
lab_same_note(struct fragment_note a, struct fragment_note b)
{
	return a.backend == b.backend && a.service == b.service && a.generation == b.generation;
}

/* What is noted of a packet in most tests: all three parts follow from the hash. */
static inline struct fragment_note
lab_note(uint64_t hash)
{
	return (struct fragment_note){
		.backend = (uint16_t)(hash % BACKENDS_MAX + 1),
		.service = (uint16_t)(hash >> 7 & (SERVICES_MAX - 1)),
		.generation = (uint8_t)(hash >> 3 & (FLOW_GENERATIONS - 1)),
	};
}

static inline void
lab_leave(struct fragment_notes *notes, uint64_t hash, uint16_t tick)
{
	fragment_note_leave(notes, hash, lab_note(hash), tick);
}

#endif
