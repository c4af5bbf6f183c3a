/* SPDX-License-Identifier: BSD-3-Clause */
#include "probe_source.h"

#include <unistd.h>

#include "wire.h"

#define PORT_NOBODY 9 /* discard (RFC 863); nothing is sent there */

socklen_t
probe_source_to_socket(const struct ip_addr *address, uint16_t port, struct sockaddr_storage *to)
{
	if (addr_is_v4(address)) {
		struct sockaddr_in *v4 = (struct sockaddr_in *)to;
		*v4 = (struct sockaddr_in){
			.sin_family = AF_INET,
			.sin_port = wire_u16(port),
			.sin_addr.s_addr = addr_v4(address),
		};
		return sizeof(*v4);
	}
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)to;
	*v6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = wire_u16(port)};
	memcpy(&v6->sin6_addr, address->bytes, sizeof(v6->sin6_addr));
	return sizeof(*v6);
}

bool
probe_source_of_socket(int fd, struct ip_addr *address, uint16_t *port)
{
	struct sockaddr_storage at = {0};
	socklen_t length = sizeof(at);
	if (getsockname(fd, (struct sockaddr *)&at, &length) < 0)
		return false;
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)&at;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&at;
	bool is_v4 = at.ss_family == AF_INET;
	*address = is_v4 ? addr_from_v4(v4->sin_addr.s_addr) : addr_from_v6(v6->sin6_addr.s6_addr);
	*port = wire_u16(is_v4 ? v4->sin_port : v6->sin6_port);
	return true;
}

static bool
ask(const struct ip_addr *to, struct ip_addr *source)
{
	struct sockaddr_storage address;
	socklen_t length = probe_source_to_socket(to, PORT_NOBODY, &address);
	int fd = socket(address.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return false;
	uint16_t port;
	bool is_known = connect(fd, (struct sockaddr *)&address, length) == 0 &&
			probe_source_of_socket(fd, source, &port);
	close(fd);
	return is_known;
}

/* Addresses of a pool are mostly consecutive: the last bytes spread them. */
static uint32_t
slot_of(const struct ip_addr *address)
{
	return wire_u32(address->words[3]) % PROBE_SOURCE_SLOTS;
}

bool
probe_source_towards(
	struct probe_sources *sources, const struct ip_addr *to, struct ip_addr *source)
{
	static const struct ip_addr none;
	struct mono now = mono_now();
	uint32_t slot = slot_of(to);
	if (now.us >= sources->slots[slot].until.us || !addr_equal(&sources->slots[slot].to, to)) {
		sources->slots[slot].to = *to;
		sources->slots[slot].until = mono_add_ms(now, PROBE_SOURCE_MS);
		if (!ask(to, &sources->slots[slot].source))
			sources->slots[slot].source = none;
	}
	*source = sources->slots[slot].source;
	return !addr_equal(source, &none);
}
