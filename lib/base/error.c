/* SPDX-License-Identifier: BSD-3-Clause */
#include "error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int
error_set(struct error *err, int code, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	vsnprintf(err->text, sizeof(err->text), format, args);
	va_end(args);
	return code;
}

int
error_prefix(struct error *err, int code, const char *format, ...)
{
	char context[sizeof(err->text)], inner[sizeof(err->text)];
	va_list args;
	va_start(args, format);
	vsnprintf(context, sizeof(context), format, args);
	va_end(args);
	memcpy(inner, err->text, sizeof(inner));
	size_t used = (size_t)snprintf(err->text, sizeof(err->text), "%.200s: ", context);
	snprintf(err->text + used, sizeof(err->text) - used, "%.*s",
		(int)(sizeof(err->text) - used - 1), inner);
	return code;
}
