/* SPDX-License-Identifier: BSD-3-Clause */
#include "text.h"

#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

/* Members of a list that a cell shows. */
#define LIST_SHOWN 4

static bool
is_control(char c)
{
	return (unsigned char)c < 0x20 || c == 0x7f;
}

const json_t *
text_find(const json_t *object, const char *path)
{
	while (object && *path) {
		size_t length = strcspn(path, ".");
		object = json_object_getn(object, path, length);
		path += length + (path[length] == '.');
	}
	return object;
}

static void
scalar_text(const json_t *value, char *text, size_t size)
{
	switch (value ? json_typeof(value) : JSON_NULL) {
	case JSON_STRING:
		snprintf(text, size, "%s", json_string_value(value));
		break;
	case JSON_INTEGER:
		snprintf(text, size, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
		break;
	case JSON_REAL:
		snprintf(text, size, "%.1f", json_real_value(value));
		break;
	case JSON_TRUE:
		snprintf(text, size, "yes");
		break;
	case JSON_FALSE:
		snprintf(text, size, "no");
		break;
	default:
		text[0] = '\0';
		break;
	}
}

static void
list_text(const json_t *list, char *text, size_t size)
{
	size_t count = json_array_size(list), used = 0;
	text[0] = '\0';
	for (size_t i = 0; i < count && i < LIST_SHOWN && used < size; i++) {
		char member[TEXT_MAX / (LIST_SHOWN + 1)];
		scalar_text(json_array_get(list, i), member, sizeof(member));
		used += (size_t)snprintf(text + used, size - used, "%s%s", i ? "," : "", member);
	}
	if (count > LIST_SHOWN && used < size)
		snprintf(text + used, size - used, ",+%zu", count - LIST_SHOWN);
}

const char *
text_of(const json_t *object, const char *path, char *text)
{
	const json_t *value = text_find(object, path);
	if (json_is_array(value))
		list_text(value, text, TEXT_MAX);
	else
		scalar_text(value, text, TEXT_MAX);
	for (char *c = text; *c; c++)
		if (is_control(*c))
			*c = '?';
	if (text[0] == '\0')
		snprintf(text, TEXT_MAX, "-");
	return text;
}

int64_t
text_number(const json_t *object, const char *path)
{
	return (int64_t)json_number_value(text_find(object, path));
}

const char *
text_duration(int64_t seconds, char *text)
{
	int64_t days = seconds / 86400;
	int used = days ? snprintf(text, TEXT_MAX, "%" PRId64 "d ", days) : 0;
	snprintf(text + used, TEXT_MAX - (size_t)used, "%02d:%02d:%02d", (int)(seconds / 3600 % 24),
		(int)(seconds / 60 % 60), (int)(seconds % 60));
	return text;
}

unsigned
text_width(const char *text)
{
	unsigned width = 0;
	for (; *text; text++)
		width += ((unsigned char)*text & 0xc0) != 0x80;
	return width;
}

void
text_print_line(const char *line, FILE *out)
{
	for (; *line; line++)
		putc(is_control(*line) ? '?' : *line, out);
	putc('\n', out);
}
