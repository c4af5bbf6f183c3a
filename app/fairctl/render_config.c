/* SPDX-License-Identifier: BSD-3-Clause */
#include <inttypes.h>
#include <string.h>

#include "render.h"
#include "table.h"
#include "text.h"

static void
print_lines(const json_t *lines, const char *prefix, FILE *out)
{
	size_t i;
	json_t *line;
	json_array_foreach(lines, i, line)
	{
		fprintf(out, "%s", prefix);
		text_print_line(json_is_string(line) ? json_string_value(line) : "-", out);
	}
}

/* status */

static const struct column port_columns[] = {
	{"PORT", "name", COLUMN_TEXT},
	{"LINK", "link", COLUMN_TEXT},
	{"MTU", "mtu", COLUMN_NUMBER},
	{"MAC", "mac", COLUMN_TEXT},
	{"DRIVER", "driver", COLUMN_TEXT},
	{"KERNEL_INTERFACE", "kernel_interface", COLUMN_TEXT},
	{"KERNEL_DRIVER", "kernel_driver", COLUMN_TEXT},
	{"DEVICE", "device", COLUMN_TEXT},
	{NULL, NULL, COLUMN_TEXT},
};

static const struct column worker_columns[] = {
	{"WORKER_CPU", "cpu", COLUMN_NUMBER},
	{"NUMA", "numa", COLUMN_NUMBER},
	{"BUSY%", "busy_percent", COLUMN_NUMBER},
	{"PACKETS", "packets", COLUMN_NUMBER},
	{"BURSTS", "bursts", COLUMN_NUMBER},
	{NULL, NULL, COLUMN_TEXT},
};

static void
print_flow_table(const json_t *status, FILE *out)
{
	char path[TEXT_MAX], memory[TEXT_MAX];
	int64_t capacity = text_number(status, "flow_table.capacity");
	int64_t live = text_number(status, "flow_table.live");
	double percent = capacity > 0 ? 100.0 * (double)live / (double)capacity : 0;
	fprintf(out, "flow table   %" PRId64 " of %" PRId64 " flows (%.1f %%), %s\n", live,
		capacity, percent,
		json_is_true(text_find(status, "flow_table.resumed")) ? "resumed" : "new");
	fprintf(out, "             %s, %s bytes%s\n", text_of(status, "flow_table.path", path),
		text_of(status, "flow_table.bytes", memory),
		json_is_true(text_find(status, "flow_table.hugetlbfs")) ? " on hugetlbfs" : "");
}

/* Which configuration is in force, and whatever may surprise about it. */
static void
print_configuration(const json_t *status, FILE *out)
{
	char a[TEXT_MAX], b[TEXT_MAX], c[TEXT_MAX];
	fprintf(out, "config       %s, of %s, loaded %s ago\n", text_of(status, "generation", a),
		text_of(status, "configuration.file", b),
		text_duration(text_number(status, "loaded_s_ago"), c));
	if (text_find(status, "configuration.of") &&
		!json_is_null(text_find(status, "configuration.of")))
		fprintf(out, "             %s of %s\n", text_of(status, "configuration.origin", a),
			text_of(status, "configuration.of", b));
	if (json_is_integer(text_find(status, "configuration.confirm_within_s")))
		fprintf(out,
			"             waits for fairctl confirm for %s s, else goes back to %s\n",
			text_of(status, "configuration.confirm_within_s", a),
			text_of(status, "configuration.back_to", b));
	text_of(status, "configuration.on_disk", a);
	if (strcmp(a, "differs") == 0)
		fprintf(out, "             %s differs, which a restart or SIGHUP would read\n",
			text_of(status, "config_file", b));
	else if (strcmp(a, "refused") == 0)
		fprintf(out, "             %s is wrong or gone: a restart would fail\n",
			text_of(status, "config_file", b));
	if (strcmp(text_of(status, "configuration.unsaved", a), "-") != 0)
		fprintf(out, "             history in memory only: %s\n", a);
}

/* SIGHUP has no other way to say what came of it. */
static void
print_last_reload(const json_t *status, FILE *out)
{
	const json_t *last = text_find(status, "last_reload");
	char a[TEXT_MAX], b[TEXT_MAX], c[TEXT_MAX], d[TEXT_MAX];
	if (!json_is_object(last))
		return;
	fprintf(out, "last reload  %s, by %s at %s: %s\n", text_of(last, "outcome", a),
		text_of(last, "by", b), text_of(last, "at", c), text_of(last, "message", d));
	print_lines(text_find(last, "details"), "             ", out);
}

void
render_status(const json_t *status, const struct view *view, FILE *out)
{
	(void)view;
	char a[TEXT_MAX], b[TEXT_MAX], c[TEXT_MAX];
	fprintf(out, "edge         %s\n", text_of(status, "name", a));
	fprintf(out, "fairlead     %s, pid %s, up %s\n", text_of(status, "version", a),
		text_of(status, "pid", b), text_duration(text_number(status, "uptime_s"), c));
	print_configuration(status, out);
	fprintf(out, "serving      %s services, %s pools, %s backends\n",
		text_of(status, "services", a), text_of(status, "pools", b),
		text_of(status, "backends", c));
	fprintf(out, "snapshot     %s, %s bytes on %s NUMA nodes\n", text_of(status, "snapshot", a),
		text_of(status, "snapshot_bytes", b), text_of(status, "numa_nodes", c));
	print_flow_table(status, out);
	print_last_reload(status, out);
	fprintf(out, "buffers      %s of %s free\n", text_of(status, "buffers.free", a),
		text_of(status, "buffers.total", b));
	putc('\n', out);
	table_print(text_find(status, "ports"), port_columns, out);
	putc('\n', out);
	table_print(text_find(status, "workers"), worker_columns, out);
}

/* reload, rollback, confirm, history */

void
render_reload(const json_t *reload, const struct view *view, FILE *out)
{
	(void)view;
	char a[TEXT_MAX];
	const json_t *changed = text_find(reload, "changed");
	fprintf(out, "configuration %s: %s\n", text_of(reload, "generation", a),
		json_array_size(changed) ? "live" : "live, nothing changed");
	print_lines(changed, "  ", out);
	if (json_is_integer(text_find(reload, "confirm_within_s")))
		fprintf(out, "taken back in %s s, unless fairctl confirm keeps it\n",
			text_of(reload, "confirm_within_s", a));
	print_lines(text_find(reload, "warnings"), "", out);
}

void
render_confirm(const json_t *confirm, const struct view *view, FILE *out)
{
	(void)view;
	char a[TEXT_MAX];
	fprintf(out, "configuration %s stays\n", text_of(confirm, "generation", a));
}

void
render_history(const json_t *history, const struct view *view, FILE *out)
{
	(void)view;
	static const struct column columns[] = {
		{"NUMBER", "generation", COLUMN_NUMBER},
		{"STATE", "state", COLUMN_TEXT},
		{"SINCE", "at", COLUMN_TEXT},
		{"ORIGIN", "origin", COLUMN_TEXT},
		{"OF", "of", COLUMN_NUMBER},
		{"BYTES", "bytes", COLUMN_NUMBER},
		{"SAVED", "saved", COLUMN_TEXT},
		{"FILE", "file", COLUMN_TEXT},
		{NULL, NULL, COLUMN_TEXT},
	};
	table_print(history, columns, out);
}

/* diff */

static void
print_changes(const json_t *changes, FILE *out)
{
	static const struct {
		const char *kind;
		char mark;
	} marks[] = {{"add", '+'}, {"remove", '-'}, {"change", '~'}, {"needs_restart", '!'}};
	char kind[TEXT_MAX], what[TEXT_MAX], name[TEXT_MAX], detail[TEXT_MAX];
	size_t i;
	json_t *change;
	json_array_foreach(changes, i, change)
	{
		char mark = '?';
		text_of(change, "kind", kind);
		for (size_t m = 0; m < sizeof(marks) / sizeof(marks[0]); m++)
			if (strcmp(marks[m].kind, kind) == 0)
				mark = marks[m].mark;
		text_of(change, "detail", detail);
		bool has_detail = strcmp(detail, "-") != 0;
		fprintf(out, "%c %s %s%s%s%s\n", mark, text_of(change, "what", what),
			text_of(change, "name", name), has_detail ? ": " : "",
			has_detail ? detail : "", mark == '!' ? " (needs a restart)" : "");
	}
}

static void
print_moving(const json_t *diff, FILE *out)
{
	static const struct column row_columns[] = {
		{"POOL", "pool", COLUMN_TEXT},
		{"ROWS", "rows", COLUMN_NUMBER},
		{"MOVING", "moving", COLUMN_NUMBER},
		{NULL, NULL, COLUMN_TEXT},
	};
	static const struct column flow_columns[] = {
		{"POOL", "pool", COLUMN_TEXT},
		{"BACKEND", "backend", COLUMN_TEXT},
		{"FLOWS", "flows", COLUMN_NUMBER},
		{"WHY", "why", COLUMN_TEXT},
		{NULL, NULL, COLUMN_TEXT},
	};
	const json_t *rows = text_find(diff, "rows"), *flows = text_find(diff, "flows");
	char a[TEXT_MAX], b[TEXT_MAX];
	if (json_array_size(rows)) {
		fprintf(out, "\nrows, of new flows, that would go to another backend\n");
		table_print(rows, row_columns, out);
	}
	fprintf(out, "\nlive flows that would go to another backend: %s of %s\n",
		text_of(flows, "moving", a), text_of(flows, "live", b));
	if (json_array_size(text_find(flows, "backends")))
		table_print(text_find(flows, "backends"), flow_columns, out);
	if (json_array_size(text_find(flows, "readdressed"))) {
		fprintf(out, "\nlive flows that would stay with a backend at another address\n");
		table_print(text_find(flows, "readdressed"), flow_columns, out);
	}
}

void
render_diff(const json_t *diff, const struct view *view, FILE *out)
{
	(void)view;
	char file[TEXT_MAX], verdict[TEXT_MAX];
	text_of(diff, "file", file);
	text_of(diff, "verdict", verdict);
	print_lines(text_find(diff, "warnings"), "", out);
	if (strcmp(verdict, "same") == 0) {
		fprintf(out, "%s says what is in force\n", file);
		return;
	}
	print_changes(text_find(diff, "changes"), out);
	print_moving(diff, out);
	print_lines(text_find(diff, "unknown"), "note: ", out);
	fprintf(out, "\n%s\n",
		strcmp(verdict, "live") == 0
			? "fairctl reload would put this in force"
			: "fairctl reload would refuse this: a restart is needed");
}

/* drain, undrain */

void
render_drain(const json_t *drain, const struct view *view, FILE *out)
{
	(void)view;
	char pool[TEXT_MAX], name[TEXT_MAX], state[TEXT_MAX], flows[TEXT_MAX], deadline[TEXT_MAX];
	fprintf(out, "%s/%s: %s, %s flows", text_of(drain, "pool", pool),
		text_of(drain, "name", name), text_of(drain, "state", state),
		text_of(drain, "flows", flows));
	if (strcmp(text_of(drain, "drain.deadline", deadline), "-") != 0)
		fprintf(out, ", until %s", deadline);
	putc('\n', out);
	print_lines(text_find(drain, "warnings"), "", out);
}
