/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where the cycles of a burst go. There are two programs: `pipeline` is linked with the stages as they
 * are, and `pipeline_stages` with the same source in which the clock is read between them, 7 times a
 * burst. So the profile costs the figures nothing, and its own sum says what reading the clock costs.
 *
 *   poll | net | service | flow | send | dispatch, transmit | settle | poll …
 *
 * One worker.
 */
#ifndef FAIRLEAD_STAGES_H
#define FAIRLEAD_STAGES_H

#include <stdint.h>

enum stage {
	STAGE_NET,
	STAGE_SERVICE,
	STAGE_FLOW,
	STAGE_SEND,
	STAGE_DISPATCH,
	STAGE_SETTLE,
	STAGE_COUNT,
};

/* "net", "service" …; NULL: this program reads no clock. */
extern const char *const *const stage_names;

/* Chooses the instruction set that pipeline_burst uses, as the daemon does at start; its name. */
const char *stages_begin(void);

/* TSC cycles since the program began. */
extern uint64_t stage_cycles[STAGE_COUNT];

#endif
