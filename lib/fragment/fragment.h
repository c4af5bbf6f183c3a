/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fragments follow their first: same backend, in whatever order they arrive.
 *
 * The first fragment has the ports, so it goes where its flow goes, and leaves a note under the
 * identity of its packet, in a table that all workers share. Later ones ask there. One that comes
 * before its first is held, by the worker that got it, for a bounded time and in a bounded number;
 * it goes on when the note appears, whoever wrote it.
 *
 *   first ──► backend by its flow ──► note (shared, 32 s) ──► sent
 *   later ──► note? ── yes ──────────────────────────────────► sent
 *               └───── no ──► held (this worker) ── note appears ──► back into the pipeline
 *                               │                └─ 500 ms have passed ──► dropped by name
 *                               └─ no room, or no more for one packet ──► dropped by name
 *
 * Nothing is reassembled: what overlaps, or never completes, is the backend's to judge, and all of
 * it gets to the same one. One packet may hold FRAGMENT_HELD_PER_PACKET_MAX places, so a flood with
 * one ID cannot take them all.
 *
 * Known limit: a source that comes round to an ID while the older packet's note still stands (IPv4
 * has 2^16 of them, RFC 6864) is right again once its first fragment has replaced the note. A later
 * one that overtakes that first follows the older packet: another backend, if the ports differ.
 *
 * Notes: any thread. A buffer: its worker alone.
 */
#ifndef FAIRLEAD_FRAGMENT_H
#define FAIRLEAD_FRAGMENT_H

#include <assert.h>
#include <stdint.h>

#include "flow_hash.h"
#include "mono.h"
#include "packet.h"

/* The key of a packet's fragments: source, destination, ID, and for IPv4 the protocol (RFC 791,
 * 3.2). IPv6 has none there (RFC 8200, 4.5): a later fragment may name an extension header where
 * the first one, read to its end, has the protocol. */
static inline uint64_t
fragment_hash(const struct flow_key *key, const struct packet *pk)
{
	return flow_hash_tuple(key, &pk->src, &pk->dst, (uint16_t)(pk->fragment_id >> 16),
		(uint16_t)pk->fragment_id, pk->family == 4 ? pk->proto : 0);
}

/* --- notes -------------------------------------------------------------------------------------- */

/* Notes that the table is laid out for, 1 MB: with so many alive, less than 1 in 100 had to go
 * before its time. */
#define FRAGMENT_NOTES 65536
/* How long one lives, in ticks of 4 s (flow_tick): the 30 s after which Linux, and so a backend,
 * gives up a packet that is not whole. */
#define FRAGMENT_NOTE_TICKS 8

/* Where a packet's fragments go. */
struct fragment_note {
	uint16_t backend; /* 0: none is known */
	uint16_t service; /* for counting; below SERVICES_MAX */
	uint8_t generation;
};

struct fragment_notes;

/* Control. NULL when memory is out. */
struct fragment_notes *fragment_notes_create(int numa_node);
/* Control, when no worker uses them any more. NULL is allowed. */
void fragment_notes_destroy(struct fragment_notes *notes);

/*
 * The note of a packet, if there is one that has not expired. It may name a backend or a service
 * that has gone, or that came with a later snapshot than the caller's: the caller judges that. Any
 * thread.
 */
struct fragment_note fragment_note_find(
	const struct fragment_notes *notes, uint64_t hash, uint16_t tick);

/*
 * Leaves a note (its backend is not 0), in place of the one that the packet's ID had before. If
 * there is no room, the oldest in its bucket gives way: a lost note costs a fragment that comes
 * later its way, nothing else. Any thread; it never waits.
 */
void fragment_note_leave(
	struct fragment_notes *notes, uint64_t hash, struct fragment_note note, uint16_t tick);

/* Removes what has expired, so that it cannot look fresh when its tick comes round again: at least
 * every 240 ticks (16 minutes). Control, while workers run. */
void fragment_notes_sweep(struct fragment_notes *notes, uint16_t tick);

/* --- the buffer --------------------------------------------------------------------------------- */

/* Fragments that one worker holds: 1 MB of frames, if a frame takes 2 KB. */
#define FRAGMENT_HELD_MAX 512
/* … and of one packet: the later ones of 65,535 bytes, 1,232 in each, as the IPv6 minimum MTU has
 * it. */
#define FRAGMENT_HELD_PER_PACKET_MAX 53
/* How long one is held. The first is late by reordering, not by a round trip. */
#define FRAGMENT_HELD_MS 500
/* Of how many a turn of the loop asks whether their note is there: what a flood can cost it. */
#define FRAGMENT_LOOKS_MAX 32

/* A fragment that waits for its first. */
struct fragment_held {
	void *frame; /* the caller's, untouched here */
	uint64_t hash;
	struct mono until;
	uint8_t port;
	struct fragment_note note; /* set by fragment_take_ready */
};
static_assert(sizeof(struct fragment_held) == 32, "two a cache line");

struct fragment_buffer;

/* Control. NULL when memory is out. All memory that it will ever use. */
struct fragment_buffer *fragment_buffer_create(int numa_node);
/* Control, when its worker has ended. Hands every frame that is still held to `release`. NULL is
 * allowed. */
void fragment_buffer_destroy(struct fragment_buffer *buffer, void (*release)(void *frame));

enum fragment_hold {
	FRAGMENT_HELD,
	FRAGMENT_NO_ROOM,	  /* the buffer is full */
	FRAGMENT_TOO_MANY_OF_ONE, /* its packet, or another one of its slot (1 in 512), has its share */
};

/* Holds a frame until FRAGMENT_HELD_MS after `now`, which never goes back from call to call. On
 * anything but FRAGMENT_HELD the frame stays the caller's. Its worker. */
enum fragment_hold fragment_hold(
	struct fragment_buffer *buffer, void *frame, uint64_t hash, uint8_t port, struct mono now);

/* How many it holds now; nothing is to be taken from an empty one. Its worker. */
unsigned fragment_held_count(const struct fragment_buffer *buffer);

/*
 * Takes out at most `max` frames whose note has appeared, in the order in which they came, each
 * with that note: they need not ask again, and could find it gone. One call looks at
 * FRAGMENT_LOOKS_MAX of those held, and the next one goes on from there; a packet that is found
 * ready comes with all its fragments, as far as `max` allows. Its worker, once a turn of its loop.
 */
unsigned fragment_take_ready(struct fragment_buffer *buffer, const struct fragment_notes *notes,
	uint16_t tick, struct fragment_held *out, unsigned max);

/* Takes out at most `max` frames whose time is over, in the order in which they came. To be called
 * after fragment_take_ready, so that a note that came in time counts. Its worker. */
unsigned fragment_take_expired(
	struct fragment_buffer *buffer, struct mono now, struct fragment_held *out, unsigned max);

#endif
