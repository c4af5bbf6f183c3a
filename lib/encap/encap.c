/* SPDX-License-Identifier: BSD-3-Clause */
#include "encap.h"

#include "wire.h"

const struct encap *const encap_all[] = {
	&encap_l2, &encap_ipip, &encap_gre, &encap_gue, &encap_vxlan, &encap_kernel, NULL};

const struct encap *
encap_find(const char *name)
{
	for (const struct encap *const *encap = encap_all; *encap; encap++)
		if (strcmp((*encap)->name, name) == 0)
			return *encap;
	return NULL;
}

uint16_t
encap_ethertype(const struct encap_packet *packet, const struct encap_target *target)
{
	uint8_t family = target->family ? target->family : packet->inner_family;
	return family == 4 ? ETHERTYPE_IP4 : ETHERTYPE_IP6;
}
