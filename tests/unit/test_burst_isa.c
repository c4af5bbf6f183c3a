/* SPDX-License-Identifier: BSD-3-Clause */
/* Needs: nothing. The stages of every instruction set do the same to the same bursts: good packets,
 * damaged ones and odd ones, of flows that begin, go on and end. */
#include <stdint.h>

#include "burst_isa.h"
#include "pipeline_bench.h"

#define BURSTS	6000
#define CLIENTS 400

static uint64_t state_of_random;

static uint32_t
random_below(uint32_t end)
{
	state_of_random = state_of_random * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)((state_of_random >> 33) % end);
}

static struct shape
some_shape(void)
{
	static const char *const vips[] = {"192.0.2.80", "192.0.2.81", "192.0.2.53", "192.0.2.90",
		"192.0.2.80", "203.0.113.1", "2001:db8::80", "2001:db8::80"};
	static const uint16_t ports[] = {80, 443, 53, 8000};
	static const uint8_t flags[] = {
		TCP_SYN, TCP_ACK, TCP_ACK, TCP_ACK, TCP_ACK | TCP_PSH, TCP_FIN | TCP_ACK, TCP_RST};
	const char *vip = vips[random_below(8)];
	bool six = vip[0] == '2' && vip[1] == '0' && vip[2] == '0';
	return (struct shape){
		.src = six ? "2001:db8:1::7" : "198.51.100.7",
		.dst = vip,
		.sport = (uint16_t)(1000 + random_below(CLIENTS)),
		.dport = ports[random_below(4)],
		.proto = random_below(8) == 0 ? six ? IPPROTO_ICMPV6 : IPPROTO_ICMP
			 : random_below(3)    ? IPPROTO_TCP
					      : IPPROTO_UDP,
		.flags = flags[random_below(7)],
		.ttl = random_below(20) == 0 ? 1 : 64,
		.payload = (uint16_t)random_below(random_below(8) ? 100 : 1500),
	};
}

static void
put_burst(struct bench *b)
{
	uint32_t count = random_below(2) ? BURST_MAX : 1 + random_below(BURST_MAX);
	bool all_good = random_below(4) == 0;
	for (uint32_t i = 0; i < count; i++) {
		struct shape s = all_good ? ACK_TO_WEB((uint16_t)(1000 + random_below(CLIENTS)))
					  : some_shape();
		uint8_t *frame = put_frame(b, i, &s);
		for (uint32_t damage = all_good ? 0 : random_below(10); damage > 8; damage--)
			frame[random_below(60)] = (uint8_t)random_below(256);
		if (!all_good && random_below(20) == 0)
			b->mbufs[i].pkt_len = b->mbufs[i].data_len =
				(uint16_t)random_below(b->mbufs[i].data_len + 1u);
	}
}

static void
assert_same_burst(const struct bench *a, const struct bench *b)
{
	assert_int_equal(a->burst.count, b->burst.count);
	for (uint32_t i = 0; i < a->burst.count; i++) {
		const struct rte_mbuf *x = &a->mbufs[i], *y = &b->mbufs[i];
		assert_int_equal(a->burst.exit[i], b->burst.exit[i]);
		assert_int_equal(a->burst.service[i], b->burst.service[i]);
		assert_int_equal(a->burst.backend[i], b->burst.backend[i]);
		assert_int_equal(x->data_off, y->data_off);
		assert_int_equal(x->data_len, y->data_len);
		assert_int_equal(x->pkt_len, y->pkt_len);
		assert_memory_equal(a->buffers[i], b->buffers[i], BUFFER);
	}
	assert_memory_equal(a->burst.flow_events, b->burst.flow_events, FLOW_EVENT_COUNT);
	assert_int_equal(a->burst.new_flows, b->burst.new_flows);
	assert_memory_equal(a->flow_memory, b->flow_memory, flow_table_bytes(CAPACITY));
}

/* What happens between bursts: time passes, rows move. */
static void
go_on(struct bench *b, uint32_t round)
{
	b->pipeline.now.us += 1000 + (round % 100 == 0 ? FLOW_TICK_US : 0);
	b->pipeline.tick = flow_tick(b->pipeline.now);
	if (round % 1000 == 500)
		set_rows(b, 0, (uint16_t)(1 + round / 1000 % 2));
}

static void
compare(enum pipeline_isa isa)
{
	void *state[2];
	setup(&state[0]);
	setup(&state[1]);
	struct bench *reference = state[0], *b = state[1];
	uint32_t sent = 0, others = 0;
	state_of_random = isa;
	for (uint32_t round = 0; round < BURSTS; round++) {
		uint64_t seed = state_of_random;
		put_burst(reference);
		state_of_random = seed;
		put_burst(b);
		pipeline_use(PIPELINE_BASELINE);
		run(reference);
		pipeline_use(isa);
		run(b);
		assert_same_burst(reference, b);
		for (uint32_t i = 0; i < b->burst.count; i++)
			*(b->burst.exit[i] == EXIT_SENT ? &sent : &others) += 1;
		go_on(reference, round);
		go_on(b, round);
	}
	pipeline_use(PIPELINE_BASELINE);
	assert_true(sent > BURSTS * 8 && others > BURSTS * 2);
	teardown(&state[0]);
	teardown(&state[1]);
}

static void
test_all_do_the_same(void **state)
{
	(void)state;
	for (enum pipeline_isa isa = PIPELINE_BASELINE; isa < PIPELINE_ISAS; isa++) {
		if (pipeline_isa_available(isa))
			compare(isa);
		else
			print_message("%s: not on this CPU\n", pipeline_isa_name(isa));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_all_do_the_same)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
