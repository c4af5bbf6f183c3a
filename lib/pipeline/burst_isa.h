/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The stages are compiled once for each instruction set, from the same source (burst.c; lib/meson.build),
 * and one of them is run. All do the same; a test holds them against each other.
 */
#ifndef FAIRLEAD_BURST_ISA_H
#define FAIRLEAD_BURST_ISA_H

#include <stdbool.h>

#include "burst.h"

enum pipeline_isa {
	PIPELINE_BASELINE, /* what all of fairlead is compiled for: on x86, SSE4.2 */
	PIPELINE_AVX2,	   /* x86-64-v3 */
	PIPELINE_AVX512,   /* x86-64-v4 */
	PIPELINE_ISAS,
};

/* Whether this CPU, and this build, has it. */
bool pipeline_isa_available(enum pipeline_isa isa);

/* "baseline", "AVX2", "AVX-512". */
const char *pipeline_isa_name(enum pipeline_isa isa);

/* The widest that is available. */
enum pipeline_isa pipeline_widest_isa(void);

/* Which one pipeline_burst uses from now on, an available one; until then, the baseline. Control,
 * before workers run. */
void pipeline_use(enum pipeline_isa isa);

/* For burst_isa.c, the stages themselves. */
typedef void burst_entry(
	struct pipeline *pipeline, const struct tables *tables, uint8_t port, struct burst *burst);
burst_entry pipeline_burst_baseline, pipeline_burst_avx2, pipeline_burst_avx512;

#endif
