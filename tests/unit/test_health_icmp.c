/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * icmp to loopback, where Linux answers, in a network namespace of its own: by root, or by whoever may
 * make user namespaces. Elsewhere on the machine's loopback, as far as permissions go.
 */
#include "health_lab.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <net/if.h>
#include <netinet/ip_icmp.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static bool is_namespace_ours;

static int
enter_namespace(void **state)
{
	(void)state;
	if (unshare((geteuid() == 0 ? 0 : CLONE_NEWUSER) | CLONE_NEWNET) < 0) {
		print_message("no network namespace: %s\n", strerror(errno));
		return 0;
	}
	is_namespace_ours = true;
	struct ifreq up = {.ifr_name = "lo", .ifr_flags = IFF_UP};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	assert_int_equal(ioctl(fd, SIOCSIFFLAGS, &up), 0);
	close(fd);
	return 0;
}

/* Skips the test, with the reason, where nobody may ping. */
static void
need_permission(void)
{
	int fd = socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
	if (fd < 0)
		fd = socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP);
	if (fd < 0) {
		print_message("skipped: no permission for ICMP sockets: %s\n", strerror(errno));
		skip();
	}
	close(fd);
}

/* A raw socket, or the test is skipped: ping sockets do without. */
static int
need_raw(void)
{
	int fd = socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
	if (fd < 0) {
		print_message("skipped: no permission for raw sockets: %s\n", strerror(errno));
		skip();
	}
	return fd;
}

static void
loopback_answers(void **state)
{
	(void)state;
	need_permission();
	struct lab lab;
	lab_open(&lab, HEALTH_ICMP, 0);
	assert_first(&lab, HEALTH_UP, "the first probe is good");
	lab_until(&lab, lab_report(&lab).probes == 20);
	assert_int_equal(lab_report(&lab).failures, 0);
	assert_in_range(lab_report(&lab).duration_us, 0, 1000000);
	lab_close(&lab);
	lab_open(&lab, HEALTH_ICMP, 0);
	lab_backends(&lab, 1, "::1");
	assert_first(&lab, HEALTH_UP, "the first probe is good");
	lab_until(&lab, lab_report(&lab).probes == 20);
	assert_int_equal(lab_report(&lab).failures, 0);
	lab_close(&lab);
}

/* All share one socket, and each gets its own reply. */
static void
many_share_a_socket(void **state)
{
	(void)state;
	need_permission();
	unsigned before = open_descriptors();
	struct lab lab;
	lab_open(&lab, HEALTH_ICMP, 0);
	unsigned opened = open_descriptors();
	lab_backends(&lab, BACKENDS_LAB, "127.0.0.1");
	for (uint32_t i = 0; i < BACKENDS_LAB; i++)
		lab.backends[i].address.bytes[15] = (uint8_t)(i + 1);
	lab_configure(&lab);
	lab_until(&lab, health_counters(lab.health).up == BACKENDS_LAB);
	lab_until(&lab, health_counters(lab.health).probes > 10 * BACKENDS_LAB);
	assert_int_equal(health_counters(lab.health).failures, 0);
	assert_in_range(open_descriptors(), opened, opened + 4);
	lab_close(&lab);
	assert_int_equal(open_descriptors(), before);
}

static void
no_way_is_bad(void **state)
{
	(void)state;
	if (!is_namespace_ours)
		skip();
	struct lab lab;
	lab_open(&lab, HEALTH_ICMP, 0);
	lab_backends(&lab, 1, "192.0.2.1");
	assert_first(&lab, HEALTH_DOWN, "no way to 192.0.2.1: Network is unreachable");
	lab_close(&lab);
	lab_open(&lab, HEALTH_ICMP, 0);
	lab_backends(&lab, 1, "2001:db8::1");
	assert_first(&lab, HEALTH_DOWN, "no way to 2001:db8::1: Network is unreachable");
	lab_close(&lab);
}

static void
tell_linux(const char *file, const char *value)
{
	int fd = open(file, O_WRONLY);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, value, strlen(value)), (ssize_t)strlen(value));
	close(fd);
}

static void
silence_is_bad_at_the_timeout(void **state)
{
	(void)state;
	if (!is_namespace_ours)
		skip();
	tell_linux("/proc/sys/net/ipv4/icmp_echo_ignore_all", "1");
	tell_linux("/proc/sys/net/ipv6/icmp/echo_ignore_all", "1");
	struct lab lab;
	lab_open(&lab, HEALTH_ICMP, 0);
	lab.pool.health.timeout_ms = 100;
	assert_first(&lab, HEALTH_DOWN, "no echo reply from 127.0.0.1 within 100 ms");
	lab_close(&lab);
	lab_open(&lab, HEALTH_ICMP, 0);
	lab.pool.health.timeout_ms = 100;
	lab_backends(&lab, 1, "::1");
	assert_first(&lab, HEALTH_DOWN, "no echo reply from ::1 within 100 ms");
	tell_linux("/proc/sys/net/ipv4/icmp_echo_ignore_all", "0");
	tell_linux("/proc/sys/net/ipv6/icmp/echo_ignore_all", "0");
	lab_until(&lab, lab.changes == 2);
	assert_int_equal(lab.now, HEALTH_UP);
	lab_close(&lab);
}

/* Where raw sockets are not permitted: the kernel chooses the identifier. */
static void
ping_sockets_will_do(void **state)
{
	(void)state;
	if (!is_namespace_ours)
		skip();
	tell_linux("/proc/sys/net/ipv4/ping_group_range", "0 0");
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		/* No capability is left: nor may any be had again. */
		struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
		struct __user_cap_data_struct none[2] = {0};
		if (syscall(SYS_capset, &header, none) < 0 ||
			socket(AF_INET, SOCK_RAW, IPPROTO_ICMP) >= 0)
			_exit(2);
		struct lab lab;
		lab_open(&lab, HEALTH_ICMP, 0);
		lab_configure(&lab);
		lab_until(&lab, lab_report(&lab).probes >= 5);
		bool is_good = lab_report(&lab).failures == 0;
		lab_close(&lab);
		_exit(is_good ? 0 : 3);
	}
	int status = -1;
	waitpid(child, &status, 0);
	assert_int_equal(status, 0);
}

/* What the edge may not do is no fault of its backends. */
static void
no_permission_decides_nothing(void **state)
{
	(void)state;
	if (!is_namespace_ours)
		skip();
	tell_linux("/proc/sys/net/ipv4/ping_group_range", "1 0");
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
		struct __user_cap_data_struct none[2] = {0};
		if (syscall(SYS_capset, &header, none) < 0)
			_exit(2);
		struct lab lab;
		lab_open(&lab, HEALTH_ICMP, 0);
		lab_configure(&lab);
		lab_until(&lab, lab_report(&lab).last_failure[0] != '\0');
		struct health_report report = lab_report(&lab);
		bool is_told = strstr(report.last_failure, "CAP_NET_RAW") != NULL &&
			       report.verdict == HEALTH_UNKNOWN && report.probes == 0;
		lab_close(&lab);
		_exit(is_told ? 0 : 3);
	}
	int status = -1;
	waitpid(child, &status, 0);
	assert_int_equal(status, 0);
}

/* Replies with the right number, from the right address, but not to the request. */
static void
forged_replies_are_passed_over(void **state)
{
	(void)state;
	int raw = need_raw();
	struct lab lab;
	lab_open(&lab, HEALTH_ICMP, 0);
	lab_backends(&lab, 1, "127.0.0.1");
	/* Loopback answers at once, so what is forged is sent before: for numbers to come. */
	struct sockaddr_storage to;
	socklen_t to_bytes = loopback(&to, AF_INET, 0);
	lab.pool.health.timeout_ms = 100;
	lab_first(&lab, HEALTH_UP);
	for (unsigned i = 0; i < 500; i++) {
		struct {
			struct icmphdr header;
			uint64_t token;
		} reply = {.header = {.type = ICMP_ECHOREPLY}, .token = i};
		reply.header.un.echo.id = (uint16_t)getpid();
		reply.header.un.echo.sequence = htons((uint16_t)i);
		uint32_t sum = 0;
		uint16_t words[sizeof(reply) / 2];
		memcpy(words, &reply, sizeof(words));
		for (size_t w = 0; w < sizeof(words) / 2; w++)
			sum += words[w];
		sum = (sum & 0xffff) + (sum >> 16);
		sum = (sum & 0xffff) + (sum >> 16);
		reply.header.checksum = (uint16_t)~sum;
		sendto(raw, &reply, sizeof(reply), 0, (struct sockaddr *)&to, to_bytes);
		if (i % 50 == 0)
			lab_run(&lab, 10);
	}
	uint64_t before = lab_report(&lab).probes;
	lab_until(&lab, lab_report(&lab).probes >= before + 5);
	assert_int_equal(lab_report(&lab).failures, 0);
	lab_close(&lab);
	close(raw);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(loopback_answers),
		cmocka_unit_test(many_share_a_socket),
		cmocka_unit_test(no_way_is_bad),
		cmocka_unit_test(silence_is_bad_at_the_timeout),
		cmocka_unit_test(ping_sockets_will_do),
		cmocka_unit_test(no_permission_decides_nothing),
		cmocka_unit_test(forged_replies_are_passed_over),
	};
	return cmocka_run_group_tests(tests, enter_namespace, NULL);
}
