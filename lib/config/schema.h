/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The one table of what a configuration file may say: which keys, of which type and range, with
 * which default, and what they mean. Everything else walks it:
 *
 *   decode.c      JSON -> struct config, telling what is wrong
 *   schema_text.c the JSON Schema, the reference in Markdown
 *   config.c      struct config -> JSON
 *   plan.c        the difference of two configurations
 *
 * Control only; tables are constant.
 */
#ifndef FAIRLEAD_SCHEMA_H
#define FAIRLEAD_SCHEMA_H

#include "types.h"

/* Offsets count from struct config. */
extern const struct object schema_config;

/* From struct config_pool (its list of backends included), config_backend, config_service. */
extern const struct object schema_pool, schema_backend, schema_service;

/* From struct config_pool: "forward", in a table of its own, schema_forward.c. */
extern const struct object schema_forward;

#endif
