/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A thin rtnetlink socket: send a request, read its answers; subscribe and be called per message.
 * Wraps libmnl so that a caller sees messages and errno values only. Control only.
 */
#ifndef FAIRLEAD_NETLINK_H
#define FAIRLEAD_NETLINK_H

#include <libmnl/libmnl.h>
#include <stdbool.h>
#include <stdint.h>

#include "error.h"

struct netlink;

/* `groups` is a mask of RTMGRP_*, 0 for a socket that only asks. The socket does not block. */
int netlink_open(struct netlink **nl, uint32_t groups, struct error *err);
void netlink_close(struct netlink *nl);

/* To wait on with an event loop. */
int netlink_fd(const struct netlink *nl);

/* Called for each message, which is valid during the call only. Must not use the same socket. */
typedef void netlink_handler(const struct nlmsghdr *message, void *context);

/* Sends `request` (sequence number and NLM_F_ACK are filled in) and hands every answer to `handler`
 * (may be NULL) until the acknowledgement or the end of the dump. 0, or the kernel's negative
 * errno; -EINTR for a dump that changed while it was read; -ETIMEDOUT after 1 s. */
int netlink_request(
	struct netlink *nl, struct nlmsghdr *request, netlink_handler *handler, void *context);

/* The attributes after a message's header of `header_bytes`; `attr` is a const struct nlattr *.
 * libmnl's own loop narrows a pointer difference without saying so. */
#define netlink_for_each_attr(attr, message, header_bytes)                                         \
	for ((attr) = mnl_nlmsg_get_payload_offset((message), (header_bytes));                     \
		netlink_attr_ok((message), (attr)); (attr) = mnl_attr_next(attr))

static inline bool
netlink_attr_ok(const struct nlmsghdr *message, const struct nlattr *attr)
{
	const char *end = mnl_nlmsg_get_payload_tail(message);
	return mnl_attr_ok(attr, (int)(end - (const char *)attr));
}

/* Reads all that has come in. 0; -ENOBUFS when the kernel had to drop notifications: dump again. */
int netlink_receive(struct netlink *nl, netlink_handler *handler, void *context);

#endif
