/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Probes that take the pool's path: a path that leads somewhere else on loopback shows that sockets
 * go through it, each of them and of every type, and that each way is given back.
 */
#include "health_lab.h"

#include <fcntl.h>

#define OK "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

/* A path to one port of loopback, whatever the backend. */
struct path_lab {
	struct lab lab;
	struct lab_server server;
	int family;
	uint16_t leads_to;
	int refuses; /* with this errno; 0: it does not */
	uint32_t prepared, refused, forgotten;
	uint32_t last_cookie;
	uint64_t held; /* ways not yet given back, as bits by cookie */
	int protocol;
	uint16_t sequence;
};

static int
path_family(void *context, const struct health_target *target)
{
	struct path_lab *p = context;
	assert_string_equal(target->pool, "p");
	return p->family;
}

static int
path_prepare(void *context, const struct health_target *target, int fd, int protocol,
	uint16_t sequence, struct sockaddr_storage *destination, uint32_t *cookie,
	struct error *err)
{
	struct path_lab *p = context;
	int family = 0;
	socklen_t length = sizeof(family);
	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &length), 0);
	assert_int_equal(family, p->family);
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	assert_string_equal(target->backend, "b00");
	p->protocol = protocol;
	p->sequence = sequence;
	p->prepared++;
	p->refused += p->refuses != 0;
	if (p->refuses)
		return error_set(err, -p->refuses, "no next hop for 192.0.2.1");
	loopback(destination, p->family, p->leads_to);
	*cookie = p->last_cookie = p->last_cookie % 63 + 1;
	p->held |= 1ull << *cookie;
	return 0;
}

static void
path_forget(void *context, uint32_t cookie)
{
	struct path_lab *p = context;
	assert_true(p->held >> cookie & 1);
	p->held &= ~(1ull << cookie);
	p->forgotten++;
}

/* The backend itself is nowhere to be reached: 192.0.2.1 port 9. */
static void
path_lab(struct path_lab *p, enum health_type type, int family)
{
	lab_open(&p->lab, type, 9);
	lab_backends(&p->lab, 1, "192.0.2.1");
	p->lab.pool.health.via = HEALTH_VIA_PATH;
	p->family = family;
	p->refuses = 0;
	p->prepared = p->refused = p->forgotten = p->last_cookie = 0;
	p->held = 0;
	p->lab.options.path = (struct health_path){.family = path_family,
		.prepare = path_prepare,
		.forget = path_forget,
		.context = p};
	p->server = (struct lab_server){.says = OK, .closes = true};
	server_open(&p->server, &p->lab, family, 0);
	p->leads_to = p->server.port;
}

static void
path_lab_close(struct path_lab *p)
{
	server_close(&p->server);
	lab_close(&p->lab);
	assert_int_equal(p->held, 0);
	assert_true(p->prepared > 0);
	assert_int_equal(p->prepared, p->refused + p->forgotten);
}

static void
connections_take_the_path(void **state)
{
	(void)state;
	static const enum health_type types[] = {HEALTH_TCP, HEALTH_HTTP};
	static const int families[] = {AF_INET, AF_INET6};
	for (int i = 0; i < 4; i++) {
		struct path_lab p;
		path_lab(&p, types[i / 2], families[i % 2]);
		assert_first(&p.lab, HEALTH_UP, "the first probe is good");
		lab_until(&p.lab, lab_report(&p.lab).probes == 10);
		assert_int_equal(lab_report(&p.lab).failures, 0);
		assert_int_equal(p.protocol, IPPROTO_TCP);
		path_lab_close(&p);
	}
}

/* Without a name, the address that is asked is the one that the path leads to. */
static void
requests_are_for_the_vip(void **state)
{
	(void)state;
	struct path_lab p;
	char host[64];
	path_lab(&p, HEALTH_HTTP, AF_INET);
	lab_first(&p.lab, HEALTH_UP);
	snprintf(host, sizeof(host), "\r\nHost: 127.0.0.1:%u\r\n", p.leads_to);
	assert_non_null(strstr(p.server.request, host));
	path_lab_close(&p);
	path_lab(&p, HEALTH_HTTP, AF_INET6);
	p.lab.pool.health.host = "www.example.com";
	lab_first(&p.lab, HEALTH_UP);
	assert_non_null(strstr(p.server.request, "\r\nHost: www.example.com\r\n"));
	path_lab_close(&p);
}

static void
reasons_name_both_ends(void **state)
{
	(void)state;
	static const enum health_type types[] = {HEALTH_TCP, HEALTH_HTTP};
	for (int i = 0; i < 2; i++) {
		struct path_lab p;
		path_lab(&p, types[i], AF_INET);
		int fd = closed_port(SOCK_STREAM, &p.leads_to);
		char wanted[HEALTH_REASON_MAX];
		snprintf(wanted, sizeof(wanted),
			"connection refused by 127.0.0.1 port %u, by way of 192.0.2.1", p.leads_to);
		assert_first(&p.lab, HEALTH_DOWN, wanted);
		path_lab_close(&p);
		close(fd);
	}
}

static const enum health_type refused_types[] = {HEALTH_TCP, HEALTH_HTTP, HEALTH_HTTPS, HEALTH_DNS};
#define REFUSED_TYPES (sizeof(refused_types) / sizeof(*refused_types))

static void
refusing_lab(struct path_lab *p, enum health_type type, int refuses)
{
	path_lab(p, type, AF_INET);
	p->lab.pool.health.query = "example.";
	p->lab.pool.health.query_type = "A";
	p->lab.pool.health.rcode = "NOERROR";
	p->refuses = refuses;
}

static void
backend_out_of_reach_is_bad(void **state)
{
	(void)state;
	for (size_t i = 0; i < REFUSED_TYPES; i++) {
		struct path_lab p;
		refusing_lab(&p, refused_types[i], EHOSTUNREACH);
		assert_first(&p.lab, HEALTH_DOWN, "no next hop for 192.0.2.1");
		assert_int_equal(lab_report(&p.lab).failures, 1);
		path_lab_close(&p);
	}
}

/* A way that is not there yet takes `fall` probes to be believed. */
static void
no_way_does_not_decide_alone(void **state)
{
	(void)state;
	for (size_t i = 0; i < REFUSED_TYPES; i++) {
		struct path_lab p;
		refusing_lab(&p, refused_types[i], ENETUNREACH);
		assert_first(&p.lab, HEALTH_DOWN, "no next hop for 192.0.2.1");
		assert_int_equal(lab_report(&p.lab).failures, p.lab.pool.health.fall);
		path_lab_close(&p);
	}
}

/* And when it comes in time, the first probe that takes it does. */
static void
way_that_comes_is_taken(void **state)
{
	(void)state;
	struct path_lab p;
	refusing_lab(&p, HEALTH_TCP, ENETUNREACH);
	lab_configure(&p.lab);
	lab_until(&p.lab, lab_report(&p.lab).failures == 1);
	assert_int_equal(lab_report(&p.lab).verdict, HEALTH_UNKNOWN);
	p.refuses = 0;
	assert_first(&p.lab, HEALTH_UP, "the first probe is good");
	path_lab_close(&p);
}

/* What this edge lacks says nothing of the backend, however often. */
static void
edge_that_cannot_ask_decides_nothing(void **state)
{
	(void)state;
	static const int lacks[] = {EADDRNOTAVAIL, EMFILE, EADDRINUSE, ENOENT};
	for (size_t i = 0; i < REFUSED_TYPES; i++) {
		struct path_lab p;
		refusing_lab(&p, refused_types[i], lacks[i]);
		lab_configure(&p.lab);
		lab_until(&p.lab, p.prepared == 2 * p.lab.pool.health.fall);
		struct health_report report = lab_report(&p.lab);
		assert_int_equal(report.verdict, HEALTH_UNKNOWN);
		assert_int_equal(report.probes, 0);
		assert_string_equal(report.last_failure, "no next hop for 192.0.2.1");
		path_lab_close(&p);
	}
}

static void
no_path_is_bad(void **state)
{
	(void)state;
	struct lab lab;
	lab_open(&lab, HEALTH_TCP, 9);
	lab.pool.health.via = HEALTH_VIA_PATH;
	assert_first(&lab, HEALTH_DOWN, "no path");
	lab_close(&lab);
}

/* A query that is truncated needs a way for each of its sockets. */
static void
queries_take_the_path(void **state)
{
	(void)state;
	struct path_lab p;
	path_lab(&p, HEALTH_DNS, AF_INET);
	p.lab.pool.health.query = "example.";
	p.lab.pool.health.query_type = "A";
	p.lab.pool.health.rcode = "NOERROR";
	struct sockaddr_storage at, from;
	socklen_t length = loopback(&at, AF_INET, p.leads_to), from_bytes = sizeof(from);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, length), 0);
	lab_configure(&p.lab);
	uint8_t query[512];
	ssize_t n = -1;
	lab_until(&p.lab, (n = recvfrom(fd, query, sizeof(query), 0, (struct sockaddr *)&from,
				   &from_bytes)) > 0);
	assert_int_equal(p.protocol, IPPROTO_UDP);
	query[2] |= 0x82; /* an answer, truncated */
	sendto(fd, query, (size_t)n, 0, (struct sockaddr *)&from, from_bytes);
	lab_until(&p.lab, p.server.accepted > 0);
	assert_int_equal(p.protocol, IPPROTO_TCP);
	assert_int_equal(p.prepared, 2);
	assert_int_equal(p.forgotten, 1);
	path_lab_close(&p);
	close(fd);
}

static void
pings_take_the_path(void **state)
{
	(void)state;
	int raw = socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
	if (raw < 0) {
		print_message("skipped: no permission for raw sockets: %s\n", strerror(errno));
		skip();
	}
	close(raw);
	static const int families[] = {AF_INET, AF_INET6};
	static const int protocols[] = {IPPROTO_ICMP, IPPROTO_ICMPV6};
	for (int i = 0; i < 2; i++) {
		struct path_lab p;
		path_lab(&p, HEALTH_ICMP, families[i]);
		assert_first(&p.lab, HEALTH_UP, "the first probe is good");
		lab_until(&p.lab, lab_report(&p.lab).probes == 10);
		assert_int_equal(lab_report(&p.lab).failures, 0);
		assert_int_equal(p.protocol, protocols[i]);
		assert_int_equal(p.sequence, p.prepared - 1); /* each has its own */
		path_lab_close(&p);
	}
}

static void
probes_under_way_give_their_way_back(void **state)
{
	(void)state;
	unsigned before = open_descriptors();
	struct path_lab p;
	path_lab(&p, HEALTH_HTTP, AF_INET);
	p.server.says = NULL;
	p.server.closes = false;
	lab_configure(&p.lab);
	lab_until(&p.lab, p.server.accepted == 1);
	assert_int_equal(p.prepared, 1);
	assert_int_equal(p.forgotten, 0);
	path_lab_close(&p);
	assert_int_equal(open_descriptors(), before);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(connections_take_the_path),
		cmocka_unit_test(requests_are_for_the_vip),
		cmocka_unit_test(reasons_name_both_ends),
		cmocka_unit_test(backend_out_of_reach_is_bad),
		cmocka_unit_test(no_way_does_not_decide_alone),
		cmocka_unit_test(way_that_comes_is_taken),
		cmocka_unit_test(edge_that_cannot_ask_decides_nothing),
		cmocka_unit_test(no_path_is_bad),
		cmocka_unit_test(queries_take_the_path),
		cmocka_unit_test(pings_take_the_path),
		cmocka_unit_test(probes_under_way_give_their_way_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
