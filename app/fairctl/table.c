/* SPDX-License-Identifier: BSD-3-Clause */
#include "table.h"

#include <stdbool.h>
#include <string.h>

#include "text.h"

/* Between columns. */
#define GAP 2

/* 0 for a column that is left out. */
static unsigned
column_width(const json_t *rows, const struct column *column)
{
	unsigned width = text_width(column->title);
	bool empty = true;
	size_t i;
	json_t *row;
	json_array_foreach(rows, i, row)
	{
		char text[TEXT_MAX];
		text_of(row, column->path, text);
		unsigned cell = text_width(text);
		width = cell > width ? cell : width;
		empty = empty && strcmp(text, "-") == 0;
	}
	return empty && column->kind == COLUMN_REMARK ? 0 : width;
}

/* Blanks are printed in front of a cell only, so that no line ends in them. */
static void
print_cell(const char *text, enum column_kind kind, unsigned width, unsigned *blanks, FILE *out)
{
	unsigned fill = width - text_width(text);
	unsigned before = *blanks + (kind == COLUMN_NUMBER ? fill : 0);
	fprintf(out, "%*s%s", (int)before, "", text);
	*blanks = GAP + (kind == COLUMN_NUMBER ? 0 : fill);
}

/* One line: the titles for a NULL row. */
static void
print_row(const json_t *row, const struct column *columns, const unsigned *widths, FILE *out)
{
	unsigned blanks = 0;
	for (size_t c = 0; columns[c].title; c++) {
		char text[TEXT_MAX];
		if (widths[c] == 0)
			continue;
		if (row)
			text_of(row, columns[c].path, text);
		else
			snprintf(text, sizeof(text), "%s", columns[c].title);
		for (char *blank = text; columns[c + 1].title && (blank = strchr(blank, ' '));)
			*blank = '_';
		print_cell(text, columns[c].kind, widths[c], &blanks, out);
	}
	putc('\n', out);
}

void
table_print(const json_t *rows, const struct column *columns, FILE *out)
{
	unsigned widths[TABLE_COLUMNS_MAX];
	for (size_t c = 0; columns[c].title; c++)
		widths[c] = column_width(rows, &columns[c]);
	print_row(NULL, columns, widths, out);
	size_t i;
	json_t *row;
	json_array_foreach(rows, i, row) print_row(row, columns, widths, out);
}

void
table_print_members(const json_t *object, FILE *out)
{
	unsigned names = 0, values = 0;
	char text[TEXT_MAX];
	for (void *at = json_object_iter((json_t *)object); at;
		at = json_object_iter_next((json_t *)object, at)) {
		unsigned name = text_width(json_object_iter_key(at));
		unsigned value = text_width(text_of(json_object_iter_value(at), "", text));
		names = name > names ? name : names;
		values = value > values ? value : values;
	}
	for (void *at = json_object_iter((json_t *)object); at;
		at = json_object_iter_next((json_t *)object, at)) {
		unsigned blanks = GAP;
		print_cell(json_object_iter_key(at), COLUMN_TEXT, names, &blanks, out);
		print_cell(text_of(json_object_iter_value(at), "", text), COLUMN_NUMBER, values,
			&blanks, out);
		putc('\n', out);
	}
}
