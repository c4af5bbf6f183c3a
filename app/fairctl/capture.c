/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * explain --pcap: every packet of a capture, in its order, as the daemon would treat it now. Frames go
 * to the daemon a request full at a time.
 */
#include <errno.h>
#include <inttypes.h>
#include <pcap/pcap.h>
#include <stdlib.h>
#include <string.h>

#include "bounds.h"
#include "run.h"
#include "text.h"

/* Of frames in hexadecimal; the rest of a request is for what stands around them. */
#define BATCH_DIGITS_MAX (CONTROL_REQUEST_BYTES_MAX / 2)
#define BATCH_FRAMES_MAX 256
/* No port takes longer ones; a capture has them where an offload has put segments together. */
#define FRAME_BYTES_MAX MTU_MAX

struct capture {
	const struct invocation *invocation;
	pcap_t *pcap;
	bool is_bare; /* packets without a frame around them */
	bool is_first_batch;
	json_t *frames;
	size_t digits;
	unsigned count;
	uint64_t read, printed; /* packets */
	struct timeval began, times[BATCH_FRAMES_MAX];
};

static json_t *
hex_json(const uint8_t *bytes, uint32_t count)
{
	static const char digits[] = "0123456789abcdef";
	char *text = malloc(2 * (size_t)count + 1);
	if (!text)
		return NULL;
	for (uint32_t i = 0; i < count; i++) {
		text[2 * i] = digits[bytes[i] >> 4];
		text[2 * i + 1] = digits[bytes[i] & 15];
	}
	json_t *json = json_stringn(text, 2 * (size_t)count);
	free(text);
	return json;
}

static const char *
endpoint(const json_t *row, const char *address_key, const char *port_key, char *text)
{
	char address[TEXT_MAX];
	text_of(row, address_key, address);
	if (text_find(row, port_key))
		snprintf(text, TEXT_MAX,
			strchr(address, ':') ? "[%.512s]:%" PRId64 : "%.512s:%" PRId64, address,
			text_number(row, port_key));
	else
		snprintf(text, TEXT_MAX, "%s", address);
	return text;
}

static void
print_row(const json_t *row, uint64_t number, double time_s)
{
	char source[TEXT_MAX], destination[TEXT_MAX], protocol[TEXT_MAX], service[TEXT_MAX],
		backend[TEXT_MAX], exit[TEXT_MAX], why[TEXT_MAX];
	printf("%5" PRIu64 " %11.6f  %-6s  %-21s  %-18s  %-8s  %-12s  %-22s  %s\n", number, time_s,
		text_of(row, "protocol", protocol), endpoint(row, "source", "source_port", source),
		endpoint(row, "destination", "destination_port", destination),
		text_of(row, "service", service), text_of(row, "backend", backend),
		text_of(row, "exit", exit), text_of(row, "why", why));
}

static void
print_json_row(const struct capture *c, json_t *row, uint64_t number, double time_s)
{
	json_object_set_new(row, "number", json_integer((json_int_t)number));
	json_object_set_new(row, "time_s", json_real(time_s));
	fputs(c->printed ? ",\n  " : "[\n  ", stdout);
	json_dumpf(row, stdout, JSON_REAL_PRECISION(12));
}

static void
print_packet(struct capture *c, json_t *row, uint64_t number, struct timeval at)
{
	double time_s = (double)(at.tv_sec - c->began.tv_sec) +
			(double)(at.tv_usec - c->began.tv_usec) / 1e6;
	if (c->invocation->json)
		print_json_row(c, row, number, time_s);
	else
		print_row(row, number, time_s);
	c->printed++;
}

/* Asks the daemon about what has been gathered, and prints what it says. */
static enum exit_status
flush_batch(struct capture *c)
{
	enum exit_status status;
	size_t i;
	json_t *row;
	if (c->count == 0)
		return STATUS_DONE;
	json_t *arguments =
		json_pack("{s:O, s:b}", "frames", c->frames, "first", c->is_first_batch);
	json_t *port = json_object_get(c->invocation->arguments, "port");
	if (port)
		json_object_set(arguments, "port", port);
	json_t *rows = run_ask(c->invocation, "explain_frames", arguments, &status);
	json_decref(arguments);
	json_array_foreach(rows, i, row)
	{
		if (i < c->count)
			print_packet(c, row, c->read - c->count + i + 1, c->times[i]);
	}
	json_decref(rows);
	json_array_clear(c->frames);
	c->count = 0;
	c->digits = 0;
	c->is_first_batch = false;
	return status;
}

static enum exit_status
skip_packet(struct capture *c, const struct pcap_pkthdr *header)
{
	enum exit_status status = flush_batch(c);
	json_t *row = json_pack(
		"{s:s}", "why", "longer than any frame: capture with segmentation offloads off");
	c->read++;
	print_packet(c, row, c->read, header->ts);
	json_decref(row);
	return status;
}

static enum exit_status
add_packet(struct capture *c, const struct pcap_pkthdr *header, const uint8_t *bytes)
{
	size_t digits = 2 * (size_t)header->caplen;
	enum exit_status status = STATUS_DONE;
	if (c->read == 0)
		c->began = header->ts;
	if (header->len > FRAME_BYTES_MAX || header->caplen > header->len)
		return skip_packet(c, header);
	if (c->count == BATCH_FRAMES_MAX || c->digits + digits > BATCH_DIGITS_MAX)
		status = flush_batch(c);
	c->read++;
	c->times[c->count++] = header->ts;
	c->digits += digits;
	json_array_append_new(
		c->frames, json_pack("{s:o, s:I, s:b}", "hex", hex_json(bytes, header->caplen),
				   "length", (json_int_t)header->len, "bare", c->is_bare));
	return status;
}

static int
open_capture(struct capture *c, const char *file, struct error *err)
{
	char why[PCAP_ERRBUF_SIZE] = "";
	c->pcap = pcap_open_offline(file, why);
	if (!c->pcap) /* libpcap names the file in some of its reasons */
		return error_set(err, -EINVAL, "%s%s%s", strstr(why, file) ? "" : file,
			strstr(why, file) ? "" : ": ", why);
	int link = pcap_datalink(c->pcap);
	c->is_bare = link == DLT_RAW || link == DLT_IPV4 || link == DLT_IPV6;
	if (!c->is_bare && link != DLT_EN10MB) {
		const char *name = pcap_datalink_val_to_name(link);
		return error_set(err, -EINVAL,
			"%s: wanted a capture of Ethernet or of bare IP, got %s (capture on one "
			"interface, not on \"any\")",
			file, name ? name : "a link type without a name");
	}
	return 0;
}

static enum exit_status
read_packets(struct capture *c)
{
	struct pcap_pkthdr *header;
	const uint8_t *bytes;
	enum exit_status status = STATUS_DONE;
	int rc = 1;
	while (status == STATUS_DONE && (rc = pcap_next_ex(c->pcap, &header, &bytes)) == 1)
		status = add_packet(c, header, bytes);
	if (status == STATUS_DONE)
		status = flush_batch(c);
	if (rc == PCAP_ERROR) {
		run_print_failure(pcap_geterr(c->pcap));
		return STATUS_REFUSED;
	}
	return status;
}

enum exit_status
run_capture(const struct invocation *invocation)
{
	struct error err;
	struct capture c = {.invocation = invocation, .is_first_batch = true};
	enum exit_status status = STATUS_REFUSED;
	if (open_capture(&c, invocation->capture, &err) < 0) {
		run_print_failure(err.text);
	} else {
		c.frames = json_array();
		if (!invocation->json)
			printf("%5s %11s  %-6s  %-21s  %-18s  %-8s  %-12s  %-22s  %s\n", "NO",
				"TIME_S", "PROTO", "SOURCE", "DESTINATION", "SERVICE", "BACKEND",
				"EXIT", "WHY");
		status = read_packets(&c);
		if (invocation->json)
			puts(c.printed ? "\n]" : "[]");
		json_decref(c.frames);
	}
	if (c.pcap)
		pcap_close(c.pcap);
	return status;
}
