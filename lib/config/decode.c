/* SPDX-License-Identifier: BSD-3-Clause */
#include "decode.h"

#include <errno.h>
#include <string.h>

#include "arena.h"
#include "schema.h"

/* Keys longer than this resemble none of ours. */
#define KEY_LEN_COMPARED 32

struct decoder {
	struct arena *arena;
	struct report *report;
};

/* Edits (insert, delete, replace) that turn one key into the other: Wagner and Fischer, 1974. */
static unsigned
edit_distance(const char *a, const char *b)
{
	unsigned row[KEY_LEN_COMPARED + 1];
	size_t length = strlen(b);
	for (unsigned j = 0; j <= length; j++)
		row[j] = j;
	for (unsigned i = 0; a[i]; i++) {
		unsigned diagonal = row[0];
		row[0] = i + 1;
		for (size_t j = 0; j < length; j++) {
			unsigned replaced = diagonal + (a[i] != b[j]);
			unsigned shifted = (row[j] < row[j + 1] ? row[j] : row[j + 1]) + 1;
			diagonal = row[j + 1];
			row[j + 1] = replaced < shifted ? replaced : shifted;
		}
	}
	return row[length];
}

/* The key that was probably meant: off by at most two edits and a third of its letters, or cut
 * short. NULL if none is near. */
static const char *
nearest_key(const struct object *object, const char *key)
{
	size_t length = strlen(key);
	if (length == 0 || length > KEY_LEN_COMPARED)
		return NULL;
	const char *nearest = NULL;
	unsigned best = 3;
	for (const struct field *field = object->fields; field->key; field++) {
		unsigned distance = edit_distance(key, field->key);
		if (distance < best && 3 * distance <= strlen(field->key)) {
			best = distance;
			nearest = field->key;
		}
	}
	for (const struct field *field = object->fields; field->key && !nearest; field++)
		if (length >= 3 && strncmp(field->key, key, length) == 0)
			nearest = field->key;
	return nearest;
}

static void
report_unknown_key(struct decoder *d, const struct object *object, const struct node *node)
{
	char keys[512];
	size_t used = 0;
	if (report_counts_only(d->report, REPORT_ERROR))
		return; /* a million unknown keys need not be compared with ours */
	for (const struct field *field = object->fields; field->key; field++)
		used += (size_t)snprintf(
			keys + used, sizeof(keys) - used, "%s%s", used > 0 ? ", " : "", field->key);
	const char *nearest = nearest_key(object, node->key);
	report_key(d->report, REPORT_ERROR, node, "unknown key; wanted one of %s%s%s%s", keys,
		nearest ? "; did you mean " : "", nearest ? nearest : "", nearest ? "?" : "");
}

static void
report_mismatch(struct decoder *d, const struct field *field, const struct node *node)
{
	char wanted[FIELD_TEXT_MAX], got[VALUE_TEXT_MAX];
	report_value(d->report, REPORT_ERROR, node, "wanted %s, got %s",
		field_wanted(field, wanted),
		field->is_secret ? "something else" : report_got(got, d->report, node));
}

static int decode_value(
	struct decoder *d, const struct field *field, const struct node *node, void *base);

static void
note_present(const struct field *field, void *base)
{
	if (field->has_offset)
		*(bool *)((char *)base + field->has_offset) = true;
}

static bool
is_seen(uint32_t seen, const struct object *object, const struct field *field)
{
	return (seen & 1u << (field - object->fields)) != 0;
}

/* Defaults of the fields that only some kinds of the object have, of those that were not seen. */
static void
decode_kind_defaults(const struct object *object, uint32_t seen, void *base)
{
	const char *kind = object_kind(object, base);
	for (const struct field *field = object->fields; field->key && kind; field++) {
		const struct field_kind *own = field->kinds ? field_in_kind(field, kind) : NULL;
		if (!own || own->need != NEED_DEFAULT || is_seen(seen, object, field))
			continue;
		struct field of_kind = field_of_kind(field, own);
		of_kind.type->set_default(&of_kind, base);
		note_present(field, base);
	}
}

static void decode_defaults(const struct object *object, void *base);

/* What an absent optional field becomes: its default, or nothing. */
static void
decode_absent(const struct field *field, void *base)
{
	if (field->type->shape == SHAPE_OBJECT && !object_has_required(field->object)) {
		decode_defaults(field->object, field_at(field, base));
		decode_kind_defaults(field->object, 0, field_at(field, base));
	} else if (field->type->set_default) {
		field->type->set_default(field, base);
	}
}

static void
decode_defaults(const struct object *object, void *base)
{
	for (const struct field *field = object->fields; field->key; field++)
		if (!field->required && !field->kinds)
			decode_absent(field, base);
}

/* Whether the fields that are there fit the kind that the object is of. */
static void
check_kind(struct decoder *d, const struct object *object, const struct node *node, uint32_t seen,
	const void *base)
{
	const char *kind = object_kind(object, base);
	const struct node *given =
		object->kind_key ? document_member(node, object->kind_key) : NULL;
	if (!kind || (given && (given->kind != NODE_STRING || strcmp(given->string, kind) != 0)))
		return; /* there are no kinds; or it could not be read, which has been said */
	for (const struct field *field = object->fields; field->key; field++) {
		if (!field->kinds)
			continue;
		const struct field_kind *own = field_in_kind(field, kind);
		bool is_given = is_seen(seen, object, field);
		char wanted[FIELD_TEXT_MAX];
		if (is_given && !own)
			report_member(d->report, REPORT_ERROR, node, field->key,
				"wanted no %s with %s \"%s\", got one", field->key,
				object->kind_key, kind);
		else if (!is_given && own && own->need == NEED_REQUIRED)
			report_member(d->report, REPORT_ERROR, node, field->key,
				"wanted %s with %s \"%s\", got nothing",
				field_wanted(field, wanted), object->kind_key, kind);
	}
}

static const struct field *
field_of_key(const struct object *object, const char *key)
{
	const struct field *field = object->fields;
	while (field->key && strcmp(field->key, key) != 0)
		field++;
	return field->key ? field : NULL;
}

static int
decode_object(struct decoder *d, const struct object *object, const struct node *node, void *base)
{
	uint32_t seen = 0; /* one bit a field */
	decode_defaults(object, base);
	for (uint32_t i = 0; i < node->count; i++) {
		const struct node *child = node->children[i];
		const struct field *field = field_of_key(object, child->key);
		if (child->duplicate)
			continue;
		if (!field) {
			report_unknown_key(d, object, child);
			continue;
		}
		seen |= 1u << (field - object->fields);
		int rc = decode_value(d, field, child, base);
		if (rc < 0)
			return rc;
	}
	decode_kind_defaults(object, seen, base);
	check_kind(d, object, node, seen, base);
	for (const struct field *field = object->fields; field->key; field++) {
		char wanted[FIELD_TEXT_MAX];
		if (field->required && !is_seen(seen, object, field))
			report_member(d->report, REPORT_ERROR, node, field->key,
				"wanted %s, got nothing", field_wanted(field, wanted));
	}
	return 0;
}

/* The name of a map's element is its key, which stands at the element's beginning. */
static int
decode_name(struct decoder *d, const struct node *node, void *element)
{
	if (!name_is_valid(node->key, NAME_LEN_MAX)) {
		static const struct field name = {.type = &type_name, .max = NAME_LEN_MAX};
		char wanted[FIELD_TEXT_MAX], got[VALUE_TEXT_MAX];
		report_key(d->report, REPORT_ERROR, node, "wanted %s, got \"%s\"",
			field_wanted(&name, wanted),
			report_visible(got, node->key, strlen(node->key)));
		return 0;
	}
	const char *copy = arena_strdup(d->arena, node->key);
	if (!copy)
		return -ENOMEM;
	*(const char **)element = copy;
	return 0;
}

static int
decode_list(struct decoder *d, const struct field *field, const struct node *node, void *base)
{
	bool is_map = field->type->shape == SHAPE_MAP;
	if (node->count < field->min || node->count > field->max) {
		char wanted[FIELD_TEXT_MAX];
		report_value(d->report, REPORT_ERROR, node, "wanted %s, got %u",
			field_wanted(field, wanted), node->count);
		return 0;
	}
	char *elements = arena_array(d->arena, node->count, field->element_bytes);
	if (!elements)
		return -ENOMEM;
	*(void **)field_at(field, base) = elements;
	*(uint32_t *)((char *)base + field->count_offset) = node->count;
	for (uint32_t i = 0; i < node->count; i++, elements += field->element_bytes) {
		const struct node *child = node->children[i];
		if (is_map) {
			int rc = decode_name(d, child, elements);
			if (rc < 0)
				return rc;
		}
		int rc = decode_value(d, field->element, child, elements);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int
decode_shape(struct decoder *d, const struct field *field, const struct node *node, void *base)
{
	switch (field->type->shape) {
	case SHAPE_OBJECT:
		return node->kind == NODE_OBJECT
			       ? decode_object(d, field->object, node, field_at(field, base))
			       : -EINVAL;
	case SHAPE_ARRAY:
		return node->kind == NODE_ARRAY ? decode_list(d, field, node, base) : -EINVAL;
	case SHAPE_MAP:
		return node->kind == NODE_OBJECT ? decode_list(d, field, node, base) : -EINVAL;
	default:
		return field->type->parse(field, node, base, d->arena);
	}
}

static int
decode_value(struct decoder *d, const struct field *field, const struct node *node, void *base)
{
	int rc = decode_shape(d, field, node, base);
	if (rc == -EINVAL) {
		report_mismatch(d, field, node);
		return 0;
	}
	if (rc == 0)
		note_present(field, base);
	return rc;
}

int
decode(struct config *config, const struct node *root, struct report *report)
{
	struct decoder d = {.arena = config->arena, .report = report};
	const struct field all = {.type = &type_object, .object = &schema_config};
	return decode_value(&d, &all, root, config);
}
