/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A route as the kernel decides it: one question, one answer, nothing kept. Control only.
 */
#ifndef FAIRLEAD_ROUTE_H
#define FAIRLEAD_ROUTE_H

#include <stdbool.h>

#include "addr.h"
#include "netlink.h"

enum route_verdict {
	ROUTE_NONE,    /* no route, or one of type unreachable */
	ROUTE_LOCAL,   /* the address is on this box */
	ROUTE_REFUSED, /* blackhole, prohibit, broadcast, multicast */
	ROUTE_UNICAST,
};

struct route {
	struct ip_addr via; /* the gateway, or the address itself; either family's, whatever the
			       address's */
	unsigned ifindex;   /* of ROUTE_UNICAST; else 0 */
	enum route_verdict verdict;
};

/* Asks the kernel. 0, also when there is no route; a negative errno when it could not be asked. */
int route_ask(struct netlink *nl, const struct ip_addr *address, struct route *route);

bool route_equal(const struct route *a, const struct route *b);

/* Groups whose messages mean that answers may have changed. */
#define ROUTE_GROUPS                                                                               \
	(RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR |         \
		RTMGRP_LINK | RTMGRP_IPV4_RULE | 1u << (RTNLGRP_IPV6_RULE - 1) |                   \
		1u << (RTNLGRP_NEXTHOP - 1))

enum route_effect {
	ROUTE_EFFECT_NONE,
	ROUTE_EFFECT_PREFIX, /* on the addresses inside `changed` */
	ROUTE_EFFECT_ALL,    /* links, addresses, rules, next-hop objects */
};

/* What a notification means for answers given before. */
enum route_effect route_effect(const struct nlmsghdr *message, struct ip_prefix *changed);

#endif
