/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The event loop that joins everything slow: signals, timers, netlink, the control socket, metrics. It runs in
 * the main thread, on CPUs where no worker polls.
 */
#ifndef FAIRLEAD_CONTROL_H
#define FAIRLEAD_CONTROL_H

#include "daemon.h"

/* Opens sockets and arms timers and signals; nothing runs yet. */
int control_open(struct daemon *daemon, struct error *err);

/* Runs until SIGTERM or SIGINT. */
void control_run(struct daemon *daemon);

/* NULL-safe mirror of control_open. */
void control_close(struct daemon *daemon);

/* Time in packets over the last second, per worker, in percent. */
double control_busy_percent(const struct control *control, uint32_t worker);

#endif
