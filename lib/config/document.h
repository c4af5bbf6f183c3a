/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A JSON document that knows where everything stands in its text.
 *
 * jansson judges the text: grammar, UTF-8, depth, numbers that fit. It keeps no places, though, and
 * of a key given twice only the last value. So its tree is thrown away, and one pass over the text
 * that it accepted builds ours: every value with its place, every key with its own, duplicates kept
 * and reported.
 *
 *   text:  {"pools": {"caches": {"rows": 65536}}}
 *                                ^key    ^offset, length 5
 *
 * Nodes live in the document's arena and point into the text, which must stay while they are used.
 * Control only.
 */
#ifndef FAIRLEAD_DOCUMENT_H
#define FAIRLEAD_DOCUMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"

struct arena;
struct report;

enum node_kind {
	NODE_NULL,
	NODE_BOOLEAN,
	NODE_INTEGER,
	NODE_REAL, /* with a point or an exponent, whatever its value; and -0, which no integer is
		    */
	NODE_STRING,
	NODE_ARRAY,
	NODE_OBJECT,
};

struct node {
	enum node_kind kind;
	bool duplicate; /* the object has an earlier member of this key, which is the one that
			   counts */
	uint32_t offset, length; /* the token in the text; of an array or object its first byte */
	uint32_t key_offset;
	uint32_t index;	 /* among its siblings */
	const char *key; /* unescaped; NULL in an array */
	const struct node *parent;
	union {
		bool boolean;
		int64_t integer;
		const char *string;
		struct {
			struct node **children; /* in the order of the text */
			uint32_t count;
		};
	};
};

struct document {
	struct arena *arena;
	const char *text; /* the caller's */
	size_t length;
	const struct node *root;
};

/*
 * Reads a regular file of at most CONFIG_BYTES_MAX whole, without ever waiting (a FIFO is refused,
 * not opened for good). 0, `*text` for the caller to free and `*length`; or a negative errno and in
 * `err` "wanted …, got …": -EAGAIN when the file changed while it was read.
 */
int document_read(const char *path, char **text, size_t *length, struct error *err);

/*
 * Builds `document`. 0, with duplicate keys reported; -EINVAL, reported: no JSON, or more than
 * CONFIG_VALUES_MAX values, and there is no document; -ENOMEM.
 */
int document_parse(
	struct document *document, const char *text, size_t length, struct report *report);
void document_free(struct document *document);

/* The member of that key, the first if there are several; NULL if there is none or no object. */
const struct node *document_member(const struct node *object, const char *key);

#endif
