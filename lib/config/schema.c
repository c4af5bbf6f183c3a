/* SPDX-License-Identifier: BSD-3-Clause */
#include "schema.h"

#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

#include "config.h"

#define IN(type, member) .offset = offsetof(type, member), .bytes = sizeof(((type *)0)->member)
#define LIST_IN(type, member, count)                                                               \
	IN(type, member), .count_offset = offsetof(type, count),                                   \
			  .element_bytes = sizeof(*((type *)0)->member)

#define ELEMENT(of, text)                                                                          \
	{                                                                                          \
		.type = &type_object, .meaning = text, .object = &of,                              \
	}

#define PATH_LEN_MAX	  4095
#define INTERFACE_LEN_MAX (IFNAMSIZ - 1)
#define SOCKET_LEN_MAX	  ((int)sizeof(((struct sockaddr_un *)0)->sun_path) - 1)
#define URL_PATH_LEN_MAX  1023
#define DEVICE_LEN_MAX	  1023
#define ENDPOINT_LEN_MAX  64
/* More than any one service has; the sum over all is semantics.c's business. */
#define VIPS_PER_SERVICE_MAX 65535
/* Ages in the flow table are counted in ticks of 4 s and may not wrap. */
#define FLOW_TIMEOUT_MIN_S 4
#define FLOW_TIMEOUT_MAX_S 7440

static const struct choice health_types[] = {{"tcp", HEALTH_TCP}, {"http", HEALTH_HTTP}, {NULL, 0}};
static const struct choice protocols[] = {{"tcp", IPPROTO_TCP}, {"udp", IPPROTO_UDP}, {NULL, 0}};
static const struct choice affinities[] = {
	{"flow", AFFINITY_FLOW}, {"client", AFFINITY_CLIENT}, {"none", AFFINITY_NONE}, {NULL, 0}};
static const struct choice backend_states[] = {{"active", BACKEND_ACTIVE}, {"drain", BACKEND_DRAIN},
	{"disabled", BACKEND_DISABLED}, {NULL, 0}};

static const struct field edge_fields[] = {
	{
		.key = "name",
		.type = &type_name,
		.meaning = "Name of this edge, in logs and metrics.",
		.required = true,
		.max = NAME_LEN_MAX,
		IN(struct config, edge_name),
	},
	{
		.key = "hash_key",
		.type = &type_hash_key,
		.meaning = "Secret key of the flow hash: the same on all siblings, known to nobody "
			   "else. Whoever knows it can choose flows that collide.",
		.required = true,
		.is_secret = true,
		IN(struct config, hash_key),
	},
	{0},
};
static const struct object edge_object = {edge_fields};

static const struct field port_fields[] = {
	{
		.key = "name",
		.type = &type_name,
		.meaning = "Name of the port, in logs and metrics.",
		.required = true,
		.max = NAME_LEN_MAX,
		IN(struct config_port, name),
	},
	{
		.key = "device",
		.type = &type_device,
		.meaning =
			"PCI address, or a DPDK device string such as `net_af_packet0,iface=e0`.",
		.required = true,
		.max = DEVICE_LEN_MAX,
		IN(struct config_port, device),
	},
	{
		.key = "kernel_interface",
		.type = &type_interface,
		.meaning = "Interface that this port has in Linux, made by the daemon, for all "
			   "that is "
			   "not for a VIP. Without it such packets are dropped.",
		.max = INTERFACE_LEN_MAX,
		IN(struct config_port, kernel_interface),
	},
	{
		.key = "mtu",
		.type = &type_integer,
		.meaning = "Largest IP packet, in bytes.",
		.min = MTU_MIN,
		.max = MTU_MAX,
		.fallback = 1500,
		IN(struct config_port, mtu),
	},
	{0},
};
static const struct object port_object = {port_fields};
static const struct field port_element = ELEMENT(port_object, "A port.");

#define TIMEOUT(name, seconds, text)                                                               \
	{                                                                                          \
		.key = #name, .type = &type_integer, .meaning = text, .min = FLOW_TIMEOUT_MIN_S,   \
		.max = FLOW_TIMEOUT_MAX_S, .fallback = seconds,                                    \
		IN(struct config, flow_table.name),                                                \
	}

static const struct field timeout_fields[] = {
	TIMEOUT(tcp_syn_s, 60,
		"Seconds after which a TCP flow that showed only a SYN is forgotten."),
	TIMEOUT(tcp_established_s, 7440,
		"Seconds after which an idle TCP flow is forgotten (RFC 5382, REQ-5: 7440)."),
	TIMEOUT(tcp_closing_s, 120,
		"Seconds after which a TCP flow that showed a FIN or RST is "
		"forgotten."),
	TIMEOUT(datagram_s, 300, "Seconds after which an idle UDP flow is forgotten."),
	TIMEOUT(client_s, 3600,
		"Seconds after which an idle client of a service with affinity "
		"`client` is forgotten."),
	{0},
};
static const struct object timeout_object = {timeout_fields};

static const struct field flow_table_fields[] = {
	{
		.key = "capacity",
		.type = &type_integer,
		.meaning = "Flows that the table is laid out for; about 11 bytes each, rounded up "
			   "to a "
			   "power of two of entries.",
		.min = FLOW_CAPACITY_MIN,
		.max = FLOW_CAPACITY_MAX,
		.fallback = 1 << 20,
		IN(struct config, flow_table.capacity),
	},
	{
		.key = "path",
		.type = &type_path,
		.meaning = "File that holds the table and outlives the process: on hugetlbfs or "
			   "tmpfs.",
		.max = PATH_LEN_MAX,
		.fallback_words = "/dev/shm/fairlead-EDGE.flows",
		IN(struct config, flow_table.path),
	},
	{
		.key = "timeouts",
		.type = &type_object,
		.meaning = "When idle flows are forgotten; counted in ticks of 4 s.",
		.object = &timeout_object,
	},
	{0},
};
static const struct object flow_table_object = {flow_table_fields};

static const struct field punt_fields[] = {
	{
		.key = "control_pps",
		.type = &type_integer,
		.meaning = "Packets a second and port to Linux: ARP, neighbour discovery, routing "
			   "protocols.",
		.min = 1,
		.max = 10000000,
		.fallback = 20000,
		IN(struct config, punt.control_pps),
	},
	{
		.key = "other_pps",
		.type = &type_integer,
		.meaning = "Packets a second and port to Linux: all others.",
		.min = 0,
		.max = 10000000,
		.fallback = 100000,
		IN(struct config, punt.other_pps),
	},
	{0},
};
static const struct object punt_object = {punt_fields};

static const struct field dataplane_fields[] = {
	{
		.key = "workers",
		.type = &type_cpus,
		.meaning = "CPUs that poll, one worker each. They are busy all the time.",
		.required = true,
		.max = WORKERS_MAX,
		.count_offset = offsetof(struct config, worker_count),
		IN(struct config, workers),
	},
	{
		.key = "ports",
		.type = &type_array,
		.meaning = "Network ports that the data plane takes over.",
		.required = true,
		.min = 1,
		.max = PORTS_MAX,
		.element = &port_element,
		LIST_IN(struct config, ports, port_count),
	},
	{
		.key = "flow_table",
		.type = &type_object,
		.meaning = "The sticky flow table, shared by all workers.",
		.object = &flow_table_object,
	},
	{
		.key = "punt",
		.type = &type_object,
		.meaning = "How much may go to Linux.",
		.object = &punt_object,
	},
	{
		.key = "hugepages",
		.type = &type_boolean,
		.meaning = "Packet buffers in hugepages. Without: works anywhere, slower.",
		.fallback = true,
		IN(struct config, hugepages),
	},
	{
		.key = "memory_mb",
		.type = &type_integer,
		.meaning = "MiB for packet buffers; 0: what is needed.",
		.min = 0,
		.max = 1 << 20,
		.fallback = 0,
		IN(struct config, memory_mb),
	},
	{0},
};
static const struct object dataplane_object = {dataplane_fields};

static const struct field health_fields[] = {
	{
		.key = "type",
		.type = &type_choice,
		.meaning = "`tcp`: a connection opens; `http`: a GET is answered with 200.",
		.required = true,
		.choices = health_types,
		IN(struct config_pool, health.type),
	},
	{
		.key = "port",
		.type = &type_integer,
		.meaning = "Port that is checked, on the backend's own address.",
		.required = true,
		.min = 1,
		.max = UINT16_MAX,
		IN(struct config_pool, health.port),
	},
	{
		.key = "path",
		.type = &type_url_path,
		.meaning = "What `http` asks for; `/` if not given.",
		.max = URL_PATH_LEN_MAX,
		.fallback_words = "/ with type http",
		IN(struct config_pool, health.path),
	},
	{
		.key = "interval_ms",
		.type = &type_integer,
		.meaning = "Milliseconds from one check to the next.",
		.min = 10,
		.max = 3600000,
		.fallback = 1000,
		IN(struct config_pool, health.interval_ms),
	},
	{
		.key = "timeout_ms",
		.type = &type_integer,
		.meaning = "Milliseconds after which a check has failed; at most interval_ms.",
		.min = 10,
		.max = 3600000,
		.fallback = 500,
		IN(struct config_pool, health.timeout_ms),
	},
	{
		.key = "rise",
		.type = &type_integer,
		.meaning = "Good checks in a row that make a backend healthy.",
		.min = 1,
		.max = 1000,
		.fallback = 2,
		IN(struct config_pool, health.rise),
	},
	{
		.key = "fall",
		.type = &type_integer,
		.meaning = "Bad checks in a row that make a backend unhealthy.",
		.min = 1,
		.max = 1000,
		.fallback = 3,
		IN(struct config_pool, health.fall),
	},
	{0},
};
static const struct object health_object = {health_fields};

static const struct field backend_fields[] = {
	{
		.key = "name",
		.type = &type_name,
		.meaning = "Name, once in its pool. Flows stay with the name, and rows follow from "
			   "it.",
		.required = true,
		.max = NAME_LEN_MAX,
		IN(struct config_backend, name),
	},
	{
		.key = "address",
		.type = &type_address,
		.meaning = "Where the service instance is reached; never a VIP.",
		.required = true,
		IN(struct config_backend, address),
	},
	{
		.key = "weight",
		.type = &type_integer,
		.meaning = "Share of new flows relative to the others of the pool; 0: none.",
		.min = 0,
		.max = UINT16_MAX,
		.fallback = 100,
		IN(struct config_backend, weight),
	},
	{
		.key = "state",
		.type = &type_choice,
		.meaning = "`active`; `drain`: no new flows, existing ones stay; `disabled`: no "
			   "flows.",
		.choices = backend_states,
		.fallback = BACKEND_ACTIVE,
		IN(struct config_backend, state),
	},
	{0},
};
const struct object schema_backend = {backend_fields};
static const struct field backend_element = ELEMENT(schema_backend, "A backend.");

static const struct field pool_fields[] = {
	{
		.key = "forward",
		.type = &type_object,
		.meaning = "How packets get to the backends.",
		.object = &schema_forward,
	},
	{
		.key = "health",
		.type = &type_object,
		.meaning = "How backends are checked.",
		.object = &health_object,
	},
	{
		.key = "backends",
		.type = &type_array,
		.meaning = "Service instances; their order means nothing.",
		.required = true,
		.min = 1,
		.max = BACKENDS_MAX,
		.element = &backend_element,
		LIST_IN(struct config_pool, backends, backend_count),
	},
	{
		.key = "rows",
		.type = &type_integer,
		.meaning = "Rows of the consistent hash: more of them, more even shares. The same "
			   "on all "
			   "siblings.",
		.min = ROWS_MIN,
		.max = ROWS_MAX,
		.is_power_of_two = true,
		.fallback = ROWS_MIN,
		IN(struct config_pool, rows),
	},
	{0},
};
const struct object schema_pool = {pool_fields};
static const struct field pool_element = ELEMENT(schema_pool, "A pool.");
static_assert(offsetof(struct config_pool, name) == 0, "an element of a map begins with its name");

static const struct field vip_element = {
	.type = &type_address,
	.meaning = "An anycast address.",
	.bytes = sizeof(struct ip_addr),
};
static const struct field port_range_element = {
	.type = &type_port_range,
	.meaning = "A port, a range of ports, or all.",
	.bytes = sizeof(struct config_port_range),
};

static const struct field service_fields[] = {
	{
		.key = "name",
		.type = &type_name,
		.meaning = "Name of the service, in logs and metrics.",
		.required = true,
		.max = NAME_LEN_MAX,
		IN(struct config_service, name),
	},
	{
		.key = "vips",
		.type = &type_array,
		.meaning = "Anycast addresses that it is reached at, of either family.",
		.required = true,
		.min = 1,
		.max = VIPS_PER_SERVICE_MAX,
		.element = &vip_element,
		LIST_IN(struct config_service, vips, vip_count),
	},
	{
		.key = "protocol",
		.type = &type_choice,
		.meaning = "Transport protocol.",
		.required = true,
		.choices = protocols,
		IN(struct config_service, protocol),
	},
	{
		.key = "ports",
		.type = &type_array,
		.meaning = "Numbers, ranges such as `\"8000-8099\"`, or `\"any\"`.",
		.required = true,
		.min = 1,
		.max = UINT16_MAX,
		.element = &port_range_element,
		LIST_IN(struct config_service, ports, port_count),
	},
	{
		.key = "pool",
		.type = &type_name,
		.meaning = "Name of the pool that serves it.",
		.required = true,
		.max = NAME_LEN_MAX,
		IN(struct config_service, pool_name),
	},
	{
		.key = "affinity",
		.type = &type_choice,
		.meaning = "What stays with its backend: `flow`, a 5-tuple; `client`, an address; "
			   "`none`, "
			   "nothing: each packet goes by its row.",
		.choices = affinities,
		.fallback = AFFINITY_FLOW,
		IN(struct config_service, affinity),
	},
	{0},
};
const struct object schema_service = {service_fields};
static const struct field service_element = ELEMENT(schema_service, "A service.");

static const struct field icmp_fields[] = {
	{
		.key = "echo_pps",
		.type = &type_integer,
		.meaning = "Pings to VIPs that are answered, a second; 0: none.",
		.min = 0,
		.max = 10000000,
		.fallback = 10000,
		IN(struct config, icmp.echo_pps),
	},
	{
		.key = "errors_pps",
		.type = &type_integer,
		.meaning = "ICMP errors that are sent, a second: port unreachable, time exceeded, "
			   "packet too big; 0: none.",
		.min = 0,
		.max = 10000000,
		.fallback = 1000,
		IN(struct config, icmp.errors_pps),
	},
	{0},
};
static const struct object icmp_object = {icmp_fields};

static const struct field announce_fields[] = {
	{
		.key = "interface",
		.type = &type_interface,
		.meaning = "Interface that carries the routes of healthy VIPs, for BIRD or FRR to "
			   "export.",
		.required = true,
		.max = INTERFACE_LEN_MAX,
		IN(struct config, announce_interface),
	},
	{
		.key = "min_healthy",
		.type = &type_integer,
		.meaning = "Healthy backends that a VIP needs to be announced.",
		.min = 1,
		.max = BACKENDS_MAX,
		.fallback = 1,
		IN(struct config, announce_min_healthy),
	},
	{0},
};
static const struct object announce_object = {announce_fields};

static const struct field control_fields[] = {
	{
		.key = "socket",
		.type = &type_path,
		.meaning = "Unix socket that fairctl talks to.",
		.max = SOCKET_LEN_MAX,
		.fallback_text = "/run/fairlead/control.sock",
		IN(struct config, control_socket),
	},
	{
		.key = "metrics",
		.type = &type_endpoint,
		.meaning = "Where OpenMetrics text is served over HTTP.",
		.max = ENDPOINT_LEN_MAX,
		IN(struct config, control_metrics),
	},
	{0},
};
static const struct object control_object = {control_fields};

static const struct field config_fields[] = {
	{
		.key = "edge",
		.type = &type_object,
		.meaning = "This box.",
		.required = true,
		.needs_restart = true,
		.object = &edge_object,
	},
	{
		.key = "dataplane",
		.type = &type_object,
		.meaning = "CPUs, ports and memory.",
		.required = true,
		.needs_restart = true,
		.object = &dataplane_object,
	},
	{
		.key = "pools",
		.type = &type_map,
		.meaning = "Pools of backends that serve the same thing, by name.",
		.required = true,
		.min = 0,
		.max = POOLS_MAX,
		.element = &pool_element,
		LIST_IN(struct config, pools, pool_count),
	},
	{
		.key = "services",
		.type = &type_array,
		.meaning = "What is served: VIPs, protocol and ports, each to a pool.",
		.required = true,
		.min = 0,
		.max = SERVICES_MAX,
		.element = &service_element,
		LIST_IN(struct config, services, service_count),
	},
	{
		.key = "icmp",
		.type = &type_object,
		.meaning = "What this edge itself answers for VIPs.",
		.object = &icmp_object,
	},
	{
		.key = "announce",
		.type = &type_object,
		.meaning = "How VIPs are announced to the routing daemon.",
		.has_offset = offsetof(struct config, has_announce),
		.object = &announce_object,
	},
	{
		.key = "control",
		.type = &type_object,
		.meaning = "How the daemon is talked to.",
		.needs_restart = true,
		.object = &control_object,
	},
	{0},
};
const struct object schema_config = {config_fields};

static const char *
choice_name_of(const struct choice *choice, int value)
{
	while (choice->value != value)
		choice++;
	return choice->name;
}

const char *
affinity_name(enum affinity affinity)
{
	return choice_name_of(affinities, (int)affinity);
}

const char *
backend_state_name(enum backend_state state)
{
	return choice_name_of(backend_states, (int)state);
}
