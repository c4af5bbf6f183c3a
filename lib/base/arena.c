/* SPDX-License-Identifier: BSD-3-Clause */
#include "arena.h"

#include <numa.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define PAGE_BYTES  ((size_t)4096)
#define CHUNK_BYTES ((size_t)256 << 10)
#define CACHE_LINE  64
/* From here on pages are made at once, not one fault each: tables are filled anyway. */
#define POPULATE_BYTES ((size_t)64 << 10)

/* Chunks that fill half a huge page or more are made of huge pages, where Linux has some (transparent
 * ones, "always" or "madvise"): tables of thousands of services and backends are read at random, and
 * would miss in the TLB nearly as often as they are asked. */
#define HUGE_PAGE_BYTES ((size_t)2 << 20)

struct chunk {
	struct chunk *next;
	size_t bytes; /* of the mapping, this header included */
	size_t used;
};

struct arena {
	struct chunk *chunks; /* the newest first; only it is handed out from */
	size_t bytes;
	int numa_node;
};

struct arena *
arena_create(int numa_node)
{
	struct arena *arena = calloc(1, sizeof(*arena));
	if (arena)
		arena->numa_node = numa_node;
	return arena;
}

static void *
map(size_t bytes)
{
	void *memory =
		mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return memory == MAP_FAILED ? NULL : memory;
}

/* `bytes` are whole huge pages. One more is mapped, so that there are as many in it, aligned. */
static void *
map_huge(size_t bytes)
{
	char *memory = map(bytes + HUGE_PAGE_BYTES);
	if (!memory)
		return NULL;
	size_t before = -(uintptr_t)memory & (HUGE_PAGE_BYTES - 1);
	if (before > 0)
		munmap(memory, before);
	if (before < HUGE_PAGE_BYTES)
		munmap(memory + before + bytes, HUGE_PAGE_BYTES - before);
	madvise(memory + before, bytes, MADV_HUGEPAGE);
	return memory + before;
}

static struct chunk *
chunk_map(struct arena *arena, size_t bytes)
{
	bool is_huge = bytes >= HUGE_PAGE_BYTES / 2;
	if (is_huge)
		bytes = (bytes + HUGE_PAGE_BYTES - 1) & ~(HUGE_PAGE_BYTES - 1);
	void *memory = is_huge ? map_huge(bytes) : map(bytes);
	if (!memory)
		return NULL;
	/* Before the first touch, so that the pages come from there. */
	if (arena->numa_node != ARENA_ANY_NODE && numa_available() >= 0)
		numa_tonode_memory(memory, bytes, arena->numa_node);
	struct chunk *chunk = memory;
	chunk->bytes = bytes;
	chunk->used = sizeof(*chunk);
	chunk->next = arena->chunks;
	arena->chunks = chunk;
	arena->bytes += bytes;
	return chunk;
}

void *
arena_alloc(struct arena *arena, size_t bytes, size_t align)
{
	if (bytes > SIZE_MAX / 2)
		return NULL;
	struct chunk *chunk = arena->chunks;
	size_t start = chunk ? (chunk->used + align - 1) & ~(align - 1) : 0;
	if (!chunk || start + bytes > chunk->bytes) {
		size_t need = bytes + sizeof(*chunk) + align;
		size_t size = need > CHUNK_BYTES ? (need + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1)
						 : CHUNK_BYTES;
		chunk = chunk_map(arena, size);
		if (!chunk)
			return NULL;
		start = (chunk->used + align - 1) & ~(align - 1);
	}
	chunk->used = start + bytes;
	if (bytes >= POPULATE_BYTES) {
		char *first =
			(char *)((uintptr_t)((char *)chunk + start) & ~(uintptr_t)(PAGE_BYTES - 1));
		/* Kernels before 5.14 do not know how; then they come by faults. */
		madvise(first, (size_t)((char *)chunk + start + bytes - first),
			MADV_POPULATE_WRITE);
	}
	return (char *)chunk + start;
}

void *
arena_array(struct arena *arena, size_t count, size_t element_bytes)
{
	size_t bytes;
	if (__builtin_mul_overflow(count, element_bytes, &bytes))
		return NULL;
	return arena_alloc(arena, bytes, CACHE_LINE);
}

char *
arena_strdup(struct arena *arena, const char *text)
{
	size_t bytes = strlen(text) + 1;
	char *copy = arena_alloc(arena, bytes, 1);
	return copy ? memcpy(copy, text, bytes) : NULL;
}

size_t
arena_bytes(const struct arena *arena)
{
	return arena->bytes;
}

void
arena_destroy(struct arena *arena)
{
	if (!arena)
		return;
	for (struct chunk *chunk = arena->chunks, *next; chunk; chunk = next) {
		next = chunk->next;
		munmap(chunk, chunk->bytes);
	}
	free(arena);
}
