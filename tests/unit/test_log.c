/* SPDX-License-Identifier: BSD-3-Clause */
/* Log lines: what they look like, and that a log which nobody reads holds nobody up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"

#define PIPE_BYTES (16 * 4096) /* a page that is not full is no room to poll() */
#define LOST	   1000

static int reader, old_stderr;

/* Standard error is a pipe. */
static int
setup(void **state)
{
	(void)state;
	int ends[2];
	unsetenv("JOURNAL_STREAM");
	fflush(stderr);
	old_stderr = dup(STDERR_FILENO);
	if (old_stderr < 0 || pipe(ends) < 0 || fcntl(ends[1], F_SETPIPE_SZ, PIPE_BYTES) < 0 ||
		fcntl(ends[0], F_SETFL, O_NONBLOCK) < 0 || dup2(ends[1], STDERR_FILENO) < 0)
		return -1;
	close(ends[1]);
	reader = ends[0];
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	close(reader);
	return dup2(old_stderr, STDERR_FILENO) < 0 || close(old_stderr) < 0 ? -1 : 0;
}

/* All that has been written since. */
static const char *
read_log(void)
{
	static char text[2 * PIPE_BYTES];
	ssize_t got = read(reader, text, sizeof(text) - 1);
	text[got > 0 ? got : 0] = '\0';
	return text;
}

static void
test_lines(void **state)
{
	(void)state;
	log_notice("port %s", "up");
	log_warning("a\nb\x7f\tc");
	log_debug("not seen");
	assert_string_equal(read_log(), "port up\nwarning: a?b??c\n");
	assert_int_equal(setenv("JOURNAL_STREAM", "8:1", 1), 0);
	log_error("x");
	assert_string_equal(read_log(), "<3>x\n");
	unsetenv("JOURNAL_STREAM");
}

static void
test_long_line_is_cut(void **state)
{
	(void)state;
	char text[3000];
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	log_notice("%s", text);
	const char *line = read_log();
	assert_in_range(strlen(line), 1000, 1024);
	assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
}

/* Would block for ever if it waited. */
static void
test_log_that_nobody_reads(void **state)
{
	(void)state;
	static char fill[PIPE_BYTES];
	memset(fill, '.', sizeof(fill));
	assert_int_equal(write(STDERR_FILENO, fill, sizeof(fill)), sizeof(fill));
	for (int i = 0; i < LOST; i++)
		log_error("line %d", i);
	assert_int_equal(strlen(read_log()), sizeof(fill));
	log_notice("again");
	assert_string_equal(
		read_log(), "warning: 1000 log lines are lost: nobody read them in time\nagain\n");
	log_notice("and again");
	assert_string_equal(read_log(), "and again\n");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_lines),
		CASE(test_long_line_is_cut),
		CASE(test_log_that_nobody_reads),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
