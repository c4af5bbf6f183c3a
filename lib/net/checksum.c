/* SPDX-License-Identifier: BSD-3-Clause */
#include "checksum.h"

uint64_t
checksum_sum(const void *data, size_t bytes)
{
	const uint8_t *at = data;
	uint64_t sum = 0;

	/* 32 bits at a time into 64: no carry is lost below 2^32 words. */
	for (; bytes >= 4; at += 4, bytes -= 4) {
		uint32_t word;
		memcpy(&word, at, sizeof(word));
		sum += word;
	}
	/* What is left, as if followed by zeros (RFC 1071, 1). */
	uint32_t rest = 0;
	memcpy(&rest, at, bytes);
	return sum + rest;
}
