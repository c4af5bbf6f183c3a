/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The fleet: what is known of the backends beyond the configuration. Operators' drains, health
 * verdicts, slow starts; from them the standing of each (standing.h), and a new snapshot of the same
 * configuration when one changes. Changes within FLEET_SETTLE_MS become one snapshot.
 *
 *   drains ────────┐                        ┌──> rows, and the flows that are kept
 *   health verdicts┼─> facts ─> standings ──┤
 *   slow starts ───┘    ^                   └──> when to look again
 *                       └── by name, so that they outlive a configuration
 *
 * Control only.
 */
#ifndef FAIRLEAD_FLEET_H
#define FAIRLEAD_FLEET_H

#include "drains.h"
#include "error.h"
#include "health.h"
#include "standing.h"

struct daemon;
struct event_base;
struct fleet;
struct probe_path;

#define FLEET_SETTLE_MS 20

/* 0 or -ENOMEM. Before the first snapshot is built. */
int fleet_create(struct fleet **fleet, struct daemon *daemon, struct error *err);
/* NULL is allowed. */
void fleet_destroy(struct fleet *fleet);

/* Checks begin: the loop is there, and the first snapshot. */
int fleet_start(struct fleet *fleet, struct event_base *loop, struct error *err);
/* Checks end: before the loop goes. NULL is allowed. */
void fleet_stop(struct fleet *fleet);

/* Standings for a snapshot that is being built (snapshot_base.standings); `fleet` is the context.
 * 0 or -ENOMEM. */
int fleet_standings(
	void *fleet, const struct config *config, uint32_t pool, struct standing *standings);

/* A snapshot of another configuration has come into force: checks follow it, drains that the file
 * overrules end. */
void fleet_configured(struct fleet *fleet);

#define FLEET_PANIC_MAX 256

/* Whether a pool of the snapshot in force panics; then a sentence of what becomes of its traffic. */
bool fleet_tell_panic(const struct fleet *fleet, uint32_t pool, char *text, size_t size);

/*
 * Drains a backend of the configuration in force: no new flows from the next snapshot on, which is
 * published before this returns. `deadline`, wall clock, moves the flows that are left then; 0: they
 * stay until they end. Draining again changes the deadline. -ENOENT; -EALREADY if the file itself
 * drains or disables it; -ENOMEM. Undraining: -ENOENT if no operator drains it.
 */
int fleet_drain(struct fleet *fleet, const char *pool, const char *backend, time_t deadline,
	struct error *err);
int fleet_undrain(struct fleet *fleet, const char *pool, const char *backend, struct error *err);

/* Takes over a drain of before the restart, after fleet_create and before the first snapshot. What
 * the file says by then decides whether it still counts. 0 or -ENOMEM. */
int fleet_resume_drain(struct fleet *fleet, const struct drain *drain);

/* The drains in force; valid until one begins or ends. */
const struct drains *fleet_drains(const struct fleet *fleet);

/* NULL before fleet_start. */
const struct health *fleet_health(const struct fleet *fleet);
const struct probe_path *fleet_path(const struct fleet *fleet);

#endif
