/* SPDX-License-Identifier: BSD-3-Clause */
#include "history.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bounds.h"
#include "state_file.h"

#define PREFIX		 "configuration."
#define NAME_BYTES	 (sizeof(PREFIX) + 20) /* with a number of 64 bits */
#define HEADER_BYTES_MAX 16384		       /* a path of 4,095 bytes, escaped */
/* Defaults make a text longer than its file, by far less than this. */
#define TEXT_BYTES_MAX (4u * CONFIG_BYTES_MAX)

struct history {
	char *directory; /* NULL: memory only */
	uint64_t next_number;
	uint32_t count;
	struct history_entry entries[HISTORY_MAX + 1]; /* room for the one that comes */
};

static const char *const origin_names[] = {
	[HISTORY_START] = "start",
	[HISTORY_RELOAD] = "reload",
	[HISTORY_ROLLBACK] = "rollback",
	[HISTORY_UNDO] = "undo",
};

#define ORIGINS (sizeof(origin_names) / sizeof(origin_names[0]))

const char *
history_origin_name(enum history_origin origin)
{
	return origin_names[origin];
}

static const char *
file_name(uint64_t number, char *name)
{
	snprintf(name, NAME_BYTES, PREFIX "%" PRIu64, number);
	return name;
}

static void
free_entry(struct history_entry *entry)
{
	free((char *)entry->file);
	free((char *)entry->text);
}

/* FNV-1a, 64 bits: finds what a disk or an editor has damaged, not what somebody has forged. */
static uint64_t
checksum(const char *text, size_t length)
{
	uint64_t sum = 0xcbf29ce484222325u;
	for (size_t i = 0; i < length; i++)
		sum = (sum ^ (uint8_t)text[i]) * 0x100000001b3u;
	return sum;
}

/* Files */

static int
save(const struct history *h, struct history_entry *entry, struct error *err)
{
	char name[NAME_BYTES], *bytes = NULL;
	size_t length;
	json_t *file = json_string(entry->file);
	json_t *header = json_pack("{s:I, s:I, s:s, s:I, s:o, s:I, s:o}", "number",
		(json_int_t)entry->number, "at", (json_int_t)entry->at, "origin",
		origin_names[entry->origin], "of", (json_int_t)entry->of, "file",
		file ? file : json_string("(a name that is not UTF-8)"), "length",
		(json_int_t)entry->length, "check",
		json_sprintf("%016" PRIx64, checksum(entry->text, entry->length)));
	FILE *out = header ? open_memstream(&bytes, &length) : NULL;
	if (out) {
		json_dumpf(header, out, JSON_COMPACT);
		putc('\n', out);
		fwrite(entry->text, 1, entry->length, out);
	}
	json_decref(header);
	if (!out || fclose(out) != 0) {
		free(bytes);
		return error_set(err, -ENOMEM, "not enough memory to save a configuration");
	}
	int rc = state_file_write(h->directory, file_name(entry->number, name), bytes, length, err);
	free(bytes);
	entry->is_saved = rc == 0;
	return rc;
}

static bool
read_header(json_t *header, struct history_entry *entry, const char *text, size_t length)
{
	json_int_t number, at, of, said_length;
	const char *origin, *file, *check;
	if (json_unpack(header, "{s:I, s:I, s:s, s:I, s:s, s:I, s:s}", "number", &number, "at", &at,
		    "origin", &origin, "of", &of, "file", &file, "length", &said_length, "check",
		    &check) < 0)
		return false;
	size_t o = 0;
	while (o < ORIGINS && strcmp(origin, origin_names[o]) != 0)
		o++;
	if (o == ORIGINS || (uint64_t)number != entry->number || (size_t)said_length != length ||
		strtoull(check, NULL, 16) != checksum(text, length))
		return false;
	entry->at = (time_t)at;
	entry->origin = (enum history_origin)o;
	entry->of = (uint64_t)of;
	entry->file = strdup(file);
	entry->text = strndup(text, length);
	entry->length = length;
	entry->is_saved = true;
	return entry->file && entry->text;
}

/* Fills `entry`, which has its number. */
static bool
read_entry(struct history_entry *entry, const char *bytes, size_t length)
{
	const char *newline = memchr(bytes, '\n', length);
	if (!newline || newline - bytes > HEADER_BYTES_MAX)
		return false;
	size_t header_length = (size_t)(newline - bytes);
	json_t *header = json_loadb(bytes, header_length, JSON_REJECT_DUPLICATES, NULL);
	bool good = header && read_header(header, entry, newline + 1, length - header_length - 1);
	json_decref(header);
	if (!good) {
		free_entry(entry);
		*entry = (struct history_entry){.number = entry->number};
	}
	return good;
}

static int
load(struct history *h, uint64_t number, struct error *err)
{
	char name[NAME_BYTES], *bytes;
	size_t length;
	struct history_entry *entry = &h->entries[h->count];
	*entry = (struct history_entry){.number = number};
	int rc = state_file_read(h->directory, file_name(number, name),
		TEXT_BYTES_MAX + HEADER_BYTES_MAX, &bytes, &length, err);
	if (rc < 0)
		return rc;
	if (read_entry(entry, bytes, length)) {
		h->count++;
	} else {
		rc = state_file_set_aside(h->directory, name, err);
		if (rc == 0)
			rc = error_set(err, -EINVAL, "%s/%s is damaged and was set aside",
				h->directory, name);
	}
	free(bytes);
	return rc;
}

/* What is in the directory: the numbers, and what there is more of them than are kept. */
struct listing {
	uint64_t *numbers;
	size_t count, room;
	uint64_t highest; /* of damaged ones too: their numbers are not given again */
	bool out_of_memory;
};

static void
note_file(void *context, const char *name)
{
	struct listing *list = context;
	size_t prefix = strlen(PREFIX);
	if (strncmp(name, PREFIX, prefix) != 0 || name[prefix] < '1' || name[prefix] > '9')
		return;
	char *end;
	uint64_t number = strtoull(name + prefix, &end, 10);
	if (number >= INT64_MAX)
		return;
	list->highest = number > list->highest ? number : list->highest;
	if (*end != '\0')
		return;
	if (list->count == list->room) {
		size_t room = list->room ? 2 * list->room : HISTORY_MAX;
		uint64_t *more = realloc(list->numbers, room * sizeof(*more));
		list->out_of_memory |= !more;
		if (!more)
			return;
		list->numbers = more;
		list->room = room;
	}
	list->numbers[list->count++] = number;
}

static int
compare_falling(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return (x < y) - (x > y);
}

static int
load_all(struct history *h, struct error *err)
{
	struct listing list = {0};
	struct error wrong;
	int result = state_file_list(h->directory, note_file, &list, err);
	if (list.out_of_memory)
		result = error_set(err, -ENOMEM, "not enough memory");
	if (list.count > 0)
		qsort(list.numbers, list.count, sizeof(*list.numbers), compare_falling);
	for (size_t i = 0; i < list.count && h->count < HISTORY_MAX; i++) {
		int rc = load(h, list.numbers[i], &wrong);
		if (rc < 0 && result == 0) {
			result = rc == -ENOMEM ? -EIO : rc;
			*err = wrong;
		}
	}
	h->next_number = list.highest + 1;
	free(list.numbers);
	return result;
}

int
history_open(struct history **history, const char *directory, struct error *err)
{
	struct history *h = calloc(1, sizeof(*h));
	if (!h)
		return error_set(err, -ENOMEM, "not enough memory");
	h->next_number = 1;
	int rc = 0;
	if (directory) {
		h->directory = strdup(directory);
		rc = h->directory ? load_all(h, err) : error_set(err, -ENOMEM, "not enough memory");
	}
	if (rc == -ENOMEM)
		history_close(h);
	else
		*history = h;
	return rc;
}

void
history_close(struct history *h)
{
	if (!h)
		return;
	for (uint32_t i = 0; i < h->count; i++)
		free_entry(&h->entries[i]);
	free(h->directory);
	free(h);
}

/* Adding */

/* Everything that is not on the disk yet. */
static int
save_all(struct history *h, struct error *err)
{
	int result = 0;
	for (uint32_t i = 0; i < h->count && result == 0; i++)
		if (!h->entries[i].is_saved)
			result = save(h, &h->entries[i], err);
	return result;
}

static void
drop_oldest(struct history *h)
{
	char name[NAME_BYTES];
	struct error ignored; /* a file too many harms nobody */
	struct history_entry *oldest = &h->entries[--h->count];
	if (h->directory)
		state_file_remove(h->directory, file_name(oldest->number, name), &ignored);
	free_entry(oldest);
}

int
history_add(
	struct history *h, const struct history_entry *entry, uint64_t *number, struct error *err)
{
	struct history_entry *newest = &h->entries[0];
	if (h->count == 0 || newest->length != entry->length ||
		memcmp(newest->text, entry->text, entry->length) != 0) {
		struct history_entry copy = *entry;
		copy.file = strdup(entry->file);
		copy.text = strndup(entry->text, entry->length);
		if (!copy.file || !copy.text) {
			free_entry(&copy);
			return error_set(err, -ENOMEM, "not enough memory");
		}
		copy.number = h->next_number++;
		copy.is_saved = false;
		memmove(newest + 1, newest, h->count * sizeof(*newest));
		*newest = copy;
		h->count++;
	}
	*number = newest->number;
	/* The new one is on the disk before an old one leaves it. */
	int rc = h->directory ? save_all(h, err) : 0;
	if (h->count > HISTORY_MAX)
		drop_oldest(h);
	return rc;
}

uint32_t
history_count(const struct history *h)
{
	return h->count;
}

const struct history_entry *
history_at(const struct history *h, uint32_t place)
{
	return &h->entries[place];
}

const struct history_entry *
history_find(const struct history *h, uint64_t number)
{
	for (uint32_t i = 0; i < h->count; i++)
		if (h->entries[i].number == number)
			return &h->entries[i];
	return NULL;
}
