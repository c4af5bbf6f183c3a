/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Cycles an operation, in cycles of the TSC. Cases that are to be compared form a group and take
 * turns, so that what disturbs the machine disturbs them all: ratios within a group hold where
 * absolute figures wander.
 *
 *	round 1: | case A | case B | case C |   round 2: | case A | case B | case C |   …
 *	a case:  | prepare | run | prepare | run | …      of which only run is timed
 *
 * A figure is the mean over one round; median, least and greatest of the rounds go to standard
 * output, a line a case, tab-separated:
 *
 *	noun	operation	with	median	min	max	rounds
 */
#ifndef FAIRLEAD_BENCH_H
#define FAIRLEAD_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <x86intrin.h>

#include "bounds.h"

/* Operations of one run: what they read besides the tables under test stays in the second-level
 * cache, and reading the clock twice costs an operation a tenth of a cycle. A multiple of
 * BURST_MAX. */
#define BENCH_BATCH 1024

struct bench_case {
	const char *operation;
	void (*prepare)(void *context); /* or NULL */
	/* Returns how many operations came out as they should. Anything but `operations` ends the
	 * program: a figure for something else is worse than none. */
	uint32_t (*run)(void *context);
	void *context;
	uint32_t operations; /* of a run */
	uint32_t runs;	     /* of a round */
};

/*
 * Takes --rounds N and --largest N from the command line; wrong usage ends the program. Returns the
 * index of what follows "--", or argc.
 */
int bench_start(int argc, char **argv);

/* Whether a table of `size` was wanted: none larger than --largest. */
bool bench_wants(uint64_t size);

/* Measures a group and prints it. `with` says what all its cases have in common: "flows=1000". */
void bench_group(
	const char *noun, const char *with, const struct bench_case *cases, size_t case_count);

/* Ends the program with this sentence. */
void bench_fail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

/* Zeroed memory on a page boundary; lives as long as the program. */
void *bench_alloc(size_t bytes);

/* The clock that everything is measured by. Nothing that is timed may drift out of two
 * readings, or into them. */
static inline uint64_t
bench_read_tsc(void)
{
	_mm_lfence();
	uint64_t now = __rdtsc();
	_mm_lfence();
	return now;
}

double bench_tsc_mhz(void);

/* The compiler has to believe that somebody looks at the result. */
static inline void
bench_keep(uint64_t result)
{
	__asm__ volatile("" : : "r"(result));
}

/* splitmix64: the same sequence from the same state. */
static inline uint64_t
bench_random(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15u;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

#endif
