/* SPDX-License-Identifier: BSD-3-Clause */
/* What is plain is what parse_l3 and parse_l4 make of it; and usual frames are plain. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "checksum.h"
#include "parse.h"
#include "parse_plain.h"

#define ROUNDS	  400000
#define FRAME_MAX 120

static const uint8_t station_mac[6] = {0x02, 0xf1, 0, 0, 0, 0x07};

static uint64_t state_of_random = 1;

static uint64_t
station_word(void)
{
	uint64_t word = 0;
	memcpy(&word, station_mac, sizeof(station_mac));
	return word;
}

static uint32_t
random_below(uint32_t end)
{
	state_of_random = state_of_random * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)((state_of_random >> 33) % end);
}

/* A right frame of either family, TCP or UDP. Returns its length. */
static uint32_t
write_frame(uint8_t *frame)
{
	bool six = random_below(2), tcp = random_below(2);
	uint32_t l4 = tcp ? 20 : 8, data = random_below(20);
	memset(frame, 0, FRAME_MAX);
	memcpy(frame, station_mac, sizeof(station_mac));
	for (uint32_t i = 6; i < 12; i++)
		frame[i] = (uint8_t)random_below(256);
	frame[12] = six ? 0x86 : 0x08;
	frame[13] = six ? 0xdd : 0x00;
	uint8_t *ip = frame + 14;
	uint32_t header = six ? 40 : 20;
	if (six) {
		ip[0] = 0x60;
		ip[5] = (uint8_t)(l4 + data);
		ip[6] = tcp ? IPPROTO_TCP : IPPROTO_UDP;
		ip[7] = 64;
		ip[8] = ip[24] = 0x20;
		ip[23] = ip[39] = (uint8_t)(1 + random_below(250));
	} else {
		ip[0] = 0x45;
		ip[3] = (uint8_t)(20 + l4 + data);
		ip[8] = 64;
		ip[9] = tcp ? IPPROTO_TCP : IPPROTO_UDP;
		ip[12] = 198;
		ip[16] = 192;
		ip[19] = (uint8_t)random_below(256);
		uint16_t sum = checksum_fold(checksum_sum(ip, 20));
		memcpy(ip + 10, &sum, sizeof(sum));
	}
	uint8_t *upper = ip + header;
	upper[1] = (uint8_t)(1 + random_below(200));
	upper[3] = (uint8_t)(1 + random_below(200));
	if (tcp)
		upper[12] = 0x50, upper[13] = (uint8_t)random_below(64);
	else
		upper[5] = (uint8_t)(8 + data);
	return 14 + header + l4 + data;
}

/* What a frame has that is plain, by the parser's word. */
static bool
is_plain(const uint8_t *frame, uint32_t length, bool checked, struct packet *pk)
{
	if (length < 14 || memcmp(frame, station_mac, sizeof(station_mac)) != 0)
		return false;
	enum parse_result result = checked ? parse_l3_checked(frame, length, length, pk)
					   : parse_l3(frame, length, length, pk);
	if (result != PARSE_OK || parse_l4(frame, length, length, pk) != PARSE_OK)
		return false;
	uint32_t header = pk->family == 4 ? 20 : 40;
	bool is_whole =
		pk->fragment == FRAGMENT_NONE && pk->vlan_tags == 0 && pk->l4_offset == 14 + header;
	bool is_long = length >= 14 + header + 20;
	bool is_high = pk->family == 4 || (pk->src.halves[0] != 0 && pk->dst.halves[0] != 0);
	return is_whole && is_long && is_high &&
	       (pk->proto == IPPROTO_TCP || pk->proto == IPPROTO_UDP);
}

static bool
assert_same(const uint8_t *frame, uint32_t length, bool checked)
{
	struct plain_station station = plain_station(station_word());
	struct packet a, b;
	memset(&a, 0, sizeof(a));
	memset(&b, 0, sizeof(b));
	bool wanted = is_plain(frame, length, checked, &a);
	assert_int_equal(parse_plain(frame, length, &station, checked, &b), wanted);
	if (wanted)
		assert_memory_equal(&a, &b, sizeof(a));
	return wanted;
}

static void
test_same_verdict(void **state)
{
	(void)state;
	uint32_t plain = 0;
	for (uint32_t round = 0; round < ROUNDS; round++) {
		uint8_t frame[FRAME_MAX];
		uint32_t length = write_frame(frame);
		for (uint32_t changes = random_below(3); changes > 0; changes--)
			frame[random_below(74)] = (uint8_t)random_below(256);
		if (random_below(4) == 0)
			length = random_below(length + 1);
		/* No longer than it must be, for the sanitizers. */
		uint8_t *exact = malloc(length < PLAIN_READ_BYTES ? PLAIN_READ_BYTES : length);
		memset(exact, (int)random_below(256), PLAIN_READ_BYTES);
		memcpy(exact, frame, length);
		plain += assert_same(exact, length, random_below(2));
		free(exact);
	}
	assert_true(plain > ROUNDS / 10);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_same_verdict)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
