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
 * marked on the way in is not lost, and marks made within the tunnel reach the backend. A pool may have
 * a DSCP of its own for the way (RFC 2983 pipe); ECN is copied all the same.
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

/*
 * Of two prepared words that are filled in and stored whole; the destination stays as it is.
 *
 *   | version, IHL 8 | TOS 8 | length 16 | ID 16 | DF, offset 16 |   the first byte is the lowest
 *   | TTL 8 | protocol 8 | checksum 16 | source 32 |
 *
 * The checksum is that of the prepared header plus what is filled in here. TOS and protocol are the
 * second bytes of their 16 bits.
 */
static inline uint8_t *
outer_ip_write4(const struct encap_packet *packet, const struct encap_target *target,
	uint8_t *payload, uint16_t payload_bytes, uint8_t proto)
{
	uint8_t *ip = payload - sizeof(struct wire_ipv4);
	uint64_t tos = (uint64_t)(packet->tos & target->tos_mask) << 8;
	uint64_t length = wire_u16((uint16_t)(payload_bytes + sizeof(struct wire_ipv4)));
	uint64_t host = wire_u32(outer_ip_host_part(packet->entropy, target->entropy_mask));
	uint64_t first, second, sum;

	sum = target->checksum_sum + length + host + tos + ((uint64_t)proto << 8);
	memcpy(&first, target->header, sizeof(first));
	memcpy(&second, target->header + sizeof(first), sizeof(second));
	first |= tos | length << 16;
	second |= (uint64_t)proto << 8 | (uint64_t)checksum_fold(sum) << 16 | host << 32;
	memcpy(ip, &first, sizeof(first));
	memcpy(ip + sizeof(first), &second, sizeof(second));
	memcpy(ip + offsetof(struct wire_ipv4, dst),
		target->header + offsetof(struct wire_ipv4, dst), sizeof(be32));
	return ip;
}

/* Likewise: the first word and the end of the source vary. */
static inline uint8_t *
outer_ip_write6(const struct encap_packet *packet, const struct encap_target *target,
	uint8_t *payload, uint16_t payload_bytes, uint8_t proto)
{
	uint8_t *ip = payload - sizeof(struct wire_ipv6);
	uint32_t label = packet->entropy >> (OUTER_ENTROPY_BITS - OUTER_FLOW_LABEL_BITS);
	uint32_t tos = packet->tos & target->tos_mask;
	uint64_t class_and_label = wire_u32(tos << OUTER_FLOW_LABEL_BITS | label);
	uint64_t host = wire_u32(outer_ip_host_part(packet->entropy, target->entropy_mask));
	uint64_t first, source_end;
	const size_t source_end_at = offsetof(struct wire_ipv6, src) + 8;

	memcpy(ip, target->header, sizeof(struct wire_ipv6));
	memcpy(&first, target->header, sizeof(first));
	memcpy(&source_end, target->header + source_end_at, sizeof(source_end));
	first |= class_and_label | (uint64_t)wire_u16(payload_bytes) << 32 | (uint64_t)proto << 48;
	source_end |= host << 32;
	memcpy(ip, &first, sizeof(first));
	memcpy(ip + source_end_at, &source_end, sizeof(source_end));
	return ip;
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
