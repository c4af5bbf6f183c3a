/* SPDX-License-Identifier: BSD-3-Clause */
#include "service_table.h"

#include <errno.h>
#include <stdlib.h>

#include "arena.h"

#define RULES_MAX   ((size_t)1 << 30)
#define ENTRIES_MIN 2 /* a search ends at a free entry, so there is always one */

/* Protocol, then port: the order within a VIP. */
static inline uint32_t
range_key(uint8_t proto, uint16_t port)
{
	return (uint32_t)proto << 16 | port;
}

static int
compare_rules(const void *left, const void *right)
{
	const struct service_rule *a = left, *b = right;
	int order = addr_compare(&a->vip, &b->vip);
	if (order != 0)
		return order;
	uint32_t key_a = range_key(a->range.proto, a->range.first_port);
	uint32_t key_b = range_key(b->range.proto, b->range.first_port);
	return (key_a > key_b) - (key_a < key_b);
}

static int
check_rules(const struct service_rule *rules, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct service_rule *rule = &rules[i];
		if ((rule->vip.halves[0] | rule->vip.halves[1]) == 0 ||
			rule->range.first_port > rule->range.last_port)
			return -EINVAL;
		if (i == 0)
			continue;
		const struct service_rule *before = &rules[i - 1];
		if (addr_equal(&before->vip, &rule->vip) &&
			before->range.proto == rule->range.proto &&
			before->range.last_port >= rule->range.first_port)
			return -EEXIST;
	}
	return 0;
}

/* The number of rules from `rules` on, which are sorted, that have the first one's VIP. */
static uint32_t
count_same_vip(const struct service_rule *rules, size_t rule_count)
{
	uint32_t same = 1;
	while (same < rule_count && addr_equal(&rules[same].vip, &rules[0].vip))
		same++;
	return same;
}

static struct service_entry *
free_entry(const struct service_table *table, const struct ip_addr *vip)
{
	size_t slot = (size_t)(service_table_at(table, vip) - table->entries);
	while (table->entries[slot].range_count != 0)
		slot = &table->entries[slot] == table->last ? 0 : slot + 1;
	return &table->entries[slot];
}

int
service_table_build(struct service_table *table, struct arena *arena, struct service_rule *rules,
	size_t rule_count)
{
	if (rule_count > RULES_MAX)
		return -EINVAL;
	if (rule_count > 0)
		qsort(rules, rule_count, sizeof(*rules), compare_rules);
	int rc = check_rules(rules, rule_count);
	if (rc < 0)
		return rc;

	uint32_t vip_count = 0, overflow_count = 0;
	for (size_t i = 0; i < rule_count; vip_count++) {
		uint32_t same = count_same_vip(&rules[i], rule_count - i);
		overflow_count += same > SERVICE_INLINE_MAX ? same : 0;
		i += same;
	}
	uint32_t entry_count = ENTRIES_MIN;
	table->shift = 31;
	for (; entry_count < 2 * vip_count; entry_count *= 2)
		table->shift--;
	table->entries = arena_array(arena, entry_count, sizeof(*table->entries));
	table->ranges = arena_array(arena, overflow_count, sizeof(*table->ranges));
	if (!table->entries || !table->ranges)
		return -ENOMEM;
	table->last = &table->entries[entry_count - 1];
	table->vip_count = vip_count;

	uint32_t overflow = 0;
	for (size_t i = 0; i < rule_count;) {
		struct service_entry *entry = free_entry(table, &rules[i].vip);
		entry->vip = rules[i].vip;
		entry->range_count = count_same_vip(&rules[i], rule_count - i);
		struct service_range *ranges = entry->ranges;
		if (entry->range_count > SERVICE_INLINE_MAX) {
			entry->overflow = overflow;
			ranges = &table->ranges[overflow];
			overflow += entry->range_count;
		}
		for (uint32_t r = 0; r < entry->range_count; r++)
			ranges[r] = rules[i++].range;
	}
	return 0;
}

uint16_t
service_table_search(const struct service_table *table, const struct service_entry *entry,
	uint8_t proto, uint16_t port)
{
	/* The last range that starts at or before (proto, port), if there is one, else the first.
	 */
	const struct service_range *range = &table->ranges[entry->overflow];
	uint32_t key = range_key(proto, port);
	for (uint32_t left = entry->range_count; left > 1;) {
		uint32_t half = left / 2;
		if (range_key(range[half].proto, range[half].first_port) <= key)
			range += half;
		left -= half;
	}
	bool inside =
		range->proto == proto && range->first_port <= port && port <= range->last_port;
	return inside ? range->service : SERVICE_NONE;
}
