/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Log lines to standard error, one write each. Under systemd each carries the priority prefix of
 * sd-daemon(3), so that the journal files it rightly; on a terminal it says the level in words.
 * Control characters in what is printed are shown as '?', so a name cannot forge a line.
 *
 * A log that nobody reads holds nobody up: what it has no room for is lost, and the first line that it
 * takes again says how many were.
 *
 * Any thread. Not from a worker's packet path: a log line is a system call.
 */
#ifndef FAIRLEAD_LOG_H
#define FAIRLEAD_LOG_H

enum log_level {
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARNING,
	LOG_LEVEL_NOTICE, /* what an operator wants to see of normal life */
	LOG_LEVEL_DEBUG,  /* only after log_set_verbose */
};

void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));
void log_set_verbose(void);

#define log_error(...)	 log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_notice(...)	 log_line(LOG_LEVEL_NOTICE, __VA_ARGS__)
#define log_debug(...)	 log_line(LOG_LEVEL_DEBUG, __VA_ARGS__)

#endif
