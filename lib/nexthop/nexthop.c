/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Two sockets: `events` hears notifications, `ask` asks, so that an answer is never searched for
 * among notifications. One epoll descriptor stands for `events` and for a timer.
 *
 * The timer gathers: the first notification that puts a route in doubt starts it, and until it ends
 * more may come. Then a batch of the addresses in doubt is asked for, the rest after a pause that
 * lets the loop do other things. An address is queued once, however many routes changed over it.
 */
#include "nexthop.h"

#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "address_book.h"
#include "neighbour.h"
#include "route.h"

#define GATHER_US	 10000
#define PAUSE_US	 1000	/* between two batches */
#define RETRY_US	 100000 /* after the kernel failed to answer */
#define ROUTES_PER_BATCH 1000
/* A question is a system call or two and an ARP frame on the link: this many take some 10 ms. */
#define ASKS_PER_TICK	2000
#define REPAIR_EVERY_MS 30000
#define REPAIR_PAUSE_MS 1000 /* at least, however often notifications overflow */

#define SLOT_ALIGNMENT 64

/* An address that holds a slot. */
struct hop {
	struct route route;
	uint32_t users;	    /* 0: the slot is free */
	uint32_t neighbour; /* 0: none, see `route` */
	uint32_t next_user; /* of the same neighbour; of a free slot: the next free one */
	uint32_t prev_user;
	bool route_due; /* in the queue */
	bool audit;	/* queued by a repair, not by a notification: a change is drift */
};

struct nexthop_table {
	l2_slot *slots; // control: wo; workers: ro
	struct netlink *events, *ask;
	int epoll_fd, timer_fd;
	bool timer_runs;

	struct nexthop_port ports[NEXTHOP_PORTS_MAX];
	unsigned port_count;

	struct address_book *book;
	struct neighbours *neighbours;
	struct hop *hops;	   /* by slot */
	uint32_t highest, free;	   /* slots: the highest ever used, the first free one below it */
	uint32_t in_use, resolved; /* slots */

	uint32_t *due; /* ring of slots whose route is to be asked for */
	uint32_t due_first, due_count;

	uint32_t asks_left;   /* until the next tick */
	uint32_t ask_cursor;  /* neighbour where the next tick goes on */
	struct mono repaired; /* last */
	bool repair_due;
	struct nexthop_counters counters; /* without `resolved` and `unresolved` */
};

/* ---- slots ---- */

static void
store_slot(struct nexthop_table *t, uint32_t slot, uint64_t word)
{
	uint64_t before = atomic_load_explicit(&t->slots[slot], memory_order_relaxed);
	if (before == word)
		return;
	atomic_store_explicit(&t->slots[slot], word, memory_order_release);
	t->resolved += l2_slot_resolved(word);
	t->resolved -= l2_slot_resolved(before);
	t->counters.changed++;
}

static const struct nexthop_port *
port_of_interface(const struct nexthop_table *t, unsigned ifindex)
{
	for (unsigned i = 0; i < t->port_count; i++)
		if (t->ports[i].ifindex == ifindex)
			return &t->ports[i];
	return NULL;
}

static uint64_t
word_of_neighbour(const struct nexthop_table *t, const struct neighbour *n)
{
	if (!n->has_mac)
		return L2_SLOT_UNRESOLVED;
	const struct nexthop_port *port = port_of_interface(t, n->ifindex);
	return l2_slot_pack(&n->mac, port->port, port->vlan);
}

/* ---- neighbours ---- */

static int
ask_neighbour(struct nexthop_table *t, struct neighbour *n)
{
	t->counters.asked++;
	return neighbour_use(t->ask, n);
}

/* Between two ticks. What is over the budget is asked for by the tick. */
static void
ask_within_budget(struct nexthop_table *t, struct neighbour *n)
{
	if (t->asks_left == 0)
		return;
	t->asks_left--;
	ask_neighbour(t, n);
}

/* True when what the frames use changed. */
static bool
take_report(struct nexthop_table *t, struct neighbour *n, const struct neighbour_report *report)
{
	enum neighbour_news news = neighbour_learn(n, report);
	if (news == NEIGHBOUR_SAME)
		return false;
	t->counters.failed += news == NEIGHBOUR_FAILED;
	uint64_t word = word_of_neighbour(t, n);
	for (uint32_t slot = n->first_user; slot; slot = t->hops[slot].next_user)
		store_slot(t, slot, word);
	return true;
}

/* The kernel may know it already, and would then not announce it. */
static void
meet_neighbour(struct nexthop_table *t, struct neighbour *n)
{
	struct neighbour_report report;
	if (neighbour_query(t->ask, n, &report) == 0)
		take_report(t, n, &report);
	if (neighbour_wants_asking(n))
		ask_within_budget(t, n);
}

/* ---- from a route to a neighbour ---- */

static void
follow(struct nexthop_table *t, uint32_t slot)
{
	struct hop *hop = &t->hops[slot];
	uint64_t word = L2_SLOT_UNRESOLVED;
	if (hop->route.verdict == ROUTE_UNICAST && port_of_interface(t, hop->route.ifindex)) {
		uint32_t index =
			neighbours_find(t->neighbours, hop->route.ifindex, &hop->route.via);
		bool is_new = index == 0;
		if (is_new)
			index = neighbours_add(t->neighbours, hop->route.ifindex, &hop->route.via);
		struct neighbour *n = neighbours_at(t->neighbours, index);
		hop->neighbour = index;
		hop->prev_user = 0;
		hop->next_user = n->first_user;
		if (n->first_user)
			t->hops[n->first_user].prev_user = slot;
		n->first_user = slot;
		if (is_new)
			meet_neighbour(t, n);
		word = word_of_neighbour(t, n);
	}
	store_slot(t, slot, word);
}

/* Leaves the word as it is: the caller knows what comes next. */
static void
unfollow(struct nexthop_table *t, uint32_t slot)
{
	struct hop *hop = &t->hops[slot];
	if (!hop->neighbour)
		return;
	struct neighbour *n = neighbours_at(t->neighbours, hop->neighbour);
	if (hop->prev_user)
		t->hops[hop->prev_user].next_user = hop->next_user;
	else
		n->first_user = hop->next_user;
	if (hop->next_user)
		t->hops[hop->next_user].prev_user = hop->prev_user;
	if (!n->first_user)
		neighbours_remove(t->neighbours, hop->neighbour);
	hop->neighbour = 0;
}

static int
refresh_route(struct nexthop_table *t, uint32_t slot)
{
	struct hop *hop = &t->hops[slot];
	struct route route;
	int rc = route_ask(t->ask, address_book_address(t->book, slot), &route);
	if (rc < 0)
		return rc;
	if (route_equal(&route, &hop->route))
		return 0;
	t->counters.drift += hop->audit;
	unfollow(t, slot);
	hop->route = route;
	follow(t, slot);
	return 0;
}

/* ---- the queue of routes in doubt ---- */

static void
start_timer(struct nexthop_table *t, long us)
{
	if (t->timer_runs)
		return;
	struct itimerspec in = {.it_value = {.tv_nsec = us * 1000}};
	t->timer_runs = timerfd_settime(t->timer_fd, 0, &in, NULL) == 0;
}

static void
queue_route(struct nexthop_table *t, uint32_t slot, bool audit)
{
	struct hop *hop = &t->hops[slot];
	if (hop->route_due) {
		hop->audit &= audit;
		return;
	}
	hop->route_due = true;
	hop->audit = audit;
	t->due[(t->due_first + t->due_count++) % (BACKENDS_MAX + 1)] = slot;
}

static void
doubt_route(void *context, uint32_t slot)
{
	queue_route(context, slot, false);
}

static void
queue_all_routes(struct nexthop_table *t, bool audit)
{
	for (uint32_t slot = 1; slot <= t->highest; slot++)
		if (t->hops[slot].users)
			queue_route(t, slot, audit);
}

static void
refresh_batch(struct nexthop_table *t)
{
	long pause_us = PAUSE_US;
	for (unsigned i = 0; i < ROUTES_PER_BATCH && t->due_count > 0; i++) {
		uint32_t slot = t->due[t->due_first];
		struct hop *hop = &t->hops[slot];
		t->due_first = (t->due_first + 1) % (BACKENDS_MAX + 1);
		t->due_count--;
		hop->route_due = false;
		if (hop->users > 0 && refresh_route(t, slot) < 0) {
			queue_route(t, slot, hop->audit);
			pause_us = RETRY_US;
			break;
		}
	}
	if (t->due_count > 0)
		start_timer(t, pause_us);
}

/* ---- notifications and repair ---- */

static void
on_neighbour(struct nexthop_table *t, const struct neighbour_report *report)
{
	uint32_t index = neighbours_find(t->neighbours, report->ifindex, &report->address);
	if (!index)
		return;
	struct neighbour *n = neighbours_at(t->neighbours, index);
	take_report(t, n, report);
	/* `ip neigh flush` fails an entry before it deletes it: frames wait, so not for the tick.
	 */
	if (n->state == NUD_NONE && !n->has_mac)
		ask_within_budget(t, n);
}

static void
on_notification(const struct nlmsghdr *message, void *context)
{
	struct nexthop_table *t = context;
	struct neighbour_report report;
	struct ip_prefix changed;
	if (neighbour_read(message, &report)) {
		on_neighbour(t, &report);
		return;
	}
	switch (route_effect(message, &changed)) {
	case ROUTE_EFFECT_NONE:
		return;
	case ROUTE_EFFECT_PREFIX:
		address_book_visit(t->book, &changed, doubt_route, t);
		break;
	case ROUTE_EFFECT_ALL:
		queue_all_routes(t, false);
		break;
	}
	if (t->due_count > 0)
		start_timer(t, GATHER_US);
}

static void
on_dumped_neighbour(const struct nlmsghdr *message, void *context)
{
	struct nexthop_table *t = context;
	struct neighbour_report report;
	if (!neighbour_read(message, &report))
		return;
	uint32_t index = neighbours_find(t->neighbours, report.ifindex, &report.address);
	if (!index)
		return;
	struct neighbour *n = neighbours_at(t->neighbours, index);
	n->seen = true;
	t->counters.drift += take_report(t, n, &report);
}

static void
repair(struct nexthop_table *t, struct mono now)
{
	uint32_t highest = neighbours_highest(t->neighbours);
	for (uint32_t i = 1; i <= highest; i++)
		neighbours_at(t->neighbours, i)->seen = false;
	t->repaired = now;
	t->repair_due = neighbour_dump(t->ask, on_dumped_neighbour, t) < 0;
	t->counters.repairs++;
	if (t->repair_due)
		return;
	for (uint32_t i = 1; i <= highest; i++) {
		struct neighbour *n = neighbours_at(t->neighbours, i);
		if (n->seen || n->state == NUD_NONE)
			continue;
		n->state = NUD_NONE;
		t->counters.drift++;
	}
	queue_all_routes(t, true);
	if (t->due_count > 0)
		start_timer(t, GATHER_US);
}

static void
hear(struct nexthop_table *t)
{
	if (netlink_receive(t->events, on_notification, t) == -ENOBUFS) {
		t->counters.overflows++;
		t->repair_due = true;
	}
}

void
nexthop_receive(struct nexthop_table *t, struct mono now)
{
	hear(t);
	if (t->repair_due && mono_ms_between(t->repaired, now) >= REPAIR_PAUSE_MS)
		repair(t, now);
	uint64_t expirations;
	if (read(t->timer_fd, &expirations, sizeof(expirations)) == sizeof(expirations)) {
		t->timer_runs = false;
		refresh_batch(t);
	}
}

void
nexthop_tick(struct nexthop_table *t, struct mono now)
{
	hear(t);
	if (t->repair_due || mono_ms_between(t->repaired, now) >= REPAIR_EVERY_MS)
		repair(t, now);

	uint32_t highest = neighbours_highest(t->neighbours);
	unsigned asked = 0;
	for (uint32_t seen = 0; seen < highest && asked < ASKS_PER_TICK; seen++) {
		t->ask_cursor = t->ask_cursor % highest + 1;
		struct neighbour *n = neighbours_at(t->neighbours, t->ask_cursor);
		if (!n->first_user || !neighbour_wants_asking(n))
			continue;
		asked++;
		if (ask_neighbour(t, n) == -ETIMEDOUT)
			break;
	}
	t->asks_left = ASKS_PER_TICK;
}

/* ---- acquire and release ---- */

static uint32_t
take_slot(struct nexthop_table *t)
{
	uint32_t slot = t->free;
	if (slot)
		t->free = t->hops[slot].next_user;
	else if (t->highest < BACKENDS_MAX)
		slot = ++t->highest;
	return slot;
}

int
nexthop_acquire(struct nexthop_table *t, const struct ip_addr *address, uint32_t *out)
{
	uint32_t slot = address_book_find(t->book, address);
	if (slot) {
		t->hops[slot].users++;
		*out = slot;
		return 0;
	}
	slot = take_slot(t);
	if (!slot)
		return -ENOSPC;
	struct hop *hop = &t->hops[slot];
	hop->users = 1;
	hop->route = (struct route){.via = *address, .verdict = ROUTE_NONE};
	hop->audit = false;
	t->in_use++;
	address_book_add(t->book, address, slot);
	if (refresh_route(t, slot) < 0) {
		queue_route(t, slot, false);
		start_timer(t, RETRY_US);
	}
	*out = slot;
	return 0;
}

void
nexthop_release(struct nexthop_table *t, uint32_t slot)
{
	struct hop *hop = &t->hops[slot];
	if (--hop->users > 0)
		return;
	unfollow(t, slot);
	store_slot(t, slot, L2_SLOT_UNRESOLVED);
	address_book_remove(t->book, slot);
	t->in_use--;
	hop->next_user = t->free;
	t->free = slot;
}

/* ---- life ---- */

static int
allocate(struct nexthop_table *t)
{
	size_t slot_bytes = sizeof(l2_slot) * (BACKENDS_MAX + 1);
	t->slots = aligned_alloc(SLOT_ALIGNMENT, slot_bytes);
	t->hops = calloc(BACKENDS_MAX + 1, sizeof(*t->hops));
	t->due = calloc(BACKENDS_MAX + 1, sizeof(*t->due));
	t->book = address_book_create();
	t->neighbours = neighbours_create();
	if (!t->slots || !t->hops || !t->due || !t->book || !t->neighbours)
		return -ENOMEM;
	for (uint32_t slot = 0; slot <= BACKENDS_MAX; slot++)
		atomic_init(&t->slots[slot], L2_SLOT_UNRESOLVED);
	return 0;
}

static int
open_descriptors(struct nexthop_table *t, struct error *err)
{
	int rc = netlink_open(&t->ask, 0, err);
	if (rc == 0)
		rc = netlink_open(&t->events, RTMGRP_NEIGH | ROUTE_GROUPS, err);
	if (rc < 0)
		return rc;
	t->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	t->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event readable = {.events = EPOLLIN};
	if (t->timer_fd < 0 || t->epoll_fd < 0 ||
		epoll_ctl(t->epoll_fd, EPOLL_CTL_ADD, t->timer_fd, &readable) < 0 ||
		epoll_ctl(t->epoll_fd, EPOLL_CTL_ADD, netlink_fd(t->events), &readable) < 0)
		return error_set(
			err, -errno, "next hops: cannot wait for events: %s", strerror(errno));
	return 0;
}

int
nexthop_create(struct nexthop_table **table, const struct nexthop_port *ports, unsigned port_count,
	struct error *err)
{
	if (port_count > NEXTHOP_PORTS_MAX)
		return error_set(err, -EINVAL, "next hops: wanted at most %d interfaces, got %u",
			NEXTHOP_PORTS_MAX, port_count);
	struct nexthop_table *t = calloc(1, sizeof(*t));
	if (!t)
		return error_set(err, -ENOMEM, "next hops: out of memory");
	t->epoll_fd = t->timer_fd = -1;
	t->asks_left = ASKS_PER_TICK;
	t->repaired = mono_now();
	t->port_count = port_count;
	for (unsigned i = 0; i < port_count; i++)
		t->ports[i] = ports[i];
	int rc = allocate(t);
	if (rc < 0)
		error_set(err, rc, "next hops: out of memory");
	else
		rc = open_descriptors(t, err);
	if (rc < 0) {
		nexthop_destroy(t);
		return rc;
	}
	*table = t;
	return 0;
}

void
nexthop_destroy(struct nexthop_table *t)
{
	if (!t)
		return;
	if (t->epoll_fd >= 0)
		close(t->epoll_fd);
	if (t->timer_fd >= 0)
		close(t->timer_fd);
	netlink_close(t->events);
	netlink_close(t->ask);
	neighbours_destroy(t->neighbours);
	address_book_destroy(t->book);
	free(t->due);
	free(t->hops);
	free(t->slots);
	free(t);
}

/* ---- for others to read ---- */

const l2_slot *
nexthop_slots(const struct nexthop_table *t)
{
	return t->slots;
}

int
nexthop_fd(const struct nexthop_table *t)
{
	return t->epoll_fd;
}

uint32_t
nexthop_highest(const struct nexthop_table *t)
{
	return t->highest;
}

struct nexthop_counters
nexthop_counters(const struct nexthop_table *t)
{
	struct nexthop_counters counters = t->counters;
	counters.resolved = t->resolved;
	counters.unresolved = t->in_use - t->resolved;
	return counters;
}

static enum nexthop_problem
problem_of(const struct nexthop_table *t, const struct hop *hop)
{
	switch (hop->route.verdict) {
	case ROUTE_NONE:
		return NEXTHOP_NO_ROUTE;
	case ROUTE_LOCAL:
		return NEXTHOP_ROUTE_LOCAL;
	case ROUTE_REFUSED:
		return NEXTHOP_ROUTE_REFUSED;
	case ROUTE_UNICAST:
		break;
	}
	if (!hop->neighbour)
		return NEXTHOP_NOT_OUR_PORT;
	const struct neighbour *n = neighbours_at(t->neighbours, hop->neighbour);
	if (n->has_mac)
		return NEXTHOP_RESOLVED;
	if (n->table_full)
		return NEXTHOP_NEIGHBOUR_NO_ROOM;
	return n->state & NUD_FAILED ? NEXTHOP_NEIGHBOUR_FAILED : NEXTHOP_NEIGHBOUR_PENDING;
}

bool
nexthop_info(const struct nexthop_table *t, uint32_t slot, struct nexthop_info *info)
{
	if (slot == 0 || slot > t->highest || t->hops[slot].users == 0)
		return false;
	const struct hop *hop = &t->hops[slot];
	*info = (struct nexthop_info){
		.address = *address_book_address(t->book, slot),
		.via = hop->route.via,
		.ifindex = hop->route.ifindex,
		.problem = problem_of(t, hop),
		.slot = atomic_load_explicit(&t->slots[slot], memory_order_relaxed),
		.users = hop->users,
	};
	return true;
}
