/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The configuration room with a command line of its own, so that its cases run without the daemon:
 * `--check FILE [--print]` as fairlead has it, and what is generated from the tables.
 */
#include <stdio.h>
#include <string.h>

#include "config.h"

static int
check(const char *file, bool print)
{
	struct config *config;
	if (config_load(&config, file, stderr) < 0)
		return 1;
	int rc = print ? config_print(config, stdout) : 0;
	config_free(config);
	return rc < 0;
}

int
main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "--schema") == 0) {
		config_print_schema(stdout);
		return 0;
	}
	if (argc == 2 && strcmp(argv[1], "--reference") == 0) {
		config_print_reference(stdout);
		return 0;
	}
	if (argc == 3 && strcmp(argv[1], "--check") == 0)
		return check(argv[2], false);
	if (argc == 4 && strcmp(argv[1], "--check") == 0 && strcmp(argv[3], "--print") == 0)
		return check(argv[2], true);
	fprintf(stderr, "usage: check --check FILE [--print] | --schema | --reference\n");
	return 2;
}
