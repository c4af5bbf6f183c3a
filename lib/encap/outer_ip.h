/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The outer IP header, the same for every tunnel. Its family is the backend's.
 *
 *   target.header:  | IP (20, 40) | own: what the mode puts between | unused
 *                   <------------- header_length -------------->
 *
 * Fields that need a reason:
 *
 * IPv4 ID and DF. DF is set and the ID is 0. What is too big was seen to before it came here, so
 * the tunnel never needs fragments, and a datagram that will not be fragmented is atomic: its ID
 * means nothing and may have any value (RFC 6864, 4.1). So no counter has to be unique over
 * workers, siblings and restarts.
 *
 * DSCP and ECN are the inner packet's (RFC 2983 uniform, RFC 6040 normal mode), so that congestion
 * marked on the way in is not lost, and marks made within the tunnel reach the backend.
 *
 * Source. Receivers spread packets over their queues by the outer addresses, and with one source
 * all clients of a backend would meet in one queue. So the host part of the configured prefix is
 * filled from the flow's hash. For IPv6 the flow label too varies (RFC 6438), for the routers
 * between.
 *
 * Checksum. It is the prepared header's plus the words that vary, in software also where the NIC could
 * do it (RTE_ETH_TX_OFFLOAD_IPV4_CKSUM). That would save 14 instructions of a packet's ipip header
 * (callgrind: 69 with the inner TTL, 55 with the request in place of the sum; 3 in mode l2), and cost
 * more: the request stands in mbuf.tx_offload, in the second cache line of the buffer, which nothing
 * else on the way of a packet writes; and several drivers have their vector transmit path only
 * for queues that are asked for nothing (DPDK 22.11: i40e takes it if no offload but fast free is
 * set, ixgbe likewise).
 */
#ifndef FAIRLEAD_OUTER_IP_H
#define FAIRLEAD_OUTER_IP_H

#include <netinet/in.h>

#include "checksum.h"
#include "encap.h"
#include "wire.h"

#define OUTER_ENTROPY_BITS    32
#define OUTER_FLOW_LABEL_BITS 20
#define OUTER_OWN_BYTES_MAX   (ENCAP_HEADER_MAX - sizeof(struct wire_ipv6))

/*
 * Fills *target: the IP header, then `own_bytes` (at most OUTER_OWN_BYTES_MAX) that the mode puts
 * behind it. 0; -EINVAL if there is no outer source of the backend's family. Control only.
 */
int outer_ip_prepare(struct encap_target *target, const struct encap_settings *settings,
	const struct ip_addr *backend, const void *own, size_t own_bytes);

static inline size_t
outer_ip_bytes(const struct encap_target *target)
{
	return target->family == 4 ? sizeof(struct wire_ipv4) : sizeof(struct wire_ipv6);
}

/* The mode's own bytes, as prepared, and how many. */
static inline const void *
outer_ip_own(const struct encap_target *target)
{
	return target->header + outer_ip_bytes(target);
}

static inline size_t
outer_ip_own_bytes(const struct encap_target *target)
{
	return target->header_length - outer_ip_bytes(target);
}

/* How the inner packet is called: as an IP protocol number, and as an EtherType in host order. */
static inline uint8_t
outer_ip_inner_proto(const struct encap_packet *packet)
{
	return packet->inner_family == 4 ? IPPROTO_IPIP : IPPROTO_IPV6;
}

static inline uint16_t
outer_ip_inner_ethertype(const struct encap_packet *packet)
{
	return packet->inner_family == 4 ? ETHERTYPE_IP4 : ETHERTYPE_IP6;
}

/*
 * The host part, in host order. The first and the last address of a subnet are not a host's (IPv4:
 * network and broadcast, RFC 1122, 3.2.1.3; IPv6: anycast, RFC 4291, 2.6.1, and RFC 2526), unless
 * it has only the two (RFC 3021, RFC 6164): their share goes to their neighbours.
 */
static inline uint32_t
outer_ip_host_part(uint32_t entropy, uint32_t mask)
{
	uint32_t host = entropy & mask;
	if (mask > 1)
		host = host + (host == 0) - (host == mask);
	return host;
}

/* The checksum is that of the prepared header plus the words that are filled in here. */
static inline uint8_t *
outer_ip_write4(const struct encap_packet *packet, const struct encap_target *target,
	uint8_t *payload, uint16_t payload_bytes, uint8_t proto)
{
	struct wire_ipv4 *ip = (struct wire_ipv4 *)(payload - sizeof(*ip));
	be16 length = wire_u16((uint16_t)(payload_bytes + sizeof(*ip)));
	be32 host = wire_u32(outer_ip_host_part(packet->entropy, target->entropy_mask));

	memcpy(ip, target->header, sizeof(*ip));
	ip->tos = packet->tos;
	ip->total_length = length;
	ip->proto = proto;
	ip->src |= host;
	/* TOS and protocol are the second bytes of their words. */
	uint64_t sum = target->checksum_sum + (uint64_t)length + host + wire_u16(packet->tos) +
		       wire_u16(proto);
	ip->checksum = checksum_fold(sum);
	return (uint8_t *)ip;
}

static inline uint8_t *
outer_ip_write6(const struct encap_packet *packet, const struct encap_target *target,
	uint8_t *payload, uint16_t payload_bytes, uint8_t proto)
{
	struct wire_ipv6 *ip = (struct wire_ipv6 *)(payload - sizeof(*ip));
	uint32_t label = packet->entropy >> (OUTER_ENTROPY_BITS - OUTER_FLOW_LABEL_BITS);
	be32 host = wire_u32(outer_ip_host_part(packet->entropy, target->entropy_mask));
	be32 low;

	memcpy(ip, target->header, sizeof(*ip));
	ip->version_class_label |= wire_u32((uint32_t)packet->tos << OUTER_FLOW_LABEL_BITS | label);
	ip->payload_length = wire_u16(payload_bytes);
	ip->next_header = proto;
	memcpy(&low, ip->src + 12, sizeof(low));
	low |= host;
	memcpy(ip->src + 12, &low, sizeof(low));
	return (uint8_t *)ip;
}

/* Writes the IP header in front of `payload`, which reaches to the end of the inner packet and is
 * of protocol `proto`; sets packet->outer. Workers. */
static inline void
outer_ip_write(struct encap_packet *packet, const struct encap_target *target, void *payload,
	uint8_t proto)
{
	uint8_t *from = payload;
	uint16_t bytes = (uint16_t)(packet->inner + packet->l3_length - from);
	packet->outer = target->family == 4 ? outer_ip_write4(packet, target, from, bytes, proto)
					    : outer_ip_write6(packet, target, from, bytes, proto);
}

#endif
