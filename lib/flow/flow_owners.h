/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who owns a backend index: the map index -> "pool/backend" that lies in the flow table's file, so
 * that indices, which entries hold, mean the same after a reload and after a restart.
 *
 *   owner, 144 bytes:  | name, NUL-terminated 128 | state 32 | generation 32 | 0 64 |
 *   owner 0 is nobody; its last 64 bits are the highest index that was ever given
 *
 *   free --acquire--> active --retire--> retired --release (no live entry names it)--> free
 *                       ^--------acquire (same name)--'
 *
 * An index that has been retired keeps its name until the sweep has seen no entry of it for one
 * whole round; the same name gets the same index back at any time before. A fresh owner of an index
 * gets the next generation.
 *
 * Control only; the memory is the file's, and a crash between two stores leaves a map that
 * flow_owners_attach can read: the state is written last.
 */
#ifndef FAIRLEAD_FLOW_OWNERS_H
#define FAIRLEAD_FLOW_OWNERS_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "bounds.h"

/* "pool/backend" */
#define FLOW_OWNER_NAME_MAX (2 * NAME_LEN_MAX + 1)

enum flow_owner_state {
	FLOW_OWNER_FREE = 0,
	FLOW_OWNER_ACTIVE = 1,
	FLOW_OWNER_RETIRED = 2,
};

struct flow_owner {
	char name[FLOW_OWNER_NAME_MAX + 1];
	uint32_t state; /* enum flow_owner_state */
	uint32_t generation;
	uint64_t highest; /* in owner 0 only; else 0 */
};
static_assert(sizeof(struct flow_owner) == 144, "layout of the file");

struct flow_owners;

/* Bytes that the map takes in the file. */
size_t flow_owners_bytes(void);

/* Reads the map that lies in `memory` (zeroed: an empty one). Every active owner becomes retired:
 * the configuration acquires anew what it still has. NULL when memory is out. */
struct flow_owners *flow_owners_attach(struct flow_owner *memory);
void flow_owners_detach(struct flow_owners *owners);

/* The index of `name`, its old one if it still has one, else one that was never given, else a free
 * one. -ENOSPC if none is left, -ENAMETOOLONG, -EINVAL for "". Acquiring an active name gives its
 * index. */
int flow_owners_acquire(struct flow_owners *owners, const char *name, uint16_t *index);

/* The configuration no longer has it. */
void flow_owners_retire(struct flow_owners *owners, uint16_t index);

/* A whole sweep round, begun when the retirement's snapshot was in force, found no entry of it. */
void flow_owners_release(struct flow_owners *owners, uint16_t index);

enum flow_owner_state flow_owners_state(const struct flow_owners *owners, uint16_t index);
uint8_t flow_owners_generation(const struct flow_owners *owners, uint16_t index);
/* NULL for a free one. */
const char *flow_owners_name(const struct flow_owners *owners, uint16_t index);
/* The index of an active or retired name; 0 if there is none. */
uint16_t flow_owners_find(const struct flow_owners *owners, const char *name);
/* Indices run from 1 to this one; nothing above was ever given. */
uint16_t flow_owners_highest(const struct flow_owners *owners);

#endif
