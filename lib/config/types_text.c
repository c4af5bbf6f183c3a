/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Types that are text and stay text. All of it is printable ASCII, so that no value can forge a
 * line of a log or a metric.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "addr.h"
#include "arena.h"
#include "document.h"
#include "bounds.h"
#include "types.h"

static const char *
fetch_text(const struct field *field, const void *base)
{
	return *(const char *const *)field_in(field, base);
}

static void
store_text(const struct field *field, void *base, const char *text)
{
	*(const char **)field_at(field, base) = text;
}

static int
parse_text(const struct field *field, const struct node *node, void *base, struct arena *arena)
{
	if (node->kind != NODE_STRING || strlen(node->string) > (size_t)field->max ||
		!field->type->accepts(node->string))
		return -EINVAL;
	const char *copy = arena_strdup(arena, node->string);
	if (!copy)
		return -ENOMEM;
	store_text(field, base, copy);
	return 0;
}

static void
print_text(const struct field *field, const void *base, FILE *out)
{
	putc('"', out);
	for (const char *c = fetch_text(field, base); *c; c++) {
		if (*c == '"' || *c == '\\')
			putc('\\', out);
		putc(*c, out);
	}
	putc('"', out);
}

static bool
equal_text(const struct field *field, const void *a, const void *b)
{
	const char *x = fetch_text(field, a), *y = fetch_text(field, b);
	return x == y || (x && y && strcmp(x, y) == 0);
}

static bool
absent_text(const struct field *field, const void *base)
{
	return fetch_text(field, base) == NULL;
}

static void
default_text(const struct field *field, void *base)
{
	store_text(field, base, field->fallback_text);
}

static bool
is_printable(const char *text, char first)
{
	for (const char *c = text; *c; c++)
		if (*c < first || *c > '~')
			return false;
	return *text != '\0';
}

/* Not "." and "..": names become parts of paths. */
bool
name_is_valid(const char *text, size_t max)
{
	size_t length = 0;
	if (strcmp(text, ".") == 0 || strcmp(text, "..") == 0)
		return false;
	for (; text[length]; length++)
		if (!(isascii(text[length]) && isalnum(text[length])) &&
			!strchr("._-", text[length]))
			return false;
	return length > 0 && length <= max;
}

static bool
accepts_name(const char *text)
{
	return name_is_valid(text, NAME_LEN_MAX);
}

static bool
accepts_path(const char *text)
{
	return text[0] == '/' && is_printable(text, ' ');
}

static bool
accepts_url_path(const char *text)
{
	return text[0] == '/' && is_printable(text, '!');
}

/* Labels of letters, digits, - and _ with dots between them (RFC 1035, 2.3.1; RFC 8552 for _). */
static bool
are_labels(const char *text, size_t length)
{
	size_t label = 0;
	for (size_t i = 0; i < length; i++) {
		bool edge = i + 1 == length || text[i + 1] == '.';
		if (text[i] == '.' && label == 0)
			return false;
		label = text[i] == '.' ? 0 : label + 1;
		if (label > NAME_LEN_MAX || (text[i] == '-' && (label == 1 || edge)))
			return false;
		if (text[i] != '.' && !(isascii(text[i]) && isalnum(text[i])) && text[i] != '-' &&
			text[i] != '_')
			return false;
	}
	return label > 0;
}

static bool
accepts_host(const char *text)
{
	return are_labels(text, strlen(text));
}

/* May end in the root's dot, and may be the root. */
static bool
accepts_domain(const char *text)
{
	size_t length = strlen(text);
	if (strcmp(text, ".") == 0)
		return true;
	return are_labels(text, length - (length > 0 && text[length - 1] == '.'));
}

static bool
accepts_text(const char *text)
{
	return is_printable(text, ' ');
}

static bool
accepts_argument(const char *text)
{
	return *text == '\0' || is_printable(text, ' ');
}

static bool
accepts_device(const char *text)
{
	return is_printable(text, '!');
}

/* "127.0.0.1:9464" or "[::1]:9464". */
static bool
accepts_endpoint(const char *text)
{
	char host[ADDR_TEXT_MAX];
	const char *colon = strrchr(text, ':');
	if (!colon)
		return false;
	bool bracketed = text[0] == '[' && colon > text && colon[-1] == ']';
	const char *from = text + bracketed;
	size_t length = (size_t)(colon - text) - 2 * bracketed;
	if (length >= sizeof(host))
		return false;
	memcpy(host, from, length);
	host[length] = '\0';
	struct ip_addr address;
	if (addr_parse(host, &address) < 0 || addr_is_v4(&address) == bracketed)
		return false;
	char *end;
	unsigned long port = strtoul(colon + 1, &end, 10);
	return colon[1] >= '1' && colon[1] <= '9' && *end == '\0' && port <= UINT16_MAX;
}

/* A choice that is kept as its name: "mode" names an encapsulation that this room knows nothing of.
 */
static int
parse_choice_name(
	const struct field *field, const struct node *node, void *base, struct arena *arena)
{
	(void)arena;
	const struct choice *choice = choice_find(field, node);
	if (!choice)
		return -EINVAL;
	store_text(field, base, choice->name);
	return 0;
}

const struct type type_choice_name = {
	.wanted = choice_wanted,
	.schema = choice_schema,
	.parse = parse_choice_name,
	.print = print_text,
	.is_equal = equal_text,
	.set_default = default_text,
	.is_absent = absent_text,
};

#define TEXT_TYPE                                                                                  \
	.parse = parse_text, .print = print_text, .is_equal = equal_text,                          \
	.set_default = default_text, .is_absent = absent_text

#define NAME_SCHEMA "\"type\": \"string\", \"pattern\": \"^[A-Za-z0-9._-]+$\""

const struct type type_name = {
	TEXT_TYPE,
	.words = "a name (A-Z a-z 0-9 . _ -)",
	.schema_text = NAME_SCHEMA,
	.accepts = accepts_name,
};

/* Stricter than Linux (net/core/dev.c, dev_valid_name): such a name goes into labels too. */
const struct type type_interface = {
	TEXT_TYPE,
	.words = "an interface name (A-Z a-z 0-9 . _ -)",
	.schema_text = NAME_SCHEMA,
	.accepts = accepts_name,
};

const struct type type_path = {
	TEXT_TYPE,
	.words = "an absolute path in printable ASCII",
	.schema_text = "\"type\": \"string\", \"pattern\": \"^/[ -~]*$\"",
	.accepts = accepts_path,
};

const struct type type_url_path = {
	TEXT_TYPE,
	.words = "a path that starts with / and has no spaces",
	.schema_text = "\"type\": \"string\", \"pattern\": \"^/[!-~]*$\"",
	.accepts = accepts_url_path,
};

const struct type type_host = {
	TEXT_TYPE,
	.words = "a host name (A-Z a-z 0-9 - _ between dots)",
	.schema_text = "\"type\": \"string\", \"pattern\": \"^[A-Za-z0-9_.-]+$\"",
	.accepts = accepts_host,
};

const struct type type_domain = {
	TEXT_TYPE,
	.words = "a domain name (A-Z a-z 0-9 - _ between dots)",
	.schema_text = "\"type\": \"string\", \"pattern\": \"^[A-Za-z0-9_.-]+$\"",
	.accepts = accepts_domain,
};

const struct type type_text = {
	TEXT_TYPE,
	.words = "text in printable ASCII",
	.schema_text = "\"type\": \"string\", \"pattern\": \"^[ -~]+$\"",
	.accepts = accepts_text,
};

const struct type type_argument = {
	TEXT_TYPE,
	.words = "text in printable ASCII, or none",
	.schema_text = "\"type\": \"string\", \"pattern\": \"^[ -~]*$\"",
	.accepts = accepts_argument,
};

const struct type type_device = {
	TEXT_TYPE,
	.words = "a PCI address or a DPDK device string without spaces",
	.schema_text = "\"type\": \"string\", \"pattern\": \"^[!-~]+$\"",
	.accepts = accepts_device,
};

const struct type type_endpoint = {
	TEXT_TYPE,
	.words = "an address and a port, as in 127.0.0.1:9464 or [::1]:9464",
	.schema_text = "\"type\": \"string\", \"pattern\": "
		       "\"^([0-9.]+|\\\\[[0-9a-fA-F:.]+\\\\]):[1-9][0-9]*$\"",
	.accepts = accepts_endpoint,
};
