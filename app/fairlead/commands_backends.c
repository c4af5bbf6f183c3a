/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "fleet.h"

static const char *
problem_name(enum nexthop_problem problem)
{
	switch (problem) {
	case NEXTHOP_RESOLVED:
		return "resolved";
	case NEXTHOP_NEIGHBOUR_PENDING:
		return "pending";
	case NEXTHOP_NEIGHBOUR_FAILED:
		return "failed";
	case NEXTHOP_NEIGHBOUR_NO_ROOM:
		return "no_room";
	case NEXTHOP_NOT_OUR_PORT:
		return "not_our_port";
	default:
		return "no_route";
	}
}

json_t *
commands_next_hop(const struct daemon *d, uint32_t slot)
{
	struct nexthop_info info;
	if (!nexthop_info(d->nexthops, slot, &info))
		return json_null();
	char address[ADDR_TEXT_MAX], via[ADDR_TEXT_MAX], mac[MAC_TEXT_MAX] = "", detail[256];
	char interface[IF_NAMESIZE] = "";
	if (info.ifindex)
		if_indextoname(info.ifindex, interface);
	bool resolved = l2_slot_resolved(info.slot);
	if (resolved) {
		struct mac_addr wire = l2_slot_mac(info.slot);
		mac_format(&wire, mac);
	}
	uint8_t port = l2_slot_port(info.slot);
	return json_pack("{s:s, s:s, s:s, s:s, s:s?, s:s, s:I, s:s}", "state",
		problem_name(info.problem), "address", addr_format(&info.address, address), "via",
		info.ifindex ? addr_format(&info.via, via) : "", "interface", interface, "port",
		resolved && port < d->dp.port_count ? d->dp.ports[port].name : NULL, "mac", mac,
		"users", commands_number(info.users), "detail",
		nexthop_explain(&info, detail, sizeof(detail)));
}

static json_t *
tell_changes(const struct health_report *report)
{
	json_t *list = json_array();
	for (uint32_t i = 0; i < report->change_count; i++)
		json_array_append_new(list,
			json_pack("{s:o, s:s, s:o}", "at", commands_time(report->changes[i].at),
				"verdict", health_verdict_name(report->changes[i].verdict),
				"reason", commands_sentence(report->changes[i].reason)));
	return list;
}

/* `with_changes`: what it has been through, too. */
static json_t *
tell_health(const struct daemon *d, const char *pool, const char *backend, bool with_changes)
{
	struct health_report report = {0};
	const struct health *health = fleet_health(d->fleet);
	if (!health || !health_report(health, pool, backend, &report))
		return json_pack("{s:s}", "verdict", health_verdict_name(HEALTH_UNCHECKED));
	json_t *told = json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:o, s:o}", "verdict",
		health_verdict_name(report.verdict), "since_s",
		commands_number(mono_ms_between(report.since, mono_now()) / 1000), "probes",
		commands_number(report.probes), "failures", commands_number(report.failures), "run",
		commands_number(report.run), "duration_us", commands_number(report.duration_us),
		"last_failure", commands_sentence(report.last_failure), "last_failure_at",
		commands_time(report.last_failure_at));
	if (told && with_changes)
		json_object_set_new(told, "changes", tell_changes(&report));
	return told;
}

/* "drained" is what ends a drain: by its deadline, or because nothing is left. */
static const char *
state_name(enum standing_kind kind, uint64_t flows)
{
	return standing_name(kind == STANDING_DRAIN && flows == 0 ? STANDING_DRAINED : kind);
}

static json_t *
tell_drain(const struct daemon *d, const char *pool, const struct config_backend *backend)
{
	const struct drain *drain = drains_find(fleet_drains(d->fleet), pool, backend->name);
	if (drain)
		return json_pack("{s:s, s:o, s:o}", "by", "operator", "since",
			commands_time(drain->began), "deadline", commands_time(drain->deadline));
	if (backend->state == BACKEND_DRAIN)
		return json_pack("{s:s, s:n, s:n}", "by", "configuration", "since", "deadline");
	return json_null();
}

static json_t *
tell_backend(const struct daemon *d, uint32_t p, uint32_t b, uint32_t rows)
{
	const struct config_pool *pool = &commands_config(d)->pools[p];
	const struct config_backend *backend = &pool->backends[b];
	struct standing standing = snapshot_standing(d->publish.snapshot, p, b);
	uint16_t index = snapshot_backend_index(d->publish.snapshot, p, b);
	uint64_t flows = d->sweep.last.by_backend[index];
	struct stats_traffic t = stats_backend(d->stats, index);
	char address[ADDR_TEXT_MAX];
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:b, s:o, s:o, s:i, s:i, s:f, s:I, s:I, s:I, "
			 "s:I, s:o}",
		"pool", pool->name, "name", backend->name, "address",
		addr_format(&backend->address, address), "state", state_name(standing.kind, flows),
		"configured_state", backend_state_name(backend->state), "in_panic",
		standing.in_panic, "drain", tell_drain(d, pool->name, backend), "health",
		tell_health(d, pool->name, backend->name, false), "weight", backend->weight,
		"weight_now", standing.weight, "share_percent", 100.0 * rows / pool->rows, "rows",
		commands_number(rows), "flows", commands_number(flows), "packets",
		commands_number(t.packets), "bytes", commands_number(t.bytes), "next_hop",
		commands_next_hop(d, snapshot_backend_slot(d->publish.snapshot, p, b)));
}

/* Rows of each backend of a pool, to be freed; NULL when memory is out. */
static uint32_t *
count_rows(const struct daemon *d, uint32_t p)
{
	uint32_t *rows = calloc(commands_config(d)->pools[p].backend_count, sizeof(*rows));
	if (rows)
		snapshot_count_rows(d->publish.snapshot, p, rows);
	return rows;
}

json_t *
commands_backend(const struct daemon *d, uint32_t p, uint32_t b)
{
	uint32_t *rows = count_rows(d, p);
	json_t *told = rows ? tell_backend(d, p, b, rows[b]) : NULL;
	free(rows);
	return told;
}

static void
append_pool(const struct daemon *d, json_t *list, uint32_t p)
{
	uint32_t *rows = count_rows(d, p);
	for (uint32_t b = 0; rows && b < commands_config(d)->pools[p].backend_count; b++)
		json_array_append_new(list, tell_backend(d, p, b, rows[b]));
	free(rows);
}

static void
append_health(const struct daemon *d, json_t *list, uint32_t p, uint32_t b)
{
	const struct config_pool *pool = &commands_config(d)->pools[p];
	const struct config_backend *backend = &pool->backends[b];
	struct standing standing = snapshot_standing(d->publish.snapshot, p, b);
	json_array_append_new(
		list, json_pack("{s:s, s:s, s:s, s:o}", "pool", pool->name, "name", backend->name,
			      "state", standing_name(standing.kind), "health",
			      tell_health(d, pool->name, backend->name, true)));
}

int
command_health(struct daemon *d, json_t *arguments, json_t **result, struct error *err)
{
	const struct config *config = commands_config(d);
	uint32_t pool, backend;
	json_t *list = json_array();
	if (json_object_get(arguments, "backend")) {
		int rc = commands_find_backend(d, arguments, &pool, &backend, err);
		if (rc < 0) {
			json_decref(list);
			return rc;
		}
		append_health(d, list, pool, backend);
	} else {
		for (uint32_t p = 0; p < config->pool_count; p++)
			for (uint32_t b = 0; b < config->pools[p].backend_count; b++)
				append_health(d, list, p, b);
	}
	*result = list;
	return 0;
}

int
command_backends(struct daemon *d, json_t *arguments, json_t **result, struct error *err)
{
	const struct config *config = commands_config(d);
	const char *wanted = json_string_value(json_object_get(arguments, "pool"));
	bool found = false;
	commands_count_flows(d);
	json_t *list = json_array();
	for (uint32_t p = 0; p < config->pool_count; p++)
		if (!wanted || strcmp(wanted, config->pools[p].name) == 0) {
			append_pool(d, list, p);
			found = true;
		}
	if (!found) {
		json_decref(list);
		return error_set(err, -ENOENT, "no pool is called %s", wanted);
	}
	*result = list;
	return 0;
}

int
command_neighbours(struct daemon *d, json_t *arguments, json_t **result, struct error *err)
{
	(void)arguments;
	(void)err;
	*result = json_array();
	for (uint32_t slot = 1; slot <= nexthop_highest(d->nexthops); slot++) {
		json_t *hop = commands_next_hop(d, slot);
		if (json_is_null(hop))
			json_decref(hop);
		else
			json_array_append_new(*result, hop);
	}
	return 0;
}
