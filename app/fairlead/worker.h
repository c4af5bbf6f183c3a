/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A worker: one poll-mode core. It owns queue `id` of every port, in both directions, and shares with
 * the others nothing but the flow table and the rings of the kernel path. It never locks, never
 * allocates and makes no system call but those that a port's driver makes, and that which gives the
 * core back when it may sleep and has nothing to do.
 */
#ifndef FAIRLEAD_WORKER_H
#define FAIRLEAD_WORKER_H

#include <stdatomic.h>

#include "burst.h"
#include "config.h"
#include "kernelpath.h"
#include "publish.h"

/* What all workers are told. */
struct worker_orders {
	atomic_bool go;	      // control: wo; workers: ro. Polling may begin
	atomic_bool shutdown; // control: wo; workers: ro
	struct publish *publish;
	struct kernelpath *kernelpath;
	uint32_t port_count;
	uint32_t worker_count;
	enum idle idle;
	uint16_t dpdk_ports[PORTS_MAX]; // DPDK's number of each port
};

/* Frames for one port, staged during a burst. */
struct worker_out {
	uint32_t count;
	struct rte_mbuf *mbufs[BURST_MAX];
	uint8_t places[BURST_MAX]; /* in the burst */
};

struct worker {
	/* control: rw before launch; then ro for everyone */
	struct worker_orders *orders;
	uint16_t id; /* its queue on each port */
	uint16_t cpu;
	int numa_node;
	uint32_t node; /* which copy of the tables it reads */
	unsigned lcore;

	/* worker: rw */
	struct pipeline pipeline;
	uint64_t clock_read_at; /* TSC */
	uint64_t clock_period;	/* TSC cycles */
	uint32_t empty_turns;	/* of the loop, in a row */
	struct burst burst;
	struct worker_out out[PORTS_MAX];
	struct fragment_buffer *fragments; /* that wait for their first */
};

/* The thread's function, for rte_eal_remote_launch; `arg` is a struct worker. */
int worker_run(void *arg);

#endif
