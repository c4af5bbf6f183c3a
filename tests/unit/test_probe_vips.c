/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "probe_vips.h"

/* VIPs .1 and .2 serve TCP 80, .3 TCP 443 and UDP 53, .1 UDP 53 too. Pool "p" serves all of them. */
static const char form[] =
	"{\"edge\": {\"name\": \"e\", \"hash_key\": \"00112233445566778899aabbccddeeff\"},"
	" \"dataplane\": {\"workers\": \"1\", \"ports\": [{\"name\": \"u\", \"device\": "
	"\"net_null0\","
	"   \"kernel_interface\": \"u0\"}]},"
	" \"pools\": {\"p\": {\"forward\": {\"mode\": \"l2\"}, \"health\": {%s},"
	"   \"backends\": [{\"name\": \"b\", \"address\": \"10.0.0.1\"}]},"
	"  \"q\": {\"forward\": {\"mode\": \"l2\"}, \"health\": {\"type\": \"tcp\", \"port\": 80},"
	"   \"backends\": [{\"name\": \"b\", \"address\": \"10.0.0.1\"}]}},"
	" \"services\": ["
	"  {\"name\": \"web\", \"vips\": [\"192.0.2.2\", \"192.0.2.1\", \"2001:db8::1\"],"
	"   \"protocol\": \"tcp\", \"ports\": [80], \"pool\": \"p\"},"
	"  {\"name\": \"tls\", \"vips\": [\"192.0.2.3\"], \"protocol\": \"tcp\","
	"   \"ports\": [443, \"8000-8099\"], \"pool\": \"p\"},"
	"  {\"name\": \"dns\", \"vips\": [\"192.0.2.3\", \"192.0.2.1\"], \"protocol\": \"udp\","
	"   \"ports\": [53], \"pool\": \"p\"},"
	"  {\"name\": \"other\", \"vips\": [\"192.0.2.9\"], \"protocol\": \"tcp\", \"ports\": [80],"
	"   \"pool\": \"q\"}]}";

/* The VIPs that pool "p" is asked by with these settings, with spaces between. */
static void
assert_vips(const char *health, const char *wanted)
{
	char text[2048], got[256] = "";
	snprintf(text, sizeof(text), form, health);
	struct config *config;
	assert_int_equal(config_parse(&config, "test", text, strlen(text), stderr), 0);
	struct probe_vips *vips = probe_vips_create(config_share(config));
	assert_ptr_equal(probe_vips_config(vips), config);
	uint32_t count;
	const struct probe_vip *list = probe_vips_of(vips, 0, &count);
	for (uint32_t i = 0; i < count; i++) {
		char address[ADDR_TEXT_MAX];
		snprintf(got + strlen(got), sizeof(got) - strlen(got), "%s%s", i > 0 ? " " : "",
			addr_format(&list[i].address, address));
		const struct config_service *service = &config->services[list[i].service];
		bool is_its = false;
		for (uint32_t v = 0; v < service->vip_count; v++)
			is_its |= addr_equal(&service->vips[v], &list[i].address);
		assert_true(is_its);
	}
	assert_string_equal(got, wanted);
	probe_vips_of(vips, 1, &count);
	assert_int_equal(count, 0); /* its check goes to the address */
	probe_vips_destroy(vips);
	config_free(config);
}

static void
the_service_that_has_the_port(void **state)
{
	(void)state;
	assert_vips("\"type\": \"http\", \"port\": 80, \"via\": \"path\"",
		"192.0.2.1 192.0.2.2 2001:db8::1");
	assert_vips("\"type\": \"https\", \"port\": 443, \"via\": \"path\"", "192.0.2.3");
	assert_vips("\"type\": \"tcp\", \"port\": 8099, \"via\": \"path\"", "192.0.2.3");
	assert_vips("\"type\": \"dns\", \"port\": 53, \"query\": \"a\", \"via\": \"path\"",
		"192.0.2.1 192.0.2.3");
}

/* A port that only the other protocol has is no service's. */
static void
else_all_services_each_vip_once(void **state)
{
	(void)state;
	static const char all[] = "192.0.2.1 192.0.2.2 192.0.2.3 2001:db8::1";
	assert_vips("\"type\": \"tcp\", \"port\": 8100, \"via\": \"path\"", all);
	assert_vips("\"type\": \"tcp\", \"port\": 53, \"via\": \"path\"", all);
	assert_vips("\"type\": \"dns\", \"port\": 80, \"query\": \"a\", \"via\": \"path\"", all);
	assert_vips("\"type\": \"icmp\", \"via\": \"path\"", all);
}

static void
none_by_address(void **state)
{
	(void)state;
	assert_vips("\"type\": \"tcp\", \"port\": 80", "");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_service_that_has_the_port),
		cmocka_unit_test(else_all_services_each_vip_once),
		cmocka_unit_test(none_by_address),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
