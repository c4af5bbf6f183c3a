/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A frame through both stages of the parser. How much of it is contiguous may change nothing but
 * whether the parser has to ask for more; and what it says lies within the frame. What parse_plain takes
 * for plain, the parser takes for the same packet.
 */
#include <netinet/in.h>
#include <stdbool.h>

#include "fuzz.h"
#include "parse.h"
#include "parse_plain.h"
#include "repair.h"

struct outcome {
	enum parse_result result;
	struct packet pk;
};

static bool
is_equal(const struct outcome *a, const struct outcome *b)
{
	return a->result == b->result &&
	       (a->result != PARSE_OK || memcmp(&a->pk, &b->pk, sizeof(a->pk)) == 0);
}

static void
check_network(const uint8_t *frame, uint32_t frame_length, const struct packet *pk)
{
	uint32_t header_min = pk->family == 4 ? sizeof(struct wire_ipv4) : sizeof(struct wire_ipv6);
	REQUIRE(pk->family == 4 || pk->family == 6);
	REQUIRE(pk->vlan_tags <= 2 && pk->vlan <= VLAN_ID_MASK);
	REQUIRE(pk->l3_offset == sizeof(struct wire_ether) + 4u * pk->vlan_tags);
	REQUIRE((uint32_t)pk->l3_offset + pk->l3_length <= frame_length);
	REQUIRE(pk->l3_length >= header_min);
	REQUIRE(addr_is_v4(&pk->src) == (pk->family == 4));
	REQUIRE(addr_is_v4(&pk->dst) == (pk->family == 4));
	if (pk->family == 4)
		REQUIRE(checksum_fold(checksum_sum(frame + pk->l3_offset,
				(size_t)(frame[pk->l3_offset] & 0xf) * 4)) == 0);
}

static void
check_transport(uint32_t available, const struct packet *pk)
{
	uint32_t end = (uint32_t)pk->l3_offset + pk->l3_length;
	uint32_t header = pk->family == 4 ? sizeof(struct wire_ipv4) : sizeof(struct wire_ipv6);
	REQUIRE(pk->l4_offset >= pk->l3_offset + header && pk->l4_offset <= end);
	REQUIRE(pk->fragment <= FRAGMENT_LATER);
	REQUIRE((pk->fragment_offset > 0) == (pk->fragment == FRAGMENT_LATER));
	if (pk->fragment == FRAGMENT_LATER) {
		REQUIRE(pk->sport == 0 && pk->dport == 0);
		return;
	}
	bool has_ports = pk->proto == IPPROTO_TCP || pk->proto == IPPROTO_UDP;
	REQUIRE(has_ports == (pk->sport != 0) && has_ports == (pk->dport != 0));
	uint32_t l4 = pk->proto == IPPROTO_TCP ? sizeof(struct wire_tcp) : sizeof(struct wire_udp);
	if (has_ports)
		REQUIRE(pk->l4_offset + l4 <= end && pk->l4_offset + l4 <= available);
}

/* With the IPv4 header checksum checked by somebody else: the same but for that. */
static void
check_checked(const uint8_t *frame, uint32_t available, uint32_t frame_length,
	const struct outcome *unchecked)
{
	struct outcome checked = {0};
	checked.result = parse_l3_checked(frame, available, frame_length, &checked.pk);
	if (unchecked->result == PARSE_DROP_IPV4_CHECKSUM)
		REQUIRE(checked.result == PARSE_OK);
	else
		REQUIRE(is_equal(&checked, unchecked));
}

/* The parser sees `available` bytes and no more. If it wants more after the network header, it is
 * asked again with the same packet and all `size` bytes, and has to come to the same as at once. */
static struct outcome
parse(const uint8_t *data, uint32_t available, uint32_t frame_length, uint32_t size)
{
	struct outcome outcome = {0};
	uint8_t *frame = fuzz_copy(data, available);
	outcome.result = parse_l3(frame, available, frame_length, &outcome.pk);
	check_checked(frame, available, frame_length, &outcome);
	if (outcome.result == PARSE_OK) {
		check_network(frame, frame_length, &outcome.pk);
		struct packet again = outcome.pk;
		outcome.result = parse_l4(frame, available, frame_length, &outcome.pk);
		if (outcome.result == PARSE_OK)
			check_transport(available, &outcome.pk);
		if (outcome.result == PARSE_NOT_CONTIGUOUS) {
			struct outcome first = {parse_l4(data, size, frame_length, &again), again};
			struct outcome second = {
				parse_l4(data, size, frame_length, &outcome.pk), outcome.pk};
			REQUIRE(is_equal(&first, &second));
		}
	}
	REQUIRE(memcmp(frame, data, available) == 0);
	free(frame);
	return outcome;
}

/* For the station that the frame is for. */
static void
check_plain(const uint8_t *data, uint32_t size, const struct outcome *whole)
{
	uint64_t mac = 0;
	struct packet pk = {0};
	uint8_t *frame = calloc(1, size + PLAIN_READ_BYTES);
	REQUIRE(frame != NULL);
	memcpy(frame, data, size);
	memcpy(&mac, frame, sizeof(struct mac_addr));
	struct plain_station station = plain_station(mac);
	if (parse_plain(frame, size, &station, false, &pk))
		REQUIRE(whole->result == PARSE_OK && memcmp(&pk, &whole->pk, sizeof(pk)) == 0);
	free(frame);
}

static void
parse_every_way(const uint8_t *data, uint32_t size)
{
	struct outcome whole = parse(data, size, size, size);
	check_plain(data, size, &whole);
	REQUIRE(whole.result != PARSE_NOT_CONTIGUOUS);
	bool is_enough = false;
	for (uint32_t available = 0; available < size; available++) {
		struct outcome split = parse(data, available, size, size);
		REQUIRE(split.result == PARSE_NOT_CONTIGUOUS ? !is_enough
							     : is_equal(&split, &whole));
		is_enough = split.result != PARSE_NOT_CONTIGUOUS;
		struct outcome truncated = parse(data, available, available, available);
		REQUIRE(truncated.result != PARSE_NOT_CONTIGUOUS);
	}
	/* The rest in another segment. */
	parse(data, size, size + 100, size);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size > UINT16_MAX)
		return 0;
	parse_every_way(data, (uint32_t)size);
	uint8_t *repaired = fuzz_copy(data, size);
	repair_checksum(repaired, size);
	if (memcmp(repaired, data, size) != 0)
		parse_every_way(repaired, (uint32_t)size);
	free(repaired);
	return 0;
}
