/* SPDX-License-Identifier: BSD-3-Clause */
/* The other end of the control socket: one request, one answer, one deadline. */
#include "control_socket.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bounds.h"
#include "control_address.h"
#include "mono.h"

/* What it takes in: 65535 backends of 1 KB each, four times over. */
#define ANSWER_BYTES_MAX (256u << 20)

/* Waits until `fd` is ready for `events` or the deadline has come: 0 or a negative errno. */
static int
call_wait(int fd, short events, struct mono deadline)
{
	struct pollfd poll_fd = {.fd = fd, .events = events};
	for (;;) {
		uint64_t left_ms = mono_ms_between(mono_now(), deadline);
		int n = poll(&poll_fd, 1, left_ms < INT_MAX ? (int)left_ms : INT_MAX);
		if (n > 0)
			return 0;
		if (n == 0)
			return -ETIMEDOUT;
		if (errno != EINTR)
			return -errno;
	}
}

static int
call_connect(int fd, const struct sockaddr_un *address, uint32_t timeout_ms)
{
	/* The send timeout is what bounds the wait for room in the listener's queue: unix(7)
	 * sockets have no connection in progress that poll could wait for. */
	struct timeval timeout = {
		.tv_sec = (time_t)(timeout_ms / 1000),
		.tv_usec = (suseconds_t)(timeout_ms % 1000 * 1000),
	};
	if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout)) < 0)
		return -errno;
	while (connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0)
		if (errno != EINTR)
			return errno == EAGAIN ? -ETIMEDOUT : -errno;
	return 0;
}

static int
call_send(int fd, const char *bytes, size_t length, struct mono deadline)
{
	while (length > 0) {
		ssize_t n = send(fd, bytes, length, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n >= 0) {
			bytes += n;
			length -= (size_t)n;
		} else if (errno == EAGAIN) {
			int rc = call_wait(fd, POLLOUT, deadline);
			if (rc < 0)
				return rc;
		} else if (errno != EINTR) {
			return -errno;
		}
	}
	return 0;
}

/* Receives up to the newline: 0, *line (to be freed, in case of an error too) and its length. */
static int
call_receive(int fd, char **line, size_t *length, struct mono deadline)
{
	size_t used = 0, size = 0;
	for (;;) {
		if (used == size) {
			size = size ? size * 2 : CONTROL_REQUEST_BYTES_MAX;
			if (size > ANSWER_BYTES_MAX)
				return -EMSGSIZE;
			char *larger = realloc(*line, size);
			if (!larger)
				return -ENOMEM;
			*line = larger;
		}
		int rc = call_wait(fd, POLLIN, deadline);
		if (rc < 0)
			return rc;
		ssize_t n = recv(fd, *line + used, size - used, MSG_DONTWAIT);
		if (n == 0)
			return -ECONNRESET;
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return -errno;
		if (n < 0)
			continue;
		char *newline = memchr(*line + used, '\n', (size_t)n);
		used += (size_t)n;
		if (newline) {
			*length = (size_t)(newline - *line);
			return 0;
		}
	}
}

/* Exchanges one line for another over a new connection; as call_receive. */
static int
call_exchange(const struct sockaddr_un *address, const char *request, uint32_t timeout_ms,
	char **line, size_t *length)
{
	struct mono deadline = mono_add_ms(mono_now(), timeout_ms);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	int rc = call_connect(fd, address, timeout_ms);
	if (rc == 0)
		rc = call_send(fd, request, strlen(request), deadline);
	if (rc == 0)
		rc = call_send(fd, "\n", 1, deadline);
	/* Refused before it was all read: the answer that says why may be there nonetheless. */
	if (rc == 0 || rc == -EPIPE)
		rc = call_receive(fd, line, length, deadline);
	close(fd);
	return rc;
}

int
control_call(
	const char *path, json_t *request, uint32_t timeout_ms, json_t **reply, struct error *err)
{
	struct sockaddr_un address;
	int rc = control_address(&address, path, err);
	if (rc < 0)
		return rc;
	char *request_line = json_dumps(request, JSON_COMPACT);
	if (!request_line)
		return error_set(err, -EINVAL, "the request cannot be written as JSON");
	char *line = NULL;
	size_t length = 0;
	rc = call_exchange(&address, request_line, timeout_ms, &line, &length);
	free(request_line);
	if (rc < 0) {
		free(line);
		return error_set(
			err, rc, "no answer from the daemon at %s: %s", path, strerror(-rc));
	}
	*reply = json_loadb(line, length, 0, NULL);
	free(line);
	if (!json_is_boolean(json_object_get(*reply, "ok"))) {
		json_decref(*reply);
		*reply = NULL;
		return error_set(
			err, -EPROTO, "what listens at %s does not answer as fairlead does", path);
	}
	return 0;
}
