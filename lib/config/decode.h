/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From JSON to a struct config, along the tables of schema.h: right keys, right types, within
 * range. Whether the parts fit one another is for semantics.h to say.
 *
 * Every error is reported and the walk goes on. What could not be read stays zero (or keeps its
 * default), so that the rest can still be judged: a name of NULL, an address of ::, a range 0-0, a
 * protocol 0. Arrays and maps have the elements of their nodes one to one.
 * Control only.
 */
#ifndef FAIRLEAD_DECODE_H
#define FAIRLEAD_DECODE_H

#include "config.h"
#include "document.h"
#include "report.h"

/* Fills *config, whose arena is there. 0, whatever was reported; or -ENOMEM. */
int decode(struct config *config, const struct node *root, struct report *report);

#endif
