/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A probe: one question to one backend, whose answer is good or bad. What the types have in common;
 * each is a file that fills in a struct probe_type.
 *
 *   probe_new ──probe_start──> under way ──done──> probe_end
 *                   │              └──timeout: probe_expire──^
 *                   └─ -errno ───────────────────────────────^
 *
 * `done` is called once at most, from the loop, never from within a function of this header. It ends
 * the probe, so a type that has called it touches the probe no more. probe_end may come at any
 * moment before as well, except from within a type's own code.
 *
 * Control only, in its event loop.
 */
#ifndef FAIRLEAD_PROBE_H
#define FAIRLEAD_PROBE_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "config.h"
#include "error.h"
#include "health.h"
#include "mono.h"

struct probe;
struct http_prober;
struct icmp_prober;
struct exec_prober;

enum probe_outcome {
	PROBE_GOOD,
	PROBE_BAD,
	PROBE_NO_WAY, /* bad, but for want of a way from here, which is perhaps not there yet */
	PROBE_VOID,   /* it could not be made, for our own reasons: says nothing of the backend */
};

/* What all probes share. Whose member is NULL, no probe has needed it yet. */
struct prober {
	struct event_base *loop;
	struct health_path path;
	const char *ca_file; /* NULL: the system's */
	struct http_prober *http;
	struct icmp_prober *icmp;
	struct exec_prober *exec;
};

/* Why is "" with PROBE_GOOD, else a sentence. */
typedef void probe_done(struct probe *probe, enum probe_outcome outcome, const char *why);

/* What a probe needs while it is under way, of which there is only so much. */
enum probe_resource {
	PROBE_USES_SOCKET,
	PROBE_USES_PROGRAM,
	PROBE_RESOURCES,
};

struct probe_type {
	size_t bytes; /* of the type's own struct, which begins with a struct probe */
	enum probe_resource resource;
	/* 0, or a negative errno and the sentence; the probe is ended by the caller then. */
	int (*start)(struct probe *probe, struct error *err);
	/* Writes what did not come in time. */
	void (*expire)(struct probe *probe, struct error *why);
	/* Frees what is the type's own; NULL if nothing is. Also after a start that failed. */
	void (*end)(struct probe *probe);
};

extern const struct probe_type probe_tcp, probe_http, probe_dns, probe_icmp, probe_exec;

struct probe {
	const struct probe_type *type;
	struct prober *prober;
	const struct config_health *settings;
	const struct health_target *target;
	uint16_t weight;
	probe_done *done;
	void *context; /* of who waits for it */

	/* Of types that need them: */
	int fd; /* -1: none */
	bool has_event;
	struct event event;
	struct sockaddr_storage destination; /* the backend, until the path says otherwise */
	uint32_t path_cookie;		     /* 0: none */
	uint16_t sequence;		     /* of an echo request; no other under way has it */
};

enum probe_resource probe_resource(const struct config_health *settings);

/* NULL when memory is out. Everything but `settings` and `target`, which outlive it, is copied. */
struct probe *probe_new(struct prober *prober, const struct config_health *settings,
	const struct health_target *target, uint16_t weight, probe_done *done, void *context);
int probe_start(struct probe *probe, struct error *err);
void probe_expire(struct probe *probe, struct error *why);
/* Closes, kills and frees whatever is under way. NULL is allowed. */
void probe_end(struct probe *probe);

/* PROBE_VOID for an errno that speaks of what this process lacks, PROBE_NO_WAY for one of a missing
 * route, else PROBE_BAD. */
enum probe_outcome probe_blame(int code);

/* What types are made of */

/* Of the socket that it will have: AF_INET or AF_INET6. */
int probe_family(const struct probe *probe);

/*
 * A socket that does not block, in probe->fd, and where it is to go, in probe->destination; on the
 * path, if the settings say so. TCP ends by reset. Gives up the socket that it had before.
 * 0; or a negative errno and the sentence.
 */
int probe_socket(struct probe *probe, int type, int protocol, struct error *err);
/* Closes the socket and gives up its way. */
void probe_socket_close(struct probe *probe);

/* Connects it. 0, also when it is under way; or a negative errno and the sentence. */
int probe_connect(struct probe *probe, struct error *err);
socklen_t probe_destination_length(const struct probe *probe);

/* Calls `ready` whenever the socket is readable (EV_READ) or writable. 0 or -ENOMEM. */
int probe_wait(struct probe *probe, short what, event_callback_fn ready, struct error *err);

/* "10.0.0.11 port 80", or "192.0.2.80 port 80, by way of 10.0.0.11". Returns `text`. */
#define PROBE_WHERE_MAX (2 * ADDR_TEXT_MAX + 32)
const char *probe_where(const struct probe *probe, char text[PROBE_WHERE_MAX]);

/* "connection refused by 10.0.0.11 port 80": the sentence for `error` of a socket. Returns -error. */
int probe_socket_error(const struct probe *probe, int error, struct error *err);

/* Ends with a sentence. The probe is gone after it. */
void probe_good(struct probe *probe);
void probe_bad(struct probe *probe, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* With what start or a socket said: bad, without a way, or void if it is ours. */
void probe_failed(struct probe *probe, int code, const struct error *err);

/* Shared parts are freed with the prober, when no probe is left. NULL is allowed. */
void http_prober_free(struct http_prober *http);
void icmp_prober_free(struct icmp_prober *icmp);
void exec_prober_free(struct exec_prober *exec);

#endif
