/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * with_daemon REPLIES PROGRAM [ARGUMENT ...]: runs a program with a stand-in for the daemon at
 * $FAIRLEAD_SOCKET, and exits with the program's status.
 *
 * REPLIES is a JSON array; a request is answered by the first member whose "command" and
 * "arguments" are equal to the request's: with its "result", or refused with its "error" and
 * "details". It then goes to the end of the array, so that equal requests can have other answers
 * each time. Any other request is refused with itself as the error, so a case pins what is sent.
 */
#include <errno.h>
#include <event2/event.h>
#include <jansson.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "control_socket.h"

struct stand_in {
	struct event_base *loop;
	json_t *replies;
	pid_t program;
	int status;
};

static int
answer(void *context, const char *command, json_t *arguments, json_t **result, struct error *err)
{
	struct stand_in *stand_in = context;
	size_t i;
	json_t *reply;
	json_array_foreach(stand_in->replies, i, reply)
	{
		if (strcmp(json_string_value(json_object_get(reply, "command")), command) != 0 ||
			!json_equal(json_object_get(reply, "arguments"), arguments))
			continue;
		json_array_append(stand_in->replies, reply);
		json_array_remove(stand_in->replies, i);
		*result = json_incref(json_object_get(reply, "result"));
		const char *error = json_string_value(json_object_get(reply, "error"));
		if (!error)
			return 0;
		*result = json_incref(json_object_get(reply, "details"));
		return error_set(err, -EINVAL, "%s", error);
	}
	char *text = json_dumps(arguments, JSON_COMPACT);
	error_set(err, -EINVAL, "no reply to %s %s", command, text);
	free(text);
	return -EINVAL;
}

static void
on_child(evutil_socket_t signal, short what, void *context)
{
	(void)signal, (void)what;
	struct stand_in *stand_in = context;
	if (waitpid(stand_in->program, &stand_in->status, WNOHANG) == stand_in->program)
		event_base_loopbreak(stand_in->loop);
}

static int
run(struct stand_in *stand_in, const char *socket_path, char **program)
{
	extern char **environ;
	struct control_socket *socket;
	struct error err;
	setenv("FAIRLEAD_SOCKET", socket_path, 1);
	if (control_socket_open(
		    &socket, stand_in->loop, socket_path, 0600, NULL, answer, stand_in, &err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	struct event *child = evsignal_new(stand_in->loop, SIGCHLD, on_child, stand_in);
	event_add(child, NULL);
	int problem = posix_spawnp(&stand_in->program, program[0], NULL, NULL, program, environ);
	if (problem == 0)
		event_base_dispatch(stand_in->loop);
	else
		fprintf(stderr, "%s: %s\n", program[0], strerror(problem));
	event_free(child);
	control_socket_close(socket);
	return problem == 0 && WIFEXITED(stand_in->status) ? WEXITSTATUS(stand_in->status) : 1;
}

int
main(int argc, char **argv)
{
	char directory[] = "/tmp/fairctl-test-XXXXXX", path[64];
	json_error_t wrong;
	if (argc < 3)
		return 2;
	struct stand_in stand_in = {.replies = json_load_file(argv[1], 0, &wrong)};
	if (!stand_in.replies) {
		fprintf(stderr, "%s:%d: %s\n", argv[1], wrong.line, wrong.text);
		return 1;
	}
	stand_in.loop = event_base_new();
	if (!stand_in.loop || !mkdtemp(directory))
		return 1;
	snprintf(path, sizeof(path), "%s/control.sock", directory);
	int status = run(&stand_in, path, argv + 2);
	rmdir(directory);
	event_base_free(stand_in.loop);
	json_decref(stand_in.replies);
	return status;
}
