/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * IP in IP: IPv4 or IPv6 (RFC 2003, RFC 2473, RFC 4213) straight inside IPv4 or IPv6. The outer
 * family is the backend's, the inner one the client's.
 */
#include "outer_ip.h"

static int
ipip_prepare(struct encap_target *target, const struct encap_settings *settings,
	const struct ip_addr *backend)
{
	return outer_ip_prepare(target, settings, backend, NULL, 0);
}

static void
ipip_wrap(struct encap_packet *packet, const struct encap_target *target)
{
	outer_ip_write(packet, target, packet->inner, outer_ip_inner_proto(packet));
}

const struct encap encap_ipip = {
	.name = "ipip",
	.protos = {IPPROTO_IPIP, IPPROTO_IPV6},
	.prepare = ipip_prepare,
	.wrap = ipip_wrap,
};
