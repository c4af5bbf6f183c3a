/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The control socket: a Unix stream socket, JSON lines. One request is one line
 *	{"command": "backends", "arguments": {…}}
 * and is answered by one line
 *	{"ok": true, "result": …}   or   {"ok": false, "error": "…", "details": […]}
 * Requests of one client are answered in their order. Slow, silent and hostile clients harm nobody:
 * a line is bounded (CONTROL_REQUEST_BYTES_MAX), so is their number (CONTROL_CLIENTS_MAX, the
 * longest idle one gives way), a client that does not read its answers is cut off, and descriptors
 * that are passed along are closed by the kernel, since none are asked for.
 *
 * A client is either being read or being answered, never both:
 *
 *	           a whole line has come
 *	  +-> reading ------------------> answering --+
 *	  |                                           |
 *	  +-------- the answer has been sent ---------+
 *
 * So at most one answer a client is held in memory, and a turn of the loop answers one request a
 * client, whatever it has sent ahead. From one whole request to the next a client has 30 s (its
 * patience) to read the answer and send; single bytes, in either direction, gain it nothing.
 * A client that shuts down its sending side still gets the answers to what it has sent.
 *
 * Runs in control's event loop and thread; control_call in any.
 */
#ifndef FAIRLEAD_CONTROL_SOCKET_H
#define FAIRLEAD_CONTROL_SOCKET_H

#include <jansson.h>
#include <stdint.h>

#include "error.h"

struct event_base;
struct control_socket;

/*
 * Answers a request. `arguments` is an object, empty if there were none, and lives for the call.
 * 0 and *result (a new reference; NULL becomes null); or a negative errno and the sentence in
 * `err`, in which case *result may hold an array of strings that becomes "details" (or stay NULL).
 * Must neither run the loop nor close the socket.
 */
typedef int control_handler(
	void *context, const char *command, json_t *arguments, json_t **result, struct error *err);

/*
 * Binds `path`, mode 0600 at first, then given to `group` (NULL: the daemon's own), then `mode`. A
 * socket file that nobody listens on is replaced; one with a live listener is -EADDRINUSE, a file of
 * another kind -EEXIST, a group that this machine does not know -ENOENT. Missing directories are
 * made (0755).
 */
int control_socket_open(struct control_socket **socket, struct event_base *loop, const char *path,
	uint32_t mode, const char *group, control_handler *handler, void *context,
	struct error *err);
/* For tests, which have no time: a patience other than 30 s, for clients that connect from now on.
 */
void control_socket_set_patience(struct control_socket *socket, uint32_t patience_ms);

/* Closes every client and removes the file, unless somebody else has put theirs there. NULL is
 * allowed. */
void control_socket_close(struct control_socket *socket);

/*
 * The other end, for fairctl: connects, sends one request, waits for the answer; `timeout_ms` is
 * for all of it. 0 and *reply (the whole answer object, "ok" is a boolean in it); -ECONNREFUSED and
 * the like when the daemon is unreachable, -ETIMEDOUT, -EPROTO when what came back is no answer.
 */
int control_call(
	const char *path, json_t *request, uint32_t timeout_ms, json_t **reply, struct error *err);

#endif
