/* SPDX-License-Identifier: BSD-3-Clause */
#include "stages.h"

#include <stddef.h>

#include "burst_isa.h"

const char *const *const stage_names = NULL;
uint64_t stage_cycles[STAGE_COUNT];

const char *
stages_begin(void)
{
	pipeline_use(pipeline_widest_isa());
	return pipeline_isa_name(pipeline_widest_isa());
}
