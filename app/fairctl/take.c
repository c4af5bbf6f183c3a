/* SPDX-License-Identifier: BSD-3-Clause */
#include "take.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "addr.h"

#define DURATION_MAX_S (365ull * 86400)

static int
take_string(struct invocation *invocation, const char *key, const char *value, struct error *err)
{
	if (json_object_set_new(invocation->arguments, key, json_string(value)) < 0)
		return error_set(err, -EINVAL, "the value is not UTF-8");
	return 0;
}

static int
parse_number(const char *text, uint64_t max, uint64_t *number)
{
	char *end;
	errno = 0;
	if (text[0] < '0' || text[0] > '9')
		return -EINVAL;
	*number = strtoull(text, &end, 10);
	return errno != 0 || *end != '\0' || *number > max ? -EINVAL : 0;
}

/* "192.0.2.1:80" or "[2001:db8::1]:80". */
static int
parse_endpoint(const char *text, struct ip_addr *address, uint64_t *port)
{
	char bare[ADDR_TEXT_MAX];
	const char *colon = strrchr(text, ':');
	size_t length = colon ? (size_t)(colon - text) : 0;
	bool brackets = length >= 2 && text[0] == '[' && text[length - 1] == ']';
	if (brackets) {
		text++;
		length -= 2;
	}
	if (length == 0 || length >= sizeof(bare))
		return -EINVAL;
	memcpy(bare, text, length);
	bare[length] = '\0';
	if (addr_parse(bare, address) < 0 || addr_is_v4(address) == brackets)
		return -EINVAL;
	return parse_number(colon + 1, UINT16_MAX, port);
}

static int
take_endpoint(struct invocation *invocation, const char *address_key, const char *port_key,
	const char *value, struct error *err)
{
	char text[ADDR_TEXT_MAX];
	struct ip_addr address;
	uint64_t port;
	if (parse_endpoint(value, &address, &port) < 0)
		return error_set(
			err, -EINVAL, "wanted ADDRESS:PORT or [IPV6]:PORT, got \"%s\"", value);
	json_object_set_new(
		invocation->arguments, address_key, json_string(addr_format(&address, text)));
	json_object_set_new(invocation->arguments, port_key, json_integer((json_int_t)port));
	return 0;
}

int
take_pool(struct invocation *invocation, const char *value, struct error *err)
{
	return take_string(invocation, "pool", value, err);
}

int
take_service(struct invocation *invocation, const char *value, struct error *err)
{
	return take_string(invocation, "service", value, err);
}

int
take_backend(struct invocation *invocation, const char *value, struct error *err)
{
	return take_string(invocation, "backend", value, err);
}

int
take_port_name(struct invocation *invocation, const char *value, struct error *err)
{
	return take_string(invocation, "port", value, err);
}

int
take_protocol(struct invocation *invocation, const char *value, struct error *err)
{
	return take_string(invocation, "protocol", value, err);
}

int
take_source(struct invocation *invocation, const char *value, struct error *err)
{
	return take_endpoint(invocation, "source", "source_port", value, err);
}

int
take_vip(struct invocation *invocation, const char *value, struct error *err)
{
	return take_endpoint(invocation, "vip", "port", value, err);
}

int
take_generation(struct invocation *invocation, const char *value, struct error *err)
{
	uint64_t number;
	if (parse_number(value, INT64_MAX, &number) < 0 || number == 0)
		return error_set(err, -EINVAL, "wanted a number from 1, got \"%s\"", value);
	json_object_set_new(invocation->arguments, "generation", json_integer((json_int_t)number));
	return 0;
}

/* "90", "90s", "15m", "2h", "1d". */
static int
parse_duration(const char *text, uint64_t *seconds)
{
	static const struct {
		char letter;
		uint64_t seconds;
	} units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
	char digits[16];
	size_t length = strspn(text, "0123456789");
	if (length == 0 || length >= sizeof(digits))
		return -EINVAL;
	memcpy(digits, text, length);
	digits[length] = '\0';
	if (parse_number(digits, DURATION_MAX_S, seconds) < 0)
		return -EINVAL;
	if (text[length] == '\0')
		return 0;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (text[length] == units[i].letter && text[length + 1] == '\0') {
			*seconds *= units[i].seconds;
			return *seconds <= DURATION_MAX_S ? 0 : -EINVAL;
		}
	return -EINVAL;
}

static int
take_duration(struct invocation *invocation, const char *key, const char *value, struct error *err)
{
	uint64_t seconds;
	if (parse_duration(value, &seconds) < 0 || seconds == 0)
		return error_set(err, -EINVAL,
			"wanted seconds, or a duration such as 90s, 15m, 2h or 1d, got \"%s\"",
			value);
	json_object_set_new(invocation->arguments, key, json_integer((json_int_t)seconds));
	return 0;
}

int
take_confirm(struct invocation *invocation, const char *value, struct error *err)
{
	return take_duration(invocation, "confirm_s", value, err);
}

int
take_deadline(struct invocation *invocation, const char *value, struct error *err)
{
	return take_duration(invocation, "deadline_s", value, err);
}

int
take_capture(struct invocation *invocation, const char *value, struct error *err)
{
	(void)err;
	invocation->capture = value;
	return 0;
}

int
take_limit(struct invocation *invocation, const char *value, struct error *err)
{
	if (parse_number(value, UINT64_MAX, &invocation->view.limit) < 0)
		return error_set(err, -EINVAL, "wanted a number, got \"%s\"", value);
	return 0;
}

int
take_all(struct invocation *invocation, const char *value, struct error *err)
{
	(void)value, (void)err;
	invocation->view.all = true;
	return 0;
}

int
take_wait(struct invocation *invocation, const char *value, struct error *err)
{
	(void)value, (void)err;
	invocation->wait = true;
	return 0;
}

int
take_local_file(struct invocation *invocation, const char *value, struct error *err)
{
	(void)err;
	invocation->file = value;
	return 0;
}

int
take_daemon_file(struct invocation *invocation, const char *value, struct error *err)
{
	char directory[PATH_MAX], path[PATH_MAX];
	if (value[0] == '/')
		return take_string(invocation, "file", value, err);
	if (!getcwd(directory, sizeof(directory)))
		return error_set(err, -errno, "the working directory: %s", strerror(errno));
	const char *parent = directory[1] ? directory : ""; /* not "//" below the root */
	if (snprintf(path, sizeof(path), "%s/%s", parent, value) >= (int)sizeof(path))
		return error_set(err, -ENAMETOOLONG, "the path is too long");
	return take_string(invocation, "file", path, err);
}
