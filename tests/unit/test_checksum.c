/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "checksum.h"
#include "wire.h"

static uint64_t random_state;

static uint64_t
random64(void)
{
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return random_state ^ random_state >> 29;
}

/* RFC 1071, 1, to the letter: 16-bit words in network order, carries added back one by one. */
static uint16_t
naive_checksum(const uint8_t *data, size_t bytes)
{
	uint32_t sum = 0;
	for (size_t i = 0; i < bytes; i += 2) {
		uint8_t low = i + 1 < bytes ? data[i + 1] : 0;
		sum += (uint32_t)(data[i] << 8 | low);
		if (sum > 0xffff)
			sum -= 0xffff;
	}
	return (uint16_t)~sum;
}

static void
test_published_example(void **state)
{
	(void)state;
	/* RFC 1071, 3: the sum of these is ddf2. */
	static const uint8_t data[] = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};
	assert_int_equal(wire_u16(checksum_fold(checksum_sum(data, 8))), (uint16_t)~0xddf2);
	assert_int_equal(checksum_fold(checksum_sum(data, 0)), 0xffff);
}

static void
test_every_length_and_alignment(void **state)
{
	(void)state;
	random_state = 1;
	for (size_t bytes = 0; bytes <= 80; bytes++) {
		for (size_t shift = 0; shift < 8; shift++) {
			/* Exactly as long as said, so that a sanitizer sees a read past the end. */
			uint8_t *memory = malloc(shift + bytes + (shift + bytes == 0));
			assert_non_null(memory);
			for (size_t i = 0; i < shift + bytes; i++)
				memory[i] = (uint8_t)random64();
			be16 got = checksum_fold(checksum_sum(memory + shift, bytes));
			assert_int_equal(wire_u16(got), naive_checksum(memory + shift, bytes));
			free(memory);
		}
	}
}

static void
test_all_ones_carry(void **state)
{
	(void)state;
	static uint8_t data[65535];
	memset(data, 0xff, sizeof(data));
	assert_int_equal(wire_u16(checksum_fold(checksum_sum(data, sizeof(data)))),
		naive_checksum(data, sizeof(data)));
	assert_int_equal(checksum_fold(UINT64_MAX), 0);
}

static void
test_parts_add_up(void **state)
{
	(void)state;
	uint8_t data[61];
	random_state = 2;
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)random64();
	for (size_t cut = 0; cut <= sizeof(data); cut += 2) {
		uint64_t sum =
			checksum_sum(data, cut) + checksum_sum(data + cut, sizeof(data) - cut);
		assert_int_equal(wire_u16(checksum_fold(sum)), naive_checksum(data, sizeof(data)));
	}
}

static void
test_update(void **state)
{
	(void)state;
	random_state = 3;
	for (unsigned round = 0; round < 200000; round++) {
		be16 words[10];
		for (size_t i = 0; i < 10; i++) {
			/* Corners often: a checksum of 0 or of all ones is where updates go wrong.
			 */
			uint64_t r = random64();
			words[i] = r % 4 == 0 ? 0 : r % 4 == 1 ? 0xffff : (be16)(r >> 8);
		}
		words[0] |= 1; /* as in a real header: not everything is 0 */
		be16 before = checksum_fold(checksum_sum(words, sizeof(words)));
		size_t at = 1 + random64() % 9;
		be16 to = (be16)random64();
		be16 got = checksum_update(before, words[at], to);
		words[at] = to;
		assert_int_equal(got, checksum_fold(checksum_sum(words, sizeof(words))));
	}
}

/* RFC 1624, 4: the example whose result the older equation gets wrong. */
static void
test_update_published_example(void **state)
{
	(void)state;
	assert_int_equal(checksum_update(wire_u16(0xdd2f), wire_u16(0x5555), wire_u16(0x3285)), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_published_example),
		cmocka_unit_test(test_every_length_and_alignment),
		cmocka_unit_test(test_all_ones_carry),
		cmocka_unit_test(test_parts_add_up),
		cmocka_unit_test(test_update),
		cmocka_unit_test(test_update_published_example),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
