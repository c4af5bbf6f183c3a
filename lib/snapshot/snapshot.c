/* SPDX-License-Identifier: BSD-3-Clause */
#include "snapshot.h"

#include <errno.h>
#include <stdlib.h>

#include "arena.h"
#include "row_table.h"

/* A backend's place in the configuration and what it holds. */
struct held_backend {
	uint16_t index;
	uint32_t slot; /* 0: the instance is on this box */
};

struct held_pool {
	struct row_table *rows;
	struct standing *standings;
	struct held_backend
		*backends; /* as many as the configuration has, acquired from the front */
	uint32_t acquired;
};

struct place {
	uint32_t pool, backend;
	bool used;
};

struct snapshot {
	struct config *config;
	const struct snapshot_base *base;
	uint64_t generation;
	uint32_t rows_built;
	struct arena *arena; /* what only control reads */
	struct held_pool *pools;
	uint16_t *service_numbers;
	struct place *places; /* by backend index */
	uint32_t place_count;
	uint32_t *service_places; /* by number: place + 1, or 0 */
	uint32_t service_limit;
	struct {
		struct arena *arena;
		struct tables *tables;
	} nodes[SNAPSHOT_NODES_MAX];
};

static int
out_of_memory(struct error *err)
{
	return error_set(err, -ENOMEM, "not enough memory for the configuration");
}

static bool
is_on_this_box(const struct config_pool *pool)
{
	const struct encap *encap = encap_find(pool->forward.mode);
	return encap && !encap->wrap;
}

static int
acquire_pool(struct snapshot *s, uint32_t p, struct error *err)
{
	const struct config_pool *pool = &s->config->pools[p];
	struct held_pool *held = &s->pools[p];
	held->backends = arena_array(s->arena, pool->backend_count, sizeof(*held->backends));
	held->standings = arena_array(s->arena, pool->backend_count, sizeof(*held->standings));
	if (!held->backends || !held->standings)
		return out_of_memory(err);
	for (uint32_t b = 0; b < pool->backend_count; b++) {
		const struct config_backend *backend = &pool->backends[b];
		struct held_backend *h = &held->backends[b];
		int rc = registry_acquire_backend(
			s->base->registry, pool->name, backend->name, &h->index);
		if (rc < 0)
			return error_set(err, rc,
				"pool %s, backend %s: no backend index is free; those of removed "
				"backends are free again when their last flows have ended",
				pool->name, backend->name);
		if (!is_on_this_box(pool))
			rc = nexthop_acquire(s->base->nexthops, &backend->address, &h->slot);
		if (rc < 0) {
			registry_release_backend(s->base->registry, h->index);
			return error_set(err, rc, "pool %s, backend %s: no next-hop slot is free",
				pool->name, backend->name);
		}
		held->acquired++;
	}
	return 0;
}

/* What everybody has of whom nothing but the configuration is known. */
static int
stand_as_configured(const struct config_pool *pool, struct standing *standings)
{
	struct standing_facts *facts = calloc(pool->backend_count, sizeof(*facts));
	if (!facts)
		return -ENOMEM;
	standing_of_pool(pool, facts, (struct mono){0}, standings);
	free(facts);
	return 0;
}

static int
find_standings(struct snapshot *s, uint32_t p, struct error *err)
{
	const struct snapshot_base *base = s->base;
	struct standing *standings = s->pools[p].standings;
	int rc = base->standings ? base->standings(base->standings_context, s->config, p, standings)
				 : stand_as_configured(&s->config->pools[p], standings);
	return rc < 0 ? out_of_memory(err) : 0;
}

static int
compare_pool_names(const void *key, const void *element)
{
	const struct config_pool *pool = element;
	return strcmp(key, pool->name);
}

/* The same pool in the previous snapshot, or NULL. */
static const struct held_pool *
find_before(const struct snapshot *previous, const struct config_pool *pool)
{
	if (!previous)
		return NULL;
	const struct config *before = previous->config;
	const struct config_pool *found = bsearch(pool->name, before->pools, before->pool_count,
		sizeof(*before->pools), compare_pool_names);
	return found ? &previous->pools[found - before->pools] : NULL;
}

/* Those that get new flows; returns how many. */
static size_t
list_members(const struct snapshot *s, uint32_t p, struct rows_member *members)
{
	const struct config_pool *pool = &s->config->pools[p];
	const struct held_pool *held = &s->pools[p];
	size_t count = 0;
	for (uint32_t b = 0; b < held->acquired; b++) {
		if (held->standings[b].weight == 0)
			continue;
		members[count++] = (struct rows_member){
			.identity = row_identity(&s->base->key, pool->name, pool->backends[b].name),
			.index = held->backends[b].index,
			.weight = held->standings[b].weight,
		};
	}
	return count;
}

static int
build_rows(struct snapshot *s, uint32_t p, const struct snapshot *previous, struct error *err)
{
	const struct config_pool *pool = &s->config->pools[p];
	struct held_pool *held = &s->pools[p];
	const struct held_pool *before = find_before(previous, pool);
	struct rows_member *members = calloc(pool->backend_count, sizeof(*members));
	if (!members)
		return out_of_memory(err);
	size_t count = list_members(s, p, members);
	if (before && row_table_is_of(before->rows, members, count, pool->rows)) {
		held->rows = row_table_share(before->rows);
	} else {
		held->rows = row_table_build(
			members, count, pool->rows, s->base->numa_nodes, s->base->node_count);
		s->rows_built++;
	}
	free(members);
	return held->rows ? 0 : out_of_memory(err);
}

static int
number_services(struct snapshot *s, struct error *err)
{
	const struct config *config = s->config;
	s->service_numbers =
		arena_array(s->arena, config->service_count, sizeof(*s->service_numbers));
	if (!s->service_numbers)
		return out_of_memory(err);
	for (uint32_t i = 0; i < config->service_count; i++) {
		const char *name = config->services[i].name;
		int rc = registry_service_number(s->base->registry, name, &s->service_numbers[i]);
		if (rc < 0)
			return error_set(err, rc,
				"service %s: more than %d different service names since the start",
				name, SERVICES_MAX);
		if (s->service_numbers[i] >= s->service_limit)
			s->service_limit = s->service_numbers[i] + 1u;
	}
	s->service_places = arena_array(s->arena, s->service_limit, sizeof(*s->service_places));
	if (!s->service_places)
		return out_of_memory(err);
	for (uint32_t i = 0; i < config->service_count; i++)
		s->service_places[s->service_numbers[i]] = i + 1;
	return 0;
}

static int
note_places(struct snapshot *s, struct error *err)
{
	s->place_count = registry_backend_limit(s->base->registry);
	s->places = arena_array(s->arena, s->place_count, sizeof(*s->places));
	if (!s->places)
		return out_of_memory(err);
	for (uint32_t p = 0; p < s->config->pool_count; p++)
		for (uint32_t b = 0; b < s->config->pools[p].backend_count; b++)
			s->places[s->pools[p].backends[b].index] =
				(struct place){.pool = p, .backend = b, .used = true};
	return 0;
}

static int
build_service_table(struct snapshot *s, struct tables *t, struct arena *arena, struct error *err)
{
	const struct config *config = s->config;
	size_t count = 0;
	for (uint32_t i = 0; i < config->service_count; i++)
		count += (size_t)config->services[i].vip_count * config->services[i].port_count;
	struct service_rule *rules = calloc(count + 1, sizeof(*rules));
	if (!rules)
		return out_of_memory(err);
	struct service_rule *rule = rules;
	for (uint32_t i = 0; i < config->service_count; i++) {
		const struct config_service *service = &config->services[i];
		for (uint32_t v = 0; v < service->vip_count; v++)
			for (uint32_t r = 0; r < service->port_count; r++)
				*rule++ = (struct service_rule){
					.vip = service->vips[v],
					.range = {.first_port = service->ports[r].first,
						.last_port = service->ports[r].last,
						.service = s->service_numbers[i],
						.proto = service->protocol},
				};
	}
	int rc = service_table_build(&t->services, arena, rules, count);
	free(rules);
	if (rc == -EEXIST)
		return error_set(err, rc, "two services claim one VIP, protocol and port");
	return rc < 0 ? out_of_memory(err) : 0;
}

static int
build_services(struct snapshot *s, struct tables *t, struct arena *arena, struct error *err)
{
	const struct config *config = s->config;
	struct tables_service *services = arena_array(arena, s->service_limit, sizeof(*services));
	if (!services)
		return out_of_memory(err);
	for (uint32_t i = 0; i < config->service_count; i++) {
		static const uint8_t affinities[] = {
			[AFFINITY_FLOW] = TABLES_AFFINITY_FLOW,
			[AFFINITY_CLIENT] = TABLES_AFFINITY_CLIENT,
			[AFFINITY_NONE] = TABLES_AFFINITY_NONE,
		};
		const struct config_service *service = &config->services[i];
		services[s->service_numbers[i]] = (struct tables_service){
			.salt = flow_salt(&s->base->key, service->name),
			.pool = (uint16_t)service->pool,
			.affinity = affinities[service->affinity],
		};
	}
	t->service = services;
	t->service_limit = s->service_limit;
	return build_service_table(s, t, arena, err);
}

static int
build_backend(const struct snapshot *s, const struct config_pool *pool, uint32_t p, uint32_t b,
	struct tables_backend *out, struct error *err)
{
	const struct held_backend *held = &s->pools[p].backends[b];
	const struct encap_settings *settings = &pool->forward.settings;
	*out = (struct tables_backend){
		.encap = encap_find(pool->forward.mode),
		.slot = held->slot,
		.pool = (uint16_t)p,
		.generation = registry_generation(s->base->registry, held->index),
	};
	if (!out->encap)
		return error_set(err, -EINVAL, "pool %s: no mode is called %s", pool->name,
			pool->forward.mode);
	if (out->encap->prepare(&out->target, settings, &pool->backends[b].address) < 0)
		return error_set(err, -EINVAL, "pool %s: no outer source for backend %s",
			pool->name, pool->backends[b].name);
	return 0;
}

static unsigned
kept_states(uint8_t keeps)
{
	return (keeps & STANDING_KEEPS_TCP ? TABLES_KEEPS_TCP : 0) |
	       (keeps & STANDING_KEEPS_UDP ? TABLES_KEEPS_UDP : 0);
}

static int
build_backends(struct snapshot *s, struct tables *t, struct arena *arena, struct error *err)
{
	const struct config *config = s->config;
	struct tables_backend *backends = arena_array(arena, s->place_count, sizeof(*backends));
	uint32_t *accepts = arena_array(arena, s->place_count, sizeof(*accepts));
	if (!backends || !accepts)
		return out_of_memory(err);
	for (uint32_t p = 0; p < config->pool_count; p++) {
		const struct config_pool *pool = &config->pools[p];
		for (uint32_t b = 0; b < pool->backend_count; b++) {
			if (pool->backends[b].state == BACKEND_DISABLED)
				continue;
			uint16_t index = s->pools[p].backends[b].index;
			int rc = build_backend(s, pool, p, b, &backends[index], err);
			if (rc < 0)
				return rc;
			accepts[index] = tables_accepting(backends[index].generation,
				kept_states(s->pools[p].standings[b].keeps));
			if (backends[index].target.header_length > t->outer_bytes)
				t->outer_bytes = backends[index].target.header_length;
		}
	}
	t->backends = backends;
	t->accepts = accepts;
	t->backend_limit = s->place_count;
	return 0;
}

static int
build_outer_sources(
	const struct config *config, struct tables *t, struct arena *arena, struct error *err)
{
	struct outer_source *all = arena_array(
		arena, (size_t)config->pool_count * OUTER_SOURCES_PER_POOL, sizeof(*all));
	uint32_t count = 0;
	if (!all)
		return out_of_memory(err);
	for (uint32_t p = 0; p < config->pool_count; p++) {
		const struct config_forward *forward = &config->pools[p].forward;
		const struct encap *encap = encap_find(forward->mode);
		if (encap)
			count = outer_source_add(all, count, encap, &forward->settings);
	}
	t->outer_sources = all;
	t->outer_source_count = outer_source_settle(all, count);
	return 0;
}

/* A worker's part of a rate, rounded up; none of none. */
static uint32_t
per_worker(uint32_t rate, const struct config *config)
{
	return (rate + config->worker_count - 1) / config->worker_count;
}

static int
build_node(struct snapshot *s, uint32_t node, struct error *err)
{
	const struct config *config = s->config;
	struct arena *arena = arena_create(s->base->numa_nodes[node]);
	s->nodes[node].arena = arena;
	struct tables *t = arena ? arena_array(arena, 1, sizeof(*t)) : NULL;
	struct tables_pool *pools =
		t ? arena_array(arena, config->pool_count, sizeof(*pools)) : NULL;
	if (!pools)
		return out_of_memory(err);
	for (uint32_t p = 0; p < config->pool_count; p++)
		pools[p] = (struct tables_pool){
			.rows = row_table_rows(s->pools[p].rows, node),
			.row_count = row_table_count(s->pools[p].rows),
		};
	t->pools = pools;
	t->slots = nexthop_slots(s->base->nexthops);
	t->key = s->base->key;
	t->port_count = s->base->port_count;
	memcpy(t->ports, s->base->ports, sizeof(t->ports));
	t->punt_control_pps = per_worker(config->punt.control_pps, config);
	t->punt_other_pps = per_worker(config->punt.other_pps, config);
	t->icmp_echo_pps = per_worker(config->icmp.echo_pps, config);
	t->icmp_errors_pps = per_worker(config->icmp.errors_pps, config);
	t->neighbours_pps = per_worker(config->icmp.neighbours_pps, config);
	s->nodes[node].tables = t;
	int rc = build_services(s, t, arena, err);
	if (rc == 0)
		rc = build_backends(s, t, arena, err);
	return rc < 0 ? rc : build_outer_sources(config, t, arena, err);
}

static int
build_all(struct snapshot *s, const struct snapshot *previous, struct error *err)
{
	int rc = 0;
	s->arena = arena_create(ARENA_ANY_NODE);
	s->pools =
		s->arena ? arena_array(s->arena, s->config->pool_count, sizeof(*s->pools)) : NULL;
	if (!s->pools)
		return out_of_memory(err);
	for (uint32_t p = 0; p < s->config->pool_count && rc == 0; p++) {
		rc = acquire_pool(s, p, err);
		if (rc == 0)
			rc = find_standings(s, p, err);
		if (rc == 0)
			rc = build_rows(s, p, previous, err);
	}
	if (rc == 0)
		rc = number_services(s, err);
	if (rc == 0)
		rc = note_places(s, err);
	for (uint32_t node = 0; node < s->base->node_count && rc == 0; node++)
		rc = build_node(s, node, err);
	return rc;
}

int
snapshot_build(struct snapshot **snapshot, const struct snapshot_base *base, struct config *config,
	const struct snapshot *previous, struct error *err)
{
	struct snapshot *s = calloc(1, sizeof(*s));
	if (!s) {
		config_free(config);
		return out_of_memory(err);
	}
	s->config = config;
	s->base = base;
	s->generation = previous ? previous->generation + 1 : 1;
	int rc = build_all(s, previous, err);
	if (rc < 0) {
		snapshot_free(s);
		return rc;
	}
	*snapshot = s;
	return 0;
}

void
snapshot_free(struct snapshot *s)
{
	if (!s)
		return;
	for (uint32_t p = 0; s->pools && p < s->config->pool_count; p++) {
		struct held_pool *pool = &s->pools[p];
		for (uint32_t b = 0; b < pool->acquired; b++) {
			if (pool->backends[b].slot)
				nexthop_release(s->base->nexthops, pool->backends[b].slot);
			registry_release_backend(s->base->registry, pool->backends[b].index);
		}
		row_table_release(pool->rows);
	}
	for (uint32_t node = 0; node < s->base->node_count; node++)
		arena_destroy(s->nodes[node].arena);
	arena_destroy(s->arena);
	config_free(s->config);
	free(s);
}

const struct tables *
snapshot_tables(const struct snapshot *s, uint32_t node)
{
	return s->nodes[node].tables;
}

const struct config *
snapshot_config(const struct snapshot *s)
{
	return s->config;
}

struct config *
snapshot_share_config(const struct snapshot *s)
{
	return config_share(s->config);
}

uint64_t
snapshot_generation(const struct snapshot *s)
{
	return s->generation;
}

size_t
snapshot_bytes(const struct snapshot *s)
{
	size_t bytes = arena_bytes(s->arena);
	for (uint32_t node = 0; node < s->base->node_count; node++)
		bytes += arena_bytes(s->nodes[node].arena);
	for (uint32_t p = 0; p < s->config->pool_count; p++)
		bytes += row_table_bytes(s->pools[p].rows);
	return bytes;
}

uint32_t
snapshot_rows_built(const struct snapshot *s)
{
	return s->rows_built;
}

uint16_t
snapshot_backend_index(const struct snapshot *s, uint32_t pool, uint32_t backend)
{
	return s->pools[pool].backends[backend].index;
}

uint32_t
snapshot_backend_slot(const struct snapshot *s, uint32_t pool, uint32_t backend)
{
	return s->pools[pool].backends[backend].slot;
}

struct standing
snapshot_standing(const struct snapshot *s, uint32_t pool, uint32_t backend)
{
	return s->pools[pool].standings[backend];
}

bool
snapshot_find_backend(const struct snapshot *s, uint16_t index, uint32_t *pool, uint32_t *backend)
{
	if (index >= s->place_count || !s->places[index].used)
		return false;
	*pool = s->places[index].pool;
	*backend = s->places[index].backend;
	return true;
}

uint16_t
snapshot_service_number(const struct snapshot *s, uint32_t service)
{
	return s->service_numbers[service];
}

bool
snapshot_find_service(const struct snapshot *s, uint16_t number, uint32_t *service)
{
	if (number >= s->service_limit || s->service_places[number] == 0)
		return false;
	*service = s->service_places[number] - 1;
	return true;
}

void
snapshot_count_rows(const struct snapshot *s, uint32_t pool, uint32_t *rows)
{
	const struct config_pool *config = &s->config->pools[pool];
	const struct row_table *table = s->pools[pool].rows;
	const uint16_t *row = row_table_rows(table, 0);
	memset(rows, 0, config->backend_count * sizeof(*rows));
	for (uint32_t r = 0; r < row_table_count(table); r++)
		if (row[r] != ROWS_NOBODY)
			rows[s->places[row[r]].backend]++;
}
