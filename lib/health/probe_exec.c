/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * exec: a program, good by exit status 0. The last line that it writes, to either output, is part of
 * the reason.
 *
 * It runs in a process group of its own, which is killed at the timeout, and also when the program
 * has ended: whatever it has left behind, unless that has left the group. In /, with nothing open but
 * /dev/null and the pipe, no signal blocked or ignored, and an environment that says no more than
 * what it is to check.
 *
 * The end is told by a pidfd, so nothing here depends on SIGCHLD, which must not be ignored, though:
 * the kernel would reap by itself. A program that was killed may take its time to die, in the kernel;
 * the probe is gone by then, the struct program waits.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/queue.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bounds.h"
#include "probe.h"

#define PATH_FOR_PROGRAMS "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define LAST_LINE_MAX	  128
#define DYING_MS	  1000 /* what health_destroy waits for those that are killed */

struct program {
	LIST_ENTRY(program) link;
	struct exec_prober *exec;
	struct exec_probe *probe; /* NULL: killed, not yet gone */
	char pool[NAME_LEN_MAX + 1], backend[NAME_LEN_MAX + 1];
	pid_t pid;
	int pidfd;
	int output; /* -1: closed */
	struct event ended, readable;
	size_t written; /* bytes that it has */
	size_t line_length;
	char line[LAST_LINE_MAX + 1]; /* that is being written */
	char last[LAST_LINE_MAX + 1]; /* before it, that is not empty */
};
LIST_HEAD(program_list, program);

struct exec_prober {
	struct event_base *loop;
	struct program_list programs;
	uint32_t count;
};

struct exec_probe {
	struct probe probe;
	struct program *program;
};

/* What it writes */

static void
line_end(struct program *program)
{
	program->line[program->line_length] = '\0';
	if (program->line_length > 0)
		memcpy(program->last, program->line, program->line_length + 1);
	program->line_length = 0;
}

static void
output_take(struct program *program, const char *bytes, size_t length)
{
	program->written += length;
	for (size_t i = 0; i < length; i++) {
		unsigned char c = (unsigned char)bytes[i];
		if (c == '\n' || c == '\r')
			line_end(program);
		else if (program->line_length < LAST_LINE_MAX)
			program->line[program->line_length++] =
				c < ' ' || c == 0x7f ? '?' : (char)c;
	}
}

static void
output_close(struct program *program)
{
	if (program->output < 0)
		return;
	event_del(&program->readable);
	close(program->output);
	program->output = -1;
}

/* True if there may be more. */
static bool
output_read(struct program *program)
{
	char bytes[4096];
	ssize_t n = read(program->output, bytes, sizeof(bytes));
	if (n > 0)
		output_take(program, bytes, (size_t)n);
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		output_close(program);
	return n > 0;
}

/* ": disk is full", or "" if it has said nothing. */
static const char *
last_words(struct program *program, char text[LAST_LINE_MAX + 3])
{
	line_end(program);
	snprintf(text, LAST_LINE_MAX + 3, "%s%s", program->last[0] ? ": " : "", program->last);
	return text;
}

static void
on_output(evutil_socket_t fd, short what, void *context)
{
	(void)fd, (void)what;
	struct program *program = context;
	output_read(program);
	if (program->written > HEALTH_OUTPUT_BYTES_MAX)
		probe_bad(&program->probe->probe, "wrote more than %u bytes, and was killed",
			HEALTH_OUTPUT_BYTES_MAX);
}

/* Its end */

static void
program_free(struct program *program)
{
	output_close(program);
	event_del(&program->ended);
	close(program->pidfd);
	LIST_REMOVE(program, link);
	program->exec->count--;
	free(program);
}

/* While it is not reaped, the group's number is nobody else's. */
static void
program_kill(const struct program *program)
{
	kill(-program->pid, SIGKILL);
}

/* True if it has ended and is reaped, `how` says how. */
static bool
program_reap(struct program *program, siginfo_t *how)
{
	*how = (siginfo_t){0};
	id_t id = (id_t)program->pidfd;
	if (waitid(P_PIDFD, id, how, WEXITED | WNOHANG | WNOWAIT) < 0 || how->si_pid == 0)
		return false;
	program_kill(program);
	waitid(P_PIDFD, id, how, WEXITED | WNOHANG);
	return true;
}

static void
on_program_ended(evutil_socket_t fd, short what, void *context)
{
	(void)fd, (void)what;
	struct program *program = context;
	struct exec_probe *exec = program->probe;
	siginfo_t how;
	if (!program_reap(program, &how))
		return;
	while (program->output >= 0 && program->written <= HEALTH_OUTPUT_BYTES_MAX &&
		output_read(program))
		continue;
	char words[LAST_LINE_MAX + 3];
	last_words(program, words);
	program_free(program);
	if (!exec)
		return;
	exec->program = NULL;
	if (how.si_code != CLD_EXITED)
		probe_bad(&exec->probe, "killed by signal %d (%s)%s", how.si_status,
			strsignal(how.si_status), words);
	else if (how.si_status != 0)
		probe_bad(&exec->probe, "exit status %d%s", how.si_status, words);
	else
		probe_good(&exec->probe);
}

/* Its beginning */

struct environment {
	char pool[NAME_LEN_MAX + 16], backend[NAME_LEN_MAX + 20], address[ADDR_TEXT_MAX + 20];
	char weight[32];
	char *variables[6];
};

static void
environment_set(struct environment *e, const struct probe *probe)
{
	static char path[] = "PATH=" PATH_FOR_PROGRAMS;
	char address[ADDR_TEXT_MAX];
	addr_format(&probe->target->address, address);
	snprintf(e->pool, sizeof(e->pool), "FAIRLEAD_POOL=%s", probe->target->pool);
	snprintf(e->backend, sizeof(e->backend), "FAIRLEAD_BACKEND=%s", probe->target->backend);
	snprintf(e->address, sizeof(e->address), "FAIRLEAD_ADDRESS=%s", address);
	snprintf(e->weight, sizeof(e->weight), "FAIRLEAD_WEIGHT=%u", probe->weight);
	e->variables[0] = path;
	e->variables[1] = e->pool;
	e->variables[2] = e->backend;
	e->variables[3] = e->address;
	e->variables[4] = e->weight;
	e->variables[5] = NULL;
}

/* Not all that is open in this process closes on exec: libraries open files too. */
static int
actions_set(posix_spawn_file_actions_t *actions, int output)
{
	int rc = posix_spawn_file_actions_addopen(actions, 0, "/dev/null", O_RDONLY, 0);
	if (rc == 0)
		rc = posix_spawn_file_actions_adddup2(actions, output, 1);
	if (rc == 0)
		rc = posix_spawn_file_actions_adddup2(actions, output, 2);
	if (rc == 0)
		rc = posix_spawn_file_actions_addclosefrom_np(actions, 3);
	if (rc == 0)
		rc = posix_spawn_file_actions_addchdir_np(actions, "/");
	return rc;
}

static void
attributes_set(posix_spawnattr_t *attributes)
{
	sigset_t none, all;
	sigemptyset(&none);
	sigfillset(&all);
	posix_spawnattr_setpgroup(attributes, 0);
	posix_spawnattr_setsigmask(attributes, &none);
	posix_spawnattr_setsigdefault(attributes, &all);
	posix_spawnattr_setflags(
		attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
}

/* 0 and *pid, or a positive errno. */
static int
spawn(const struct probe *probe, int output, pid_t *pid)
{
	struct environment environment;
	environment_set(&environment, probe);
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	int rc = posix_spawn_file_actions_init(&actions);
	if (rc != 0)
		return rc;
	rc = posix_spawnattr_init(&attributes);
	if (rc == 0) {
		attributes_set(&attributes);
		rc = actions_set(&actions, output);
		/* Copied with one more, which is NULL: check_settings.c. */
		char *const *arguments = (char *const *)probe->settings->command;
		if (rc == 0)
			rc = posix_spawn(pid, arguments[0], &actions, &attributes, arguments,
				environment.variables);
		posix_spawnattr_destroy(&attributes);
	}
	posix_spawn_file_actions_destroy(&actions);
	return rc;
}

/* `output` is the end of the pipe that it writes to. */
static int
program_start(struct program *program, const struct probe *probe, int output, struct error *err)
{
	const char *name = probe->settings->command[0];
	int rc = spawn(probe, output, &program->pid);
	if (rc != 0)
		return error_set(err, -rc, "%s does not start: %s", name, strerror(rc));
	program->pidfd = pidfd_open(program->pid, 0);
	if (program->pidfd >= 0)
		return 0;
	rc = -errno;
	program_kill(program);
	waitpid(program->pid, NULL, 0);
	return error_set(err, rc, "%s cannot be waited for: %s", name, strerror(-rc));
}

/* Starts the probe's program, and listens to it. */
static int
program_new(struct exec_prober *exec, struct exec_probe *probe, struct error *err)
{
	struct program *program = calloc(1, sizeof(*program));
	int ends[2];
	if (!program)
		return error_set(err, -ENOMEM, "out of memory for a program");
	if (pipe2(ends, O_CLOEXEC) < 0) {
		free(program);
		return error_set(err, -errno, "no pipe for a program: %s", strerror(errno));
	}
	fcntl(ends[0], F_SETFL, O_NONBLOCK);
	program->output = ends[0];
	int rc = program_start(program, &probe->probe, ends[1], err);
	close(ends[1]);
	if (rc < 0) {
		close(ends[0]);
		free(program);
		return rc;
	}
	program->exec = exec;
	program->probe = probe;
	probe->program = program;
	LIST_INSERT_HEAD(&exec->programs, program, link);
	exec->count++;
	const struct health_target *target = probe->probe.target;
	snprintf(program->pool, sizeof(program->pool), "%s", target->pool);
	snprintf(program->backend, sizeof(program->backend), "%s", target->backend);
	event_assign(
		&program->readable, exec->loop, ends[0], EV_READ | EV_PERSIST, on_output, program);
	event_assign(&program->ended, exec->loop, program->pidfd, EV_READ | EV_PERSIST,
		on_program_ended, program);
	if (event_add(&program->readable, NULL) < 0 || event_add(&program->ended, NULL) < 0)
		return error_set(err, -ENOMEM, "a program cannot be waited for");
	return 0;
}

/* Nobody is helped by a second one that hangs where the first does. */
static bool
is_dying(const struct exec_prober *exec, const struct health_target *target)
{
	const struct program *program = LIST_FIRST(&exec->programs);
	while (program && (program->probe || strcmp(program->backend, target->backend) != 0 ||
				  strcmp(program->pool, target->pool) != 0))
		program = LIST_NEXT(program, link);
	return program != NULL;
}

static int
exec_start(struct probe *probe, struct error *err)
{
	struct prober *prober = probe->prober;
	if (!prober->exec) {
		prober->exec = calloc(1, sizeof(*prober->exec));
		if (!prober->exec)
			return error_set(err, -ENOMEM, "out of memory for a program");
		prober->exec->loop = prober->loop;
	}
	if (is_dying(prober->exec, probe->target))
		return error_set(err, -ETIMEDOUT, "the program of the last check, killed, hangs");
	if (prober->exec->count >= HEALTH_PROGRAMS_MAX)
		return error_set(err, -EAGAIN, "%u programs run or hang, more are not allowed",
			HEALTH_PROGRAMS_MAX);
	return program_new(prober->exec, (struct exec_probe *)probe, err);
}

static void
exec_expire(struct probe *probe, struct error *why)
{
	struct exec_probe *exec = (struct exec_probe *)probe;
	char words[LAST_LINE_MAX + 3];
	while (exec->program->output >= 0 && output_read(exec->program) &&
		exec->program->written <= HEALTH_OUTPUT_BYTES_MAX)
		continue;
	error_set(why, -ETIMEDOUT, "no end within %u ms, killed%s", probe->settings->timeout_ms,
		last_words(exec->program, words));
}

static void
exec_end(struct probe *probe)
{
	struct program *program = ((struct exec_probe *)probe)->program;
	if (!program)
		return;
	program_kill(program);
	output_close(program);
	program->probe = NULL;
}

void
exec_prober_free(struct exec_prober *exec)
{
	if (!exec)
		return;
	struct mono end = mono_add_ms(mono_now(), DYING_MS);
	struct program *program;
	while ((program = LIST_FIRST(&exec->programs))) {
		struct pollfd pidfd = {.fd = program->pidfd, .events = POLLIN};
		poll(&pidfd, 1, (int)mono_ms_between(mono_now(), end));
		siginfo_t how;
		program_reap(program, &how);
		program_free(program);
	}
	free(exec);
}

const struct probe_type probe_exec = {
	.bytes = sizeof(struct exec_probe),
	.resource = PROBE_USES_PROGRAM,
	.start = exec_start,
	.expire = exec_expire,
	.end = exec_end,
};
