/* SPDX-License-Identifier: BSD-3-Clause */
#include "netlink.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "mono.h"

/* The kernel fills dump datagrams up to what the reader offered before, at most 32 KiB. */
#define DATAGRAM_BYTES (32u << 10)

/* Notifications wait here while control is busy: about 16k neighbour changes. */
#define SUBSCRIBED_BYTES (8u << 20)

#define REQUEST_TIMEOUT_MS 1000

struct netlink {
	struct mnl_socket *socket;
	unsigned port_id;
	uint32_t sequence;
	_Alignas(struct nlmsghdr) char datagram[DATAGRAM_BYTES];
};

/* Beyond net.core.rmem_max where we may; else as much as everyone gets. */
static void
enlarge_receive_buffer(int fd)
{
	int bytes = SUBSCRIBED_BYTES;
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) < 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
}

int
netlink_open(struct netlink **out, uint32_t groups, struct error *err)
{
	struct netlink *nl = calloc(1, sizeof(*nl));
	if (!nl)
		return error_set(err, -ENOMEM, "netlink: out of memory");
	int rc;
	nl->socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (!nl->socket) {
		rc = error_set(err, -errno, "netlink: cannot open: %s", strerror(errno));
		goto free_netlink;
	}
	if (groups)
		enlarge_receive_buffer(mnl_socket_get_fd(nl->socket));
	if (mnl_socket_bind(nl->socket, groups, MNL_SOCKET_AUTOPID) < 0) {
		rc = error_set(err, -errno, "netlink: cannot bind: %s", strerror(errno));
		goto close_socket;
	}
	nl->port_id = mnl_socket_get_portid(nl->socket);
	*out = nl;
	return 0;

close_socket:
	mnl_socket_close(nl->socket);
free_netlink:
	free(nl);
	return rc;
}

void
netlink_close(struct netlink *nl)
{
	if (!nl)
		return;
	mnl_socket_close(nl->socket);
	free(nl);
}

int
netlink_fd(const struct netlink *nl)
{
	return mnl_socket_get_fd(nl->socket);
}

static int
wait_readable(const struct netlink *nl, struct mono deadline)
{
	struct pollfd readable = {.fd = netlink_fd(nl), .events = POLLIN};
	for (;;) {
		int n = poll(&readable, 1, (int)mono_ms_between(mono_now(), deadline));
		if (n > 0)
			return 0;
		if (n == 0)
			return -ETIMEDOUT;
		if (errno != EINTR)
			return -errno;
	}
}

/* What an acknowledgement or the end of a dump carries: 0 or a negative errno. */
static int
message_status(const struct nlmsghdr *message)
{
	if (mnl_nlmsg_get_payload_len(message) < sizeof(int))
		return 0;
	return *(const int *)mnl_nlmsg_get_payload(message);
}

/* The messages of one datagram. True when the last answer to `sequence` was among them. */
static bool
hand_answers_over(const struct netlink *nl, size_t bytes, netlink_handler *handler, void *context,
	int *status)
{
	int left = (int)bytes;
	const struct nlmsghdr *message = (const struct nlmsghdr *)(const void *)nl->datagram;
	for (; mnl_nlmsg_ok(message, left); message = mnl_nlmsg_next(message, &left)) {
		/* The answer to a request that timed out may come in late. */
		if (message->nlmsg_seq != nl->sequence || message->nlmsg_pid != nl->port_id)
			continue;
		if (message->nlmsg_flags & NLM_F_DUMP_INTR)
			*status = -EINTR;
		if (message->nlmsg_type == NLMSG_ERROR || message->nlmsg_type == NLMSG_DONE) {
			int final = message_status(message);
			if (final < 0)
				*status = final;
			return true;
		}
		if (handler && message->nlmsg_type >= NLMSG_MIN_TYPE)
			handler(message, context);
	}
	return false;
}

int
netlink_request(
	struct netlink *nl, struct nlmsghdr *request, netlink_handler *handler, void *context)
{
	request->nlmsg_seq = ++nl->sequence;
	request->nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK;
	if (mnl_socket_sendto(nl->socket, request, request->nlmsg_len) < 0)
		return -errno;
	struct mono deadline = mono_add_ms(mono_now(), REQUEST_TIMEOUT_MS);
	int status = 0;
	for (;;) {
		ssize_t bytes = mnl_socket_recvfrom(nl->socket, nl->datagram, DATAGRAM_BYTES);
		if (bytes < 0 && errno == EAGAIN) {
			int rc = wait_readable(nl, deadline);
			if (rc < 0)
				return rc;
		} else if (bytes < 0 && errno != EINTR) {
			return -errno;
		} else if (bytes > 0 &&
			   hand_answers_over(nl, (size_t)bytes, handler, context, &status)) {
			return status;
		}
	}
}

int
netlink_receive(struct netlink *nl, netlink_handler *handler, void *context)
{
	int status = 0;
	for (;;) {
		ssize_t bytes = mnl_socket_recvfrom(nl->socket, nl->datagram, DATAGRAM_BYTES);
		if (bytes < 0) {
			if (errno == EAGAIN)
				return status;
			/* Said once; what is still in the buffer can be read after it. */
			if (errno == ENOBUFS)
				status = -ENOBUFS;
			else if (errno != EINTR)
				return -errno;
			continue;
		}
		int left = (int)bytes;
		const struct nlmsghdr *message =
			(const struct nlmsghdr *)(const void *)nl->datagram;
		for (; mnl_nlmsg_ok(message, left); message = mnl_nlmsg_next(message, &left))
			if (message->nlmsg_type >= NLMSG_MIN_TYPE)
				handler(message, context);
	}
}
