/* SPDX-License-Identifier: BSD-3-Clause */
/* The inlined straight line says of every frame what parse_l3 and parse_l4 say of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "parse_inline.h"

#define ROUNDS	  400000
#define FRAME_MAX 120

static uint64_t state_of_random = 1;

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
	for (uint32_t i = 0; i < 12; i++)
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

static void
assert_same(const uint8_t *frame, uint32_t length, bool checked)
{
	struct packet a, b;
	memset(&a, 0, sizeof(a));
	memset(&b, 0, sizeof(b));
	enum parse_result wanted = checked ? parse_l3_checked(frame, length, length, &a)
					   : parse_l3(frame, length, length, &a);
	assert_int_equal(parse_l3_inline(frame, length, checked, &b), wanted);
	if (wanted != PARSE_OK)
		return;
	assert_memory_equal(&a, &b, sizeof(a));
	wanted = parse_l4(frame, length, length, &a);
	assert_int_equal(parse_l4_inline(frame, length, &b), wanted);
	if (wanted == PARSE_OK)
		assert_memory_equal(&a, &b, sizeof(a));
}

static void
test_same_verdict(void **state)
{
	(void)state;
	uint8_t frame[FRAME_MAX];
	for (uint32_t round = 0; round < ROUNDS; round++) {
		uint32_t length = write_frame(frame);
		for (uint32_t changes = random_below(3); changes > 0; changes--)
			frame[12 + random_below(60)] = (uint8_t)random_below(256);
		if (random_below(4) == 0)
			length = random_below(length + 1);
		/* At the end of what may be read, for the sanitizers. */
		assert_same(frame, length, random_below(2));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_same_verdict)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
