/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The row table: row -> backend, by weighted rendezvous.
 *
 * Every backend has a score on every row; the highest has the row (Thaler and Ravishankar, "Using
 * name-based mappings to increase hit rates", 1998; weights by -ln(u)/w as in Efraimidis and
 * Spirakis, 2006). A score depends on that backend and that row alone. So
 *   - a backend that goes away gives up its rows, and no other row changes;
 *   - a backend that comes takes its share from all the others, and nothing moves between those;
 *   - the order of the list means nothing, and siblings that know the same names and weights and
 *     the same key agree on every row, on any machine: the arithmetic is integer, or IEEE 754
 *     operations that are exactly rounded, so no compiler or library can change a row.
 *
 *   rows:  | backend index 16 | backend index 16 | … 2^16 to 2^18 of them
 *
 * Scores of one backend over all rows are a permutation of equally spaced values and not
 * independent draws: that halves the variance of the shares. For 100 equal backends the largest
 * has 1.07 x the mean at 2^16 rows instead of 1.10.
 *
 * Pure: no global state, any thread. Building is control's; workers only read the finished array.
 */
#ifndef FAIRLEAD_ROWS_H
#define FAIRLEAD_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Nobody has this row: the table is built of no backend, or only of weight 0. */
#define ROWS_NOBODY 0

struct rows_member {
	uint64_t identity; /* keyed hash of the backend's name; equal ones are the same backend */
	uint16_t index;	   /* what is written into its rows; not 0 */
	uint16_t weight;   /* relative share; 0 has no rows */
};

/*
 * Fills `rows[0 .. count)`. `count` is a power of two, ROWS_MIN to ROWS_MAX.
 * Equal scores go to the smaller identity, so that the order of `members` never shows.
 */
void rows_build(
	uint16_t *rows, size_t count, const struct rows_member *members, size_t member_count);

/* The same on one instruction set, which must be available: all give the same rows (tests). */
enum rows_isa {
	ROWS_ISA_BASELINE,
	ROWS_ISA_SSE42,
	ROWS_ISA_AVX2,
	ROWS_ISA_AVX512,
	ROWS_ISA_WIDEST = ROWS_ISA_AVX512,
};
bool rows_isa_available(enum rows_isa isa);
void rows_build_isa(enum rows_isa isa, uint16_t *rows, size_t count,
	const struct rows_member *members, size_t member_count);

/* Straight from the definition, one row at a time, for tests: equal to rows_build in every row. */
uint16_t rows_reference(
	size_t row, size_t count, const struct rows_member *members, size_t member_count);

/* Rows that differ between two tables of the same length. */
size_t rows_differing(const uint16_t *a, const uint16_t *b, size_t count);

/* The row of a flow: the low bits of its tag, so that a table entry alone tells it. */
static inline uint32_t
rows_of_tag(uint32_t tag, uint32_t count)
{
	return tag & (count - 1);
}

#endif
