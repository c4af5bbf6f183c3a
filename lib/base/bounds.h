/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Every limit of the product, in one place, each with its reason.
 */
#ifndef FAIRLEAD_BOUNDS_H
#define FAIRLEAD_BOUNDS_H

/* Names of backends, pools, services, ports: a DNS label (RFC 1035, 2.3.4), without the NUL. */
#define NAME_LEN_MAX 63

/* A flow entry names its backend in 16 bits; index 0 is never given, so that no live entry is 0. */
#define BACKENDS_MAX 65535
/* Services and pools are counted per worker in arrays of this length. */
#define SERVICES_MAX 16384
#define POOLS_MAX    16384
/* A VIP entry counts its port ranges in 16 bits. */
#define PORT_RANGES_PER_VIP_MAX 65535

/* A next-hop slot has 4 bits for the port, of which 15 says "unresolved". */
#define PORTS_MAX 15
/* A kernel interface each: enough for a link's peerings, and for the lists that are searched. */
#define VLANS_PER_PORT_MAX 16
/* One bit a worker in a 64-bit mask. */
#define WORKERS_MAX 64

/* Burst: what rte_eth_rx_burst is asked for. 32 packets of state fit into the first-level cache. */
#define BURST_MAX 32

/* Rows of a pool: 2^16 keeps the largest of 100 equal shares near 1.07 x the mean, 2^18 near 1.035. */
#define ROWS_MIN (1u << 16)
#define ROWS_MAX (1u << 18)

/* Flows that the table is laid out for; the file has 4/3 as many entries, rounded up to 2^n. */
#define FLOW_CAPACITY_MIN (1u << 10)
#define FLOW_CAPACITY_MAX (1u << 28)

/* Searches of a full flow table, in vain, that a worker makes in a millisecond: less than 1 % of its
 * time. */
#define VAIN_SEARCHES_MAX 16

/* IPv6 extension headers that are followed before a packet is dropped (RFC 8504, 5.3). */
#define IPV6_EXTENSIONS_MAX 8

/* MTU of a port: the IPv6 minimum link MTU (RFC 8200, 5) to what common NICs take. */
#define MTU_MIN 1280
#define MTU_MAX 9216

/* A configuration file: 10k backends and services are about 2 MB. As many as there may be of
 * everything, printed with all defaults, are about 25 MB and a million values; a value costs up to
 * 300 bytes while the file is read. */
#define CONFIG_BYTES_MAX  (32u << 20)
#define CONFIG_VALUES_MAX (1536u << 10)
/* Errors reported for one file; a file of other content would fill the terminal. */
#define CONFIG_ERRORS_MAX 100

/* Control socket: one request is one line. */
#define CONTROL_REQUEST_BYTES_MAX (64u << 10)
#define CONTROL_CLIENTS_MAX	  32

/* Health probes under way at once: about half of the ports that Linux gives out for connecting. */
#define HEALTH_PROBES_MAX 16384
/* Probes by the path whose packets are known for theirs: those under way, and as many that have
 * ended, whose last words (a reset, an acknowledgement) are still on their way out. */
#define HEALTH_WAYS_MAX (2 * HEALTH_PROBES_MAX)
/* Descriptors that probes leave to the rest of the process: ports, clients, files of a reload. */
#define HEALTH_DESCRIPTORS_LEFT 256
/* Programs of "exec" checks at once, on the one core that all of control has. */
#define HEALTH_PROGRAMS_MAX 64
/* What a program may write before it is taken for broken: reading it takes the loop's time. */
#define HEALTH_OUTPUT_BYTES_MAX (1u << 20)
/* Of an HTTP answer, that is searched for "body". */
#define HEALTH_BODY_BYTES_MAX (64u << 10)

#endif
