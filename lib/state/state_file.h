/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Files that outlive the process, in the daemon's state directory. A file is written whole beside
 * its place, flushed to the disk, and renamed: whoever dies at whatever moment, there is the file of
 * before or the new one, never a part. Files are for the daemon's user alone (0600), since
 * configurations hold the hash key.
 *
 * The directory is looked up by every call: one that is removed while the daemon runs is made again
 * (0700; missing ones above it 0755).
 * Control only; writing waits for the disk.
 */
#ifndef FAIRLEAD_STATE_FILE_H
#define FAIRLEAD_STATE_FILE_H

#include <stddef.h>

#include "error.h"

/* 0; or a negative errno, the sentence in `err`, and the file is what it was. */
int state_file_write(const char *directory, const char *name, const char *bytes, size_t length,
	struct error *err);

/* The whole of a regular file, followed by a NUL; to be freed. -ENOENT if there is none; -EFBIG over
 * `length_max` bytes; never waits for a FIFO, never follows a link out of the directory. */
int state_file_read(const char *directory, const char *name, size_t length_max, char **bytes,
	size_t *length, struct error *err);

/* No error if it is not there. */
int state_file_remove(const char *directory, const char *name, struct error *err);

/* Puts a file out of the way under "NAME.damaged", for people to look at. */
int state_file_set_aside(const char *directory, const char *name, struct error *err);

/* Calls `found` for every name of the directory, in no order; none if there is no directory. */
int state_file_list(const char *directory, void (*found)(void *context, const char *name),
	void *context, struct error *err);

#endif
