/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An error on its way up: a negative errno value as the function's result, and one sentence for
 * people in a struct that the caller owns. Whoever reports to a person logs it, once.
 */
#ifndef FAIRLEAD_ERROR_H
#define FAIRLEAD_ERROR_H

struct error {
	char text[512];
};

/* Writes the sentence and returns `code`, so that a failing path is one line:
 *	return error_set(err, -EBUSY, "%s: in use by another fairlead", path);
 */
int error_set(struct error *err, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Puts "context: " in front of what is there, for a caller who knows where it happened. */
int error_prefix(struct error *err, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
