/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Mode "kernel": the instance runs on this box. Its packets go to Linux through the kernel interface
 * of the port that they came by, unchanged; the VIP is an address of the box (on its loopback).
 */
#include "encap.h"

static int
kernel_prepare(struct encap_target *target, const struct encap_settings *settings,
	const struct ip_addr *backend)
{
	(void)settings;
	(void)backend;
	*target = (struct encap_target){0};
	return 0;
}

const struct encap encap_kernel = {
	.name = "kernel",
	.prepare = kernel_prepare,
	.wrap = NULL,
};
