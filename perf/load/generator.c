/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Offers a DPDK port TCP packets of many flows at a steady rate, and counts those that come back to
 * the same port, in whatever they are wrapped. testpmd's generators have no rate, no more than some
 * hundred flows, and no sizes that vary.
 *
 *	load_generator EAL-ARGUMENTS -- [--flows N] [--sizes 64,570,…] [--vip ADDRESS] [--mac MAC]
 *		--flows  distinct client addresses, drawn uniformly at random, seed fixed (1000)
 *		--sizes  of frames with their check sequence, drawn in turn (64; IPv6 at least 84)
 *		--vip    destination, IPv4 or IPv6 (192.0.2.80), port 80
 *		--mac    of the device under test (00:01:02:03:04:01)
 *
 * It reads trials from standard input and answers each with a line, in packets:
 *
 *	RATE SECONDS  ->  OFFERED SENT RECEIVED
 *
 * RATE is in packets a second, 0 as many as it can. What the port does not take at its moment is
 * offered and not sent, and not tried again: it is lost. OFFERED below RATE * SECONDS means that
 * the generator itself was too slow. Counting goes on for DRAIN_MS after the last packet.
 *
 * Every packet ends with a mark and the number of its trial, so that stragglers and what the device
 * under test says of its own accord do not count. TCP checksums are zero: nobody here looks at them.
 * One lcore does all; it polls all the time.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "addr.h"
#include "bench.h"
#include "bounds.h"
#include "checksum.h"
#include "wire.h"

#define DEVICE	     0
#define RING	     1024
#define BUFFERS	     16383
#define DRAIN_MS     200
#define CHECK_BYTES  4 /* frame check sequence: in sizes, not in buffers */
#define SIZES_MAX    16
#define FRAME_MAX    1518
#define LINK_WAIT_MS 20000
#define MARK	     0x66616972u

/* The last bytes of a frame: what IPv4, TCP leave of the shortest. */
struct mark {
	uint32_t mark;
	uint16_t trial;
} __attribute__((packed));

struct generator {
	uint32_t flows;
	uint16_t sizes[SIZES_MAX]; /* in the buffer */
	uint32_t size_count, next_size;
	struct ip_addr vip;
	struct mac_addr mac;
	uint16_t header_length;
	uint8_t frames[SIZES_MAX][FRAME_MAX];
	struct rte_mempool *pool;
	uint64_t random;
	uint16_t trial;
};

struct trial {
	uint64_t offered, sent, received;
};

static uint16_t
l3_length(const struct generator *g)
{
	return addr_is_v4(&g->vip) ? sizeof(struct wire_ipv4) : sizeof(struct wire_ipv6);
}

/* All of a frame of this size but its source and its mark. */
static void
write_template(const struct generator *g, uint8_t *frame, uint16_t size)
{
	struct wire_ether *ether = (void *)frame;
	bool v4 = addr_is_v4(&g->vip);
	uint16_t payload = (uint16_t)(size - sizeof(*ether) - l3_length(g));
	*ether = (struct wire_ether){.dst = g->mac,
		.src = {{2, 0, 0, 0, 0, 9}},
		.type = wire_u16(v4 ? ETHERTYPE_IP4 : ETHERTYPE_IP6)};
	if (v4) {
		struct wire_ipv4 *ip = (void *)(ether + 1);
		*ip = (struct wire_ipv4){.version_ihl = 0x45,
			.ttl = 64,
			.proto = IPPROTO_TCP,
			.total_length = wire_u16((uint16_t)(sizeof(*ip) + payload)),
			.dst = addr_v4(&g->vip)};
	} else {
		struct wire_ipv6 *ip = (void *)(ether + 1);
		*ip = (struct wire_ipv6){.version_class_label = wire_u32(0x60000000),
			.payload_length = wire_u16(payload),
			.next_header = IPPROTO_TCP,
			.hop_limit = 64};
		memcpy(ip->src, (const uint8_t[]){0x20, 0x01, 0x0d, 0xb8, 0xff}, 5);
		memcpy(ip->dst, g->vip.bytes, sizeof(ip->dst));
	}
	struct wire_tcp *tcp = (void *)(frame + sizeof(*ether) + l3_length(g));
	*tcp = (struct wire_tcp){.dport = wire_u16(80), .offset = 5 << 4, .flags = TCP_ACK};
}

static void
write_frame(struct generator *g, struct rte_mbuf *m)
{
	uint32_t which = g->next_size;
	g->next_size = which + 1 == g->size_count ? 0 : which + 1;
	uint16_t size = g->sizes[which];
	uint8_t *frame = rte_pktmbuf_mtod(m, uint8_t *);
	memcpy(frame, g->frames[which], g->header_length);
	uint32_t flow = (uint32_t)((bench_random(&g->random) >> 32) * g->flows >> 32);
	uint8_t *l3 = frame + sizeof(struct wire_ether);
	if (addr_is_v4(&g->vip)) {
		struct wire_ipv4 *ip = (void *)l3;
		ip->src = wire_u32(0x14000000 + flow); /* 20.0.0.0 and on */
		ip->checksum = checksum_fold(checksum_sum(ip, sizeof(*ip)));
	} else {
		be32 low = wire_u32(flow);
		memcpy(((struct wire_ipv6 *)(void *)l3)->src + 12, &low, sizeof(low));
	}
	struct wire_tcp *tcp = (void *)(l3 + l3_length(g));
	tcp->sport = wire_u16((uint16_t)(1024 + flow % 60000));
	const struct mark mark = {MARK, g->trial};
	memcpy(frame + size - sizeof(mark), &mark, sizeof(mark));
	m->data_len = size;
	m->pkt_len = size;
}

static uint32_t
offer_burst(struct generator *g, uint32_t count)
{
	struct rte_mbuf *mbufs[BURST_MAX];
	if (rte_pktmbuf_alloc_bulk(g->pool, mbufs, count) < 0)
		return 0;
	for (uint32_t i = 0; i < count; i++)
		write_frame(g, mbufs[i]);
	uint16_t sent = rte_eth_tx_burst(DEVICE, 0, mbufs, (uint16_t)count);
	if (sent < count)
		rte_pktmbuf_free_bulk(mbufs + sent, count - sent);
	return sent;
}

static uint64_t
receive_burst(struct generator *g)
{
	struct rte_mbuf *mbufs[BURST_MAX];
	uint64_t received = 0;
	uint16_t count = rte_eth_rx_burst(DEVICE, 0, mbufs, BURST_MAX);
	for (uint16_t i = 0; i < count; i++) {
		const struct rte_mbuf *m = mbufs[i];
		struct mark mark = {0};
		if (m->data_len > sizeof(mark))
			memcpy(&mark,
				rte_pktmbuf_mtod_offset(
					m, const void *, m->data_len - sizeof(mark)),
				sizeof(mark));
		received += mark.mark == MARK && mark.trial == g->trial;
	}
	rte_pktmbuf_free_bulk(mbufs, count);
	return received;
}

static struct trial
run_trial(struct generator *g, double rate, double seconds)
{
	struct trial t = {0};
	g->trial++;
	double hz = (double)rte_get_tsc_hz();
	uint64_t start = rte_rdtsc(), length = (uint64_t)(seconds * hz), now;
	while ((now = rte_rdtsc() - start) < length) {
		uint64_t due =
			rate > 0 ? (uint64_t)((double)now / hz * rate) : t.offered + BURST_MAX;
		if (due > t.offered) {
			uint32_t count = due - t.offered < BURST_MAX ? (uint32_t)(due - t.offered)
								     : BURST_MAX;
			t.offered += count;
			t.sent += offer_burst(g, count);
		}
		t.received += receive_burst(g);
	}
	uint64_t end = rte_rdtsc() + rte_get_tsc_hz() / 1000 * DRAIN_MS;
	while (rte_rdtsc() < end)
		t.received += receive_burst(g);
	return t;
}

static void
parse_sizes(struct generator *g, const char *text)
{
	for (g->size_count = 0; g->size_count < SIZES_MAX; text++) {
		char *end;
		unsigned long size = strtoul(text, &end, 10);
		if (size < 64 || size > FRAME_MAX || (*end != ',' && *end != '\0'))
			bench_fail("load_generator: sizes are 64 to %d: %s", FRAME_MAX, text);
		g->sizes[g->size_count++] = (uint16_t)(size - CHECK_BYTES);
		text = end;
		if (*end == '\0')
			return;
	}
	bench_fail("load_generator: at most %d sizes", SIZES_MAX);
}

static void
parse_options(struct generator *g, int argc, char **argv)
{
	const char *sizes = "64";
	addr_parse("192.0.2.80", &g->vip);
	mac_parse("00:01:02:03:04:01", &g->mac);
	g->flows = 1000;
	for (int i = 1; i < argc; i += 2) {
		const char *name = argv[i], *value = i + 1 < argc ? argv[i + 1] : "";
		int rc = 0;
		if (strcmp(name, "--flows") == 0)
			g->flows = (uint32_t)strtoul(value, NULL, 10);
		else if (strcmp(name, "--sizes") == 0)
			sizes = value;
		else if (strcmp(name, "--vip") == 0)
			rc = addr_parse(value, &g->vip);
		else if (strcmp(name, "--mac") == 0)
			rc = mac_parse(value, &g->mac);
		else
			rc = -EINVAL;
		if (rc < 0 || g->flows == 0 || g->flows > 1u << 24)
			bench_fail("load_generator: not understood: %s %s", name, value);
	}
	parse_sizes(g, sizes);
	g->header_length =
		(uint16_t)(sizeof(struct wire_ether) + l3_length(g) + sizeof(struct wire_tcp));
	for (uint32_t i = 0; i < g->size_count; i++) {
		uint16_t least = (uint16_t)(g->header_length + sizeof(struct mark));
		if (g->sizes[i] < least)
			g->sizes[i] = least;
		write_template(g, g->frames[i], g->sizes[i]);
	}
}

static void
start_device(struct generator *g)
{
	const struct rte_eth_conf conf = {0};
	g->pool = rte_pktmbuf_pool_create(
		"load", BUFFERS, 256, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	if (!g->pool)
		bench_fail("load_generator: no memory for packet buffers");
	if (!rte_eth_dev_is_valid_port(DEVICE) || rte_eth_dev_configure(DEVICE, 1, 1, &conf) < 0 ||
		rte_eth_rx_queue_setup(DEVICE, 0, RING, (unsigned)SOCKET_ID_ANY, NULL, g->pool) <
			0 ||
		rte_eth_tx_queue_setup(DEVICE, 0, RING, (unsigned)SOCKET_ID_ANY, NULL) < 0 ||
		rte_eth_dev_start(DEVICE) < 0)
		bench_fail("load_generator: the device does not start");
	rte_eth_promiscuous_enable(DEVICE);
}

static void
wait_for_link(void)
{
	for (int ms = 0; ms < LINK_WAIT_MS; ms += 10) {
		struct rte_eth_link link = {0};
		if (rte_eth_link_get_nowait(DEVICE, &link) == 0 && link.link_status)
			return;
		rte_delay_us_sleep(10000);
	}
	bench_fail("load_generator: no link within %d ms", LINK_WAIT_MS);
}

int
main(int argc, char **argv)
{
	int used = rte_eal_init(argc, argv);
	if (used < 0)
		return 1;
	static struct generator g;
	parse_options(&g, argc - used, argv + used);
	start_device(&g);
	puts("ready");
	fflush(stdout);
	double rate, seconds;
	while (scanf("%lf %lf", &rate, &seconds) == 2) {
		wait_for_link();
		struct trial t = run_trial(&g, rate, seconds);
		printf("%lu %lu %lu\n", t.offered, t.sent, t.received);
		fflush(stdout);
	}
	rte_eth_dev_stop(DEVICE);
	rte_eth_dev_close(DEVICE);
	rte_eal_cleanup();
	return 0;
}
