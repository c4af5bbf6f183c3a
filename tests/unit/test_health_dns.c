/* SPDX-License-Identifier: BSD-3-Clause */
/* dns against a server in the same loop, that answers rightly, wrongly, or not for us. */
#include "health_lab.h"

#include <ldns/ldns.h>

enum manner {
	ANSWERS,
	TRUNCATES, /* by UDP; answers by TCP */
	STAYS_SILENT,
	CONFUSES,    /* sends what is not for the query before the answer */
	GARBLES,     /* what belongs to the query, but cannot be read */
	HANGS_UP,    /* truncates, and closes by TCP */
	ASKS_NOTHING /* the question is not repeated, as with FORMERR */
};

struct dns_lab {
	struct lab lab;
	enum manner manner;
	ldns_pkt_rcode rcode;
	const char *records[3]; /* in zone file form, of the answer section */
	int udp;
	struct event datagram;
	struct evconnlistener *tcp;
	unsigned by_udp, by_tcp;
	uint16_t last_id;
	unsigned same_ids;
};

static size_t
answer(struct dns_lab *d, const uint8_t *query, size_t length, uint8_t *bytes, bool is_tcp)
{
	ldns_pkt *message = NULL;
	assert_int_equal(ldns_wire2pkt(&message, query, length), LDNS_STATUS_OK);
	assert_int_equal(ldns_pkt_edns_udp_size(message), 1232);
	assert_true(ldns_pkt_rd(message));
	d->same_ids += ldns_pkt_id(message) == d->last_id;
	d->last_id = ldns_pkt_id(message);
	ldns_pkt_set_qr(message, true);
	ldns_pkt_set_rcode(message, d->rcode);
	bool cuts = !is_tcp && (d->manner == TRUNCATES || d->manner == HANGS_UP);
	ldns_pkt_set_tc(message, cuts);
	for (int i = 0; i < 3 && d->records[i] && !cuts; i++) {
		ldns_rr *record = NULL;
		assert_int_equal(ldns_rr_new_frm_str(&record, d->records[i], 60, NULL, NULL),
			LDNS_STATUS_OK);
		ldns_pkt_push_rr(message, LDNS_SECTION_ANSWER, record);
	}
	if (d->manner == ASKS_NOTHING) {
		ldns_rr_list_deep_free(ldns_pkt_question(message));
		ldns_pkt_set_question(message, ldns_rr_list_new());
		ldns_pkt_set_qdcount(message, 0);
	}
	uint8_t *wire = NULL;
	size_t wire_bytes = 0;
	assert_int_equal(ldns_pkt2wire(&wire, message, &wire_bytes), LDNS_STATUS_OK);
	assert_true(wire_bytes <= 1200);
	memcpy(bytes, wire, wire_bytes);
	free(wire);
	ldns_pkt_free(message);
	return wire_bytes;
}

static void
on_query(evutil_socket_t fd, short what, void *context)
{
	(void)what;
	struct dns_lab *d = context;
	struct sockaddr_storage from;
	socklen_t from_bytes = sizeof(from);
	uint8_t query[512], bytes[1500];
	ssize_t length =
		recvfrom(fd, query, sizeof(query), 0, (struct sockaddr *)&from, &from_bytes);
	if (length < 0)
		return; /* the probe's socket was closed before an answer came to it */
	d->by_udp++;
	if (d->manner == STAYS_SILENT)
		return;
	size_t n = answer(d, query, (size_t)length, bytes, false);
	const struct sockaddr *to = (const struct sockaddr *)&from;
	if (d->manner == CONFUSES) {
		sendto(fd, query, 5, 0, to, from_bytes);	      /* too short */
		sendto(fd, query, (size_t)length, 0, to, from_bytes); /* a query */
		bytes[0] ^= 0xff;
		sendto(fd, bytes, n, 0, to, from_bytes); /* another identifier */
		bytes[0] ^= 0xff;
		bytes[13] ^= 'a' ^ 'b';
		sendto(fd, bytes, n, 0, to, from_bytes); /* another name */
		bytes[13] ^= 'a' ^ 'b';
	}
	if (d->manner == GARBLES)
		n = 20;
	sendto(fd, bytes, n, 0, to, from_bytes);
}

static void
on_tcp_query(struct bufferevent *peer, void *context)
{
	struct dns_lab *d = context;
	struct evbuffer *in = bufferevent_get_input(peer);
	uint8_t query[514], bytes[1500];
	size_t length = evbuffer_get_length(in);
	if (length < 2)
		return;
	evbuffer_copyout(in, query, sizeof(query));
	size_t wanted = 2 + (size_t)ldns_read_uint16(query);
	if (length < wanted)
		return;
	evbuffer_drain(in, wanted);
	d->by_tcp++;
	if (d->manner == HANGS_UP) {
		bufferevent_free(peer);
		d->lab.peers--;
		return;
	}
	size_t n = answer(d, query + 2, wanted - 2, bytes + 2, true);
	ldns_write_uint16(bytes, (uint16_t)n);
	/* In two parts, cut within the length. */
	bufferevent_write(peer, bytes, 1);
	bufferevent_flush(peer, EV_WRITE, BEV_FLUSH);
	bufferevent_write(peer, bytes + 1, n + 1);
}

static void
on_tcp_event(struct bufferevent *peer, short what, void *context)
{
	struct dns_lab *d = context;
	if (!(what & (BEV_EVENT_EOF | BEV_EVENT_ERROR)))
		return;
	bufferevent_free(peer);
	d->lab.peers--;
}

static void
on_tcp_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *from,
	int length, void *context)
{
	(void)from, (void)length;
	struct dns_lab *d = context;
	struct bufferevent *peer = bufferevent_socket_new(
		evconnlistener_get_base(listener), fd, BEV_OPT_CLOSE_ON_FREE);
	d->lab.peers++;
	bufferevent_setcb(peer, on_tcp_query, NULL, on_tcp_event, d);
	bufferevent_enable(peer, EV_READ | EV_WRITE);
}

static void
dns_lab(struct dns_lab *d, enum manner manner, ldns_pkt_rcode rcode)
{
	*d = (struct dns_lab){.manner = manner, .rcode = rcode};
	uint16_t port;
	d->udp = closed_port(SOCK_DGRAM, &port);
	evutil_make_socket_nonblocking(d->udp);
	lab_open(&d->lab, HEALTH_DNS, port);
	struct config_health *health = &d->lab.pool.health;
	health->query = "abc.example.";
	health->query_type = "A";
	health->rcode = "NOERROR";
	event_assign(&d->datagram, d->lab.loop, d->udp, EV_READ | EV_PERSIST, on_query, d);
	event_add(&d->datagram, NULL);
	struct sockaddr_storage at;
	socklen_t length = loopback(&at, AF_INET, port);
	d->tcp = evconnlistener_new_bind(d->lab.loop, on_tcp_accept, d,
		LEV_OPT_CLOSE_ON_FREE | LEV_OPT_REUSEABLE, 16, (struct sockaddr *)&at, (int)length);
	assert_non_null(d->tcp);
}

static void
dns_lab_close(struct dns_lab *d)
{
	evconnlistener_free(d->tcp);
	event_del(&d->datagram);
	close(d->udp);
	lab_close(&d->lab);
}

static void
rcodes_are_judged(void **state)
{
	(void)state;
	struct dns_lab d;
	dns_lab(&d, ANSWERS, LDNS_RCODE_NOERROR);
	assert_first(&d.lab, HEALTH_UP, "the first probe is good");
	dns_lab_close(&d);
	dns_lab(&d, ANSWERS, LDNS_RCODE_SERVFAIL);
	assert_first(&d.lab, HEALTH_DOWN, "rcode SERVFAIL, wanted NOERROR");
	dns_lab_close(&d);
	dns_lab(&d, ANSWERS, LDNS_RCODE_NXDOMAIN);
	d.lab.pool.health.rcode = "NXDOMAIN";
	assert_first(&d.lab, HEALTH_UP, "the first probe is good");
	dns_lab_close(&d);
	dns_lab(&d, ASKS_NOTHING, LDNS_RCODE_FORMERR);
	assert_first(&d.lab, HEALTH_DOWN, "rcode FORMERR, wanted NOERROR");
	dns_lab_close(&d);
}

/* What a server has, what is wanted of it, and the reason; NULL: good. */
static void
assert_answer(const char *type, const char *record, const char *wanted, const char *reason)
{
	struct dns_lab d;
	dns_lab(&d, ANSWERS, LDNS_RCODE_NOERROR);
	d.lab.pool.health.query_type = type;
	d.lab.pool.health.answer = wanted;
	d.records[0] = "abc.example. IN CNAME def.example.";
	d.records[1] = record;
	assert_first(&d.lab, reason ? HEALTH_DOWN : HEALTH_UP,
		reason ? reason : "the first probe is good");
	dns_lab_close(&d);
}

static void
answers_are_compared_as_records(void **state)
{
	(void)state;
	assert_answer("A", "def.example. IN A 192.0.2.1", "192.0.2.1", NULL);
	assert_answer("A", "def.example. IN A 192.0.2.7", "192.0.2.1",
		"answer 192.0.2.7, wanted 192.0.2.1");
	assert_answer("A", NULL, "192.0.2.1", "no A record in the answer, wanted 192.0.2.1");
	assert_answer("AAAA", "def.example. IN AAAA 2001:db8::1", "2001:DB8:0:0::1", NULL);
	assert_answer("MX", "def.example. IN MX 10 Mail.Example.", "10 mail.example", NULL);
	assert_answer("MX", "def.example. IN MX 20 mail.example.", "10 mail.example.",
		"answer 20 mail.example., wanted 10 mail.example.");
	assert_answer("TXT", "def.example. IN TXT \"all is well\"", "\"all is well\"", NULL);
	assert_answer("TXT", "def.example. IN TXT \"all is well\"", "\"All is well\"",
		"answer \"all is well\", wanted \"All is well\"");
	assert_answer("CNAME", NULL, "def.example.", NULL);
	assert_answer("A", "def.example. IN A 192.0.2.7", "no address",
		"answer 192.0.2.7, wanted no address");
}

static void
any_of_several_answers_will_do(void **state)
{
	(void)state;
	struct dns_lab d;
	dns_lab(&d, ANSWERS, LDNS_RCODE_NOERROR);
	d.lab.pool.health.answer = "192.0.2.3";
	d.records[0] = "abc.example. IN A 192.0.2.1";
	d.records[1] = "abc.example. IN A 192.0.2.2";
	d.records[2] = "abc.example. IN A 192.0.2.3";
	assert_first(&d.lab, HEALTH_UP, "the first probe is good");
	dns_lab_close(&d);
}

static void
truncated_answers_are_asked_for_by_tcp(void **state)
{
	(void)state;
	struct dns_lab d;
	dns_lab(&d, TRUNCATES, LDNS_RCODE_NOERROR);
	d.lab.pool.health.answer = "192.0.2.3";
	d.records[0] = "abc.example. IN A 192.0.2.3";
	assert_first(&d.lab, HEALTH_UP, "the first probe is good");
	assert_int_equal(d.by_udp, 1);
	assert_int_equal(d.by_tcp, 1);
	dns_lab_close(&d);

	dns_lab(&d, HANGS_UP, LDNS_RCODE_NOERROR);
	assert_first(&d.lab, HEALTH_DOWN,
		"truncated by UDP, and by TCP: connection reset by 127.0.0.1 port PORT");
	dns_lab_close(&d);

	dns_lab(&d, TRUNCATES, LDNS_RCODE_NOERROR);
	evconnlistener_free(d.tcp);
	assert_first(&d.lab, HEALTH_DOWN,
		"truncated by UDP, and by TCP: connection refused by 127.0.0.1 port PORT");
	event_del(&d.datagram);
	close(d.udp);
	lab_close(&d.lab);
}

static void
what_is_not_for_the_query_is_passed_over(void **state)
{
	(void)state;
	struct dns_lab d;
	dns_lab(&d, CONFUSES, LDNS_RCODE_NOERROR);
	assert_first(&d.lab, HEALTH_UP, "the first probe is good");
	lab_until(&d.lab, lab_report(&d.lab).probes == 20);
	assert_int_equal(lab_report(&d.lab).failures, 0);
	/* Two of 65536 may be the same by chance. */
	assert_in_range(d.same_ids, 0, 2);
	dns_lab_close(&d);
}

static void
unreadable_answers_are_bad(void **state)
{
	(void)state;
	struct dns_lab d;
	dns_lab(&d, GARBLES, LDNS_RCODE_NOERROR);
	const char *reason = lab_first(&d.lab, HEALTH_DOWN);
	assert_non_null(strstr(reason, " cannot be read: "));
	dns_lab_close(&d);
}

static void
silence_and_refusal_are_bad(void **state)
{
	(void)state;
	struct dns_lab d;
	dns_lab(&d, STAYS_SILENT, LDNS_RCODE_NOERROR);
	d.lab.pool.health.timeout_ms = 100;
	assert_first(&d.lab, HEALTH_DOWN, "no answer from 127.0.0.1 port PORT within 100 ms");
	dns_lab_close(&d);

	struct lab lab;
	uint16_t port;
	close(closed_port(SOCK_DGRAM, &port));
	lab_open(&lab, HEALTH_DNS, port);
	lab.pool.health.query = "example.";
	lab.pool.health.query_type = "SOA";
	lab.pool.health.rcode = "NOERROR";
	assert_first(&lab, HEALTH_DOWN, "connection refused by 127.0.0.1 port PORT");
	lab_close(&lab);
}

static void
probes_under_way_can_be_ended(void **state)
{
	(void)state;
	unsigned before = open_descriptors();
	struct dns_lab d;
	dns_lab(&d, STAYS_SILENT, LDNS_RCODE_NOERROR);
	lab_backends(&d.lab, 20, "127.0.0.1");
	lab_configure(&d.lab);
	lab_until(&d.lab, d.by_udp == 20);
	lab_backends(&d.lab, 10, "127.0.0.1");
	lab_configure(&d.lab);
	assert_int_equal(health_counters(d.lab.health).running, 10);
	dns_lab_close(&d);
	assert_int_equal(open_descriptors(), before);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rcodes_are_judged),
		cmocka_unit_test(answers_are_compared_as_records),
		cmocka_unit_test(any_of_several_answers_will_do),
		cmocka_unit_test(truncated_answers_are_asked_for_by_tcp),
		cmocka_unit_test(what_is_not_for_the_query_is_passed_over),
		cmocka_unit_test(unreadable_answers_are_bad),
		cmocka_unit_test(silence_and_refusal_are_bad),
		cmocka_unit_test(probes_under_way_can_be_ended),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
