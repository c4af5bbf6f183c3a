/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Next hops: from a backend's address to the MAC slot that its frames use, by asking Linux.
 *
 *   backend address --RTM_GETROUTE--> (kernel interface, gateway or the address itself)
 *                   --neighbour-----> MAC  --> l2_slot, one atomic word that workers load
 *
 * Linux decides: its routes, its policy rules, its ARP and ND. We ask for the route of every
 * address when it is acquired; again when a route that covers it changes; and all of them when a
 * link, an interface address, a rule or a next-hop object does. Notifications are gathered for
 * 10 ms, then 1,000 routes are asked for at a time. Neighbours are followed by notification. Both
 * are repaired every 30 s, and after ENOBUFS: what a repair had to change is counted as drift.
 *
 * An unresolved neighbour is asked for (NTF_USE: the kernel sends the ARP or ND itself, through the
 * kernel path), again every second until it answers; a resolved one is kept confirmed by the same
 * means, since traffic that Linux does not see cannot do it.
 *
 * A neighbour that goes to FAILED makes its slot unresolved. A STALE one keeps its MAC: the kernel
 * is asked to probe it, and frames go on. So does one that the kernel dropped: collected because
 * its table is full (gc_thresh3), or by a lost carrier. That says nothing about the host; the
 * question that follows ends in a MAC or in FAILED.
 *
 * Control only; workers read the slots.
 */
#ifndef FAIRLEAD_NEXTHOP_H
#define FAIRLEAD_NEXTHOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "addr.h"
#include "error.h"
#include "l2_slot.h"
#include "mono.h"

struct nexthop_table;

/* A kernel interface: its index, and the port that stands behind it; of a VLAN of the port, which
 * one. */
struct nexthop_port {
	unsigned ifindex;
	uint8_t port;
	uint16_t vlan; /* 0: untagged */
};

#define NEXTHOP_PORTS_MAX (PORTS_MAX * (1 + VLANS_PER_PORT_MAX))

/* Opens the netlink sockets. Slots are allocated once, for BACKENDS_MAX + 1 addresses. */
int nexthop_create(struct nexthop_table **table, const struct nexthop_port *ports,
	unsigned port_count, struct error *err);
void nexthop_destroy(struct nexthop_table *table);

/* The array that workers index; its address never changes. Slot 0 is always unresolved. */
const l2_slot *nexthop_slots(const struct nexthop_table *table);

/* A slot for an address, counted: the same address gives the same slot. Asks for its route and
 * neighbour at once. -ENOSPC. */
int nexthop_acquire(struct nexthop_table *table, const struct ip_addr *address, uint32_t *slot);
/* The last release frees the slot; call it only when no worker can still read it. */
void nexthop_release(struct nexthop_table *table, uint32_t slot);

/* To wait on with an event loop; call nexthop_receive when readable. */
int nexthop_fd(const struct nexthop_table *table);
void nexthop_receive(struct nexthop_table *table, struct mono now);

/* Once a second: asks again for what is unresolved, confirms what is stale (2,000 questions at
 * most, in turn), repairs every 30 s. */
void nexthop_tick(struct nexthop_table *table, struct mono now);

enum nexthop_problem {
	NEXTHOP_RESOLVED,
	NEXTHOP_NO_ROUTE,	   /* the kernel has none */
	NEXTHOP_ROUTE_LOCAL,	   /* the address is on this box */
	NEXTHOP_ROUTE_REFUSED,	   /* blackhole, prohibit, broadcast, multicast */
	NEXTHOP_NOT_OUR_PORT,	   /* it leaves by an interface that is no port's */
	NEXTHOP_NEIGHBOUR_PENDING, /* asked, no answer yet */
	NEXTHOP_NEIGHBOUR_FAILED,  /* the kernel gave up; asked again */
	NEXTHOP_NEIGHBOUR_NO_ROOM, /* the kernel's neighbour table is full (gc_thresh3) */
};

/* For `fairctl neighbours`, `backends` and `explain`. */
struct nexthop_info {
	struct ip_addr address, via; /* via == address when on link */
	unsigned ifindex;	     /* 0 if there is no route */
	enum nexthop_problem problem;
	uint64_t slot; /* the word */
	uint32_t users;
};
bool nexthop_info(const struct nexthop_table *table, uint32_t slot, struct nexthop_info *info);
/* A sentence, e.g. "route leaves by eth9, which is no port's kernel interface"; returns `text`. */
const char *nexthop_explain(const struct nexthop_info *info, char *text, size_t bytes);
/* Slots run from 1 to this one. */
uint32_t nexthop_highest(const struct nexthop_table *table);

struct nexthop_counters {
	uint64_t resolved, unresolved; /* slots now */
	/* Since the start: */
	uint64_t asked;	    /* questions for a neighbour */
	uint64_t changed;   /* words stored */
	uint64_t failed;    /* neighbours that went to FAILED */
	uint64_t repairs;   /* dumps */
	uint64_t drift;	    /* what they had to mend */
	uint64_t overflows; /* ENOBUFS */
};
struct nexthop_counters nexthop_counters(const struct nexthop_table *table);

#endif
