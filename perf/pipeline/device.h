/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A device in memory, behind rte_eth_rx_burst and rte_eth_tx_burst like any other: frames lie ready
 * in buffers, and receiving and sending do to a buffer what a driver does, no more.
 *
 *   frames ring:  | buffer, length | buffer, length | …    16 bytes each, as a descriptor
 *   receive:      reads 16 bytes of the ring, writes the buffer's receive fields (rearm word, length,
 *                 type, flags)
 *   transmit:     reads address, length and flags of the buffer, writes 16 bytes to the sent ring
 *
 * No buffer is freed: what was sent is received again in the next run. So moving frames from
 * receiving to sending with nothing in between is the floor, testpmd's `io`: what the forwarder
 * takes beyond that is its own.
 *
 * The clock of a queue starts with the first poll of a run and stops with the one that finds nothing
 * more; when that has happened to every queue, workers are told to come back. Writing the frames lies
 * outside of that.
 * A queue belongs to one worker.
 */
#ifndef FAIRLEAD_DEVICE_H
#define FAIRLEAD_DEVICE_H

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <rte_mbuf.h>

#define DEVICE_PORT	  0 /* DPDK's number of it */
#define DEVICE_QUEUES	  2
#define DEVICE_FRAMES_MAX 4096 /* of one run; a power of two */

struct device_frame {
	struct rte_mbuf *buffer;
	uint32_t length; /* bytes, without FCS */
	uint32_t unused;
};
static_assert(sizeof(struct device_frame) == 16, "a descriptor");

struct device_sent {
	const void *start;
	uint32_t length;
	uint32_t flags;
};

/* Of the queues that take part in a run. */
struct device_run {
	atomic_uint unfinished; /* queues */
	atomic_bool *done;	/* set when there is none any more */
};

struct device_queue {
	struct device_frame frames[DEVICE_FRAMES_MAX]; /* what is to be received */
	struct device_sent sent[DEVICE_FRAMES_MAX];
	uint32_t frame_count, received, sent_count;
	uint64_t rearm;		 /* the word that makes a buffer plain again */
	uint64_t started, ended; /* TSC; 0: not yet */
	struct device_run *run;
};

/* Makes the queues and puts them in place of whatever DPDK has under DEVICE_PORT. Buffers that will be
 * received all come from one pool; `any` is one of them. */
void device_create(struct rte_mbuf *any);

extern struct device_queue *device_queues[DEVICE_QUEUES];

/* Before a run: `count` frames lie in queue->frames. */
void device_rewind(struct device_queue *queue, uint32_t count, struct device_run *run);

/* testpmd's `io`: every burst received is sent again at once. */
void device_run_io(uint16_t queue);

/* Bytes of all frames that the run has sent. */
uint64_t device_bytes_sent(const struct device_queue *queue);

/* Cycles of the run. */
static inline uint64_t
device_cycles(const struct device_queue *queue)
{
	return queue->ended - queue->started;
}

#endif
