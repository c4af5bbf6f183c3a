/* SPDX-License-Identifier: BSD-3-Clause */
#include "commands.h"

#include <errno.h>
#include <string.h>

json_int_t
commands_number(uint64_t value)
{
	return (json_int_t)value;
}

const struct config *
commands_config(const struct daemon *d)
{
	return snapshot_config(d->publish.snapshot);
}

json_t *
commands_time(time_t at)
{
	char text[sizeof("2026-11-22T23:48:09Z")];
	struct tm parts;
	if (at == 0 || !gmtime_r(&at, &parts) ||
		strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &parts) == 0)
		return json_null();
	return json_string(text);
}

/* What came out of a file may be no UTF-8. */
static json_t *
line_json(const char *line, size_t length)
{
	json_t *json = json_stringn(line, length);
	return json ? json : json_string("(not UTF-8)");
}

json_t *
commands_sentence(const char *text)
{
	return *text ? line_json(text, strlen(text)) : json_null();
}

json_t *
commands_lines(const char *text)
{
	json_t *list = json_array();
	while (text && *text) {
		size_t length = strcspn(text, "\n");
		json_array_append_new(list, line_json(text, length));
		text += length + (text[length] == '\n');
	}
	return list;
}

void
commands_count_flows(struct daemon *d)
{
	sweep_round(&d->sweep, snapshot_tables(d->publish.snapshot, 0), mono_now());
}

int
commands_read_integer(json_t *arguments, const char *key, json_int_t min, json_int_t max,
	json_int_t otherwise, uint64_t *value, struct error *err)
{
	json_t *given = json_object_get(arguments, key);
	json_int_t n = given ? json_integer_value(given) : otherwise;
	if (given && (!json_is_integer(given) || n < min || n > max))
		return error_set(
			err, -EINVAL, "%s: wanted a number from %lld to %lld", key, min, max);
	*value = (uint64_t)n;
	return 0;
}

int
commands_handle(
	void *context, const char *command, json_t *arguments, json_t **result, struct error *err)
{
	static const struct {
		const char *name;
		command_function *run;
	} commands[] = {
		{"status", command_status},
		{"services", command_services},
		{"backends", command_backends},
		{"health", command_health},
		{"flows", command_flows},
		{"stats", command_stats},
		{"neighbours", command_neighbours},
		{"explain", command_explain},
		{"explain_frames", command_explain_frames},
		{"drain", command_drain},
		{"undrain", command_undrain},
		{"diff", command_diff},
		{"reload", command_reload},
		{"confirm", command_confirm},
		{"rollback", command_rollback},
		{"config", command_config},
		{"history", command_history},
	};
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcmp(commands[i].name, command) == 0) {
			int rc = commands[i].run(context, arguments, result, err);
			return rc == 0 && !*result ? error_set(err, -ENOMEM, "not enough memory")
						   : rc;
		}
	return error_set(err, -ENOSYS, "no command is called %s", command);
}
