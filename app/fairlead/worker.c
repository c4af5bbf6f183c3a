/* SPDX-License-Identifier: BSD-3-Clause */
#include "worker.h"

#include <sys/prctl.h>
#include <time.h>

#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_pause.h>

/* Empty turns of the loop before a worker rests: some microseconds, longer than the gaps between the
 * bursts of a link that is worth the name. */
#define IDLE_TURNS 256

/* In this time a link of 10 Gbit/s brings at most 744 frames: fewer than the queue of a port holds. */
#define IDLE_SLEEP_NS 50000

static inline bool
ordered(const atomic_bool *flag)
{
	return atomic_load_explicit(flag, memory_order_relaxed);
}

/* The monotonic clock, about once a millisecond: ticks and meters need no better. */
static inline void
read_clock(struct worker *w, uint64_t tsc)
{
	if (__builtin_expect(tsc - w->clock_read_at < w->clock_period, 1))
		return;
	w->clock_read_at = tsc;
	w->pipeline.now = mono_now();
	w->pipeline.tick = flow_tick(w->pipeline.now);
}

/* Sends what is staged for `port`; what the queue has no room for is dropped by name. */
static void
send_staged(struct worker *w, uint8_t port)
{
	struct worker_out *out = &w->out[port];
	if (out->count == 0)
		return;
	uint16_t sent = rte_eth_tx_burst(
		w->orders->dpdk_ports[port], w->id, out->mbufs, (uint16_t)out->count);
	for (uint32_t i = sent; i < out->count; i++) {
		w->burst.exit[out->places[i]] = EXIT_DROP_TX_FULL;
		rte_pktmbuf_free(out->mbufs[i]);
	}
	out->count = 0;
}

/* A packet that goes in fragments: after those that are staged, so that a port's order holds, and at
 * once, since it is rare. */
static void
send_in_fragments(struct worker *w, const struct tables *tables, uint32_t place)
{
	struct burst *b = &w->burst;
	struct rte_mbuf *pieces[SPLIT_PIECES_MAX];
	send_staged(w, b->out_port[place]);
	unsigned count = pipeline_split(&w->pipeline, tables, b, place, pieces);
	uint16_t sent = rte_eth_tx_burst(
		w->orders->dpdk_ports[b->out_port[place]], w->id, pieces, (uint16_t)count);
	if (count == 0)
		b->exit[place] = EXIT_DROP_NO_BUFFER;
	else if (sent < count)
		b->exit[place] = EXIT_DROP_TX_FULL;
	for (unsigned i = sent; i < count; i++)
		rte_pktmbuf_free(pieces[i]);
	rte_pktmbuf_free(b->mbufs[place]);
}

static void
punt(struct worker *w, uint8_t port, uint32_t place)
{
	struct burst *b = &w->burst;
	enum kernelpath_class class =
		b->exit[place] == EXIT_PUNTED_CONTROL ? KERNELPATH_CONTROL : KERNELPATH_OTHER;
	if (kernelpath_to_kernel(w->orders->kernelpath, port, class, &b->mbufs[place], 1) == 1)
		return;
	b->exit[place] = EXIT_DROP_PUNT_FULL;
	rte_pktmbuf_free(b->mbufs[place]);
}

/* A fragment that came before its first. */
static void
hold(struct worker *w, uint8_t port, uint32_t place)
{
	static const enum exit exits[] = {
		[FRAGMENT_HELD] = EXIT_HELD,
		[FRAGMENT_NO_ROOM] = EXIT_DROP_FRAGMENT_NO_ROOM,
		[FRAGMENT_TOO_MANY_OF_ONE] = EXIT_DROP_FRAGMENT_TOO_MANY,
	};
	struct burst *b = &w->burst;
	b->exit[place] = (uint8_t)exits[fragment_hold(
		w->fragments, b->mbufs[place], b->hash[place], port, w->pipeline.now)];
	if (b->exit[place] != EXIT_HELD)
		rte_pktmbuf_free(b->mbufs[place]);
}

/* The usual burst, all of which goes out by one port: it need not be sorted. */
static void
send_whole(struct worker *w)
{
	struct burst *b = &w->burst;
	uint16_t sent = rte_eth_tx_burst(
		w->orders->dpdk_ports[b->out_port[0]], w->id, b->mbufs, (uint16_t)b->count);
	for (uint32_t i = sent; i < b->count; i++) {
		b->exit[i] = EXIT_DROP_TX_FULL;
		rte_pktmbuf_free(b->mbufs[i]);
	}
}

/* Does what the exits of a burst say. */
static void
dispatch(struct worker *w, const struct tables *tables, uint8_t port)
{
	struct burst *b = &w->burst;
	if (__builtin_expect(burst_is_sent_whole(b), 1)) {
		send_whole(w);
		return;
	}
	for (uint32_t i = 0; i < b->count; i++) {
		if (__builtin_expect(b->exit[i] == EXIT_HELD, 0)) {
			hold(w, port, i);
			continue;
		}
		switch (exit_kind(b->exit[i])) {
		case EXIT_KIND_SENT:
		case EXIT_KIND_ANSWERED: {
			if (b->exit[i] == EXIT_SENT_IN_FRAGMENTS) {
				send_in_fragments(w, tables, i);
				break;
			}
			struct worker_out *out = &w->out[b->out_port[i]];
			out->mbufs[out->count] = b->mbufs[i];
			out->places[out->count++] = (uint8_t)i;
			break;
		}
		case EXIT_KIND_PUNTED:
			punt(w, port, i);
			break;
		default:
			rte_pktmbuf_free(b->mbufs[i]);
		}
	}
	for (uint32_t p = 0; p < w->orders->port_count; p++)
		send_staged(w, (uint8_t)p);
}

/* From exits to an account that is settled. */
static void
finish_burst(struct worker *w, const struct tables *tables, uint8_t port)
{
	dispatch(w, tables, port);
	pipeline_settle(&w->pipeline, &w->burst);
}

/* Fragments that have waited: on their way when their first has come, dropped when their time is over. */
static void
release_fragments(struct worker *w, const struct tables *tables)
{
	struct fragment_held held[BURST_MAX];
	struct burst *b = &w->burst;
	unsigned ready = fragment_take_ready(
		w->fragments, w->pipeline.notes, w->pipeline.tick, held, BURST_MAX);
	for (unsigned i = 0; i < ready; i++) {
		b->count = 1;
		b->mbufs[0] = held[i].frame;
		b->resumed = &held[i].note;
		pipeline_burst(&w->pipeline, tables, held[i].port, b);
		/* The backend that its note names has gone. Held again, it would come again with
		 * every turn of the loop, for as long as the note lives. */
		if (b->exit[0] == EXIT_HELD)
			b->exit[0] = EXIT_DROP_NO_BACKEND;
		finish_burst(w, tables, held[i].port);
	}
	b->resumed = NULL;
	unsigned late = fragment_take_expired(w->fragments, w->pipeline.now, held, BURST_MAX);
	b->count = late;
	for (unsigned i = 0; i < late; i++)
		b->mbufs[i] = held[i].frame;
	if (late > 0) {
		pipeline_refuse(b, EXIT_DROP_FRAGMENT_TIMEOUT);
		finish_burst(w, tables, 0);
	}
}

static void
poll_port(struct worker *w, const struct tables *tables, uint8_t port, uint64_t tsc)
{
	struct burst *b = &w->burst;
	b->count = rte_eth_rx_burst(w->orders->dpdk_ports[port], w->id, b->mbufs, BURST_MAX);
	if (b->count == 0)
		return;
	w->empty_turns = 0;
	pipeline_burst(&w->pipeline, tables, port, b);
	finish_burst(w, tables, port);
	counter_add(&w->pipeline.counters->bursts, 1);
	counter_add(&w->pipeline.counters->busy_cycles, rte_rdtsc() - tsc);
}

/* Frames that Linux sends: each port's are served by one worker, in their order. */
static void
poll_kernel(struct worker *w, uint8_t port)
{
	struct rte_mbuf *frames[BURST_MAX];
	unsigned count = kernelpath_from_kernel(w->orders->kernelpath, port, frames, BURST_MAX);
	if (count == 0)
		return;
	w->empty_turns = 0;
	uint16_t sent =
		rte_eth_tx_burst(w->orders->dpdk_ports[port], w->id, frames, (uint16_t)count);
	counter_add(&w->pipeline.counters->kernel_sent, sent);
	if (sent < count) {
		counter_add(&w->pipeline.counters->kernel_tx_full, count - sent);
		rte_pktmbuf_free_bulk(&frames[sent], count - sent);
	}
}

/* After a turn of the loop that may have found nothing. */
static inline void
rest(struct worker *w)
{
	if (__builtin_expect(w->empty_turns++ < IDLE_TURNS, 1) || w->orders->idle == IDLE_POLL)
		return;
	if (w->orders->idle == IDLE_SLEEP) {
		static const struct timespec nap = {.tv_nsec = IDLE_SLEEP_NS};
		nanosleep(&nap, NULL);
	} else {
		rte_pause();
	}
}

int
worker_run(void *arg)
{
	struct worker *w = arg;
	struct worker_orders *orders = w->orders;
	while (!ordered(&orders->go) && !ordered(&orders->shutdown))
		rte_pause();
	/* The kernel would add 50 us of its own to a nap. */
	prctl(PR_SET_TIMERSLACK, 1);
	publish_join(orders->publish, w->id);
	while (!ordered(&orders->shutdown)) {
		const struct tables *tables = publish_tables(orders->publish, w->node);
		for (uint32_t port = 0; port < orders->port_count; port++) {
			uint64_t tsc = rte_rdtsc();
			read_clock(w, tsc);
			poll_port(w, tables, (uint8_t)port, tsc);
			if (port % orders->worker_count == w->id)
				poll_kernel(w, (uint8_t)port);
		}
		if (__builtin_expect(fragment_held_count(w->fragments) > 0, 0))
			release_fragments(w, tables);
		counter_add(&w->pipeline.counters->polls, 1);
		publish_quiescent(orders->publish, w->id);
		rest(w);
	}
	publish_leave(orders->publish, w->id);
	return 0;
}
