/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The configurations that were in force, the newest first; that one is in force. Each has a number,
 * which is its own for ever: numbers go on over restarts, as long as the state directory lasts.
 *
 *   STATE/configuration.12   | header, one line of JSON | text, as config_print gives it |
 *
 *   header: {"number": 12, "at": 1763855289, "origin": "rollback", "of": 9, "file": "…",
 *            "length": 2048, "check": "…"}
 *
 * A file that is damaged is set aside ("configuration.12.damaged") and its number stays used. With
 * a directory that cannot be written the history is in memory alone, and every addition tries again
 * to save what is not saved yet.
 * Control only.
 */
#ifndef FAIRLEAD_HISTORY_H
#define FAIRLEAD_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "error.h"

/* Going back and forth makes entries too: eight times there and back leaves all eight. */
#define HISTORY_MAX 16

enum history_origin {
	HISTORY_START,	  /* the file, when the daemon started */
	HISTORY_RELOAD,	  /* a file, by a reload */
	HISTORY_ROLLBACK, /* an older one, by hand */
	HISTORY_UNDO,	  /* an older one, since nobody confirmed */
};

struct history_entry {
	uint64_t number;
	time_t at; /* wall clock: when it came into force */
	enum history_origin origin;
	uint64_t of;	  /* ROLLBACK, UNDO: the number of the older one; else 0 */
	const char *file; /* the file that it came from once, of a rollback too */
	const char *text;
	size_t length;
	bool is_saved;
};

struct history;

/*
 * Reads what is in `directory`, which need not be there; NULL: memory only. *history is there unless
 * the result is -ENOMEM. Any other error is a warning: what could be read is there, and the
 * sentence in `err` says what could not.
 */
int history_open(struct history **history, const char *directory, struct error *err);
/* NULL is allowed. Files stay. */
void history_close(struct history *history);

/*
 * `entry` (its number and is_saved are not read, its strings are copied) is in force now; *number is
 * what it got. If it says the same as the newest one, that one stays and nothing is added. 0;
 * -ENOMEM and nothing has changed; any other error: it is there, but not saved, and `err` says why.
 */
int history_add(struct history *history, const struct history_entry *entry, uint64_t *number,
	struct error *err);

uint32_t history_count(const struct history *history);
/* 0 is the newest. Valid until the next addition. */
const struct history_entry *history_at(const struct history *history, uint32_t place);
/* NULL if there is none of that number, or no longer. */
const struct history_entry *history_find(const struct history *history, uint64_t number);

/* "start", "reload", "rollback", "undo". */
const char *history_origin_name(enum history_origin origin);

#endif
