/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Putting another configuration in force while packets flow, and going back: all or nothing.
 *
 *   file ──read──> config ──plan──> snapshot ──> in force, in the history under a number
 *                    ^                              │
 *                    └─── text of an older one <────┘  rollback; or undo, if nobody confirms
 *
 * A reload may ask for confirmation: if none comes in time, the configuration of before is put in
 * force again. While one waits, further reloads are refused, whoever asks, so that it is always
 * known what an undo goes back to; confirm and rollback are not. A daemon that ends meanwhile forgets
 * it: at the next start the file decides, as ever.
 *
 * Numbers are those of the history (history.h). What says the same as what is in force keeps its
 * number.
 * Control only.
 */
#ifndef FAIRLEAD_RELOAD_H
#define FAIRLEAD_RELOAD_H

#include <time.h>

#include "daemon.h"
#include "history.h"
#include "plan.h"

/* Long enough for a night; who wants more wants no confirmation. */
#define RELOAD_CONFIRM_MAX_S 86400

enum reload_outcome {
	RELOAD_LIVE,
	RELOAD_SAME, /* in force, and says what was in force before */
	RELOAD_REFUSED,
	RELOAD_NEEDS_RESTART, /* refused: it changes what only a restart can change */
};

/* "live", "same", "refused", "needs_restart". */
const char *reload_outcome_name(enum reload_outcome outcome);

struct reload_order {
	const char *file;   /* NULL: the daemon's own */
	const char *by;	    /* who wants it: "SIGHUP", "fairctl" */
	uint32_t confirm_s; /* 0: for good */
};

struct reload_result {
	enum reload_outcome outcome;
	struct plan *plan; /* what changed, or what forbids it; may be NULL */
	char *messages;	   /* lines: errors and warnings of the file; may be NULL */
	/* if it is in force: */
	uint64_t number;   /* its number in the history */
	uint64_t snapshot; /* the number of its first snapshot, to wait for */
};

/*
 * Loads a file, compares, builds the snapshot and publishes it. 0; or a negative errno, the sentence
 * in `err` and details in `result`, and the configuration in force is what it was; -EBUSY: one waits for
 * confirmation. The log has it too. Either way the caller calls reload_result_free.
 */
int reload(struct daemon *daemon, const struct reload_order *order, struct reload_result *result,
	struct error *err);
void reload_result_free(struct reload_result *result);

/* The same with configuration `number` of the history; 0: what was in force before this one, or before
 * the one that waits for confirmation. Nothing waits afterwards. -ENOENT, -EALREADY. */
int reload_rollback(struct daemon *daemon, uint64_t number, const char *by,
	struct reload_result *result, struct error *err);

/* What waits for confirmation stays. -ENOENT: nothing waits. */
int reload_confirm(struct daemon *daemon, const char *by, uint64_t *number, struct error *err);

/* Once a second: undoes what nobody has confirmed in time. */
void reload_tick(struct daemon *daemon, struct mono now);

/* The first one, at start: no plan, nothing in force before. `config` is the daemon's afterwards; to
 * read it took `read_ms`. */
int reload_first(struct daemon *daemon, struct config *config, uint64_t read_ms, struct error *err);
/* The mirror of reload_first; the configuration in force stays. */
void reload_fini(struct daemon *daemon);

/* The last try, successful or not, for who did not see its answer. */
struct reload_attempt {
	time_t at;
	const char *by;
	enum reload_outcome outcome;
	char *file;    /* or NULL: a rollback */
	char *message; /* a sentence */
	char *details; /* lines; "" if there are none */
};

/* What the file on disk, which the next start will read, says beside what is in force. */
enum reload_on_disk {
	RELOAD_DISK_SAME,
	RELOAD_DISK_DIFFERS,
	RELOAD_DISK_REFUSED, /* it is wrong, or cannot be read: a start would fail */
};
/* Reads the file, if it is not as it was when last asked. */
enum reload_on_disk reload_on_disk(struct daemon *daemon);
/* "same", "differs", "refused". */
const char *reload_on_disk_name(enum reload_on_disk on_disk);

struct reload_state {
	const struct history *history; /* its newest is in force */
	const char *unsaved_why;       /* "": the history is on disk */
	bool waits;		       /* for confirmation; then: */
	uint32_t waits_s;
	uint64_t back_to;
	const struct reload_attempt *last; /* NULL: none since the start */
};
/* The number of the configuration in force. */
uint64_t reload_generation(const struct daemon *daemon);
/* Valid until the loop turns. */
struct reload_state reload_state(const struct daemon *daemon);

/* Reads and validates, nothing else: for a dry run. Lines go to *messages, to be freed. */
int reload_read(const char *file, struct config **config, char **messages, struct error *err);

#endif
