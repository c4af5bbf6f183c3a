/* SPDX-License-Identifier: BSD-3-Clause */
#include "types.h"

#include <errno.h>
#include <string.h>

#include "document.h"

bool
field_is_equal_bytes(const struct field *field, const void *a, const void *b)
{
	return memcmp(field_in(field, a), field_in(field, b), field->bytes) == 0;
}

/* Integers, whatever the width of the member. */

static void
store_integer(const struct field *field, void *base, int64_t value)
{
	void *to = field_at(field, base);
	switch (field->bytes) {
	case 1:
		*(uint8_t *)to = (uint8_t)value;
		break;
	case 2:
		*(uint16_t *)to = (uint16_t)value;
		break;
	case 4:
		*(uint32_t *)to = (uint32_t)value;
		break;
	default:
		*(uint64_t *)to = (uint64_t)value;
	}
}

static int64_t
fetch_integer(const struct field *field, const void *base)
{
	const void *from = field_in(field, base);
	switch (field->bytes) {
	case 1:
		return *(const uint8_t *)from;
	case 2:
		return *(const uint16_t *)from;
	case 4:
		return *(const uint32_t *)from;
	default:
		return (int64_t) * (const uint64_t *)from;
	}
}

static int
parse_integer(const struct field *field, const struct node *node, void *base, struct arena *arena)
{
	(void)arena;
	int64_t value = node->integer;
	if (node->kind != NODE_INTEGER || value < field->min || value > field->max)
		return -EINVAL;
	if (field->is_power_of_two && (value & (value - 1)) != 0)
		return -EINVAL;
	store_integer(field, base, value);
	return 0;
}

static void
default_integer(const struct field *field, void *base)
{
	store_integer(field, base, field->fallback);
}

static void
print_integer(const struct field *field, const void *base, FILE *out)
{
	fprintf(out, "%lld", (long long)fetch_integer(field, base));
}

static void
wanted_integer(const struct field *field, char *text, size_t size)
{
	snprintf(text, size, "%s from %lld to %lld",
		field->is_power_of_two ? "a power of two" : "an integer", (long long)field->min,
		(long long)field->max);
}

static void
schema_integer(const struct field *field, FILE *out)
{
	if (!field->is_power_of_two) {
		fprintf(out, "\"type\": \"integer\", \"minimum\": %lld, \"maximum\": %lld",
			(long long)field->min, (long long)field->max);
		return;
	}
	fprintf(out, "\"enum\": [");
	for (int64_t value = field->min; value <= field->max; value *= 2)
		fprintf(out, "%s%lld", value > field->min ? ", " : "", (long long)value);
	fprintf(out, "]");
}

const struct type type_integer = {
	.wanted = wanted_integer,
	.schema = schema_integer,
	.parse = parse_integer,
	.print = print_integer,
	.is_equal = field_is_equal_bytes,
	.set_default = default_integer,
};

static int
parse_boolean(const struct field *field, const struct node *node, void *base, struct arena *arena)
{
	(void)arena;
	if (node->kind != NODE_BOOLEAN)
		return -EINVAL;
	*(bool *)field_at(field, base) = node->boolean;
	return 0;
}

static void
print_boolean(const struct field *field, const void *base, FILE *out)
{
	fputs(*(const bool *)field_in(field, base) ? "true" : "false", out);
}

static void
default_boolean(const struct field *field, void *base)
{
	*(bool *)field_at(field, base) = field->fallback != 0;
}

const struct type type_boolean = {
	.words = "true or false",
	.schema_text = "\"type\": \"boolean\"",
	.parse = parse_boolean,
	.print = print_boolean,
	.is_equal = field_is_equal_bytes,
	.set_default = default_boolean,
};

/* One of several names, kept as a number. 0 is the first choice, or, where none has it, "not
 * given". */

const struct choice *
choice_find(const struct field *field, const struct node *node)
{
	if (node->kind != NODE_STRING)
		return NULL;
	const struct choice *choice = field->choices;
	while (choice->name && strcmp(choice->name, node->string) != 0)
		choice++;
	return choice->name ? choice : NULL;
}

const char *
choice_name(const struct choice *choices, int64_t value)
{
	while (choices->name && choices->value != value)
		choices++;
	return choices->name;
}

static const char *
choice_text(const struct field *field, const void *base)
{
	return choice_name(field->choices, fetch_integer(field, base));
}

static int
parse_choice(const struct field *field, const struct node *node, void *base, struct arena *arena)
{
	(void)arena;
	const struct choice *choice = choice_find(field, node);
	if (!choice)
		return -EINVAL;
	store_integer(field, base, choice->value);
	return 0;
}

static void
print_choice(const struct field *field, const void *base, FILE *out)
{
	fprintf(out, "\"%s\"", choice_text(field, base));
}

static bool
absent_choice(const struct field *field, const void *base)
{
	return choice_text(field, base) == NULL;
}

void
choice_wanted(const struct field *field, char *text, size_t size)
{
	size_t used = 0;
	for (const struct choice *choice = field->choices; choice->name && used < size; choice++) {
		const char *between = choice == field->choices ? ""
				      : choice[1].name	       ? ", "
							       : " or ";
		used += (size_t)snprintf(
			text + used, size - used, "%s\"%s\"", between, choice->name);
	}
}

void
choice_schema(const struct field *field, FILE *out)
{
	fprintf(out, "\"enum\": [");
	for (const struct choice *choice = field->choices; choice->name; choice++)
		fprintf(out, "%s\"%s\"", choice == field->choices ? "" : ", ", choice->name);
	fprintf(out, "]");
}

const struct type type_choice = {
	.wanted = choice_wanted,
	.schema = choice_schema,
	.parse = parse_choice,
	.print = print_choice,
	.is_equal = field_is_equal_bytes,
	.set_default = default_integer,
	.is_absent = absent_choice,
};

const struct type type_object = {.shape = SHAPE_OBJECT, .words = "an object"};
const struct type type_array = {.shape = SHAPE_ARRAY};
const struct type type_map = {.shape = SHAPE_MAP};

const char *
field_wanted(const struct field *field, char *text)
{
	const struct type *type = field->type;
	if (type->shape == SHAPE_ARRAY || type->shape == SHAPE_MAP)
		snprintf(text, FIELD_TEXT_MAX, "%s of %lld to %lld %s",
			type->shape == SHAPE_ARRAY ? "an array" : "an object",
			(long long)field->min, (long long)field->max,
			type->shape == SHAPE_ARRAY ? "elements" : "members");
	else if (type->accepts)
		snprintf(text, FIELD_TEXT_MAX, "%s, at most %lld characters", type->words,
			(long long)field->max);
	else if (type->words)
		snprintf(text, FIELD_TEXT_MAX, "%s", type->words);
	else
		type->wanted(field, text, FIELD_TEXT_MAX);
	return text;
}

const char *
object_kind(const struct object *object, const void *base)
{
	if (!object->kind_key)
		return NULL;
	const struct field *field = object->fields;
	while (strcmp(field->key, object->kind_key) != 0)
		field++;
	return field->type == &type_choice_name ? *(const char *const *)field_in(field, base)
						: choice_text(field, base);
}

const struct field_kind *
field_in_kind(const struct field *field, const char *kind)
{
	const struct field_kind *own = field->kinds;
	while (own->kind && strcmp(own->kind, kind) != 0)
		own++;
	return own->kind ? own : NULL;
}

struct field
field_of_kind(const struct field *field, const struct field_kind *kind)
{
	struct field of_kind = *field;
	of_kind.fallback = kind->fallback;
	of_kind.fallback_text = kind->fallback_text;
	return of_kind;
}

bool
member_is_absent(const struct object *object, const struct field *field, const void *base)
{
	if (field->kinds) {
		const char *kind = object_kind(object, base);
		if (!kind || !field_in_kind(field, kind))
			return true;
	}
	return field_is_absent(field, base);
}

bool
object_has_required(const struct object *object)
{
	for (const struct field *field = object->fields; field->key; field++)
		if (field->required)
			return true;
	return false;
}

bool
field_is_absent(const struct field *field, const void *base)
{
	if (field->has_offset)
		return !*(const bool *)((const char *)base + field->has_offset);
	if (field->type->shape == SHAPE_OBJECT) {
		for (const struct field *inner = field->object->fields; inner->key; inner++)
			if (inner->required && field_is_absent(inner, field_in(field, base)))
				return true;
		return false;
	}
	return field->type->is_absent && field->type->is_absent(field, base);
}
