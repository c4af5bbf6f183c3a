/* SPDX-License-Identifier: BSD-3-Clause */
/* How the files of the one table (schema.h) write their fields. For those files alone. */
#ifndef FAIRLEAD_SCHEMA_FIELDS_H
#define FAIRLEAD_SCHEMA_FIELDS_H

#include <net/if.h>

#include "types.h"

#define IN(type, member) .offset = offsetof(type, member), .bytes = sizeof(((type *)0)->member)
#define LIST_IN(type, member, count)                                                               \
	IN(type, member), .count_offset = offsetof(type, count),                                   \
			  .element_bytes = sizeof(*((type *)0)->member)

#define ELEMENT(of, text)                                                                          \
	{                                                                                          \
		.type = &type_object, .meaning = text, .object = &of,                              \
	}

#define PATH_LEN_MAX	  4095
#define INTERFACE_LEN_MAX (IFNAMSIZ - 1)

/* From struct config. */
extern const struct object schema_dataplane;

/* From struct config_pool. */
extern const struct object schema_health, schema_when_down;

#endif
