/* SPDX-License-Identifier: BSD-3-Clause */
#include "control_socket.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <grp.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "bounds.h"
#include "control_address.h"
#include "log.h"
#include "mono.h"

/* An operator's tool needs milliseconds; one that is stopped in a debugger can connect again. */
#define PATIENCE_MS 30000
/* Out of descriptors and no client to give one up: connections wait in the kernel's queue. */
#define ACCEPT_PAUSE_S 1
/* An entry of the group database, with all its members. */
#define GROUP_BYTES_MAX (1u << 20)

struct client {
	TAILQ_ENTRY(client) link;
	struct control_socket *socket;
	int fd;
	struct event event; /* readable; writable while there is an answer; or out of patience */
	struct mono deadline;
	bool finished; /* nothing more is read: the end, or a line that is too long */
	char *answer;  /* NULL: reading */
	size_t answer_length, answer_sent;
	size_t request_length;
	char request[CONTROL_REQUEST_BYTES_MAX];
};
TAILQ_HEAD(client_list, client);

struct control_socket {
	struct event_base *loop;
	int fd;
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	dev_t device; /* with inode: the file we bound, if it is still there */
	ino_t inode;
	struct event readable, resume;
	control_handler *handler;
	void *context;
	uint32_t patience_ms;
	struct client_list clients; /* the longest idle first */
	unsigned client_count;
};

/* Answers */

/* A sentence may quote what is no UTF-8, or have been cut within a character. */
static json_t *
sentence_json(const char *text)
{
	json_t *json = json_string(text);
	if (json)
		return json;
	char ascii[sizeof(((struct error *)0)->text)];
	size_t length = strnlen(text, sizeof(ascii) - 1);
	for (size_t i = 0; i < length; i++)
		ascii[i] = (unsigned char)text[i] < 0x80 ? text[i] : '?';
	return json_stringn(ascii, length);
}

/* Calls the handler for a request that is one. Result and errors as the handler's. */
static int
request_handle(const struct control_socket *s, const char *line, size_t length, json_t **result,
	struct error *err)
{
	json_error_t wrong;
	json_t *request = json_loadb(line, length, JSON_REJECT_DUPLICATES, &wrong);
	if (!request)
		return error_set(err, -EINVAL, "request is not JSON: %s", wrong.text);
	const char *command;
	json_t *arguments = NULL;
	int rc;
	if (json_unpack_ex(request, &wrong, JSON_STRICT, "{s:s, s?o}", "command", &command,
		    "arguments", &arguments) < 0)
		rc = error_set(err, -EINVAL, "request: %s", wrong.text);
	else if (arguments && !json_is_object(arguments))
		rc = error_set(err, -EINVAL, "request: arguments are not an object");
	else {
		arguments = arguments ? json_incref(arguments) : json_object();
		rc = s->handler(s->context, command, arguments, result, err);
		json_decref(arguments);
	}
	json_decref(request);
	return rc;
}

/* Starts to answer with `reply`, whose reference is taken. False when memory is out. */
static bool
client_answer(struct client *c, json_t *reply)
{
	c->answer = json_dumps(reply, JSON_COMPACT);
	json_decref(reply);
	if (!c->answer)
		return false;
	/* Compact JSON has no newline in it, and the NUL, which is not sent, makes room for ours. */
	c->answer_length = strlen(c->answer) + 1;
	c->answer[c->answer_length - 1] = '\n';
	c->answer_sent = 0;
	c->deadline = mono_add_ms(mono_now(), c->socket->patience_ms);
	TAILQ_REMOVE(&c->socket->clients, c, link);
	TAILQ_INSERT_TAIL(&c->socket->clients, c, link);
	return true;
}

static bool
client_refuse(struct client *c, const struct error *err, json_t *details)
{
	json_t *reply = json_pack("{s:b, s:o}", "ok", 0, "error", sentence_json(err->text));
	if (reply && details)
		json_object_set(reply, "details", details);
	return reply && client_answer(c, reply);
}

static bool
client_answer_request(struct client *c, size_t length)
{
	struct error err = {"refused"};
	json_t *result = NULL;
	bool answering = false;
	if (request_handle(c->socket, c->request, length, &result, &err) < 0) {
		answering = client_refuse(c, &err, result);
	} else {
		json_t *reply = json_pack("{s:b, s:O?}", "ok", 1, "result", result);
		answering = reply && client_answer(c, reply);
	}
	json_decref(result);
	return answering;
}

/* Clients */

static void
client_close(struct client *c)
{
	struct control_socket *s = c->socket;
	TAILQ_REMOVE(&s->clients, c, link);
	s->client_count--;
	event_del(&c->event);
	close(c->fd);
	free(c->answer);
	free(c);
}

/* Never with an ancillary buffer, so descriptors that come along are closed by the kernel. */
static bool
client_receive(struct client *c)
{
	ssize_t n = recv(c->fd, c->request + c->request_length,
		sizeof(c->request) - c->request_length, MSG_DONTWAIT);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	c->request_length += (size_t)n;
	c->finished = n == 0;
	return true;
}

static bool
client_send(struct client *c)
{
	ssize_t n = send(c->fd, c->answer + c->answer_sent, c->answer_length - c->answer_sent,
		MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	c->answer_sent += (size_t)n;
	if (c->answer_sent == c->answer_length) {
		free(c->answer);
		c->answer = NULL;
	}
	return true;
}

/* Takes up the next request, if a whole one is there and none is being answered. False: the end. */
static bool
client_next(struct client *c)
{
	if (c->answer)
		return true;
	char *newline = memchr(c->request, '\n', c->request_length);
	if (newline) {
		size_t length = (size_t)(newline - c->request);
		if (!client_answer_request(c, length))
			return false;
		c->request_length -= length + 1;
		memmove(c->request, newline + 1, c->request_length);
		return true;
	}
	if (c->request_length == sizeof(c->request)) {
		struct error err;
		error_set(&err, -EMSGSIZE, "request is longer than %u bytes",
			CONTROL_REQUEST_BYTES_MAX - 1);
		c->finished = true;
		c->request_length = 0;
		return client_refuse(c, &err, NULL);
	}
	return !c->finished;
}

static void on_client(evutil_socket_t fd, short what, void *context);

static bool
client_wait(struct client *c)
{
	uint64_t left_ms = mono_ms_between(mono_now(), c->deadline);
	struct timeval left = {
		.tv_sec = (time_t)(left_ms / 1000),
		.tv_usec = (suseconds_t)(left_ms % 1000 * 1000),
	};
	short what = c->answer ? EV_WRITE : EV_READ;
	return event_assign(&c->event, c->socket->loop, c->fd, what, on_client, c) == 0 &&
	       event_add(&c->event, &left) == 0;
}

static void
on_client(evutil_socket_t fd, short what, void *context)
{
	(void)fd;
	struct client *c = context;
	bool in_time = !(what & EV_TIMEOUT);
	if (in_time && (c->answer ? client_send(c) : client_receive(c)) && client_next(c) &&
		client_wait(c))
		return;
	client_close(c);
}

static void
client_open(struct control_socket *s, int fd)
{
	struct client *c = malloc(sizeof(*c));
	if (!c) {
		close(fd);
		return;
	}
	/* The request's bytes stay untouched, and unmapped, until they come. */
	memset(c, 0, offsetof(struct client, request));
	c->socket = s;
	c->fd = fd;
	c->deadline = mono_add_ms(mono_now(), s->patience_ms);
	TAILQ_INSERT_TAIL(&s->clients, c, link);
	s->client_count++;
	if (!client_wait(c))
		client_close(c);
}

/*
 * One connection a turn of the loop: in a flood of them, whoever has sent its request is answered
 * before CONTROL_CLIENTS_MAX later ones can push it out.
 */
static void
on_connection(evutil_socket_t listener, short what, void *context)
{
	(void)what;
	struct control_socket *s = context;
	int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	int problem = fd < 0 ? errno : 0;
	bool exhausted =
		problem == EMFILE || problem == ENFILE || problem == ENOBUFS || problem == ENOMEM;
	if (exhausted && s->client_count == 0) {
		log_warning("control socket: cannot accept: %s", strerror(problem));
		event_del(&s->readable);
		event_add(&s->resume, &(struct timeval){.tv_sec = ACCEPT_PAUSE_S});
		return;
	}
	if (exhausted || (fd >= 0 && s->client_count == CONTROL_CLIENTS_MAX))
		client_close(TAILQ_FIRST(&s->clients));
	if (fd >= 0)
		client_open(s, fd);
}

static void
on_resume(evutil_socket_t fd, short what, void *context)
{
	(void)fd, (void)what;
	struct control_socket *s = context;
	event_add(&s->readable, NULL);
}

/* The socket file */

static int
make_directories(const char *path, struct error *err)
{
	char prefix[sizeof(((struct sockaddr_un *)0)->sun_path)];
	for (const char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		size_t length = (size_t)(slash - path);
		memcpy(prefix, path, length);
		prefix[length] = '\0';
		if (mkdir(prefix, 0755) < 0 && errno != EEXIST)
			return error_set(err, -errno, "control socket: cannot make %s: %s", prefix,
				strerror(errno));
	}
	return 0;
}

/* Removes a socket file that nobody listens on. Anything else there is left alone and is an error. */
static int
remove_stale(const struct sockaddr_un *address, struct error *err)
{
	const char *path = address->sun_path;
	struct stat st;
	if (lstat(path, &st) < 0) {
		if (errno == ENOENT)
			return 0;
		return error_set(err, -errno, "control socket %s: %s", path, strerror(errno));
	}
	if (!S_ISSOCK(st.st_mode))
		return error_set(err, -EEXIST, "%s is there and is not a socket", path);
	int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (probe < 0)
		return error_set(err, -errno, "control socket: %s", strerror(errno));
	int problem =
		connect(probe, (const struct sockaddr *)address, sizeof(*address)) < 0 ? errno : 0;
	close(probe);
	/* EAGAIN is a listener whose queue is full: alive all the same. */
	if (problem == 0 || problem == EAGAIN)
		return error_set(err, -EADDRINUSE, "%s: another fairlead listens there", path);
	if (problem != ECONNREFUSED)
		return error_set(err, -problem, "%s: %s", path, strerror(problem));
	if (unlink(path) < 0 && errno != ENOENT)
		return error_set(err, -errno, "cannot replace %s: %s", path, strerror(errno));
	return 0;
}

/* NULL is the daemon's own, which chown(2) leaves alone. */
static int
find_group(const char *name, gid_t *id, struct error *err)
{
	*id = (gid_t)-1;
	if (!name)
		return 0;
	char *bytes = malloc(GROUP_BYTES_MAX);
	if (!bytes)
		return error_set(err, -ENOMEM, "control socket: out of memory");
	struct group group, *found;
	int problem = getgrnam_r(name, &group, bytes, GROUP_BYTES_MAX, &found);
	if (found)
		*id = group.gr_gid;
	free(bytes);
	if (!found)
		return error_set(err, problem ? -problem : -ENOENT,
			"control socket: wanted a group of this machine, got \"%s\"%s%s", name,
			problem ? ": " : "", problem ? strerror(problem) : "");
	return 0;
}

/* The new file gets the mode of the socket (Linux): it is never open to others, not even briefly. */
static int
bind_and_listen(
	struct control_socket *s, const struct sockaddr_un *address, mode_t mode, gid_t group)
{
	if (fchmod(s->fd, 0600) < 0 ||
		bind(s->fd, (const struct sockaddr *)address, sizeof(*address)) < 0)
		return -errno;
	struct stat st;
	if (lstat(s->path, &st) < 0)
		return -errno;
	s->device = st.st_dev;
	s->inode = st.st_ino;
	if (listen(s->fd, CONTROL_CLIENTS_MAX) < 0 || chown(s->path, (uid_t)-1, group) < 0 ||
		chmod(s->path, mode) < 0)
		return -errno;
	return 0;
}

static int
open_file(struct control_socket *s, const char *path, mode_t mode, const char *group_name,
	struct error *err)
{
	struct sockaddr_un address;
	gid_t group;
	int rc = find_group(group_name, &group, err);
	if (rc == 0)
		rc = control_address(&address, path, err);
	if (rc == 0)
		rc = make_directories(path, err);
	if (rc == 0)
		rc = remove_stale(&address, err);
	if (rc < 0)
		return rc;
	memcpy(s->path, path, strlen(path) + 1);
	s->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	rc = s->fd < 0 ? -errno : bind_and_listen(s, &address, mode, group);
	if (rc < 0)
		return error_set(err, rc, "control socket %s: %s", path, strerror(-rc));
	return 0;
}

static bool
join_loop(struct control_socket *s)
{
	short what = EV_READ | EV_PERSIST;
	return event_assign(&s->readable, s->loop, s->fd, what, on_connection, s) == 0 &&
	       event_assign(&s->resume, s->loop, -1, 0, on_resume, s) == 0 &&
	       event_add(&s->readable, NULL) == 0;
}

int
control_socket_open(struct control_socket **socket, struct event_base *loop, const char *path,
	uint32_t mode, const char *group, control_handler *handler, void *context,
	struct error *err)
{
	struct control_socket *s = calloc(1, sizeof(*s));
	if (!s)
		return error_set(err, -ENOMEM, "control socket: out of memory");
	s->loop = loop;
	s->fd = -1;
	s->handler = handler;
	s->context = context;
	s->patience_ms = PATIENCE_MS;
	TAILQ_INIT(&s->clients);
	int rc = open_file(s, path, (mode_t)mode, group, err);
	if (rc == 0 && !join_loop(s))
		rc = error_set(err, -ENOMEM, "control socket: the event loop does not take it");
	if (rc < 0) {
		control_socket_close(s);
		return rc;
	}
	*socket = s;
	return 0;
}

void
control_socket_set_patience(struct control_socket *socket, uint32_t patience_ms)
{
	socket->patience_ms = patience_ms;
}

void
control_socket_close(struct control_socket *s)
{
	if (!s)
		return;
	while (!TAILQ_EMPTY(&s->clients))
		client_close(TAILQ_FIRST(&s->clients));
	if (event_initialized(&s->readable))
		event_del(&s->readable);
	if (event_initialized(&s->resume))
		event_del(&s->resume);
	struct stat st;
	if (s->inode != 0 && lstat(s->path, &st) == 0 && st.st_dev == s->device &&
		st.st_ino == s->inode)
		unlink(s->path);
	if (s->fd >= 0)
		close(s->fd);
	free(s);
}
