/* SPDX-License-Identifier: BSD-3-Clause */
#include "probe_ways.h"

#include <stdlib.h>
#include <sys/queue.h>

#define BUCKETS 16384u

struct entry {
	struct probe_way way;
	bool has_ended;
	LIST_ENTRY(entry) in_bucket;
	TAILQ_ENTRY(entry) in_ended;
};

struct probe_ways {
	LIST_HEAD(bucket, entry) buckets[BUCKETS];
	TAILQ_HEAD(ended, entry) ended; /* the longest ago first */
	uint32_t count, max;		/* of entries that were ever used; the next ones are free */
	struct entry entries[];
};

/* A probe's own number is spread well enough: Linux gives them out. */
static uint32_t
bucket_of(uint16_t number, uint8_t proto)
{
	return (number ^ (uint32_t)proto << 6) % BUCKETS;
}

struct probe_ways *
probe_ways_create(uint32_t max)
{
	struct probe_ways *ways = calloc(1, sizeof(*ways) + max * sizeof(ways->entries[0]));
	if (!ways)
		return NULL;
	ways->max = max;
	TAILQ_INIT(&ways->ended);
	return ways;
}

void
probe_ways_destroy(struct probe_ways *ways)
{
	free(ways);
}

static struct entry *
find(const struct probe_ways *ways, const struct ip_addr *source, uint16_t number, uint8_t proto)
{
	struct entry *entry;
	LIST_FOREACH(entry, &ways->buckets[bucket_of(number, proto)], in_bucket)
	if (entry->way.number == number && entry->way.proto == proto &&
		addr_equal(&entry->way.source, source))
		return entry;
	return NULL;
}

/* One that nobody uses. NULL if there is none. */
static struct entry *
take_entry(struct probe_ways *ways, const struct probe_way *way)
{
	struct entry *entry = find(ways, &way->source, way->number, way->proto);
	if (entry && !entry->has_ended)
		return NULL;
	if (!entry && ways->count < ways->max)
		return &ways->entries[ways->count++];
	if (!entry)
		entry = TAILQ_FIRST(&ways->ended);
	if (!entry)
		return NULL;
	TAILQ_REMOVE(&ways->ended, entry, in_ended);
	LIST_REMOVE(entry, in_bucket);
	return entry;
}

uint32_t
probe_ways_begin(struct probe_ways *ways, const struct probe_way *way)
{
	struct entry *entry = take_entry(ways, way);
	if (!entry)
		return 0;
	entry->way = *way;
	entry->has_ended = false;
	LIST_INSERT_HEAD(&ways->buckets[bucket_of(way->number, way->proto)], entry, in_bucket);
	return (uint32_t)(entry - ways->entries) + 1;
}

void
probe_ways_end(struct probe_ways *ways, uint32_t cookie)
{
	struct entry *entry = &ways->entries[cookie - 1];
	entry->has_ended = true;
	TAILQ_INSERT_TAIL(&ways->ended, entry, in_ended);
}

const struct probe_way *
probe_ways_find(
	const struct probe_ways *ways, const struct ip_addr *source, uint16_t number, uint8_t proto)
{
	const struct entry *entry = find(ways, source, number, proto);
	return entry ? &entry->way : NULL;
}
