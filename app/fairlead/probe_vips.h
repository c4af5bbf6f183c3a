/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The VIPs that health checks by the path ask for, pool by pool, of one configuration: those of the
 * pool's services that have the protocol and the port of the check; if none has, those of all its
 * services. Control only.
 */
#ifndef FAIRLEAD_PROBE_VIPS_H
#define FAIRLEAD_PROBE_VIPS_H

#include "config.h"

struct probe_vip {
	struct ip_addr address;
	uint32_t service; /* its place in the configuration */
};

struct probe_vips;

/* Takes over one holder of `config`, also on failure. NULL when memory is out. */
struct probe_vips *probe_vips_create(struct config *config);
/* NULL is allowed. */
void probe_vips_destroy(struct probe_vips *vips);

const struct config *probe_vips_config(const struct probe_vips *vips);

/* Those of a pool, by its place; in order, each once. None if its check does not go by the path. */
const struct probe_vip *probe_vips_of(
	const struct probe_vips *vips, uint32_t pool, uint32_t *count);

#endif
