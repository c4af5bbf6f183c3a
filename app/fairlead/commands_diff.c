/* SPDX-License-Identifier: BSD-3-Clause */
/* What a reload would do, without doing it. */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "reload.h"
#include "row_diff.h"

static json_t *
tell_changes(const struct plan *plan)
{
	static const char *const kinds[] = {
		[PLAN_ADD] = "add",
		[PLAN_REMOVE] = "remove",
		[PLAN_CHANGE] = "change",
		[PLAN_RESTART] = "needs_restart",
	};
	json_t *list = json_array();
	for (uint32_t i = 0; i < plan->count; i++) {
		const struct plan_action *action = &plan->actions[i];
		json_array_append_new(list,
			json_pack("{s:s, s:s, s:s, s:s}", "kind", kinds[action->kind], "what",
				action->what, "name", action->name, "detail", action->detail));
	}
	return list;
}

static int
compare_pool(const void *name, const void *pool)
{
	return strcmp(name, ((const struct config_pool *)pool)->name);
}

static int
compare_backend(const void *name, const void *backend)
{
	return strcmp(name, ((const struct config_backend *)backend)->name);
}

static const struct config_pool *
find_pool(const struct config *config, const char *name)
{
	return bsearch(
		name, config->pools, config->pool_count, sizeof(*config->pools), compare_pool);
}

static const struct config_backend *
find_backend(const struct config_pool *pool, const char *name)
{
	return pool ? bsearch(name, pool->backends, pool->backend_count, sizeof(*pool->backends),
			      compare_backend)
		    : NULL;
}

/* Why the flows of a backend would go to others; NULL if they would stay. */
static const char *
why_moving(const struct config_backend *before, const struct config_backend *after)
{
	if (!after)
		return "removed";
	return after->state == BACKEND_DISABLED && before->state != BACKEND_DISABLED ? "disabled"
										     : NULL;
}

/* Flows that have an entry in the table, by what becomes of the backend that it names. */
static json_t *
tell_flows(struct daemon *d, const struct config *after)
{
	const struct config *before = commands_config(d);
	json_t *moving_backends = json_array(), *readdressed = json_array();
	uint64_t moving = 0;
	for (uint32_t p = 0; p < before->pool_count; p++) {
		const struct config_pool *pool = &before->pools[p];
		const struct config_pool *then = find_pool(after, pool->name);
		for (uint32_t b = 0; b < pool->backend_count; b++) {
			const struct config_backend *backend = &pool->backends[b];
			const struct config_backend *new = find_backend(then, backend->name);
			uint64_t flows = d->sweep.last.by_backend[snapshot_backend_index(
				d->publish.snapshot, p, b)];
			const char *why = why_moving(backend, new);
			if (flows == 0 || (!why && addr_equal(&new->address, &backend->address)))
				continue;
			moving += why ? flows : 0;
			json_array_append_new(why ? moving_backends : readdressed,
				json_pack("{s:s, s:s, s:I, s:s}", "pool", pool->name, "backend",
					backend->name, "flows", commands_number(flows), "why",
					why ? why : "address"));
		}
	}
	return json_pack("{s:I, s:I, s:o, s:o}", "live", commands_number(d->sweep.last.live),
		"moving", commands_number(moving), "backends", moving_backends, "readdressed",
		readdressed);
}

/* Rows of pools that stay: new flows of these go elsewhere. By the drains and verdicts of now. */
static int
tell_rows(const struct daemon *d, const struct config *after, json_t **result)
{
	const struct row_side before_side = {
		commands_config(d), d->base.standings, d->base.standings_context};
	const struct row_side after_side = {after, d->base.standings, d->base.standings_context};
	struct row_change *changes;
	uint32_t count;
	int rc = row_diff(&before_side, &after_side, &changes, &count);
	if (rc < 0)
		return rc;
	*result = json_array();
	for (uint32_t i = 0; i < count; i++)
		if (changes[i].moved > 0)
			json_array_append_new(
				*result, json_pack("{s:s, s:I, s:I}", "pool",
						 after->pools[changes[i].pool].name, "rows",
						 commands_number(changes[i].rows), "moving",
						 commands_number(changes[i].moved)));
	free(changes);
	return 0;
}

static void __attribute__((format(printf, 2, 3))) note(json_t *notes, const char *format, ...)
{
	char text[512];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	json_array_append_new(notes, json_string(text));
}

static const struct config_service *
find_service(const struct config *config, const char *name)
{
	for (uint32_t i = 0; i < config->service_count; i++)
		if (strcmp(config->services[i].name, name) == 0)
			return &config->services[i];
	return NULL;
}

static bool
narrows(const struct config_service *before, const struct config_service *after)
{
	return before->protocol != after->protocol || before->vip_count > after->vip_count ||
	       before->port_count != after->port_count ||
	       memcmp(before->ports, after->ports, before->port_count * sizeof(*before->ports)) ||
	       memcmp(before->vips, after->vips, before->vip_count * sizeof(*before->vips));
}

/* What an entry of the flow table does not tell: it knows its backend, and not its service. */
static json_t *
tell_unknown(const struct config *before, const struct config *after)
{
	json_t *notes = json_array();
	for (uint32_t i = 0; i < before->service_count; i++) {
		const struct config_service *service = &before->services[i];
		const struct config_service *then = find_service(after, service->name);
		if (!then)
			note(notes,
				"service %s goes: the table does not say which flows are its own",
				service->name);
		else if (then->affinity != service->affinity)
			note(notes,
				"service %s: with another affinity its flows are new ones, and go "
				"by their rows",
				service->name);
		else if (narrows(service, then))
			note(notes,
				"service %s has other VIPs or ports: flows of those that go are "
				"not told apart",
				service->name);
	}
	return notes;
}

int
command_diff(struct daemon *d, json_t *arguments, json_t **result, struct error *err)
{
	const char *file = json_string_value(json_object_get(arguments, "file"));
	struct config *config;
	char *messages = NULL;
	if (!file)
		return error_set(err, -EINVAL, "file: wanted a path");
	int rc = reload_read(file, &config, &messages, err);
	if (rc < 0) {
		*result = commands_lines(messages);
		free(messages);
		return rc;
	}
	const struct config *before = commands_config(d);
	struct plan *plan = plan_make(before, config);
	json_t *rows = NULL;
	if (plan && tell_rows(d, config, &rows) == 0) {
		commands_count_flows(d);
		*result = json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:o}", "file", file, "verdict",
			plan->needs_restart ? "needs_restart"
			: plan->count > 0   ? "live"
					    : "same",
			"changes", tell_changes(plan), "rows", rows, "flows", tell_flows(d, config),
			"unknown", tell_unknown(before, config), "warnings",
			commands_lines(messages));
	} else {
		rc = error_set(err, -ENOMEM, "not enough memory");
	}
	plan_free(plan);
	config_free(config);
	free(messages);
	return rc;
}
