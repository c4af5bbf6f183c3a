/* SPDX-License-Identifier: BSD-3-Clause */
/* The two buckets of a flow, as the files of the table see them. For those files alone. */
#ifndef FAIRLEAD_FLOW_PAIR_H
#define FAIRLEAD_FLOW_PAIR_H

#include "flow_table.h"

#define PAIR_ENTRIES (2 * FLOW_BUCKET_ENTRIES)

/* In the order of look-up. */
struct pair {
	struct flow_bucket *buckets[2];
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

/*
 * Where a flow goes that finds `empty_first` and `empty_second` empty places: into its first bucket
 * while that is half empty, then into the emptier. At 50 % load 91 % lie in their first bucket
 * then (69 % if always the emptier were taken), and at 75 % load 0.008 % find no place (0.001 %).
 */
static inline bool
goes_into_second(unsigned empty_first, unsigned empty_second)
{
	return empty_first < FLOW_BUCKET_ENTRIES / 2 && empty_second > empty_first;
}

/* Idle longer than its state allows, or empty, or of a state that does not exist. */
static inline bool
is_over(const struct flow_table *table, uint64_t word, uint16_t now)
{
	uint16_t tick = (uint16_t)(word >> 5 & (FLOW_TICKS - 1));
	return flow_skewed_age(tick, now) > table->limits[word >> 2 & 7];
}

#endif
