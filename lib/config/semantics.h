/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Whether the parts of a configuration fit one another: names given twice, ports claimed by two
 * services, a pool that is not there, an outer source that is missing, totals above the limits.
 *
 * Works on what decode.h left, in the file's order, whether or not that reported errors: what could
 * not be read is skipped. Nothing here is quadratic: it sorts and compares neighbours.
 * Control only.
 */
#ifndef FAIRLEAD_SEMANTICS_H
#define FAIRLEAD_SEMANTICS_H

#include "config.h"
#include "document.h"
#include "report.h"

/*
 * (VIP, port range) pairs over all services, each a rule of the service table. Four times what 10k
 * services of ten VIPs and ten ranges come to; beyond that a short file could ask for all memory.
 */
#define SERVICE_RULES_MAX (4u << 20)

/* 0, whatever was reported; or -ENOMEM. */
int semantics_check(const struct config *config, const struct node *root, struct report *report);

#endif
