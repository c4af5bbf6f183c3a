/* SPDX-License-Identifier: BSD-3-Clause */
#include "punt.h"

#include <netinet/in.h>

#include "parse.h"
#include "vlan.h"
#include "wire.h"

#define ETHERTYPE_ARP  0x0806
#define ETHERTYPE_SLOW 0x8809 /* LACP, IEEE 802.3 annex 57A */
#define ETHERTYPE_LLDP 0x88cc

#define PROTO_OSPF 89
#define PROTO_VRRP 112

#define PORT_BGP	  179
#define PORT_BFD	  3784 /* RFC 5881, 4 */
#define PORT_BFD_MULTIHOP 4784 /* RFC 5883, 5 */

#define ND_FIRST 133 /* router solicitation, RFC 4861, 4 */
#define ND_LAST	 137 /* redirect */

static bool
is_link_control(const uint8_t *frame, const struct packet *pk)
{
	/* Behind the last tag, or the MAC addresses. */
	size_t end = sizeof(struct wire_ether) + pk->vlan_tags * sizeof(struct wire_vlan);
	const struct wire_vlan *last = (const void *)(frame + end - sizeof(*last));
	uint16_t type = wire_u16(last->type);
	return type == ETHERTYPE_ARP || type == ETHERTYPE_SLOW || type == ETHERTYPE_LLDP;
}

/* `pk` as parse_l4 left it. */
static bool
is_ip_control(const struct packet *pk)
{
	switch (pk->proto) {
	case IPPROTO_TCP:
		return pk->dport == PORT_BGP || pk->sport == PORT_BGP;
	case IPPROTO_UDP:
		return pk->dport == PORT_BFD || pk->dport == PORT_BFD_MULTIHOP;
	case IPPROTO_ICMPV6:
		return pk->icmp_type >= ND_FIRST && pk->icmp_type <= ND_LAST;
	case PROTO_OSPF:
	case PROTO_VRRP:
		return true;
	default:
		return false;
	}
}

enum exit
punt_exit(struct punt_meter *meter, const struct tables *tables, uint8_t port, const uint8_t *frame,
	uint32_t available, uint32_t frame_length, const struct packet *pk, bool is_ip,
	struct mono now)
{
	bool control = false;
	if (vlan_is_served(&tables->ports[port], frame, pk)) {
		struct packet whole = *pk;
		if (!is_ip) {
			control = is_link_control(frame, pk);
		} else if (parse_l4(frame, available, frame_length, &whole) == PARSE_OK) {
			if (outer_source_is(tables->outer_sources, tables->outer_source_count,
				    &whole.src, whole.proto, whole.dport))
				return EXIT_DROP_OWN_ENCAPSULATION;
			control = is_ip_control(&whole);
		}
	}
	if (!tables->ports[port].has_kernel_path)
		return EXIT_DROP_NO_KERNEL_PATH;
	struct token_bucket *bucket = control ? &meter->control[port] : &meter->other[port];
	uint32_t rate = control ? tables->punt_control_pps : tables->punt_other_pps;
	if (!token_bucket_take(bucket, rate, now))
		return EXIT_DROP_PUNT_METERED;
	return control ? EXIT_PUNTED_CONTROL : EXIT_PUNTED_OTHER;
}
