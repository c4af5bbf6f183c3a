/* SPDX-License-Identifier: BSD-3-Clause */
#include "load.h"

#include <netinet/in.h>

#include "bench.h"
#include "memory.h"
#include "wire.h"

/* Packets of a run that may fare otherwise: by a collision of tags, or for want of an empty place, which in
 * a table of ten million flows, 60 % full, one new flow in a hundred thousand does not find. */
#define EXCEPTIONS_MAX 4
#define NEW_OF_FLOWS   8 /* new flows of a run are no more than an eighth of the known ones */

const char *const load_kinds[LOAD_KINDS] = {"hit", "miss", "new", "full", "flood"};

/* What a run, or a queue's share in it, must be counted as. */
struct expectation {
	uint64_t packets, bytes_sent;
	uint64_t flow_events[FLOW_EVENT_COUNT];
};

/* --- tables --------------------------------------------------------------------------------- */

static bool
is_never(const void *context, struct flow_entry entry)
{
	(void)context, (void)entry;
	return false;
}

static const struct flow_judge judge = {.is_dead = is_never, .is_reproducible = is_never};

/* An entry of the pool of `service`, the traffic's number of it, that its row would not reproduce. */
static struct flow_entry
pinned_entry(const struct forwarder *f, uint32_t service, uint32_t tag, uint64_t random)
{
	const struct tables *t = forwarder_tables(f, 0);
	struct ip_addr vip = forwarder_vip(service, 4);
	const struct service_entry *entry = service_table_vip(&t->services, &vip);
	uint16_t number = service_table_port(&t->services, entry, IPPROTO_TCP, FORWARDER_PORT);
	uint32_t pool = t->service[number].pool;
	uint32_t count = snapshot_config(f->snapshots[0])->pools[pool].backend_count;
	uint16_t by_row = tables_row_backend(t, (uint16_t)pool, tag);
	uint32_t b = (uint32_t)(random % count);
	if (snapshot_backend_index(f->snapshots[0], pool, b) == by_row)
		b = (b + 1) % count;
	uint16_t index = snapshot_backend_index(f->snapshots[0], pool, b);
	return (struct flow_entry){
		.tag = tag,
		.backend = index,
		.tick = f->workers[0]->pipeline.tick,
		.state = FLOW_ESTABLISHED,
		.generation = registry_generation(f->base.registry, index),
	};
}

static void
insert_known(struct load_tables *tables, struct flow_table *table, struct forwarder *f,
	struct generator *generator)
{
	uint16_t tick = f->workers[0]->pipeline.tick;
	uint64_t random = 1;
	for (uint64_t number = 0; number < tables->flow_count; number++) {
		struct tuple t = generator_tuple(generator, number);
		uint64_t hash = generator_hash(&f->base.key, &t);
		struct flow_entry winner,
			entry = pinned_entry(f, (uint32_t)(number % generator->services),
				flow_hash_tag(hash), bench_random(&random));
		enum flow_inserted how = flow_insert(table, hash, entry, tick, &judge, &winner);
		if (how == FLOW_INSERTED || how == FLOW_UPDATED)
			continue;
		if (tables->left_out_count == LOAD_LEFT_OUT_MAX)
			bench_fail("no room for %u flows", LOAD_LEFT_OUT_MAX + 1);
		tables->left_out[tables->left_out_count++] = number;
	}
}

/* Every place that is left gets a flow of a tag that nobody has sent. */
static void
fill_up(struct flow_table *table, struct forwarder *f, const struct generator *generator)
{
	uint64_t random = 2;
	for (uint64_t b = 0; b <= table->bucket_mask; b++) {
		for (int i = 0; i < FLOW_BUCKET_ENTRIES; i++) {
			_Atomic uint64_t *place = &table->buckets[b].entries[i];
			if (atomic_load(place) != 0)
				continue;
			uint64_t r = bench_random(&random);
			atomic_store(place, flow_entry_pack(pinned_entry(f,
						    (uint32_t)(r >> 32) % generator->services,
						    (uint32_t)r, bench_random(&random))));
		}
	}
}

void
load_tables_make(struct load_tables *tables, struct forwarder *f, struct generator *generator,
	uint64_t flow_count)
{
	static const struct flow_timeouts timeouts = {.ticks = {0, 15, 1860, 30, 75, 900, 900}};
	size_t capacity = flow_count < FLOW_CAPACITY_MIN ? FLOW_CAPACITY_MIN : (size_t)flow_count;
	tables->flow_count = flow_count;
	tables->left_out_count = 0;
	tables->next_unknown = 2 * flow_count; /* up to there: those of "miss" */
	tables->bytes = flow_table_bytes(capacity);
	flow_table_attach(&tables->known, memory_map(tables->bytes), capacity, &timeouts);
	flow_table_attach(&tables->full, memory_map(tables->bytes), capacity, &timeouts);
	insert_known(tables, &tables->known, f, generator);
	memcpy(tables->full.buckets, tables->known.buckets, tables->bytes);
	fill_up(&tables->full, f, generator);
}

void
load_tables_free(struct load_tables *tables)
{
	memory_unmap(tables->known.buckets, tables->bytes);
	memory_unmap(tables->full.buckets, tables->bytes);
}

/* --- frames --------------------------------------------------------------------------------- */

static bool
is_left_out(const struct load_tables *tables, uint64_t number)
{
	for (uint32_t i = 0; i < tables->left_out_count; i++)
		if (tables->left_out[i] == number)
			return true;
	return false;
}

static uint64_t
draw_known(const struct load *load)
{
	uint64_t number;
	do
		number = generator_draw(load->generator, load->tables->flow_count);
	while (is_left_out(load->tables, number));
	return number;
}

static uint64_t
draw_number(const struct load *load, enum load_kind kind)
{
	struct load_tables *tables = load->tables;
	switch (kind) {
	case LOAD_HIT:
		return draw_known(load);
	case LOAD_MISS:
		return tables->flow_count + generator_draw(load->generator, tables->flow_count);
	default:
		return tables->next_unknown++;
	}
}

static void
expect(struct expectation *expected, enum load_kind kind, uint32_t bytes_sent)
{
	expected->packets++;
	expected->bytes_sent += bytes_sent;
	expected->flow_events[FLOW_EVENT_HIT] += kind == LOAD_HIT;
	expected->flow_events[FLOW_EVENT_MISS] += kind != LOAD_HIT;
	expected->flow_events[FLOW_EVENT_INSERTED] += kind == LOAD_NEW;
	expected->flow_events[FLOW_EVENT_FULL] += kind == LOAD_FULL;
}

/* Bytes in front of an inner packet; all backends of a mode have the same. */
static uint32_t
bytes_in_front(const struct load *load)
{
	const struct tables *t = forwarder_tables(load->forwarder, load->mode);
	uint16_t any = snapshot_backend_index(load->forwarder->snapshots[load->mode], 0, 0);
	return t->backends[any].target.header_length + (uint32_t)sizeof(struct wire_ether);
}

/* What a run is to one queue. */
struct share {
	const struct load *load;
	struct flow_table *table;
	unsigned queue;
	uint32_t count;
	struct expectation expected;
	uint64_t hashes[DEVICE_FRAMES_MAX];
};

static void
write_frames(void *context)
{
	static const uint8_t flags[] = {[LOAD_HIT] = TCP_ACK,
		[LOAD_MISS] = TCP_RST,
		[LOAD_NEW] = TCP_SYN,
		[LOAD_FULL] = TCP_SYN};
	struct share *share = context;
	const struct load *load = share->load;
	struct load_buffers *buffers = &load->buffers[share->queue];
	struct device_frame *frames = device_queues[share->queue]->frames;
	uint32_t front = bytes_in_front(load);
	if (!load->cold)
		buffers->next = 0;
	for (uint32_t i = 0; i < share->count; i++) {
		enum load_kind kind = load->kind;
		if (kind == LOAD_FLOOD)
			kind = bench_random(&load->generator->random) & 1 ? LOAD_HIT : LOAD_FULL;
		struct tuple t = generator_tuple(load->generator, draw_number(load, kind));
		frames[i].buffer = buffers->ring[buffers->next++ % buffers->count];
		uint32_t l3_length = generator_write(load->generator, &frames[i], &t, flags[kind]);
		share->hashes[i] = generator_hash(&load->forwarder->base.key, &t);
		expect(&share->expected, kind, front + l3_length);
	}
	for (uint32_t i = 0; load->cold && i < share->count; i++)
		generator_flush(&frames[i]);
	_mm_mfence();
}

static void
remove_flows(void *context)
{
	const struct share *share = context;
	uint16_t tick = share->load->forwarder->workers[share->queue]->pipeline.tick;
	for (uint32_t i = 0; i < share->count; i++)
		flow_remove(share->table, share->hashes[i], tick);
}

uint32_t
load_run_length(const struct load *load)
{
	uint64_t most = load->tables->flow_count / NEW_OF_FLOWS;
	if (load->kind != LOAD_NEW || most > BENCH_BATCH)
		return BENCH_BATCH;
	return most < 4 * BURST_MAX ? 4 * BURST_MAX : (uint32_t)most;
}

/* --- runs ----------------------------------------------------------------------------------- */

static void
verify(const struct load *load, const struct totals *before, const struct totals *after,
	const struct expectation *expected, uint64_t bytes_sent)
{
	uint64_t sent = after->packets[EXIT_SENT] - before->packets[EXIT_SENT];
	uint64_t received = after->received - before->received;
	if (received != expected->packets || sent != expected->packets)
		bench_fail("%s: of %llu packets %llu were received and %llu sent",
			load_kinds[load->kind], (unsigned long long)expected->packets,
			(unsigned long long)received, (unsigned long long)sent);
	if (bytes_sent != expected->bytes_sent)
		bench_fail("%s, %s: %llu bytes were sent, not %llu", load_kinds[load->kind],
			forwarder_modes[load->mode], (unsigned long long)bytes_sent,
			(unsigned long long)expected->bytes_sent);
	for (int e = 0; e < FLOW_EVENT_COUNT; e++) {
		uint64_t events = after->flow_events[e] - before->flow_events[e];
		uint64_t wanted = expected->flow_events[e];
		uint64_t off = events > wanted ? events - wanted : wanted - events;
		if (off > (load->kind == LOAD_HIT ? 0 : EXCEPTIONS_MAX))
			bench_fail("%s: %llu of %llu packets were counted as %s, not %llu",
				load_kinds[load->kind], (unsigned long long)events,
				(unsigned long long)expected->packets,
				flow_event_name((enum flow_event)e), (unsigned long long)wanted);
	}
}

static struct flow_table *
table_of(const struct load *load)
{
	return load->kind == LOAD_FULL || load->kind == LOAD_FLOOD ? &load->tables->full
								   : &load->tables->known;
}

void
load_warm_up(const struct load *load)
{
	const struct flow_table *table = table_of(load);
	uint64_t sum = 0;
	for (uint64_t b = 0; b <= table->bucket_mask; b++)
		sum += atomic_load_explicit(&table->buckets[b].entries[0], memory_order_relaxed);
	bench_keep(sum);
}

static struct share shares[DEVICE_QUEUES];

static void
give_share(const struct load *load, unsigned queue, uint32_t count)
{
	struct share *share = &shares[queue];
	share->load = load;
	share->table = table_of(load);
	share->queue = queue;
	share->count = count;
	share->expected = (struct expectation){0};
	forwarder_on_cpu_of(queue, write_frames, share);
}

static void
add_expectation(struct expectation *sum, const struct expectation *more)
{
	sum->packets += more->packets;
	sum->bytes_sent += more->bytes_sent;
	for (int e = 0; e < FLOW_EVENT_COUNT; e++)
		sum->flow_events[e] += more->flow_events[e];
}

double
load_run(const struct load *load, unsigned workers)
{
	struct forwarder *f = load->forwarder;
	uint32_t length = load_run_length(load);
	unsigned counts[DEVICE_QUEUES] = {length, length};
	for (unsigned q = 0; q < workers; q++)
		give_share(load, q, length);
	struct totals before = forwarder_totals(f);
	forwarder_run(f, load->mode, table_of(load), counts, workers);
	struct totals after = forwarder_totals(f);

	struct expectation expected = {0};
	uint64_t bytes_sent = 0;
	double cycles = 0;
	for (unsigned q = 0; q < workers; q++) {
		add_expectation(&expected, &shares[q].expected);
		bytes_sent += device_bytes_sent(device_queues[q]);
		cycles += (double)device_cycles(device_queues[q]) / workers;
	}
	verify(load, &before, &after, &expected, bytes_sent);
	for (unsigned q = 0; load->kind == LOAD_NEW && q < workers; q++)
		forwarder_on_cpu_of(q, remove_flows, &shares[q]);
	return cycles / ((double)length * workers);
}

double
load_run_io(const struct load *load)
{
	struct device_queue *queue = device_queues[0];
	atomic_bool done = false;
	struct device_run run = {.unfinished = 1, .done = &done};
	give_share(load, 0, BENCH_BATCH);
	device_rewind(queue, BENCH_BATCH, &run);
	device_run_io(0);
	if (queue->sent_count != BENCH_BATCH)
		bench_fail("io: %u of %u frames were sent", queue->sent_count, BENCH_BATCH);
	return (double)device_cycles(queue) / BENCH_BATCH;
}
