/* SPDX-License-Identifier: BSD-3-Clause */
#include "state_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MODE 0600

static int
make_directories(const char *directory)
{
	char prefix[PATH_MAX];
	size_t length = strlen(directory);
	if (length >= sizeof(prefix))
		return -ENAMETOOLONG;
	for (size_t i = 1; i <= length; i++) {
		if (directory[i] != '/' && directory[i] != '\0')
			continue;
		memcpy(prefix, directory, i);
		prefix[i] = '\0';
		if (mkdir(prefix, i == length ? 0700 : 0755) < 0 && errno != EEXIST)
			return -errno;
	}
	return 0;
}

/* A descriptor of the directory, or a negative errno. */
static int
open_directory(const char *directory)
{
	int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int
write_all(int fd, const char *bytes, size_t length)
{
	while (length > 0) {
		ssize_t n = write(fd, bytes, length);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		bytes += n;
		length -= (size_t)n;
	}
	return fsync(fd) < 0 ? -errno : 0;
}

/* Beside its place, then into it. */
static int
replace_file(int directory_fd, const char *name, const char *bytes, size_t length)
{
	char beside[NAME_MAX + 1];
	if ((size_t)snprintf(beside, sizeof(beside), "%s.new", name) >= sizeof(beside))
		return -ENAMETOOLONG;
	unlinkat(directory_fd, beside, 0); /* of one who died meanwhile */
	int fd = openat(directory_fd, beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, FILE_MODE);
	if (fd < 0)
		return -errno;
	int rc = write_all(fd, bytes, length);
	if (close(fd) < 0 && rc == 0)
		rc = -errno;
	if (rc == 0 && renameat(directory_fd, beside, directory_fd, name) < 0)
		rc = -errno;
	if (rc < 0)
		unlinkat(directory_fd, beside, 0);
	else if (fsync(directory_fd) < 0)
		rc = -errno;
	return rc;
}

int
state_file_write(const char *directory, const char *name, const char *bytes, size_t length,
	struct error *err)
{
	int rc = make_directories(directory);
	int fd = rc < 0 ? rc : open_directory(directory);
	if (fd >= 0) {
		rc = replace_file(fd, name, bytes, length);
		close(fd);
	} else {
		rc = fd;
	}
	if (rc < 0)
		return error_set(err, rc, "cannot write %s/%s: %s", directory, name, strerror(-rc));
	return 0;
}

static int
read_all(int fd, size_t length_max, char **bytes, size_t *length)
{
	struct stat st;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	if ((uint64_t)st.st_size > length_max)
		return -EFBIG;
	size_t size = (size_t)st.st_size, used = 0;
	char *text = malloc(size + 1);
	if (!text)
		return -ENOMEM;
	while (used < size) {
		ssize_t n = read(fd, text + used, size - used);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			int rc = n < 0 ? -errno : -EIO;
			free(text);
			return rc;
		}
		used += (size_t)n;
	}
	text[size] = '\0';
	*bytes = text;
	*length = size;
	return 0;
}

int
state_file_read(const char *directory, const char *name, size_t length_max, char **bytes,
	size_t *length, struct error *err)
{
	int rc, directory_fd = open_directory(directory);
	if (directory_fd < 0) {
		rc = directory_fd;
	} else {
		int fd = openat(directory_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
		rc = fd < 0 ? -errno : read_all(fd, length_max, bytes, length);
		if (fd >= 0)
			close(fd);
		close(directory_fd);
	}
	if (rc < 0)
		return error_set(err, rc, "cannot read %s/%s: %s", directory, name,
			rc == -EINVAL ? "not a regular file" : strerror(-rc));
	return 0;
}

int
state_file_remove(const char *directory, const char *name, struct error *err)
{
	int fd = open_directory(directory);
	int rc = fd >= 0 && unlinkat(fd, name, 0) < 0 ? -errno : fd < 0 ? fd : 0;
	if (fd >= 0)
		close(fd);
	if (rc < 0 && rc != -ENOENT)
		return error_set(
			err, rc, "cannot remove %s/%s: %s", directory, name, strerror(-rc));
	return 0;
}

int
state_file_set_aside(const char *directory, const char *name, struct error *err)
{
	char aside[NAME_MAX + 1];
	snprintf(aside, sizeof(aside), "%s.damaged", name);
	int fd = open_directory(directory);
	int rc = fd >= 0 && renameat(fd, name, fd, aside) < 0 ? -errno : fd < 0 ? fd : 0;
	if (fd >= 0)
		close(fd);
	if (rc < 0)
		return error_set(
			err, rc, "cannot rename %s/%s: %s", directory, name, strerror(-rc));
	return 0;
}

int
state_file_list(const char *directory, void (*found)(void *context, const char *name),
	void *context, struct error *err)
{
	DIR *list = opendir(directory);
	if (!list)
		return errno == ENOENT ? 0
				       : error_set(err, -errno, "cannot read %s: %s", directory,
						 strerror(errno));
	const struct dirent *entry;
	errno = 0;
	while ((entry = readdir(list)))
		found(context, entry->d_name);
	int rc = -errno;
	closedir(list);
	return rc < 0 ? error_set(err, rc, "cannot read %s: %s", directory, strerror(-rc)) : 0;
}
