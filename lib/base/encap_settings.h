/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a pool's "forward" says beside the name of its mode. The configuration decodes into it, and
 * encapsulations prepare their headers from it; neither room knows the other.
 *
 * A field that the mode does not have is absent. One that has a default is there: the
 * configuration fills it in.
 */
#ifndef FAIRLEAD_ENCAP_SETTINGS_H
#define FAIRLEAD_ENCAP_SETTINGS_H

#include "addr.h"

struct encap_settings {
	struct ip_prefix source4, source6; /* outer source; its host part varies with the flow */
	uint32_t key;			   /* gre */
	uint32_t vni;			   /* vxlan; 24 bits */
	uint16_t port;			   /* gue, vxlan: the backend's, for UDP */
	uint8_t variant;		   /* gue: 0 or 1 */
	uint8_t dscp;			   /* of outer headers; 6 bits */
	struct mac_addr inner_destination, inner_source; /* vxlan */

	bool has_source4, has_source6;
	bool has_key;
	bool has_vni;
	bool has_port;
	bool has_variant;
	bool has_dscp; /* else that of the packet inside */
	bool has_inner_destination, has_inner_source;
};

#endif
