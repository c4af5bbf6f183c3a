/* SPDX-License-Identifier: BSD-3-Clause */
/* What commands do: ask the daemon, or work here; print; say how it went. */
#ifndef FAIRLEAD_FAIRCTL_RUN_H
#define FAIRLEAD_FAIRCTL_RUN_H

#include "command.h"

typedef enum exit_status run_function(const struct invocation *invocation);

/* The command of that name, with its arguments, rendered. */
run_function run_at_daemon;
run_function run_reload, run_config, run_check, run_explain, run_version, run_commands;

/* capture.c: explain --pcap */
run_function run_capture;

/* The daemon's result, a new reference; or NULL and the status to exit with, the reason printed. */
json_t *run_ask(const struct invocation *invocation, const char *command, json_t *arguments,
	enum exit_status *status);
void run_print_failure(const char *error);

/* False about a result. */
bool run_identity_holds(const json_t *stats);
bool run_is_same(const json_t *difference);

#endif
