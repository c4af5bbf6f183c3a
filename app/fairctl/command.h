/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The commands of fairctl, in one table: usage, parsing, dispatch and shell completion follow it.
 *
 *   words --parameters' take--> invocation --run--> the daemon, or here --render--> text
 *                                                                     `---------> JSON, with -j
 */
#ifndef FAIRLEAD_FAIRCTL_COMMAND_H
#define FAIRLEAD_FAIRCTL_COMMAND_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "error.h"
#include "render.h"

/* What fairctl exits with: an interface. */
enum exit_status {
	STATUS_DONE = 0,
	STATUS_REFUSED = 1, /* the daemon said no, or the answer is "false" */
	STATUS_WRONG_USAGE = 2,
	STATUS_UNREACHABLE = 3, /* no daemon, or none that answers */
};

struct command;

/* What one run of fairctl was asked for. */
struct invocation {
	const struct command *command;
	const char *socket;
	bool json;
	json_t *arguments;   /* for the daemon */
	const char *file;    /* check */
	const char *capture; /* explain --pcap */
	bool wait;	     /* reload, rollback */
	struct view view;
};

/* A word of the command line: a switch, an option with a value, or a value by its position. */
struct parameter {
	const char *option; /* "--limit"; NULL: by position */
	const char *value;  /* "N"; NULL: a switch */
	bool required;
	/* Notes the value (NULL for a switch): 0, or a negative errno and what is wrong with it. */
	int (*take)(struct invocation *invocation, const char *value, struct error *err);
};

#define COMMAND_PARAMETERS_MAX 5

struct command {
	const char *name;
	const char *help;
	struct parameter
		parameters[COMMAND_PARAMETERS_MAX + 1]; /* ends with one that takes nothing */
	enum exit_status (*run)(const struct invocation *invocation);
	renderer *render;		       /* of what the daemon answers */
	bool (*is_true)(const json_t *result); /* NULL: nothing can be false about it */
	const char *synopsis; /* where the parameters do not say it: behind the name; or NULL */
	/* What is wrong with all words together; NULL: nothing can be. */
	int (*check)(const struct invocation *invocation, struct error *err);
};

/* Ends with one that has no name. */
extern const struct command commands[];

/* NULL if there is none of that name. */
const struct command *command_find(const char *name);

/* "explain PROTO SRC:PORT VIP:PORT". Returns `text`, which holds COMMAND_SYNOPSIS_MAX bytes. */
#define COMMAND_SYNOPSIS_MAX 128
const char *command_synopsis(const struct command *command, char *text);

#endif
