/* SPDX-License-Identifier: BSD-3-Clause */
#include "control.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>

#include "commands.h"
#include "control_socket.h"
#include "fleet.h"
#include "log.h"
#include "metrics.h"
#include "reload.h"

#define TICK_MS	   1000
#define RECLAIM_MS 10

/* A worker's time, as of the last tick. */
struct busy {
	uint64_t cycles, tsc;
	double percent;
};

struct control {
	struct event_base *loop;
	struct event *terminate, *interrupt, *hangup, *go;
	struct event *netlink;
	struct event *tick, *sweep, *reclaim, *announce;
	struct control_socket *socket;
	struct metrics *metrics;
	struct busy busy[WORKERS_MAX];
};

static void
on_terminate(evutil_socket_t signal_number, short what, void *context)
{
	(void)what;
	struct daemon *d = context;
	log_notice("%s: stopping", strsignal((int)signal_number));
	event_base_loopbreak(d->control->loop);
}

static void
on_hangup(evutil_socket_t signal_number, short what, void *context)
{
	(void)signal_number;
	(void)what;
	struct daemon *d = context;
	struct reload_result result;
	struct error err;
	/* The log and `fairctl status` say what came of it. */
	reload(d, &(struct reload_order){.by = "SIGHUP"}, &result, &err);
	reload_result_free(&result);
}

static void
on_go(evutil_socket_t signal_number, short what, void *context)
{
	(void)signal_number;
	(void)what;
	struct daemon *d = context;
	log_notice("workers poll");
	atomic_store(&d->dp.orders.go, true);
}

static void
on_netlink(evutil_socket_t fd, short what, void *context)
{
	(void)fd;
	(void)what;
	struct daemon *d = context;
	nexthop_receive(d->nexthops, mono_now());
}

static void
on_tick(evutil_socket_t fd, short what, void *context)
{
	(void)fd;
	(void)what;
	struct daemon *d = context;
	struct mono now = mono_now();
	reload_tick(d, now);
	nexthop_tick(d->nexthops, now);
	flow_file_touch(d->flow_file, now);
	fragment_notes_sweep(d->dp.notes, flow_tick(now));
	if (atomic_load(&d->dp.orders.go))
		announcer_tick(&d->announcer, snapshot_tables(d->publish.snapshot, 0));
	for (uint32_t i = 0; i < d->dp.worker_count; i++) {
		struct busy *busy = &d->control->busy[i];
		uint64_t tsc = rte_rdtsc();
		uint64_t cycles = counter_read(&d->dp.counters[i]->busy_cycles);
		if (busy->tsc)
			busy->percent =
				100.0 * (double)(cycles - busy->cycles) / (double)(tsc - busy->tsc);
		busy->cycles = cycles;
		busy->tsc = tsc;
	}
}

static void
on_sweep(evutil_socket_t fd, short what, void *context)
{
	(void)fd;
	(void)what;
	struct daemon *d = context;
	sweep_step(&d->sweep, snapshot_tables(d->publish.snapshot, 0), mono_now());
}

static void
on_reclaim(evutil_socket_t fd, short what, void *context)
{
	(void)fd;
	(void)what;
	struct daemon *d = context;
	publish_reclaim(&d->publish);
}

static void
on_announce(evutil_socket_t fd, short what, void *context)
{
	(void)fd;
	(void)what;
	struct daemon *d = context;
	announcer_step(&d->announcer, snapshot_tables(d->publish.snapshot, 0), mono_now());
}

double
control_busy_percent(const struct control *control, uint32_t worker)
{
	return control->busy[worker].percent;
}

static struct event *
every(struct daemon *d, uint32_t ms, event_callback_fn callback)
{
	struct timeval interval = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
	struct event *event = event_new(d->control->loop, -1, EV_PERSIST, callback, d);
	if (event)
		event_add(event, &interval);
	return event;
}

static struct event *
on_signal(struct daemon *d, int signal_number, event_callback_fn callback)
{
	struct event *event = evsignal_new(d->control->loop, signal_number, callback, d);
	if (event)
		event_add(event, NULL);
	return event;
}

static int
arm(struct daemon *d, struct error *err)
{
	struct control *c = d->control;
	c->terminate = on_signal(d, SIGTERM, on_terminate);
	c->interrupt = on_signal(d, SIGINT, on_terminate);
	c->hangup = on_signal(d, SIGHUP, on_hangup);
	c->go = on_signal(d, SIGUSR1, on_go);
	c->netlink =
		event_new(c->loop, nexthop_fd(d->nexthops), EV_READ | EV_PERSIST, on_netlink, d);
	c->tick = every(d, TICK_MS, on_tick);
	c->sweep = every(d, SWEEP_INTERVAL_MS, on_sweep);
	c->reclaim = every(d, RECLAIM_MS, on_reclaim);
	c->announce = every(d, ANNOUNCER_INTERVAL_MS, on_announce);
	if (!c->terminate || !c->interrupt || !c->hangup || !c->go || !c->netlink || !c->tick ||
		!c->sweep || !c->reclaim || !c->announce || event_add(c->netlink, NULL) < 0)
		return error_set(err, -ENOMEM, "not enough memory for the event loop");
	return 0;
}

int
control_open(struct daemon *daemon, struct error *err)
{
	const struct config *config = snapshot_config(daemon->publish.snapshot);
	struct control *c = calloc(1, sizeof(*c));
	daemon->control = c;
	if (!c || !(c->loop = event_base_new()))
		return error_set(err, -ENOMEM, "not enough memory for the event loop");
	/* A client that goes away is an error of write, not of the process. */
	signal(SIGPIPE, SIG_IGN);
	int rc = arm(daemon, err);
	if (rc == 0)
		rc = fleet_start(daemon->fleet, c->loop, err);
	if (rc == 0)
		rc = control_socket_open(&c->socket, c->loop, config->control_socket,
			config->control_socket_mode, config->control_socket_group, commands_handle,
			daemon, err);
	if (rc == 0 && config->control_metrics)
		rc = metrics_open(&c->metrics, daemon, c->loop, config->control_metrics, err);
	return rc;
}

void
control_run(struct daemon *daemon)
{
	event_base_dispatch(daemon->control->loop);
}

void
control_close(struct daemon *daemon)
{
	struct control *c = daemon->control;
	if (!c)
		return;
	metrics_close(c->metrics);
	control_socket_close(c->socket);
	fleet_stop(daemon->fleet);
	struct event *events[] = {c->terminate, c->interrupt, c->hangup, c->go, c->netlink, c->tick,
		c->sweep, c->reclaim, c->announce};
	for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++)
		if (events[i])
			event_free(events[i]);
	if (c->loop)
		event_base_free(c->loop);
	free(c);
	daemon->control = NULL;
}
