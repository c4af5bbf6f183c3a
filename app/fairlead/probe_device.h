/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The device through which the packets of health checks by the path leave Linux: a TUN that the daemon
 * holds, and a rule that sends there whatever has its mark, and nothing else.
 *
 *   socket, SO_MARK ──rule: fwmark M lookup M──> table M: default dev flprobe0 ──> fd
 *
 * M is a number of the device's own, so that daemons on one machine do not meet. The device, and the
 * routes with it, go when the process does, however it ends. The rules stay behind one that was
 * killed; whoever has the device next replaces them.
 *
 * Nothing is ever written to the device: answers come in by the ports, through the kernel path.
 * Control only. The socket options and device: Linux's socket(7), Documentation/networking/tuntap.
 */
#ifndef FAIRLEAD_PROBE_DEVICE_H
#define FAIRLEAD_PROBE_DEVICE_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include "error.h"

struct netlink;

struct probe_device {
	struct netlink *netlink; /* NULL: not open */
	int fd;			 /* gives one IP packet a read, without blocking */
	char name[IF_NAMESIZE];
	uint32_t mark;
	bool has_ipv6; /* Linux may do without */
};

/* Makes the device, up, with its routes and rules. 0; or a negative errno, the sentence, and nothing
 * left behind. */
int probe_device_open(struct probe_device *device, uint16_t mtu, struct error *err);
/* Takes everything away. One that is not open is allowed. */
void probe_device_close(struct probe_device *device);

#endif
