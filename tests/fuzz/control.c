/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bytes that a client sends to the control socket before it says that it will send no more. Every
 * whole line is answered by one line of JSON, in order, whatever is in it; a line that is too long
 * is refused, and that is the end.
 */
#include <errno.h>
#include <event2/event.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "bounds.h"
#include "control_socket.h"
#include "fuzz.h"

static struct world {
	char directory[64];
	char path[80];
	struct event_base *loop;
	struct control_socket *socket;
	json_t *results; /* that the handler gave, in order */
	size_t refused;	 /* by the handler */
} * world;

static int
handle(void *context, const char *command, json_t *arguments, json_t **result, struct error *err)
{
	struct world *w = context;
	REQUIRE(json_is_object(arguments));
	if (strcmp(command, "refuse") == 0) {
		w->refused++;
		*result = json_pack("[s]", "for this reason");
		return error_set(err, -EINVAL, "no");
	}
	if (strcmp(command, "nothing") == 0) {
		json_array_append_new(w->results, json_null());
		return 0;
	}
	if (strcmp(command, "echo") == 0) {
		json_array_append(w->results, arguments);
		*result = json_incref(arguments);
		return 0;
	}
	w->refused++;
	return error_set(err, -EINVAL, "no command %s", command);
}

static void
clean_up(void)
{
	control_socket_close(world->socket);
	event_base_free(world->loop);
	rmdir(world->directory);
	free(world);
}

static struct world *
make_world(void)
{
	struct world *w = calloc(1, sizeof(*w));
	struct error err;
	REQUIRE(w != NULL);
	snprintf(w->directory, sizeof(w->directory), "/tmp/fairlead-fuzz-XXXXXX");
	REQUIRE(mkdtemp(w->directory) != NULL);
	snprintf(w->path, sizeof(w->path), "%s/control.sock", w->directory);
	w->loop = event_base_new();
	REQUIRE(w->loop != NULL);
	REQUIRE(control_socket_open(&w->socket, w->loop, w->path, 0600, NULL, handle, w, &err) == 0);
	atexit(clean_up);
	return w;
}

static int
dial(const struct world *w)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", w->path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	REQUIRE(fd >= 0);
	REQUIRE(connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
	return fd;
}

/* Sends everything in three pieces, so that lines come torn, and writes what is answered to
 * `answers` until the other side hangs up. */
static void
converse(const struct world *w, const char *data, size_t size, FILE *answers)
{
	int fd = dial(w);
	char received[4096];
	size_t sent = 0, piece = size / 3 + 1;
	bool is_shut = false;
	for (;;) {
		size_t left = size - sent;
		ssize_t n = send(
			fd, data + sent, left < piece ? left : piece, MSG_DONTWAIT | MSG_NOSIGNAL);
		REQUIRE(n >= 0 || errno == EAGAIN || errno == EPIPE);
		sent = n >= 0 ? sent + (size_t)n : errno == EPIPE ? size : sent;
		if (sent == size && !is_shut)
			is_shut = shutdown(fd, SHUT_WR) == 0;
		REQUIRE(event_base_loop(w->loop, EVLOOP_NONBLOCK) >= 0);
		n = recv(fd, received, sizeof(received), MSG_DONTWAIT);
		if (n > 0)
			fwrite(received, 1, (size_t)n, answers);
		else if (n == 0 || errno != EAGAIN)
			break;
	}
	REQUIRE(sent == size);
	close(fd);
}

/* How many answers there should be. */
static size_t
count_requests(const char *data, size_t size)
{
	size_t count = 0;
	for (;;) {
		const char *newline = memchr(data, '\n', size);
		size_t length = newline ? (size_t)(newline - data) : size;
		if (length >= CONTROL_REQUEST_BYTES_MAX)
			return count + 1;
		if (!newline)
			return count;
		count++;
		data += length + 1, size -= length + 1;
	}
}

static void
check_answer(struct world *w, const char *line, size_t length, size_t *granted)
{
	json_error_t wrong;
	json_t *answer = json_loadb(line, length, JSON_REJECT_DUPLICATES, &wrong);
	json_t *ok = json_object_get(answer, "ok");
	REQUIRE(json_is_boolean(ok));
	if (json_is_true(ok)) {
		REQUIRE(json_equal(json_object_get(answer, "result"),
			json_array_get(w->results, (*granted)++)));
		REQUIRE(json_object_size(answer) == 2);
	} else {
		REQUIRE(json_string_length(json_object_get(answer, "error")) > 0);
		bool has_details = json_is_array(json_object_get(answer, "details"));
		REQUIRE(json_object_size(answer) == (has_details ? 3 : 2));
	}
	json_decref(answer);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!world)
		world = make_world();
	world->results = json_array();
	world->refused = 0;

	char *text;
	size_t length, granted = 0, count = 0;
	FILE *answers = open_memstream(&text, &length);
	REQUIRE(answers != NULL);
	converse(world, (const char *)data, size, answers);
	REQUIRE(fclose(answers) == 0);
	for (char *line = text, *end; line < text + length; line = end + 1, count++) {
		end = memchr(line, '\n', (size_t)(text + length - line));
		REQUIRE(end != NULL);
		check_answer(world, line, (size_t)(end - line), &granted);
	}
	REQUIRE(count == count_requests((const char *)data, size));
	REQUIRE(granted == json_array_size(world->results));
	REQUIRE(granted + world->refused <= count);
	free(text);
	json_decref(world->results);
	return 0;
}
