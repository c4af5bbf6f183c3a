/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * For the fuzz targets. Each is one file with one LLVMFuzzerTestOneInput, which libFuzzer drives
 * with inputs that it makes (tests/fuzz/run), and replay.c with the files of corpus/ (meson test).
 * A target says what must hold for any input by REQUIRE; what no input may do besides is the
 * sanitizers' to see, so what is read lies in memory of its exact size.
 */
#ifndef FAIRLEAD_FUZZ_H
#define FAIRLEAD_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REQUIRE(condition)                                                                         \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__,          \
				#condition);                                                       \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* `size` bytes in a block of their own. */
static inline uint8_t *
fuzz_copy(const void *data, size_t size)
{
	uint8_t *block = calloc(1, size + (size == 0));
	REQUIRE(block != NULL);
	if (size > 0)
		memcpy(block, data, size);
	return block;
}

#endif
