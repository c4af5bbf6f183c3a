/* SPDX-License-Identifier: BSD-3-Clause */
#include "command.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "run.h"
#include "take.h"

/* A packet by its addresses, or a capture of them. */
static int
check_explain(const struct invocation *invocation, struct error *err)
{
	static const char *const values[][2] = {
		{"protocol", "PROTO"}, {"source", "SRC:PORT"}, {"vip", "VIP:PORT"}};
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		bool is_given = json_object_get(invocation->arguments, values[i][0]);
		if (invocation->capture && is_given)
			return error_set(err, -EINVAL, "--pcap goes without %s", values[i][1]);
		if (!invocation->capture && !is_given)
			return error_set(err, -EINVAL, "%s is missing", values[i][1]);
	}
	return 0;
}

#define OPTIONAL false
#define REQUIRED true

/* clang-format off */
const struct command commands[] = {
	{"status", "what runs, since when, on which ports and cores",
		{{0}},
		run_at_daemon, render_status, NULL, NULL, NULL},
	{"services", "VIPs, ports and pools, with their packets",
		{{NULL, "SERVICE", OPTIONAL, take_service}},
		run_at_daemon, render_services, NULL, NULL, NULL},
	{"backends", "backends with their states, shares, flows and next hops",
		{{NULL, "POOL", OPTIONAL, take_pool}},
		run_at_daemon, render_backends, NULL, NULL, NULL},
	{"health", "what checks say of backends, and their last failures",
		{{NULL, "BACKEND", OPTIONAL, take_backend}},
		run_at_daemon, render_health, NULL, NULL, NULL},
	{"flows", "the flow table, and the backends with the most flows",
		{{"--limit", "N", OPTIONAL, take_limit}},
		run_at_daemon, render_flows, NULL, NULL, NULL},
	{"stats", "packets by the exit that they left by",
		{{"--all", NULL, OPTIONAL, take_all}},
		run_at_daemon, render_stats, run_identity_holds, NULL, NULL},
	{"neighbours", "next hops as Linux has them",
		{{0}},
		run_at_daemon, render_neighbours, NULL, NULL, NULL},
	{"explain", "what becomes of a packet, or of all of a capture, and why",
		{{NULL, "PROTO", OPTIONAL, take_protocol},
		 {NULL, "SRC:PORT", OPTIONAL, take_source},
		 {NULL, "VIP:PORT", OPTIONAL, take_vip},
		 {"--pcap", "FILE", OPTIONAL, take_capture},
		 {"--port", "PORT", OPTIONAL, take_port_name}},
		run_explain, render_explain, NULL,
		"PROTO SRC:PORT VIP:PORT | --pcap FILE [--port PORT]", check_explain},
	{"drain", "no new flows to a backend; those that it has stay",
		{{NULL, "BACKEND", REQUIRED, take_backend},
		 {"--deadline", "SECONDS", OPTIONAL, take_deadline}},
		run_at_daemon, render_drain, NULL, NULL, NULL},
	{"undrain", "new flows to a backend again",
		{{NULL, "BACKEND", REQUIRED, take_backend}},
		run_at_daemon, render_drain, NULL, NULL, NULL},
	{"diff", "what a reload would change, and which flows it would move",
		{{NULL, "FILE", REQUIRED, take_daemon_file}},
		run_at_daemon, render_diff, run_is_same, NULL, NULL},
	{"reload", "read the configuration again, or another one",
		{{NULL, "FILE", OPTIONAL, take_daemon_file},
		 {"--wait", NULL, OPTIONAL, take_wait},
		 {"--confirm", "SECONDS", OPTIONAL, take_confirm}},
		run_reload, render_reload, NULL, NULL, NULL},
	{"confirm", "keep what reload --confirm has put in force",
		{{0}},
		run_at_daemon, render_confirm, NULL, NULL, NULL},
	{"rollback", "go back to an older configuration",
		{{NULL, "NUMBER", OPTIONAL, take_generation},
		 {"--wait", NULL, OPTIONAL, take_wait}},
		run_reload, render_reload, NULL, NULL, NULL},
	{"history", "the configurations that can be gone back to",
		{{0}},
		run_at_daemon, render_history, NULL, NULL, NULL},
	{"config", "the configuration in force, or an older one, with every default",
		{{NULL, "NUMBER", OPTIONAL, take_generation}},
		run_config, NULL, NULL, NULL, NULL},
	{"check", "validate a configuration file, without the daemon",
		{{NULL, "FILE", REQUIRED, take_local_file}},
		run_check, NULL, NULL, NULL, NULL},
	{"commands", "this list, as shell completion reads it",
		{{0}},
		run_commands, NULL, NULL, NULL, NULL},
	{"version", "the version of fairctl",
		{{0}},
		run_version, NULL, NULL, NULL, NULL},
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
	if (command->synopsis) {
		snprintf(text + used, COMMAND_SYNOPSIS_MAX - used, " %s", command->synopsis);
		return text;
	}
	for (const struct parameter *p = command->parameters; p->take; p++)
		used += (size_t)snprintf(text + used, COMMAND_SYNOPSIS_MAX - used, " %s%s%s%s%s",
			p->required ? "" : "[", p->option ? p->option : "",
			p->option && p->value ? " " : "", p->value ? p->value : "",
			p->required ? "" : "]");
	return text;
}
