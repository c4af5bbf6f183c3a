/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "flow_hash.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define MILLION	     1000000u

/* The 5-tuple as one string of bytes, so that bits can be counted through. */
struct tuple {
	struct ip_addr src, dst;
	uint16_t sport, dport;
	uint8_t proto;
};

static uint64_t random_state;

static uint64_t
random64(void)
{
	random_state += 0x9e3779b97f4a7c15;
	uint64_t z = random_state;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

static struct flow_key
key_of(const char *secret)
{
	uint8_t bytes[16];
	struct flow_key key;
	memcpy(bytes, secret, sizeof(bytes));
	flow_key_expand(&key, bytes);
	return key;
}

static uint64_t
hash_of(const struct flow_key *key, const struct tuple *t)
{
	return flow_hash_tuple(key, &t->src, &t->dst, t->sport, t->dport, t->proto);
}

static struct ip_addr
v4(uint32_t host_order)
{
	return addr_from_v4(__builtin_bswap32(host_order));
}

static struct ip_addr
v6(uint64_t high, uint64_t low)
{
	struct ip_addr a;
	a.halves[0] = __builtin_bswap64(high);
	a.halves[1] = __builtin_bswap64(low);
	return a;
}

/*
 * Stored flow tables and siblings of other versions hang on these values. If this test fails, the
 * code is wrong, not the test. They were computed by a program of another language, whose SipHash
 * gives its authors' published vector.
 */
static void
test_known_values(void **state)
{
	(void)state;
	static const uint8_t secret[16] = {0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88,
		0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff};
	static const uint64_t words[8] = {0xe2d65ffc40144e8b, 0x664c1d8e361fcde3,
		0x768cdf79551f22dd, 0x96bce1589e027bbd, 0x88ea7209f2e24581, 0x766436afc448449d,
		0x2f3b5a776e27b501, 0xe4450abebe2bf06d};
	struct flow_key key;
	flow_key_expand(&key, secret);
	for (size_t i = 0; i < 8; i++)
		assert_int_equal(key.words[i], words[i]);
	assert_int_equal(flow_key_check(&key), 0x07cacd71b381bf53);
	assert_int_equal(flow_salt(&key, "web"), 0xb773dd624c24541e);
	assert_int_equal(flow_name_hash(&key, "caches/cache1"), 0x030033f82c87f8d7);
	assert_int_equal(flow_name_hash(&key, ""), 0xfa252d105ac1bbbd);

	struct ip_addr client4 = v4(0xc6336407), vip4 = v4(0xc0000250);
	struct ip_addr client6 = v6(0x20010db800000001, 7), vip6 = v6(0x20010db800000000, 0x80);
	assert_int_equal(flow_hash_tuple(&key, &client4, &vip4, 40000, 443, 6), 0x270ba2546bdcca1f);
	assert_int_equal(flow_hash_tuple(&key, &client6, &vip6, 40000, 443, 6), 0x376b1fddbba69892);
	assert_int_equal(flow_hash_client(&key, &client4, 0x0123456789abcdef), 0x8e9cbede31d4322f);
	assert_int_equal(flow_hash_client(&key, &client6, 0x0123456789abcdef), 0xa25bad79295156c0);
}

/* Also of the secret that is all zeros. */
static void
test_words_are_odd_and_differ(void **state)
{
	(void)state;
	random_state = 1;
	for (unsigned round = 0; round < 1000; round++) {
		uint8_t secret[16] = {0};
		if (round > 0) {
			uint64_t halves[2] = {random64(), random64()};
			memcpy(secret, halves, sizeof(secret));
		}
		struct flow_key key;
		flow_key_expand(&key, secret);
		for (size_t i = 0; i < 8; i++) {
			assert_int_equal(key.words[i] & 1, 1);
			assert_in_range(__builtin_popcountll(key.words[i]), 8, 56);
			for (size_t j = 0; j < i; j++)
				assert_int_not_equal(key.words[i], key.words[j]);
		}
	}
}

/* One bit of the secret changes half of every word's bits, of the check, the salts and names. */
static void
test_every_bit_of_the_secret_counts(void **state)
{
	(void)state;
	enum { ROUNDS = 200, OUTPUTS = 11 };
	uint32_t changed[OUTPUTS] = {0};
	random_state = 2;
	for (unsigned round = 0; round < ROUNDS; round++) {
		uint64_t halves[2] = {random64(), random64()};
		for (unsigned bit = 0; bit < 128; bit++) {
			struct flow_key a, b;
			uint8_t secret[16];
			memcpy(secret, halves, sizeof(secret));
			flow_key_expand(&a, secret);
			secret[bit / 8] ^= (uint8_t)(1u << bit % 8);
			flow_key_expand(&b, secret);
			uint64_t differences[OUTPUTS] = {
				[8] = flow_key_check(&a) ^ flow_key_check(&b),
				[9] = flow_salt(&a, "web") ^ flow_salt(&b, "web"),
				[10] = flow_name_hash(&a, "p/b") ^ flow_name_hash(&b, "p/b")};
			for (size_t i = 0; i < 8; i++)
				differences[i] = a.words[i] ^ b.words[i];
			for (size_t i = 0; i < OUTPUTS; i++) {
				int bits = __builtin_popcountll(differences[i]);
				assert_in_range(bits, 6, 58);
				changed[i] += (uint32_t)bits;
			}
		}
	}
	for (size_t i = 0; i < OUTPUTS; i++) {
		double mean = changed[i] / (double)(ROUNDS * 128);
		assert_true(mean > (i < 8 ? 31.3 : 31.8) && mean < (i < 8 ? 31.7 : 32.2));
	}
}

static void
test_uses_of_the_key_differ(void **state)
{
	(void)state;
	struct flow_key key = key_of("0123456789abcdef");
	uint64_t values[] = {flow_key_check(&key), flow_salt(&key, ""), flow_name_hash(&key, ""),
		flow_salt(&key, "web"), flow_name_hash(&key, "web"), flow_name_hash(&key, "web "),
		flow_name_hash(&key, "Web"), flow_name_hash(&key, "bew"), key.words[0],
		key.words[1]};
	for (size_t i = 0; i < COUNT(values); i++)
		for (size_t j = 0; j < i; j++)
			assert_int_not_equal(values[i], values[j]);
}

/* Names as configurations have them: no two alike, and every length to beyond a DNS label. */
static void
test_name_hash(void **state)
{
	(void)state;
	struct flow_key key = key_of("0123456789abcdef");
	char name[80] = {0};
	uint64_t seen[COUNT(name)];
	for (size_t length = 0; length + 1 < COUNT(name); length++) {
		seen[length] = flow_name_hash(&key, name);
		for (size_t i = 0; i < length; i++)
			assert_int_not_equal(seen[i], seen[length]);
		name[length] = 'a';
	}
}

/* --- the flow's hash ------------------------------------------------------------------------ */

static void
flip(struct tuple *t, unsigned bit)
{
	if (bit < 128)
		t->src.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
	else if (bit < 256)
		t->dst.bytes[(bit - 128) / 8] ^= (uint8_t)(1u << bit % 8);
	else if (bit < 272)
		t->sport ^= (uint16_t)(1u << (bit - 256));
	else if (bit < 288)
		t->dport ^= (uint16_t)(1u << (bit - 272));
	else
		t->proto ^= (uint8_t)(1u << (bit - 288));
}
#define TUPLE_BITS 296

/* Bits 0..95 of a v4-mapped address are constant. */
static bool
varies(unsigned bit, bool four)
{
	return !four || bit >= 256 || bit % 128 >= 96;
}

static struct tuple
random_tuple(bool four)
{
	struct tuple t = {.sport = (uint16_t)random64(),
		.dport = (uint16_t)random64(),
		.proto = (uint8_t)random64()};
	t.src = four ? v4((uint32_t)random64()) : v6(random64(), random64());
	t.dst = four ? v4((uint32_t)random64()) : v6(random64(), random64());
	return t;
}

/* Few bits set and counting up, as real clients, ports and VIPs are. */
static struct tuple
plain_tuple(bool four, unsigned i)
{
	struct tuple t = {.sport = (uint16_t)(1024 + i), .dport = 443, .proto = 6};
	t.src = four ? v4(0x0a000000 + i / 7) : v6(0x20010db800000000, i / 7);
	t.dst = four ? v4(0xc0000200 + i % 3) : v6(0x20010db8ffff0000, i % 3);
	return t;
}

static void
check_avalanche(bool four, bool plain)
{
	/* 18,944 shares of 4096 samples each: six standard deviations of 1/128 are 0.047. */
	enum { SAMPLES = 4096 };
	const double tolerance = 0.047;
	static uint32_t flips[TUPLE_BITS][64];
	memset(flips, 0, sizeof(flips));
	struct flow_key key = key_of(plain ? "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0" : "an edge's secret");
	for (unsigned i = 0; i < SAMPLES; i++) {
		struct tuple t = plain ? plain_tuple(four, i) : random_tuple(four);
		uint64_t before = hash_of(&key, &t);
		for (unsigned in = 0; in < TUPLE_BITS; in++) {
			flip(&t, in);
			uint64_t changed = before ^ hash_of(&key, &t);
			flip(&t, in);
			for (unsigned out = 0; out < 64; out++)
				flips[in][out] += (uint32_t)(changed >> out & 1);
		}
	}
	for (unsigned in = 0; in < TUPLE_BITS; in++) {
		for (unsigned out = 0; out < 64 && varies(in, four); out++) {
			double share = flips[in][out] / (double)SAMPLES;
			if (share < 0.5 - tolerance || share > 0.5 + tolerance)
				fail_msg("IPv%c, %s: input bit %u flips output bit %u in %.3f of "
					 "cases",
					four ? '4' : '6', plain ? "plain" : "random", in, out,
					share);
		}
	}
}

static void
test_avalanche(void **state)
{
	(void)state;
	random_state = 3;
	for (int four = 0; four < 2; four++)
		for (int plain = 0; plain < 2; plain++)
			check_avalanche(four, plain);
}

static int
compare_u64(const void *left, const void *right)
{
	uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
	return (a > b) - (a < b);
}

/* Chi-square over 2^16 cells of 16 bits of the hash, six standard deviations to either side. */
static void
check_spread(const uint64_t *hashes, size_t count, unsigned shift)
{
	enum { CELLS = 1 << 16 };
	static uint32_t cells[CELLS];
	memset(cells, 0, sizeof(cells));
	for (size_t i = 0; i < count; i++)
		cells[hashes[i] >> shift & (CELLS - 1)]++;
	double expected = (double)count / CELLS, chi = 0;
	for (size_t i = 0; i < CELLS; i++)
		chi += (cells[i] - expected) * (cells[i] - expected) / expected;
	/* Mean CELLS - 1, variance twice that. */
	double off = chi - (CELLS - 1);
	if (off * off > 6.0 * 6.0 * 2 * (CELLS - 1))
		fail_msg("bits %u to %u: chi-square is %.0f, not near %d", shift, shift + 15, chi,
			CELLS - 1);
}

/* A million tuples of one pattern: all hashes differ, rows and buckets fill evenly. */
static void
check_million(const struct flow_key *key, struct tuple (*pattern)(unsigned i))
{
	uint64_t *hashes = malloc(MILLION * sizeof(*hashes));
	assert_non_null(hashes);
	for (unsigned i = 0; i < MILLION; i++) {
		struct tuple t = pattern(i);
		hashes[i] = hash_of(key, &t);
	}
	static const unsigned shifts[] = {0 /* row */, 8, 16 /* tag */, 32 /* bucket */, 40, 48};
	for (size_t i = 0; i < COUNT(shifts); i++)
		check_spread(hashes, MILLION, shifts[i]);
	qsort(hashes, MILLION, sizeof(*hashes), compare_u64);
	for (unsigned i = 1; i < MILLION; i++)
		assert_int_not_equal(hashes[i - 1], hashes[i]);
	free(hashes);
}

static struct tuple
clients_by_ports4(unsigned i)
{
	struct tuple t = {v4(0x0a000000 + i / 1000), v4(0xc0000250), 0, 443, 6};
	t.sport = (uint16_t)(1024 + i % 1000);
	return t;
}

static struct tuple
clients_by_vips4(unsigned i)
{
	return (struct tuple){v4(0x64400000 + i % 1000), v4(0xc0000200 + i / 1000), 53, 53, 17};
}

static struct tuple
one_client_all_ports4(unsigned i)
{
	struct tuple t = {v4(0xc6336401), v4(0xc0000250), 0, 0, 6};
	t.sport = (uint16_t)(i >> 4);
	t.dport = (uint16_t)(8000 + i % 16);
	return t;
}

static struct tuple
networks4(unsigned i)
{
	return (struct tuple){v4(i << 12), v4(0xc0000250), 40000, 443, 6};
}

static struct tuple
clients_by_ports6(unsigned i)
{
	struct tuple t = {
		v6(0x20010db800000000, i / 1000), v6(0x20010db8ffff0000, 0x80), 0, 443, 6};
	t.sport = (uint16_t)(1024 + i % 1000);
	return t;
}

static struct tuple
networks6(unsigned i)
{
	return (struct tuple){v6(0x20010db800000000 + ((uint64_t)i << 8), 1),
		v6(0x20010db8ffff0000, 0x80), 40000, 443, 6};
}

static void
test_a_million_of_a_pattern(void **state)
{
	(void)state;
	static struct tuple (*const patterns[])(unsigned) = {clients_by_ports4, clients_by_vips4,
		one_client_all_ports4, networks4, clients_by_ports6, networks6};
	struct flow_key zero = key_of("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),
			key = key_of("an edge's secret");
	for (size_t i = 0; i < COUNT(patterns); i++) {
		check_million(&zero, patterns[i]);
		check_million(&key, patterns[i]);
	}
}

/* Affinity "client": one service's clients spread alone and differ from another service's. */
static void
test_client_hash(void **state)
{
	(void)state;
	struct flow_key key = key_of("an edge's secret");
	uint64_t salts[2] = {flow_salt(&key, "web"), flow_salt(&key, "dns")};
	enum { CLIENTS = MILLION / 2 };
	uint64_t *hashes = malloc(2 * CLIENTS * sizeof(*hashes));
	assert_non_null(hashes);
	for (unsigned service = 0; service < 2; service++) {
		for (unsigned i = 0; i < CLIENTS; i++) {
			struct ip_addr client = v4(0x0a000000 + i);
			hashes[service * CLIENTS + i] =
				flow_hash_client(&key, &client, salts[service]);
		}
		check_spread(hashes + service * CLIENTS, CLIENTS, 0);
		check_spread(hashes + service * CLIENTS, CLIENTS, 32);
	}
	check_spread(hashes, 2 * CLIENTS, 0);
	qsort(hashes, 2 * CLIENTS, sizeof(*hashes), compare_u64);
	for (unsigned i = 1; i < 2 * CLIENTS; i++)
		assert_int_not_equal(hashes[i - 1], hashes[i]);
	free(hashes);
}

static void
test_direction_key_and_family_matter(void **state)
{
	(void)state;
	struct flow_key key = key_of("an edge's secret"), other = key_of("an edge's secreu");
	random_state = 4;
	uint64_t same_bits = 0;
	for (unsigned i = 0; i < 100000; i++) {
		struct tuple t = i % 2 ? random_tuple(i % 4 == 1) : plain_tuple(i % 4 == 0, i);
		struct tuple swapped = {t.dst, t.src, t.dport, t.sport, t.proto};
		struct tuple ports_swapped = {t.src, t.dst, t.dport, t.sport, t.proto};
		struct tuple hosts_swapped = {t.dst, t.src, t.sport, t.dport, t.proto};
		uint64_t hash = hash_of(&key, &t);
		assert_int_not_equal(hash, hash_of(&key, &swapped));
		assert_int_not_equal(hash, hash_of(&key, &ports_swapped));
		assert_int_not_equal(hash, hash_of(&key, &hosts_swapped));
		assert_int_not_equal(hash, hash_of(&other, &t));
		same_bits += (uint64_t)__builtin_popcountll(~(hash ^ hash_of(&other, &t)));
	}
	assert_in_range(same_bits, 3190000, 3210000); /* half of 6.4 million, ± 8 sigma */
}

static void
test_parts(void **state)
{
	(void)state;
	assert_int_equal(flow_hash_tag(0x0123456789abcdef), 0x89abcdef);
	assert_int_equal(flow_hash_bucket(0x0123456789abcdef), 0x01234567);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known_values),
		cmocka_unit_test(test_words_are_odd_and_differ),
		cmocka_unit_test(test_every_bit_of_the_secret_counts),
		cmocka_unit_test(test_uses_of_the_key_differ),
		cmocka_unit_test(test_name_hash),
		cmocka_unit_test(test_avalanche),
		cmocka_unit_test(test_a_million_of_a_pattern),
		cmocka_unit_test(test_client_hash),
		cmocka_unit_test(test_direction_key_and_family_matter),
		cmocka_unit_test(test_parts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
