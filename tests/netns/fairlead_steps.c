/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The daemon, with a hook that stops its control thread at a step of a reload: the very objects of
 * fairlead, linked so that calls from one step to the next come by here (ld --wrap). Workers and the
 * kernel path go on meanwhile, which is what reload_steps.sh looks at.
 *
 * In the directory that FAIRLEAD_STEPS names, the file "stop" holds the name of a step. Once it is
 * reached, the hook makes "stopped" there and waits until "stop" is gone.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "announcer.h"
#include "config.h"
#include "drain_file.h"
#include "fleet.h"
#include "history.h"
#include "plan.h"
#include "publish.h"

#define LOOK_EVERY_US 5000

static int directory = -1;
static bool is_in_swap; /* within publish_put */

__attribute__((constructor)) static void
open_directory(void)
{
	const char *path = getenv("FAIRLEAD_STEPS");
	if (path)
		directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static bool
is_wanted(const char *step)
{
	char name[32] = "";
	int fd = openat(directory, "stop", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	ssize_t length = read(fd, name, sizeof(name) - 1);
	close(fd);
	name[strcspn(name, "\n")] = '\0';
	return length > 0 && strcmp(name, step) == 0;
}

static void
reached(const char *step)
{
	if (directory < 0 || !is_wanted(step))
		return;
	close(openat(directory, "stopped", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	while (is_wanted(step))
		usleep(LOOK_EVERY_US);
	unlinkat(directory, "stopped", 0);
}

/* The linker gives these names: __real_X is the daemon's X, and whoever calls X gets __wrap_X. */

int __real_config_load(struct config **config, const char *path, FILE *errors);
int __wrap_config_load(struct config **config, const char *path, FILE *errors);
struct plan *__real_plan_make(const struct config *before, const struct config *after);
struct plan *__wrap_plan_make(const struct config *before, const struct config *after);
int __real_snapshot_build(struct snapshot **snapshot, const struct snapshot_base *base,
	struct config *config, const struct snapshot *previous, struct error *err);
int __wrap_snapshot_build(struct snapshot **snapshot, const struct snapshot_base *base,
	struct config *config, const struct snapshot *previous, struct error *err);
int __real_publish_put(struct publish *publish, struct snapshot *snapshot, uint32_t node_count);
int __wrap_publish_put(struct publish *publish, struct snapshot *snapshot, uint32_t node_count);
const struct tables *__real_snapshot_tables(const struct snapshot *snapshot, uint32_t node);
const struct tables *__wrap_snapshot_tables(const struct snapshot *snapshot, uint32_t node);
int __real_history_add(struct history *history, const struct history_entry *entry, uint64_t *number,
	struct error *err);
int __wrap_history_add(struct history *history, const struct history_entry *entry, uint64_t *number,
	struct error *err);
void __real_announcer_add(
	struct announcer *announcer, const struct tables *tables, const struct tables *before);
void __wrap_announcer_add(
	struct announcer *announcer, const struct tables *tables, const struct tables *before);
void __real_fleet_configured(struct fleet *fleet);
void __wrap_fleet_configured(struct fleet *fleet);
int __real_drain_file_save(const char *path, const struct fleet *fleet, struct error *err);
int __wrap_drain_file_save(const char *path, const struct fleet *fleet, struct error *err);
void __real_snapshot_free(struct snapshot *snapshot);
void __wrap_snapshot_free(struct snapshot *snapshot);

int
__wrap_config_load(struct config **config, const char *path, FILE *errors)
{
	int rc = __real_config_load(config, path, errors);
	reached("read");
	return rc;
}

struct plan *
__wrap_plan_make(const struct config *before, const struct config *after)
{
	struct plan *plan = __real_plan_make(before, after);
	reached("compared");
	return plan;
}

int
__wrap_snapshot_build(struct snapshot **snapshot, const struct snapshot_base *base,
	struct config *config, const struct snapshot *previous, struct error *err)
{
	int rc = __real_snapshot_build(snapshot, base, config, previous, err);
	reached("built");
	return rc;
}

/* The last thing that publish_put does before it stores a node's pointer. */
const struct tables *
__wrap_snapshot_tables(const struct snapshot *snapshot, uint32_t node)
{
	if (is_in_swap)
		reached("swapping");
	return __real_snapshot_tables(snapshot, node);
}

int
__wrap_publish_put(struct publish *publish, struct snapshot *snapshot, uint32_t node_count)
{
	is_in_swap = true;
	int rc = __real_publish_put(publish, snapshot, node_count);
	is_in_swap = false;
	reached("swapped");
	return rc;
}

int
__wrap_history_add(struct history *history, const struct history_entry *entry, uint64_t *number,
	struct error *err)
{
	int rc = __real_history_add(history, entry, number, err);
	reached("remembered");
	return rc;
}

void
__wrap_announcer_add(
	struct announcer *announcer, const struct tables *tables, const struct tables *before)
{
	__real_announcer_add(announcer, tables, before);
	reached("announced");
}

void
__wrap_fleet_configured(struct fleet *fleet)
{
	__real_fleet_configured(fleet);
	reached("checked");
}

int
__wrap_drain_file_save(const char *path, const struct fleet *fleet, struct error *err)
{
	int rc = __real_drain_file_save(path, fleet, err);
	reached("saved");
	return rc;
}

/* Of what was in force before, once no worker reads it. */
void
__wrap_snapshot_free(struct snapshot *snapshot)
{
	reached("freeing");
	__real_snapshot_free(snapshot);
	reached("freed");
}
