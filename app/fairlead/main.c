/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fairlead, the daemon: options, then a ladder of steps up, the event loop, and the same ladder down.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "control.h"
#include "fleet.h"
#include "log.h"
#include "rehearsal.h"
#include "reload.h"

enum action {
	ACTION_RUN,
	ACTION_CHECK,
};

struct options {
	enum action action;
	const char *file;
	bool print; /* with --check: the configuration with its defaults */
	bool hold;
};

static const char usage[] =
	"usage: fairlead --config FILE [--hold] [--verbose]\n"
	"       fairlead --check FILE [--print]\n"
	"       fairlead --schema | --reference | --version | --help\n"
	"\n"
	"  --config FILE  run with this configuration; SIGHUP reads it again, SIGTERM stops\n"
	"  --hold         get everything ready, but poll no packet until SIGUSR1 (to replay "
	"captures)\n"
	"  --verbose      log more\n"
	"  --check FILE   validate only: no root, no DPDK, no side effects; exit 0 or 1\n"
	"  --print        with --check: print the configuration with every default filled in\n"
	"  --schema       print the JSON Schema of the configuration\n"
	"  --reference    print the reference of the configuration (Markdown)\n";

static void
wrong_usage(void)
{
	fputs(usage, stderr);
	exit(2);
}

static struct options
parse_options(int argc, char **argv)
{
	enum { CONFIG = 1, CHECK, PRINT, HOLD, VERBOSE, SCHEMA, REFERENCE, VERSION, HELP };
	static const struct option longs[] = {
		{"config", required_argument, NULL, CONFIG},
		{"check", required_argument, NULL, CHECK},
		{"print", no_argument, NULL, PRINT},
		{"hold", no_argument, NULL, HOLD},
		{"verbose", no_argument, NULL, VERBOSE},
		{"schema", no_argument, NULL, SCHEMA},
		{"reference", no_argument, NULL, REFERENCE},
		{"version", no_argument, NULL, VERSION},
		{"help", no_argument, NULL, HELP},
		{0},
	};
	struct options options = {0};
	for (int choice; (choice = getopt_long(argc, argv, "", longs, NULL)) != -1;) {
		switch (choice) {
		case CONFIG:
		case CHECK:
			if (options.file)
				wrong_usage();
			options.file = optarg;
			options.action = choice == CHECK ? ACTION_CHECK : ACTION_RUN;
			break;
		case PRINT:
			options.print = true;
			break;
		case HOLD:
			options.hold = true;
			break;
		case VERBOSE:
			log_set_verbose();
			break;
		case SCHEMA:
			config_print_schema(stdout);
			exit(0);
		case REFERENCE:
			config_print_reference(stdout);
			exit(0);
		case VERSION:
			puts("fairlead " FAIRLEAD_VERSION);
			exit(0);
		case HELP:
			fputs(usage, stdout);
			exit(0);
		default:
			wrong_usage();
		}
	}
	if (!options.file || optind != argc || (options.print && options.action != ACTION_CHECK))
		wrong_usage();
	return options;
}

static int
check(const struct options *options)
{
	struct config *config;
	if (config_load(&config, options->file, stderr) < 0)
		return 1;
	int rc = options->print ? config_print(config, stdout) : 0;
	config_free(config);
	return rc < 0 || fflush(stdout) != 0;
}

static uint16_t
ticks(uint16_t seconds)
{
	return (uint16_t)(seconds / (FLOW_TICK_US / 1000000));
}

static int
open_flow_file(struct daemon *d, const struct config *config, struct error *err)
{
	const struct config_flow_table *wanted = &config->flow_table;
	struct flow_file_options options = {
		.path = wanted->path,
		.capacity = wanted->capacity,
		.key_check = flow_key_check(&d->base.key),
		.timeouts.ticks =
			{
				[FLOW_SYN] = ticks(wanted->tcp_syn_s),
				[FLOW_ESTABLISHED] = ticks(wanted->tcp_established_s),
				[FLOW_CLOSING] = ticks(wanted->tcp_closing_s),
				[FLOW_DATAGRAM] = ticks(wanted->datagram_s),
				[FLOW_CLIENT] = ticks(wanted->client_s),
				[FLOW_CLIENT_DATAGRAM] = ticks(wanted->client_s),
			},
		.numa_node = d->dp.node_count == 1 ? d->dp.numa_nodes[0] : ARENA_ANY_NODE,
	};
	int rc = flow_file_open(&d->flow_file, &options, &d->flow_report, err);
	if (rc < 0)
		return rc;
	const struct flow_file_report *report = &d->flow_report;
	if (report->replaced_why[0])
		log_warning(
			"flow table %s: a fresh one, since %s", wanted->path, report->replaced_why);
	log_notice("flow table %s: %s, room for %lu flows, %zu MB on %s", wanted->path,
		report->resumed ? "resumed" : "new", (unsigned long)wanted->capacity,
		report->bytes >> 20, report->on_hugetlbfs ? "hugetlbfs" : "tmpfs");
	d->flow_capacity = wanted->capacity;
	return 0;
}

static int
open_nexthops(struct daemon *d, struct error *err)
{
	struct nexthop_port ports[NEXTHOP_PORTS_MAX];
	unsigned count = 0;
	for (uint32_t i = 0; i < d->dp.port_count; i++) {
		const struct dataplane_port *port = &d->dp.ports[i];
		uint32_t links = port->kernel_interface ? 1 + port->vlan_count : 0;
		for (uint32_t link = 0; link < links; link++)
			ports[count++] = (struct nexthop_port){
				.ifindex = kernelpath_ifindex(d->dp.kernelpath, i, link),
				.port = (uint8_t)i,
				.vlan = link == KERNELPATH_UNTAGGED ? 0 : port->vlans[link - 1].id,
			};
	}
	return nexthop_create(&d->nexthops, ports, count, err);
}

/* What snapshots are built from, once ports and registry are there. */
static void
fill_base(struct daemon *d)
{
	struct snapshot_base *base = &d->base;
	base->registry = d->registry;
	base->nexthops = d->nexthops;
	base->port_count = d->dp.port_count;
	for (uint32_t i = 0; i < d->dp.port_count; i++) {
		const struct dataplane_port *port = &d->dp.ports[i];
		base->ports[i] = (struct tables_port){
			.mac = port->mac,
			.mtu = port->mtu,
			.has_kernel_path = port->kernel_interface != NULL,
			.answers_neighbours = port->answers_neighbours,
		};
		for (uint32_t v = 0; v < port->vlan_count; v++)
			base->ports[i].vlans[port->vlans[v].id / 64] |= 1ull
									<< port->vlans[v].id % 64;
	}
	memcpy(base->numa_nodes, d->dp.numa_nodes, sizeof(base->numa_nodes));
	base->node_count = d->dp.node_count;
}

/* Up the ladder; the caller goes down it from wherever this stopped. */
static int
climb(struct daemon *d, struct config *config, uint64_t read_ms, struct error *err)
{
	flow_key_expand(&d->base.key, config->hash_key);
	int rc = open_flow_file(d, config, err);
	if (rc == 0) {
		d->registry = registry_create(flow_file_owners(d->flow_file));
		d->stats = stats_create(d->dp.counters, d->dp.worker_count);
		rc = d->registry && d->stats ? open_nexthops(d, err)
					     : error_set(err, -ENOMEM, "not enough memory");
	}
	if (rc < 0) {
		config_free(config);
		return rc;
	}
	fill_base(d);
	d->announcer.dp = &d->dp;
	rc = fleet_create(&d->fleet, d, err);
	if (rc == 0 && publish_init(&d->publish, d->dp.worker_count) < 0)
		rc = error_set(err, -ENOMEM, "not enough memory");
	if (rc < 0) {
		config_free(config);
		return rc;
	}
	d->base.standings = fleet_standings;
	d->base.standings_context = d->fleet;
	rc = reload_first(d, config, read_ms, err);
	if (rc == 0 &&
		sweep_init(&d->sweep, flow_file_table(d->flow_file), d->registry, d->stats) < 0)
		rc = error_set(err, -ENOMEM, "not enough memory");
	if (rc == 0)
		rc = control_open(d, err);
	return rc == 0 ? dataplane_start(&d->dp, flow_file_table(d->flow_file), &d->publish, err)
		       : rc;
}

static void
descend(struct daemon *d)
{
	dataplane_stop(&d->dp);
	control_close(d);
	fleet_destroy(d->fleet);
	sweep_fini(&d->sweep);
	announcer_fini(&d->announcer);
	reload_fini(d);
	rehearsal_destroy(d->rehearsal);
	publish_fini(&d->publish);
	if (d->nexthops)
		nexthop_destroy(d->nexthops);
	stats_destroy(d->stats);
	registry_destroy(d->registry);
	if (d->flow_file) {
		flow_file_touch(d->flow_file, mono_now());
		flow_file_close(d->flow_file);
	}
	dataplane_destroy(&d->dp);
}

static int
run(const struct options *options)
{
	struct daemon daemon = {.hold = options->hold, .started = mono_now()};
	struct config *config;
	struct error err;
	if (config_load(&config, options->file, stderr) < 0)
		return 1;
	uint64_t read_ms = mono_ms_between(daemon.started, mono_now());
	char *file = realpath(options->file, NULL);
	daemon.config_file = file ? file : options->file;
	if (dataplane_create(&daemon.dp, config, &err) < 0) {
		log_error("%s", err.text);
		config_free(config);
		free(file);
		return 1;
	}
	int rc = climb(&daemon, config, read_ms, &err);
	if (rc == 0) {
		atomic_store(&daemon.dp.orders.go, !daemon.hold);
		log_notice("fairlead %s: ready%s", FAIRLEAD_VERSION,
			daemon.hold ? "; workers wait for SIGUSR1" : "");
		control_run(&daemon);
	} else {
		log_error("%s", err.text);
	}
	descend(&daemon);
	free(file);
	return rc < 0;
}

int
main(int argc, char **argv)
{
	struct options options = parse_options(argc, argv);
	return options.action == ACTION_CHECK ? check(&options) : run(&options);
}
