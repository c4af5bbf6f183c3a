/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A rehearsal says what the stages then do, for every frame of the packet tests, and leaves no trace:
 * neither in the flow table nor in meters nor in the notes of fragments.
 */
#include "edge.h"
#include "rehearsal.h"

#define CAPACITY     FLOW_CAPACITY_MIN
#define POOL_BUFFERS 16
#define MTU	     1500
/* Between one frame and its like: an established flow still lives then. */
#define IDLE_TICKS 100

static const char *capture_path;
static struct edge_capture capture;
static struct rte_mempool *pool;

struct outcome {
	enum exit exit;
	uint16_t backend, service;
};

static void
let_time_pass(struct edge *e, unsigned ticks)
{
	e->pipeline.now.us += (uint64_t)ticks * FLOW_TICK_US;
	e->pipeline.tick = flow_tick(e->pipeline.now);
}

/* What the stages do with it. */
static struct outcome
perform(struct edge *e, const struct edge_frame *frame)
{
	static struct burst b;
	struct rte_mbuf *m = edge_put(pool, frame->bytes, frame->length);
	assert_non_null(m);
	b = (struct burst){.count = 1, .mbufs = {m}};
	pipeline_burst(&e->pipeline, &e->tables, EDGE_PORT, &b);
	rte_pktmbuf_free(b.mbufs[0]);
	return (struct outcome){(enum exit)b.exit[0], b.backend[0], b.service[0]};
}

static void
test_says_what_then_happens(void **state)
{
	(void)state;
	struct edge *e = edge_create(CAPACITY, MTU, pool);
	struct rehearsal *r = rehearsal_create();
	assert_non_null(r);
	size_t bytes = flow_table_bytes(CAPACITY);
	void *before = malloc(bytes);
	assert_non_null(before);
	unsigned by_exit[EXIT_HELD + 1] = {0}, remembered = 0;
	for (uint32_t i = 0; i < capture.count; i++) {
		const struct edge_frame *frame = &capture.frames[i];
		if (frame->length > REHEARSAL_FRAME_MAX)
			continue;
		struct pipeline pipeline = e->pipeline;
		memcpy(before, e->flow_memory, bytes);
		const struct rehearsal_stage stage = {
			&e->tables, &e->flows, e->pipeline.notes, EDGE_PORT, e->pipeline.now};
		struct rehearsed said = rehearsal_frame(r, &stage, frame->bytes, frame->length);
		assert_memory_equal(before, e->flow_memory, bytes);
		assert_memory_equal(&pipeline, &e->pipeline, sizeof(pipeline));

		struct outcome did = perform(e, frame);
		assert_string_equal(did.exit == EXIT_HELD ? "held" : exit_name(did.exit),
			said.exit == EXIT_HELD ? "held" : exit_name(said.exit));
		assert_int_equal(did.backend, said.backend);
		assert_int_equal(did.service, said.service);
		by_exit[did.exit]++;
		remembered += said.has_entry && said.why == EXPLAIN_BY_ENTRY;
		/* Meters have tokens for all of them: what is metered is not what is asked here. */
		memset(&e->pipeline.punt, 0, sizeof(e->pipeline.punt));
		memset(&e->pipeline.answer, 0, sizeof(e->pipeline.answer));
	}
	assert_true(by_exit[EXIT_SENT] > 100 && by_exit[EXIT_ANSWERED_ECHO] > 0 &&
		    by_exit[EXIT_HELD] > 0 && by_exit[EXIT_DROP_IPV4_CHECKSUM] > 0);
	assert_true(remembered > 10);
	free(before);
	rehearsal_destroy(r);
	edge_destroy(e);
}

/* A flow that has been idle for long, but not too long, is remembered: ages are those of the live table.
 */
static void
test_idle_flow(void **state)
{
	(void)state;
	struct edge *e = edge_create(CAPACITY, MTU, pool);
	struct rehearsal *r = rehearsal_create();
	assert_non_null(r);
	unsigned remembered = 0, forgotten = 0;
	for (uint32_t i = 0; i < capture.count; i++) {
		const struct edge_frame *frame = &capture.frames[i];
		if (frame->length > REHEARSAL_FRAME_MAX || perform(e, frame).exit != EXIT_SENT)
			continue;
		let_time_pass(e, IDLE_TICKS);
		const struct rehearsal_stage stage = {
			&e->tables, &e->flows, e->pipeline.notes, EDGE_PORT, e->pipeline.now};
		struct rehearsed said = rehearsal_frame(r, &stage, frame->bytes, frame->length);
		remembered += said.has_entry && said.why == EXPLAIN_BY_ENTRY;
		forgotten += !said.has_entry;
		/* What it says is what happens, to those whose time is over as well. */
		assert_int_equal(perform(e, frame).backend, said.backend);
	}
	assert_true(remembered > 10 && forgotten > 10);
	rehearsal_destroy(r);
	edge_destroy(e);
}

static int
read_frames(void **state)
{
	(void)state;
	pool = edge_create_pool("rehearsal", POOL_BUFFERS);
	capture = edge_read_capture(capture_path);
	return 0;
}

static int
forget_frames(void **state)
{
	(void)state;
	edge_free_capture(&capture);
	rte_mempool_free(pool);
	return 0;
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_says_what_then_happens),
		cmocka_unit_test(test_idle_flow),
	};
	if (argc != 2)
		return 2;
	capture_path = argv[1];
	if (!edge_start_eal(NULL))
		return EDGE_TEST_SKIPPED;
	return cmocka_run_group_tests(tests, read_frames, forget_frames);
}
