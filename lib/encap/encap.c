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
