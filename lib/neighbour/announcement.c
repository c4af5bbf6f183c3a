/* SPDX-License-Identifier: BSD-3-Clause */
#include "announcement.h"

#include <errno.h>
#include <stdlib.h>

int
announcements_add(struct announcements *a, const struct ip_addr *address)
{
	if (a->count == a->room) {
		uint32_t room = a->room ? 2 * a->room : 64;
		struct announcement *list = realloc(a->list, room * sizeof(*list));
		if (!list)
			return -ENOMEM;
		a->list = list;
		a->room = room;
	}
	a->list[a->count++] = (struct announcement){.address = *address};
	return 0;
}

bool
announcements_next(struct announcements *a, struct mono now, struct ip_addr *address)
{
	for (int round = 0; round < ANNOUNCEMENT_ROUNDS; round++) {
		uint32_t *cursor = &a->cursors[round];
		if (*cursor == (round == 0 ? a->count : a->cursors[round - 1]))
			continue;
		struct announcement *next = &a->list[*cursor];
		if (round > 0 && mono_ms_between(next->announced, now) < ANNOUNCEMENT_PAUSE_MS)
			continue;
		*address = next->address;
		next->announced = now;
		++*cursor;
		if (a->cursors[ANNOUNCEMENT_ROUNDS - 1] == a->count)
			announcements_clear(a);
		return true;
	}
	return false;
}

void
announcements_clear(struct announcements *a)
{
	free(a->list);
	*a = (struct announcements){0};
}
