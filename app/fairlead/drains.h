/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The drains that operators have ordered, by name of pool and backend. They outlive configurations
 * and, through the state directory, the process. A list for control alone.
 */
#ifndef FAIRLEAD_DRAINS_H
#define FAIRLEAD_DRAINS_H

#include <time.h>

#include "config.h"

struct drain {
	const char *pool, *backend;
	enum backend_state
		configured;	/* in the file, then; when it says otherwise, the file wins */
	time_t began, deadline; /* wall clock; deadline 0: none */
};

struct drains {
	struct drain *list; /* sorted by pool, then backend; the names are its own */
	uint32_t count;
};

/* NULL: there is none. Valid until one is put or removed. */
struct drain *drains_find(const struct drains *drains, const char *pool, const char *backend);
/* Adds a copy of `drain`, whose backend has none yet. 0 or -ENOMEM. */
int drains_put(struct drains *drains, const struct drain *drain);
/* `drain` is one of the list. */
void drains_remove(struct drains *drains, struct drain *drain);
void drains_clear(struct drains *drains);

#endif
