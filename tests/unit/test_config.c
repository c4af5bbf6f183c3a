/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a folder in tests/config cannot say: special files, files that change or end anywhere, big
 * ones, and that what is printed means what was read. The first argument is the shipped example.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "config.h"
#include "mono.h"

#define NOBODY 65534

static const char *example_path;

/* A directory that anybody may search, and the path of a file in it. */
struct place {
	char directory[64];
	char file[96];
};

static int
setup_place(void **state)
{
	struct place *place = calloc(1, sizeof(*place));
	assert_non_null(place);
	snprintf(place->directory, sizeof(place->directory), "/tmp/fairlead-config-XXXXXX");
	assert_non_null(mkdtemp(place->directory));
	assert_int_equal(chmod(place->directory, 0755), 0);
	snprintf(place->file, sizeof(place->file), "%s/config.json", place->directory);
	*state = place;
	return 0;
}

static int
teardown_place(void **state)
{
	struct place *place = *state;
	if (remove(place->file) < 0)
		assert_int_equal(errno, ENOENT);
	assert_int_equal(rmdir(place->directory), 0);
	free(place);
	return 0;
}

/* Loads; the result, and what was said in `said` if that is not NULL (for the caller to free). */
static int
load(const char *path, struct config **config, char **said)
{
	char *text = NULL;
	size_t length;
	FILE *errors = open_memstream(&text, &length);
	assert_non_null(errors);
	int rc = config_load(config, path, errors);
	fclose(errors);
	if (said)
		*said = text;
	else
		free(text);
	return rc;
}

static int
parse(const char *text, size_t length, struct config **config)
{
	FILE *errors = fopen("/dev/null", "w");
	assert_non_null(errors);
	int rc = config_parse(config, "test.json", text, length, errors);
	fclose(errors);
	return rc;
}

static char *
print(const struct config *config)
{
	char *text = NULL;
	size_t length;
	FILE *out = open_memstream(&text, &length);
	assert_non_null(out);
	assert_int_equal(config_print(config, out), 0);
	fclose(out);
	return text;
}

static void
assert_refused(const struct place *place, int code, const char *why)
{
	struct config *config = NULL;
	char *said;
	char line[256];
	assert_int_equal(load(place->file, &config, &said), code);
	assert_null(config);
	snprintf(line, sizeof(line), "%s: %s\n", place->file, why);
	assert_string_equal(said, line);
	free(said);
}

static void
test_missing_file(void **state)
{
	assert_refused(
		*state, -ENOENT, "wanted a file that can be read, got: No such file or directory");
}

static void
test_directory(void **state)
{
	struct place *place = *state;
	assert_int_equal(mkdir(place->file, 0755), 0);
	assert_refused(place, -EINVAL, "wanted a regular file, got a directory");
}

/* Nobody writes to it: to open it for reading would wait for ever. */
static void
test_fifo(void **state)
{
	struct place *place = *state;
	assert_int_equal(mkfifo(place->file, 0644), 0);
	assert_refused(place, -EINVAL, "wanted a regular file, got a FIFO");
}

static void
test_symlink_loop(void **state)
{
	struct place *place = *state;
	assert_int_equal(symlink(place->file, place->file), 0);
	assert_refused(place, -ELOOP,
		"wanted a file that can be read, got: Too many levels of symbolic links");
}

static void
test_device(void **state)
{
	struct place *place = *state;
	assert_int_equal(symlink("/dev/zero", place->file), 0);
	assert_refused(place, -EINVAL, "wanted a regular file, got a device");
}

static void
test_sparse_500_megabytes(void **state)
{
	struct place *place = *state;
	int fd = open(place->file, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, 500000000), 0);
	close(fd);
	char why[96];
	snprintf(why, sizeof(why), "wanted a file of at most %u bytes, got 500000000",
		CONFIG_BYTES_MAX);
	assert_refused(place, -EFBIG, why);
}

/* Root may read anything, so a child that is not root tries. */
static void
test_mode_000(void **state)
{
	struct place *place = *state;
	int fd = open(place->file, O_CREAT | O_WRONLY | O_CLOEXEC, 0);
	assert_true(fd >= 0);
	close(fd);
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		if (geteuid() == 0 && setuid(NOBODY) < 0)
			_exit(2);
		struct config *config;
		char *said;
		int rc = load(place->file, &config, &said);
		_exit(rc == -EACCES && strstr(said, "got: Permission denied") ? 0 : 1);
	}
	int status;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

struct appender {
	int fd;
	atomic_bool stop;
};

static void *
append_blanks(void *context)
{
	struct appender *appender = context;
	while (!atomic_load(&appender->stop))
		if (write(appender->fd, "  ", 2) != 2)
			break;
	return NULL;
}

/* A file that grows while it is read is refused as such, not judged by the half that was there. */
static void
test_changes_while_read(void **state)
{
	struct place *place = *state;
	struct appender appender = {
		.fd = open(place->file, O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0644)};
	assert_true(appender.fd >= 0);
	assert_int_equal(ftruncate(appender.fd, 1 << 20), 0);
	pthread_t thread;
	assert_int_equal(pthread_create(&thread, NULL, append_blanks, &appender), 0);
	bool seen = false;
	struct mono end = mono_add_ms(mono_now(), 20000);
	while (!seen && mono_ms_between(mono_now(), end) > 0) {
		struct config *config;
		char *said;
		int rc = load(place->file, &config, &said);
		seen = rc == -EAGAIN && strstr(said, "changed while it was read");
		assert_true(seen || rc == -EINVAL || rc == -EFBIG);
		free(said);
		assert_int_equal(ftruncate(appender.fd, 1 << 20), 0);
	}
	atomic_store(&appender.stop, true);
	pthread_join(thread, NULL);
	close(appender.fd);
	assert_true(seen);
}

static char *
read_example(size_t *length)
{
	FILE *file = fopen(example_path, "r");
	assert_non_null(file);
	char *text = malloc(1 << 16);
	assert_non_null(text);
	*length = fread(text, 1, 1 << 16, file);
	assert_in_range(*length, 100, (1 << 16) - 1);
	fclose(file);
	return text;
}

/* The line and column behind the last of `length` bytes of plain ASCII. */
static void
place_behind(const char *text, size_t length, unsigned *line, unsigned *column)
{
	*line = *column = 1;
	for (size_t at = 0; at < length; at++) {
		*column = text[at] == '\n' ? 1 : *column + 1;
		*line += text[at] == '\n';
	}
}

/* What is said of a beginning of the example: one line, of a place in it or just behind it. */
static void
assert_refused_with_place(const char *text, size_t cut, const char *said)
{
	unsigned line, column, end_line, end_column;
	int used = 0;
	place_behind(text, cut, &end_line, &end_column);
	assert_int_equal(sscanf(said, "test.json:%u:%u: wanted JSON, got a syntax error: %n", &line,
				 &column, &used),
		2);
	assert_true(used > 0);
	assert_ptr_equal(strchr(said, '\n'), said + strlen(said) - 1);
	assert_true(line > 0 && column > 0);
	assert_true(line < end_line || (line == end_line && column <= end_column));
}

/* Each piece in memory of just its size, so that a sanitizer sees a look behind the end. */
static void
test_truncated_at_every_byte(void **state)
{
	(void)state;
	size_t length;
	char *text = read_example(&length);
	size_t complete = length;
	while (text[complete - 1] != '}')
		complete--;
	for (size_t cut = 0; cut <= length; cut++) {
		char *piece = malloc(cut ? cut : 1);
		assert_non_null(piece);
		memcpy(piece, text, cut);
		struct config *config = NULL;
		char *said = NULL;
		size_t said_length;
		FILE *errors = open_memstream(&said, &said_length);
		assert_non_null(errors);
		int rc = config_parse(&config, "test.json", piece, cut, errors);
		fclose(errors);
		assert_int_equal(rc, cut < complete ? -EINVAL : 0);
		if (rc < 0)
			assert_refused_with_place(text, cut, said);
		config_free(config);
		free(said);
		free(piece);
	}
	free(text);
}

/* A short file of very many values: they cost memory and time, so they are counted first. */
static void
test_values(void **state)
{
	(void)state;
	for (size_t excess = 0; excess < 2; excess++) {
		/* The array itself, and a comma before each of its elements but the first. */
		size_t zeros = CONFIG_VALUES_MAX - 1 + excess, length = 2 * zeros + 1;
		char *text = malloc(length);
		assert_non_null(text);
		for (size_t i = 0; i < length; i++)
			text[i] = i % 2 ? '0' : ',';
		text[0] = '[';
		text[length - 1] = ']';
		char *said = NULL, wanted[128];
		size_t said_length;
		FILE *errors = open_memstream(&said, &said_length);
		assert_non_null(errors);
		struct config *config = NULL;
		assert_int_equal(config_parse(&config, "t", text, length, errors), -EINVAL);
		fclose(errors);
		snprintf(wanted, sizeof(wanted), "t:1:%zu: wanted at most %u values, got more\n",
			length - 2, CONFIG_VALUES_MAX);
		assert_string_equal(
			said, excess ? wanted : "t:1:1: wanted an object, got an array\n");
		free(said);
		free(text);
	}
}

/* Each byte turned into others: accepted or refused, but never a crash or a hang. */
static void
test_every_byte_changed(void **state)
{
	(void)state;
	static const char others[] = {'\0', '"', '\\', '{', '}', '[', ',', '0', '-', ' ', '\x80'};
	size_t length;
	char *text = read_example(&length);
	for (size_t at = 0; at < length; at++) {
		char kept = text[at];
		for (size_t i = 0; i < sizeof(others); i++) {
			struct config *config = NULL;
			text[at] = others[i];
			int rc = parse(text, length, &config);
			assert_true(rc == 0 || rc == -EINVAL);
			config_free(config);
		}
		text[at] = kept;
	}
	free(text);
}

static void
test_example_prints_as_itself(void **state)
{
	(void)state;
	struct config *config, *again;
	char *said;
	assert_int_equal(load(example_path, &config, &said), 0);
	assert_string_equal(said, "");
	free(said);
	char *printed = print(config);
	assert_int_equal(parse(printed, strlen(printed), &again), 0);
	char *printed_again = print(again);
	assert_string_equal(printed, printed_again);
	free(printed);
	free(printed_again);
	config_free(again);
	config_free(config);
}

#define HEAD                                                                                       \
	"{\"edge\":{\"name\":\"e\",\"hash_key\":\"000102030405060708090a0b0c0d0eFf\"},"            \
	"\"dataplane\":{\"workers\":\"4,1-2\",\"ports\":[{\"name\":\"u\",\"device\":\"d\"}]},"

static void
test_values_and_defaults(void **state)
{
	(void)state;
	static const char text[] = HEAD
		"\"pools\":{"
		"\"z\":{\"forward\":{\"mode\":\"ipip\",\"source4\":\"10.8.0.0/"
		"16\"},\"rows\":131072,"
		"\"health\":{\"type\":\"http\",\"port\":81},"
		"\"backends\":[{\"name\":\"b\",\"address\":\"10.0.0.2\",\"state\":\"drain\"},"
		"{\"name\":\"a\",\"address\":\"10.0.0.1\",\"weight\":7}]},"
		"\"a\":{\"backends\":[{\"name\":\"c\",\"address\":\"2001:db8::c\"}]}},"
		"\"services\":[{\"name\":\"s\",\"vips\":[\"2001:db8::1\",\"192.0.2.1\"],"
		"\"protocol\":\"udp\",\"ports\":[81,80,\"90-99\"],\"pool\":\"z\"},"
		"{\"name\":\"r\",\"vips\":[\"192.0.2.2\"],\"protocol\":\"tcp\",\"ports\":[\"any\"],"
		"\"pool\":\"a\",\"affinity\":\"client\"}]}";
	struct config *c;
	assert_int_equal(parse(text, sizeof(text) - 1, &c), 0);

	assert_string_equal(c->edge_name, "e");
	assert_int_equal(c->hash_key[1], 1);
	assert_int_equal(c->hash_key[15], 0xff);
	assert_int_equal(c->worker_count, 3);
	assert_int_equal(c->workers[0], 1);
	assert_int_equal(c->workers[2], 4);
	assert_int_equal(c->ports[0].mtu, 1500);
	assert_null(c->ports[0].kernel_interface);
	assert_int_equal(c->flow_table.capacity, 1048576);
	assert_string_equal(c->flow_table.path, "/dev/shm/fairlead-e.flows");
	assert_int_equal(c->flow_table.tcp_syn_s, 60);
	assert_int_equal(c->flow_table.tcp_established_s, 7440);
	assert_int_equal(c->flow_table.tcp_closing_s, 120);
	assert_int_equal(c->flow_table.datagram_s, 300);
	assert_int_equal(c->flow_table.client_s, 3600);
	assert_int_equal(c->punt.control_pps, 20000);
	assert_int_equal(c->punt.other_pps, 100000);
	assert_true(c->hugepages);
	assert_int_equal(c->memory_mb, 0);
	assert_false(c->has_announce);
	assert_string_equal(c->control_socket, "/run/fairlead/control.sock");
	assert_null(c->control_metrics);

	assert_int_equal(c->pool_count, 2);
	const struct config_pool *z = &c->pools[1];
	assert_string_equal(c->pools[0].name, "a");
	assert_string_equal(c->pools[0].forward.mode, "l2");
	assert_int_equal(c->pools[0].rows, 65536);
	assert_int_equal(c->pools[0].health.type, HEALTH_NONE);
	assert_string_equal(z->forward.mode, "ipip");
	assert_true(z->forward.settings.has_source4);
	assert_false(z->forward.settings.has_source6);
	assert_int_equal(z->forward.settings.source4.len, 16);
	assert_int_equal(z->rows, 131072);
	assert_int_equal(z->health.type, HEALTH_HTTP);
	assert_string_equal(z->health.path, "/");
	assert_int_equal(z->health.interval_ms, 1000);
	assert_string_equal(z->backends[0].name, "a");
	assert_int_equal(z->backends[0].weight, 7);
	assert_int_equal(z->backends[1].weight, 100);
	assert_int_equal(z->backends[1].state, BACKEND_DRAIN);

	const struct config_service *s = &c->services[1];
	assert_string_equal(c->services[0].name, "r");
	assert_int_equal(c->services[0].ports[0].first, 0);
	assert_int_equal(c->services[0].ports[0].last, 65535);
	assert_int_equal(c->services[0].affinity, AFFINITY_CLIENT);
	assert_string_equal(c->pools[c->services[0].pool].name, "a");
	assert_string_equal(c->pools[s->pool].name, "z");
	assert_int_equal(s->protocol, IPPROTO_UDP);
	assert_true(addr_is_v4(&s->vips[0]));
	assert_int_equal(s->port_count, 2);
	assert_int_equal(s->ports[0].first, 80);
	assert_int_equal(s->ports[0].last, 81);
	assert_int_equal(s->ports[1].first, 90);
	config_free(c);
}

/* 10k services on 1,000 pools of ten backends; `spoil` is put into the last service. */
static char *
big_text(size_t *length, const char *spoil)
{
	char *text = NULL;
	FILE *out = open_memstream(&text, length);
	assert_non_null(out);
	fputs(HEAD "\"pools\":{", out);
	for (unsigned p = 0; p < 1000; p++) {
		fprintf(out, "%s\n\"pool%u\":{\"backends\":[", p ? "," : "", p);
		for (unsigned b = 0; b < 10; b++)
			fprintf(out, "%s{\"name\":\"backend%u\",\"address\":\"10.%u.%u.%u\"}",
				b ? "," : "", b, p >> 8, p & 255, b + 1);
		fputs("]}", out);
	}
	fputs("},\n\"services\":[", out);
	for (unsigned s = 0; s < 10000; s++)
		fprintf(out,
			"%s{\"name\":\"service%u\",\"vips\":[\"172.16.%u.%u\",\"2001:db8::%x\"],"
			"\"protocol\":\"tcp\",\"ports\":[80,443,\"8000-8099\"],\"pool\":\"pool%u\"%"
			"s}",
			s ? ",\n" : "", s, s >> 8, s & 255, s + 1, s % 1000,
			s == 9999 ? spoil : "");
	fputs("]}\n", out);
	fclose(out);
	return text;
}

static void
test_ten_thousand(void **state)
{
	(void)state;
	size_t length;
	char *text = big_text(&length, "");
	struct config *config;
	struct mono start = mono_now();
	assert_int_equal(parse(text, length, &config), 0);
	uint64_t took_ms = mono_ms_between(start, mono_now());
	print_message("%zu bytes in %llu ms\n", length, (unsigned long long)took_ms);
	/* A tenth of a second on an idle machine; anything quadratic would take minutes. */
	assert_true(took_ms < 10000);
	assert_int_equal(config->service_count, 10000);
	assert_int_equal(config->pool_count, 1000);
	char *printed = print(config);
	struct config *again;
	assert_int_equal(parse(printed, strlen(printed), &again), 0);
	char *printed_again = print(again);
	assert_string_equal(printed, printed_again);
	free(printed);
	free(printed_again);
	config_free(again);
	config_free(config);
	free(text);
}

static void
test_error_at_the_end_of_ten_thousand(void **state)
{
	struct place *place = *state;
	size_t length;
	char *text = big_text(&length, ",\"affinity\":\"quic\"");
	FILE *file = fopen(place->file, "w");
	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, length, file), length);
	fclose(file);
	free(text);
	struct config *config = NULL;
	char *said, line[256];
	assert_int_equal(load(place->file, &config, &said), -EINVAL);
	snprintf(line, sizeof(line),
		"%s:11001:138: /services/9999/affinity: wanted \"flow\", \"client\" or \"none\", "
		"got \"quic\"\n",
		place->file);
	assert_string_equal(said, line);
	free(said);
}

/* Ten thousand VIPs of one service, and one more service that takes one of them. */
static void
test_ten_thousand_vips(void **state)
{
	(void)state;
	for (unsigned clash = 0; clash < 2; clash++) {
		char *text = NULL;
		size_t length;
		FILE *out = open_memstream(&text, &length);
		assert_non_null(out);
		fputs(HEAD "\"pools\":{\"p\":{\"backends\":[{\"name\":\"b\",\"address\":\"10.0.0."
			   "1\"}]}},"
			   "\"services\":[{\"name\":\"s\",\"vips\":[",
			out);
		for (unsigned v = 0; v < 10000; v++)
			fprintf(out, "%s\"172.16.%u.%u\"", v ? "," : "", v >> 8, v & 255);
		fprintf(out,
			"],\"protocol\":\"tcp\",\"ports\":[80],\"pool\":\"p\"},{\"name\":\"t\","
			"\"vips\":[\"172.%u.3.7\"],\"protocol\":\"tcp\",\"ports\":[80],"
			"\"pool\":\"p\"}]}",
			clash ? 16 : 17);
		fclose(out);
		struct config *config = NULL;
		assert_int_equal(parse(text, length, &config), clash ? -EINVAL : 0);
		config_free(config);
		free(text);
	}
}

static void
count_backends(unsigned pools, unsigned each, int expected)
{
	char *text = NULL;
	size_t length;
	FILE *out = open_memstream(&text, &length);
	assert_non_null(out);
	fputs(HEAD "\"pools\":{", out);
	for (unsigned p = 0; p < pools; p++) {
		fprintf(out, "%s\"p%u\":{\"backends\":[", p ? "," : "", p);
		for (unsigned b = 0; b < each; b++)
			fprintf(out, "%s{\"name\":\"%u\",\"address\":\"10.%u.%u.%u\"}",
				b ? "," : "", b, p, b >> 8, b & 255);
		fputs("]}", out);
	}
	fputs("},\"services\":[]}", out);
	fclose(out);
	struct config *config = NULL;
	assert_int_equal(parse(text, length, &config), expected);
	config_free(config);
	free(text);
}

static void
test_backends_in_all_pools(void **state)
{
	(void)state;
	assert_int_equal(BACKENDS_MAX, 3 * 21845);
	count_backends(3, 21845, 0);
	count_backends(2, 32768, -EINVAL);
}

/* A few hundred kilobytes that stand for 10^9 rules: refused by the count, not by memory. */
static void
test_vips_times_ports(void **state)
{
	(void)state;
	char *text = NULL;
	size_t length;
	FILE *out = open_memstream(&text, &length);
	assert_non_null(out);
	fputs(HEAD "\"pools\":{\"p\":{\"backends\":[{\"name\":\"b\",\"address\":\"10.0.0.1\"}]}},"
		   "\"services\":[{\"name\":\"s\",\"protocol\":\"tcp\",\"pool\":\"p\",\"vips\":[",
		out);
	for (unsigned v = 0; v < 30000; v++)
		fprintf(out, "%s\"172.16.%u.%u\"", v ? "," : "", v >> 8, v & 255);
	fputs("],\"ports\":[", out);
	for (unsigned port = 1; port < 60000; port += 2)
		fprintf(out, "%s%u", port > 1 ? "," : "", port);
	fputs("]}]}", out);
	fclose(out);
	struct config *config = NULL;
	assert_int_equal(parse(text, length, &config), -EINVAL);
	assert_null(config);
	free(text);
}

int
main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: %s EXAMPLE\n", argv[0]);
		return 2;
	}
	example_path = argv[1];
#define IN_A_PLACE(test) cmocka_unit_test_setup_teardown(test, setup_place, teardown_place)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values_and_defaults),
		cmocka_unit_test(test_example_prints_as_itself),
		cmocka_unit_test(test_truncated_at_every_byte),
		cmocka_unit_test(test_every_byte_changed),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_ten_thousand),
		IN_A_PLACE(test_error_at_the_end_of_ten_thousand),
		cmocka_unit_test(test_ten_thousand_vips),
		cmocka_unit_test(test_backends_in_all_pools),
		cmocka_unit_test(test_vips_times_ports),
		IN_A_PLACE(test_missing_file),
		IN_A_PLACE(test_directory),
		IN_A_PLACE(test_fifo),
		IN_A_PLACE(test_symlink_loop),
		IN_A_PLACE(test_device),
		IN_A_PLACE(test_sparse_500_megabytes),
		IN_A_PLACE(test_mode_000),
		IN_A_PLACE(test_changes_while_read),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
