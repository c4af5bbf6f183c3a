/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The common cases of the table, for workers to inline: a flow that is known, and one that goes into
 * an empty place. Whatever is not that is left to flow_table.c, entry by entry, which is the
 * reference of all here.
 *
 *   bucket: | gen…backend | tag | gen…backend | tag | …     sixteen words of 32 bits
 *   mask:          0        b0         0        b1          one bit a word, of which the odd count
 *
 * The tags of a bucket are compared by one to eight instructions, as the compiler may use AVX-512,
 * AVX2, SSE4.2 or none of them: who includes this is compiled for each (burst.c), and which is run is
 * chosen once for all of it. Tests call the four by name.
 *
 * A vector load is no atomic one, but x86 does not tear the aligned eight bytes within it (Intel SDM,
 * 3A 9.1.1; AMD APM, 2 7.3.2), and the entry that matches is loaded again as the atomic that it is
 * before anything is believed of it. Nor does it move a load before a compare-and-swap.
 */
#ifndef FAIRLEAD_FLOW_INLINE_H
#define FAIRLEAD_FLOW_INLINE_H

#include "flow_table.h"

/* The thread sanitizer cannot know that a vector load is as good as eight atomic ones. */
#if defined(__x86_64__) && !defined(__SANITIZE_THREAD__)
#define FLOW_HAS_VECTORS 1
#include <immintrin.h>
#endif

#define FLOW_INLINE static inline __attribute__((always_inline))

/* Bit 2i + 1: entry i of the bucket has the tag. */
FLOW_INLINE uint32_t
flow_tag_mask_scalar(const struct flow_bucket *bucket, uint32_t tag)
{
	uint32_t mask = 0;
#pragma GCC unroll 8
	for (unsigned i = 0; i < FLOW_BUCKET_ENTRIES; i++) {
		uint64_t word = atomic_load_explicit(&bucket->entries[i], memory_order_relaxed);
		mask |= (uint32_t)((uint32_t)(word >> 32) == tag) << (2 * i + 1);
	}
	return mask;
}

/* Bit i: entry i is empty. */
FLOW_INLINE uint32_t
flow_empty_mask_scalar(const struct flow_bucket *bucket)
{
	uint32_t mask = 0;
#pragma GCC unroll 8
	for (unsigned i = 0; i < FLOW_BUCKET_ENTRIES; i++) {
		uint64_t word = atomic_load_explicit(&bucket->entries[i], memory_order_relaxed);
		mask |= (uint32_t)(word == 0) << i;
	}
	return mask;
}

#ifdef FLOW_HAS_VECTORS

#define FLOW_TAGS   0xaaaau /* the odd words of a bucket */
#define FLOW_SSE42  __attribute__((target("sse4.2")))
#define FLOW_AVX2   __attribute__((target("avx2")))
#define FLOW_AVX512 __attribute__((target("avx512f")))

FLOW_SSE42 FLOW_INLINE uint32_t
flow_tag_mask_sse42(const struct flow_bucket *bucket, uint32_t tag)
{
	const __m128i *quarter = (const void *)bucket;
	__m128i wanted = _mm_set1_epi32((int)tag);
	__m128i a = _mm_cmpeq_epi32(_mm_load_si128(quarter), wanted);
	__m128i b = _mm_cmpeq_epi32(_mm_load_si128(quarter + 1), wanted);
	__m128i c = _mm_cmpeq_epi32(_mm_load_si128(quarter + 2), wanted);
	__m128i d = _mm_cmpeq_epi32(_mm_load_si128(quarter + 3), wanted);
	__m128i bytes = _mm_packs_epi16(_mm_packs_epi32(a, b), _mm_packs_epi32(c, d));
	return (uint32_t)_mm_movemask_epi8(bytes) & FLOW_TAGS;
}

FLOW_SSE42 FLOW_INLINE uint32_t
flow_empty_mask_sse42(const struct flow_bucket *bucket)
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

FLOW_AVX2 FLOW_INLINE uint32_t
flow_tag_mask_avx2(const struct flow_bucket *bucket, uint32_t tag)
{
	const __m256i *half = (const void *)bucket;
	__m256i wanted = _mm256_set1_epi32((int)tag);
	__m256i a = _mm256_cmpeq_epi32(_mm256_load_si256(half), wanted);
	__m256i b = _mm256_cmpeq_epi32(_mm256_load_si256(half + 1), wanted);
	uint32_t low = (uint32_t)_mm256_movemask_ps(_mm256_castsi256_ps(a));
	uint32_t high = (uint32_t)_mm256_movemask_ps(_mm256_castsi256_ps(b));
	return (low | high << 8) & FLOW_TAGS;
}

FLOW_AVX2 FLOW_INLINE uint32_t
flow_empty_mask_avx2(const struct flow_bucket *bucket)
{
	const __m256i *half = (const void *)bucket;
	__m256i zero = _mm256_setzero_si256();
	__m256i a = _mm256_cmpeq_epi64(_mm256_load_si256(half), zero);
	__m256i b = _mm256_cmpeq_epi64(_mm256_load_si256(half + 1), zero);
	uint32_t low = (uint32_t)_mm256_movemask_pd(_mm256_castsi256_pd(a));
	uint32_t high = (uint32_t)_mm256_movemask_pd(_mm256_castsi256_pd(b));
	return low | high << 4;
}

FLOW_AVX512 FLOW_INLINE uint32_t
flow_tag_mask_avx512(const struct flow_bucket *bucket, uint32_t tag)
{
	return _mm512_mask_cmpeq_epi32_mask(
		FLOW_TAGS, _mm512_load_si512(bucket), _mm512_set1_epi32((int)tag));
}

FLOW_AVX512 FLOW_INLINE uint32_t
flow_empty_mask_avx512(const struct flow_bucket *bucket)
{
	__m512i words = _mm512_load_si512(bucket);
	return _mm512_testn_epi64_mask(words, words);
}

#endif

FLOW_INLINE uint32_t
flow_tag_mask(const struct flow_bucket *bucket, uint32_t tag)
{
#if defined(FLOW_HAS_VECTORS) && defined(__AVX512F__)
	return flow_tag_mask_avx512(bucket, tag);
#elif defined(FLOW_HAS_VECTORS) && defined(__AVX2__)
	return flow_tag_mask_avx2(bucket, tag);
#elif defined(FLOW_HAS_VECTORS) && defined(__SSE4_2__)
	return flow_tag_mask_sse42(bucket, tag);
#else
	return flow_tag_mask_scalar(bucket, tag);
#endif
}

FLOW_INLINE uint32_t
flow_empty_mask(const struct flow_bucket *bucket)
{
#if defined(FLOW_HAS_VECTORS) && defined(__AVX512F__)
	return flow_empty_mask_avx512(bucket);
#elif defined(FLOW_HAS_VECTORS) && defined(__AVX2__)
	return flow_empty_mask_avx2(bucket);
#elif defined(FLOW_HAS_VECTORS) && defined(__SSE4_2__)
	return flow_empty_mask_sse42(bucket);
#else
	return flow_empty_mask_scalar(bucket);
#endif
}

/* Fetches a flow's first bucket ahead, where most lie (flow_goes_into_second), or the other.
 * To fetch both for everybody would be the double of what a core can have under way at once, and as
 * much again of what its caches hold. Inlined by force: GCC takes a function of nothing but prefetches
 * for one without effect, and drops calls of it. */
FLOW_INLINE void
flow_prefetch(const struct flow_table *table, uint64_t hash)
{
	__builtin_prefetch(&table->buckets[flow_first_bucket(table, hash)]);
}

FLOW_INLINE void
flow_prefetch_other(const struct flow_table *table, uint64_t hash)
{
	uint32_t first = flow_first_bucket(table, hash);
	__builtin_prefetch(&table->buckets[flow_other_bucket(table, first, (uint32_t)hash)]);
}

/*
 * The word of the first entry with the flow's tag in its first bucket, or of any entry there if none
 * has it: no branch asks which. It is the flow's only if the tag is, and another one of the flow,
 * younger, may stand behind it.
 */
FLOW_INLINE uint64_t
flow_peek(const struct flow_table *table, uint64_t hash)
{
	const struct flow_bucket *bucket = &table->buckets[flow_first_bucket(table, hash)];
	uint32_t mask = flow_tag_mask(bucket, (uint32_t)hash) | 1u << (2 * FLOW_BUCKET_ENTRIES - 1);
	return atomic_load_explicit(
		&bucket->entries[(unsigned)__builtin_ctz(mask) / 2], memory_order_relaxed);
}

/* flow_lookup; for the first entry that has the tag, if it is a live one, and where none has it. */
FLOW_INLINE struct flow_hit
flow_find(const struct flow_table *table, uint64_t hash, uint16_t now)
{
	uint32_t tag = (uint32_t)hash, first = flow_first_bucket(table, hash);
	struct flow_bucket *bucket = &table->buckets[first];
	uint32_t mask = flow_tag_mask(bucket, tag);
	if (mask == 0) {
		bucket = &table->buckets[flow_other_bucket(table, first, tag)];
		mask = flow_tag_mask(bucket, tag);
		if (mask == 0)
			return (struct flow_hit){.place = NULL};
	}
	_Atomic uint64_t *place = &bucket->entries[(unsigned)__builtin_ctz(mask) / 2];
	uint64_t word = atomic_load_explicit(place, memory_order_relaxed);
	if (__builtin_expect((uint32_t)(word >> 32) == tag && !flow_is_over(table, word, now), 1))
		return (struct flow_hit){.place = place, .word = word};
	return flow_lookup(table, hash, now);
}

/*
 * flow_insert; a flow that is in neither bucket and finds an empty place is put there at once. If
 * there is none, and `only_empty`, it is FLOW_FULL without a search: so that a flood of flows which
 * find no place costs one search a burst, not one a packet.
 */
FLOW_INLINE enum flow_inserted
flow_put(struct flow_table *table, uint64_t hash, struct flow_entry entry, uint16_t now,
	bool only_empty, const struct flow_judge *judge, struct flow_entry *winner)
{
	uint32_t tag = (uint32_t)hash, at = flow_first_bucket(table, hash);
	struct flow_bucket *first = &table->buckets[at];
	struct flow_bucket *second = &table->buckets[flow_other_bucket(table, at, tag)];
	uint32_t in_first = flow_empty_mask(first), in_second = flow_empty_mask(second);
	bool goes_second = flow_goes_into_second(
		(unsigned)__builtin_popcount(in_first), (unsigned)__builtin_popcount(in_second));
	uint32_t empty = goes_second ? in_second : in_first;
	bool is_tagged = (flow_tag_mask(first, tag) | flow_tag_mask(second, tag)) != 0;
	if (__builtin_expect(is_tagged || empty == 0, 0))
		return only_empty && !is_tagged
			       ? FLOW_FULL
			       : flow_insert(table, hash, entry, now, judge, winner);
	entry.tag = tag;
	entry.tick = now;
	uint64_t nothing = 0, word = flow_entry_pack(entry);
	_Atomic uint64_t *place = &(goes_second ? second : first)->entries[__builtin_ctz(empty)];
	if (!atomic_compare_exchange_strong(place, &nothing, word))
		return flow_insert(table, hash, entry, now, judge, winner);
	*winner = entry;
	/* Somebody else may have put the same flow in meanwhile (flow_table.c). */
	unsigned copies = (unsigned)__builtin_popcount(
		flow_tag_mask(first, tag) | flow_tag_mask(second, tag) << 1);
	return copies == 1 || flow_settle(table, hash, place, now, winner) ? FLOW_INSERTED
									   : FLOW_UPDATED;
}

#endif
