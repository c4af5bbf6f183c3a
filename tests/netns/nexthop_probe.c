/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Next hops against a real kernel; nexthop.sh makes the namespaces, draws them, and runs this
 * inside `edge` with the name of `peer`. Changes are made by ip(8), as an operator would.
 */
#include <linux/netlink.h>
#include <net/if.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "nexthop.h"

#define MANY	     10000
#define TICK_MS	     1000
#define ONE_TICK_MS  1500 /* what has to happen by the next tick */
#define PROMPT_MS    100  /* what has to happen by notification */
#define GIVE_UP_MS   8000 /* in which the kernel's three questions go unanswered */
#define DESCRIPTORS  64	  /* of this process, at most */
#define SMALL_BUFFER 1	  /* byte: the kernel makes it its minimum */
#define LARGE_BUFFER (8 << 20)

static struct nexthop_table *table;
static struct mono next_tick;
static const char *peer;
static unsigned failures;

static void __attribute__((format(printf, 2, 3))) check(bool good, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	printf(good ? "ok " : "not ok ");
	vprintf(format, args);
	putchar('\n');
	fflush(stdout);
	va_end(args);
	failures += !good;
}

static void __attribute__((format(printf, 1, 2))) run(const char *format, ...)
{
	char command[512];
	va_list args;
	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	if (system(command) != 0)
		check(false, "command: %s", command);
}

/* One round of the loop that the daemon would run. */
static void
serve(int wait_ms)
{
	struct pollfd readable = {.fd = nexthop_fd(table), .events = POLLIN};
	if (poll(&readable, 1, wait_ms) > 0)
		nexthop_receive(table, mono_now());
	if (mono_ms_between(next_tick, mono_now()) > 0) {
		nexthop_tick(table, mono_now());
		next_tick = mono_add_ms(next_tick, TICK_MS);
	}
}

static void
serve_for(uint64_t ms)
{
	struct mono start = mono_now();
	while (mono_ms_between(start, mono_now()) < ms)
		serve(5);
}

static struct nexthop_info
look(uint32_t slot)
{
	struct nexthop_info info;
	if (!nexthop_info(table, slot, &info))
		abort();
	return info;
}

static uint64_t
word(uint32_t slot)
{
	return atomic_load_explicit(&nexthop_slots(table)[slot], memory_order_acquire);
}

static uint32_t
acquire(const char *text)
{
	struct ip_addr address;
	uint32_t slot;
	if (addr_parse(text, &address) < 0 || nexthop_acquire(table, &address, &slot) < 0)
		abort();
	return slot;
}

static uint64_t
peer_word(uint8_t port, uint8_t last_byte)
{
	struct mac_addr mac = {{2, 0, 0, 0, 0, last_byte}};
	return l2_slot_pack(&mac, port, 0);
}

static void
expect_word(const char *what, uint32_t slot, uint64_t wanted, uint64_t limit_ms)
{
	char text[256];
	struct mono start = mono_now();
	while (word(slot) != wanted && mono_ms_between(start, mono_now()) < limit_ms)
		serve(5);
	uint64_t ms = mono_ms_between(start, mono_now());
	struct nexthop_info info = look(slot);
	check(word(slot) == wanted, "%s: %lu ms, %s", what, ms,
		nexthop_explain(&info, text, sizeof(text)));
}

static void
expect_problem(const char *what, uint32_t slot, enum nexthop_problem wanted, uint64_t limit_ms)
{
	char text[256];
	struct mono start = mono_now();
	while (look(slot).problem != wanted && mono_ms_between(start, mono_now()) < limit_ms)
		serve(5);
	uint64_t ms = mono_ms_between(start, mono_now());
	struct nexthop_info info = look(slot);
	check(info.problem == wanted && !l2_slot_resolved(word(slot)), "%s: %lu ms, %s", what, ms,
		nexthop_explain(&info, text, sizeof(text)));
}

static void
on_link(void)
{
	uint32_t v4 = acquire("10.77.0.2"), v6 = acquire("fd77::2");
	expect_word("IPv4 neighbour", v4, peer_word(0, 0), ONE_TICK_MS);
	expect_word("IPv6 neighbour", v6, peer_word(0, 0), ONE_TICK_MS);
	check(acquire("10.77.0.2") == v4 && look(v4).users == 2, "one address, one slot");
	nexthop_release(table, v4);
	nexthop_release(table, v4);
	nexthop_release(table, v6);
	struct nexthop_info info;
	check(!nexthop_info(table, v4, &info) && !l2_slot_resolved(word(v4)),
		"the last release frees the slot");
	check(!l2_slot_resolved(word(0)), "slot 0 is unresolved");
}

static void
routes(void)
{
	uint32_t v4 = acquire("203.0.113.9"), v6 = acquire("2001:db8:9::1");
	expect_problem("IPv4 without a route", v4, NEXTHOP_NO_ROUTE, 0);
	expect_problem("IPv6 without a route", v6, NEXTHOP_NO_ROUTE, 0);
	run("ip route add 203.0.113.0/24 via 10.77.0.2");
	expect_word("IPv4 gateway", v4, peer_word(0, 0), PROMPT_MS);
	run("ip route add 2001:db8:9::/48 via fd77::2");
	expect_word("IPv6 gateway", v6, peer_word(0, 0), PROMPT_MS);
	run("ip route replace 203.0.113.0/24 via 10.78.0.2");
	expect_word("route moved to another port", v4, peer_word(1, 1), PROMPT_MS);
	run("ip route replace 203.0.113.0/24 via 10.79.0.2");
	expect_problem("route by no port", v4, NEXTHOP_NOT_OUR_PORT, PROMPT_MS);
	run("ip route replace blackhole 203.0.113.0/24");
	expect_problem("blackhole", v4, NEXTHOP_ROUTE_REFUSED, PROMPT_MS);
	run("ip route replace prohibit 203.0.113.0/24");
	serve_for(PROMPT_MS);
	expect_problem("prohibit", v4, NEXTHOP_ROUTE_REFUSED, 0);
	run("ip route replace unreachable 203.0.113.0/24");
	expect_problem("unreachable", v4, NEXTHOP_NO_ROUTE, PROMPT_MS);
	run("ip route replace 203.0.113.0/24 via inet6 fd77::2");
	expect_word("IPv4 by an IPv6 gateway", v4, peer_word(0, 0), PROMPT_MS);
	run("ip rule add to 203.0.113.9 unreachable");
	expect_problem("policy rule", v4, NEXTHOP_NO_ROUTE, PROMPT_MS);
	run("ip rule del to 203.0.113.9 unreachable");
	expect_word("policy rule gone", v4, peer_word(0, 0), PROMPT_MS);
	run("ip addr add 203.0.113.9/32 dev lo; ip link set lo up");
	expect_problem("own address", v4, NEXTHOP_ROUTE_LOCAL, PROMPT_MS);
	run("ip addr del 203.0.113.9/32 dev lo; ip route del 203.0.113.0/24");
	expect_problem("route deleted", v4, NEXTHOP_NO_ROUTE, PROMPT_MS);
	nexthop_release(table, v4);
	nexthop_release(table, v6);
}

static void
neighbours(void)
{
	uint32_t v4 = acquire("10.77.0.2"), v6 = acquire("fd77::2"), dead = acquire("10.77.0.99");
	expect_word("before the changes", v4, peer_word(0, 0), ONE_TICK_MS);
	expect_word("before the changes", v6, peer_word(0, 0), ONE_TICK_MS);
	expect_problem("nobody answers yet", dead, NEXTHOP_NEIGHBOUR_PENDING, 0);
	expect_problem("nobody answers", dead, NEXTHOP_NEIGHBOUR_FAILED, GIVE_UP_MS);
	run("ip -n %s addr add 10.77.0.99/16 dev p0", peer);
	expect_word("it answers at last", dead, peer_word(0, 0), GIVE_UP_MS);
	run("ip -n %s addr del 10.77.0.99/16 dev p0", peer);

	run("ip -n %s link set p0 address 02:00:00:00:00:77", peer);
	expect_word("MAC changed, gratuitous ARP", v4, peer_word(0, 0x77), ONE_TICK_MS);
	run("ip neigh replace fd77::2 lladdr 02:00:00:00:00:77 dev e0 nud stale");
	expect_word("MAC changed, IPv6", v6, peer_word(0, 0x77), PROMPT_MS);

	run("ip neigh flush to 10.77.0.2 dev e0");
	serve_for(1);
	expect_word("flushed, and asked for again", v4, peer_word(0, 0x77), PROMPT_MS);

	run("ip -n %s link set p0 down", peer);
	serve_for(TICK_MS);
	run("! ip neigh show to 10.77.0.2 dev e0 | grep -q lladdr");
	check(word(v4) == peer_word(0, 0x77), "dropped by the kernel, and used on");
	expect_problem("until it fails to answer", v4, NEXTHOP_NEIGHBOUR_FAILED, GIVE_UP_MS);
	run("ip -n %s link set p0 up", peer);
	expect_word("the peer is back", v4, peer_word(0, 0x77), GIVE_UP_MS);

	run("ip link set e0 down");
	expect_problem("link down", v4, NEXTHOP_NO_ROUTE, PROMPT_MS);
	run("ip link set e0 up");
	expect_word("link up", v4, peer_word(0, 0x77), GIVE_UP_MS);
	nexthop_release(table, v4);
	nexthop_release(table, v6);
	nexthop_release(table, dead);
}

/* Of the socket that hears notifications. */
static void
set_receive_buffer(int bytes)
{
	for (int fd = 0; fd < DESCRIPTORS; fd++) {
		struct sockaddr_nl name;
		socklen_t length = sizeof(name);
		if (getsockname(fd, (struct sockaddr *)&name, &length) == 0 &&
			name.nl_family == AF_NETLINK && name.nl_groups != 0)
			setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes));
	}
}

static void
repair(void)
{
	uint32_t slot = acquire("10.77.0.2");
	expect_word("before the overflow", slot, peer_word(0, 0x77), ONE_TICK_MS);
	serve_for(2 * TICK_MS); /* the link came up a moment ago: let Linux finish */
	set_receive_buffer(SMALL_BUFFER);
	struct nexthop_counters before = nexthop_counters(table);
	run("for i in $(seq 100); do echo neigh replace 10.77.1.$i lladdr 02:00:00:00:01:00 dev e0 "
	    "nud permanent; done | ip -batch -");
	run("ip neigh replace 10.77.0.2 lladdr 02:00:00:00:00:78 dev e0 nud permanent");
	expect_word("a lost change is found by the dump", slot, peer_word(0, 0x78), ONE_TICK_MS);
	struct nexthop_counters after = nexthop_counters(table);
	check(after.overflows > before.overflows && after.repairs > before.repairs,
		"overflow is repaired: %lu overflows, %lu repairs",
		after.overflows - before.overflows, after.repairs - before.repairs);
	check(after.drift == before.drift + 1, "and counted as drift");
	set_receive_buffer(LARGE_BUFFER);
	run("ip neigh flush nud permanent dev e0");
	nexthop_release(table, slot);
}

static uint32_t many[MANY];

static uint64_t
acquire_many(uint8_t first, uint8_t second)
{
	struct mono start = mono_now();
	for (unsigned i = 0; i < MANY; i++) {
		struct ip_addr address = {.bytes = {[10] = 0xff,
						  0xff,
						  first,
						  second,
						  (uint8_t)(64 + i / 250),
						  (uint8_t)(i % 250 + 1)}};
		if (nexthop_acquire(table, &address, &many[i]) < 0)
			abort();
	}
	return mono_ms_between(start, mono_now());
}

static unsigned
count_many(uint64_t wanted)
{
	unsigned count = 0;
	for (unsigned i = 0; i < MANY; i++)
		count += word(many[i]) == wanted;
	return count;
}

static void
release_many(void)
{
	for (unsigned i = 0; i < MANY; i++)
		nexthop_release(table, many[i]);
}

static void
scale(void)
{
	run("ip route add 100.64.0.0/16 via 10.78.0.2");
	uint64_t ms = acquire_many(100, 64);
	struct mono start = mono_now();
	while (count_many(peer_word(1, 1)) < MANY && mono_ms_between(start, mono_now()) < 2000)
		serve(1);
	check(count_many(peer_word(1, 1)) == MANY, "%d addresses by a gateway: %lu ms", MANY, ms);

	run("ip route replace 100.64.0.0/16 via 10.77.0.2");
	start = mono_now();
	while (count_many(peer_word(0, 0x77)) < MANY && mono_ms_between(start, mono_now()) < 2000)
		serve(1);
	ms = mono_ms_between(start, mono_now());
	check(count_many(peer_word(0, 0x77)) == MANY, "their route moved, all follow: %lu ms", ms);
	release_many();

	/* Permanent ones: the kernel's table is the whole machine's, and other entries would fill
	 * it. */
	run("for i in $(seq 64 103); do for j in $(seq 250); do echo neigh replace 10.78.$i.$j "
	    "lladdr "
	    "02:00:00:00:00:05 dev e1 nud permanent; done; done | ip -batch -");
	ms = acquire_many(10, 78);
	check(count_many(peer_word(1, 5)) == MANY, "%d neighbours on link: %lu ms", MANY, ms);
	release_many();
	struct nexthop_counters c = nexthop_counters(table);
	check(c.resolved == 0 && c.unresolved == 0, "all released");
}

int
main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: %s PEER-NAMESPACE (see nexthop.sh)\n", argv[0]);
		return 2;
	}
	peer = argv[1];
	const struct nexthop_port ports[] = {
		{.ifindex = if_nametoindex("e0"), .port = 0},
		{.ifindex = if_nametoindex("e1"), .port = 1},
	};
	struct error err;
	if (nexthop_create(&table, ports, 2, &err) < 0) {
		printf("not ok create: %s\n", err.text);
		return 1;
	}
	next_tick = mono_now();
	on_link();
	routes();
	neighbours();
	repair();
	scale();
	nexthop_destroy(table);
	return failures > 0;
}
