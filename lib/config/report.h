/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What is wrong with a document: findings gathered in any order, printed in that of the text.
 *
 *   file:line:column: /json/pointer: wanted X, got Y
 *   file:line:column: /json/pointer: warning: …
 *
 * Lines and columns count from 1, columns in characters (Unicode code points; a tab is one). The
 * pointer is that of RFC 6901. Whatever comes from the document is shown clipped, and with
 * control, format and direction characters as \uXXXX: a name cannot forge a line or hide text.
 * Control only.
 */
#ifndef FAIRLEAD_REPORT_H
#define FAIRLEAD_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "document.h"
#include "bounds.h"

#define VALUE_SHOWN_MAX 64 /* characters of a value or key that a message repeats */
#define VALUE_TEXT_MAX	(VALUE_SHOWN_MAX * 6 + 8) /* bytes: each may be \uXXXX, then "…" */

#define FILE_TEXT_MAX 4128 /* PATH_MAX, or less of it if much must be escaped */

enum severity {
	REPORT_ERROR,
	REPORT_WARNING,
};

struct finding {
	uint32_t offset; /* in the text */
	uint32_t order;	 /* in which it was found, for those at one place */
	char *line;	 /* what follows the place; malloc */
};

struct report {
	const char *name; /* the file's, as it was named */
	const char *text;
	size_t length;
	uint64_t count[2];			    /* by severity */
	struct finding kept[2 * CONFIG_ERRORS_MAX]; /* at most CONFIG_ERRORS_MAX of each */
	uint32_t kept_count;
};

void report_start(struct report *report, const char *name, const char *text, size_t length);

/* Prints everything, then frees it. Beyond CONFIG_ERRORS_MAX a line says how many more there are.
 */
void report_finish(struct report *report, FILE *out);

/* True, and the finding is counted, if it would not be shown: then its text need not be made. */
bool report_counts_only(struct report *report, enum severity severity);

/* A finding about a value, and one about a member's key. */
void report_value(struct report *report, enum severity severity, const struct node *node,
	const char *format, ...) __attribute__((format(printf, 4, 5)));
void report_key(struct report *report, enum severity severity, const struct node *node,
	const char *format, ...) __attribute__((format(printf, 4, 5)));

/* One about a member's value, which may be missing: then it stands at the object. */
void report_member(struct report *report, enum severity severity, const struct node *object,
	const char *key, const char *format, ...) __attribute__((format(printf, 5, 6)));

/* A key that its object has had before. */
void report_duplicate(struct report *report, const struct node *again, const struct node *first);

/* One about the text itself, before there are nodes. */
void report_text(struct report *report, size_t offset, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Text made fit for a message; `out` has VALUE_TEXT_MAX bytes for it. */
const char *report_visible(char *out, const char *text, size_t length);
/* A file's name made fit for the front of a line; `out` has FILE_TEXT_MAX bytes. */
const char *report_file(char *out, const char *name);
/* The Y of "wanted X, got Y": a scalar as it is written, "an array", "an object", "null". */
const char *report_got(char *out, const struct report *report, const struct node *node);

#endif
