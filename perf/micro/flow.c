/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The flow table as workers use it: a burst of hashes, both buckets of each fetched ahead, then
 * looked up. Flows are drawn uniformly at random, so that from some size on every look-up goes to
 * memory. Beside it rte_hash, of as many places, on keys of 16 bytes; both tables lie in the EAL's
 * heap, on pages of one size: 4 KiB, unless options of the EAL come after "--" (-- -m 4096 for
 * hugepages).
 *
 * "hit" starts from hashes, as the later half of the burst does; "hash + hit" and rte_hash start
 * from tuples.
 */
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>

#include <rte_eal.h>
#include <rte_hash.h>
#include <rte_hash_crc.h>
#include <rte_malloc.h>

#include "bench.h"
#include "flow_hash.h"
#include "flow_inline.h"

#define NOW	1000 /* tick */
#define BACKEND 7
#define INSERTS 128 /* of a run: few beside the 1000 of the smallest table */
#define RUNS	64
#define NEW_MAX (1u << 24) /* numbers of new flows: no two in one table */

struct tuple {
	be32 src, dst;
	uint16_t sport, dport;
	uint8_t proto, unused[3];
};
static_assert(sizeof(struct tuple) == 16, "a key of rte_hash");

struct bench {
	struct flow_table table;
	struct rte_hash *yardstick;
	struct flow_key key;
	/* Flows in both tables: numbers 0 to count - 1. From there to twice that: unknown ones. */
	uint64_t count;
	uint64_t next_new; /* beyond those: flows that come and go */
	uint64_t random;
	struct tuple tuples[BENCH_BATCH];
	uint64_t hashes[BENCH_BATCH];
	uint64_t new_hashes[INSERTS];
	const void *keys[BENCH_BATCH]; /* the tuples' addresses */
};

/* No two flows are equal: the multiplier is odd. */
static struct tuple
tuple_of(uint64_t number)
{
	return (struct tuple){
		.src = (uint32_t)number * 0x9e3779b1u,
		.dst = __builtin_bswap32(0xc0000250), /* 192.0.2.80 */
		.sport = (uint16_t)(1024 + number % 60000),
		.dport = 443,
		.proto = IPPROTO_TCP,
	};
}

static inline uint64_t
hash_of(const struct flow_key *key, const struct tuple *t)
{
	struct ip_addr src = addr_from_v4(t->src), dst = addr_from_v4(t->dst);
	return flow_hash_tuple(key, &src, &dst, t->sport, t->dport, t->proto);
}

static bool
is_never(const void *context, struct flow_entry entry)
{
	(void)context, (void)entry;
	return false;
}

static const struct flow_judge judge = {.is_dead = is_never, .is_reproducible = is_never};

/* --- preparing ------------------------------------------------------------------------------ */

static void
draw(struct bench *b, uint64_t first)
{
	for (uint32_t i = 0; i < BENCH_BATCH; i++) {
		b->tuples[i] = tuple_of(first + bench_random(&b->random) % b->count);
		b->hashes[i] = hash_of(&b->key, &b->tuples[i]);
	}
}

static void
draw_known(void *context)
{
	draw(context, 0);
}

static void
draw_unknown(void *context)
{
	struct bench *b = context;
	draw(b, b->count);
}

/* Takes out what the last run put in, so that the table keeps its load. */
static void
draw_new(void *context)
{
	struct bench *b = context;
	for (uint32_t i = 0; i < INSERTS; i++) {
		flow_remove(&b->table, b->new_hashes[i], NOW);
		struct tuple t = tuple_of(2 * b->count + b->next_new++ % NEW_MAX);
		b->new_hashes[i] = hash_of(&b->key, &t);
	}
}

/* --- running -------------------------------------------------------------------------------- */

static inline uint32_t
look_up(struct bench *b)
{
	uint32_t found = 0;
	for (uint32_t at = 0; at < BENCH_BATCH; at += BURST_MAX) {
		for (uint32_t i = at; i < at + BURST_MAX; i++)
			flow_prefetch(&b->table, b->hashes[i]);
		for (uint32_t i = at; i < at + BURST_MAX; i++)
			found += flow_lookup(&b->table, b->hashes[i], NOW).place != NULL;
	}
	return found;
}

static uint32_t
run_hit(void *context)
{
	return look_up(context);
}

static uint32_t
run_miss(void *context)
{
	return BENCH_BATCH - look_up(context);
}

static uint32_t
run_hash_and_hit(void *context)
{
	struct bench *b = context;
	uint32_t found = 0;
	for (uint32_t at = 0; at < BENCH_BATCH; at += BURST_MAX) {
		uint64_t hashes[BURST_MAX];
		for (uint32_t i = 0; i < BURST_MAX; i++) {
			hashes[i] = hash_of(&b->key, &b->tuples[at + i]);
			flow_prefetch(&b->table, hashes[i]);
		}
		for (uint32_t i = 0; i < BURST_MAX; i++)
			found += flow_lookup(&b->table, hashes[i], NOW).place != NULL;
	}
	return found;
}

static uint32_t
run_insert(void *context)
{
	struct bench *b = context;
	struct flow_entry winner, entry = {.backend = BACKEND, .state = FLOW_ESTABLISHED};
	uint32_t inserted = 0;
	for (uint32_t at = 0; at < INSERTS; at += BURST_MAX) {
		for (uint32_t i = at; i < at + BURST_MAX; i++)
			flow_prefetch(&b->table, b->new_hashes[i]);
		for (uint32_t i = at; i < at + BURST_MAX; i++)
			inserted += flow_insert(&b->table, b->new_hashes[i], entry, NOW, &judge,
					    &winner) == FLOW_INSERTED;
	}
	return inserted;
}

static inline uint32_t
look_up_yardstick(struct bench *b)
{
	uint32_t found = 0;
	for (uint32_t at = 0; at < BENCH_BATCH; at += BURST_MAX) {
		uint64_t hits = 0;
		void *data[BURST_MAX];
		rte_hash_lookup_bulk_data(b->yardstick, &b->keys[at], BURST_MAX, &hits, data);
		found += (uint32_t)__builtin_popcountll(hits);
	}
	return found;
}

static uint32_t
run_yardstick_hit(void *context)
{
	return look_up_yardstick(context);
}

static uint32_t
run_yardstick_miss(void *context)
{
	return BENCH_BATCH - look_up_yardstick(context);
}

/* --- the tables ----------------------------------------------------------------------------- */

static void
fill(struct bench *b)
{
	struct flow_entry winner, entry = {.backend = BACKEND, .state = FLOW_ESTABLISHED};
	for (uint64_t number = 0; number < b->count; number++) {
		struct tuple t = tuple_of(number);
		if (flow_insert(&b->table, hash_of(&b->key, &t), entry, NOW, &judge, &winner) !=
				FLOW_INSERTED ||
			rte_hash_add_key_data(b->yardstick, &t, (void *)(uintptr_t)BACKEND) < 0)
			bench_fail("flow: no room for flow %llu", (unsigned long long)number);
	}
}

static void
measure(struct bench *b, uint64_t count)
{
	static const struct flow_timeouts timeouts = {.ticks = {0, 15, 1860, 30, 75, 900, 900}};
	struct rte_hash_parameters parameters = {
		.name = "yardstick",
		.entries = (uint32_t)flow_table_entries(count),
		.key_len = sizeof(struct tuple),
		.hash_func = rte_hash_crc,
	};
	void *memory = rte_zmalloc(NULL, flow_table_bytes(count), sizeof(struct flow_bucket));
	b->yardstick = rte_hash_create(&parameters);
	if (!memory || !b->yardstick)
		bench_fail("flow: no memory for %llu flows", (unsigned long long)count);
	flow_table_attach(&b->table, memory, count, &timeouts);
	b->count = count;
	memset(b->new_hashes, 0, sizeof(b->new_hashes));
	fill(b);

	char with[32];
	snprintf(with, sizeof(with), "flows=%llu", (unsigned long long)count);
	const struct bench_case cases[] = {
		{"hit", draw_known, run_hit, b, BENCH_BATCH, RUNS},
		{"hash + hit", draw_known, run_hash_and_hit, b, BENCH_BATCH, RUNS},
		{"rte_hash bulk hit", draw_known, run_yardstick_hit, b, BENCH_BATCH, RUNS},
		{"miss", draw_unknown, run_miss, b, BENCH_BATCH, RUNS},
		{"rte_hash bulk miss", draw_unknown, run_yardstick_miss, b, BENCH_BATCH, RUNS},
		{"insert", draw_new, run_insert, b, INSERTS, 8 * RUNS},
	};
	bench_group("flow", with, cases, sizeof(cases) / sizeof(cases[0]));
	rte_hash_free(b->yardstick);
	rte_free(memory);
}

/* With what came after "--", or on small pages, enough of them for both tables of 8 million flows. */
static void
start_eal(char *program, int argc, char **argv)
{
	static char *small_pages[] = {"--no-huge", "-m", "1536"};
	char core[16];
	snprintf(core, sizeof(core), "%d", sched_getcpu());
	char *arguments[32] = {program, "-l", core, "--no-shconf", "--no-pci", "--no-telemetry",
		"--log-level=error"};
	int count = 7;
	char **more = argc > 0 ? argv : small_pages;
	int more_count = argc > 0 ? argc : 3;
	for (int i = 0; i < more_count && count < 31; i++)
		arguments[count++] = more[i];
	if (rte_eal_init(count, arguments) < 0)
		bench_fail("flow: no EAL");
}

int
main(int argc, char **argv)
{
	static const uint64_t counts[] = {1000, 100000, 1000000, 8000000};
	static const uint8_t secret[16] = "0123456789abcdef";
	int more = bench_start(argc, argv);
	start_eal(argv[0], argc - more, argv + more);
	struct bench *b = bench_alloc(sizeof(*b));
	flow_key_expand(&b->key, secret);
	for (uint32_t i = 0; i < BENCH_BATCH; i++)
		b->keys[i] = &b->tuples[i];
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
		if (bench_wants(counts[i]))
			measure(b, counts[i]);
	rte_eal_cleanup();
	return 0;
}
