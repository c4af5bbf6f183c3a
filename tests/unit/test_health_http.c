/* SPDX-License-Identifier: BSD-3-Clause */
/* http and https against servers that say what each test wants. */
#include "health_lab.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define OK "HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\nall is well.\r\n"

struct http_lab {
	struct lab lab;
	struct lab_server server;
};

static struct http_lab *
http_lab(struct http_lab *h, const char *says)
{
	lab_open(&h->lab, HEALTH_HTTP, 0);
	h->server = (struct lab_server){.says = says, .closes = true};
	server_open(&h->server, &h->lab, AF_INET, 0);
	h->lab.pool.health.port = h->server.port;
	return h;
}

static void
http_lab_close(struct http_lab *h)
{
	server_close(&h->server);
	lab_close(&h->lab);
}

/* One probe of a server that says `says`, with the settings that `set` makes. */
static void
assert_verdict(const char *says, void (*set)(struct config_health *), enum health_verdict verdict,
	const char *reason)
{
	struct http_lab h;
	http_lab(&h, says);
	if (set)
		set(&h.lab.pool.health);
	assert_first(&h.lab, verdict, reason);
	http_lab_close(&h);
}

static void
statuses_are_judged(void **state)
{
	(void)state;
	assert_verdict(OK, NULL, HEALTH_UP, "the first probe is good");
	assert_verdict("HTTP/1.0 299 Odd\r\n\r\n", NULL, HEALTH_UP, "the first probe is good");
	assert_verdict("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", NULL, HEALTH_DOWN,
		"HTTP status 503, wanted 200-299");
	assert_verdict("HTTP/1.1 503 Busy\r\nContent-Length: 9\r\n\r\nbusy", NULL, HEALTH_DOWN,
		"HTTP status 503, wanted 200-299");
	/* What comes before the answer is not the answer. */
	assert_verdict(
		"HTTP/1.1 103 Early Hints\r\n\r\n" OK, NULL, HEALTH_UP, "the first probe is good");
}

static void
want_two_ranges(struct config_health *health)
{
	health->statuses[0] = (struct config_status_range){204, 204};
	health->statuses[1] = (struct config_status_range){300, 399};
	health->status_count = 2;
}

static void
redirects_are_not_followed(void **state)
{
	(void)state;
	const char *redirect = "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n"
			       "Content-Length: 0\r\n\r\n";
	assert_verdict(redirect, want_two_ranges, HEALTH_UP, "the first probe is good");
	assert_verdict(redirect, NULL, HEALTH_DOWN, "HTTP status 302, wanted 200-299");
	assert_verdict(OK, want_two_ranges, HEALTH_DOWN, "HTTP status 200, wanted 204, 300-399");
}

static void
want_body(struct config_health *health)
{
	health->body = "is well";
}

static void
bodies_are_searched(void **state)
{
	(void)state;
	assert_verdict(OK, want_body, HEALTH_UP, "the first probe is good");
	assert_verdict("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
		       "4\r\nis w\r\n3\r\nell\r\n0\r\n\r\n",
		want_body, HEALTH_UP, "the first probe is good");
	assert_verdict("HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nis sick", want_body,
		HEALTH_DOWN, "HTTP status 200, but \"is well\" is not in the 7 bytes of its body");
	assert_verdict("HTTP/1.1 204 No\r\n\r\n", want_body, HEALTH_DOWN,
		"HTTP status 204, but \"is well\" is not in the 0 bytes of its body");
	assert_verdict("HTTP/1.1 500 No\r\nContent-Length: 7\r\n\r\nis well", want_body,
		HEALTH_DOWN, "HTTP status 500, wanted 200-299");
}

/* A body without end is read up to the bound. */
static void
bodies_are_bounded(void **state)
{
	(void)state;
	static char says[100000];
	size_t head = (size_t)snprintf(says, sizeof(says), "HTTP/1.1 200 OK\r\n\r\n");
	memset(says + head, 'x', sizeof(says) - head - 1);
	memcpy(says + head + HEALTH_BODY_BYTES_MAX - 3, "is well", 7);
	assert_verdict(says, want_body, HEALTH_DOWN,
		"HTTP status 200, but \"is well\" is not in the first 65536 bytes of its body");
	memcpy(says + head + HEALTH_BODY_BYTES_MAX - 7, "is well", 7);
	assert_verdict(says, want_body, HEALTH_UP, "the first probe is good");
	assert_verdict(says, NULL, HEALTH_UP, "the first probe is good");
}

static void
what_is_no_http_is_bad(void **state)
{
	(void)state;
	assert_verdict("SSH-2.0-OpenSSH_9.2\r\n", NULL, HEALTH_DOWN,
		"the answer of 127.0.0.1 port PORT is not HTTP");
	assert_verdict(NULL, NULL, HEALTH_DOWN,
		"connection closed without an answer by 127.0.0.1 port PORT");
}

static void
refused_connections_are_bad(void **state)
{
	(void)state;
	struct lab lab;
	uint16_t port;
	int fd = closed_port(SOCK_STREAM, &port);
	lab_open(&lab, HEALTH_HTTP, port);
	assert_first(&lab, HEALTH_DOWN, "connection refused by 127.0.0.1 port PORT");
	lab_close(&lab);
	close(fd);
}

static void
silence_is_bad_at_the_timeout(void **state)
{
	(void)state;
	struct http_lab h;
	http_lab(&h, NULL);
	h.server.closes = false;
	h.lab.pool.health.timeout_ms = 100;
	assert_first(&h.lab, HEALTH_DOWN, "no HTTP answer from 127.0.0.1 port PORT within 100 ms");
	struct health_report report = lab_report(&h.lab);
	assert_in_range(report.duration_us, 100000, 1000000);
	http_lab_close(&h);
}

static void
half_an_answer_is_bad_at_the_timeout(void **state)
{
	(void)state;
	struct http_lab h;
	http_lab(&h, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nis");
	h.server.closes = false;
	want_body(&h.lab.pool.health);
	h.lab.pool.health.timeout_ms = 100;
	assert_first(&h.lab, HEALTH_DOWN,
		"only a part of the HTTP answer of 127.0.0.1 port PORT within 100 ms");
	http_lab_close(&h);
}

/* The request is for the name that was set, and goes to the backend all the same. */
static void
requests_are_as_set(void **state)
{
	(void)state;
	struct http_lab h;
	http_lab(&h, OK);
	/* Whatever the environment says. */
	setenv("http_proxy", "http://127.0.0.1:1", 1);
	setenv("ALL_PROXY", "http://127.0.0.1:1", 1);
	h.lab.pool.health.host = "www.example.com";
	h.lab.pool.health.path = "/a/../healthz?full=1";
	lab_first(&h.lab, HEALTH_UP);
	unsetenv("http_proxy");
	unsetenv("ALL_PROXY");
	assert_string_equal(h.server.request, "GET /a/../healthz?full=1 HTTP/1.1\r\n"
					      "Host: www.example.com\r\n"
					      "User-Agent: fairlead/" FAIRLEAD_VERSION "\r\n"
					      "Accept: */*\r\n\r\n");
	http_lab_close(&h);
}

static void
ipv6_backends_are_asked(void **state)
{
	(void)state;
	struct lab lab;
	struct lab_server server = {.says = OK, .closes = true};
	lab_open(&lab, HEALTH_HTTP, 0);
	server_open(&server, &lab, AF_INET6, 0);
	lab.pool.health.port = server.port;
	lab_backends(&lab, 1, "::1");
	lab_first(&lab, HEALTH_UP);
	char host[64];
	snprintf(host, sizeof(host), "\r\nHost: [::1]:%u\r\n", server.port);
	assert_non_null(strstr(server.request, host));
	server_close(&server);
	lab_close(&lab);
}

/* Ended at once, in any stage, with nothing left open. */
static void
probes_under_way_can_be_ended(void **state)
{
	(void)state;
	struct http_lab h;
	unsigned before = open_descriptors();
	http_lab(&h, NULL);
	h.server.closes = false;
	lab_backends(&h.lab, 20, "127.0.0.1");
	lab_configure(&h.lab);
	lab_until(&h.lab, h.server.accepted == 20);
	lab_backends(&h.lab, 10, "127.0.0.1");
	lab_configure(&h.lab);
	assert_int_equal(health_counters(h.lab.health).running, 10);
	lab_run(&h.lab, 50); /* the server sees that ten are gone */
	health_destroy(h.lab.health);
	h.lab.health = NULL;
	lab_run(&h.lab, 50);
	http_lab_close(&h);
	assert_int_equal(open_descriptors(), before);
}

/* https: an s_server with a certificate of its own for www.example.com and 127.0.0.1 */

struct tls_lab {
	char directory[32], certificate[64], key[64];
	uint16_t port;
	pid_t pid;
};

static pid_t
spawn(char *const argv[])
{
	posix_spawn_file_actions_t actions;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
	posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
	extern char **environ;
	pid_t pid = -1;
	int rc = posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	return rc == 0 ? pid : -1;
}

static void
await_listener(uint16_t port)
{
	struct sockaddr_storage to;
	socklen_t length = loopback(&to, AF_INET, port);
	for (int i = 0; i < 500; i++) {
		int fd = socket(AF_INET, SOCK_STREAM, 0);
		int rc = connect(fd, (struct sockaddr *)&to, length);
		close(fd);
		if (rc == 0)
			return;
		usleep(20000);
	}
	fail_msg("openssl s_server does not listen");
}

static int
tls_setup(void **state)
{
	static struct tls_lab t;
	snprintf(t.directory, sizeof(t.directory), "/tmp/health-tls-XXXXXX");
	assert_non_null(mkdtemp(t.directory));
	snprintf(t.certificate, sizeof(t.certificate), "%s/cert.pem", t.directory);
	snprintf(t.key, sizeof(t.key), "%s/key.pem", t.directory);
	char *const request[] = {"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
		"ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=lab",
		"-addext", "subjectAltName=DNS:www.example.com,IP:127.0.0.1", "-keyout", t.key,
		"-out", t.certificate, NULL};
	int status = -1;
	pid_t pid = spawn(request);
	if (pid < 0) {
		print_message("skipped: no openssl command to make a certificate with\n");
		return 0;
	}
	waitpid(pid, &status, 0);
	assert_int_equal(status, 0);
	close(closed_port(SOCK_STREAM, &t.port));
	char address[32];
	snprintf(address, sizeof(address), "127.0.0.1:%u", t.port);
	char *const server[] = {"openssl", "s_server", "-accept", address, "-cert", t.certificate,
		"-key", t.key, "-www", "-servername", "www.example.com", "-servername_fatal",
		"-cert2", t.certificate, "-key2", t.key, NULL};
	t.pid = spawn(server);
	assert_true(t.pid > 0);
	await_listener(t.port);
	*state = &t;
	return 0;
}

static int
tls_teardown(void **state)
{
	struct tls_lab *t = *state;
	if (!t)
		return 0;
	kill(t->pid, SIGKILL);
	waitpid(t->pid, NULL, 0);
	unlink(t->certificate);
	unlink(t->key);
	rmdir(t->directory);
	return 0;
}

/* One https probe of the s_server. Its SNI must be www.example.com or absent. */
static void
assert_tls(const struct tls_lab *t, const char *host, bool verify, const char *ca_file,
	enum health_verdict verdict, const char *reason)
{
	if (!t)
		skip();
	struct lab lab;
	lab_open(&lab, HEALTH_HTTPS, t->port);
	lab.options.ca_file = ca_file;
	lab.pool.health.host = host;
	lab.pool.health.verify = verify;
	assert_first(&lab, verdict, reason);
	lab_close(&lab);
}

static void
certificates_are_verified(void **state)
{
	const struct tls_lab *t = *state;
	const char *good = "the first probe is good";
	assert_tls(t, "www.example.com", true, t ? t->certificate : NULL, HEALTH_UP, good);
	assert_tls(t, NULL, true, t ? t->certificate : NULL, HEALTH_UP, good);
	assert_tls(t, "www.example.com", true, NULL, HEALTH_DOWN,
		"the certificate of 127.0.0.1 port PORT is not trusted: self-signed certificate");
}

/* What the edge lacks is no fault of the backend. */
static void
unreadable_authorities_decide_nothing(void **state)
{
	const struct tls_lab *t = *state;
	if (!t)
		skip();
	struct lab lab;
	lab_open(&lab, HEALTH_HTTPS, t->port);
	lab.options.ca_file = "/nonexistent/ca.pem";
	lab.pool.health.verify = true;
	lab_configure(&lab);
	lab_until(&lab, lab_report(&lab).last_failure[0] != '\0');
	struct health_report report = lab_report(&lab);
	assert_string_equal(report.last_failure, "the certificates to trust cannot be read");
	assert_int_equal(report.verdict, HEALTH_UNKNOWN);
	assert_int_equal(report.probes, 0);
	lab_close(&lab);
}

static void
names_in_certificates_are_verified(void **state)
{
	struct tls_lab *t = *state;
	if (!t)
		skip();
	/* One that refuses no name by itself. */
	kill(t->pid, SIGKILL);
	waitpid(t->pid, NULL, 0);
	char address[32];
	snprintf(address, sizeof(address), "127.0.0.1:%u", t->port);
	char *const server[] = {"openssl", "s_server", "-accept", address, "-cert", t->certificate,
		"-key", t->key, "-www", NULL};
	t->pid = spawn(server);
	assert_true(t->pid > 0);
	await_listener(t->port);
	assert_tls(t, "mail.example.com", true, t->certificate, HEALTH_DOWN,
		"the certificate of 127.0.0.1 port PORT is not valid for mail.example.com");
	assert_tls(t, "mail.example.com", false, NULL, HEALTH_UP, "the first probe is good");
}

static void
sni_is_the_host(void **state)
{
	assert_tls(*state, "www.example.com", false, NULL, HEALTH_UP, "the first probe is good");
	assert_tls(*state, "other.example.com", false, NULL, HEALTH_DOWN,
		"no TLS with 127.0.0.1 port PORT: tlsv1 unrecognized name");
}

static void
plain_http_is_no_tls(void **state)
{
	(void)state;
	struct http_lab h;
	http_lab(&h, OK);
	h.server.says = NULL;
	h.lab.pool.health.type = HEALTH_HTTPS;
	const char *reason = lab_first(&h.lab, HEALTH_DOWN);
	assert_memory_equal(reason, "no TLS with 127.0.0.1 port ", 27);
	http_lab_close(&h);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(statuses_are_judged),
		cmocka_unit_test(redirects_are_not_followed),
		cmocka_unit_test(bodies_are_searched),
		cmocka_unit_test(bodies_are_bounded),
		cmocka_unit_test(what_is_no_http_is_bad),
		cmocka_unit_test(refused_connections_are_bad),
		cmocka_unit_test(silence_is_bad_at_the_timeout),
		cmocka_unit_test(half_an_answer_is_bad_at_the_timeout),
		cmocka_unit_test(requests_are_as_set),
		cmocka_unit_test(ipv6_backends_are_asked),
		cmocka_unit_test(probes_under_way_can_be_ended),
		cmocka_unit_test(certificates_are_verified),
		cmocka_unit_test(unreadable_authorities_decide_nothing),
		cmocka_unit_test(sni_is_the_host),
		cmocka_unit_test(names_in_certificates_are_verified),
		cmocka_unit_test(plain_http_is_no_tls),
	};
	return cmocka_run_group_tests(tests, tls_setup, tls_teardown);
}
