/* SPDX-License-Identifier: BSD-3-Clause */
#include "reload.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "fleet.h"
#include "log.h"

static int
put_in_force(struct daemon *d, struct config *config, struct mono began, struct error *err)
{
	struct snapshot *snapshot, *before = d->publish.snapshot;
	int rc = snapshot_build(&snapshot, &d->base, config, before, err);
	if (rc < 0)
		return rc;
	uint64_t generation = snapshot_generation(snapshot);
	uint32_t rows_built = snapshot_rows_built(snapshot);
	rc = publish_put(&d->publish, snapshot, d->base.node_count);
	if (rc < 0) {
		snapshot_free(snapshot);
		return error_set(err, rc, "not enough memory");
	}
	/* What was in force before is retired, but nothing is freed until the loop turns. */
	announcer_add(&d->announcer, snapshot_tables(snapshot, 0),
		before ? snapshot_tables(before, 0) : NULL);
	fleet_configured(d->fleet);
	d->loaded = mono_now();
	d->load_ms = mono_ms_between(began, d->loaded);
	log_notice("configuration %lu in force after %lu ms: %u services, %u pools (%u row tables "
		   "built), %zu KiB",
		(unsigned long)generation, (unsigned long)d->load_ms, config->service_count,
		config->pool_count, rows_built, snapshot_bytes(snapshot) >> 10);
	return 0;
}

int
reload_first(struct daemon *daemon, struct config *config, uint64_t read_ms, struct error *err)
{
	struct mono now = mono_now();
	return put_in_force(daemon, config, (struct mono){now.us - read_ms * 1000}, err);
}

static int
load(const char *file, struct config **config, struct reload_result *result, struct error *err)
{
	size_t bytes;
	FILE *messages = open_memstream(&result->messages, &bytes);
	if (!messages)
		return error_set(err, -ENOMEM, "not enough memory");
	int rc = config_load(config, file, messages);
	fclose(messages);
	if (rc < 0)
		return error_set(err, rc, "%s is refused; the configuration in force stays", file);
	return 0;
}

int
reload(struct daemon *daemon, const char *file, struct reload_result *result, struct error *err)
{
	*result = (struct reload_result){0};
	struct mono began = mono_now();
	struct config *config;
	int rc = load(file, &config, result, err);
	if (rc < 0)
		return rc;
	result->plan = plan_make(snapshot_config(daemon->publish.snapshot), config);
	if (!result->plan) {
		config_free(config);
		return error_set(err, -ENOMEM, "not enough memory");
	}
	if (result->plan->needs_restart) {
		config_free(config);
		return error_set(err, -EBUSY,
			"%s changes what only a restart can change; the configuration in force "
			"stays",
			file);
	}
	rc = put_in_force(daemon, config, began, err);
	if (rc == 0)
		result->generation = snapshot_generation(daemon->publish.snapshot);
	return rc;
}

void
reload_result_free(struct reload_result *result)
{
	if (result->plan)
		plan_free(result->plan);
	free(result->messages);
	*result = (struct reload_result){0};
}
