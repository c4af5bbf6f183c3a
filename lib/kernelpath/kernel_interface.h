/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A kernel interface, and the DPDK device that is its other end: what goes into the device's
 * transmit queue is received by Linux on the interface, and what Linux sends there comes out of its
 * receive queue. One queue each way. The interface goes when the process does.
 *
 * Control only.
 */
#ifndef FAIRLEAD_KERNEL_INTERFACE_H
#define FAIRLEAD_KERNEL_INTERFACE_H

#include "kernelpath.h"

#define KERNEL_INTERFACE_VDEV_MAX 32

/* Frames that a device's queue may hold. */
#define KERNEL_INTERFACE_QUEUE 1024

struct kernel_interface {
	char vdev[KERNEL_INTERFACE_VDEV_MAX];
	uint16_t ethdev; /* DPDK's number of the device */
	unsigned ifindex;
};

/* "virtio_user" where vhost-net can be opened, else "net_tap". */
const char *kernel_interface_driver(void);

/* `number` keeps the devices of one process apart. */
int kernel_interface_create(struct kernel_interface *ki, unsigned number,
	const struct kernelpath_port *port, struct rte_mempool *pool, struct error *err);
/* All its frames go back to their pools. */
void kernel_interface_destroy(struct kernel_interface *ki);

#endif
