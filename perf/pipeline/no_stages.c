/* SPDX-License-Identifier: BSD-3-Clause */
#include "stages.h"

#include <stddef.h>

const char *const *const stage_names = NULL;
uint64_t stage_cycles[STAGE_COUNT];
