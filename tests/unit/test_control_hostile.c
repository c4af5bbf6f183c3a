/* SPDX-License-Identifier: BSD-3-Clause */
/* Clients of the control socket that mean no good, or do not know any better. */
#include "control_daemon.h"

#include <fcntl.h>
#include <sys/resource.h>

#include "bounds.h"
#include "mono.h"

static void
single_bytes_do_not_hold_a_place_for_ever(void **state)
{
	struct daemon *d = *state;
	int fd = dial(d->path);
	struct mono began = mono_now();
	const char *request = "{\"command\": \"echo\", \"arguments\": {\"a\": 1}}\n";
	for (const char *at = request; *at && !is_cut_off(fd, 40); at++)
		if (send(fd, at, 1, MSG_NOSIGNAL) != 1)
			break;
	assert_true(is_cut_off(fd, CALL_MS));
	uint64_t held_ms = mono_ms_between(began, mono_now());
	assert_true(held_ms + 20 >= SHORT_PATIENCE_MS);
	assert_int_equal(d->handled, 0);
	close(fd);
}

static void
the_longest_idle_gives_way(void **state)
{
	struct daemon *d = *state;
	int held[CONTROL_CLIENTS_MAX];
	for (int i = 0; i < CONTROL_CLIENTS_MAX; i++) {
		held[i] = dial(d->path);
		assert_says(held[i], "{\"command\":\"echo\"}\n", "{\"ok\":true,\"result\":{}}");
	}
	/* Single bytes are no sign of life, a whole request is one. */
	for (int i = 0; i < CONTROL_CLIENTS_MAX; i++)
		say(held[i], "{");
	assert_says(held[0], "}\n",
		"{\"ok\":false,\"error\":\"request: Object item not found: command\"}");
	assert_serves(d);
	assert_true(is_cut_off(held[1], CALL_MS));
	assert_false(is_cut_off(held[0], 0));
	assert_false(is_cut_off(held[2], 0));
	for (int i = 0; i < CONTROL_CLIENTS_MAX; i++)
		close(held[i]);
}

static void
thousand_connections_do_not_lock_anybody_out(void **state)
{
	struct daemon *d = *state;
	enum { COUNT = 1000 };
	struct rlimit files;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
	files.rlim_cur = files.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &files), 0);
	int *held = calloc(COUNT, sizeof(*held));
	for (int i = 0; i < COUNT; i++) {
		held[i] = dial(d->path);
		if (i % 100 == 99)
			assert_serves(d);
	}
	assert_true(is_cut_off(held[0], CALL_MS));
	assert_true(is_cut_off(held[COUNT - CONTROL_CLIENTS_MAX], CALL_MS));
	assert_false(is_cut_off(held[COUNT - 1], 0));
	for (int i = 0; i < COUNT; i++)
		close(held[i]);
	free(held);
	assert_serves(d);
}

static void
line_of_100_mb_is_cut_short(void **state)
{
	struct daemon *d = *state;
	static char piece[1 << 16];
	memset(piece, 'x', sizeof(piece));
	int fd = dial(d->path);
	size_t sent = 0;
	while (sent < 100u << 20) {
		ssize_t n = send(fd, piece, sizeof(piece), MSG_NOSIGNAL);
		if (n <= 0)
			break;
		sent += (size_t)n;
	}
	assert_true(sent < 2u << 20); /* the line, and the kernel's buffers */
	char line[256];
	assert_string_equal(hear(fd, line, sizeof(line)),
		"{\"ok\":false,\"error\":\"request is longer than 65535 bytes\"}");
	assert_true(is_cut_off(fd, CALL_MS));
	close(fd);
	assert_serves(d);
}

static void
the_longest_line_is_taken(void **state)
{
	struct daemon *d = *state;
	const char *request = "{\"command\":\"echo\"}";
	static char line[CONTROL_REQUEST_BYTES_MAX + 1];
	memset(line, ' ', sizeof(line) - 1);
	memcpy(line, request, strlen(request));
	line[sizeof(line) - 2] = '\n';
	int fd = dial(d->path);
	assert_says(fd, line, "{\"ok\":true,\"result\":{}}");
	line[sizeof(line) - 2] = ' ';
	assert_says(fd, line, "{\"ok\":false,\"error\":\"request is longer than 65535 bytes\"}");
	close(fd);
}

static void
who_never_reads_is_cut_off(void **state)
{
	struct daemon *d = *state;
	int fd = dial(d->path);
	for (int i = 0; i < 100; i++)
		say(fd, "{\"command\":\"big\"}\n");
	assert_serves(d);
	assert_true(is_cut_off(fd, CALL_MS));
	/* One answer was made, not a hundred. */
	assert_int_equal(d->handled, 2);
	close(fd);
}

static void
who_reads_single_bytes_is_cut_off(void **state)
{
	struct daemon *d = *state;
	int fd = dial(d->path);
	say(fd, "{\"command\":\"big\"}\n");
	char byte;
	while (!is_cut_off(fd, 10) && recv(fd, &byte, 1, 0) == 1)
		;
	assert_true(is_cut_off(fd, CALL_MS));
	close(fd);
	assert_serves(d);
}

static void
leaving_in_the_middle_of_an_answer_harms_nobody(void **state)
{
	struct daemon *d = *state;
	for (int i = 0; i < 20; i++) {
		int fd = dial(d->path);
		say(fd, "{\"command\":\"big\"}\n{\"command\":\"big\"}\n");
		char some[1000];
		assert_true(recv(fd, some, sizeof(some), 0) > 0);
		close(fd);
	}
	assert_serves(d);
}

static void
passed_descriptors_are_closed(void **state)
{
	struct daemon *d = *state;
	int pipe_fds[2];
	assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
	int fd = dial(d->path);
	char text[] = "{\"command\":\"echo\"}\n";
	struct iovec piece = {.iov_base = text, .iov_len = sizeof(text) - 1};
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct msghdr message = {
		.msg_iov = &piece,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &pipe_fds[1], sizeof(int));
	assert_int_equal(sendmsg(fd, &message, 0), sizeof(text) - 1);
	close(pipe_fds[1]);
	char line[256];
	assert_string_equal(hear(fd, line, sizeof(line)), "{\"ok\":true,\"result\":{}}");
	/* The end of the pipe: nobody holds its other side any more. */
	struct pollfd poll_fd = {.fd = pipe_fds[0], .events = POLLIN};
	assert_int_equal(poll(&poll_fd, 1, CALL_MS), 1);
	assert_int_equal(read(pipe_fds[0], line, 1), 0);
	close(pipe_fds[0]);
	close(fd);
}

/* Takes up every descriptor but `spare`; the last is returned, which chains to the others by fd
 * - 1. */
static int
exhaust_descriptors(int *taken, int limit, int spare)
{
	int count = 0;
	while (count < limit && (taken[count] = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0)) >= 0)
		count++;
	while (spare-- > 0)
		close(taken[--count]);
	return count;
}

static void
out_of_descriptors_an_idle_client_gives_way(void **state)
{
	struct daemon *d = *state;
	struct rlimit before;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	struct rlimit few = {.rlim_cur = 128, .rlim_max = before.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	int idle = dial(d->path);
	assert_says(idle, "{\"command\":\"echo\"}\n", "{\"ok\":true,\"result\":{}}");
	int taken[128];
	int count = exhaust_descriptors(taken, 128, 1);
	assert_serves(d);
	assert_true(is_cut_off(idle, CALL_MS));
	/* And with nobody to give way, the connection waits until there is one again. */
	taken[count++] = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0);
	close(idle);
	int late = dial(d->path);
	say(late, "{\"command\":\"echo\"}\n");
	assert_false(is_cut_off(late, 50));
	while (count > 0)
		close(taken[--count]);
	char line[256];
	assert_string_equal(hear(late, line, sizeof(line)), "{\"ok\":true,\"result\":{}}");
	close(late);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

int
main(void)
{
#define SERVED(test)	cmocka_unit_test_setup_teardown(test, start, stop)
#define IMPATIENT(test) cmocka_unit_test_setup_teardown(test, start_impatient, stop)
	const struct CMUnitTest tests[] = {
		IMPATIENT(single_bytes_do_not_hold_a_place_for_ever),
		SERVED(the_longest_idle_gives_way),
		SERVED(thousand_connections_do_not_lock_anybody_out),
		SERVED(line_of_100_mb_is_cut_short),
		SERVED(the_longest_line_is_taken),
		IMPATIENT(who_never_reads_is_cut_off),
		IMPATIENT(who_reads_single_bytes_is_cut_off),
		SERVED(leaving_in_the_middle_of_an_answer_harms_nobody),
		SERVED(passed_descriptors_are_closed),
		SERVED(out_of_descriptors_an_idle_client_gives_way),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
