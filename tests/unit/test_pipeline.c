/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The packet's way to its backend: which one, which bytes, which counters, and what stays where when
 * the row table changes.
 */
#include "pipeline_bench.h"

static void
test_l2_bytes(void **state)
{
	struct bench *b = *state;
	struct shape s = SYN_TO_WEB(1000);
	uint8_t before[64];
	uint8_t *frame = put_frame(b, 0, &s);
	memcpy(before, frame, 60);
	run(b);
	assert_int_equal(b->burst.exit[0], EXIT_SENT);
	assert_int_equal(b->burst.out_port[0], PORT);
	const struct rte_mbuf *m = &b->mbufs[0];
	/* The six bytes of link padding are gone: 14 + 20 + 20. */
	assert_int_equal(m->pkt_len, 54);
	assert_int_equal(m->data_len, 54);
	assert_ptr_equal(rte_pktmbuf_mtod(m, uint8_t *), frame);
	assert_memory_equal(frame, backend_macs[1].bytes, 6);
	assert_memory_equal(frame + 6, port_mac.bytes, 6);
	assert_int_equal(frame[22], 63);
	assert_int_equal(checksum_fold(checksum_sum(frame + 14, 20)), 0);
	assert_memory_equal(frame + 26, before + 26, 28);
}

static void
test_ipip_bytes(void **state)
{
	struct bench *b = *state;
	struct shape s = {CLIENT, "192.0.2.90", 5, 6, IPPROTO_UDP, 0, 9, 30};
	assert_int_equal(pass(b, s), EXIT_SENT);
	const struct rte_mbuf *m = &b->mbufs[0];
	const uint8_t *frame = rte_pktmbuf_mtod(m, const uint8_t *);
	const struct wire_ipv4 *outer = (const void *)(frame + 14);
	const struct wire_ipv4 *inner = (const void *)(frame + 34);
	assert_int_equal(m->pkt_len, 14 + 20 + 20 + 8 + 30);
	assert_memory_equal(frame, backend_macs[3].bytes, 6);
	assert_int_equal(outer->proto, IPPROTO_IPIP);
	assert_int_equal(wire_u16(outer->total_length), 20 + 20 + 8 + 30);
	assert_int_equal(checksum_fold(checksum_sum(outer, 20)), 0);
	assert_int_equal(inner->ttl, 8);
	assert_int_equal(checksum_fold(checksum_sum(inner, 20)), 0);
}

static void
test_flow_stays_when_its_row_moves(void **state)
{
	struct bench *b = *state;
	assert_int_equal(backend_of(b, SYN_TO_WEB(1000)), 1);
	set_rows(b, 0, 2);
	assert_int_equal(backend_of(b, ACK_TO_WEB(1000)), 1);
	assert_int_equal(backend_of(b, SYN_TO_WEB(1001)), 2);
	/* The other family has its own flows, in the same table. */
	struct shape v6 = {"2001:db8:1::1", "2001:db8::80", 9, 80, IPPROTO_TCP, TCP_SYN, 0, 0};
	assert_int_equal(backend_of(b, v6), 2);
	set_rows(b, 0, 1);
	assert_int_equal(backend_of(b, v6), 2);
}

static void
test_flow_leaves_a_backend_that_is_gone(void **state)
{
	struct bench *b = *state;
	assert_int_equal(backend_of(b, SYN_TO_WEB(1000)), 1);
	b->backends[1].encap = NULL;
	b->accepts[1] = 0;
	set_rows(b, 0, 2);
	assert_int_equal(backend_of(b, ACK_TO_WEB(1000)), 2);
	/* And does not come back with the next owner of the index. */
	b->backends[1].encap = &encap_l2;
	b->backends[1].generation = 2;
	b->accepts[1] = tables_accepting(2, TABLES_KEEPS_TCP | TABLES_KEEPS_UDP);
	assert_int_equal(backend_of(b, ACK_TO_WEB(1000)), 2);
}

static void
test_affinity(void **state)
{
	struct bench *b = *state;
	struct shape sticky = {CLIENT, "192.0.2.80", 7, 443, IPPROTO_TCP, TCP_SYN, 0, 0};
	struct shape same_client = {CLIENT, "192.0.2.81", 8, 9999, IPPROTO_TCP, TCP_SYN, 0, 0};
	struct shape other_client = {
		"198.51.100.8", "192.0.2.81", 8, 9999, IPPROTO_TCP, TCP_SYN, 0, 0};
	struct shape dns = {CLIENT, "192.0.2.53", 7, 53, IPPROTO_UDP, 0, 0, 20};
	assert_int_equal(backend_of(b, sticky), 1);
	assert_int_equal(backend_of(b, dns), 1);
	set_rows(b, 0, 2);
	assert_int_equal(backend_of(b, same_client), 1);
	assert_int_equal(backend_of(b, other_client), 2);
	assert_int_equal(backend_of(b, dns), 2);
}

/* A backend that is down: its flows stay or move as its pool says of their protocol. */
static void
test_flow_of_a_backend_that_is_down(void **state)
{
	struct bench *b = *state;
	struct shape client = {CLIENT, "192.0.2.80", 7, 443, IPPROTO_TCP, TCP_SYN, 0, 0};
	assert_int_equal(backend_of(b, SYN_TO_WEB(1000)), 1);
	assert_int_equal(backend_of(b, client), 1);
	set_rows(b, 0, 2);
	b->accepts[1] = tables_accepting(1, TABLES_KEEPS_TCP);
	assert_int_equal(backend_of(b, ACK_TO_WEB(1000)), 1);
	assert_int_equal(backend_of(b, client), 1);
	b->accepts[1] = tables_accepting(1, TABLES_KEEPS_UDP);
	assert_int_equal(backend_of(b, ACK_TO_WEB(1000)), 2);
	assert_int_equal(backend_of(b, client), 2);
	/* Where it went, it stays. */
	b->accepts[1] = tables_accepting(1, TABLES_KEEPS_TCP | TABLES_KEEPS_UDP);
	set_rows(b, 0, 1);
	assert_int_equal(backend_of(b, ACK_TO_WEB(1000)), 2);
}

static void
test_tcp_states(void **state)
{
	struct bench *b = *state;
	const uint16_t port = 1000;
	struct shape data = {CLIENT, "192.0.2.80", port, 80, IPPROTO_TCP, TCP_ACK | TCP_PSH, 0, 9};
	struct shape fin = ACK_TO_WEB(port), rst = ACK_TO_WEB(port);
	fin.flags |= TCP_FIN;
	rst.flags = TCP_RST;
	pass(b, rst);
	assert_int_equal(state_of(b, port), FLOW_EMPTY);
	pass(b, SYN_TO_WEB(port));
	assert_int_equal(state_of(b, port), FLOW_SYN);
	pass(b, ACK_TO_WEB(port));
	assert_int_equal(state_of(b, port), FLOW_ESTABLISHED);
	pass(b, SYN_TO_WEB(port));
	assert_int_equal(state_of(b, port), FLOW_ESTABLISHED);
	pass(b, fin);
	assert_int_equal(state_of(b, port), FLOW_CLOSING);
	pass(b, ACK_TO_WEB(port));
	assert_int_equal(state_of(b, port), FLOW_CLOSING);
	pass(b, data);
	assert_int_equal(state_of(b, port), FLOW_ESTABLISHED);
	pass(b, rst);
	assert_int_equal(state_of(b, port), FLOW_CLOSING);
	/* A new connection on the old ports goes by its row. */
	set_rows(b, 0, 2);
	assert_int_equal(backend_of(b, SYN_TO_WEB(port)), 2);
	assert_int_equal(state_of(b, port), FLOW_SYN);
}

static void
test_idle_flow_expires(void **state)
{
	struct bench *b = *state;
	assert_int_equal(backend_of(b, SYN_TO_WEB(1000)), 1);
	set_rows(b, 0, 2);
	b->pipeline.tick = (uint16_t)(b->pipeline.tick + 15);
	assert_int_equal(backend_of(b, SYN_TO_WEB(1000)), 1);
	b->pipeline.tick = (uint16_t)(b->pipeline.tick + 16);
	assert_int_equal(backend_of(b, SYN_TO_WEB(1000)), 2);
}

static void
test_full_table_gives_way_in_order(void **state)
{
	struct bench *b = *state;
	/* More SYNs than the table has places: the flood costs only itself. */
	for (uint16_t port = 1; port <= 8; port++) {
		assert_int_equal(backend_of(b, SYN_TO_WEB(port)), 1);
		assert_int_equal(backend_of(b, ACK_TO_WEB(port)), 1);
	}
	set_rows(b, 0, 2);
	for (uint32_t n = 0; n < 20000; n++) {
		struct shape syn = SYN_TO_WEB((uint16_t)(1000 + n));
		assert_int_equal(backend_of(b, syn), 2);
	}
	for (uint16_t port = 1; port <= 8; port++)
		assert_int_equal(backend_of(b, ACK_TO_WEB(port)), 1);
	assert_true(
		counter_read(&b->pipeline.counters->flow_events[FLOW_EVENT_INSERTED_OVER_SYN]) > 0);
}

static void
test_counters_by_name(void **state)
{
	struct bench *b = *state;
	for (uint16_t port = 1; port <= 3; port++) {
		pass(b, SYN_TO_WEB(port));
		pass(b, ACK_TO_WEB(port));
	}
	const struct pipeline_counters *c = b->pipeline.counters;
	assert_int_equal(counter_read(&c->services[WEB].traffic.packets), 6);
	assert_int_equal(counter_read(&c->services[WEB].new_flows), 3);
	assert_int_equal(counter_read(&c->backends[1].packets), 6);
	assert_int_equal(counter_read(&c->backends[1].bytes), 360);
	assert_int_equal(counter_read(&c->flow_events[FLOW_EVENT_HIT]), 3);
	assert_int_equal(counter_read(&c->flow_events[FLOW_EVENT_INSERTED]), 3);
}

static void
test_explain_agrees(void **state)
{
	struct bench *b = *state;
	assert_int_equal(backend_of(b, SYN_TO_WEB(1000)), 1);
	set_rows(b, 0, 2);
	struct explain_tuple tuple = {
		address(CLIENT), address("192.0.2.80"), 1000, 80, IPPROTO_TCP};
	struct explanation e = pipeline_explain(&b->tables, &b->flows, &tuple, b->pipeline.tick);
	assert_int_equal(e.why, EXPLAIN_BY_ENTRY);
	assert_int_equal(e.backend, 1);
	assert_int_equal(e.row_backend, 2);
	assert_int_equal(e.exit, EXIT_SENT);
	tuple.sport = 1001;
	e = pipeline_explain(&b->tables, &b->flows, &tuple, b->pipeline.tick);
	assert_int_equal(e.why, EXPLAIN_BY_ROW);
	assert_int_equal(e.backend, 2);
	tuple.vip = address("192.0.2.1");
	e = pipeline_explain(&b->tables, &b->flows, &tuple, b->pipeline.tick);
	assert_int_equal(e.why, EXPLAIN_NOT_A_VIP);
}

/* A burst of 32 has the same exits as 32 bursts of one. */
static void
test_burst_equals_single(void **state)
{
	struct bench *b = *state;
	enum exit singly[BURST_MAX];
	srand(7);
	struct shape shapes[BURST_MAX];
	static const char *const vips[] = {
		"192.0.2.80", "192.0.2.81", "192.0.2.53", "192.0.2.90", "192.0.2.1"};
	for (int i = 0; i < BURST_MAX; i++) {
		shapes[i] = (struct shape){CLIENT, vips[rand() % 5], (uint16_t)(rand() % 4),
			(uint16_t)(rand() % 2 ? 80 : 53), rand() % 2 ? IPPROTO_TCP : IPPROTO_UDP,
			TCP_ACK, (uint8_t)(rand() % 3), (uint16_t)(rand() % 1600)};
		singly[i] = pass(b, shapes[i]);
	}
	for (uint32_t i = 0; i < BURST_MAX; i++)
		put_frame(b, i, &shapes[i]);
	run(b);
	for (int i = 0; i < BURST_MAX; i++)
		assert_int_equal(b->burst.exit[i], singly[i]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_l2_bytes),
		CASE(test_ipip_bytes),
		CASE(test_flow_stays_when_its_row_moves),
		CASE(test_flow_leaves_a_backend_that_is_gone),
		CASE(test_flow_of_a_backend_that_is_down),
		CASE(test_affinity),
		CASE(test_tcp_states),
		CASE(test_idle_flow_expires),
		CASE(test_full_table_gives_way_in_order),
		CASE(test_counters_by_name),
		CASE(test_explain_agrees),
		CASE(test_burst_equals_single),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
