/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A whole forwarder in this process: a configuration is parsed and made into snapshots as the daemon
 * does it, one for each mode, and the worker's own loop (app/fairlead/worker.c) polls the device in
 * memory. Only two things are not as in the daemon: next hops are resolved by hand, and the clock
 * stands still, so that no entry needs its tick renewed.
 *
 * `services` and `backends` of the configuration: service n has the VIPs 198.18.0.0 + n and
 * 2001:db8:1::n, TCP port FORWARDER_PORT; pools of ten backends, or fewer, which services take in turn.
 * The names are the same in every mode, so flows of one table are known in all.
 */
#ifndef FAIRLEAD_FORWARDER_H
#define FAIRLEAD_FORWARDER_H

#include "device.h"
#include "worker.h"

#define FORWARDER_MODES 5
#define FORWARDER_PORT	443
#define FORWARDER_MTU	MTU_MAX

extern const char *const forwarder_modes[FORWARDER_MODES]; /* "l2", "ipip" … */
extern const struct mac_addr forwarder_mac;		   /* of the port */

struct forwarder {
	struct snapshot_base base;
	struct snapshot *snapshots[FORWARDER_MODES];
	struct publish publish;
	struct worker_orders orders;
	struct device_run run;
	struct worker *workers[DEVICE_QUEUES];
	uint64_t worked[DEVICE_QUEUES]; /* TSC cycles in runs, of each worker */
	uint32_t service_count, backend_count;
};

/* On the device, which is there. Lives as long as the program, which a failure ends. */
struct forwarder *forwarder_create(uint32_t services, uint32_t backends);

/* The VIP of a service, of family 4 or 6. */
struct ip_addr forwarder_vip(uint32_t service, int family);

const struct tables *forwarder_tables(const struct forwarder *f, unsigned mode);

/* Lets `worker_count` workers take all that lies in their queues, with the tables of `mode`. The first
 * runs in this thread. */
void forwarder_run(struct forwarder *f, unsigned mode, struct flow_table *flows,
	const unsigned *counts, unsigned worker_count);

/* Calls `job` on the CPU of a worker, and waits for it: what it writes is in that CPU's cache. */
void forwarder_on_cpu_of(unsigned worker, void (*job)(void *context), void *context);

/* Ends the second worker's thread, if there was one: before EAL is left. */
void forwarder_end(void);

/* What all workers have counted so far. */
struct totals forwarder_totals(const struct forwarder *f);

#endif
