/* SPDX-License-Identifier: BSD-3-Clause */
/* Requests and answers, the socket's file, and control_call against what is no daemon. */
#include "control_daemon.h"

#include <fcntl.h>
#include <grp.h>
#include <sys/stat.h>

/* Tests: what is asked is answered */

static void
answers_and_refuses(void **state)
{
	struct daemon *d = *state;
	int fd = dial(d->path);
	assert_says(fd, "{\"command\": \"echo\"}\n", "{\"ok\":true,\"result\":{}}");
	assert_says(fd, "{\"command\": \"nothing\"}\r\n", "{\"ok\":true,\"result\":null}");
	assert_says(fd, "{\"command\": \"x\"}\n",
		"{\"ok\":false,\"error\":\"refused x\",\"details\":[\"one\",\"two\"]}");
	assert_says(
		fd, "{\"command\": \"latin1\"}\n", "{\"ok\":false,\"error\":\"caf? is closed\"}");
	close(fd);
}

static void
malformed_requests_are_refused_and_the_next_is_answered(void **state)
{
	struct daemon *d = *state;
	static const char *const requests[] = {
		"\n",
		"GET / HTTP/1.1\n",
		"{\"command\": \"echo\"\n",
		"{\"command\": \"echo\", \"command\": \"echo\"}\n",
		"{\"command\": 7}\n",
		"{\"arguments\": {}}\n",
		"{\"command\": \"echo\", \"arguments\": []}\n",
		"{\"command\": \"echo\", \"arguments\": null}\n",
		"{\"command\": \"echo\", \"more\": 1}\n",
		"{\"command\": \"e\\u0000cho\"}\n",
		"{\"command\": \"\xff\xfe\"}\n",
		"[]\n",
		"null\n",
	};
	int fd = dial(d->path);
	char line[1024];
	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		say(fd, requests[i]);
		hear(fd, line, sizeof(line));
		const char *refusal = "{\"ok\":false,\"error\":\"request";
		assert_memory_equal(line, refusal, strlen(refusal));
	}
	assert_int_equal(d->handled, 0);
	assert_says(fd, "{\"command\": \"echo\"}\n", "{\"ok\":true,\"result\":{}}");
	close(fd);
}

static void
deeply_nested_request_is_refused(void **state)
{
	struct daemon *d = *state;
	static char request[60000];
	memset(request, '[', sizeof(request) - 2);
	request[sizeof(request) - 2] = '\n';
	int fd = dial(d->path);
	assert_says(fd, request,
		"{\"ok\":false,\"error\":\"request is not JSON: maximum parsing depth reached near "
		"'['\"}");
	close(fd);
}

static void
requests_sent_ahead_are_answered_in_order(void **state)
{
	struct daemon *d = *state;
	enum { COUNT = 500 };
	int fd = dial(d->path);
	char line[256], wanted[256], requests[COUNT * 64];
	size_t length = 0;
	for (int i = 0; i < COUNT; i++)
		length += (size_t)snprintf(requests + length, sizeof(requests) - length,
			"{\"command\":\"echo\",\"arguments\":{\"n\":%d}}\n", i);
	say(fd, requests);
	/* What was sent before the end of sending is answered after it. */
	shutdown(fd, SHUT_WR);
	for (int i = 0; i < COUNT; i++) {
		snprintf(wanted, sizeof(wanted), "{\"ok\":true,\"result\":{\"n\":%d}}", i);
		assert_string_equal(hear(fd, line, sizeof(line)), wanted);
	}
	assert_int_equal(recv(fd, line, 1, 0), 0);
	close(fd);
}

struct caller {
	const struct daemon *daemon;
	int number;
	int wrong;
};

static void *
call_often(void *context)
{
	struct caller *caller = context;
	for (int i = 0; i < 50; i++) {
		int n = caller->number * 1000 + i;
		json_t *request =
			json_pack("{s:s, s:{s:i}}", "command", "echo", "arguments", "n", n);
		json_t *reply = NULL;
		struct error err;
		if (control_call(caller->daemon->path, request, CALL_MS, &reply, &err) < 0 ||
			json_integer_value(
				json_object_get(json_object_get(reply, "result"), "n")) != n)
			caller->wrong++;
		json_decref(reply);
		json_decref(request);
	}
	return NULL;
}

static void
callers_at_once_get_their_own_answers(void **state)
{
	struct daemon *d = *state;
	enum { CALLERS = 8 };
	pthread_t threads[CALLERS];
	struct caller callers[CALLERS];
	for (int i = 0; i < CALLERS; i++) {
		callers[i] = (struct caller){.daemon = d, .number = i};
		assert_int_equal(pthread_create(&threads[i], NULL, call_often, &callers[i]), 0);
	}
	for (int i = 0; i < CALLERS; i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(callers[i].wrong, 0);
	}
}

static void
big_answer_arrives_whole(void **state)
{
	struct daemon *d = *state;
	json_t *request = json_pack("{s:s}", "command", "big"), *reply = NULL;
	struct error err;
	assert_int_equal(control_call(d->path, request, CALL_MS, &reply, &err), 0);
	assert_string_equal(json_string_value(json_object_get(reply, "result")), d->big);
	json_decref(reply);
	json_decref(request);
}

/* Tests: the file */

static void
the_file_has_its_mode_and_goes_with_the_socket(void **state)
{
	struct daemon *d = *state;
	struct error err;
	struct stat st;
	assert_int_equal(
		control_socket_open(&d->socket, d->loop, d->path, 0660, NULL, handle, d, &err), 0);
	assert_int_equal(stat(d->path, &st), 0);
	assert_int_equal(st.st_mode, S_IFSOCK | 0660);
	control_socket_close(d->socket);
	assert_int_equal(stat(d->path, &st), -1);
}

static void
the_file_is_given_to_the_group(void **state)
{
	struct daemon *d = *state;
	struct error err;
	struct stat st;
	/* Root may give it to anybody's, others to their own. */
	const struct group *group = getuid() == 0 ? getgrnam("daemon") : getgrgid(getgid());
	if (!group)
		skip();
	gid_t id = group->gr_gid;
	assert_int_equal(control_socket_open(&d->socket, d->loop, d->path, 0660, group->gr_name,
				 handle, d, &err),
		0);
	assert_int_equal(stat(d->path, &st), 0);
	assert_int_equal(st.st_mode, S_IFSOCK | 0660);
	assert_int_equal(st.st_gid, id);
	assert_int_equal(st.st_uid, getuid());
	control_socket_close(d->socket);

	assert_int_equal(control_socket_open(&d->socket, d->loop, d->path, 0660, "no such group",
				 handle, d, &err),
		-ENOENT);
	assert_string_equal(err.text,
		"control socket: wanted a group of this machine, got \"no such group\"");
	assert_int_equal(stat(d->path, &st), -1);
}

static void
live_socket_is_left_alone_and_a_stale_one_replaced(void **state)
{
	struct daemon *d = *state;
	struct control_socket *second = NULL;
	struct error err;
	struct stat st;
	assert_int_equal(
		control_socket_open(&d->socket, d->loop, d->path, 0600, NULL, handle, d, &err), 0);
	assert_int_equal(
		control_socket_open(&second, d->loop, d->path, 0600, NULL, handle, d, &err), -EADDRINUSE);
	assert_null(second);
	assert_int_equal(stat(d->path, &st), 0);
	control_socket_close(d->socket);

	int dead = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", d->path);
	assert_int_equal(bind(dead, (struct sockaddr *)&address, sizeof(address)), 0);
	close(dead);
	assert_int_equal(
		control_socket_open(&d->socket, d->loop, d->path, 0600, NULL, handle, d, &err), 0);
	control_socket_close(d->socket);
}

static void
what_is_not_ours_is_not_removed(void **state)
{
	struct daemon *d = *state;
	struct error err;
	struct stat st;
	assert_int_equal(
		control_socket_open(&d->socket, d->loop, d->path, 0600, NULL, handle, d, &err), 0);
	unlink(d->path);
	close(open(d->path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	control_socket_close(d->socket);
	assert_int_equal(stat(d->path, &st), 0);
	assert_int_equal(
		control_socket_open(&d->socket, d->loop, d->path, 0600, NULL, handle, d, &err), -EEXIST);
	assert_int_equal(stat(d->path, &st), 0);
}

static void
paths_that_cannot_be_are_refused(void **state)
{
	struct daemon *d = *state;
	struct error err;
	char path[200];
	memset(path, 'a', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(control_socket_open(&d->socket, d->loop, path, 0600, NULL, handle, d, &err),
		-ENAMETOOLONG);
	assert_int_equal(
		control_socket_open(&d->socket, d->loop, "", 0600, NULL, handle, d, &err), -ENAMETOOLONG);
	assert_int_equal(control_socket_open(&d->socket, d->loop, "/dev/null/run/control.sock",
				 0600, NULL, handle, d, &err),
		-ENOTDIR);
}

/* Tests: control_call against what is no daemon */

static int
call_status(const char *path, uint32_t timeout_ms)
{
	json_t *request = json_pack("{s:s}", "command", "status"), *reply = NULL;
	struct error err;
	int rc = control_call(path, request, timeout_ms, &reply, &err);
	json_decref(reply);
	json_decref(request);
	return rc;
}

/* Listens at d's path, and answers one connection with `text`, or not at all for NULL. */
struct impostor {
	int fd;
	const char *text;
	pthread_t thread;
};

static void *
run_impostor(void *context)
{
	struct impostor *impostor = context;
	char request[256];
	int fd = accept(impostor->fd, NULL, NULL);
	if (recv(fd, request, sizeof(request), 0) > 0)
		send(fd, impostor->text, strlen(impostor->text), MSG_NOSIGNAL);
	close(fd);
	return NULL;
}

static int
listen_at(const char *path, int backlog)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, backlog), 0);
	return fd;
}

static int
call_impostor(const char *path, const char *text)
{
	struct impostor impostor = {.fd = listen_at(path, 1), .text = text};
	assert_int_equal(pthread_create(&impostor.thread, NULL, run_impostor, &impostor), 0);
	int rc = call_status(path, CALL_MS);
	pthread_join(impostor.thread, NULL);
	close(impostor.fd);
	unlink(path);
	return rc;
}

static void
call_tells_what_is_wrong_with_the_other_side(void **state)
{
	struct daemon *d = *state;
	char path[64];
	snprintf(path, sizeof(path), "%s/impostor", d->directory);
	assert_int_equal(call_status(path, CALL_MS), -ENOENT);
	assert_int_equal(call_impostor(path, ""), -ECONNRESET);
	assert_int_equal(call_impostor(path, "{\"ok\":true"), -ECONNRESET);
	assert_int_equal(call_impostor(path, "HTTP/1.1 400\r\n\r\n"), -EPROTO);
	assert_int_equal(call_impostor(path, "{\"ok\":1}\n"), -EPROTO);
	assert_int_equal(call_impostor(path, "[]\n"), -EPROTO);
	assert_int_equal(call_impostor(path, "{\"ok\":true}\n"), 0);

	int mute = listen_at(path, 0);
	assert_int_equal(call_status(path, 50), -ETIMEDOUT); /* connected, never answered */
	int waiting[4];
	for (int i = 0; i < 4; i++) {
		struct sockaddr_un address = {.sun_family = AF_UNIX};
		snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
		waiting[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		(void)!connect(waiting[i], (struct sockaddr *)&address, sizeof(address));
	}
	assert_int_equal(call_status(path, 50), -ETIMEDOUT); /* no room in its queue */
	for (int i = 0; i < 4; i++)
		close(waiting[i]);
	close(mute);
	assert_int_equal(call_status(path, CALL_MS), -ECONNREFUSED);
	unlink(path);
}

int
main(void)
{
#define SERVED(test) cmocka_unit_test_setup_teardown(test, start, stop)
#define ALONE(test)  cmocka_unit_test_setup_teardown(test, prepare, clean_up)
	const struct CMUnitTest tests[] = {
		SERVED(answers_and_refuses),
		SERVED(malformed_requests_are_refused_and_the_next_is_answered),
		SERVED(deeply_nested_request_is_refused),
		SERVED(requests_sent_ahead_are_answered_in_order),
		SERVED(callers_at_once_get_their_own_answers),
		SERVED(big_answer_arrives_whole),
		ALONE(the_file_has_its_mode_and_goes_with_the_socket),
		ALONE(the_file_is_given_to_the_group),
		ALONE(live_socket_is_left_alone_and_a_stale_one_replaced),
		ALONE(what_is_not_ours_is_not_removed),
		ALONE(paths_that_cannot_be_are_refused),
		ALONE(call_tells_what_is_wrong_with_the_other_side),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
