/* SPDX-License-Identifier: BSD-3-Clause */
#include "outer_source.h"

#include <netinet/in.h>
#include <stdlib.h>

static int
compare(const struct outer_source *a, const struct outer_source *b)
{
	if (a->proto != b->proto)
		return a->proto < b->proto ? -1 : 1;
	if (a->port != b->port)
		return a->port < b->port ? -1 : 1;
	/* All of one family together: an IPv6 prefix may not stand astride the v4-mapped ones. */
	int family = addr_is_v4(&a->prefix.addr) - addr_is_v4(&b->prefix.addr);
	if (family != 0)
		return family;
	return addr_compare(&a->prefix.addr, &b->prefix.addr);
}

/* Of two that begin with the same address the wider comes first: it holds the other. */
static int
compare_for_sorting(const void *a, const void *b)
{
	const struct outer_source *x = a, *y = b;
	int order = compare(x, y);
	return order != 0 ? order : x->prefix.len - y->prefix.len;
}

static bool
holds(const struct outer_source *source, const struct outer_source *packet)
{
	return source->proto == packet->proto && source->port == packet->port &&
	       prefix_contains(&source->prefix, &packet->prefix.addr);
}

uint32_t
outer_source_add(struct outer_source *all, uint32_t count, const struct encap *encap,
	const struct encap_settings *settings)
{
	for (int i = 0; i < ENCAP_PROTOS_MAX && encap->protos[i] != 0; i++) {
		struct outer_source source = {
			.proto = encap->protos[i],
			.port = encap->protos[i] == IPPROTO_UDP ? settings->port : 0,
		};
		if (settings->has_source4) {
			source.prefix = settings->source4;
			all[count++] = source;
		}
		if (settings->has_source6) {
			source.prefix = settings->source6;
			all[count++] = source;
		}
	}
	return count;
}

uint32_t
outer_source_settle(struct outer_source *all, uint32_t count)
{
	uint32_t kept = 0;
	qsort(all, count, sizeof(*all), compare_for_sorting);
	for (uint32_t i = 0; i < count; i++)
		if (kept == 0 || !holds(&all[kept - 1], &all[i]))
			all[kept++] = all[i];
	return kept;
}

bool
outer_source_is(const struct outer_source *all, uint32_t count, const struct ip_addr *src,
	uint8_t proto, uint16_t port)
{
	const struct outer_source packet = {.prefix.addr = *src, .proto = proto, .port = port};
	uint32_t first = 0;
	/* [0, first) do not come behind the packet; [first + count) does. */
	while (count > 0) {
		uint32_t half = count / 2;
		if (compare(&all[first + half], &packet) <= 0) {
			first += half + 1;
			count -= half + 1;
		} else {
			count = half;
		}
	}
	return first > 0 && holds(&all[first - 1], &packet);
}
