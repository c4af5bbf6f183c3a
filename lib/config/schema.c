/* SPDX-License-Identifier: BSD-3-Clause */
#include "schema.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

#include "config.h"
#include "schema_fields.h"

#define SOCKET_LEN_MAX	 ((int)sizeof(((struct sockaddr_un *)0)->sun_path) - 1)
#define ENDPOINT_LEN_MAX 64
#define SLOW_START_MAX_S 3600
#define GROUP_LEN_MAX	 32 /* what useradd(8) allows */
/* More than any one service has; the sum over all is semantics.c's business. */
#define VIPS_PER_SERVICE_MAX 65535

static const struct choice protocols[] = {{"tcp", IPPROTO_TCP}, {"udp", IPPROTO_UDP}, {NULL, 0}};
static const struct choice panics[] = {{"all", PANIC_ALL}, {"stop", PANIC_STOP}, {NULL, 0}};
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
static const struct object edge_object = {.fields = edge_fields};

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
const struct object schema_backend = {.fields = backend_fields};
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
		.meaning = "How backends are checked. Without it they count as up.",
		.object = &schema_health,
	},
	{
		.key = "when_down",
		.type = &type_object,
		.meaning = "What becomes of the flows of a backend that is down; new ones it never "
			   "gets.",
		.object = &schema_when_down,
	},
	{
		.key = "min_healthy",
		.type = &type_integer,
		.meaning = "Healthy backends that the pool needs; with fewer it panics. At most "
			   "its active backends.",
		.min = 0,
		.max = BACKENDS_MAX,
		.fallback = 1,
		IN(struct config_pool, min_healthy),
	},
	{
		.key = "panic",
		.type = &type_choice,
		.meaning = "A pool in panic: `all`, its checks are taken for wrong, and all active "
			   "backends get traffic; `stop`, it takes no new flows.",
		.choices = panics,
		.fallback = PANIC_ALL,
		IN(struct config_pool, panic),
	},
	{
		.key = "slow_start_s",
		.type = &type_integer,
		.meaning = "Seconds in which the weight of a backend that comes up grows to its "
			   "own; 0: at once. Tracked flows stay.",
		.min = 0,
		.max = SLOW_START_MAX_S,
		.fallback = 0,
		IN(struct config_pool, slow_start_s),
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
const struct object schema_pool = {.fields = pool_fields};
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
const struct object schema_service = {.fields = service_fields};
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
	{
		.key = "neighbours_pps",
		.type = &type_integer,
		.meaning = "ARP requests and neighbour solicitations for VIPs that are answered, a "
			   "second, on ports with `answer_neighbours`.",
		.min = 1,
		.max = 10000000,
		.fallback = 10000,
		IN(struct config, icmp.neighbours_pps),
	},
	{0},
};
static const struct object icmp_object = {.fields = icmp_fields};

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
static const struct object announce_object = {.fields = announce_fields};

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
		.key = "socket_mode",
		.type = &type_permissions,
		.meaning = "Its permissions: who may write to it may do anything that fairctl can.",
		.fallback = 0660,
		IN(struct config, control_socket_mode),
	},
	{
		.key = "socket_group",
		.type = &type_name,
		.meaning = "Group that owns it, by name; that of the daemon if not given. It must "
			   "exist when the daemon starts.",
		.max = GROUP_LEN_MAX,
		IN(struct config, control_socket_group),
	},
	{
		.key = "metrics",
		.type = &type_endpoint,
		.meaning = "Where OpenMetrics text is served over HTTP.",
		.max = ENDPOINT_LEN_MAX,
		IN(struct config, control_metrics),
	},
	{
		.key = "state",
		.type = &type_path,
		.meaning = "Directory of what outlives the process beside the flow table: "
			   "configurations to go back to, drains by operators.",
		.max = PATH_LEN_MAX,
		.fallback_words = "/var/lib/fairlead/EDGE",
		IN(struct config, control_state),
	},
	{0},
};
static const struct object control_object = {.fields = control_fields};

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
		.object = &schema_dataplane,
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
const struct object schema_config = {.fields = config_fields};

const char *
affinity_name(enum affinity affinity)
{
	return choice_name(affinities, affinity);
}

const char *
backend_state_name(enum backend_state state)
{
	return choice_name(backend_states, state);
}

const char *
panic_name(enum panic panic)
{
	return choice_name(panics, panic);
}
