/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Putting another configuration in force while packets flow: all or nothing. Control only.
 */
#ifndef FAIRLEAD_RELOAD_H
#define FAIRLEAD_RELOAD_H

#include "daemon.h"
#include "plan.h"

struct reload_result {
	struct plan *plan; /* what changed, or what forbids it; may be NULL */
	char *messages;	   /* lines: errors and warnings of the file; to be freed */
	uint64_t generation;
};

/*
 * Loads `file`, compares, builds the snapshot and publishes it. 0; or a negative errno, the sentence in
 * `err` and details in `result`, and the configuration in force is what it was. Either way the caller
 * calls reload_result_free.
 */
int reload(
	struct daemon *daemon, const char *file, struct reload_result *result, struct error *err);
void reload_result_free(struct reload_result *result);

/* The first one, at start: no plan, nothing in force before. `config` is the daemon's afterwards; to
 * read it took `read_ms`. */
int reload_first(struct daemon *daemon, struct config *config, uint64_t read_ms, struct error *err);

#endif
