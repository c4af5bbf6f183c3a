/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Cycles a packet of the forwarder: the worker's own loop over a device in memory. Cases of a group,
 * which has number of flows, family, distribution, size and headers in common, take turns, together
 * with two yardsticks: the device alone (io), and a look-up of as many flows in rte_hash.
 *
 *   round 1: | io | rte_hash | case | case | …   round 2: | io | rte_hash | case | case | …
 *   a case:  | warm up | write frames | run | verify | write frames | run | …   only run is timed
 *
 * A round's figure is the lower quartile of its runs: a run is over in a fraction of a scheduler's time
 * slice, and what disturbs one only ever adds to it. Of the rounds' figures, median, least and greatest
 * are printed. "marginal" is the case less io of the same round; for rte_hash, which has no device, it is
 * the look-up itself. A line a case, tab-separated, its columns named by the first one; pipeline_stages
 * has the stages (stages.h) in the last ones, the other the figures of each round.
 */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_eal.h>
#include <rte_lcore.h>

#include "bench.h"
#include "load.h"
#include "memory.h"
#include "settings.h"
#include "stages.h"
#include "yardstick.h"

#define RUNS_MAX	  1024 /* of a round */
#define ROWS_IN_GROUP_MAX 128
#define TSC_MHZ		  2100.0 /* to which figures are scaled */
#define TSC_SAME	  0.01	 /* … if the machine's differs by more than this part of it */
#define BUFFER_ROOM	  (RTE_PKTMBUF_HEADROOM + 9216)

/* A case of the group that is being measured. */
struct row {
	const char *kind, *mode;
	unsigned workers;
	struct load load;
	double (*measure)(struct row *row, uint32_t packets, uint32_t round);
	double cycles[SETTINGS_ROUNDS_MAX], marginal[SETTINGS_ROUNDS_MAX];
	double stages[STAGE_COUNT][SETTINGS_ROUNDS_MAX];
};

static double scale = 1.0; /* of TSC cycles to those of TSC_MHZ */

/* --- a round of a row ----------------------------------------------------------------------- */

static int
compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static double
median(double *figures, uint32_t count)
{
	qsort(figures, count, sizeof(*figures), compare);
	return figures[count / 2];
}

static double
lower_quartile(double *figures, uint32_t count)
{
	qsort(figures, count, sizeof(*figures), compare);
	return figures[count / 4];
}

/* Runs that make up a round. */
static uint32_t
runs_of(uint32_t packets, uint32_t a_run)
{
	uint32_t runs = (packets + a_run - 1) / a_run;
	return runs < RUNS_MAX ? runs : RUNS_MAX;
}

static double
measure_forwarder(struct row *row, uint32_t packets, uint32_t round)
{
	double figures[RUNS_MAX], stages[STAGE_COUNT][RUNS_MAX];
	uint32_t length = load_run_length(&row->load) * row->workers;
	uint32_t runs = runs_of(packets, length);
	load_warm_up(&row->load);
	for (uint32_t i = 0; i < runs; i++) {
		uint64_t before[STAGE_COUNT];
		memcpy(before, stage_cycles, sizeof(before));
		figures[i] = load_run(&row->load, row->workers);
		for (int s = 0; s < STAGE_COUNT; s++)
			stages[s][i] = (double)(stage_cycles[s] - before[s]) / length;
	}
	for (int s = 0; s < STAGE_COUNT; s++)
		row->stages[s][round] = lower_quartile(stages[s], runs);
	return lower_quartile(figures, runs);
}

static double
measure_io(struct row *row, uint32_t packets, uint32_t round)
{
	(void)round;
	double figures[RUNS_MAX];
	uint32_t runs = runs_of(packets, BENCH_BATCH);
	for (uint32_t i = 0; i < runs; i++)
		figures[i] = load_run_io(&row->load);
	return lower_quartile(figures, runs);
}

static double
measure_yardstick(struct row *row, uint32_t packets, uint32_t round)
{
	(void)round;
	double figures[RUNS_MAX];
	uint32_t runs = runs_of(packets, BENCH_BATCH);
	yardstick_warm_up(row->load.generator, row->load.tables->flow_count);
	for (uint32_t i = 0; i < runs; i++)
		figures[i] = yardstick_run(row->load.generator, row->load.tables->flow_count);
	return lower_quartile(figures, runs);
}

/* --- output --------------------------------------------------------------------------------- */

static void
print_names(void)
{
	printf("kind\tflows\tfamily\tdistribution\tmode\theaders\tsize\tshape\tworkers\tmarginal\tm"
	       "in\t"
	       "max\tcycles\tcycles min\tcycles max");
	for (int s = 0; stage_names && s < STAGE_COUNT; s++)
		printf("\t%s", stage_names[s]);
	puts(stage_names ? "\trest" : "\tcycles of each round");
}

static void
print_spread(const double *figures, uint32_t rounds)
{
	double sorted[SETTINGS_ROUNDS_MAX];
	memcpy(sorted, figures, rounds * sizeof(*figures));
	double middle = median(sorted, rounds);
	printf("\t%.2f\t%.2f\t%.2f", scale * middle, scale * sorted[0], scale * sorted[rounds - 1]);
}

/* "rest" is polling and receiving. */
static void
print_stages(struct row *row, uint32_t rounds)
{
	double rest = median(row->cycles, rounds);
	for (int s = 0; s < STAGE_COUNT; s++) {
		double cycles = median(row->stages[s], rounds);
		rest -= cycles;
		printf("\t%.2f", scale * cycles);
	}
	printf("\t%.2f\n", scale * rest);
}

static void
print_row(struct row *row, uint32_t rounds)
{
	const struct generator *generator = row->load.generator;
	printf("%s\t%llu\t%s\t%s\t%s\t%s\t%s\t%ux%u\t%u", row->kind,
		(unsigned long long)row->load.tables->flow_count,
		settings_families[generator->family == 6], settings_distributions[generator->zipf],
		row->mode, settings_headers[row->load.cold], generator_sizes[generator->size],
		row->load.forwarder->service_count, row->load.forwarder->backend_count,
		row->workers);
	print_spread(row->marginal, rounds);
	print_spread(row->cycles, rounds);
	if (stage_names) {
		print_stages(row, rounds);
		return;
	}
	for (uint32_t i = 0; i < rounds; i++)
		printf("%s%.2f", i > 0 ? " " : "\t", scale * row->cycles[i]);
	putchar('\n');
}

/* --- a group -------------------------------------------------------------------------------- */

/* What has been made for one shape of configuration. */
struct shaped {
	struct forwarder *forwarder;
	struct generator generator;
	struct load_tables tables;
};

static struct row rows[ROWS_IN_GROUP_MAX];
static uint32_t row_count;

static struct row *
add_row(const char *kind, const char *mode, unsigned workers, const struct load *load)
{
	if (row_count == ROWS_IN_GROUP_MAX)
		bench_fail("more than %u cases take turns: ask for fewer", ROWS_IN_GROUP_MAX);
	struct row *row = &rows[row_count++];
	row->kind = kind;
	row->mode = mode;
	row->workers = workers;
	row->load = *load;
	row->measure = measure_forwarder;
	return row;
}

static void
add_forwarder_rows(const struct settings *s, const struct load *load)
{
	for (unsigned kind = 0; kind < LOAD_KINDS; kind++) {
		for (unsigned mode = 0; mode < FORWARDER_MODES; mode++) {
			if (!(s->kinds & 1u << kind) || !(s->modes & 1u << mode))
				continue;
			for (unsigned workers = 1; workers <= s->workers; workers++) {
				struct row *row = add_row(
					load_kinds[kind], forwarder_modes[mode], workers, load);
				row->load.kind = (enum load_kind)kind;
				row->load.mode = mode;
			}
		}
	}
}

/* Returns how many cases there were. */
static uint32_t
measure_group(
	const struct settings *s, struct shaped *shaped, bool cold, struct load_buffers *buffers)
{
	row_count = 0;
	for (uint32_t i = 0; i < s->shape_count; i++) {
		struct load load = {.cold = cold,
			.forwarder = shaped[i].forwarder,
			.tables = &shaped[i].tables,
			.generator = &shaped[i].generator,
			.buffers = buffers};
		if (i == 0) {
			add_row("io", "-", 1, &load)->measure = measure_io;
			add_row("rte_hash", "-", 1, &load)->measure = measure_yardstick;
		}
		add_forwarder_rows(s, &load);
	}
	/* Round 0 warms up: pages, caches, the processor's clock. */
	for (uint32_t round = 0; round <= s->rounds; round++) {
		uint32_t at = round > 0 ? round - 1 : 0;
		for (uint32_t i = 0; i < row_count; i++) {
			double cycles = rows[i].measure(&rows[i], s->packets, at);
			double floor =
				rows[i].measure == measure_yardstick ? 0 : rows[0].cycles[at];
			rows[i].cycles[at] = cycles;
			rows[i].marginal[at] = i > 0 ? cycles - floor : 0;
		}
	}
	for (uint32_t i = 0; i < row_count && !s->check; i++)
		print_row(&rows[i], s->rounds);
	return row_count;
}

/* --- the sweep ------------------------------------------------------------------------------ */

/* Buffers as after hours of traffic: in an order that no prefetcher can guess. */
static void
make_buffers(struct load_buffers buffers[DEVICE_QUEUES], int socket)
{
	uint32_t count = DEVICE_FRAMES_MAX;
	uint64_t random = 3;
	struct rte_mempool *pool =
		rte_pktmbuf_pool_create("frames", DEVICE_QUEUES * count, 0, 0, BUFFER_ROOM, socket);
	if (!pool)
		bench_fail("no memory for the buffers");
	for (int q = 0; q < DEVICE_QUEUES; q++) {
		struct rte_mbuf **ring = bench_alloc(count * sizeof(*ring));
		if (rte_pktmbuf_alloc_bulk(pool, ring, count) < 0)
			bench_fail("no buffers");
		for (uint32_t i = count; i-- > 1;) {
			uint32_t other = (uint32_t)(bench_random(&random) % (i + 1));
			struct rte_mbuf *m = ring[i];
			ring[i] = ring[other];
			ring[other] = m;
		}
		buffers[q] = (struct load_buffers){.ring = ring, .count = count};
	}
	device_create(buffers[0].ring[0]);
}

static uint32_t
sweep_tables(const struct settings *s, struct shaped *shaped, struct load_buffers *buffers)
{
	uint32_t cases = 0;
	for (unsigned size = 0; size < GENERATOR_SIZES; size++) {
		for (unsigned zipf = 0; zipf < 2; zipf++) {
			if (!(s->sizes & 1u << size) || !(s->distributions & 1u << zipf))
				continue;
			for (uint32_t i = 0; i < s->shape_count; i++) {
				shaped[i].generator.size = (enum generator_size)size;
				shaped[i].generator.zipf = zipf;
			}
			for (unsigned cold = 0; cold < 2; cold++)
				if (s->headers & 1u << cold)
					cases += measure_group(s, shaped, cold, buffers);
		}
	}
	return cases;
}

static uint32_t
sweep(const struct settings *s, struct shaped *shaped, struct load_buffers *buffers, int socket)
{
	uint32_t cases = 0;
	for (uint32_t i = 0; i < s->flows_count; i++) {
		yardstick_make(s->flows[i], socket);
		for (int family = 4; family <= 6; family += 2) {
			if (!(s->families & (family == 4 ? 1u : 2u)))
				continue;
			for (uint32_t j = 0; j < s->shape_count; j++) {
				shaped[j].generator = (struct generator){
					.services = shaped[j].forwarder->service_count,
					.family = family,
					.random = 4};
				load_tables_make(&shaped[j].tables, shaped[j].forwarder,
					&shaped[j].generator, s->flows[i]);
			}
			cases += sweep_tables(s, shaped, buffers);
			for (uint32_t j = 0; j < s->shape_count; j++)
				load_tables_free(&shaped[j].tables);
		}
		yardstick_free();
	}
	return cases;
}

/* The CPUs that this process may use, as EAL lists them: the first ones, `wanted` at most. Returns how
 * many there are. */
static unsigned
list_cpus(unsigned wanted, char *list, size_t bytes)
{
	cpu_set_t allowed;
	size_t length = 0;
	unsigned count = 0;
	if (sched_getaffinity(0, sizeof(allowed), &allowed) < 0)
		bench_fail("no CPU");
	for (size_t cpu = 0; cpu < CPU_SETSIZE && count < wanted; cpu++) {
		if (!CPU_ISSET(cpu, &allowed))
			continue;
		length += (size_t)snprintf(
			list + length, bytes - length, "%s%zu", count > 0 ? "," : "", cpu);
		count++;
	}
	return count;
}

static void
print_header(const char *cpus)
{
	double mhz = bench_tsc_mhz();
	bool same = mhz > TSC_MHZ * (1 - TSC_SAME) && mhz < TSC_MHZ * (1 + TSC_SAME);
	scale = same ? 1.0 : TSC_MHZ / mhz;
	printf("# TSC %.0f MHz, figures in cycles of %s; CPU %s\n", mhz,
		same ? "it" : "2100 MHz, scaled", cpus);
	printf("# instruction set: %s\n", stages_begin());
	printf("# only the burst is timed: the generator's cycles are not in the figures\n");
	print_names();
}

int
main(int argc, char **argv)
{
	struct settings s;
	struct load_buffers buffers[DEVICE_QUEUES];
	struct shaped shaped[SETTINGS_SHAPES_MAX];
	uint64_t largest = 0;
	char cpus[64];
	settings_read(&s, argc, argv);
	setvbuf(stdout, NULL, _IOLBF, 0);
	memory_choose_pages(s.huge_pages);
	if (list_cpus(s.workers, cpus, sizeof(cpus)) < s.workers) {
		if (!s.check)
			bench_fail(
				"a worker needs a CPU of its own; this process has only %s", cpus);
		s.workers = 1;
	}
	if (s.workers > 1 && stage_names)
		bench_fail("the profile is of one worker");
	for (uint32_t i = 0; i < s.flows_count; i++)
		largest = s.flows[i] > largest ? s.flows[i] : largest;
	size_t buffer_bytes = (size_t)DEVICE_QUEUES * DEVICE_FRAMES_MAX * (BUFFER_ROOM + 512);
	int socket = memory_start_eal(argv[0], cpus, buffer_bytes + yardstick_heap_bytes(largest));
	make_buffers(buffers, socket);
	for (uint32_t i = 0; i < s.shape_count; i++)
		shaped[i].forwarder = forwarder_create(s.shapes[i].services, s.shapes[i].backends);
	if (!s.check)
		print_header(cpus);
	uint32_t cases = sweep(&s, shaped, buffers, socket);
	if (s.check)
		printf("%u cases do what they say\n", cases);
	else
		printf("# %zu MB of memory were on hugepages\n", memory_huge_mb());
	forwarder_end();
	rte_eal_cleanup();
	return 0;
}
