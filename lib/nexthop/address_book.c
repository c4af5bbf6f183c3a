/* SPDX-License-Identifier: BSD-3-Clause */
#include "address_book.h"

#include <stdlib.h>

struct address_book {
	struct ip_addr addresses[BACKENDS_MAX + 1];
	uint32_t next[BACKENDS_MAX + 1];      /* of the same bucket; 0 ends */
	uint32_t heads[ADDRESS_HASH_BUCKETS]; /* 0: empty */
	uint32_t sorted[BACKENDS_MAX + 1]; /* the first `count` slots, by address if `in_order` */
	uint32_t place[BACKENDS_MAX + 1];  /* of a slot in `sorted` */
	uint32_t count;
	bool in_order;
};

struct address_book *
address_book_create(void)
{
	return calloc(1, sizeof(struct address_book));
}

void
address_book_destroy(struct address_book *book)
{
	free(book);
}

uint32_t
address_book_find(const struct address_book *book, const struct ip_addr *address)
{
	uint32_t slot = book->heads[address_hash(address, 0)];
	while (slot && !addr_equal(&book->addresses[slot], address))
		slot = book->next[slot];
	return slot;
}

void
address_book_add(struct address_book *book, const struct ip_addr *address, uint32_t slot)
{
	uint32_t *head = &book->heads[address_hash(address, 0)];
	book->addresses[slot] = *address;
	book->next[slot] = *head;
	*head = slot;
	book->place[slot] = book->count;
	book->sorted[book->count++] = slot;
	book->in_order = false;
}

void
address_book_remove(struct address_book *book, uint32_t slot)
{
	uint32_t *link = &book->heads[address_hash(&book->addresses[slot], 0)];
	while (*link != slot)
		link = &book->next[*link];
	*link = book->next[slot];

	uint32_t last = book->sorted[--book->count];
	book->sorted[book->place[slot]] = last;
	book->place[last] = book->place[slot];
	book->in_order = false;
}

const struct ip_addr *
address_book_address(const struct address_book *book, uint32_t slot)
{
	return &book->addresses[slot];
}

static int
compare_slots(const void *a, const void *b, void *context)
{
	const struct address_book *book = context;
	return addr_compare(
		&book->addresses[*(const uint32_t *)a], &book->addresses[*(const uint32_t *)b]);
}

static void
put_in_order(struct address_book *book)
{
	if (book->in_order)
		return;
	qsort_r(book->sorted, book->count, sizeof(book->sorted[0]), compare_slots, book);
	for (uint32_t i = 0; i < book->count; i++)
		book->place[book->sorted[i]] = i;
	book->in_order = true;
}

void
address_book_visit(struct address_book *book, const struct ip_prefix *inside,
	void (*visit)(void *context, uint32_t slot), void *context)
{
	put_in_order(book);
	uint32_t low = 0, high = book->count;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (addr_compare(&book->addresses[book->sorted[middle]], &inside->addr) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < book->count; low++) {
		uint32_t slot = book->sorted[low];
		if (!prefix_contains(inside, &book->addresses[slot]))
			break;
		visit(context, slot);
	}
}
