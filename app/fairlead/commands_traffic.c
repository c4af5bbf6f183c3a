/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "commands.h"

static json_t *
port_ranges(const struct config_service *service)
{
	json_t *list = json_array();
	for (uint32_t i = 0; i < service->port_count; i++) {
		const struct config_port_range *r = &service->ports[i];
		if (r->first == 0 && r->last == UINT16_MAX)
			json_array_append_new(list, json_string("any"));
		else if (r->first == r->last)
			json_array_append_new(list, json_sprintf("%u", r->first));
		else
			json_array_append_new(list, json_sprintf("%u-%u", r->first, r->last));
	}
	return list;
}

static json_t *
tell_service(const struct daemon *d, uint32_t i)
{
	const struct config *config = commands_config(d);
	const struct config_service *service = &config->services[i];
	struct stats_traffic t =
		stats_service(d->stats, snapshot_service_number(d->publish.snapshot, i));
	json_t *vips = json_array();
	for (uint32_t v = 0; v < service->vip_count; v++) {
		char text[ADDR_TEXT_MAX];
		json_array_append_new(vips, json_string(addr_format(&service->vips[v], text)));
	}
	return json_pack("{s:s, s:s, s:o, s:o, s:s, s:s, s:I, s:I, s:I}", "name", service->name,
		"protocol", service->protocol == IPPROTO_TCP ? "tcp" : "udp", "vips", vips, "ports",
		port_ranges(service), "pool", config->pools[service->pool].name, "affinity",
		affinity_name(service->affinity), "packets", commands_number(t.packets), "bytes",
		commands_number(t.bytes), "new_flows", commands_number(t.new_flows));
}

int
command_services(struct daemon *d, json_t *arguments, json_t **result, struct error *err)
{
	const struct config *config = commands_config(d);
	const char *wanted = json_string_value(json_object_get(arguments, "service"));
	json_t *list = json_array();
	for (uint32_t i = 0; i < config->service_count; i++)
		if (!wanted || strcmp(wanted, config->services[i].name) == 0)
			json_array_append_new(list, tell_service(d, i));
	if (wanted && json_array_size(list) == 0) {
		json_decref(list);
		return error_set(err, -ENOENT, "no service is called %s", wanted);
	}
	*result = list;
	return 0;
}

static json_t *
flows_by_backend(const struct daemon *d, json_int_t limit)
{
	json_t *list = json_array();
	uint32_t end = registry_backend_limit(d->registry);
	for (uint32_t i = 1; i < end && (json_int_t)json_array_size(list) < limit; i++) {
		uint64_t flows = d->sweep.last.by_backend[i];
		const char *name = registry_backend_name(d->registry, (uint16_t)i);
		if (flows == 0 || !name)
			continue;
		const char *slash = strchr(name, '/');
		json_array_append_new(
			list, json_pack("{s:o, s:s, s:I}", "pool",
				      json_stringn(name, (size_t)(slash - name)), "backend",
				      slash + 1, "flows", commands_number(flows)));
	}
	return list;
}

int
command_flows(struct daemon *d, json_t *arguments, json_t **result, struct error *err)
{
	(void)err;
	const struct flow_table *flows = flow_file_table(d->flow_file);
	const json_t *limit = json_object_get(arguments, "limit");
	commands_count_flows(d);
	const uint64_t *states = d->sweep.last.by_state;
	*result = json_pack("{s:I, s:I, s:I, s:{s:I, s:I, s:I, s:I, s:I}, s:o}", "capacity",
		commands_number(d->flow_capacity), "entries",
		commands_number((uint64_t)(flows->bucket_mask + 1) * FLOW_BUCKET_ENTRIES), "live",
		commands_number(d->sweep.last.live), "by_state", "syn",
		commands_number(states[FLOW_SYN]), "established",
		commands_number(states[FLOW_ESTABLISHED]), "closing",
		commands_number(states[FLOW_CLOSING]), "datagram",
		commands_number(states[FLOW_DATAGRAM]), "client",
		commands_number(states[FLOW_CLIENT] + states[FLOW_CLIENT_DATAGRAM]), "by_backend",
		flows_by_backend(d, limit ? json_integer_value(limit) : BACKENDS_MAX));
	return 0;
}

static json_t *
stats_exits(const struct totals *totals)
{
	json_t *list = json_array();
	for (int i = 0; i < EXIT_COUNT; i++) {
		enum exit e = (enum exit)i;
		json_array_append_new(list,
			json_pack("{s:s, s:s, s:I, s:I, s:s}", "name", exit_name(e), "kind",
				exit_kind_name(exit_kind(e)), "packets",
				commands_number(totals->packets[i]), "bytes",
				commands_number(totals->bytes[i]), "meaning", exit_meaning(e)));
	}
	return list;
}

/* The same, worker by worker: only what is not 0. */
static json_t *
stats_workers(const struct daemon *d)
{
	json_t *list = json_array();
	for (uint32_t i = 0; i < d->dp.worker_count; i++) {
		struct totals t = {0};
		counters_add_to(&t, d->dp.counters[i]);
		json_t *exits = json_object();
		for (int e = 0; e < EXIT_COUNT; e++)
			if (t.packets[e] > 0)
				json_object_set_new(exits, exit_name((enum exit)e),
					json_integer(commands_number(t.packets[e])));
		json_array_append_new(
			list, json_pack("{s:i, s:I, s:o}", "cpu", d->dp.workers[i]->cpu, "received",
				      commands_number(t.received), "exits", exits));
	}
	return list;
}

static json_t *
stats_kernel_path(const struct daemon *d)
{
	json_t *list = json_array();
	for (uint32_t i = 0; i < d->dp.port_count; i++) {
		const struct dataplane_port *port = &d->dp.ports[i];
		uint32_t links = port->kernel_interface ? 1 + port->vlan_count : 0;
		for (uint32_t link = 0; link < links; link++) {
			struct kernelpath_counters c =
				kernelpath_counters(d->dp.kernelpath, i, link);
			json_array_append_new(
				list, json_pack("{s:s, s:s, s:I, s:I, s:I, s:I}", "port",
					      port->name, "interface",
					      link == KERNELPATH_UNTAGGED
						      ? port->kernel_interface
						      : port->vlans[link - 1].interface,
					      "delivered", commands_number(c.delivered),
					      "delivery_failed", commands_number(c.delivery_failed),
					      "collected", commands_number(c.collected),
					      "ring_full", commands_number(c.ring_full)));
		}
	}
	return list;
}

/* What drivers say of packets that no worker ever saw. */
static json_t *
stats_ports(const struct daemon *d)
{
	json_t *list = json_array();
	for (uint32_t i = 0; i < d->dp.port_count; i++) {
		struct dataplane_port_counters c = dataplane_port_counters(&d->dp.ports[i]);
		json_array_append_new(list,
			json_pack("{s:s, s:I, s:I, s:I}", "port", d->dp.ports[i].name, "missed",
				commands_number(c.missed), "errors", commands_number(c.errors),
				"no_buffer", commands_number(c.no_buffer)));
	}
	return list;
}

int
command_stats(struct daemon *d, json_t *arguments, json_t **result, struct error *err)
{
	(void)arguments;
	(void)err;
	struct totals t = stats_totals(d->stats);
	uint64_t left = 0, kernel_sent = 0, kernel_tx_full = 0;
	for (int i = 0; i < EXIT_COUNT; i++)
		left += t.packets[i];
	for (uint32_t i = 0; i < d->dp.worker_count; i++) {
		kernel_sent += counter_read(&d->dp.counters[i]->kernel_sent);
		kernel_tx_full += counter_read(&d->dp.counters[i]->kernel_tx_full);
	}
	json_t *events = json_object();
	for (int i = 0; i < FLOW_EVENT_COUNT; i++)
		json_object_set_new(events, flow_event_name((enum flow_event)i),
			json_integer(commands_number(t.flow_events[i])));
	struct nexthop_counters hops = nexthop_counters(d->nexthops);
	json_t *next_hops = json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "resolved",
		commands_number(hops.resolved), "unresolved", commands_number(hops.unresolved),
		"asked", commands_number(hops.asked), "changed", commands_number(hops.changed),
		"failed", commands_number(hops.failed), "repairs", commands_number(hops.repairs),
		"drift", commands_number(hops.drift), "overflows", commands_number(hops.overflows));
	*result = json_pack(
		"{s:I, s:I, s:I, s:I, s:I, s:b, s:o, s:o, s:o, s:o, s:I, s:I, s:o, s:o}",
		"received", commands_number(t.received), "sent",
		commands_number(t.by_kind[EXIT_KIND_SENT]), "punted",
		commands_number(t.by_kind[EXIT_KIND_PUNTED]), "answered",
		commands_number(t.by_kind[EXIT_KIND_ANSWERED]), "dropped",
		commands_number(t.by_kind[EXIT_KIND_DROPPED]), "identity", left == t.received,
		"exits", stats_exits(&t), "workers", stats_workers(d), "flow_table", events,
		"kernel_path", stats_kernel_path(d), "kernel_sent", commands_number(kernel_sent),
		"kernel_tx_full", commands_number(kernel_tx_full), "ports", stats_ports(d),
		"next_hops", next_hops);
	return 0;
}
