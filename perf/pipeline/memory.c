/* SPDX-License-Identifier: BSD-3-Clause */
#include "memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_malloc.h>

#include "bench.h"

#define HEAP_NAME "measured"

static bool huge_pages = true;

void
memory_choose_pages(bool huge)
{
	huge_pages = huge;
}

static size_t
whole_pages(size_t bytes)
{
	return (bytes + MEMORY_PAGE_BYTES - 1) & ~(size_t)(MEMORY_PAGE_BYTES - 1);
}

void *
memory_map(size_t bytes)
{
	size_t length = whole_pages(bytes), slack = MEMORY_PAGE_BYTES;
	char *memory = mmap(
		NULL, length + slack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		bench_fail("no memory for %zu bytes", bytes);
	size_t before = -(uintptr_t)memory & (MEMORY_PAGE_BYTES - 1);
	if (before > 0)
		munmap(memory, before);
	if (slack > before)
		munmap(memory + before + length, slack - before);
	memory += before;
	madvise(memory, length, huge_pages ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
	for (size_t at = 0; at < length; at += 4096)
		*(volatile char *)(memory + at) = 0;
	return memory;
}

void
memory_unmap(void *memory, size_t bytes)
{
	munmap(memory, whole_pages(bytes));
}

int
memory_start_eal(const char *program, const char *cpus, size_t heap_bytes)
{
	char name[128], list[128];
	snprintf(name, sizeof(name), "%s", program);
	snprintf(list, sizeof(list), "%s", cpus);
	char *arguments[] = {name, "-l", list, "--no-huge", "-m", "64", "--no-shconf", "--no-pci",
		"--no-telemetry", "--log-level=error"};
	setenv("RUNTIME_DIRECTORY", "/tmp", 0);
	if (rte_eal_init((int)(sizeof(arguments) / sizeof(arguments[0])), arguments) < 0)
		bench_fail("EAL does not start: %s", rte_strerror(rte_errno));
	size_t bytes = whole_pages(heap_bytes);
	if (rte_malloc_heap_create(HEAP_NAME) < 0 ||
		rte_malloc_heap_memory_add(HEAP_NAME, memory_map(bytes), bytes, NULL,
			(unsigned)(bytes / MEMORY_PAGE_BYTES), MEMORY_PAGE_BYTES) < 0)
		bench_fail("no heap of %zu bytes: %s", bytes, rte_strerror(rte_errno));
	return rte_malloc_heap_get_socket(HEAP_NAME);
}

size_t
memory_huge_mb(void)
{
	FILE *file = fopen("/proc/self/smaps_rollup", "r");
	char line[128];
	size_t kb = 0;
	while (file && fgets(line, sizeof(line), file))
		sscanf(line, "AnonHugePages: %zu kB", &kb);
	if (file)
		fclose(file);
	return kb / 1024;
}
