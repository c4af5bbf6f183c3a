/* SPDX-License-Identifier: BSD-3-Clause */
#include "print.h"

#include <errno.h>

#include "config.h"
#include "schema.h"

#define INDENT 2

static void
print_members(const struct object *object, const void *base, unsigned indent, FILE *out)
{
	const char *between = "";
	putc('{', out);
	for (const struct field *field = object->fields; field->key; field++) {
		if (member_is_absent(object, field, base))
			continue;
		fprintf(out, "%s\n%*s\"%s\": ", between, indent + INDENT, "", field->key);
		print_value(field, base, indent + INDENT, out);
		between = ",";
	}
	fprintf(out, "\n%*s}", indent, "");
}

/* Objects one below the other, scalars on one line. */
static void
print_elements(const struct field *field, const void *base, unsigned indent, FILE *out)
{
	bool is_map = field->type->shape == SHAPE_MAP;
	bool is_tall = field->element->type->shape != SHAPE_SCALAR;
	uint32_t count = field_count(field, base);
	putc(is_map ? '{' : '[', out);
	for (uint32_t i = 0; i < count; i++) {
		const void *element = field_element(field, base, i);
		if (i > 0)
			fputs(is_tall ? "," : ", ", out);
		if (is_tall)
			fprintf(out, "\n%*s", indent + INDENT, "");
		if (is_map)
			fprintf(out, "\"%s\": ", *(const char *const *)element);
		print_value(field->element, element, indent + INDENT, out);
	}
	if (is_tall && count > 0)
		fprintf(out, "\n%*s", indent, "");
	putc(is_map ? '}' : ']', out);
}

void
print_value(const struct field *field, const void *base, unsigned indent, FILE *out)
{
	switch (field->type->shape) {
	case SHAPE_OBJECT:
		print_members(field->object, field_in(field, base), indent, out);
		break;
	case SHAPE_ARRAY:
	case SHAPE_MAP:
		print_elements(field, base, indent, out);
		break;
	default:
		field->type->print(field, base, out);
	}
}

int
config_print(const struct config *config, FILE *out)
{
	print_members(&schema_config, config, 0, out);
	putc('\n', out);
	return ferror(out) ? -EIO : 0;
}
