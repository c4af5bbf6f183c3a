/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A snapshot: one configuration, made ready for workers. It owns its configuration, one arena a NUMA
 * node, its references to row tables, backend indices and next-hop slots; it is frozen when it
 * is published and freed whole when no worker can still read it (publish.h).
 *
 * Control only.
 */
#ifndef FAIRLEAD_SNAPSHOT_H
#define FAIRLEAD_SNAPSHOT_H

#include "config.h"
#include "error.h"
#include "nexthop.h"
#include "registry.h"
#include "standing.h"
#include "tables.h"

struct snapshot;

#define SNAPSHOT_NODES_MAX 8

/* What every snapshot of a process is built from, besides its configuration. */
struct snapshot_base {
	struct registry *registry;
	struct nexthop_table *nexthops;
	struct tables_port ports[PORTS_MAX];
	uint32_t port_count;
	int numa_nodes[SNAPSHOT_NODES_MAX]; /* those that have workers */
	uint32_t node_count;
	struct flow_key key;
	/* The standings of a pool's backends now: 0 or -ENOMEM. NULL: by what the configuration says
	 * alone. */
	int (*standings)(void *context, const struct config *config, uint32_t pool,
		struct standing *standings);
	void *standings_context;
};

/*
 * Builds a snapshot of `config`, which is its own afterwards, whether this succeeds or not. Row tables of pools
 * that are the same in `previous` (may be NULL) are shared with it. 0; -ENOMEM, -ENOSPC, -EINVAL
 * with the sentence in `err`, and nothing has changed.
 */
int snapshot_build(struct snapshot **snapshot, const struct snapshot_base *base,
	struct config *config, const struct snapshot *previous, struct error *err);

/* Gives back all that it holds. Only when no worker reads it. NULL is allowed. */
void snapshot_free(struct snapshot *snapshot);

/* `node` counts base->numa_nodes. */
const struct tables *snapshot_tables(const struct snapshot *snapshot, uint32_t node);
const struct config *snapshot_config(const struct snapshot *snapshot);
/* For the next snapshot of the same configuration: one more holder of it (config_share). */
struct config *snapshot_share_config(const struct snapshot *snapshot);

/* 1 for the first of the process, then counting. */
uint64_t snapshot_generation(const struct snapshot *snapshot);
/* Row tables included, whether shared or not. */
size_t snapshot_bytes(const struct snapshot *snapshot);
/* Pools whose row table had to be built. */
uint32_t snapshot_rows_built(const struct snapshot *snapshot);

/* The index and the next-hop slot of a backend, by its place in the configuration. */
uint16_t snapshot_backend_index(const struct snapshot *snapshot, uint32_t pool, uint32_t backend);
uint32_t snapshot_backend_slot(const struct snapshot *snapshot, uint32_t pool, uint32_t backend);
struct standing snapshot_standing(const struct snapshot *snapshot, uint32_t pool, uint32_t backend);
/* The place of an index in the configuration; false if this snapshot does not have it. */
bool snapshot_find_backend(
	const struct snapshot *snapshot, uint16_t index, uint32_t *pool, uint32_t *backend);

/* The number under which a service is counted, by its place in the configuration; and back. */
uint16_t snapshot_service_number(const struct snapshot *snapshot, uint32_t service);
bool snapshot_find_service(const struct snapshot *snapshot, uint16_t number, uint32_t *service);

/* Rows that each backend of a pool has, in the configuration's order, into `rows`. */
void snapshot_count_rows(const struct snapshot *snapshot, uint32_t pool, uint32_t *rows);

#endif
