/* SPDX-License-Identifier: BSD-3-Clause */
#include "check.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "log.h"

/* First probes come within this time, whatever the interval: an edge that starts wants to know. */
#define SPLAY_MS 1000
/* Behind time by more than this, the loop was held up, or probes had to wait in line. */
#define LATE_US	      100000
#define COMPLAINTS_MS 60000

/* The edge's own trouble, which concerns many checks at a time. */
static void
complain(struct checker *checker, const char *text)
{
	struct mono now = mono_now();
	if (now.us < checker->may_complain.us)
		return;
	checker->may_complain = mono_add_ms(now, COMPLAINTS_MS);
	log_warning("health: %s", text);
}

/* What probes decide */

static void
reason_set(char reason[HEALTH_REASON_MAX], const char *why)
{
	snprintf(reason, HEALTH_REASON_MAX, "%s", why);
}

static void
verdict_set(struct check *check, enum health_verdict verdict, const char *why)
{
	struct health_report *r = &check->report;
	r->verdict = verdict;
	r->since = mono_now();
	r->run = 0;
	memmove(&r->changes[1], &r->changes[0], (HEALTH_CHANGES_MAX - 1) * sizeof(r->changes[0]));
	r->changes[0] = (struct health_change){.at = time(NULL), .verdict = verdict};
	reason_set(r->changes[0].reason, why);
	if (r->change_count < HEALTH_CHANGES_MAX)
		r->change_count++;
}

/* True if the verdict has changed. */
static bool
decide(struct check *check, enum probe_outcome outcome, const char *why)
{
	struct health_report *r = &check->report;
	bool is_good = outcome == PROBE_GOOD;
	enum health_verdict says = is_good ? HEALTH_UP : HEALTH_DOWN;
	bool alone = check->decides_alone && outcome != PROBE_NO_WAY;
	check->decides_alone &= outcome == PROBE_NO_WAY;
	if (says == r->verdict) {
		r->run = 0;
		return false;
	}
	const struct config_health *settings = &check->settings->health;
	uint32_t wanted = is_good ? settings->rise : settings->fall;
	if (++r->run < wanted && !alone)
		return false;
	char good[HEALTH_REASON_MAX];
	if (alone)
		snprintf(good, sizeof(good), "the first probe is good");
	else
		snprintf(good, sizeof(good), "good %u times in a row", r->run);
	verdict_set(check, says, is_good ? good : why);
	return true;
}

static void
failure_note(struct check *check, const char *why)
{
	reason_set(check->report.last_failure, why);
	check->report.last_failure_at = time(NULL);
}

/* When probes come */

static void
next_probe(struct check *check, struct mono now)
{
	const struct config_health *settings = &check->settings->health;
	bool hurries = check->report.run > 0;
	uint64_t interval_us =
		(hurries ? settings->fast_interval_ms : settings->interval_ms) * 1000ull;
	check->due.us += interval_us;
	/* Times that have passed meanwhile are left out, so that the phase stays. */
	if (check->due.us <= now.us)
		check->due.us += ((now.us - check->due.us) / interval_us + 1) * interval_us;
	wheel_arm(check->checker->wheel, &check->timer, check->due);
}

static struct check_gate *
gate_of(const struct check *check, const struct probe *probe)
{
	return &check->checker->gates[probe->type->resource];
}

/* Frees the probe under way, and lets the next in line know. */
static void
probe_leave(struct check *check)
{
	struct check_gate *gate = gate_of(check, check->probe);
	probe_end(check->probe);
	check->probe = NULL;
	gate->running--;
	check->checker->counters.running--;
	if (!TAILQ_EMPTY(&gate->line))
		event_active(&gate->room, 0, 0);
}

static void
probe_ended(struct check *check, enum probe_outcome outcome, const char *why)
{
	struct checker *checker = check->checker;
	struct health_report *r = &check->report;
	struct mono now = mono_now();
	enum health_verdict before = r->verdict;
	bool has_changed = false;
	if (outcome == PROBE_VOID) {
		complain(checker, why);
		failure_note(check, why);
	} else {
		r->probes++;
		checker->counters.probes++;
		r->duration_us = (uint32_t)(now.us - check->began.us);
		if (outcome != PROBE_GOOD) {
			r->failures++;
			checker->counters.failures++;
			failure_note(check, why);
		}
		has_changed = decide(check, outcome, why);
	}
	probe_leave(check);
	next_probe(check, now);
	const struct health_options *options = checker->options;
	if (has_changed && options->on_change)
		options->on_change(options->context, check->target.pool, check->target.backend,
			before, r->verdict, r->changes[0].reason);
}

static void
on_done(struct probe *probe, enum probe_outcome outcome, const char *why)
{
	probe_ended(probe->context, outcome, why);
}

static void
on_timeout(struct check *check, struct mono now)
{
	uint64_t timeout_us = check->settings->health.timeout_ms * 1000ull;
	uint64_t late_us = now.us - check->began.us - timeout_us;
	/* While the loop was held up nobody read what came: a backend is not to pay for that. */
	if (late_us > LATE_US && !check->is_extended) {
		check->is_extended = true;
		uint64_t more_us = late_us < timeout_us ? late_us : timeout_us;
		wheel_arm(check->checker->wheel, &check->timer, (struct mono){now.us + more_us});
		return;
	}
	struct error why;
	probe_expire(check->probe, &why);
	probe_ended(check, PROBE_BAD, why.text);
}

static void
probe_begin(struct check *check, struct check_gate *gate)
{
	struct checker *checker = check->checker;
	check->began = mono_now();
	check->is_extended = false;
	check->probe = probe_new(&checker->prober, &check->settings->health, &check->target,
		check->weight, on_done, check);
	if (!check->probe) {
		complain(checker, "no memory for a probe");
		next_probe(check, check->began);
		return;
	}
	gate->running++;
	checker->counters.running++;
	if (check->began.us > check->due.us + LATE_US)
		checker->counters.late++;
	struct error err;
	int rc = probe_start(check->probe, &err);
	if (rc < 0)
		probe_ended(check, probe_blame(rc), err.text);
	else
		wheel_arm(checker->wheel, &check->timer,
			mono_add_ms(check->began, check->settings->health.timeout_ms));
}

static void
wait_in_line(struct check *check, struct check_gate *gate)
{
	char text[128];
	snprintf(text, sizeof(text), "%u %s are under way, more are not allowed: others wait",
		gate->running, gate->things);
	complain(check->checker, text);
	TAILQ_INSERT_TAIL(&gate->line, check, in_line);
	check->is_in_line = true;
}

static void
on_timer(struct wheel_timer *timer)
{
	struct check *check = (struct check *)timer;
	if (check->probe) {
		on_timeout(check, mono_now());
		return;
	}
	struct check_gate *gate = &check->checker->gates[probe_resource(&check->settings->health)];
	/* Not past those who wait already. */
	if (gate->running < gate->max && TAILQ_EMPTY(&gate->line))
		probe_begin(check, gate);
	else
		wait_in_line(check, gate);
}

static void
on_room(evutil_socket_t fd, short what, void *context)
{
	(void)fd, (void)what;
	struct check_gate *gate = context;
	struct check *check;
	while (gate->running < gate->max && (check = TAILQ_FIRST(&gate->line))) {
		TAILQ_REMOVE(&gate->line, check, in_line);
		check->is_in_line = false;
		probe_begin(check, gate);
	}
}

/* What checks share */

int
checker_open(struct checker *checker, const struct health_options *options)
{
	*checker = (struct checker){.options = options};
	checker->prober.loop = options->loop;
	checker->prober.path = options->path;
	checker->prober.ca_file = options->ca_file;
	for (int i = 0; i < PROBE_RESOURCES; i++) {
		struct check_gate *gate = &checker->gates[i];
		gate->things = i == PROBE_USES_PROGRAM ? "programs" : "probes";
		TAILQ_INIT(&gate->line);
		if (event_assign(&gate->room, options->loop, -1, 0, on_room, gate) < 0)
			return -ENOMEM;
	}
	checker_limit(checker);
	checker->wheel = wheel_create(options->loop);
	return checker->wheel ? 0 : -ENOMEM;
}

void
checker_close(struct checker *checker)
{
	http_prober_free(checker->prober.http);
	icmp_prober_free(checker->prober.icmp);
	exec_prober_free(checker->prober.exec);
	for (int i = 0; i < PROBE_RESOURCES; i++)
		event_del(&checker->gates[i].room);
	wheel_destroy(checker->wheel);
}

void
checker_limit(struct checker *checker)
{
	struct rlimit limit = {.rlim_cur = 1024};
	getrlimit(RLIMIT_NOFILE, &limit);
	rlim_t left = limit.rlim_cur / 2;
	if (limit.rlim_cur > 2 * HEALTH_DESCRIPTORS_LEFT)
		left = limit.rlim_cur - HEALTH_DESCRIPTORS_LEFT;
	struct check_gate *sockets = &checker->gates[PROBE_USES_SOCKET];
	sockets->max = left < HEALTH_PROBES_MAX ? (uint32_t)left : HEALTH_PROBES_MAX;
	checker->gates[PROBE_USES_PROGRAM].max = HEALTH_PROGRAMS_MAX;
	if (!TAILQ_EMPTY(&sockets->line))
		event_active(&sockets->room, 0, 0);
}

/* Checks */

/* FNV-1a over both names and the NUL between them, then mixed (Appleby's fmix64): its low bits are
 * for a table, its high ones for the phase. */
uint64_t
check_hash(const char *pool, const char *backend)
{
	uint64_t hash = 0xcbf29ce484222325u;
	for (const char *c = pool; *c; c++)
		hash = (hash ^ (uint8_t)*c) * 0x100000001b3u;
	hash *= 0x100000001b3u;
	for (const char *c = backend; *c; c++)
		hash = (hash ^ (uint8_t)*c) * 0x100000001b3u;
	hash = (hash ^ hash >> 33) * 0xff51afd7ed558ccdu;
	hash = (hash ^ hash >> 33) * 0xc4ceb9fe1a85ec53u;
	return hash ^ hash >> 33;
}

struct check *
check_new(struct checker *checker, struct check_settings *settings, const char *pool,
	const struct config_backend *backend)
{
	size_t pool_bytes = strlen(pool) + 1, backend_bytes = strlen(backend->name) + 1;
	struct check *check = calloc(1, sizeof(*check) + pool_bytes + backend_bytes);
	if (!check)
		return NULL;
	memcpy(check->names, pool, pool_bytes);
	memcpy(check->names + pool_bytes, backend->name, backend_bytes);
	check->timer.expire = on_timer;
	check->checker = checker;
	check->settings = settings_share(settings);
	check->target.pool = check->names;
	check->target.backend = check->names + pool_bytes;
	check->hash = check_hash(pool, backend->name);
	check->report.verdict = HEALTH_UNKNOWN;
	check->report.since = mono_now();
	return check;
}

static void
stop(struct check *check)
{
	wheel_disarm(&check->timer);
	if (check->is_in_line)
		TAILQ_REMOVE(&check->checker->gates[probe_resource(&check->settings->health)].line,
			check, in_line);
	check->is_in_line = false;
	if (check->probe)
		probe_leave(check);
}

static void
launch(struct check *check)
{
	uint32_t splay_ms = check->settings->health.interval_ms;
	if (splay_ms > SPLAY_MS)
		splay_ms = SPLAY_MS;
	/* As a fraction of 2^32, so that the phases of one interval are those of another, scaled. */
	uint64_t phase_us = (check->hash >> 32) * (splay_ms * 1000ull) >> 32;
	check->due = (struct mono){mono_now().us + phase_us};
	check->is_launched = true;
	wheel_arm(check->checker->wheel, &check->timer, check->due);
}

void
check_free(struct check *check)
{
	if (!check)
		return;
	stop(check);
	settings_release(check->settings);
	free(check);
}

void
check_apply(
	struct check *check, struct check_settings *settings, const struct config_backend *backend)
{
	check->weight = backend->weight;
	bool is_elsewhere = !addr_equal(&check->target.address, &backend->address);
	if (check->is_launched && !is_elsewhere &&
		settings_equal(&check->settings->health, &settings->health))
		return;
	stop(check);
	struct check_settings *before = check->settings;
	check->settings = settings_share(settings);
	settings_release(before);
	check->target.address = backend->address;
	check->target.port = settings->health.type == HEALTH_ICMP ? 0 : settings->health.port;
	check->report.run = 0;
	check->decides_alone |= is_elsewhere || !check->is_launched;
	launch(check);
}
