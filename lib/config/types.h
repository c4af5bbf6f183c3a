/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The types that fields of a configuration can have, and what a table of fields looks like.
 *
 *   struct object   a JSON object with fixed keys <- one table of struct field
 *   struct field    key, type, bounds, default, meaning, and where the value goes in a C struct
 *   struct type     how such a value is read, printed, compared and described
 *
 * A new field is one line in a schema*.c. A new type is one struct here.
 * Control only; tables are constant.
 */
#ifndef FAIRLEAD_TYPES_H
#define FAIRLEAD_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct arena;
struct field;
struct node;

enum shape {
	SHAPE_SCALAR, /* has the functions of struct type; the others are walked */
	SHAPE_OBJECT, /* field.object; its fields' offsets count from field.offset */
	SHAPE_ARRAY,  /* field.element, in a C array */
	SHAPE_MAP,    /* the same, and each element begins with its name: the member's key */
};

struct type {
	enum shape shape;
	/* What it accepts, in words: the X of "wanted X", and the type in the reference. */
	const char *words; /* NULL: wanted() knows */
	void (*wanted)(const struct field *field, char *text, size_t size);
	/* As members of a JSON Schema object. NULL: schema() prints them. */
	const char *schema_text;
	void (*schema)(const struct field *field, FILE *out);
	/* Reads the node into the struct at `base`. 0; -EINVAL and nothing written; -ENOMEM. */
	int (*parse)(const struct field *field, const struct node *node, void *base,
		struct arena *arena);
	/* Of text types: may this be a value? parse has seen to the length. */
	bool (*accepts)(const char *text);
	/* Prints the value as JSON. */
	void (*print)(const struct field *field, const void *base, FILE *out);
	bool (*is_equal)(const struct field *field, const void *a, const void *b);
	/* Writes field.fallback or fallback_text; NULL: there is never a default. */
	void (*set_default)(const struct field *field, void *base);
	/* True if an optional value is not there; NULL: it always is. */
	bool (*is_absent)(const struct field *field, const void *base);
};

struct choice {
	const char *name;
	int value;
};

/* A kind of an object that has a field which others do not have. */
struct field_kind {
	const char *kind;
	enum {
		NEED_NONE,	/* may be absent */
		NEED_BY_FAMILY, /* required if there is a backend of the prefix's family */
		NEED_DEFAULT,
		NEED_REQUIRED,
	} need;
	/* With NEED_DEFAULT, in place of the field's own. */
	int64_t fallback;
	const char *fallback_text;
};

struct object {
	const struct field *fields; /* ends with a key of NULL; at most 32 */
	/* Key of the choice that says which kind of object it is, and so which of the fields with
	 * `kinds` it has: "mode" of "forward", "type" of "health". NULL: there is one kind. */
	const char *kind_key;
};

struct field {
	const char *key;
	const struct type *type;
	const char *meaning;

	bool required;
	bool needs_restart; /* it, or anything in it, cannot change while the daemon runs */
	bool is_secret;	    /* not to be told in a plan */
	bool is_power_of_two;

	int64_t min, max; /* integers: both included; text: bytes; arrays and maps: elements */
	int64_t fallback;
	const char *fallback_text;
	const char *fallback_words;	/* the default in words, where the program works it out */
	const struct choice *choices;	/* ends with a name of NULL */
	const struct field_kind *kinds; /* if only some have it; ends with a kind of NULL */

	size_t offset, bytes; /* of the value in its struct */
	size_t count_offset;  /* of a uint32_t; 0: none */
	size_t has_offset;    /* of a bool; 0: none */

	const struct object *object;
	const struct field *element;
	size_t element_bytes;
};

extern const struct type type_object, type_array, type_map;
extern const struct type type_integer, type_boolean;
extern const struct type type_choice;	   /* the number of the choice */
extern const struct type type_choice_name; /* its name */
extern const struct type type_name, type_interface, type_path, type_url_path, type_device,
	type_endpoint, type_host, type_domain, type_text, type_argument; /* const char * */
extern const struct type type_hash_key;					 /* 16 bytes */
extern const struct type type_mac;		     /* struct mac_addr; its fallback as a number */
extern const struct type type_cpus;		     /* ascending uint16_t[] and a count */
extern const struct type type_address;		     /* struct ip_addr */
extern const struct type type_prefix4, type_prefix6; /* struct ip_prefix */
extern const struct type type_port_range;	     /* struct config_port_range */
extern const struct type type_status_range;	     /* struct config_status_range */
extern const struct type type_permissions;	     /* uint16_t, of mode_t */

#define FIELD_TEXT_MAX 256

/* "an integer from 1 to 65535". Returns `text`, which has FIELD_TEXT_MAX bytes. */
const char *field_wanted(const struct field *field, char *text);

/* True if an optional value is not there; of an object, if a field that it requires is not. */
bool field_is_absent(const struct field *field, const void *base);

/* True if the object cannot be made of defaults alone. */
bool object_has_required(const struct object *object);

/* Which kind of object it is at `base`; NULL if it has no kinds, or that is not known. */
const char *object_kind(const struct object *object, const void *base);

/* How objects of that kind have the field; NULL if they do not. */
const struct field_kind *field_in_kind(const struct field *field, const char *kind);

/* The field as objects of that kind have it: with its own default. */
struct field field_of_kind(const struct field *field, const struct field_kind *kind);

/* field_is_absent, or the object is of a kind that does not have it. */
bool member_is_absent(const struct object *object, const struct field *field, const void *base);

static inline void *
field_at(const struct field *field, void *base)
{
	return (char *)base + field->offset;
}

static inline const void *
field_in(const struct field *field, const void *base)
{
	return (const char *)base + field->offset;
}

static inline uint32_t
field_count(const struct field *field, const void *base)
{
	return *(const uint32_t *)((const char *)base + field->count_offset);
}

/* The element of an array or map. */
static inline const void *
field_element(const struct field *field, const void *base, uint32_t i)
{
	return *(const char *const *)field_in(field, base) + (size_t)i * field->element_bytes;
}

/* For types whose bytes are the value. */
bool field_is_equal_bytes(const struct field *field, const void *a, const void *b);

/* The choice that a node names, and for the type of schema and message; NULL if it names none. */
const struct choice *choice_find(const struct field *field, const struct node *node);
void choice_wanted(const struct field *field, char *text, size_t size);
void choice_schema(const struct field *field, FILE *out);
/* The name that has this value; NULL if none has. */
const char *choice_name(const struct choice *choices, int64_t value);

/* Shared by what reads and what checks: [A-Za-z0-9._-] and 1 to `max` of them. */
bool name_is_valid(const char *text, size_t max);

#endif
