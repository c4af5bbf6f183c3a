/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "drain_file.h"
#include "fleet.h"

int
commands_find_backend(const struct daemon *d, json_t *arguments, uint32_t *pool, uint32_t *backend,
	struct error *err)
{
	const struct config *config = commands_config(d);
	const char *wanted = json_string_value(json_object_get(arguments, "backend"));
	if (!wanted)
		return error_set(err, -EINVAL, "backend: wanted POOL/BACKEND or BACKEND");
	const char *slash = strchr(wanted, '/');
	size_t pool_length = slash ? (size_t)(slash - wanted) : 0;
	const char *name = slash ? slash + 1 : wanted;
	char found[256] = "";
	size_t used = 0;
	uint32_t matches = 0;
	for (uint32_t p = 0; p < config->pool_count; p++) {
		const struct config_pool *candidate = &config->pools[p];
		if (slash && (strncmp(candidate->name, wanted, pool_length) != 0 ||
				     candidate->name[pool_length] != '\0'))
			continue;
		for (uint32_t b = 0; b < candidate->backend_count; b++) {
			if (strcmp(candidate->backends[b].name, name) != 0)
				continue;
			*pool = p;
			*backend = b;
			if (used < sizeof(found))
				used += (size_t)snprintf(found + used, sizeof(found) - used,
					"%s%s/%s", matches ? ", " : "", candidate->name, name);
			matches++;
		}
	}
	if (matches == 0)
		return error_set(err, -ENOENT, "no backend is called %s", wanted);
	if (matches > 1)
		return error_set(err, -EINVAL, "%s is a backend of %u pools; say which: %s", wanted,
			matches, found);
	return 0;
}

/* What has become of the backend and of its pool, and whether a restart will know. */
static int
tell(struct daemon *d, uint32_t pool, uint32_t backend, json_t **result, struct error *err)
{
	struct error unsaved;
	char panic[FLEET_PANIC_MAX];
	json_t *warnings = json_array();
	if (fleet_tell_panic(d->fleet, pool, panic, sizeof(panic)))
		json_array_append_new(warnings, json_string(panic));
	if (drain_file_save(commands_config(d)->control_state, d->fleet, &unsaved) < 0)
		json_array_append_new(
			warnings, json_sprintf("a restart will not know of it: %s", unsaved.text));
	commands_count_flows(d);
	*result = commands_backend(d, pool, backend);
	if (!*result) {
		json_decref(warnings);
		return error_set(err, -ENOMEM, "not enough memory");
	}
	json_object_set_new(*result, "warnings", warnings);
	return 0;
}

int
command_drain(struct daemon *d, json_t *arguments, json_t **result, struct error *err)
{
	uint32_t p, b;
	uint64_t seconds;
	int rc = commands_read_integer(
		arguments, "deadline_s", 1, COMMANDS_SECONDS_MAX, 0, &seconds, err);
	if (rc == 0)
		rc = commands_find_backend(d, arguments, &p, &b, err);
	if (rc < 0)
		return rc;
	const struct config_pool *pool = &commands_config(d)->pools[p];
	time_t deadline = seconds ? time(NULL) + (time_t)seconds : 0;
	rc = fleet_drain(d->fleet, pool->name, pool->backends[b].name, deadline, err);
	return rc < 0 ? rc : tell(d, p, b, result, err);
}

int
command_undrain(struct daemon *d, json_t *arguments, json_t **result, struct error *err)
{
	uint32_t p, b;
	int rc = commands_find_backend(d, arguments, &p, &b, err);
	if (rc < 0)
		return rc;
	const struct config_pool *pool = &commands_config(d)->pools[p];
	rc = fleet_undrain(d->fleet, pool->name, pool->backends[b].name, err);
	return rc < 0 ? rc : tell(d, p, b, result, err);
}
