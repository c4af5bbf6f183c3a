/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Direct server return by MAC rewrite: the IP packet goes to the backend as it is, and only the
 * Ethernet header, which every mode gets, is new. The backend holds the VIP on its loopback.
 */
#include "encap.h"

static int
l2_prepare(struct encap_target *target, const struct encap_settings *settings,
	const struct ip_addr *backend)
{
	(void)settings;
	(void)backend;
	*target = (struct encap_target){0};
	return 0;
}

static void
l2_wrap(struct encap_packet *packet, const struct encap_target *target)
{
	(void)target;
	packet->outer = packet->inner;
}

const struct encap encap_l2 = {
	.name = "l2",
	.prepare = l2_prepare,
	.wrap = l2_wrap,
};
