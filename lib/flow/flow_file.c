/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Opening the file, in this order:
 *
 *   lock    open what is at the path, or make an empty file there, and lock it. Whoever holds the
 *           lock of the file at the path decides about the path: if another file has come to the
 *           path between open and lock, we look again.
 *   resume  if its header fits, map it.
 *   replace else build a fresh one at PATH.new, lock it, and rename it over the path. At every
 *           moment there is a whole file at the path, the old one or the new one, and it is locked.
 *
 * An empty file counts as none. If there is no room for two, but would be for the new one alone,
 * then the old one, of which nothing can be used, is emptied first.
 *
 * Room: the whole file is allocated (fallocate), so that nobody is killed by SIGBUS when a file
 * system fills up later.
 */
#include "flow_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <numa.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "arena.h"

#define HUGETLBFS_TYPE 0x958458f6 /* HUGETLBFS_MAGIC of linux/magic.h */

#define HEADER_BYTES 4096u
#define MAGIC	     "fairlead flows\n" /* with the NUL 16 bytes; `file` and `head` show it */

/* Of this header and of what lies where. */
#define VERSION 1u
/* Of struct flow_entry in a word and of the two-choice hashing: another entry, another number. */
#define ENTRY_LAYOUT 1u
#define ENDIANNESS   0x01020304u

/* Times that the file at the path may change under our hands before we say that it is in use. */
#define LOCK_ATTEMPTS 8

struct header {
	char magic[16];
	uint32_t version;
	uint32_t entry_layout;
	uint32_t endianness;
	uint32_t owner_bytes; /* sizeof(struct flow_owner) */
	uint64_t capacity;
	uint64_t table_offset;
	uint64_t key_check;
	uint64_t last_used_us; /* CLOCK_MONOTONIC of this boot */
	char boot_id[40];      /* without which that clock means nothing; NUL-padded */
};
static_assert(sizeof(MAGIC) == 16, "the magic fills its field");
static_assert(sizeof(struct header) == 104, "layout of the file");

/* Where things lie in a file of this capacity on this file system. */
struct layout {
	size_t page_bytes; /* of the file system */
	size_t table_offset;
	size_t table_bytes;
	size_t bytes;
	bool on_hugetlbfs;
};

struct flow_file {
	int fd; /* holds the lock */
	void *memory;
	struct layout layout;
	struct flow_table table;
	struct flow_owners *owners;
};

static size_t
round_up(size_t bytes, size_t unit)
{
	return (bytes + unit - 1) / unit * unit;
}

static int
find_layout(int fd, size_t capacity, struct layout *layout)
{
	struct statfs fs;
	if (fstatfs(fd, &fs) < 0)
		return -errno;
	layout->on_hugetlbfs = (unsigned long)fs.f_type == HUGETLBFS_TYPE;
	layout->page_bytes = layout->on_hugetlbfs ? (size_t)fs.f_bsize : HEADER_BYTES;
	layout->table_offset = round_up(HEADER_BYTES + flow_owners_bytes(), layout->page_bytes);
	layout->table_bytes = round_up(flow_table_bytes(capacity), layout->page_bytes);
	layout->bytes = layout->table_offset + layout->table_bytes;
	return 0;
}

/* All zero where there is no /proc: then every boot is taken for the same one. */
static void
read_boot_id(char id[static 40])
{
	memset(id, 0, 40);
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	if (read(fd, id, 36) != 36)
		memset(id, 0, 40);
	close(fd);
}

/* A number from the directory of this page size in sysfs; 0 if it cannot be read. */
static size_t
hugepages_counted(size_t page_bytes, const char *what)
{
	char path[128];
	size_t value = 0;
	snprintf(path, sizeof(path), "/sys/kernel/mm/hugepages/hugepages-%zukB/%s",
		page_bytes / 1024, what);
	FILE *file = fopen(path, "re");
	if (!file)
		return 0;
	if (fscanf(file, "%zu", &value) != 1)
		value = 0;
	fclose(file);
	return value;
}

/* Hugepages of this size that nobody has and nobody was promised. */
static size_t
hugepages_available(size_t page_bytes)
{
	size_t unused = hugepages_counted(page_bytes, "free_hugepages");
	size_t promised = hugepages_counted(page_bytes, "resv_hugepages");
	return unused > promised ? unused - promised : 0;
}

static int
no_room(const char *path, const struct layout *layout, struct error *err)
{
	if (!layout->on_hugetlbfs)
		return error_set(err, -ENOSPC,
			"%s: no room: the file system must have %zu MiB free for the flow table",
			path, round_up(layout->bytes, 1u << 20) >> 20);
	size_t wanted = layout->bytes / layout->page_bytes, kib = layout->page_bytes / 1024;
	size_t all = hugepages_counted(layout->page_bytes, "nr_hugepages");
	size_t available = hugepages_available(layout->page_bytes);
	size_t missing = wanted > available ? wanted - available : 0;
	return error_set(err, -ENOSPC,
		"%s: no room: wanted %zu hugepages of %zu kB for the flow table, %zu are free: "
		"echo %zu > /sys/kernel/mm/hugepages/hugepages-%zukB/nr_hugepages",
		path, wanted, kib, available, all + missing, kib);
}

/* True if a fresh file would find room once this one is empty. */
static bool
fits_instead_of(int fd, const struct layout *layout)
{
	struct statfs fs;
	struct stat st;
	if (fstat(fd, &st) < 0 || fstatfs(fd, &fs) < 0)
		return false;
	if (layout->on_hugetlbfs)
		return hugepages_available(layout->page_bytes) * layout->page_bytes +
			       (size_t)st.st_size >=
		       layout->bytes;
	return (size_t)fs.f_bavail * (size_t)fs.f_bsize + (size_t)st.st_blocks * 512 >=
	       layout->bytes;
}

/* What a system call said, as a sentence. */
static int
failed(const char *path, const char *doing, int code, const struct layout *layout,
	struct error *err)
{
	if (code == -ENOSPC || (code == -ENOMEM && layout && layout->on_hugetlbfs))
		return no_room(path, layout, err);
	return error_set(err, code, "%s: cannot %s: %s", path, doing, strerror(-code));
}

static int
open_and_lock(const char *path, int flags, int *out, struct stat *st, struct error *err)
{
	/* O_NONBLOCK: a FIFO or a device at the path is refused and not waited for. */
	int fd = open(path, flags | O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0600);
	if (fd < 0 && errno == ELOOP)
		return error_set(err, -ELOOP, "%s: is a symbolic link; wanted a file", path);
	if (fd < 0)
		return failed(path, "open", -errno, NULL, err);
	int rc = 0;
	if (fstat(fd, st) < 0)
		rc = failed(path, "look at it", -errno, NULL, err);
	else if (!S_ISREG(st->st_mode))
		rc = error_set(err, -EINVAL, "%s: is not a regular file", path);
	else if (flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK)
		rc = error_set(err, -EBUSY, "%s: in use by another process", path);
	else if (fstat(fd, st) < 0) /* again: its length, now that it is ours */
		rc = failed(path, "look at it", -errno, NULL, err);
	if (rc < 0) {
		close(fd);
		return rc;
	}
	*out = fd;
	return 0;
}

/* Locks the file that is at the path, made empty if there was none. */
static int
lock_path(const char *path, int *out, struct stat *st, struct error *err)
{
	for (int attempt = 0; attempt < LOCK_ATTEMPTS; attempt++) {
		struct stat there;
		int fd = -1, rc = open_and_lock(path, O_CREAT, &fd, st, err);
		if (rc < 0)
			return rc;
		if (lstat(path, &there) == 0 && there.st_ino == st->st_ino &&
			there.st_dev == st->st_dev) {
			*out = fd;
			return 0;
		}
		close(fd); /* replaced or removed between open and flock */
	}
	return error_set(err, -EBUSY, "%s: another process keeps replacing it", path);
}

static int
allocate(int fd, size_t bytes)
{
	int rc;
	do
		rc = posix_fallocate(fd, 0, (off_t)bytes);
	while (rc == EINTR);
	return -rc;
}

/* Maps the whole file and makes sure that it has room. */
static int
map_file(int fd, const struct layout *layout, int numa_node, void **out)
{
	char *memory = mmap(NULL, layout->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED)
		return -errno;
	char *buckets = memory + layout->table_offset;
	/* Before there are pages, so that they come from there; a wish, so nobody asks how it went.
	 */
	if (numa_node != ARENA_ANY_NODE && numa_available() >= 0)
		numa_tonode_memory(buckets, layout->table_bytes, numa_node);
	int rc = allocate(fd, layout->bytes);
	if (rc < 0) {
		munmap(memory, layout->bytes);
		return rc;
	}
	/* So that no packet waits for a page fault; kernels before 5.14 do not know how. */
	madvise(buckets, layout->table_bytes, MADV_POPULATE_WRITE);
	*out = memory;
	return 0;
}

/* Somebody else's file, at a path that was mistyped perhaps, is not ours to replace. */
static bool
has_magic(int fd)
{
	char magic[sizeof(MAGIC)];
	return pread(fd, magic, sizeof(magic), 0) == (ssize_t)sizeof(magic) &&
	       memcmp(magic, MAGIC, sizeof(magic)) == 0;
}

/* Why a file cannot go on to be used, into `why`; true if it can. */
static bool
is_usable(int fd, const struct stat *st, const struct layout *layout,
	const struct flow_file_options *options, char *why, size_t why_bytes)
{
	struct header h;
	char boot_id[sizeof(h.boot_id)];
	read_boot_id(boot_id);
	if (pread(fd, &h, sizeof(h), 0) != (ssize_t)sizeof(h))
		snprintf(why, why_bytes, "its header is cut short");
	else if (h.endianness != ENDIANNESS)
		snprintf(why, why_bytes, "it is of a machine of the other byte order");
	else if (h.version != VERSION || h.entry_layout != ENTRY_LAYOUT ||
		 h.owner_bytes != sizeof(struct flow_owner))
		snprintf(why, why_bytes, "it is of layout %u.%u, wanted %u.%u", h.version,
			h.entry_layout, VERSION, ENTRY_LAYOUT);
	else if (h.capacity != options->capacity)
		snprintf(why, why_bytes, "it is for %llu flows, wanted %zu",
			(unsigned long long)h.capacity, options->capacity);
	else if (h.table_offset != layout->table_offset || (size_t)st->st_size != layout->bytes)
		snprintf(why, why_bytes, "it has %lld bytes, wanted %zu", (long long)st->st_size,
			layout->bytes);
	else if (h.key_check != options->key_check)
		snprintf(why, why_bytes, "it was made with another hash key");
	else if (memcmp(h.boot_id, boot_id, sizeof(boot_id)) != 0 || h.last_used_us > mono_now().us)
		snprintf(why, why_bytes, "the machine was started anew since");
	else
		return true;
	return false;
}

static void
write_header(void *memory, const struct layout *layout, const struct flow_file_options *options)
{
	struct header *h = memory;
	*h = (struct header){
		.magic = MAGIC,
		.version = VERSION,
		.entry_layout = ENTRY_LAYOUT,
		.endianness = ENDIANNESS,
		.owner_bytes = sizeof(struct flow_owner),
		.capacity = options->capacity,
		.table_offset = layout->table_offset,
		.key_check = options->key_check,
		.last_used_us = mono_now().us,
	};
	read_boot_id(h->boot_id);
}

/* Makes a whole fresh file at `path`, locked and mapped. */
static int
make_fresh(const char *path, const struct layout *layout, const struct flow_file_options *options,
	int *out, void **memory, struct error *err)
{
	struct stat st;
	int fd = -1;
	int rc = open_and_lock(path, O_CREAT | O_EXCL, &fd, &st, err);
	if (rc < 0)
		return rc;
	if (ftruncate(fd, (off_t)layout->bytes) < 0)
		rc = -errno;
	else
		rc = map_file(fd, layout, options->numa_node, memory);
	if (rc < 0) {
		unlink(path);
		close(fd);
		return failed(options->path, "make room", rc, layout, err);
	}
	write_header(*memory, layout, options);
	*out = fd;
	return 0;
}

/* Puts a fresh file, made at `path`, in the place of the one that file->fd has locked. */
static int
replace(struct flow_file *file, const char *path, const struct flow_file_options *options,
	struct error *err)
{
	int fd, rc = make_fresh(path, &file->layout, options, &fd, &file->memory, err);
	if ((rc == -ENOSPC || rc == -ENOMEM) && fits_instead_of(file->fd, &file->layout)) {
		if (ftruncate(file->fd, 0) < 0)
			return rc;
		rc = make_fresh(path, &file->layout, options, &fd, &file->memory, err);
	}
	if (rc < 0)
		return rc;
	if (rename(path, options->path) < 0) {
		rc = failed(options->path, "rename a fresh file over it", -errno, NULL, err);
		unlink(path);
		munmap(file->memory, file->layout.bytes);
		file->memory = NULL;
		close(fd);
		return rc;
	}
	close(file->fd);
	file->fd = fd;
	return 0;
}

static int
resume(struct flow_file *file, const struct flow_file_options *options, struct error *err)
{
	int rc = map_file(file->fd, &file->layout, options->numa_node, &file->memory);
	return rc < 0 ? failed(options->path, "map", rc, &file->layout, err) : 0;
}

/* With the lock of the path held in file->fd: maps what is there, or a fresh file. */
static int
settle_on_file(struct flow_file *file, const struct stat *st,
	const struct flow_file_options *options, struct flow_file_report *report, struct error *err)
{
	char fresh[PATH_MAX];
	if (snprintf(fresh, sizeof(fresh), "%s.new", options->path) >= (int)sizeof(fresh))
		return error_set(err, -ENAMETOOLONG, "%s: path too long", options->path);
	unlink(fresh); /* of one who was killed there: the lock of the path is ours */
	int rc = find_layout(file->fd, options->capacity, &file->layout);
	if (rc < 0)
		return failed(options->path, "find out its file system", rc, NULL, err);
	report->on_hugetlbfs = file->layout.on_hugetlbfs;
	report->bytes = file->layout.bytes;
	if (st->st_size > 0 && !has_magic(file->fd))
		return error_set(err, -EEXIST,
			"%s: is there and is no flow table; remove it, or name another path",
			options->path);
	if (st->st_size > 0)
		report->resumed = is_usable(file->fd, st, &file->layout, options,
			report->replaced_why, sizeof(report->replaced_why));
	if (report->resumed)
		return resume(file, options, err);
	rc = replace(file, fresh, options, err);
	if (rc < 0 && st->st_size == 0)
		unlink(options->path); /* the empty one that lock_path made */
	return rc;
}

int
flow_file_open(struct flow_file **out, const struct flow_file_options *options,
	struct flow_file_report *report, struct error *err)
{
	struct stat st;
	*report = (struct flow_file_report){.resumed = false};
	struct flow_file *file = calloc(1, sizeof(*file));
	if (!file)
		return error_set(err, -ENOMEM, "%s: out of memory", options->path);
	int rc = lock_path(options->path, &file->fd, &st, err);
	if (rc < 0) {
		free(file);
		return rc;
	}
	rc = settle_on_file(file, &st, options, report, err);
	if (rc < 0) {
		flow_file_close(file);
		return rc;
	}
	char *memory = file->memory;
	struct header *header = file->memory;
	flow_table_attach(&file->table, memory + file->layout.table_offset, options->capacity,
		&options->timeouts);
	file->owners = flow_owners_attach((struct flow_owner *)(memory + HEADER_BYTES));
	if (!file->owners) {
		flow_file_close(file);
		return error_set(err, -ENOMEM, "%s: out of memory", options->path);
	}
	if (report->resumed)
		report->expired = flow_expire_after_pause(
			&file->table, (struct mono){header->last_used_us}, mono_now());
	flow_file_touch(file, mono_now());
	*out = file;
	return 0;
}

struct flow_table *
flow_file_table(struct flow_file *file)
{
	return &file->table;
}

struct flow_owners *
flow_file_owners(struct flow_file *file)
{
	return file->owners;
}

void
flow_file_touch(struct flow_file *file, struct mono now)
{
	struct header *header = file->memory;
	__atomic_store_n(&header->last_used_us, now.us, __ATOMIC_RELEASE);
}

void
flow_file_close(struct flow_file *file)
{
	if (!file)
		return;
	flow_owners_detach(file->owners);
	if (file->memory)
		munmap(file->memory, file->layout.bytes);
	close(file->fd);
	free(file);
}
