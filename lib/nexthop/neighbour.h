/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Neighbours: what the kernel says about the link addresses that we follow, and the questions to
 * it.
 *
 * A MAC stays in use until the kernel says that its owner failed to answer. That the kernel forgot
 * a neighbour (collected it because its table is full, flushed it, lost the carrier) says nothing
 * about the host; the frames go on, the kernel is asked again, and its answer decides.
 *
 * Control only.
 */
#ifndef FAIRLEAD_NEIGHBOUR_H
#define FAIRLEAD_NEIGHBOUR_H

#include <stdbool.h>
#include <stdint.h>

#include "addr.h"
#include "netlink.h"

struct neighbour {
	struct ip_addr address;
	unsigned ifindex; /* 0: this place is free */
	uint16_t state;	  /* NUD_*; NUD_NONE when the kernel has no entry */
	bool has_mac;
	bool table_full; /* the kernel had no room for it when last asked */
	bool seen;	 /* in the dump that is being read */
	struct mac_addr mac;
	uint32_t first_user; /* slot; 0 when nobody uses it. The list is the next-hop table's */
	uint32_t next;	     /* in the bucket, or on the free list */
};

/* One message of the kernel's. */
struct neighbour_report {
	struct ip_addr address;
	unsigned ifindex;
	uint16_t state;
	bool has_mac;
	struct mac_addr mac;
};
/* False if it is not about an IPv4 or IPv6 neighbour. A deletion reads as NUD_NONE. */
bool neighbour_read(const struct nlmsghdr *message, struct neighbour_report *report);

enum neighbour_news {
	NEIGHBOUR_SAME,
	NEIGHBOUR_MOVED,  /* it has a MAC, and had another or none */
	NEIGHBOUR_FAILED, /* its MAC must not be used any more, or it has failed to give one */
};
enum neighbour_news neighbour_learn(struct neighbour *n, const struct neighbour_report *report);

/* Unknown, stale or failed: a question would move it on. */
bool neighbour_wants_asking(const struct neighbour *n);

/* Asks the kernel to resolve or to confirm it (NTF_USE). 0 or a negative errno. */
int neighbour_use(struct netlink *nl, struct neighbour *n);
/* Asks the kernel what it knows: 0, -ENOENT when nothing. */
int neighbour_query(struct netlink *nl, const struct neighbour *n, struct neighbour_report *report);
/* Everything that the kernel knows, to `handler`. */
int neighbour_dump(struct netlink *nl, netlink_handler *handler, void *context);

/* Those that we follow, numbered from 1. */
struct neighbours;

/* Room for one neighbour an address. NULL when memory is out. */
struct neighbours *neighbours_create(void);
void neighbours_destroy(struct neighbours *ns);

/* 0 when it is not followed. */
uint32_t neighbours_find(
	const struct neighbours *ns, unsigned ifindex, const struct ip_addr *address);
/* Not followed before; there is room as long as each has a user. */
uint32_t neighbours_add(struct neighbours *ns, unsigned ifindex, const struct ip_addr *address);
void neighbours_remove(struct neighbours *ns, uint32_t index);

/* Valid until it is removed; places up to the highest may be free. */
struct neighbour *neighbours_at(struct neighbours *ns, uint32_t index);
uint32_t neighbours_highest(const struct neighbours *ns);

#endif
