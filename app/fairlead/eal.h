/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Starting EAL from the configuration: cores, memory, devices. Nobody writes EAL options by hand.
 */
#ifndef FAIRLEAD_EAL_H
#define FAIRLEAD_EAL_H

#include "config.h"
#include "error.h"

/* Bytes of packet buffers, per NUMA node that has workers; used to size memory without hugepages. */
int eal_start(const struct config *config, size_t buffer_bytes, struct error *err);
void eal_stop(void);

/* "0000:3b:00.0" or "net_af_packet0": the device's name, without its arguments. */
void eal_device_name(const char *device, char *name, size_t bytes);

/* "0000:3b:00.0", with or without arguments. */
bool eal_is_pci(const char *device);

/* The lcore that polls as worker `worker`. */
unsigned eal_worker_lcore(uint32_t worker);

#endif
