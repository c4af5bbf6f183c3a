/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How the files of semantics.h share their work: each has a noun. For those files alone.
 */
#ifndef FAIRLEAD_SEMANTICS_PARTS_H
#define FAIRLEAD_SEMANTICS_PARTS_H

#include <stdbool.h>
#include <stddef.h>

#include "config.h"
#include "document.h"
#include "report.h"

/* What the checks share. `scratch` goes when they are done. */
struct check {
	const struct config *config;
	const struct node *root;
	const struct node *pools, *services; /* their children are config's elements, one to one */
	struct arena *scratch;
	struct report *report;
};

/* 0, whatever was reported; or -ENOMEM. */
int check_ports(struct check *c);
int check_pools(struct check *c);
int check_services(struct check *c);

/* A name and where it is from, for finding equal ones by sorting. */
struct named {
	const char *name;
	uint32_t index;
};

/* By name, then by index. */
int compare_named(const void *a, const void *b);

/*
 * Names of `count` structs of `bytes` each, at `offset` in them; those not read are left out. NULL
 * when memory is out.
 */
struct named *gather_names(struct arena *arena, const void *elements, size_t count, size_t bytes,
	size_t offset, size_t *gathered);

/*
 * Reports every name but the first of equals: names as with gather_names. `list` has the objects, of
 * which `key` is the member that is compared. 0 or -ENOMEM.
 */
int check_member_differs(struct check *c, const struct node *list, const void *elements,
	size_t count, size_t bytes, size_t offset, const char *key, const char *wanted);

/* An address and where it is from. */
struct placed_address {
	struct ip_addr address;
	uint32_t owner, index; /* service and VIP, or 0 and backend */
};

/* By address, then by place. */
int compare_placed(const void *a, const void *b);

/* False for what decode.c left because it could not read it. */
bool address_is_read(const struct ip_addr *address);

#endif
