/* SPDX-License-Identifier: BSD-3-Clause */
#include "standing.h"

#include <stddef.h>

#define KEEPS_ALL (STANDING_KEEPS_TCP | STANDING_KEEPS_UDP)

/* The earliest moment so far, of those that are still to come. */
struct clock {
	struct mono now, next;
};

/* True if `at` has come; else it is noted as a moment to look again. */
static bool
has_come(struct clock *clock, struct mono at)
{
	if (clock->now.us >= at.us)
		return true;
	if (clock->next.us == 0 || at.us < clock->next.us)
		clock->next = at;
	return false;
}

static bool
is_candidate(const struct config_backend *backend, const struct standing_facts *facts)
{
	return backend->state == BACKEND_ACTIVE && !facts->drained_by_hand;
}

static bool
is_down(const struct standing_facts *facts)
{
	return facts->verdict == HEALTH_DOWN || (facts->verdict == HEALTH_UNKNOWN && facts->is_new);
}

static bool
panics(const struct config_pool *pool, const struct standing_facts *facts)
{
	uint32_t healthy = 0;
	for (uint32_t b = 0; b < pool->backend_count; b++)
		healthy += is_candidate(&pool->backends[b], &facts[b]) && !is_down(&facts[b]);
	return healthy < pool->min_healthy;
}

static bool
keeps(const struct config_when_down *policy, struct mono since, struct clock *clock)
{
	if (policy->flows == FLOWS_KEEP)
		return true;
	return !has_come(clock, (struct mono){since.us + policy->move_after_ms * 1000ull});
}

/* Whose flows stay with a backend that is down. */
static uint8_t
kept_when_down(const struct config_pool *pool, struct mono since, struct clock *clock)
{
	return (uint8_t)((keeps(&pool->tcp_when_down, since, clock) ? STANDING_KEEPS_TCP : 0) |
			 (keeps(&pool->udp_when_down, since, clock) ? STANDING_KEEPS_UDP : 0));
}

static void
drain_out(const struct config_pool *pool, const struct standing_facts *facts, struct clock *clock,
	struct standing *standing)
{
	bool over = facts->drained_by_hand && facts->drain_deadline.us != 0 &&
		    has_come(clock, facts->drain_deadline);
	standing->kind = over ? STANDING_DRAINED : STANDING_DRAIN;
	if (!over)
		standing->keeps =
			is_down(facts) ? kept_when_down(pool, facts->since, clock) : KEEPS_ALL;
}

/* The share of the weight that a slow start has come to: a step more with each part of its time, and
 * never nothing, or no packet would ever warm the backend up. */
static void
start_slowly(const struct config_pool *pool, const struct config_backend *backend,
	const struct standing_facts *facts, struct clock *clock, struct standing *standing)
{
	uint64_t step_us = pool->slow_start_s * 1000000ull / SLOW_START_STEPS;
	uint64_t elapsed = clock->now.us - facts->starts.us;
	uint64_t step = step_us ? elapsed / step_us + 1 : SLOW_START_STEPS;
	if (step >= SLOW_START_STEPS)
		return;
	has_come(clock, (struct mono){facts->starts.us + step * step_us});
	uint64_t weight = backend->weight * step / SLOW_START_STEPS;
	standing->kind = STANDING_STARTING;
	standing->weight = weight == 0 && backend->weight > 0 ? 1 : (uint16_t)weight;
}

struct mono
standing_of_pool(const struct config_pool *pool, const struct standing_facts *facts,
	struct mono now, struct standing *standings)
{
	struct clock clock = {.now = now};
	bool panic = panics(pool, facts);
	for (uint32_t b = 0; b < pool->backend_count; b++) {
		const struct config_backend *backend = &pool->backends[b];
		struct standing *standing = &standings[b];
		*standing = (struct standing){.in_panic = panic};
		if (backend->state == BACKEND_DISABLED) {
			standing->kind = STANDING_DISABLED;
			continue;
		}
		if (!is_candidate(backend, &facts[b])) {
			drain_out(pool, &facts[b], &clock, standing);
			continue;
		}
		if (is_down(&facts[b]) && !(panic && pool->panic == PANIC_ALL)) {
			standing->kind = STANDING_DOWN;
			standing->keeps = kept_when_down(pool, facts[b].since, &clock);
			continue;
		}
		*standing = (struct standing){.kind = STANDING_ACTIVE,
			.weight = backend->weight,
			.keeps = KEEPS_ALL,
			.in_panic = panic};
		if (facts[b].starts.us != 0 && !is_down(&facts[b]))
			start_slowly(pool, backend, &facts[b], &clock, standing);
		if (panic && pool->panic == PANIC_STOP)
			standing->weight = 0;
	}
	return clock.next;
}

const char *
standing_name(enum standing_kind kind)
{
	static const char *const names[] = {
		[STANDING_ACTIVE] = "active",
		[STANDING_STARTING] = "starting",
		[STANDING_DRAIN] = "drain",
		[STANDING_DRAINED] = "drained",
		[STANDING_DOWN] = "down",
		[STANDING_DISABLED] = "disabled",
	};
	return names[kind];
}
