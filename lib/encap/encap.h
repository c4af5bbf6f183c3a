/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Ways to a backend. Each is one `struct encap`: a name, what it adds, how a backend's header is
 * prepared, how a packet is wrapped. The packet path calls through it and knows none by name.
 *
 *   before:            | headroom …            | inner IP packet (l3_length) | padding
 *   after l2:          | …                     | inner IP packet             |
 *                                              ^ outer
 *   after ipip:        | … | outer IP (20, 40) | inner IP packet             |
 *                          ^ outer
 *   after the others:  | … | outer IP | own    | inner IP packet             |
 *                          ^ outer
 *
 * Afterwards the caller puts the Ethernet header in front of `outer`: that is the same for all.
 *
 * Adding an encapsulation touches five places:
 *   1. its file here, beside ipip.c, and its line in lib/meson.build
 *   2. its line in encap_all[], encap.c, and its declaration below
 *   3. its name and fields in config/schema_forward.c; a new field is also a member of struct
 *      encap_settings (base)
 *   4. its unit test, rows in tests/unit/test_tunnels.c
 *   5. its capture, a file in tests/packet/cases/
 *
 * prepare: control only, when a snapshot is built. wrap: workers; touches only the packet and its
 * frozen target.
 */
#ifndef FAIRLEAD_ENCAP_H
#define FAIRLEAD_ENCAP_H

#include <stdbool.h>

#include "addr.h"
#include "encap_settings.h"

/* The longest prepared header, which is vxlan's: IPv6, UDP, VXLAN, Ethernet. */
#define ENCAP_HEADER_MAX (40 + 8 + 8 + 14)

/*
 * What wrapping needs to know of a backend: frozen in the snapshot, one per backend. The header
 * comes last: what every mode reads lies in one cache line with what stands before the target.
 */
struct encap_target {
	uint32_t checksum_sum; /* folded, of an IPv4 header whose varying fields are 0 */
	uint32_t entropy_mask; /* low bits of the outer source that vary; host order */
	uint8_t header_length; /* 0 for l2 */
	uint8_t family;	       /* of the outer header: 4, 6; 0 for l2 */
	uint8_t tos_mask;      /* bits of the inner DSCP and ECN that are copied */
	/* What goes in front of the inner packet, with everything that does not vary. */
	uint8_t header[ENCAP_HEADER_MAX];
};

/* One packet on its way through wrap. */
struct encap_packet {
	uint8_t *inner;	      /* in: the inner IP header, TTL already decremented */
	uint16_t l3_length;   /* in: bytes of the inner packet */
	uint8_t inner_family; /* in: 4 or 6 */
	uint8_t tos;	      /* in: inner DSCP and ECN */
	uint32_t entropy;     /* in: bits of the flow hash */
	uint8_t *outer;	      /* out: start of the outermost IP header, at or before inner */
};

/* IPv4 and IPv6 inside may differ in the outer protocol. */
#define ENCAP_PROTOS_MAX 2

struct encap {
	const char *name; /* the configuration's "mode" */
	/* What its outer IP headers name as what follows; 0: no more. UDP is to settings->port. */
	uint8_t protos[ENCAP_PROTOS_MAX];
	/* 0; -EINVAL if the settings lack an outer source of the backend's family. */
	int (*prepare)(struct encap_target *target, const struct encap_settings *settings,
		const struct ip_addr *backend);
	/* The caller has made sure that target->header_length bytes before `inner` are writable,
	 * and that the wrapped packet is no longer than the MTU. */
	/* NULL: the instance is on this box; its packets go to Linux as they are. */
	void (*wrap)(struct encap_packet *packet, const struct encap_target *target);
};

extern const struct encap encap_l2, encap_ipip, encap_gre, encap_gue, encap_vxlan, encap_kernel;

/* NULL-terminated, in the order in which documentation lists them. */
extern const struct encap *const encap_all[];

/* NULL if there is none of that name. */
const struct encap *encap_find(const char *name);

#endif
