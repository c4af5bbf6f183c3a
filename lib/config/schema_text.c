/* SPDX-License-Identifier: BSD-3-Clause */
/* The tables of schema*.c as a JSON Schema (draft 2020-12) and as a reference in Markdown. */
#include <string.h>

#include "config.h"
#include "schema.h"

#define INDENT		 2
#define POINTER_TEXT_MAX 128

/* The default as JSON, if the field has one. */
static bool
has_default(const struct field *field)
{
	return !field->required && field->type->set_default && !field->fallback_words &&
	       !field->kinds && (!field->type->is_absent || field->fallback_text || field->choices);
}

/* Sets the default in a struct like any other and prints it from there: one way to write a value.
 */
static void
print_default(const struct field *field, FILE *out)
{
	uint64_t room[2] = {0};
	struct field at_zero = *field;
	at_zero.offset = 0;
	field->type->set_default(&at_zero, room);
	field->type->print(&at_zero, room, out);
}

static void
print_quoted_default(const struct field *field, FILE *out)
{
	putc('`', out);
	print_default(field, out);
	putc('`', out);
}

static bool
same_need(const struct field_kind *a, const struct field_kind *b)
{
	const char *x = a->fallback_text, *y = b->fallback_text;
	return a->need == b->need && a->fallback == b->fallback &&
	       (x == y || (x && y && strcmp(x, y) == 0));
}

/* "6080 with gue, 4789 with vxlan"; "required with tcp, http" */
static void
print_kinds(const struct field *field, FILE *out)
{
	const char *between = "";
	for (const struct field_kind *own = field->kinds; own->kind; own++) {
		bool same = own > field->kinds && same_need(own, own - 1);
		fputs(between, out);
		if (!same && own->need == NEED_REQUIRED) {
			fputs("required ", out);
		} else if (!same && own->need == NEED_DEFAULT) {
			struct field of_kind = field_of_kind(field, own);
			print_quoted_default(&of_kind, out);
			putc(' ', out);
		}
		fprintf(out, "%s%s", same ? "" : "with ", own->kind);
		between = ", ";
	}
}

static void print_field(const struct field *field, unsigned indent, FILE *out);

static void
print_object(const struct object *object, unsigned indent, FILE *out)
{
	fprintf(out, ",\n%*s\"type\": \"object\",\n%*s\"additionalProperties\": false", indent, "",
		indent, "");
	const char *between = "";
	for (const struct field *field = object->fields; field->key; field++) {
		if (!field->required)
			continue;
		if (*between == '\0')
			fprintf(out, ",\n%*s\"required\": [", indent, "");
		fprintf(out, "%s\"%s\"", between, field->key);
		between = ", ";
	}
	fprintf(out, "%s,\n%*s\"properties\": {", *between ? "]" : "", indent, "");
	between = "";
	for (const struct field *field = object->fields; field->key; field++) {
		fprintf(out, "%s\n%*s\"%s\": {", between, indent + INDENT, "", field->key);
		print_field(field, indent + 2 * INDENT, out);
		fprintf(out, "\n%*s}", indent + INDENT, "");
		between = ",";
	}
	fprintf(out, "\n%*s}", indent, "");
}

static void
print_list(const struct field *field, unsigned indent, FILE *out)
{
	bool is_map = field->type->shape == SHAPE_MAP;
	const char *noun = is_map ? "Properties" : "Items";
	fprintf(out, ",\n%*s\"type\": \"%s\", \"min%s\": %lld, \"max%s\": %lld", indent, "",
		is_map ? "object" : "array", noun, (long long)field->min, noun,
		(long long)field->max);
	if (is_map)
		fprintf(out, ",\n%*s\"propertyNames\": { %s, \"maxLength\": %d }", indent, "",
			type_name.schema_text, NAME_LEN_MAX);
	fprintf(out, ",\n%*s\"%s\": {", indent, "", is_map ? "additionalProperties" : "items");
	print_field(field->element, indent + INDENT, out);
	fprintf(out, "\n%*s}", indent, "");
}

/* Members of the schema of a value. */
static void
print_field(const struct field *field, unsigned indent, FILE *out)
{
	fprintf(out, "\n%*s\"description\": \"", indent, "");
	for (const char *c = field->meaning; *c; c++)
		fprintf(out, *c == '"' ? "\\%c" : "%c", *c);
	putc('"', out);
	if (has_default(field)) {
		fprintf(out, ",\n%*s\"default\": ", indent, "");
		print_default(field, out);
	}
	if (field->type->shape == SHAPE_OBJECT) {
		print_object(field->object, indent, out);
	} else if (field->element) {
		print_list(field, indent, out);
	} else {
		fprintf(out, ",\n%*s", indent, "");
		if (field->type->schema_text)
			fputs(field->type->schema_text, out);
		else
			field->type->schema(field, out);
		if (field->type->accepts)
			fprintf(out, ", \"maxLength\": %lld", (long long)field->max);
	}
}

void
config_print_schema(FILE *out)
{
	static const struct field all = {
		.type = &type_object,
		.object = &schema_config,
		.meaning = "A fairlead configuration file.",
	};
	fprintf(out,
		"{\n%*s\"$schema\": \"https://json-schema.org/draft/2020-12/schema\",\n"
		"%*s\"title\": \"fairlead\",",
		INDENT, "", INDENT, "");
	print_field(&all, INDENT, out);
	fprintf(out, "\n}\n");
}

static void
print_rows(const struct object *object, const char *above, FILE *out)
{
	for (const struct field *field = object->fields; field->key; field++) {
		char wanted[FIELD_TEXT_MAX], pointer[POINTER_TEXT_MAX];
		snprintf(pointer, sizeof(pointer), "%s/%s", above, field->key);
		fprintf(out, "| `%s` | %s | ", pointer, field_wanted(field, wanted));
		if (field->required) {
			fputs("required", out);
		} else if (field->kinds) {
			print_kinds(field, out);
		} else if (has_default(field)) {
			print_quoted_default(field, out);
		} else {
			fputs(field->fallback_words ? field->fallback_words : "", out);
		}
		fprintf(out, " | %s |\n", field->meaning);
		const struct field *inner = field->element ? field->element : field;
		if (!inner->object)
			continue;
		char below[POINTER_TEXT_MAX + sizeof("/NAME")];
		snprintf(below, sizeof(below), "%s%s", pointer,
			field->type->shape == SHAPE_MAP	    ? "/NAME"
			: field->type->shape == SHAPE_ARRAY ? "/N"
							    : "");
		print_rows(inner->object, below, out);
	}
}

void
config_print_reference(FILE *out)
{
	fputs("| pointer | type | default | meaning |\n|---|---|---|---|\n", out);
	print_rows(&schema_config, "", out);
}
