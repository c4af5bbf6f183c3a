/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a reload would do: the difference of two configurations as a list of actions. Pure: nothing
 * is applied here. A dry run prints it, a reload refuses by it or logs it and builds the snapshot.
 * Control only.
 */
#ifndef FAIRLEAD_PLAN_H
#define FAIRLEAD_PLAN_H

#include <stdbool.h>
#include <stdio.h>

#include "config.h"

enum plan_kind {
	PLAN_ADD,
	PLAN_REMOVE,
	PLAN_CHANGE,
	PLAN_RESTART, /* differs, and cannot change while the daemon runs: the reload is refused */
};

struct plan_action {
	enum plan_kind kind;
	/* "service", "pool", "backend", "edge", "dataplane", "control", "icmp", "announce" */
	const char *what;
	/* "web", "caches", "caches/cache1", or the JSON pointer for PLAN_RESTART */
	const char *name;
	const char *detail; /* "weight 100 -> 50", or "" */
};

struct plan {
	struct arena *arena;
	struct plan_action *actions;
	uint32_t count;
	bool needs_restart; /* at least one PLAN_RESTART */
};

/* NULL when memory is out. Strings live in the plan's arena: it may outlive both configurations. */
struct plan *plan_make(const struct config *before, const struct config *after);
void plan_free(struct plan *plan);

/* One line an action: "+ backend caches/cache3", "~ service web: affinity flow -> client". */
void plan_print(const struct plan *plan, FILE *out);

#endif
