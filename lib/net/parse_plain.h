/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The usual frame, read at one go: for this station, untagged, an IPv4 header of 20 bytes or an IPv6
 * one, no fragment, no extension header, whole TCP or UDP behind it, and nothing wrong anywhere.
 * Whatever is not that, or is too short to tell, is "not plain", without a reason: parse_l3 and
 * parse_l4 (parse.h) have all the reasons, and say of a plain frame just what this says.
 *
 * struct packet is, but for constants, a choice of the header's bytes in another order. So it is not
 * put together field by field: shuffles of 16 bytes, or one of 64, bring them into theirs.
 *
 *   IPv4 frame   0        12    14       20    22  23  24   26   30   34     36     47
 *                | MACs   | type| IP …   | frag| ttl|pr.|sum | src| dst| sport| dport| flags
 *                <------- start (16) ---->
 *                               <------- ip (16) ---------------->
 *                                                         <-- addresses and ports (16) --
 */
#ifndef FAIRLEAD_PARSE_PLAIN_H
#define FAIRLEAD_PARSE_PLAIN_H

#include <netinet/in.h>

#include "packet.h"
#include "wire.h"

/* Read from the start of a frame, even where it is shorter: buffers are longer. */
#define PLAIN_READ_BYTES 64

/* The compiler need not have SSSE3 for all: then nothing is plain. */
#ifdef __SSSE3__
#include <immintrin.h>

/* The shortest frames that are looked at: up to the end of a TCP header without options. */
#define PLAIN_IPV4_BYTES                                                                           \
	(sizeof(struct wire_ether) + sizeof(struct wire_ipv4) + sizeof(struct wire_tcp))
#define PLAIN_IPV6_BYTES                                                                           \
	(sizeof(struct wire_ether) + sizeof(struct wire_ipv6) + sizeof(struct wire_tcp))

static_assert(
	offsetof(struct packet, src) == 0 && offsetof(struct packet, dst) == 16 &&
		offsetof(struct packet, l3_offset) == 32 &&
		offsetof(struct packet, l3_length) == 34 && offsetof(struct packet, vlan) == 36 &&
		offsetof(struct packet, vlan_tags) == 38 && offsetof(struct packet, family) == 39 &&
		offsetof(struct packet, ttl) == 40 && offsetof(struct packet, tos) == 41 &&
		offsetof(struct packet, next_proto) == 42 && offsetof(struct packet, proto) == 43 &&
		offsetof(struct packet, l4_offset) == 44 && offsetof(struct packet, sport) == 46 &&
		offsetof(struct packet, dport) == 48 && offsetof(struct packet, tcp_flags) == 50 &&
		offsetof(struct packet, fragment_id) == 56,
	"what the shuffles and the words below write");

/* The first 16 bytes of a plain frame: destination, EtherType, version. */
struct plain_station {
	__m128i start4, start6;
};

/* `mac_word` has the station's address in its low 48 bits, byte 0 lowest (l2_mac_word). */
static inline struct plain_station
plain_station(uint64_t mac_word)
{
	return (struct plain_station){
		.start4 = _mm_set_epi64x(0x0045000800000000, (long long)mac_word),
		.start6 = _mm_set_epi64x(0x0060dd8600000000, (long long)mac_word),
	};
}

static inline __m128i
plain_load(const uint8_t *at)
{
	return _mm_loadu_si128((const void *)at);
}

static inline void
plain_store(struct packet *pk, unsigned offset, __m128i block)
{
	_mm_storeu_si128((void *)((uint8_t *)pk + offset), block);
}

static inline uint64_t
plain_word(const uint8_t *at)
{
	uint64_t word;
	memcpy(&word, at, sizeof(word));
	return word;
}

static inline uint16_t
plain_u16(const uint8_t *at)
{
	be16 value;
	memcpy(&value, at, sizeof(value));
	return wire_u16(value);
}

/* The destination and the EtherType count, and what of the version octet is the version: with IPv4,
 * all of it (five words). */
static inline bool
plain_starts(__m128i start, __m128i wanted, uint8_t version_mask)
{
	const __m128i mask = _mm_setr_epi8(
		-1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, -1, -1, (char)version_mask, 0);
	__m128i differs = _mm_and_si128(_mm_xor_si128(start, wanted), mask);
	return _mm_movemask_epi8(_mm_cmpeq_epi8(differs, _mm_setzero_si128())) == 0xffff;
}

/* Of two numbers of 16 bits, one is 0: only what was 0, or has lost a carry to such a one, has its
 * highest bit set by the subtraction and not before. */
static inline bool
plain_has_zero(uint32_t two)
{
	return ((two - 0x00010001) & ~two & 0x80008000) != 0;
}

/* Neither port is 0, the header is as long as it must be and no longer than `room`. TCP and UDP come
 * mixed, so which one it is chooses numbers and no way. */
static inline bool
plain_l4(const uint8_t *l4, bool is_tcp, uint32_t room)
{
	uint32_t least = is_tcp ? sizeof(struct wire_tcp) : sizeof(struct wire_udp);
	/* The data offset is in words, in the upper four bits. */
	uint32_t length = is_tcp ? l4[offsetof(struct wire_tcp, offset)] >> 2 & 0x3c
				 : plain_u16(l4 + offsetof(struct wire_udp, length));
	uint32_t ports;
	memcpy(&ports, l4, sizeof(ports));
	return length >= least && length <= room && !plain_has_zero(ports);
}

/* Destination port, TCP flags; no fragment, no ICMP, no VLAN. */
static inline void
plain_note_rest(struct packet *pk, const uint8_t *l4, bool is_tcp)
{
	uint64_t flags = is_tcp ? l4[offsetof(struct wire_tcp, flags)] : 0;
	uint64_t rest = plain_u16(l4 + offsetof(struct wire_tcp, dport)) | flags << 16;
	memcpy((uint8_t *)pk + offsetof(struct packet, dport), &rest, sizeof(rest));
	pk->fragment_id = 0;
}

/* The sum of a right header is a multiple of 0xffff, and so of one of 2^64 - 1, which carries go round
 * in. It cannot be 0, since the version is not. */
static inline bool
plain_checksum_is_right(const uint8_t *ip)
{
	uint64_t sum, first = plain_word(ip);
	be32 last;
	memcpy(&last, ip + 16, sizeof(last));
	bool carry = __builtin_add_overflow(first, plain_word(ip + 8), &sum);
	carry = __builtin_add_overflow(sum, (uint64_t)last + carry, &sum);
	return (sum + carry) % 0xffff == 0;
}

/* Lengths, ports, checksum of an IPv4 packet whose header is 20 bytes long and no fragment's. A total
 * length below the header's makes `room` larger than anything. */
static inline bool
plain_ipv4_is_right(const uint8_t *frame, uint32_t length, bool checksum_is_right, bool is_tcp)
{
	const uint8_t *l3 = frame + sizeof(struct wire_ether);
	const uint8_t *l4 = l3 + sizeof(struct wire_ipv4);
	uint32_t room = (uint32_t)plain_u16(l3 + offsetof(struct wire_ipv4, total_length)) -
			(uint32_t)sizeof(struct wire_ipv4);
	if (__builtin_expect(!(is_tcp || l3[offsetof(struct wire_ipv4, proto)] == IPPROTO_UDP) ||
				     room > length - (uint32_t)(l4 - frame) ||
				     !plain_l4(l4, is_tcp, room),
		    0))
		return false;
	return checksum_is_right || __builtin_expect(plain_checksum_is_right(l3), 1);
}

static inline bool
plain_ipv4_is_tcp(const uint8_t *frame)
{
	return frame[sizeof(struct wire_ether) + offsetof(struct wire_ipv4, proto)] == IPPROTO_TCP;
}

#if defined(__AVX512BW__)

/* Bytes of struct packet that come from the header: addresses; length, TTL, TOS, protocol twice, source
 * port; destination port; TCP flags. */
#define PLAIN_NOTED	  UINT64_C(0x0003cf0cf000f000)
#define PLAIN_NOTED_FLAGS (UINT64_C(1) << offsetof(struct packet, tcp_flags))

/* As plain_starts, and no fragment. */
static inline bool
plain_is_ipv4(const uint8_t *frame, const struct plain_station *station)
{
	const __m256i mask =
		_mm256_set_epi64x(0, 0x0000ff3f00000000, 0x00ffffff00000000, 0x0000ffffffffffff);
	__m256i head = _mm256_loadu_si256((const void *)frame);
	__m256i wanted = _mm256_zextsi128_si256(station->start4);
	return _mm256_testz_si256(_mm256_xor_si256(head, wanted), mask);
}

/* The four lanes of the register become those of struct packet: first the words that each needs are
 * brought into it, then their bytes into order. */
static inline void
plain_note_ipv4(const uint8_t *frame, bool is_tcp, struct packet *pk)
{
	const __m512i words = _mm512_setr_epi32(6, 7, 0, 0, 7, 8, 0, 0, 3, 4, 5, 8, 9, 11, 0, 0);
	const __m512i bytes = _mm512_setr_epi32(0, 0, 0, 0x05040302, 0, 0, 0, 0x05040302,
		0x04050000, 0, 0x0b0b030a, 0x0e0f0000, 0x00070001, 0, 0, 0);
	const __m512i constants = _mm512_setr_epi32(0, 0, (int)0xffff0000, 0, 0, 0, (int)0xffff0000,
		0, sizeof(struct wire_ether), 4 << 24, 0,
		sizeof(struct wire_ether) + sizeof(struct wire_ipv4), 0, 0, 0, 0);
	__mmask64 noted = PLAIN_NOTED | (is_tcp ? PLAIN_NOTED_FLAGS : 0);
	__m512i lanes = _mm512_permutexvar_epi32(words, _mm512_loadu_si512(frame));
	_mm512_storeu_si512(
		pk, _mm512_or_si512(_mm512_maskz_shuffle_epi8(noted, lanes, bytes), constants));
}

#else

static inline bool
plain_is_ipv4(const uint8_t *frame, const struct plain_station *station)
{
	be16 fragment;
	memcpy(&fragment, frame + sizeof(struct wire_ether) + offsetof(struct wire_ipv4, fragment),
		sizeof(fragment));
	return plain_starts(plain_load(frame), station->start4, 0xff) &&
	       (fragment & wire_u16(IPV4_MF | IPV4_OFFSET_MASK)) == 0;
}

static inline void
plain_note_ipv4(const uint8_t *frame, bool is_tcp, struct packet *pk)
{
	const uint8_t *l3 = frame + sizeof(struct wire_ether);
	const __m128i mapped = _mm_setr_epi8(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, -1, -1, 0, 0, 0, 0);
	const __m128i to_src =
		_mm_setr_epi8(-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 0, 1, 2, 3);
	const __m128i to_dst =
		_mm_setr_epi8(-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 4, 5, 6, 7);
	/* l3_length; TTL, TOS, protocol twice; and behind what is constant, the source port. */
	const __m128i to_middle =
		_mm_setr_epi8(-1, -1, 3, 2, -1, -1, -1, -1, 8, 1, 9, 9, -1, -1, -1, -1);
	const __m128i to_sport =
		_mm_setr_epi8(-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 9, 8);
	const __m128i middle = _mm_setr_epi8(14, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 14 + 20, 0, 0, 0);
	__m128i ip = plain_load(l3);
	__m128i from_src = plain_load(l3 + offsetof(struct wire_ipv4, src));
	plain_store(pk, 0, _mm_or_si128(_mm_shuffle_epi8(from_src, to_src), mapped));
	plain_store(pk, 16, _mm_or_si128(_mm_shuffle_epi8(from_src, to_dst), mapped));
	plain_store(pk, 32,
		_mm_or_si128(_mm_or_si128(_mm_shuffle_epi8(ip, to_middle),
				     _mm_shuffle_epi8(from_src, to_sport)),
			middle));
	plain_note_rest(pk, l3 + sizeof(struct wire_ipv4), is_tcp);
}

#endif

/* The frame is that of an IPv6 packet. Addresses whose first half is 0 are rare, and v4-mapped ones are
 * among them. */
static inline bool
parse_plain_ipv6(const uint8_t *frame, uint32_t length, struct packet *pk)
{
	const uint8_t *l3 = frame + sizeof(struct wire_ether);
	const uint8_t *l4 = l3 + sizeof(struct wire_ipv6);
	const uint8_t *src = l3 + offsetof(struct wire_ipv6, src);
	const uint8_t *dst = l3 + offsetof(struct wire_ipv6, dst);
	uint32_t room = plain_u16(l3 + offsetof(struct wire_ipv6, payload_length));
	uint8_t proto = l3[offsetof(struct wire_ipv6, next_header)];
	bool is_tcp = proto == IPPROTO_TCP;
	if (__builtin_expect(!(is_tcp || proto == IPPROTO_UDP) ||
				     room > length - (uint32_t)(l4 - frame) ||
				     !plain_l4(l4, is_tcp, room) || plain_word(src) == 0 ||
				     plain_word(dst) == 0,
		    0))
		return false;

	uint64_t offset_and_length = sizeof(struct wire_ether) |
				     (uint64_t)(room + sizeof(struct wire_ipv6)) << 16 |
				     (uint64_t)6 << 56;
	uint64_t hops_to_sport = (uint64_t)l3[offsetof(struct wire_ipv6, hop_limit)] |
				 (uint64_t)(uint8_t)(plain_u16(l3) >> 4) << 8 |
				 (uint64_t)proto << 16 | (uint64_t)proto << 24 |
				 (uint64_t)(l4 - frame) << 32 | (uint64_t)plain_u16(l4) << 48;
	plain_store(pk, 0, plain_load(src));
	plain_store(pk, 16, plain_load(dst));
	memcpy((uint8_t *)pk + 32, &offset_and_length, sizeof(offset_and_length));
	memcpy((uint8_t *)pk + 40, &hops_to_sport, sizeof(hops_to_sport));
	plain_note_rest(pk, l4, is_tcp);
	return true;
}

/*
 * True if the frame, which lies in one piece of `length` bytes, is plain; then *pk is what parse_l3
 * and parse_l4 would have made of it, with PARSE_OK. Else *pk means nothing. PLAIN_READ_BYTES from
 * `frame` on can be read, whatever they are. `checksum_is_right` as for parse_l3_checked. Any thread.
 */
static inline bool
parse_plain(const uint8_t *frame, uint32_t length, const struct plain_station *station,
	bool checksum_is_right, struct packet *pk)
{
	if (__builtin_expect(length < PLAIN_IPV4_BYTES, 0))
		return false;
	if (__builtin_expect(plain_is_ipv4(frame, station), 1)) {
		bool is_tcp = plain_ipv4_is_tcp(frame);
		if (!plain_ipv4_is_right(frame, length, checksum_is_right, is_tcp))
			return false;
		plain_note_ipv4(frame, is_tcp, pk);
		return true;
	}
	return plain_starts(plain_load(frame), station->start6, 0xf0) &&
	       length >= PLAIN_IPV6_BYTES && length <= UINT16_MAX &&
	       parse_plain_ipv6(frame, length, pk);
}

#else

struct plain_station {
	uint64_t unused;
};

static inline struct plain_station
plain_station(uint64_t mac_word)
{
	return (struct plain_station){mac_word};
}

static inline bool
parse_plain(const uint8_t *frame, uint32_t length, const struct plain_station *station,
	bool checksum_is_right, struct packet *pk)
{
	(void)frame, (void)length, (void)station, (void)checksum_is_right, (void)pk;
	return false;
}

#endif

#endif
