/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * (VIP, protocol, port) -> service. One hash table keyed by VIP, one cache line an entry, so one
 * access tells "not a VIP", "a VIP, but no such service" and "this service".
 *
 *   entry, 64 bytes:
 *   0                    16           20          24                                     64
 *   +--------------------+------------+-----------+------+------+------+------+------+
 *   | VIP                | ranges     | overflow  | 5 port ranges of 8 bytes, sorted  |
 *   +--------------------+------------+-----------+------+------+------+------+------+
 *   range: | first port 16 | last port 16 | service 16 | protocol 8 | 0 8 |
 *
 * A VIP with more than five ranges keeps all of them in one sorted array beside the table, from
 * `overflow` on, and is searched by halving. "any" is the range 0-65535; a narrower range of the
 * same VIP and protocol does not overlap it (the configuration refuses overlaps).
 *
 * Frozen once built: control builds, workers read.
 */
#ifndef FAIRLEAD_SERVICE_TABLE_H
#define FAIRLEAD_SERVICE_TABLE_H

#include <stdbool.h>

#include "addr.h"

struct arena;

#define SERVICE_NONE	   0xffff
#define SERVICE_INLINE_MAX 5

struct service_range {
	uint16_t first_port, last_port; /* both included */
	uint16_t service;		/* the caller's index */
	uint8_t proto;			/* IPPROTO_* */
	uint8_t unused;
};
static_assert(sizeof(struct service_range) == 8, "eight bytes a range");

/* One (VIP, range) of the input, in any order. */
struct service_rule {
	struct ip_addr vip;
	struct service_range range;
};

struct service_entry {
	struct ip_addr vip; /* all zero: no entry; :: is no VIP */
	uint32_t range_count;
	uint32_t overflow; /* index of the first range in service_table.ranges */
	struct service_range ranges[SERVICE_INLINE_MAX];
};
static_assert(sizeof(struct service_entry) == 64, "one cache line an entry");

struct service_table {
	struct service_entry
		*entries; /* 2^(32 - shift) of them, linear probing, at most half full */
	const struct service_entry *last;
	struct service_range *ranges;
	uint32_t shift;
	uint32_t vip_count;
};

/*
 * Builds into `arena`. 0; -ENOMEM; -EEXIST when two ranges of one VIP and protocol overlap;
 * -EINVAL for a VIP of ::, a range that ends before it starts, or more than 2^30 rules.
 * `rules` is sorted in place.
 */
int service_table_build(struct service_table *table, struct arena *arena,
	struct service_rule *rules, size_t rule_count);

/* First slot to look at: unkeyed, since only the configuration puts VIPs in. CRC-32C, where there is an
 * instruction for it, is linear, and addresses in a row would lie in a row: the product tears them apart. */
static inline const struct service_entry *
service_table_at(const struct service_table *table, const struct ip_addr *vip)
{
#ifdef __SSE4_2__
	uint64_t x =
		__builtin_ia32_crc32di(__builtin_ia32_crc32di(0, vip->halves[0]), vip->halves[1]);
#else
	uint64_t x = vip->halves[0] * 0x9e3779b97f4a7c15ull ^ vip->halves[1];
	x = (x ^ x >> 32) * 0xd6e8feb86659fd93ull >> 32;
#endif
	return &table->entries[(uint32_t)x * 0x9e3779b1u >> table->shift];
}

/* The VIP's entry, or NULL when it is no VIP; :: would find a free entry, which has no range. `at` is
 * its service_table_at(), which may have been fetched ahead. Workers. */
static inline const struct service_entry *
service_table_vip_from(const struct service_table *table, const struct service_entry *at,
	const struct ip_addr *vip)
{
	for (;;) {
		if (__builtin_expect(addr_equal(&at->vip, vip), 1))
			return __builtin_expect(at->range_count != 0, 1) ? at : NULL;
		if (at->vip.halves[0] == 0 && at->vip.halves[1] == 0)
			return NULL;
		at = at == table->last ? table->entries : at + 1;
	}
}

static inline const struct service_entry *
service_table_vip(const struct service_table *table, const struct ip_addr *vip)
{
	return service_table_vip_from(table, service_table_at(table, vip), vip);
}

/* The same for VIPs of more than SERVICE_INLINE_MAX ranges. */
uint16_t service_table_search(const struct service_table *table, const struct service_entry *entry,
	uint8_t proto, uint16_t port);

/* The service, or SERVICE_NONE. `entry` is what service_table_vip gave. Workers. */
static inline uint16_t
service_table_port(const struct service_table *table, const struct service_entry *entry,
	uint8_t proto, uint16_t port)
{
	if (__builtin_expect(entry->range_count > SERVICE_INLINE_MAX, 0))
		return service_table_search(table, entry, proto, port);
	for (uint32_t i = 0; i < entry->range_count; i++) {
		const struct service_range *r = &entry->ranges[i];
		if (r->proto == proto && r->first_port <= port && port <= r->last_port)
			return r->service;
	}
	return SERVICE_NONE;
}

#endif
