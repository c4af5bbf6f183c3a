/* SPDX-License-Identifier: BSD-3-Clause */
#include "run.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "config.h"
#include "control_socket.h"
#include "mono.h"
#include "text.h"

/* A reload of the largest configuration takes seconds; whoever waits longer wants to know. */
#define CALL_TIMEOUT_MS 30000
/* reload --wait: how long, and how often it asks. */
#define WAIT_TIMEOUT_MS	 30000
#define WAIT_INTERVAL_MS 50

static void
print_json(const json_t *value)
{
	json_dumpf(value, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY);
	putchar('\n');
}

void
run_print_failure(const char *error)
{
	fputs("fairctl: ", stderr);
	text_print_line(error, stderr);
}

json_t *
run_ask(const struct invocation *invocation, const char *command, json_t *arguments,
	enum exit_status *status)
{
	struct error err;
	json_t *reply = NULL, *line;
	size_t i;
	json_t *request = json_pack("{s:s, s:O}", "command", command, "arguments", arguments);
	int rc = control_call(invocation->socket, request, CALL_TIMEOUT_MS, &reply, &err);
	json_decref(request);
	if (rc < 0) {
		run_print_failure(err.text);
		*status = STATUS_UNREACHABLE;
		return NULL;
	}
	json_t *result = NULL;
	if (json_is_true(json_object_get(reply, "ok"))) {
		result = json_incref(json_object_get(reply, "result"));
		result = result ? result : json_null();
		*status = STATUS_DONE;
	} else {
		const char *error = json_string_value(json_object_get(reply, "error"));
		run_print_failure(error ? error : "refused");
		json_array_foreach(json_object_get(reply, "details"), i, line) text_print_line(
			json_is_string(line) ? json_string_value(line) : "-", stderr);
		*status = STATUS_REFUSED;
	}
	json_decref(reply);
	return result;
}

static void
show(const struct invocation *invocation, const json_t *result)
{
	if (invocation->json)
		print_json(result);
	else
		invocation->command->render(result, &invocation->view, stdout);
}

enum exit_status
run_at_daemon(const struct invocation *invocation)
{
	const struct command *command = invocation->command;
	enum exit_status status;
	json_t *result = run_ask(invocation, command->name, invocation->arguments, &status);
	if (!result)
		return status;
	show(invocation, result);
	if (command->is_true && !command->is_true(result))
		status = STATUS_REFUSED;
	json_decref(result);
	return status;
}

/* Until every worker forwards by that snapshot or a later one. */
static enum exit_status
wait_for_snapshot(const struct invocation *invocation, int64_t snapshot)
{
	const struct timespec interval = {.tv_nsec = WAIT_INTERVAL_MS * 1000000L};
	struct mono deadline = mono_add_ms(mono_now(), WAIT_TIMEOUT_MS);
	for (;;) {
		enum exit_status status;
		json_t *nothing = json_object();
		json_t *now = run_ask(invocation, "status", nothing, &status);
		json_decref(nothing);
		if (!now)
			return status;
		int64_t reached = text_number(now, "oldest_snapshot");
		json_decref(now);
		if (reached >= snapshot)
			return STATUS_DONE;
		if (mono_ms_between(mono_now(), deadline) == 0) {
			fprintf(stderr,
				"fairctl: after %d s workers still forward by snapshot %" PRId64
				", not yet by %" PRId64 "\n",
				WAIT_TIMEOUT_MS / 1000, reached, snapshot);
			return STATUS_REFUSED;
		}
		nanosleep(&interval, NULL);
	}
}

/* reload and rollback */
enum exit_status
run_reload(const struct invocation *invocation)
{
	enum exit_status status;
	json_t *result =
		run_ask(invocation, invocation->command->name, invocation->arguments, &status);
	if (!result)
		return status;
	if (invocation->wait)
		status = wait_for_snapshot(invocation, text_number(result, "snapshot"));
	show(invocation, result);
	json_decref(result);
	return status;
}

/* The text as it is, which is JSON already. */
enum exit_status
run_config(const struct invocation *invocation)
{
	enum exit_status status;
	json_t *result = run_ask(invocation, "config", invocation->arguments, &status);
	if (!result)
		return status;
	const char *text = json_string_value(json_object_get(result, "text"));
	fputs(text ? text : "", stdout);
	json_decref(result);
	return status;
}

enum exit_status
run_explain(const struct invocation *invocation)
{
	return invocation->capture ? run_capture(invocation) : run_at_daemon(invocation);
}

/* Here, by the daemon's own validator: no daemon is needed. */
enum exit_status
run_check(const struct invocation *invocation)
{
	struct config *config = NULL;
	char *messages = NULL, *rest = NULL;
	size_t length = 0;
	FILE *errors = open_memstream(&messages, &length);
	if (!errors) {
		run_print_failure(strerror(errno));
		return STATUS_REFUSED;
	}
	int rc = config_load(&config, invocation->file, errors);
	config_free(config);
	fclose(errors);
	if (invocation->json) {
		json_t *lines = json_array();
		for (char *line = strtok_r(messages, "\n", &rest); line;
			line = strtok_r(NULL, "\n", &rest))
			json_array_append_new(lines, json_string(line));
		json_t *result = json_pack("{s:s, s:b, s:o}", "file", invocation->file, "valid",
			rc == 0, "messages", lines);
		print_json(result);
		json_decref(result);
	} else {
		fputs(messages, stderr);
		if (rc == 0)
			printf("%s: ok\n", invocation->file);
	}
	free(messages);
	return rc == 0 ? STATUS_DONE : STATUS_REFUSED;
}

enum exit_status
run_version(const struct invocation *invocation)
{
	if (!invocation->json) {
		printf("fairctl %s\n", FAIRLEAD_VERSION);
		return STATUS_DONE;
	}
	json_t *version = json_pack("{s:s}", "version", FAIRLEAD_VERSION);
	print_json(version);
	json_decref(version);
	return STATUS_DONE;
}

enum exit_status
run_commands(const struct invocation *invocation)
{
	json_t *list = json_array();
	for (const struct command *command = commands; command->name; command++) {
		char synopsis[COMMAND_SYNOPSIS_MAX];
		command_synopsis(command, synopsis);
		if (!invocation->json)
			printf("%s\n", synopsis);
		json_array_append_new(list, json_pack("{s:s, s:s, s:s}", "name", command->name,
						    "synopsis", synopsis, "help", command->help));
	}
	if (invocation->json)
		print_json(list);
	json_decref(list);
	return STATUS_DONE;
}

bool
run_identity_holds(const json_t *stats)
{
	return json_is_true(json_object_get(stats, "identity"));
}

bool
run_is_same(const json_t *difference)
{
	const char *verdict = json_string_value(json_object_get(difference, "verdict"));
	return verdict && strcmp(verdict, "same") == 0;
}
