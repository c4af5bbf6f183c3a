/* SPDX-License-Identifier: BSD-3-Clause */
#include "device.h"

#include <rte_ethdev.h>

#include "bench.h"
#include "bounds.h"
#include "memory.h"

struct device_queue *device_queues[DEVICE_QUEUES];

/* The word of a buffer fresh from its pool. */
static uint64_t
rearm_word(struct rte_mbuf *buffer)
{
	uint64_t word;
	rte_pktmbuf_reset(buffer);
	buffer->port = DEVICE_PORT;
	memcpy(&word, &buffer->rearm_data, sizeof(word));
	return word;
}

static uint16_t
receive(void *context, struct rte_mbuf **buffers, uint16_t room)
{
	struct device_queue *q = context;
	if (q->started == 0)
		q->started = bench_read_tsc();
	uint32_t left = q->frame_count - q->received;
	uint16_t count = left < room ? (uint16_t)left : room;
	const struct device_frame *frames = &q->frames[q->received];
	for (uint32_t i = 0; i < count; i++) {
		struct rte_mbuf *m = frames[i].buffer;
		memcpy(&m->rearm_data, &q->rearm, sizeof(q->rearm));
		m->ol_flags = 0;
		m->packet_type = 0;
		m->pkt_len = frames[i].length;
		m->data_len = (uint16_t)frames[i].length;
		m->vlan_tci = 0;
		m->hash.rss = 0;
		buffers[i] = m;
	}
	q->received += count;
	if (count == 0 && q->ended == 0) {
		q->ended = bench_read_tsc();
		if (atomic_fetch_sub(&q->run->unfinished, 1) == 1)
			atomic_store(q->run->done, true);
	}
	return count;
}

static uint16_t
transmit(void *context, struct rte_mbuf **buffers, uint16_t count)
{
	struct device_queue *q = context;
	for (uint32_t i = 0; i < count; i++) {
		const struct rte_mbuf *m = buffers[i];
		q->sent[q->sent_count++ & (DEVICE_FRAMES_MAX - 1)] = (struct device_sent){
			.start = (const char *)m->buf_addr + m->data_off,
			.length = m->data_len,
			.flags = (uint32_t)m->ol_flags,
		};
	}
	return count;
}

void
device_create(struct rte_mbuf *any)
{
	static void *data[DEVICE_QUEUES], *no_callbacks[DEVICE_QUEUES];
	for (int i = 0; i < DEVICE_QUEUES; i++) {
		data[i] = device_queues[i] = memory_map(sizeof(*device_queues[i]));
		device_queues[i]->rearm = rearm_word(any);
	}
	rte_eth_fp_ops[DEVICE_PORT] = (struct rte_eth_fp_ops){
		.rx_pkt_burst = receive,
		.rxq = {.data = data, .clbk = no_callbacks},
		.tx_pkt_burst = transmit,
		.txq = {.data = data, .clbk = no_callbacks},
	};
}

void
device_rewind(struct device_queue *queue, uint32_t count, struct device_run *run)
{
	queue->frame_count = count;
	queue->received = queue->sent_count = 0;
	queue->started = queue->ended = 0;
	queue->run = run;
}

void
device_run_io(uint16_t queue)
{
	struct rte_mbuf *buffers[BURST_MAX];
	uint16_t count;
	while ((count = rte_eth_rx_burst(DEVICE_PORT, queue, buffers, BURST_MAX)) > 0)
		rte_eth_tx_burst(DEVICE_PORT, queue, buffers, count);
}

uint64_t
device_bytes_sent(const struct device_queue *queue)
{
	uint64_t bytes = 0;
	for (uint32_t i = 0; i < queue->sent_count; i++)
		bytes += queue->sent[i & (DEVICE_FRAMES_MAX - 1)].length;
	return bytes;
}
