/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * icmp: good when an echo request is answered (RFC 792; RFC 4443, 4.1 and 4.2).
 *
 *    0        1        2                 4                 6                 8
 *   +--------+--------+-----------------+-----------------+-----------------+-----------+
 *   |  type  |  code  |    checksum     |   identifier    |    sequence     | token, 8  |
 *   +--------+--------+-----------------+-----------------+-----------------+-----------+
 *
 * The sequence number finds the probe; address and token, which is random, say that the reply is to
 * its request, not to one that used the number before. The identifier is the process's.
 *
 * Probes to addresses share a socket of each family: raw, or where that is not permitted a "ping
 * socket" (net.ipv4.ping_group_range), whose identifier is the kernel's. A probe on the path has a
 * raw socket of its own, since the path binds and marks it. Raw sockets get every reply that the
 * machine gets, so a filter in the kernel passes what has the right sequence number.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/icmp.h>
#include <netinet/icmp6.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "checksum.h"
#include "probe.h"

#define SEQUENCES     65536u
#define RECEIVE_BYTES (4 << 20) /* replies to ten thousand requests, while the loop is busy */
#define RECEIVE_BURST 64	/* then others get their turn */

struct echo {
	uint8_t type, code;
	be16 checksum;
	be16 id, sequence;
	uint64_t token;
};
static_assert(sizeof(struct echo) == 16, "as drawn");

struct icmp_probe {
	struct probe probe;
	bool is_listed;
	uint64_t token;
};

/* A socket of one family that probes share. */
struct shared_socket {
	struct icmp_prober *icmp;
	int fd; /* -1: not opened yet */
	int family;
	bool is_raw;
	struct event readable;
};

struct icmp_prober {
	struct event_base *loop;
	struct shared_socket v4, v6;
	be16 id;
	uint16_t next_sequence;
	struct icmp_probe *by_sequence[SEQUENCES];
};

/* Replies */

static bool
is_from(const struct sockaddr_storage *from, const struct sockaddr_storage *wanted)
{
	if (from->ss_family != wanted->ss_family)
		return false;
	if (from->ss_family == AF_INET)
		return ((const struct sockaddr_in *)from)->sin_addr.s_addr ==
		       ((const struct sockaddr_in *)wanted)->sin_addr.s_addr;
	return memcmp(&((const struct sockaddr_in6 *)from)->sin6_addr,
		       &((const struct sockaddr_in6 *)wanted)->sin6_addr,
		       sizeof(struct in6_addr)) == 0;
}

/* Finds the probe that a reply belongs to; NULL if none. */
static struct icmp_probe *
probe_of_reply(struct icmp_prober *icmp, bool is_raw, const uint8_t *bytes, size_t length,
	const struct sockaddr_storage *from)
{
	bool is_v4 = from->ss_family == AF_INET;
	/* Raw sockets show the header of IPv4, and not that of IPv6. */
	size_t header = is_v4 && is_raw && length > 0 ? (bytes[0] & 15u) * 4u : 0;
	struct echo echo;
	if (length < header + sizeof(echo))
		return NULL;
	memcpy(&echo, bytes + header, sizeof(echo));
	if (echo.type != (is_v4 ? ICMP_ECHOREPLY : ICMP6_ECHO_REPLY) ||
		(is_raw && echo.id != icmp->id))
		return NULL;
	struct icmp_probe *probe = icmp->by_sequence[ntohs(echo.sequence)];
	if (!probe || probe->token != echo.token || !is_from(from, &probe->probe.destination))
		return NULL;
	return probe;
}

/* True if there was something to read; it may have ended a probe. */
static bool
reply_receive(struct icmp_prober *icmp, int fd, bool is_raw)
{
	uint8_t bytes[256];
	struct sockaddr_storage from = {0};
	socklen_t from_bytes = sizeof(from);
	ssize_t length =
		recvfrom(fd, bytes, sizeof(bytes), 0, (struct sockaddr *)&from, &from_bytes);
	if (length < 0)
		return errno != EAGAIN;
	struct icmp_probe *probe = probe_of_reply(icmp, is_raw, bytes, (size_t)length, &from);
	if (probe)
		probe_good(&probe->probe);
	return true;
}

static void
on_shared_readable(evutil_socket_t fd, short what, void *context)
{
	(void)what;
	struct shared_socket *shared = context;
	for (int i = 0; i < RECEIVE_BURST; i++)
		if (!reply_receive(shared->icmp, fd, shared->is_raw))
			break;
}

static void
on_path_readable(evutil_socket_t fd, short what, void *context)
{
	(void)what;
	struct probe *probe = context;
	/* Once: the probe, and with it the socket, may be gone. */
	reply_receive(probe->prober->icmp, fd, true);
}

/* Sockets */

/* Raw sockets take all ICMP there is; these take echo replies. */
static void
replies_only(int fd, int family)
{
	if (family == AF_INET) {
		struct icmp_filter filter = {.data = ~(1u << ICMP_ECHOREPLY)};
		setsockopt(fd, SOL_RAW, ICMP_FILTER, &filter, sizeof(filter));
		return;
	}
	struct icmp6_filter filter;
	ICMP6_FILTER_SETBLOCKALL(&filter);
	ICMP6_FILTER_SETPASS(ICMP6_ECHO_REPLY, &filter);
	setsockopt(fd, IPPROTO_ICMPV6, ICMP6_FILTER, &filter, sizeof(filter));
}

/* For classic BPF the packet of a raw socket begins with the IPv4 header, or with that of ICMPv6. */
static void
sequence_only(int fd, int family, uint16_t sequence)
{
	struct sock_filter v4[] = {
		BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 0), /* x = length of the header */
		BPF_STMT(BPF_LD | BPF_H | BPF_IND, offsetof(struct echo, sequence)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, sequence, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	struct sock_filter v6[] = {
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, offsetof(struct echo, sequence)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, sequence, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	struct sock_fprog program = {.len = sizeof(v6) / sizeof(v6[0]), .filter = v6};
	if (family == AF_INET)
		program = (struct sock_fprog){.len = sizeof(v4) / sizeof(v4[0]), .filter = v4};
	setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program));
}

static int
protocol_of(int family)
{
	return family == AF_INET ? (int)IPPROTO_ICMP : (int)IPPROTO_ICMPV6;
}

static int
shared_open(struct shared_socket *shared, struct error *err)
{
	if (shared->fd >= 0)
		return 0;
	int flags = SOCK_NONBLOCK | SOCK_CLOEXEC, protocol = protocol_of(shared->family);
	int fd = socket(shared->family, SOCK_RAW | flags, protocol);
	shared->is_raw = fd >= 0;
	if (fd < 0 && errno == EPERM)
		fd = socket(shared->family, SOCK_DGRAM | flags, protocol);
	if (fd < 0 && (errno == EACCES || errno == EPERM))
		return error_set(err, -EPERM,
			"no socket for ICMP: this needs CAP_NET_RAW, or the process's group in "
			"net.ipv4.ping_group_range");
	if (fd < 0)
		return error_set(err, -errno, "no socket for ICMP: %s", strerror(errno));
	int bytes = RECEIVE_BYTES;
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) < 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
	if (shared->is_raw)
		replies_only(fd, shared->family);
	if (event_assign(&shared->readable, shared->icmp->loop, fd, EV_READ | EV_PERSIST,
		    on_shared_readable, shared) < 0 ||
		event_add(&shared->readable, NULL) < 0) {
		close(fd);
		return error_set(err, -ENOMEM, "the socket for ICMP cannot be waited for");
	}
	shared->fd = fd;
	return 0;
}

static void
shared_close(struct shared_socket *shared)
{
	if (shared->fd < 0)
		return;
	event_del(&shared->readable);
	close(shared->fd);
}

static struct icmp_prober *
icmp_prober_new(struct event_base *loop)
{
	struct icmp_prober *icmp = calloc(1, sizeof(*icmp));
	if (!icmp)
		return NULL;
	icmp->loop = loop;
	icmp->v4 = (struct shared_socket){.icmp = icmp, .fd = -1, .family = AF_INET};
	icmp->v6 = (struct shared_socket){.icmp = icmp, .fd = -1, .family = AF_INET6};
	icmp->id = (be16)getpid();
	return icmp;
}

void
icmp_prober_free(struct icmp_prober *icmp)
{
	if (!icmp)
		return;
	shared_close(&icmp->v4);
	shared_close(&icmp->v6);
	free(icmp);
}

/* Requests */

/* Finds a number that no probe under way has. */
static int
sequence_take(struct icmp_prober *icmp, struct icmp_probe *probe, struct error *err)
{
	for (uint32_t i = 0; i < SEQUENCES; i++) {
		uint16_t sequence = icmp->next_sequence++;
		if (icmp->by_sequence[sequence])
			continue;
		icmp->by_sequence[sequence] = probe;
		probe->probe.sequence = sequence;
		probe->is_listed = true;
		return 0;
	}
	return error_set(err, -ENOBUFS, "all sequence numbers of ICMP are in use");
}

static int
request_send(struct icmp_probe *probe, int fd, struct error *err)
{
	const struct sockaddr_storage *to = &probe->probe.destination;
	struct echo echo = {
		.type = to->ss_family == AF_INET ? ICMP_ECHO : ICMP6_ECHO_REQUEST,
		.id = probe->probe.prober->icmp->id,
		.sequence = htons(probe->probe.sequence),
		.token = probe->token,
	};
	/* Over ICMPv6, and of ping sockets, the kernel does it. */
	if (to->ss_family == AF_INET)
		echo.checksum = checksum_fold(checksum_sum(&echo, sizeof(echo)));
	if (sendto(fd, &echo, sizeof(echo), 0, (const struct sockaddr *)to,
		    probe_destination_length(&probe->probe)) < 0)
		return probe_socket_error(&probe->probe, errno, err);
	return 0;
}

static int
path_start(struct icmp_probe *icmp, struct error *err)
{
	struct probe *probe = &icmp->probe;
	int rc = probe_socket(probe, SOCK_RAW, protocol_of(probe_family(probe)), err);
	if (rc < 0)
		return rc;
	/* The path may have written a port, of which sendto wants to know nothing here. */
	if (probe->destination.ss_family == AF_INET)
		((struct sockaddr_in *)&probe->destination)->sin_port = 0;
	else
		((struct sockaddr_in6 *)&probe->destination)->sin6_port = 0;
	replies_only(probe->fd, probe->destination.ss_family);
	sequence_only(probe->fd, probe->destination.ss_family, probe->sequence);
	rc = probe_wait(probe, EV_READ, on_path_readable, err);
	return rc < 0 ? rc : request_send(icmp, probe->fd, err);
}

static int
address_start(struct icmp_probe *icmp, struct error *err)
{
	struct icmp_prober *prober = icmp->probe.prober->icmp;
	struct shared_socket *shared =
		icmp->probe.destination.ss_family == AF_INET ? &prober->v4 : &prober->v6;
	int rc = shared_open(shared, err);
	return rc < 0 ? rc : request_send(icmp, shared->fd, err);
}

static int
icmp_start(struct probe *probe, struct error *err)
{
	struct icmp_probe *icmp = (struct icmp_probe *)probe;
	struct prober *prober = probe->prober;
	if (!prober->icmp)
		prober->icmp = icmp_prober_new(prober->loop);
	if (!prober->icmp)
		return error_set(err, -ENOMEM, "out of memory for ICMP probes");
	if (getrandom(&icmp->token, sizeof(icmp->token), GRND_NONBLOCK) != sizeof(icmp->token))
		return error_set(err, -EAGAIN, "no random token for an ICMP request");
	int rc = sequence_take(prober->icmp, icmp, err);
	if (rc < 0)
		return rc;
	return probe->settings->via == HEALTH_VIA_PATH ? path_start(icmp, err)
						       : address_start(icmp, err);
}

static void
icmp_expire(struct probe *probe, struct error *why)
{
	char where[PROBE_WHERE_MAX];
	error_set(why, -ETIMEDOUT, "no echo reply from %s within %u ms", probe_where(probe, where),
		probe->settings->timeout_ms);
}

static void
icmp_end(struct probe *probe)
{
	struct icmp_probe *icmp = (struct icmp_probe *)probe;
	if (icmp->is_listed)
		probe->prober->icmp->by_sequence[probe->sequence] = NULL;
}

const struct probe_type probe_icmp = {
	.bytes = sizeof(struct icmp_probe),
	.resource = PROBE_USES_SOCKET,
	.start = icmp_start,
	.expire = icmp_expire,
	.end = icmp_end,
};
