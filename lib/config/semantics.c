/* SPDX-License-Identifier: BSD-3-Clause */
#include "semantics.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "schema.h"

/* What the checks share. `scratch` goes when they are done. */
struct check {
	const struct config *config;
	const struct node *pools, *services; /* their children are config's elements, one to one */
	struct arena *scratch;
	struct report *report;
};

/* A name and where it is from, for finding equal ones by sorting. */
struct named {
	const char *name;
	uint32_t index;
};

static int
compare_named(const void *a, const void *b)
{
	const struct named *x = a, *y = b;
	int order = strcmp(x->name, y->name);
	return order != 0 ? order : (x->index > y->index) - (x->index < y->index);
}

/*
 * Reports every name but the first of equals. `names` is sorted. `list` has the objects, of which
 * `key` is the member that is compared.
 */
static void
check_names_differ(struct report *report, struct named *names, size_t count,
	const struct node *list, const char *key, const char *wanted)
{
	qsort(names, count, sizeof(*names), compare_named);
	for (size_t i = 1; i < count; i++)
		if (strcmp(names[i].name, names[i - 1].name) == 0)
			report_member(report, REPORT_ERROR, list->children[names[i].index], key,
				"wanted %s, got \"%s\" again", wanted, names[i].name);
}

/* Names of `count` structs of `bytes` each, at `offset` in them; those not read are left out. */
static struct named *
gather_names(struct arena *arena, const void *elements, size_t count, size_t bytes, size_t offset,
	size_t *gathered)
{
	struct named *names = arena_array(arena, count, sizeof(*names));
	*gathered = 0;
	for (size_t i = 0; names && i < count; i++) {
		const char *element = (const char *)elements + i * bytes;
		const char *name = *(const char *const *)(element + offset);
		if (name)
			names[(*gathered)++] = (struct named){name, (uint32_t)i};
	}
	return names;
}

static int
check_member_differs(struct check *c, const struct node *list, const void *elements, size_t count,
	size_t bytes, size_t offset, const char *key, const char *wanted)
{
	size_t gathered;
	struct named *names = gather_names(c->scratch, elements, count, bytes, offset, &gathered);
	if (!names)
		return -ENOMEM;
	check_names_differ(c->report, names, gathered, list, key, wanted);
	return 0;
}

static void
check_vlan_ids(struct check *c, const struct config_port *port, const struct node *node)
{
	const struct node *list = document_member(node, "vlans");
	for (uint32_t i = 1; i < port->vlan_count; i++)
		for (uint32_t j = 0; j < i; j++)
			if (port->vlans[i].id != 0 && port->vlans[i].id == port->vlans[j].id) {
				report_member(c->report, REPORT_ERROR, list->children[i], "id",
					"wanted a VLAN that the port does not have yet, got %u "
					"again",
					port->vlans[i].id);
				break;
			}
}

/* What goes through the port's kernel interface, or is Linux's where VLANs end. */
static void
check_needs_interface(struct check *c, const struct config_port *port, const struct node *node)
{
	static const char wanted[] = "wanted a kernel_interface of the port, got none";
	if (port->kernel_interface || document_member(node, "kernel_interface"))
		return;
	if (port->answer_neighbours)
		report_member(c->report, REPORT_ERROR, node, "answer_neighbours", wanted);
	if (port->vlan_count > 0)
		report_member(c->report, REPORT_ERROR, node, "vlans", wanted);
}

/* Kernel interfaces seen so far, in the file's order: of ports and their VLANs. */
struct interfaces {
	const char *names[PORTS_MAX * (1 + VLANS_PER_PORT_MAX)];
	uint32_t count;
};

static bool
has_interface(const struct interfaces *seen, const char *name)
{
	for (uint32_t i = 0; i < seen->count; i++)
		if (strcmp(seen->names[i], name) == 0)
			return true;
	return false;
}

static void
check_interface(
	struct check *c, struct interfaces *seen, const char *name, const struct node *owner)
{
	if (!name)
		return;
	if (has_interface(seen, name))
		report_member(c->report, REPORT_ERROR, owner, "kernel_interface",
			"wanted an interface that no other port or VLAN has, got \"%s\" again",
			name);
	seen->names[seen->count++] = name;
}

static void
check_interfaces(struct check *c, const struct node *list, const struct node *announce)
{
	const struct config *config = c->config;
	struct interfaces seen = {.count = 0};
	for (uint32_t i = 0; i < config->port_count; i++) {
		const struct config_port *port = &config->ports[i];
		const struct node *vlans = document_member(list->children[i], "vlans");
		check_interface(c, &seen, port->kernel_interface, list->children[i]);
		for (uint32_t v = 0; v < port->vlan_count; v++)
			check_interface(
				c, &seen, port->vlans[v].kernel_interface, vlans->children[v]);
	}
	if (config->announce_interface && has_interface(&seen, config->announce_interface))
		report_member(c->report, REPORT_ERROR, announce, "interface",
			"wanted an interface that no port or VLAN has, got \"%s\"",
			config->announce_interface);
}

static int
check_ports(struct check *c, const struct node *root)
{
	const struct config *config = c->config;
	const struct node *list = document_member(document_member(root, "dataplane"), "ports");
	static const struct {
		size_t offset;
		const char *key, *wanted;
	} unique[] = {
		{offsetof(struct config_port, name), "name", "a name that no other port has"},
		{offsetof(struct config_port, device), "device", "a device that no other port has"},
	};
	for (size_t i = 0; i < sizeof(unique) / sizeof(unique[0]); i++) {
		int rc = check_member_differs(c, list, config->ports, config->port_count,
			sizeof(struct config_port), unique[i].offset, unique[i].key,
			unique[i].wanted);
		if (rc < 0)
			return rc;
	}
	for (uint32_t i = 0; i < config->port_count; i++) {
		check_vlan_ids(c, &config->ports[i], list->children[i]);
		check_needs_interface(c, &config->ports[i], list->children[i]);
	}
	check_interfaces(c, list, document_member(root, "announce"));
	return 0;
}

/* An address and where it is from. */
struct placed_address {
	struct ip_addr address;
	uint32_t owner, index; /* service and VIP, or 0 and backend */
};

static int
compare_placed(const void *a, const void *b)
{
	const struct placed_address *x = a, *y = b;
	int order = addr_compare(&x->address, &y->address);
	if (order != 0)
		return order;
	if (x->owner != y->owner)
		return x->owner < y->owner ? -1 : 1;
	return (x->index > y->index) - (x->index < y->index);
}

static bool
is_read(const struct ip_addr *address)
{
	return address->halves[0] != 0 || address->halves[1] != 0;
}

/* Two names for one instance would double its share, unseen. */
static int
check_backend_addresses(struct check *c, const struct config_pool *pool, const struct node *list)
{
	struct placed_address *placed =
		arena_array(c->scratch, pool->backend_count, sizeof(*placed));
	if (!placed)
		return -ENOMEM;
	size_t count = 0;
	for (uint32_t i = 0; i < pool->backend_count; i++)
		if (is_read(&pool->backends[i].address))
			placed[count++] = (struct placed_address){pool->backends[i].address, 0, i};
	qsort(placed, count, sizeof(*placed), compare_placed);
	for (size_t i = 1; i < count; i++) {
		if (!addr_equal(&placed[i].address, &placed[i - 1].address))
			continue;
		char text[ADDR_TEXT_MAX];
		report_member(c->report, REPORT_ERROR, list->children[placed[i].index], "address",
			"wanted an address that no other backend of the pool has, got %s again",
			addr_format(&placed[i].address, text));
	}
	return 0;
}

/* What one family of a tunnel's outer header needs. */
static void
check_outer_source(
	struct check *c, const struct config_pool *pool, const struct node *node, bool v4)
{
	const struct node *forward = document_member(node, "forward");
	const struct node *backends = document_member(node, "backends");
	const char *key = v4 ? "source4" : "source6";
	const struct encap_settings *settings = &pool->forward.settings;
	bool has = v4 ? settings->has_source4 : settings->has_source6;
	const struct ip_prefix *source = v4 ? &settings->source4 : &settings->source6;
	char text[ADDR_TEXT_MAX];
	for (uint32_t i = 0; i < pool->backend_count; i++) {
		const struct ip_addr *address = &pool->backends[i].address;
		if (!is_read(address) || addr_is_v4(address) != v4)
			continue;
		if (!has) {
			if (!document_member(forward, key)) /* else it is there, and wrong */
				report_member(c->report, REPORT_ERROR, forward, key,
					"wanted the outer source for backends such as %s, got "
					"nothing",
					addr_format(address, text));
			return;
		}
		if (prefix_contains(source, address))
			report_member(c->report, REPORT_WARNING, backends->children[i], "address",
				"%s lies in %s: tunnelled packets may carry it as their source",
				addr_format(address, text), key);
	}
}

/* A field that only some modes have, in a pool whose mode is known. */
static void
check_mode_field(struct check *c, const struct config_pool *pool, const struct node *node,
	const struct field *field)
{
	const struct node *forward = document_member(node, "forward");
	const char *mode = pool->forward.mode;
	const struct field_mode *own = schema_field_mode(field, mode);
	bool given = document_member(forward, field->key);
	char wanted[FIELD_TEXT_MAX];
	if (given && !own)
		report_member(c->report, REPORT_ERROR, forward, field->key,
			"wanted no %s with mode \"%s\", got one", field->key, mode);
	else if (!given && own && own->need == NEED_REQUIRED)
		report_member(c->report, REPORT_ERROR, forward, field->key,
			"wanted %s with mode \"%s\", got nothing", field_wanted(field, wanted),
			mode);
	else if (own && own->need == NEED_BY_FAMILY)
		check_outer_source(c, pool, node, field->type == &type_prefix4);
}

static void
check_forward(struct check *c, const struct config_pool *pool, const struct node *node)
{
	const struct node *given = document_member(document_member(node, "forward"), "mode");
	const char *mode = pool->forward.mode;
	if (!mode || (given && (given->kind != NODE_STRING || strcmp(given->string, mode) != 0)))
		return; /* it could not be read, which has been said */
	for (const struct field *field = schema_forward.fields; field->key; field++)
		if (field->modes)
			check_mode_field(c, pool, node, field);
}

static void
check_health(struct check *c, const struct config_pool *pool, const struct node *node)
{
	const struct config_health *health = &pool->health;
	const struct node *member = document_member(node, "health");
	if (!member || member->kind != NODE_OBJECT)
		return;
	if (health->type == HEALTH_TCP && document_member(member, "path"))
		report_member(c->report, REPORT_ERROR, member, "path",
			"wanted no path with type \"tcp\", got one");
	if (health->timeout_ms > health->interval_ms)
		report_member(c->report, REPORT_ERROR, member, "timeout_ms",
			"wanted at most interval_ms, which is %u, got %u", health->interval_ms,
			health->timeout_ms);
	report_value(c->report, REPORT_WARNING, member,
		"this version does not check backends: every active one counts as healthy");
}

static void
check_weights(struct check *c, const struct config_pool *pool, const struct node *node)
{
	for (uint32_t i = 0; i < pool->backend_count; i++)
		if (pool->backends[i].state == BACKEND_ACTIVE && pool->backends[i].weight > 0)
			return;
	if (pool->backend_count > 0)
		report_member(c->report, REPORT_WARNING, node, "backends",
			"none is active with a weight above 0: new flows are dropped");
}

static int
check_pools(struct check *c)
{
	uint64_t backends = 0;
	for (uint32_t i = 0; i < c->config->pool_count; i++) {
		const struct config_pool *pool = &c->config->pools[i];
		const struct node *node = c->pools->children[i];
		const struct node *list = document_member(node, "backends");
		backends += pool->backend_count;
		check_forward(c, pool, node);
		check_health(c, pool, node);
		check_weights(c, pool, node);
		if (check_member_differs(c, list, pool->backends, pool->backend_count,
			    sizeof(struct config_backend), offsetof(struct config_backend, name),
			    "name", "a name that no other backend of the pool has") < 0 ||
			check_backend_addresses(c, pool, list) < 0)
			return -ENOMEM;
	}
	if (backends > BACKENDS_MAX)
		report_value(c->report, REPORT_ERROR, c->pools,
			"wanted at most %u backends in all pools, got %llu", BACKENDS_MAX,
			(unsigned long long)backends);
	return 0;
}

static int
check_pool_names(struct check *c)
{
	const struct config *config = c->config;
	if (!config->pools)
		return 0; /* they could not be read, which has been said */
	size_t count;
	struct named *pools = gather_names(c->scratch, config->pools, config->pool_count,
		sizeof(struct config_pool), offsetof(struct config_pool, name), &count);
	if (!pools)
		return -ENOMEM;
	qsort(pools, count, sizeof(*pools), compare_named);
	for (uint32_t i = 0; i < config->service_count; i++) {
		const char *name = config->services[i].pool_name;
		size_t low = 0, high = count;
		while (name && low < high) {
			size_t middle = (low + high) / 2;
			if (strcmp(pools[middle].name, name) < 0)
				low = middle + 1;
			else
				high = middle;
		}
		if (name && (low == count || strcmp(pools[low].name, name) != 0))
			report_member(c->report, REPORT_ERROR, c->services->children[i], "pool",
				"wanted the name of a pool in /pools, got \"%s\"", name);
	}
	return 0;
}

/* Backends whose address is a VIP would have their packets come back to the edge for ever. */
static int
check_vips_are_no_backends(struct check *c)
{
	const struct config *config = c->config;
	size_t room = 0, count = 0;
	for (uint32_t s = 0; s < config->service_count; s++)
		room += config->services[s].vip_count;
	struct placed_address *vips = arena_array(c->scratch, room, sizeof(*vips));
	if (!vips)
		return -ENOMEM;
	for (uint32_t s = 0; s < config->service_count; s++)
		for (uint32_t v = 0; v < config->services[s].vip_count; v++)
			if (is_read(&config->services[s].vips[v]))
				vips[count++] =
					(struct placed_address){config->services[s].vips[v], s, v};
	qsort(vips, count, sizeof(*vips), compare_placed);
	for (uint32_t p = 0; p < config->pool_count; p++) {
		const struct node *list = document_member(c->pools->children[p], "backends");
		for (uint32_t b = 0; b < config->pools[p].backend_count; b++) {
			const struct ip_addr *address = &config->pools[p].backends[b].address;
			size_t low = 0, high = count;
			while (low < high) {
				size_t middle = (low + high) / 2;
				if (addr_compare(&vips[middle].address, address) < 0)
					low = middle + 1;
				else
					high = middle;
			}
			char text[ADDR_TEXT_MAX];
			if (low < count && addr_equal(&vips[low].address, address))
				report_member(c->report, REPORT_ERROR, list->children[b], "address",
					"wanted an address that is no VIP, got %s",
					addr_format(address, text));
		}
	}
	return 0;
}

/* One service's claim to some ports of a VIP. */
struct claim {
	struct ip_addr vip;
	struct config_port_range range;
	uint32_t service, port, vip_index; /* where it is from */
	uint8_t protocol;
};

static int
compare_claims(const void *a, const void *b)
{
	const struct claim *x = a, *y = b;
	int order = addr_compare(&x->vip, &y->vip);
	if (order != 0)
		return order;
	if (x->protocol != y->protocol)
		return x->protocol < y->protocol ? -1 : 1;
	if (x->range.first != y->range.first)
		return x->range.first < y->range.first ? -1 : 1;
	if (x->service != y->service)
		return x->service < y->service ? -1 : 1;
	if (x->port != y->port)
		return x->port < y->port ? -1 : 1;
	return (x->vip_index > y->vip_index) - (x->vip_index < y->vip_index);
}

/* Which of two comes later in the file: that one is at fault. */
static bool
claim_is_later(const struct claim *a, const struct claim *b)
{
	if (a->service != b->service)
		return a->service > b->service;
	return a->port != b->port ? a->port > b->port : a->vip_index > b->vip_index;
}

static void
report_overlap(struct check *c, const struct claim *a, const struct claim *b)
{
	const struct claim *late = claim_is_later(a, b) ? a : b, *early = late == a ? b : a;
	const struct node *service = c->services->children[late->service];
	char vip[ADDR_TEXT_MAX], got[VALUE_TEXT_MAX];
	addr_format(&late->vip, vip);
	if (late->service == early->service && late->vip_index != early->vip_index) {
		/* The VIP is there twice, so every port clashes: once is enough. */
		if (late->port == 0 && early->port == 0)
			report_value(c->report, REPORT_ERROR,
				document_member(service, "vips")->children[late->vip_index],
				"wanted each VIP once, got %s again", vip);
		return;
	}
	if (late->service == early->service && late->vip_index > 0)
		return; /* the same for every VIP: the first one tells */
	const struct node *port = document_member(service, "ports")->children[late->port];
	const char *owner = c->config->services[early->service].name;
	report_value(c->report, REPORT_ERROR, port,
		"wanted ports of %s/%s that are not taken, got %s, which %s%s has", vip,
		late->protocol == IPPROTO_TCP ? "tcp" : "udp", report_got(got, c->report, port),
		late->service == early->service ? "this " : "",
		late->service == early->service ? "service"
		: owner				? owner
						: "another service");
}

/* Fills `claims` if it is not NULL. Returns how many there are. */
static size_t
gather_claims(const struct config *config, struct claim *claims)
{
	size_t count = 0;
	for (uint32_t s = 0; s < config->service_count; s++) {
		const struct config_service *service = &config->services[s];
		if (service->protocol == 0)
			continue;
		if (!claims) {
			count += (size_t)service->vip_count * service->port_count;
			continue;
		}
		for (uint32_t v = 0; v < service->vip_count; v++) {
			for (uint32_t p = 0; p < service->port_count; p++) {
				if (!is_read(&service->vips[v]) || service->ports[p].last == 0)
					continue;
				claims[count++] = (struct claim){
					.vip = service->vips[v],
					.range = service->ports[p],
					.service = s,
					.port = p,
					.vip_index = v,
					.protocol = service->protocol,
				};
			}
		}
	}
	return count;
}

/* Ranges of one VIP, sorted: how many, against what an entry of the service table can count. */
static void
check_ranges_of_vips(struct check *c, const struct claim *claims, size_t count)
{
	for (size_t first = 0, next; first < count; first = next) {
		next = first + 1;
		while (next < count && addr_equal(&claims[next].vip, &claims[first].vip))
			next++;
		char text[ADDR_TEXT_MAX];
		if (next - first > PORT_RANGES_PER_VIP_MAX)
			report_value(c->report, REPORT_ERROR, c->services,
				"wanted at most %u port ranges on a VIP, got %zu on %s",
				PORT_RANGES_PER_VIP_MAX, next - first,
				addr_format(&claims[first].vip, text));
	}
}

/* (VIP, protocol, port) must mean one service. */
static int
check_claims(struct check *c)
{
	size_t room = gather_claims(c->config, NULL);
	if (room > SERVICE_RULES_MAX) {
		report_value(c->report, REPORT_ERROR, c->services,
			"wanted at most %u pairs of a VIP and a port range, got %zu",
			SERVICE_RULES_MAX, room);
		return 0;
	}
	struct claim *claims = arena_array(c->scratch, room, sizeof(*claims));
	if (!claims)
		return -ENOMEM;
	size_t count = gather_claims(c->config, claims);
	qsort(claims, count, sizeof(*claims), compare_claims);
	/* `widest` reaches furthest among those before: who overlaps any of them overlaps it. */
	for (size_t i = 1, widest = 0; i < count; i++) {
		const struct claim *before = &claims[widest], *claim = &claims[i];
		bool same_vip = before->protocol == claim->protocol &&
				addr_equal(&before->vip, &claim->vip);
		if (same_vip && claim->range.first <= before->range.last)
			report_overlap(c, before, claim);
		if (!same_vip || claim->range.last > before->range.last)
			widest = i;
	}
	check_ranges_of_vips(c, claims, count);
	return 0;
}

static int
check_services(struct check *c)
{
	if (check_member_differs(c, c->services, c->config->services, c->config->service_count,
		    sizeof(struct config_service), offsetof(struct config_service, name), "name",
		    "a name that no other service has") < 0)
		return -ENOMEM;
	return check_pool_names(c);
}

int
semantics_check(const struct config *config, const struct node *root, struct report *report)
{
	struct check c = {
		.config = config,
		.pools = document_member(root, "pools"),
		.services = document_member(root, "services"),
		.scratch = arena_create(ARENA_ANY_NODE),
		.report = report,
	};
	if (!c.scratch)
		return -ENOMEM;
	int rc = check_ports(&c, root);
	if (rc == 0)
		rc = check_pools(&c);
	if (rc == 0)
		rc = check_services(&c);
	if (rc == 0)
		rc = check_vips_are_no_backends(&c);
	if (rc == 0)
		rc = check_claims(&c);
	if (config->has_announce)
		report_value(report, REPORT_WARNING, document_member(root, "announce"),
			"this version does not announce: no routes are put up");
	arena_destroy(c.scratch);
	return rc;
}
