/* SPDX-License-Identifier: BSD-3-Clause */
#include "settings.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "load.h"

const char *const settings_families[2] = {"v4", "v6"};
const char *const settings_distributions[2] = {"uniform", "zipf"};
const char *const settings_headers[2] = {"warm", "cold"};

static const struct settings defaults = {
	.rounds = 11,
	.packets = 12288,
	.flows = {1, 1000, 100000, 1000000, 10000000},
	.flows_count = 5,
	.shapes = {{1, 10}},
	.shape_count = 1,
	.kinds = (1u << LOAD_KINDS) - 1,
	.modes = (1u << FORWARDER_MODES) - 1,
	.sizes = 1u << GENERATOR_64,
	.families = 3,
	.distributions = 3,
	.headers = 3,
	.workers = 1,
	.huge_pages = true,
};

static const struct settings check = {
	.check = true,
	.rounds = 1,
	.packets = 1,
	.flows = {1, 1000, 20000},
	.flows_count = 3,
	.shapes = {{1, 10}, {100, 100}},
	.shape_count = 2,
	.kinds = (1u << LOAD_KINDS) - 1,
	.modes = (1u << FORWARDER_MODES) - 1,
	.sizes = (1u << GENERATOR_SIZES) - 1,
	.families = 3,
	.distributions = 3,
	.headers = 3,
	.workers = 1,
};

static _Noreturn void
usage(void)
{
	bench_fail("usage: pipeline [--check] [--rounds N] [--packets N] [--flows N,N…] "
		   "[--kinds LIST] [--modes LIST] [--families v4,v6] "
		   "[--distributions uniform,zipf] [--headers warm,cold] "
		   "[--sizes 64,imix,1518,9000] [--shapes SERVICESxBACKENDS,…] [--workers 1|2] "
		   "[--pages huge|small]");
}

/* Which of the names `list` has. */
static unsigned
mask_of(const char *list, const char *const *names, unsigned count)
{
	unsigned mask = 0;
	char *copy = strdup(list), *rest = copy, *word;
	while ((word = strsep(&rest, ",")) != NULL) {
		unsigned i = 0;
		while (i < count && strcmp(word, names[i]) != 0)
			i++;
		if (i == count)
			usage();
		mask |= 1u << i;
	}
	free(copy);
	return mask;
}

static uint64_t
number_of(const char *text, uint64_t most)
{
	char *end;
	uint64_t number = strtoull(text, &end, 10);
	if (end == text || *end != '\0' || number == 0 || number > most)
		usage();
	return number;
}

static void
read_flows(struct settings *s, const char *list)
{
	char *copy = strdup(list), *rest = copy, *word;
	s->flows_count = 0;
	while ((word = strsep(&rest, ",")) != NULL) {
		if (s->flows_count == SETTINGS_FLOWS_MAX)
			usage();
		s->flows[s->flows_count++] = number_of(word, GENERATOR_FLOWS_MAX);
	}
	free(copy);
}

static void
read_shapes(struct settings *s, const char *list)
{
	char *copy = strdup(list), *rest = copy, *word;
	s->shape_count = 0;
	while ((word = strsep(&rest, ",")) != NULL) {
		char *backends = strchr(word, 'x');
		if (s->shape_count == SETTINGS_SHAPES_MAX || !backends)
			usage();
		*backends++ = '\0';
		s->shapes[s->shape_count++] = (struct shape){
			.services = (uint32_t)number_of(word, SERVICES_MAX),
			.backends = (uint32_t)number_of(backends, BACKENDS_MAX),
		};
	}
	free(copy);
}

enum option_of_ours {
	CHECK,
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
take_option(struct settings *s, int option, const char *value)
{
	static const char *const pages[] = {"huge", "small"};
	switch (option) {
	case CHECK:
		*s = check;
		break;
	case ROUNDS:
		s->rounds = (uint32_t)number_of(value, SETTINGS_ROUNDS_MAX);
		break;
	case PACKETS:
		s->packets = (uint32_t)number_of(value, 1u << 20);
		break;
	case FLOWS:
		read_flows(s, value);
		break;
	case KINDS:
		s->kinds = mask_of(value, load_kinds, LOAD_KINDS);
		break;
	case MODES:
		s->modes = mask_of(value, forwarder_modes, FORWARDER_MODES);
		break;
	case FAMILIES:
		s->families = mask_of(value, settings_families, 2);
		break;
	case DISTRIBUTIONS:
		s->distributions = mask_of(value, settings_distributions, 2);
		break;
	case HEADERS:
		s->headers = mask_of(value, settings_headers, 2);
		break;
	case SIZES:
		s->sizes = mask_of(value, generator_sizes, GENERATOR_SIZES);
		break;
	case SHAPES:
		read_shapes(s, value);
		break;
	case WORKERS:
		s->workers = (unsigned)number_of(value, DEVICE_QUEUES);
		break;
	case PAGES:
		s->huge_pages = mask_of(value, pages, 2) == 1;
		break;
	default:
		usage();
	}
}

void
settings_read(struct settings *settings, int argc, char **argv)
{
	static const struct option options[] = {
		{"check", no_argument, NULL, CHECK},
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
	int option;
	*settings = defaults;
	opterr = 0;
	while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0)
		take_option(settings, option, optarg);
	if (optind < argc)
		usage();
}
