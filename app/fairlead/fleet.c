/* SPDX-License-Identifier: BSD-3-Clause */
#include "fleet.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon.h"
#include "log.h"
#include "probe_path.h"

/* After a snapshot could not be built. */
#define RETRY_MS 1000

/* What is remembered of a backend of the configuration in force. */
struct member {
	const char *name;
	bool is_new; /* came by a reload, and no probe has ended since */
	struct mono starts;
};

struct roster_pool {
	const char *name;
	struct member *members; /* in the configuration's order: by name */
	uint32_t count;
	bool in_panic; /* as was last logged */
};

/* Everybody of one configuration, whose strings it uses. */
struct roster {
	struct config *config; /* one more holder of it */
	struct roster_pool *pools;
};

struct fleet {
	struct daemon *daemon;
	struct health *health;
	struct probe_path *path; /* of checks that go by it */
	struct event *settle;	 /* standings may have changed: another snapshot */
	struct roster *roster;
	struct drains drains;
	struct mono next; /* when time alone changes a standing; 0: never */
};

static int
out_of_memory(struct error *err)
{
	return error_set(err, -ENOMEM, "not enough memory");
}

static void
roster_free(struct roster *roster)
{
	if (!roster)
		return;
	for (uint32_t p = 0; roster->pools && p < roster->config->pool_count; p++)
		free(roster->pools[p].members);
	free(roster->pools);
	config_free(roster->config);
	free(roster);
}

static int
compare_pool(const void *name, const void *element)
{
	return strcmp(name, ((const struct roster_pool *)element)->name);
}

static int
compare_member(const void *name, const void *element)
{
	return strcmp(name, ((const struct member *)element)->name);
}

static const struct roster_pool *
roster_find_pool(const struct roster *roster, const char *pool)
{
	return roster ? bsearch(pool, roster->pools, roster->config->pool_count,
				sizeof(*roster->pools), compare_pool)
		      : NULL;
}

static struct member *
roster_find(const struct roster *roster, const char *pool, const char *backend)
{
	const struct roster_pool *p = roster_find_pool(roster, pool);
	return p ? bsearch(backend, p->members, p->count, sizeof(*p->members), compare_member)
		 : NULL;
}

/* A member as it will be in the next configuration: as it is, or new to a daemon that runs. */
static struct member
carry_over(const struct roster *before, const char *pool, const char *backend)
{
	const struct member *known = roster_find(before, pool, backend);
	return (struct member){
		.name = backend,
		.is_new = known ? known->is_new : before != NULL,
		.starts = known ? known->starts : (struct mono){0},
	};
}

/* NULL when memory is out. */
static struct roster *
roster_make(struct config *config, const struct roster *before)
{
	struct roster *roster = calloc(1, sizeof(*roster));
	if (!roster)
		return NULL;
	roster->config = config_share(config);
	roster->pools = calloc(config->pool_count + 1, sizeof(*roster->pools));
	for (uint32_t p = 0; roster->pools && p < config->pool_count; p++) {
		const struct config_pool *pool = &config->pools[p];
		struct member *members = calloc(pool->backend_count, sizeof(*members));
		const struct roster_pool *known = roster_find_pool(before, pool->name);
		roster->pools[p] = (struct roster_pool){
			pool->name, members, pool->backend_count, known && known->in_panic};
		for (uint32_t b = 0; members && b < pool->backend_count; b++)
			members[b] = carry_over(before, pool->name, pool->backends[b].name);
		if (!members) {
			roster_free(roster);
			return NULL;
		}
	}
	if (!roster->pools) {
		roster_free(roster);
		return NULL;
	}
	return roster;
}

/* The drain of a backend, if the file still says what it said when that was ordered. */
static const struct drain *
drain_in_force(const struct fleet *f, const char *pool, const struct config_backend *backend)
{
	const struct drain *drain = drains_find(&f->drains, pool, backend->name);
	return drain && drain->configured == backend->state ? drain : NULL;
}

/* A moment of the wall clock on the monotonic one; what is past comes out as now. */
static struct mono
mono_of(time_t wall, struct mono now)
{
	time_t left = wall - time(NULL);
	return left > 0 ? mono_add_ms(now, (uint64_t)left * 1000) : now;
}

static struct standing_facts
facts_of(const struct fleet *f, const struct config_pool *pool, uint32_t b, struct mono now)
{
	const struct config_backend *backend = &pool->backends[b];
	const struct drain *drain = drain_in_force(f, pool->name, backend);
	const struct member member = carry_over(f->roster, pool->name, backend->name);
	struct standing_facts facts = {
		.drained_by_hand = drain != NULL,
		.is_new = member.is_new,
		.starts = member.starts,
	};
	if (drain && drain->deadline != 0)
		facts.drain_deadline = mono_of(drain->deadline, now);
	if (pool->health.type == HEALTH_NONE)
		return facts;
	if (f->health)
		facts.verdict = health_verdict(f->health, pool->name, backend->name, &facts.since);
	if (facts.verdict == HEALTH_UNCHECKED)
		facts.verdict = HEALTH_UNKNOWN;
	return facts;
}

int
fleet_standings(void *fleet, const struct config *config, uint32_t p, struct standing *standings)
{
	struct fleet *f = fleet;
	const struct config_pool *pool = &config->pools[p];
	struct mono now = mono_now();
	struct standing_facts *facts = calloc(pool->backend_count, sizeof(*facts));
	if (!facts)
		return -ENOMEM;
	for (uint32_t b = 0; b < pool->backend_count; b++)
		facts[b] = facts_of(f, pool, b, now);
	struct mono next = standing_of_pool(pool, facts, now, standings);
	if (next.us != 0 && (f->next.us == 0 || next.us < f->next.us))
		f->next = next;
	free(facts);
	return 0;
}

static void
settle_in(struct fleet *f, uint64_t ms)
{
	struct timeval delay = {
		.tv_sec = (time_t)(ms / 1000), .tv_usec = (suseconds_t)(ms % 1000 * 1000)};
	if (f->settle)
		event_add(f->settle, &delay);
}

/* Something has changed: soon, together with what else changes by then. */
static void
settle_soon(struct fleet *f)
{
	if (f->settle && !event_pending(f->settle, EV_TIMEOUT, NULL))
		settle_in(f, FLEET_SETTLE_MS);
}

/* At the next moment at which time changes a standing, if there is one. */
static void
settle_in_time(struct fleet *f)
{
	if (f->settle)
		event_del(f->settle);
	if (f->next.us != 0)
		settle_in(f, mono_ms_between(mono_now(), f->next) + 1);
}

bool
fleet_tell_panic(const struct fleet *f, uint32_t p, char *text, size_t size)
{
	const struct snapshot *snapshot = f->daemon->publish.snapshot;
	const struct config_pool *pool = &snapshot_config(snapshot)->pools[p];
	bool serves = false;
	for (uint32_t b = 0; b < pool->backend_count; b++)
		serves |= snapshot_standing(snapshot, p, b).weight > 0;
	if (!snapshot_standing(snapshot, p, 0).in_panic)
		return false;
	snprintf(text, size,
		"pool %s panics, with fewer healthy backends than min_healthy (%u): %s", pool->name,
		pool->min_healthy,
		serves ? "all that are active get traffic, whatever checks say" : "new flows stop");
	return true;
}

/* Which pools have begun to panic, or ended it, with the snapshot that is in force now. */
static void
log_panics(struct fleet *f)
{
	char text[FLEET_PANIC_MAX];
	for (uint32_t p = 0; f->roster && p < f->roster->config->pool_count; p++) {
		struct roster_pool *known = &f->roster->pools[p];
		bool in_panic = fleet_tell_panic(f, p, text, sizeof(text));
		if (in_panic && !known->in_panic)
			log_warning("%s", text);
		else if (!in_panic && known->in_panic)
			log_notice("pool %s panics no more", known->name);
		known->in_panic = in_panic;
	}
}

/* The configuration in force once more, with the standings of now. */
static int
publish_standings(struct fleet *f, struct error *err)
{
	struct daemon *d = f->daemon;
	struct snapshot *snapshot, *before = d->publish.snapshot;
	f->next = (struct mono){0};
	int rc = snapshot_build(&snapshot, &d->base, snapshot_share_config(before), before, err);
	if (rc < 0)
		return rc;
	rc = publish_put(&d->publish, snapshot, d->base.node_count);
	if (rc < 0) {
		snapshot_free(snapshot);
		return out_of_memory(err);
	}
	settle_in_time(f);
	log_panics(f);
	return 0;
}

static void
on_settle(evutil_socket_t fd, short what, void *context)
{
	(void)fd;
	(void)what;
	struct fleet *f = context;
	struct error err;
	if (publish_standings(f, &err) == 0)
		return;
	log_error(
		"backends have changed their standing, but no snapshot can be built: %s", err.text);
	settle_in(f, RETRY_MS);
}

static void
on_change(void *context, const char *pool, const char *backend, enum health_verdict before,
	enum health_verdict now, const char *reason)
{
	struct fleet *f = context;
	struct member *member = roster_find(f->roster, pool, backend);
	if (now == HEALTH_DOWN)
		log_warning("backend %s/%s is down: %s", pool, backend, reason);
	else if (before == HEALTH_DOWN || (member && member->is_new))
		log_notice("backend %s/%s is up: %s", pool, backend, reason);
	if (member) {
		bool comes_up = now == HEALTH_UP && (before == HEALTH_DOWN || member->is_new);
		member->starts = comes_up ? mono_now() : (struct mono){0};
		member->is_new = false;
	}
	settle_soon(f);
}

int
fleet_create(struct fleet **fleet, struct daemon *daemon, struct error *err)
{
	struct fleet *f = calloc(1, sizeof(*f));
	if (!f)
		return out_of_memory(err);
	f->daemon = daemon;
	*fleet = f;
	return 0;
}

void
fleet_destroy(struct fleet *f)
{
	if (!f)
		return;
	fleet_stop(f);
	roster_free(f->roster);
	drains_clear(&f->drains);
	free(f);
}

int
fleet_start(struct fleet *f, struct event_base *loop, struct error *err)
{
	f->settle = evtimer_new(loop, on_settle, f);
	if (!f->settle)
		return out_of_memory(err);
	int rc = probe_path_create(&f->path, f->daemon, loop, err);
	if (rc < 0)
		return rc;
	const struct health_options options = {
		.loop = loop,
		.path = probe_path_hooks(f->path),
		.on_change = on_change,
		.context = f,
	};
	rc = health_create(&f->health, &options, err);
	if (rc < 0)
		return rc;
	settle_in_time(f);
	return health_configure(f->health, f->roster->config, err);
}

void
fleet_stop(struct fleet *f)
{
	if (!f)
		return;
	health_destroy(f->health);
	f->health = NULL;
	probe_path_destroy(f->path);
	f->path = NULL;
	if (f->settle)
		event_free(f->settle);
	f->settle = NULL;
}

static const struct config_backend *
find_backend(const struct config *config, const char *pool, const char *backend)
{
	for (uint32_t p = 0; p < config->pool_count; p++) {
		const struct config_pool *candidate = &config->pools[p];
		if (strcmp(candidate->name, pool) != 0)
			continue;
		for (uint32_t b = 0; b < candidate->backend_count; b++)
			if (strcmp(candidate->backends[b].name, backend) == 0)
				return &candidate->backends[b];
	}
	return NULL;
}

static void
end_overruled_drains(struct fleet *f, const struct config *config)
{
	for (uint32_t i = f->drains.count; i > 0; i--) {
		struct drain *drain = &f->drains.list[i - 1];
		const struct config_backend *backend =
			find_backend(config, drain->pool, drain->backend);
		if (backend && backend->state == drain->configured)
			continue;
		log_notice("backend %s/%s: the drain of before ends, since the configuration %s",
			drain->pool, drain->backend,
			backend ? "says otherwise now" : "has no such backend");
		drains_remove(&f->drains, drain);
	}
}

void
fleet_configured(struct fleet *f)
{
	struct error err;
	struct config *config = snapshot_share_config(f->daemon->publish.snapshot);
	struct roster *roster = roster_make(config, f->roster);
	config_free(config);
	if (roster) {
		roster_free(f->roster);
		f->roster = roster;
	} else {
		log_error("not enough memory: which backends are new is not known");
	}
	end_overruled_drains(f, snapshot_config(f->daemon->publish.snapshot));
	settle_in_time(f);
	if (roster)
		log_panics(f);
	if (f->health &&
		health_configure(f->health, snapshot_config(f->daemon->publish.snapshot), &err) < 0)
		log_error("health checks stay as they were: %s", err.text);
}

int
fleet_drain(
	struct fleet *f, const char *pool, const char *backend, time_t deadline, struct error *err)
{
	const struct config *config = snapshot_config(f->daemon->publish.snapshot);
	const struct config_backend *found = find_backend(config, pool, backend);
	if (!found)
		return error_set(err, -ENOENT, "no backend is called %s/%s", pool, backend);
	if (found->state != BACKEND_ACTIVE)
		return error_set(err, -EALREADY, "the configuration itself has %s/%s in state %s",
			pool, backend, backend_state_name(found->state));
	struct drain *drain = drains_find(&f->drains, pool, backend);
	const bool is_another = drain != NULL;
	const time_t deadline_before = is_another ? drain->deadline : 0;
	if (!is_another) {
		const struct drain ordered = {pool, backend, found->state, time(NULL), deadline};
		if (drains_put(&f->drains, &ordered) < 0)
			return out_of_memory(err);
		drain = drains_find(&f->drains, pool, backend);
	}
	drain->deadline = deadline;
	int rc = publish_standings(f, err);
	if (rc == 0)
		log_notice("backend %s/%s: drained by an operator", pool, backend);
	else if (is_another)
		drain->deadline = deadline_before;
	else
		drains_remove(&f->drains, drain);
	return rc;
}

int
fleet_undrain(struct fleet *f, const char *pool, const char *backend, struct error *err)
{
	struct drain *drain = drains_find(&f->drains, pool, backend);
	if (!drain)
		return error_set(err, -ENOENT, "no operator drains %s/%s", pool, backend);
	drains_remove(&f->drains, drain);
	log_notice("backend %s/%s: no longer drained by an operator", pool, backend);
	int rc = publish_standings(f, err);
	if (rc < 0)
		settle_in(f, RETRY_MS); /* it is no drain any more, whatever the snapshot says */
	return rc;
}

int
fleet_resume_drain(struct fleet *f, const struct drain *drain)
{
	return drains_put(&f->drains, drain);
}

const struct drains *
fleet_drains(const struct fleet *f)
{
	return &f->drains;
}

const struct health *
fleet_health(const struct fleet *f)
{
	return f->health;
}

const struct probe_path *
fleet_path(const struct fleet *f)
{
	return f->path;
}
