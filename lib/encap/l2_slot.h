/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A next-hop slot: where a frame goes on the link, in one atomic word. Control stores it when a
 * neighbour changes; workers load it for each packet. So a new MAC needs no new snapshot, and no
 * reader ever sees half of one.
 *
 *   63           52 51        48 47                                           0
 *   +--------------+------------+----------------------------------------------+
 *   | VLAN ID 12   | port 4     | destination MAC 48 (byte 0 lowest)           |
 *   +--------------+------------+----------------------------------------------+
 *
 * Port 15 means "unresolved"; VLAN 0 means untagged.
 */
#ifndef FAIRLEAD_L2_SLOT_H
#define FAIRLEAD_L2_SLOT_H

#include <stdatomic.h>
#include <stdbool.h>

#include "addr.h"
#include "bounds.h"

typedef _Atomic uint64_t l2_slot; // control: rw; workers: ro

#define L2_SLOT_UNRESOLVED ((uint64_t)PORTS_MAX << 48)

/* A MAC address as it lies in a slot; the upper bits are 0. */
static inline uint64_t
l2_mac_word(const struct mac_addr *mac)
{
	uint64_t word = 0;
	memcpy(&word, mac->bytes, sizeof(mac->bytes));
	return word;
}

static inline uint64_t
l2_slot_pack(const struct mac_addr *mac, uint8_t port, uint16_t vlan)
{
	return l2_mac_word(mac) | (uint64_t)(port & 0xf) << 48 | (uint64_t)(vlan & 0xfff) << 52;
}

static inline uint8_t
l2_slot_port(uint64_t word)
{
	return (uint8_t)(word >> 48 & 0xf);
}

static inline uint16_t
l2_slot_vlan(uint64_t word)
{
	return (uint16_t)(word >> 52);
}

static inline struct mac_addr
l2_slot_mac(uint64_t word)
{
	struct mac_addr mac;
	memcpy(mac.bytes, &word, sizeof(mac.bytes));
	return mac;
}

static inline bool
l2_slot_resolved(uint64_t word)
{
	return l2_slot_port(word) != PORTS_MAX;
}

#endif
