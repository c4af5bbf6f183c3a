/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the control socket answers. One function a command; the shapes of the results are an interface
 * (fairctl --json prints them as they are). Control only.
 */
#ifndef FAIRLEAD_COMMANDS_H
#define FAIRLEAD_COMMANDS_H

#include <jansson.h>

#include "daemon.h"

/* A control_handler; `context` is the struct daemon. */
int commands_handle(
	void *context, const char *command, json_t *arguments, json_t **result, struct error *err);

/* commands_explain.c */
int command_explain(struct daemon *daemon, json_t *arguments, json_t **result, struct error *err);

/* The next hop of a slot, as "backends", "neighbours" and "explain" show it. */
json_t *commands_next_hop(const struct daemon *daemon, uint32_t slot);

#endif
