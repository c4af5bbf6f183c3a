/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tcp: good when the connection is there. It is reset at once, and no byte is sent.
 */
#include "probe.h"

#include <errno.h>

static void
on_connected(evutil_socket_t fd, short what, void *context)
{
	(void)what;
	struct probe *probe = context;
	int error = 0;
	socklen_t length = sizeof(error);
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) < 0)
		error = errno;
	if (error == 0) {
		probe_good(probe);
		return;
	}
	struct error err;
	int rc = probe_socket_error(probe, error, &err);
	probe_failed(probe, rc, &err);
}

static int
tcp_start(struct probe *probe, struct error *err)
{
	int rc = probe_socket(probe, SOCK_STREAM, IPPROTO_TCP, err);
	if (rc == 0)
		rc = probe_connect(probe, err);
	return rc < 0 ? rc : probe_wait(probe, EV_WRITE, on_connected, err);
}

static void
tcp_expire(struct probe *probe, struct error *why)
{
	char where[PROBE_WHERE_MAX];
	error_set(why, -ETIMEDOUT, "no connection to %s within %u ms", probe_where(probe, where),
		probe->settings->timeout_ms);
}

const struct probe_type probe_tcp = {
	.bytes = sizeof(struct probe),
	.resource = PROBE_USES_SOCKET,
	.start = tcp_start,
	.expire = tcp_expire,
};
