/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The kernel path: a kernel interface per port with the port's MAC, and a thread that moves frames.
 *
 *   worker --to_kernel[class] ring--> thread --> interface --> Linux
 *   worker <-----from_kernel ring---- thread <-- interface <-- Linux
 *                       ^------------ control: kernelpath_send
 *
 * A VLAN of a port has an interface of its own. The thread takes its tag off what goes to Linux, and
 * puts it on what comes from there; frames with other tags use the port's interface as they are. So
 * a port has links: 0 is the untagged one, the others are its VLANs, in the order given.
 *
 * The interface is virtio-user over vhost-net where /dev/vhost-net exists, else net_tap. It exists
 * as long as the daemon does. Rings are multi producer (workers), single consumer (the thread)
 * towards Linux; multi producer (the thread, control), single consumer (one worker) towards the
 * wire. Control frames (ARP, ND, routing protocols) have a ring of their own, emptied first.
 *
 * kernelpath_create, _start, _stop, _destroy, _send: control. kernelpath_to_kernel: any worker.
 * kernelpath_from_kernel: the one worker that serves the port.
 */
#ifndef FAIRLEAD_KERNELPATH_H
#define FAIRLEAD_KERNELPATH_H

#include <stdbool.h>
#include <stdint.h>

#include "addr.h"
#include "error.h"

struct kernelpath;
struct rte_mbuf;
struct rte_mempool;

enum kernelpath_class {
	KERNELPATH_CONTROL,
	KERNELPATH_OTHER,
	KERNELPATH_CLASSES,
};

/* What a port's rings and queues can hold of the pool at once, for whoever sizes it. */
#define KERNELPATH_FRAMES_PER_PORT (5 * 1024)
#define KERNELPATH_FRAMES_PER_VLAN (2 * 1024)

#define KERNELPATH_UNTAGGED 0 /* the link */

struct kernelpath_vlan {
	const char *interface;
	uint16_t id;
};

struct kernelpath_port {
	const char *interface; /* its name in Linux; NULL: this port has no kernel path */
	struct mac_addr mac;
	uint16_t mtu;
	const struct kernelpath_vlan *vlans; /* only with an interface of the port */
	unsigned vlan_count;		     /* at most VLANS_PER_PORT_MAX */
};

/* Makes the interfaces, up, with MAC and MTU set; `pool` gives the frames from Linux. Undoes
 * everything on failure: -EEXIST when Linux has an interface of that name, -ENOSPC when DPDK has no
 * room for so many devices. An MTU that the driver
 * cannot do is lowered with a warning (net_tap of DPDK 22.11: 1504), since routing daemons and SSH
 * do well with less. */
int kernelpath_create(struct kernelpath **kp, const struct kernelpath_port *ports,
	unsigned port_count, struct rte_mempool *pool, struct error *err);
/* Starts and stops the thread; what is left in the rings is freed by kernelpath_destroy. */
int kernelpath_start(struct kernelpath *kp, struct error *err);
void kernelpath_stop(struct kernelpath *kp);
void kernelpath_destroy(struct kernelpath *kp);

/* Interface index in Linux; 0 if there is none. */
unsigned kernelpath_ifindex(const struct kernelpath *kp, unsigned port, unsigned link);
/* "net_tap" or "virtio_user", for the log and the status. */
const char *kernelpath_driver(const struct kernelpath *kp);

/* Hands frames over; returns how many were taken, from the front. The rest stays the caller's. */
unsigned kernelpath_to_kernel(struct kernelpath *kp, unsigned port, enum kernelpath_class class,
	struct rte_mbuf **frames, unsigned count);
/* Frames that Linux sends out of this port, of all its links. */
unsigned kernelpath_from_kernel(
	struct kernelpath *kp, unsigned port, struct rte_mbuf **frames, unsigned count);

/* A frame of our own to the wire, after what Linux has sent. False if there is no room for it now, or
 * the port has no kernel path. */
bool kernelpath_send(
	struct kernelpath *kp, unsigned port, unsigned link, const uint8_t *frame, uint32_t length);

/* Written by the thread alone, read by anyone. */
struct kernelpath_counters {
	uint64_t delivered;	  /* frames given to Linux */
	uint64_t delivery_failed; /* Linux did not take them */
	uint64_t collected;	  /* frames taken from Linux */
	uint64_t ring_full;	  /* taken from Linux, and no room towards the worker: dropped */
};
struct kernelpath_counters kernelpath_counters(
	const struct kernelpath *kp, unsigned port, unsigned link);

#endif
