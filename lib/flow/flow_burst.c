/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The common cases of the table, by vector instructions: a burst of flows that are looked up, and a
 * flow that goes into an empty place. Whatever is not that is left to flow_table.c, entry by entry,
 * which is the reference of all variants here.
 *
 *   bucket: | gen…backend | tag | gen…backend | tag | …     sixteen words of 32 bits
 *   mask:          0        b0         0        b1          one bit a word, of which the odd count
 *
 * A vector load is no atomic one, but x86 does not tear the aligned eight bytes within it (Intel SDM,
 * 3A 9.1.1; AMD APM, 2 7.3.2), and the entry that matches is loaded again as the atomic that it is
 * before anything is believed of it. Nor does it move a load before a compare-and-swap.
 *
 * A look-up takes two passes. Nine of ten flows lie in their first bucket (flow_pair.h), so that is
 * compared for all; for those that are not there the second one is fetched, and compared when all
 * these fetches are under way. To fetch both for everybody would be the double of what a core can
 * have under way at once, and as much again of what its caches hold.
 */
#include "flow_table.h"

/* The thread sanitizer cannot know that a vector load is as good as eight atomic ones. */
#if defined(__x86_64__) && !defined(__SANITIZE_THREAD__)
#define HAS_VECTORS 1
#include <immintrin.h>
#endif

#include "bounds.h"
#include "flow_pair.h"

#define INLINE static inline __attribute__((always_inline))

/* Bit 2i + 1: entry i of the bucket has the tag. */
typedef uint32_t tag_mask(const struct flow_bucket *bucket, uint32_t tag);
/* Bit i: entry i is empty. */
typedef uint32_t empty_mask(const struct flow_bucket *bucket);

/* What is found in one bucket. `*settled` is false where more than the first match counts. */
INLINE struct flow_hit
find_in(const struct flow_table *table, struct flow_bucket *bucket, uint32_t tag, uint16_t now,
	tag_mask *tag_mask_of, bool *settled)
{
	uint32_t mask = tag_mask_of(bucket, tag);
	*settled = true;
	if (mask == 0)
		return (struct flow_hit){.place = NULL};
	_Atomic uint64_t *place = &bucket->entries[(unsigned)__builtin_ctz(mask) / 2];
	uint64_t word = atomic_load_explicit(place, memory_order_relaxed);
	*settled = (uint32_t)(word >> 32) == tag && !is_over(table, word, now);
	return (struct flow_hit){.place = place, .word = word};
}

INLINE void
lookup_burst(const struct flow_table *table, const uint64_t *hashes, unsigned count, uint16_t now,
	struct flow_hit *hits, tag_mask *tag_mask_of)
{
	uint8_t elsewhere[BURST_MAX];
	unsigned elsewhere_count = 0;
	for (unsigned i = 0; i < count; i++) {
		bool settled;
		uint32_t tag = (uint32_t)hashes[i];
		uint32_t first = flow_first_bucket(table, hashes[i]);
		hits[i] = find_in(table, &table->buckets[first], tag, now, tag_mask_of, &settled);
		if (__builtin_expect(!settled, 0))
			hits[i] = flow_lookup(table, hashes[i], now);
		if (__builtin_expect(hits[i].place != NULL, 1))
			continue;
		__builtin_prefetch(&table->buckets[flow_other_bucket(table, first, tag)]);
		elsewhere[elsewhere_count++] = (uint8_t)i;
	}
	for (unsigned k = 0; k < elsewhere_count; k++) {
		bool settled;
		unsigned i = elsewhere[k];
		struct pair pair = pair_of(table, hashes[i]);
		hits[i] = find_in(
			table, pair.buckets[1], (uint32_t)hashes[i], now, tag_mask_of, &settled);
		if (__builtin_expect(!settled, 0))
			hits[i] = flow_lookup(table, hashes[i], now);
	}
}

/* Where the flow is now, that was in neither bucket; NULL: nothing has changed, since it is no such
 * case. `*contested`: somebody else has put the same flow in meanwhile. */
INLINE _Atomic uint64_t *
insert_fresh(struct flow_table *table, uint64_t hash, uint64_t word, bool *contested,
	tag_mask *tag_mask_of, empty_mask *empty_mask_of)
{
	struct pair pair = pair_of(table, hash);
	struct flow_bucket *first = pair.buckets[0], *second = pair.buckets[1];
	uint32_t tag = (uint32_t)hash;
	if ((tag_mask_of(first, tag) | tag_mask_of(second, tag)) != 0)
		return NULL;
	uint32_t in_first = empty_mask_of(first), in_second = empty_mask_of(second);
	bool goes_second = goes_into_second(
		(unsigned)__builtin_popcount(in_first), (unsigned)__builtin_popcount(in_second));
	uint32_t empty = goes_second ? in_second : in_first;
	if (empty == 0)
		return NULL;
	uint64_t nothing = 0;
	_Atomic uint64_t *place = &pair.buckets[goes_second]->entries[__builtin_ctz(empty)];
	if (!atomic_compare_exchange_strong(place, &nothing, word))
		return NULL;
	*contested = __builtin_popcount(tag_mask_of(first, tag)) +
			     __builtin_popcount(tag_mask_of(second, tag)) !=
		     1;
	return place;
}

#define VARIANT(isa, attributes)                                                                   \
	attributes static void lookup_burst_##isa(const struct flow_table *table,                  \
		const uint64_t *hashes, unsigned count, uint16_t now, struct flow_hit *hits)       \
	{                                                                                          \
		lookup_burst(table, hashes, count, now, hits, tag_mask_##isa);                     \
	}                                                                                          \
	attributes static _Atomic uint64_t *insert_fresh_##isa(                                    \
		struct flow_table *table, uint64_t hash, uint64_t word, bool *contested)           \
	{                                                                                          \
		return insert_fresh(                                                               \
			table, hash, word, contested, tag_mask_##isa, empty_mask_##isa);           \
	}

INLINE uint32_t
tag_mask_scalar(const struct flow_bucket *bucket, uint32_t tag)
{
	uint32_t mask = 0;
#pragma GCC unroll 8
	for (unsigned i = 0; i < FLOW_BUCKET_ENTRIES; i++) {
		uint64_t word = atomic_load_explicit(&bucket->entries[i], memory_order_relaxed);
		mask |= (uint32_t)((uint32_t)(word >> 32) == tag) << (2 * i + 1);
	}
	return mask;
}

INLINE uint32_t
empty_mask_scalar(const struct flow_bucket *bucket)
{
	uint32_t mask = 0;
#pragma GCC unroll 8
	for (unsigned i = 0; i < FLOW_BUCKET_ENTRIES; i++) {
		uint64_t word = atomic_load_explicit(&bucket->entries[i], memory_order_relaxed);
		mask |= (uint32_t)(word == 0) << i;
	}
	return mask;
}

VARIANT(scalar, )

#ifdef HAS_VECTORS

#define TAGS 0xaaaau /* the odd words of a bucket */

#define SSE42  __attribute__((target("sse4.2,popcnt")))
#define AVX2   __attribute__((target("avx2,popcnt")))
#define AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,popcnt")))

SSE42 INLINE uint32_t
tag_mask_sse42(const struct flow_bucket *bucket, uint32_t tag)
{
	const __m128i *quarter = (const void *)bucket;
	__m128i wanted = _mm_set1_epi32((int)tag);
	__m128i a = _mm_cmpeq_epi32(_mm_load_si128(quarter), wanted);
	__m128i b = _mm_cmpeq_epi32(_mm_load_si128(quarter + 1), wanted);
	__m128i c = _mm_cmpeq_epi32(_mm_load_si128(quarter + 2), wanted);
	__m128i d = _mm_cmpeq_epi32(_mm_load_si128(quarter + 3), wanted);
	__m128i bytes = _mm_packs_epi16(_mm_packs_epi32(a, b), _mm_packs_epi32(c, d));
	return (uint32_t)_mm_movemask_epi8(bytes) & TAGS;
}

SSE42 INLINE uint32_t
empty_mask_sse42(const struct flow_bucket *bucket)
{
	const __m128i *quarter = (const void *)bucket;
	__m128i zero = _mm_setzero_si128();
	__m128i a = _mm_cmpeq_epi64(_mm_load_si128(quarter), zero);
	__m128i b = _mm_cmpeq_epi64(_mm_load_si128(quarter + 1), zero);
	__m128i c = _mm_cmpeq_epi64(_mm_load_si128(quarter + 2), zero);
	__m128i d = _mm_cmpeq_epi64(_mm_load_si128(quarter + 3), zero);
	__m128i words = _mm_packs_epi32(_mm_packs_epi32(a, b), _mm_packs_epi32(c, d));
	return (uint32_t)_mm_movemask_epi8(_mm_packs_epi16(words, zero));
}

AVX2 INLINE uint32_t
tag_mask_avx2(const struct flow_bucket *bucket, uint32_t tag)
{
	const __m256i *half = (const void *)bucket;
	__m256i wanted = _mm256_set1_epi32((int)tag);
	__m256i a = _mm256_cmpeq_epi32(_mm256_load_si256(half), wanted);
	__m256i b = _mm256_cmpeq_epi32(_mm256_load_si256(half + 1), wanted);
	uint32_t low = (uint32_t)_mm256_movemask_ps(_mm256_castsi256_ps(a));
	uint32_t high = (uint32_t)_mm256_movemask_ps(_mm256_castsi256_ps(b));
	return (low | high << 8) & TAGS;
}

AVX2 INLINE uint32_t
empty_mask_avx2(const struct flow_bucket *bucket)
{
	const __m256i *half = (const void *)bucket;
	__m256i zero = _mm256_setzero_si256();
	__m256i a = _mm256_cmpeq_epi64(_mm256_load_si256(half), zero);
	__m256i b = _mm256_cmpeq_epi64(_mm256_load_si256(half + 1), zero);
	uint32_t low = (uint32_t)_mm256_movemask_pd(_mm256_castsi256_pd(a));
	uint32_t high = (uint32_t)_mm256_movemask_pd(_mm256_castsi256_pd(b));
	return low | high << 4;
}

AVX512 INLINE uint32_t
tag_mask_avx512(const struct flow_bucket *bucket, uint32_t tag)
{
	return _mm512_mask_cmpeq_epi32_mask(
		TAGS, _mm512_load_si512(bucket), _mm512_set1_epi32((int)tag));
}

AVX512 INLINE uint32_t
empty_mask_avx512(const struct flow_bucket *bucket)
{
	__m512i words = _mm512_load_si512(bucket);
	return _mm512_testn_epi64_mask(words, words);
}

VARIANT(sse42, SSE42)
VARIANT(avx2, AVX2)
VARIANT(avx512, AVX512)

bool
flow_isa_available(enum flow_isa isa)
{
	switch (isa) {
	case FLOW_ISA_SSE42:
		return __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("popcnt");
	case FLOW_ISA_AVX2:
		return __builtin_cpu_supports("avx2");
	case FLOW_ISA_AVX512:
		return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
		       __builtin_cpu_supports("avx512vl");
	default:
		return isa == FLOW_ISA_SCALAR;
	}
}

void
flow_table_use(struct flow_table *table, enum flow_isa isa)
{
	static const struct flow_variant variants[FLOW_ISAS] = {
		[FLOW_ISA_SCALAR] = {lookup_burst_scalar, insert_fresh_scalar},
		[FLOW_ISA_SSE42] = {lookup_burst_sse42, insert_fresh_sse42},
		[FLOW_ISA_AVX2] = {lookup_burst_avx2, insert_fresh_avx2},
		[FLOW_ISA_AVX512] = {lookup_burst_avx512, insert_fresh_avx512},
	};
	table->variant = variants[isa];
}

#else

bool
flow_isa_available(enum flow_isa isa)
{
	return isa == FLOW_ISA_SCALAR;
}

void
flow_table_use(struct flow_table *table, enum flow_isa isa)
{
	(void)isa;
	table->variant = (struct flow_variant){lookup_burst_scalar, insert_fresh_scalar};
}

#endif
