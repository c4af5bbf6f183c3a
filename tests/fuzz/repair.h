/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames that get past the one check that no mutation of bytes ever passes. */
#ifndef FAIRLEAD_REPAIR_H
#define FAIRLEAD_REPAIR_H

#include <stddef.h>
#include <stdint.h>

#include "checksum.h"
#include "wire.h"

/* Makes the checksum right of what may be an IPv4 header, behind up to two VLAN tags. */
static inline void
repair_checksum(uint8_t *frame, size_t size)
{
	size_t at = sizeof(struct wire_ether);
	for (int tags = 0; tags < 2 && at + 4 <= size && frame[at - 1] == 0 &&
			   (frame[at - 2] == 0x81 || frame[at - 2] == 0x88);
		tags++)
		at += sizeof(struct wire_vlan);
	if (at + sizeof(struct wire_ipv4) > size)
		return;
	size_t length = (frame[at] & 0xfu) * 4;
	struct wire_ipv4 *ip = (void *)(frame + at);
	if (frame[at] >> 4 != 4 || length < sizeof(*ip) || at + length > size)
		return;
	ip->checksum = 0;
	ip->checksum = checksum_fold(checksum_sum(ip, length));
}

#endif
