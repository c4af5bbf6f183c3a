/* SPDX-License-Identifier: BSD-3-Clause */
/* Needs: nothing. Two workers share the notes: to be run under -fsanitize=thread as well. */
#include "fragment_lab.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>

static struct mono
at_ms(uint64_t ms)
{
	return mono_add_ms((struct mono){1000000}, ms);
}

static struct fragment_buffer *
new_buffer(void)
{
	struct fragment_buffer *buffer = fragment_buffer_create(ARENA_ANY_NODE);
	assert_non_null(buffer);
	return buffer;
}

static unsigned char frames[FRAGMENT_HELD_MAX + 1];
static unsigned released;

static void
release(void *frame)
{
	assert_ptr_equal(frame, &frames[released]);
	released++;
}

static void
forget(void *frame)
{
	(void)frame;
}

/* A packet with a slot of its own. */
static uint64_t
packet(unsigned number)
{
	return (uint64_t)(number + 1) * 0x123456700000000u + number;
}

static void
test_destroy_releases(void **state)
{
	(void)state;
	released = 0;
	fragment_buffer_destroy(NULL, release);
	fragment_buffer_destroy(new_buffer(), release);
	assert_int_equal(released, 0);
	struct fragment_buffer *buffer = new_buffer();
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(
			fragment_hold(buffer, &frames[i], packet(i), 0, at_ms(0)), FRAGMENT_HELD);
	fragment_buffer_destroy(buffer, release);
	assert_int_equal(released, 5);
}

static void
test_ready_in_order(void **state)
{
	(void)state;
	struct fragment_notes *notes = lab_notes();
	struct fragment_buffer *buffer = new_buffer();
	struct fragment_held out[8];
	static const unsigned packets[] = {0, 1, 0, 2, 1, 0};
	for (uint8_t i = 0; i < 6; i++)
		fragment_hold(buffer, &frames[i], packet(packets[i]), i, at_ms(i));
	assert_int_equal(fragment_take_ready(buffer, notes, TICK, out, 8), 0);
	lab_leave(notes, packet(0), TICK);
	lab_leave(notes, packet(2), TICK);
	assert_int_equal(fragment_take_ready(buffer, notes, TICK, out, 3), 3);
	assert_int_equal(fragment_take_ready(buffer, notes, TICK, out + 3, 5), 1);
	static const unsigned taken[] = {0, 2, 3, 5};
	for (unsigned i = 0; i < 4; i++) {
		assert_ptr_equal(out[i].frame, &frames[taken[i]]);
		assert_int_equal(out[i].port, taken[i]);
		assert_int_equal(out[i].hash, packet(packets[taken[i]]));
		assert_true(lab_same_note(out[i].note, lab_note(out[i].hash)));
	}
	assert_int_equal(fragment_held_count(buffer), 2);
	assert_int_equal(fragment_take_expired(buffer, at_ms(1 + FRAGMENT_HELD_MS), out, 8), 1);
	assert_ptr_equal(out[0].frame, &frames[1]);
	lab_leave(notes, packet(1), TICK);
	assert_int_equal(fragment_take_ready(buffer, notes, TICK, out, 8), 1);
	assert_ptr_equal(out[0].frame, &frames[4]);
	assert_int_equal(fragment_held_count(buffer), 0);
	fragment_buffer_destroy(buffer, forget);
	fragment_notes_destroy(notes);
}

static void
test_expired_in_order(void **state)
{
	(void)state;
	struct fragment_buffer *buffer = new_buffer();
	struct fragment_held out[FRAGMENT_HELD_MAX];
	for (unsigned i = 0; i < 10; i++)
		fragment_hold(buffer, &frames[i], packet(i % 3), 0, at_ms(i / 2 * 10));
	assert_int_equal(fragment_take_expired(buffer, at_ms(FRAGMENT_HELD_MS - 1), out, 10), 0);
	assert_int_equal(fragment_take_expired(buffer, at_ms(FRAGMENT_HELD_MS), out, 10), 2);
	assert_int_equal(fragment_take_expired(buffer, at_ms(9999), out + 2, 3), 3);
	assert_int_equal(fragment_take_expired(buffer, at_ms(9999), out + 5, 10), 5);
	for (unsigned i = 0; i < 10; i++)
		assert_ptr_equal(out[i].frame, &frames[i]);
	assert_int_equal(fragment_take_expired(buffer, at_ms(9999), out, 10), 0);
	assert_int_equal(fragment_held_count(buffer), 0);
	fragment_buffer_destroy(buffer, release);
}

static void
test_flood_with_one_id(void **state)
{
	(void)state;
	struct fragment_notes *notes = lab_notes();
	struct fragment_buffer *buffer = new_buffer();
	struct fragment_held out[FRAGMENT_HELD_MAX];
	for (unsigned i = 0; i < 100000; i++)
		assert_int_equal(fragment_hold(buffer, &frames[i % FRAGMENT_HELD_MAX], packet(7), 0,
					 at_ms(0)),
			i < FRAGMENT_HELD_PER_PACKET_MAX ? FRAGMENT_HELD
							 : FRAGMENT_TOO_MANY_OF_ONE);
	assert_int_equal(fragment_held_count(buffer), FRAGMENT_HELD_PER_PACKET_MAX);
	assert_int_equal(fragment_hold(buffer, &frames[0], packet(8), 0, at_ms(0)), FRAGMENT_HELD);
	/* Its share is back as soon as something goes, either way. */
	assert_int_equal(fragment_take_expired(buffer, at_ms(FRAGMENT_HELD_MS), out, 1), 1);
	assert_int_equal(fragment_hold(buffer, &frames[0], packet(7), 0, at_ms(1)), FRAGMENT_HELD);
	assert_int_equal(fragment_hold(buffer, &frames[0], packet(7), 0, at_ms(1)),
		FRAGMENT_TOO_MANY_OF_ONE);
	lab_leave(notes, packet(7), TICK);
	assert_int_equal(fragment_take_ready(buffer, notes, TICK, out, 1), 1);
	assert_int_equal(fragment_hold(buffer, &frames[0], packet(7), 0, at_ms(1)), FRAGMENT_HELD);
	assert_int_equal(fragment_take_ready(buffer, notes, TICK, out, FRAGMENT_HELD_MAX),
		FRAGMENT_HELD_PER_PACKET_MAX);
	assert_int_equal(fragment_held_count(buffer), 1);
	assert_int_equal(fragment_take_expired(buffer, at_ms(9999), out, 8), 1);
	fragment_buffer_destroy(buffer, forget);
	fragment_notes_destroy(notes);
}

static void
test_flood_with_many_ids(void **state)
{
	(void)state;
	struct fragment_notes *notes = lab_notes();
	struct fragment_buffer *buffer = new_buffer();
	struct fragment_held out[FRAGMENT_HELD_MAX];
	for (unsigned i = 0; i < 10 * FRAGMENT_HELD_MAX; i++)
		assert_int_equal(fragment_hold(buffer, &frames[i % FRAGMENT_HELD_MAX], packet(i), 0,
					 at_ms(0)),
			i < FRAGMENT_HELD_MAX ? FRAGMENT_HELD : FRAGMENT_NO_ROOM);
	/* One call asks for its share of notes only; a whole round asks for all of them. */
	unsigned last = FRAGMENT_HELD_MAX - 1, calls = 0, first_turn = FRAGMENT_LOOKS_MAX - 1;
	lab_leave(notes, packet(last), TICK);
	while (fragment_take_ready(buffer, notes, TICK, out, 8) == 0)
		calls++;
	assert_int_equal(calls, FRAGMENT_HELD_MAX / FRAGMENT_LOOKS_MAX - 1);
	assert_ptr_equal(out[0].frame, &frames[last]);
	lab_leave(notes, packet(first_turn), TICK);
	assert_int_equal(fragment_take_ready(buffer, notes, TICK, out, 8), 1);
	assert_ptr_equal(out[0].frame, &frames[first_turn]);
	/* Recovered from at once. */
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(fragment_hold(buffer, &frames[i], packet(last), 0, at_ms(1)),
			FRAGMENT_HELD);
	assert_int_equal(
		fragment_hold(buffer, &frames[2], packet(last), 0, at_ms(1)), FRAGMENT_NO_ROOM);
	assert_int_equal(fragment_take_expired(buffer, at_ms(9999), out, FRAGMENT_HELD_MAX),
		FRAGMENT_HELD_MAX);
	fragment_buffer_destroy(buffer, forget);
	fragment_notes_destroy(notes);
}

/* A packet has fragments at both ends of the buffer; its note appears when the first one has just
 * been asked for. */
static void
test_no_sibling_overtakes(void **state)
{
	(void)state;
	struct fragment_notes *notes = lab_notes();
	struct fragment_buffer *buffer = new_buffer();
	struct fragment_held out[8];
	for (unsigned i = 0; i < 2 * FRAGMENT_LOOKS_MAX; i++)
		fragment_hold(
			buffer, &frames[i], packet(i % (2 * FRAGMENT_LOOKS_MAX - 1)), 0, at_ms(0));
	assert_int_equal(fragment_take_ready(buffer, notes, TICK, out, 8), 0);
	lab_leave(notes, packet(0), TICK);
	assert_int_equal(fragment_take_ready(buffer, notes, TICK, out, 8), 2);
	assert_ptr_equal(out[0].frame, &frames[0]);
	assert_ptr_equal(out[1].frame, &frames[2 * FRAGMENT_LOOKS_MAX - 1]);
	assert_int_equal(fragment_take_expired(buffer, at_ms(9999), out, 8), 8);
	fragment_buffer_destroy(buffer, forget);
	fragment_notes_destroy(notes);
}

/* Whatever is taken out meanwhile, the next call looks at those that follow the last one's. */
static void
test_goes_round(void **state)
{
	(void)state;
	struct fragment_notes *notes = lab_notes();
	struct fragment_buffer *buffer = new_buffer();
	struct fragment_held out[16];
	const unsigned turn = FRAGMENT_LOOKS_MAX, last = 2 * turn - 1;
	for (unsigned i = 0; i < FRAGMENT_HELD_MAX; i++)
		fragment_hold(buffer, &frames[i], packet(i == last || i == 300 ? 0 : i), 0,
			at_ms(i >= 10));
	assert_int_equal(fragment_take_ready(buffer, notes, TICK, out, 16), 0);
	lab_leave(notes, packet(0), TICK);
	assert_int_equal(fragment_take_ready(buffer, notes, TICK, out, 16), 3);
	lab_leave(notes, packet(2 * turn), TICK);
	lab_leave(notes, packet(3 * turn - 1), TICK);
	assert_int_equal(fragment_take_ready(buffer, notes, TICK, out, 16), 2);
	assert_int_equal(fragment_take_expired(buffer, at_ms(FRAGMENT_HELD_MS), out, 16), 9);
	lab_leave(notes, packet(3 * turn), TICK);
	lab_leave(notes, packet(4 * turn - 1), TICK);
	assert_int_equal(fragment_take_ready(buffer, notes, TICK, out, 16), 2);
	fragment_buffer_destroy(buffer, forget);
	fragment_notes_destroy(notes);
}

/* --- at random, against a list ------------------------------------------------------------------ */

#define MODEL_PACKETS 700
#define MODEL_STEPS   200000

struct model {
	struct fragment_held list[FRAGMENT_HELD_MAX]; /* in the order of arrival */
	unsigned count;
	unsigned of_slot[FRAGMENT_HELD_MAX];
	uint64_t hashes[MODEL_PACKETS];
	uint64_t now_ms;
	uintptr_t frames; /* handed in so far: the next frame */
	unsigned outcomes[3], ready, expired;
	struct fragment_notes *notes;
	struct fragment_buffer *buffer;
};

static void
model_hold(struct model *m, uint64_t hash)
{
	unsigned *of_slot = &m->of_slot[hash % FRAGMENT_HELD_MAX];
	enum fragment_hold expected = FRAGMENT_HELD;
	if (m->count == FRAGMENT_HELD_MAX)
		expected = FRAGMENT_NO_ROOM;
	else if (*of_slot == FRAGMENT_HELD_PER_PACKET_MAX)
		expected = FRAGMENT_TOO_MANY_OF_ONE;
	void *frame = (void *)++m->frames;
	assert_int_equal(fragment_hold(m->buffer, frame, hash, 3, at_ms(m->now_ms)), expected);
	m->outcomes[expected]++;
	if (expected != FRAGMENT_HELD)
		return;
	++*of_slot;
	m->list[m->count++] = (struct fragment_held){
		.frame = frame, .hash = hash, .until = at_ms(m->now_ms + FRAGMENT_HELD_MS)};
}

/* The frame is in the list, and none of its packet before it. */
static void
model_remove(struct model *m, const struct fragment_held *held)
{
	unsigned i = 0;
	while (i < m->count && m->list[i].hash != held->hash)
		i++;
	assert_in_range(i, 0, m->count - 1);
	assert_ptr_equal(m->list[i].frame, held->frame);
	assert_int_equal(m->list[i].until.us, held->until.us);
	assert_int_equal(held->port, 3);
	memmove(&m->list[i], &m->list[i + 1], (--m->count - i) * sizeof(m->list[0]));
	m->of_slot[held->hash % FRAGMENT_HELD_MAX]--;
}

static bool
model_is_ready(const struct model *m, unsigned i)
{
	return fragment_note_find(m->notes, m->list[i].hash, TICK).backend != 0;
}

static unsigned
model_take_ready(struct model *m, unsigned max)
{
	struct fragment_held out[FRAGMENT_HELD_MAX];
	unsigned taken = fragment_take_ready(m->buffer, m->notes, TICK, out, max);
	assert_in_range(taken, 0, max);
	for (unsigned i = 0; i < taken; i++) {
		assert_true(lab_same_note(out[i].note, lab_note(out[i].hash)));
		assert_true(i == 0 || out[i - 1].frame < out[i].frame);
		model_remove(m, &out[i]);
	}
	m->ready += taken;
	return taken;
}

/* After a whole round, none is left whose note is there. */
static void
model_drain(struct model *m)
{
	for (unsigned idle = 0; idle < FRAGMENT_HELD_MAX / FRAGMENT_LOOKS_MAX;)
		idle = model_take_ready(m, FRAGMENT_HELD_MAX) == 0 ? idle + 1 : 0;
	for (unsigned i = 0; i < m->count; i++)
		assert_false(model_is_ready(m, i));
}

static void
model_take_expired(struct model *m, unsigned max)
{
	struct fragment_held out[FRAGMENT_HELD_MAX];
	unsigned expected = 0;
	while (expected < m->count && expected < max &&
		m->list[expected].until.us <= at_ms(m->now_ms).us)
		expected++;
	assert_int_equal(fragment_take_expired(m->buffer, at_ms(m->now_ms), out, max), expected);
	for (unsigned i = 0; i < expected; i++) {
		assert_ptr_equal(out[i].frame, m->list[0].frame);
		assert_int_equal(out[i].note.backend, 0);
		model_remove(m, &out[i]);
	}
	m->expired += expected;
}

/* Slow times and floods alternate; of each packet the note comes at some time, or never. */
static void
model_step(struct model *m, uint64_t r, bool flood)
{
	uint64_t *hash = &m->hashes[r % MODEL_PACKETS];
	unsigned max = (unsigned)(r >> 48) % 64;
	switch ((r >> 32) % 16) {
	case 0:
		lab_leave(m->notes, *hash, TICK);
		break;
	case 1: /* another packet comes in its place */
		*hash ^= r << 9;
		break;
	case 2:
		model_take_ready(m, max);
		break;
	case 3:
		model_take_expired(m, max);
		break;
	case 4:
		m->now_ms += flood ? 0 : max;
		break;
	case 5:
		if (m->frames % 8 == 0)
			model_drain(m);
		break;
	case 6:
		for (unsigned i = 0; flood && i < max; i++)
			model_hold(m, *hash);
		break;
	default:
		model_hold(m, *hash);
	}
	assert_int_equal(fragment_held_count(m->buffer), m->count);
}

static void
run_model(uint64_t seed)
{
	struct model m = {.notes = lab_notes(), .buffer = new_buffer()};
	for (unsigned i = 0; i < MODEL_PACKETS; i++)
		m.hashes[i] = lab_random(&seed);
	for (unsigned step = 0; step < MODEL_STEPS; step++)
		model_step(&m, lab_random(&seed), step / 4096 % 2 == 1);
	for (unsigned i = 0; i < 3; i++)
		assert_int_not_equal(m.outcomes[i], 0);
	model_drain(&m);
	m.now_ms += FRAGMENT_HELD_MS;
	model_take_expired(&m, FRAGMENT_HELD_MAX);
	assert_int_equal(m.count, 0);
	assert_int_equal(m.outcomes[FRAGMENT_HELD], m.ready + m.expired);
	assert_true(m.ready > 1000 && m.expired > 1000);
	fragment_buffer_destroy(m.buffer, forget);
	fragment_notes_destroy(m.notes);
}

static void
test_model(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 3; seed++)
		run_model(seed);
}

/* --- two workers -------------------------------------------------------------------------------- */

/* Of each packet one worker gets the first fragment and the other one the later ones. */
#define PAIR_PACKETS 20000

struct pair {
	struct fragment_notes *notes;
	_Atomic unsigned wrong;
};

struct pair_worker {
	struct pair *pair;
	unsigned number;
	unsigned later, sent, held;
	struct fragment_buffer *buffer;
};

static uint64_t
pair_hash(unsigned number)
{
	uint64_t random = number;
	return lab_random(&random);
}

static void
pair_take(struct pair_worker *w)
{
	struct fragment_held out[32];
	unsigned taken = fragment_take_ready(w->buffer, w->pair->notes, TICK, out, 32);
	for (unsigned i = 0; i < taken; i++)
		w->pair->wrong += !lab_same_note(out[i].note, lab_note(out[i].hash));
	w->sent += taken;
}

static void
pair_later(struct pair_worker *w, uint64_t hash)
{
	struct fragment_note note = fragment_note_find(w->pair->notes, hash, TICK);
	w->later++;
	if (note.backend != 0) {
		w->pair->wrong += !lab_same_note(note, lab_note(hash));
		w->sent++;
		return;
	}
	while (fragment_hold(w->buffer, frames, hash, 0, at_ms(0)) != FRAGMENT_HELD) {
		sched_yield();
		pair_take(w);
	}
	w->held++;
}

static void *
pair_work(void *argument)
{
	struct pair_worker *w = argument;
	for (unsigned i = 0; i < PAIR_PACKETS; i++) {
		/* Half of the later ones come before the other worker can have had the first. */
		unsigned ahead = i + (i % 64 < 32 ? 16 : 0);
		if (i % 2 == w->number)
			lab_leave(w->pair->notes, pair_hash(i), TICK);
		if (ahead % 2 != w->number && ahead < PAIR_PACKETS)
			pair_later(w, pair_hash(ahead));
		pair_take(w);
	}
	while (fragment_held_count(w->buffer) > 0) {
		sched_yield();
		pair_take(w);
	}
	return NULL;
}

static void
test_two_workers(void **state)
{
	(void)state;
	struct pair pair = {.notes = lab_notes()};
	struct pair_worker workers[2];
	pthread_t threads[2];
	unsigned held = 0;
	for (unsigned i = 0; i < 2; i++) {
		workers[i] =
			(struct pair_worker){.pair = &pair, .number = i, .buffer = new_buffer()};
		assert_int_equal(pthread_create(&threads[i], NULL, pair_work, &workers[i]), 0);
	}
	for (unsigned i = 0; i < 2; i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(workers[i].sent, workers[i].later);
		held += workers[i].held;
		fragment_buffer_destroy(workers[i].buffer, forget);
	}
	assert_int_equal(pair.wrong, 0);
	assert_int_not_equal(held, 0);
	fragment_notes_destroy(pair.notes);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_destroy_releases),
		cmocka_unit_test(test_ready_in_order),
		cmocka_unit_test(test_expired_in_order),
		cmocka_unit_test(test_flood_with_one_id),
		cmocka_unit_test(test_flood_with_many_ids),
		cmocka_unit_test(test_no_sibling_overtakes),
		cmocka_unit_test(test_goes_round),
		cmocka_unit_test(test_model),
		cmocka_unit_test(test_two_workers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
