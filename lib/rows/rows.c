/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The score of a member on a row, 32 bits:
 *
 *   31                  32-n                   0
 *   +--------------------+---------------------+
 *   | P(row)             | more of the hash    |     n = log2(rows)
 *   +--------------------+---------------------+
 *
 * P is a bijection on n bits, keyed by the member's identity: over all rows a member has every
 * value of P once. So the number of rows on which it scores high is fixed, and only whom it meets
 * there is chance. The bits below break nearly all ties of P.
 *
 * Who has the row, in this order:
 *   1. the smallest key -ln((score + 0.5) / 2^32) / weight,
 *   2. the highest score,
 *   3. the smallest identity, then the smallest index.
 * The logarithm, as it is computed here, never grows when the score does. So among equal weights
 * the highest score also has the smallest key, or the same one, and then (2) decides: the search
 * that leaves the logarithm out, when all weights are equal, is the same search.
 *
 * Speed: for a block of rows that fits into the first-level cache, member after member, so that the
 * inner loops run over arrays with nothing but straight-line arithmetic and the compiler makes
 * vectors of them; they are compiled once for each instruction set. Ties are only noticed there
 * and settled by a second pass, which hardly any block needs.
 */
#include "rows.h"

#include <assert.h>
#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "bounds.h"

/*
 * a * b + c rounds twice, or once where the compiler makes a fused operation of it, which it may
 * do, and only on machines that have one. Then siblings would disagree. So it must not.
 */
#ifdef __clang__
#pragma STDC FP_CONTRACT OFF
#else
#pragma GCC optimize("fp-contract=off")
#endif
static_assert(FLT_EVAL_METHOD == 0, "a float operation rounds to float");
static_assert(FLT_RADIX == 2 && FLT_MANT_DIG == 24, "float is IEEE 754 binary32");

#define BLOCK_ROWS 1024
static_assert(ROWS_MIN % BLOCK_ROWS == 0, "a table is a whole number of blocks");

/* The part of the loops that each instruction set compiles for itself. */
#define INLINE static inline __attribute__((always_inline))

/* The rows of a table: 2^bits. */
struct geometry {
	unsigned bits;
	uint32_t mask;
};

/* A member's bijection. */
struct scrambler {
	uint32_t flip;
	uint32_t odd[4];
};

/* The best so far of each row. */
struct block {
	uint32_t score[BLOCK_ROWS];
	float key[BLOCK_ROWS];	     /* only if weights differ */
	uint32_t holder[BLOCK_ROWS]; /* place in the list of members + 1; 0: nobody */
};

/* The n-th number of the generator splitmix64 (Steele, Lea and Flood, 2014) from this seed. */
static uint64_t
splitmix(uint64_t seed, unsigned n)
{
	uint64_t z = seed + n * 0x9e3779b97f4a7c15u;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

static struct scrambler
scrambler_of(uint64_t identity)
{
	uint64_t a = splitmix(identity, 1), b = splitmix(identity, 2), c = splitmix(identity, 3);
	return (struct scrambler){
		.flip = (uint32_t)a,
		.odd = {(uint32_t)b | 1, (uint32_t)(b >> 32) | 1, (uint32_t)c | 1,
			(uint32_t)(c >> 32) | 1},
	};
}

/* One round: each step can be undone modulo 2^bits. */
INLINE uint32_t
scramble(uint32_t y, uint32_t odd, struct geometry g)
{
	y = y * odd & g.mask;
	return y ^ y >> (g.bits / 2);
}

/* The rounds are written out: in a loop of their own the compiler would not make vectors of them.
 */
INLINE uint32_t
score_of(const struct scrambler *s, struct geometry g, uint32_t row)
{
	uint32_t y = row ^ (s->flip & g.mask);
	y = scramble(y, s->odd[0], g);
	y = scramble(y, s->odd[1], g);
	y = scramble(y, s->odd[2], g);
	y *= s->odd[3];
	return y << (32 - g.bits) | y >> g.bits;
}

/*
 * -ln(1 - t) for t of 0 to 0.5, within 1.1e-4 of it, where the chance in a share is a hundred times
 * that: the first terms of its series, and two fitted ones for all the rest. Every coefficient is
 * positive and every operation rounds to nearest, so the result never falls when t grows.
 */
INLINE float
minus_log_near(float t)
{
	float q = 0.4132221f;
	q = q * t + 0.13832449f;
	q = q * t + 0.25f;
	q = q * t + 0.33333333f;
	q = q * t + 0.5f;
	q = q * t + 1.0f;
	return q * t;
}

/* -ln((score + 0.5) / 2^32) */
INLINE float
minus_log(uint32_t score)
{
	/* The distance from 1 in the upper half, where it is all precision; from 0 in the lower. */
	uint32_t missing = ~score;
	uint32_t lower = 0u - (missing >> 31);
	float distance = ((float)(int32_t)(missing ^ lower) + 0.5f) * 0x1p-32f;
	/* In the lower half: distance = m * 2^-halvings with m of 0.5 to 1. */
	uint32_t bits, near_bits;
	memcpy(&bits, &distance, sizeof(bits));
	uint32_t m_bits = (bits & 0x007fffffu) | 0x3f000000u;
	float m;
	memcpy(&m, &m_bits, sizeof(m));
	uint32_t halvings = (126 - (bits >> 23)) & lower;
	float from_one = 1.0f - m, near;
	memcpy(&near_bits, &from_one, sizeof(near_bits));
	near_bits = (near_bits & lower) | (bits & ~lower);
	memcpy(&near, &near_bits, sizeof(near));
	return (float)(int32_t)halvings * 0.69314718f + minus_log_near(near);
}

static float
reciprocal(uint16_t weight)
{
	return 1.0f / (float)weight;
}

static bool
precedes(const struct rows_member *a, const struct rows_member *b)
{
	return a->identity != b->identity ? a->identity < b->identity : a->index < b->index;
}

/* True if a row had the very score of the member that came. */
INLINE bool
challenge_equal(struct block *block, struct geometry g, uint32_t first, const struct scrambler *s,
	uint32_t holder)
{
	uint32_t ties = 0;
	for (uint32_t i = 0; i < BLOCK_ROWS; i++) {
		uint32_t score = score_of(s, g, first + i), best = block->score[i];
		ties |= score == best;
		block->score[i] = score > best ? score : best;
		block->holder[i] = score > best ? holder : block->holder[i];
	}
	return ties != 0;
}

/* The same with keys. */
INLINE bool
challenge_weighted(struct block *block, struct geometry g, uint32_t first,
	const struct scrambler *s, float per_weight, uint32_t holder)
{
	uint32_t ties = 0;
	for (uint32_t i = 0; i < BLOCK_ROWS; i++) {
		uint32_t score = score_of(s, g, first + i), best = block->score[i];
		float key = minus_log(score) * per_weight, best_key = block->key[i];
		uint32_t same_key = key == best_key;
		uint32_t better = (uint32_t)(key < best_key) | (same_key & (score > best));
		ties |= same_key & (score == best);
		block->key[i] = better ? key : best_key;
		block->score[i] = better ? score : best;
		block->holder[i] = better ? holder : block->holder[i];
	}
	return ties != 0;
}

/* After a challenge that met ties: gives the member the rows of those that come after it. */
static __attribute__((noinline)) void
settle_ties(struct block *block, struct geometry g, uint32_t first,
	const struct rows_member *members, uint32_t holder, bool weighted)
{
	const struct rows_member *member = &members[holder - 1];
	struct scrambler s = scrambler_of(member->identity);
	float per_weight = reciprocal(member->weight);
	for (uint32_t i = 0; i < BLOCK_ROWS; i++) {
		uint32_t score = score_of(&s, g, first + i);
		if (score != block->score[i])
			continue;
		if (weighted && minus_log(score) * per_weight != block->key[i])
			continue;
		uint32_t now = block->holder[i];
		if (now == 0 || precedes(member, &members[now - 1]))
			block->holder[i] = holder;
	}
}

INLINE void
build(uint16_t *rows, struct geometry g, const struct rows_member *members, size_t member_count,
	bool weighted)
{
	struct block block;
	for (uint32_t first = 0; first <= g.mask; first += BLOCK_ROWS) {
		for (uint32_t i = 0; i < BLOCK_ROWS; i++) {
			block.score[i] = 0;
			block.key[i] = INFINITY;
			block.holder[i] = 0;
		}
		for (uint32_t holder = 1; holder <= member_count; holder++) {
			const struct rows_member *member = &members[holder - 1];
			if (member->weight == 0)
				continue;
			struct scrambler s = scrambler_of(member->identity);
			bool ties = weighted ? challenge_weighted(&block, g, first, &s,
						       reciprocal(member->weight), holder)
					     : challenge_equal(&block, g, first, &s, holder);
			if (ties)
				settle_ties(&block, g, first, members, holder, weighted);
		}
		for (uint32_t i = 0; i < BLOCK_ROWS; i++) {
			uint32_t holder = block.holder[i];
			rows[first + i] = holder ? members[holder - 1].index : ROWS_NOBODY;
		}
	}
}

/* One copy of the loops for each instruction set, with `weighted` a constant in either call. */
#define BUILD_VARIANT(name, attributes)                                                            \
	attributes static void build_##name(uint16_t *rows, struct geometry g,                     \
		const struct rows_member *members, size_t member_count, bool weighted)             \
	{                                                                                          \
		if (weighted)                                                                      \
			build(rows, g, members, member_count, true);                               \
		else                                                                               \
			build(rows, g, members, member_count, false);                              \
	}

BUILD_VARIANT(baseline, )
#ifdef __x86_64__
BUILD_VARIANT(sse42, __attribute__((target("sse4.2"))))
BUILD_VARIANT(avx2, __attribute__((target("avx2"))))
BUILD_VARIANT(avx512, __attribute__((target("avx512f,avx512bw,avx512vl"))))
#endif

bool
rows_isa_available(enum rows_isa isa)
{
#ifdef __x86_64__
	switch (isa) {
	case ROWS_ISA_SSE42:
		return __builtin_cpu_supports("sse4.2");
	case ROWS_ISA_AVX2:
		return __builtin_cpu_supports("avx2");
	case ROWS_ISA_AVX512:
		return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
		       __builtin_cpu_supports("avx512vl");
	default:
		break;
	}
#endif
	return isa == ROWS_ISA_BASELINE;
}

static bool
weights_differ(const struct rows_member *members, size_t member_count)
{
	uint16_t weight = 0;
	for (size_t i = 0; i < member_count; i++) {
		if (members[i].weight == 0)
			continue;
		if (weight != 0 && members[i].weight != weight)
			return true;
		weight = members[i].weight;
	}
	return false;
}

static struct geometry
geometry_of(size_t count)
{
	return (struct geometry){
		.bits = (unsigned)__builtin_ctzl(count),
		.mask = (uint32_t)count - 1,
	};
}

void
rows_build_isa(enum rows_isa isa, uint16_t *rows, size_t count, const struct rows_member *members,
	size_t member_count)
{
	struct geometry g = geometry_of(count);
	bool weighted = weights_differ(members, member_count);
	switch (isa) {
#ifdef __x86_64__
	case ROWS_ISA_AVX512:
		build_avx512(rows, g, members, member_count, weighted);
		break;
	case ROWS_ISA_AVX2:
		build_avx2(rows, g, members, member_count, weighted);
		break;
	case ROWS_ISA_SSE42:
		build_sse42(rows, g, members, member_count, weighted);
		break;
#endif
	default:
		build_baseline(rows, g, members, member_count, weighted);
	}
}

void
rows_build(uint16_t *rows, size_t count, const struct rows_member *members, size_t member_count)
{
	enum rows_isa isa = ROWS_ISA_WIDEST;
	while (!rows_isa_available(isa))
		isa--;
	rows_build_isa(isa, rows, count, members, member_count);
}

uint16_t
rows_reference(size_t row, size_t count, const struct rows_member *members, size_t member_count)
{
	const struct rows_member *best = NULL;
	float best_key = INFINITY;
	uint32_t best_score = 0;
	for (const struct rows_member *m = members; m < members + member_count; m++) {
		if (m->weight == 0)
			continue;
		struct scrambler s = scrambler_of(m->identity);
		uint32_t score = score_of(&s, geometry_of(count), (uint32_t)row);
		float key = minus_log(score) * reciprocal(m->weight);
		bool better = !best		    ? true
			      : key != best_key	    ? key < best_key
			      : score != best_score ? score > best_score
						    : precedes(m, best);
		if (better) {
			best = m;
			best_key = key;
			best_score = score;
		}
	}
	return best ? best->index : ROWS_NOBODY;
}

size_t
rows_differing(const uint16_t *a, const uint16_t *b, size_t count)
{
	size_t differing = 0;
	for (size_t i = 0; i < count; i++)
		differing += a[i] != b[i];
	return differing;
}
