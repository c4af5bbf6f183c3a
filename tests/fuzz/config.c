/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Text as a configuration. Refused, it has been told why, in lines of printable text; accepted, it
 * prints as a configuration that is accepted again and prints the same.
 */
#include <ctype.h>
#include <errno.h>
#include <stdbool.h>

#include "config.h"
#include "fuzz.h"

#define NAME "input"

struct text {
	char *bytes;
	size_t length;
};

static struct config *
parse(const char *text, size_t length, struct text *said)
{
	struct config *config = NULL;
	FILE *out = open_memstream(&said->bytes, &said->length);
	REQUIRE(out != NULL);
	int rc = config_parse(&config, NAME, text, length, out);
	REQUIRE(fclose(out) == 0);
	REQUIRE(rc <= 0 && rc != -ENOMEM && (rc == 0) == (config != NULL));
	return config;
}

static struct text
print(const struct config *config)
{
	struct text printed;
	FILE *out = open_memstream(&printed.bytes, &printed.length);
	REQUIRE(out != NULL);
	REQUIRE(config_print(config, out) == 0);
	REQUIRE(fclose(out) == 0);
	return printed;
}

/* Lines of "input: …" or "input:line:column: …" without a control character: of nothing but warnings
 * if the text was accepted, at least one if it was not. */
static void
check_said(const struct text *said, bool accepted)
{
	REQUIRE(accepted || said->length > 0);
	REQUIRE(said->length == 0 || said->bytes[said->length - 1] == '\n');
	bool all_warnings = true;
	for (char *line = said->bytes; *line != '\0';) {
		char *end = strchr(line, '\n');
		*end = '\0';
		REQUIRE(strncmp(line, NAME ":", sizeof(NAME)) == 0);
		for (const char *c = line; c < end; c++)
			REQUIRE(!iscntrl((unsigned char)*c));
		all_warnings &= strstr(line, "warning") != NULL;
		line = end + 1;
	}
	REQUIRE(strlen(said->bytes) <= said->length);
	REQUIRE(!accepted || all_warnings);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct text said;
	struct config *config = parse((const char *)data, size, &said);
	check_said(&said, config != NULL);
	free(said.bytes);
	if (!config)
		return 0;
	struct text once = print(config);
	config_free(config);
	config = parse(once.bytes, once.length, &said);
	REQUIRE(config != NULL);
	check_said(&said, true);
	free(said.bytes);
	struct text twice = print(config);
	config_free(config);
	REQUIRE(once.length == twice.length && memcmp(once.bytes, twice.bytes, once.length) == 0);
	free(once.bytes);
	free(twice.bytes);
	return 0;
}
