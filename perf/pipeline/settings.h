/* SPDX-License-Identifier: BSD-3-Clause */
/* What is to be measured, from the command line. */
#ifndef FAIRLEAD_SETTINGS_H
#define FAIRLEAD_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#define SETTINGS_ROUNDS_MAX 99
#define SETTINGS_FLOWS_MAX  8
#define SETTINGS_SHAPES_MAX 2

/* Of a configuration. */
struct shape {
	uint32_t services, backends;
};

struct settings {
	bool check; /* small, brief, and no figures: whether the cases do what they say */
	uint32_t rounds;
	uint32_t packets; /* of a case in a round */
	uint64_t flows[SETTINGS_FLOWS_MAX];
	uint32_t flows_count;
	struct shape shapes[SETTINGS_SHAPES_MAX];
	uint32_t shape_count;
	/* Bits: what is wanted of load_kinds, forwarder_modes, generator_sizes and the names below. */
	unsigned kinds, modes, sizes, families, distributions, headers;
	unsigned workers; /* 2: each case by one worker and by two */
	bool huge_pages;
};

extern const char *const settings_families[2];	    /* "v4", "v6" */
extern const char *const settings_distributions[2]; /* "uniform", "zipf" */
extern const char *const settings_headers[2];	    /* "warm", "cold" */

/* Wrong usage ends the program. */
void settings_read(struct settings *settings, int argc, char **argv);

#endif
