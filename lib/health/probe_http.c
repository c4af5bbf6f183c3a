/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * http and https: libcurl's multi interface on the loop. Good when the status is wanted and, if one
 * is, the body has been found; the rest of the answer is not read.
 *
 * libcurl gets a socket that is made here, so that it goes where every probe goes: to the backend's
 * address or onto the path. It resolves no name, follows no redirect, uses no proxy, and keeps no
 * connection or TLS session: each probe is what a new client would see.
 */
#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>

#include "bounds.h"
#include "probe.h"

/* Each probe that ends has its multi handle look through all connections and addresses of the others:
 * so many handles, a probe each in turn, keep that short when thousands are under way. */
#define LANES 64

struct lane {
	CURLM *multi;
	struct event_base *loop;
	struct event timer;
};

struct http_prober {
	struct lane lanes[LANES];
	unsigned next;
};

struct http_probe {
	struct probe probe;
	struct lane *lane; /* that it has been added to */
	CURL *easy;
	struct curl_slist *headers, *connect_to;
	char *body; /* as much of it as has come, while it is searched */
	size_t body_length;
	bool is_body_found;
	bool has_enough; /* the answer is cut off here, which is no error */
	char curl_error[CURL_ERROR_SIZE];
};

/* A socket of libcurl that the loop watches. */
struct watch {
	struct event event;
	struct lane *lane;
};

/* Between libcurl and the loop */

static void probes_collect(struct lane *lane);

static void
on_socket_ready(evutil_socket_t fd, short what, void *context)
{
	struct watch *watch = context;
	struct lane *lane = watch->lane;
	int running, events = (what & EV_READ ? CURL_CSELECT_IN : 0) |
			      (what & EV_WRITE ? CURL_CSELECT_OUT : 0);
	curl_multi_socket_action(lane->multi, fd, events, &running);
	probes_collect(lane);
}

static void
on_curl_timer(evutil_socket_t fd, short what, void *context)
{
	(void)fd, (void)what;
	struct lane *lane = context;
	int running;
	curl_multi_socket_action(lane->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	probes_collect(lane);
}

static int
on_curl_wants_timer(CURLM *multi, long timeout_ms, void *context)
{
	(void)multi;
	struct lane *lane = context;
	if (timeout_ms < 0)
		return event_del(&lane->timer);
	struct timeval timeout = {
		.tv_sec = timeout_ms / 1000,
		.tv_usec = timeout_ms % 1000 * 1000,
	};
	return event_add(&lane->timer, &timeout);
}

static int
on_curl_wants_socket(CURL *easy, curl_socket_t fd, int what, void *context, void *of_socket)
{
	(void)easy;
	struct lane *lane = context;
	struct watch *watch = of_socket;
	if (watch)
		event_del(&watch->event);
	if (what == CURL_POLL_REMOVE) {
		free(watch);
		return 0;
	}
	if (!watch) {
		watch = calloc(1, sizeof(*watch));
		if (!watch)
			return -1;
		watch->lane = lane;
		curl_multi_assign(lane->multi, fd, watch);
	}
	short events = (short)((what & CURL_POLL_IN ? EV_READ : 0) |
			       (what & CURL_POLL_OUT ? EV_WRITE : 0) | EV_PERSIST);
	if (event_assign(&watch->event, lane->loop, fd, events, on_socket_ready, watch) < 0)
		return -1;
	return event_add(&watch->event, NULL);
}

static bool
lane_open(struct lane *lane, struct event_base *loop)
{
	lane->loop = loop;
	lane->multi = curl_multi_init();
	if (!lane->multi || event_assign(&lane->timer, loop, -1, 0, on_curl_timer, lane) < 0)
		return false;
	curl_multi_setopt(lane->multi, CURLMOPT_SOCKETFUNCTION, on_curl_wants_socket);
	curl_multi_setopt(lane->multi, CURLMOPT_SOCKETDATA, lane);
	curl_multi_setopt(lane->multi, CURLMOPT_TIMERFUNCTION, on_curl_wants_timer);
	curl_multi_setopt(lane->multi, CURLMOPT_TIMERDATA, lane);
	return true;
}

void
http_prober_free(struct http_prober *http)
{
	if (!http)
		return;
	for (int i = 0; i < LANES; i++) {
		struct lane *lane = &http->lanes[i];
		if (!lane->multi)
			break;
		curl_multi_cleanup(lane->multi);
		event_del(&lane->timer);
	}
	curl_global_cleanup();
	free(http);
}

static struct http_prober *
http_prober_new(struct event_base *loop)
{
	struct http_prober *http = calloc(1, sizeof(*http));
	if (!http || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
		free(http);
		return NULL;
	}
	for (int i = 0; i < LANES; i++)
		if (!lane_open(&http->lanes[i], loop)) {
			http_prober_free(http);
			return NULL;
		}
	return http;
}

/* The answer */

static bool
is_status_wanted(const struct config_health *settings, long status)
{
	for (uint32_t i = 0; i < settings->status_count; i++)
		if (status >= settings->statuses[i].first && status <= settings->statuses[i].last)
			return true;
	return false;
}

static void
statuses_format(const struct config_health *settings, char *text, size_t bytes)
{
	size_t used = 0;
	text[0] = '\0';
	for (uint32_t i = 0; i < settings->status_count && used < bytes; i++) {
		const struct config_status_range *range = &settings->statuses[i];
		const char *comma = i > 0 ? ", " : "";
		int n = range->first == range->last
				? snprintf(text + used, bytes - used, "%s%u", comma, range->first)
				: snprintf(text + used, bytes - used, "%s%u-%u", comma,
					  range->first, range->last);
		used += (size_t)n;
	}
}

/* Looks for the body that is wanted in what has just come and the end of what came before. */
static bool
body_search(struct http_probe *http, const char *data, size_t length)
{
	const char *wanted = http->probe.settings->body;
	size_t wanted_length = strlen(wanted), before = http->body_length;
	if (length > HEALTH_BODY_BYTES_MAX - before)
		length = HEALTH_BODY_BYTES_MAX - before;
	char *body = realloc(http->body, before + length + 1);
	if (!body)
		return false;
	http->body = body;
	memcpy(body + before, data, length);
	http->body_length += length;
	size_t from = before >= wanted_length ? before - wanted_length + 1 : 0;
	http->is_body_found =
		memmem(body + from, http->body_length - from, wanted, wanted_length) != NULL;
	return true;
}

/* libcurl takes any other number than that of the bytes for "stop here". */
static size_t
on_body(char *data, size_t one, size_t length, void *context)
{
	(void)one;
	struct http_probe *http = context;
	const struct config_health *settings = http->probe.settings;
	long status = 0;
	curl_easy_getinfo(http->easy, CURLINFO_RESPONSE_CODE, &status);
	if (!settings->body || !is_status_wanted(settings, status)) {
		http->has_enough = true;
		return CURL_WRITEFUNC_ERROR;
	}
	if (!body_search(http, data, length))
		return CURL_WRITEFUNC_ERROR;
	http->has_enough = http->is_body_found || http->body_length == HEALTH_BODY_BYTES_MAX;
	return http->has_enough ? CURL_WRITEFUNC_ERROR : length;
}

static void
answer_judge(struct http_probe *http)
{
	struct probe *probe = &http->probe;
	const struct config_health *settings = probe->settings;
	long status = 0;
	curl_easy_getinfo(http->easy, CURLINFO_RESPONSE_CODE, &status);
	char wanted[80];
	statuses_format(settings, wanted, sizeof(wanted));
	if (!is_status_wanted(settings, status))
		probe_bad(probe, "HTTP status %ld, wanted %s", status, wanted);
	else if (settings->body && !http->is_body_found)
		probe_bad(probe,
			"HTTP status %ld, but \"%s\" is not in the %s%zu bytes of its body", status,
			settings->body, http->has_enough ? "first " : "", http->body_length);
	else
		probe_good(probe);
}

/* libcurl has one code for both: who signed the certificate, and whom it is for. */
static void
certificate_judge(struct http_probe *http)
{
	static const char untrusted[] = "SSL certificate problem: ";
	struct probe *probe = &http->probe;
	char where[PROBE_WHERE_MAX];
	probe_where(probe, where);
	if (strncmp(http->curl_error, untrusted, strlen(untrusted)) == 0)
		probe_bad(probe, "the certificate of %s is not trusted: %s", where,
			http->curl_error + strlen(untrusted));
	else
		probe_bad(probe, "the certificate of %s is not valid for %s", where,
			probe->settings->host ? probe->settings->host : "that address");
}

/* What people understand of "OpenSSL/3.0.19: error:0A000458:SSL routines::unrecognized name". */
static const char *
tls_words(const char *text)
{
	const char *colons = strstr(text, "::");
	return colons ? colons + 2 : text;
}

static void
failure_judge(struct http_probe *http, CURLcode code)
{
	struct probe *probe = &http->probe;
	char where[PROBE_WHERE_MAX];
	probe_where(probe, where);
	const char *why = http->curl_error[0] ? http->curl_error : curl_easy_strerror(code);
	long os_errno = 0;
	curl_easy_getinfo(http->easy, CURLINFO_OS_ERRNO, &os_errno);
	struct error err;
	switch (code) {
	case CURLE_COULDNT_CONNECT:
	case CURLE_RECV_ERROR:
	case CURLE_SEND_ERROR:
		if (os_errno == 0)
			break;
		probe_failed(probe, probe_socket_error(probe, (int)os_errno, &err), &err);
		return;
	case CURLE_PEER_FAILED_VERIFICATION:
		certificate_judge(http);
		return;
	case CURLE_SSL_CONNECT_ERROR:
		probe_bad(probe, "no TLS with %s: %s", where, tls_words(why));
		return;
	case CURLE_GOT_NOTHING:
		probe_bad(probe, "connection closed without an answer by %s", where);
		return;
	case CURLE_UNSUPPORTED_PROTOCOL: /* HTTP/0.9, which is anything at all */
	case CURLE_WEIRD_SERVER_REPLY:
		probe_bad(probe, "the answer of %s is not HTTP", where);
		return;
	case CURLE_OUT_OF_MEMORY:
		probe->done(probe, PROBE_VOID, "out of memory for an HTTP probe");
		return;
	case CURLE_SSL_CACERT_BADFILE:
		probe->done(probe, PROBE_VOID, "the certificates to trust cannot be read");
		return;
	default:
		break;
	}
	probe_bad(probe, "%s: %s", where, why);
}

static void
probes_collect(struct lane *lane)
{
	CURLMsg *message;
	int left;
	while ((message = curl_multi_info_read(lane->multi, &left))) {
		if (message->msg != CURLMSG_DONE)
			continue;
		CURLcode code = message->data.result;
		struct http_probe *probe = NULL;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &probe);
		if (code == CURLE_OK || probe->has_enough)
			answer_judge(probe);
		else
			failure_judge(probe, code);
	}
}

/* The question */

/* Hands over the socket that is there, once. Where it goes stands in the URL or in CONNECT_TO. */
static curl_socket_t
on_curl_opens(void *context, curlsocktype purpose, struct curl_sockaddr *address)
{
	(void)purpose, (void)address;
	struct probe *probe = context;
	int fd = probe->fd;
	probe->fd = -1;
	return fd;
}

/* "10.0.0.11:80", "[2001:db8::11]:80" */
static void
authority_format(const struct sockaddr_storage *to, char *text, size_t bytes)
{
	char address[INET6_ADDRSTRLEN];
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)to;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)to;
	if (to->ss_family == AF_INET)
		snprintf(text, bytes, "%s:%u",
			inet_ntop(AF_INET, &v4->sin_addr, address, sizeof(address)),
			ntohs(v4->sin_port));
	else
		snprintf(text, bytes, "[%s]:%u",
			inet_ntop(AF_INET6, &v6->sin6_addr, address, sizeof(address)),
			ntohs(v6->sin6_port));
}

static void
question_set_tls(struct http_probe *http)
{
	const struct probe *probe = &http->probe;
	long verify = probe->settings->verify;
	curl_easy_setopt(http->easy, CURLOPT_SSL_VERIFYPEER, verify);
	curl_easy_setopt(http->easy, CURLOPT_SSL_VERIFYHOST, verify ? 2L : 0L);
	curl_easy_setopt(http->easy, CURLOPT_SSL_SESSIONID_CACHE, 0L);
	/* With a folder besides the file, libcurl would read all of them anew for every probe. */
	curl_easy_setopt(http->easy, CURLOPT_CAPATH, NULL);
	if (probe->prober->ca_file)
		curl_easy_setopt(http->easy, CURLOPT_CAINFO, probe->prober->ca_file);
}

static bool
question_set(struct http_probe *http)
{
	struct probe *probe = &http->probe;
	const struct config_health *settings = probe->settings;
	char authority[INET6_ADDRSTRLEN + 16], url[512], text[512];
	authority_format(&probe->destination, authority, sizeof(authority));
	const char *scheme = settings->type == HEALTH_HTTPS ? "https" : "http";
	if (settings->host) {
		snprintf(url, sizeof(url), "%s://%s:%u/", scheme, settings->host, settings->port);
		snprintf(text, sizeof(text), "Host: %s", settings->host);
		http->headers = curl_slist_append(NULL, text);
		snprintf(text, sizeof(text), "::%s", authority);
		http->connect_to = curl_slist_append(NULL, text);
		if (!http->headers || !http->connect_to)
			return false;
	} else {
		snprintf(url, sizeof(url), "%s://%s/", scheme, authority);
	}
	CURL *easy = http->easy;
	if (curl_easy_setopt(easy, CURLOPT_URL, url) != CURLE_OK ||
		curl_easy_setopt(easy, CURLOPT_REQUEST_TARGET, settings->path) != CURLE_OK ||
		curl_easy_setopt(easy, CURLOPT_USERAGENT, "fairlead/" FAIRLEAD_VERSION) !=
			CURLE_OK ||
		curl_easy_setopt(easy, CURLOPT_PROXY, "") != CURLE_OK)
		return false;
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, http->headers);
	curl_easy_setopt(easy, CURLOPT_CONNECT_TO, http->connect_to);
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
	curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
	/* Else addresses of all probes of a minute would be looked through. */
	curl_easy_setopt(easy, CURLOPT_DNS_CACHE_TIMEOUT, 0L);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_curl_opens);
	curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, probe);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, http);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, http->curl_error);
	curl_easy_setopt(easy, CURLOPT_PRIVATE, http);
	if (settings->type == HEALTH_HTTPS)
		question_set_tls(http);
	return true;
}

static int
http_start(struct probe *probe, struct error *err)
{
	struct http_probe *http = (struct http_probe *)probe;
	struct prober *prober = probe->prober;
	if (!prober->http)
		prober->http = http_prober_new(prober->loop);
	int rc = probe_socket(probe, SOCK_STREAM, IPPROTO_TCP, err);
	if (rc < 0)
		return rc;
	http->easy = prober->http ? curl_easy_init() : NULL;
	if (!http->easy || !question_set(http))
		return error_set(err, -ENOMEM, "out of memory for an HTTP probe");
	struct lane *lane = &prober->http->lanes[prober->http->next++ % LANES];
	if (curl_multi_add_handle(lane->multi, http->easy) != CURLM_OK)
		return error_set(err, -ENOMEM, "out of memory for an HTTP probe");
	http->lane = lane;
	return 0;
}

static void
http_expire(struct probe *probe, struct error *why)
{
	const struct http_probe *http = (const struct http_probe *)probe;
	char where[PROBE_WHERE_MAX];
	curl_off_t connected_us = 0, tls_us = 0;
	long status = 0;
	curl_easy_getinfo(http->easy, CURLINFO_CONNECT_TIME_T, &connected_us);
	curl_easy_getinfo(http->easy, CURLINFO_APPCONNECT_TIME_T, &tls_us);
	curl_easy_getinfo(http->easy, CURLINFO_RESPONSE_CODE, &status);
	const char *missing = "no HTTP answer from";
	if (connected_us == 0)
		missing = "no connection to";
	else if (probe->settings->type == HEALTH_HTTPS && tls_us == 0)
		missing = "no TLS with";
	else if (status != 0)
		missing = "only a part of the HTTP answer of";
	error_set(why, -ETIMEDOUT, "%s %s within %u ms", missing, probe_where(probe, where),
		probe->settings->timeout_ms);
}

static void
http_end(struct probe *probe)
{
	struct http_probe *http = (struct http_probe *)probe;
	if (http->lane)
		curl_multi_remove_handle(http->lane->multi, http->easy);
	curl_easy_cleanup(http->easy);
	curl_slist_free_all(http->headers);
	curl_slist_free_all(http->connect_to);
	free(http->body);
}

const struct probe_type probe_http = {
	.bytes = sizeof(struct http_probe),
	.resource = PROBE_USES_SOCKET,
	.start = http_start,
	.expire = http_expire,
	.end = http_end,
};
