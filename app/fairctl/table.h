/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Aligned columns out of a JSON array of objects. One line a row, a title line above, blanks
 * between. Only the last cell of a line may have blanks in it (others get '_' in their place), so
 * `awk '{print $3}'` finds its column.
 */
#ifndef FAIRLEAD_FAIRCTL_TABLE_H
#define FAIRLEAD_FAIRCTL_TABLE_H

#include <jansson.h>
#include <stdio.h>

enum column_kind {
	COLUMN_TEXT,   /* to the left */
	COLUMN_NUMBER, /* to the right */
	COLUMN_REMARK, /* to the left; left out when no row has one: for the last column */
};

struct column {
	const char *title;
	const char *path; /* of keys within a row: "next_hop.state" */
	enum column_kind kind;
};

#define TABLE_COLUMNS_MAX 16

/* Prints all `rows`; the array of columns ends with one that has no title. */
void table_print(const json_t *rows, const struct column *columns, FILE *out);

/* The members of an object, one a line, indented: names to the left, numbers to the right. */
void table_print_members(const json_t *object, FILE *out);

#endif
