/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Look-ups by the burst. The tags of a pair are compared by vector instructions, both buckets always:
 * a flow is in either about as often, and a branch on that would be wrong half the time.
 *
 *   bucket: | gen…backend | tag | gen…backend | tag | …     sixteen words of 32 bits
 *   mask:          0        b0         0        b1          one bit a word, of which the odd count
 *
 * A vector load is no atomic one, but x86 does not tear the aligned eight bytes within it (Intel SDM,
 * 3A 9.1.1; AMD APM, 2 7.3.2: each is as if loaded by itself), and the entry that matches is loaded
 * again as the atomic that it is before anything is believed of it.
 *
 * What does not come out by the first match (the tag stands twice, or the entry is over) is looked
 * for again by flow_lookup, which is the reference of them all.
 */
#include "flow_table.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "flow_pair.h"

#define INLINE static inline __attribute__((always_inline))

/* Bit 2i + 1: entry i of the bucket has the tag. */
typedef uint32_t tag_mask(const struct flow_bucket *bucket, uint32_t tag);

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

/* Over both buckets: bit 16b + 2i + 1. */
INLINE void
lookup_burst(const struct flow_table *table, const uint64_t *hashes, unsigned count, uint16_t now,
	struct flow_hit *hits, tag_mask *tag_mask_of)
{
	for (unsigned i = 0; i < count; i++) {
		uint32_t tag = (uint32_t)hashes[i];
		struct pair pair = pair_of(table, hashes[i]);
		uint32_t mask =
			tag_mask_of(pair.buckets[0], tag) | tag_mask_of(pair.buckets[1], tag) << 16;
		hits[i].place = NULL;
		if (__builtin_expect(mask == 0, 0))
			continue;
		_Atomic uint64_t *place = place_of(pair, (unsigned)__builtin_ctz(mask) / 2);
		uint64_t word = atomic_load_explicit(place, memory_order_relaxed);
		if (__builtin_expect((uint32_t)(word >> 32) != tag || is_over(table, word, now), 0))
			hits[i] = flow_lookup(table, hashes[i], now);
		else
			hits[i] = (struct flow_hit){.place = place, .word = word};
	}
}

#define LOOKUP_VARIANT(isa, attributes)                                                            \
	attributes static void lookup_burst_##isa(const struct flow_table *table,                  \
		const uint64_t *hashes, unsigned count, uint16_t now, struct flow_hit *hits)       \
	{                                                                                          \
		lookup_burst(table, hashes, count, now, hits, tag_mask_##isa);                     \
	}

LOOKUP_VARIANT(scalar, )

#if defined(__x86_64__)

#define TAGS 0xaaaau /* the odd words of a bucket */

#define SSE42  __attribute__((target("sse4.2")))
#define AVX2   __attribute__((target("avx2")))
#define AVX512 __attribute__((target("avx512f,avx512bw,avx512vl")))

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

AVX512 INLINE uint32_t
tag_mask_avx512(const struct flow_bucket *bucket, uint32_t tag)
{
	return _mm512_mask_cmpeq_epi32_mask(
		TAGS, _mm512_load_si512(bucket), _mm512_set1_epi32((int)tag));
}

LOOKUP_VARIANT(sse42, SSE42)
LOOKUP_VARIANT(avx2, AVX2)
LOOKUP_VARIANT(avx512, AVX512)

bool
flow_isa_available(enum flow_isa isa)
{
	switch (isa) {
	case FLOW_ISA_SSE42:
		return __builtin_cpu_supports("sse4.2");
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
	static void (*const variants[FLOW_ISAS])(const struct flow_table *, const uint64_t *,
		unsigned, uint16_t, struct flow_hit *) = {
		[FLOW_ISA_SCALAR] = lookup_burst_scalar,
		[FLOW_ISA_SSE42] = lookup_burst_sse42,
		[FLOW_ISA_AVX2] = lookup_burst_avx2,
		[FLOW_ISA_AVX512] = lookup_burst_avx512,
	};
	table->lookup_burst = variants[isa];
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
	table->lookup_burst = lookup_burst_scalar;
}

#endif
