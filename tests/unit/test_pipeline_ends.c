/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Every other end that a packet can have: dropped by name, answered, punted, held; and what goes the
 * way of another packet.
 */
#include "pipeline_bench.h"

static void
test_exits(void **state)
{
	struct bench *b = *state;
	const struct {
		struct shape shape;
		enum exit exit;
	} cases[] = {
		{{CLIENT, "192.0.2.80", 1, 81, IPPROTO_TCP, TCP_SYN, 0, 0},
			EXIT_ANSWERED_NO_SERVICE},
		{{CLIENT, "192.0.2.80", 1, 80, IPPROTO_UDP, 0, 0, 0}, EXIT_ANSWERED_NO_SERVICE},
		{{CLIENT, "192.0.2.80", 0, 80, IPPROTO_TCP, 0, 0, 0}, EXIT_DROP_PORT_ZERO},
		{{CLIENT, "192.0.2.80", 1, 80, IPPROTO_TCP, 0, 1, 0}, EXIT_ANSWERED_TTL_EXPIRED},
		{{CLIENT, "192.0.2.80", 0, 0, IPPROTO_ICMP, 8, 0, 8}, EXIT_DROP_ICMP_CHECKSUM},
		{{CLIENT, "192.0.2.80", 0, 0, IPPROTO_ICMP, 13, 0, 8}, EXIT_DROP_ICMP_OTHER},
		{{"127.0.0.1", "192.0.2.80", 1, 80, IPPROTO_TCP, 0, 0, 0},
			EXIT_DROP_SOURCE_MARTIAN},
		{{"192.0.2.53", "192.0.2.80", 1, 80, IPPROTO_TCP, 0, 0, 0}, EXIT_DROP_SOURCE_VIP},
		{{CLIENT, "192.0.2.1", 1, 80, IPPROTO_TCP, 0, 0, 0}, EXIT_PUNTED_OTHER},
		{{CLIENT, "192.0.2.1", 1, 179, IPPROTO_TCP, 0, 0, 0}, EXIT_PUNTED_CONTROL},
		{{"fe80::1", "ff02::1:ff00:1", 0, 0, IPPROTO_ICMPV6, 135, 255, 16},
			EXIT_PUNTED_CONTROL},
		{{CLIENT, "192.0.2.90", 1, 80, IPPROTO_UDP, 0, 0, 1460}, EXIT_SENT_IN_FRAGMENTS},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(exit_name(pass(b, cases[i].shape)), exit_name(cases[i].exit));
}

static void
test_exits_of_the_tables(void **state)
{
	struct bench *b = *state;
	atomic_store(&b->slots[1], L2_SLOT_UNRESOLVED);
	assert_int_equal(pass(b, SYN_TO_WEB(1)), EXIT_DROP_NEXT_HOP);
	set_rows(b, 0, 0);
	assert_int_equal(pass(b, SYN_TO_WEB(2)), EXIT_DROP_NO_BACKEND);
	b->tables.punt_other_pps = 0;
	struct shape foreign = {CLIENT, "192.0.2.1", 1, 80, IPPROTO_TCP, 0, 0, 0};
	assert_int_equal(pass(b, foreign), EXIT_DROP_PUNT_METERED);
	b->tables.ports[PORT].has_kernel_path = false;
	assert_int_equal(pass(b, foreign), EXIT_DROP_NO_KERNEL_PATH);
}

/* What this edge's tunnels send is known wherever it comes back, a kernel path there or not, and it
 * costs those whom Linux is to see no tokens. */
static void
test_own_encapsulation(void **state)
{
	struct bench *b = *state;
	struct encap_settings settings = {.has_source4 = true};
	struct outer_source sources[OUTER_SOURCES_PER_POOL];
	assert_int_equal(prefix_parse("10.77.0.0/16", &settings.source4), 0);
	b->tables.outer_sources = sources;
	b->tables.outer_source_count =
		outer_source_settle(sources, outer_source_add(sources, 0, &encap_ipip, &settings));
	struct shape own = {"10.77.1.2", "10.1.0.3", 0, 0, IPPROTO_IPIP, 0, 64, 40};
	struct shape other_source = {"10.78.1.2", "10.1.0.3", 0, 0, IPPROTO_IPIP, 0, 64, 40};
	struct shape other_proto = {"10.77.1.2", "10.1.0.3", 0, 0, IPPROTO_GRE, 0, 64, 40};
	b->tables.punt_other_pps = 30; /* three at once */
	for (int i = 0; i < 10; i++)
		assert_int_equal(pass(b, own), EXIT_DROP_OWN_ENCAPSULATION);
	assert_int_equal(pass(b, other_source), EXIT_PUNTED_OTHER);
	assert_int_equal(pass(b, other_proto), EXIT_PUNTED_OTHER);
	b->tables.ports[PORT].has_kernel_path = false;
	assert_int_equal(pass(b, own), EXIT_DROP_OWN_ENCAPSULATION);

	/* In a VLAN of somebody else's it is somebody else's. */
	b->tables.ports[PORT].has_kernel_path = true;
	uint8_t *tagged = put_frame(b, 0, &own);
	memmove(tagged + 16, tagged + 12, b->mbufs[0].data_len - 12u);
	memcpy(tagged + 12, "\x81\x00\x00\x07", 4);
	b->mbufs[0].data_len = (uint16_t)(b->mbufs[0].data_len + 4);
	b->mbufs[0].pkt_len = b->mbufs[0].data_len;
	run(b);
	assert_string_equal(exit_name(b->burst.exit[0]), "punted_other");
}

static void
test_exits_of_the_link(void **state)
{
	struct bench *b = *state;
	struct shape s = SYN_TO_WEB(1);
	put_frame(b, 0, &s)[5] ^= 1;
	put_frame(b, 1, &s)[0] |= 1;
	put_frame(b, 2, &s)[24] ^= 1;
	put_frame(b, 3, &s);
	b->mbufs[3].nb_segs = 2;
	put_frame(b, 4, &s);
	b->mbufs[4].data_off = 2;
	memmove(b->buffers[4] + 2, b->buffers[4] + RTE_PKTMBUF_HEADROOM, 60);
	uint8_t *arp = put_frame(b, 5, &s);
	memset(arp, 0xff, 6);
	arp[12] = 0x08, arp[13] = 0x06;
	uint8_t *tagged = put_frame(b, 6, &s);
	memmove(tagged + 16, tagged + 12, 44);
	memcpy(tagged + 12, "\x81\x00\x00\x07", 4);
	run(b);
	static const enum exit expected[] = {EXIT_DROP_OTHER_MAC, EXIT_DROP_VIP_MULTICAST,
		EXIT_DROP_IPV4_CHECKSUM, EXIT_DROP_NO_BUFFER, EXIT_DROP_NO_BUFFER,
		EXIT_PUNTED_CONTROL, EXIT_PUNTED_OTHER};
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
		assert_string_equal(exit_name(b->burst.exit[i]), exit_name(expected[i]));
}

/* An answer goes back to the station and the client that asked, from the VIP. */
static void
check_answer(struct bench *b, uint8_t type, uint8_t code)
{
	const struct rte_mbuf *m = &b->mbufs[0];
	const uint8_t *frame = rte_pktmbuf_mtod(m, const uint8_t *);
	const struct wire_ipv4 *ip = (const void *)(frame + 14);
	const struct wire_icmp *icmp = (const void *)(frame + 34);
	struct ip_addr client = address(CLIENT), vip = address("192.0.2.80");
	assert_int_equal(b->burst.out_port[0], PORT);
	assert_memory_equal(frame, router_mac.bytes, 6);
	assert_memory_equal(frame + 6, port_mac.bytes, 6);
	assert_int_equal(ip->dst, addr_v4(&client));
	assert_int_equal(ip->src, addr_v4(&vip));
	assert_int_equal(icmp->type, type);
	assert_int_equal(icmp->code, code);
	assert_int_equal(checksum_fold(checksum_sum(ip, 20)), 0);
	assert_int_equal(checksum_fold(checksum_sum(icmp, m->pkt_len - 34)), 0);
}

static void
test_answers(void **state)
{
	struct bench *b = *state;
	struct shape ping = {CLIENT, "192.0.2.80", 0, 0, IPPROTO_ICMP, 8, 64, 0};
	struct wire_icmp *icmp = (void *)(put_frame(b, 0, &ping) + 34);
	icmp->checksum = checksum_fold(checksum_sum(icmp, 8));
	b->mbufs[0].data_len = 42;
	b->mbufs[0].pkt_len = 42;
	run(b);
	assert_int_equal(b->burst.exit[0], EXIT_ANSWERED_ECHO);
	check_answer(b, 0, 0);
	struct shape traced = SYN_TO_WEB(1);
	traced.ttl = 1;
	assert_int_equal(pass(b, traced), EXIT_ANSWERED_TTL_EXPIRED);
	check_answer(b, 11, 0);
	struct shape closed = SYN_TO_WEB(1);
	closed.dport = 81;
	assert_int_equal(pass(b, closed), EXIT_ANSWERED_NO_SERVICE);
	check_answer(b, 3, 3);
	b->tables.icmp_errors_pps = 0;
	assert_int_equal(pass(b, closed), EXIT_DROP_NO_SERVICE);
	assert_int_equal(pass(b, traced), EXIT_DROP_TTL_EXPIRED);
	b->tables.icmp_errors_pps = 10;
	for (int i = 0; i < 20; i++)
		pass(b, closed);
	assert_int_equal(b->burst.exit[0], EXIT_DROP_ICMP_METERED);
}

/* Packet too big, about what a backend sent: it goes to the backend that the flow is on. */
static void
test_quoted_flow(void **state)
{
	struct bench *b = *state;
	assert_int_equal(backend_of(b, SYN_TO_WEB(1000)), 1);
	assert_int_equal(backend_of(b, ACK_TO_WEB(1000)), 1);
	set_rows(b, 0, 2);
	struct shape error = {"198.51.100.99", "192.0.2.80", 0, 0, IPPROTO_ICMP, 3, 64, 28};
	for (uint16_t port = 1000; port <= 1001; port++) {
		uint8_t *frame = put_frame(b, 0, &error);
		struct wire_icmp *icmp = (void *)(frame + 34);
		struct wire_ipv4 *quoted = (void *)(frame + 42);
		struct ip_addr client = address(CLIENT), vip = address("192.0.2.80");
		icmp->code = 4;
		*quoted = (struct wire_ipv4){.version_ihl = 0x45,
			.ttl = 60,
			.proto = IPPROTO_TCP,
			.total_length = wire_u16(1500),
			.src = addr_v4(&vip),
			.dst = addr_v4(&client)};
		struct wire_udp *ports = (void *)(frame + 62);
		ports->sport = wire_u16(80);
		ports->dport = wire_u16(port);
		icmp->checksum = checksum_fold(checksum_sum(icmp, 36));
		b->mbufs[0].data_len = 70;
		b->mbufs[0].pkt_len = 70;
		run(b);
		assert_int_equal(b->burst.exit[0], EXIT_SENT);
		assert_int_equal(b->burst.backend[0], port == 1000 ? 1 : 2);
	}
	/* It has neither refreshed nor made an entry. */
	assert_int_equal(state_of(b, 1000), FLOW_ESTABLISHED);
	assert_int_equal(state_of(b, 1001), FLOW_EMPTY);
	assert_int_equal(counter_read(&b->pipeline.counters->flow_events[FLOW_EVENT_HIT]), 1);
}

/* Turns the frame of place 0 into a fragment of one packet. */
static void
make_fragment(struct bench *b, uint16_t field)
{
	struct wire_ipv4 *ip = (void *)(rte_pktmbuf_mtod(&b->mbufs[0], uint8_t *) + 14);
	ip->id = wire_u16(77);
	ip->fragment = wire_u16(field);
	ip->checksum = 0;
	ip->checksum = checksum_fold(checksum_sum(ip, 20));
}

static void
test_fragments_follow_the_first(void **state)
{
	struct bench *b = *state;
	struct shape first = {CLIENT, "192.0.2.80", 1000, 80, IPPROTO_TCP, TCP_ACK, 64, 28};
	put_frame(b, 0, &first);
	make_fragment(b, 3);
	run(b);
	assert_int_equal(b->burst.exit[0], EXIT_HELD);
	put_frame(b, 0, &first);
	make_fragment(b, IPV4_MF);
	run(b);
	assert_int_equal(b->burst.exit[0], EXIT_SENT);
	assert_int_equal(b->burst.backend[0], 1);
	set_rows(b, 0, 2);
	put_frame(b, 0, &first);
	make_fragment(b, 3);
	run(b);
	assert_int_equal(b->burst.exit[0], EXIT_SENT);
	assert_int_equal(b->burst.backend[0], 1);
	/* What was held has not been received yet: run() has checked the identity. */
	assert_int_equal(counter_read(&b->pipeline.counters->received.packets), 2);
	assert_int_equal(counter_read(&b->pipeline.counters->services[WEB].traffic.packets), 2);
}

static void
test_instance_on_this_box(void **state)
{
	struct bench *b = *state;
	b->backends[1].encap = &encap_kernel;
	struct shape s = SYN_TO_WEB(1);
	s.ttl = 1;
	assert_int_equal(pass(b, s), EXIT_PUNTED_SERVICE);
	assert_int_equal(rte_pktmbuf_mtod(&b->mbufs[0], const uint8_t *)[22], 1);
	assert_int_equal(counter_read(&b->pipeline.counters->backends[1].packets), 1);
	b->tables.ports[PORT].has_kernel_path = false;
	assert_int_equal(pass(b, s), EXIT_DROP_NO_KERNEL_PATH);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_exits),
		CASE(test_exits_of_the_tables),
		CASE(test_own_encapsulation),
		CASE(test_exits_of_the_link),
		CASE(test_answers),
		CASE(test_quoted_flow),
		CASE(test_fragments_follow_the_first),
		CASE(test_instance_on_this_box),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
