/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Feeds every file of the folders on the command line, and of their folders, to the fuzz target
 * that it is linked with, in order of their names: what libFuzzer's main() does with a corpus,
 * without libFuzzer. Dies of the first input that breaks a promise.
 */
#include <fts.h>
#include <stdbool.h>
#include <sys/stat.h>

#include "fuzz.h"

static unsigned fed;

static void
feed(const char *path, size_t size)
{
	FILE *file = fopen(path, "rb");
	REQUIRE(file != NULL);
	uint8_t *data = malloc(size + (size == 0));
	REQUIRE(data != NULL);
	REQUIRE(fread(data, 1, size, file) == size);
	fclose(file);
	printf("%s\n", path);
	fflush(stdout); /* the last line names the culprit */
	LLVMFuzzerTestOneInput(data, size);
	free(data);
	fed++;
}

static int
by_name(const FTSENT **a, const FTSENT **b)
{
	return strcmp((*a)->fts_name, (*b)->fts_name);
}

int
main(int argc, char **argv)
{
	FTS *tree = argc > 1 ? fts_open(argv + 1, FTS_LOGICAL | FTS_NOCHDIR, by_name) : NULL;
	if (!tree) {
		fprintf(stderr, "usage: %s FOLDER…\n", argv[0]);
		return 2;
	}
	bool complete = true;
	for (FTSENT *entry; (entry = fts_read(tree)) != NULL;) {
		if (entry->fts_info == FTS_F)
			feed(entry->fts_path, (size_t)entry->fts_statp->st_size);
		else if (entry->fts_info != FTS_D && entry->fts_info != FTS_DP) {
			fprintf(stderr, "%s: cannot be read\n", entry->fts_path);
			complete = false;
		}
	}
	fts_close(tree);
	printf("%u inputs\n", fed);
	return complete && fed > 0 ? 0 : 1;
}
