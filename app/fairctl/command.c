/* SPDX-License-Identifier: BSD-3-Clause */
#include "command.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "addr.h"
#include "config.h"
#include "control_socket.h"
#include "mono.h"
#include "text.h"

/* A reload of the largest configuration takes seconds; whoever waits longer wants to know. */
#define CALL_TIMEOUT_MS 30000
/* reload --wait: how long, and how often it asks. */
#define WAIT_TIMEOUT_MS	 30000
#define WAIT_INTERVAL_MS 50

/* Taking words */

static int
take_string(struct invocation *invocation, const char *key, const char *value, struct error *err)
{
	if (json_object_set_new(invocation->arguments, key, json_string(value)) < 0)
		return error_set(err, -EINVAL, "the value is not UTF-8");
	return 0;
}

static int
parse_number(const char *text, uint64_t max, uint64_t *number)
{
	char *end;
	errno = 0;
	if (text[0] < '0' || text[0] > '9')
		return -EINVAL;
	*number = strtoull(text, &end, 10);
	return errno != 0 || *end != '\0' || *number > max ? -EINVAL : 0;
}

/* "192.0.2.1:80" or "[2001:db8::1]:80". */
static int
parse_endpoint(const char *text, struct ip_addr *address, uint64_t *port)
{
	char bare[ADDR_TEXT_MAX];
	const char *colon = strrchr(text, ':');
	size_t length = colon ? (size_t)(colon - text) : 0;
	bool brackets = length >= 2 && text[0] == '[' && text[length - 1] == ']';
	if (brackets) {
		text++;
		length -= 2;
	}
	if (length == 0 || length >= sizeof(bare))
		return -EINVAL;
	memcpy(bare, text, length);
	bare[length] = '\0';
	if (addr_parse(bare, address) < 0 || addr_is_v4(address) == brackets)
		return -EINVAL;
	return parse_number(colon + 1, UINT16_MAX, port);
}

static int
take_endpoint(struct invocation *invocation, const char *address_key, const char *port_key,
	const char *value, struct error *err)
{
	char text[ADDR_TEXT_MAX];
	struct ip_addr address;
	uint64_t port;
	if (parse_endpoint(value, &address, &port) < 0)
		return error_set(
			err, -EINVAL, "wanted ADDRESS:PORT or [IPV6]:PORT, got \"%s\"", value);
	json_object_set_new(
		invocation->arguments, address_key, json_string(addr_format(&address, text)));
	json_object_set_new(invocation->arguments, port_key, json_integer((json_int_t)port));
	return 0;
}

static int
take_pool(struct invocation *invocation, const char *value, struct error *err)
{
	return take_string(invocation, "pool", value, err);
}

static int
take_protocol(struct invocation *invocation, const char *value, struct error *err)
{
	return take_string(invocation, "protocol", value, err);
}

static int
take_source(struct invocation *invocation, const char *value, struct error *err)
{
	return take_endpoint(invocation, "source", "source_port", value, err);
}

static int
take_vip(struct invocation *invocation, const char *value, struct error *err)
{
	return take_endpoint(invocation, "vip", "port", value, err);
}

static int
take_limit(struct invocation *invocation, const char *value, struct error *err)
{
	if (parse_number(value, UINT64_MAX, &invocation->view.limit) < 0)
		return error_set(err, -EINVAL, "wanted a number, got \"%s\"", value);
	return 0;
}

static int
take_all(struct invocation *invocation, const char *value, struct error *err)
{
	(void)value, (void)err;
	invocation->view.all = true;
	return 0;
}

static int
take_wait(struct invocation *invocation, const char *value, struct error *err)
{
	(void)value, (void)err;
	invocation->wait = true;
	return 0;
}

static int
take_local_file(struct invocation *invocation, const char *value, struct error *err)
{
	(void)err;
	invocation->file = value;
	return 0;
}

/* The daemon has another working directory: it is told the whole path. */
static int
take_daemon_file(struct invocation *invocation, const char *value, struct error *err)
{
	char directory[PATH_MAX], path[PATH_MAX];
	if (value[0] == '/')
		return take_string(invocation, "file", value, err);
	if (!getcwd(directory, sizeof(directory)))
		return error_set(err, -errno, "the working directory: %s", strerror(errno));
	const char *parent = directory[1] ? directory : ""; /* not "//" below the root */
	if (snprintf(path, sizeof(path), "%s/%s", parent, value) >= (int)sizeof(path))
		return error_set(err, -ENAMETOOLONG, "the path is too long");
	return take_string(invocation, "file", path, err);
}

/* Running */

static void
print_json(const json_t *value)
{
	json_dumpf(value, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY);
	putchar('\n');
}

static void
print_failure(const char *error)
{
	fputs("fairctl: ", stderr);
	text_print_line(error, stderr);
}

/* The daemon's result, a new reference; or NULL and the status to exit with, the reason printed. */
static json_t *
ask(const struct invocation *invocation, const char *command, json_t *arguments,
	enum exit_status *status)
{
	struct error err;
	json_t *reply = NULL, *line;
	size_t i;
	json_t *request = json_pack("{s:s, s:O}", "command", command, "arguments", arguments);
	int rc = control_call(invocation->socket, request, CALL_TIMEOUT_MS, &reply, &err);
	json_decref(request);
	if (rc < 0) {
		print_failure(err.text);
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
		print_failure(error ? error : "refused");
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

static enum exit_status
run_at_daemon(const struct invocation *invocation)
{
	const struct command *command = invocation->command;
	enum exit_status status;
	json_t *result = ask(invocation, command->name, invocation->arguments, &status);
	if (!result)
		return status;
	show(invocation, result);
	if (command->is_true && !command->is_true(result))
		status = STATUS_REFUSED;
	json_decref(result);
	return status;
}

/* Until every worker forwards by snapshot `generation` or a later one. */
static enum exit_status
wait_for_generation(const struct invocation *invocation, int64_t generation)
{
	const struct timespec interval = {.tv_nsec = WAIT_INTERVAL_MS * 1000000L};
	struct mono deadline = mono_add_ms(mono_now(), WAIT_TIMEOUT_MS);
	for (;;) {
		enum exit_status status;
		json_t *nothing = json_object();
		json_t *now = ask(invocation, "status", nothing, &status);
		json_decref(nothing);
		if (!now)
			return status;
		int64_t reached = text_number(now, "oldest_generation");
		json_decref(now);
		if (reached >= generation)
			return STATUS_DONE;
		if (mono_ms_between(mono_now(), deadline) == 0) {
			fprintf(stderr,
				"fairctl: after %d s workers still forward by snapshot %" PRId64
				", not yet by %" PRId64 "\n",
				WAIT_TIMEOUT_MS / 1000, reached, generation);
			return STATUS_REFUSED;
		}
		nanosleep(&interval, NULL);
	}
}

static enum exit_status
run_reload(const struct invocation *invocation)
{
	enum exit_status status;
	json_t *result = ask(invocation, "reload", invocation->arguments, &status);
	if (!result)
		return status;
	if (invocation->wait)
		status = wait_for_generation(invocation, text_number(result, "generation"));
	show(invocation, result);
	json_decref(result);
	return status;
}

/* Here, by the daemon's own validator: no daemon is needed. */
static enum exit_status
run_check(const struct invocation *invocation)
{
	struct config *config = NULL;
	char *messages = NULL, *rest = NULL;
	size_t length = 0;
	FILE *errors = open_memstream(&messages, &length);
	if (!errors) {
		print_failure(strerror(errno));
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

static enum exit_status
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

static enum exit_status
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

static bool
identity_holds(const json_t *stats)
{
	return json_is_true(json_object_get(stats, "identity"));
}

/* The table */

#define OPTIONAL false
#define REQUIRED true

/* clang-format off */
const struct command commands[] = {
	{"status", "what runs, since when, on which ports and cores",
		{{0}},
		run_at_daemon, render_status, NULL},
	{"services", "VIPs, ports and pools, with their packets",
		{{0}},
		run_at_daemon, render_services, NULL},
	{"backends", "backends with their shares, flows and next hops",
		{{NULL, "POOL", OPTIONAL, take_pool}},
		run_at_daemon, render_backends, NULL},
	{"flows", "the flow table, and the backends with the most flows",
		{{"--limit", "N", OPTIONAL, take_limit}},
		run_at_daemon, render_flows, NULL},
	{"stats", "packets by the exit that they left by",
		{{"--all", NULL, OPTIONAL, take_all}},
		run_at_daemon, render_stats, identity_holds},
	{"neighbours", "next hops as Linux has them",
		{{0}},
		run_at_daemon, render_neighbours, NULL},
	{"explain", "what becomes of a packet, and why",
		{{NULL, "PROTO", REQUIRED, take_protocol},
		 {NULL, "SRC:PORT", REQUIRED, take_source},
		 {NULL, "VIP:PORT", REQUIRED, take_vip}},
		run_at_daemon, render_explain, NULL},
	{"reload", "read the configuration again, or another one",
		{{NULL, "FILE", OPTIONAL, take_daemon_file},
		 {"--wait", NULL, OPTIONAL, take_wait}},
		run_reload, render_reload, NULL},
	{"check", "validate a configuration file, without the daemon",
		{{NULL, "FILE", REQUIRED, take_local_file}},
		run_check, NULL, NULL},
	{"commands", "this list, as shell completion reads it",
		{{0}},
		run_commands, NULL, NULL},
	{"version", "the version of fairctl",
		{{0}},
		run_version, NULL, NULL},
	{0},
};
/* clang-format on */

const struct command *
command_find(const char *name)
{
	for (const struct command *command = commands; command->name; command++)
		if (strcmp(command->name, name) == 0)
			return command;
	return NULL;
}

const char *
command_synopsis(const struct command *command, char *text)
{
	size_t used = (size_t)snprintf(text, COMMAND_SYNOPSIS_MAX, "%s", command->name);
	for (const struct parameter *p = command->parameters; p->take; p++)
		used += (size_t)snprintf(text + used, COMMAND_SYNOPSIS_MAX - used, " %s%s%s%s%s",
			p->required ? "" : "[", p->option ? p->option : "",
			p->option && p->value ? " " : "", p->value ? p->value : "",
			p->required ? "" : "]");
	return text;
}
