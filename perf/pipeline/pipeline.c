/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Cycles a packet of the forwarder: the worker's own loop over a device in memory. Cases of a group,
 * which has number of flows, family, distribution, size and headers in common, take turns, together
 * with two yardsticks: the device alone (io), and a look-up of as many flows in rte_hash.
 *
 * A line a case, tab-separated; the names stand in the first one. "marginal" is the case less io of
 * the same round; for rte_hash, which has no device, it is the look-up itself.
 */
#include <getopt.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_eal.h>
#include <rte_lcore.h>

#include "bench.h"
#include "load.h"
#include "memory.h"
#include "yardstick.h"

#define ROUNDS_MAX  99
#define RUNS_MAX    1024 /* of a round */
#define CASES_MAX   64
#define SIZES_MAX   8
#define TSC_MHZ	    2100.0 /* to which figures are scaled */
#define TSC_SAME    0.01   /* … if the machine's differs by more than this part of it */
#define BUFFER_ROOM (RTE_PKTMBUF_HEADROOM + 9216)

struct settings {
	uint32_t rounds;
	uint32_t packets; /* of a case in a round */
	uint64_t flows[SIZES_MAX];
	uint32_t flow_sizes;
	unsigned kinds, modes, sizes, families, distributions,
		headers; /* masks of what to measure */
	struct {
		uint32_t services, backends;
	} shapes[SIZES_MAX];
	uint32_t shape_count;
	unsigned workers;
	bool huge_pages;
};

struct row {
	const char *kind, *mode;
	unsigned workers;
	struct load load; /* of a kind below LOAD_KINDS */
	double (*measure)(const struct row *row, uint32_t packets);
	double cycles[ROUNDS_MAX], marginal[ROUNDS_MAX];
};

static const char *const families[] = {"v4", "v6"};
static const char *const distributions[] = {"uniform", "zipf"};
static const char *const headers[] = {"warm", "cold"};

static double scale = 1.0; /* of TSC cycles to those of TSC_MHZ */

/* --- a row ---------------------------------------------------------------------------------- */

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

/* Runs that make up a round. A run is over in a fraction of a scheduler's time slice, so that of the
 * middle one nothing was taken away. */
static uint32_t
runs_of(uint32_t packets, uint32_t a_run)
{
	uint32_t runs = (packets + a_run - 1) / a_run;
	return runs < RUNS_MAX ? runs : RUNS_MAX;
}

static double
measure_forwarder(const struct row *row, uint32_t packets)
{
	double figures[RUNS_MAX];
	uint32_t runs = runs_of(packets, load_run_length(&row->load) * row->workers);
	for (uint32_t i = 0; i < runs; i++)
		figures[i] = load_run(&row->load, row->workers);
	return median(figures, runs);
}

static double
measure_io(const struct row *row, uint32_t packets)
{
	double figures[RUNS_MAX];
	uint32_t runs = runs_of(packets, BENCH_BATCH);
	for (uint32_t i = 0; i < runs; i++)
		figures[i] = load_run_io(&row->load);
	return median(figures, runs);
}

static double
measure_yardstick(const struct row *row, uint32_t packets)
{
	double figures[RUNS_MAX];
	uint32_t runs = runs_of(packets, BENCH_BATCH);
	for (uint32_t i = 0; i < runs; i++)
		figures[i] = yardstick_run(row->load.generator, row->load.tables->flow_count);
	return median(figures, runs);
}

static void
print_spread(const double *figures, uint32_t rounds)
{
	double sorted[ROUNDS_MAX];
	memcpy(sorted, figures, rounds * sizeof(*figures));
	double middle = median(sorted, rounds);
	printf("\t%.2f\t%.2f\t%.2f", scale * middle, scale * sorted[0], scale * sorted[rounds - 1]);
}

static void
print_row(const struct row *row, const struct settings *s)
{
	const struct generator *generator = row->load.generator;
	printf("%s\t%llu\t%s\t%s\t%s\t%s\t%s\t%ux%u\t%u", row->kind,
		(unsigned long long)row->load.tables->flow_count, families[generator->family == 6],
		distributions[generator->zipf], row->mode, headers[row->load.cold],
		generator_sizes[generator->size], row->load.forwarder->service_count,
		row->load.forwarder->backend_count, row->workers);
	print_spread(row->marginal, s->rounds);
	print_spread(row->cycles, s->rounds);
	putchar('\t');
	for (uint32_t i = 0; i < s->rounds; i++)
		printf("%s%.2f", i > 0 ? " " : "", scale * row->cycles[i]);
	putchar('\n');
}

/* --- a group -------------------------------------------------------------------------------- */

static uint32_t
make_rows(struct row *rows, const struct settings *s, const struct load *load)
{
	uint32_t count = 0;
	rows[count++] = (struct row){"io", "-", 1, *load, measure_io, {0}, {0}};
	rows[count++] = (struct row){"rte_hash", "-", 1, *load, measure_yardstick, {0}, {0}};
	for (unsigned kind = 0; kind < LOAD_KINDS; kind++) {
		for (unsigned mode = 0; mode < FORWARDER_MODES; mode++) {
			if (!(s->kinds & 1u << kind) || !(s->modes & 1u << mode))
				continue;
			for (unsigned workers = 1; workers <= s->workers; workers++) {
				struct row *row = &rows[count++];
				*row = (struct row){load_kinds[kind], forwarder_modes[mode],
					workers, *load, measure_forwarder, {0}, {0}};
				row->load.kind = (enum load_kind)kind;
				row->load.mode = mode;
			}
		}
	}
	return count;
}

static void
measure_group(const struct settings *s, const struct load *load)
{
	static struct row rows[CASES_MAX];
	uint32_t count = make_rows(rows, s, load);
	/* Round 0 warms up: pages, caches, the processor's clock. */
	for (uint32_t round = 0; round <= s->rounds; round++) {
		uint32_t at = round > 0 ? round - 1 : 0;
		for (uint32_t i = 0; i < count; i++) {
			double cycles = rows[i].measure(&rows[i], s->packets);
			rows[i].cycles[at] = cycles;
			rows[i].marginal[at] = rows[i].measure == measure_yardstick
						       ? cycles
						       : cycles - rows[0].cycles[at];
		}
	}
	for (uint32_t i = 0; i < count; i++)
		print_row(&rows[i], s);
}

/* --- the sweep ------------------------------------------------------------------------------ */

static void
make_buffers(struct load_buffers buffers[DEVICE_QUEUES], struct forwarder *f, int socket)
{
	static struct rte_mempool *pool;
	uint64_t random = 3;
	uint32_t count = DEVICE_FRAMES_MAX;
	if (!pool)
		pool = rte_pktmbuf_pool_create(
			"frames", DEVICE_QUEUES * count, 0, 0, BUFFER_ROOM, socket);
	if (!pool)
		bench_fail("no memory for the buffers");
	for (int q = 0; q < DEVICE_QUEUES; q++) {
		struct rte_mbuf **ring = bench_alloc(count * sizeof(*ring));
		if (rte_pktmbuf_alloc_bulk(pool, ring, count) < 0)
			bench_fail("no buffers");
		/* As after hours of traffic; and no prefetcher can guess the next one. */
		for (uint32_t i = count; i-- > 1;) {
			uint32_t other = (uint32_t)(bench_random(&random) % (i + 1));
			struct rte_mbuf *m = ring[i];
			ring[i] = ring[other];
			ring[other] = m;
		}
		f->queues[q]->rearm = device_rearm_word(ring[0]);
		buffers[q] = (struct load_buffers){.ring = ring, .count = count};
	}
}

static void
sweep_tables(const struct settings *s, struct load *load)
{
	struct generator *generator = load->generator;
	for (unsigned size = 0; size < GENERATOR_SIZES; size++) {
		for (unsigned zipf = 0; zipf < 2; zipf++) {
			for (unsigned cold = 0; cold < 2; cold++) {
				if (!(s->sizes & 1u << size) || !(s->distributions & 1u << zipf) ||
					!(s->headers & 1u << cold))
					continue;
				generator->size = (enum generator_size)size;
				generator->zipf = zipf;
				load->cold = cold;
				measure_group(s, load);
			}
		}
	}
}

static void
sweep(const struct settings *s, struct forwarder *f, struct load_buffers *buffers, int socket)
{
	for (uint32_t i = 0; i < s->flow_sizes; i++) {
		yardstick_make(s->flows[i], socket);
		for (int family = 4; family <= 6; family += 2) {
			if (!(s->families & (family == 4 ? 1u : 2u)))
				continue;
			struct generator generator = {
				.services = f->service_count, .family = family, .random = 4};
			struct load_tables tables;
			load_tables_make(&tables, f, &generator, s->flows[i]);
			struct load load = {.forwarder = f,
				.tables = &tables,
				.generator = &generator,
				.buffers = buffers};
			sweep_tables(s, &load);
			load_tables_free(&tables);
		}
		yardstick_free();
	}
}

/* --- settings ------------------------------------------------------------------------------- */

static _Noreturn void
usage(const char *program)
{
	bench_fail(
		"usage: %s [--rounds N] [--packets N] [--flows N,N…] [--kinds LIST] [--modes LIST] "
		"[--families v4,v6] [--distributions uniform,zipf] [--headers warm,cold] "
		"[--sizes 64,imix,1518,9000] [--shapes SERVICESxBACKENDS,…] [--workers 1|2] "
		"[--pages huge|small]",
		program);
}

/* A mask of the names that `list` has. */
static unsigned
mask_of(const char *program, const char *list, const char *const *names, unsigned count)
{
	unsigned mask = 0;
	char *copy = strdup(list), *rest = copy, *word;
	while ((word = strsep(&rest, ",")) != NULL) {
		unsigned i = 0;
		while (i < count && strcmp(word, names[i]) != 0)
			i++;
		if (i == count)
			usage(program);
		mask |= 1u << i;
	}
	free(copy);
	return mask;
}

static uint32_t
numbers_of(const char *program, const char *list, uint64_t *numbers)
{
	uint32_t count = 0;
	char *end;
	do {
		numbers[count] = strtoull(list, &end, 10);
		if (end == list || numbers[count] == 0 || (*end != ',' && *end != '\0'))
			usage(program);
		count++;
		list = end + 1;
	} while (*end == ',' && count < SIZES_MAX);
	return count;
}

static void
read_shapes(struct settings *s, const char *program, const char *list)
{
	int length;
	s->shape_count = 0;
	do {
		uint32_t services, backends;
		if (s->shape_count == SIZES_MAX ||
			sscanf(list, "%ux%u%n", &services, &backends, &length) != 2 ||
			services == 0 || backends == 0)
			usage(program);
		s->shapes[s->shape_count].services = services;
		s->shapes[s->shape_count++].backends = backends;
		list += length;
	} while (*list++ == ',');
}

enum setting {
	ROUNDS,
	PACKETS,
	FLOWS,
	KINDS,
	MODES,
	FAMILIES,
	DISTRIBUTIONS,
	HEADERS,
	SIZES,
	SHAPES,
	WORKERS,
	PAGES,
};

static void
take_option(struct settings *s, const char *program, int option, const char *value)
{
	uint64_t numbers[SIZES_MAX];
	switch (option) {
	case ROUNDS:
		numbers_of(program, value, numbers);
		s->rounds = numbers[0] < ROUNDS_MAX ? (uint32_t)numbers[0] : ROUNDS_MAX;
		break;
	case PACKETS:
		numbers_of(program, value, numbers);
		s->packets = (uint32_t)numbers[0];
		break;
	case FLOWS:
		s->flow_sizes = numbers_of(program, value, s->flows);
		break;
	case KINDS:
		s->kinds = mask_of(program, value, load_kinds, LOAD_KINDS);
		break;
	case MODES:
		s->modes = mask_of(program, value, forwarder_modes, FORWARDER_MODES);
		break;
	case FAMILIES:
		s->families = mask_of(program, value, families, 2);
		break;
	case DISTRIBUTIONS:
		s->distributions = mask_of(program, value, distributions, 2);
		break;
	case HEADERS:
		s->headers = mask_of(program, value, headers, 2);
		break;
	case SIZES:
		s->sizes = mask_of(program, value, generator_sizes, GENERATOR_SIZES);
		break;
	case SHAPES:
		read_shapes(s, program, value);
		break;
	case WORKERS:
		numbers_of(program, value, numbers);
		s->workers = numbers[0] == 2 ? 2 : 1;
		break;
	case PAGES:
		s->huge_pages = strcmp(value, "small") != 0;
		break;
	default:
		usage(program);
	}
}

static void
read_settings(struct settings *s, int argc, char **argv)
{
	static const struct option options[] = {
		{"rounds", required_argument, NULL, ROUNDS},
		{"packets", required_argument, NULL, PACKETS},
		{"flows", required_argument, NULL, FLOWS},
		{"kinds", required_argument, NULL, KINDS},
		{"modes", required_argument, NULL, MODES},
		{"families", required_argument, NULL, FAMILIES},
		{"distributions", required_argument, NULL, DISTRIBUTIONS},
		{"headers", required_argument, NULL, HEADERS},
		{"sizes", required_argument, NULL, SIZES},
		{"shapes", required_argument, NULL, SHAPES},
		{"workers", required_argument, NULL, WORKERS},
		{"pages", required_argument, NULL, PAGES},
		{NULL, 0, NULL, 0},
	};
	*s = (struct settings){
		.rounds = 11,
		.packets = 16384,
		.flows = {1, 1000, 100000, 1000000, 10000000},
		.flow_sizes = 5,
		.kinds = (1u << LOAD_KINDS) - 1,
		.modes = (1u << FORWARDER_MODES) - 1,
		.sizes = 1u << GENERATOR_64,
		.families = 3,
		.distributions = 3,
		.headers = 3,
		.shapes = {{1, 10}},
		.shape_count = 1,
		.workers = 1,
		.huge_pages = true,
	};
	int option;
	while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0)
		take_option(s, argv[0], option, optarg);
	if (optind < argc)
		usage(argv[0]);
}

/* The CPUs that this process may use, as EAL lists them: the first ones, `wanted` at most. */
static void
list_cpus(unsigned wanted, char *list, size_t bytes)
{
	cpu_set_t allowed;
	size_t length = 0;
	list[0] = '\0';
	if (sched_getaffinity(0, sizeof(allowed), &allowed) < 0)
		bench_fail("no CPU");
	for (size_t cpu = 0; cpu < CPU_SETSIZE && wanted > 0; cpu++) {
		if (!CPU_ISSET(cpu, &allowed))
			continue;
		length += (size_t)snprintf(
			list + length, bytes - length, "%s%zu", length > 0 ? "," : "", cpu);
		wanted--;
	}
	if (wanted > 0)
		bench_fail("a worker needs a CPU of its own; this process has only %s", list);
}

int
main(int argc, char **argv)
{
	struct settings s;
	struct load_buffers buffers[DEVICE_QUEUES];
	uint64_t largest = 0;
	char cpus[64];
	read_settings(&s, argc, argv);
	setvbuf(stdout, NULL, _IOLBF, 0);
	memory_choose_pages(s.huge_pages);
	list_cpus(s.workers, cpus, sizeof(cpus));
	for (uint32_t i = 0; i < s.flow_sizes; i++)
		largest = s.flows[i] > largest ? s.flows[i] : largest;
	size_t buffer_bytes = (size_t)DEVICE_QUEUES * DEVICE_FRAMES_MAX * (BUFFER_ROOM + 512);
	int socket = memory_start_eal(argv[0], cpus, buffer_bytes + yardstick_heap_bytes(largest));
	double mhz = bench_tsc_mhz();
	bool same = mhz > TSC_MHZ * (1 - TSC_SAME) && mhz < TSC_MHZ * (1 + TSC_SAME);
	scale = same ? 1.0 : TSC_MHZ / mhz;
	printf("# TSC %.0f MHz, figures in cycles of %s; CPUs %s\n", mhz,
		same ? "it" : "2100 MHz, scaled", cpus);
	printf("# only the burst is timed: the generator's cycles are not in the figures\n");
	printf("kind\tflows\tfamily\tdistribution\tmode\theaders\tsize\tshape\tworkers\tmarginal\tm"
	       "in\t"
	       "max\tcycles\tcycles min\tcycles max\tcycles of each round\n");
	for (uint32_t i = 0; i < s.shape_count; i++) {
		struct forwarder *f = forwarder_create(s.shapes[i].services, s.shapes[i].backends);
		make_buffers(buffers, f, socket);
		sweep(&s, f, buffers, socket);
	}
	printf("# %zu MB of memory were on hugepages\n", memory_huge_mb());
	rte_eal_cleanup();
	return 0;
}
