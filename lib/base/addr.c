/* SPDX-License-Identifier: BSD-3-Clause */
#include "addr.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

int
addr_parse(const char *text, struct ip_addr *out)
{
	be32 v4;
	if (inet_pton(AF_INET, text, &v4) == 1) {
		*out = addr_from_v4(v4);
		return 0;
	}
	struct ip_addr v6;
	if (inet_pton(AF_INET6, text, v6.bytes) != 1 || addr_is_v4(&v6))
		return -EINVAL;
	*out = v6;
	return 0;
}

const char *
addr_format(const struct ip_addr *a, char *text)
{
	if (addr_is_v4(a))
		inet_ntop(AF_INET, &a->words[3], text, ADDR_TEXT_MAX);
	else
		inet_ntop(AF_INET6, a->bytes, text, ADDR_TEXT_MAX);
	return text;
}

/* Bits of the 16-byte form that a prefix of this family and length fixes. */
static unsigned
fixed_bits(const struct ip_prefix *p)
{
	return addr_is_v4(&p->addr) ? 96u + p->len : p->len;
}

int
prefix_parse(const char *text, struct ip_prefix *out)
{
	char address[ADDR_TEXT_MAX];
	const char *slash = strchr(text, '/');
	size_t len = slash ? (size_t)(slash - text) : strlen(text);
	if (len >= sizeof(address))
		return -EINVAL;
	memcpy(address, text, len);
	address[len] = '\0';
	int rc = addr_parse(address, &out->addr);
	if (rc < 0)
		return rc;
	unsigned bits = addr_is_v4(&out->addr) ? 32 : 128;
	unsigned long plen = bits;
	if (slash) {
		char *end;
		if (slash[1] < '0' || slash[1] > '9')
			return -EINVAL;
		plen = strtoul(slash + 1, &end, 10);
		if (*end != '\0' || plen > bits)
			return -EINVAL;
	}
	out->len = (uint8_t)plen;
	for (unsigned bit = fixed_bits(out); bit < 128; bit++)
		if (out->addr.bytes[bit / 8] & (0x80u >> (bit % 8)))
			return -ERANGE;
	return 0;
}

const char *
prefix_format(const struct ip_prefix *p, char *text)
{
	addr_format(&p->addr, text);
	size_t used = strlen(text);
	snprintf(text + used, PREFIX_TEXT_MAX - used, "/%u", p->len);
	return text;
}

bool
prefix_contains(const struct ip_prefix *p, const struct ip_addr *a)
{
	/* An IPv6 prefix as short as ::/0 would hold the v4-mapped form of every IPv4 address. */
	if (addr_is_v4(&p->addr) != addr_is_v4(a))
		return false;
	unsigned bits = fixed_bits(p);
	unsigned whole = bits / 8, rest = bits % 8;
	if (memcmp(p->addr.bytes, a->bytes, whole) != 0)
		return false;
	uint8_t mask = (uint8_t)(0xff00u >> rest);
	return rest == 0 || ((p->addr.bytes[whole] ^ a->bytes[whole]) & mask) == 0;
}

int
mac_parse(const char *text, struct mac_addr *out)
{
	struct mac_addr mac;
	for (size_t i = 0; i < sizeof(mac.bytes); i++, text += 2) {
		if (i > 0 && *text++ != ':')
			return -EINVAL;
		if (!isxdigit((unsigned char)text[0]) || !isxdigit((unsigned char)text[1]))
			return -EINVAL;
		const char pair[] = {text[0], text[1], '\0'};
		mac.bytes[i] = (uint8_t)strtoul(pair, NULL, 16);
	}
	if (*text != '\0')
		return -EINVAL;
	*out = mac;
	return 0;
}

const char *
mac_format(const struct mac_addr *mac, char *text)
{
	const uint8_t *b = mac->bytes;
	snprintf(text, MAC_TEXT_MAX, "%02x:%02x:%02x:%02x:%02x:%02x", b[0], b[1], b[2], b[3], b[4],
		b[5]);
	return text;
}
