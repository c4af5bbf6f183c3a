/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What outlives a snapshot: the numbers that names have. A backend's index lies in the flow table's
 * file (flow_owners.h) and is counted here by the snapshots that use it; a service's number is
 * its own for as long as the process runs, so that its counters go on over reloads.
 *
 * An index that no snapshot uses any more is retired, and free again when a whole sweep of the flow
 * table that began later has found no entry of it.
 * Control only.
 */
#ifndef FAIRLEAD_REGISTRY_H
#define FAIRLEAD_REGISTRY_H

#include <stdint.h>

#include "bounds.h"
#include "flow_owners.h"

struct registry;

/* NULL when memory is out. `owners` stays the caller's. */
struct registry *registry_create(struct flow_owners *owners);
void registry_destroy(struct registry *registry);

/* "pool/backend": the name that a backend's index and its rows follow from. */
void registry_name_backend(
	char name[FLOW_OWNER_NAME_MAX + 1], const char *pool, const char *backend);

/* The index of "pool/backend", one use more. -ENOSPC, -ENAMETOOLONG. */
int registry_acquire_backend(
	struct registry *registry, const char *pool, const char *backend, uint16_t *index);
/* One use less; the last one retires it. Only when no worker can still insert with it. */
void registry_release_backend(struct registry *registry, uint16_t index);
uint8_t registry_generation(const struct registry *registry, uint16_t index);
/* The index of a backend that some snapshot uses, or 0. */
uint16_t registry_find_backend(
	const struct registry *registry, const char *pool, const char *backend);
/* "pool/backend" of an index, retired ones too; NULL if it is nobody's. */
const char *registry_backend_name(const struct registry *registry, uint16_t index);
/* Indices lie below this. */
uint32_t registry_backend_limit(const struct registry *registry);

/* -ENOSPC after SERVICES_MAX different names. */
int registry_service_number(struct registry *registry, const char *name, uint16_t *number);

/*
 * A sweep round has ended; `by_backend` is what it counted. Frees retired indices that this whole round
 * has not seen, calling `forget` for each, and begins the next round.
 */
void registry_sweep_ended(struct registry *registry, const uint64_t *by_backend,
	void (*forget)(void *context, uint16_t index), void *context);

#endif
