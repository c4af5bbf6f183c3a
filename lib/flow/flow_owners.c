/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The file's array says everything; beside it, in process memory, stands a hash from name to index,
 * built anew at each start.
 *
 * Place 0 of the array is nobody's. Its last field is the highest index that was ever given, so
 * that nobody has to read what lies above, which would make the sparse file grow.
 *
 * A crash can come between any two stores. A new owner is written in this order: highest, name,
 * generation, state; so an index that is not free has a whole name, and one that was given is never
 * above the highest.
 */
#include "flow_owners.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "flow_table.h"

#define CHAINS 65536u /* as many as indices: about one name a chain */

struct flow_owners {
	struct flow_owner *array; /* the file's; [BACKENDS_MAX + 1] */
	uint16_t cursor;	  /* where the search for a free index goes on */
	uint32_t freed;		  /* indices up to the highest that are free */
	uint16_t chains[CHAINS];  /* hash -> index of the first name with it; 0: none */
	uint16_t next[BACKENDS_MAX + 1];
};

/* FNV-1a: the names are the operator's own, nobody else chooses them. */
static uint32_t
chain_of(const char *name)
{
	uint32_t hash = 2166136261u;
	for (; *name; name++)
		hash = (hash ^ (unsigned char)*name) * 16777619u;
	return (hash ^ hash >> 16) % CHAINS;
}

/* Keeps the stores to the file in their order, for whoever reads it after a crash. */
static void
set_state(struct flow_owner *owner, enum flow_owner_state state)
{
	__atomic_store_n(&owner->state, state, __ATOMIC_RELEASE);
}

static void
set_highest(struct flow_owners *owners, uint16_t index)
{
	__atomic_store_n(&owners->array[0].highest, index, __ATOMIC_RELEASE);
}

static void
chain_insert(struct flow_owners *owners, uint16_t index)
{
	uint16_t *head = &owners->chains[chain_of(owners->array[index].name)];
	owners->next[index] = *head;
	*head = index;
}

static void
chain_remove(struct flow_owners *owners, uint16_t index)
{
	uint16_t *link = &owners->chains[chain_of(owners->array[index].name)];
	while (*link != index)
		link = &owners->next[*link];
	*link = owners->next[index];
}

size_t
flow_owners_bytes(void)
{
	return (BACKENDS_MAX + 1) * sizeof(struct flow_owner);
}

/* A name that could have been acquired, in a state that exists. */
static bool
is_sound(const struct flow_owner *owner)
{
	return (owner->state == FLOW_OWNER_ACTIVE || owner->state == FLOW_OWNER_RETIRED) &&
	       owner->name[0] != '\0' && memchr(owner->name, '\0', sizeof(owner->name)) != NULL;
}

struct flow_owners *
flow_owners_attach(struct flow_owner *memory)
{
	struct flow_owners *owners = calloc(1, sizeof(*owners));
	if (!owners)
		return NULL;
	owners->array = memory;
	if (memory[0].highest > BACKENDS_MAX)
		set_highest(owners, BACKENDS_MAX);
	for (uint32_t i = 1; i <= flow_owners_highest(owners); i++) {
		struct flow_owner *owner = &memory[i];
		/* What is not sound, or is there twice, is nobody's: its entries are dead. */
		if (is_sound(owner) && flow_owners_find(owners, owner->name) == 0) {
			set_state(owner, FLOW_OWNER_RETIRED);
			chain_insert(owners, (uint16_t)i);
		} else {
			set_state(owner, FLOW_OWNER_FREE);
			owners->freed++;
		}
	}
	return owners;
}

void
flow_owners_detach(struct flow_owners *owners)
{
	free(owners);
}

/* One that was never given; else the free one that comes next after the last one that was given
 * again, so that an index rests as long as can be. 0 if none is left. */
static uint16_t
free_index(struct flow_owners *owners)
{
	uint16_t highest = flow_owners_highest(owners);
	if (highest < BACKENDS_MAX) {
		set_highest(owners, ++highest);
		return highest;
	}
	if (owners->freed == 0)
		return 0;
	do
		owners->cursor = owners->cursor == BACKENDS_MAX ? 1 : owners->cursor + 1;
	while (owners->array[owners->cursor].state != FLOW_OWNER_FREE);
	owners->freed--;
	return owners->cursor;
}

int
flow_owners_acquire(struct flow_owners *owners, const char *name, uint16_t *index)
{
	size_t len = strlen(name);
	if (len == 0 || len > FLOW_OWNER_NAME_MAX)
		return len == 0 ? -EINVAL : -ENAMETOOLONG;
	*index = flow_owners_find(owners, name);
	if (*index != 0) {
		set_state(&owners->array[*index], FLOW_OWNER_ACTIVE);
		return 0;
	}
	*index = free_index(owners);
	if (*index == 0)
		return -ENOSPC;
	struct flow_owner *owner = &owners->array[*index];
	memcpy(owner->name, name, len + 1);
	owner->generation++;
	set_state(owner, FLOW_OWNER_ACTIVE);
	chain_insert(owners, *index);
	return 0;
}

void
flow_owners_retire(struct flow_owners *owners, uint16_t index)
{
	if (flow_owners_state(owners, index) == FLOW_OWNER_ACTIVE)
		set_state(&owners->array[index], FLOW_OWNER_RETIRED);
}

void
flow_owners_release(struct flow_owners *owners, uint16_t index)
{
	if (flow_owners_state(owners, index) != FLOW_OWNER_RETIRED)
		return;
	chain_remove(owners, index);
	set_state(&owners->array[index], FLOW_OWNER_FREE);
	owners->freed++;
}

enum flow_owner_state
flow_owners_state(const struct flow_owners *owners, uint16_t index)
{
	if (index == 0 || index > flow_owners_highest(owners))
		return FLOW_OWNER_FREE;
	return (enum flow_owner_state)owners->array[index].state;
}

uint8_t
flow_owners_generation(const struct flow_owners *owners, uint16_t index)
{
	if (index == 0 || index > flow_owners_highest(owners))
		return 0;
	return owners->array[index].generation & (FLOW_GENERATIONS - 1);
}

const char *
flow_owners_name(const struct flow_owners *owners, uint16_t index)
{
	if (flow_owners_state(owners, index) == FLOW_OWNER_FREE)
		return NULL;
	return owners->array[index].name;
}

uint16_t
flow_owners_find(const struct flow_owners *owners, const char *name)
{
	uint16_t index = owners->chains[chain_of(name)];
	while (index != 0 && strcmp(owners->array[index].name, name) != 0)
		index = owners->next[index];
	return index;
}

uint16_t
flow_owners_highest(const struct flow_owners *owners)
{
	return (uint16_t)owners->array[0].highest;
}
