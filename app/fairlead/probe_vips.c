/* SPDX-License-Identifier: BSD-3-Clause */
#include "probe_vips.h"

#include <netinet/in.h>
#include <stdlib.h>

struct pool_vips {
	bool has_right_service; /* one of the check's protocol and port */
	uint32_t count;
	struct probe_vip *list;
};

struct probe_vips {
	struct config *config;
	struct pool_vips pools[];
};

static bool
has_port(const struct config_service *service, uint16_t port)
{
	for (uint32_t i = 0; i < service->port_count; i++)
		if (service->ports[i].first <= port && port <= service->ports[i].last)
			return true;
	return false;
}

/* Whether the check asks for this very service. A ping asks for none. */
static bool
is_right(const struct config_service *service, const struct config_health *health)
{
	uint8_t protocol = health->type == HEALTH_DNS ? IPPROTO_UDP : IPPROTO_TCP;
	return health->type != HEALTH_ICMP && service->protocol == protocol &&
	       has_port(service, health->port);
}

/* Whether the VIPs of a service are among those of its pool. */
static bool
is_asked(const struct probe_vips *vips, const struct config_service *service)
{
	const struct config_health *health = &vips->config->pools[service->pool].health;
	return health->type != HEALTH_NONE && health->via == HEALTH_VIA_PATH &&
	       (is_right(service, health) || !vips->pools[service->pool].has_right_service);
}

static int
compare(const void *a, const void *b)
{
	const struct probe_vip *x = a, *y = b;
	int order = addr_compare(&x->address, &y->address);
	return order != 0 ? order : (x->service > y->service) - (x->service < y->service);
}

/* Services may share a VIP. */
static void
sort_out(struct pool_vips *pool)
{
	uint32_t kept = 0;
	if (pool->count > 0)
		qsort(pool->list, pool->count, sizeof(*pool->list), compare);
	for (uint32_t i = 0; i < pool->count; i++)
		if (kept == 0 || !addr_equal(&pool->list[kept - 1].address, &pool->list[i].address))
			pool->list[kept++] = pool->list[i];
	pool->count = kept;
}

static bool
fill(struct probe_vips *vips)
{
	const struct config *config = vips->config;
	for (uint32_t s = 0; s < config->service_count; s++) {
		const struct config_service *service = &config->services[s];
		if (is_right(service, &config->pools[service->pool].health))
			vips->pools[service->pool].has_right_service = true;
	}
	for (uint32_t s = 0; s < config->service_count; s++)
		if (is_asked(vips, &config->services[s]))
			vips->pools[config->services[s].pool].count +=
				config->services[s].vip_count;
	for (uint32_t p = 0; p < config->pool_count; p++) {
		struct pool_vips *pool = &vips->pools[p];
		pool->list = pool->count > 0 ? calloc(pool->count, sizeof(*pool->list)) : NULL;
		if (pool->count > 0 && !pool->list)
			return false;
		pool->count = 0;
	}
	for (uint32_t s = 0; s < config->service_count; s++) {
		const struct config_service *service = &config->services[s];
		struct pool_vips *pool = &vips->pools[service->pool];
		for (uint32_t v = 0; is_asked(vips, service) && v < service->vip_count; v++)
			pool->list[pool->count++] = (struct probe_vip){service->vips[v], s};
	}
	for (uint32_t p = 0; p < config->pool_count; p++)
		sort_out(&vips->pools[p]);
	return true;
}

struct probe_vips *
probe_vips_create(struct config *config)
{
	struct probe_vips *vips =
		calloc(1, sizeof(*vips) + config->pool_count * sizeof(vips->pools[0]));
	if (!vips) {
		config_free(config);
		return NULL;
	}
	vips->config = config;
	if (fill(vips))
		return vips;
	probe_vips_destroy(vips);
	return NULL;
}

void
probe_vips_destroy(struct probe_vips *vips)
{
	if (!vips)
		return;
	for (uint32_t p = 0; p < vips->config->pool_count; p++)
		free(vips->pools[p].list);
	config_free(vips->config);
	free(vips);
}

const struct config *
probe_vips_config(const struct probe_vips *vips)
{
	return vips->config;
}

const struct probe_vip *
probe_vips_of(const struct probe_vips *vips, uint32_t pool, uint32_t *count)
{
	*count = vips->pools[pool].count;
	return vips->pools[pool].list;
}
