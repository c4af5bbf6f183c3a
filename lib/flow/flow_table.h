/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The sticky flow table: flow hash -> backend index, shared by all workers, eight bytes an entry.
 *
 *   bucket, one cache line:  | entry | entry | entry | entry | entry | entry | entry | entry |
 *
 *   entry, one atomic word:
 *   63                        32 31              16 15         5 4      2 1        0
 *   +---------------------------+------------------+------------+--------+----------+
 *   | tag 32                    | backend 16       | tick 11    | state 3| gen. 2   |
 *   +---------------------------+------------------+------------+--------+----------+
 *
 * A flow has two candidate buckets; the second is the first XOR a value computed from the tag, so
 * either is computable from the other and the entry. Identity is the 64-bit keyed hash: the upper
 * half picks the bucket, the lower half is the tag, whose low bits are the row as well. So from an
 * entry alone one can ask whether the row table would send it to the same backend.
 *
 * Entries are single words: nobody ever sees half of one, there are no locks, and a process that
 * dies at any instruction leaves a table that is whole. Insertion is one compare-and-swap; the tick
 * (4 s) is written only when it changes. Two workers that insert one flow at the same moment may
 * fill two places; each then looks again and keeps the first in the order of look-up.
 *
 * Age is (now - tick) modulo 2048 ticks, 8192 s (less 4 ticks for clocks read apart): above the
 * 7440 s that RFC 5382 (REQ-5) asks for an idle TCP connection. The sweep (control) removes what
 * has expired before an age could wrap.
 *
 * generation is the low bits of how often the backend's index has been given to a backend; an entry
 * whose generation is not that of the present owner is nobody's, whoever wrote it.
 *
 * What workers inline of it is in flow_inline.h.
 *
 * The table is laid over memory that the caller provides (flow_file.h), zeroed or as it was left.
 */
#ifndef FAIRLEAD_FLOW_TABLE_H
#define FAIRLEAD_FLOW_TABLE_H

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mono.h"

#define FLOW_BUCKET_ENTRIES 8
#define FLOW_TICK_US	    4000000u
#define FLOW_TICK_BITS	    11
#define FLOW_TICKS	    (1u << FLOW_TICK_BITS)
#define FLOW_SKEW_TICKS	    4
#define FLOW_GENERATIONS    4

enum flow_state {
	FLOW_EMPTY = 0,		  /* the whole word is 0 */
	FLOW_SYN = 1,		  /* TCP: nothing but a SYN seen */
	FLOW_ESTABLISHED = 2,	  /* TCP */
	FLOW_CLOSING = 3,	  /* TCP: FIN or RST seen from the client */
	FLOW_DATAGRAM = 4,	  /* UDP and the rest */
	FLOW_CLIENT = 5,	  /* affinity "client", of a TCP service */
	FLOW_CLIENT_DATAGRAM = 6, /* the same, of any other */
	FLOW_STATES = 7,
};

/* State and generation of an entry as one number: the low bits of its word. */
#define FLOW_MARKS 32

static inline unsigned
flow_mark(enum flow_state state, uint8_t generation)
{
	return (unsigned)state << 2 | generation;
}

struct flow_bucket {
	_Atomic uint64_t entries[FLOW_BUCKET_ENTRIES]; // workers: rw; control: rw
} __attribute__((aligned(64)));
static_assert(sizeof(struct flow_bucket) == 64, "a bucket is one cache line");

/* Idle ticks after which an entry of each state is dead. */
struct flow_timeouts {
	uint16_t ticks[FLOW_STATES];
};

struct flow_table {
	struct flow_bucket *buckets;
	uint32_t bucket_mask;
	/* By the 3 bits of a state: the greatest flow_skewed_age() of a live entry; -1 where there is
	 * none, as of what is empty or of a state that does not exist. */
	int16_t limits[8];
};

/* Of an entry's word. */
#define FLOW_TAG_AND_TICK (UINT64_C(0xffffffff) << 32 | (uint64_t)(FLOW_TICKS - 1) << 5)

/* An entry taken apart. */
struct flow_entry {
	uint32_t tag;
	uint16_t backend;
	uint16_t tick;
	enum flow_state state;
	uint8_t generation;
};

static inline uint64_t
flow_entry_pack(struct flow_entry e)
{
	return (uint64_t)e.tag << 32 | (uint64_t)e.backend << 16 |
	       (uint64_t)(e.tick & (FLOW_TICKS - 1)) << 5 | (uint64_t)e.state << 2 |
	       (e.generation & (FLOW_GENERATIONS - 1u));
}

static inline struct flow_entry
flow_entry_unpack(uint64_t word)
{
	return (struct flow_entry){
		.tag = (uint32_t)(word >> 32),
		.backend = (uint16_t)(word >> 16),
		.tick = (uint16_t)(word >> 5 & (FLOW_TICKS - 1)),
		.state = (enum flow_state)(word >> 2 & 7),
		.generation = (uint8_t)(word & 3),
	};
}

static inline uint16_t
flow_tick(struct mono now)
{
	return (uint16_t)(now.us / FLOW_TICK_US & (FLOW_TICKS - 1));
}

/* Threads read the clock at different moments, so one may meet a tick that is still to come for
 * itself. So ages are counted from FLOW_SKEW_TICKS before, or they would be nearly a whole round. */
static inline uint16_t
flow_skewed_age(uint16_t tick, uint16_t now)
{
	return (uint16_t)((unsigned)now - tick + FLOW_SKEW_TICKS) & (FLOW_TICKS - 1);
}

/* Ticks since the entry was refreshed. */
static inline uint16_t
flow_age(uint16_t tick, uint16_t now)
{
	uint16_t age = flow_skewed_age(tick, now);
	return (uint16_t)(age < FLOW_SKEW_TICKS ? 0 : age - FLOW_SKEW_TICKS);
}

static inline uint32_t
flow_first_bucket(const struct flow_table *table, uint64_t hash)
{
	return (uint32_t)(hash >> 32) & table->bucket_mask;
}

/* The other bucket of an entry with this tag that lives in, or could live in, `bucket`. */
static inline uint32_t
flow_other_bucket(const struct flow_table *table, uint32_t bucket, uint32_t tag)
{
	return (bucket ^ (tag * 0x9e3779b1u >> 7 | 1u)) & table->bucket_mask;
}

/*
 * Where a flow goes that finds `empty_first` and `empty_second` empty places: into its first bucket
 * while that keeps two of its places, then into the emptier. At 50 % load 95 % lie in their first
 * bucket then, and at 75 % load 0.04 % find no empty place in either. (If always the emptier were taken:
 * 69 % and 0.001 %.)
 */
#define FLOW_FIRST_KEEPS 3

static inline bool
flow_goes_into_second(unsigned empty_first, unsigned empty_second)
{
	return empty_first < FLOW_FIRST_KEEPS && empty_second > empty_first;
}

/* Entries a table for `capacity` flows has: 4/3 of it, rounded up to 2^n, so at most 75 % full. */
size_t flow_table_entries(size_t capacity);

/* Bytes of memory for that: eight an entry. */
size_t flow_table_bytes(size_t capacity);

/* Lays the table over `memory` (64-byte aligned, flow_table_bytes(capacity) long), as it is. */
void flow_table_attach(struct flow_table *table, void *memory, size_t capacity,
	const struct flow_timeouts *timeouts);

/* What a look-up found, and where, so that flow_refresh needs no second search. */
struct flow_hit {
	_Atomic uint64_t *place; /* NULL: a miss */
	uint64_t word;
};

/*
 * Finds a live entry: not expired. It may still name a backend that has gone or a generation that
 * has passed: the caller, who has the snapshot, judges that. Any thread.
 */
struct flow_hit flow_lookup(const struct flow_table *table, uint64_t hash, uint16_t now);

/*
 * Writes back what a packet changes: the tick, if it is another one, and the state. One
 * compare-and-swap, or nothing at all in the common case; if another worker was faster, its word
 * stays. Any thread.
 */
void flow_refresh_slow(struct flow_hit hit, enum flow_state state, uint16_t now);

static inline void
flow_refresh(struct flow_hit hit, enum flow_state state, uint16_t now)
{
	uint64_t changed = (hit.word ^ ((uint64_t)now << 5 | (uint64_t)state << 2)) &
			   ((uint64_t)(FLOW_TICKS - 1) << 5 | 7u << 2);
	if (__builtin_expect(changed != 0, 0))
		flow_refresh_slow(hit, state, now);
}

/* Judges entries during an insertion, on behalf of the snapshot. */
struct flow_judge {
	/* True if the entry's backend and generation are nobody's any more: as good as empty. */
	bool (*is_dead)(const void *context, struct flow_entry entry);
	/* True if the row table would send this entry to the same backend: nothing is lost. */
	bool (*is_reproducible)(const void *context, struct flow_entry entry);
	const void *context;
};

enum flow_inserted {
	FLOW_INSERTED,		/* into an empty, dead or expired place */
	FLOW_INSERTED_OVER_SYN, /* the table is full here; in this order of what is given up */
	FLOW_INSERTED_OVER_CLOSING,
	FLOW_INSERTED_OVER_REPRODUCIBLE,
	FLOW_UPDATED, /* another worker had the flow already, or it was there under a dead owner */
	FLOW_FULL,    /* sixteen live flows that only this table remembers: not inserted */
};

/*
 * Inserts a flow that flow_lookup did not find (or found with a dead owner: pass that hit's hash
 * just the same). `entry.tag` and `entry.tick` are set from `hash` and `now`; `entry.state` and
 * `entry.backend` are not 0.
 *
 * An expired entry of the flow is replaced where it is. Else an empty place is taken, in the first
 * bucket while that is half empty, so that look-ups find most flows there, then in the emptier
 * of the two; then an expired or dead one, then what is given up in the order of
 * enum flow_inserted; within one state what has been idle longest. So nothing ever displaces an
 * established, datagram or client entry that is not reproducible.
 *
 * On FLOW_UPDATED and all FLOW_INSERTED_*, `*winner` is the entry that the table now has for the
 * flow: use its backend. Any thread.
 */
enum flow_inserted flow_insert(struct flow_table *table, uint64_t hash, struct flow_entry entry,
	uint16_t now, const struct flow_judge *judge, struct flow_entry *winner);

/*
 * After `mine` was taken by an insertion: if the flow is in several places, leaves only the first of
 * them. True if that is `mine`; else *winner is what the first one says. Any thread; what inserts
 * does it (flow_put).
 */
bool flow_settle(const struct flow_table *table, uint64_t hash, _Atomic uint64_t *mine,
	uint16_t now, struct flow_entry *winner);

/* Any thread. Forgets a flow; a later packet of it is a new one. True if it was there. */
bool flow_remove(struct flow_table *table, uint64_t hash, uint16_t now);

/* Idle longer than its state allows, or empty, or of a state that does not exist. */
static inline bool
flow_is_over(const struct flow_table *table, uint64_t word, uint16_t now)
{
	uint16_t tick = (uint16_t)(word >> 5 & (FLOW_TICKS - 1));
	return flow_skewed_age(tick, now) > table->limits[word >> 2 & 7];
}

/* What a sweep counted. */
struct flow_census {
	uint64_t live;
	uint64_t by_state[FLOW_STATES];
	uint64_t removed;     /* expired or dead */
	uint64_t *by_backend; /* [BACKENDS_MAX + 1], the caller's; not cleared here */
};

/*
 * Goes over `count` buckets from `first` on, removes what has expired or is dead, counts what
 * lives. Control, while workers run: removal is a compare-and-swap against the very word that was
 * judged. Each bucket must be visited at least every FLOW_TICKS minus FLOW_SKEW_TICKS minus the
 * longest timeout: 736 s, if that is 7440 s.
 */
void flow_sweep(struct flow_table *table, uint32_t first, uint32_t count, uint16_t now,
	const struct flow_judge *judge, struct flow_census *census);

/*
 * After a pause of the whole daemon: removes every entry whose age was more than its timeout, when
 * ages may have wrapped meanwhile. `then` is the last time at which the table was in use. Control,
 * before workers run. Returns how many were removed.
 */
uint64_t flow_expire_after_pause(struct flow_table *table, struct mono then, struct mono now);

#endif
