/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A configuration, or one value of it, as JSON, along the tables of schema.h.
 * Control only.
 */
#ifndef FAIRLEAD_PRINT_H
#define FAIRLEAD_PRINT_H

#include <stdio.h>

#include "types.h"

/* The field's value in the struct at `base`; what follows its first line is indented by `indent`.
 */
void print_value(const struct field *field, const void *base, unsigned indent, FILE *out);

#endif
