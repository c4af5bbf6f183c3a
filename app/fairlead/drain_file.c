/* SPDX-License-Identifier: BSD-3-Clause */
#include "drain_file.h"

#include <errno.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "state_file.h"

#define NAME "drains.json"
/* Every backend, with names of full length. */
#define BYTES_MAX (BACKENDS_MAX * 256u)

static bool
read_state(const char *name, enum backend_state *state)
{
	for (int s = BACKEND_ACTIVE; s <= BACKEND_DISABLED; s++)
		if (strcmp(name, backend_state_name((enum backend_state)s)) == 0) {
			*state = (enum backend_state)s;
			return true;
		}
	return false;
}

/* -EINVAL: that is no drain. */
static int
resume(struct fleet *fleet, json_t *saved)
{
	struct drain drain = {0};
	const char *configured;
	json_int_t began;
	json_t *deadline;
	if (json_unpack(saved, "{s:s, s:s, s:s, s:I, s:o}", "pool", &drain.pool, "backend",
		    &drain.backend, "configured", &configured, "began", &began, "deadline",
		    &deadline) < 0 ||
		!read_state(configured, &drain.configured))
		return -EINVAL;
	drain.began = (time_t)began;
	drain.deadline = (time_t)json_integer_value(deadline);
	if (drains_find(fleet_drains(fleet), drain.pool, drain.backend))
		return -EINVAL;
	return fleet_resume_drain(fleet, &drain);
}

static int
resume_all(struct fleet *fleet, const char *bytes, size_t length)
{
	size_t i;
	json_t *saved, *list = json_loadb(bytes, length, JSON_REJECT_DUPLICATES, NULL);
	int rc = json_is_array(list) ? 0 : -EINVAL;
	json_array_foreach(list, i, saved)
	{
		int one = resume(fleet, saved);
		rc = one < 0 && rc != -ENOMEM ? one : rc;
	}
	json_decref(list);
	return rc;
}

int
drain_file_resume(const char *directory, struct fleet *fleet, struct error *err)
{
	char *bytes;
	size_t length;
	int rc = state_file_read(directory, NAME, BYTES_MAX, &bytes, &length, err);
	if (rc < 0) {
		if (rc != -ENOENT)
			log_warning("drains of before: %s", err->text);
		return rc == -ENOMEM ? rc : 0;
	}
	rc = resume_all(fleet, bytes, length);
	free(bytes);
	if (rc == -ENOMEM)
		return error_set(err, rc, "not enough memory");
	if (rc < 0) {
		log_warning("drains of before: %s/" NAME " is damaged and set aside: what could "
			    "be read of it is in force",
			directory);
		if (state_file_set_aside(directory, NAME, err) < 0)
			log_warning("%s", err->text);
	}
	if (fleet_drains(fleet)->count > 0)
		log_notice("drains of before: %u backends", fleet_drains(fleet)->count);
	return 0;
}

/* To be freed; NULL when memory is out. */
static char *
print(const struct drains *drains)
{
	json_t *list = json_array();
	for (uint32_t i = 0; i < drains->count; i++) {
		const struct drain *drain = &drains->list[i];
		json_array_append_new(list,
			json_pack("{s:s, s:s, s:s, s:I, s:o}", "pool", drain->pool, "backend",
				drain->backend, "configured", backend_state_name(drain->configured),
				"began", (json_int_t)drain->began, "deadline",
				drain->deadline ? json_integer(drain->deadline) : json_null()));
	}
	char *text = list && json_array_size(list) == drains->count
			     ? json_dumps(list, JSON_INDENT(2))
			     : NULL;
	json_decref(list);
	return text;
}

int
drain_file_save(const char *directory, const struct fleet *fleet, struct error *err)
{
	const struct drains *drains = fleet_drains(fleet);
	char *text = print(drains), *before = NULL;
	size_t length;
	if (!text)
		return error_set(err, -ENOMEM, "not enough memory to save drains");
	int rc = state_file_read(directory, NAME, BYTES_MAX, &before, &length, err);
	bool is_absent = rc == -ENOENT || rc == -ENOTDIR;
	bool same = rc == 0 ? strcmp(before, text) == 0 : is_absent && drains->count == 0;
	rc = same ? 0 : state_file_write(directory, NAME, text, strlen(text), err);
	free(before);
	free(text);
	return rc;
}
