/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Texts for people, out of what the daemon answered. Whatever it was told by others (a name, the
 * sentence of an error) is shown with '?' for control characters: it cannot move the cursor.
 */
#ifndef FAIRLEAD_FAIRCTL_TEXT_H
#define FAIRLEAD_FAIRCTL_TEXT_H

#include <jansson.h>
#include <stdint.h>
#include <stdio.h>

#define TEXT_MAX 1024

/* What stands at a path of keys, such as "next_hop.state"; NULL if there is nothing. */
const json_t *text_find(const json_t *object, const char *path);

/*
 * One word for a table's cell: numbers plain, so that awk can go on from there, "yes" and "no", the
 * first few members of a list with commas and the number of the others ("a,b,c,d,+7"). What is
 * missing, null or empty is "-". Returns `text`, which holds TEXT_MAX bytes.
 */
const char *text_of(const json_t *object, const char *path, char *text);

/* 0 if it is missing. */
int64_t text_number(const json_t *object, const char *path);

/* "04:05:06", "3d 04:05:06". */
const char *text_duration(int64_t seconds, char *text);

/* Characters of UTF-8. */
unsigned text_width(const char *text);

/* Prints a line as it is, but for control characters. */
void text_print_line(const char *line, FILE *out);

#endif
