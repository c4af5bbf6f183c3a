/* SPDX-License-Identifier: BSD-3-Clause */
/* Words of the command line, checked and noted: what parameters' `take` points to. */
#ifndef FAIRLEAD_FAIRCTL_TAKE_H
#define FAIRLEAD_FAIRCTL_TAKE_H

#include "command.h"

/* 0; or a negative errno and what is wrong with the value. */
typedef int take_function(struct invocation *invocation, const char *value, struct error *err);

/* For the daemon. */
take_function take_pool, take_service, take_backend, take_protocol, take_source, take_vip,
	take_port_name, take_generation;
/* "90", "90s", "15m", "2h", "1d": seconds. */
take_function take_confirm, take_deadline;
/* The daemon has another working directory: it is told the whole path. */
take_function take_daemon_file;
/* For fairctl. */
take_function take_local_file, take_capture, take_limit, take_all, take_wait;

#endif
