/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The buffer: one dense array, in the order of arrival, 16 KB.
 *
 *   held:  | oldest |   |   |   |   |   | newest | free …
 *                         next: whose note is asked for next
 *
 * All are held equally long, so the front is what expires. Whatever is taken out, the rest closes
 * up: one pass over 16 KB at most, and only in calls that take something. Ordinarily the array is
 * empty, or has a handful.
 *
 * Nothing that a flood does costs more than that. A newcomer is not counted against its siblings by
 * searching for them: packets fall into as many slots as there are places, by their keyed hash, and
 * what a slot may hold is limited. So packets of one slot share what one may have; none of them can
 * choose whom to share with.
 */
#include "fragment.h"

#include <stdbool.h>
#include <string.h>

#include "arena.h"

#define SLOTS FRAGMENT_HELD_MAX
static_assert((SLOTS & (SLOTS - 1)) == 0, "a power of two");
static_assert(FRAGMENT_HELD_PER_PACKET_MAX <= UINT8_MAX, "what a slot counts");

struct fragment_buffer {
	struct arena *arena;
	unsigned count;
	unsigned next;
	uint8_t held_by_slot[SLOTS];
	struct fragment_held held[FRAGMENT_HELD_MAX];
};

struct fragment_buffer *
fragment_buffer_create(int numa_node)
{
	struct arena *arena = arena_create(numa_node);
	if (!arena)
		return NULL;
	struct fragment_buffer *buffer = arena_array(arena, 1, sizeof(*buffer));
	if (!buffer) {
		arena_destroy(arena);
		return NULL;
	}
	buffer->arena = arena;
	return buffer;
}

void
fragment_buffer_destroy(struct fragment_buffer *buffer, void (*release)(void *frame))
{
	if (!buffer)
		return;
	for (unsigned i = 0; i < buffer->count; i++)
		release(buffer->held[i].frame);
	arena_destroy(buffer->arena);
}

unsigned
fragment_held_count(const struct fragment_buffer *buffer)
{
	return buffer->count;
}

static inline unsigned
slot_of(uint64_t hash)
{
	return hash & (SLOTS - 1);
}

enum fragment_hold
fragment_hold(
	struct fragment_buffer *buffer, void *frame, uint64_t hash, uint8_t port, struct mono now)
{
	if (buffer->count == FRAGMENT_HELD_MAX)
		return FRAGMENT_NO_ROOM;
	if (buffer->held_by_slot[slot_of(hash)] == FRAGMENT_HELD_PER_PACKET_MAX)
		return FRAGMENT_TOO_MANY_OF_ONE;
	buffer->held_by_slot[slot_of(hash)]++;
	buffer->held[buffer->count++] = (struct fragment_held){
		.frame = frame,
		.hash = hash,
		.until = mono_add_ms(now, FRAGMENT_HELD_MS),
		.port = port,
	};
	return FRAGMENT_HELD;
}

/* Slots that hold a packet whose note has appeared, one bit each. */
struct ready {
	uint64_t bits[SLOTS / 64];
	bool any;
};

/* Asks for the notes of those that are next. */
static void
look(struct fragment_buffer *buffer, const struct fragment_notes *notes, uint16_t tick,
	struct ready *ready)
{
	unsigned looks = buffer->count < FRAGMENT_LOOKS_MAX ? buffer->count : FRAGMENT_LOOKS_MAX;
	for (; looks > 0; looks--, buffer->next++) {
		if (buffer->next >= buffer->count)
			buffer->next = 0;
		uint64_t hash = buffer->held[buffer->next].hash;
		if (fragment_note_find(notes, hash, tick).backend == 0)
			continue;
		ready->bits[slot_of(hash) / 64] |= (uint64_t)1 << slot_of(hash) % 64;
		ready->any = true;
	}
}

static inline bool
is_ready(const struct ready *ready, uint64_t hash)
{
	return ready->bits[slot_of(hash) / 64] >> slot_of(hash) % 64 & 1;
}

/* Of a packet that is ready all fragments go, those too that were not looked at: else one that has
 * just been looked at would overtake them. */
unsigned
fragment_take_ready(struct fragment_buffer *buffer, const struct fragment_notes *notes,
	uint16_t tick, struct fragment_held *out, unsigned max)
{
	struct ready ready = {.any = false};
	look(buffer, notes, tick, &ready);
	if (!ready.any)
		return 0;
	unsigned taken = 0, kept = 0, next = buffer->next;
	for (unsigned i = 0; i < buffer->count; i++) {
		struct fragment_held held = buffer->held[i];
		if (taken < max && is_ready(&ready, held.hash))
			held.note = fragment_note_find(notes, held.hash, tick);
		if (held.note.backend == 0) {
			buffer->held[kept++] = held;
			continue;
		}
		out[taken++] = held;
		buffer->held_by_slot[slot_of(held.hash)]--;
		buffer->next -= i < next;
	}
	buffer->count = kept;
	return taken;
}

unsigned
fragment_take_expired(
	struct fragment_buffer *buffer, struct mono now, struct fragment_held *out, unsigned max)
{
	unsigned taken = 0;
	while (taken < max && taken < buffer->count && buffer->held[taken].until.us <= now.us) {
		out[taken] = buffer->held[taken];
		buffer->held_by_slot[slot_of(out[taken].hash)]--;
		taken++;
	}
	if (taken == 0)
		return 0;
	buffer->count -= taken;
	memmove(buffer->held, buffer->held + taken, buffer->count * sizeof(buffer->held[0]));
	buffer->next = buffer->next > taken ? buffer->next - taken : 0;
	return taken;
}
