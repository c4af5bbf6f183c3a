/* SPDX-License-Identifier: BSD-3-Clause */
/* Files that are none, that nobody may read, that are too big, that change while they are read. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "config.h"
#include "mono.h"

#define NOBODY 65534

/* A directory that anybody may search, and the path of a file in it. */
struct place {
	char directory[64];
	char file[96];
};

static int
setup_place(void **state)
{
	struct place *place = calloc(1, sizeof(*place));
	assert_non_null(place);
	snprintf(place->directory, sizeof(place->directory), "/tmp/fairlead-config-XXXXXX");
	assert_non_null(mkdtemp(place->directory));
	assert_int_equal(chmod(place->directory, 0755), 0);
	snprintf(place->file, sizeof(place->file), "%s/config.json", place->directory);
	*state = place;
	return 0;
}

static int
teardown_place(void **state)
{
	struct place *place = *state;
	if (remove(place->file) < 0)
		assert_int_equal(errno, ENOENT);
	assert_int_equal(rmdir(place->directory), 0);
	free(place);
	return 0;
}

/* Loads; the result, and what was said in `said` if that is not NULL (for the caller to free). */
static int
load(const char *path, struct config **config, char **said)
{
	char *text = NULL;
	size_t length;
	FILE *errors = open_memstream(&text, &length);
	assert_non_null(errors);
	int rc = config_load(config, path, errors);
	fclose(errors);
	if (said)
		*said = text;
	else
		free(text);
	return rc;
}

static void
assert_refused(const struct place *place, int code, const char *why)
{
	struct config *config = NULL;
	char *said;
	char line[256];
	assert_int_equal(load(place->file, &config, &said), code);
	assert_null(config);
	snprintf(line, sizeof(line), "%s: %s\n", place->file, why);
	assert_string_equal(said, line);
	free(said);
}

static void
test_missing_file(void **state)
{
	assert_refused(
		*state, -ENOENT, "wanted a file that can be read, got: No such file or directory");
}

static void
test_directory(void **state)
{
	struct place *place = *state;
	assert_int_equal(mkdir(place->file, 0755), 0);
	assert_refused(place, -EINVAL, "wanted a regular file, got a directory");
}

/* Nobody writes to it: to open it for reading would wait for ever. */
static void
test_fifo(void **state)
{
	struct place *place = *state;
	assert_int_equal(mkfifo(place->file, 0644), 0);
	assert_refused(place, -EINVAL, "wanted a regular file, got a FIFO");
}

static void
test_symlink_loop(void **state)
{
	struct place *place = *state;
	assert_int_equal(symlink(place->file, place->file), 0);
	assert_refused(place, -ELOOP,
		"wanted a file that can be read, got: Too many levels of symbolic links");
}

static void
test_device(void **state)
{
	struct place *place = *state;
	assert_int_equal(symlink("/dev/zero", place->file), 0);
	assert_refused(place, -EINVAL, "wanted a regular file, got a device");
}

static void
test_sparse_500_megabytes(void **state)
{
	struct place *place = *state;
	int fd = open(place->file, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, 500000000), 0);
	close(fd);
	char why[96];
	snprintf(why, sizeof(why), "wanted a file of at most %u bytes, got 500000000",
		CONFIG_BYTES_MAX);
	assert_refused(place, -EFBIG, why);
}

/* Root may read anything, so a child that is not root tries. */
static void
test_mode_000(void **state)
{
	struct place *place = *state;
	int fd = open(place->file, O_CREAT | O_WRONLY | O_CLOEXEC, 0);
	assert_true(fd >= 0);
	close(fd);
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		if (geteuid() == 0 && setuid(NOBODY) < 0)
			_exit(2);
		struct config *config;
		char *said;
		int rc = load(place->file, &config, &said);
		_exit(rc == -EACCES && strstr(said, "got: Permission denied") ? 0 : 1);
	}
	int status;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

struct appender {
	int fd;
	atomic_bool stop;
};

static void *
append_blanks(void *context)
{
	struct appender *appender = context;
	while (!atomic_load(&appender->stop))
		if (write(appender->fd, "  ", 2) != 2)
			break;
	return NULL;
}

/* A file that grows while it is read is refused as such, not judged by the half that was there. */
static void
test_changes_while_read(void **state)
{
	struct place *place = *state;
	struct appender appender = {
		.fd = open(place->file, O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0644)};
	assert_true(appender.fd >= 0);
	assert_int_equal(ftruncate(appender.fd, 1 << 20), 0);
	pthread_t thread;
	assert_int_equal(pthread_create(&thread, NULL, append_blanks, &appender), 0);
	bool seen = false;
	struct mono end = mono_add_ms(mono_now(), 20000);
	while (!seen && mono_ms_between(mono_now(), end) > 0) {
		struct config *config;
		char *said;
		int rc = load(place->file, &config, &said);
		seen = rc == -EAGAIN && strstr(said, "changed while it was read");
		assert_true(seen || rc == -EINVAL || rc == -EFBIG);
		free(said);
		assert_int_equal(ftruncate(appender.fd, 1 << 20), 0);
	}
	atomic_store(&appender.stop, true);
	pthread_join(thread, NULL);
	close(appender.fd);
	assert_true(seen);
}

int
main(void)
{
#define IN_A_PLACE(test) cmocka_unit_test_setup_teardown(test, setup_place, teardown_place)
	const struct CMUnitTest tests[] = {
		IN_A_PLACE(test_missing_file),
		IN_A_PLACE(test_directory),
		IN_A_PLACE(test_fifo),
		IN_A_PLACE(test_symlink_loop),
		IN_A_PLACE(test_device),
		IN_A_PLACE(test_sparse_500_megabytes),
		IN_A_PLACE(test_mode_000),
		IN_A_PLACE(test_changes_while_read),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
