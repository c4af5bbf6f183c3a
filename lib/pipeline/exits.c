/* SPDX-License-Identifier: BSD-3-Clause */
#include "exits.h"

static const struct {
	const char *name;
	const char *meaning;
} exits[EXIT_COUNT] = {
#define EXIT_ROW(enumerator, name, kind, text) [EXIT_##enumerator] = {#name, text},
	EXITS(EXIT_ROW)
#undef EXIT_ROW
#define EXIT_ROW(enumerator, name, text) [EXIT_DROP_##enumerator] = {"drop_" #name, text},
		PARSE_DROPS(EXIT_ROW)
#undef EXIT_ROW
};

const uint8_t exit_kinds[EXIT_COUNT] = {
#define EXIT_ROW(enumerator, name, kind, text) [EXIT_##enumerator] = EXIT_KIND_##kind,
	EXITS(EXIT_ROW)
#undef EXIT_ROW
#define EXIT_ROW(enumerator, name, text) [EXIT_DROP_##enumerator] = EXIT_KIND_DROPPED,
		PARSE_DROPS(EXIT_ROW)
#undef EXIT_ROW
};

const char *
exit_name(enum exit exit)
{
	return exits[exit].name;
}

const char *
exit_meaning(enum exit exit)
{
	return exits[exit].meaning;
}

const char *
exit_kind_name(enum exit_kind kind)
{
	static const char *const names[EXIT_KINDS] = {
		[EXIT_KIND_SENT] = "sent",
		[EXIT_KIND_PUNTED] = "punted",
		[EXIT_KIND_ANSWERED] = "answered",
		[EXIT_KIND_DROPPED] = "dropped",
	};
	return names[kind];
}
