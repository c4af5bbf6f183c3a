/* SPDX-License-Identifier: BSD-3-Clause */
#include "probe_path.h"

#include <errno.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bounds.h"
#include "choose.h"
#include "daemon.h"
#include "fleet.h"
#include "icmp.h"
#include "kernelpath.h"
#include "log.h"
#include "parse.h"
#include "probe_device.h"
#include "probe_source.h"
#include "probe_vips.h"
#include "probe_ways.h"
#include "wrap.h"

/* What is written in front of a packet: a tunnel's header, Ethernet with a VLAN tag. */
#define ROOM_BYTES (ENCAP_HEADER_MAX + sizeof(struct wire_ether) + sizeof(struct wire_vlan))
#define READ_BURST 64 /* then others get their turn */
/* The data plane takes one hop off what it forwards. */
#define SOCKET_HOPS (PROBE_PATH_HOPS + 1)

struct probe_path {
	struct daemon *daemon;
	struct event_base *loop;
	struct probe_device device;
	struct event *readable; /* of the device; NULL: it is not open */
	struct probe_ways *ways;
	struct probe_vips *vips; /* NULL: not made yet */
	struct probe_sources sources;
	struct probe_path_counters counters;
	uint8_t buffer[ROOM_BYTES + MTU_MAX];
};

/* Who is to be probed, and what it is to be asked. */
struct question {
	const struct tables *tables;
	uint32_t pool, place; /* of the backend in the pool */
	struct probe_vip vip;
	struct ip_addr source;
};

/* Packets from the device to a port */

/* The number by which a packet's probe is known; false if none can be. */
static bool
number_of(const struct packet *pk, const uint8_t *frame, uint16_t *number)
{
	*number = pk->sport;
	if (pk->proto == IPPROTO_TCP || pk->proto == IPPROTO_UDP)
		return pk->fragment == FRAGMENT_NONE;
	bool is_icmp = pk->proto == IPPROTO_ICMP || pk->proto == IPPROTO_ICMPV6;
	bool is_ping = is_icmp && icmp_kind(pk) == ICMP_ECHO_REQUEST;
	const struct wire_icmp *icmp = (const void *)(frame + pk->l4_offset);
	*number = is_ping ? (uint16_t)wire_u32(icmp->rest) : 0;
	return is_ping && pk->fragment == FRAGMENT_NONE;
}

/* Whose probe the packet in `frame` belongs to; NULL: nobody's. */
static const struct probe_way *
way_of(const struct probe_path *path, const uint8_t *frame, uint32_t length, struct packet *pk)
{
	uint16_t number;
	if (parse_l3(frame, length, length, pk) != PARSE_OK ||
		parse_l4(frame, length, length, pk) != PARSE_OK || pk->ttl <= 1 ||
		!number_of(pk, frame, &number))
		return NULL;
	return probe_ways_find(path->ways, &pk->src, number, pk->proto);
}

/* Sends it the way that the data plane sends a packet of that service to this backend. Returns the
 * counter of how that went. */
static uint64_t *
send_packet(
	struct probe_path *path, const struct probe_way *way, const struct packet *pk, uint8_t *l3)
{
	struct daemon *d = path->daemon;
	const struct tables *t = snapshot_tables(d->publish.snapshot, 0);
	if (!tables_is(t, way->backend, way->generation) || !t->backends[way->backend].encap->wrap)
		return &path->counters.gone;
	const struct tables_backend *backend = &t->backends[way->backend];
	uint64_t slot = atomic_load_explicit(&t->slots[backend->slot], memory_order_acquire);
	if (!l2_slot_resolved(slot) || way->service >= t->service_limit)
		return &path->counters.gone;
	const struct tables_port *port = &t->ports[l2_slot_port(slot)];
	if (pk->l3_length + backend->target.header_length > port->mtu)
		return &path->counters.too_big;
	uint64_t hash = choose_hash(&t->key, &t->service[way->service], pk);
	l2_decrement_ttl(l3, pk->family);
	uint8_t *start = wrap_bytes(l3, pk->l3_length, pk->family, pk->tos, backend, slot,
		tables_station(port), flow_hash_bucket(hash));
	/* The frame has its VLAN tag already. */
	bool is_sent = kernelpath_send(d->dp.kernelpath, l2_slot_port(slot), KERNELPATH_UNTAGGED,
		start, (uint32_t)(l3 + pk->l3_length - start));
	return is_sent ? &path->counters.sent : &path->counters.no_room;
}

/* `length` bytes that Linux has sent lie behind the room. The parser wants them in a frame. */
static void
take_packet(struct probe_path *path, size_t length)
{
	uint8_t *l3 = path->buffer + ROOM_BYTES;
	struct wire_ether *ether = (struct wire_ether *)(void *)(l3 - sizeof(*ether));
	*ether = (struct wire_ether){
		.type = wire_u16(l3[0] >> 4 == 4 ? ETHERTYPE_IP4 : ETHERTYPE_IP6)};
	struct packet pk;
	const struct probe_way *way =
		way_of(path, (const uint8_t *)ether, (uint32_t)(sizeof(*ether) + length), &pk);
	uint64_t *outcome = way ? send_packet(path, way, &pk, l3) : &path->counters.foreign;
	++*outcome;
}

static void
on_readable(evutil_socket_t fd, short what, void *context)
{
	(void)what;
	struct probe_path *path = context;
	for (int i = 0; i < READ_BURST; i++) {
		ssize_t length = read(fd, path->buffer + ROOM_BYTES, MTU_MAX);
		if (length <= 0)
			break;
		take_packet(path, (size_t)length);
	}
}

/* The device */

/* 0 where Linux has no such setting. */
static int
filter_of(const char *interface)
{
	char name[sizeof("/proc/sys/net/ipv4/conf//rp_filter") + IF_NAMESIZE];
	snprintf(name, sizeof(name), "/proc/sys/net/ipv4/conf/%s/rp_filter", interface);
	FILE *file = fopen(name, "re");
	int value = file ? fgetc(file) - '0' : 0;
	if (file)
		fclose(file);
	return value;
}

/* Linux takes the larger of the two; 1 is strict, 2 is loose. */
static void
warn_of_strict_filter(const char *interface)
{
	int all = filter_of("all"), own = filter_of(interface);
	if ((all > own ? all : own) == 1)
		log_warning("%s: rp_filter is strict, so Linux may drop what VIPs answer to health "
			    "checks by the path: net.ipv4.conf.%s.rp_filter=2 lets it in",
			interface, interface);
}

static void
warn_of_strict_filters(const struct dataplane *dp)
{
	for (uint32_t i = 0; i < dp->port_count; i++) {
		const struct dataplane_port *port = &dp->ports[i];
		if (port->kernel_interface)
			warn_of_strict_filter(port->kernel_interface);
		for (uint32_t v = 0; v < port->vlan_count; v++)
			warn_of_strict_filter(port->vlans[v].interface);
	}
}

/* So small that what Linux puts into it fits through every port once it is wrapped, if IPv6 allows
 * that. */
static uint16_t
device_mtu(const struct dataplane *dp)
{
	uint16_t mtu = MTU_MAX;
	for (uint32_t i = 0; i < dp->port_count; i++)
		if (dp->ports[i].mtu < mtu)
			mtu = dp->ports[i].mtu;
	return mtu < MTU_MIN + ENCAP_HEADER_MAX ? MTU_MIN : (uint16_t)(mtu - ENCAP_HEADER_MAX);
}

static int
open_device(struct probe_path *path, struct error *err)
{
	if (path->readable)
		return 0;
	const struct dataplane *dp = &path->daemon->dp;
	int rc = probe_device_open(&path->device, device_mtu(dp), err);
	if (rc < 0)
		return error_prefix(err, rc, "health checks by the path");
	path->readable =
		event_new(path->loop, path->device.fd, EV_READ | EV_PERSIST, on_readable, path);
	if (!path->readable || event_add(path->readable, NULL) < 0) {
		if (path->readable)
			event_free(path->readable);
		path->readable = NULL;
		probe_device_close(&path->device);
		return error_set(err, -ENOMEM, "health checks by the path: not enough memory");
	}
	log_notice("health checks by the path leave Linux through %s, mark %#x%s",
		path->device.name, path->device.mark,
		path->device.has_ipv6 ? "" : "; IPv4 only, since Linux has no IPv6 there");
	warn_of_strict_filters(dp);
	return 0;
}

/* The question */

/* One that others can answer to, and whose answers come to Linux. */
static bool
is_source(const struct tables *tables, const struct ip_addr *source)
{
	return !addr_is_martian(source) && !service_table_vip(&tables->services, source);
}

static bool
find_source(struct probe_path *path, const struct question *q, const struct ip_addr *backend,
	const struct ip_addr *vip, struct ip_addr *source)
{
	if (addr_is_v4(backend) == addr_is_v4(vip) &&
		probe_source_towards(&path->sources, backend, source) &&
		is_source(q->tables, source))
		return true;
	return probe_source_towards(&path->sources, vip, source) && is_source(q->tables, source);
}

static int
compare_pool(const void *name, const void *element)
{
	return strcmp(name, ((const struct config_pool *)element)->name);
}

static int
compare_backend(const void *name, const void *element)
{
	return strcmp(name, ((const struct config_backend *)element)->name);
}

static bool
find_target(const struct config *config, const struct health_target *target, struct question *q)
{
	const struct config_pool *pool = bsearch(target->pool, config->pools, config->pool_count,
		sizeof(*config->pools), compare_pool);
	const struct config_backend *backend =
		pool ? bsearch(target->backend, pool->backends, pool->backend_count,
			       sizeof(*pool->backends), compare_backend)
		     : NULL;
	if (!backend)
		return false;
	q->pool = (uint32_t)(pool - config->pools);
	q->place = (uint32_t)(backend - pool->backends);
	return true;
}

/* Those of the configuration in force. NULL when memory is out. */
static const struct probe_vips *
current_vips(struct probe_path *path)
{
	const struct snapshot *snapshot = path->daemon->publish.snapshot;
	if (path->vips && probe_vips_config(path->vips) == snapshot_config(snapshot))
		return path->vips;
	probe_vips_destroy(path->vips);
	path->vips = probe_vips_create(snapshot_share_config(snapshot));
	return path->vips;
}

/* How many probes of this backend were good: by them it goes from VIP to VIP. */
static uint64_t
good_probes(const struct probe_path *path, const struct health_target *target)
{
	struct health_report report;
	const struct health *health = fleet_health(path->daemon->fleet);
	if (!health || !health_report(health, target->pool, target->backend, &report))
		return 0;
	return report.probes - report.failures;
}

/* Fills in *q. A VIP of a family that Linux has no source of is passed over. */
static int
find_question(struct probe_path *path, const struct health_target *target, struct question *q,
	struct error *err)
{
	const struct snapshot *snapshot = path->daemon->publish.snapshot;
	q->tables = snapshot_tables(snapshot, 0);
	const struct probe_vips *vips = current_vips(path);
	if (!vips)
		return error_set(err, -ENOMEM, "no path: not enough memory");
	if (!find_target(snapshot_config(snapshot), target, q))
		return error_set(err, -ENOENT, "no path: the configuration has no such backend");
	uint32_t count;
	const struct probe_vip *list = probe_vips_of(vips, q->pool, &count);
	uint64_t first = good_probes(path, target);
	bool lacks_v4 = false, lacks_v6 = !path->device.has_ipv6;
	for (uint32_t i = 0; i < count; i++) {
		const struct probe_vip *vip = &list[(first + i) % count];
		bool *lacks = addr_is_v4(&vip->address) ? &lacks_v4 : &lacks_v6;
		if (*lacks)
			continue;
		q->vip = *vip;
		if (find_source(path, q, &target->address, &vip->address, &q->source))
			return 0;
		*lacks = true;
	}
	return error_set(err, -EADDRNOTAVAIL,
		"no path: Linux has no address to ask from, of the family of a VIP");
}

/* The hooks */

static int
path_family(void *context, const struct health_target *target)
{
	struct question q;
	struct error err;
	/* What is wrong is asked for again, and said, by path_prepare. */
	if (open_device(context, &err) < 0 || find_question(context, target, &q, &err) < 0)
		return AF_INET;
	return addr_is_v4(&q.vip.address) ? AF_INET : AF_INET6;
}

/* Whether the backend can be reached; what it is in the tables, into *way. */
static int
find_way(
	struct probe_path *path, const struct question *q, struct probe_way *way, struct error *err)
{
	const struct snapshot *snapshot = path->daemon->publish.snapshot;
	way->backend = snapshot_backend_index(snapshot, q->pool, q->place);
	way->service = snapshot_service_number(snapshot, q->vip.service);
	const struct tables_backend *backend = &q->tables->backends[way->backend];
	if (!backend->encap)
		return error_set(err, -EHOSTUNREACH, "no path: the backend is disabled");
	way->generation = backend->generation;
	struct nexthop_info info;
	char why[256];
	if (!nexthop_info(path->daemon->nexthops, backend->slot, &info))
		return error_set(err, -ENETUNREACH, "no path: the backend has no next hop");
	/* The word decides, as for the data plane: a neighbour that is asked anew keeps its MAC. */
	if (!l2_slot_resolved(info.slot))
		return error_set(err,
			info.problem == NEXTHOP_NEIGHBOUR_FAILED ? -EHOSTUNREACH : -ENETUNREACH,
			"no path: %s", nexthop_explain(&info, why, sizeof(why)));
	/* Linux would take its own address before it asks any rule, and answer itself. */
	struct ip_addr source;
	if (probe_source_towards(&path->sources, &q->vip.address, &source) &&
		addr_equal(&source, &q->vip.address)) {
		char vip[ADDR_TEXT_MAX];
		return error_set(err, -EADDRINUSE,
			"no path: the VIP %s is an address of this machine",
			addr_format(&q->vip.address, vip));
	}
	return 0;
}

/* Bound to the source, marked, and with few hops to go. Tells the port that it got. */
static int
set_socket(const struct probe_path *path, const struct question *q, int fd, uint16_t *port,
	struct error *err)
{
	struct sockaddr_storage at;
	socklen_t length = probe_source_to_socket(&q->source, 0, &at);
	char source[ADDR_TEXT_MAX];
	int hops = SOCKET_HOPS, rc;
	if (at.ss_family == AF_INET)
		rc = setsockopt(fd, IPPROTO_IP, IP_TTL, &hops, sizeof(hops));
	else
		rc = setsockopt(fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, &hops, sizeof(hops));
	if (rc < 0 || setsockopt(fd, SOL_SOCKET, SO_MARK, &path->device.mark,
			      sizeof(path->device.mark)) < 0)
		return error_set(
			err, -errno, "no path: the socket takes no mark: %s", strerror(errno));
	struct ip_addr bound;
	if (bind(fd, (struct sockaddr *)&at, length) < 0 ||
		!probe_source_of_socket(fd, &bound, port))
		return error_set(err, -errno, "no path: no port of %s: %s",
			addr_format(&q->source, source), strerror(errno));
	return 0;
}

static int
path_prepare(void *context, const struct health_target *target, int fd, int protocol,
	uint16_t sequence, struct sockaddr_storage *destination, uint32_t *cookie,
	struct error *err)
{
	struct probe_path *path = context;
	struct question q;
	struct probe_way way = {.proto = (uint8_t)protocol};
	int rc = open_device(path, err);
	if (rc == 0)
		rc = find_question(path, target, &q, err);
	if (rc == 0)
		rc = find_way(path, &q, &way, err);
	if (rc == 0)
		rc = set_socket(path, &q, fd, &way.number, err);
	if (rc < 0)
		return rc;
	way.source = q.source;
	if (protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMPV6)
		way.number = sequence;
	*cookie = probe_ways_begin(path->ways, &way);
	if (*cookie == 0)
		return error_set(err, -ENOBUFS, "no path: too many probes are under way");
	probe_source_to_socket(&q.vip.address, target->port, destination);
	return 0;
}

static void
path_forget(void *context, uint32_t cookie)
{
	struct probe_path *path = context;
	probe_ways_end(path->ways, cookie);
}

struct health_path
probe_path_hooks(struct probe_path *path)
{
	return (struct health_path){
		.family = path_family,
		.prepare = path_prepare,
		.forget = path_forget,
		.context = path,
	};
}

/* Life */

static bool
is_wanted(const struct config *config)
{
	for (uint32_t p = 0; p < config->pool_count; p++) {
		const struct config_health *health = &config->pools[p].health;
		if (health->type != HEALTH_NONE && health->via == HEALTH_VIA_PATH)
			return true;
	}
	return false;
}

int
probe_path_create(
	struct probe_path **out, struct daemon *daemon, struct event_base *loop, struct error *err)
{
	struct probe_path *path = calloc(1, sizeof(*path));
	if (!path)
		return error_set(err, -ENOMEM, "health checks by the path: not enough memory");
	path->daemon = daemon;
	path->loop = loop;
	path->ways = probe_ways_create(HEALTH_WAYS_MAX);
	int rc = path->ways
			 ? 0
			 : error_set(err, -ENOMEM, "health checks by the path: not enough memory");
	if (rc == 0 && is_wanted(snapshot_config(daemon->publish.snapshot)))
		rc = open_device(path, err);
	if (rc < 0) {
		probe_path_destroy(path);
		return rc;
	}
	*out = path;
	return 0;
}

void
probe_path_destroy(struct probe_path *path)
{
	if (!path)
		return;
	if (path->readable)
		event_free(path->readable);
	probe_device_close(&path->device);
	probe_vips_destroy(path->vips);
	probe_ways_destroy(path->ways);
	free(path);
}

struct probe_path_counters
probe_path_counters(const struct probe_path *path)
{
	return path->counters;
}

const char *
probe_path_device(const struct probe_path *path)
{
	return path->readable ? path->device.name : NULL;
}
