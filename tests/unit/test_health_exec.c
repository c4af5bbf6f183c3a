/* SPDX-License-Identifier: BSD-3-Clause */
/* exec: programs that end well, badly, late and never. */
#include "health_lab.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

/* A check that has the shell run `script`. */
static void
exec_lab(struct lab *lab, const char *script)
{
	static const char *command[3];
	command[0] = "/bin/sh";
	command[1] = "-c";
	command[2] = script;
	lab_open(lab, HEALTH_EXEC, 0);
	lab->pool.health.command = command;
	lab->pool.health.command_count = 3;
	lab->pool.health.timeout_ms = 5000;
}

static void
assert_program(const char *script, enum health_verdict verdict, const char *reason)
{
	struct lab lab;
	exec_lab(&lab, script);
	assert_first(&lab, verdict, reason);
	lab_close(&lab);
}

static void
exit_status_decides(void **state)
{
	(void)state;
	assert_program("exit 0", HEALTH_UP, "the first probe is good");
	assert_program("exit 7", HEALTH_DOWN, "exit status 7");
	assert_program("kill -SEGV $$", HEALTH_DOWN, "killed by signal 11 (Segmentation fault)");
}

static void
last_line_is_part_of_the_reason(void **state)
{
	(void)state;
	assert_program("echo first; echo disk is full >&2; exit 2", HEALTH_DOWN,
		"exit status 2: disk is full");
	assert_program("printf 'first\\nno end of line'; exit 2", HEALTH_DOWN,
		"exit status 2: no end of line");
	assert_program("printf 'last\\n\\r\\n\\n'; exit 2", HEALTH_DOWN, "exit status 2: last");
	assert_program("printf 'a\\033[31mb\\tc'; exit 2", HEALTH_DOWN, "exit status 2: a?[31mb?c");
	/* More than is kept, and more than a pipe holds. */
	assert_program("head -c 200000 /dev/zero | tr '\\0' x; echo; echo last; exit 2",
		HEALTH_DOWN, "exit status 2: last");
}

static void
long_lines_are_cut(void **state)
{
	(void)state;
	struct lab lab;
	exec_lab(&lab, "head -c 5000 /dev/zero | tr '\\0' x; exit 2");
	assert_int_equal(strlen(lab_first(&lab, HEALTH_DOWN)), strlen("exit status 2: ") + 128);
	lab_close(&lab);
}

static void
endless_output_is_bad(void **state)
{
	(void)state;
	assert_program("yes", HEALTH_DOWN, "wrote more than 1048576 bytes, and was killed");
}

static void
programs_that_are_not_there_are_bad(void **state)
{
	(void)state;
	struct lab lab;
	static const char *command[] = {"/nonexistent/check"};
	exec_lab(&lab, "");
	lab.pool.health.command = command;
	lab.pool.health.command_count = 1;
	assert_first(
		&lab, HEALTH_DOWN, "/nonexistent/check does not start: No such file or directory");
	lab_close(&lab);
}

/* The whole environment, what is open, where it is and what group it is in. (A shell may have the end
 * of a pipe open a little longer than what it starts: none while the descriptors are listed.) */
static void
programs_find_what_they_are_to_check(void **state)
{
	(void)state;
	struct lab lab;
	/* Neither a variable nor a descriptor of ours may be seen. */
	setenv("SECRET", "x", 1);
	int fd = open("/dev/null", O_RDONLY); /* stays open on exec */
	char script[512], directory[] = "/tmp/health-exec-XXXXXX", line[512] = "";
	assert_non_null(mkdtemp(directory));
	snprintf(script, sizeof(script),
		"exec >%s/new; tr '\\0' '\\n' </proc/$$/environ | sort | tr '\\n' ' '; "
		"ls -m /proc/$$/fd; pwd; mv %s/new %s/done",
		directory, directory, directory);
	exec_lab(&lab, script);
	lab_first(&lab, HEALTH_UP);
	lab_close(&lab);
	close(fd);
	unsetenv("SECRET");
	snprintf(script, sizeof(script), "%s/done", directory);
	FILE *file = fopen(script, "r");
	assert_non_null(file);
	assert_true(fread(line, 1, sizeof(line) - 1, file) > 0);
	fclose(file);
	unlink(script);
	rmdir(directory);
	assert_string_equal(line,
		"FAIRLEAD_ADDRESS=127.0.0.1 FAIRLEAD_BACKEND=b00 FAIRLEAD_POOL=p "
		"FAIRLEAD_WEIGHT=100 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:"
		"/sbin:/bin 0, 1, 2\n/\n");
}

/* Every process of a group is gone. */
static bool
is_group_gone(pid_t group)
{
	return kill(-group, 0) < 0 && errno == ESRCH;
}

/* Reads the number that a program has written into a file. */
static pid_t
pid_in(const char *path)
{
	FILE *file = fopen(path, "r");
	int pid = 0;
	if (file) {
		if (fscanf(file, "%d", &pid) != 1)
			pid = 0;
		fclose(file);
	}
	return pid;
}

static void
timeout_kills_the_children_too(void **state)
{
	(void)state;
	struct lab lab;
	char script[256], path[] = "/tmp/health-exec-XXXXXX";
	close(mkstemp(path));
	snprintf(script, sizeof(script),
		"trap '' TERM INT; sleep 1000 & echo waiting; echo $$ >%s; sleep 1000", path);
	exec_lab(&lab, script);
	lab.pool.health.timeout_ms = 300;
	lab.pool.health.interval_ms = lab.pool.health.fast_interval_ms = 60000;
	assert_first(&lab, HEALTH_DOWN, "no end within 300 ms, killed: waiting");
	pid_t group = pid_in(path);
	assert_true(group > 0);
	lab_until(&lab, is_group_gone(group));
	/* Not one is left for somebody to wait for. */
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	lab_close(&lab);
	unlink(path);
}

static void
what_a_program_leaves_behind_is_killed(void **state)
{
	(void)state;
	struct lab lab;
	char script[256], path[] = "/tmp/health-exec-XXXXXX";
	close(mkstemp(path));
	snprintf(script, sizeof(script), "sleep 1000 & echo $$ >%s; exit 0", path);
	exec_lab(&lab, script);
	lab.pool.health.interval_ms = 60000;
	lab_first(&lab, HEALTH_UP);
	pid_t group = pid_in(path);
	assert_true(group > 0);
	/* Its new parent has to see to it. */
	lab_until(&lab, is_group_gone(group));
	lab_close(&lab);
	unlink(path);
}

static void
programs_at_once_are_bounded(void **state)
{
	(void)state;
	struct lab lab;
	exec_lab(&lab, "sleep 0.3");
	static struct config_pool pools[2];
	lab_backends(&lab, BACKENDS_LAB, "127.0.0.1");
	pools[0] = pools[1] = lab.pool;
	pools[1].name = "p2";
	lab.config.pools = pools;
	lab.config.pool_count = 2;
	lab.options.on_change = NULL;
	lab_configure(&lab);
	uint32_t most = 0;
	lab_until(&lab, ({
		uint32_t running = health_counters(lab.health).running;
		most = running > most ? running : most;
		health_counters(lab.health).up == 2 * BACKENDS_LAB;
	}));
	assert_in_range(most, 1, HEALTH_PROGRAMS_MAX);
	lab_close(&lab);
}

static void
programs_under_way_are_killed(void **state)
{
	(void)state;
	unsigned before = open_descriptors();
	struct lab lab;
	exec_lab(&lab, "sleep 1000");
	lab_backends(&lab, 10, "127.0.0.1");
	lab_configure(&lab);
	lab_until(&lab, health_counters(lab.health).running == 10);
	lab_backends(&lab, 5, "127.0.0.1");
	lab_configure(&lab);
	assert_int_equal(health_counters(lab.health).running, 5);
	health_destroy(lab.health);
	lab.health = NULL;
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
	lab_close(&lab);
	assert_int_equal(open_descriptors(), before);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(exit_status_decides),
		cmocka_unit_test(last_line_is_part_of_the_reason),
		cmocka_unit_test(long_lines_are_cut),
		cmocka_unit_test(endless_output_is_bad),
		cmocka_unit_test(programs_that_are_not_there_are_bad),
		cmocka_unit_test(programs_find_what_they_are_to_check),
		cmocka_unit_test(timeout_kills_the_children_too),
		cmocka_unit_test(what_a_program_leaves_behind_is_killed),
		cmocka_unit_test(programs_at_once_are_bounded),
		cmocka_unit_test(programs_under_way_are_killed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
