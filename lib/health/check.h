/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One check: when its probes come, and what they decide. The states and rules are drawn in health.h.
 *
 *   launched ──> timer ──due──> gate ──room──> probe under way ──ended or timed out──> timer …
 *                                 └─none──> waits in line ──^
 *
 * Every check has one timer: for its next probe, or for the end of the one under way.
 * Control only, in its event loop.
 */
#ifndef FAIRLEAD_CHECK_H
#define FAIRLEAD_CHECK_H

#include <sys/queue.h>

#include "check_settings.h"
#include "health.h"
#include "probe.h"
#include "wheel.h"

struct check;
TAILQ_HEAD(check_line, check);

/* Keeps the probes that use one resource at a number; the checks beyond wait in line. */
struct check_gate {
	uint32_t running, max;
	const char *things; /* that run */
	struct check_line line;
	struct event room; /* made active when a probe has ended and somebody waits */
};

/* What all checks share. */
struct checker {
	struct wheel *wheel;
	struct prober prober;
	struct check_gate gates[PROBE_RESOURCES];
	struct mono may_complain;	 /* about what is ours: a line a minute */
	struct health_counters counters; /* the fields "ever", and running */
	const struct health_options *options;
};

struct check {
	struct wheel_timer timer; /* first: on_timer finds the check by it */
	TAILQ_ENTRY(check) in_line;
	struct checker *checker;
	struct check_settings *settings;
	struct health_target target; /* names are in `names` */
	uint16_t weight;
	uint64_t hash; /* of the names */
	bool is_launched, is_in_line;
	bool decides_alone; /* the next probe that has a way does, without rise and fall */
	bool is_extended;   /* the loop was held up: the probe has been given more time */
	struct probe *probe;
	struct mono due;   /* of the next probe, or of the one under way */
	struct mono began; /* the probe under way */
	struct health_report report;
	char names[]; /* of the pool and of the backend, each with its NUL */
};

/* 0, or -ENOMEM. `options` stay the caller's and outlive it. */
int checker_open(struct checker *checker, const struct health_options *options);
/* When no check is left. */
void checker_close(struct checker *checker);
/* Takes note of how many descriptors the process may have by now. */
void checker_limit(struct checker *checker);

uint64_t check_hash(const char *pool, const char *backend);

/* Not yet launched, of verdict UNKNOWN. A holder of `settings`. NULL when memory is out. */
struct check *check_new(struct checker *checker, struct check_settings *settings, const char *pool,
	const struct config_backend *backend);
/* Ends its probe too. NULL is allowed. */
void check_free(struct check *check);

/* What a reload says of it. Starts it, if it is not started; if something has changed, ends the
 * probe under way and starts anew. */
void check_apply(
	struct check *check, struct check_settings *settings, const struct config_backend *backend);

#endif
