/* SPDX-License-Identifier: BSD-3-Clause */
#include "health.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

/* By name: open addressing, at most half full. Never changed, only replaced whole. */
struct check_table {
	size_t mask; /* slots, a power of two, less one */
	struct check *slots[];
};

struct health {
	struct health_options options;
	struct checker checker;
	struct check_table *table;
};

/* The table of checks */

static struct check_table *
table_new(size_t count)
{
	size_t slots = 2;
	while (slots < 2 * count)
		slots *= 2;
	struct check_table *table = calloc(1, sizeof(*table) + slots * sizeof(table->slots[0]));
	if (table)
		table->mask = slots - 1;
	return table;
}

/* Where the check of this name is, or would be. */
static struct check **
table_slot(const struct check_table *table, const char *pool, const char *backend)
{
	uint64_t hash = check_hash(pool, backend);
	for (size_t i = hash & table->mask;; i = (i + 1) & table->mask) {
		struct check *const *slot = &table->slots[i];
		if (!*slot ||
			((*slot)->hash == hash && strcmp((*slot)->target.backend, backend) == 0 &&
				strcmp((*slot)->target.pool, pool) == 0))
			return (struct check **)slot;
	}
}

static struct check *
health_find(const struct health *health, const char *pool, const char *backend)
{
	return *table_slot(health->table, pool, backend);
}

/* Frees the table, and the checks of it that `other` does not have. */
static void
table_free_but(struct check_table *table, const struct check_table *other)
{
	for (size_t i = 0; i <= table->mask; i++) {
		struct check *check = table->slots[i];
		if (check && (!other || *table_slot(other, check->target.pool,
						check->target.backend) != check))
			check_free(check);
	}
	free(table);
}

int
health_create(struct health **health, const struct health_options *options, struct error *err)
{
	struct health *h = calloc(1, sizeof(*h));
	if (!h)
		return error_set(err, -ENOMEM, "health: out of memory");
	h->options = *options;
	h->table = table_new(0);
	if (!h->table || checker_open(&h->checker, &h->options) < 0) {
		free(h->table);
		free(h);
		return error_set(err, -ENOMEM, "health: out of memory");
	}
	*health = h;
	return 0;
}

void
health_destroy(struct health *health)
{
	if (!health)
		return;
	table_free_but(health->table, NULL);
	checker_close(&health->checker);
	free(health);
}

/* A reload: first all that can fail, which changes nothing; then the rest. */

static bool
is_checked(const struct config_pool *pool)
{
	return pool->health.type != HEALTH_NONE;
}

/* Each pool's settings, NULL for those without; the array is of pool_count. NULL: no memory. */
static struct check_settings **
settings_of_pools(const struct config *config)
{
	struct check_settings **settings =
		calloc((size_t)config->pool_count + 1, sizeof(settings[0]));
	for (uint32_t p = 0; settings && p < config->pool_count; p++) {
		if (!is_checked(&config->pools[p]))
			continue;
		settings[p] = settings_copy(&config->pools[p].health);
		if (settings[p])
			continue;
		while (p-- > 0)
			settings_release(settings[p]);
		free(settings);
		return NULL;
	}
	return settings;
}

/* A table of the old checks that stay, and new ones that are not launched. NULL: no memory. */
static struct check_table *
table_of_config(
	struct health *health, const struct config *config, struct check_settings *const *settings)
{
	size_t count = 0;
	for (uint32_t p = 0; p < config->pool_count; p++)
		count += is_checked(&config->pools[p]) ? config->pools[p].backend_count : 0;
	struct check_table *table = table_new(count);
	for (uint32_t p = 0; table && p < config->pool_count; p++) {
		const struct config_pool *pool = &config->pools[p];
		for (uint32_t b = 0; is_checked(pool) && b < pool->backend_count; b++) {
			const char *name = pool->backends[b].name;
			struct check *check = health_find(health, pool->name, name);
			if (!check)
				check = check_new(&health->checker, settings[p], pool->name,
					&pool->backends[b]);
			if (!check) {
				table_free_but(table, health->table);
				return NULL;
			}
			*table_slot(table, pool->name, name) = check;
		}
	}
	return table;
}

int
health_configure(struct health *health, const struct config *config, struct error *err)
{
	struct check_settings **settings = settings_of_pools(config);
	if (!settings)
		return error_set(err, -ENOMEM, "health checks: out of memory");
	struct check_table *table = table_of_config(health, config, settings);
	int rc = table ? 0 : error_set(err, -ENOMEM, "health checks: out of memory");
	if (table) {
		struct check_table *before = health->table;
		health->table = table;
		table_free_but(before, table);
		checker_limit(&health->checker);
	}
	for (uint32_t p = 0; p < config->pool_count; p++) {
		const struct config_pool *pool = &config->pools[p];
		for (uint32_t b = 0; table && is_checked(pool) && b < pool->backend_count; b++)
			check_apply(health_find(health, pool->name, pool->backends[b].name),
				settings[p], &pool->backends[b]);
		settings_release(settings[p]);
	}
	free(settings);
	return rc;
}

/* What is known */

bool
health_report(const struct health *health, const char *pool, const char *backend,
	struct health_report *report)
{
	const struct check *check = health_find(health, pool, backend);
	*report = check ? check->report : (struct health_report){.verdict = HEALTH_UNCHECKED};
	return check != NULL;
}

enum health_verdict
health_verdict(
	const struct health *health, const char *pool, const char *backend, struct mono *since)
{
	const struct check *check = health_find(health, pool, backend);
	*since = check ? check->report.since : (struct mono){0};
	return check ? check->report.verdict : HEALTH_UNCHECKED;
}

struct health_counters
health_counters(const struct health *health)
{
	struct health_counters counters = health->checker.counters;
	for (size_t i = 0; i <= health->table->mask; i++) {
		const struct check *check = health->table->slots[i];
		if (!check)
			continue;
		counters.checks++;
		counters.up += check->report.verdict == HEALTH_UP;
		counters.down += check->report.verdict == HEALTH_DOWN;
		counters.unknown += check->report.verdict == HEALTH_UNKNOWN;
	}
	return counters;
}

const char *
health_verdict_name(enum health_verdict verdict)
{
	static const char *const names[] = {
		[HEALTH_UNCHECKED] = "unchecked",
		[HEALTH_UNKNOWN] = "unknown",
		[HEALTH_UP] = "up",
		[HEALTH_DOWN] = "down",
	};
	return names[verdict];
}
