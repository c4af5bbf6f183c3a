/* SPDX-License-Identifier: BSD-3-Clause */
#include "registry.h"

#include <errno.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A name and its number, in a tree of <search.h>. */
struct service_number {
	char name[NAME_LEN_MAX + 1];
	uint16_t number;
};

struct registry {
	struct flow_owners *owners;
	uint32_t uses[BACKENDS_MAX + 1];
	uint64_t retired_in_round[BACKENDS_MAX + 1];
	uint64_t round;
	void *services; /* tree of struct service_number */
	uint16_t service_count;
};

struct registry *
registry_create(struct flow_owners *owners)
{
	struct registry *registry = calloc(1, sizeof(*registry));
	if (!registry)
		return NULL;
	registry->owners = owners;
	/* What an earlier process left retired (round 0) is free after the first whole round. */
	registry->round = 1;
	return registry;
}

void
registry_destroy(struct registry *registry)
{
	if (!registry)
		return;
	tdestroy(registry->services, free);
	free(registry);
}

void
registry_name_backend(char name[FLOW_OWNER_NAME_MAX + 1], const char *pool, const char *backend)
{
	snprintf(name, FLOW_OWNER_NAME_MAX + 1, "%s/%s", pool, backend);
}

int
registry_acquire_backend(
	struct registry *registry, const char *pool, const char *backend, uint16_t *index)
{
	char name[FLOW_OWNER_NAME_MAX + 1];
	registry_name_backend(name, pool, backend);
	int rc = flow_owners_acquire(registry->owners, name, index);
	if (rc == 0)
		registry->uses[*index]++;
	return rc;
}

void
registry_release_backend(struct registry *registry, uint16_t index)
{
	if (--registry->uses[index] > 0)
		return;
	flow_owners_retire(registry->owners, index);
	registry->retired_in_round[index] = registry->round;
}

uint8_t
registry_generation(const struct registry *registry, uint16_t index)
{
	return flow_owners_generation(registry->owners, index);
}

uint16_t
registry_find_backend(const struct registry *registry, const char *pool, const char *backend)
{
	char name[FLOW_OWNER_NAME_MAX + 1];
	registry_name_backend(name, pool, backend);
	uint16_t index = flow_owners_find(registry->owners, name);
	return registry->uses[index] > 0 ? index : 0;
}

const char *
registry_backend_name(const struct registry *registry, uint16_t index)
{
	return flow_owners_name(registry->owners, index);
}

uint32_t
registry_backend_limit(const struct registry *registry)
{
	return flow_owners_highest(registry->owners) + 1u;
}

static int
compare_names(const void *a, const void *b)
{
	const struct service_number *left = a, *right = b;
	return strcmp(left->name, right->name);
}

int
registry_service_number(struct registry *registry, const char *name, uint16_t *number)
{
	struct service_number key = {0};
	snprintf(key.name, sizeof(key.name), "%s", name);
	struct service_number **known = tfind(&key, &registry->services, compare_names);
	if (known) {
		*number = (*known)->number;
		return 0;
	}
	if (registry->service_count == SERVICES_MAX)
		return -ENOSPC;
	struct service_number *fresh = malloc(sizeof(*fresh));
	if (!fresh)
		return -ENOMEM;
	*fresh = key;
	fresh->number = registry->service_count;
	if (!tsearch(fresh, &registry->services, compare_names)) {
		free(fresh);
		return -ENOMEM;
	}
	*number = registry->service_count++;
	return 0;
}

void
registry_sweep_ended(struct registry *registry, const uint64_t *by_backend,
	void (*forget)(void *context, uint16_t index), void *context)
{
	uint32_t limit = registry_backend_limit(registry);
	for (uint32_t i = 1; i < limit; i++) {
		uint16_t index = (uint16_t)i;
		if (flow_owners_state(registry->owners, index) != FLOW_OWNER_RETIRED ||
			registry->retired_in_round[index] >= registry->round ||
			by_backend[index] > 0)
			continue;
		flow_owners_release(registry->owners, index);
		forget(context, index);
	}
	registry->round++;
}
