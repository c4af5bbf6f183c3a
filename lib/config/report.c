/* SPDX-License-Identifier: BSD-3-Clause */
#include "report.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define POINTER_TEXT_MAX 1024
#define LINE_TEXT_MAX	 2048

void
report_start(struct report *report, const char *name, const char *text, size_t length)
{
	memset(report, 0, sizeof(*report));
	report->name = name;
	report->text = text;
	report->length = length;
}

/* One code point of UTF-8 and its bytes; a byte that is none stands for U+FFFD. */
static uint32_t
decode_utf8(const char *text, size_t length, size_t *bytes)
{
	const unsigned char *t = (const unsigned char *)text;
	static const struct {
		unsigned char mask, lead, payload;
	} forms[] = {
		{0x80, 0x00, 0x7f}, {0xe0, 0xc0, 0x1f}, {0xf0, 0xe0, 0x0f}, {0xf8, 0xf0, 0x07}};
	*bytes = 1;
	for (size_t n = 0; n < 4; n++) {
		if ((t[0] & forms[n].mask) != forms[n].lead)
			continue;
		uint32_t point = t[0] & forms[n].payload;
		for (size_t i = 1; i <= n; i++) {
			if (i >= length || (t[i] & 0xc0) != 0x80)
				return 0xfffd;
			point = point << 6 | (t[i] & 0x3f);
		}
		*bytes = n + 1;
		return point;
	}
	return 0xfffd;
}

/* What a terminal or a log viewer might act on instead of showing it: controls, zero-width and
 * direction marks (Unicode TR 36, 3), line and paragraph separators. */
static bool
is_invisible(uint32_t point)
{
	return point < 0x20 || (point >= 0x7f && point < 0xa0) || point == 0xad ||
	       (point >= 0x200b && point <= 0x200f) || (point >= 0x2028 && point <= 0x202e) ||
	       (point >= 0x2060 && point <= 0x206f) || point == 0xfeff || point == 0xfffd;
}

/* Appends to `out`, which has `size` bytes; returns the new end. Shows at most `limit` characters.
 */
static size_t
append_visible(char *out, size_t size, size_t used, const char *text, size_t length, size_t limit)
{
	size_t shown = 0;
	for (size_t at = 0, bytes; at < length; at += bytes, shown++) {
		uint32_t point = decode_utf8(text + at, length - at, &bytes);
		if (shown == limit || used + 10 > size) {
			used += (size_t)snprintf(out + used, size - used, "…");
			return used < size ? used : size - 1;
		}
		if (is_invisible(point)) {
			used += (size_t)snprintf(out + used, size - used, "\\u%04x", point);
		} else {
			memcpy(out + used, text + at, bytes);
			used += bytes;
		}
	}
	out[used] = '\0';
	return used;
}

const char *
report_visible(char *out, const char *text, size_t length)
{
	append_visible(out, VALUE_TEXT_MAX, 0, text, length, VALUE_SHOWN_MAX);
	return out;
}

const char *
report_file(char *out, const char *name)
{
	append_visible(out, FILE_TEXT_MAX, 0, name, strlen(name), FILE_TEXT_MAX);
	return out;
}

const char *
report_got(char *out, const struct report *report, const struct node *node)
{
	switch (node->kind) {
	case NODE_ARRAY:
		return "an array";
	case NODE_OBJECT:
		return "an object";
	default:
		return report_visible(out, report->text + node->offset, node->length);
	}
}

struct text_place {
	uint32_t line, column;
};

/* Walks text from where it was the last time: findings in order are placed in one pass. */
struct place_cursor {
	size_t at;
	struct text_place place;
};

static void
cursor_advance(struct place_cursor *cursor, const char *text, size_t to)
{
	for (; cursor->at < to; cursor->at++) {
		if (text[cursor->at] == '\n') {
			cursor->place.line++;
			cursor->place.column = 1;
		} else if ((text[cursor->at] & 0xc0) != 0x80) {
			cursor->place.column++;
		}
	}
}

/* One more step of an RFC 6901 pointer: "~" is written ~0 and "/" ~1. */
static size_t
append_step(char *out, size_t used, const char *key)
{
	char escaped[4 * VALUE_SHOWN_MAX + 8]; /* more than is shown, so a cut in it never shows */
	size_t n = 0;
	for (; *key && n < sizeof(escaped) - 2; key++) {
		if (*key == '~' || *key == '/') {
			escaped[n++] = '~';
			escaped[n++] = *key == '~' ? '0' : '1';
		} else {
			escaped[n++] = *key;
		}
	}
	if (used + 2 < POINTER_TEXT_MAX)
		out[used++] = '/';
	return append_visible(out, POINTER_TEXT_MAX, used, escaped, n, VALUE_SHOWN_MAX);
}

static size_t
append_pointer(char *out, const struct node *node)
{
	if (!node->parent) {
		out[0] = '\0';
		return 0;
	}
	size_t used = append_pointer(out, node->parent);
	if (node->key)
		return append_step(out, used, node->key);
	char index[12];
	snprintf(index, sizeof(index), "%u", node->index);
	return append_step(out, used, index);
}

static bool
is_kept(struct report *report, enum severity severity)
{
	return report->count[severity]++ < CONFIG_ERRORS_MAX;
}

bool
report_counts_only(struct report *report, enum severity severity)
{
	if (report->count[severity] < CONFIG_ERRORS_MAX)
		return false;
	report->count[severity]++;
	return true;
}

/* `pointer` is "" for the document itself. When memory is out the finding counts all the same. */
static void __attribute__((format(printf, 5, 0)))
keep(struct report *report, enum severity severity, size_t offset, const char *pointer,
	const char *format, va_list args)
{
	char line[LINE_TEXT_MAX];
	int head = snprintf(line, sizeof(line), "%s%s%s", pointer, *pointer ? ": " : "",
		severity == REPORT_WARNING ? "warning: " : "");
	vsnprintf(line + head, sizeof(line) - (size_t)head, format, args);
	report->kept[report->kept_count] = (struct finding){
		.offset = (uint32_t)offset,
		.order = report->kept_count,
		.line = strdup(line),
	};
	report->kept_count++;
}

void
report_value(struct report *report, enum severity severity, const struct node *node,
	const char *format, ...)
{
	if (!is_kept(report, severity))
		return;
	char pointer[POINTER_TEXT_MAX];
	append_pointer(pointer, node);
	va_list args;
	va_start(args, format);
	keep(report, severity, node->offset, pointer, format, args);
	va_end(args);
}

void
report_key(struct report *report, enum severity severity, const struct node *node,
	const char *format, ...)
{
	if (!is_kept(report, severity))
		return;
	char pointer[POINTER_TEXT_MAX];
	append_pointer(pointer, node);
	va_list args;
	va_start(args, format);
	keep(report, severity, node->key_offset, pointer, format, args);
	va_end(args);
}

void
report_duplicate(struct report *report, const struct node *again, const struct node *first)
{
	if (report_counts_only(report, REPORT_ERROR))
		return;
	struct place_cursor cursor = {.place = {1, 1}};
	cursor_advance(&cursor, report->text, first->key_offset);
	report_key(report, REPORT_ERROR, again,
		"wanted each key once, got it again (first at %u:%u)", cursor.place.line,
		cursor.place.column);
}

void
report_member(struct report *report, enum severity severity, const struct node *object,
	const char *key, const char *format, ...)
{
	if (!is_kept(report, severity))
		return;
	const struct node *member = document_member(object, key);
	char pointer[POINTER_TEXT_MAX];
	append_step(pointer, append_pointer(pointer, object), key);
	va_list args;
	va_start(args, format);
	keep(report, severity, member ? member->offset : object->offset, pointer, format, args);
	va_end(args);
}

void
report_text(struct report *report, size_t offset, const char *format, ...)
{
	if (!is_kept(report, REPORT_ERROR))
		return;
	va_list args;
	va_start(args, format);
	keep(report, REPORT_ERROR, offset, "", format, args);
	va_end(args);
}

static int
compare_findings(const void *a, const void *b)
{
	const struct finding *x = a, *y = b;
	if (x->offset != y->offset)
		return x->offset < y->offset ? -1 : 1;
	return (x->order > y->order) - (x->order < y->order);
}

void
report_finish(struct report *report, FILE *out)
{
	char name[FILE_TEXT_MAX];
	report_file(name, report->name);
	qsort(report->kept, report->kept_count, sizeof(report->kept[0]), compare_findings);
	struct place_cursor cursor = {.place = {1, 1}};
	for (uint32_t i = 0; i < report->kept_count; i++) {
		cursor_advance(&cursor, report->text, report->kept[i].offset);
		fprintf(out, "%s:%u:%u: %s\n", name, cursor.place.line, cursor.place.column,
			report->kept[i].line ? report->kept[i].line : "out of memory");
		free(report->kept[i].line);
	}
	static const char *const nouns[] = {"errors", "warnings"};
	for (size_t severity = 0; severity < 2; severity++)
		if (report->count[severity] > CONFIG_ERRORS_MAX)
			fprintf(out, "%s: … and %llu more %s\n", name,
				(unsigned long long)(report->count[severity] - CONFIG_ERRORS_MAX),
				nouns[severity]);
	report->kept_count = 0;
}
