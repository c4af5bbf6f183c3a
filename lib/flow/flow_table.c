/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The flow table: who writes what, and which races are known.
 *
 * Workers look up, refresh, insert and remove; control sweeps. There is no lock and no order
 * between entries: a word is all that is to be known of a flow, so reading one is relaxed. What
 * the backend index in it refers to is published with the snapshot, not with the entry.
 *
 * Every write is a compare-and-swap against the very word on which it was decided. Whoever loses
 * one looks again. So a sweep never removes a flow that has just been refreshed, and an eviction
 * never hits a flow that has come since.
 *
 * Two workers may insert the same flow at the same moment. If they choose the same place, one loses
 * the compare-and-swap and then finds the winner. If the buckets changed between their choices, two
 * places hold the flow: each inserter looks again afterwards (both directions are sequentially
 * consistent, so at least one sees both), the first in the order of look-up stays and the other is
 * removed by whoever sees it. Known race: if the one that goes had been looked at for the last
 * time already, its worker has sent one packet to a backend that the flow does not stay with;
 * only where the two workers chose differently, which takes a change of snapshot in that moment.
 */
#include "flow_table.h"

/* Lost compare-and-swaps in a row after which an insertion gives up: each means that another
 * worker has just written to the same two cache lines, so this many do not happen by chance. */
#define INSERT_ATTEMPTS 64

/* A table may have been used this long after the time that was noted last (flow_file_touch, at
 * least every minute): entries may be so much younger than `then`. 256 s. */
#define TICKS_AHEAD_MAX 64

#define PAIR_ENTRIES (2 * FLOW_BUCKET_ENTRIES)

/* The two buckets of a flow, in the order of look-up. */
struct pair {
	struct flow_bucket *buckets[2];
};

/* What an insertion reads of the pair, once; bit i of the masks is about entry i. */
struct view {
	uint64_t words[PAIR_ENTRIES];
	unsigned tagged; /* has the tag of the flow */
	unsigned empty;
};

static inline struct pair
pair_of(const struct flow_table *table, uint64_t hash)
{
	uint32_t first = flow_first_bucket(table, hash);
	uint32_t second = flow_other_bucket(table, first, (uint32_t)hash);
	return (struct pair){{&table->buckets[first], &table->buckets[second]}};
}

static inline _Atomic uint64_t *
place_of(struct pair pair, unsigned i)
{
	return &pair.buckets[i / FLOW_BUCKET_ENTRIES]->entries[i % FLOW_BUCKET_ENTRIES];
}

size_t
flow_table_entries(size_t capacity)
{
	size_t wanted = capacity + (capacity + 2) / 3, entries = FLOW_BUCKET_ENTRIES * 2;
	while (entries < wanted)
		entries *= 2;
	return entries;
}

size_t
flow_table_bytes(size_t capacity)
{
	return flow_table_entries(capacity) * sizeof(uint64_t);
}

void
flow_table_attach(struct flow_table *table, void *memory, size_t capacity,
	const struct flow_timeouts *timeouts)
{
	table->buckets = memory;
	table->bucket_mask = (uint32_t)(flow_table_entries(capacity) / FLOW_BUCKET_ENTRIES - 1);
	for (int state = 0; state < 8; state++)
		table->limits[state] =
			state == FLOW_EMPTY || state >= FLOW_STATES
				? -1
				: (int16_t)(timeouts->ticks[state] + FLOW_SKEW_TICKS);
}

/* Bit i: entry i has the tag. No branch depends on where it is. */
static inline unsigned
tag_matches(const struct flow_bucket *bucket, uint32_t tag, memory_order order)
{
	unsigned matches = 0;
#pragma GCC unroll 8
	for (unsigned i = 0; i < FLOW_BUCKET_ENTRIES; i++) {
		uint64_t word = atomic_load_explicit(&bucket->entries[i], order);
		matches |= (unsigned)((uint32_t)(word >> 32) == tag) << i;
	}
	return matches;
}

static inline struct flow_hit
lookup_in(const struct flow_table *table, struct flow_bucket *bucket, uint32_t tag, uint16_t now)
{
	unsigned matches = tag_matches(bucket, tag, memory_order_relaxed);
	for (; matches != 0; matches &= matches - 1) {
		_Atomic uint64_t *place = &bucket->entries[__builtin_ctz(matches)];
		uint64_t word = atomic_load_explicit(place, memory_order_relaxed);
		if ((uint32_t)(word >> 32) == tag && !flow_is_over(table, word, now))
			return (struct flow_hit){.place = place, .word = word};
	}
	return (struct flow_hit){.place = NULL};
}

struct flow_hit
flow_lookup(const struct flow_table *table, uint64_t hash, uint16_t now)
{
	struct pair pair = pair_of(table, hash);
	struct flow_hit hit = lookup_in(table, pair.buckets[0], (uint32_t)hash, now);
	if (hit.place)
		return hit;
	return lookup_in(table, pair.buckets[1], (uint32_t)hash, now);
}

/* Sequentially consistent: see atop about two workers that insert the same flow. */
static inline bool
swap(_Atomic uint64_t *place, uint64_t expected, uint64_t word)
{
	return atomic_compare_exchange_strong(place, &expected, word);
}

void
flow_refresh_slow(struct flow_hit hit, enum flow_state state, uint16_t now)
{
	struct flow_entry e = flow_entry_unpack(hit.word);
	e.state = state;
	e.tick = now;
	swap(hit.place, hit.word, flow_entry_pack(e));
}

/* Removes the flow with this tag from a place, whatever refreshes meanwhile. True if it did. */
static bool
clear(_Atomic uint64_t *place, uint32_t tag)
{
	uint64_t word = atomic_load(place);
	while (word != 0 && (uint32_t)(word >> 32) == tag)
		if (atomic_compare_exchange_weak(place, &word, 0))
			return true;
	return false;
}

bool
flow_remove(struct flow_table *table, uint64_t hash, uint16_t now)
{
	struct pair pair = pair_of(table, hash);
	uint32_t tag = (uint32_t)hash;
	bool was_there = false;
	for (unsigned i = 0; i < PAIR_ENTRIES; i++) {
		uint64_t word = atomic_load_explicit(place_of(pair, i), memory_order_relaxed);
		if ((uint32_t)(word >> 32) != tag)
			continue;
		bool live = !flow_is_over(table, word, now);
		was_there |= clear(place_of(pair, i), tag) && live;
	}
	return was_there;
}

static inline void
take_view(struct pair pair, uint32_t tag, struct view *view)
{
	unsigned tagged = 0, empty = 0;
#pragma GCC unroll 16
	for (unsigned i = 0; i < PAIR_ENTRIES; i++) {
		uint64_t word = atomic_load(place_of(pair, i));
		view->words[i] = word;
		tagged |= (unsigned)((uint32_t)(word >> 32) == tag) << i;
		empty |= (unsigned)(word == 0) << i;
	}
	view->tagged = tagged;
	view->empty = empty;
}

/* The first live entry of the flow; else its first expired one, which is best replaced where it is:
 * a refresh of it that is under way then fails. -1 if there is neither. */
static inline int
find_flow(const struct flow_table *table, const struct view *view, uint16_t now, bool *live)
{
	unsigned left = view->tagged & ~view->empty;
	int expired = left != 0 ? __builtin_ctz(left) : -1;
	for (; left != 0; left &= left - 1) {
		int i = __builtin_ctz(left);
		if (!flow_is_over(table, view->words[i], now)) {
			*live = true;
			return i;
		}
	}
	*live = false;
	return expired;
}

/* The empty place that is taken, or -1. */
static inline int
find_empty(const struct view *view)
{
	if (view->empty == 0)
		return -1;
	unsigned in_first = view->empty & ((1u << FLOW_BUCKET_ENTRIES) - 1);
	unsigned in_second = view->empty & ~0u << FLOW_BUCKET_ENTRIES;
	bool second = flow_goes_into_second(
		(unsigned)__builtin_popcount(in_first), (unsigned)__builtin_popcount(in_second));
	return __builtin_ctz(second ? in_second : view->empty);
}

static int
find_over_or_dead(const struct flow_table *table, const struct view *view,
	const struct flow_judge *judge, uint16_t now)
{
	for (int i = 0; i < PAIR_ENTRIES; i++)
		if (flow_is_over(table, view->words[i], now) ||
			judge->is_dead(judge->context, flow_entry_unpack(view->words[i])))
			return i;
	return -1;
}

/* The entry in this state that has been idle longest, or -1. */
static int
find_oldest(const struct view *view, enum flow_state state, uint16_t now)
{
	int oldest = -1, oldest_age = -1;
	for (int i = 0; i < PAIR_ENTRIES; i++) {
		struct flow_entry e = flow_entry_unpack(view->words[i]);
		if (e.state == state && flow_age(e.tick, now) > oldest_age) {
			oldest = i;
			oldest_age = flow_age(e.tick, now);
		}
	}
	return oldest;
}

static int
find_reproducible(const struct view *view, const struct flow_judge *judge)
{
	for (int i = 0; i < PAIR_ENTRIES; i++)
		if (judge->is_reproducible(judge->context, flow_entry_unpack(view->words[i])))
			return i;
	return -1;
}

/* Where a flow goes when no place is empty, and what that costs; -1 if nowhere. */
static int
choose_victim(const struct flow_table *table, const struct view *view,
	const struct flow_judge *judge, uint16_t now, enum flow_inserted *inserted)
{
	int i;
	*inserted = FLOW_INSERTED;
	if ((i = find_over_or_dead(table, view, judge, now)) >= 0)
		return i;
	*inserted = FLOW_INSERTED_OVER_SYN;
	if ((i = find_oldest(view, FLOW_SYN, now)) >= 0)
		return i;
	*inserted = FLOW_INSERTED_OVER_CLOSING;
	if ((i = find_oldest(view, FLOW_CLOSING, now)) >= 0)
		return i;
	*inserted = FLOW_INSERTED_OVER_REPRODUCIBLE;
	if ((i = find_reproducible(view, judge)) >= 0)
		return i;
	*inserted = FLOW_FULL;
	return -1;
}

bool
flow_settle(const struct flow_table *table, uint64_t hash, _Atomic uint64_t *mine, uint16_t now,
	struct flow_entry *winner)
{
	struct pair pair = pair_of(table, hash);
	uint32_t tag = (uint32_t)hash;
	bool won = true, found = false;
	for (unsigned b = 0; b < 2; b++) {
		unsigned left = tag_matches(pair.buckets[b], tag, memory_order_seq_cst);
		for (; left != 0; left &= left - 1) {
			_Atomic uint64_t *place = &pair.buckets[b]->entries[__builtin_ctz(left)];
			uint64_t word = atomic_load(place);
			if ((uint32_t)(word >> 32) != tag || flow_is_over(table, word, now))
				continue;
			if (found) {
				clear(place, tag);
			} else if (place != mine) {
				won = false;
				*winner = flow_entry_unpack(word);
			}
			found = true;
		}
	}
	return won;
}

enum flow_inserted
flow_insert(struct flow_table *table, uint64_t hash, struct flow_entry entry, uint16_t now,
	const struct flow_judge *judge, struct flow_entry *winner)
{
	struct pair pair = pair_of(table, hash);
	entry.tag = (uint32_t)hash;
	entry.tick = now;
	uint64_t word = flow_entry_pack(entry);
	for (int attempt = 0; attempt < INSERT_ATTEMPTS; attempt++) {
		struct view view;
		enum flow_inserted inserted = FLOW_INSERTED;
		bool live;
		take_view(pair, entry.tag, &view);
		int i = find_flow(table, &view, now, &live);
		if (i >= 0 && live) {
			inserted = FLOW_UPDATED;
			*winner = flow_entry_unpack(view.words[i]);
			if (!judge->is_dead(judge->context, *winner))
				return inserted;
		} else if (i < 0) {
			i = find_empty(&view);
			if (i < 0)
				i = choose_victim(table, &view, judge, now, &inserted);
			if (i < 0)
				return inserted;
		}
		_Atomic uint64_t *place = place_of(pair, (unsigned)i);
		if (!swap(place, view.words[i], word))
			continue;
		*winner = entry;
		return flow_settle(table, hash, place, now, winner) ? inserted : FLOW_UPDATED;
	}
	return FLOW_FULL;
}

/* Removes the entry if it is over or dead. Returns the word that stays, 0 if none does. */
static uint64_t
sweep_entry(const struct flow_table *table, _Atomic uint64_t *place, uint16_t now,
	const struct flow_judge *judge, struct flow_census *census)
{
	uint64_t word = atomic_load_explicit(place, memory_order_relaxed);
	while (word != 0) {
		if (!flow_is_over(table, word, now) &&
			!judge->is_dead(judge->context, flow_entry_unpack(word)))
			break;
		if (atomic_compare_exchange_weak(place, &word, 0)) {
			census->removed++;
			return 0;
		}
	}
	return word;
}

void
flow_sweep(struct flow_table *table, uint32_t first, uint32_t count, uint16_t now,
	const struct flow_judge *judge, struct flow_census *census)
{
	for (uint32_t b = first; b < first + count; b++) {
		struct flow_bucket *bucket = &table->buckets[b & table->bucket_mask];
		for (unsigned i = 0; i < FLOW_BUCKET_ENTRIES; i++) {
			uint64_t word = sweep_entry(table, &bucket->entries[i], now, judge, census);
			if (word == 0)
				continue;
			struct flow_entry e = flow_entry_unpack(word);
			census->live++;
			census->by_state[e.state]++;
			census->by_backend[e.backend]++;
		}
	}
}

/* Ticks since the entry was last refreshed, without a wrap; negative if that is still to come. */
static int64_t
full_age(uint16_t tick, struct mono then, struct mono now)
{
	int64_t elapsed = (int64_t)(now.us / FLOW_TICK_US) - (int64_t)(then.us / FLOW_TICK_US);
	int64_t age_then = (flow_tick(then) - tick) & (FLOW_TICKS - 1);
	if (age_then >= FLOW_TICKS - TICKS_AHEAD_MAX)
		age_then -= FLOW_TICKS;
	return age_then + elapsed;
}

uint64_t
flow_expire_after_pause(struct flow_table *table, struct mono then, struct mono now)
{
	uint64_t removed = 0;
	for (size_t b = 0; b <= table->bucket_mask; b++) {
		for (unsigned i = 0; i < FLOW_BUCKET_ENTRIES; i++) {
			_Atomic uint64_t *place = &table->buckets[b].entries[i];
			uint64_t word = atomic_load_explicit(place, memory_order_relaxed);
			if (word == 0)
				continue;
			struct flow_entry e = flow_entry_unpack(word);
			int64_t age = full_age(e.tick, then, now);
			if (age >= 0 && age + FLOW_SKEW_TICKS <= table->limits[e.state])
				continue;
			atomic_store_explicit(place, 0, memory_order_relaxed);
			removed++;
		}
	}
	return removed;
}
