/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The part of schema.h's table that says how backends are checked, which fields each type of check
 * has, and what becomes of the flows of a backend that is down.
 */
#include "config.h"
#include "schema_fields.h"

#define URL_PATH_LEN_MAX 1023
#define HOST_LEN_MAX	 253 /* RFC 1035, 2.3.4, as text without the root's dot */
#define DOMAIN_LEN_MAX	 254 /* with it */
#define TEXT_LEN_MAX	 1023
#define STATUSES_MAX	 64 /* more than anybody lists; they are compared in pairs */
#define ARGUMENTS_MAX	 64
#define PERIOD_MIN_MS	 10
#define PERIOD_MAX_MS	 3600000
#define RUN_MAX		 1000

static const struct choice health_types[] = {{"tcp", HEALTH_TCP}, {"http", HEALTH_HTTP},
	{"https", HEALTH_HTTPS}, {"dns", HEALTH_DNS}, {"icmp", HEALTH_ICMP}, {"exec", HEALTH_EXEC},
	{NULL, 0}};
static const struct choice vias[] = {
	{"address", HEALTH_VIA_ADDRESS}, {"path", HEALTH_VIA_PATH}, {NULL, 0}};
static const struct choice flows_choices[] = {
	{"keep", FLOWS_KEEP}, {"move", FLOWS_MOVE}, {NULL, 0}};
/* IANA, Domain Name System Parameters: those that a server would be asked for. */
static const struct choice query_types[] = {{"A", 1}, {"AAAA", 28}, {"CAA", 257}, {"CNAME", 5},
	{"DNSKEY", 48}, {"DS", 43}, {"HTTPS", 65}, {"MX", 15}, {"NAPTR", 35}, {"NS", 2},
	{"PTR", 12}, {"SOA", 6}, {"SRV", 33}, {"SVCB", 64}, {"TLSA", 52}, {"TXT", 16}, {NULL, 0}};
static const struct choice rcodes[] = {{"NOERROR", 0}, {"FORMERR", 1}, {"SERVFAIL", 2},
	{"NXDOMAIN", 3}, {"REFUSED", 5}, {"NOTAUTH", 9}, {NULL, 0}};

/* The types that have a field. */
static const struct field_kind with_port[] = {{.kind = "tcp", .need = NEED_REQUIRED},
	{.kind = "http", .need = NEED_REQUIRED}, {.kind = "https", .need = NEED_REQUIRED},
	{.kind = "dns", .need = NEED_REQUIRED}, {0}};
static const struct field_kind with_path[] = {
	{.kind = "http", .need = NEED_DEFAULT, .fallback_text = "/"},
	{.kind = "https", .need = NEED_DEFAULT, .fallback_text = "/"}, {0}};
static const struct field_kind with_http[] = {
	{.kind = "http", .need = NEED_NONE}, {.kind = "https", .need = NEED_NONE}, {0}};
static const struct field_kind with_verify[] = {
	{.kind = "https", .need = NEED_DEFAULT, .fallback = true}, {0}};
static const struct field_kind with_query[] = {{.kind = "dns", .need = NEED_REQUIRED}, {0}};
static const struct field_kind with_query_type[] = {
	{.kind = "dns", .need = NEED_DEFAULT, .fallback_text = "A"}, {0}};
static const struct field_kind with_rcode[] = {
	{.kind = "dns", .need = NEED_DEFAULT, .fallback_text = "NOERROR"}, {0}};
static const struct field_kind with_answer[] = {{.kind = "dns", .need = NEED_NONE}, {0}};
static const struct field_kind with_command[] = {{.kind = "exec", .need = NEED_REQUIRED}, {0}};

static const struct field status_element = {
	.type = &type_status_range,
	.meaning = "A status, or a range of them.",
	.bytes = sizeof(struct config_status_range),
};
static const struct field argument_element = {
	.type = &type_argument,
	.meaning = "The program, or an argument.",
	.max = PATH_LEN_MAX,
	.bytes = sizeof(const char *),
};

static const struct field health_fields[] = {
	{
		.key = "type",
		.type = &type_choice,
		.meaning = "`tcp`: a connection opens; `http`, `https`: a GET is answered well; "
			   "`dns`: a query over UDP is; `icmp`: a ping is; `exec`: a program ends "
			   "with exit status 0. A field below that its type does not have is an "
			   "error.",
		.required = true,
		.choices = health_types,
		IN(struct config_pool, health.type),
	},
	{
		.key = "via",
		.type = &type_choice,
		.meaning = "`address`: to the backend's own address, by Linux's routes; `path`: to "
			   "a VIP of a service of the pool, the way that its packets go to this "
			   "backend, so that a backend without the VIP or without its tunnel is "
			   "found.",
		.choices = vias,
		.fallback = HEALTH_VIA_ADDRESS,
		IN(struct config_pool, health.via),
	},
	{
		.key = "port",
		.type = &type_integer,
		.meaning = "Port that is checked.",
		.min = 1,
		.max = UINT16_MAX,
		.kinds = with_port,
		IN(struct config_pool, health.port),
	},
	{
		.key = "path",
		.type = &type_url_path,
		.meaning = "What is asked for.",
		.max = URL_PATH_LEN_MAX,
		.kinds = with_path,
		IN(struct config_pool, health.path),
	},
	{
		.key = "host",
		.type = &type_host,
		.meaning = "Name of the site: the `Host` header, and the name in TLS. The address "
			   "that is asked if not given.",
		.max = HOST_LEN_MAX,
		.kinds = with_http,
		IN(struct config_pool, health.host),
	},
	{
		.key = "body",
		.type = &type_text,
		.meaning = "Text that must be in the answer.",
		.max = TEXT_LEN_MAX,
		.kinds = with_http,
		IN(struct config_pool, health.body),
	},
	{
		.key = "statuses",
		.type = &type_array,
		.meaning =
			"Statuses that are good: numbers, and ranges such as `\"200-299\"`, which "
			"is the default.",
		.min = 1,
		.max = STATUSES_MAX,
		.kinds = with_http,
		.element = &status_element,
		LIST_IN(struct config_pool, health.statuses, health.status_count),
	},
	{
		.key = "verify",
		.type = &type_boolean,
		.meaning = "Whether the certificate must be good and for that name.",
		.kinds = with_verify,
		IN(struct config_pool, health.verify),
	},
	{
		.key = "query",
		.type = &type_domain,
		.meaning = "Name that is asked for.",
		.max = DOMAIN_LEN_MAX,
		.kinds = with_query,
		IN(struct config_pool, health.query),
	},
	{
		.key = "query_type",
		.type = &type_choice_name,
		.meaning = "Type of record that is asked for.",
		.choices = query_types,
		.kinds = with_query_type,
		IN(struct config_pool, health.query_type),
	},
	{
		.key = "rcode",
		.type = &type_choice_name,
		.meaning = "Response code that is good.",
		.choices = rcodes,
		.kinds = with_rcode,
		IN(struct config_pool, health.rcode),
	},
	{
		.key = "answer",
		.type = &type_text,
		.meaning = "Data of a record that must be in the answer section, as in a zone "
			   "file.",
		.max = TEXT_LEN_MAX,
		.kinds = with_answer,
		IN(struct config_pool, health.answer),
	},
	{
		.key = "command",
		.type = &type_array,
		.meaning = "Absolute path of the program, then its arguments. It finds "
			   "`FAIRLEAD_POOL`, `FAIRLEAD_BACKEND`, `FAIRLEAD_ADDRESS` and "
			   "`FAIRLEAD_WEIGHT` in its environment, and is killed at the timeout.",
		.min = 1,
		.max = ARGUMENTS_MAX,
		.kinds = with_command,
		.element = &argument_element,
		LIST_IN(struct config_pool, health.command, health.command_count),
	},
	{
		.key = "interval_ms",
		.type = &type_integer,
		.meaning = "Milliseconds from one check to the next.",
		.min = PERIOD_MIN_MS,
		.max = PERIOD_MAX_MS,
		.fallback = 1000,
		IN(struct config_pool, health.interval_ms),
	},
	{
		.key = "fast_interval_ms",
		.type = &type_integer,
		.meaning = "The same while a backend's state is about to change; at most "
			   "interval_ms.",
		.min = PERIOD_MIN_MS,
		.max = PERIOD_MAX_MS,
		.fallback_words = "interval_ms",
		IN(struct config_pool, health.fast_interval_ms),
	},
	{
		.key = "timeout_ms",
		.type = &type_integer,
		.meaning = "Milliseconds after which a check has failed; at most interval_ms.",
		.min = PERIOD_MIN_MS,
		.max = PERIOD_MAX_MS,
		.fallback = 500,
		IN(struct config_pool, health.timeout_ms),
	},
	{
		.key = "rise",
		.type = &type_integer,
		.meaning = "Good checks in a row that bring a backend up.",
		.min = 1,
		.max = RUN_MAX,
		.fallback = 2,
		IN(struct config_pool, health.rise),
	},
	{
		.key = "fall",
		.type = &type_integer,
		.meaning = "Bad checks in a row that take a backend down.",
		.min = 1,
		.max = RUN_MAX,
		.fallback = 3,
		IN(struct config_pool, health.fall),
	},
	{0},
};
const struct object schema_health = {.fields = health_fields, .kind_key = "type"};

static const struct field_kind with_move[] = {
	{.kind = "move", .need = NEED_DEFAULT, .fallback = 0}, {0}};

/* Fields of struct config_when_down; only a default differs by protocol. */
#define FLOWS(flows_fallback)                                                                      \
	{                                                                                          \
		.key = "flows", .type = &type_choice,                                              \
		.meaning = "`keep`: they wait for it; `move`: each goes to the backend of its "    \
			   "row with its next packet.",                                            \
		.choices = flows_choices, .fallback = (flows_fallback),                            \
		IN(struct config_when_down, flows),                                                \
	}
#define MOVE_AFTER                                                                                 \
	{                                                                                          \
		.key = "move_after_ms", .type = &type_integer,                                     \
		.meaning = "Milliseconds from the moment when it went down.", .min = 0,            \
		.max = PERIOD_MAX_MS, .kinds = with_move,                                          \
		IN(struct config_when_down, move_after_ms),                                        \
	}

static const struct field tcp_fields[] = {FLOWS(FLOWS_KEEP), MOVE_AFTER, {0}};
static const struct field udp_fields[] = {FLOWS(FLOWS_MOVE), MOVE_AFTER, {0}};
static const struct object tcp_object = {.fields = tcp_fields, .kind_key = "flows"};
static const struct object udp_object = {.fields = udp_fields, .kind_key = "flows"};

static const struct field when_down_fields[] = {
	{
		.key = "tcp",
		.type = &type_object,
		.meaning = "Those of TCP.",
		.object = &tcp_object,
		IN(struct config_pool, tcp_when_down),
	},
	{
		.key = "udp",
		.type = &type_object,
		.meaning = "Those of UDP.",
		.object = &udp_object,
		IN(struct config_pool, udp_when_down),
	},
	{0},
};
const struct object schema_when_down = {.fields = when_down_fields};

const char *
health_type_name(enum health_type type)
{
	return type == HEALTH_NONE ? "none" : choice_name(health_types, type);
}

const char *
health_via_name(enum health_via via)
{
	return choice_name(vias, via);
}

const char *
flows_when_down_name(enum flows_when_down flows)
{
	return choice_name(flows_choices, flows);
}
