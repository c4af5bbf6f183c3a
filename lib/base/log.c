/* SPDX-License-Identifier: BSD-3-Clause */
#include "log.h"

#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const struct {
	const char *journal, *terminal;
} prefixes[] = {
	[LOG_LEVEL_ERROR] = {"<3>", "error: "},
	[LOG_LEVEL_WARNING] = {"<4>", "warning: "},
	[LOG_LEVEL_NOTICE] = {"<5>", ""},
	[LOG_LEVEL_DEBUG] = {"<7>", "debug: "},
};

static bool verbose; /* set once, before other threads exist */
static atomic_ulong lost;

/* Nobody waits for whoever reads the log: a pipe or a journal that is full takes nothing now. A line
 * is shorter than PIPE_BUF, so a pipe that has any room takes it whole. */
static bool
has_room(void)
{
	struct pollfd log = {.fd = STDERR_FILENO, .events = POLLOUT};
	return poll(&log, 1, 0) != 0;
}

void
log_set_verbose(void)
{
	verbose = true;
}

static void __attribute__((format(printf, 2, 0)))
put_line(enum log_level level, const char *format, va_list args)
{
	bool journal = getenv("JOURNAL_STREAM") != NULL;
	char line[1024];
	int head = snprintf(line, sizeof(line), "%s",
		journal ? prefixes[level].journal : prefixes[level].terminal);
	int body = vsnprintf(line + head, sizeof(line) - (size_t)head - 1, format, args);
	size_t len = (size_t)head + (body < 0 ? 0 : (size_t)body);
	if (len > sizeof(line) - 2)
		len = sizeof(line) - 2;
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
			line[i] = '?';
	line[len++] = '\n';
	/* A full or closed log must not stop the daemon, and there is nobody to tell. */
	ssize_t ignored = write(STDERR_FILENO, line, len);
	(void)ignored;
}

static void __attribute__((format(printf, 2, 3))) put(enum log_level level, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	put_line(level, format, args);
	va_end(args);
}

void
log_line(enum log_level level, const char *format, ...)
{
	if (level == LOG_LEVEL_DEBUG && !verbose)
		return;
	if (!has_room()) {
		atomic_fetch_add(&lost, 1);
		return;
	}
	unsigned long before = atomic_exchange(&lost, 0);
	if (before > 0)
		put(LOG_LEVEL_WARNING, "%lu log lines are lost: nobody read them in time", before);
	va_list args;
	va_start(args, format);
	put_line(level, format, args);
	va_end(args);
}
