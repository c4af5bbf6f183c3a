/* SPDX-License-Identifier: BSD-3-Clause */
/* Needs: nothing. Every operation of the flow table, at random, against a linear list. */
#include "flow_lab.h"

#define ENTRIES_MAX 512

/* The model: a list of what should stand in the table, in no order, expired or not. */
struct model_entry {
	uint32_t pair; /* the smaller of the two buckets */
	uint64_t used; /* in ticks, without wrap */
	struct flow_entry entry;
};

struct model {
	struct model_entry list[ENTRIES_MAX];
	size_t count;
	uint64_t now;
};

static uint64_t
model_word(const struct model_entry *m)
{
	struct flow_entry e = m->entry;
	e.tick = (uint16_t)(m->used % FLOW_TICKS);
	return flow_entry_pack(e);
}

/* How often it stands in the two buckets of its flow. */
static unsigned
model_present(const struct lab *lab, const struct model_entry *m)
{
	uint32_t other = flow_other_bucket(&lab->table, m->pair, m->entry.tag);
	unsigned count = 0;
	for (unsigned i = 0; i < FLOW_BUCKET_ENTRIES; i++) {
		count += lab->table.buckets[m->pair].entries[i] == model_word(m);
		count += lab->table.buckets[other].entries[i] == model_word(m);
	}
	return count;
}

static bool
model_over(const struct model *model, const struct model_entry *m)
{
	return model->now - m->used > lab_timeouts.ticks[m->entry.state];
}

static uint32_t
pair_number(const struct lab *lab, uint64_t hash)
{
	uint32_t first = flow_first_bucket(&lab->table, hash);
	uint32_t other = flow_other_bucket(&lab->table, first, (uint32_t)hash);
	return first < other ? first : other;
}

static struct model_entry *
model_find(const struct lab *lab, struct model *model, uint64_t hash)
{
	for (struct model_entry *m = model->list; m < model->list + model->count; m++)
		if (m->entry.tag == (uint32_t)hash && m->pair == pair_number(lab, hash))
			return m;
	return NULL;
}

static void
model_drop(struct model *model, struct model_entry *m)
{
	*m = model->list[--model->count];
}

/* The table holds exactly the words of the list. */
static void
assert_same(const struct lab *lab, const struct model *model)
{
	for (size_t i = 0; i < model->count; i++)
		if (model_present(lab, &model->list[i]) != 1)
			fail_msg("entry %zu of the model is not there once", i);
	assert_int_equal(lab->entries - lab_count(lab, 0), model->count);
}

/* What an insertion into two full buckets may cost: the class that comes first. */
static enum flow_inserted
model_class(const struct lab *lab, const struct model *model, const struct model_entry *m)
{
	if (model_over(model, m) || lab_is_dead(lab, m->entry))
		return FLOW_INSERTED;
	if (m->entry.state == FLOW_SYN)
		return FLOW_INSERTED_OVER_SYN;
	if (m->entry.state == FLOW_CLOSING)
		return FLOW_INSERTED_OVER_CLOSING;
	return lab_is_reproducible(NULL, m->entry) ? FLOW_INSERTED_OVER_REPRODUCIBLE : FLOW_FULL;
}

/* Takes the one that has gone from the table off the list, after checking that it was its turn. */
static void
model_evict(const struct lab *lab, struct model *model, enum flow_inserted expected)
{
	struct model_entry *gone = NULL;
	uint64_t oldest = UINT64_MAX;
	for (struct model_entry *m = model->list; m < model->list + model->count; m++) {
		if (model_class(lab, model, m) == expected && m->used < oldest)
			oldest = m->used;
		if (model_present(lab, m) == 0) {
			assert_null(gone);
			gone = m;
		}
	}
	assert_non_null(gone);
	assert_int_equal(model_class(lab, model, gone), expected);
	if (expected == FLOW_INSERTED_OVER_SYN || expected == FLOW_INSERTED_OVER_CLOSING)
		assert_int_equal(gone->used, oldest);
	model_drop(model, gone);
}

static void
model_insert(struct lab *lab, struct model *model, uint64_t hash, struct flow_entry e)
{
	struct model_entry *m = model_find(lab, model, hash);
	bool live = m && !model_over(model, m);
	enum flow_inserted expected = FLOW_INSERTED;
	bool full = !m && model->count == lab->entries;
	e.tag = (uint32_t)hash;
	struct flow_entry wanted = e, winner = {0};
	if (live) {
		expected = FLOW_UPDATED;
		if (!lab_is_dead(lab, m->entry))
			wanted = m->entry;
	} else if (full) {
		expected = FLOW_FULL;
		for (size_t i = 0; i < model->count; i++) {
			enum flow_inserted class = model_class(lab, model, &model->list[i]);
			expected = class < expected || expected == FLOW_FULL ? class : expected;
		}
	}
	uint16_t tick = (uint16_t)(model->now % FLOW_TICKS);
	assert_int_equal(flow_insert(&lab->table, hash, e, tick, &lab->judge, &winner), expected);
	if (expected == FLOW_FULL)
		return;
	assert_int_equal(winner.backend, wanted.backend);
	assert_int_equal(winner.generation, wanted.generation);
	assert_int_equal(winner.state, wanted.state);
	if (live && !lab_is_dead(lab, m->entry))
		return;
	if (full)
		model_evict(lab, model, expected);
	if (!m)
		m = &model->list[model->count++];
	*m = (struct model_entry){pair_number(lab, hash), model->now, wanted};
}

static void
model_lookup(struct lab *lab, struct model *model, uint64_t hash, enum flow_state refresh)
{
	struct model_entry *m = model_find(lab, model, hash);
	uint16_t tick = (uint16_t)(model->now % FLOW_TICKS);
	struct flow_hit hit = flow_lookup(&lab->table, hash, tick);
	if (!m || model_over(model, m)) {
		assert_null(hit.place);
		return;
	}
	assert_non_null(hit.place);
	assert_int_equal(hit.word, model_word(m));
	if (refresh != FLOW_EMPTY) {
		flow_refresh(hit, refresh, tick);
		m->entry.state = refresh;
		m->used = model->now;
	}
}

static void
model_remove(struct lab *lab, struct model *model, uint64_t hash)
{
	struct model_entry *m = model_find(lab, model, hash);
	bool live = m && !model_over(model, m);
	uint16_t tick = (uint16_t)(model->now % FLOW_TICKS);
	assert_int_equal(flow_remove(&lab->table, hash, tick), live);
	if (m)
		model_drop(model, m);
}

static void
model_sweep(struct lab *lab, struct model *model)
{
	uint64_t removed = 0, states[FLOW_STATES] = {0};
	for (size_t i = model->count; i-- > 0;) {
		struct model_entry *m = &model->list[i];
		if (model_class(lab, model, m) == FLOW_INSERTED) {
			removed++;
			model_drop(model, m);
		} else {
			states[m->entry.state]++;
		}
	}
	struct flow_census census = lab_sweep(lab, (uint16_t)(model->now % FLOW_TICKS));
	assert_int_equal(census.removed, removed);
	assert_int_equal(census.live, model->count);
	assert_memory_equal(census.by_state, states, sizeof(states));
}

struct model_test {
	size_t capacity;
	size_t flows;
	unsigned tags; /* of the flows; fewer than them collide */
	unsigned operations;
	unsigned ticks_a_step_max;
	uint64_t seed;
};

static void
model_step(struct lab *lab, struct model *model, const uint64_t *hashes, const struct model_test *t,
	uint64_t *random)
{
	uint64_t hash = hashes[lab_random(random) % t->flows];
	enum flow_state flow_state = (enum flow_state)(1 + lab_random(random) % 5);
	uint16_t backend = (uint16_t)(1 + lab_random(random) % 20);
	unsigned what = (unsigned)(lab_random(random) % 100);
	if (what < 40)
		model_insert(lab, model, hash,
			(struct flow_entry){.backend = backend,
				.state = flow_state,
				.generation = lab->generation[backend]});
	else if (what < 60)
		model_lookup(lab, model, hash, FLOW_EMPTY);
	else if (what < 80)
		model_lookup(lab, model, hash, flow_state);
	else if (what < 85)
		model_remove(lab, model, hash);
	else if (what < 86)
		lab->generation[backend] = (lab->generation[backend] + 1) & 3;
	else if (what < 96)
		model->now += lab_random(random) % (t->ticks_a_step_max + 1);
	else
		model_sweep(lab, model);
}

static void
run_model(struct model_test t)
{
	struct lab lab;
	struct model model = {.now = 2000};
	uint64_t random = t.seed, swept = model.now, hashes[ENTRIES_MAX], tags[ENTRIES_MAX];
	lab_init(&lab, t.capacity);
	for (size_t i = 0; i < t.flows; i++) {
		tags[i] = i < t.tags ? lab_random(&random) & UINT32_MAX : tags[i % t.tags];
		hashes[i] = lab_random(&random) << 32 | tags[i];
	}
	for (unsigned i = 0; i < t.operations; i++) {
		model_step(&lab, &model, hashes, &t, &random);
		if (model.now - swept > 80) { /* before an age can wrap */
			model_sweep(&lab, &model);
			swept = model.now;
		}
		assert_same(&lab, &model);
	}
	lab_free(&lab);
}

static void
test_model_crowded(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 20; seed++) {
		run_model((struct model_test){ONE_PAIR, 24, 24, 5000, 1, seed});
		run_model((struct model_test){ONE_PAIR, 40, 40, 5000, 20, seed});
		run_model((struct model_test){ONE_PAIR, 30, 30, 5000, 100, seed});
	}
}

static void
test_model_roomy(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 4; seed++) {
		run_model((struct model_test){SOME_PAIRS, 150, 150, 5000, 10, seed});
		run_model((struct model_test){SOME_PAIRS, 150, 20, 5000, 60, seed});
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_model_crowded),
		cmocka_unit_test(test_model_roomy),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
