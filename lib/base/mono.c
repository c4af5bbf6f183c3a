/* SPDX-License-Identifier: BSD-3-Clause */
#include "mono.h"

#include <time.h>

struct mono
mono_now(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (struct mono){(uint64_t)ts.tv_sec * 1000000u + (uint64_t)ts.tv_nsec / 1000u};
}
