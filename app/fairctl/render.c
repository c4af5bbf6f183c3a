/* SPDX-License-Identifier: BSD-3-Clause */
#include "render.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "table.h"
#include "text.h"

/* services, backends, neighbours */

void
render_services(const json_t *services, const struct view *view, FILE *out)
{
	(void)view;
	static const struct column columns[] = {
		{"SERVICE", "name", COLUMN_TEXT},
		{"PROTO", "protocol", COLUMN_TEXT},
		{"VIPS", "vips", COLUMN_TEXT},
		{"PORTS", "ports", COLUMN_TEXT},
		{"POOL", "pool", COLUMN_TEXT},
		{"AFFINITY", "affinity", COLUMN_TEXT},
		{"NEW_FLOWS", "new_flows", COLUMN_NUMBER},
		{"PACKETS", "packets", COLUMN_NUMBER},
		{"BYTES", "bytes", COLUMN_NUMBER},
		{NULL, NULL, COLUMN_TEXT},
	};
	table_print(services, columns, out);
}

/* Those that an operator or the file drains, with what is left to wait for. */
static void
print_drains(const json_t *backends, FILE *out)
{
	static const struct column columns[] = {
		{"DRAINING", "pool", COLUMN_TEXT},
		{"BACKEND", "name", COLUMN_TEXT},
		{"STATE", "state", COLUMN_TEXT},
		{"BY", "drain.by", COLUMN_TEXT},
		{"SINCE", "drain.since", COLUMN_TEXT},
		{"DEADLINE", "drain.deadline", COLUMN_TEXT},
		{"FLOWS_LEFT", "flows", COLUMN_NUMBER},
		{NULL, NULL, COLUMN_TEXT},
	};
	json_t *draining = json_array(), *backend;
	size_t i;
	json_array_foreach(backends, i, backend)
	{
		if (json_is_object(text_find(backend, "drain")))
			json_array_append(draining, backend);
	}
	if (json_array_size(draining)) {
		putc('\n', out);
		table_print(draining, columns, out);
	}
	json_decref(draining);
}

/* A line each; a pool's backends stand together. */
static void
print_panics(const json_t *backends, FILE *out)
{
	char pool[TEXT_MAX], before[TEXT_MAX] = "";
	json_t *backend;
	size_t i;
	json_array_foreach(backends, i, backend)
	{
		if (!json_is_true(text_find(backend, "in_panic")) ||
			strcmp(text_of(backend, "pool", pool), before) == 0)
			continue;
		fprintf(out, "%spool %s panics: it has fewer healthy backends than min_healthy\n",
			before[0] ? "" : "\n", pool);
		snprintf(before, sizeof(before), "%s", pool);
	}
}

void
render_backends(const json_t *backends, const struct view *view, FILE *out)
{
	(void)view;
	static const struct column columns[] = {
		{"POOL", "pool", COLUMN_TEXT},
		{"BACKEND", "name", COLUMN_TEXT},
		{"ADDRESS", "address", COLUMN_TEXT},
		{"STATE", "state", COLUMN_TEXT},
		{"HEALTH", "health.verdict", COLUMN_TEXT},
		{"WEIGHT", "weight", COLUMN_NUMBER},
		{"SHARE%", "share_percent", COLUMN_NUMBER},
		{"FLOWS", "flows", COLUMN_NUMBER},
		{"PACKETS", "packets", COLUMN_NUMBER},
		{"BYTES", "bytes", COLUMN_NUMBER},
		{"NEXT_HOP", "next_hop.state", COLUMN_TEXT},
		{"VIA", "next_hop.via", COLUMN_TEXT},
		{"MAC", "next_hop.mac", COLUMN_TEXT},
		{"PORT", "next_hop.port", COLUMN_TEXT},
		{"DETAIL", "next_hop.detail", COLUMN_REMARK},
		{NULL, NULL, COLUMN_TEXT},
	};
	table_print(backends, columns, out);
	print_drains(backends, out);
	print_panics(backends, out);
}

void
render_health(const json_t *health, const struct view *view, FILE *out)
{
	(void)view;
	static const struct column columns[] = {
		{"POOL", "pool", COLUMN_TEXT},
		{"BACKEND", "name", COLUMN_TEXT},
		{"STATE", "state", COLUMN_TEXT},
		{"HEALTH", "health.verdict", COLUMN_TEXT},
		{"SINCE_S", "health.since_s", COLUMN_NUMBER},
		{"PROBES", "health.probes", COLUMN_NUMBER},
		{"FAILURES", "health.failures", COLUMN_NUMBER},
		{"TOOK_US", "health.duration_us", COLUMN_NUMBER},
		{"FAILED_AT", "health.last_failure_at", COLUMN_TEXT},
		{"LAST_FAILURE", "health.last_failure", COLUMN_REMARK},
		{NULL, NULL, COLUMN_TEXT},
	};
	static const struct column change_columns[] = {
		{"AT", "at", COLUMN_TEXT},
		{"HEALTH", "verdict", COLUMN_TEXT},
		{"REASON", "reason", COLUMN_TEXT},
		{NULL, NULL, COLUMN_TEXT},
	};
	table_print(health, columns, out);
	/* Of one backend there is room for what it has been through. */
	const json_t *changes = text_find(json_array_get(health, 0), "health.changes");
	if (json_array_size(health) == 1 && json_array_size(changes)) {
		putc('\n', out);
		table_print(changes, change_columns, out);
	}
}

void
render_neighbours(const json_t *neighbours, const struct view *view, FILE *out)
{
	(void)view;
	static const struct column columns[] = {
		{"ADDRESS", "address", COLUMN_TEXT},
		{"VIA", "via", COLUMN_TEXT},
		{"INTERFACE", "interface", COLUMN_TEXT},
		{"PORT", "port", COLUMN_TEXT},
		{"MAC", "mac", COLUMN_TEXT},
		{"USERS", "users", COLUMN_NUMBER},
		{"STATE", "state", COLUMN_TEXT},
		{"DETAIL", "detail", COLUMN_REMARK},
		{NULL, NULL, COLUMN_TEXT},
	};
	table_print(neighbours, columns, out);
}

/* flows */

static int
compare_flows(const void *a, const void *b)
{
	int64_t left = text_number(*(json_t *const *)a, "flows");
	int64_t right = text_number(*(json_t *const *)b, "flows");
	return (left < right) - (left > right);
}

/* The first `limit` backends by their flows: a new array, or NULL when memory is out. */
static json_t *
busiest_backends(const json_t *backends, uint64_t limit)
{
	size_t count = json_array_size(backends);
	json_t **sorted = calloc(count + 1, sizeof(*sorted));
	json_t *busiest = json_array();
	for (size_t i = 0; sorted && i < count; i++)
		sorted[i] = json_array_get(backends, i);
	if (sorted)
		qsort(sorted, count, sizeof(*sorted), compare_flows);
	for (size_t i = 0; sorted && i < count && i < limit; i++)
		json_array_append(busiest, sorted[i]);
	free(sorted);
	return busiest;
}

void
render_flows(const json_t *flows, const struct view *view, FILE *out)
{
	static const struct column columns[] = {
		{"POOL", "pool", COLUMN_TEXT},
		{"BACKEND", "backend", COLUMN_TEXT},
		{"FLOWS", "flows", COLUMN_NUMBER},
		{NULL, NULL, COLUMN_TEXT},
	};
	char live[TEXT_MAX], capacity[TEXT_MAX], entries[TEXT_MAX];
	fprintf(out, "%s live, laid out for %s in %s entries\n", text_of(flows, "live", live),
		text_of(flows, "capacity", capacity), text_of(flows, "entries", entries));
	table_print_members(text_find(flows, "by_state"), out);
	putc('\n', out);
	json_t *busiest = busiest_backends(text_find(flows, "by_backend"), view->limit);
	table_print(busiest, columns, out);
	json_decref(busiest);
}

/* stats */

static void
print_identity(const json_t *stats, FILE *out)
{
	char received[TEXT_MAX], sent[TEXT_MAX], punted[TEXT_MAX], answered[TEXT_MAX],
		dropped[TEXT_MAX];
	fprintf(out,
		"received = sent + punted + answered + dropped   (%s = %s + %s + %s + %s) %s\n",
		text_of(stats, "received", received), text_of(stats, "sent", sent),
		text_of(stats, "punted", punted), text_of(stats, "answered", answered),
		text_of(stats, "dropped", dropped),
		json_is_true(text_find(stats, "identity")) ? "holds" : "DOES NOT HOLD");
}

static void
print_exits(const json_t *exits, bool all, FILE *out)
{
	static const struct column columns[] = {
		{"EXIT", "name", COLUMN_TEXT},
		{"KIND", "kind", COLUMN_TEXT},
		{"PACKETS", "packets", COLUMN_NUMBER},
		{"BYTES", "bytes", COLUMN_NUMBER},
		{"MEANING", "meaning", COLUMN_TEXT},
		{NULL, NULL, COLUMN_TEXT},
	};
	json_t *shown = json_array(), *row;
	size_t i;
	json_array_foreach(exits, i, row)
	{
		if (all || text_number(row, "packets") != 0)
			json_array_append(shown, row);
	}
	table_print(shown, columns, out);
	json_decref(shown);
}

void
render_stats(const json_t *stats, const struct view *view, FILE *out)
{
	static const struct column kernel_columns[] = {
		{"KERNEL_PATH", "port", COLUMN_TEXT},
		{"INTERFACE", "interface", COLUMN_TEXT},
		{"DELIVERED", "delivered", COLUMN_NUMBER},
		{"DELIVERY_FAILED", "delivery_failed", COLUMN_NUMBER},
		{"COLLECTED", "collected", COLUMN_NUMBER},
		{"RING_FULL", "ring_full", COLUMN_NUMBER},
		{NULL, NULL, COLUMN_TEXT},
	};
	print_identity(stats, out);
	putc('\n', out);
	print_exits(text_find(stats, "exits"), view->all, out);
	putc('\n', out);
	table_print(text_find(stats, "kernel_path"), kernel_columns, out);
	fprintf(out, "\nflow table\n");
	table_print_members(text_find(stats, "flow_table"), out);
	fprintf(out, "\nnext hops\n");
	table_print_members(text_find(stats, "next_hops"), out);
}

/* explain */

void
render_explain(const json_t *explained, const struct view *view, FILE *out)
{
	(void)view;
	const json_t *steps = text_find(explained, "steps");
	char text[TEXT_MAX];
	unsigned widest = 0;
	size_t i;
	json_t *step;
	json_array_foreach(steps, i, step)
	{
		unsigned width = text_width(text_of(step, "step", text));
		widest = width > widest ? width : widest;
	}
	json_array_foreach(steps, i, step)
	{
		text_of(step, "step", text);
		fprintf(out, "%s%*s", text, (int)(widest - text_width(text)) + 3, "");
		fprintf(out, "%s\n", text_of(step, "text", text));
	}
}
