/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Types that are written as text and kept as numbers: addresses, prefixes, ranges of ports and of
 * HTTP statuses, CPU lists, permissions, keys, MAC addresses.
 */
#include <ctype.h>
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "addr.h"
#include "config.h"
#include "document.h"
#include "types.h"

/* HTTP status codes (RFC 9110, 15). */
#define STATUS_MIN 100
#define STATUS_MAX 599

/* CPU numbers: what a cpu_set_t of fixed size holds. */
#define CPU_MAX (CPU_SETSIZE - 1)

/* Takes a decimal number of at most `max`, without sign or leading zero, off the front of `*text`.
 */
static bool
take_number(const char **text, unsigned long max, unsigned long *value)
{
	const char *digit = *text;
	if (!isdigit((unsigned char)digit[0]) ||
		(digit[0] == '0' && isdigit((unsigned char)digit[1])))
		return false;
	char *end;
	errno = 0;
	*value = strtoul(digit, &end, 10);
	*text = end;
	return errno == 0 && *value <= max;
}

static int
parse_address(const struct field *field, const struct node *node, void *base, struct arena *arena)
{
	(void)arena;
	struct ip_addr address;
	if (node->kind != NODE_STRING || addr_parse(node->string, &address) < 0 ||
		addr_is_martian(&address))
		return -EINVAL;
	*(struct ip_addr *)field_at(field, base) = address;
	return 0;
}

static void
print_address(const struct field *field, const void *base, FILE *out)
{
	char text[ADDR_TEXT_MAX];
	fprintf(out, "\"%s\"", addr_format(field_in(field, base), text));
}

const struct type type_address = {
	.words = "a unicast IPv4 or IPv6 address",
	.schema_text = "\"type\": \"string\", "
		       "\"anyOf\": [{\"format\": \"ipv4\"}, {\"format\": \"ipv6\"}]",
	.parse = parse_address,
	.print = print_address,
	.is_equal = field_is_equal_bytes,
};

/* The last address of a prefix: all host bits set. */
static struct ip_addr
prefix_last(const struct ip_prefix *prefix)
{
	struct ip_addr last = prefix->addr;
	unsigned fixed = prefix->len + (addr_is_v4(&prefix->addr) ? 96u : 0u);
	for (unsigned bit = fixed; bit < 128; bit++)
		last.bytes[bit / 8] |= (uint8_t)(0x80u >> (bit % 8));
	return last;
}

static int
parse_prefix(const struct field *field, const struct node *node, void *base, bool v4)
{
	struct ip_prefix prefix;
	if (node->kind != NODE_STRING || prefix_parse(node->string, &prefix) < 0)
		return -EINVAL;
	struct ip_addr last = prefix_last(&prefix);
	if (addr_is_v4(&prefix.addr) != v4 || addr_is_martian(&prefix.addr) ||
		addr_is_martian(&last))
		return -EINVAL;
	struct ip_prefix *to = field_at(field, base);
	to->addr = prefix.addr;
	to->len = prefix.len;
	return 0;
}

static int
parse_prefix4(const struct field *field, const struct node *node, void *base, struct arena *arena)
{
	(void)arena;
	return parse_prefix(field, node, base, true);
}

static int
parse_prefix6(const struct field *field, const struct node *node, void *base, struct arena *arena)
{
	(void)arena;
	return parse_prefix(field, node, base, false);
}

static void
print_prefix(const struct field *field, const void *base, FILE *out)
{
	char text[PREFIX_TEXT_MAX];
	fprintf(out, "\"%s\"", prefix_format(field_in(field, base), text));
}

static bool
equal_prefix(const struct field *field, const void *a, const void *b)
{
	const struct ip_prefix *x = field_in(field, a), *y = field_in(field, b);
	return x->len == y->len && addr_equal(&x->addr, &y->addr);
}

const struct type type_prefix4 = {
	.words = "a unicast IPv4 address, or a prefix without host bits",
	.schema_text = "\"type\": \"string\", \"pattern\": \"^[0-9.]+(/[0-9]+)?$\"",
	.parse = parse_prefix4,
	.print = print_prefix,
	.is_equal = equal_prefix,
};

const struct type type_prefix6 = {
	.words = "a unicast IPv6 address, or a prefix without host bits",
	.schema_text = "\"type\": \"string\", \"pattern\": \"^[0-9a-fA-F:.]+(/[0-9]+)?$\"",
	.parse = parse_prefix6,
	.print = print_prefix,
	.is_equal = equal_prefix,
};

/* 80 or "8000-8099", from `min` to `max`. */
static bool
parse_range(const struct node *node, uint16_t min, uint16_t max, uint16_t *first, uint16_t *last)
{
	unsigned long from, to;
	if (node->kind == NODE_INTEGER && node->integer >= min && node->integer <= max) {
		from = to = (unsigned long)node->integer;
	} else if (node->kind == NODE_STRING) {
		const char *text = node->string;
		if (!take_number(&text, max, &from) || *text++ != '-' ||
			!take_number(&text, max, &to) || *text != '\0' || from < min || from > to)
			return false;
	} else {
		return false;
	}
	*first = (uint16_t)from;
	*last = (uint16_t)to;
	return true;
}

static void
print_range(uint16_t first, uint16_t last, FILE *out)
{
	fprintf(out, first == last ? "%u" : "\"%u-%u\"", first, last);
}

static int
parse_port_range(
	const struct field *field, const struct node *node, void *base, struct arena *arena)
{
	(void)arena;
	struct config_port_range *range = field_at(field, base);
	if (node->kind == NODE_STRING && strcmp(node->string, "any") == 0)
		*range = (struct config_port_range){0, UINT16_MAX};
	else if (!parse_range(node, 1, UINT16_MAX, &range->first, &range->last))
		return -EINVAL;
	return 0;
}

static void
print_port_range(const struct field *field, const void *base, FILE *out)
{
	const struct config_port_range *range = field_in(field, base);
	if (range->first == 0)
		fputs("\"any\"", out);
	else
		print_range(range->first, range->last, out);
}

const struct type type_port_range = {
	.words = "a port from 1 to 65535, a range as in \"8000-8099\", or \"any\"",
	.schema_text = "\"anyOf\": [{\"type\": \"integer\", \"minimum\": 1, \"maximum\": 65535}, "
		       "{\"type\": \"string\", \"pattern\": \"^([1-9][0-9]*-[1-9][0-9]*|any)$\"}]",
	.parse = parse_port_range,
	.print = print_port_range,
	.is_equal = field_is_equal_bytes,
};

static int
parse_status_range(
	const struct field *field, const struct node *node, void *base, struct arena *arena)
{
	(void)arena;
	struct config_status_range *range = field_at(field, base);
	bool read = parse_range(node, STATUS_MIN, STATUS_MAX, &range->first, &range->last);
	return read ? 0 : -EINVAL;
}

static void
print_status_range(const struct field *field, const void *base, FILE *out)
{
	const struct config_status_range *range = field_in(field, base);
	print_range(range->first, range->last, out);
}

const struct type type_status_range = {
	.words = "an HTTP status from 100 to 599, or a range as in \"200-299\"",
	.schema_text = "\"anyOf\": [{\"type\": \"integer\", \"minimum\": 100, \"maximum\": 599}, "
		       "{\"type\": \"string\", \"pattern\": \"^[1-5][0-9]{2}-[1-5][0-9]{2}$\"}]",
	.parse = parse_status_range,
	.print = print_status_range,
	.is_equal = field_is_equal_bytes,
};

/* The bits of rwxrwxrwx in octal, with the leading zero that tells people so. */
static int
parse_permissions(
	const struct field *field, const struct node *node, void *base, struct arena *arena)
{
	(void)arena;
	if (node->kind != NODE_STRING || node->string[0] != '0' || strlen(node->string) != 4 ||
		strspn(node->string, "01234567") != 4)
		return -EINVAL;
	*(uint16_t *)field_at(field, base) = (uint16_t)strtoul(node->string, NULL, 8);
	return 0;
}

static void
print_permissions(const struct field *field, const void *base, FILE *out)
{
	fprintf(out, "\"%04o\"", *(const uint16_t *)field_in(field, base));
}

static void
default_permissions(const struct field *field, void *base)
{
	*(uint16_t *)field_at(field, base) = (uint16_t)field->fallback;
}

const struct type type_permissions = {
	.words = "permission bits in octal, from \"0000\" to \"0777\"",
	.schema_text = "\"type\": \"string\", \"pattern\": \"^0[0-7]{3}$\"",
	.parse = parse_permissions,
	.print = print_permissions,
	.is_equal = field_is_equal_bytes,
	.set_default = default_permissions,
};

/* "1-3,5" into a set; false if it is written wrongly or names a CPU twice. */
static bool
parse_cpu_text(const char *text, cpu_set_t *set)
{
	CPU_ZERO(set);
	for (;; text++) {
		unsigned long first, last;
		if (!take_number(&text, CPU_MAX, &first))
			return false;
		last = first;
		if (*text == '-') {
			text++;
			if (!take_number(&text, CPU_MAX, &last) || last < first)
				return false;
		}
		for (unsigned long cpu = first; cpu <= last; cpu++) {
			if (CPU_ISSET(cpu, set))
				return false;
			CPU_SET(cpu, set);
		}
		if (*text != ',')
			return *text == '\0';
	}
}

static int
parse_cpus(const struct field *field, const struct node *node, void *base, struct arena *arena)
{
	(void)arena;
	cpu_set_t set;
	if (node->kind != NODE_STRING || !parse_cpu_text(node->string, &set) ||
		CPU_COUNT(&set) > field->max)
		return -EINVAL;
	uint16_t *cpus = field_at(field, base);
	uint32_t *count = (uint32_t *)((char *)base + field->count_offset);
	for (uint16_t cpu = 0; cpu <= CPU_MAX; cpu++)
		if (CPU_ISSET(cpu, &set))
			cpus[(*count)++] = cpu;
	return 0;
}

static void
print_cpus(const struct field *field, const void *base, FILE *out)
{
	const uint16_t *cpus = field_in(field, base);
	uint32_t count = field_count(field, base);
	putc('"', out);
	for (uint32_t first = 0, last; first < count; first = last + 1) {
		last = first;
		while (last + 1 < count && cpus[last + 1] == cpus[last] + 1)
			last++;
		fprintf(out, first == last ? "%s%u" : "%s%u-%u", first > 0 ? "," : "", cpus[first],
			cpus[last]);
	}
	putc('"', out);
}

static bool
equal_cpus(const struct field *field, const void *a, const void *b)
{
	uint32_t count = field_count(field, a);
	return count == field_count(field, b) &&
	       memcmp(field_in(field, a), field_in(field, b), count * sizeof(uint16_t)) == 0;
}

static void
wanted_cpus(const struct field *field, char *text, size_t size)
{
	snprintf(text, size, "1 to %lld CPU numbers up to %d, each once, as in \"1-3,5\"",
		(long long)field->max, CPU_MAX);
}

const struct type type_cpus = {
	.wanted = wanted_cpus,
	.schema_text = "\"type\": \"string\", "
		       "\"pattern\": \"^[0-9]+(-[0-9]+)?(,[0-9]+(-[0-9]+)?)*$\"",
	.parse = parse_cpus,
	.print = print_cpus,
	.is_equal = equal_cpus,
};

static int
parse_hash_key(const struct field *field, const struct node *node, void *base, struct arena *arena)
{
	(void)arena;
	size_t digits = 2 * field->bytes;
	if (node->kind != NODE_STRING || strspn(node->string, "0123456789abcdefABCDEF") != digits ||
		node->string[digits] != '\0')
		return -EINVAL;
	uint8_t *key = field_at(field, base);
	for (size_t i = 0; i < field->bytes; i++) {
		char pair[3] = {node->string[2 * i], node->string[2 * i + 1], '\0'};
		key[i] = (uint8_t)strtoul(pair, NULL, 16);
	}
	return 0;
}

static void
print_hash_key(const struct field *field, const void *base, FILE *out)
{
	const uint8_t *key = field_in(field, base);
	putc('"', out);
	for (size_t i = 0; i < field->bytes; i++)
		fprintf(out, "%02x", key[i]);
	putc('"', out);
}

const struct type type_hash_key = {
	.words = "32 hexadecimal digits",
	.schema_text = "\"type\": \"string\", \"pattern\": \"^[0-9a-fA-F]{32}$\"",
	.parse = parse_hash_key,
	.print = print_hash_key,
	.is_equal = field_is_equal_bytes,
};

/* A group address (IEEE 802, I/G bit) is nobody's own, and of zeros only there is no device. */
static int
parse_mac(const struct field *field, const struct node *node, void *base, struct arena *arena)
{
	(void)arena;
	static const struct mac_addr nobody;
	struct mac_addr mac;
	if (node->kind != NODE_STRING || mac_parse(node->string, &mac) < 0 ||
		(mac.bytes[0] & 1) != 0 || memcmp(&mac, &nobody, sizeof(mac)) == 0)
		return -EINVAL;
	*(struct mac_addr *)field_at(field, base) = mac;
	return 0;
}

static void
print_mac(const struct field *field, const void *base, FILE *out)
{
	char text[MAC_TEXT_MAX];
	fprintf(out, "\"%s\"", mac_format(field_in(field, base), text));
}

static void
default_mac(const struct field *field, void *base)
{
	struct mac_addr *mac = field_at(field, base);
	for (size_t i = 0; i < sizeof(mac->bytes); i++)
		mac->bytes[i] = (uint8_t)(field->fallback >> (8 * (sizeof(mac->bytes) - 1 - i)));
}

const struct type type_mac = {
	.words = "a unicast MAC address, as in \"02:00:00:00:00:01\"",
	.schema_text = "\"type\": \"string\", "
		       "\"pattern\": \"^[0-9a-fA-F][02468aceACE](:[0-9a-fA-F]{2}){5}$\"",
	.parse = parse_mac,
	.print = print_mac,
	.is_equal = field_is_equal_bytes,
	.set_default = default_mac,
};
