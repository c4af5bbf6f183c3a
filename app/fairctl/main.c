/* SPDX-License-Identifier: BSD-3-Clause */
/* From the command line to an invocation, and its exit status. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "text.h"

#define SYNOPSIS_WIDTH 34
#define DEFAULT_SOCKET "/run/fairlead/control.sock"

/* Words that are left, and how many values by position have been taken. */
struct words {
	char **next;
	unsigned positions;
	bool options_end; /* "--" was there */
};

static void
print_usage(FILE *out)
{
	char synopsis[COMMAND_SYNOPSIS_MAX];
	fprintf(out, "usage: fairctl [-s SOCKET] [-j] COMMAND [ARGUMENT ...]\n\n");
	for (const struct command *command = commands; command->name; command++) {
		command_synopsis(command, synopsis);
		bool is_wide = strlen(synopsis) > SYNOPSIS_WIDTH;
		fprintf(out, "  %-*s%s%*s  %s\n", SYNOPSIS_WIDTH, synopsis, is_wide ? "\n  " : "",
			is_wide ? SYNOPSIS_WIDTH : 0, "", command->help);
	}
	fprintf(out,
		"\n"
		"  -s, --socket SOCKET   the daemon's control socket; else $FAIRLEAD_SOCKET, else\n"
		"                        " DEFAULT_SOCKET "\n"
		"  -j, --json            print JSON\n"
		"  -h, --help            print this\n"
		"  -V, --version         print the version\n"
		"\n"
		"An IPv6 address with a port is written [2001:db8::1]:443.\n"
		"Exit status: 0 done, 1 refused or false, 2 wrong usage, 3 daemon unreachable.\n");
}

static enum exit_status
run_help(const struct invocation *invocation)
{
	(void)invocation;
	print_usage(stdout);
	return STATUS_DONE;
}

static const struct command help = {.name = "help", .run = run_help};

static int
take_socket(struct invocation *invocation, const char *value, struct error *err)
{
	(void)err;
	invocation->socket = value;
	return 0;
}

static int
take_json(struct invocation *invocation, const char *value, struct error *err)
{
	(void)value, (void)err;
	invocation->json = true;
	return 0;
}

static int
take_help(struct invocation *invocation, const char *value, struct error *err)
{
	(void)value, (void)err;
	invocation->command = &help;
	return 0;
}

static int
take_version(struct invocation *invocation, const char *value, struct error *err)
{
	(void)value, (void)err;
	invocation->command = command_find("version");
	return 0;
}

static const struct parameter everywhere[] = {
	{"-s", "SOCKET", false, take_socket},
	{"--socket", "SOCKET", false, take_socket},
	{"-j", NULL, false, take_json},
	{"--json", NULL, false, take_json},
	{"-h", NULL, false, take_help},
	{"--help", NULL, false, take_help},
	{"-V", NULL, false, take_version},
	{"--version", NULL, false, take_version},
	{0},
};

static const struct parameter *
find_option(const struct parameter *parameters, const char *name, size_t length)
{
	for (; parameters->take; parameters++)
		if (parameters->option && strlen(parameters->option) == length &&
			memcmp(parameters->option, name, length) == 0)
			return parameters;
	return NULL;
}

/* "--limit 5", "--limit=5", "--all". */
static int
parse_option(struct invocation *invocation, struct words *words, struct error *err)
{
	const char *word = *words->next++;
	size_t length = strcspn(word, "=");
	const struct parameter *option = find_option(everywhere, word, length);
	if (!option && invocation->command)
		option = find_option(invocation->command->parameters, word, length);
	if (!option)
		return error_set(err, -EINVAL, "there is no option %s", word);
	const char *value = word[length] == '=' ? word + length + 1 : NULL;
	if (value && !option->value)
		return error_set(err, -EINVAL, "%s takes no value", option->option);
	if (!value && option->value) {
		if (!*words->next)
			return error_set(err, -EINVAL, "%s wants %s", word, option->value);
		value = *words->next++;
	}
	int rc = option->take(invocation, value, err);
	return rc < 0 ? error_prefix(err, rc, "%s", option->option) : 0;
}

static const struct parameter *
find_position(const struct parameter *parameters, unsigned position)
{
	for (; parameters->take; parameters++)
		if (!parameters->option && position-- == 0)
			return parameters;
	return NULL;
}

/* The command, or its next value. */
static int
parse_value(struct invocation *invocation, struct words *words, struct error *err)
{
	const char *word = *words->next++;
	if (!invocation->command) {
		invocation->command = command_find(word);
		return invocation->command
			       ? 0
			       : error_set(err, -EINVAL, "there is no command %s", word);
	}
	const struct parameter *parameter =
		find_position(invocation->command->parameters, words->positions++);
	if (!parameter)
		return error_set(err, -EINVAL, "%s is one argument too many", word);
	int rc = parameter->take(invocation, word, err);
	return rc < 0 ? error_prefix(err, rc, "%s", parameter->value) : 0;
}

static int
parse(struct invocation *invocation, char **argv, struct error *err)
{
	struct words words = {.next = argv + 1};
	int rc = 0;
	while (rc == 0 && *words.next && invocation->command != &help) {
		const char *word = *words.next;
		if (words.options_end || word[0] != '-' || word[1] == '\0') {
			rc = parse_value(invocation, &words, err);
		} else if (strcmp(word, "--") == 0) {
			words.options_end = true;
			words.next++;
		} else {
			rc = parse_option(invocation, &words, err);
		}
	}
	if (rc < 0)
		return rc;
	if (!invocation->command)
		return error_set(err, -EINVAL, "the command is missing");
	const struct parameter *missing =
		find_position(invocation->command->parameters, words.positions);
	if (missing && missing->required)
		return error_set(err, -EINVAL, "%s is missing", missing->value);
	return invocation->command->check ? invocation->command->check(invocation, err) : 0;
}

static void
print_wrong_usage(const struct invocation *invocation, const struct error *err)
{
	char synopsis[COMMAND_SYNOPSIS_MAX];
	fputs("fairctl: ", stderr);
	text_print_line(err->text, stderr);
	if (invocation->command)
		fprintf(stderr, "usage: fairctl %s\n",
			command_synopsis(invocation->command, synopsis));
	else
		fprintf(stderr, "fairctl --help lists the commands\n");
}

int
main(int argc, char **argv)
{
	(void)argc;
	const char *socket = getenv("FAIRLEAD_SOCKET");
	struct invocation invocation = {
		.socket = socket && *socket ? socket : DEFAULT_SOCKET,
		.arguments = json_object(),
		.view = {.limit = UINT64_MAX},
	};
	struct error err;
	enum exit_status status = STATUS_WRONG_USAGE;
	if (parse(&invocation, argv, &err) < 0)
		print_wrong_usage(&invocation, &err);
	else
		status = invocation.command->run(&invocation);
	json_decref(invocation.arguments);
	/* What could not be written was not done. */
	if (fflush(stdout) == EOF || ferror(stdout)) {
		fprintf(stderr, "fairctl: writing: %s\n", strerror(errno));
		status = status == STATUS_DONE ? STATUS_REFUSED : status;
	}
	return (int)status;
}
