/* SPDX-License-Identifier: BSD-3-Clause */
#include "commands.h"

#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control.h"
#include "reload.h"

static json_int_t
number(uint64_t value)
{
	return (json_int_t)value;
}

static const struct config *
config_of(const struct daemon *d)
{
	return snapshot_config(d->publish.snapshot);
}

/* A whole round of the sweep, so that what is told of flows is of this moment. */
static void
count_flows(struct daemon *d)
{
	sweep_round(&d->sweep, snapshot_tables(d->publish.snapshot, 0), mono_now());
}

static json_t *
status_workers(const struct daemon *d)
{
	json_t *list = json_array();
	for (uint32_t i = 0; i < d->dp.worker_count; i++) {
		const struct worker *w = d->dp.workers[i];
		const struct pipeline_counters *c = d->dp.counters[i];
		json_array_append_new(list,
			json_pack("{s:i, s:i, s:I, s:I, s:f}", "cpu", w->cpu, "numa", w->numa_node,
				"packets", number(counter_read(&c->received.packets)), "bursts",
				number(counter_read(&c->bursts)), "busy_percent",
				control_busy_percent(d->control, i)));
	}
	return list;
}

static json_t *
status_ports(const struct daemon *d)
{
	json_t *list = json_array();
	for (uint32_t i = 0; i < d->dp.port_count; i++) {
		const struct dataplane_port *port = &d->dp.ports[i];
		char mac[MAC_TEXT_MAX];
		json_t *vlans = json_array();
		for (uint32_t v = 0; v < port->vlan_count; v++)
			json_array_append_new(
				vlans, json_pack("{s:i, s:s}", "id", port->vlans[v].id,
					       "kernel_interface", port->vlans[v].interface));
		json_array_append_new(list,
			json_pack("{s:s, s:s, s:s, s:s, s:i, s:s, s:s?, s:s?, s:o}", "name",
				port->name, "device", port->device, "driver", port->driver, "mac",
				mac_format(&port->mac, mac), "mtu", port->mtu, "link",
				dataplane_link_is_up(port) ? "up" : "down", "kernel_interface",
				port->kernel_interface, "kernel_driver",
				port->kernel_interface ? kernelpath_driver(d->dp.kernelpath) : NULL,
				"vlans", vlans));
	}
	return list;
}

static int
command_status(struct daemon *d, json_t *arguments, json_t **result, struct error *err)
{
	(void)arguments;
	(void)err;
	const struct config *config = config_of(d);
	struct mono now = mono_now();
	const struct flow_table *flows = flow_file_table(d->flow_file);
	uint32_t backends = 0;
	for (uint32_t p = 0; p < config->pool_count; p++)
		backends += config->pools[p].backend_count;
	json_t *table = json_pack("{s:s, s:I, s:I, s:I, s:b, s:b, s:I}", "path",
		config->flow_table.path, "capacity", number(d->flow_capacity), "entries",
		number((uint64_t)(flows->bucket_mask + 1) * FLOW_BUCKET_ENTRIES), "live",
		number(d->sweep.last.live), "resumed", d->flow_report.resumed, "hugetlbfs",
		d->flow_report.on_hugetlbfs, "bytes", number(d->flow_report.bytes));
	struct dataplane_buffers buffers = dataplane_buffers(&d->dp);
	*result = json_pack(
		"{s:s, s:s, s:i, s:I, s:s, s:I, s:I, s:I, s:b, s:o, s:o, s:o, s:{s:I, s:I}, "
		"s:I, s:I, s:I, s:I, s:I}",
		"name", config->edge_name, "version", FAIRLEAD_VERSION, "pid", (int)getpid(),
		"uptime_s", number(mono_ms_between(d->started, now) / 1000), "config_file",
		config->file, "loaded_s_ago", number(mono_ms_between(d->loaded, now) / 1000),
		"generation", number(snapshot_generation(d->publish.snapshot)), "oldest_generation",
		number(publish_oldest_generation(&d->publish)), "polling",
		(int)atomic_load(&d->dp.orders.go), "workers", status_workers(d), "ports",
		status_ports(d), "flow_table", table, "buffers", "total", number(buffers.total),
		"free", number(buffers.free), "services", number(config->service_count), "pools",
		number(config->pool_count), "backends", number(backends), "snapshot_bytes",
		number(snapshot_bytes(d->publish.snapshot)), "numa_nodes",
		number(d->dp.node_count));
	return 0;
}

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

static int
command_services(struct daemon *d, json_t *arguments, json_t **result, struct error *err)
{
	(void)arguments;
	(void)err;
	const struct config *config = config_of(d);
	*result = json_array();
	for (uint32_t i = 0; i < config->service_count; i++) {
		const struct config_service *service = &config->services[i];
		struct stats_traffic t =
			stats_service(d->stats, snapshot_service_number(d->publish.snapshot, i));
		json_t *vips = json_array();
		for (uint32_t v = 0; v < service->vip_count; v++) {
			char text[ADDR_TEXT_MAX];
			json_array_append_new(
				vips, json_string(addr_format(&service->vips[v], text)));
		}
		json_array_append_new(*result,
			json_pack("{s:s, s:s, s:o, s:o, s:s, s:s, s:I, s:I, s:I}", "name",
				service->name, "protocol",
				service->protocol == IPPROTO_TCP ? "tcp" : "udp", "vips", vips,
				"ports", port_ranges(service), "pool",
				config->pools[service->pool].name, "affinity",
				affinity_name(service->affinity), "packets", number(t.packets),
				"bytes", number(t.bytes), "new_flows", number(t.new_flows)));
	}
	return 0;
}

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
		"users", number(info.users), "detail",
		nexthop_explain(&info, detail, sizeof(detail)));
}

static void
append_pool(struct daemon *d, json_t *list, uint32_t p)
{
	const struct config_pool *pool = &config_of(d)->pools[p];
	uint32_t *rows = calloc(pool->backend_count, sizeof(*rows));
	if (!rows)
		return;
	snapshot_count_rows(d->publish.snapshot, p, rows);
	for (uint32_t b = 0; b < pool->backend_count; b++) {
		const struct config_backend *backend = &pool->backends[b];
		uint16_t index = snapshot_backend_index(d->publish.snapshot, p, b);
		struct stats_traffic t = stats_backend(d->stats, index);
		char address[ADDR_TEXT_MAX];
		json_array_append_new(list,
			json_pack("{s:s, s:s, s:s, s:s, s:i, s:f, s:I, s:I, s:I, s:I, s:o}", "pool",
				pool->name, "name", backend->name, "address",
				addr_format(&backend->address, address), "state",
				backend_state_name(backend->state), "weight", backend->weight,
				"share_percent", 100.0 * rows[b] / pool->rows, "rows",
				number(rows[b]), "flows", number(d->sweep.last.by_backend[index]),
				"packets", number(t.packets), "bytes", number(t.bytes), "next_hop",
				commands_next_hop(
					d, snapshot_backend_slot(d->publish.snapshot, p, b))));
	}
	free(rows);
}

static int
command_backends(struct daemon *d, json_t *arguments, json_t **result, struct error *err)
{
	const struct config *config = config_of(d);
	const char *wanted = json_string_value(json_object_get(arguments, "pool"));
	bool found = false;
	count_flows(d);
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
		json_array_append_new(list, json_pack("{s:o, s:s, s:I}", "pool",
						    json_stringn(name, (size_t)(slash - name)),
						    "backend", slash + 1, "flows", number(flows)));
	}
	return list;
}

static int
command_flows(struct daemon *d, json_t *arguments, json_t **result, struct error *err)
{
	(void)err;
	const struct flow_table *flows = flow_file_table(d->flow_file);
	const json_t *limit = json_object_get(arguments, "limit");
	count_flows(d);
	const uint64_t *states = d->sweep.last.by_state;
	*result = json_pack("{s:I, s:I, s:I, s:{s:I, s:I, s:I, s:I, s:I}, s:o}", "capacity",
		number(d->flow_capacity), "entries",
		number((uint64_t)(flows->bucket_mask + 1) * FLOW_BUCKET_ENTRIES), "live",
		number(d->sweep.last.live), "by_state", "syn", number(states[FLOW_SYN]),
		"established", number(states[FLOW_ESTABLISHED]), "closing",
		number(states[FLOW_CLOSING]), "datagram", number(states[FLOW_DATAGRAM]), "client",
		number(states[FLOW_CLIENT] + states[FLOW_CLIENT_DATAGRAM]), "by_backend",
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
				exit_kind_name(exit_kind(e)), "packets", number(totals->packets[i]),
				"bytes", number(totals->bytes[i]), "meaning", exit_meaning(e)));
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
					json_integer(number(t.packets[e])));
		json_array_append_new(
			list, json_pack("{s:i, s:I, s:o}", "cpu", d->dp.workers[i]->cpu, "received",
				      number(t.received), "exits", exits));
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
			json_array_append_new(list,
				json_pack("{s:s, s:s, s:I, s:I, s:I, s:I}", "port", port->name,
					"interface",
					link == KERNELPATH_UNTAGGED
						? port->kernel_interface
						: port->vlans[link - 1].interface,
					"delivered", number(c.delivered), "delivery_failed",
					number(c.delivery_failed), "collected", number(c.collected),
					"ring_full", number(c.ring_full)));
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
		json_array_append_new(
			list, json_pack("{s:s, s:I, s:I, s:I}", "port", d->dp.ports[i].name,
				      "missed", number(c.missed), "errors", number(c.errors),
				      "no_buffer", number(c.no_buffer)));
	}
	return list;
}

static int
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
			json_integer(number(t.flow_events[i])));
	struct nexthop_counters hops = nexthop_counters(d->nexthops);
	json_t *next_hops = json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "resolved",
		number(hops.resolved), "unresolved", number(hops.unresolved), "asked",
		number(hops.asked), "changed", number(hops.changed), "failed", number(hops.failed),
		"repairs", number(hops.repairs), "drift", number(hops.drift), "overflows",
		number(hops.overflows));
	*result = json_pack(
		"{s:I, s:I, s:I, s:I, s:I, s:b, s:o, s:o, s:o, s:o, s:I, s:I, s:o, s:o}",
		"received", number(t.received), "sent", number(t.by_kind[EXIT_KIND_SENT]), "punted",
		number(t.by_kind[EXIT_KIND_PUNTED]), "answered",
		number(t.by_kind[EXIT_KIND_ANSWERED]), "dropped",
		number(t.by_kind[EXIT_KIND_DROPPED]), "identity", left == t.received, "exits",
		stats_exits(&t), "workers", stats_workers(d), "flow_table", events, "kernel_path",
		stats_kernel_path(d), "kernel_sent", number(kernel_sent), "kernel_tx_full",
		number(kernel_tx_full), "ports", stats_ports(d), "next_hops", next_hops);
	return 0;
}

static int
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

/* The lines of a text as an array of strings. */
static json_t *
lines_of(const char *text)
{
	json_t *list = json_array();
	while (text && *text) {
		size_t length = strcspn(text, "\n");
		json_array_append_new(list, json_stringn(text, length));
		text += length + (text[length] == '\n');
	}
	return list;
}

static json_t *
plan_lines(const struct plan *plan)
{
	char *text = NULL;
	size_t bytes;
	FILE *out = plan ? open_memstream(&text, &bytes) : NULL;
	if (out) {
		plan_print(plan, out);
		fclose(out);
	}
	json_t *lines = lines_of(text);
	free(text);
	return lines;
}

static int
command_reload(struct daemon *d, json_t *arguments, json_t **result, struct error *err)
{
	const char *file = json_string_value(json_object_get(arguments, "file"));
	struct reload_result r;
	int rc = reload(d, file ? file : d->config_file, &r, err);
	if (rc == 0)
		*result = json_pack("{s:I, s:I, s:o, s:o}", "generation", number(r.generation),
			"took_ms", number(d->load_ms), "changed", plan_lines(r.plan), "warnings",
			lines_of(r.messages));
	else
		*result = r.plan ? plan_lines(r.plan) : lines_of(r.messages);
	reload_result_free(&r);
	return rc;
}

int
commands_handle(
	void *context, const char *command, json_t *arguments, json_t **result, struct error *err)
{
	static const struct {
		const char *name;
		int (*run)(struct daemon *, json_t *, json_t **, struct error *);
	} commands[] = {
		{"status", command_status},
		{"services", command_services},
		{"backends", command_backends},
		{"flows", command_flows},
		{"stats", command_stats},
		{"neighbours", command_neighbours},
		{"explain", command_explain},
		{"reload", command_reload},
	};
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcmp(commands[i].name, command) == 0) {
			int rc = commands[i].run(context, arguments, result, err);
			return rc == 0 && !*result ? error_set(err, -ENOMEM, "not enough memory")
						   : rc;
		}
	return error_set(err, -ENOSYS, "no command is called %s", command);
}
