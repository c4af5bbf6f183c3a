/* SPDX-License-Identifier: BSD-3-Clause */
/* Pools: backends that differ, what a tunnel needs, checks that can work. */
#include "semantics_parts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "schema.h"

/* Two names for one instance would double its share, unseen. */
static int
check_backend_addresses(struct check *c, const struct config_pool *pool, const struct node *list)
{
	struct placed_address *placed =
		arena_array(c->scratch, pool->backend_count, sizeof(*placed));
	if (!placed)
		return -ENOMEM;
	size_t count = 0;
	for (uint32_t i = 0; i < pool->backend_count; i++)
		if (address_is_read(&pool->backends[i].address))
			placed[count++] = (struct placed_address){pool->backends[i].address, 0, i};
	qsort(placed, count, sizeof(*placed), compare_placed);
	for (size_t i = 1; i < count; i++) {
		if (!addr_equal(&placed[i].address, &placed[i - 1].address))
			continue;
		char text[ADDR_TEXT_MAX];
		report_member(c->report, REPORT_ERROR, list->children[placed[i].index], "address",
			"wanted an address that no other backend of the pool has, got %s again",
			addr_format(&placed[i].address, text));
	}
	return 0;
}

/* What one family of a tunnel's outer header needs. */
static void
check_outer_source(
	struct check *c, const struct config_pool *pool, const struct node *node, bool v4)
{
	const struct node *forward = document_member(node, "forward");
	const struct node *backends = document_member(node, "backends");
	const char *key = v4 ? "source4" : "source6";
	const struct encap_settings *settings = &pool->forward.settings;
	bool has = v4 ? settings->has_source4 : settings->has_source6;
	const struct ip_prefix *source = v4 ? &settings->source4 : &settings->source6;
	char text[ADDR_TEXT_MAX];
	for (uint32_t i = 0; i < pool->backend_count; i++) {
		const struct ip_addr *address = &pool->backends[i].address;
		if (!address_is_read(address) || addr_is_v4(address) != v4)
			continue;
		if (!has) {
			if (!document_member(forward, key)) /* else it is there, and wrong */
				report_member(c->report, REPORT_ERROR, forward, key,
					"wanted the outer source for backends such as %s, got "
					"nothing",
					addr_format(address, text));
			return;
		}
		if (prefix_contains(source, address))
			report_member(c->report, REPORT_WARNING, backends->children[i], "address",
				"%s lies in %s: tunnelled packets may carry it as their source",
				addr_format(address, text), key);
	}
}

static void
check_forward(struct check *c, const struct config_pool *pool, const struct node *node)
{
	const struct node *given = document_member(document_member(node, "forward"), "mode");
	const char *mode = pool->forward.mode;
	if (!mode || (given && (given->kind != NODE_STRING || strcmp(given->string, mode) != 0)))
		return; /* it could not be read, which has been said */
	for (const struct field *field = schema_forward.fields; field->key; field++) {
		const struct field_kind *own = field->kinds ? field_in_kind(field, mode) : NULL;
		if (own && own->need == NEED_BY_FAMILY)
			check_outer_source(c, pool, node, field->type == &type_prefix4);
	}
}

static void
check_periods(struct check *c, const struct config_health *health, const struct node *member)
{
	const struct {
		const char *key;
		uint32_t ms;
	} shorter[] = {
		{"fast_interval_ms", health->fast_interval_ms},
		{"timeout_ms", health->timeout_ms},
	};
	for (size_t i = 0; i < sizeof(shorter) / sizeof(shorter[0]); i++)
		if (shorter[i].ms > health->interval_ms)
			report_member(c->report, REPORT_ERROR, member, shorter[i].key,
				"wanted at most interval_ms, which is %u, got %u",
				health->interval_ms, shorter[i].ms);
}

/* What a probe on the pool's path needs: a path that leaves this box, and a probe that takes it. */
static void
check_via(struct check *c, const struct config_pool *pool, const struct node *member)
{
	if (pool->health.via != HEALTH_VIA_PATH)
		return;
	if (pool->health.type == HEALTH_EXEC)
		report_member(c->report, REPORT_ERROR, member, "via",
			"wanted \"address\" with type \"exec\", whose program goes its own way, "
			"got \"path\"");
	if (pool->forward.mode && strcmp(pool->forward.mode, "kernel") == 0)
		report_member(c->report, REPORT_ERROR, member, "via",
			"wanted \"address\" with mode \"kernel\", whose path ends on this box, got "
			"\"path\"");
}

static void
check_statuses(struct check *c, const struct config_health *health, const struct node *member)
{
	const struct node *list = document_member(member, "statuses");
	char got[VALUE_TEXT_MAX];
	for (uint32_t i = 1; i < health->status_count; i++)
		for (uint32_t j = 0; j < i; j++) {
			const struct config_status_range *a = &health->statuses[i];
			const struct config_status_range *b = &health->statuses[j];
			if (a->first == 0 || a->first > b->last || b->first > a->last)
				continue;
			report_value(c->report, REPORT_ERROR, list->children[i],
				"wanted each status once, got %s",
				report_got(got, c->report, list->children[i]));
			break;
		}
}

static void
check_command(struct check *c, const struct config_health *health, const struct node *member)
{
	const struct node *list = document_member(member, "command");
	char got[VALUE_TEXT_MAX];
	if (health->command_count > 0 && health->command[0] && health->command[0][0] != '/')
		report_value(c->report, REPORT_ERROR, list->children[0],
			"wanted the absolute path of a program, got %s",
			report_got(got, c->report, list->children[0]));
}

static void
check_health(struct check *c, const struct config_pool *pool, const struct node *node)
{
	const struct node *member = document_member(node, "health");
	if (!member || member->kind != NODE_OBJECT)
		return;
	check_periods(c, &pool->health, member);
	check_via(c, pool, member);
	check_statuses(c, &pool->health, member);
	check_command(c, &pool->health, member);
}

/* 1, the default, is always allowed: a pool whose backends are all drained has it too. */
static void
check_min_healthy(struct check *c, const struct config_pool *pool, const struct node *node)
{
	uint32_t active = 0;
	for (uint32_t i = 0; i < pool->backend_count; i++)
		active += pool->backends[i].state == BACKEND_ACTIVE;
	if (pool->backend_count > 0 && pool->min_healthy > 1 && pool->min_healthy > active)
		report_member(c->report, REPORT_ERROR, node, "min_healthy",
			"wanted at most %u, the number of active backends, got %u", active,
			pool->min_healthy);
}

static void
check_weights(struct check *c, const struct config_pool *pool, const struct node *node)
{
	for (uint32_t i = 0; i < pool->backend_count; i++)
		if (pool->backends[i].state == BACKEND_ACTIVE && pool->backends[i].weight > 0)
			return;
	if (pool->backend_count > 0)
		report_member(c->report, REPORT_WARNING, node, "backends",
			"none is active with a weight above 0: new flows are dropped");
}

int
check_pools(struct check *c)
{
	uint64_t backends = 0;
	for (uint32_t i = 0; i < c->config->pool_count; i++) {
		const struct config_pool *pool = &c->config->pools[i];
		const struct node *node = c->pools->children[i];
		const struct node *list = document_member(node, "backends");
		backends += pool->backend_count;
		check_forward(c, pool, node);
		check_health(c, pool, node);
		check_min_healthy(c, pool, node);
		check_weights(c, pool, node);
		if (check_member_differs(c, list, pool->backends, pool->backend_count,
			    sizeof(struct config_backend), offsetof(struct config_backend, name),
			    "name", "a name that no other backend of the pool has") < 0 ||
			check_backend_addresses(c, pool, list) < 0)
			return -ENOMEM;
	}
	if (backends > BACKENDS_MAX)
		report_value(c->report, REPORT_ERROR, c->pools,
			"wanted at most %u backends in all pools, got %llu", BACKENDS_MAX,
			(unsigned long long)backends);
	return 0;
}
