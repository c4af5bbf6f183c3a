/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the control socket answers. One function a command, in files by noun; the shapes of the
 * results are an interface (fairctl --json prints them as they are, fairctl(1) lists them). Control only.
 */
#ifndef FAIRLEAD_COMMANDS_H
#define FAIRLEAD_COMMANDS_H

#include <jansson.h>
#include <time.h>

#include "daemon.h"

/* A control_handler; `context` is the struct daemon. */
int commands_handle(
	void *context, const char *command, json_t *arguments, json_t **result, struct error *err);

/* As a control_handler. */
typedef int command_function(
	struct daemon *daemon, json_t *arguments, json_t **result, struct error *err);

/* commands_status.c */
command_function command_status;
/* commands_traffic.c */
command_function command_services, command_flows, command_stats;
/* commands_backends.c */
command_function command_backends, command_health, command_neighbours;
/* commands_config.c */
command_function command_reload, command_confirm, command_rollback, command_config, command_history;
/* commands_drain.c */
command_function command_drain, command_undrain;
/* commands_diff.c */
command_function command_diff;
/* commands_explain.c */
command_function command_explain;

/* commands_frames.c */
command_function command_explain_frames;

/* The next hop of a slot, as "backends", "neighbours" and "explain" show it. */
json_t *commands_next_hop(const struct daemon *daemon, uint32_t slot);

/* A backend of the configuration in force, by its place, as "backends" shows it; NULL when memory is out. */
json_t *commands_backend(const struct daemon *daemon, uint32_t pool, uint32_t backend);
/* The place of the argument "backend": POOL/BACKEND, or BACKEND where one pool has it. -ENOENT, -EINVAL. */
int commands_find_backend(const struct daemon *daemon, json_t *arguments, uint32_t *pool,
	uint32_t *backend, struct error *err);

/* An integer argument from `min` to `max`; `otherwise` if it is not given. 0 or -EINVAL. */
int commands_read_integer(json_t *arguments, const char *key, json_int_t min, json_int_t max,
	json_int_t otherwise, uint64_t *value, struct error *err);
/* The longest deadline. */
#define COMMANDS_SECONDS_MAX (365 * 86400)

/* The configuration in force. */
const struct config *commands_config(const struct daemon *daemon);
json_int_t commands_number(uint64_t value);
/* "2026-11-22T23:48:09Z"; null for 0. */
json_t *commands_time(time_t at);
/* A sentence that may quote what others said, and so be no UTF-8; null if it is empty. */
json_t *commands_sentence(const char *text);
/* The lines of a text, NULL for none, as an array of strings. */
json_t *commands_lines(const char *text);
/* A whole round of the sweep, so that what is told of flows is of this moment. */
void commands_count_flows(struct daemon *daemon);

#endif
