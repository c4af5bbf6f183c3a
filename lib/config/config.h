/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A configuration, as the rest of the program sees it: validated, complete (defaults filled in),
 * frozen, and ignorant of DPDK. It lives in one arena and is freed whole.
 *
 *   file --document--> JSON with positions --schema--> values of the right type and range
 *        --semantics--> no contradictions --> struct config
 *
 * What a field means, its type, range and default stand once, in the tables of schema*.c: they
 * drive the validator, the JSON Schema, the reference in README.md and the completion.
 * Control only (or a tool without threads).
 */
#ifndef FAIRLEAD_CONFIG_H
#define FAIRLEAD_CONFIG_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "addr.h"
#include "encap_settings.h"
#include "error.h"
#include "bounds.h"

struct arena;

enum backend_state {
	BACKEND_ACTIVE,
	BACKEND_DRAIN,	  /* no new flows; existing ones stay */
	BACKEND_DISABLED, /* no flows at all */
};

enum affinity {
	AFFINITY_FLOW,	 /* a 5-tuple stays */
	AFFINITY_CLIENT, /* a client address stays, whatever its ports and the VIP */
	AFFINITY_NONE,	 /* every packet by its row; no entry in the flow table */
};

enum health_type {
	HEALTH_NONE, /* no "health" in the pool */
	HEALTH_TCP,
	HEALTH_HTTP,
	HEALTH_HTTPS,
	HEALTH_DNS,
	HEALTH_ICMP,
	HEALTH_EXEC,
};

/* Where a check goes. */
enum health_via {
	HEALTH_VIA_ADDRESS, /* to the backend's own address, by Linux's routes */
	HEALTH_VIA_PATH,    /* to a VIP, the way that the pool's packets go to this backend */
};

/* What becomes of the flows of a backend that is down. */
enum flows_when_down {
	FLOWS_KEEP, /* they wait for it */
	FLOWS_MOVE, /* each goes to the backend of its row with its next packet */
};

/* What becomes of a pool with fewer healthy backends than min_healthy. */
enum panic {
	PANIC_ALL,  /* checks are taken for wrong: its active backends all get traffic */
	PANIC_STOP, /* it takes no new flows */
};

struct config_backend {
	const char *name;
	struct ip_addr address;
	uint16_t weight;
	enum backend_state state;
};

struct config_forward {
	const char *mode; /* a name in encap_all[]: "l2", "ipip", … */
	struct encap_settings settings;
};

struct config_status_range {
	uint16_t first, last; /* of HTTP: 100-599 */
};

struct config_health {
	enum health_type type;
	enum health_via via;
	uint16_t port; /* tcp, http, https, dns */

	/* http, https */
	const char *path;
	const char *host; /* "Host" and the name in TLS; NULL: the address that is asked */
	const char *body; /* must be in the answer; NULL: any answer will do */
	struct config_status_range *statuses; /* that are good; sorted, disjoint */
	uint32_t status_count;
	bool verify; /* https: the certificate and its name */

	/* dns */
	const char *query;	/* name that is asked for */
	const char *query_type; /* "A", "AAAA", "SOA" … */
	const char *rcode;	/* "NOERROR", "NXDOMAIN" … */
	const char *answer;	/* in presentation form, must be among the answers; NULL: any */

	/* exec: the program and its arguments; it finds FAIRLEAD_POOL, _BACKEND, _ADDRESS and
	 * _WEIGHT in its environment, and says by exit status 0 that the backend is good */
	const char **command;
	uint32_t command_count;

	uint32_t interval_ms;
	uint32_t fast_interval_ms; /* while a verdict is about to change */
	uint32_t timeout_ms;
	uint16_t rise, fall;
};

struct config_when_down {
	enum flows_when_down flows;
	uint32_t move_after_ms; /* with FLOWS_MOVE: from the moment when it went down */
};

struct config_pool {
	const char *name;
	struct config_forward forward;
	struct config_health health;
	struct config_when_down tcp_when_down, udp_when_down;
	uint32_t min_healthy;
	enum panic panic;
	uint32_t slow_start_s; /* in which the weight of one that comes up grows; 0: at once */
	struct config_backend *backends; /* sorted by name; never empty */
	uint32_t backend_count;
	uint32_t rows;
};

struct config_port_range {
	uint16_t first, last; /* "any" is 0-65535 */
};

struct config_service {
	const char *name;
	struct ip_addr *vips; /* sorted by addr_compare */
	uint32_t vip_count;
	uint8_t protocol;		 /* IPPROTO_TCP or IPPROTO_UDP */
	struct config_port_range *ports; /* sorted, neither overlapping nor adjacent */
	uint32_t port_count;
	const char *pool_name;
	uint32_t pool; /* index in config.pools */
	enum affinity affinity;
};

struct config_vlan {
	uint16_t id;
	const char *kernel_interface;
};

struct config_port {
	const char *name;
	const char *device;	      /* PCI address or DPDK device string */
	const char *kernel_interface; /* NULL: packets not for a VIP are dropped by name */
	uint16_t mtu;
	struct config_vlan *vlans;
	uint32_t vlan_count;
	bool answer_neighbours; /* that ask for VIPs, and announce VIPs to them */
};

struct config_flow_table {
	uint64_t capacity;
	const char *path; /* filled in: /dev/shm/fairlead-<edge name>.flows */
	uint16_t tcp_syn_s, tcp_established_s, tcp_closing_s, datagram_s, client_s;
};

/* What a worker does when its ports have nothing for it. */
enum idle {
	IDLE_POLL, /* asks again */
	IDLE_PAUSE, /* lets the core rest some tens of nanoseconds, which its sibling thread can use */
	IDLE_SLEEP, /* gives the core back for some tens of microseconds */
};

struct config_punt {
	uint32_t control_pps; /* ARP, ND, routing protocols; per port */
	uint32_t other_pps;
};

struct config_icmp {
	uint32_t echo_pps;	 /* pings to VIPs that are answered */
	uint32_t errors_pps;	 /* errors that are sent; 0: none */
	uint32_t neighbours_pps; /* that are told where a VIP is */
};

struct config {
	struct arena *arena;
	uint32_t holders;
	const char *file; /* as it was named, for messages */

	const char *edge_name;
	uint8_t hash_key[16];

	uint16_t workers[WORKERS_MAX]; /* CPU numbers, ascending */
	uint32_t worker_count;
	struct config_port *ports; /* in the file's order */
	uint32_t port_count;
	struct config_flow_table flow_table;
	struct config_punt punt;
	bool hugepages;
	enum idle idle;
	uint32_t memory_mb; /* for DPDK's packet buffers; 0: what is needed */

	struct config_pool *pools; /* sorted by name */
	uint32_t pool_count;
	struct config_service *services; /* sorted by name */
	uint32_t service_count;

	struct config_icmp icmp;

	bool has_announce;
	const char *announce_interface;
	uint32_t announce_min_healthy;

	const char *control_socket;
	uint16_t control_socket_mode;	  /* permission bits */
	const char *control_socket_group; /* NULL: that of the daemon */
	const char *control_metrics;	  /* "127.0.0.1:9464", or NULL */
	const char *control_state;	  /* directory of what outlives the process; filled in:
					    * /var/lib/fairlead/<edge name> */
};

/*
 * Reads, validates and freezes `path`. 0 and *config; or a negative errno after every error has
 * been printed to `errors`, one line each: "file:line:column: /json/pointer: wanted …, got …".
 * Columns count characters, not bytes.
 * Things that are allowed but that an operator should know go to `errors` too, as
 * "file:line:column: /json/pointer: warning: …", and do not refuse.
 */
int config_load(struct config **config, const char *path, FILE *errors);

/* The same from memory; `name` stands for the file in messages. `text` need not end in NUL. */
int config_parse(
	struct config **config, const char *name, const char *text, size_t length, FILE *errors);

/* One more holder: config_free by each of them, the last one frees. Control only. */
struct config *config_share(struct config *config);

/* NULL is allowed. */
void config_free(struct config *config);

/* The configuration as JSON with every default filled in and names in order: two files that mean
 * the same print the same. 0, or
 * -EIO when `out` failed. */
int config_print(const struct config *config, FILE *out);

/* The JSON Schema (draft 2020-12), and the reference as Markdown: both out of the schema's tables. */
void config_print_schema(FILE *out);
void config_print_reference(FILE *out);

/* As a configuration writes them. */
const char *affinity_name(enum affinity affinity);
const char *backend_state_name(enum backend_state state);
const char *health_type_name(enum health_type type); /* "none" for HEALTH_NONE */
const char *health_via_name(enum health_via via);
const char *flows_when_down_name(enum flows_when_down flows);
const char *panic_name(enum panic panic);

#endif
