/* SPDX-License-Identifier: BSD-3-Clause */
/* What probes decide and when they come, shown with tcp. */
#include "health_lab.h"

#include <sys/resource.h>

/* A server at a port of its own, and a pool that asks it. */
struct tcp_lab {
	struct lab lab;
	struct lab_server server;
};

static void
tcp_lab(struct tcp_lab *t)
{
	lab_open(&t->lab, HEALTH_TCP, 0);
	t->server = (struct lab_server){.closes = true};
	server_open(&t->server, &t->lab, AF_INET, 0);
	t->lab.pool.health.port = t->server.port;
}

static void
tcp_lab_close(struct tcp_lab *t)
{
	if (t->server.listener)
		server_close(&t->server);
	lab_close(&t->lab);
}

/* A port at which connections are not taken, since the queue of those who wait is full. */
struct silent_port {
	uint16_t port;
	int fd, waiting[8];
};

static void
silent_open(struct silent_port *silent)
{
	silent->fd = closed_port(SOCK_STREAM, &silent->port);
	assert_int_equal(listen(silent->fd, 0), 0);
	struct sockaddr_storage to;
	socklen_t length = loopback(&to, AF_INET, silent->port);
	for (int i = 0; i < 8; i++) {
		silent->waiting[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		connect(silent->waiting[i], (struct sockaddr *)&to, length);
	}
}

static void
silent_close(struct silent_port *silent)
{
	for (int i = 0; i < 8; i++)
		close(silent->waiting[i]);
	close(silent->fd);
}

static void
assert_counters(const struct lab *lab, uint64_t up, uint64_t down, uint64_t unknown)
{
	struct health_counters counters = health_counters(lab->health);
	assert_int_equal(counters.up, up);
	assert_int_equal(counters.down, down);
	assert_int_equal(counters.unknown, unknown);
	assert_int_equal(counters.checks, up + down + unknown);
}

/* Tests: what probes decide */

static void
first_probe_decides(void **state)
{
	(void)state;
	struct tcp_lab t;
	tcp_lab(&t);
	lab_configure(&t.lab);
	assert_counters(&t.lab, 0, 0, 1);
	struct mono created = lab_report(&t.lab).since, since;
	assert_first(&t.lab, HEALTH_UP, "the first probe is good");
	assert_counters(&t.lab, 1, 0, 0);
	assert_int_equal(health_verdict(t.lab.health, "p", "b00", &since), HEALTH_UP);
	assert_true(since.us >= created.us);
	struct health_report report = lab_report(&t.lab);
	assert_int_equal(report.probes, 1);
	assert_int_equal(report.failures, 0);
	assert_int_equal(report.change_count, 1);
	assert_string_equal(report.last_failure, "");
	tcp_lab_close(&t);
}

static void
first_probe_decides_down_too(void **state)
{
	(void)state;
	struct lab lab;
	uint16_t port;
	int fd = closed_port(SOCK_STREAM, &port);
	lab_open(&lab, HEALTH_TCP, port);
	assert_first(&lab, HEALTH_DOWN, "connection refused by 127.0.0.1 port PORT");
	assert_counters(&lab, 0, 1, 0);
	lab_close(&lab);
	close(fd);
}

static void
fall_and_rise_are_counted(void **state)
{
	(void)state;
	struct tcp_lab t;
	tcp_lab(&t);
	struct lab *lab = &t.lab;
	lab_first(lab, HEALTH_UP);
	server_close(&t.server);
	uint64_t good = lab_report(lab).probes;
	lab_until(lab, lab_report(lab).run == 1);
	assert_int_equal(lab->changes, 1);
	lab_until(lab, lab->changes == 2);
	assert_int_equal(lab->before, HEALTH_UP);
	assert_int_equal(lab->now, HEALTH_DOWN);
	struct health_report report = lab_report(lab);
	assert_in_range(report.probes, good + 3, good + 4);
	assert_int_equal(report.failures, 3);
	assert_int_equal(report.run, 0);
	assert_true(report.last_failure_at > 0);
	assert_string_equal(report.last_failure, lab->reason);
	assert_int_equal(report.change_count, 2);
	assert_int_equal(report.changes[0].verdict, HEALTH_DOWN);
	assert_string_equal(report.changes[0].reason, lab->reason);
	assert_int_equal(report.changes[1].verdict, HEALTH_UP);

	server_open(&t.server, lab, AF_INET, t.server.port);
	lab_until(lab, lab->changes == 3);
	assert_int_equal(lab->now, HEALTH_UP);
	assert_string_equal(lab->reason, "good 2 times in a row");
	tcp_lab_close(&t);
}

/* Runs that are too short change nothing. */
static void
flapping_below_fall_is_no_change(void **state)
{
	(void)state;
	struct tcp_lab t;
	tcp_lab(&t);
	struct lab *lab = &t.lab;
	lab_first(lab, HEALTH_UP);
	for (int i = 0; i < 4; i++) {
		server_close(&t.server);
		lab_until(lab, lab_report(lab).run >= 1);
		server_open(&t.server, lab, AF_INET, t.server.port);
		lab_until(lab, lab_report(lab).run == 0);
	}
	assert_int_equal(lab->changes, 1);
	assert_true(lab_report(lab).failures >= 4);
	tcp_lab_close(&t);
}

static void
history_keeps_the_newest(void **state)
{
	(void)state;
	struct tcp_lab t;
	tcp_lab(&t);
	struct lab *lab = &t.lab;
	lab->pool.health.rise = lab->pool.health.fall = 1;
	lab->pool.health.interval_ms = lab->pool.health.fast_interval_ms = 20;
	lab_first(lab, HEALTH_UP);
	for (unsigned i = 1; i < 2 * HEALTH_CHANGES_MAX; i += 2) {
		server_close(&t.server);
		lab_until(lab, lab->changes == i + 1);
		server_open(&t.server, lab, AF_INET, t.server.port);
		lab_until(lab, lab->changes == i + 2);
	}
	struct health_report report = lab_report(lab);
	assert_int_equal(report.change_count, HEALTH_CHANGES_MAX);
	for (unsigned i = 0; i < HEALTH_CHANGES_MAX; i++)
		assert_int_equal(report.changes[i].verdict, i % 2 == 0 ? HEALTH_UP : HEALTH_DOWN);
	tcp_lab_close(&t);
}

static void
silence_is_bad_at_the_timeout(void **state)
{
	(void)state;
	struct lab lab;
	struct silent_port silent;
	silent_open(&silent);
	lab_open(&lab, HEALTH_TCP, silent.port);
	lab.pool.health.timeout_ms = 100;
	assert_first(&lab, HEALTH_DOWN, "no connection to 127.0.0.1 port PORT within 100 ms");
	assert_in_range(lab_report(&lab).duration_us, 100000, 1000000);
	lab_close(&lab);
	silent_close(&silent);
}

/* While the loop is held up nobody reads answers: that is not a backend's fault. */
static void
loop_that_is_held_up_fails_nobody(void **state)
{
	(void)state;
	struct tcp_lab t;
	tcp_lab(&t);
	struct lab *lab = &t.lab;
	lab->pool.health.timeout_ms = 50;
	lab->pool.health.interval_ms = 20;
	lab_backends(lab, 20, "127.0.0.1");
	lab_configure(lab);
	lab_until(lab, health_counters(lab->health).up == 20);
	for (int i = 0; i < 5; i++) {
		lab_run(lab, 20 + (unsigned)i);
		usleep(400000);
	}
	lab_run(lab, 100);
	struct health_counters counters = health_counters(lab->health);
	assert_int_equal(counters.failures, 0);
	assert_true(counters.late > 0);
	tcp_lab_close(&t);
}

/* Tests: when probes come */

static void
fast_interval_lasts_as_long_as_the_run(void **state)
{
	(void)state;
	struct tcp_lab t;
	tcp_lab(&t);
	struct lab *lab = &t.lab;
	lab->pool.health.interval_ms = 600;
	lab->pool.health.fast_interval_ms = 20;
	lab->pool.health.fall = 10;
	lab_first(lab, HEALTH_UP);
	server_close(&t.server);
	lab_until(lab, lab_report(lab).run == 1);
	struct mono began = mono_now();
	lab_until(lab, lab->changes == 2);
	/* Nine more at 20 ms; at 600 ms they would take 5.4 s. */
	assert_in_range(mono_ms_between(began, mono_now()), 100, 2000);
	uint64_t probes = lab_report(lab).probes;
	lab_run(lab, 300);
	assert_int_equal(lab_report(lab).probes, probes);
	tcp_lab_close(&t);
}

static void
first_probes_are_spread(void **state)
{
	(void)state;
	struct tcp_lab t;
	tcp_lab(&t);
	struct lab *lab = &t.lab;
	lab->pool.health.interval_ms = lab->pool.health.fast_interval_ms = 60000;
	lab_backends(lab, BACKENDS_LAB, "127.0.0.1");
	lab_configure(lab);
	uint64_t before = 0, most = 0;
	for (int i = 0; i < 8; i++) {
		lab_run(lab, 125);
		uint64_t probes = health_counters(lab->health).probes;
		if (probes - before > most)
			most = probes - before;
		before = probes;
	}
	lab_run(lab, 100);
	/* At most a second, whatever the interval; and never all at once: 8 are expected of each. */
	assert_int_equal(health_counters(lab->health).probes, BACKENDS_LAB);
	assert_in_range(most, 8, 24);
	tcp_lab_close(&t);
}

static void
probes_come_at_their_interval(void **state)
{
	(void)state;
	struct tcp_lab t;
	tcp_lab(&t);
	lab_first(&t.lab, HEALTH_UP);
	uint64_t before = lab_report(&t.lab).probes;
	struct mono began = mono_now();
	lab_run(&t.lab, 2000);
	uint64_t wanted = mono_ms_between(began, mono_now()) / 50;
	assert_in_range(lab_report(&t.lab).probes - before, wanted * 3 / 4, wanted + 1);
	tcp_lab_close(&t);
}

/* With fewer descriptors than checks the rest waits in line, and all get their turn. */
static void
probes_under_way_are_bounded(void **state)
{
	(void)state;
	struct lab lab;
	struct silent_port silent;
	struct rlimit before, few;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	few = before;
	few.rlim_cur = 80; /* half of it for probes */
	silent_open(&silent);
	lab_open(&lab, HEALTH_TCP, silent.port);
	lab.pool.health.timeout_ms = 300;
	lab_backends(&lab, BACKENDS_LAB, "127.0.0.1");
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	lab_configure(&lab);
	uint32_t most = 0;
	lab_until(&lab, ({
		uint32_t running = health_counters(lab.health).running;
		most = running > most ? running : most;
		health_counters(lab.health).down == BACKENDS_LAB;
	}));
	assert_int_equal(most, 40);
	assert_true(health_counters(lab.health).late > 0);
	lab_close(&lab);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	silent_close(&silent);
}

/* Tests: reloads */

static void
unchanged_checks_go_on(void **state)
{
	(void)state;
	struct tcp_lab t;
	tcp_lab(&t);
	struct lab *lab = &t.lab;
	lab_backends(lab, 3, "127.0.0.1");
	lab_configure(lab);
	lab_until(lab, lab->changes == 3);
	struct health_report before = lab_report(lab);
	for (int i = 0; i < 100; i++) {
		lab->backends[0].weight = (uint16_t)i;
		lab_configure(lab);
		lab_run(lab, 2);
	}
	struct health_report after = lab_report(lab);
	/* Probes came in spite of a reload each 2 ms, each at its time. */
	assert_true(after.probes > before.probes);
	assert_int_equal(after.since.us, before.since.us);
	assert_int_equal(after.change_count, 1);
	assert_int_equal(lab->changes, 3);
	tcp_lab_close(&t);
}

static void
checks_come_and_go(void **state)
{
	(void)state;
	struct tcp_lab t;
	tcp_lab(&t);
	struct lab *lab = &t.lab;
	lab_first(lab, HEALTH_UP);
	lab_backends(lab, 5, "127.0.0.1");
	lab_configure(lab);
	assert_counters(lab, 1, 0, 4);
	lab_until(lab, health_counters(lab->health).up == 5);
	lab_backends(lab, 2, "127.0.0.1");
	lab_configure(lab);
	assert_counters(lab, 2, 0, 0);
	struct health_report report;
	struct mono since;
	assert_false(health_report(lab->health, "p", "b04", &report));
	assert_int_equal(report.verdict, HEALTH_UNCHECKED);
	assert_false(health_report(lab->health, "q", "b00", &report));
	assert_int_equal(health_verdict(lab->health, "p", "b02", &since), HEALTH_UNCHECKED);
	lab->pool.health.type = HEALTH_NONE;
	lab_configure(lab);
	assert_counters(lab, 0, 0, 0);
	uint64_t probes = health_counters(lab->health).probes;
	lab_run(lab, 200);
	assert_int_equal(health_counters(lab->health).probes, probes);
	tcp_lab_close(&t);
}

static void
changed_settings_keep_the_verdict(void **state)
{
	(void)state;
	struct tcp_lab t;
	tcp_lab(&t);
	struct lab *lab = &t.lab;
	uint16_t port;
	int fd = closed_port(SOCK_STREAM, &port);
	lab_first(lab, HEALTH_UP);
	struct health_report before = lab_report(lab);
	lab->pool.health.port = port;
	lab_configure(lab);
	assert_int_equal(lab_report(lab).verdict, HEALTH_UP);
	lab_until(lab, lab_report(lab).run == 1);
	assert_int_equal(lab_report(lab).verdict, HEALTH_UP);
	assert_int_equal(lab_report(lab).since.us, before.since.us);
	/* The run begins anew with each change. */
	lab->pool.health.fall = 4;
	lab_configure(lab);
	assert_int_equal(lab_report(lab).run, 0);
	uint64_t failures = lab_report(lab).failures;
	lab_until(lab, lab->changes == 2);
	assert_int_equal(lab->now, HEALTH_DOWN);
	assert_int_equal(lab_report(lab).failures - failures, 4);
	tcp_lab_close(&t);
	close(fd);
}

/* A port that is open at 127.0.0.1 and not at 127.0.0.2. */
static void
first_probe_of_another_address_decides(void **state)
{
	(void)state;
	struct tcp_lab t;
	tcp_lab(&t);
	struct lab *lab = &t.lab;
	lab_first(lab, HEALTH_UP);
	lab_run(lab, 100);
	lab_backends(lab, 1, "127.0.0.2");
	lab_configure(lab);
	assert_int_equal(lab_report(lab).verdict, HEALTH_UP);
	lab_until(lab, lab->changes == 2);
	struct health_report report = lab_report(lab);
	assert_int_equal(report.verdict, HEALTH_DOWN);
	assert_int_equal(report.failures, 1);
	tcp_lab_close(&t);
}

static void
pools_are_told_apart(void **state)
{
	(void)state;
	struct tcp_lab t;
	tcp_lab(&t);
	struct lab *lab = &t.lab;
	struct config_pool pools[2] = {lab->pool, lab->pool};
	uint16_t port;
	int fd = closed_port(SOCK_STREAM, &port);
	pools[1].name = "p2";
	pools[1].health.port = port;
	lab->config.pools = pools;
	lab->config.pool_count = 2;
	lab->options.on_change = NULL;
	lab_configure(lab);
	lab_until(lab, health_counters(lab->health).unknown == 0);
	struct mono since;
	assert_int_equal(health_verdict(lab->health, "p", "b00", &since), HEALTH_UP);
	assert_int_equal(health_verdict(lab->health, "p2", "b00", &since), HEALTH_DOWN);
	tcp_lab_close(&t);
	close(fd);
}

static void
probes_under_way_can_be_ended(void **state)
{
	(void)state;
	unsigned before = open_descriptors();
	struct tcp_lab t;
	tcp_lab(&t);
	struct lab *lab = &t.lab;
	lab_backends(lab, BACKENDS_LAB, "127.0.0.1");
	lab_configure(lab);
	/* Stopped as soon as probes are under way: between connecting and being told. */
	lab_until(lab, ({
		event_base_loop(lab->loop, EVLOOP_ONCE);
		health_counters(lab->health).running > 0;
	}));
	lab_backends(lab, 1, "127.0.0.1");
	lab_configure(lab);
	lab_backends(lab, BACKENDS_LAB, "127.0.0.1");
	lab_configure(lab);
	lab_until(lab, health_counters(lab->health).running > 0);
	tcp_lab_close(&t);
	assert_int_equal(open_descriptors(), before);
}

static void
destroy_takes_nothing(void **state)
{
	(void)state;
	health_destroy(NULL);
	struct lab lab;
	lab_open(&lab, HEALTH_NONE, 0);
	lab_configure(&lab);
	assert_counters(&lab, 0, 0, 0);
	lab_close(&lab);
}

static void
verdicts_have_names(void **state)
{
	(void)state;
	assert_string_equal(health_verdict_name(HEALTH_UNCHECKED), "unchecked");
	assert_string_equal(health_verdict_name(HEALTH_UNKNOWN), "unknown");
	assert_string_equal(health_verdict_name(HEALTH_UP), "up");
	assert_string_equal(health_verdict_name(HEALTH_DOWN), "down");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(first_probe_decides),
		cmocka_unit_test(first_probe_decides_down_too),
		cmocka_unit_test(fall_and_rise_are_counted),
		cmocka_unit_test(flapping_below_fall_is_no_change),
		cmocka_unit_test(history_keeps_the_newest),
		cmocka_unit_test(silence_is_bad_at_the_timeout),
		cmocka_unit_test(loop_that_is_held_up_fails_nobody),
		cmocka_unit_test(fast_interval_lasts_as_long_as_the_run),
		cmocka_unit_test(first_probes_are_spread),
		cmocka_unit_test(probes_come_at_their_interval),
		cmocka_unit_test(probes_under_way_are_bounded),
		cmocka_unit_test(unchanged_checks_go_on),
		cmocka_unit_test(checks_come_and_go),
		cmocka_unit_test(changed_settings_keep_the_verdict),
		cmocka_unit_test(first_probe_of_another_address_decides),
		cmocka_unit_test(pools_are_told_apart),
		cmocka_unit_test(probes_under_way_can_be_ended),
		cmocka_unit_test(destroy_takes_nothing),
		cmocka_unit_test(verdicts_have_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
