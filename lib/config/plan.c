/* SPDX-License-Identifier: BSD-3-Clause */
#include "plan.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "print.h"
#include "schema.h"

#define PATH_TEXT_MAX	128
#define VALUE_TEXT_MAX	96 /* of a value in a detail; longer ones are cut */
#define DETAIL_TEXT_MAX 1024
#define NAME_TEXT_MAX	(2 * NAME_LEN_MAX + 2) /* "pool/backend" */

struct planner {
	struct plan *plan;
	uint32_t room; /* of plan->actions */
	bool out_of_memory;
};

static void
add_action(struct planner *p, enum plan_kind kind, const char *what, const char *name,
	const char *detail)
{
	struct plan *plan = p->plan;
	if (plan->count == p->room) {
		uint32_t room = p->room ? 2 * p->room : 64;
		struct plan_action *more = arena_array(plan->arena, room, sizeof(*more));
		if (!more) {
			p->out_of_memory = true;
			return;
		}
		if (plan->count > 0)
			memcpy(more, plan->actions, plan->count * sizeof(*more));
		plan->actions = more;
		p->room = room;
	}
	struct plan_action *action = &plan->actions[plan->count];
	*action = (struct plan_action){
		.kind = kind,
		.what = what,
		.name = arena_strdup(plan->arena, name),
		.detail = arena_strdup(plan->arena, detail),
	};
	if (!action->name || !action->detail) {
		p->out_of_memory = true;
		return;
	}
	plan->count++;
	plan->needs_restart |= kind == PLAN_RESTART;
}

/*
 * The walk over two structs along one table. Whoever starts it is told of every value that
 * differs, by its path below the start: "weight", "forward/mode", "ports/0/mtu".
 */
struct diff {
	void (*found)(struct diff *diff, const char *path, const char *change);
	bool skips_lists; /* lists of objects are compared by name, elsewhere */
	bool out_of_memory;
};

static void diff_value(struct diff *diff, const struct field *field, const void *before,
	const void *after, const char *path);

/* A value as JSON, a lone string without its quotes, cut to what a line can take; of an object what
 * kind it is. `base` is NULL if it is not there. */
static void
value_text(struct diff *diff, const struct field *field, const void *base, char *out)
{
	if (!base) {
		memcpy(out, "none", sizeof("none"));
		return;
	}
	if (field->type->shape == SHAPE_OBJECT) {
		const char *kind = object_kind(field->object, field_in(field, base));
		snprintf(out, VALUE_TEXT_MAX, "%s", kind ? kind : "given");
		return;
	}
	char *text = NULL;
	size_t length;
	FILE *memory = open_memstream(&text, &length);
	if (memory)
		print_value(field, base, 0, memory);
	if (!memory || fclose(memory) != 0) {
		diff->out_of_memory = true;
		out[0] = '\0';
	} else if (text[0] == '"' && length < VALUE_TEXT_MAX) {
		snprintf(out, VALUE_TEXT_MAX, "%.*s", (int)length - 2, text + 1);
	} else if (length < VALUE_TEXT_MAX) {
		memcpy(out, text, length + 1);
	} else {
		snprintf(out, VALUE_TEXT_MAX, "%.*s…", VALUE_TEXT_MAX - 8, text);
	}
	free(text);
}

static void
report_difference(struct diff *diff, const struct field *field, const void *before,
	const void *after, const char *path)
{
	char from[VALUE_TEXT_MAX], to[VALUE_TEXT_MAX];
	char change[2 * VALUE_TEXT_MAX + 8] = "changed";
	if (!field->is_secret) {
		value_text(diff, field, before, from);
		value_text(diff, field, after, to);
		snprintf(change, sizeof(change), "%s -> %s", from, to);
	}
	diff->found(diff, path, change);
}

static void
diff_members(struct diff *diff, const struct object *object, const void *before, const void *after,
	const char *above)
{
	for (const struct field *field = object->fields; field->key; field++) {
		char path[PATH_TEXT_MAX];
		snprintf(path, sizeof(path), "%s%s%s", above, *above ? "/" : "", field->key);
		bool was = !member_is_absent(object, field, before);
		bool is = !member_is_absent(object, field, after);
		if (was && is)
			diff_value(diff, field, before, after, path);
		else if (was || is)
			report_difference(
				diff, field, was ? before : NULL, is ? after : NULL, path);
	}
}

static void
diff_list(struct diff *diff, const struct field *field, const void *before, const void *after,
	const char *path)
{
	bool has_objects = field->element->type->shape == SHAPE_OBJECT;
	uint32_t count = field_count(field, before), now = field_count(field, after);
	if (has_objects && diff->skips_lists)
		return;
	if (has_objects && count != now) {
		char change[64];
		snprintf(change, sizeof(change), "%u -> %u of them", count, now);
		diff->found(diff, path, change);
		return;
	}
	bool differs = count != now;
	for (uint32_t i = 0; i < count && !differs; i++) {
		const void *old = field_element(field, before, i);
		const void *new = field_element(field, after, i);
		char inner[PATH_TEXT_MAX + 12];
		snprintf(inner, sizeof(inner), "%s/%u", path, i);
		if (has_objects)
			diff_value(diff, field->element, old, new, inner);
		else
			differs = !field->element->type->is_equal(field->element, old, new);
	}
	if (differs)
		report_difference(diff, field, before, after, path);
}

/* A value that is there on both sides. */
static void
diff_value(struct diff *diff, const struct field *field, const void *before, const void *after,
	const char *path)
{
	switch (field->type->shape) {
	case SHAPE_OBJECT:
		diff_members(
			diff, field->object, field_in(field, before), field_in(field, after), path);
		break;
	case SHAPE_ARRAY:
	case SHAPE_MAP:
		diff_list(diff, field, before, after, path);
		break;
	default:
		if (!field->type->is_equal(field, before, after))
			report_difference(diff, field, before, after, path);
	}
}

/* Differences that need a restart: an action each. */
struct restart_diff {
	struct diff diff;
	struct planner *planner;
	const char *what;
};

static void
add_restart(struct diff *diff, const char *path, const char *change)
{
	struct restart_diff *restart = (struct restart_diff *)diff;
	char pointer[PATH_TEXT_MAX + 1];
	snprintf(pointer, sizeof(pointer), "/%s", path);
	add_action(restart->planner, PLAN_RESTART, restart->what, pointer, change);
}

/* Differences within one thing that has a name: one action for all of them. */
struct detail_diff {
	struct diff diff;
	char text[DETAIL_TEXT_MAX];
	size_t used;
};

static void
add_detail(struct diff *diff, const char *path, const char *change)
{
	struct detail_diff *detail = (struct detail_diff *)diff;
	size_t room = sizeof(detail->text) - detail->used;
	int n = snprintf(detail->text + detail->used, room, "%s%s %s", detail->used ? ", " : "",
		path, change);
	detail->used = (size_t)n < room ? detail->used + (size_t)n : sizeof(detail->text) - 1;
}

/* PLAN_CHANGE, if anything differs but lists of things that have names of their own. */
static void
plan_change(struct planner *p, const char *what, const char *name, const struct object *object,
	const void *before, const void *after)
{
	struct detail_diff detail = {.diff = {.found = add_detail, .skips_lists = true}};
	diff_members(&detail.diff, object, before, after, "");
	if (detail.used > 0)
		add_action(p, PLAN_CHANGE, what, name, detail.text);
	p->out_of_memory |= detail.diff.out_of_memory;
}

/* Which of two lists sorted by name has the next name: < 0 the first, > 0 the second, 0 both. */
static int
next_name(const char *before, const char *after)
{
	if (!before || !after)
		return before ? -1 : 1;
	return strcmp(before, after);
}

static void
plan_backends(struct planner *p, const struct config_pool *before, const struct config_pool *after)
{
	for (uint32_t i = 0, j = 0; i < before->backend_count || j < after->backend_count;) {
		const struct config_backend *old =
			i < before->backend_count ? &before->backends[i] : NULL;
		const struct config_backend *new =
			j < after->backend_count ? &after->backends[j] : NULL;
		int order = next_name(old ? old->name : NULL, new ? new->name : NULL);
		char name[NAME_TEXT_MAX];
		snprintf(name, sizeof(name), "%s/%s", after->name,
			order <= 0 ? old->name : new->name);
		if (order < 0)
			add_action(p, PLAN_REMOVE, "backend", name, "");
		else if (order > 0)
			add_action(p, PLAN_ADD, "backend", name, "");
		else
			plan_change(p, "backend", name, &schema_backend, old, new);
		i += order <= 0;
		j += order >= 0;
	}
}

static void
plan_pools(struct planner *p, const struct config *before, const struct config *after)
{
	for (uint32_t i = 0, j = 0; i < before->pool_count || j < after->pool_count;) {
		const struct config_pool *old = i < before->pool_count ? &before->pools[i] : NULL;
		const struct config_pool *new = j < after->pool_count ? &after->pools[j] : NULL;
		int order = next_name(old ? old->name : NULL, new ? new->name : NULL);
		if (order < 0) {
			add_action(p, PLAN_REMOVE, "pool", old->name, "");
		} else if (order > 0) {
			char detail[32];
			snprintf(detail, sizeof(detail), "%u backends", new->backend_count);
			add_action(p, PLAN_ADD, "pool", new->name, detail);
		} else {
			plan_change(p, "pool", new->name, &schema_pool, old, new);
			plan_backends(p, old, new);
		}
		i += order <= 0;
		j += order >= 0;
	}
}

static void
plan_services(struct planner *p, const struct config *before, const struct config *after)
{
	for (uint32_t i = 0, j = 0; i < before->service_count || j < after->service_count;) {
		const struct config_service *old =
			i < before->service_count ? &before->services[i] : NULL;
		const struct config_service *new =
			j < after->service_count ? &after->services[j] : NULL;
		int order = next_name(old ? old->name : NULL, new ? new->name : NULL);
		if (order < 0)
			add_action(p, PLAN_REMOVE, "service", old->name, "");
		else if (order > 0)
			add_action(p, PLAN_ADD, "service", new->name, "");
		else
			plan_change(p, "service", new->name, &schema_service, old, new);
		i += order <= 0;
		j += order >= 0;
	}
}

static void
plan_announce(struct planner *p, const struct field *field, const struct config *before,
	const struct config *after)
{
	if (!before->has_announce && !after->has_announce)
		return;
	if (!before->has_announce)
		add_action(p, PLAN_ADD, "announce", after->announce_interface, "");
	else if (!after->has_announce)
		add_action(p, PLAN_REMOVE, "announce", before->announce_interface, "");
	else
		plan_change(p, "announce", after->announce_interface, field->object, before, after);
}

static void
plan_all(struct planner *p, const struct config *before, const struct config *after)
{
	for (const struct field *field = schema_config.fields; field->key; field++) {
		if (field->needs_restart) {
			struct restart_diff restart = {
				.diff = {.found = add_restart},
				.planner = p,
				.what = field->key,
			};
			diff_value(&restart.diff, field, before, after, field->key);
			p->out_of_memory |= restart.diff.out_of_memory;
		}
	}
	plan_pools(p, before, after);
	plan_services(p, before, after);
	for (const struct field *field = schema_config.fields; field->key; field++) {
		if (strcmp(field->key, "icmp") == 0)
			plan_change(p, "icmp", "rates", field->object, before, after);
		if (strcmp(field->key, "announce") == 0)
			plan_announce(p, field, before, after);
	}
}

struct plan *
plan_make(const struct config *before, const struct config *after)
{
	struct arena *arena = arena_create(ARENA_ANY_NODE);
	if (!arena)
		return NULL;
	struct plan *plan = arena_alloc(arena, sizeof(*plan), _Alignof(struct plan));
	if (!plan) {
		arena_destroy(arena);
		return NULL;
	}
	plan->arena = arena;
	struct planner planner = {.plan = plan};
	plan_all(&planner, before, after);
	if (planner.out_of_memory) {
		plan_free(plan);
		return NULL;
	}
	return plan;
}

void
plan_free(struct plan *plan)
{
	if (plan)
		arena_destroy(plan->arena);
}

void
plan_print(const struct plan *plan, FILE *out)
{
	static const char marks[] = {
		[PLAN_ADD] = '+', [PLAN_REMOVE] = '-', [PLAN_CHANGE] = '~', [PLAN_RESTART] = '!'};
	for (uint32_t i = 0; i < plan->count; i++) {
		const struct plan_action *action = &plan->actions[i];
		fprintf(out, "%c %s %s%s%s%s\n", marks[action->kind], action->what, action->name,
			*action->detail ? ": " : "", action->detail,
			action->kind == PLAN_RESTART ? " (needs a restart)" : "");
	}
}
