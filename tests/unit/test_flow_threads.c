/* SPDX-License-Identifier: BSD-3-Clause */
/* Needs: nothing. Two workers and a sweep at once; to be run under -fsanitize=thread as well. */
#include "flow_lab.h"

#include <pthread.h>
#include <sched.h>

/* Flow f is only ever given the backends FLOWS * k + f + 1; a quarter of k are dead. */
#define FLOWS	   48
#define WORKERS	   2
#define WORKER_OPS 300000

struct crowd {
	struct lab lab;
	uint64_t hashes[FLOWS];
	_Atomic uint16_t tick;
	_Atomic bool stop;
	_Atomic unsigned wrong;
};

struct crowd_worker {
	struct crowd *crowd;
	uint64_t random;
	unsigned inserted;
};

static bool
crowd_is_dead(const void *context, struct flow_entry entry)
{
	(void)context;
	return (unsigned)(entry.backend - 1) / FLOWS % 4 == 3;
}

static void
check_backend(struct crowd *crowd, unsigned flow, struct flow_entry e)
{
	if ((unsigned)(e.backend - 1) % FLOWS != flow || e.tag != (uint32_t)crowd->hashes[flow])
		crowd->wrong++;
}

static void *
work(void *argument)
{
	struct crowd_worker *w = argument;
	struct crowd *crowd = w->crowd;
	struct flow_table *table = &crowd->lab.table;
	for (unsigned i = 0; i < WORKER_OPS; i++) {
		uint64_t r = lab_random(&w->random);
		unsigned flow = (unsigned)(r % FLOWS);
		uint16_t now = crowd->tick;
		enum flow_state flow_state = (enum flow_state)(1 + (r >> 8) % 5);
		struct flow_hit hit = flow_lookup(table, crowd->hashes[flow], now);
		if (hit.place)
			check_backend(crowd, flow, flow_entry_unpack(hit.word));
		if (hit.place && !crowd_is_dead(NULL, flow_entry_unpack(hit.word))) {
			flow_refresh(hit, flow_state, now);
			if ((r >> 16) % 8 == 0)
				flow_remove(table, crowd->hashes[flow], now);
			continue;
		}
		uint16_t backend = (uint16_t)(FLOWS * ((r >> 24) % 16) + flow + 1);
		struct flow_entry winner, e = {.backend = backend, .state = flow_state};
		if (flow_insert(table, crowd->hashes[flow], e, now, &crowd->lab.judge, &winner) ==
			FLOW_FULL)
			continue;
		w->inserted++;
		check_backend(crowd, flow, winner);
	}
	return NULL;
}

/* Control: sweeps, and lets the time go on, so that the workers' clocks differ by a tick. */
static void *
sweep(void *argument)
{
	struct crowd *crowd = argument;
	while (!crowd->stop) {
		struct flow_census census = {.by_backend = crowd->lab.by_backend};
		flow_sweep(&crowd->lab.table, 0, crowd->lab.table.bucket_mask + 1, crowd->tick,
			&crowd->lab.judge, &census);
		crowd->tick = (uint16_t)((crowd->tick + 1) % FLOW_TICKS);
	}
	return NULL;
}

/* Sixteen places or 64, so that the same ones are fought for all the time. */
static void
run_crowd(size_t capacity, uint64_t seed)
{
	struct crowd crowd = {.tick = 2040};
	struct crowd_worker workers[WORKERS];
	pthread_t threads[WORKERS], sweeper;
	uint64_t random = seed;
	lab_init(&crowd.lab, capacity);
	crowd.lab.judge.is_dead = crowd_is_dead;
	for (unsigned f = 0; f < FLOWS; f++)
		crowd.hashes[f] = lab_random(&random);
	assert_int_equal(pthread_create(&sweeper, NULL, sweep, &crowd), 0);
	for (unsigned i = 0; i < WORKERS; i++) {
		workers[i] = (struct crowd_worker){&crowd, lab_random(&random), 0};
		assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
	}
	for (unsigned i = 0; i < WORKERS; i++) {
		pthread_join(threads[i], NULL);
		assert_true(workers[i].inserted > WORKER_OPS / 100);
	}
	crowd.stop = true;
	pthread_join(sweeper, NULL);
	assert_int_equal(crowd.wrong, 0);
	/* Now that all is quiet: what the sweep lets live is there once a flow. */
	lab_sweep(&crowd.lab, crowd.tick);
	for (unsigned f = 0; f < FLOWS; f++) {
		unsigned count = 0;
		for (size_t i = 0; i < crowd.lab.entries; i++)
			count += lab_word(&crowd.lab, i) >> 32 == (uint32_t)crowd.hashes[f];
		assert_in_range(count, 0, 1);
	}
	lab_free(&crowd.lab);
}

static void
test_threads(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 3; seed++) {
		run_crowd(ONE_PAIR, seed);
		run_crowd(48, seed);
	}
}

/*
 * Two workers that insert the same flows in opposite order, again and again into an empty pair of
 * buckets: they meet in the middle, each having seen other places taken.
 */
#define DUEL_FLOWS  9
#define DUEL_ROUNDS 10000

struct duel {
	struct crowd crowd;
	_Atomic unsigned arrived;
	uint16_t winners[2][DUEL_FLOWS];
};

struct duellist {
	struct duel *duel;
	unsigned number;
};

/* Both wait here, `step` being one more each time: spinning, so that they start together, until it
 * seems that the other one has no core. */
static void
meet(struct duel *duel, unsigned step)
{
	duel->arrived++;
	for (unsigned spins = 0; duel->arrived < 2 * step; spins++)
		if (spins > 5000)
			sched_yield();
}

static void
insert_all(struct duel *duel, unsigned number)
{
	for (unsigned i = 0; i < DUEL_FLOWS; i++) {
		unsigned flow = number == 0 ? i : DUEL_FLOWS - 1 - i;
		uint16_t backend = (uint16_t)(FLOWS * number + flow + 1);
		struct flow_entry winner = {.backend = 0};
		flow_insert(&duel->crowd.lab.table, duel->crowd.hashes[flow],
			(struct flow_entry){.backend = backend, .state = FLOW_SYN}, 7,
			&duel->crowd.lab.judge, &winner);
		check_backend(&duel->crowd, flow, winner);
		duel->winners[number][flow] = winner.backend;
	}
}

/* Each flow is there once, with a backend that at least one of the two was told. */
static void
judge_duel(struct duel *duel)
{
	struct lab *lab = &duel->crowd.lab;
	for (unsigned f = 0; f < DUEL_FLOWS; f++) {
		uint16_t backend = lab_lookup(lab, duel->crowd.hashes[f], 7);
		if (backend == 0 ||
			(backend != duel->winners[0][f] && backend != duel->winners[1][f]))
			duel->crowd.wrong++;
	}
	if (lab_sweep(lab, 7).live != DUEL_FLOWS)
		duel->crowd.wrong++;
	for (unsigned f = 0; f < DUEL_FLOWS; f++)
		flow_remove(&lab->table, duel->crowd.hashes[f], 7);
}

static void *
fight(void *argument)
{
	struct duellist *d = argument;
	for (unsigned round = 0; round < DUEL_ROUNDS; round++) {
		meet(d->duel, 3 * round + 1);
		insert_all(d->duel, d->number);
		meet(d->duel, 3 * round + 2);
		if (d->number == 0)
			judge_duel(d->duel);
		meet(d->duel, 3 * round + 3);
	}
	return NULL;
}

static void
test_one_flow_from_two_workers(void **state)
{
	(void)state;
	struct duel duel = {.arrived = 0};
	struct duellist duellists[2] = {{&duel, 0}, {&duel, 1}};
	pthread_t threads[2];
	uint64_t random = 9;
	lab_init(&duel.crowd.lab, ONE_PAIR);
	for (unsigned f = 0; f < DUEL_FLOWS; f++)
		duel.crowd.hashes[f] = lab_random(&random);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, fight, &duellists[i]), 0);
	for (unsigned i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(duel.crowd.wrong, 0);
	lab_free(&duel.crowd.lab);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_one_flow_from_two_workers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
