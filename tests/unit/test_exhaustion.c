/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What happens when there is no more of something: buffers to copy and to fragment into, places in
 * the flow table, places in one bucket of it. (Queues that are full are in test_worker.) What is lost
 * has its name, nothing else is, and what comes after there is room again goes through. Hostile inputs
 * 60, exhaustion 85 and 87.
 */
#include "edge.h"

#include "checksum.h"
#include "wire.h"

#define POOL_BUFFERS 256
#define CAPACITY     FLOW_CAPACITY_MIN
#define SEGMENT_AT   20
#define BIG	     1514
#define SYNS	     3000
#define COLLISIONS   40		 /* for 16 places */
#define CLIENTS	     0xc6120000u /* 198.18.0.0 and up */

static struct rte_mempool *pool;
static struct burst b;

/* A TCP segment from client `client` to the VIP, `length` bytes on the wire. */
static const uint8_t *
tcp_frame(uint32_t client, uint8_t flags, uint16_t length)
{
	static uint8_t frame[EDGE_BUFFER_ROOM];
	struct ip_addr vip = edge_address("192.0.2.80");
	struct wire_ether *ether = (void *)frame;
	struct wire_ipv4 *ip = (void *)(ether + 1);
	struct wire_tcp *tcp = (void *)(ip + 1);
	memset(frame, 0, sizeof(frame));
	ether->dst = edge_mac;
	ether->src = (struct mac_addr){{2, 0, 0, 0, 8, 1}};
	ether->type = wire_u16(ETHERTYPE_IP4);
	*ip = (struct wire_ipv4){.version_ihl = 0x45,
		.ttl = 64,
		.proto = IPPROTO_TCP,
		.total_length = wire_u16((uint16_t)(length - sizeof(*ether))),
		.src = wire_u32(CLIENTS + client),
		.dst = addr_v4(&vip)};
	ip->checksum = checksum_fold(checksum_sum(ip, sizeof(*ip)));
	*tcp = (struct wire_tcp){
		.sport = wire_u16(40000), .dport = wire_u16(80), .offset = 5 << 4, .flags = flags};
	return frame;
}

/* The exit of one frame; what has been sent in fragments is freed. */
static enum exit
pass(struct edge *e, struct rte_mbuf *m)
{
	b.count = 1;
	b.mbufs[0] = m;
	pipeline_burst(&e->pipeline, &e->tables, EDGE_PORT, &b);
	if (b.exit[0] == EXIT_SENT_IN_FRAGMENTS) {
		struct rte_mbuf *pieces[SPLIT_PIECES_MAX];
		unsigned count = pipeline_split(&e->pipeline, &e->tables, &b, 0, pieces);
		rte_pktmbuf_free_bulk(pieces, count);
		if (count == 0)
			b.exit[0] = EXIT_DROP_NO_BUFFER;
	}
	pipeline_settle(&e->pipeline, &b);
	rte_pktmbuf_free(b.mbufs[0]);
	return b.exit[0];
}

static struct rte_mbuf *
plain(uint32_t client, uint8_t flags, uint16_t length)
{
	struct rte_mbuf *m = edge_put(pool, tcp_frame(client, flags, length), length);
	assert_non_null(m);
	return m;
}

static struct rte_mbuf *
in_two_segments(void)
{
	const uint8_t *frame = tcp_frame(1, TCP_SYN, 54);
	struct rte_mbuf *m = edge_put(pool, frame, SEGMENT_AT);
	struct rte_mbuf *back = edge_put(pool, frame + SEGMENT_AT, 54 - SEGMENT_AT);
	assert_true(m && back);
	assert_int_equal(rte_pktmbuf_chain(m, back), 0);
	return m;
}

/* With 0, 1, 2 … buffers left; one more than the most it takes, and it is sent. */
static void
starve(struct edge *e, bool fragments, enum exit when_fed, unsigned enough)
{
	static struct rte_mbuf *taken[POOL_BUFFERS];
	unsigned before = rte_mempool_avail_count(pool);
	for (unsigned left = 0; left <= enough; left++) {
		struct rte_mbuf *m = fragments ? plain(1, TCP_ACK, BIG) : in_two_segments();
		unsigned count = rte_mempool_avail_count(pool) - left;
		assert_int_equal(rte_pktmbuf_alloc_bulk(pool, taken, count), 0);
		assert_string_equal(exit_name(pass(e, m)),
			exit_name(left < enough ? EXIT_DROP_NO_BUFFER : when_fed));
		rte_pktmbuf_free_bulk(taken, count);
		assert_int_equal(rte_mempool_avail_count(pool), before);
	}
	assert_int_equal(edge_totals(e).packets[EXIT_DROP_NO_BUFFER], enough);
}

static void
test_no_buffer_to_copy_into(void **state)
{
	struct edge *e = *state;
	starve(e, false, EXIT_SENT, 1);
}

/* Two fragments: a header and a piece of the original each, and a plain copy of one at a time. */
static void
test_no_buffer_to_fragment_into(void **state)
{
	struct edge *e = *state;
	edge_set_mode(e, &encap_ipip);
	starve(e, true, EXIT_SENT_IN_FRAGMENTS, 5);
}

static int
backend_of(struct edge *e, uint32_t client, uint8_t flags)
{
	assert_int_equal(pass(e, plain(client, flags, 54)), EXIT_SENT);
	return b.backend[0];
}

/* Every row to one backend. */
static void
set_rows(struct edge *e, uint16_t backend)
{
	for (uint32_t r = 0; r < ROWS_MIN; r++)
		e->rows[r] = backend;
}

/* Full of flows that only the table remembers, since their rows have moved: none of them moves, new
 * ones go by their row, and those who live find room when the others have expired. */
static void
test_flow_table_full(void **state)
{
	struct edge *e = *state;
	const uint32_t flows = (uint32_t)flow_table_entries(CAPACITY) * 2;
	set_rows(e, 1);
	for (uint32_t client = 0; client < flows; client++)
		backend_of(e, client, TCP_ACK);
	set_rows(e, 2);
	static bool kept[1 << 16];
	uint32_t kept_count = 0;
	for (uint32_t client = 0; client < flows; client++) {
		kept[client] = backend_of(e, client, TCP_ACK) == 1;
		kept_count += kept[client];
	}
	/* What found no place then is found none for now, but where two buckets were not yet full. */
	assert_true(kept_count > CAPACITY);
	uint64_t full_before = edge_totals(e).flow_events[FLOW_EVENT_FULL];
	assert_true(full_before > 0);
	for (uint32_t n = 0; n < SYNS; n++)
		assert_int_equal(backend_of(e, 0x10000 + n, TCP_SYN), 2);
	assert_true(edge_totals(e).flow_events[FLOW_EVENT_FULL] > full_before);
	for (uint32_t client = 0; client < flows; client++)
		assert_int_equal(backend_of(e, client, TCP_ACK), kept[client] ? 1 : 2);

	/* An established flow is dead after 1,860 ticks. */
	e->pipeline.now.us += 1861ull * FLOW_TICK_US;
	e->pipeline.tick = flow_tick(e->pipeline.now);
	uint64_t full = edge_totals(e).flow_events[FLOW_EVENT_FULL];
	for (uint32_t client = 0; client < CAPACITY / 2; client++)
		assert_int_equal(backend_of(e, 0x10000 + client, TCP_ACK), 2);
	assert_int_equal(edge_totals(e).flow_events[FLOW_EVENT_FULL], full);
}

/* The two buckets that a client's flow may be in. */
static uint64_t
buckets_of(struct edge *e, const struct ip_addr *vip, uint32_t client)
{
	struct ip_addr address = addr_from_v4(wire_u32(CLIENTS + client));
	uint64_t hash = flow_hash_tuple(&e->tables.key, &address, vip, 40000, 80, IPPROTO_TCP);
	uint32_t first = flow_first_bucket(&e->flows, hash);
	return (uint64_t)first << 32 | flow_other_bucket(&e->flows, first, (uint32_t)hash);
}

/* Clients whose flows fall into the same two buckets, as only somebody who knows the key could choose
 * them: the flow that was there first stays, and they cost one another their places. */
static void
test_flows_of_one_bucket(void **state)
{
	struct edge *e = *state;
	struct ip_addr vip = edge_address("192.0.2.80");
	uint64_t buckets = buckets_of(e, &vip, 0);
	uint32_t found = 0;
	set_rows(e, 1);
	assert_int_equal(backend_of(e, 0, TCP_ACK), 1);
	set_rows(e, 2);
	for (uint32_t client = 1; found < COLLISIONS; client++) {
		if (buckets_of(e, &vip, client) != buckets)
			continue;
		found++;
		assert_int_equal(backend_of(e, client, TCP_SYN), 2);
	}
	assert_int_equal(backend_of(e, 0, TCP_ACK), 1);
	assert_true(edge_totals(e).flow_events[FLOW_EVENT_INSERTED_OVER_SYN] > 0);
}

static int
setup(void **state)
{
	*state = edge_create(CAPACITY, 1500, pool);
	return 0;
}

static int
teardown(void **state)
{
	edge_destroy(*state);
	assert_int_equal(rte_mempool_avail_count(pool), POOL_BUFFERS);
	return 0;
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_no_buffer_to_copy_into),
		CASE(test_no_buffer_to_fragment_into),
		CASE(test_flow_table_full),
		CASE(test_flows_of_one_bucket),
	};
	if (!edge_start_eal(NULL))
		return EDGE_TEST_SKIPPED;
	pool = edge_create_pool("exhaustion", POOL_BUFFERS);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
