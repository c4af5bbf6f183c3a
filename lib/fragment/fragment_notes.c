/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The notes: packet -> backend and service, shared by all workers, eight bytes a note.
 *
 *   bucket, one cache line:  | note | note | note | note | note | note | note | note |
 *
 *   note, one atomic word, 0 if empty:
 *   63                    40 39      32 31              16 15            2 1        0
 *   +-----------------------+----------+------------------+---------------+----------+
 *   | tag 24                | tick 8   | backend 16       | service 14    | gen. 2   |
 *   +-----------------------+----------+------------------+---------------+----------+
 *
 * Not the flow table itself, whose entries have no room for a service and whose rule is the
 * opposite one: there nothing that lives gives way, here the newest note is the one that is wanted.
 * The upper half of the hash picks the bucket, the lower bits are the tag, so a fragment whose note
 * is not there meets the note of a stranger once in 2^21 times, in full buckets.
 *
 * A note is a single word, so nobody ever sees half of one, and it refers to nothing that was
 * written before it, so all accesses are relaxed. It is written by a compare-and-swap against the
 * very word that was chosen to go; whoever loses one looks again, a bounded number of times.
 *
 * Known race: two workers that leave the note of one packet at the same moment may fill two places.
 * That takes two first fragments of one packet, which are of one flow and mostly of one mind.
 * Look-up and replacement both take the first place that has the tag, so a newer note is the one
 * that is found; the other one ages, and goes.
 */
#include "fragment.h"

#include <limits.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "arena.h"
#include "bounds.h"
#include "flow_table.h"

#define BUCKET_NOTES 8
/* Half full at FRAGMENT_NOTES. */
#define BUCKETS		(2 * FRAGMENT_NOTES / BUCKET_NOTES)
#define TAG_MASK	0xffffffu
#define TICK_MASK	0xffu
#define SERVICE_MASK	0x3fffu
#define GENERATION_MASK 3u
/* Lost compare-and-swaps in a row after which a note is given up: each means that another worker
 * has just written to this very cache line. */
#define LEAVE_ATTEMPTS 8

static_assert((BUCKETS & (BUCKETS - 1)) == 0, "a power of two");
static_assert(BACKENDS_MAX <= UINT16_MAX && SERVICES_MAX <= SERVICE_MASK + 1 &&
		      FLOW_GENERATIONS <= GENERATION_MASK + 1,
	"each has its bits in a note");
static_assert(FLOW_TICKS % (TICK_MASK + 1) == 0, "the flow table's tick, cut, goes round evenly");

struct bucket {
	_Atomic uint64_t notes[BUCKET_NOTES]; // workers: rw; control: rw
} __attribute__((aligned(64)));
static_assert(sizeof(struct bucket) == 64, "a bucket is one cache line");

struct fragment_notes {
	struct arena *arena;
	struct bucket *buckets;
};

struct fragment_notes *
fragment_notes_create(int numa_node)
{
	struct arena *arena = arena_create(numa_node);
	if (!arena)
		return NULL;
	struct fragment_notes *notes = arena_array(arena, 1, sizeof(*notes));
	struct bucket *buckets = arena_array(arena, BUCKETS, sizeof(*buckets));
	if (!notes || !buckets) {
		arena_destroy(arena);
		return NULL;
	}
	*notes = (struct fragment_notes){.arena = arena, .buckets = buckets};
	return notes;
}

void
fragment_notes_destroy(struct fragment_notes *notes)
{
	if (notes)
		arena_destroy(notes->arena);
}

static inline struct bucket *
bucket_of(const struct fragment_notes *notes, uint64_t hash)
{
	return &notes->buckets[(hash >> 32) & (BUCKETS - 1)];
}

static inline uint64_t
note_pack(uint64_t hash, struct fragment_note note, uint16_t tick)
{
	return (hash & TAG_MASK) << 40 | (uint64_t)(tick & TICK_MASK) << 32 |
	       (uint64_t)note.backend << 16 | (uint64_t)(note.service & SERVICE_MASK) << 2 |
	       (note.generation & GENERATION_MASK);
}

static inline struct fragment_note
note_unpack(uint64_t word)
{
	return (struct fragment_note){
		.backend = (uint16_t)(word >> 16),
		.service = (uint16_t)(word >> 2 & SERVICE_MASK),
		.generation = (uint8_t)(word & GENERATION_MASK),
	};
}

static inline bool
has_tag(uint64_t word, uint64_t hash)
{
	return word != 0 && word >> 40 == (hash & TAG_MASK);
}

/* In ticks; workers read the clock at different moments, so a note may be a little ahead: age 0. */
static inline unsigned
note_age(uint64_t word, uint16_t now)
{
	unsigned age = (now - (unsigned)(word >> 32) + FLOW_SKEW_TICKS) & TICK_MASK;
	return age < FLOW_SKEW_TICKS ? 0 : age - FLOW_SKEW_TICKS;
}

static inline uint64_t
word_at(const struct bucket *bucket, unsigned i)
{
	return atomic_load_explicit(&bucket->notes[i], memory_order_relaxed);
}

/* True if the word was still there. */
static inline bool
replace(struct bucket *bucket, unsigned i, uint64_t old, uint64_t word)
{
	return atomic_compare_exchange_strong_explicit(
		&bucket->notes[i], &old, word, memory_order_relaxed, memory_order_relaxed);
}

struct fragment_note
fragment_note_find(const struct fragment_notes *notes, uint64_t hash, uint16_t tick)
{
	const struct bucket *bucket = bucket_of(notes, hash);
	for (unsigned i = 0; i < BUCKET_NOTES; i++) {
		uint64_t word = word_at(bucket, i);
		if (has_tag(word, hash) && note_age(word, tick) <= FRAGMENT_NOTE_TICKS)
			return note_unpack(word);
	}
	return (struct fragment_note){.backend = 0};
}

/* The first place with the tag; else an empty one, else the oldest. *old is what it has. */
static unsigned
choose_place(const struct bucket *bucket, uint64_t hash, uint16_t tick, uint64_t *old)
{
	unsigned chosen = 0, chosen_age = 0;
	*old = word_at(bucket, 0);
	for (unsigned i = 0; i < BUCKET_NOTES; i++) {
		uint64_t word = word_at(bucket, i);
		if (has_tag(word, hash)) {
			*old = word;
			return i;
		}
		unsigned age = word == 0 ? UINT_MAX : note_age(word, tick);
		if (age > chosen_age) {
			chosen = i;
			chosen_age = age;
			*old = word;
		}
	}
	return chosen;
}

void
fragment_note_leave(
	struct fragment_notes *notes, uint64_t hash, struct fragment_note note, uint16_t tick)
{
	struct bucket *bucket = bucket_of(notes, hash);
	uint64_t old, word = note_pack(hash, note, tick);
	for (unsigned attempt = 0; attempt < LEAVE_ATTEMPTS; attempt++) {
		unsigned i = choose_place(bucket, hash, tick, &old);
		if (replace(bucket, i, old, word))
			return;
	}
}

void
fragment_notes_sweep(struct fragment_notes *notes, uint16_t tick)
{
	for (unsigned b = 0; b < BUCKETS; b++) {
		struct bucket *bucket = &notes->buckets[b];
		for (unsigned i = 0; i < BUCKET_NOTES; i++) {
			uint64_t word = word_at(bucket, i);
			if (word != 0 && note_age(word, tick) > FRAGMENT_NOTE_TICKS)
				replace(bucket, i, word, 0);
		}
	}
}
