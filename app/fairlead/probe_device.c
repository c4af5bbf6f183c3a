/* SPDX-License-Identifier: BSD-3-Clause */
#include "probe_device.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fib_rules.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "netlink.h"

#define TUN_PATH      "/dev/net/tun"
#define NAME	      "flprobe"
#define MARK_FIRST    0x666c0000u /* "fl"; the device's number is added */
#define RULE_PRIORITY 100	  /* behind Linux's own addresses, in front of everything else */
#define PROTOCOL      240	  /* by which `ip` shows whose rules and routes they are */
#define REQUEST_BYTES 256

/* One killed predecessor leaves one behind; whatever else there is, this ends. */
#define RULES_MAX 64

static int
open_tun(struct probe_device *device, struct error *err)
{
	device->fd = open(TUN_PATH, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (device->fd < 0)
		return error_set(err, -errno, "%s: %s", TUN_PATH, strerror(errno));
	/* Linux puts the lowest number that is free in place of %d. */
	struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI, .ifr_name = NAME "%d"};
	if (ioctl(device->fd, TUNSETIFF, &request) < 0)
		return error_set(err, -errno, "cannot make a TUN device: %s", strerror(errno));
	snprintf(device->name, sizeof(device->name), "%s", request.ifr_name);
	unsigned long number = strtoul(device->name + strlen(NAME), NULL, 10);
	device->mark = MARK_FIRST + (uint32_t)number % (1u << 16);
	return 0;
}

static struct nlmsghdr *
link_request(char *buffer, unsigned ifindex)
{
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	request->nlmsg_type = RTM_NEWLINK;
	struct ifinfomsg *link = mnl_nlmsg_put_extra_header(request, sizeof(*link));
	link->ifi_family = AF_UNSPEC;
	link->ifi_index = (int)ifindex;
	return request;
}

/* Or Linux would solicit routers there. No error where it has no IPv6. */
static void
no_link_local(struct probe_device *device, unsigned ifindex)
{
	_Alignas(struct nlmsghdr) char buffer[REQUEST_BYTES];
	struct nlmsghdr *request = link_request(buffer, ifindex);
	struct nlattr *families = mnl_attr_nest_start(request, IFLA_AF_SPEC);
	struct nlattr *ipv6 = mnl_attr_nest_start(request, AF_INET6);
	mnl_attr_put_u8(request, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
	mnl_attr_nest_end(request, ipv6);
	mnl_attr_nest_end(request, families);
	netlink_request(device->netlink, request, NULL, NULL);
}

static int
bring_up(struct probe_device *device, unsigned ifindex, uint16_t mtu)
{
	_Alignas(struct nlmsghdr) char buffer[REQUEST_BYTES];
	struct nlmsghdr *request = link_request(buffer, ifindex);
	struct ifinfomsg *link = mnl_nlmsg_get_payload(request);
	link->ifi_flags = link->ifi_change = IFF_UP;
	mnl_attr_put_u32(request, IFLA_MTU, mtu);
	return netlink_request(device->netlink, request, NULL, NULL);
}

static int
add_route(struct probe_device *device, unsigned ifindex, uint8_t family)
{
	_Alignas(struct nlmsghdr) char buffer[REQUEST_BYTES];
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	request->nlmsg_type = RTM_NEWROUTE;
	request->nlmsg_flags = NLM_F_CREATE | NLM_F_REPLACE;
	struct rtmsg *route = mnl_nlmsg_put_extra_header(request, sizeof(*route));
	route->rtm_family = family;
	route->rtm_table = RT_TABLE_UNSPEC;
	route->rtm_protocol = PROTOCOL;
	route->rtm_scope = family == AF_INET ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
	route->rtm_type = RTN_UNICAST;
	mnl_attr_put_u32(request, RTA_TABLE, device->mark);
	mnl_attr_put_u32(request, RTA_OIF, ifindex);
	return netlink_request(device->netlink, request, NULL, NULL);
}

/* `type` is RTM_NEWRULE or RTM_DELRULE. */
static int
change_rule(struct probe_device *device, uint16_t type, uint8_t family)
{
	_Alignas(struct nlmsghdr) char buffer[REQUEST_BYTES];
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	request->nlmsg_type = type;
	if (type == RTM_NEWRULE)
		request->nlmsg_flags = NLM_F_CREATE | NLM_F_EXCL;
	struct fib_rule_hdr *rule = mnl_nlmsg_put_extra_header(request, sizeof(*rule));
	rule->family = family;
	rule->action = FR_ACT_TO_TBL;
	rule->table = RT_TABLE_UNSPEC;
	mnl_attr_put_u32(request, FRA_PRIORITY, RULE_PRIORITY);
	mnl_attr_put_u32(request, FRA_FWMARK, device->mark);
	mnl_attr_put_u32(request, FRA_FWMASK, UINT32_MAX);
	mnl_attr_put_u32(request, FRA_TABLE, device->mark);
	mnl_attr_put_u8(request, FRA_PROTOCOL, PROTOCOL);
	return netlink_request(device->netlink, request, NULL, NULL);
}

static void
remove_rules(struct probe_device *device, uint8_t family)
{
	for (int i = 0; i < RULES_MAX && change_rule(device, RTM_DELRULE, family) == 0; i++)
		;
}

static int
lead_here(struct probe_device *device, unsigned ifindex, uint8_t family)
{
	remove_rules(device, family);
	int rc = add_route(device, ifindex, family);
	return rc == 0 ? change_rule(device, RTM_NEWRULE, family) : rc;
}

static int
set_up(struct probe_device *device, uint16_t mtu, struct error *err)
{
	unsigned ifindex = if_nametoindex(device->name);
	no_link_local(device, ifindex);
	int rc = bring_up(device, ifindex, mtu);
	if (rc < 0)
		return error_set(err, rc, "%s: cannot bring it up with MTU %u: %s", device->name,
			mtu, strerror(-rc));
	rc = lead_here(device, ifindex, AF_INET);
	if (rc < 0)
		return error_set(err, rc, "%s: cannot add its route and rule: %s", device->name,
			strerror(-rc));
	device->has_ipv6 = lead_here(device, ifindex, AF_INET6) == 0;
	return 0;
}

int
probe_device_open(struct probe_device *device, uint16_t mtu, struct error *err)
{
	*device = (struct probe_device){.fd = -1};
	int rc = netlink_open(&device->netlink, 0, err);
	if (rc < 0)
		return rc;
	rc = open_tun(device, err);
	if (rc == 0)
		rc = set_up(device, mtu, err);
	if (rc < 0)
		probe_device_close(device);
	return rc;
}

void
probe_device_close(struct probe_device *device)
{
	if (!device->netlink)
		return;
	if (device->mark != 0) {
		remove_rules(device, AF_INET);
		remove_rules(device, AF_INET6);
	}
	if (device->fd >= 0)
		close(device->fd);
	netlink_close(device->netlink);
	*device = (struct probe_device){.fd = -1};
}
