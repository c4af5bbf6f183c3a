/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#define CASES_MAX  16
#define ROUNDS_MAX 1000

static uint32_t rounds = 11;
static uint64_t largest = UINT64_MAX;

void
bench_fail(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

static uint64_t
number_of(const char *text)
{
	char *end;
	unsigned long long number = strtoull(text, &end, 10);
	if (number == 0 || *end != '\0')
		bench_fail("wanted a number, got %s", text);
	return number;
}

double
bench_tsc_mhz(void)
{
	struct timespec from, to, pause = {.tv_nsec = 20000000};
	clock_gettime(CLOCK_MONOTONIC, &from);
	uint64_t cycles = bench_read_tsc();
	nanosleep(&pause, NULL);
	clock_gettime(CLOCK_MONOTONIC, &to);
	cycles = bench_read_tsc() - cycles;
	double us =
		(double)(to.tv_sec - from.tv_sec) * 1e6 + (double)(to.tv_nsec - from.tv_nsec) / 1e3;
	return (double)cycles / us;
}

int
bench_start(int argc, char **argv)
{
	int i = 1;
	for (; i < argc && strcmp(argv[i], "--") != 0; i += 2) {
		if (i + 1 < argc && strcmp(argv[i], "--rounds") == 0)
			rounds = (uint32_t)number_of(argv[i + 1]);
		else if (i + 1 < argc && strcmp(argv[i], "--largest") == 0)
			largest = number_of(argv[i + 1]);
		else
			bench_fail("usage: %s [--rounds N] [--largest N] [-- MORE]", argv[0]);
	}
	if (rounds > ROUNDS_MAX)
		bench_fail("at most %u rounds", ROUNDS_MAX);
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("# TSC %.0f MHz\n", bench_tsc_mhz());
	return i < argc ? i + 1 : argc;
}

bool
bench_wants(uint64_t size)
{
	return size <= largest;
}

void *
bench_alloc(size_t bytes)
{
	void *memory =
		mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		bench_fail("no memory for %zu bytes", bytes);
	return memory;
}

/* Cycles an operation, over one round. */
static double
measure(const char *noun, const struct bench_case *c)
{
	uint64_t cycles = 0;
	for (uint32_t run = 0; run < c->runs; run++) {
		if (c->prepare)
			c->prepare(c->context);
		uint64_t start = bench_read_tsc();
		uint32_t done = c->run(c->context);
		cycles += bench_read_tsc() - start;
		if (done != c->operations)
			bench_fail("%s: %s: %u of %u came out right", noun, c->operation, done,
				c->operations);
	}
	return (double)cycles / ((double)c->operations * c->runs);
}

static int
compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

void
bench_group(const char *noun, const char *with, const struct bench_case *cases, size_t case_count)
{
	static double figures[CASES_MAX][ROUNDS_MAX];
	if (case_count > CASES_MAX)
		bench_fail("%s: more than %u cases", noun, CASES_MAX);
	/* Round 0 warms up: pages, caches, the processor's clock. */
	for (uint32_t round = 0; round <= rounds; round++)
		for (size_t i = 0; i < case_count; i++)
			figures[i][round > 0 ? round - 1 : 0] = measure(noun, &cases[i]);
	for (size_t i = 0; i < case_count; i++) {
		qsort(figures[i], rounds, sizeof(figures[i][0]), compare);
		printf("%s\t%s\t%s\t%.2f\t%.2f\t%.2f\t%u\n", noun, cases[i].operation, with,
			figures[i][rounds / 2], figures[i][0], figures[i][rounds - 1], rounds);
	}
}
