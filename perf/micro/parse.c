/* SPDX-License-Identifier: BSD-3-Clause */
/* Both stages of the parser over frames that are in the cache, as after the prefetch of a burst. */
#include <netinet/in.h>

#include "bench.h"
#include "checksum.h"
#include "parse.h"
#include "wire.h"

#define FRAMES	    BURST_MAX
#define FRAME_BYTES 128
#define RUNS	    2000

struct bench {
	uint32_t length;
	uint8_t frames[FRAMES][FRAME_BYTES];
	struct packet packets[FRAMES];
};

static uint32_t
put_upper(uint8_t *at, uint8_t proto, uint16_t sport)
{
	be16 dport = wire_u16(443);
	if (proto == IPPROTO_TCP) {
		*(struct wire_tcp *)(void *)at = (struct wire_tcp){
			.sport = sport, .dport = dport, .offset = 5 << 4, .flags = TCP_ACK};
		return sizeof(struct wire_tcp);
	}
	*(struct wire_udp *)(void *)at = (struct wire_udp){
		.sport = sport, .dport = dport, .length = wire_u16(sizeof(struct wire_udp))};
	return sizeof(struct wire_udp);
}

static uint32_t
put_ipv4(uint8_t *at, uint8_t proto, uint16_t sport)
{
	struct wire_ipv4 *ip = (void *)at;
	uint32_t length = (uint32_t)sizeof(*ip) + put_upper(at + sizeof(*ip), proto, sport);
	*ip = (struct wire_ipv4){.version_ihl = 0x45,
		.ttl = 64,
		.proto = proto,
		.total_length = wire_u16((uint16_t)length),
		.src = 0x076433c6 + sport,
		.dst = 0x500200c0};
	ip->checksum = checksum_fold(checksum_sum(ip, sizeof(*ip)));
	return length;
}

static uint32_t
put_ipv6(uint8_t *at, uint8_t proto, uint16_t sport)
{
	struct wire_ipv6 *ip = (void *)at;
	uint32_t upper = put_upper(at + sizeof(*ip), proto, sport);
	*ip = (struct wire_ipv6){.version_class_label = wire_u32(0x60000000),
		.hop_limit = 64,
		.payload_length = wire_u16((uint16_t)upper),
		.next_header = proto,
		.src = {0x20, 1, 0x0d, 0xb8, 0, 1, [15] = 7},
		.dst = {0x20, 1, 0x0d, 0xb8, [15] = 0x80}};
	return (uint32_t)sizeof(*ip) + upper;
}

static void
make_frames(struct bench *b, uint16_t type, uint8_t proto)
{
	for (uint32_t i = 0; i < FRAMES; i++) {
		struct wire_ether *ether = (void *)b->frames[i];
		*ether = (struct wire_ether){.type = wire_u16(type)};
		uint8_t *l3 = b->frames[i] + sizeof(*ether);
		uint16_t sport = (uint16_t)(1024 + i);
		uint32_t length = type == ETHERTYPE_IP4 ? put_ipv4(l3, proto, sport)
							: put_ipv6(l3, proto, sport);
		length += (uint32_t)sizeof(*ether);
		b->length = length < 60 ? 60 : length;
	}
}

static uint32_t
run_l3(void *context)
{
	struct bench *b = context;
	uint32_t good = 0;
	for (uint32_t i = 0; i < FRAMES; i++)
		good += parse_l3(b->frames[i], b->length, b->length, &b->packets[i]) == PARSE_OK;
	return good;
}

static uint32_t
run_l3_l4(void *context)
{
	struct bench *b = context;
	uint32_t good = 0;
	for (uint32_t i = 0; i < FRAMES; i++)
		good += parse_l3(b->frames[i], b->length, b->length, &b->packets[i]) == PARSE_OK &&
			parse_l4(b->frames[i], b->length, b->length, &b->packets[i]) == PARSE_OK;
	return good;
}

static void
measure(struct bench *b, const char *with, uint16_t type, uint8_t proto)
{
	make_frames(b, type, proto);
	const struct bench_case cases[] = {
		{"l3", NULL, run_l3, b, FRAMES, RUNS},
		{"l3 + l4", NULL, run_l3_l4, b, FRAMES, RUNS},
	};
	bench_group("parse", with, cases, sizeof(cases) / sizeof(cases[0]));
}

int
main(int argc, char **argv)
{
	bench_start(argc, argv);
	struct bench *b = bench_alloc(sizeof(*b));
	measure(b, "IPv4 TCP", ETHERTYPE_IP4, IPPROTO_TCP);
	measure(b, "IPv4 UDP", ETHERTYPE_IP4, IPPROTO_UDP);
	measure(b, "IPv6 TCP", ETHERTYPE_IP6, IPPROTO_TCP);
	measure(b, "IPv6 UDP", ETHERTYPE_IP6, IPPROTO_UDP);
	return 0;
}
