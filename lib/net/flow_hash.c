/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What is done with the key outside the packet path. All of it is SipHash-2-4 (Aumasson and
 * Bernstein, 2012): a pseudorandom function, so that neither the words of the key nor what is
 * shown of it lead back to the secret.
 */
#include "flow_hash.h"

#define SIP_ROUNDS_PER_WORD 2
#define SIP_ROUNDS_AT_END   4

/* Each use of the key is a function of its own. Never renumber: what they give is stored. */
enum purpose {
	PURPOSE_CHECK = 1,
	PURPOSE_SALT = 2,
	PURPOSE_NAME = 3,
};

struct sip {
	uint64_t v[4];
};

static inline uint64_t
rotate(uint64_t x, unsigned bits)
{
	return x << bits | x >> (64 - bits);
}

static void
sip_rounds(struct sip *s, unsigned rounds)
{
	uint64_t *v = s->v;
	for (unsigned i = 0; i < rounds; i++) {
		v[0] += v[1];
		v[2] += v[3];
		v[1] = rotate(v[1], 13) ^ v[0];
		v[3] = rotate(v[3], 16) ^ v[2];
		v[0] = rotate(v[0], 32);
		v[2] += v[1];
		v[0] += v[3];
		v[1] = rotate(v[1], 17) ^ v[2];
		v[3] = rotate(v[3], 21) ^ v[0];
		v[2] = rotate(v[2], 32);
	}
}

static void
sip_word(struct sip *s, uint64_t word)
{
	s->v[3] ^= word;
	sip_rounds(s, SIP_ROUNDS_PER_WORD);
	s->v[0] ^= word;
}

static uint64_t
siphash(uint64_t key0, uint64_t key1, const void *data, size_t bytes)
{
	struct sip s = {{
		key0 ^ 0x736f6d6570736575,
		key1 ^ 0x646f72616e646f6d,
		key0 ^ 0x6c7967656e657261,
		key1 ^ 0x7465646279746573,
	}};
	const uint8_t *at = data;
	uint64_t word;
	size_t left = bytes;
	for (; left >= sizeof(word); at += sizeof(word), left -= sizeof(word)) {
		memcpy(&word, at, sizeof(word));
		sip_word(&s, word);
	}
	word = (uint64_t)bytes << 56;
	memcpy(&word, at, left);
	sip_word(&s, word);
	s.v[2] ^= 0xff;
	sip_rounds(&s, SIP_ROUNDS_AT_END);
	return s.v[0] ^ s.v[1] ^ s.v[2] ^ s.v[3];
}

/* Word i is SipHash of i under the secret. They are multiplied by, so they are made odd: then the
 * low half of a product loses nothing of the other factor, and no word is 0. */
void
flow_key_expand(struct flow_key *key, const uint8_t secret[16])
{
	uint64_t halves[2];
	memcpy(halves, secret, sizeof(halves));
	for (uint64_t i = 0; i < 8; i++)
		key->words[i] = siphash(halves[0], halves[1], &i, sizeof(i)) | 1;
}

static uint64_t
keyed(const struct flow_key *key, enum purpose purpose, const char *text)
{
	return siphash(key->words[0] ^ purpose, key->words[1], text, strlen(text));
}

uint64_t
flow_key_check(const struct flow_key *key)
{
	return keyed(key, PURPOSE_CHECK, "");
}

uint64_t
flow_salt(const struct flow_key *key, const char *service_name)
{
	return keyed(key, PURPOSE_SALT, service_name);
}

uint64_t
flow_name_hash(const struct flow_key *key, const char *name)
{
	return keyed(key, PURPOSE_NAME, name);
}
