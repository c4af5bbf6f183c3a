/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Two drivers do the same for us, each with its own gaps (DPDK 22.11):
 *
 *                       net_tap                          virtio_user over vhost-net
 *   MAC in Linux        set from mac=                    set from mac=
 *   MTU in Linux        only by set_mtu                  never
 *   up                  by start                         never
 *   MTU at most         1504: max_rx_pktlen is 1522      9728 less the header
 *   name over 15 bytes  refused                          cut
 *   a frame in          a system call                    vhost-net copies
 *
 * So the interface's MTU and state are set here for both. Names are checked here.
 *
 * net_tap also asks Linux for a real-time signal to the process for each frame that it sends: any
 * thread may be interrupted by it, workers too, and should the queue of signals fill up, Linux
 * falls back to SIGIO, which kills. The driver does without when it finds no signal free, and then
 * reads whenever it is polled, which is what our thread does anyway. So they are all taken while it
 * looks.
 */
#include "kernel_interface.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <rte_bus_vdev.h>
#include <rte_dev.h>
#include <rte_ethdev.h>
#include <rte_log.h>
#include <rte_mbuf.h>

#include "log.h"

#define VHOST_PATH	 "/dev/vhost-net"
#define TUN_PATH	 "/dev/net/tun"
#define ANY_SOCKET	 ((unsigned)SOCKET_ID_ANY)
#define DEVARGS_MAX	 128
#define STRINGIFY_(text) #text
#define STRINGIFY(text)	 STRINGIFY_(text)

enum { VIRTIO_USER, NET_TAP };

static const struct driver {
	const char *name, *log;
	const char *devargs; /* then iface=…,mac=… */
	uint16_t rx_descriptors;
} drivers[] = {
	[VIRTIO_USER] = {"virtio_user", "pmd.net.virtio.*",
		"path=" VHOST_PATH ",queues=1,queue_size=" STRINGIFY(KERNEL_INTERFACE_QUEUE) ",",
		KERNEL_INTERFACE_QUEUE},
	/* Its descriptors are segments of the one frame that is read next, and a frame has one. */
	[NET_TAP] = {"net_tap", "pmd.net.tap", "", 1},
};

static const struct driver *
choose_driver(void)
{
	int fd = open(VHOST_PATH, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return &drivers[NET_TAP];
	close(fd);
	return &drivers[VIRTIO_USER];
}

const char *
kernel_interface_driver(void)
{
	return choose_driver()->name;
}

/* What Linux and the device string both take. */
static bool
name_is_usable(const char *name)
{
	size_t length = strlen(name);
	return length > 0 && length < IF_NAMESIZE &&
	       strcspn(name, "/:,%\"' \t\n\v\f\r[]=") == length;
}

/* Drivers say EINVAL for everything: does Linux let us make such an interface at all? */
static int
try_tap(const char *name)
{
	int fd = open(TUN_PATH, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI};
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	int rc = ioctl(fd, TUNSETIFF, &request) < 0 ? -errno : 0;
	close(fd);
	return rc;
}

static int
probe(struct kernel_interface *ki, const struct driver *driver, const struct kernelpath_port *port,
	struct error *err)
{
	char devargs[DEVARGS_MAX], mac[MAC_TEXT_MAX];
	snprintf(devargs, sizeof(devargs), "%siface=%s,mac=%s", driver->devargs, port->interface,
		mac_format(&port->mac, mac));
	int rc = rte_eal_hotplug_add("vdev", ki->vdev, devargs);
	if (rc < 0) {
		int reason = try_tap(port->interface);
		if (reason < 0)
			return error_set(err, reason, "%s: cannot make a TAP interface: %s",
				port->interface, strerror(-reason));
		return error_set(err, rc, "%s: device %s,%s cannot be made: %s", port->interface,
			ki->vdev, devargs, strerror(-rc));
	}
	rc = rte_eth_dev_get_port_by_name(ki->vdev, &ki->ethdev);
	if (rc < 0) {
		rte_eal_hotplug_remove("vdev", ki->vdev);
		return error_set(err, rc, "%s: device %s has no port", port->interface, ki->vdev);
	}
	return 0;
}

/* The MTU to use: the port's, or the most that the device takes. */
static uint16_t
usable_mtu(const struct kernelpath_port *port, const struct rte_eth_dev_info *info)
{
	uint32_t most = info->max_rx_pktlen - RTE_ETHER_HDR_LEN - RTE_ETHER_CRC_LEN;
	if (most > info->max_mtu)
		most = info->max_mtu;
	if (port->mtu <= most)
		return port->mtu;
	log_warning("%s: %s takes an MTU of %u at most, not %u: Linux uses that one here",
		port->interface, info->driver_name, most, port->mtu);
	return (uint16_t)most;
}

static int
configure(struct kernel_interface *ki, const struct driver *driver,
	const struct kernelpath_port *port, struct rte_mempool *pool, uint16_t *mtu,
	struct error *err)
{
	struct rte_eth_dev_info info;
	int rc = rte_eth_dev_info_get(ki->ethdev, &info);
	if (rc < 0)
		goto fail;
	*mtu = usable_mtu(port, &info);
	int room = rte_pktmbuf_data_room_size(pool) - RTE_PKTMBUF_HEADROOM;
	if (room < *mtu + RTE_ETHER_HDR_LEN + RTE_VLAN_HLEN)
		return error_set(err, -EINVAL, "%s: a frame of MTU %u does not fit into %d bytes",
			port->interface, *mtu, room);
	struct rte_eth_conf conf = {.rxmode = {.mtu = *mtu}};
	rc = rte_eth_dev_configure(ki->ethdev, 1, 1, &conf);
	if (rc == 0)
		rc = rte_eth_rx_queue_setup(
			ki->ethdev, 0, driver->rx_descriptors, ANY_SOCKET, NULL, pool);
	if (rc == 0)
		rc = rte_eth_tx_queue_setup(
			ki->ethdev, 0, KERNEL_INTERFACE_QUEUE, ANY_SOCKET, NULL);
	if (rc == 0)
		return 0;
fail:
	return error_set(err, rc, "%s: device %s cannot be configured: %s", port->interface,
		ki->vdev, strerror(-rc));
}

/* The MAC is there already, unless a driver changes its mind; an interface that came up with
 * another would have made its link-local address from it. */
static int
set_up_in_linux(const struct kernelpath_port *port, uint16_t mtu, struct error *err)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return error_set(err, -errno, "%s: %s", port->interface, strerror(errno));
	struct ifreq request = {.ifr_hwaddr.sa_family = ARPHRD_ETHER};
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", port->interface);
	memcpy(request.ifr_hwaddr.sa_data, port->mac.bytes, sizeof(port->mac.bytes));
	int rc = ioctl(fd, SIOCSIFHWADDR, &request);
	if (rc == 0) {
		request.ifr_mtu = mtu;
		rc = ioctl(fd, SIOCSIFMTU, &request);
	}
	if (rc == 0)
		rc = ioctl(fd, SIOCGIFFLAGS, &request);
	if (rc == 0) {
		request.ifr_flags |= IFF_UP;
		rc = ioctl(fd, SIOCSIFFLAGS, &request);
	}
	if (rc < 0)
		rc = error_set(err, -errno, "%s: cannot set MAC, MTU %u and state: %s",
			port->interface, mtu, strerror(errno));
	close(fd);
	return rc;
}

/* Makes every unused real-time signal look used; `taken` tells which. */
static void
take_signals(sigset_t *taken)
{
	sigemptyset(taken);
	for (int signal = SIGRTMIN; signal <= SIGRTMAX; signal++) {
		struct sigaction action;
		if (sigaction(signal, NULL, &action) < 0 || action.sa_handler != SIG_DFL)
			continue;
		action.sa_handler = SIG_IGN;
		sigaction(signal, &action, NULL);
		sigaddset(taken, signal);
	}
}

static void
give_signals_back(const sigset_t *taken)
{
	for (int signal = SIGRTMIN; signal <= SIGRTMAX; signal++)
		if (sigismember(taken, signal) == 1)
			sigaction(signal, &(struct sigaction){.sa_handler = SIG_DFL}, NULL);
}

static int
bring_up(struct kernel_interface *ki, const struct driver *driver,
	const struct kernelpath_port *port, struct rte_mempool *pool, struct error *err)
{
	uint16_t mtu;
	int rc = configure(ki, driver, port, pool, &mtu, err);
	if (rc < 0)
		return rc;
	rc = set_up_in_linux(port, mtu, err);
	if (rc < 0)
		return rc;
	rc = rte_eth_dev_start(ki->ethdev);
	if (rc < 0)
		return error_set(err, rc, "%s: device %s cannot be started: %s", port->interface,
			ki->vdev, strerror(-rc));
	ki->ifindex = if_nametoindex(port->interface);
	if (ki->ifindex == 0)
		return error_set(err, -errno, "%s: device %s has made no interface",
			port->interface, ki->vdev);
	return 0;
}

int
kernel_interface_create(struct kernel_interface *ki, unsigned number,
	const struct kernelpath_port *port, struct rte_mempool *pool, struct error *err)
{
	const struct driver *driver = choose_driver();
	if (!name_is_usable(port->interface))
		return error_set(err, -EINVAL,
			"%s: wanted an interface name of 1 to 15 plain characters",
			port->interface);
	/* The drivers would attach to a TAP of that name, whoever's it is. */
	if (if_nametoindex(port->interface) != 0)
		return error_set(err, -EEXIST, "%s: Linux has an interface of that name already",
			port->interface);
	/* They report as errors what they do without: multiq queueing, secondary processes. */
	rte_log_set_level_pattern(driver->log, RTE_LOG_CRIT);
	sigset_t taken;
	snprintf(ki->vdev, sizeof(ki->vdev), "%s_kernel%u", driver->name, number);
	take_signals(&taken);
	int rc = probe(ki, driver, port, err);
	if (rc == 0) {
		rc = bring_up(ki, driver, port, pool, err);
		if (rc < 0)
			kernel_interface_destroy(ki);
	}
	give_signals_back(&taken);
	return rc;
}

void
kernel_interface_destroy(struct kernel_interface *ki)
{
	rte_eth_dev_stop(ki->ethdev);
	rte_eth_dev_close(ki->ethdev);
	rte_eal_hotplug_remove("vdev", ki->vdev);
}
