/* SPDX-License-Identifier: BSD-3-Clause */
#include "publish.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct retired {
	struct retired *next; /* older */
	struct snapshot *snapshot;
	uint64_t token;
};

int
publish_init(struct publish *publish, uint32_t worker_count)
{
	memset(publish, 0, sizeof(*publish));
	size_t bytes = rte_rcu_qsbr_get_memsize(worker_count);
	publish->readers = aligned_alloc(RTE_CACHE_LINE_SIZE,
		(bytes + RTE_CACHE_LINE_SIZE - 1) & ~(size_t)(RTE_CACHE_LINE_SIZE - 1));
	if (!publish->readers || rte_rcu_qsbr_init(publish->readers, worker_count) != 0)
		return -ENOMEM;
	return 0;
}

void
publish_fini(struct publish *publish)
{
	for (struct retired *r = publish->retired, *next; r; r = next) {
		next = r->next;
		snapshot_free(r->snapshot);
		free(r);
	}
	snapshot_free(publish->snapshot);
	free(publish->readers);
	memset(publish, 0, sizeof(*publish));
}

int
publish_put(struct publish *publish, struct snapshot *snapshot, uint32_t node_count)
{
	struct retired *retired = NULL;
	if (publish->snapshot) {
		retired = malloc(sizeof(*retired));
		if (!retired)
			return -ENOMEM;
	}
	for (uint32_t node = 0; node < node_count; node++)
		atomic_store_explicit(&publish->current[node], snapshot_tables(snapshot, node),
			memory_order_release);
	if (retired) {
		*retired = (struct retired){
			.next = publish->retired,
			.snapshot = publish->snapshot,
			.token = rte_rcu_qsbr_start(publish->readers),
		};
		publish->retired = retired;
	}
	publish->snapshot = snapshot;
	return 0;
}

bool
publish_reclaim(struct publish *publish)
{
	struct retired **link = &publish->retired;
	while (*link) {
		struct retired *r = *link;
		if (rte_rcu_qsbr_check(publish->readers, r->token, false) == 1) {
			*link = r->next;
			snapshot_free(r->snapshot);
			free(r);
		} else {
			link = &r->next;
		}
	}
	return publish->retired == NULL;
}

uint64_t
publish_oldest_generation(const struct publish *publish)
{
	const struct snapshot *oldest = publish->snapshot;
	for (const struct retired *r = publish->retired; r; r = r->next)
		oldest = r->snapshot;
	return snapshot_generation(oldest);
}
