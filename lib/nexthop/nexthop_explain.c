/* SPDX-License-Identifier: BSD-3-Clause */
#include <net/if.h>
#include <stdio.h>

#include "nexthop.h"

const char *
nexthop_explain(const struct nexthop_info *info, char *text, size_t bytes)
{
	char address[ADDR_TEXT_MAX], via[ADDR_TEXT_MAX], mac[MAC_TEXT_MAX];
	char interface[IF_NAMESIZE] = "";
	addr_format(&info->address, address);
	addr_format(&info->via, via);
	if (!if_indextoname(info->ifindex, interface))
		snprintf(interface, sizeof(interface), "#%u", info->ifindex);
	const char *protocol = addr_is_v4(&info->via) ? "ARP" : "ND";

	switch (info->problem) {
	case NEXTHOP_RESOLVED: {
		struct mac_addr dst = l2_slot_mac(info->slot);
		mac_format(&dst, mac);
		if (addr_equal(&info->address, &info->via))
			snprintf(text, bytes, "on link at %s, by %s", mac, interface);
		else
			snprintf(text, bytes, "through %s at %s, by %s", via, mac, interface);
		break;
	}
	case NEXTHOP_NO_ROUTE:
		snprintf(text, bytes, "no route to %s", address);
		break;
	case NEXTHOP_ROUTE_LOCAL:
		snprintf(text, bytes, "route to %s is local: is the address on this box?", address);
		break;
	case NEXTHOP_ROUTE_REFUSED:
		snprintf(text, bytes,
			"route to %s does not forward (blackhole, prohibit, broadcast or "
			"multicast)",
			address);
		break;
	case NEXTHOP_NOT_OUR_PORT:
		snprintf(text, bytes, "route leaves by %s, which is no port's kernel interface",
			interface);
		break;
	case NEXTHOP_NEIGHBOUR_PENDING:
		snprintf(text, bytes, "%s asked for by %s on %s, no answer yet", via, protocol,
			interface);
		break;
	case NEXTHOP_NEIGHBOUR_FAILED:
		snprintf(text, bytes, "%s does not answer %s on %s; asked again every second", via,
			protocol, interface);
		break;
	case NEXTHOP_NEIGHBOUR_NO_ROOM:
		snprintf(text, bytes,
			"the kernel's neighbour table has no room for %s: raise "
			"net.%s.neigh.default.gc_thresh3",
			via, addr_is_v4(&info->via) ? "ipv4" : "ipv6");
		break;
	}
	return text;
}
