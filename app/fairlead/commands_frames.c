/* SPDX-License-Identifier: BSD-3-Clause */
/* "explain_frames": what would become of the frames of a capture, by the live tables. */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "commands.h"
#include "rehearsal.h"

#define ETHER_BYTES 14

/* A frame of a request, in bytes. */
struct frame {
	uint8_t bytes[REHEARSAL_FRAME_MAX];
	uint32_t length;
	uint8_t port;
};

static int
digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Pairs of lower-case digits. False if it is anything else, or does not fit. */
static bool
read_hex(const char *text, uint8_t *bytes, uint32_t room, uint32_t *count)
{
	uint32_t n = 0;
	for (; text[0] != '\0'; text += 2, n++) {
		int high = digit(text[0]), low = high < 0 ? -1 : digit(text[1]);
		if (low < 0 || n == room)
			return false;
		bytes[n] = (uint8_t)(high << 4 | low);
	}
	*count = n;
	return true;
}

static int
find_port(const struct daemon *d, const char *name, uint8_t *port, struct error *err)
{
	for (uint32_t i = 0; i < d->dp.port_count; i++)
		if (strcmp(d->dp.ports[i].name, name) == 0) {
			*port = (uint8_t)i;
			return 0;
		}
	return error_set(err, -ENOENT, "no port is called %s", name);
}

/* The port that a frame is addressed to; the first one if it is none of ours. */
static uint8_t
port_of_destination(const struct daemon *d, const struct frame *frame)
{
	for (uint32_t i = 0; i < d->dp.port_count && frame->length >= ETHER_BYTES; i++)
		if (memcmp(frame->bytes, d->dp.ports[i].mac.bytes, sizeof(struct mac_addr)) == 0)
			return (uint8_t)i;
	return 0;
}

/* An IP packet without a frame gets the header that it would come with. */
static void
put_ether(const struct daemon *d, struct frame *frame)
{
	bool is_v6 = frame->length > ETHER_BYTES && frame->bytes[ETHER_BYTES] >> 4 == 6;
	memset(frame->bytes, 0, ETHER_BYTES);
	memcpy(frame->bytes, d->dp.ports[frame->port].mac.bytes, sizeof(struct mac_addr));
	frame->bytes[6] = 0x02; /* from some station */
	frame->bytes[12] = is_v6 ? 0x86 : 0x08;
	frame->bytes[13] = is_v6 ? 0xdd : 0x00;
}

static int
read_frame(const struct daemon *d, json_t *arguments, json_t *given, struct frame *frame,
	struct error *err)
{
	const char *hex = json_string_value(json_object_get(given, "hex"));
	const char *port = json_string_value(json_object_get(arguments, "port"));
	json_int_t wire = json_integer_value(json_object_get(given, "length"));
	bool is_bare = json_is_true(json_object_get(given, "bare"));
	uint32_t before = is_bare ? ETHER_BYTES : 0, count;
	*frame = (struct frame){0};
	if (!hex || !read_hex(hex, frame->bytes + before, REHEARSAL_FRAME_MAX - before, &count))
		return error_set(err, -EINVAL, "frames: wanted \"hex\" of at most %u bytes",
			REHEARSAL_FRAME_MAX - before);
	/* What the capture has cut off is taken for zeros: no header lies there. */
	if (wire < (json_int_t)count || wire > REHEARSAL_FRAME_MAX - (json_int_t)before)
		return error_set(err, -EINVAL, "frames: wanted a \"length\" from %u to %u", count,
			REHEARSAL_FRAME_MAX - before);
	frame->length = before + (uint32_t)wire;
	if (port) {
		int rc = find_port(d, port, &frame->port, err);
		if (rc < 0)
			return rc;
	} else if (!is_bare) {
		frame->port = port_of_destination(d, frame);
	}
	if (is_bare)
		put_ether(d, frame);
	return 0;
}

static void
tell_tuple(json_t *reply, const struct packet *pk)
{
	if (pk->family == 0)
		return;
	char source[ADDR_TEXT_MAX], destination[ADDR_TEXT_MAX];
	uint8_t proto = pk->proto ? pk->proto : pk->next_proto;
	const char *name = proto == IPPROTO_TCP	     ? "tcp"
			   : proto == IPPROTO_UDP    ? "udp"
			   : proto == IPPROTO_ICMP   ? "icmp"
			   : proto == IPPROTO_ICMPV6 ? "icmpv6"
						     : NULL;
	json_object_set_new(
		reply, "protocol", name ? json_string(name) : json_sprintf("%u", proto));
	json_object_set_new(reply, "source", json_string(addr_format(&pk->src, source)));
	json_object_set_new(reply, "destination", json_string(addr_format(&pk->dst, destination)));
	if (pk->sport == 0)
		return;
	json_object_set_new(reply, "source_port", json_integer(pk->sport));
	json_object_set_new(reply, "destination_port", json_integer(pk->dport));
}

static const char *
reason(const struct rehearsed *done)
{
	if (done->exit == EXIT_HELD)
		return "a fragment, held for a while until its first has come";
	if (done->backend == 0 &&
		(done->service == SERVICE_NONE || done->exit != EXIT_DROP_NO_BACKEND))
		return exit_meaning(done->exit);
	if (done->packet.fragment == FRAGMENT_LATER)
		return "it follows its first fragment";
	if (done->is_quote)
		return "it goes where the flow goes that it quotes";
	return explain_why_text(done->why);
}

static json_t *
tell_frame(const struct daemon *d, const struct frame *frame, const struct rehearsed *done)
{
	const struct config *config = commands_config(d);
	uint32_t place;
	const char *backend =
		done->backend ? registry_backend_name(d->registry, done->backend) : NULL;
	const char *service = NULL;
	if (done->service != SERVICE_NONE &&
		snapshot_find_service(d->publish.snapshot, done->service, &place))
		service = config->services[place].name;
	bool is_held = done->exit == EXIT_HELD;
	json_t *reply = json_pack("{s:s, s:s?, s:s?, s:b, s:s, s:s, s:s}", "port",
		d->dp.ports[frame->port].name, "service", service, "backend", backend, "entry",
		done->has_entry, "why", reason(done), "exit",
		is_held ? "held" : exit_name(done->exit), "kind",
		is_held ? "held" : exit_kind_name(exit_kind(done->exit)));
	if (reply)
		tell_tuple(reply, &done->packet);
	return reply;
}

int
command_explain_frames(struct daemon *d, json_t *arguments, json_t **result, struct error *err)
{
	json_t *given, *frames = json_object_get(arguments, "frames");
	size_t i;
	/* A capture begins: it does not follow fragments of another one. */
	if (json_is_true(json_object_get(arguments, "first"))) {
		rehearsal_destroy(d->rehearsal);
		d->rehearsal = NULL;
	}
	if (!d->rehearsal)
		d->rehearsal = rehearsal_create();
	if (!json_is_array(frames))
		return error_set(err, -EINVAL, "frames: wanted an array");
	json_t *list = json_array();
	if (!list || !d->rehearsal)
		return error_set(err, -ENOMEM, "not enough memory");
	json_array_foreach(frames, i, given)
	{
		struct frame frame;
		int rc = read_frame(d, arguments, given, &frame, err);
		if (rc < 0) {
			json_decref(list);
			return rc;
		}
		const struct rehearsal_stage stage = {
			.tables = snapshot_tables(d->publish.snapshot, 0),
			.flows = flow_file_table(d->flow_file),
			.notes = d->dp.notes,
			.port = frame.port,
			.now = mono_now(),
		};
		struct rehearsed done =
			rehearsal_frame(d->rehearsal, &stage, frame.bytes, frame.length);
		json_array_append_new(list, tell_frame(d, &frame, &done));
	}
	*result = list;
	return 0;
}
