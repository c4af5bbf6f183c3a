/* SPDX-License-Identifier: BSD-3-Clause */
#include "probe.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct probe_type *const types[] = {
	[HEALTH_TCP] = &probe_tcp,
	[HEALTH_HTTP] = &probe_http,
	[HEALTH_HTTPS] = &probe_http,
	[HEALTH_DNS] = &probe_dns,
	[HEALTH_ICMP] = &probe_icmp,
	[HEALTH_EXEC] = &probe_exec,
};

enum probe_resource
probe_resource(const struct config_health *settings)
{
	return types[settings->type]->resource;
}

static void
destination_set(struct probe *probe)
{
	const struct health_target *target = probe->target;
	if (addr_is_v4(&target->address)) {
		struct sockaddr_in *v4 = (struct sockaddr_in *)&probe->destination;
		*v4 = (struct sockaddr_in){
			.sin_family = AF_INET,
			.sin_port = htons(target->port),
			.sin_addr.s_addr = addr_v4(&target->address),
		};
		return;
	}
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&probe->destination;
	*v6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons(target->port)};
	memcpy(&v6->sin6_addr, target->address.bytes, sizeof(v6->sin6_addr));
}

struct probe *
probe_new(struct prober *prober, const struct config_health *settings,
	const struct health_target *target, uint16_t weight, probe_done *done, void *context)
{
	const struct probe_type *type = types[settings->type];
	struct probe *probe = calloc(1, type->bytes);
	if (!probe)
		return NULL;
	probe->type = type;
	probe->prober = prober;
	probe->settings = settings;
	probe->target = target;
	probe->weight = weight;
	probe->done = done;
	probe->context = context;
	probe->fd = -1;
	destination_set(probe);
	return probe;
}

int
probe_start(struct probe *probe, struct error *err)
{
	return probe->type->start(probe, err);
}

void
probe_expire(struct probe *probe, struct error *why)
{
	probe->type->expire(probe, why);
}

void
probe_end(struct probe *probe)
{
	if (!probe)
		return;
	if (probe->type->end)
		probe->type->end(probe);
	probe_socket_close(probe);
	free(probe);
}

enum probe_outcome
probe_blame(int code)
{
	switch (code) {
	case -EMFILE:
	case -ENFILE:
	case -ENOBUFS:
	case -ENOMEM:
	case -EAGAIN: /* of connect: no port is free; of posix_spawn: too many processes */
	case -EADDRNOTAVAIL:
	case -EAFNOSUPPORT:
	case -EPERM:
		return PROBE_VOID;
	case -ENETUNREACH:
		return PROBE_NO_WAY;
	default:
		return PROBE_BAD;
	}
}

/* Sockets */

int
probe_family(const struct probe *probe)
{
	const struct health_path *path = &probe->prober->path;
	if (probe->settings->via == HEALTH_VIA_PATH && path->family)
		return path->family(path->context, probe->target);
	return addr_is_v4(&probe->target->address) ? AF_INET : AF_INET6;
}

/* What the path says is about the backend or the way to it; all else it says is about this edge. */
static int
path_prepare(struct probe *probe, int protocol, struct error *err)
{
	const struct health_path *path = &probe->prober->path;
	if (!path->prepare)
		return error_set(err, -EHOSTUNREACH, "no path");
	int rc = path->prepare(path->context, probe->target, probe->fd, protocol, probe->sequence,
		&probe->destination, &probe->path_cookie, err);
	return rc == 0 || rc == -EHOSTUNREACH || rc == -ENETUNREACH ? rc : -EADDRNOTAVAIL;
}

int
probe_socket(struct probe *probe, int type, int protocol, struct error *err)
{
	probe_socket_close(probe);
	probe->fd = socket(probe_family(probe), type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
	if (probe->fd < 0)
		return error_set(err, -errno, "no socket for the probe: %s", strerror(errno));
	/* A reset leaves no TIME_WAIT behind: at ten thousand probes a second, ports would run out. */
	struct linger reset = {.l_onoff = 1, .l_linger = 0};
	if (type == SOCK_STREAM)
		setsockopt(probe->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	destination_set(probe);
	if (probe->settings->via == HEALTH_VIA_PATH)
		return path_prepare(probe, protocol, err);
	return 0;
}

void
probe_socket_close(struct probe *probe)
{
	if (probe->has_event)
		event_del(&probe->event);
	probe->has_event = false;
	if (probe->fd >= 0)
		close(probe->fd);
	probe->fd = -1;
	const struct health_path *path = &probe->prober->path;
	if (probe->path_cookie != 0)
		path->forget(path->context, probe->path_cookie);
	probe->path_cookie = 0;
}

socklen_t
probe_destination_length(const struct probe *probe)
{
	return probe->destination.ss_family == AF_INET ? sizeof(struct sockaddr_in)
						       : sizeof(struct sockaddr_in6);
}

int
probe_connect(struct probe *probe, struct error *err)
{
	if (connect(probe->fd, (const struct sockaddr *)&probe->destination,
		    probe_destination_length(probe)) < 0 &&
		errno != EINPROGRESS)
		return probe_socket_error(probe, errno, err);
	return 0;
}

int
probe_wait(struct probe *probe, short what, event_callback_fn ready, struct error *err)
{
	if (probe->has_event)
		event_del(&probe->event);
	probe->has_event = event_assign(&probe->event, probe->prober->loop, probe->fd,
				   (short)(what | EV_PERSIST), ready, probe) == 0 &&
			   event_add(&probe->event, NULL) == 0;
	if (!probe->has_event)
		return error_set(err, -ENOMEM, "the probe's socket cannot be waited for");
	return 0;
}

/* Sentences */

const char *
probe_where(const struct probe *probe, char text[PROBE_WHERE_MAX])
{
	char asked[ADDR_TEXT_MAX], backend[ADDR_TEXT_MAX], by_way[ADDR_TEXT_MAX + 16] = "";
	uint16_t port;
	if (probe->destination.ss_family == AF_INET) {
		const struct sockaddr_in *v4 = (const struct sockaddr_in *)&probe->destination;
		inet_ntop(AF_INET, &v4->sin_addr, asked, sizeof(asked));
		port = ntohs(v4->sin_port);
	} else {
		const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&probe->destination;
		inet_ntop(AF_INET6, &v6->sin6_addr, asked, sizeof(asked));
		port = ntohs(v6->sin6_port);
	}
	if (probe->settings->via == HEALTH_VIA_PATH)
		snprintf(by_way, sizeof(by_way), ", by way of %s",
			addr_format(&probe->target->address, backend));
	if (port != 0)
		snprintf(text, PROBE_WHERE_MAX, "%s port %u%s", asked, port, by_way);
	else
		snprintf(text, PROBE_WHERE_MAX, "%s%s", asked, by_way);
	return text;
}

int
probe_socket_error(const struct probe *probe, int error, struct error *err)
{
	char where[PROBE_WHERE_MAX];
	probe_where(probe, where);
	switch (error) {
	case ECONNREFUSED:
		return error_set(err, -error, "connection refused by %s", where);
	case ECONNRESET:
	case EPIPE:
		return error_set(err, -error, "connection reset by %s", where);
	case ETIMEDOUT:
		return error_set(err, -error, "no answer from %s", where);
	case EHOSTUNREACH:
	case ENETUNREACH:
		return error_set(err, -error, "no way to %s: %s", where, strerror(error));
	default:
		return error_set(err, -error, "%s: %s", where, strerror(error));
	}
}

void
probe_good(struct probe *probe)
{
	probe->done(probe, PROBE_GOOD, "");
}

void
probe_bad(struct probe *probe, const char *format, ...)
{
	struct error why;
	va_list args;
	va_start(args, format);
	vsnprintf(why.text, sizeof(why.text), format, args);
	va_end(args);
	probe->done(probe, PROBE_BAD, why.text);
}

void
probe_failed(struct probe *probe, int code, const struct error *err)
{
	probe->done(probe, probe_blame(code), err->text);
}
