/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An arena: memory that is handed out piece by piece and freed whole. One holds a configuration,
 * one a snapshot; nobody frees parts, so nothing of them can leak or dangle.
 *
 * Chunks come from mmap, zeroed, on a chosen NUMA node (libnuma) when one is named.
 * One thread at a time; control only.
 */
#ifndef FAIRLEAD_ARENA_H
#define FAIRLEAD_ARENA_H

#include <stddef.h>

#define ARENA_ANY_NODE (-1)

struct arena;

/* NULL when memory is out. */
struct arena *arena_create(int numa_node);

/* Zeroed, aligned to `align` (a power of two, at most 4096). NULL when memory is out. */
void *arena_alloc(struct arena *arena, size_t bytes, size_t align);

/* `count` zeroed elements; NULL when memory is out or the product overflows. Never NULL for 0. */
void *arena_array(struct arena *arena, size_t count, size_t element_bytes);
char *arena_strdup(struct arena *arena, const char *text);

/* Bytes mapped. */
size_t arena_bytes(const struct arena *arena);

/* NULL is allowed. */
void arena_destroy(struct arena *arena);

#endif
