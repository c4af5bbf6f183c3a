/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The daemon: what main.c builds up step by step and control.c keeps running. All of it is control's; the
 * workers see their orders, the published tables and the flow table.
 */
#ifndef FAIRLEAD_DAEMON_H
#define FAIRLEAD_DAEMON_H

#include "announcer.h"
#include "dataplane.h"
#include "flow_file.h"
#include "nexthop.h"
#include "publish.h"
#include "registry.h"
#include "stats.h"
#include "sweep.h"

struct control;
struct fleet;
struct rehearsal;
struct reloader;

struct daemon {
	const char *config_file; /* absolute */
	bool hold;		 /* workers wait for SIGUSR1 */
	struct mono started, loaded;
	uint64_t load_ms; /* from opening the file to publishing the snapshot */

	struct dataplane dp;
	struct flow_file *flow_file;
	struct flow_file_report flow_report;
	uint64_t flow_capacity;
	struct registry *registry;
	struct nexthop_table *nexthops;
	struct snapshot_base base;
	struct publish publish;
	struct fleet *fleet;
	struct stats *stats;
	struct sweep sweep;
	struct announcer announcer;
	struct control *control;
	struct reloader *reloader;   /* reload.h */
	struct rehearsal *rehearsal; /* for "explain_frames"; NULL until the first */
};

#endif
