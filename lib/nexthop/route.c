/* SPDX-License-Identifier: BSD-3-Clause */
#include "route.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#define REQUEST_BYTES 128

/* The address in an attribute of a family; false if it is not one. */
static bool
read_address(const void *bytes, size_t length, uint8_t family, struct ip_addr *address)
{
	if (family == AF_INET && length == 4) {
		be32 v4;
		memcpy(&v4, bytes, sizeof(v4));
		*address = addr_from_v4(v4);
		return true;
	}
	if (family == AF_INET6 && length == 16) {
		*address = addr_from_v6(bytes);
		return true;
	}
	return false;
}

static enum route_verdict
verdict_of_type(uint8_t type)
{
	switch (type) {
	case RTN_UNICAST:
		return ROUTE_UNICAST;
	case RTN_LOCAL:
	case RTN_ANYCAST:
		return ROUTE_LOCAL;
	case RTN_UNREACHABLE:
	case RTN_THROW:
	case RTN_UNSPEC:
		return ROUTE_NONE;
	default:
		return ROUTE_REFUSED;
	}
}

static void
read_answer(const struct nlmsghdr *message, void *context)
{
	struct route *route = context;
	const struct rtmsg *rtm = mnl_nlmsg_get_payload(message);
	if (message->nlmsg_type != RTM_NEWROUTE ||
		mnl_nlmsg_get_payload_len(message) < sizeof(*rtm))
		return;
	route->verdict = verdict_of_type(rtm->rtm_type);
	if (route->verdict != ROUTE_UNICAST)
		return;
	const struct nlattr *attr;
	netlink_for_each_attr(attr, message, sizeof(*rtm))
	{
		const uint8_t *bytes = mnl_attr_get_payload(attr);
		size_t length = mnl_attr_get_payload_len(attr);
		switch (mnl_attr_get_type(attr)) {
		case RTA_OIF:
			if (length == sizeof(uint32_t))
				route->ifindex = mnl_attr_get_u32(attr);
			break;
		case RTA_GATEWAY:
			read_address(bytes, length, rtm->rtm_family, &route->via);
			break;
		case RTA_VIA: /* a gateway of the other family (RFC 8950) */
			if (length > sizeof(sa_family_t))
				read_address(bytes + sizeof(sa_family_t),
					length - sizeof(sa_family_t), bytes[0], &route->via);
			break;
		}
	}
}

/* IPv4 tells the kind of a refusing route by the errno: fib_props[] in the kernel's
 * fib_semantics.c; IPv6 does the same. */
static bool
verdict_of_error(int rc, enum route_verdict *verdict)
{
	switch (rc) {
	case -ENETUNREACH:
	case -EHOSTUNREACH:
	case -EAGAIN: /* throw, in the last rule */
	case -ESRCH:
		*verdict = ROUTE_NONE;
		return true;
	case -EINVAL: /* blackhole */
	case -EACCES: /* prohibit */
		*verdict = ROUTE_REFUSED;
		return true;
	default:
		return false;
	}
}

int
route_ask(struct netlink *nl, const struct ip_addr *address, struct route *route)
{
	_Alignas(struct nlmsghdr) char buffer[REQUEST_BYTES];
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	request->nlmsg_type = RTM_GETROUTE;
	struct rtmsg *rtm = mnl_nlmsg_put_extra_header(request, sizeof(*rtm));
	if (addr_is_v4(address)) {
		rtm->rtm_family = AF_INET;
		rtm->rtm_dst_len = 32;
		mnl_attr_put_u32(request, RTA_DST, addr_v4(address));
	} else {
		rtm->rtm_family = AF_INET6;
		rtm->rtm_dst_len = 128;
		mnl_attr_put(request, RTA_DST, sizeof(address->bytes), address->bytes);
	}

	struct route answer = {.via = *address, .verdict = ROUTE_NONE};
	int rc = netlink_request(nl, request, read_answer, &answer);
	if (rc < 0 && !verdict_of_error(rc, &answer.verdict))
		return rc;
	*route = answer;
	return 0;
}

bool
route_equal(const struct route *a, const struct route *b)
{
	return a->verdict == b->verdict && a->ifindex == b->ifindex && addr_equal(&a->via, &b->via);
}

static enum route_effect
effect_of_route(const struct nlmsghdr *message, struct ip_prefix *changed)
{
	const struct rtmsg *rtm = mnl_nlmsg_get_payload(message);
	if (mnl_nlmsg_get_payload_len(message) < sizeof(*rtm))
		return ROUTE_EFFECT_ALL;
	if (rtm->rtm_flags & RTM_F_CLONED)
		return ROUTE_EFFECT_NONE;
	/* 0/0 of the family has no RTA_DST. */
	if (rtm->rtm_family == AF_INET)
		changed->addr = addr_from_v4(0);
	else if (rtm->rtm_family == AF_INET6)
		changed->addr = (struct ip_addr){.halves = {0, 0}};
	else
		return ROUTE_EFFECT_NONE;
	changed->len = rtm->rtm_dst_len;
	const struct nlattr *attr;
	netlink_for_each_attr(attr, message, sizeof(*rtm)) if (mnl_attr_get_type(attr) == RTA_DST)
		read_address(mnl_attr_get_payload(attr), mnl_attr_get_payload_len(attr),
			rtm->rtm_family, &changed->addr);
	return ROUTE_EFFECT_PREFIX;
}

enum route_effect
route_effect(const struct nlmsghdr *message, struct ip_prefix *changed)
{
	switch (message->nlmsg_type) {
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
		return effect_of_route(message, changed);
	case RTM_NEWLINK:
	case RTM_DELLINK:
	case RTM_NEWADDR:
	case RTM_DELADDR:
	case RTM_NEWRULE:
	case RTM_DELRULE:
	case RTM_NEWNEXTHOP:
	case RTM_DELNEXTHOP:
		return ROUTE_EFFECT_ALL;
	default:
		return ROUTE_EFFECT_NONE;
	}
}
