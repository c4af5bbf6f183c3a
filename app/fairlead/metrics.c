/* SPDX-License-Identifier: BSD-3-Clause */
#include "metrics.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/http.h>
#include <event2/util.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fleet.h"
#include "openmetrics.h"
#include "reload.h"

#define HEADER_BYTES_MAX 8192
#define TIMEOUT_S	 10
#define QUEUE_MAX	 128 /* connections that wait to be accepted */

struct metrics {
	struct evhttp *http;
	struct daemon *daemon;
};

static uint32_t
count_backends(const struct config *config)
{
	uint32_t count = 0;
	for (uint32_t p = 0; p < config->pool_count; p++)
		count += config->pools[p].backend_count;
	return count;
}

static bool
is_healthy(const struct daemon *d, const struct config_pool *pool, uint32_t backend)
{
	const struct health *health = fleet_health(d->fleet);
	struct mono since;
	enum health_verdict verdict =
		health ? health_verdict(health, pool->name, pool->backends[backend].name, &since)
		       : HEALTH_UNCHECKED;
	return verdict == HEALTH_UP || verdict == HEALTH_UNCHECKED;
}

static void
fill_backends(const struct daemon *d, struct openmetrics_backend *out)
{
	const struct snapshot *snapshot = d->publish.snapshot;
	const struct config *config = snapshot_config(snapshot);
	const l2_slot *slots = nexthop_slots(d->nexthops);
	for (uint32_t p = 0; p < config->pool_count; p++)
		for (uint32_t b = 0; b < config->pools[p].backend_count; b++) {
			uint16_t index = snapshot_backend_index(snapshot, p, b);
			uint32_t slot = snapshot_backend_slot(snapshot, p, b);
			struct standing standing = snapshot_standing(snapshot, p, b);
			*out++ = (struct openmetrics_backend){
				.pool = config->pools[p].name,
				.name = config->pools[p].backends[b].name,
				.index = index,
				.flows = d->sweep.last.by_backend[index],
				.next_hop_resolved = l2_slot_resolved(atomic_load(&slots[slot])),
				.healthy = is_healthy(d, &config->pools[p], b),
				.draining = standing.kind == STANDING_DRAIN ||
					    standing.kind == STANDING_DRAINED,
				.in_panic = standing.in_panic,
				.weight = standing.weight,
			};
		}
}

/* The whole page, in memory: NULL when that is out. */
static char *
render(const struct daemon *d, size_t *bytes)
{
	const struct config *config = snapshot_config(d->publish.snapshot);
	uint32_t backend_count = count_backends(config);
	struct openmetrics_service *services = calloc(config->service_count + 1, sizeof(*services));
	struct openmetrics_backend *backends = calloc(backend_count + 1, sizeof(*backends));
	char *text = NULL;
	FILE *out = services && backends ? open_memstream(&text, bytes) : NULL;
	if (out) {
		for (uint32_t i = 0; i < config->service_count; i++)
			services[i] = (struct openmetrics_service){config->services[i].name,
				snapshot_service_number(d->publish.snapshot, i)};
		fill_backends(d, backends);
		struct nexthop_counters hops = nexthop_counters(d->nexthops);
		const struct reload_state state = reload_state(d);
		const struct health *health = fleet_health(d->fleet);
		struct health_counters checks =
			health ? health_counters(health) : (struct health_counters){0};
		struct openmetrics_gauges gauges = {
			.flow_entries = d->sweep.last.live,
			.flow_capacity = d->flow_capacity,
			.configuration_generation = reload_generation(d),
			.configuration_unconfirmed = state.waits,
			.configuration_reload_refused =
				state.last && state.last->outcome >= RELOAD_REFUSED,
			.snapshot_generation = snapshot_generation(d->publish.snapshot),
			.next_hops_resolved = hops.resolved,
			.next_hops_unresolved = hops.unresolved,
			.health_probes = checks.probes,
			.health_probe_failures = checks.failures,
		};
		openmetrics_write(out, d->stats, &gauges, services, config->service_count, backends,
			backend_count);
		fclose(out);
	}
	free(services);
	free(backends);
	return text;
}

static void
on_metrics(struct evhttp_request *request, void *context)
{
	const struct metrics *metrics = context;
	size_t bytes;
	char *text = render(metrics->daemon, &bytes);
	struct evbuffer *body = text ? evbuffer_new() : NULL;
	if (body) {
		evbuffer_add(body, text, bytes);
		evhttp_add_header(evhttp_request_get_output_headers(request), "Content-Type",
			OPENMETRICS_CONTENT_TYPE);
		evhttp_send_reply(request, HTTP_OK, "OK", body);
		evbuffer_free(body);
	} else {
		evhttp_send_error(request, HTTP_INTERNAL, NULL);
	}
	free(text);
}

/* A socket that listens on "127.0.0.1:9464" or "[::1]:9464", or a negative errno. libevent would ask
 * getaddrinfo, which knows of no 127.0.0.1 while Linux has no other address: as on a box whose
 * addresses are all on the kernel interfaces that we have just made. */
static int
listen_on(const char *where)
{
	struct sockaddr_storage address;
	int length = sizeof(address);
	if (evutil_parse_sockaddr_port(where, (struct sockaddr *)&address, &length) < 0)
		return -EINVAL;
	int fd = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	int rc = evutil_make_listen_socket_reuseable(fd);
	if (rc == 0)
		rc = bind(fd, (const struct sockaddr *)&address, (socklen_t)length);
	if (rc == 0)
		rc = listen(fd, QUEUE_MAX);
	if (rc == 0)
		return fd;
	rc = -errno;
	close(fd);
	return rc;
}

int
metrics_open(struct metrics **metrics, struct daemon *daemon, struct event_base *loop,
	const char *where, struct error *err)
{
	struct metrics *m = calloc(1, sizeof(*m));
	if (m)
		m->http = evhttp_new(loop);
	if (!m || !m->http) {
		metrics_close(m);
		return error_set(err, -ENOMEM, "not enough memory");
	}
	m->daemon = daemon;
	evhttp_set_allowed_methods(m->http, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD);
	evhttp_set_max_headers_size(m->http, HEADER_BYTES_MAX);
	evhttp_set_max_body_size(m->http, 0);
	evhttp_set_timeout(m->http, TIMEOUT_S);
	evhttp_set_cb(m->http, "/metrics", on_metrics, m);
	int fd = listen_on(where);
	int rc = fd < 0 ? fd : 0;
	if (rc == 0 && evhttp_accept_socket(m->http, fd) < 0) {
		close(fd);
		rc = -ENOMEM;
	}
	if (rc < 0) {
		metrics_close(m);
		return error_set(
			err, rc, "/control/metrics: cannot listen on %s: %s", where, strerror(-rc));
	}
	*metrics = m;
	return 0;
}

void
metrics_close(struct metrics *metrics)
{
	if (!metrics)
		return;
	if (metrics->http)
		evhttp_free(metrics->http);
	free(metrics);
}
