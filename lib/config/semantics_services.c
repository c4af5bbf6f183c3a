/* SPDX-License-Identifier: BSD-3-Clause */
/* Services: their pools are there, their VIPs are no backends, and no two claim the same. */
#include "semantics_parts.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "semantics.h"

/* A probe by the pool's path is sent to a VIP, which a service must lend. */
static void
check_paths_have_vips(struct check *c, const bool *is_used)
{
	for (uint32_t p = 0; p < c->config->pool_count; p++)
		if (c->config->pools[p].health.via == HEALTH_VIA_PATH && !is_used[p])
			report_member(c->report, REPORT_ERROR,
				document_member(c->pools->children[p], "health"), "via",
				"wanted \"address\" in a pool that no service uses, so that there "
				"is "
				"no VIP to probe, got \"path\"");
}

static int
check_pool_names(struct check *c)
{
	const struct config *config = c->config;
	if (!config->pools)
		return 0; /* they could not be read, which has been said */
	bool *is_used = arena_array(c->scratch, config->pool_count, sizeof(*is_used));
	if (!is_used)
		return -ENOMEM;
	bool all_known = config->services != NULL;
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
		bool found = name && low < count && strcmp(pools[low].name, name) == 0;
		all_known &= found;
		if (found)
			is_used[pools[low].index] = true;
		else if (name)
			report_member(c->report, REPORT_ERROR, c->services->children[i], "pool",
				"wanted the name of a pool in /pools, got \"%s\"", name);
	}
	if (all_known) /* else a service that could not be read may be the one */
		check_paths_have_vips(c, is_used);
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
			if (address_is_read(&config->services[s].vips[v]))
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
				if (!address_is_read(&service->vips[v]) ||
					service->ports[p].last == 0)
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

int
check_services(struct check *c)
{
	if (check_member_differs(c, c->services, c->config->services, c->config->service_count,
		    sizeof(struct config_service), offsetof(struct config_service, name), "name",
		    "a name that no other service has") < 0)
		return -ENOMEM;
	int rc = check_pool_names(c);
	if (rc == 0)
		rc = check_vips_are_no_backends(c);
	return rc == 0 ? check_claims(c) : rc;
}
