/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which frames a port serves: untagged ones, those of its VLANs, and those that have a tag for their
 * priority alone (VLAN 0, IEEE 802.1Q 6.9), which count as untagged. All others, QinQ among them, are
 * Linux's, whatever is in them. Worker.
 */
#ifndef FAIRLEAD_VLAN_H
#define FAIRLEAD_VLAN_H

#include <stdbool.h>

#include "packet.h"
#include "tables.h"
#include "wire.h"

/* `pk` as parse_l3 left it, also where there is no IP. */
static inline bool
vlan_is_served(const struct tables_port *port, const uint8_t *frame, const struct packet *pk)
{
	if (__builtin_expect(pk->vlan_tags == 0, 1))
		return true;
	const struct wire_ether *ether = (const void *)frame;
	if (pk->vlan_tags > 1 || ether->type != wire_u16(ETHERTYPE_DOT1Q))
		return false;
	return pk->vlan == 0 || (port->vlans[pk->vlan / 64] >> pk->vlan % 64 & 1);
}

#endif
