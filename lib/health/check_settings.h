/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The settings of a pool's checks, in memory of their own: a configuration is gone after a reload,
 * its checks go on. All checks of a pool hold the same settings.
 * Control only.
 */
#ifndef FAIRLEAD_CHECK_SETTINGS_H
#define FAIRLEAD_CHECK_SETTINGS_H

#include "config.h"

struct check_settings {
	struct config_health health; /* strings and arrays are ours */
	uint32_t holders;
};

/* One holder, the caller. NULL when memory is out. */
struct check_settings *settings_copy(const struct config_health *health);
struct check_settings *settings_share(struct check_settings *settings);
/* The last one frees. NULL is allowed. */
void settings_release(struct check_settings *settings);

/* True if a check with either would do and decide the same. */
bool settings_equal(const struct config_health *a, const struct config_health *b);

#endif
