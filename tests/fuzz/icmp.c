/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ICMP: what quotes a packet of ours, and what we answer.
 *
 *	+----------+--------------------------------------------------------------+
 *	| knobs    | type, code, 4 bytes, and what the message quotes             |
 *	+----------+--------------------------------------------------------------+
 *	knobs: family 1 | right checksum 1 | VIP as the quoted source 1 | IPv4 checksum inside 1 | use 1
 *
 * Used as a message to the VIP: it is answered, sent to a backend or dropped; what is sent is about a
 * packet of the VIP's, goes where that packet's flow goes, and leaves no trace in the flow table.
 * Used as a packet that a client sends: an error about it is well-formed and answers no error; and
 * the error that a router on the way back sends about what the server answers finds its backend.
 */
#include "edge.h"
#include "checksum.h"
#include "choose.h"
#include "parse.h"
#include "wire.h"

#define MESSAGE_MAX 2048

#define KNOB_FAMILY(knobs)    ((knobs)&1 ? 6 : 4)
#define KNOB_RIGHT_SUM(knobs) ((knobs) >> 1 & 1)
#define KNOB_FROM_VIP(knobs)  ((knobs) >> 2 & 1)
#define KNOB_INNER_SUM(knobs) ((knobs) >> 3 & 1)
#define KNOB_IS_PACKET(knobs) ((knobs) >> 4 & 1)

static struct edge *edge;
static struct pipeline pipeline;
static struct burst burst;
static bool note_left; /* of a fragment; by the input before */

static struct ip_addr
client(int family)
{
	return edge_address(family == 4 ? "198.51.100.7" : "2001:db8:c::7");
}

/* Ethernet and IP in front of `payload`, from a client to the VIP; returns the length. */
static uint16_t
make_frame(uint8_t *out, int family, uint8_t proto, const uint8_t *payload, uint16_t length)
{
	struct wire_ether *ether = (void *)out;
	struct ip_addr from = client(family), vip = edge_vip(family);
	uint8_t *at = (uint8_t *)(ether + 1);
	*ether = (struct wire_ether){.dst = edge_mac, .src = edge_router};
	if (family == 4) {
		struct wire_ipv4 *ip = (void *)at;
		ether->type = wire_u16(ETHERTYPE_IP4);
		*ip = (struct wire_ipv4){.version_ihl = 0x45,
			.total_length = wire_u16((uint16_t)(sizeof(*ip) + length)),
			.ttl = 64,
			.proto = proto,
			.src = addr_v4(&from),
			.dst = addr_v4(&vip)};
		ip->checksum = checksum_fold(checksum_sum(ip, sizeof(*ip)));
		at = (uint8_t *)(ip + 1);
	} else {
		struct wire_ipv6 *ip = (void *)at;
		ether->type = wire_u16(ETHERTYPE_IP6);
		*ip = (struct wire_ipv6){.version_class_label = wire_u32(6u << 28),
			.payload_length = wire_u16(length),
			.next_header = proto,
			.hop_limit = 64};
		memcpy(ip->src, from.bytes, 16);
		memcpy(ip->dst, vip.bytes, 16);
		at = (uint8_t *)(ip + 1);
	}
	memcpy(at, payload, length);
	return (uint16_t)(at + length - out);
}

static uint16_t
icmp_sum_of(const uint8_t *message, uint16_t length, int family)
{
	uint64_t sum = checksum_sum(message, length);
	if (family == 6) {
		struct ip_addr from = client(6), vip = edge_vip(6);
		sum += checksum_sum(from.bytes, 16) + checksum_sum(vip.bytes, 16);
		sum += wire_u16(length) + (uint64_t)wire_u16(IPPROTO_ICMPV6);
	}
	return checksum_fold(sum);
}

/* The quoted IP header is made one of the VIP's, so that mutation need not find that. */
static void
repair_quote(uint8_t *quote, size_t size, uint8_t knobs)
{
	struct ip_addr vip = edge_vip(KNOB_FAMILY(knobs));
	if (KNOB_FAMILY(knobs) == 6) {
		struct wire_ipv6 *ip = (void *)quote;
		if (size >= sizeof(*ip) && KNOB_FROM_VIP(knobs))
			memcpy(ip->src, vip.bytes, 16);
		return;
	}
	struct wire_ipv4 *ip = (void *)quote;
	if (size < sizeof(*ip))
		return;
	if (KNOB_FROM_VIP(knobs))
		ip->src = addr_v4(&vip);
	size_t header = (ip->version_ihl & 0xfu) * 4;
	if (KNOB_INNER_SUM(knobs) && header >= sizeof(*ip) && header <= size) {
		ip->checksum = 0;
		ip->checksum = checksum_fold(checksum_sum(ip, header));
	}
}

/* The exit of one frame, which stays in burst.mbufs[0]. */
static enum exit
pass(const uint8_t *frame, uint16_t length)
{
	burst.count = 1;
	burst.resumed = NULL;
	burst.mbufs[0] = edge_frame(frame, length);
	struct totals before = edge_totals(&pipeline);
	pipeline_burst(&pipeline, &edge->tables, 0, &burst);
	pipeline_settle(&pipeline, &burst);
	bool held = burst.exit[0] == EXIT_HELD;
	REQUIRE(edge_totals(&pipeline).received == before.received + !held);
	return burst.exit[0];
}

/* A well-formed message to the client, from the VIP. */
static void
check_answer(const uint8_t *asked, enum icmp_kind kind)
{
	const struct rte_mbuf *m = burst.mbufs[0];
	const uint8_t *frame = rte_pktmbuf_mtod(m, const uint8_t *);
	struct packet pk, to;
	REQUIRE((uint32_t)m->data_off + m->data_len <= m->buf_len && m->pkt_len == m->data_len);
	REQUIRE(parse_l3(frame, m->data_len, m->data_len, &pk) == PARSE_OK);
	REQUIRE(parse_l4(frame, m->data_len, m->data_len, &pk) == PARSE_OK);
	REQUIRE(parse_l3(asked, UINT16_MAX, UINT16_MAX, &to) == PARSE_OK);
	REQUIRE(addr_equal(&pk.src, &to.dst) && addr_equal(&pk.dst, &to.src));
	REQUIRE(memcmp(frame, &edge_router, 6) == 0 && memcmp(frame + 6, &edge_mac, 6) == 0);
	REQUIRE(icmp_checksum_is_right(frame, &pk) && icmp_kind(&pk) == kind);
	if (kind == ICMP_ERROR)
		REQUIRE(!icmp_may_answer(frame, &pk));
}

/* By a second reader, which knows IPv4 and IPv6 without extensions only: the flow that a message sent
 * to a backend quotes, and where that flow goes. */
static void
check_followed(const uint8_t *quote, size_t size, int family)
{
	struct packet flow = {.dst = edge_vip(family)};
	size_t header = family == 4 ? (quote[0] & 0xfu) * 4 : sizeof(struct wire_ipv6);
	REQUIRE(size >= header + 8 && quote[0] >> 4 == family);
	if (family == 4) {
		const struct wire_ipv4 *ip = (const void *)quote;
		REQUIRE(ip->src == addr_v4(&flow.dst) && header >= sizeof(*ip));
		flow.src = addr_from_v4(ip->dst);
		flow.proto = ip->proto;
	} else {
		const struct wire_ipv6 *ip = (const void *)quote;
		REQUIRE(memcmp(ip->src, flow.dst.bytes, 16) == 0);
		flow.src = addr_from_v6(ip->dst);
		flow.proto = ip->next_header;
		if (flow.proto != IPPROTO_TCP && flow.proto != IPPROTO_UDP)
			return; /* extensions */
	}
	const struct wire_udp *ports = (const void *)(quote + header);
	flow.sport = wire_u16(ports->dport);
	flow.dport = wire_u16(ports->sport);
	const struct service_entry *vip = service_table_vip(&edge->tables.services, &flow.dst);
	uint16_t service = service_table_port(&edge->tables.services, vip, flow.proto, flow.dport);
	REQUIRE(service < EDGE_SERVICES && service == burst.service[0]);
	const struct tables_service *s = &edge->services[service];
	uint16_t backend = choose_without_trace(&edge->flows, &edge->tables, s,
		choose_hash(&edge->tables.key, s, &flow), pipeline.tick);
	REQUIRE(backend == burst.backend[0]);
}

static void
use_as_message(const uint8_t *data, uint16_t size, uint8_t knobs)
{
	static uint64_t before[16384];
	int family = KNOB_FAMILY(knobs);
	uint8_t *message = fuzz_copy(data, size), frame[MESSAGE_MAX + 64];
	const uint16_t head = sizeof(struct wire_icmp);
	size_t bytes = flow_table_bytes(EDGE_CAPACITY);
	if (size >= head) {
		struct wire_icmp *icmp = (void *)message;
		repair_quote(message + head, (size_t)(size - head), knobs);
		if (KNOB_RIGHT_SUM(knobs)) {
			icmp->checksum = 0;
			icmp->checksum = icmp_sum_of(message, size, family);
		}
	}
	uint16_t length = make_frame(
		frame, family, family == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6, message, size);
	REQUIRE(bytes <= sizeof(before));
	memcpy(before, edge->flows.buckets, bytes);
	enum exit exit = pass(frame, length);
	REQUIRE(memcmp(before, edge->flows.buckets, bytes) == 0);
	REQUIRE(exit == EXIT_ANSWERED_ECHO || exit == EXIT_SENT ||
		(exit < EXIT_COUNT && exit_kind(exit) == EXIT_KIND_DROPPED));
	REQUIRE(exit == EXIT_DROP_L4_TRUNCATED || size >= head);
	if (exit == EXIT_ANSWERED_ECHO)
		check_answer(frame, ICMP_OTHER);
	if (exit == EXIT_SENT) {
		REQUIRE(icmp_sum_of(message, size, family) == 0);
		check_followed(message + head, (size_t)(size - head), family);
		const uint8_t *out = rte_pktmbuf_mtod(burst.mbufs[0], const uint8_t *);
		REQUIRE(memcmp(out + length - size, message, size) == 0);
	}
	edge_frame_free(burst.mbufs[0]);
	free(message);
}

/* What a server answers to a packet, as far as a router on the way looks at it. */
static void
turn_round(uint8_t *frame, const struct packet *pk)
{
	struct wire_ether *ether = (void *)frame;
	uint8_t *l3 = frame + pk->l3_offset, kept[16];
	size_t bytes = pk->family == 4 ? 4 : 16, src = pk->family == 4 ? 12 : 8;
	memcpy(kept, l3 + src, bytes);
	memcpy(l3 + src, l3 + src + bytes, bytes);
	memcpy(l3 + src + bytes, kept, bytes);
	struct wire_udp *ports = (void *)(frame + pk->l4_offset);
	be16 port = ports->sport;
	ports->sport = ports->dport;
	ports->dport = port;
	ether->dst = edge_router;
	ether->src = edge_mac;
}

/* Errors about the server's answers follow the client's packet. */
static void
check_error_finds_backend(const uint8_t *sent, uint16_t length, const struct packet *pk)
{
	uint16_t backend = burst.backend[0];
	uint8_t *answer = fuzz_copy(sent, length), error[ICMP_ERROR_BYTES_MAX];
	struct packet turned;
	turn_round(answer, pk);
	REQUIRE(parse_l3(answer, length, length, &turned) == PARSE_OK);
	REQUIRE(parse_l4(answer, length, length, &turned) == PARSE_OK);
	for (enum icmp_message message = 0; message < ICMP_MESSAGES; message++) {
		if (!icmp_may_answer(answer, &turned))
			break;
		uint32_t bytes = icmp_compose(error, message, 1400, answer, &turned);
		REQUIRE(bytes <= sizeof(error));
		enum exit exit = pass(error, (uint16_t)bytes);
		REQUIRE(exit == EXIT_SENT && burst.backend[0] == backend);
		edge_frame_free(burst.mbufs[0]);
	}
	free(answer);
}

static void
use_as_packet(const uint8_t *data, uint16_t size, uint8_t knobs)
{
	uint8_t frame[MESSAGE_MAX + 64];
	uint8_t proto = size > 0 ? data[0] : 0;
	uint16_t length = make_frame(
		frame, KNOB_FAMILY(knobs), proto, data + (size > 0), (uint16_t)(size - (size > 0)));
	if (KNOB_RIGHT_SUM(knobs)) /* expired */
		frame[sizeof(struct wire_ether) + (KNOB_FAMILY(knobs) == 4 ? 8 : 7)] = 1;
	if (KNOB_FAMILY(knobs) == 4) {
		struct wire_ipv4 *ip = (void *)(frame + sizeof(struct wire_ether));
		ip->checksum = 0;
		ip->checksum = checksum_fold(checksum_sum(ip, sizeof(*ip)));
	}
	enum exit exit = pass(frame, length);
	REQUIRE(exit < EXIT_COUNT || exit == EXIT_HELD);
	if (exit == EXIT_ANSWERED_ECHO)
		check_answer(frame, ICMP_OTHER);
	else if (exit < EXIT_COUNT && exit_kind(exit) == EXIT_KIND_ANSWERED)
		check_answer(frame, ICMP_ERROR);
	struct rte_mbuf *m = burst.mbufs[0];
	struct packet pk = burst.packets[0];
	bool has_ports = pk.proto == IPPROTO_TCP || pk.proto == IPPROTO_UDP;
	if (exit == EXIT_SENT && has_ports && pk.fragment == FRAGMENT_NONE)
		check_error_finds_backend(frame, length, &pk);
	note_left |= pk.fragment == FRAGMENT_FIRST;
	edge_frame_free(m);
}

static void
clean_up(void)
{
	fragment_notes_destroy(pipeline.notes);
	arena_destroy(edge->arena);
}

static void
begin(void)
{
	if (!edge) {
		edge = edge_create();
		pipeline.counters = arena_array(edge->arena, 1, sizeof(*pipeline.counters));
		pipeline.notes = fragment_notes_create(ARENA_ANY_NODE);
		REQUIRE(pipeline.counters && pipeline.notes);
		pipeline.flows = &edge->flows;
		atexit(clean_up);
	}
	memset(edge->flows.buckets, 0, flow_table_bytes(EDGE_CAPACITY));
	pipeline.answer = (struct answer_meter){0};
	pipeline.now = (struct mono){1000000000};
	pipeline.tick = flow_tick(pipeline.now);
	if (note_left)
		fragment_notes_sweep(
			pipeline.notes, (uint16_t)((pipeline.tick + 100) % FLOW_TICKS));
	note_left = false;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1 || size > MESSAGE_MAX)
		return 0;
	begin();
	if (KNOB_IS_PACKET(data[0]))
		use_as_packet(data + 1, (uint16_t)(size - 1), data[0]);
	else
		use_as_message(data + 1, (uint16_t)(size - 1), data[0]);
	return 0;
}
