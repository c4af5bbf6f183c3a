/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A token bucket (RFC 2697, 1, one rate and one burst): so many a second, with a burst of what a
 * tenth of a second gives. Owned by one thread.
 */
#ifndef FAIRLEAD_TOKEN_BUCKET_H
#define FAIRLEAD_TOKEN_BUCKET_H

#include <stdbool.h>
#include <stdint.h>

#include "mono.h"

struct token_bucket {
	uint64_t millitokens;
	struct mono filled;
};

/* True, and one token less, if there is one. `rate` is tokens a second; 0 never has any. */
static inline bool
token_bucket_take(struct token_bucket *bucket, uint32_t rate, struct mono now)
{
	uint64_t burst = (uint64_t)rate * 100 < 1000 ? 1000 : (uint64_t)rate * 100;
	if (rate == 0)
		return false;
	if (now.us > bucket->filled.us) {
		uint64_t elapsed_us = now.us - bucket->filled.us;
		uint64_t earned = elapsed_us > 1000000 ? burst : elapsed_us * rate / 1000;
		bucket->millitokens += earned;
		/* What is too little for a millitoken is kept for the next time. */
		if (earned > 0)
			bucket->filled = now;
	}
	if (bucket->millitokens > burst) /* also when a reload has lowered the rate */
		bucket->millitokens = burst;
	if (bucket->millitokens < 1000)
		return false;
	bucket->millitokens -= 1000;
	return true;
}

#endif
