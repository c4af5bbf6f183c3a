/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which rows would go to another backend if one configuration followed another, pool by pool. What a
 * row means follows from names, weights and the hash key alone, so no snapshot is needed for it:
 *
 *   before:  rows of the running pool, by the weights that are in effect
 *   after:   rows of the pool of that name as it would be
 *   moved:   rows whose backend has another name afterwards, or that only one side has given out
 *
 * A pool with more rows afterwards splits each row in two or four, and is compared in these.
 *
 * Pure. It builds the rows of each pool that differs, some 10 ms for 100 backends. Control only.
 */
#ifndef FAIRLEAD_ROW_DIFF_H
#define FAIRLEAD_ROW_DIFF_H

#include "config.h"
#include "standing.h"

struct row_side {
	const struct config *config;
	/* The weights of a pool's backends, as in snapshot_base; NULL: those of the file, where only
	 * active backends have one. */
	int (*standings)(void *context, const struct config *config, uint32_t pool,
		struct standing *standings);
	void *context;
};

struct row_change {
	uint32_t pool;	/* index in the configuration that comes after */
	uint32_t rows;	/* that were compared: the larger of the two numbers */
	uint32_t moved; /* of these */
};

/*
 * One element for each pool that is in both, in the order of names, those without a change too.
 * 0, `*changes` for the caller to free, and `*count`; or -ENOMEM.
 */
int row_diff(const struct row_side *before, const struct row_side *after,
	struct row_change **changes, uint32_t *count);

#endif
