/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The keyed 64-bit identity of a flow.
 *
 * Everything sticky hangs on this number: siblings with the same key agree on it, it is stored in
 * tables that outlive the process, so its definition may not change between versions (a test holds
 * known values). It is keyed so that nobody outside can aim packets at one bucket or one row.
 *
 *   63                              32 31                               0
 *   +---------------------------------+----------------------------------+
 *   | bucket                          | tag; its low bits are the row    |
 *   +---------------------------------+----------------------------------+
 *
 * It multiplies 64 x 64 bits to 128 and folds (the construction of NH, RFC 4418 5.2, and of
 * wyhash): inputs are XORed with secret words, so the products cannot be steered without the key.
 *
 * Any thread; the key is read only.
 */
#ifndef FAIRLEAD_FLOW_HASH_H
#define FAIRLEAD_FLOW_HASH_H

#include "addr.h"

struct flow_key {
	uint64_t words[8]; /* from the configured 128 bits, by flow_key_expand; all odd */
};

/* The 16 bytes of "hash_key", as written there, to the words that the hash uses. */
void flow_key_expand(struct flow_key *key, const uint8_t secret[16]);

/* A value that tells keys apart and gives nothing of them away: for the flow table's header. */
uint64_t flow_key_check(const struct flow_key *key);

/* The 64-bit salt of a service, from its name: what affinity "client" hashes in place of a VIP. */
uint64_t flow_salt(const struct flow_key *key, const char *service_name);

/* A keyed 64-bit hash of a name, e.g. "pool/backend": the identity of a backend in a row table. */
uint64_t flow_name_hash(const struct flow_key *key, const char *name);

static inline uint64_t
flow_mix(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;
	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* Two rounds over two addresses and one word of all the rest. */
static inline uint64_t
flow_hash_words(const struct flow_key *key, const struct ip_addr *src, const struct ip_addr *dst,
	uint64_t rest)
{
	const uint64_t *k = key->words;
	uint64_t s = flow_mix(src->halves[0] ^ k[0], src->halves[1] ^ k[1]);
	uint64_t d = flow_mix(dst->halves[0] ^ k[2], dst->halves[1] ^ k[3]);
	uint64_t m = flow_mix(rest ^ k[4], s ^ k[5]);
	return flow_mix(m ^ d ^ k[6], d ^ k[7] ^ rest);
}

/* Affinity "flow" and "none": the 5-tuple. Ports in host order. */
static inline uint64_t
flow_hash_tuple(const struct flow_key *key, const struct ip_addr *src, const struct ip_addr *dst,
	uint16_t sport, uint16_t dport, uint8_t proto)
{
	uint64_t rest = (uint64_t)proto << 32 | (uint64_t)sport << 16 | dport;
	return flow_hash_words(key, src, dst, rest);
}

/* Affinity "client": the client's address and the service, whatever the VIP and the ports. */
static inline uint64_t
flow_hash_client(const struct flow_key *key, const struct ip_addr *src, uint64_t salt)
{
	static const struct ip_addr nowhere;
	return flow_hash_words(key, src, &nowhere, salt);
}

/* The parts of the hash. */
static inline uint32_t
flow_hash_tag(uint64_t hash)
{
	return (uint32_t)hash;
}

static inline uint32_t
flow_hash_bucket(uint64_t hash)
{
	return (uint32_t)(hash >> 32);
}

#endif
