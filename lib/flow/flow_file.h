/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The file that the flow table lives in, so that it outlives the process: on hugetlbfs if the path
 * lies there, else on tmpfs. A restarted or crashed edge maps it again and goes on; nothing is
 * replayed, since entries are single words.
 *
 *   0         4 KiB                                     table_offset
 *   +---------+-----------------------------------------+-------------------------------+
 *   | header  | owners: index -> backend name, 9.4 MB   | buckets                       |
 *   +---------+-----------------------------------------+-------------------------------+
 *   table_offset and the length are multiples of the page size of the file system (2 MiB on
 *   hugetlbfs).
 *
 * A flow table of another layout, geometry or key is not touched by halves: it is replaced by a
 * fresh one and the reason is reported. A file that is no flow table at all stays, and is refused:
 * -EEXIST. One process at a time: the file is locked (flock) while it is mapped.
 * Control only.
 */
#ifndef FAIRLEAD_FLOW_FILE_H
#define FAIRLEAD_FLOW_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"
#include "flow_owners.h"
#include "flow_table.h"
#include "mono.h"

struct flow_file;

struct flow_file_options {
	const char *path;
	size_t capacity;    /* flows, FLOW_CAPACITY_MIN to FLOW_CAPACITY_MAX */
	uint64_t key_check; /* flow_key_check() of the hash key */
	struct flow_timeouts timeouts;
	int numa_node; /* where the pages should lie; ARENA_ANY_NODE for no wish */
};

struct flow_file_report {
	bool resumed; /* a usable table was there and is in use */
	bool on_hugetlbfs;
	uint64_t expired;	/* entries that had timed out while nobody ran */
	size_t bytes;		/* of the file */
	char replaced_why[256]; /* empty, or why a file that was there was not usable */
};

/*
 * 0 and *file; or a negative errno with the sentence in `err`: -EBUSY another process has it,
 * -ENOSPC not enough room (hugepages: how many are wanted), -EISDIR and the like. A symbolic link
 * or something else than a regular file is refused.
 */
int flow_file_open(struct flow_file **file, const struct flow_file_options *options,
	struct flow_file_report *report, struct error *err);

struct flow_table *flow_file_table(struct flow_file *file);
struct flow_owners *flow_file_owners(struct flow_file *file);

/* Notes in the header that the table is in use now: at least every minute, and when stopping. */
void flow_file_touch(struct flow_file *file, struct mono now);

/* Unmaps and unlocks; the file and its flows stay. NULL is allowed. */
void flow_file_close(struct flow_file *file);

#endif
