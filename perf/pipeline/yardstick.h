/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a look-up alone costs in DPDK's own hash table: rte_hash of as many flows, keys of 16 bytes
 * that lie ready, 32 at a time. There is one at a time; it lies on the same pages as the flow tables.
 */
#ifndef FAIRLEAD_YARDSTICK_H
#define FAIRLEAD_YARDSTICK_H

#include "generator.h"

/* Of EAL's heap, for a table of so many flows. */
size_t yardstick_heap_bytes(uint64_t flow_count);

/* `socket`: of the heap. */
void yardstick_make(uint64_t flow_count, int socket);
void yardstick_free(void);

/* Before a round: what is looked up often is in the cache as far as it fits. */
void yardstick_warm_up(struct generator *generator, uint64_t flow_count);

/* Cycles a key of one run, all of them known, drawn as `generator` says. */
double yardstick_run(struct generator *generator, uint64_t flow_count);

#endif
