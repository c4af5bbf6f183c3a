/* SPDX-License-Identifier: BSD-3-Clause */
#include <netinet/in.h>
#include <unistd.h>

#include "commands.h"
#include "control.h"
#include "fleet.h"
#include "probe_path.h"
#include "reload.h"

static json_t *
status_workers(const struct daemon *d)
{
	json_t *list = json_array();
	for (uint32_t i = 0; i < d->dp.worker_count; i++) {
		const struct worker *w = d->dp.workers[i];
		const struct pipeline_counters *c = d->dp.counters[i];
		json_array_append_new(list,
			json_pack("{s:i, s:i, s:I, s:I, s:f}", "cpu", w->cpu, "numa", w->numa_node,
				"packets", commands_number(counter_read(&c->received.packets)),
				"bursts", commands_number(counter_read(&c->bursts)), "busy_percent",
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

/* Which configuration is in force, and what is to be known about it. */
static json_t *
status_configuration(struct daemon *d)
{
	const struct reload_state state = reload_state(d);
	if (history_count(state.history) == 0)
		return json_null();
	const struct history_entry *e = history_at(state.history, 0);
	json_t *file = json_string(e->file);
	return json_pack("{s:o, s:s, s:o, s:o, s:s, s:o, s:o, s:s?, s:s}", "at",
		commands_time(e->at), "origin", history_origin_name(e->origin), "of",
		e->of ? json_integer(commands_number(e->of)) : json_null(), "file",
		file ? file : json_null(), "on_disk", reload_on_disk_name(reload_on_disk(d)),
		"confirm_within_s", state.waits ? json_integer(state.waits_s) : json_null(),
		"back_to", state.waits ? json_integer(commands_number(state.back_to)) : json_null(),
		"state", commands_config(d)->control_state, "unsaved", state.unsaved_why);
}

/* The last try to reload, for who did not see its answer: SIGHUP has none. */
static json_t *
status_last_reload(const struct daemon *d)
{
	const struct reload_attempt *last = reload_state(d).last;
	if (!last)
		return json_null();
	json_t *file = last->file ? json_string(last->file) : NULL;
	json_t *message = json_string(last->message);
	return json_pack("{s:o, s:s, s:s, s:o, s:o, s:o}", "at", commands_time(last->at), "by",
		last->by, "outcome", reload_outcome_name(last->outcome), "file",
		file ? file : json_null(), "message", message ? message : json_null(), "details",
		commands_lines(last->details));
}

/* Health checks by the path: null while there are none. */
static json_t *
status_probe_path(const struct daemon *d)
{
	const struct probe_path *path = fleet_path(d->fleet);
	if (!path || !probe_path_device(path))
		return json_null();
	const struct probe_path_counters c = probe_path_counters(path);
	return json_pack("{s:s, s:I, s:I, s:I, s:I, s:I}", "device", probe_path_device(path),
		"sent", commands_number(c.sent), "foreign", commands_number(c.foreign), "gone",
		commands_number(c.gone), "too_big", commands_number(c.too_big), "no_room",
		commands_number(c.no_room));
}

int
command_status(struct daemon *d, json_t *arguments, json_t **result, struct error *err)
{
	(void)arguments;
	(void)err;
	const struct config *config = commands_config(d);
	struct mono now = mono_now();
	const struct flow_table *flows = flow_file_table(d->flow_file);
	uint32_t backends = 0;
	for (uint32_t p = 0; p < config->pool_count; p++)
		backends += config->pools[p].backend_count;
	json_t *table = json_pack("{s:s, s:I, s:I, s:I, s:b, s:b, s:I}", "path",
		config->flow_table.path, "capacity", commands_number(d->flow_capacity), "entries",
		commands_number((uint64_t)(flows->bucket_mask + 1) * FLOW_BUCKET_ENTRIES), "live",
		commands_number(d->sweep.last.live), "resumed", d->flow_report.resumed, "hugetlbfs",
		d->flow_report.on_hugetlbfs, "bytes", commands_number(d->flow_report.bytes));
	struct dataplane_buffers buffers = dataplane_buffers(&d->dp);
	*result = json_pack(
		"{s:s, s:s, s:i, s:I, s:s, s:I, s:I, s:o, s:o, s:I, s:I, s:b, s:o, s:o, "
		"s:o, s:{s:I, s:I}, "
		"s:I, s:I, s:I, s:I, s:I, s:o}",
		"name", config->edge_name, "version", FAIRLEAD_VERSION, "pid", (int)getpid(),
		"uptime_s", commands_number(mono_ms_between(d->started, now) / 1000), "config_file",
		d->config_file, "loaded_s_ago",
		commands_number(mono_ms_between(d->loaded, now) / 1000), "generation",
		commands_number(reload_generation(d)), "configuration", status_configuration(d),
		"last_reload", status_last_reload(d), "snapshot",
		commands_number(snapshot_generation(d->publish.snapshot)), "oldest_snapshot",
		commands_number(publish_oldest_generation(&d->publish)), "polling",
		(int)atomic_load(&d->dp.orders.go), "workers", status_workers(d), "ports",
		status_ports(d), "flow_table", table, "buffers", "total",
		commands_number(buffers.total), "free", commands_number(buffers.free), "services",
		commands_number(config->service_count), "pools",
		commands_number(config->pool_count), "backends", commands_number(backends),
		"snapshot_bytes", commands_number(snapshot_bytes(d->publish.snapshot)),
		"numa_nodes", commands_number(d->dp.node_count), "probe_path",
		status_probe_path(d));
	return 0;
}
