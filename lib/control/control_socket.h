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
 * Runs in control's event loop and thread.
 */
#ifndef FAIRLEAD_CONTROL_SOCKET_H
#define FAIRLEAD_CONTROL_SOCKET_H

#include <jansson.h>
#include <stdint.h>

#include "error.h"

struct event_base;
struct control_socket;

/*
 * Answers a request. 0 and *result (a new reference); or a negative errno and the sentence in `err`,
 * in which case *result may hold an array of strings that becomes "details" (or stay NULL).
 */
typedef int control_handler(
	void *context, const char *command, json_t *arguments, json_t **result, struct error *err);

/*
 * Binds `path`, mode 0600 at first and then `mode`. A socket file that nobody listens on is replaced;
 * one with a live listener is -EADDRINUSE. Missing directories are made (0755).
 */
int control_socket_open(struct control_socket **socket, struct event_base *loop, const char *path,
	uint32_t mode, control_handler *handler, void *context, struct error *err);
/* Closes every client and removes the file. NULL is allowed. */
void control_socket_close(struct control_socket *socket);

/*
 * The other end, for fairctl: connects, sends one request, waits for the answer at most `timeout_ms`.
 * 0 and *reply (the whole answer object); -ECONNREFUSED and the like when the daemon is unreachable.
 */
int control_call(const char *path, json_t *request, uint32_t timeout_ms, json_t **reply,
	struct error *err);

#endif
