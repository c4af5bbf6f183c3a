/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which of its addresses Linux sends from, towards another one: what connecting a datagram socket
 * tells, without a packet. Answers are remembered for PROBE_SOURCE_MS, since thousands of probes a
 * second ask about the same addresses, each more than once. Control only.
 */
#ifndef FAIRLEAD_PROBE_SOURCE_H
#define FAIRLEAD_PROBE_SOURCE_H

#include <netinet/in.h>
#include <sys/socket.h>

#include "addr.h"
#include "mono.h"

#define PROBE_SOURCE_MS	   500
#define PROBE_SOURCE_SLOTS 1024

/* All zero at first. */
struct probe_sources {
	struct {
		struct ip_addr to, source; /* source ::, if Linux has no way there */
		struct mono until;
	} slots[PROBE_SOURCE_SLOTS];
};

/* False if Linux has no way there, or none of its addresses fits. */
bool probe_source_towards(
	struct probe_sources *sources, const struct ip_addr *to, struct ip_addr *source);

/* As sockets want it; `port` in host order. Returns its length. */
socklen_t probe_source_to_socket(
	const struct ip_addr *address, uint16_t port, struct sockaddr_storage *to);

/* What a socket is bound to; the port, in host order. False if the kernel does not say. */
bool probe_source_of_socket(int fd, struct ip_addr *address, uint16_t *port);

#endif
