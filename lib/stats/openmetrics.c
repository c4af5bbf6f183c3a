/* SPDX-License-Identifier: BSD-3-Clause */
#include "openmetrics.h"

#include <inttypes.h>

/* Label values need no escaping: the configuration lets names have [A-Za-z0-9._-] only. */

static void
family(FILE *out, const char *name, const char *type, const char *help)
{
	fprintf(out, "# TYPE fairlead_%s %s\n# HELP fairlead_%s %s\n", name, type, name, help);
}

static void
gauge(FILE *out, const char *name, const char *help, uint64_t value)
{
	family(out, name, "gauge", help);
	fprintf(out, "fairlead_%s %" PRIu64 "\n", name, value);
}

static void
counter_family(FILE *out, const char *name, const char *help, uint64_t value)
{
	family(out, name, "counter", help);
	fprintf(out, "fairlead_%s_total %" PRIu64 "\n", name, value);
}

static void
write_exits(FILE *out, const struct totals *totals)
{
	counter_family(
		out, "received_packets", "Packets received from all ports.", totals->received);
	counter_family(out, "received_bytes", "Bytes of frames received, without FCS.",
		totals->received_bytes);
	family(out, "exit_packets", "counter",
		"Packets by the way they left; their sum is received_packets.");
	for (int i = 0; i < EXIT_COUNT; i++)
		fprintf(out, "fairlead_exit_packets_total{exit=\"%s\",kind=\"%s\"} %" PRIu64 "\n",
			exit_name((enum exit)i), exit_kind_name(exit_kind((enum exit)i)),
			totals->packets[i]);
	family(out, "flow_events", "counter", "What happened at the flow table.");
	for (int i = 0; i < FLOW_EVENT_COUNT; i++)
		fprintf(out, "fairlead_flow_events_total{event=\"%s\"} %" PRIu64 "\n",
			flow_event_name((enum flow_event)i), totals->flow_events[i]);
}

static void
write_services(FILE *out, const struct stats *stats, const struct openmetrics_service *services,
	uint32_t count)
{
	static const struct {
		const char *name, *help;
	} families[] = {
		{"service_packets", "Packets sent to a service's backends."},
		{"service_bytes", "Bytes of frames received for a service."},
		{"service_new_flows", "Flows that began."},
	};
	for (int f = 0; f < 3; f++) {
		family(out, families[f].name, "counter", families[f].help);
		for (uint32_t i = 0; i < count; i++) {
			struct stats_traffic t = stats_service(stats, services[i].number);
			uint64_t value = f == 0 ? t.packets : f == 1 ? t.bytes : t.new_flows;
			fprintf(out, "fairlead_%s_total{service=\"%s\"} %" PRIu64 "\n",
				families[f].name, services[i].name, value);
		}
	}
}

static void
write_backends(FILE *out, const struct stats *stats, const struct openmetrics_backend *backends,
	uint32_t count)
{
	static const struct {
		const char *name, *type, *suffix, *help;
	} families[] = {
		{"backend_packets", "counter", "_total", "Packets sent to a backend."},
		{"backend_bytes", "counter", "_total", "Bytes of frames received for a backend."},
		{"backend_flows", "gauge", "", "Flows in the table that name the backend."},
		{"backend_next_hop_resolved", "gauge", "", "1 if the backend's next hop is known."},
		{"backend_healthy", "gauge", "",
			"1 if the backend's check says so, or it has none."},
		{"backend_draining", "gauge", "", "1 while the backend is drained."},
		{"backend_in_panic", "gauge", "",
			"1 while too few backends of the pool are healthy (min_healthy)."},
		{"backend_weight", "gauge", "",
			"Weight for new flows now: 0 while it is down, drained or disabled."},
	};
	for (size_t f = 0; f < sizeof(families) / sizeof(families[0]); f++) {
		family(out, families[f].name, families[f].type, families[f].help);
		for (uint32_t i = 0; i < count; i++) {
			const struct openmetrics_backend *b = &backends[i];
			struct stats_traffic t = stats_backend(stats, b->index);
			uint64_t values[] = {t.packets, t.bytes, b->flows, b->next_hop_resolved,
				b->healthy, b->draining, b->in_panic, b->weight};
			fprintf(out, "fairlead_%s%s{pool=\"%s\",backend=\"%s\"} %" PRIu64 "\n",
				families[f].name, families[f].suffix, b->pool, b->name, values[f]);
		}
	}
}

void
openmetrics_write(FILE *out, const struct stats *stats, const struct openmetrics_gauges *gauges,
	const struct openmetrics_service *services, uint32_t service_count,
	const struct openmetrics_backend *backends, uint32_t backend_count)
{
	struct totals totals = stats_totals(stats);
	write_exits(out, &totals);
	gauge(out, "flow_table_entries", "Flows in the table, as of the last sweep.",
		gauges->flow_entries);
	gauge(out, "flow_table_capacity", "Flows the table is laid out for.",
		gauges->flow_capacity);
	gauge(out, "configuration_generation", "Number of the configuration in force.",
		gauges->configuration_generation);
	gauge(out, "configuration_unconfirmed", "1 while a reload waits for confirmation.",
		gauges->configuration_unconfirmed);
	gauge(out, "configuration_reload_refused", "1 if the last try to reload was refused.",
		gauges->configuration_reload_refused);
	gauge(out, "snapshot_generation", "Number of the snapshot in force, from 1 at the start.",
		gauges->snapshot_generation);
	gauge(out, "next_hops_resolved", "Backend addresses whose next hop is known.",
		gauges->next_hops_resolved);
	gauge(out, "next_hops_unresolved", "Backend addresses whose next hop is not known.",
		gauges->next_hops_unresolved);
	counter_family(
		out, "health_probes", "Probes of backends that have begun.", gauges->health_probes);
	counter_family(out, "health_probe_failures", "Probes of backends that have failed.",
		gauges->health_probe_failures);
	write_services(out, stats, services, service_count);
	write_backends(out, stats, backends, backend_count);
	fputs("# EOF\n", out);
}
