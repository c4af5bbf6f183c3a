/* SPDX-License-Identifier: BSD-3-Clause */
/* The timer wheel: whether each of thousands of timers runs once, in time and never before. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <event2/event.h>
#include <stdlib.h>
#include <unistd.h>

#include "wheel.h"

#define TIMERS 2000

struct alarm {
	struct wheel_timer timer;
	struct mono at;
	unsigned times;
	uint64_t early_us, late_us; /* the most */
	struct wheel *wheel;
	struct alarm *disarms; /* when it expires */
	unsigned again;	       /* times that it arms itself */
};

static void
on_alarm(struct wheel_timer *timer)
{
	struct alarm *alarm = (struct alarm *)timer;
	uint64_t now_us = mono_now().us;
	alarm->times++;
	if (now_us < alarm->at.us)
		alarm->early_us = alarm->at.us - now_us;
	else if (now_us - alarm->at.us > alarm->late_us)
		alarm->late_us = now_us - alarm->at.us;
	if (alarm->disarms)
		wheel_disarm(&alarm->disarms->timer);
	if (alarm->again > 0) {
		alarm->again--;
		alarm->at = mono_add_ms(alarm->at, 20);
		wheel_arm(alarm->wheel, timer, alarm->at);
	}
}

struct wheel_lab {
	struct event_base *loop;
	struct wheel *wheel;
	struct alarm alarms[TIMERS];
};

static int
setup(void **state)
{
	struct wheel_lab *w = calloc(1, sizeof(*w));
	assert_non_null(w);
	w->loop = event_base_new();
	w->wheel = wheel_create(w->loop);
	assert_non_null(w->wheel);
	for (int i = 0; i < TIMERS; i++) {
		w->alarms[i].timer.expire = on_alarm;
		w->alarms[i].wheel = w->wheel;
	}
	*state = w;
	return 0;
}

static int
teardown(void **state)
{
	struct wheel_lab *w = *state;
	wheel_destroy(w->wheel);
	event_base_free(w->loop);
	free(w);
	return 0;
}

static void
arm_in(struct wheel_lab *w, struct alarm *alarm, uint64_t ms)
{
	alarm->at = mono_add_ms(mono_now(), ms);
	wheel_arm(w->wheel, &alarm->timer, alarm->at);
}

static void
run(struct wheel_lab *w, unsigned ms)
{
	struct timeval left = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
	event_base_loopexit(w->loop, &left);
	event_base_dispatch(w->loop);
}

static void
each_runs_once_and_never_early(void **state)
{
	struct wheel_lab *w = *state;
	srandom(1);
	for (int i = 0; i < TIMERS; i++)
		arm_in(w, &w->alarms[i], (uint64_t)random() % 1000);
	/* Some get a new moment, some none. */
	for (int i = 0; i < TIMERS; i += 5)
		arm_in(w, &w->alarms[i], (uint64_t)random() % 1000);
	for (int i = 1; i < TIMERS; i += 5)
		wheel_disarm(&w->alarms[i].timer);
	run(w, 1500);
	for (int i = 0; i < TIMERS; i++) {
		assert_int_equal(w->alarms[i].times, i % 5 == 1 ? 0 : 1);
		assert_int_equal(w->alarms[i].early_us, 0);
		/* Far more than a tick, for machines that do other things too. */
		assert_in_range(w->alarms[i].late_us, 0, 300000);
	}
}

/* A turn is 10.24 s: what is due in a later one is passed by. A loop that is held up for longer than
 * a turn comes round all the same, once. */
static void
later_turns_are_passed_by(void **state)
{
	struct wheel_lab *w = *state;
	arm_in(w, &w->alarms[0], 100);
	arm_in(w, &w->alarms[1], 10240 + 100); /* in the same slot */
	arm_in(w, &w->alarms[2], 2 * 10240 + 100);
	run(w, 300);
	assert_int_equal(w->alarms[0].times, 1);
	assert_int_equal(w->alarms[1].times, 0);
	usleep(10400000);
	run(w, 300);
	assert_int_equal(w->alarms[0].times, 1);
	assert_int_equal(w->alarms[1].times, 1);
	assert_int_equal(w->alarms[2].times, 0);
	assert_true(w->alarms[2].timer.is_armed);
}

static void
what_expires_may_arm_and_disarm(void **state)
{
	struct wheel_lab *w = *state;
	struct mono at = mono_add_ms(mono_now(), 50);
	/* One moment for all; each disarms its neighbour, so one of each two runs. */
	for (int i = 0; i < 100; i++) {
		w->alarms[i].at = at;
		w->alarms[i].disarms = &w->alarms[i ^ 1];
		wheel_arm(w->wheel, &w->alarms[i].timer, at);
	}
	w->alarms[100].again = 10;
	arm_in(w, &w->alarms[100], 20);
	run(w, 600);
	for (int i = 0; i < 100; i += 2)
		assert_int_equal(w->alarms[i].times + w->alarms[i + 1].times, 1);
	assert_int_equal(w->alarms[100].times, 11);
	assert_int_equal(w->alarms[100].early_us, 0);
}

static void
past_moments_come_next(void **state)
{
	struct wheel_lab *w = *state;
	wheel_arm(w->wheel, &w->alarms[0].timer, (struct mono){0});
	assert_int_equal(w->alarms[0].times, 0);
	run(w, 100);
	assert_int_equal(w->alarms[0].times, 1);
}

/* While nothing is armed, no tick is counted. */
static void
idle_wheel_goes_on(void **state)
{
	struct wheel_lab *w = *state;
	for (unsigned i = 1; i <= 3; i++) {
		run(w, 200);
		arm_in(w, &w->alarms[0], 20);
		run(w, 200);
		assert_int_equal(w->alarms[0].times, i);
		assert_in_range(w->alarms[0].late_us, 0, 150000);
	}
}

/* Timers that take far more time than there is: each still runs, and something else meanwhile. */
static void
on_slow_alarm(struct wheel_timer *timer)
{
	struct mono began = mono_now();
	while (mono_now().us - began.us < 1000)
		;
	on_alarm(timer);
}

static void
on_beat(evutil_socket_t fd, short what, void *context)
{
	(void)fd, (void)what;
	++*(unsigned *)context;
}

static void
overload_lets_the_loop_turn(void **state)
{
	struct wheel_lab *w = *state;
	enum { SLOW = 400 };
	unsigned beats = 0;
	struct event *beat = event_new(w->loop, -1, EV_PERSIST, on_beat, &beats);
	event_add(beat, &(struct timeval){.tv_usec = 5000});
	for (int i = 0; i < SLOW; i++) {
		w->alarms[i].timer.expire = on_slow_alarm;
		arm_in(w, &w->alarms[i], 0);
	}
	/* What is due later comes after them, not between. */
	arm_in(w, &w->alarms[SLOW], 20);
	run(w, 300);
	unsigned have_run = 0;
	for (int i = 0; i < SLOW; i++)
		have_run += w->alarms[i].times;
	assert_in_range(have_run, 1, SLOW - 1);
	assert_int_equal(w->alarms[SLOW].times, 0);
	assert_in_range(beats, 3, 60);
	run(w, 1500);
	for (int i = 0; i <= SLOW; i++)
		assert_int_equal(w->alarms[i].times, 1);
	event_free(beat);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(each_runs_once_and_never_early, setup, teardown),
		cmocka_unit_test_setup_teardown(later_turns_are_passed_by, setup, teardown),
		cmocka_unit_test_setup_teardown(what_expires_may_arm_and_disarm, setup, teardown),
		cmocka_unit_test_setup_teardown(past_moments_come_next, setup, teardown),
		cmocka_unit_test_setup_teardown(idle_wheel_goes_on, setup, teardown),
		cmocka_unit_test_setup_teardown(overload_lets_the_loop_turn, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
