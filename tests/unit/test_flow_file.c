/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Needs: nothing; root for the two that fill a file system of their own, in a namespace of their
 * own, and are skipped without.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "arena.h"
#include "bounds.h"
#include "flow_file.h"

#define CAPACITY 4096

static char directory[64], path[80], fresh_path[96];
static struct flow_file_report report; /* of the last open */
static struct error err;

static struct flow_file_options
options_for(size_t capacity, uint64_t key_check)
{
	return (struct flow_file_options){
		.path = path,
		.capacity = capacity,
		.key_check = key_check,
		.timeouts = {.ticks = {0, 15, 1800, 30, 75, 900}},
		.numa_node = ARENA_ANY_NODE,
	};
}

static int
set_up(void **state)
{
	(void)state;
	snprintf(directory, sizeof(directory), "%s/fairlead-test-XXXXXX",
		access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	if (!mkdtemp(directory))
		return -1;
	snprintf(path, sizeof(path), "%s/flows", directory);
	snprintf(fresh_path, sizeof(fresh_path), "%s.new", path);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	remove(path);
	/* Nothing else may be left. */
	return unlink(fresh_path) == 0 ? -1 : rmdir(directory);
}

static struct flow_file *
open_file(const struct flow_file_options *options)
{
	struct flow_file *file = NULL;
	int rc = flow_file_open(&file, options, &report, &err);
	if (rc < 0)
		fail_msg("%d: %s", rc, err.text);
	return file;
}

static bool
nobody(const void *context, struct flow_entry entry)
{
	(void)context;
	(void)entry;
	return false;
}

/* Flow n, of backend n % 1000 + 1. */
static uint64_t
hash_of(uint64_t n)
{
	n = (n + 1) * 0x9e3779b97f4a7c15u;
	return (n ^ n >> 29) * 0xbf58476d1ce4e5b9u;
}

static enum flow_inserted
insert(struct flow_file *file, uint64_t n, enum flow_state flow_state, uint16_t now)
{
	const struct flow_judge judge = {nobody, nobody, NULL};
	struct flow_entry winner;
	return flow_insert(flow_file_table(file), hash_of(n),
		(struct flow_entry){.backend = (uint16_t)(n % 1000 + 1), .state = flow_state}, now,
		&judge, &winner);
}

static unsigned
count_flows(struct flow_file *file, uint64_t first, uint64_t count)
{
	unsigned found = 0;
	for (uint64_t n = first; n < first + count; n++) {
		struct flow_hit hit =
			flow_lookup(flow_file_table(file), hash_of(n), flow_tick(mono_now()));
		found += hit.place && flow_entry_unpack(hit.word).backend == n % 1000 + 1;
	}
	return found;
}

/* A file with flows 0 .. 99 and one owner. */
static void
make_file(const struct flow_file_options *options)
{
	struct flow_file *file = open_file(options);
	uint16_t index;
	for (uint64_t n = 0; n < 100; n++)
		insert(file, n, FLOW_ESTABLISHED, flow_tick(mono_now()));
	assert_int_equal(flow_owners_acquire(flow_file_owners(file), "web/a", &index), 0);
	flow_file_close(file);
}

static void
test_fresh(void **state)
{
	(void)state;
	struct flow_file_options options = options_for(1 << 20, 1);
	struct stat st;
	struct flow_file *file = open_file(&options);
	assert_false(report.resumed);
	assert_false(report.on_hugetlbfs);
	assert_string_equal(report.replaced_why, "");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, report.bytes);
	assert_int_equal(st.st_mode, S_IFREG | 0600);
	assert_int_equal(report.bytes, 4096 + flow_owners_bytes() + flow_table_bytes(1 << 20));
	/* The table has its room, owners that nobody named have none. */
	assert_true((size_t)st.st_blocks * 512 >= flow_table_bytes(1 << 20));
	assert_int_equal((uintptr_t)flow_file_table(file)->buckets % 4096, 0);
	assert_int_equal(count_flows(file, 0, 100), 0);
	flow_file_close(file);
	flow_file_close(NULL);
}

static void
test_resume(void **state)
{
	(void)state;
	struct flow_file_options options = options_for(CAPACITY, 1);
	make_file(&options);
	for (int round = 0; round < 3; round++) {
		struct flow_file *file = open_file(&options);
		assert_true(report.resumed);
		assert_string_equal(report.replaced_why, "");
		assert_int_equal(report.expired, 0);
		assert_int_equal(count_flows(file, 0, 100), 100);
		assert_int_equal(flow_owners_find(flow_file_owners(file), "web/a"), 1);
		assert_int_equal(flow_owners_state(flow_file_owners(file), 1), FLOW_OWNER_RETIRED);
		flow_file_close(file);
	}
}

static void
test_what_expired_meanwhile(void **state)
{
	(void)state;
	struct flow_file_options options = options_for(CAPACITY, 1);
	struct flow_file *file = open_file(&options);
	uint16_t ago = (uint16_t)((flow_tick(mono_now()) + FLOW_TICKS - 40) % FLOW_TICKS);
	for (uint64_t n = 0; n < 30; n++)
		insert(file, n, n < 10 ? FLOW_SYN : FLOW_ESTABLISHED, ago);
	flow_file_touch(file, mono_now());
	flow_file_close(file);
	file = open_file(&options);
	assert_true(report.resumed);
	assert_int_equal(report.expired, 10);
	assert_int_equal(count_flows(file, 0, 10), 0);
	assert_int_equal(count_flows(file, 10, 20), 20);
	flow_file_close(file);
}

static void
expect_refusal(int code, const char *says)
{
	struct flow_file_options options = options_for(CAPACITY, 1);
	struct flow_file *file;
	assert_int_equal(flow_file_open(&file, &options, &report, &err), code);
	if (!strstr(err.text, path) || !strstr(err.text, says))
		fail_msg("\"%s\" does not say \"%s\"", err.text, says);
}

static void
test_in_use(void **state)
{
	(void)state;
	struct flow_file_options options = options_for(CAPACITY, 1);
	struct flow_file *file = open_file(&options); /* fresh */
	expect_refusal(-EBUSY, "in use by another process");
	flow_file_close(file);
	file = open_file(&options); /* resumed */
	assert_true(report.resumed);
	expect_refusal(-EBUSY, "in use by another process");
	flow_file_close(file);
	options.key_check = 2;
	file = open_file(&options); /* replaced: the lock is on what is at the path now */
	assert_false(report.resumed);
	expect_refusal(-EBUSY, "in use by another process");
	flow_file_close(file);
}

static void
test_refused(void **state)
{
	(void)state;
	assert_int_equal(symlink("/dev/null", path), 0);
	expect_refusal(-ELOOP, "is a symbolic link");
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0700), 0);
	expect_refusal(-EISDIR, "Is a directory");
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(mkfifo(path, 0600), 0);
	expect_refusal(-EINVAL, "is not a regular file");
	assert_int_equal(unlink(path), 0);
	size_t len = strlen(path);
	memcpy(path + len, "/x/y", 5);
	expect_refusal(-ENOENT, "No such file or directory");
	path[len] = '\0';
}

/* Opens what should not be usable, and again: then it is a whole file of ours. */
static void
expect_replaced(const struct flow_file_options *options, const char *why)
{
	struct flow_file *file = open_file(options);
	assert_false(report.resumed);
	if (!strstr(report.replaced_why, why))
		fail_msg("\"%s\" does not say \"%s\"", report.replaced_why, why);
	assert_int_equal(count_flows(file, 0, 100), 0);
	assert_int_equal(flow_owners_highest(flow_file_owners(file)), 0);
	flow_file_close(file);
	file = open_file(options);
	assert_true(report.resumed);
	flow_file_close(file);
	assert_int_equal(unlink(path), 0);
}

static void
test_other_capacity_or_key(void **state)
{
	(void)state;
	struct flow_file_options options = options_for(CAPACITY, 1);
	make_file(&options);
	options.capacity *= 2;
	expect_replaced(&options, "for 4096 flows, wanted 8192");
	make_file(&options);
	options.key_check = 2;
	expect_replaced(&options, "another hash key");
}

/* Writes over a piece of a good file. */
static void
damage(off_t offset, const void *bytes, size_t count)
{
	struct flow_file_options options = options_for(CAPACITY, 1);
	make_file(&options);
	int fd = open(path, O_WRONLY);
	assert_int_equal(pwrite(fd, bytes, count, offset), count);
	close(fd);
}

static void
test_damaged_header(void **state)
{
	(void)state;
	struct flow_file_options options = options_for(CAPACITY, 1);
	static const uint32_t number = 77, swapped = 0x04030201;
	static const uint64_t future = UINT64_MAX;
	damage(16, &number, 4);
	expect_replaced(&options, "layout 77.1, wanted 1.1");
	damage(20, &number, 4);
	expect_replaced(&options, "layout 1.77, wanted 1.1");
	damage(24, &swapped, 4);
	expect_replaced(&options, "other byte order");
	damage(28, &number, 4);
	expect_replaced(&options, "layout");
	damage(56, &future, 8);
	expect_replaced(&options, "started anew");
	damage(64, "x", 1);
	expect_replaced(&options, "started anew");
}

/* Whatever else lies at the path stays as it is. */
static void
test_foreign_file(void **state)
{
	(void)state;
	struct flow_file_options options = options_for(CAPACITY, 1);
	struct flow_file *file;
	damage(0, "FAIRLEAD", 8);
	assert_int_equal(flow_file_open(&file, &options, &report, &err), -EEXIST);
	assert_non_null(strstr(err.text, "is no flow table"));
	assert_int_equal(unlink(path), 0);
}

static void
test_other_lengths(void **state)
{
	(void)state;
	struct flow_file_options options = options_for(CAPACITY, 1);
	make_file(&options);
	assert_int_equal(truncate(path, 1 << 20), 0);
	expect_replaced(&options, "has 1048576 bytes");
	make_file(&options);
	assert_int_equal(truncate(path, 64 << 20), 0);
	expect_replaced(&options, "has 67108864 bytes");
	make_file(&options);
	assert_int_equal(truncate(path, 20), 0);
	expect_replaced(&options, "cut short");
	/* An empty file is none: nothing was replaced. */
	make_file(&options);
	assert_int_equal(truncate(path, 0), 0);
	expect_replaced(&options, "");
}

/* What one who was killed left beside the file is removed and never followed. */
static void
test_leftover(void **state)
{
	(void)state;
	struct flow_file_options options = options_for(CAPACITY, 1);
	char victim[96];
	snprintf(victim, sizeof(victim), "%s.victim", path);
	close(open(victim, O_CREAT | O_WRONLY, 0600));
	assert_int_equal(symlink(victim, fresh_path), 0);
	flow_file_close(open_file(&options));
	struct stat st;
	assert_int_equal(lstat(fresh_path, &st), -1);
	/* Also when the file itself is good. */
	close(open(fresh_path, O_CREAT | O_WRONLY, 0600));
	flow_file_close(open_file(&options));
	assert_true(report.resumed);
	assert_int_equal(lstat(fresh_path, &st), -1);
	assert_int_equal(stat(victim, &st), 0);
	assert_int_equal(st.st_size, 0);
	assert_int_equal(unlink(victim), 0);
}

/* Runs `body` in a child that has a file system of this type at `directory`; skips the test if this
 * system does not allow that. */
static void
expect_good_on(const char *type, const char *mount_options, int (*body)(void))
{
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		if (unshare(CLONE_NEWNS) < 0 ||
			mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
			mount(type, directory, type, 0, mount_options) < 0)
			_exit(99);
		_exit(body());
	}
	int status;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 99) {
		print_message("skipped: a file system of its own takes root\n");
		skip();
	}
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* In the child: the number of the line that is not as it should be. */
#define EXPECT(condition)                                                                          \
	do                                                                                         \
		if (!(condition))                                                                  \
			return __LINE__ % 90 + 1;                                                  \
	while (0)

/* On 13 MiB: a file of 12 MiB fits, but not two of them, nor one of 18. */
static int
fill_tmpfs(void)
{
	struct flow_file_options options = options_for(3 << 16, 1);
	struct flow_file *file;
	struct stat st;
	EXPECT(flow_file_open(&file, &options, &report, &err) == 0);
	insert(file, 1, FLOW_ESTABLISHED, flow_tick(mono_now()));
	flow_file_close(file);
	/* Never fits: the old file stays as it is, and nothing beside it. */
	options.capacity = 3 << 18;
	EXPECT(flow_file_open(&file, &options, &report, &err) == -ENOSPC);
	EXPECT(strstr(err.text, "no room: the file system must have 18 MiB free") != NULL);
	options.capacity = 3 << 16;
	EXPECT(flow_file_open(&file, &options, &report, &err) == 0);
	EXPECT(report.resumed && count_flows(file, 1, 1) == 1);
	flow_file_close(file);
	/* Fits in the place of the old one. */
	options.key_check = 2;
	EXPECT(flow_file_open(&file, &options, &report, &err) == 0);
	EXPECT(!report.resumed && strstr(report.replaced_why, "hash key") != NULL);
	flow_file_close(file);
	/* No file, no room: no empty one stays behind. */
	EXPECT(unlink(path) == 0);
	options.capacity = 3 << 18;
	EXPECT(flow_file_open(&file, &options, &report, &err) == -ENOSPC);
	EXPECT(stat(path, &st) < 0 && errno == ENOENT);
	return 0;
}

static void
test_no_room(void **state)
{
	(void)state;
	expect_good_on("tmpfs", "size=13m", fill_tmpfs);
}

static int
fill_hugetlbfs(void)
{
	struct flow_file_options options = options_for(3 << 16, 1);
	struct flow_file *file;
	struct stat st;
	EXPECT(flow_file_open(&file, &options, &report, &err) == -ENOSPC);
	EXPECT(report.on_hugetlbfs && report.bytes == 12 << 20);
	EXPECT(strstr(err.text, "wanted 6 hugepages of 2048 kB") != NULL);
	EXPECT(strstr(err.text, "/hugepages-2048kB/nr_hugepages") != NULL);
	EXPECT(stat(path, &st) < 0 && errno == ENOENT);
	return 0;
}

static void
test_no_hugepages(void **state)
{
	(void)state;
	expect_good_on("hugetlbfs", "pagesize=2M,size=4M", fill_hugetlbfs);
}

/* What a child that will be killed has reported. */
struct progress {
	_Atomic uint64_t flows;
	_Atomic uint64_t owners;
};

static unsigned random_state = 1;

static unsigned
random_below(unsigned limit)
{
	random_state = random_state * 1664525 + 1013904223;
	return (random_state >> 8) % limit;
}

/* Starts `body`, and kills it after a time of up to so many microseconds. */
static void
run_and_kill(void (*body)(struct progress *), struct progress *progress, unsigned us_max)
{
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		body(progress);
		_exit(1);
	}
	struct timespec delay = {.tv_nsec = 1000L * random_below(us_max)};
	nanosleep(&delay, NULL);
	kill(child, SIGKILL);
	int status;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
}

static void
owner_name(char name[static 32], uint64_t n)
{
	snprintf(name, 32, "pool/%llu", (unsigned long long)n);
}

/* Goes on where the one before was killed: each thing is reported after it was done. */
static void
insert_for_ever(struct progress *progress)
{
	struct flow_file_options options = options_for(1 << 17, 1);
	struct flow_file *file;
	char name[32];
	uint16_t index;
	if (flow_file_open(&file, &options, &report, &err) < 0)
		return;
	for (;;) {
		uint64_t n = progress->flows;
		if (n >= options.capacity) {
			pause();
			continue;
		}
		if (n % 16 == 0) {
			owner_name(name, progress->owners);
			if (flow_owners_acquire(flow_file_owners(file), name, &index) < 0)
				return;
			progress->owners++;
		}
		if (insert(file, n, FLOW_ESTABLISHED, flow_tick(mono_now())) > FLOW_UPDATED)
			return;
		progress->flows = n + 1;
	}
}

static void
test_killed_at_any_moment(void **state)
{
	(void)state;
	struct flow_file_options options = options_for(1 << 17, 1);
	struct progress *progress = mmap(
		NULL, sizeof(*progress), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	uint64_t flows_seen = 0;
	assert_true(progress != MAP_FAILED);
	for (int round = 0; round < 100; round++) {
		if (round % 10 == 0) { /* killed while the file is made, too */
			unlink(path);
			progress->flows = progress->owners = 0;
		}
		run_and_kill(insert_for_ever, progress, 30000);
		struct flow_file *file = open_file(&options);
		assert_string_equal(report.replaced_why, "");
		assert_true(report.resumed || progress->flows == 0);
		assert_int_equal(report.expired, 0);
		assert_int_equal(count_flows(file, 0, progress->flows), progress->flows);
		for (uint64_t n = 0; n < progress->owners; n++) {
			char name[32];
			owner_name(name, n);
			assert_int_not_equal(flow_owners_find(flow_file_owners(file), name), 0);
		}
		flow_file_close(file);
		flows_seen += progress->flows;
	}
	print_message("found all of %llu flows after 100 kills\n", (unsigned long long)flows_seen);
	assert_true(flows_seen > 1000);
	munmap(progress, sizeof(*progress));
}

static void
replace_and_wait(struct progress *progress)
{
	struct flow_file_options options = options_for(CAPACITY, 2);
	struct flow_file *file;
	(void)progress;
	flow_file_open(&file, &options, &report, &err);
	pause();
}

/* One or the other is there, and whole. */
static void
test_killed_while_replacing(void **state)
{
	(void)state;
	struct flow_file_options options = options_for(CAPACITY, 1);
	unsigned resumed = 0;
	for (int round = 0; round < 60; round++) {
		unlink(path);
		make_file(&options);
		run_and_kill(replace_and_wait, NULL, 1500);
		struct flow_file *file = open_file(&options);
		resumed += report.resumed;
		if (report.resumed)
			assert_int_equal(count_flows(file, 0, 100), 100);
		else
			assert_string_equal(
				report.replaced_why, "it was made with another hash key");
		flow_file_close(file);
	}
	print_message("killed %u times before the new file was in place, %u after\n", resumed,
		60 - resumed);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_fresh, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_resume, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_what_expired_meanwhile, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_in_use, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_other_capacity_or_key, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_damaged_header, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_foreign_file, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_other_lengths, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_leftover, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_no_room, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_no_hugepages, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_killed_at_any_moment, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_killed_while_replacing, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
