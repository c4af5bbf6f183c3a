/* SPDX-License-Identifier: BSD-3-Clause */
#include "config.h"
#include "schema_fields.h"

#define DEVICE_LEN_MAX 1023
#define VLAN_ID_MIN    1
#define VLAN_ID_MAX    4094 /* 0 is "no VLAN", 4095 is reserved */
/* Ages in the flow table are counted in ticks of 4 s and may not wrap. */
#define FLOW_TIMEOUT_MIN_S 4
#define FLOW_TIMEOUT_MAX_S 7440

static const struct choice idle_ways[] = {
	{"poll", IDLE_POLL}, {"pause", IDLE_PAUSE}, {"sleep", IDLE_SLEEP}, {NULL, 0}};

static const struct field vlan_fields[] = {
	{
		.key = "id",
		.type = &type_integer,
		.meaning = "Number of the VLAN (IEEE 802.1Q).",
		.required = true,
		.min = VLAN_ID_MIN,
		.max = VLAN_ID_MAX,
		IN(struct config_vlan, id),
	},
	{
		.key = "kernel_interface",
		.type = &type_interface,
		.meaning = "Interface that this VLAN has in Linux, made by the daemon; frames on "
			   "it carry "
			   "no tag.",
		.required = true,
		.max = INTERFACE_LEN_MAX,
		IN(struct config_vlan, kernel_interface),
	},
	{0},
};
static const struct object vlan_object = {.fields = vlan_fields};
static const struct field vlan_element = ELEMENT(vlan_object, "A VLAN.");

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
	{
		.key = "vlans",
		.type = &type_array,
		.meaning = "VLANs of this port that are served like untagged frames, on the way in "
			   "and "
			   "out. Frames of others go to the port's `kernel_interface`, which is "
			   "needed.",
		.min = 0,
		.max = VLANS_PER_PORT_MAX,
		.element = &vlan_element,
		LIST_IN(struct config_port, vlans, vlan_count),
	},
	{
		.key = "answer_neighbours",
		.type = &type_boolean,
		.meaning = "Answer ARP requests and neighbour solicitations for VIPs on this port, "
			   "and "
			   "announce the VIPs there, in its VLANs too: for VIPs in the subnet of "
			   "the link, without "
			   "routes to them. Needs a `kernel_interface`.",
		.fallback = false,
		IN(struct config_port, answer_neighbours),
	},
	{0},
};
static const struct object port_object = {.fields = port_fields};
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
static const struct object timeout_object = {.fields = timeout_fields};

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
static const struct object flow_table_object = {.fields = flow_table_fields};

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
static const struct object punt_object = {.fields = punt_fields};

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
		.key = "idle",
		.type = &type_choice,
		.meaning = "What a worker does that has found no packet for a while: `poll` asks "
			   "again at once; `pause` lets the core rest for some tens of nanoseconds "
			   "in between; `sleep` gives it back for 50 microseconds, which the next "
			   "packet may have to wait. A busy worker never rests.",
		.choices = idle_ways,
		.fallback = IDLE_PAUSE,
		IN(struct config, idle),
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
const struct object schema_dataplane = {.fields = dataplane_fields};
