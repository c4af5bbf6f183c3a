/* SPDX-License-Identifier: BSD-3-Clause */
#include "generator.h"

#include <math.h>
#include <netinet/in.h>

#include "bench.h"
#include "checksum.h"
#include "forwarder.h"
#include "wire.h"

#define FCS	    4
#define TTL	    64
#define LINE	    64 /* bytes of a cache line */
#define FRAME_LINES 2  /* that hold headers */

const char *const generator_sizes[GENERATOR_SIZES] = {"64", "imix", "1518", "9000"};

static const struct mac_addr router_mac = {{2, 0, 0, 0, 0, 9}};

struct tuple
generator_tuple(const struct generator *generator, uint64_t number)
{
	/* An odd factor: a permutation of 24 bits. What is above goes into the port. */
	uint32_t low = (uint32_t)number * 0x9e3779b1u & 0xffffff;
	struct tuple t = {
		.dst = forwarder_vip((uint32_t)(number % generator->services), generator->family),
		.sport = (uint16_t)(1024 + (number >> 24) % 16 * 4000 + low % 4000),
		.dport = FORWARDER_PORT,
	};
	if (generator->family == 4) {
		t.src = addr_from_v4(wire_u32(0x0b000000u | low)); /* 11.0.0.0/8 */
	} else {
		t.src = (struct ip_addr){.bytes = {0x2a, 0x00, 0x00, 0x01}};
		t.src.words[1] = wire_u32(low >> 4);
		t.src.words[3] = wire_u32(low);
	}
	return t;
}

/*
 * W. Hörmann and G. Derflinger, "Rejection-inversion to generate variates from monotone discrete
 * distributions" (1996), for exponent 1, where the integral of the hat is a logarithm.
 */
static uint64_t
draw_zipf(uint64_t *random, uint64_t count)
{
	static const double shortcut = 2.0 - 2.5 * 0.60653065971263342; /* 2 - e^(ln 2.5 - 1/2) */
	double low = log(1.5) - 1.0, high = log((double)count + 0.5);
	for (;;) {
		double u = low + (high - low) * (double)(bench_random(random) >> 11) * 0x1p-53;
		double x = exp(u);
		double k = floor(x + 0.5);
		if (k < 1.0)
			k = 1.0;
		if (k > (double)count)
			k = (double)count;
		if (k - x <= shortcut || u >= log(k + 0.5) - 1.0 / k)
			return (uint64_t)k - 1;
	}
}

uint64_t
generator_draw(struct generator *generator, uint64_t count)
{
	return generator->zipf ? draw_zipf(&generator->random, count)
			       : bench_random(&generator->random) % count;
}

static uint32_t
draw_length(struct generator *generator)
{
	uint64_t place;
	switch (generator->size) {
	case GENERATOR_IMIX:
		place = bench_random(&generator->random) % 48;
		return (place < 28 ? 64 : place < 44 ? 570 : 1518) - FCS;
	case GENERATOR_1518:
		return 1518 - FCS;
	case GENERATOR_9000:
		return 9000 - FCS;
	default:
		return 64 - FCS;
	}
}

static void
write_ipv4(uint8_t *l3, const struct tuple *t, uint32_t length)
{
	struct wire_ipv4 *ip = (void *)l3;
	*ip = (struct wire_ipv4){
		.version_ihl = 0x45,
		.total_length = wire_u16((uint16_t)length),
		.fragment = wire_u16(IPV4_DF),
		.ttl = TTL,
		.proto = IPPROTO_TCP,
		.src = addr_v4(&t->src),
		.dst = addr_v4(&t->dst),
	};
	ip->checksum = checksum_fold(checksum_sum(ip, sizeof(*ip)));
}

static void
write_ipv6(uint8_t *l3, const struct tuple *t, uint32_t length)
{
	struct wire_ipv6 *ip = (void *)l3;
	*ip = (struct wire_ipv6){
		.version_class_label = wire_u32(0x60000000),
		.payload_length = wire_u16((uint16_t)(length - sizeof(*ip))),
		.next_header = IPPROTO_TCP,
		.hop_limit = TTL,
	};
	memcpy(ip->src, t->src.bytes, sizeof(ip->src));
	memcpy(ip->dst, t->dst.bytes, sizeof(ip->dst));
}

uint32_t
generator_write(struct generator *generator, struct device_frame *frame, const struct tuple *t,
	uint8_t tcp_flags)
{
	uint8_t *start = (uint8_t *)frame->buffer->buf_addr + RTE_PKTMBUF_HEADROOM;
	struct wire_ether *ether = (void *)start;
	uint8_t *l3 = start + sizeof(*ether);
	uint32_t header =
		generator->family == 4 ? sizeof(struct wire_ipv4) : sizeof(struct wire_ipv6);
	uint32_t shortest = header + (uint32_t)sizeof(struct wire_tcp),
		 length = draw_length(generator);
	/* A packet without data in a padded frame, or data that fills the frame. */
	uint32_t l3_length = length <= 64 - FCS ? shortest : length - (uint32_t)sizeof(*ether);
	if (length < l3_length + sizeof(*ether))
		length = l3_length + (uint32_t)sizeof(*ether);
	*ether = (struct wire_ether){
		.dst = forwarder_mac,
		.src = router_mac,
		.type = wire_u16(generator->family == 4 ? ETHERTYPE_IP4 : ETHERTYPE_IP6),
	};
	if (generator->family == 4)
		write_ipv4(l3, t, l3_length);
	else
		write_ipv6(l3, t, l3_length);
	*(struct wire_tcp *)(void *)(l3 + header) = (struct wire_tcp){
		.sport = wire_u16(t->sport),
		.dport = wire_u16(t->dport),
		.offset = 5 << 4,
		.flags = tcp_flags,
	};
	frame->length = length;
	return l3_length;
}

void
generator_flush(const struct device_frame *frame)
{
	const char *head = (const char *)frame->buffer;
	const char *start = (const char *)frame->buffer->buf_addr + RTE_PKTMBUF_HEADROOM;
	for (int i = 0; i < 2; i++)
		_mm_clflush(head + i * LINE);
	for (int i = -2; i < FRAME_LINES; i++)
		_mm_clflush(start + i * LINE);
}
