/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * DPDK as this program uses it: EAL, packet buffers, ports and their queues, the kernel path, the
 * workers' threads. Everything is placed by NUMA node: a worker's buffers, counters and tables on its own
 * node, and the log says what was decided.
 * Control only.
 */
#ifndef FAIRLEAD_DATAPLANE_H
#define FAIRLEAD_DATAPLANE_H

#include "config.h"
#include "error.h"
#include "flow_table.h"
#include "worker.h"

struct arena;
struct rte_mempool;

struct dataplane_port {
	const char *name; /* the configuration's, copied */
	const char *device, *kernel_interface;
	const char *driver;
	uint16_t dpdk_port;
	uint16_t mtu;
	int numa_node;
	struct mac_addr mac;
	bool answers_neighbours; /* that ask for VIPs */
	struct kernelpath_vlan vlans[VLANS_PER_PORT_MAX];
	uint32_t vlan_count;
};

struct dataplane {
	struct arena *arena;
	struct dataplane_port ports[PORTS_MAX];
	uint32_t port_count;
	struct worker *workers[WORKERS_MAX];
	struct pipeline_counters *counters[WORKERS_MAX];
	struct arena *worker_arenas[WORKERS_MAX];
	uint32_t worker_count;
	int numa_nodes[SNAPSHOT_NODES_MAX]; /* those that have workers */
	struct rte_mempool *pools[SNAPSHOT_NODES_MAX];
	uint32_t node_count;
	struct fragment_notes *notes;
	struct kernelpath *kernelpath;
	struct worker_orders orders;
};

/* Starts EAL with the devices of `config`, sets up ports and kernel interfaces; ports are not started. 0, or the sentence in
 * `err` and everything undone. EAL can be started once in a process. */
int dataplane_create(struct dataplane *dp, const struct config *config, struct error *err);

/* Gives the workers what they read, starts the ports and the kernel path's thread and launches the workers, which wait for
 * orders.go. */
int dataplane_start(
	struct dataplane *dp, struct flow_table *flows, struct publish *publish, struct error *err);

/* Workers, kernel path and ports end, in this order. */
void dataplane_stop(struct dataplane *dp);

/* The mirror of dataplane_create. */
void dataplane_destroy(struct dataplane *dp);

bool dataplane_link_is_up(const struct dataplane_port *port);

/* What the driver says of packets that no worker ever saw; 0 where it does not count. */
struct dataplane_port_counters {
	uint64_t missed;    /* the receive queue was full */
	uint64_t errors;    /* bad frames */
	uint64_t no_buffer; /* no packet buffer was free */
};
struct dataplane_port_counters dataplane_port_counters(const struct dataplane_port *port);

/* Packet buffers of all NUMA nodes together; those that wait in receive queues are not free. */
struct dataplane_buffers {
	uint64_t total, free;
};
struct dataplane_buffers dataplane_buffers(const struct dataplane *dp);

#endif
