/* SPDX-License-Identifier: BSD-3-Clause */
#include "reload.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "drain_file.h"
#include "log.h"

/* After an undo that failed, which only lack of memory can make it. */
#define UNDO_AGAIN_MS 10000

struct reloader {
	struct history *history;
	struct error unsaved;
	struct {
		bool is_on;
		struct mono until;
		uint64_t number, back_to;
	} waiting;
	bool has_attempt;
	struct reload_attempt attempt;
	/* The file on disk, as it was when it was last looked at, and beside which configuration. */
	struct stat disk;
	uint64_t disk_beside;
	enum reload_on_disk on_disk;
};

/* What a configuration came from, for the history. */
struct provenance {
	enum history_origin origin;
	uint64_t of;
	const char *file;
};

const char *
reload_outcome_name(enum reload_outcome outcome)
{
	static const char *const names[] = {
		[RELOAD_LIVE] = "live",
		[RELOAD_SAME] = "same",
		[RELOAD_REFUSED] = "refused",
		[RELOAD_NEEDS_RESTART] = "needs_restart",
	};
	return names[outcome];
}

const char *
reload_on_disk_name(enum reload_on_disk on_disk)
{
	static const char *const names[] = {
		[RELOAD_DISK_SAME] = "same",
		[RELOAD_DISK_DIFFERS] = "differs",
		[RELOAD_DISK_REFUSED] = "refused",
	};
	return names[on_disk];
}

/* Texts */

static char *
print_config(const struct config *config, size_t *length)
{
	char *text = NULL;
	FILE *out = open_memstream(&text, length);
	if (!out)
		return NULL;
	int rc = config_print(config, out);
	if (fclose(out) != 0 || rc < 0) {
		free(text);
		return NULL;
	}
	return text;
}

static int
out_of_memory(struct error *err)
{
	return error_set(err, -ENOMEM, "not enough memory; the configuration in force stays");
}

int
reload_read(const char *file, struct config **config, char **messages, struct error *err)
{
	size_t bytes;
	FILE *out = open_memstream(messages, &bytes);
	if (!out)
		return error_set(err, -ENOMEM, "not enough memory");
	int rc = config_load(config, file, out);
	fclose(out);
	return rc < 0 ? error_set(err, rc, "%s is refused; the configuration in force stays", file)
		      : 0;
}

/* Into force */

static void
remember(struct daemon *d, const struct provenance *from, const char *text, size_t length)
{
	struct reloader *r = d->reloader;
	const struct history_entry entry = {
		.at = time(NULL),
		.origin = from->origin,
		.of = from->of,
		.file = from->file,
		.text = text,
		.length = length,
	};
	struct error err;
	uint64_t number;
	bool was_saved = r->unsaved.text[0] == '\0';
	if (history_add(r->history, &entry, &number, &err) == 0) {
		if (!was_saved)
			log_notice("the history of configurations is on disk again");
		r->unsaved.text[0] = '\0';
		return;
	}
	if (strcmp(r->unsaved.text, err.text) != 0)
		log_warning("the history of configurations is in memory only, and rollback ends "
			    "with this process: %s",
			err.text);
	r->unsaved = err;
}

uint64_t
reload_generation(const struct daemon *daemon)
{
	const struct history *history = daemon->reloader->history;
	return history_count(history) > 0 ? history_at(history, 0)->number : 0;
}

/* A configuration may have ended some. */
static void
save_drains(struct daemon *d)
{
	struct error err;
	if (drain_file_save(snapshot_config(d->publish.snapshot)->control_state, d->fleet, &err) <
		0)
		log_warning("a restart will not know which backends are drained: %s", err.text);
}

static int
put_in_force(struct daemon *d, struct config *config, const struct provenance *from,
	struct mono began, struct error *err)
{
	struct snapshot *snapshot, *before = d->publish.snapshot;
	size_t length;
	char *text = print_config(config, &length);
	if (!text) {
		config_free(config);
		return out_of_memory(err);
	}
	int rc = snapshot_build(&snapshot, &d->base, config, before, err);
	if (rc < 0) {
		free(text);
		return rc;
	}
	rc = publish_put(&d->publish, snapshot, d->base.node_count);
	if (rc < 0) {
		free(text);
		snapshot_free(snapshot);
		return error_set(err, rc, "not enough memory");
	}
	remember(d, from, text, length);
	free(text);
	/* What was in force before is retired, but nothing is freed until the loop turns. */
	announcer_add(&d->announcer, snapshot_tables(snapshot, 0),
		before ? snapshot_tables(before, 0) : NULL);
	fleet_configured(d->fleet);
	save_drains(d);
	d->loaded = mono_now();
	d->load_ms = mono_ms_between(began, d->loaded);
	log_notice("configuration %lu in force after %lu ms (%s, %s): %u services, %u pools "
		   "(%u row tables built), %zu KiB",
		(unsigned long)reload_generation(d), (unsigned long)d->load_ms,
		history_origin_name(from->origin), from->file, config->service_count,
		config->pool_count, snapshot_rows_built(snapshot), snapshot_bytes(snapshot) >> 10);
	return 0;
}

int
reload_first(struct daemon *daemon, struct config *config, uint64_t read_ms, struct error *err)
{
	struct mono now = mono_now();
	struct reloader *r = calloc(1, sizeof(*r));
	daemon->reloader = r;
	int rc = r ? history_open(&r->history, config->control_state, err)
		   : error_set(err, -ENOMEM, "not enough memory");
	if (rc == -ENOMEM) {
		config_free(config);
		return rc;
	}
	if (rc < 0)
		log_warning("history of configurations: %s", err->text);
	rc = drain_file_resume(config->control_state, daemon->fleet, err);
	if (rc < 0) {
		config_free(config);
		return rc;
	}
	const struct provenance from = {HISTORY_START, 0, daemon->config_file};
	return put_in_force(daemon, config, &from, (struct mono){now.us - read_ms * 1000}, err);
}

static void
free_attempt(struct reloader *r)
{
	free(r->attempt.file);
	free(r->attempt.message);
	free(r->attempt.details);
	r->has_attempt = false;
}

void
reload_fini(struct daemon *daemon)
{
	struct reloader *r = daemon->reloader;
	if (!r)
		return;
	free_attempt(r);
	history_close(r->history);
	free(r);
	daemon->reloader = NULL;
}

/* Keys that only a restart can change: "/edge/hash_key, /dataplane/workers, and 3 more". All of them
 * are in the details. */
static void
restart_keys(const struct plan *plan, char *text, size_t size)
{
	const size_t room = size - sizeof(", and 4294967295 more");
	size_t used = 0;
	uint32_t more = 0;
	text[0] = '\0';
	for (uint32_t i = 0; i < plan->count; i++) {
		const char *name = plan->actions[i].name;
		if (plan->actions[i].kind != PLAN_RESTART)
			continue;
		if (more > 0 || used + strlen(name) + 2 > room)
			more++;
		else
			used += (size_t)snprintf(
				text + used, size - used, "%s%s", used ? ", " : "", name);
	}
	if (more > 0)
		snprintf(text + used, size - used, "%sand %u more", used ? ", " : "", more);
}

/* Compares with what is in force, and takes its place if that can be done. `config` is gone
 * afterwards, one way or the other. */
static int
replace(struct daemon *d, struct config *config, const struct provenance *from, struct mono began,
	struct reload_result *result, struct error *err)
{
	result->plan = plan_make(snapshot_config(d->publish.snapshot), config);
	if (!result->plan) {
		config_free(config);
		return out_of_memory(err);
	}
	if (result->plan->needs_restart) {
		char keys[256];
		restart_keys(result->plan, keys, sizeof(keys));
		config_free(config);
		result->outcome = RELOAD_NEEDS_RESTART;
		return error_set(err, -ENOTSUP,
			"needs a restart, for %s; the configuration in force stays", keys);
	}
	int rc = put_in_force(d, config, from, began, err);
	if (rc < 0)
		return rc;
	result->outcome = result->plan->count > 0 ? RELOAD_LIVE : RELOAD_SAME;
	result->number = reload_generation(d);
	result->snapshot = snapshot_generation(d->publish.snapshot);
	return 0;
}

/* Attempts */

static char *
details_of(const struct reload_result *result)
{
	char *text = NULL;
	size_t length;
	FILE *out = open_memstream(&text, &length);
	if (!out)
		return NULL;
	if (result->messages)
		fputs(result->messages, out);
	for (uint32_t i = 0; result->plan && i < result->plan->count; i++)
		if (result->plan->actions[i].kind == PLAN_RESTART)
			fprintf(out, "%s: %s\n", result->plan->actions[i].name,
				result->plan->actions[i].detail);
	fclose(out);
	return text;
}

static void
log_lines(const char *text)
{
	while (text && *text) {
		size_t length = strcspn(text, "\n");
		log_error("%.*s", (int)length, text);
		text += length + (text[length] == '\n');
	}
}

/* Keeps the outcome for `fairctl status`, and tells the log of what was refused: whoever sent a signal
 * has no other way to know. Returns `rc`. */
static int
note_attempt(struct daemon *d, const char *by, const char *file, int rc,
	const struct reload_result *result, const struct error *err)
{
	struct reloader *r = d->reloader;
	char done[64];
	snprintf(
		done, sizeof(done), "configuration %lu is in force", (unsigned long)result->number);
	free_attempt(r);
	r->attempt = (struct reload_attempt){
		.at = time(NULL),
		.by = by,
		.outcome = result->outcome,
		.file = file ? strdup(file) : NULL,
		.message = strdup(rc < 0 ? err->text : done),
		.details = details_of(result),
	};
	r->has_attempt = r->attempt.message && r->attempt.details;
	if (rc < 0) {
		log_lines(r->attempt.details);
		log_error("reload by %s: %s", by, err->text);
	}
	return rc;
}

void
reload_result_free(struct reload_result *result)
{
	plan_free(result->plan);
	free(result->messages);
	*result = (struct reload_result){0};
}

/* Reloading, and going back */

static uint32_t
seconds_left(const struct reloader *r)
{
	return (uint32_t)((mono_ms_between(mono_now(), r->waiting.until) + 999) / 1000);
}

static int
load_and_replace(
	struct daemon *d, const char *file, struct reload_result *result, struct error *err)
{
	const struct reloader *r = d->reloader;
	struct mono began = mono_now();
	struct config *config;
	if (r->waiting.is_on)
		return error_set(err, -EBUSY,
			"configuration %lu waits for confirmation for %u s more: fairctl confirm "
			"keeps it, fairctl rollback takes it back; then reload again",
			(unsigned long)r->waiting.number, seconds_left(r));
	int rc = reload_read(file, &config, &result->messages, err);
	if (rc < 0)
		return rc;
	const struct provenance from = {HISTORY_RELOAD, 0, file};
	return replace(d, config, &from, began, result, err);
}

int
reload(struct daemon *daemon, const struct reload_order *order, struct reload_result *result,
	struct error *err)
{
	struct reloader *r = daemon->reloader;
	const char *file = order->file ? order->file : daemon->config_file;
	uint64_t before = reload_generation(daemon);
	*result = (struct reload_result){.outcome = RELOAD_REFUSED};
	int rc = load_and_replace(daemon, file, result, err);
	if (rc == 0 && order->confirm_s > 0 && result->number != before) {
		r->waiting.is_on = true;
		r->waiting.until = mono_add_ms(mono_now(), (uint64_t)order->confirm_s * 1000);
		r->waiting.number = result->number;
		r->waiting.back_to = before;
		log_notice("configuration %lu waits for confirmation; back to %lu in %u s",
			(unsigned long)result->number, (unsigned long)before, order->confirm_s);
	}
	return note_attempt(daemon, order->by, file, rc, result, err);
}

/* Which one a rollback goes back to. NULL, and `err`, if there is none. */
static const struct history_entry *
find_older(const struct reloader *r, uint64_t number, int *rc, struct error *err)
{
	const struct history_entry *entry;
	if (number == 0 && r->waiting.is_on)
		number = r->waiting.back_to;
	if (number == 0)
		entry = history_count(r->history) > 1 ? history_at(r->history, 1) : NULL;
	else
		entry = history_find(r->history, number);
	*rc = 0;
	if (!entry && number == 0)
		*rc = error_set(err, -ENOENT, "there is no older configuration to go back to");
	else if (!entry)
		*rc = error_set(err, -ENOENT,
			"there is no configuration %lu; fairctl history lists those that are kept",
			(unsigned long)number);
	else if (entry == history_at(r->history, 0))
		*rc = error_set(err, -EALREADY, "configuration %lu is in force",
			(unsigned long)entry->number);
	return *rc == 0 ? entry : NULL;
}

static int
parse_and_replace(struct daemon *d, const struct history_entry *entry, enum history_origin origin,
	struct reload_result *result, struct error *err)
{
	struct mono began = mono_now();
	struct config *config;
	char name[32];
	size_t bytes;
	FILE *out = open_memstream(&result->messages, &bytes);
	if (!out)
		return out_of_memory(err);
	snprintf(name, sizeof(name), "configuration %lu", (unsigned long)entry->number);
	int rc = config_parse(&config, name, entry->text, entry->length, out);
	fclose(out);
	if (rc < 0)
		return error_set(err, rc, "%s is refused; the configuration in force stays", name);
	/* The entry may leave the history while the new one comes in. */
	char *file = strdup(entry->file);
	if (!file) {
		config_free(config);
		return out_of_memory(err);
	}
	const struct provenance from = {origin, entry->number, file};
	rc = replace(d, config, &from, began, result, err);
	free(file);
	return rc;
}

static int
go_back(struct daemon *d, uint64_t number, enum history_origin origin, const char *by,
	struct reload_result *result, struct error *err)
{
	struct reloader *r = d->reloader;
	*result = (struct reload_result){.outcome = RELOAD_REFUSED};
	int rc;
	const struct history_entry *entry = find_older(r, number, &rc, err);
	if (entry)
		rc = parse_and_replace(d, entry, origin, result, err);
	if (rc == 0)
		r->waiting.is_on = false;
	return note_attempt(d, by, NULL, rc, result, err);
}

int
reload_rollback(struct daemon *daemon, uint64_t number, const char *by,
	struct reload_result *result, struct error *err)
{
	return go_back(daemon, number, HISTORY_ROLLBACK, by, result, err);
}

int
reload_confirm(struct daemon *daemon, const char *by, uint64_t *number, struct error *err)
{
	struct reloader *r = daemon->reloader;
	*number = reload_generation(daemon);
	if (!r->waiting.is_on)
		return error_set(err, -ENOENT, "no configuration waits for confirmation");
	r->waiting.is_on = false;
	log_notice("configuration %lu confirmed by %s", (unsigned long)*number, by);
	return 0;
}

void
reload_tick(struct daemon *daemon, struct mono now)
{
	struct reloader *r = daemon->reloader;
	struct reload_result result;
	struct error err;
	if (!r->waiting.is_on || now.us < r->waiting.until.us)
		return;
	log_warning("nobody has confirmed configuration %lu: back to %lu",
		(unsigned long)r->waiting.number, (unsigned long)r->waiting.back_to);
	if (go_back(daemon, 0, HISTORY_UNDO, "lack of confirmation", &result, &err) < 0)
		r->waiting.until = mono_add_ms(now, UNDO_AGAIN_MS);
	reload_result_free(&result);
}

/* The file on disk */

static bool
same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
	       a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

static enum reload_on_disk
compare_file(const struct daemon *d)
{
	struct config *config;
	struct error err;
	char *messages = NULL, *text = NULL;
	size_t length;
	int rc = reload_read(d->config_file, &config, &messages, &err);
	free(messages);
	if (rc < 0)
		return RELOAD_DISK_REFUSED;
	text = print_config(config, &length);
	config_free(config);
	const struct history_entry *in_force = history_at(d->reloader->history, 0);
	bool same = text && length == in_force->length && memcmp(text, in_force->text, length) == 0;
	free(text);
	return same ? RELOAD_DISK_SAME : RELOAD_DISK_DIFFERS;
}

enum reload_on_disk
reload_on_disk(struct daemon *d)
{
	struct reloader *r = d->reloader;
	struct stat now;
	if (history_count(r->history) == 0)
		return RELOAD_DISK_SAME;
	if (stat(d->config_file, &now) < 0)
		return RELOAD_DISK_REFUSED;
	if (r->disk_beside != reload_generation(d) || !same_file(&now, &r->disk)) {
		r->on_disk = compare_file(d);
		r->disk = now;
		r->disk_beside = reload_generation(d);
	}
	return r->on_disk;
}

struct reload_state
reload_state(const struct daemon *daemon)
{
	const struct reloader *r = daemon->reloader;
	return (struct reload_state){
		.history = r->history,
		.unsaved_why = r->unsaved.text,
		.waits = r->waiting.is_on,
		.waits_s = r->waiting.is_on ? seconds_left(r) : 0,
		.back_to = r->waiting.back_to,
		.last = r->has_attempt ? &r->attempt : NULL,
	};
}
