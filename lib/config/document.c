/* SPDX-License-Identifier: BSD-3-Clause */
#include "document.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "arena.h"
#include "bounds.h"
#include "report.h"

static const char *
file_kind(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFDIR:
		return "a directory";
	case S_IFIFO:
		return "a FIFO";
	case S_IFSOCK:
		return "a socket";
	default:
		return "a device";
	}
}

static bool
same_file_state(const struct stat *a, const struct stat *b)
{
	return a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	       a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* Reads until the end or until `room` is full. The number of bytes, or a negative errno. */
static ssize_t
read_to_end(int fd, char *to, size_t room)
{
	size_t used = 0;
	while (used < room) {
		ssize_t n = read(fd, to + used, room - used);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		used += (size_t)n;
	}
	return (ssize_t)used;
}

static int
read_regular(int fd, char **text, size_t *length, struct error *err)
{
	struct stat before, after;
	if (fstat(fd, &before) < 0)
		return error_set(err, -errno, "wanted a file that can be read, got: %m");
	if (!S_ISREG(before.st_mode))
		return error_set(
			err, -EINVAL, "wanted a regular file, got %s", file_kind(before.st_mode));
	if (before.st_size > (off_t)CONFIG_BYTES_MAX)
		return error_set(err, -EFBIG, "wanted a file of at most %u bytes, got %lld",
			CONFIG_BYTES_MAX, (long long)before.st_size);
	/* One byte more than there should be: a file that grows shows. */
	size_t room = (size_t)before.st_size + 1;
	char *bytes = malloc(room);
	if (!bytes)
		return error_set(err, -ENOMEM, "out of memory");
	ssize_t used = read_to_end(fd, bytes, room);
	int rc = 0;
	if (used < 0)
		rc = error_set(err, (int)used, "wanted a file that can be read, got: %s",
			strerror((int)-used));
	else if (fstat(fd, &after) < 0 || used != before.st_size ||
		 !same_file_state(&before, &after))
		rc = error_set(err, -EAGAIN,
			"wanted a file at rest, got one that changed while it was read");
	if (rc < 0) {
		free(bytes);
		return rc;
	}
	*text = bytes;
	*length = (size_t)used;
	return 0;
}

int
document_read(const char *path, char **text, size_t *length, struct error *err)
{
	/* O_NONBLOCK: to open a FIFO must not wait for a writer; for regular files it means
	 * nothing. */
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return error_set(err, -errno, "wanted a file that can be read, got: %m");
	int rc = read_regular(fd, text, length, err);
	close(fd);
	return rc;
}

/*
 * The pass over accepted text. `pending` holds finished nodes whose parent is still open: those of
 * one parent lie together at the end, since a child is finished before its parent's next child
 * begins. An open parent keeps in `count` where its own begin.
 */
struct scanner {
	struct document *document;
	struct report *report;
	size_t at;
	struct node *open; /* the innermost array or object that is not closed yet */
	const char *key;   /* read, waiting for its value */
	uint32_t key_offset;
	struct node **pending;
	size_t pending_count, pending_room;
};

static struct node *
new_node(struct scanner *s, enum node_kind kind, size_t length)
{
	struct node *node = arena_alloc(s->document->arena, sizeof(*node), _Alignof(struct node));
	if (!node)
		return NULL;
	node->kind = kind;
	node->offset = (uint32_t)s->at;
	node->length = (uint32_t)length;
	node->parent = s->open;
	node->key = s->key;
	node->key_offset = s->key_offset;
	node->index = s->open ? (uint32_t)s->pending_count - s->open->count : 0;
	s->key = NULL;
	s->at += length;
	return node;
}

static int
finish_node(struct scanner *s, struct node *node)
{
	if (s->pending_count == s->pending_room) {
		size_t room = s->pending_room ? 2 * s->pending_room : 256;
		struct node **more = reallocarray(s->pending, room, sizeof(struct node *));
		if (!more)
			return -ENOMEM;
		s->pending = more;
		s->pending_room = room;
	}
	s->pending[s->pending_count++] = node;
	return 0;
}

static int
open_node(struct scanner *s, enum node_kind kind)
{
	struct node *node = new_node(s, kind, 1);
	if (!node)
		return -ENOMEM;
	node->count = (uint32_t)s->pending_count;
	s->open = node;
	return 0;
}

static int
compare_keys(const void *a, const void *b)
{
	const struct node *x = *(struct node *const *)a, *y = *(struct node *const *)b;
	int order = strcmp(x->key, y->key);
	return order != 0 ? order : (x->offset > y->offset) - (x->offset < y->offset);
}

/* Sorts `members`, which nobody needs in order any more. */
static void
mark_duplicates(struct scanner *s, struct node **members, size_t count)
{
	if (count < 2)
		return;
	qsort(members, count, sizeof(*members), compare_keys);
	for (size_t i = 1, first = 0; i < count; i++) {
		if (strcmp(members[i]->key, members[first]->key) != 0) {
			first = i;
			continue;
		}
		members[i]->duplicate = true;
		report_duplicate(s->report, members[i], members[first]);
	}
}

static int
close_node(struct scanner *s)
{
	struct node *node = s->open;
	size_t count = s->pending_count - node->count;
	struct node **children = count > 0 ? s->pending + node->count : NULL;
	node->children = arena_array(s->document->arena, count, sizeof(struct node *));
	if (!node->children)
		return -ENOMEM;
	if (count > 0)
		memcpy(node->children, children, count * sizeof(struct node *));
	if (node->kind == NODE_OBJECT)
		mark_duplicates(s, children, count);
	s->pending_count = node->count;
	node->count = (uint32_t)count;
	s->open = (struct node *)node->parent;
	s->at++;
	return finish_node(s, node);
}

/* The token's string, as jansson reads it. NULL when memory is out. */
static const char *
unescape(struct scanner *s, size_t length)
{
	const char *token = s->document->text + s->at;
	if (!memchr(token, '\\', length)) {
		char *plain = arena_alloc(s->document->arena, length - 1, 1);
		return plain ? memcpy(plain, token + 1, length - 2) : NULL;
	}
	json_t *string = json_loadb(token, length, JSON_DECODE_ANY, NULL);
	const char *copy =
		string ? arena_strdup(s->document->arena, json_string_value(string)) : NULL;
	json_decref(string);
	return copy;
}

static int
scan_string(struct scanner *s)
{
	const char *text = s->document->text;
	size_t end = s->at + 1;
	while (text[end] != '"')
		end += text[end] == '\\' ? 2 : 1;
	size_t length = end + 1 - s->at;
	const char *string = unescape(s, length);
	if (!string)
		return -ENOMEM;
	if (s->open->kind == NODE_OBJECT && !s->key) {
		s->key = string;
		s->key_offset = (uint32_t)s->at;
		s->at += length;
		return 0;
	}
	struct node *node = new_node(s, NODE_STRING, length);
	if (!node)
		return -ENOMEM;
	node->string = string;
	return finish_node(s, node);
}

/* A number, true, false or null. */
static int
scan_word(struct scanner *s)
{
	const char *word = s->document->text + s->at;
	size_t length = 0;
	while (!memchr(",:]} \t\r\n", word[length], 8))
		length++;
	bool number = word[0] == '-' || (word[0] >= '0' && word[0] <= '9');
	bool real = number && (memchr(word, '.', length) || memchr(word, 'e', length) ||
				      memchr(word, 'E', length) ||
				      (length == 2 && memcmp(word, "-0", 2) == 0));
	enum node_kind kind = real	       ? NODE_REAL
			      : number	       ? NODE_INTEGER
			      : word[0] == 'n' ? NODE_NULL
					       : NODE_BOOLEAN;
	struct node *node = new_node(s, kind, length);
	if (!node)
		return -ENOMEM;
	if (kind == NODE_INTEGER)
		node->integer = strtoll(word, NULL, 10); /* ends at what follows in the text */
	else if (kind == NODE_BOOLEAN)
		node->boolean = word[0] == 't';
	return finish_node(s, node);
}

/* The root is an array or an object (jansson saw to it): the text ends where that is closed. */
static int
scan(struct scanner *s)
{
	int rc = 0;
	do {
		switch (s->document->text[s->at]) {
		case ' ':
		case '\t':
		case '\r':
		case '\n':
		case ',': /* where they stand is grammar, which has been judged */
		case ':':
			s->at++;
			break;
		case '{':
			rc = open_node(s, NODE_OBJECT);
			break;
		case '[':
			rc = open_node(s, NODE_ARRAY);
			break;
		case '}':
		case ']':
			rc = close_node(s);
			break;
		case '"':
			rc = scan_string(s);
			break;
		default:
			rc = scan_word(s);
		}
	} while (rc == 0 && (s->open || s->pending_count == 0));
	return rc;
}

/* jansson tells how far it had read: the offending token's last byte is just before. */
static int
report_syntax(struct report *report, const json_error_t *error)
{
	size_t offset = error->position > 0 ? (size_t)error->position - 1 : 0;
	if (json_error_code(error) == json_error_premature_end_of_input)
		offset = report->length;
	while (offset > 0 && offset < report->length && (report->text[offset] & 0xc0) == 0x80)
		offset--;
	char why[VALUE_TEXT_MAX];
	report_text(report, offset, "wanted JSON, got a syntax error: %s",
		report_visible(why, error->text, strlen(error->text)));
	return -EINVAL;
}

/*
 * The place of the value that is one too many, or the length. Every value but the root follows a
 * comma, or the bracket that it is the first in. What is no JSON may be counted wrongly, but only
 * from where jansson stops.
 */
static size_t
find_excess(const char *text, size_t length)
{
	size_t left = CONFIG_VALUES_MAX;
	bool in_string = false;
	for (size_t at = 0; at < length; at++) {
		char c = text[at];
		if (in_string && c == '\\')
			at++;
		else if (c == '"')
			in_string = !in_string;
		else if (!in_string && (c == ',' || c == '{' || c == '[') && --left == 0)
			return at;
	}
	return length;
}

int
document_parse(struct document *document, const char *text, size_t length, struct report *report)
{
	*document = (struct document){.text = text, .length = length};
	size_t excess = find_excess(text, length);
	if (excess < length) {
		report_text(
			report, excess, "wanted at most %u values, got more", CONFIG_VALUES_MAX);
		return -EINVAL;
	}
	json_error_t error;
	json_t *accepted = json_loadb(text, length, 0, &error);
	if (!accepted)
		return json_error_code(&error) == json_error_out_of_memory
			       ? -ENOMEM
			       : report_syntax(report, &error);
	json_decref(accepted);
	document->arena = arena_create(ARENA_ANY_NODE);
	if (!document->arena)
		return -ENOMEM;
	struct scanner s = {.document = document, .report = report};
	int rc = scan(&s);
	if (rc == 0)
		document->root = s.pending[0];
	else
		document_free(document);
	free(s.pending);
	return rc;
}

void
document_free(struct document *document)
{
	arena_destroy(document->arena);
	document->arena = NULL;
}

const struct node *
document_member(const struct node *object, const char *key)
{
	if (!object || object->kind != NODE_OBJECT)
		return NULL;
	for (uint32_t i = 0; i < object->count; i++)
		if (strcmp(object->children[i]->key, key) == 0)
			return object->children[i];
	return NULL;
}
