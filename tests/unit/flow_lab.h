/* SPDX-License-Identifier: BSD-3-Clause */
/* A flow table of a test's own, and a judge of what is dead and what is reproducible. */
#ifndef FAIRLEAD_FLOW_LAB_H
#define FAIRLEAD_FLOW_LAB_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bounds.h"
#include "flow_table.h"

#define PAIR_ENTRIES (2 * FLOW_BUCKET_ENTRIES)

/* Capacities of a table of two buckets, so that all flows share them, and of 64. */
#define ONE_PAIR   12
#define SOME_PAIRS 384

static const struct flow_timeouts lab_timeouts = {
	.ticks =
		{
			[FLOW_SYN] = 15,
			[FLOW_ESTABLISHED] = 1860,
			[FLOW_CLOSING] = 30,
			[FLOW_DATAGRAM] = 75,
			[FLOW_CLIENT] = 900,
			[FLOW_CLIENT_DATAGRAM] = 900,
		},
};

struct lab {
	struct flow_table table;
	struct flow_judge judge;
	size_t entries;
	uint64_t *by_backend;
	uint8_t generation[256]; /* of backend b: [b % 256] */
	void *memory;
};

/* Backends whose number is as odd as the tag are those that the row table would choose. */
static inline bool
lab_is_reproducible(const void *context, struct flow_entry entry)
{
	(void)context;
	return ((entry.tag ^ entry.backend) & 1) == 0;
}

static inline bool
lab_is_dead(const void *context, struct flow_entry entry)
{
	const struct lab *lab = context;
	return entry.generation != lab->generation[entry.backend % 256];
}

static inline void
lab_init(struct lab *lab, size_t capacity)
{
	*lab = (struct lab){.entries = flow_table_entries(capacity)};
	lab->memory = aligned_alloc(64, flow_table_bytes(capacity));
	lab->by_backend = calloc(BACKENDS_MAX + 1, sizeof(uint64_t));
	assert_non_null(lab->memory);
	assert_non_null(lab->by_backend);
	memset(lab->memory, 0, flow_table_bytes(capacity));
	flow_table_attach(&lab->table, lab->memory, capacity, &lab_timeouts);
	lab->judge = (struct flow_judge){
		.is_dead = lab_is_dead, .is_reproducible = lab_is_reproducible, .context = lab};
}

static inline void
lab_free(struct lab *lab)
{
	free(lab->memory);
	free(lab->by_backend);
}

static inline uint64_t
lab_word(const struct lab *lab, size_t i)
{
	return lab->table.buckets[i / FLOW_BUCKET_ENTRIES].entries[i % FLOW_BUCKET_ENTRIES];
}

static inline size_t
lab_count(const struct lab *lab, uint64_t word)
{
	size_t count = 0;
	for (size_t i = 0; i < lab->entries; i++)
		count += lab_word(lab, i) == word;
	return count;
}

static inline enum flow_inserted
lab_insert(struct lab *lab, uint64_t hash, uint16_t backend, enum flow_state state, uint16_t now)
{
	struct flow_entry winner;
	return flow_insert(&lab->table, hash,
		(struct flow_entry){.backend = backend,
			.state = state,
			.generation = lab->generation[backend % 256]},
		now, &lab->judge, &winner);
}

/* The backend that the table has for a flow; 0: none. */
static inline uint16_t
lab_lookup(const struct lab *lab, uint64_t hash, uint16_t now)
{
	struct flow_hit hit = flow_lookup(&lab->table, hash, now);
	return hit.place ? flow_entry_unpack(hit.word).backend : 0;
}

static inline struct flow_census
lab_sweep(struct lab *lab, uint16_t now)
{
	struct flow_census census = {.by_backend = lab->by_backend};
	memset(lab->by_backend, 0, (BACKENDS_MAX + 1) * sizeof(uint64_t));
	flow_sweep(&lab->table, 0, lab->table.bucket_mask + 1, now, &lab->judge, &census);
	return census;
}

/* A hash with this tag, whatever the bucket. */
static inline uint64_t
hash_of(uint32_t bucket, uint32_t tag)
{
	return (uint64_t)bucket << 32 | tag;
}

/* splitmix64 */
static inline uint64_t
lab_random(uint64_t *random)
{
	uint64_t z = *random += 0x9e3779b97f4a7c15u;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

#endif
