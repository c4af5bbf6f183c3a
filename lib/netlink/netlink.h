/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A thin rtnetlink socket: send a request, read its answers; subscribe and be called per message.
 * Wraps libmnl so that a caller sees messages and errno values only. Control only.
 */
#ifndef FAIRLEAD_NETLINK_H
#define FAIRLEAD_NETLINK_H

#include <libmnl/libmnl.h>
#include <stdint.h>

#include "error.h"

struct netlink;

/* `groups` is a mask of RTMGRP_*, 0 for a socket that only asks. The socket does not block. */
int netlink_open(struct netlink **nl, uint32_t groups, struct error *err);
void netlink_close(struct netlink *nl);

/* To wait on with an event loop. */
int netlink_fd(const struct netlink *nl);

/* Called for each message; the message is valid during the call only. */
typedef void netlink_handler(const struct nlmsghdr *message, void *context);

/* Sends `request` (nlmsg_seq is filled in) and hands every answer to `handler` (may be NULL) until the
 * acknowledgement or the end of the dump. 0, or the kernel's negative errno; -ETIMEDOUT after 1 s. */
int netlink_request(
	struct netlink *nl, struct nlmsghdr *request, netlink_handler *handler, void *context);

/* Reads all that has come in. 0; -ENOBUFS when the kernel had to drop notifications: dump again. */
int netlink_receive(struct netlink *nl, netlink_handler *handler, void *context);

#endif
