/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The addresses that hold a slot: found by hash, and walked by prefix.
 *
 * A routing daemon that loads a full table announces a million routes; each concerns few of our
 * addresses or none. So the addresses are also kept sorted: the ones that a prefix covers stand
 * side by side, and a route that concerns nobody costs one binary search. Sorting is put off until
 * a prefix is asked about.
 *
 * Control only.
 */
#ifndef FAIRLEAD_ADDRESS_BOOK_H
#define FAIRLEAD_ADDRESS_BOOK_H

#include <stdint.h>

#include "addr.h"
#include "bounds.h"

/* Fibonacci hashing of both halves; the addresses are the operator's own, so no key. */
static inline uint32_t
address_hash(const struct ip_addr *a, uint32_t salt)
{
	uint64_t x = (a->halves[0] ^ salt) * 0x9e3779b97f4a7c15u;
	x = (x ^ x >> 32 ^ a->halves[1]) * 0x9e3779b97f4a7c15u;
	return (uint32_t)(x >> 48);
}
#define ADDRESS_HASH_BUCKETS (1u << 16)

struct address_book;

/* NULL when memory is out. */
struct address_book *address_book_create(void);
void address_book_destroy(struct address_book *book);

/* 0 when the address has no slot. */
uint32_t address_book_find(const struct address_book *book, const struct ip_addr *address);
/* Slots are 1 to BACKENDS_MAX; neither the slot nor the address is in the book. */
void address_book_add(struct address_book *book, const struct ip_addr *address, uint32_t slot);
void address_book_remove(struct address_book *book, uint32_t slot);
const struct ip_addr *address_book_address(const struct address_book *book, uint32_t slot);

/* Calls `visit` with every slot whose address is inside. It must not add or remove. */
void address_book_visit(struct address_book *book, const struct ip_prefix *inside,
	void (*visit)(void *context, uint32_t slot), void *context);

#endif
