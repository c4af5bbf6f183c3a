/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Health checks: one a backend, in the control loop, none of which ever blocks it.
 *
 *   configuration ──health_configure──> checks ──timer──> probe (tcp, http, dns, icmp, exec)
 *                                          ^                  │ good or bad, and why
 *                                          └──── rise, fall ──┘
 *                                          │ verdict changes
 *                                          v
 *                                    on_change ──> standing.h ──> the next snapshot
 *
 *                 good x rise                          The interval is fast_interval_ms while a
 *        ┌───────────────────────────┐                 run of good or bad probes has begun that
 *        │                           v                 has not yet changed the verdict.
 *   UNKNOWN ──first probe──> DOWN   UP
 *        └──first probe──────────────^│                A probe that has not ended after timeout_ms
 *                            ^────────┘                is bad, and is ended.
 *                             bad x fall
 *
 * The first probe of a check decides alone: a backend that is new or an edge that has just started
 * should not wait for `rise`. First probes are spread over the interval (at most a second), so that
 * thousands of checks never come at once; the phase of each stays.
 *
 * A check whose backend (by name), address and settings are the same after a reload goes on as if
 * nothing had happened. With other settings its verdict stays until the new check decides by rise and
 * fall, counted anew; at another address the first probe decides alone.
 *
 * A probe that cannot be made for want of something of ours (descriptors, memory, a free port, an
 * address to ask from, the permission) decides nothing: it shows as last failure, and the next one
 * comes at its time. One that has no way to the backend is bad but never decides alone, since an edge
 * that starts gets its addresses and routes, and learns its neighbours, while probes begin.
 *
 * Control only, in its event loop. Sources: HTTP by libcurl's multi interface, DNS messages by ldns,
 * ICMP echo by RFC 792 and 4443.
 */
#ifndef FAIRLEAD_HEALTH_H
#define FAIRLEAD_HEALTH_H

#include <sys/socket.h>
#include <time.h>

#include "config.h"
#include "error.h"
#include "mono.h"

struct event_base;
struct health;

enum health_verdict {
	HEALTH_UNCHECKED, /* the pool has no "health" */
	HEALTH_UNKNOWN,	  /* no probe has decided yet */
	HEALTH_UP,
	HEALTH_DOWN,
};

#define HEALTH_REASON_MAX  160
#define HEALTH_CHANGES_MAX 8 /* kept of a backend */

struct health_change {
	time_t at; /* wall clock, for people */
	enum health_verdict verdict;
	char reason[HEALTH_REASON_MAX]; /* "HTTP status 503, wanted 200-299" */
};

/* What is known of one backend. */
struct health_report {
	enum health_verdict verdict;
	struct mono since; /* the verdict */
	uint64_t probes, failures;
	uint32_t run;			      /* good ones in a row while DOWN, else bad ones */
	uint32_t duration_us;		      /* of the last probe that has ended */
	char last_failure[HEALTH_REASON_MAX]; /* "" if there was none */
	time_t last_failure_at;
	struct health_change changes[HEALTH_CHANGES_MAX]; /* newest first */
	uint32_t change_count;
};

/* Who is checked: strings of the configuration, valid for the call. */
struct health_target {
	const char *pool, *backend;
	struct ip_addr address;
	uint16_t port; /* in host order; 0 with icmp */
};

/*
 * How a probe with "via": "path" gets onto the path (HEALTH_VIA_PATH): the way is the caller's, who
 * has snapshots and ports.
 *
 * `family` says of which family the VIP is, AF_INET or AF_INET6: the socket is made of it. A tunnel
 * need not be of the family of what it carries.
 * `prepare` gets a socket that is not yet connected (TCP or UDP; raw for ICMP, and then the sequence
 * number of the echo request, which no other probe under way has; else 0), binds it, marks it, and
 * writes where it is to be connected, or to send, instead of the backend: a VIP. 0 and a
 * `*cookie` that is not 0; or the sentence in `err` and a negative errno: -EHOSTUNREACH, the backend
 * cannot be reached, and the probe is bad; -ENETUNREACH, there is no way to it, or not yet; any other,
 * this edge lacks something, and the probe decides nothing.
 * `forget` gives the cookie back when the probe has ended; its socket is closed by then.
 */
struct health_path {
	/* NULL: that of the backend. */
	int (*family)(void *context, const struct health_target *target);
	int (*prepare)(void *context, const struct health_target *target, int fd, int protocol,
		uint16_t sequence, struct sockaddr_storage *destination, uint32_t *cookie,
		struct error *err);
	void (*forget)(void *context, uint32_t cookie);
	void *context;
};

struct health_options {
	struct event_base *loop;
	struct health_path path; /* prepare NULL: such probes are bad, "no path" */
	const char *ca_file; /* whom https trusts, kept by the caller; NULL: whom the system does */
	/* A verdict has changed. Called from the loop, never from within a function of this header; it
	 * may ask for reports and verdicts, and neither configure nor destroy. */
	void (*on_change)(void *context, const char *pool, const char *backend,
		enum health_verdict before, enum health_verdict now, const char *reason);
	void *context;
};

/* 0 or -ENOMEM. What the types of probes need is opened when the first of them does. */
int health_create(struct health **health, const struct health_options *options, struct error *err);
/* Ends every probe, kills every program: no process is left but one that the kernel holds up, for
 * which it waits a second at most. NULL is allowed. */
void health_destroy(struct health *health);

/*
 * From now on the checks are those of `config`, which is not kept: names and settings are copied. On
 * -ENOMEM the checks are what they were.
 */
int health_configure(struct health *health, const struct config *config, struct error *err);

/* False if no such backend is checked or known; then report->verdict is HEALTH_UNCHECKED. */
bool health_report(const struct health *health, const char *pool, const char *backend,
	struct health_report *report);

/* Just the verdict and since when, cheaply: called for every backend when a snapshot is built. */
enum health_verdict health_verdict(
	const struct health *health, const char *pool, const char *backend, struct mono *since);

struct health_counters {
	uint64_t checks, up, down, unknown; /* now */
	uint64_t probes, failures, late; /* ever; late: began more than 100 ms after their time */
	uint32_t running;		 /* probes under way */
};
struct health_counters health_counters(const struct health *health);

/* "up", "down", "unknown", "unchecked". */
const char *health_verdict_name(enum health_verdict verdict);

#endif
