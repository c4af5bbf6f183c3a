/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Health checks by the path ("via": "path"): a probe is sent to a VIP, and to the very backend that
 * is checked, wrapped as the data plane wraps what it sends there. The answer comes as it comes to
 * clients, straight from the backend.
 *
 *   probe's socket ──mark──> flprobe0 ──> backend's tunnel, next hop ──kernelpath_send──> port
 *        ^                  (probe_device)   (of the snapshot in force)                      │
 *        └── Linux <──punted, since it is not for a VIP── port <── VIP to this machine ── backend
 *
 * A probe asks one VIP of its pool (probe_vips): each good one makes the next one ask the next VIP; a
 * bad one, the same again, so that one VIP that a backend lacks takes it down after `fall` probes.
 *
 * Its source is the address that Linux has towards the backend or, where the tunnel is of the other
 * family, towards the VIP. It leaves this machine with PROBE_PATH_HOPS hops to go: enough for a
 * backend that hands on what it took out of a tunnel, and too few for one without the VIP that routes
 * it back to this edge, which would give it to a backend that answers.
 *
 * Control only, in its event loop.
 */
#ifndef FAIRLEAD_PROBE_PATH_H
#define FAIRLEAD_PROBE_PATH_H

#include "error.h"
#include "health.h"

struct daemon;
struct event_base;
struct probe_path;

#define PROBE_PATH_HOPS 2

/* The device is made if the configuration in force has such checks; else when the first of them
 * begins. It stays. 0; or a negative errno and the sentence. */
int probe_path_create(struct probe_path **path, struct daemon *daemon, struct event_base *loop,
	struct error *err);
/* When no probe is under way any more, and before the loop goes. NULL is allowed. */
void probe_path_destroy(struct probe_path *path);

/* For health_options. */
struct health_path probe_path_hooks(struct probe_path *path);

/* Packets of probes since the start. */
struct probe_path_counters {
	uint64_t sent;
	uint64_t foreign; /* dropped: nobody's probe, but it came to the device */
	uint64_t gone;	  /* dropped: the backend or its next hop was lost meanwhile */
	uint64_t too_big; /* dropped: longer than the port's MTU once it is wrapped */
	uint64_t no_room; /* dropped: the port takes no more now */
};
struct probe_path_counters probe_path_counters(const struct probe_path *path);
/* NULL while there is none. */
const char *probe_path_device(const struct probe_path *path);

#endif
