/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane.h"

#include <errno.h>
#include <numa.h>
#include <stdio.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_lcore.h>
#include <rte_mbuf.h>

#include "arena.h"
#include "buffer.h"
#include "burst_isa.h"
#include "eal.h"
#include "log.h"

#define RX_DESCRIPTORS 1024
#define TX_DESCRIPTORS 1024
#define BUFFER_CACHE   256
#define BUFFER_UNIT    1024

static_assert(RTE_PKTMBUF_HEADROOM >= BUFFER_HEADROOM_MIN, "received frames are plain");

/* Buffers that can be in use at once: in queues, in rings of the kernel path, in bursts and caches,
 * and as fragments that wait. */
static uint32_t
buffers_needed(const struct config *config)
{
	uint32_t per_queue = RX_DESCRIPTORS + TX_DESCRIPTORS + BURST_MAX;
	uint32_t vlans = 0;
	for (uint32_t i = 0; i < config->port_count; i++)
		vlans += config->ports[i].vlan_count;
	return vlans * KERNELPATH_FRAMES_PER_VLAN +
	       config->port_count *
		       (config->worker_count * per_queue + KERNELPATH_FRAMES_PER_PORT) +
	       config->worker_count * FRAGMENT_HELD_MAX +
	       (config->worker_count + 1) * BUFFER_CACHE * 2;
}

/*
 * One buffer holds the largest frame: Ethernet, two VLAN tags, MTU, and the FCS, which NICs count. They
 * are told how long buffers are in units of their own, of up to 1 KB (ixgbe), rounded down, and one
 * that finds a frame does not fit makes segments of all and leaves its vector receive path.
 */
static uint32_t
buffer_room(const struct config *config)
{
	uint32_t largest = 0;
	for (uint32_t i = 0; i < config->port_count; i++)
		if (config->ports[i].mtu > largest)
			largest = config->ports[i].mtu;
	uint32_t frame = largest + RTE_ETHER_HDR_LEN + 2 * RTE_VLAN_HLEN + RTE_ETHER_CRC_LEN;
	return RTE_PKTMBUF_HEADROOM + RTE_ALIGN_CEIL(frame, BUFFER_UNIT);
}

/* The NUMA node of a CPU; 0 where the machine has no nodes. */
static int
node_of_cpu(uint16_t cpu)
{
	int node = numa_available() < 0 ? 0 : numa_node_of_cpu(cpu);
	return node < 0 ? 0 : node;
}

static uint32_t
find_node(struct dataplane *dp, int numa_node)
{
	uint32_t i = 0;
	while (i < dp->node_count && dp->numa_nodes[i] != numa_node)
		i++;
	if (i == dp->node_count && dp->node_count < SNAPSHOT_NODES_MAX)
		dp->numa_nodes[dp->node_count++] = numa_node;
	return i;
}

static int
create_worker(struct dataplane *dp, uint16_t id, uint16_t cpu, struct error *err)
{
	int numa_node = node_of_cpu(cpu);
	uint32_t node = find_node(dp, numa_node);
	if (node == SNAPSHOT_NODES_MAX)
		return error_set(
			err, -EINVAL, "workers on more than %d NUMA nodes", SNAPSHOT_NODES_MAX);
	struct arena *arena = arena_create(numa_node);
	struct worker *worker = arena ? arena_array(arena, 1, sizeof(*worker)) : NULL;
	struct pipeline_counters *counters =
		worker ? arena_array(arena, 1, sizeof(*counters)) : NULL;
	dp->worker_arenas[id] = arena;
	dp->worker_count = id + 1u;
	if (!counters)
		return error_set(err, -ENOMEM, "not enough memory for worker %u", id);
	worker->orders = &dp->orders;
	worker->id = id;
	worker->cpu = cpu;
	worker->numa_node = numa_node;
	worker->node = node;
	worker->lcore = eal_worker_lcore(id);
	worker->pipeline.counters = counters;
	worker->pipeline.notes = dp->notes;
	worker->fragments = fragment_buffer_create(numa_node);
	if (!worker->fragments)
		return error_set(err, -ENOMEM, "not enough memory for worker %u", id);
	dp->workers[id] = worker;
	dp->counters[id] = counters;
	log_notice("worker %u: CPU %u, NUMA node %d (its buffers, counters and tables are there)",
		id, cpu, numa_node);
	return 0;
}

static int
create_pools(struct dataplane *dp, const struct config *config, struct error *err)
{
	for (uint32_t i = 0; i < dp->node_count; i++) {
		char name[RTE_MEMPOOL_NAMESIZE];
		snprintf(name, sizeof(name), "buffers-%d", dp->numa_nodes[i]);
		dp->pools[i] = rte_pktmbuf_pool_create(name, buffers_needed(config), BUFFER_CACHE,
			0, (uint16_t)buffer_room(config), dp->numa_nodes[i]);
		if (!dp->pools[i])
			return error_set(err, -ENOMEM,
				"no memory for %u packet buffers of %u bytes on NUMA node %d: "
				"raise /dataplane/memory_mb or the hugepages of that node",
				buffers_needed(config), buffer_room(config), dp->numa_nodes[i]);
	}
	return 0;
}

/* A queue pair for each worker, or a sentence that says how to get them. */
static int
check_queues(const struct dataplane *dp, const struct config_port *port,
	const struct rte_eth_dev_info *info, struct error *err)
{
	const char *hint = strstr(info->driver_name, "af_packet")
				   ? "; add \",qpairs=N\" to the device"
				   : "; use fewer workers";
	if (info->max_rx_queues < dp->worker_count)
		return error_set(err, -ENOTSUP,
			"port %s: %u workers need a receive queue each, %s gives %u%s", port->name,
			dp->worker_count, info->driver_name, info->max_rx_queues, hint);
	if (info->max_tx_queues < dp->worker_count)
		return error_set(err, -ENOTSUP,
			"port %s: %u workers need a transmit queue each, %s gives %u%s", port->name,
			dp->worker_count, info->driver_name, info->max_tx_queues, hint);
	return 0;
}

/* RSS over addresses and ports where there is more than one queue and the device has it. */
static void
configure_rss(struct rte_eth_conf *conf, const struct rte_eth_dev_info *info, uint32_t queues,
	const char *port)
{
	uint64_t wanted = RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP | RTE_ETH_RSS_UDP;
	if (queues == 1)
		return;
	if ((info->flow_type_rss_offloads & wanted) == 0) {
		log_notice("port %s: %s has no RSS of its own that we could set; it spreads "
			   "packets over its queues as it will",
			port, info->driver_name);
		return;
	}
	conf->rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
	conf->rx_adv_conf.rss_conf.rss_hf = wanted & info->flow_type_rss_offloads;
}

/*
 * What of a packet the device checks, no worker does (buffer.h). Nothing is asked of it on the way out:
 * outer_ip.h says why.
 */
static void
configure_offloads(struct rte_eth_conf *conf, const struct rte_eth_dev_info *info, const char *port)
{
	if (!(info->rx_offload_capa & RTE_ETH_RX_OFFLOAD_IPV4_CKSUM))
		return;
	conf->rxmode.offloads |= RTE_ETH_RX_OFFLOAD_IPV4_CKSUM;
	log_notice("port %s: %s checks IPv4 header checksums", port, info->driver_name);
}

static int
setup_queues(struct dataplane *dp, const struct dataplane_port *port,
	const struct rte_eth_dev_info *info, struct error *err)
{
	uint16_t rx = RX_DESCRIPTORS, tx = TX_DESCRIPTORS;
	int rc = rte_eth_dev_adjust_nb_rx_tx_desc(port->dpdk_port, &rx, &tx);
	for (uint32_t i = 0; i < dp->worker_count && rc == 0; i++) {
		const struct worker *w = dp->workers[i];
		unsigned socket = (unsigned)w->numa_node;
		rc = rte_eth_rx_queue_setup(port->dpdk_port, w->id, rx, socket,
			&info->default_rxconf, dp->pools[w->node]);
		if (rc == 0)
			rc = rte_eth_tx_queue_setup(
				port->dpdk_port, w->id, tx, socket, &info->default_txconf);
		if (port->numa_node >= 0 && port->numa_node != w->numa_node)
			log_warning("port %s is on NUMA node %d, worker %u on node %d: every "
				    "packet crosses nodes",
				port->name, port->numa_node, i, w->numa_node);
	}
	if (rc < 0)
		return error_set(err, rc, "port %s: queues: %s", port->name, strerror(-rc));
	return 0;
}

static int
create_port(struct dataplane *dp, uint32_t i, const struct config *config, struct error *err)
{
	const struct config_port *wanted = &config->ports[i];
	struct dataplane_port *port = &dp->ports[i];
	char device[RTE_ETH_NAME_MAX_LEN];
	eal_device_name(wanted->device, device, sizeof(device));
	port->name = arena_strdup(dp->arena, wanted->name);
	port->device = arena_strdup(dp->arena, wanted->device);
	port->kernel_interface =
		wanted->kernel_interface ? arena_strdup(dp->arena, wanted->kernel_interface) : NULL;
	port->mtu = wanted->mtu;
	port->answers_neighbours = wanted->answer_neighbours;
	port->vlan_count = wanted->vlan_count;
	for (uint32_t v = 0; v < wanted->vlan_count; v++)
		port->vlans[v] = (struct kernelpath_vlan){
			.interface = arena_strdup(dp->arena, wanted->vlans[v].kernel_interface),
			.id = wanted->vlans[v].id,
		};
	if (rte_eth_dev_get_port_by_name(device, &port->dpdk_port) != 0)
		return error_set(err, -ENODEV, "port %s: DPDK has no device %s%s", wanted->name,
			device,
			eal_is_pci(wanted->device) ? "; is it bound to vfio-pci?"
						   : "; its driver's own line above says why");
	struct rte_eth_dev_info info;
	int rc = rte_eth_dev_info_get(port->dpdk_port, &info);
	if (rc < 0)
		return error_set(err, rc, "port %s: %s", wanted->name, strerror(-rc));
	port->driver = info.driver_name;
	port->numa_node = rte_eth_dev_socket_id(port->dpdk_port);
	rc = check_queues(dp, wanted, &info, err);
	if (rc < 0)
		return rc;
	struct rte_eth_conf conf = {.rxmode.mtu = port->mtu};
	configure_rss(&conf, &info, dp->worker_count, wanted->name);
	configure_offloads(&conf, &info, wanted->name);
	uint16_t queues = (uint16_t)dp->worker_count;
	rc = rte_eth_dev_configure(port->dpdk_port, queues, queues, &conf);
	if (rc < 0)
		return error_set(err, rc, "port %s: cannot be configured for %u queues: %s",
			wanted->name, queues, strerror(-rc));
	rc = setup_queues(dp, port, &info, err);
	if (rc < 0)
		return rc;
	struct rte_ether_addr mac;
	rc = rte_eth_macaddr_get(port->dpdk_port, &mac);
	if (rc < 0)
		return error_set(
			err, rc, "port %s: no MAC address: %s", wanted->name, strerror(-rc));
	memcpy(port->mac.bytes, mac.addr_bytes, sizeof(port->mac.bytes));
	dp->orders.dpdk_ports[i] = port->dpdk_port;
	char text[MAC_TEXT_MAX];
	log_notice("port %s: %s (%s), MAC %s, MTU %u, %u queues, NUMA node %d", port->name, device,
		port->driver, mac_format(&port->mac, text), port->mtu, queues, port->numa_node);
	return 0;
}

static int
create_kernelpath(struct dataplane *dp, struct error *err)
{
	struct kernelpath_port ports[PORTS_MAX];
	for (uint32_t i = 0; i < dp->port_count; i++)
		ports[i] = (struct kernelpath_port){
			.interface = dp->ports[i].kernel_interface,
			.mac = dp->ports[i].mac,
			.mtu = dp->ports[i].mtu,
			.vlans = dp->ports[i].vlans,
			.vlan_count = dp->ports[i].vlan_count,
		};
	int rc = kernelpath_create(&dp->kernelpath, ports, dp->port_count, dp->pools[0], err);
	if (rc < 0)
		return rc;
	dp->orders.kernelpath = dp->kernelpath;
	for (uint32_t i = 0; i < dp->port_count; i++) {
		if (ports[i].interface)
			log_notice("port %s: kernel interface %s (%s)", dp->ports[i].name,
				ports[i].interface, kernelpath_driver(dp->kernelpath));
		for (uint32_t v = 0; v < ports[i].vlan_count; v++)
			log_notice("port %s: kernel interface %s of VLAN %u", dp->ports[i].name,
				ports[i].vlans[v].interface, ports[i].vlans[v].id);
	}
	return 0;
}

static int
create_all(struct dataplane *dp, const struct config *config, struct error *err)
{
	int rc = 0;
	dp->notes = fragment_notes_create(node_of_cpu(config->workers[0]));
	if (!dp->notes)
		return error_set(err, -ENOMEM, "not enough memory");
	for (uint32_t i = 0; i < config->worker_count && rc == 0; i++)
		rc = create_worker(dp, (uint16_t)i, config->workers[i], err);
	if (rc == 0)
		rc = create_pools(dp, config, err);
	for (uint32_t i = 0; i < config->port_count && rc == 0; i++) {
		rc = create_port(dp, i, config, err);
		if (rc == 0)
			dp->port_count++;
	}
	dp->orders.port_count = dp->port_count;
	dp->orders.worker_count = dp->worker_count;
	dp->orders.idle = config->idle;
	return rc < 0 ? rc : create_kernelpath(dp, err);
}

int
dataplane_create(struct dataplane *dp, const struct config *config, struct error *err)
{
	memset(dp, 0, sizeof(*dp));
	size_t buffer_bytes = (size_t)buffers_needed(config) *
			      (buffer_room(config) + sizeof(struct rte_mbuf) + RTE_CACHE_LINE_SIZE);
	int rc = eal_start(config, buffer_bytes, err);
	if (rc < 0)
		return rc;
	dp->arena = arena_create(ARENA_ANY_NODE);
	rc = dp->arena ? create_all(dp, config, err) : error_set(err, -ENOMEM, "not enough memory");
	if (rc < 0)
		dataplane_destroy(dp);
	return rc;
}

static int
start_port(const struct dataplane_port *port, struct error *err)
{
	int rc = rte_eth_dev_start(port->dpdk_port);
	if (rc < 0)
		return error_set(err, rc, "port %s does not start: %s", port->name, strerror(-rc));
	/* ND and routing protocols speak by multicast. Drivers without a filter say ENOTSUP. */
	rc = rte_eth_allmulticast_enable(port->dpdk_port);
	if (rc < 0 && rc != -ENOTSUP)
		log_warning("port %s: no multicast: %s", port->name, strerror(-rc));
	return 0;
}

int
dataplane_start(
	struct dataplane *dp, struct flow_table *flows, struct publish *publish, struct error *err)
{
	dp->orders.publish = publish;
	for (uint32_t i = 0; i < dp->port_count; i++) {
		int rc = start_port(&dp->ports[i], err);
		if (rc < 0)
			return rc;
	}
	int rc = kernelpath_start(dp->kernelpath, err);
	if (rc < 0)
		return rc;
	enum pipeline_isa isa = pipeline_widest_isa();
	pipeline_use(isa);
	log_notice("workers use the %s instruction set", pipeline_isa_name(isa));
	for (uint32_t i = 0; i < dp->worker_count; i++) {
		struct worker *w = dp->workers[i];
		w->pipeline.flows = flows;
		w->pipeline.pool = dp->pools[w->node];
		w->pipeline.now = mono_now();
		w->pipeline.tick = flow_tick(w->pipeline.now);
		w->clock_read_at = rte_rdtsc();
		w->clock_period = rte_get_tsc_hz() / 1000;
		rc = rte_eal_remote_launch(worker_run, w, w->lcore);
		if (rc < 0)
			return error_set(err, rc, "worker %u does not start: %s", i, strerror(-rc));
	}
	return 0;
}

void
dataplane_stop(struct dataplane *dp)
{
	atomic_store(&dp->orders.shutdown, true);
	for (uint32_t i = 0; i < dp->worker_count; i++)
		if (dp->workers[i])
			rte_eal_wait_lcore(dp->workers[i]->lcore);
	if (dp->kernelpath)
		kernelpath_stop(dp->kernelpath);
	for (uint32_t i = dp->port_count; i-- > 0;)
		rte_eth_dev_stop(dp->ports[i].dpdk_port);
}

static void
release_frame(void *frame)
{
	rte_pktmbuf_free(frame);
}

void
dataplane_destroy(struct dataplane *dp)
{
	if (dp->kernelpath)
		kernelpath_destroy(dp->kernelpath);
	for (uint32_t i = dp->port_count; i-- > 0;)
		rte_eth_dev_close(dp->ports[i].dpdk_port);
	for (uint32_t i = 0; i < dp->worker_count; i++)
		if (dp->workers[i])
			fragment_buffer_destroy(dp->workers[i]->fragments, release_frame);
	fragment_notes_destroy(dp->notes);
	for (uint32_t i = dp->node_count; i-- > 0;)
		rte_mempool_free(dp->pools[i]);
	for (uint32_t i = dp->worker_count; i-- > 0;)
		arena_destroy(dp->worker_arenas[i]);
	arena_destroy(dp->arena);
	eal_stop();
}

bool
dataplane_link_is_up(const struct dataplane_port *port)
{
	struct rte_eth_link link;
	return rte_eth_link_get_nowait(port->dpdk_port, &link) == 0 &&
	       link.link_status == RTE_ETH_LINK_UP;
}

struct dataplane_port_counters
dataplane_port_counters(const struct dataplane_port *port)
{
	struct rte_eth_stats stats;
	if (rte_eth_stats_get(port->dpdk_port, &stats) != 0)
		return (struct dataplane_port_counters){0};
	return (struct dataplane_port_counters){
		.missed = stats.imissed,
		.errors = stats.ierrors,
		.no_buffer = stats.rx_nombuf,
	};
}

struct dataplane_buffers
dataplane_buffers(const struct dataplane *dp)
{
	struct dataplane_buffers buffers = {0};
	for (uint32_t i = 0; i < dp->node_count; i++) {
		buffers.total += dp->pools[i]->size;
		buffers.free += rte_mempool_avail_count(dp->pools[i]);
	}
	return buffers;
}
