/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "commands.h"
#include "reload.h"

static json_t *
plan_lines(const struct plan *plan)
{
	char *text = NULL;
	size_t bytes;
	FILE *out = plan ? open_memstream(&text, &bytes) : NULL;
	if (out) {
		plan_print(plan, out);
		fclose(out);
	}
	json_t *lines = commands_lines(text);
	free(text);
	return lines;
}

/* The answer to whatever put another configuration in force, or failed to. */
static int
tell_outcome(struct daemon *d, int rc, const struct reload_result *r, json_t **result)
{
	if (rc < 0) {
		*result = r->plan ? plan_lines(r->plan) : commands_lines(r->messages);
		return rc;
	}
	struct reload_state state = reload_state(d);
	*result = json_pack("{s:s, s:I, s:I, s:I, s:o, s:o, s:o}", "outcome",
		reload_outcome_name(r->outcome), "generation", commands_number(r->number),
		"snapshot", commands_number(r->snapshot), "took_ms", commands_number(d->load_ms),
		"confirm_within_s", state.waits ? json_integer(state.waits_s) : json_null(),
		"changed", plan_lines(r->plan), "warnings", commands_lines(r->messages));
	return 0;
}

int
command_reload(struct daemon *d, json_t *arguments, json_t **result, struct error *err)
{
	uint64_t confirm_s;
	int rc = commands_read_integer(
		arguments, "confirm_s", 1, RELOAD_CONFIRM_MAX_S, 0, &confirm_s, err);
	if (rc < 0)
		return rc;
	const struct reload_order order = {
		.file = json_string_value(json_object_get(arguments, "file")),
		.by = "fairctl",
		.confirm_s = (uint32_t)confirm_s,
	};
	struct reload_result r;
	rc = tell_outcome(d, reload(d, &order, &r, err), &r, result);
	reload_result_free(&r);
	return rc;
}

int
command_rollback(struct daemon *d, json_t *arguments, json_t **result, struct error *err)
{
	uint64_t number;
	int rc = commands_read_integer(arguments, "generation", 1, INT64_MAX, 0, &number, err);
	if (rc < 0)
		return rc;
	struct reload_result r;
	rc = tell_outcome(d, reload_rollback(d, number, "fairctl", &r, err), &r, result);
	reload_result_free(&r);
	return rc;
}

int
command_confirm(struct daemon *d, json_t *arguments, json_t **result, struct error *err)
{
	(void)arguments;
	uint64_t number;
	int rc = reload_confirm(d, "fairctl", &number, err);
	if (rc == 0)
		*result = json_pack("{s:I}", "generation", commands_number(number));
	return rc;
}

int
command_config(struct daemon *d, json_t *arguments, json_t **result, struct error *err)
{
	uint64_t number;
	int rc = commands_read_integer(arguments, "generation", 1, INT64_MAX, 0, &number, err);
	if (rc < 0)
		return rc;
	const struct history *history = reload_state(d).history;
	const struct history_entry *entry = number		     ? history_find(history, number)
					    : history_count(history) ? history_at(history, 0)
								     : NULL;
	if (!entry)
		return error_set(err, -ENOENT,
			"there is no configuration %lu; fairctl history lists those that are kept",
			(unsigned long)number);
	*result = json_pack("{s:I, s:s%}", "generation", commands_number(entry->number), "text",
		entry->text, entry->length);
	return *result ? 0
		       : error_set(err, -EINVAL, "configuration %lu is not UTF-8",
				 (unsigned long)entry->number);
}

int
command_history(struct daemon *d, json_t *arguments, json_t **result, struct error *err)
{
	(void)arguments;
	(void)err;
	const struct reload_state state = reload_state(d);
	*result = json_array();
	for (uint32_t i = 0; i < history_count(state.history); i++) {
		const struct history_entry *e = history_at(state.history, i);
		const char *standing = i > 0 ? "" : state.waits ? "waits" : "in_force";
		json_t *file = json_string(e->file);
		json_array_append_new(*result,
			json_pack("{s:I, s:s, s:o, s:s, s:o, s:o, s:b, s:I}", "generation",
				commands_number(e->number), "state", standing, "at",
				commands_time(e->at), "origin", history_origin_name(e->origin),
				"of", e->of ? json_integer(commands_number(e->of)) : json_null(),
				"file", file ? file : json_null(), "saved", e->is_saved, "bytes",
				commands_number(e->length)));
	}
	return 0;
}
