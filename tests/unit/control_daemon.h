/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * For the tests of the control socket: one in a thread of its own, with a handler that tests can
 * predict, and what a client needs to talk to it byte by byte.
 */
#ifndef FAIRLEAD_CONTROL_DAEMON_H
#define FAIRLEAD_CONTROL_DAEMON_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <event2/event.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "control_socket.h"

#define CALL_MS		  20000	     /* never reached, unless something is broken */
#define BIG_BYTES	  (1u << 20) /* far more than a socket's buffers hold */
#define SHORT_PATIENCE_MS 1000

struct daemon {
	char directory[32];
	char path[64];
	struct event_base *loop;
	struct control_socket *socket;
	int stop_fd;
	pthread_t thread;
	char *big;
	atomic_uint handled; // loop: rw; test: ro
};

/* The daemon's side */

static inline int
handle(void *context, const char *command, json_t *arguments, json_t **result, struct error *err)
{
	struct daemon *d = context;
	atomic_fetch_add(&d->handled, 1);
	if (strcmp(command, "echo") == 0) {
		*result = json_incref(arguments);
		return 0;
	}
	if (strcmp(command, "nothing") == 0)
		return 0;
	if (strcmp(command, "big") == 0) {
		*result = json_string(d->big);
		return 0;
	}
	if (strcmp(command, "latin1") == 0)
		return error_set(err, -EINVAL, "caf\xe9 is closed");
	*result = json_pack("[s, s]", "one", "two");
	return error_set(err, -EINVAL, "refused %s", command);
}

static inline void
on_stop(evutil_socket_t fd, short what, void *context)
{
	(void)fd, (void)what;
	struct daemon *d = context;
	event_base_loopbreak(d->loop);
}

static inline void *
run_loop(void *context)
{
	struct daemon *d = context;
	struct event *stop = event_new(d->loop, d->stop_fd, EV_READ, on_stop, d);
	event_add(stop, NULL);
	event_base_dispatch(d->loop);
	event_free(stop);
	return NULL;
}

static inline int
prepare(void **state)
{
	struct daemon *d = calloc(1, sizeof(*d));
	snprintf(d->directory, sizeof(d->directory), "/tmp/fairlead-test-XXXXXX");
	if (!mkdtemp(d->directory))
		return -1;
	snprintf(d->path, sizeof(d->path), "%s/run/control.sock", d->directory);
	d->loop = event_base_new();
	d->stop_fd = eventfd(0, EFD_CLOEXEC);
	d->big = malloc(BIG_BYTES + 1);
	memset(d->big, 'x', BIG_BYTES);
	d->big[BIG_BYTES] = '\0';
	*state = d;
	return 0;
}

static inline int
clean_up(void **state)
{
	struct daemon *d = *state;
	char run[64];
	snprintf(run, sizeof(run), "%s/run", d->directory);
	unlink(d->path);
	rmdir(run);
	rmdir(d->directory);
	event_base_free(d->loop);
	close(d->stop_fd);
	free(d->big);
	free(d);
	return 0;
}

static inline int
start_with_patience(void **state, uint32_t patience_ms)
{
	if (prepare(state) != 0)
		return -1;
	struct daemon *d = *state;
	struct error err;
	if (control_socket_open(&d->socket, d->loop, d->path, 0600, NULL, handle, d, &err) < 0)
		return -1;
	if (patience_ms > 0)
		control_socket_set_patience(d->socket, patience_ms);
	return pthread_create(&d->thread, NULL, run_loop, d);
}

static inline int
start(void **state)
{
	return start_with_patience(state, 0);
}

static inline int
start_impatient(void **state)
{
	return start_with_patience(state, SHORT_PATIENCE_MS);
}

static inline int
stop(void **state)
{
	struct daemon *d = *state;
	eventfd_write(d->stop_fd, 1);
	pthread_join(d->thread, NULL);
	control_socket_close(d->socket);
	return clean_up(state);
}

/* The clients' side */

static inline int
dial(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static inline void
say(int fd, const char *text)
{
	size_t length = strlen(text);
	assert_int_equal(send(fd, text, length, MSG_NOSIGNAL), length);
}

/* One line, without its newline. */
static inline const char *
hear(int fd, char *line, size_t size)
{
	size_t used = 0;
	while (used < size) {
		assert_int_equal(recv(fd, line + used, 1, 0), 1);
		if (line[used] == '\n') {
			line[used] = '\0';
			return line;
		}
		used++;
	}
	fail_msg("the line is longer than %zu bytes", size);
	return line;
}

static inline void
assert_says(int fd, const char *request, const char *answer)
{
	char line[1024];
	say(fd, request);
	assert_string_equal(hear(fd, line, sizeof(line)), answer);
}

static inline bool
is_cut_off(int fd, int timeout_ms)
{
	struct pollfd poll_fd = {.fd = fd, .events = POLLRDHUP};
	return poll(&poll_fd, 1, timeout_ms) == 1;
}

/* The daemon is well: a new client gets its answer. */
static inline void
assert_serves(const struct daemon *d)
{
	int fd = dial(d->path);
	assert_says(fd, "{\"command\":\"echo\",\"arguments\":{\"n\":1}}\n",
		"{\"ok\":true,\"result\":{\"n\":1}}");
	close(fd);
}

#endif
