/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "explain.h"

static const char *const flow_states[FLOW_STATES] = {
	[FLOW_EMPTY] = "empty",
	[FLOW_SYN] = "syn",
	[FLOW_ESTABLISHED] = "established",
	[FLOW_CLOSING] = "closing",
	[FLOW_DATAGRAM] = "datagram",
	[FLOW_CLIENT] = "client",
	[FLOW_CLIENT_DATAGRAM] = "client",
};

static int
read_address(json_t *arguments, const char *key, struct ip_addr *address, struct error *err)
{
	const char *text = json_string_value(json_object_get(arguments, key));
	if (!text || addr_parse(text, address) < 0)
		return error_set(err, -EINVAL, "%s: wanted an IP address, got %s", key,
			text ? text : "nothing");
	return 0;
}

static int
read_port(json_t *arguments, const char *key, uint16_t *port, struct error *err)
{
	json_t *value = json_object_get(arguments, key);
	json_int_t n = json_integer_value(value);
	if (!json_is_integer(value) || n < 1 || n > UINT16_MAX)
		return error_set(err, -EINVAL, "%s: wanted a port from 1 to 65535", key);
	*port = (uint16_t)n;
	return 0;
}

static int
read_tuple(json_t *arguments, struct explain_tuple *tuple, struct error *err)
{
	const char *protocol = json_string_value(json_object_get(arguments, "protocol"));
	if (protocol && strcmp(protocol, "tcp") == 0)
		tuple->proto = IPPROTO_TCP;
	else if (protocol && strcmp(protocol, "udp") == 0)
		tuple->proto = IPPROTO_UDP;
	else
		return error_set(err, -EINVAL, "protocol: wanted tcp or udp, got %s",
			protocol ? protocol : "nothing");
	int rc = read_address(arguments, "source", &tuple->src, err);
	if (rc == 0)
		rc = read_address(arguments, "vip", &tuple->vip, err);
	if (rc == 0)
		rc = read_port(arguments, "source_port", &tuple->sport, err);
	if (rc == 0)
		rc = read_port(arguments, "port", &tuple->port, err);
	if (rc == 0 && addr_is_v4(&tuple->src) != addr_is_v4(&tuple->vip))
		rc = error_set(err, -EINVAL, "source and vip are of different families");
	return rc;
}

/* One line of the story. */
static void __attribute__((format(printf, 3, 4)))
step(json_t *steps, const char *name, const char *format, ...)
{
	char text[512];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	json_array_append_new(steps, json_pack("{s:s, s:s}", "step", name, "text", text));
}

/* "caches/cache1", of a backend that has gone too. */
static const char *
backend_name(const struct daemon *d, uint16_t index)
{
	const char *name = registry_backend_name(d->registry, index);
	return name ? name : "nobody";
}

static void
tell_service(const struct daemon *d, json_t *reply, json_t *steps, const struct explanation *e,
	const struct explain_tuple *tuple)
{
	const struct config *config = snapshot_config(d->publish.snapshot);
	uint32_t place;
	char vip[ADDR_TEXT_MAX];
	addr_format(&tuple->vip, vip);
	const char *protocol = tuple->proto == IPPROTO_TCP ? "tcp" : "udp";
	if (!snapshot_find_service(d->publish.snapshot, e->service, &place)) {
		step(steps, "service", "none for %s %s port %u", protocol, vip, tuple->port);
		return;
	}
	const struct config_service *service = &config->services[place];
	const char *affinity = affinity_name(service->affinity);
	step(steps, "service", "%s (%s %s port %u, affinity %s, pool %s)", service->name, protocol,
		vip, tuple->port, affinity, config->pools[service->pool].name);
	step(steps, "hash", "%016lx", (unsigned long)e->hash);
	step(steps, "row", "%u -> %s", e->row,
		e->row_backend ? backend_name(d, e->row_backend) : "nobody");
	json_object_set_new(reply, "service", json_string(service->name));
	json_object_set_new(reply, "affinity", json_string(affinity));
	json_object_set_new(reply, "hash", json_sprintf("%016lx", (unsigned long)e->hash));
	json_object_set_new(reply, "row", json_integer(e->row));
	json_object_set_new(reply, "row_backend",
		e->row_backend ? json_string(backend_name(d, e->row_backend)) : json_null());
}

static void
tell_entry(const struct daemon *d, json_t *reply, json_t *steps, const struct explanation *e)
{
	if (!e->has_entry) {
		step(steps, "entry", "none");
		json_object_set_new(reply, "entry", json_null());
		return;
	}
	unsigned age_s = e->entry_age * (FLOW_TICK_US / 1000000);
	const char *state = flow_states[e->entry.state];
	const char *name = backend_name(d, e->entry.backend);
	step(steps, "entry", "%s, %s, last seen %u s ago (in steps of 4 s)", name, state, age_s);
	json_object_set_new(reply, "entry",
		json_pack("{s:s, s:i, s:s}", "state", state, "age_s", (int)age_s, "backend", name));
}

/* Why this backend, with what its standing, and that of the one it is not, have to do with it. */
static const char *
tell_why(const struct daemon *d, const struct explanation *e, const struct standing *standing,
	char *text, size_t size)
{
	uint32_t p, b;
	const char *more = "";
	if (e->why == EXPLAIN_BY_ENTRY && standing->kind == STANDING_DRAIN)
		more = ", and a backend that drains keeps its flows";
	else if (e->why == EXPLAIN_BY_ENTRY && standing->kind == STANDING_DOWN)
		more = ", and the pool keeps flows of a backend that is down";
	else if (e->why == EXPLAIN_OWNER_GONE &&
		 snapshot_find_backend(d->publish.snapshot, e->entry.backend, &p, &b)) {
		struct standing owner = snapshot_standing(d->publish.snapshot, p, b);
		snprintf(text, size,
			"the flow's backend is %s and keeps no such flow: its row decides",
			standing_name(owner.kind));
		return text;
	}
	snprintf(text, size, "%s%s", explain_why_text(e->why), more);
	return text;
}

/* The next hop, and with which VLAN tag and in what the packet goes there. */
static void
tell_way(const struct daemon *d, json_t *reply, json_t *steps, const struct explanation *e,
	const struct config_pool *pool, uint32_t slot)
{
	json_t *hop = commands_next_hop(d, slot);
	const char *detail = json_string_value(json_object_get(hop, "detail"));
	uint16_t vlan = l2_slot_resolved(e->slot) ? l2_slot_vlan(e->slot) : 0;
	step(steps, "next hop", "%s", detail ? detail : "this box");
	if (vlan != 0)
		step(steps, "VLAN", "%u", vlan);
	else
		step(steps, "VLAN", "none");
	step(steps, "encapsulation", "%s", pool->forward.mode);
	json_object_set_new(reply, "next_hop", hop);
	json_object_set_new(reply, "vlan", vlan ? json_integer(vlan) : json_null());
	json_object_set_new(reply, "encapsulation", json_string(pool->forward.mode));
}

static void
tell_backend(const struct daemon *d, json_t *reply, json_t *steps, const struct explanation *e)
{
	const struct config *config = snapshot_config(d->publish.snapshot);
	uint32_t p, b;
	if (e->backend == 0 || !snapshot_find_backend(d->publish.snapshot, e->backend, &p, &b)) {
		json_object_set_new(reply, "backend", json_null());
		return;
	}
	const struct config_pool *pool = &config->pools[p];
	const struct config_backend *backend = &pool->backends[b];
	struct standing standing = snapshot_standing(d->publish.snapshot, p, b);
	const char *state = standing_name(standing.kind);
	char address[ADDR_TEXT_MAX], why[256];
	addr_format(&backend->address, address);
	step(steps, "backend", "%s/%s, %s, %s: %s", pool->name, backend->name, address, state,
		tell_why(d, e, &standing, why, sizeof(why)));
	json_object_set_new(reply, "backend",
		json_pack("{s:s, s:s, s:s, s:s}", "pool", pool->name, "name", backend->name,
			"address", address, "state", state));
	tell_way(d, reply, steps, e, pool, snapshot_backend_slot(d->publish.snapshot, p, b));
}

int
command_explain(struct daemon *d, json_t *arguments, json_t **result, struct error *err)
{
	struct explain_tuple tuple;
	int rc = read_tuple(arguments, &tuple, err);
	if (rc < 0)
		return rc;
	struct explanation e = pipeline_explain(snapshot_tables(d->publish.snapshot, 0),
		flow_file_table(d->flow_file), &tuple, flow_tick(mono_now()));
	json_t *steps = json_array();
	json_t *reply = json_pack("{s:o}", "steps", steps);
	if (!reply)
		return error_set(err, -ENOMEM, "not enough memory");
	tell_service(d, reply, steps, &e, &tuple);
	if (e.service != SERVICE_NONE) {
		tell_entry(d, reply, steps, &e);
		tell_backend(d, reply, steps, &e);
	}
	step(steps, "exit", "%s: %s", exit_name(e.exit), exit_meaning(e.exit));
	json_object_set_new(reply, "why", json_string(explain_why_text(e.why)));
	json_object_set_new(reply, "exit", json_string(exit_name(e.exit)));
	*result = reply;
	return 0;
}
