/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The burst's own source, with its two entry points under other names, and in their places the same
 * with a clock. They stay in one translation unit with the stages, so that these are compiled as ever.
 */
#include "stages.h"

#include <x86intrin.h>

#include "burst.h"

#pragma GCC diagnostic ignored "-Wold-style-declaration" /* "void static" */
#define BURST_ENTRY static __attribute__((unused)) untimed_burst
#include "../../lib/pipeline/burst.c"
#define pipeline_settle static inline __attribute__((always_inline)) untimed_settle
#include "../../lib/pipeline/settle.c"
#undef pipeline_settle

static const char *const names[STAGE_COUNT] = {
	"net", "service", "flow", "send", "dispatch", "settle"};
const char *const *const stage_names = names;
uint64_t stage_cycles[STAGE_COUNT];

static uint64_t last;

/* Without fences, which would keep a stage's prefetches from reaching into the next: what is still
 * under way is counted where it ends. */
static inline void
ended(enum stage stage)
{
	uint64_t now = __rdtsc();
	stage_cycles[stage] += now - last;
	last = now;
}

const char *
stages_begin(void)
{
	return "this CPU's (-march=native)";
}

void
pipeline_burst(
	struct pipeline *pipeline, const struct tables *tables, uint8_t port, struct burst *burst)
{
	last = __rdtsc();
	stage_net(pipeline, tables, port, burst);
	ended(STAGE_NET);
	stage_service(pipeline, tables, port, burst);
	ended(STAGE_SERVICE);
	stage_flow(pipeline, tables, burst);
	ended(STAGE_FLOW);
	stage_send(pipeline, tables, burst);
	ended(STAGE_SEND);
}

void
pipeline_settle(struct pipeline *pipeline, const struct burst *burst)
{
	ended(STAGE_DISPATCH);
	untimed_settle(pipeline, burst);
	ended(STAGE_SETTLE);
}
