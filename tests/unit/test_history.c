/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "history.h"
#include "state_file.h"

struct lab {
	char above[32];
	char directory[64];
};

static int
set_up(void **state)
{
	struct lab *lab = calloc(1, sizeof(*lab));
	snprintf(lab->above, sizeof(lab->above), "/tmp/fairlead-test-XXXXXX");
	if (!mkdtemp(lab->above))
		return -1;
	snprintf(lab->directory, sizeof(lab->directory), "%s/a/b", lab->above);
	*state = lab;
	return 0;
}

static void
remove_file(void *context, const char *name)
{
	struct error err;
	if (name[0] != '.')
		state_file_remove(context, name, &err);
}

static int
tear_down(void **state)
{
	struct lab *lab = *state;
	struct error err;
	char between[64];
	snprintf(between, sizeof(between), "%s/a", lab->above);
	state_file_list(lab->directory, remove_file, lab->directory, &err);
	rmdir(lab->directory);
	if (rmdir(between) < 0)
		unlink(between);
	rmdir(lab->above);
	free(lab);
	return 0;
}

static struct history *
open_history(const char *directory)
{
	struct history *h = NULL;
	struct error err;
	assert_int_equal(history_open(&h, directory, &err), 0);
	assert_non_null(h);
	return h;
}

static uint64_t
add(struct history *h, const char *text)
{
	struct error err;
	uint64_t number = 0;
	struct history_entry entry = {
		.at = 1763855289,
		.origin = HISTORY_RELOAD,
		.file = "/etc/\"odd\" name.json",
		.text = text,
		.length = strlen(text),
	};
	assert_int_equal(history_add(h, &entry, &number, &err), 0);
	return number;
}

static uint64_t
add_numbered(struct history *h, unsigned i)
{
	char text[32];
	snprintf(text, sizeof(text), "{ \"n\": %u }\n", i);
	return add(h, text);
}

static void
survives_a_restart(void **state)
{
	struct lab *lab = *state;
	struct history *h = open_history(lab->directory);
	assert_int_equal(history_count(h), 0);
	assert_int_equal(add(h, "one\n"), 1);
	assert_int_equal(add(h, "two\n"), 2);
	history_close(h);

	h = open_history(lab->directory);
	assert_int_equal(history_count(h), 2);
	const struct history_entry *newest = history_at(h, 0);
	assert_int_equal(newest->number, 2);
	assert_string_equal(newest->text, "two\n");
	assert_int_equal(newest->length, 4);
	assert_string_equal(newest->file, "/etc/\"odd\" name.json");
	assert_int_equal(newest->at, 1763855289);
	assert_int_equal(newest->origin, HISTORY_RELOAD);
	assert_string_equal(history_find(h, 1)->text, "one\n");
	assert_null(history_find(h, 3));
	assert_int_equal(add(h, "three\n"), 3);
	history_close(h);
}

static void
what_is_the_same_is_not_added(void **state)
{
	struct lab *lab = *state;
	struct history *h = open_history(lab->directory);
	assert_int_equal(add(h, "one\n"), 1);
	assert_int_equal(add(h, "one\n"), 1);
	assert_int_equal(add(h, "two\n"), 2);
	assert_int_equal(add(h, "one\n"), 3);
	assert_int_equal(history_count(h), 3);
	history_close(h);
	h = open_history(lab->directory);
	assert_int_equal(add(h, "one\n"), 3);
	history_close(h);
}

static void
the_oldest_give_way(void **state)
{
	struct lab *lab = *state;
	struct history *h = open_history(lab->directory);
	for (unsigned i = 1; i <= HISTORY_MAX + 5; i++)
		assert_int_equal(add_numbered(h, i), i);
	for (int restarted = 0; restarted < 2; restarted++) {
		assert_int_equal(history_count(h), HISTORY_MAX);
		assert_int_equal(history_at(h, 0)->number, HISTORY_MAX + 5);
		assert_int_equal(history_at(h, HISTORY_MAX - 1)->number, 6);
		assert_null(history_find(h, 5));
		history_close(h);
		h = open_history(lab->directory);
	}
	history_close(h);
}

/* Flips, cuts and empties the file: each is found, named, and set aside, and the others are there. */
static void
damage_is_found(void **state)
{
	struct lab *lab = *state;
	struct error err;
	char path[128];
	for (int kind = 0; kind < 4; kind++) {
		struct history *h = open_history(lab->directory);
		uint64_t good = add_numbered(h, 100 + (unsigned)kind);
		uint64_t bad = add_numbered(h, 200 + (unsigned)kind);
		history_close(h);

		snprintf(path, sizeof(path), "%s/configuration.%u", lab->directory, (unsigned)bad);
		struct stat st;
		assert_int_equal(stat(path, &st), 0);
		if (kind == 0) {
			FILE *file = fopen(path, "r+");
			fseek(file, -3, SEEK_END);
			putc('7', file);
			fclose(file);
		} else if (kind == 1) {
			assert_int_equal(truncate(path, st.st_size - 1), 0);
		} else if (kind == 2) {
			assert_int_equal(truncate(path, 0), 0);
		} else {
			assert_int_equal(truncate(path, st.st_size + 1), 0);
		}

		h = NULL;
		assert_int_equal(history_open(&h, lab->directory, &err), -EINVAL);
		assert_non_null(h);
		assert_non_null(strstr(err.text, path));
		assert_non_null(history_find(h, good));
		assert_null(history_find(h, bad));
		assert_int_equal(add_numbered(h, 300 + (unsigned)kind), bad + 1);
		history_close(h);
		h = open_history(lab->directory); /* it is said once */
		history_close(h);
	}
}

static void
what_is_no_file_of_ours_is_left_alone(void **state)
{
	struct lab *lab = *state;
	struct error err;
	assert_int_equal(state_file_write(lab->directory, "configuration.x", "x", 1, &err), 0);
	assert_int_equal(state_file_write(lab->directory, "drains.json", "[]", 2, &err), 0);
	char fifo[128];
	snprintf(fifo, sizeof(fifo), "%s/configuration.7", lab->directory);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	struct history *h = NULL;
	assert_int_equal(history_open(&h, lab->directory, &err), -EINVAL);
	assert_non_null(strstr(err.text, "not a regular file"));
	assert_int_equal(history_count(h), 0);
	assert_int_equal(add(h, "one\n"), 8);
	history_close(h);
}

static void
without_a_directory_it_is_in_memory(void **state)
{
	struct lab *lab = *state;
	struct error err;
	struct history *h = open_history(NULL);
	assert_int_equal(add(h, "one\n"), 1);
	assert_string_equal(history_at(h, 0)->text, "one\n");
	history_close(h);

	/* A file is where the directory should be; root could write anywhere else. */
	char path[64];
	snprintf(path, sizeof(path), "%s/a", lab->above);
	FILE *file = fopen(path, "w");
	fclose(file);
	h = NULL;
	assert_int_equal(history_open(&h, lab->directory, &err), -ENOTDIR);
	assert_non_null(h);
	uint64_t number;
	struct history_entry entry = {.file = "f", .text = "one\n", .length = 4};
	assert_int_equal(history_add(h, &entry, &number, &err), -ENOTDIR);
	assert_int_equal(number, 1);
	assert_int_equal(history_count(h), 1);
	assert_false(history_at(h, 0)->is_saved);

	/* It is mended: the next addition saves both. */
	assert_int_equal(unlink(path), 0);
	assert_int_equal(add(h, "two\n"), 2);
	history_close(h);
	h = open_history(lab->directory);
	assert_int_equal(history_count(h), 2);
	history_close(h);
}

static void
files_are_for_the_daemon_alone(void **state)
{
	struct lab *lab = *state;
	struct history *h = open_history(lab->directory);
	add(h, "one\n");
	history_close(h);
	struct stat st;
	char path[128];
	assert_int_equal(stat(lab->directory, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	snprintf(path, sizeof(path), "%s/configuration.1", lab->directory);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

static void
a_write_replaces_the_whole(void **state)
{
	struct lab *lab = *state;
	struct error err;
	char *bytes;
	size_t length;
	assert_int_equal(state_file_write(lab->directory, "x", "longer", 6, &err), 0);
	/* One who died while writing has left this. */
	assert_int_equal(state_file_write(lab->directory, "x.new", "rest", 4, &err), 0);
	assert_int_equal(state_file_write(lab->directory, "x", "new", 3, &err), 0);
	assert_int_equal(state_file_read(lab->directory, "x", 3, &bytes, &length, &err), 0);
	assert_string_equal(bytes, "new");
	assert_int_equal(length, 3);
	free(bytes);
	assert_int_equal(state_file_read(lab->directory, "x", 2, &bytes, &length, &err), -EFBIG);
	assert_int_equal(state_file_read(lab->directory, "y", 2, &bytes, &length, &err), -ENOENT);
	assert_int_equal(
		state_file_read(lab->directory, "x.new", 9, &bytes, &length, &err), -ENOENT);
}

int
main(void)
{
#define IN_LAB(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		IN_LAB(survives_a_restart),
		IN_LAB(what_is_the_same_is_not_added),
		IN_LAB(the_oldest_give_way),
		IN_LAB(damage_is_found),
		IN_LAB(what_is_no_file_of_ours_is_left_alone),
		IN_LAB(without_a_directory_it_is_in_memory),
		IN_LAB(files_are_for_the_daemon_alone),
		IN_LAB(a_write_replaces_the_whole),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
