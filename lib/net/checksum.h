/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The Internet checksum (RFC 1071) and its incremental update (RFC 1624, equation 3).
 * Sums are folded only at the end; all values are native loads of wire bytes, which RFC 1071 2.B
 * allows, so nothing is byte-swapped. Any thread.
 */
#ifndef FAIRLEAD_CHECKSUM_H
#define FAIRLEAD_CHECKSUM_H

#include "addr.h"

/* One's complement sum of `bytes` bytes, not folded: add several, then checksum_fold. Only the last
 * of several may be of odd length: the pairing of bytes would shift. */
uint64_t checksum_sum(const void *data, size_t bytes);

/* Folds to 16 bits and complements: what goes into a header whose field was 0 while summing, and 0
 * if the field was summed with the rest and is right. */
static inline be16
checksum_fold(uint64_t sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	uint32_t low = (uint32_t)sum + (uint32_t)(sum >> 32);
	/* Added to itself with its halves exchanged, the upper half of the sum is the folded one, the
	 * carry of the lower half with it; its own carry went round. */
	low += low << 16 | low >> 16;
	return (be16) ~(low >> 16);
}

/* The new checksum of a header in which one 16-bit word went from `from` to `to`. */
static inline be16
checksum_update(be16 checksum, be16 from, be16 to)
{
	uint32_t sum = (uint32_t)(uint16_t)~checksum + (uint16_t)~from + to;
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (be16)~sum;
}

#endif
