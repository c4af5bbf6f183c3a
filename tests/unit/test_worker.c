/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The worker's own loop, over a port whose every frame and whose room for sending the test decides
 * (net_null, with callbacks in both directions), and a kernel path that takes or refuses at will:
 * millions of the packet tests' frames in random order and layout, full queues, an empty pool. What
 * could not go is counted by its name, what can goes again at once, and in the end every buffer is
 * back in its pool. Hostile inputs, exhaustion 85, 86 and 89.
 */
#include "edge.h"

#include <rte_cycles.h>
#include <rte_ethdev.h>

#include "worker.h"

#ifdef __SANITIZE_ADDRESS__
#define PACKETS 300000
#else
#define PACKETS 10000000
#endif
#define PACKETS_FEW  100000
#define POOL_BUFFERS 8192
#define SHARES_MAX   64	  /* buffers that somebody else still reads */
#define CHANGE_EVERY 8192 /* packets, after which a backend gives way to another one */
/* After the last packet, so that held fragments expire. */
#define AFTERWARDS_MS (FRAGMENT_HELD_MS + 300)
#define NO_LIMIT      UINT16_MAX

static const char *capture_path;
static uint16_t port;
static struct rte_mempool *pool;
static struct edge_capture capture;

/* What the test's port and kernel path do, and have done. The worker runs in this very thread. */
static struct {
	struct edge *edge;
	struct worker_orders *orders;
	uint64_t packets; /* still to be received */
	uint64_t received, refused_tx, refused_punt;
	uint64_t random;
	uint16_t tx_room; /* a burst */
	bool punt_has_room;
	bool plain_only;
	bool backends_change;
	struct mono end; /* of the time after the last packet */
	struct rte_mbuf *shares[SHARES_MAX];
} lab;

static uint32_t
draw(uint32_t below)
{
	lab.random = lab.random * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(((lab.random >> 32) * below) >> 32);
}

/* --- what the worker is linked with in place of the kernel path ----------------------------------- */

unsigned
kernelpath_to_kernel(struct kernelpath *kp, unsigned from, enum kernelpath_class class,
	struct rte_mbuf **frames, unsigned count)
{
	(void)kp, (void)from, (void)class;
	if (!lab.punt_has_room) {
		lab.refused_punt += count;
		return 0;
	}
	rte_pktmbuf_free_bulk(frames, count);
	return count;
}

unsigned
kernelpath_from_kernel(struct kernelpath *kp, unsigned to, struct rte_mbuf **frames, unsigned count)
{
	(void)kp, (void)to, (void)frames, (void)count;
	return 0;
}

/* --- the port --------------------------------------------------------------------------------------- */

/* One time in four in a layout that is not plain. `m` is an empty buffer of the port's. */
static struct rte_mbuf *
fill(struct rte_mbuf *m, const struct edge_frame *frame)
{
	uint32_t kind = lab.plain_only ? UINT32_MAX : draw(16);
	uint32_t cut = frame->length;
	struct rte_mbuf *back = NULL;
	if (kind == 0 && (back = rte_pktmbuf_alloc(pool)))
		cut = draw(frame->length + 1);
	m->data_off = kind == 1 ? 0 : RTE_PKTMBUF_HEADROOM;
	m->data_len = (uint16_t)cut;
	m->pkt_len = cut;
	memcpy(rte_pktmbuf_mtod(m, uint8_t *), frame->bytes, cut);
	if (back) {
		back->data_len = (uint16_t)(frame->length - cut);
		back->pkt_len = back->data_len;
		memcpy(rte_pktmbuf_mtod(back, uint8_t *), frame->bytes + cut, back->data_len);
		assert_int_equal(rte_pktmbuf_chain(m, back), 0);
	}
	struct rte_mbuf **share = &lab.shares[draw(SHARES_MAX)];
	struct rte_mbuf *clone = kind == 3 ? rte_pktmbuf_clone(m, pool) : NULL;
	if (kind != 2 && !clone)
		return m;
	if (kind == 2)
		rte_pktmbuf_refcnt_update(m, 1);
	rte_pktmbuf_free(*share);
	*share = m;
	return clone ? clone : m;
}

/* Tables are changed between bursts only, as a new snapshot would have it. */
static void
change_backend(void)
{
	struct edge *e = lab.edge;
	struct tables_backend *b = &e->backends[1 + draw(EDGE_BACKENDS)];
	b->generation = (uint8_t)((b->generation + 1) % FLOW_GENERATIONS);
	atomic_store(&e->slots[b->slot],
		draw(8) == 0 ? L2_SLOT_UNRESOLVED : l2_slot_pack(&edge_mac, EDGE_PORT, 0));
}

static uint16_t
receive(uint16_t dpdk_port, uint16_t queue, struct rte_mbuf **frames, uint16_t count, uint16_t max,
	void *context)
{
	(void)dpdk_port, (void)queue, (void)max, (void)context;
	uint16_t wanted = count < lab.packets ? count : (uint16_t)lab.packets;
	if (wanted > 0 && !lab.plain_only)
		wanted = (uint16_t)(1 + draw(wanted));
	for (uint16_t i = 0; i < wanted; i++)
		frames[i] = fill(frames[i], &capture.frames[draw(capture.count)]);
	rte_pktmbuf_free_bulk(frames + wanted, count - wanted);
	lab.packets -= wanted;
	lab.received += wanted;
	if (lab.packets > 0)
		lab.end = mono_add_ms(mono_now(), AFTERWARDS_MS);
	else if (mono_now().us > lab.end.us)
		atomic_store(&lab.orders->shutdown, true);
	if (lab.backends_change && wanted > 0 && draw(CHANGE_EVERY) < wanted)
		change_backend();
	return wanted;
}

static uint16_t
transmit(
	uint16_t dpdk_port, uint16_t queue, struct rte_mbuf **frames, uint16_t count, void *context)
{
	(void)dpdk_port, (void)queue, (void)frames, (void)context;
	if (count <= lab.tx_room)
		return count;
	lab.refused_tx += count - lab.tx_room;
	return lab.tx_room;
}

static void
start_port(void)
{
	struct rte_eth_conf conf = {0};
	assert_int_equal(rte_eth_dev_configure(port, 1, 1, &conf), 0);
	const unsigned any_node = (unsigned)SOCKET_ID_ANY;
	assert_int_equal(rte_eth_rx_queue_setup(port, 0, 256, any_node, NULL, pool), 0);
	assert_int_equal(rte_eth_tx_queue_setup(port, 0, 256, any_node, NULL), 0);
	assert_non_null(rte_eth_add_rx_callback(port, 0, receive, NULL));
	assert_non_null(rte_eth_add_tx_callback(port, 0, transmit, NULL));
	assert_int_equal(rte_eth_dev_start(port), 0);
}

/* --- runs -------------------------------------------------------------------------------------------- */

static void
free_frame(void *frame)
{
	rte_pktmbuf_free(frame);
}

/* The worker from its start to its end, over `packets` packets; what it has counted. */
static struct totals
run_worker(const struct encap *mode, uint64_t packets)
{
	static struct worker worker;
	struct worker_orders orders = {.port_count = 1, .worker_count = 1, .dpdk_ports = {port}};
	struct publish publish;
	unsigned before = rte_mempool_avail_count(pool);
	assert_int_equal(publish_init(&publish, 1), 0);
	struct edge *e = edge_create(4096, 1500, pool);
	edge_set_mode(e, mode);
	atomic_store(&publish.current[0], &e->tables);
	orders.publish = &publish;
	atomic_store(&orders.go, true);
	worker = (struct worker){.orders = &orders,
		.pipeline = e->pipeline,
		.clock_period = rte_get_tsc_hz() / 1000,
		.fragments = fragment_buffer_create(ARENA_ANY_NODE)};
	assert_non_null(worker.fragments);
	lab.edge = e;
	lab.orders = &orders;
	lab.packets = packets;
	lab.received = lab.refused_tx = lab.refused_punt = 0;
	assert_int_equal(worker_run(&worker), 0);

	assert_int_equal(fragment_held_count(worker.fragments), 0);
	fragment_buffer_destroy(worker.fragments, free_frame);
	for (int i = 0; i < SHARES_MAX; i++) {
		rte_pktmbuf_free(lab.shares[i]);
		lab.shares[i] = NULL;
	}
	assert_int_equal(rte_mempool_avail_count(pool), before);
	struct totals totals = edge_totals(e);
	assert_int_equal(totals.received, lab.received);
	publish_fini(&publish);
	edge_destroy(e);
	return totals;
}

static int
reset(void **state)
{
	(void)state;
	lab.random = 7;
	lab.tx_room = NO_LIMIT;
	lab.punt_has_room = true;
	lab.plain_only = lab.backends_change = false;
	return 0;
}

static void
test_no_buffer_is_lost(void **state)
{
	(void)state;
	static const enum exit must[] = {EXIT_SENT, EXIT_SENT_IN_FRAGMENTS, EXIT_ANSWERED_ECHO,
		EXIT_ANSWERED_TOO_BIG, EXIT_PUNTED_OTHER, EXIT_DROP_FRAGMENT_TIMEOUT,
		EXIT_DROP_NEXT_HOP, EXIT_DROP_NO_BACKEND, EXIT_DROP_ICMP_QUOTE_TRUNCATED};
	lab.backends_change = true;
	struct totals totals = run_worker(&encap_ipip, PACKETS);
	assert_int_equal(totals.received, PACKETS);
	for (size_t i = 0; i < sizeof(must) / sizeof(must[0]); i++)
		assert_true(totals.packets[must[i]] > 0);
}

static void
test_transmit_queue_full(void **state)
{
	(void)state;
	lab.tx_room = 3;
	struct totals totals = run_worker(&encap_l2, PACKETS_FEW);
	assert_true(lab.refused_tx > 0);
	assert_true(totals.packets[EXIT_DROP_TX_FULL] > 0);
	assert_true(totals.packets[EXIT_SENT] > 0);
	/* Of a packet in fragments several may be refused, and it is one drop. */
	assert_true(totals.packets[EXIT_DROP_TX_FULL] <= lab.refused_tx);
	lab.tx_room = NO_LIMIT;
	assert_int_equal(run_worker(&encap_l2, PACKETS_FEW).packets[EXIT_DROP_TX_FULL], 0);
}

static void
test_transmit_queue_stands_still(void **state)
{
	(void)state;
	lab.tx_room = 0;
	struct totals totals = run_worker(&encap_ipip, PACKETS_FEW);
	assert_int_equal(totals.by_kind[EXIT_KIND_SENT], 0);
	assert_int_equal(totals.by_kind[EXIT_KIND_ANSWERED], 0);
	assert_true(totals.packets[EXIT_DROP_TX_FULL] > 0);
}

static void
test_kernel_path_full(void **state)
{
	(void)state;
	lab.punt_has_room = false;
	struct totals totals = run_worker(&encap_kernel, PACKETS_FEW);
	assert_int_equal(totals.by_kind[EXIT_KIND_PUNTED], 0);
	assert_true(lab.refused_punt > 0);
	assert_int_equal(totals.packets[EXIT_DROP_PUNT_FULL], lab.refused_punt);
	lab.punt_has_room = true;
	totals = run_worker(&encap_kernel, PACKETS_FEW);
	assert_int_equal(totals.packets[EXIT_DROP_PUNT_FULL], 0);
	assert_true(totals.packets[EXIT_PUNTED_SERVICE] > 0);
}

/* What is left is enough to receive and to hold fragments, and not to copy and to fragment too. */
static void
test_pool_nearly_empty(void **state)
{
	(void)state;
	static struct rte_mbuf *taken[POOL_BUFFERS];
	unsigned count =
		rte_mempool_avail_count(pool) - (BURST_MAX + SHARES_MAX + FRAGMENT_HELD_MAX + 4);
	assert_int_equal(rte_pktmbuf_alloc_bulk(pool, taken, count), 0);
	struct totals totals = run_worker(&encap_ipip, PACKETS_FEW);
	assert_true(totals.packets[EXIT_DROP_NO_BUFFER] > 0);
	assert_true(totals.packets[EXIT_SENT] > 0);
	rte_pktmbuf_free_bulk(taken, count);
	lab.plain_only = true;
	totals = run_worker(&encap_ipip, PACKETS_FEW);
	assert_int_equal(totals.packets[EXIT_DROP_NO_BUFFER], 0);
}

static int
open_lab(void **state)
{
	(void)state;
	pool = edge_create_pool("worker", POOL_BUFFERS);
	capture = edge_read_capture(capture_path);
	assert_int_equal(rte_eth_dev_get_port_by_name("net_null0", &port), 0);
	start_port();
	return 0;
}

static int
close_lab(void **state)
{
	(void)state;
	rte_eth_dev_stop(port);
	rte_eth_dev_close(port);
	edge_free_capture(&capture);
	rte_mempool_free(pool);
	return 0;
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_no_buffer_is_lost, reset),
		cmocka_unit_test_setup(test_transmit_queue_full, reset),
		cmocka_unit_test_setup(test_transmit_queue_stands_still, reset),
		cmocka_unit_test_setup(test_kernel_path_full, reset),
		cmocka_unit_test_setup(test_pool_nearly_empty, reset),
	};
	if (argc != 2)
		return 2;
	capture_path = argv[1];
	if (!edge_start_eal("--vdev=net_null0"))
		return EDGE_TEST_SKIPPED;
	return cmocka_run_group_tests(tests, open_lab, close_lab);
}
