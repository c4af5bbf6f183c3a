/* SPDX-License-Identifier: BSD-3-Clause */
/* Needs: nothing. Workers share the notes: to be run under -fsanitize=thread as well. */
#include "fragment_lab.h"

#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>

#define BUCKET_NOTES 8

static uint16_t
tick_after(unsigned ticks)
{
	return (uint16_t)((TICK + ticks) % FLOW_TICKS);
}

static uint64_t
key_of(uint8_t family, uint32_t id, uint8_t proto, uint8_t last_byte)
{
	static const uint8_t secret[16] = "fragments follow";
	struct flow_key key;
	flow_key_expand(&key, secret);
	struct packet pk = {.family = family, .fragment_id = id, .proto = proto};
	pk.src = addr_from_v4(htonl(0xc0000201));
	pk.dst = addr_from_v4(htonl(0xc6336400 + (uint32_t)last_byte));
	return fragment_hash(&key, &pk);
}

static void
test_key(void **state)
{
	(void)state;
	uint64_t key = key_of(4, 0x1234, IPPROTO_UDP, 1);
	assert_int_equal(key, key_of(4, 0x1234, IPPROTO_UDP, 1));
	assert_int_not_equal(key, key_of(4, 0x1235, IPPROTO_UDP, 1));
	assert_int_not_equal(key, key_of(4, 0x1234, IPPROTO_TCP, 1));
	assert_int_not_equal(key, key_of(4, 0x1234, IPPROTO_UDP, 2));
	/* Behind the first fragment header there were destination options, then UDP. */
	uint64_t key6 = key_of(6, 0x12345678, IPPROTO_UDP, 1);
	assert_int_equal(key6, key_of(6, 0x12345678, IPPROTO_DSTOPTS, 1));
	assert_int_not_equal(key6, key_of(6, 0x92345678, IPPROTO_UDP, 1));
	assert_int_not_equal(key6, key_of(6, 0x12345679, IPPROTO_UDP, 1));
}

static bool
is_noted(const struct fragment_notes *notes, uint64_t hash, uint16_t tick)
{
	struct fragment_note note = fragment_note_find(notes, hash, tick);
	if (note.backend == 0)
		return false;
	assert_true(lab_same_note(note, lab_note(hash)));
	return true;
}

/* Packets of one bucket. */
static uint64_t
neighbour(unsigned number)
{
	return (uint64_t)77 << 32 | number;
}

static void
test_note_comes_back(void **state)
{
	(void)state;
	struct fragment_notes *notes = lab_notes();
	struct fragment_note largest = {BACKENDS_MAX, SERVICES_MAX - 1, FLOW_GENERATIONS - 1};
	assert_false(is_noted(notes, neighbour(0), TICK));
	fragment_note_leave(notes, neighbour(5), largest, TICK);
	fragment_note_leave(notes, neighbour(6), (struct fragment_note){.backend = 1}, TICK);
	assert_true(lab_same_note(fragment_note_find(notes, neighbour(5), TICK), largest));
	assert_true(lab_same_note(fragment_note_find(notes, neighbour(6), TICK),
		(struct fragment_note){.backend = 1}));
	assert_int_equal(fragment_note_find(notes, neighbour(7), TICK).backend, 0);
	fragment_notes_destroy(notes);
	fragment_notes_destroy(NULL);
}

static void
test_note_expires(void **state)
{
	(void)state;
	struct fragment_notes *notes = lab_notes();
	for (unsigned start = 0; start < FLOW_TICKS; start++) {
		uint64_t hash = neighbour(1);
		lab_leave(notes, hash, tick_after(start));
		assert_true(is_noted(notes, hash, tick_after(start + FRAGMENT_NOTE_TICKS)));
		assert_false(is_noted(notes, hash, tick_after(start + FRAGMENT_NOTE_TICKS + 1)));
		/* A worker whose clock was read a little before. */
		assert_true(is_noted(notes, hash, tick_after(start + FLOW_TICKS - 1)));
	}
	fragment_notes_destroy(notes);
}

static void
test_id_comes_round(void **state)
{
	(void)state;
	struct fragment_notes *notes = lab_notes();
	uint64_t hash = neighbour(0);
	for (uint16_t backend = 1; backend < 1000; backend++) {
		struct fragment_note note = {.backend = backend};
		fragment_note_leave(notes, hash, note, tick_after(backend / 100));
		assert_true(lab_same_note(
			fragment_note_find(notes, hash, tick_after(backend / 100)), note));
	}
	/* It stands in one place: there is room for seven more. */
	for (unsigned i = 1; i < BUCKET_NOTES; i++)
		lab_leave(notes, neighbour(i), tick_after(10));
	for (unsigned i = 1; i < BUCKET_NOTES; i++)
		assert_true(is_noted(notes, neighbour(i), tick_after(10)));
	assert_int_equal(fragment_note_find(notes, hash, tick_after(10)).backend, 999);
	fragment_notes_destroy(notes);
}

/* A tag of 0 and a tick of 0 are not taken for an empty place. */
static void
test_note_that_looks_empty(void **state)
{
	(void)state;
	struct fragment_notes *notes = lab_notes();
	const uint16_t tick = 0;
	lab_leave(notes, neighbour(1), FLOW_TICKS - FRAGMENT_NOTE_TICKS - 1);
	lab_leave(notes, neighbour(0), tick);
	fragment_notes_sweep(notes, tick);
	assert_false(is_noted(notes, neighbour(1), tick));
	assert_true(is_noted(notes, neighbour(0), tick));
	/* Nor is the place that is now empty taken for a second one of it. */
	fragment_note_leave(notes, neighbour(0), (struct fragment_note){.backend = 2}, tick);
	for (unsigned i = 1; i < BUCKET_NOTES; i++)
		lab_leave(notes, neighbour(i), tick);
	for (unsigned i = 1; i < BUCKET_NOTES; i++)
		assert_true(is_noted(notes, neighbour(i), tick));
	assert_int_equal(fragment_note_find(notes, neighbour(0), tick).backend, 2);
	fragment_notes_destroy(notes);
}

static void
test_oldest_note_gives_way(void **state)
{
	(void)state;
	struct fragment_notes *notes = lab_notes();
	static const unsigned ages[BUCKET_NOTES] = {3, 5, 1, 7, 6, 2, 4, 0};
	for (unsigned i = 0; i < BUCKET_NOTES; i++)
		lab_leave(notes, neighbour(i), tick_after(8 - ages[i]));
	for (unsigned gone = 0; gone < BUCKET_NOTES; gone++) {
		uint64_t newcomer = neighbour(100 + gone);
		lab_leave(notes, newcomer, tick_after(8));
		assert_true(is_noted(notes, newcomer, tick_after(8)));
		for (unsigned i = 0; i < BUCKET_NOTES - 1; i++)
			assert_int_equal(is_noted(notes, neighbour(i), tick_after(8)),
				ages[i] < BUCKET_NOTES - 1 - gone);
	}
	fragment_notes_destroy(notes);
}

/* As many as the table is laid out for: less than one in a hundred is lost, all others are right. */
static void
test_full_of_notes(void **state)
{
	(void)state;
	struct fragment_notes *notes = lab_notes();
	uint64_t random = 3;
	for (unsigned i = 0; i < FRAGMENT_NOTES; i++)
		lab_leave(notes, lab_random(&random), TICK);
	unsigned found = 0;
	random = 3;
	for (unsigned i = 0; i < FRAGMENT_NOTES; i++)
		found += is_noted(notes, lab_random(&random), TICK);
	assert_in_range(found, FRAGMENT_NOTES - FRAGMENT_NOTES / 100, FRAGMENT_NOTES);
	unsigned strangers = 0;
	for (unsigned i = 0; i < FRAGMENT_NOTES; i++)
		strangers += fragment_note_find(notes, lab_random(&random), TICK).backend != 0;
	assert_in_range(strangers, 0, 2);
	fragment_notes_destroy(notes);
}

static void
test_sweep(void **state)
{
	(void)state;
	struct fragment_notes *notes = lab_notes();
	uint64_t old = neighbour(1), young = neighbour(2);
	lab_leave(notes, old, TICK);
	lab_leave(notes, young, tick_after(1));
	fragment_notes_sweep(notes, tick_after(FRAGMENT_NOTE_TICKS + 1));
	assert_true(is_noted(notes, young, tick_after(FRAGMENT_NOTE_TICKS + 1)));
	/* Swept as seldom as is allowed, nothing ever looks fresh again. */
	for (unsigned ticks = FRAGMENT_NOTE_TICKS + 2; ticks < FLOW_TICKS; ticks++) {
		if (ticks % 240 == 239)
			fragment_notes_sweep(notes, tick_after(ticks));
		assert_false(is_noted(notes, old, tick_after(ticks)));
		assert_false(is_noted(notes, young, tick_after(ticks)));
	}
	fragment_notes_destroy(notes);
}

/*
 * Workers that leave and find the notes of a few packets, all in two buckets and more than those
 * have room for, while control sweeps and the time goes on.
 */
#define CROWD_PACKETS 24
#define CROWD_WORKERS 2
#define CROWD_OPS     400000

struct crowd {
	struct fragment_notes *notes;
	_Atomic uint16_t tick;
	_Atomic bool stop;
	_Atomic unsigned wrong;
};

struct crowd_worker {
	struct crowd *crowd;
	uint64_t random;
	unsigned found;
};

/* One ID has many packets: backend, service and generation differ, but belong together. */
static struct fragment_note
crowd_note(unsigned packet, unsigned time)
{
	return lab_note((uint64_t)packet * 1000003 + time * CROWD_PACKETS * 8191);
}

static bool
is_of_packet(struct fragment_note note, unsigned packet)
{
	for (unsigned time = 0; time < 16; time++)
		if (lab_same_note(note, crowd_note(packet, time)))
			return true;
	return false;
}

static uint64_t
crowd_hash(unsigned packet)
{
	return (uint64_t)(packet % 2) << 32 | packet;
}

static void *
work(void *argument)
{
	struct crowd_worker *w = argument;
	struct crowd *crowd = w->crowd;
	for (unsigned i = 0; i < CROWD_OPS; i++) {
		uint64_t r = lab_random(&w->random);
		unsigned packet = (unsigned)(r % CROWD_PACKETS);
		uint64_t hash = crowd_hash(packet);
		uint16_t tick = crowd->tick;
		struct fragment_note note = fragment_note_find(crowd->notes, hash, tick);
		if (note.backend != 0) {
			w->found++;
			crowd->wrong += !is_of_packet(note, packet);
		}
		if ((r >> 32) % 2 == 0)
			fragment_note_leave(crowd->notes, hash,
				crowd_note(packet, (unsigned)(r >> 40) % 16), tick);
	}
	return NULL;
}

static void *
sweep(void *argument)
{
	struct crowd *crowd = argument;
	while (!crowd->stop) {
		crowd->tick = (uint16_t)((crowd->tick + 1) % FLOW_TICKS);
		fragment_notes_sweep(crowd->notes, crowd->tick);
	}
	return NULL;
}

static void
test_threads(void **state)
{
	(void)state;
	struct crowd crowd = {.notes = lab_notes(), .tick = TICK};
	struct crowd_worker workers[CROWD_WORKERS];
	pthread_t threads[CROWD_WORKERS], sweeper;
	assert_int_equal(pthread_create(&sweeper, NULL, sweep, &crowd), 0);
	for (unsigned i = 0; i < CROWD_WORKERS; i++) {
		workers[i] = (struct crowd_worker){.crowd = &crowd, .random = i};
		assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
	}
	for (unsigned i = 0; i < CROWD_WORKERS; i++) {
		pthread_join(threads[i], NULL);
		assert_in_range(workers[i].found, CROWD_OPS / 10, CROWD_OPS);
	}
	crowd.stop = true;
	pthread_join(sweeper, NULL);
	assert_int_equal(crowd.wrong, 0);
	/* Whatever was left behind, the newest note is the one that is found. */
	for (unsigned packet = 0; packet < CROWD_PACKETS; packet++) {
		struct fragment_note note = {.backend = (uint16_t)(packet + 1)};
		fragment_note_leave(crowd.notes, crowd_hash(packet), note, crowd.tick);
		assert_true(lab_same_note(
			fragment_note_find(crowd.notes, crowd_hash(packet), crowd.tick), note));
	}
	fragment_notes_destroy(crowd.notes);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_key),
		cmocka_unit_test(test_note_comes_back),
		cmocka_unit_test(test_note_expires),
		cmocka_unit_test(test_id_comes_round),
		cmocka_unit_test(test_note_that_looks_empty),
		cmocka_unit_test(test_oldest_note_gives_way),
		cmocka_unit_test(test_full_of_notes),
		cmocka_unit_test(test_sweep),
		cmocka_unit_test(test_threads),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
