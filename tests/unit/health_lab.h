/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * For the tests of health checks: one struct health on a loop, a configuration of one pool that is
 * filled in by hand, what on_change has said, and servers that live in the same loop.
 */
#ifndef FAIRLEAD_HEALTH_LAB_H
#define FAIRLEAD_HEALTH_LAB_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <event2/listener.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "health.h"

#define WAIT_MS	     10000 /* never reached, unless something is broken */
#define BACKENDS_LAB 64

struct lab {
	struct event_base *loop;
	struct health *health;
	struct health_options options;
	struct config config;
	struct config_pool pool;
	struct config_backend backends[BACKENDS_LAB];
	char names[BACKENDS_LAB][8];
	struct config_status_range good_statuses[2];
	unsigned peers; /* connections that servers of the lab have open */
	unsigned changes;
	enum health_verdict before, now; /* of the last change */
	char changed[16], reason[HEALTH_REASON_MAX];
};

/* Counts what is open, but not the directory that is read for it. */
static inline unsigned
open_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	assert_non_null(dir);
	unsigned count = 0;
	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

static inline void
on_lab_change(void *context, const char *pool, const char *backend, enum health_verdict before,
	enum health_verdict now, const char *reason)
{
	struct lab *lab = context;
	assert_string_equal(pool, "p");
	lab->changes++;
	lab->before = before;
	lab->now = now;
	snprintf(lab->changed, sizeof(lab->changed), "%s", backend);
	snprintf(lab->reason, sizeof(lab->reason), "%s", reason);
}

/* Backends b00, b01, … at `address`, all of them. */
static inline void
lab_backends(struct lab *lab, uint32_t count, const char *address)
{
	assert_true(count <= BACKENDS_LAB);
	for (uint32_t i = 0; i < count; i++) {
		snprintf(lab->names[i], sizeof(lab->names[i]), "b%02u", i % 100);
		lab->backends[i] = (struct config_backend){.name = lab->names[i], .weight = 100};
		assert_int_equal(addr_parse(address, &lab->backends[i].address), 0);
	}
	lab->pool.backend_count = count;
}

/* A pool "p" with checks of `type`, quick ones, and one backend at 127.0.0.1. */
static inline void
lab_open(struct lab *lab, enum health_type type, uint16_t port)
{
	*lab = (struct lab){
		.pool = {.name = "p",
			.health = {.type = type,
				.port = port,
				.path = "/",
				.status_count = 1,
				.interval_ms = 50,
				.fast_interval_ms = 50,
				.timeout_ms = 2000,
				.rise = 2,
				.fall = 3}},
		.good_statuses = {{200, 299}},
	};
	lab->pool.backends = lab->backends;
	lab->pool.health.statuses = lab->good_statuses;
	lab->config.pools = &lab->pool;
	lab->config.pool_count = 1;
	lab_backends(lab, 1, "127.0.0.1");
	lab->loop = event_base_new();
	assert_non_null(lab->loop);
	lab->options = (struct health_options){
		.loop = lab->loop,
		.on_change = on_lab_change,
		.context = lab,
	};
}

/* With the options and the configuration as they are now: the first time, creates. */
static inline void
lab_configure(struct lab *lab)
{
	struct error err = {""};
	unsigned changes = lab->changes;
	if (!lab->health)
		assert_int_equal(health_create(&lab->health, &lab->options, &err), 0);
	assert_int_equal(health_configure(lab->health, &lab->config, &err), 0);
	assert_int_equal(lab->changes, changes);
}

static inline struct health_report
lab_report(const struct lab *lab)
{
	struct health_report report;
	assert_true(health_report(lab->health, "p", "b00", &report));
	return report;
}

static inline void
lab_run(struct lab *lab, unsigned ms)
{
	struct timeval left = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
	event_base_loopexit(lab->loop, &left);
	event_base_dispatch(lab->loop);
}

/* Runs the loop until `condition`; fails the test when that does not come. */
#define lab_until(lab, condition)                                                                  \
	do {                                                                                       \
		struct mono lab_end = mono_add_ms(mono_now(), WAIT_MS);                            \
		while (!(condition)) {                                                             \
			assert_true(mono_now().us < lab_end.us);                                   \
			lab_run(lab, 5);                                                           \
		}                                                                                  \
	} while (0)

static inline void
lab_close(struct lab *lab)
{
	health_destroy(lab->health);
	lab_until(lab, lab->peers == 0);
	event_base_free(lab->loop);
}

/* The first verdict, and why. */
static inline const char *
lab_first(struct lab *lab, enum health_verdict wanted)
{
	lab_configure(lab);
	lab_until(lab, lab->changes > 0);
	assert_int_equal(lab->before, HEALTH_UNKNOWN);
	if (lab->now != wanted)
		print_message("reason: %s\n", lab->reason);
	assert_int_equal(lab->now, wanted);
	return lab->reason;
}

/* That the first verdict comes for this reason, in which PORT stands for the number. */
static inline void
assert_first(struct lab *lab, enum health_verdict wanted, const char *reason)
{
	char text[HEALTH_REASON_MAX];
	const char *mark = strstr(reason, "PORT");
	if (mark)
		snprintf(text, sizeof(text), "%.*s%u%s", (int)(mark - reason), reason,
			lab->pool.health.port, mark + strlen("PORT"));
	else
		snprintf(text, sizeof(text), "%s", reason);
	assert_string_equal(lab_first(lab, wanted), text);
}

/* Servers */

/* What a TCP server does with those who come. */
struct lab_server {
	struct lab *lab;
	struct evconnlistener *listener;
	uint16_t port;
	const char *says; /* to each request that ends with an empty line; NULL: nothing, ever */
	bool closes;	  /* after that; or at once, if it says nothing */
	unsigned accepted;
	char request[2048]; /* the last one */
};

static inline void
on_server_sent(struct bufferevent *peer, void *context)
{
	struct lab_server *server = context;
	bufferevent_free(peer);
	server->lab->peers--;
}

static inline void
on_server_event(struct bufferevent *peer, short what, void *context)
{
	if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR))
		on_server_sent(peer, context);
}

static inline void
on_server_read(struct bufferevent *peer, void *context)
{
	struct lab_server *server = context;
	struct evbuffer *in = bufferevent_get_input(peer);
	if (!server->says || evbuffer_search(in, "\r\n\r\n", 4, NULL).pos < 0)
		return;
	int n = evbuffer_remove(in, server->request, sizeof(server->request) - 1);
	server->request[n > 0 ? n : 0] = '\0';
	bufferevent_write(peer, server->says, strlen(server->says));
	if (server->closes)
		bufferevent_setcb(peer, NULL, on_server_sent, on_server_event, server);
}

static inline void
on_server_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *from,
	int length, void *context)
{
	(void)from, (void)length;
	struct lab_server *server = context;
	server->accepted++;
	if (server->closes && !server->says) {
		close(fd);
		return;
	}
	struct bufferevent *peer = bufferevent_socket_new(
		evconnlistener_get_base(listener), fd, BEV_OPT_CLOSE_ON_FREE);
	server->lab->peers++;
	bufferevent_setcb(peer, on_server_read, NULL, on_server_event, server);
	bufferevent_enable(peer, EV_READ | EV_WRITE);
}

static inline uint16_t
port_of(int fd)
{
	struct sockaddr_storage address;
	socklen_t length = sizeof(address);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &length), 0);
	return ntohs(address.ss_family == AF_INET ? ((struct sockaddr_in *)&address)->sin_port
						  : ((struct sockaddr_in6 *)&address)->sin6_port);
}

/* A loopback address of either family, with a port (0: any). Returns its length. */
static inline socklen_t
loopback(struct sockaddr_storage *to, int family, uint16_t port)
{
	*to = (struct sockaddr_storage){.ss_family = (sa_family_t)family};
	if (family == AF_INET) {
		struct sockaddr_in *v4 = (struct sockaddr_in *)to;
		v4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		v4->sin_port = htons(port);
		return sizeof(*v4);
	}
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)to;
	v6->sin6_addr = in6addr_loopback;
	v6->sin6_port = htons(port);
	return sizeof(*v6);
}

static inline void
server_open(struct lab_server *server, struct lab *lab, int family, uint16_t port)
{
	struct sockaddr_storage at;
	socklen_t length = loopback(&at, family, port);
	server->lab = lab;
	server->listener = evconnlistener_new_bind(lab->loop, on_server_accept, server,
		LEV_OPT_CLOSE_ON_FREE | LEV_OPT_REUSEABLE, 128, (struct sockaddr *)&at,
		(int)length);
	assert_non_null(server->listener);
	server->port = port_of(evconnlistener_get_fd(server->listener));
}

static inline void
server_close(struct lab_server *server)
{
	evconnlistener_free(server->listener);
	server->listener = NULL;
}

/* A port of 127.0.0.1 at which nobody is: bound, so that it stays so, but not listening. */
static inline int
closed_port(int type, uint16_t *port)
{
	struct sockaddr_storage at;
	socklen_t length = loopback(&at, AF_INET, 0);
	int fd = socket(AF_INET, type, 0);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, length), 0);
	*port = port_of(fd);
	return fd;
}

#endif
