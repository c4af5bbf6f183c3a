/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Memory for what is measured, on pages of 2 MiB where the kernel gives them (transparent hugepages,
 * no root needed), as a forwarder in earnest has it on hugetlbfs; or on pages of 4 KiB.
 * Mappings are populated when they are made. Failing ends the program.
 */
#ifndef FAIRLEAD_MEMORY_H
#define FAIRLEAD_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

#define MEMORY_PAGE_BYTES (2u << 20)

/* Before anything else: whether pages are to be huge. */
void memory_choose_pages(bool huge);

/* Zeroed, aligned to MEMORY_PAGE_BYTES; `bytes` is rounded up to a multiple of that. */
void *memory_map(size_t bytes);
void memory_unmap(void *memory, size_t bytes);

/* Starts EAL without hugepages of its own, devices and files, on `cpus` (EAL's -l), with a heap of
 * `heap_bytes` from memory_map. Returns the heap's socket ID, for what takes one. */
int memory_start_eal(const char *program, const char *cpus, size_t heap_bytes);

/* Megabytes that this process has on hugepages now. */
size_t memory_huge_mb(void);

#endif
