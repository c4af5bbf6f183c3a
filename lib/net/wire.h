/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Headers as they lie on the wire. All are packed (alignment 1): frames start anywhere; and they
 * may alias, since the same bytes are also seen as words, and by DPDK through structs of its own.
 * Multi-byte fields are in network order; wire_u16 and wire_u32 turn them.
 */
#ifndef FAIRLEAD_WIRE_H
#define FAIRLEAD_WIRE_H

#include "addr.h"

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "wire_u16, flow hash: little endian");

#define WIRE_STRUCT __attribute__((packed, may_alias))

#define ETHERTYPE_IP4	0x0800
#define ETHERTYPE_IP6	0x86dd
#define ETHERTYPE_ARP_	0x0806
#define ETHERTYPE_DOT1Q 0x8100
#define ETHERTYPE_QINQ	0x88a8

#define VLAN_ID_MASK 0x0fff

struct wire_ether {
	struct mac_addr dst, src;
	be16 type;
} WIRE_STRUCT;
static_assert(sizeof(struct wire_ether) == 14, "IEEE 802.3");

struct wire_vlan {
	be16 tci; /* PCP 3 | DEI 1 | VLAN ID 12 */
	be16 type;
} WIRE_STRUCT;
static_assert(sizeof(struct wire_vlan) == 4, "IEEE 802.1Q");

struct wire_ipv4 {
	uint8_t version_ihl;
	uint8_t tos;
	be16 total_length;
	be16 id;
	be16 fragment; /* reserved 1 | DF 1 | MF 1 | offset 13 (units of 8 bytes) */
	uint8_t ttl;
	uint8_t proto;
	be16 checksum;
	be32 src, dst;
} WIRE_STRUCT;
static_assert(sizeof(struct wire_ipv4) == 20, "RFC 791, 3.1");

#define IPV4_DF		 0x4000
#define IPV4_MF		 0x2000
#define IPV4_OFFSET_MASK 0x1fff

struct wire_ipv6 {
	be32 version_class_label; /* version 4 | traffic class 8 | flow label 20 */
	be16 payload_length;
	uint8_t next_header;
	uint8_t hop_limit;
	uint8_t src[16], dst[16];
} WIRE_STRUCT;
static_assert(sizeof(struct wire_ipv6) == 40, "RFC 8200, 3");

struct wire_ipv6_fragment {
	uint8_t next_header, reserved;
	be16 offset; /* offset 13 (units of 8 bytes) | reserved 2 | M 1 */
	be32 id;
} WIRE_STRUCT;
static_assert(sizeof(struct wire_ipv6_fragment) == 8, "RFC 8200, 4.5");

struct wire_tcp {
	be16 sport, dport;
	be32 seq, ack;
	uint8_t offset; /* data offset in its upper 4 bits, in words */
	uint8_t flags;
	be16 window, checksum, urgent;
} WIRE_STRUCT;
static_assert(sizeof(struct wire_tcp) == 20, "RFC 9293, 3.1");

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_PSH 0x08
#define TCP_ACK 0x10

struct wire_udp {
	be16 sport, dport;
	be16 length, checksum;
} WIRE_STRUCT;
static_assert(sizeof(struct wire_udp) == 8, "RFC 768");

struct wire_icmp {
	uint8_t type, code;
	be16 checksum;
	be32 rest;
} WIRE_STRUCT;
static_assert(sizeof(struct wire_icmp) == 8, "RFC 792, RFC 4443");

/* For Ethernet and IPv4: hardware type 1, protocol type 0x0800, lengths 6 and 4. */
struct wire_arp {
	be16 hardware, protocol;
	uint8_t hardware_length, protocol_length;
	be16 operation;
	struct mac_addr sender_mac;
	be32 sender;
	struct mac_addr target_mac;
	be32 target;
} WIRE_STRUCT;
static_assert(sizeof(struct wire_arp) == 28, "RFC 826");

/* Neighbour solicitation and advertisement; options follow. */
struct wire_nd {
	uint8_t type, code;
	be16 checksum;
	be32 flags; /* of an advertisement: router, solicited, override, in the highest bits */
	uint8_t target[16];
} WIRE_STRUCT;
static_assert(sizeof(struct wire_nd) == 24, "RFC 4861, 4.3 and 4.4");

static inline uint16_t
wire_u16(be16 value)
{
	return __builtin_bswap16(value);
}

static inline uint32_t
wire_u32(be32 value)
{
	return __builtin_bswap32(value);
}

#endif
