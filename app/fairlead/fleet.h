/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The fleet: what is known of the backends beyond the configuration. Operators' drains, health
 * verdicts, slow starts; from them the standing of each (standing.h), and a new snapshot when one
 * changes. Changes within FLEET_SETTLE_MS become one snapshot. Control only.
 */
#ifndef FAIRLEAD_FLEET_H
#define FAIRLEAD_FLEET_H

#include <time.h>

#include "config.h"
#include "error.h"
#include "health.h"
#include "mono.h"
#include "standing.h"

struct daemon;
struct event_base;
struct fleet;

#define FLEET_SETTLE_MS 20

/* An operator's drain. */
struct fleet_drain {
	const char *pool, *backend;
	enum backend_state
		configured;	/* what the file said then; if it says otherwise later, it wins */
	time_t began, deadline; /* wall clock; deadline 0: none */
};

/* 0 or -ENOMEM. Before the first snapshot is built. */
int fleet_create(struct fleet **fleet, struct daemon *daemon, struct error *err);
void fleet_destroy(struct fleet *fleet);

/* Checks begin: the loop is there, the first snapshot too. */
int fleet_start(struct fleet *fleet, struct event_base *loop, struct error *err);

/* Standings for a snapshot that is being built (snapshot_base.standings); `fleet` is the context. */
void fleet_standings(
	void *fleet, const struct config *config, uint32_t pool, struct standing *standings);

/* A configuration has come into force: checks follow it, drains that the file overrules end. */
void fleet_configured(struct fleet *fleet, const struct config *config);

/*
 * Drains a backend of the configuration in force: no new flows from the next snapshot on, which is
 * published before this returns. `deadline` of 0: its flows stay until they end. -ENOENT; -EALREADY
 * if the file itself drains or disables it; -EEXIST if it is drained so already (the deadline
 * is changed). Undraining: -ENOENT if no operator drains it.
 */
int fleet_drain(struct fleet *fleet, const char *pool, const char *backend, time_t deadline,
	struct error *err);
int fleet_undrain(struct fleet *fleet, const char *pool, const char *backend, struct error *err);

/* Takes over a drain of before the restart; before fleet_start. Quietly nothing if there is no such
 * backend or the file says otherwise. */
int fleet_resume_drain(struct fleet *fleet, const struct fleet_drain *drain);

/* The drains in force, in no order; valid until the next call of anything here. */
const struct fleet_drain *fleet_drains(const struct fleet *fleet, uint32_t *count);

/* The standing of a backend of the configuration in force, and who drains it (NULL: no operator). */
struct standing fleet_standing(const struct fleet *fleet, uint32_t pool, uint32_t backend);
const struct fleet_drain *fleet_drain_of(
	const struct fleet *fleet, const char *pool, const char *backend);
const struct health *fleet_health(const struct fleet *fleet);

#endif
