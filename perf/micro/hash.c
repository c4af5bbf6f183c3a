/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The flow hash of addresses, ports and protocol; beside it what others use, over as many bytes as
 * the tuple has on the wire (rounded up to words). None of those is keyed but XXH3.
 */
#include <netinet/in.h>

#include <rte_hash_crc.h>
#include <rte_jhash.h>
#ifdef HAVE_XXHASH
#define XXH_INLINE_ALL
#include <xxhash.h>
#endif

#include "bench.h"
#include "flow_hash.h"

#define RUNS 64

/* IPv4 as 16 bytes and IPv6 as 40: two addresses, two ports, a protocol. */
#define WIRE_BYTES_4 16
#define WIRE_BYTES_6 40

struct tuple {
	struct ip_addr src, dst;
	uint16_t sport, dport;
	uint8_t wire[WIRE_BYTES_6];
};

struct bench {
	struct flow_key key;
	uint64_t random;
	struct tuple tuples[BENCH_BATCH];
};

static void
draw4(void *context)
{
	struct bench *b = context;
	for (uint32_t i = 0; i < BENCH_BATCH; i++) {
		struct tuple *t = &b->tuples[i];
		uint64_t r = bench_random(&b->random);
		t->src = addr_from_v4((uint32_t)r);
		t->dst = addr_from_v4(0x500200c0);
		t->sport = (uint16_t)(r >> 32);
		t->dport = 443;
		memcpy(t->wire, &t->src.words[3], 4);
		memcpy(t->wire + 4, &t->dst.words[3], 4);
		memcpy(t->wire + 8, &t->sport, 4);
		memcpy(t->wire + 12, (const uint8_t[4]){IPPROTO_TCP}, 4);
	}
}

static void
draw6(void *context)
{
	struct bench *b = context;
	draw4(b);
	for (uint32_t i = 0; i < BENCH_BATCH; i++) {
		struct tuple *t = &b->tuples[i];
		t->src.halves[0] = bench_random(&b->random);
		t->src.halves[1] = bench_random(&b->random);
		t->dst.halves[0] = 0xb80d0120;
		memcpy(t->wire, &t->src, 16);
		memcpy(t->wire + 16, &t->dst, 16);
		memcpy(t->wire + 32, &t->sport, 4);
		memcpy(t->wire + 36, (const uint8_t[4]){IPPROTO_TCP}, 4);
	}
}

static uint32_t
run_flow_hash(void *context)
{
	const struct bench *b = context;
	uint64_t sum = 0;
	for (uint32_t i = 0; i < BENCH_BATCH; i++) {
		const struct tuple *t = &b->tuples[i];
		sum += flow_hash_tuple(&b->key, &t->src, &t->dst, t->sport, t->dport, IPPROTO_TCP);
	}
	bench_keep(sum);
	return BENCH_BATCH;
}

/* A function that runs `hash` over the wire bytes of every tuple. */
#define RUN(name, bytes, hash)                                                                     \
	static uint32_t name(void *context)                                                        \
	{                                                                                          \
		const struct bench *b = context;                                                   \
		uint64_t sum = 0;                                                                  \
		for (uint32_t i = 0; i < BENCH_BATCH; i++) {                                       \
			const uint8_t *wire = b->tuples[i].wire;                                   \
			sum += hash(wire, bytes, 1);                                               \
		}                                                                                  \
		bench_keep(sum);                                                                   \
		return BENCH_BATCH;                                                                \
	}

RUN(run_jhash4, WIRE_BYTES_4, rte_jhash)
RUN(run_jhash6, WIRE_BYTES_6, rte_jhash)
RUN(run_crc4, WIRE_BYTES_4, rte_hash_crc)
RUN(run_crc6, WIRE_BYTES_6, rte_hash_crc)
#ifdef HAVE_XXHASH
RUN(run_xxh4, WIRE_BYTES_4, XXH3_64bits_withSeed)
RUN(run_xxh6, WIRE_BYTES_6, XXH3_64bits_withSeed)
#endif

int
main(int argc, char **argv)
{
	static const uint8_t secret[16] = "0123456789abcdef";
	bench_start(argc, argv);
	struct bench *b = bench_alloc(sizeof(*b));
	flow_key_expand(&b->key, secret);
	const struct bench_case ipv4[] = {
		{"flow hash", draw4, run_flow_hash, b, BENCH_BATCH, RUNS},
		{"rte_jhash", draw4, run_jhash4, b, BENCH_BATCH, RUNS},
		{"rte_hash_crc", draw4, run_crc4, b, BENCH_BATCH, RUNS},
#ifdef HAVE_XXHASH
		{"XXH3 64, seeded", draw4, run_xxh4, b, BENCH_BATCH, RUNS},
#endif
	};
	const struct bench_case ipv6[] = {
		{"flow hash", draw6, run_flow_hash, b, BENCH_BATCH, RUNS},
		{"rte_jhash", draw6, run_jhash6, b, BENCH_BATCH, RUNS},
		{"rte_hash_crc", draw6, run_crc6, b, BENCH_BATCH, RUNS},
#ifdef HAVE_XXHASH
		{"XXH3 64, seeded", draw6, run_xxh6, b, BENCH_BATCH, RUNS},
#endif
	};
	bench_group("hash", "IPv4", ipv4, sizeof(ipv4) / sizeof(ipv4[0]));
	bench_group("hash", "IPv6", ipv6, sizeof(ipv6) / sizeof(ipv6[0]));
	return 0;
}
