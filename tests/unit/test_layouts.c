/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A frame is the same frame however buffers hold it: each one of the packet tests, in segments cut at
 * every byte, without headroom, shared, indirect, in foreign memory, with a driver's nonsense beside
 * it, has the exit and the output of the plain one; what it shares is not written to. Hostile inputs 54
 * to 57, of all the others.
 */
#include "edge.h"

#include "buffer.h"

#define POOL_BUFFERS	4096
#define OUTPUT_MAX	(32 * 1024)
#define SEGMENTS_MAX	512 /* a frame with a segment for each byte has no more */
#define MTU		1500
#define MTU_JUMBO	9000
#define JUMBO_FROM	8900
#define EVERY_BYTE_FROM 64 /* of frames longer than COARSE_FROM, from here on */
#define CUTS_COARSE	32 /* only so many places are cut at */
#define COARSE_FROM	2000

static const char *capture_path;
static struct rte_mempool *pool;
static struct edge_capture capture;

/* What came out of one frame: exit, port and bytes. */
struct output {
	enum exit exit;
	uint8_t port;
	uint32_t length;
	uint8_t bytes[OUTPUT_MAX];
};

static void
append(struct output *output, const struct rte_mbuf *m)
{
	assert_int_equal(m->nb_segs, 1);
	assert_int_equal(m->data_len, m->pkt_len);
	assert_true(output->length + m->data_len <= OUTPUT_MAX);
	memcpy(output->bytes + output->length, rte_pktmbuf_mtod(m, const uint8_t *), m->data_len);
	output->length += m->data_len;
}

/* Through the pipeline as one burst; the buffer is gone afterwards. */
static void
pass(struct edge *e, struct rte_mbuf *m, struct output *output)
{
	static struct burst b;
	b.count = 1;
	b.mbufs[0] = m;
	pipeline_burst(&e->pipeline, &e->tables, EDGE_PORT, &b);
	*output = (struct output){.exit = b.exit[0]};
	if (b.exit[0] == EXIT_SENT_IN_FRAGMENTS) {
		struct rte_mbuf *pieces[SPLIT_PIECES_MAX];
		unsigned count = pipeline_split(&e->pipeline, &e->tables, &b, 0, pieces);
		for (unsigned i = 0; i < count; i++)
			append(output, pieces[i]);
		rte_pktmbuf_free_bulk(pieces, count);
	} else if (b.exit[0] == EXIT_HELD || exit_kind(b.exit[0]) != EXIT_KIND_DROPPED) {
		append(output, b.mbufs[0]);
	}
	if (b.exit[0] != EXIT_HELD && exit_kind(b.exit[0]) != EXIT_KIND_DROPPED)
		output->port = b.out_port[0];
	pipeline_settle(&e->pipeline, &b);
	rte_pktmbuf_free(b.mbufs[0]);
}

static struct rte_mbuf *
plain(const struct edge_frame *frame)
{
	struct rte_mbuf *m = edge_put(pool, frame->bytes, frame->length);
	assert_non_null(m);
	return m;
}

static void
check(struct edge *e, struct rte_mbuf *m, const struct output *wanted, const char *layout,
	uint32_t number)
{
	static struct output got;
	pass(e, m, &got);
	if (got.exit == wanted->exit && got.port == wanted->port && got.length == wanted->length &&
		memcmp(got.bytes, wanted->bytes, got.length) == 0)
		return;
	fail_msg("frame %u, %s: %s and %u bytes instead of %s and %u", number, layout,
		got.exit == EXIT_HELD ? "held" : exit_name(got.exit), got.length,
		wanted->exit == EXIT_HELD ? "held" : exit_name(wanted->exit), wanted->length);
}

/* Two segments, the second from byte `at` on. */
static struct rte_mbuf *
cut_at(const struct edge_frame *frame, uint32_t at)
{
	const struct edge_frame front = {at, frame->bytes};
	const struct edge_frame back = {frame->length - at, frame->bytes + at};
	struct rte_mbuf *m = plain(&front);
	assert_int_equal(rte_pktmbuf_chain(m, plain(&back)), 0);
	return m;
}

/* Segments of `step` bytes, the last one of what is left. */
static struct rte_mbuf *
cut_every(const struct edge_frame *frame, uint32_t step)
{
	struct rte_mbuf *m = NULL;
	for (uint32_t end = frame->length; end > 0;) {
		uint32_t at = (end - 1) / step * step;
		const struct edge_frame part = {end - at, frame->bytes + at};
		struct rte_mbuf *segment = plain(&part);
		end = at;
		if (m)
			assert_int_equal(rte_pktmbuf_chain(segment, m), 0);
		m = segment;
	}
	return m;
}

static struct rte_mbuf *
with_headroom(const struct edge_frame *frame, uint16_t headroom)
{
	struct rte_mbuf *m = plain(frame);
	memmove((uint8_t *)m->buf_addr + headroom, rte_pktmbuf_mtod(m, uint8_t *), frame->length);
	m->data_off = headroom;
	return m;
}

static struct rte_mbuf *
with_nonsense(const struct edge_frame *frame)
{
	struct rte_mbuf *m = plain(frame);
	m->ol_flags = RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_QINQ_STRIPPED | RTE_MBUF_F_RX_RSS_HASH |
		      RTE_MBUF_F_RX_IP_CKSUM_BAD | RTE_MBUF_F_RX_L4_CKSUM_BAD | RTE_MBUF_F_RX_LRO;
	m->packet_type = UINT32_MAX;
	m->vlan_tci = m->vlan_tci_outer = UINT16_MAX;
	m->hash.rss = UINT32_MAX;
	m->tx_offload = UINT64_MAX;
	m->port = UINT16_MAX;
	return m;
}

/* What a device may say of the IPv4 header checksum: only that it is right is believed, and of no
 * packet that the device takes for a tunnel. */
static void
check_checksum_flags(struct edge *e, uint32_t number, const struct output *wanted)
{
	static const struct {
		const char *name;
		uint64_t flags;
		uint32_t packet_type;
	} said[] = {
		{"checksum unknown", RTE_MBUF_F_RX_IP_CKSUM_UNKNOWN, RTE_PTYPE_L3_IPV4},
		{"checksum bad", RTE_MBUF_F_RX_IP_CKSUM_BAD, RTE_PTYPE_L3_IPV4},
		{"checksum none", RTE_MBUF_F_RX_IP_CKSUM_NONE, RTE_PTYPE_L3_IPV4},
		{"inner checksum good", RTE_MBUF_F_RX_IP_CKSUM_GOOD, RTE_PTYPE_TUNNEL_GRE},
		{"inner checksum bad", RTE_MBUF_F_RX_IP_CKSUM_BAD, RTE_PTYPE_TUNNEL_GRE},
		{"outer checksum bad",
			RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_OUTER_IP_CKSUM_BAD, 0},
		{"checksum good", RTE_MBUF_F_RX_IP_CKSUM_GOOD, RTE_PTYPE_L3_IPV4},
		{"checksum good, no type", RTE_MBUF_F_RX_IP_CKSUM_GOOD, 0},
	};
	const struct edge_frame *frame = &capture.frames[number];
	for (size_t i = 0; i < sizeof(said) / sizeof(said[0]); i++) {
		struct rte_mbuf *m = plain(frame);
		m->ol_flags = said[i].flags;
		m->packet_type = said[i].packet_type;
		/* A device that says so of a wrong one is believed: that is what it is asked for. */
		if (buffer_ipv4_checksum_is_right(m) && wanted->exit == EXIT_DROP_IPV4_CHECKSUM)
			rte_pktmbuf_free(m);
		else
			check(e, m, wanted, said[i].name, number);
	}
}

static void
check_segments(struct edge *e, uint32_t number, const struct output *wanted)
{
	const struct edge_frame *frame = &capture.frames[number];
	uint32_t step = frame->length > COARSE_FROM ? frame->length / CUTS_COARSE : 1;
	for (uint32_t at = 0; at <= frame->length; at += at < EVERY_BYTE_FROM ? 1 : step)
		check(e, cut_at(frame, at), wanted, "in two segments", number);
	if (frame->length > 0 && frame->length <= SEGMENTS_MAX)
		check(e, cut_every(frame, 1), wanted, "a segment a byte", number);
	if (frame->length > SEGMENTS_MAX)
		check(e, cut_every(frame, 1 + frame->length / SEGMENTS_MAX), wanted,
			"in as many segments as there may be", number);
}

static void
check_headroom(struct edge *e, uint32_t number, const struct output *wanted)
{
	const struct edge_frame *frame = &capture.frames[number];
	check(e, with_headroom(frame, 0), wanted, "no headroom", number);
	check(e, with_headroom(frame, BUFFER_HEADROOM_MIN - 1), wanted, "too little headroom",
		number);
	check(e, with_headroom(frame, BUFFER_HEADROOM_MIN), wanted, "just enough headroom", number);
	check(e, with_nonsense(frame), wanted, "with a driver's nonsense", number);
}

/* Somebody else reads the same bytes, before and after. */
static void
check_shared(struct edge *e, uint32_t number, const struct output *wanted)
{
	const struct edge_frame *frame = &capture.frames[number];
	struct rte_mbuf *original = plain(frame);
	rte_mbuf_refcnt_update(original, 1);
	check(e, original, wanted, "shared", number);
	struct rte_mbuf *clone = rte_pktmbuf_clone(original, pool);
	assert_non_null(clone);
	check(e, clone, wanted, "indirect", number);
	assert_int_equal(rte_mbuf_refcnt_read(original), 1);
	assert_int_equal(original->data_len, frame->length);
	assert_int_equal(original->data_off, RTE_PKTMBUF_HEADROOM);
	assert_memory_equal(rte_pktmbuf_mtod(original, uint8_t *), frame->bytes, frame->length);
	rte_pktmbuf_free(original);
}

static void
count_free(void *memory, void *count)
{
	(void)memory;
	++*(unsigned *)count;
}

static void
check_foreign_memory(struct edge *e, uint32_t number, const struct output *wanted)
{
	static uint8_t memory[EDGE_BUFFER_ROOM];
	const struct edge_frame *frame = &capture.frames[number];
	unsigned freed = 0;
	uint16_t room = sizeof(memory);
	struct rte_mbuf_ext_shared_info *shared =
		rte_pktmbuf_ext_shinfo_init_helper(memory, &room, count_free, &freed);
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
	assert_true(m && shared);
	rte_pktmbuf_attach_extbuf(m, memory, RTE_BAD_IOVA, room, shared);
	m->data_off = BUFFER_HEADROOM_MIN;
	m->data_len = (uint16_t)frame->length;
	m->pkt_len = frame->length;
	memcpy(rte_pktmbuf_mtod(m, uint8_t *), frame->bytes, frame->length);
	check(e, m, wanted, "in foreign memory", number);
	assert_int_equal(freed, 1);
	assert_memory_equal(memory + BUFFER_HEADROOM_MIN, frame->bytes, frame->length);
}

static bool
seen_before(uint32_t number)
{
	const struct edge_frame *frame = &capture.frames[number], *before;
	for (before = number > 64 ? frame - 64 : capture.frames; before < frame; before++)
		if (before->length == frame->length &&
			memcmp(before->bytes, frame->bytes, frame->length) == 0)
			return true;
	return false;
}

static void
check_mode(const struct encap *mode, uint16_t mtu, const enum exit *must_occur, size_t must_count)
{
	static struct output wanted;
	unsigned before = rte_mempool_avail_count(pool);
	struct edge *e = edge_create(FLOW_CAPACITY_MIN, mtu, pool);
	edge_set_mode(e, mode);
	bool occurred[EXIT_COUNT + 2] = {false};
	for (uint32_t i = 0; i < capture.count; i++) {
		if (seen_before(i) || (mtu == MTU_JUMBO && capture.frames[i].length < JUMBO_FROM))
			continue;
		/* Twice: with the first a flow is made, with the second it is there. */
		pass(e, plain(&capture.frames[i]), &wanted);
		pass(e, plain(&capture.frames[i]), &wanted);
		occurred[wanted.exit] = true;
		check_segments(e, i, &wanted);
		check_headroom(e, i, &wanted);
		check_checksum_flags(e, i, &wanted);
		check_shared(e, i, &wanted);
		check_foreign_memory(e, i, &wanted);
	}
	for (size_t i = 0; i < must_count; i++)
		assert_true(occurred[must_occur[i]]);
	edge_totals(e);
	edge_destroy(e);
	assert_int_equal(rte_mempool_avail_count(pool), before);
}

static void
test_l2(void **state)
{
	(void)state;
	static const enum exit must[] = {EXIT_SENT, EXIT_SENT_IN_FRAGMENTS, EXIT_ANSWERED_ECHO,
		EXIT_ANSWERED_NO_SERVICE, EXIT_ANSWERED_TTL_EXPIRED, EXIT_ANSWERED_TOO_BIG,
		EXIT_ANSWERED_NEIGHBOUR, EXIT_PUNTED_CONTROL, EXIT_PUNTED_OTHER, EXIT_HELD,
		EXIT_DROP_IPV4_CHECKSUM, EXIT_DROP_ICMP_QUOTE_TRUNCATED, EXIT_DROP_IPV6_EXTENSION};
	check_mode(&encap_l2, MTU, must, sizeof(must) / sizeof(must[0]));
}

static void
test_ipip(void **state)
{
	(void)state;
	static const enum exit must[] = {EXIT_SENT, EXIT_SENT_IN_FRAGMENTS, EXIT_ANSWERED_TOO_BIG,
		EXIT_HELD, EXIT_DROP_OWN_ENCAPSULATION};
	check_mode(&encap_ipip, MTU, must, sizeof(must) / sizeof(must[0]));
}

static void
test_other_tunnels(void **state)
{
	(void)state;
	static const enum exit must[] = {
		EXIT_SENT, EXIT_SENT_IN_FRAGMENTS, EXIT_ANSWERED_TOO_BIG, EXIT_HELD};
	const size_t count = sizeof(must) / sizeof(must[0]);
	check_mode(&encap_gre, MTU, must, count);
	check_mode(&encap_gue, MTU, must, count);
	check_mode(&encap_vxlan, MTU, must, count);
}

static void
test_kernel(void **state)
{
	(void)state;
	static const enum exit must[] = {EXIT_PUNTED_SERVICE, EXIT_ANSWERED_ECHO};
	check_mode(&encap_kernel, MTU, must, sizeof(must) / sizeof(must[0]));
}

/* Frames of up to 9,018 bytes, which need all of a buffer, in the modes that put nothing, little and
 * much in front. */
static void
test_jumbo(void **state)
{
	(void)state;
	static const enum exit must[] = {
		EXIT_SENT, EXIT_SENT_IN_FRAGMENTS, EXIT_ANSWERED_TOO_BIG, EXIT_HELD};
	const size_t count = sizeof(must) / sizeof(must[0]);
	check_mode(&encap_l2, MTU_JUMBO, must, count);
	check_mode(&encap_ipip, MTU_JUMBO, must, count);
	check_mode(&encap_vxlan, MTU_JUMBO, must, count);
}

/* What no buffer of the pool holds has a name of its own, also when there is no free one. */
static void
test_too_long(void **state)
{
	(void)state;
	static uint8_t bytes[EDGE_BUFFER_ROOM];
	static struct rte_mbuf *taken[POOL_BUFFERS];
	static struct output got;
	struct edge *e = edge_create(FLOW_CAPACITY_MIN, MTU_JUMBO, pool);
	const uint32_t room = EDGE_BUFFER_ROOM - RTE_PKTMBUF_HEADROOM;
	const struct edge_frame half = {room / 2, bytes}, byte = {1, bytes};
	for (int more = 0; more < 2; more++)
		for (int starved = 0; starved < 2; starved++) {
			struct rte_mbuf *m = plain(&half);
			assert_int_equal(rte_pktmbuf_chain(m, plain(&half)), 0);
			if (more)
				assert_int_equal(rte_pktmbuf_chain(m, plain(&byte)), 0);
			unsigned count = starved ? rte_mempool_avail_count(pool) : 1;
			assert_int_equal(rte_pktmbuf_alloc_bulk(pool, taken, count), 0);
			pass(e, m, &got);
			rte_pktmbuf_free_bulk(taken, count);
			assert_string_equal(exit_name(got.exit), more	   ? "drop_frame_too_long"
								 : starved ? "drop_no_buffer"
									   : "drop_other_mac");
		}
	edge_destroy(e);
	assert_int_equal(rte_mempool_avail_count(pool), POOL_BUFFERS);
}

static int
read_frames(void **state)
{
	(void)state;
	pool = edge_create_pool("layouts", POOL_BUFFERS);
	capture = edge_read_capture(capture_path);
	return 0;
}

static int
forget_frames(void **state)
{
	(void)state;
	edge_free_capture(&capture);
	rte_mempool_free(pool);
	return 0;
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_l2),
		cmocka_unit_test(test_ipip),
		cmocka_unit_test(test_other_tunnels),
		cmocka_unit_test(test_kernel),
		cmocka_unit_test(test_jumbo),
		cmocka_unit_test(test_too_long),
	};
	if (argc != 2)
		return 2;
	capture_path = argv[1];
	if (!edge_start_eal(NULL))
		return EDGE_TEST_SKIPPED;
	return cmocka_run_group_tests(tests, read_frames, forget_frames);
}
