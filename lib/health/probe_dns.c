/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * dns: a query by UDP, and again by TCP if the answer is truncated. Good when the response code is
 * the wanted one and, if one is, the answer section has the wanted record.
 *
 * Each query has a socket, and so a port, and an identifier of its own. A datagram that does not
 * belong to it is passed over; what belongs to it and cannot be read is bad. EDNS (RFC 6891) offers
 * 1232 bytes, which pass everywhere unfragmented.
 */
#include <errno.h>
#include <ldns/ldns.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <unistd.h>

#include "probe.h"

#define EDNS_BYTES	 1232
#define MESSAGE_BYTES	 65535
#define TCP_LENGTH_BYTES 2

struct dns_probe {
	struct probe probe;
	uint16_t id;
	uint8_t *query; /* with the length that TCP wants in front */
	size_t query_bytes, sent;
	bool is_tcp;
	uint8_t *answer; /* by TCP, with its length in front */
	size_t received;
};

/* The answer */

/* The data of a record in presentation form, names in lower case. NULL when memory is out. */
static char *
record_text(ldns_rr *record)
{
	ldns_rr2canonical(record);
	ldns_buffer *text = ldns_buffer_new(256);
	if (!text)
		return NULL;
	for (size_t i = 0; i < ldns_rr_rd_count(record); i++) {
		if (i > 0)
			ldns_buffer_printf(text, " ");
		ldns_rdf2buffer_str(text, ldns_rr_rdf(record, i));
	}
	char *copy = ldns_buffer_export2str(text);
	ldns_buffer_free(text);
	return copy;
}

/* What is wanted, written as record_text writes it. What is no such record is taken literally. */
static char *
wanted_text(const struct config_health *settings)
{
	size_t bytes = strlen(settings->answer) + strlen(settings->query_type) + 16;
	char *line = malloc(bytes);
	if (!line)
		return NULL;
	snprintf(line, bytes, ". 0 IN %s %s", settings->query_type, settings->answer);
	ldns_rr *record = NULL;
	bool is_record = ldns_rr_new_frm_str(&record, line, 0, NULL, NULL) == LDNS_STATUS_OK;
	free(line);
	if (!is_record)
		return strdup(settings->answer);
	char *text = record_text(record);
	ldns_rr_free(record);
	return text;
}

static void
answer_judge(struct probe *probe, const ldns_pkt *message)
{
	const struct config_health *settings = probe->settings;
	ldns_rr_type type = ldns_get_rr_type_by_name(settings->query_type);
	char *wanted = wanted_text(settings), *other = NULL;
	const ldns_rr_list *records = ldns_pkt_answer(message);
	bool is_found = false;
	for (size_t i = 0; wanted && !is_found && i < ldns_rr_list_rr_count(records); i++) {
		ldns_rr *record = ldns_rr_list_rr(records, i);
		if (ldns_rr_get_type(record) != type)
			continue;
		free(other);
		other = record_text(record);
		is_found = other && strcmp(other, wanted) == 0;
	}
	/* They outlive the probe, which is gone once it is told its end. */
	if (is_found)
		probe_good(probe);
	else if (other && wanted)
		probe_bad(probe, "answer %s, wanted %s", other, wanted);
	else
		probe_bad(probe, "no %s record in the answer, wanted %s", settings->query_type,
			settings->answer);
	free(other);
	free(wanted);
}

static void
message_judge(struct probe *probe, const ldns_pkt *message)
{
	const struct config_health *settings = probe->settings;
	char *rcode = ldns_pkt_rcode2str(ldns_pkt_get_rcode(message));
	if (!rcode || strcasecmp(rcode, settings->rcode) != 0)
		probe_bad(probe, "rcode %s, wanted %s", rcode ? rcode : "unknown", settings->rcode);
	else if (settings->answer)
		answer_judge(probe, message);
	else
		probe_good(probe);
	free(rcode);
}

/* Servers that cannot read a question do not repeat it. */
static bool
is_question_ours(const struct probe *probe, const ldns_pkt *message)
{
	const ldns_rr_list *questions = ldns_pkt_question(message);
	if (ldns_rr_list_rr_count(questions) == 0)
		return ldns_pkt_get_rcode(message) != LDNS_RCODE_NOERROR;
	const ldns_rr *question = ldns_rr_list_rr(questions, 0);
	ldns_rdf *name = ldns_dname_new_frm_str(probe->settings->query);
	bool is_ours =
		name && ldns_dname_compare(ldns_rr_owner(question), name) == 0 &&
		ldns_rr_get_type(question) == ldns_get_rr_type_by_name(probe->settings->query_type);
	ldns_rdf_deep_free(name);
	return is_ours;
}

static void ask_again_by_tcp(struct dns_probe *dns);

/* False if the message does not belong to the query. True: the probe has ended, or asks again. */
static bool
message_take(struct dns_probe *dns, const uint8_t *bytes, size_t length)
{
	struct probe *probe = &dns->probe;
	if (length < LDNS_HEADER_SIZE || LDNS_ID_WIRE(bytes) != dns->id || !LDNS_QR_WIRE(bytes))
		return false;
	/* What is cut off need not be readable. */
	if (LDNS_TC_WIRE(bytes) && !dns->is_tcp) {
		ask_again_by_tcp(dns);
		return true;
	}
	ldns_pkt *message = NULL;
	ldns_status status = ldns_wire2pkt(&message, bytes, length);
	if (status != LDNS_STATUS_OK) {
		char where[PROBE_WHERE_MAX];
		probe_bad(probe, "the answer of %s cannot be read: %s", probe_where(probe, where),
			ldns_get_errorstr_by_id(status));
		return true;
	}
	bool is_ours = is_question_ours(probe, message);
	if (is_ours)
		message_judge(probe, message);
	ldns_pkt_free(message);
	return is_ours;
}

/* UDP */

static void
on_datagram(evutil_socket_t fd, short what, void *context)
{
	(void)what;
	struct dns_probe *dns = context;
	uint8_t bytes[EDNS_BYTES];
	ssize_t length = recv(fd, bytes, sizeof(bytes), MSG_TRUNC);
	if (length > (ssize_t)sizeof(bytes))
		length = sizeof(bytes); /* more than was offered: read as far as that goes */
	if (length >= 0) {
		message_take(dns, bytes, (size_t)length);
		return;
	}
	if (errno == EAGAIN || errno == EINTR)
		return;
	struct error err;
	int rc = probe_socket_error(&dns->probe, errno, &err);
	probe_failed(&dns->probe, rc, &err);
}

/* TCP (RFC 7766) */

static void
tcp_fail(struct dns_probe *dns, int code, struct error *err)
{
	error_prefix(err, code, "truncated by UDP, and by TCP");
	probe_failed(&dns->probe, code, err);
}

static void
tcp_fail_errno(struct dns_probe *dns, int error)
{
	struct error err;
	int rc = probe_socket_error(&dns->probe, error, &err);
	tcp_fail(dns, rc, &err);
}

static void
on_tcp_readable(evutil_socket_t fd, short what, void *context)
{
	(void)what;
	struct dns_probe *dns = context;
	size_t wanted = TCP_LENGTH_BYTES;
	if (dns->received >= wanted)
		wanted += (size_t)(dns->answer[0] << 8 | dns->answer[1]);
	ssize_t n = recv(fd, dns->answer + dns->received, wanted - dns->received, 0);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0 && wanted > dns->received) {
		tcp_fail_errno(dns, n < 0 ? errno : ECONNRESET);
		return;
	}
	dns->received += (size_t)n;
	if (dns->received < wanted || wanted == TCP_LENGTH_BYTES)
		return;
	if (!message_take(dns, dns->answer + TCP_LENGTH_BYTES, wanted - TCP_LENGTH_BYTES))
		probe_bad(&dns->probe, "an answer by TCP that is not for the query");
}

static void
on_tcp_writable(evutil_socket_t fd, short what, void *context)
{
	(void)what;
	struct dns_probe *dns = context;
	ssize_t n = send(fd, dns->query + dns->sent, dns->query_bytes - dns->sent, MSG_NOSIGNAL);
	if (n < 0) {
		if (errno != EAGAIN && errno != EINTR)
			tcp_fail_errno(dns, errno);
		return;
	}
	dns->sent += (size_t)n;
	struct error err;
	if (dns->sent == dns->query_bytes &&
		probe_wait(&dns->probe, EV_READ, on_tcp_readable, &err) < 0)
		tcp_fail(dns, -ENOMEM, &err);
}

static void
ask_again_by_tcp(struct dns_probe *dns)
{
	struct probe *probe = &dns->probe;
	struct error err;
	dns->is_tcp = true;
	dns->answer = malloc(TCP_LENGTH_BYTES + MESSAGE_BYTES);
	int rc = dns->answer ? probe_socket(probe, SOCK_STREAM, IPPROTO_TCP, &err)
			     : error_set(&err, -ENOMEM, "out of memory");
	if (rc == 0)
		rc = probe_connect(probe, &err);
	if (rc == 0)
		rc = probe_wait(probe, EV_WRITE, on_tcp_writable, &err);
	if (rc < 0)
		tcp_fail(dns, rc, &err);
}

/* The question */

/* 0, -ENOMEM, or -EINVAL for a name that none can have. */
static int
query_compose(struct dns_probe *dns, struct error *err)
{
	const struct config_health *settings = dns->probe.settings;
	ldns_rdf *name = ldns_dname_new_frm_str(settings->query);
	if (!name)
		return error_set(err, -EINVAL, "no name to ask for: %s", settings->query);
	/* Takes the name. */
	ldns_pkt *message = ldns_pkt_query_new(
		name, ldns_get_rr_type_by_name(settings->query_type), LDNS_RR_CLASS_IN, LDNS_RD);
	uint8_t *wire = NULL;
	size_t bytes = 0;
	if (message) {
		ldns_pkt_set_id(message, dns->id);
		ldns_pkt_set_edns_udp_size(message, EDNS_BYTES);
		ldns_pkt2wire(&wire, message, &bytes);
		ldns_pkt_free(message);
	} else {
		ldns_rdf_deep_free(name);
	}
	dns->query = wire ? malloc(TCP_LENGTH_BYTES + bytes) : NULL;
	if (dns->query) {
		ldns_write_uint16(dns->query, (uint16_t)bytes);
		memcpy(dns->query + TCP_LENGTH_BYTES, wire, bytes);
		dns->query_bytes = TCP_LENGTH_BYTES + bytes;
	}
	free(wire);
	return dns->query ? 0 : error_set(err, -ENOMEM, "out of memory for a DNS probe");
}

static int
dns_start(struct probe *probe, struct error *err)
{
	struct dns_probe *dns = (struct dns_probe *)probe;
	if (getrandom(&dns->id, sizeof(dns->id), GRND_NONBLOCK) != sizeof(dns->id))
		return error_set(err, -EAGAIN, "no random identifier for a DNS query");
	int rc = query_compose(dns, err);
	if (rc == 0)
		rc = probe_socket(probe, SOCK_DGRAM, IPPROTO_UDP, err);
	/* Connected, so that only its answers come, and ICMP errors too. */
	if (rc == 0)
		rc = probe_connect(probe, err);
	if (rc == 0)
		rc = probe_wait(probe, EV_READ, on_datagram, err);
	if (rc < 0)
		return rc;
	size_t bytes = dns->query_bytes - TCP_LENGTH_BYTES;
	if (send(probe->fd, dns->query + TCP_LENGTH_BYTES, bytes, 0) < 0)
		return probe_socket_error(probe, errno, err);
	return 0;
}

static void
dns_expire(struct probe *probe, struct error *why)
{
	const struct dns_probe *dns = (const struct dns_probe *)probe;
	char where[PROBE_WHERE_MAX];
	error_set(why, -ETIMEDOUT, "%s from %s within %u ms",
		dns->is_tcp ? "truncated by UDP, and no answer by TCP" : "no answer",
		probe_where(probe, where), probe->settings->timeout_ms);
}

static void
dns_end(struct probe *probe)
{
	struct dns_probe *dns = (struct dns_probe *)probe;
	free(dns->query);
	free(dns->answer);
}

const struct probe_type probe_dns = {
	.bytes = sizeof(struct dns_probe),
	.resource = PROBE_USES_SOCKET,
	.start = dns_start,
	.expire = dns_expire,
	.end = dns_end,
};
