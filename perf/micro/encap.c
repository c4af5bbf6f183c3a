/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What sending costs in the packet: TTL, outer header, Ethernet header, in frames that are in the
 * cache. The four of ipip are named as inner in outer.
 */
#include <netinet/in.h>

#include "bench.h"
#include "checksum.h"
#include "encap.h"
#include "l2.h"

#define FRAMES	    BURST_MAX
#define FRAME_BYTES 256
#define L3_OFFSET   128 /* as behind the headroom of an mbuf */
#define L3_LENGTH   46	/* of a frame of 60 bytes */
#define TTL	    64
#define RUNS	    2000

struct bench {
	const struct encap *encap;
	struct encap_target target;
	uint64_t slot;
	struct mac_addr mac;
	uint8_t family; /* of the inner packet */
	uint8_t frames[FRAMES][FRAME_BYTES];
};

/* Makes the inner headers good as new. */
static void
restore(void *context)
{
	struct bench *b = context;
	for (uint32_t i = 0; i < FRAMES; i++) {
		uint8_t *l3 = b->frames[i] + L3_OFFSET;
		if (b->family == 4) {
			struct wire_ipv4 *ip = (void *)l3;
			*ip = (struct wire_ipv4){.version_ihl = 0x45,
				.ttl = TTL,
				.total_length = wire_u16(L3_LENGTH),
				.proto = IPPROTO_TCP};
			ip->checksum = checksum_fold(checksum_sum(ip, sizeof(*ip)));
		} else {
			*(struct wire_ipv6 *)(void *)l3 = (struct wire_ipv6){
				.version_class_label = wire_u32(0x60000000), .hop_limit = TTL};
		}
	}
}

static uint32_t
run(void *context)
{
	struct bench *b = context;
	uint32_t good = 0;
	for (uint32_t i = 0; i < FRAMES; i++) {
		uint8_t *l3 = b->frames[i] + L3_OFFSET;
		l2_decrement_ttl(l3, b->family);
		struct encap_packet packet = {
			.inner = l3,
			.l3_length = L3_LENGTH,
			.inner_family = b->family,
			.entropy = i * 0x9e3779b1u,
		};
		b->encap->wrap(&packet, &b->target);
		uint8_t family = b->target.header_length ? b->target.family : b->family;
		uint8_t *start = l2_write(packet.outer, b->slot, l2_mac_word(&b->mac),
			family == 4 ? ETHERTYPE_IP4 : ETHERTYPE_IP6);
		good += start == l3 - b->target.header_length - sizeof(struct wire_ether);
	}
	return good;
}

static void
make(struct bench *b, const struct encap *encap, uint8_t inner, const char *backend)
{
	struct encap_settings settings = {.has_source4 = true, .has_source6 = true};
	struct ip_addr address;
	const struct mac_addr neighbour = {{2, 0, 0, 0, 1, 1}};
	if (prefix_parse("10.0.0.0/16", &settings.source4) < 0 ||
		prefix_parse("2001:db8:f::/96", &settings.source6) < 0 ||
		addr_parse(backend, &address) < 0 ||
		encap->prepare(&b->target, &settings, &address) < 0)
		bench_fail("encap: %s to %s cannot be", encap->name, backend);
	b->encap = encap;
	b->slot = l2_slot_pack(&neighbour, 0, 0);
	b->family = inner;
}

int
main(int argc, char **argv)
{
	static const char *const backend4 = "10.1.0.3", *const backend6 = "2001:db8:a::3";
	bench_start(argc, argv);
	struct bench *b = bench_alloc(6 * sizeof(*b));
	make(&b[0], &encap_l2, 4, backend4);
	make(&b[1], &encap_l2, 6, backend6);
	make(&b[2], &encap_ipip, 4, backend4);
	make(&b[3], &encap_ipip, 6, backend4);
	make(&b[4], &encap_ipip, 4, backend6);
	make(&b[5], &encap_ipip, 6, backend6);
	const struct bench_case cases[] = {
		{"l2, IPv4", restore, run, &b[0], FRAMES, RUNS},
		{"l2, IPv6", restore, run, &b[1], FRAMES, RUNS},
		{"ipip, 4 in 4", restore, run, &b[2], FRAMES, RUNS},
		{"ipip, 6 in 4", restore, run, &b[3], FRAMES, RUNS},
		{"ipip, 4 in 6", restore, run, &b[4], FRAMES, RUNS},
		{"ipip, 6 in 6", restore, run, &b[5], FRAMES, RUNS},
	};
	bench_group("encap", "frame=60", cases, sizeof(cases) / sizeof(cases[0]));
	return 0;
}
