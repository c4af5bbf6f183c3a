/* SPDX-License-Identifier: BSD-3-Clause */
/* Building a row table: cycles for each row and each member, by instruction set. */
#include <stdio.h>

#include "bench.h"
#include "rows.h"

#define MEMBERS 100
#define ROWS	ROWS_MIN

struct bench {
	uint16_t rows[ROWS], expected[ROWS];
	struct rows_member members[MEMBERS];
};

static inline uint32_t
build(struct bench *b, enum rows_isa isa)
{
	rows_build_isa(isa, b->rows, ROWS, b->members, MEMBERS);
	return (ROWS - (uint32_t)rows_differing(b->rows, b->expected, ROWS)) * MEMBERS;
}

/* A case has one argument, so each instruction set has its function. */
static uint32_t
run_baseline(void *context)
{
	return build(context, ROWS_ISA_BASELINE);
}

static uint32_t
run_sse42(void *context)
{
	return build(context, ROWS_ISA_SSE42);
}

static uint32_t
run_avx2(void *context)
{
	return build(context, ROWS_ISA_AVX2);
}

static uint32_t
run_avx512(void *context)
{
	return build(context, ROWS_ISA_AVX512);
}

static void
measure(struct bench *b, const char *weights, uint16_t lightest, uint16_t heaviest)
{
	static const struct {
		const char *name;
		uint32_t (*run)(void *context);
	} isas[] = {
		[ROWS_ISA_BASELINE] = {"build, baseline", run_baseline},
		[ROWS_ISA_SSE42] = {"build, SSE4.2", run_sse42},
		[ROWS_ISA_AVX2] = {"build, AVX2", run_avx2},
		[ROWS_ISA_AVX512] = {"build, AVX-512", run_avx512},
	};
	uint64_t random = 1;
	for (uint16_t i = 0; i < MEMBERS; i++) {
		uint64_t r = bench_random(&random);
		b->members[i] = (struct rows_member){
			.identity = r,
			.index = (uint16_t)(i + 1),
			.weight = (uint16_t)(lightest + r % (heaviest - lightest + 1u)),
		};
	}
	rows_build(b->expected, ROWS, b->members, MEMBERS);

	struct bench_case cases[ROWS_ISA_WIDEST + 1];
	size_t count = 0;
	for (enum rows_isa isa = ROWS_ISA_BASELINE; isa <= ROWS_ISA_WIDEST; isa++)
		if (rows_isa_available(isa))
			cases[count++] = (struct bench_case){
				isas[isa].name, NULL, isas[isa].run, b, ROWS * MEMBERS, 1};
	char with[64];
	snprintf(with, sizeof(with), "rows=%u members=%u %s", ROWS, MEMBERS, weights);
	bench_group("rows", with, cases, count);
}

int
main(int argc, char **argv)
{
	bench_start(argc, argv);
	struct bench *b = bench_alloc(sizeof(*b));
	measure(b, "equal", 100, 100);
	measure(b, "unequal", 1, 1000);
	return 0;
}
