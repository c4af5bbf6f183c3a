/* SPDX-License-Identifier: BSD-3-Clause */
/* Where the control socket is, for both of its ends. For the files of this room alone. */
#ifndef FAIRLEAD_CONTROL_ADDRESS_H
#define FAIRLEAD_CONTROL_ADDRESS_H

#include <errno.h>
#include <string.h>
#include <sys/un.h>

#include "error.h"

/* 0, or -ENAMETOOLONG. Any thread. */
static inline int
control_address(struct sockaddr_un *address, const char *path, struct error *err)
{
	size_t length = strlen(path);
	if (length == 0 || length >= sizeof(address->sun_path))
		return error_set(err, -ENAMETOOLONG,
			"control socket: the path has %zu bytes, wanted 1 to %zu", length,
			sizeof(address->sun_path) - 1);
	*address = (struct sockaddr_un){.sun_family = AF_UNIX};
	memcpy(address->sun_path, path, length + 1);
	return 0;
}

#endif
