/* SPDX-License-Identifier: BSD-3-Clause */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "decode.h"
#include "document.h"
#include "report.h"
#include "semantics.h"

static int
compare_pools(const void *a, const void *b)
{
	return strcmp(((const struct config_pool *)a)->name, ((const struct config_pool *)b)->name);
}

static int
compare_backends(const void *a, const void *b)
{
	const struct config_backend *x = a, *y = b;
	return strcmp(x->name, y->name);
}

static int
compare_services(const void *a, const void *b)
{
	const struct config_service *x = a, *y = b;
	return strcmp(x->name, y->name);
}

static int
compare_vips(const void *a, const void *b)
{
	return addr_compare(a, b);
}

static int
compare_ranges(const void *a, const void *b)
{
	const struct config_port_range *x = a, *y = b;
	return (x->first > y->first) - (x->first < y->first);
}

/* Sorts, and makes one range of those that touch: 80 and 81 mean what 80-81 means. */
static void
freeze_ports(struct config_service *service)
{
	struct config_port_range *ranges = service->ports;
	qsort(ranges, service->port_count, sizeof(*ranges), compare_ranges);
	uint32_t last = 0;
	for (uint32_t i = 1; i < service->port_count; i++) {
		if (ranges[i].first == ranges[last].last + 1)
			ranges[last].last = ranges[i].last;
		else
			ranges[++last] = ranges[i];
	}
	service->port_count = last + 1;
}

static void
freeze_service(const struct config *config, struct config_service *service)
{
	qsort(service->vips, service->vip_count, sizeof(*service->vips), compare_vips);
	freeze_ports(service);
	struct config_pool key = {.name = service->pool_name};
	const struct config_pool *pool =
		bsearch(&key, config->pools, config->pool_count, sizeof(key), compare_pools);
	service->pool =
		(uint32_t)(pool - config->pools); /* semantics.c has seen that it is there */
}

static int
compare_statuses(const void *a, const void *b)
{
	const struct config_status_range *x = a, *y = b;
	return (x->first > y->first) - (x->first < y->first);
}

/* Sorts, and makes one range of those that touch. Without any, 200-299 are good. */
static int
freeze_statuses(struct config *config, struct config_health *health)
{
	struct config_status_range *ranges = health->statuses;
	if (health->status_count == 0) {
		ranges = arena_array(config->arena, 1, sizeof(*ranges));
		if (!ranges)
			return -ENOMEM;
		ranges[0] = (struct config_status_range){200, 299};
		health->statuses = ranges;
		health->status_count = 1;
	}
	qsort(ranges, health->status_count, sizeof(*ranges), compare_statuses);
	uint32_t last = 0;
	for (uint32_t i = 1; i < health->status_count; i++) {
		if (ranges[i].first == ranges[last].last + 1)
			ranges[last].last = ranges[i].last;
		else
			ranges[++last] = ranges[i];
	}
	health->status_count = last + 1;
	return 0;
}

static int
freeze_health(struct config *config, struct config_health *health)
{
	if (health->type != HEALTH_NONE && health->fast_interval_ms == 0)
		health->fast_interval_ms = health->interval_ms;
	bool asks_http = health->type == HEALTH_HTTP || health->type == HEALTH_HTTPS;
	return asks_http ? freeze_statuses(config, health) : 0;
}

static int
freeze_pools(struct config *config)
{
	qsort(config->pools, config->pool_count, sizeof(*config->pools), compare_pools);
	for (uint32_t i = 0; i < config->pool_count; i++) {
		struct config_pool *pool = &config->pools[i];
		qsort(pool->backends, pool->backend_count, sizeof(*pool->backends),
			compare_backends);
		int rc = freeze_health(config, &pool->health);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* Sets a path that was not given to one that has the edge's name in it. */
static int
freeze_path(struct config *config, const char **path, const char *before, const char *after)
{
	if (*path)
		return 0;
	char text[64 + NAME_LEN_MAX];
	snprintf(text, sizeof(text), "%s%s%s", before, config->edge_name, after);
	*path = arena_strdup(config->arena, text);
	return *path ? 0 : -ENOMEM;
}

/* Puts in order what the file may say in any order, and fills in what follows from other fields. */
static int
freeze(struct config *config)
{
	int rc = freeze_pools(config);
	if (rc < 0)
		return rc;
	qsort(config->services, config->service_count, sizeof(*config->services), compare_services);
	for (uint32_t i = 0; i < config->service_count; i++)
		freeze_service(config, &config->services[i]);
	rc = freeze_path(config, &config->flow_table.path, "/dev/shm/fairlead-", ".flows");
	return rc < 0 ? rc : freeze_path(config, &config->control_state, "/var/lib/fairlead/", "");
}

static struct config *
config_create(const char *name)
{
	struct arena *arena = arena_create(ARENA_ANY_NODE);
	if (!arena)
		return NULL;
	struct config *config = arena_alloc(arena, sizeof(*config), _Alignof(struct config));
	const char *file = arena_strdup(arena, name);
	if (!config || !file) {
		arena_destroy(arena);
		return NULL;
	}
	config->arena = arena;
	config->holders = 1;
	config->file = file;
	return config;
}

/* Everything from text to a checked, unsorted configuration; what is wrong goes into the report. */
static int
build(struct config *config, const char *text, size_t length, struct report *report)
{
	struct document document;
	int rc = document_parse(&document, text, length, report);
	if (rc < 0)
		return rc;
	rc = decode(config, document.root, report);
	if (rc == 0)
		rc = semantics_check(config, document.root, report);
	document_free(&document);
	return rc < 0 ? rc : report->count[REPORT_ERROR] > 0 ? -EINVAL : freeze(config);
}

int
config_parse(
	struct config **config, const char *name, const char *text, size_t length, FILE *errors)
{
	struct report report;
	report_start(&report, name, text, length);
	struct config *made = config_create(name);
	int rc = made ? build(made, text, length, &report) : -ENOMEM;
	if (rc == -ENOMEM)
		report_text(&report, 0, "out of memory");
	report_finish(&report, errors);
	if (rc < 0) {
		config_free(made);
		return rc;
	}
	*config = made;
	return 0;
}

int
config_load(struct config **config, const char *path, FILE *errors)
{
	char *text;
	size_t length;
	struct error err;
	int rc = document_read(path, &text, &length, &err);
	if (rc < 0) {
		char shown[FILE_TEXT_MAX];
		fprintf(errors, "%s: %s\n", report_file(shown, path), err.text);
		return rc;
	}
	rc = config_parse(config, path, text, length, errors);
	free(text);
	return rc;
}

struct config *
config_share(struct config *config)
{
	config->holders++;
	return config;
}

void
config_free(struct config *config)
{
	if (config && --config->holders == 0)
		arena_destroy(config->arena);
}
