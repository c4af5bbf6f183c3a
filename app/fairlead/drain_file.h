/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Operators' drains in the state directory, so that they outlive the process:
 *
 *   STATE/drains.json: [{"pool": "web", "backend": "b1", "configured": "active",
 *                        "began": 1763855289, "deadline": null}]
 *
 * Control only.
 */
#ifndef FAIRLEAD_DRAIN_FILE_H
#define FAIRLEAD_DRAIN_FILE_H

#include "fleet.h"

/* At start, after fleet_create and before the first snapshot: takes over what was saved. -ENOMEM; a
 * file that is damaged is set aside, and one that cannot be read is left: the log has a warning. */
int drain_file_resume(const char *directory, struct fleet *fleet, struct error *err);

/* After drains may have changed; nothing is written if they have not. A failure is that of
 * state_file_write: the drains are in force all the same. */
int drain_file_save(const char *directory, const struct fleet *fleet, struct error *err);

#endif
