/* SPDX-License-Identifier: BSD-3-Clause */
/* Questions that any process may ask, about the loopback interface that every machine has. */
#include <errno.h>
#include <linux/rtnetlink.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "netlink.h"

#define LOOPBACK_INDEX	 1
#define NO_SUCH_INDEX	 0x7ffffff0
#define FOREIGN_SEQUENCE 0x7fffffff

static struct netlink *
open_or_fail(uint32_t groups)
{
	struct netlink *nl;
	struct error err;
	assert_int_equal(netlink_open(&nl, groups, &err), 0);
	return nl;
}

static struct nlmsghdr *
link_request(char *buffer, uint16_t flags, int ifindex)
{
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	request->nlmsg_type = RTM_GETLINK;
	request->nlmsg_flags = flags;
	struct ifinfomsg *link = mnl_nlmsg_put_extra_header(request, sizeof(*link));
	link->ifi_family = AF_UNSPEC;
	link->ifi_index = ifindex;
	return request;
}

struct links {
	unsigned count, loopbacks;
};

static void
count_link(const struct nlmsghdr *message, void *context)
{
	struct links *links = context;
	const struct ifinfomsg *link = mnl_nlmsg_get_payload(message);
	assert_int_equal(message->nlmsg_type, RTM_NEWLINK);
	links->count++;
	const struct nlattr *attr;
	netlink_for_each_attr(attr, message,
		sizeof(*link)) if (mnl_attr_get_type(attr) == IFLA_IFNAME &&
				   strcmp(mnl_attr_get_str(attr), "lo") == 0) links->loopbacks +=
		link->ifi_index == LOOPBACK_INDEX;
}

static void
a_dump_is_read_to_its_end(void **state)
{
	(void)state;
	struct netlink *nl = open_or_fail(0);
	_Alignas(struct nlmsghdr) char buffer[64];
	for (int i = 0; i < 3; i++) {
		struct links links = {0, 0};
		struct nlmsghdr *request = link_request(buffer, NLM_F_DUMP, 0);
		assert_int_equal(netlink_request(nl, request, count_link, &links), 0);
		assert_int_equal(links.loopbacks, 1);
		assert_true(links.count >= 1);
	}
	netlink_close(nl);
}

static void
read_route(const struct nlmsghdr *message, void *context)
{
	const struct rtmsg *rtm = mnl_nlmsg_get_payload(message);
	assert_int_equal(message->nlmsg_type, RTM_NEWROUTE);
	*(struct rtmsg *)context = *rtm;
}

static void
the_route_to_loopback_is_local(void **state)
{
	(void)state;
	struct netlink *nl = open_or_fail(0);
	_Alignas(struct nlmsghdr) char buffer[64];
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	request->nlmsg_type = RTM_GETROUTE;
	struct rtmsg *rtm = mnl_nlmsg_put_extra_header(request, sizeof(*rtm));
	rtm->rtm_family = AF_INET;
	rtm->rtm_dst_len = 32;
	mnl_attr_put_u32(request, RTA_DST, __builtin_bswap32(0x7f000001));
	struct rtmsg answer = {.rtm_type = RTN_UNSPEC};
	assert_int_equal(netlink_request(nl, request, read_route, &answer), 0);
	assert_int_equal(answer.rtm_type, RTN_LOCAL);
	assert_int_equal(answer.rtm_dst_len, 32);
	netlink_close(nl);
}

static void
no_answer(const struct nlmsghdr *message, void *context)
{
	(void)message;
	(void)context;
	fail_msg("an error has no answer");
}

static void
an_error_is_the_result_and_ends_the_request(void **state)
{
	(void)state;
	struct netlink *nl = open_or_fail(0);
	_Alignas(struct nlmsghdr) char buffer[64];
	struct nlmsghdr *request = link_request(buffer, 0, NO_SUCH_INDEX);
	assert_int_equal(netlink_request(nl, request, no_answer, NULL), -ENODEV);

	struct links links = {0, 0};
	request = link_request(buffer, 0, LOOPBACK_INDEX);
	assert_int_equal(netlink_request(nl, request, count_link, &links), 0);
	assert_int_equal(links.loopbacks, 1);
	assert_int_equal(links.count, 1);
	netlink_close(nl);
}

static void
a_handler_may_be_absent(void **state)
{
	(void)state;
	struct netlink *nl = open_or_fail(0);
	_Alignas(struct nlmsghdr) char buffer[64];
	struct nlmsghdr *request = link_request(buffer, 0, LOOPBACK_INDEX);
	assert_int_equal(netlink_request(nl, request, NULL, NULL), 0);
	netlink_close(nl);
}

/* As after a time-out: the answers to an earlier request come in first. */
static void
late_answers_are_passed_over(void **state)
{
	(void)state;
	struct netlink *nl = open_or_fail(0);
	_Alignas(struct nlmsghdr) char buffer[64];
	struct nlmsghdr *late = link_request(buffer, NLM_F_REQUEST | NLM_F_ACK, NO_SUCH_INDEX);
	late->nlmsg_seq = FOREIGN_SEQUENCE;
	assert_int_equal(send(netlink_fd(nl), late, late->nlmsg_len, 0), late->nlmsg_len);

	struct links links = {0, 0};
	struct nlmsghdr *request = link_request(buffer, 0, LOOPBACK_INDEX);
	assert_int_equal(netlink_request(nl, request, count_link, &links), 0);
	assert_int_equal(links.count, 1);
	netlink_close(nl);
}

static void
ignore(const struct nlmsghdr *message, void *context)
{
	(void)message;
	(void)context;
}

static void
receiving_does_not_wait(void **state)
{
	(void)state;
	struct netlink *nl = open_or_fail(RTMGRP_LINK | RTMGRP_NEIGH);
	assert_int_equal(netlink_receive(nl, ignore, NULL), 0);
	netlink_close(nl);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_dump_is_read_to_its_end),
		cmocka_unit_test(the_route_to_loopback_is_local),
		cmocka_unit_test(an_error_is_the_result_and_ends_the_request),
		cmocka_unit_test(a_handler_may_be_absent),
		cmocka_unit_test(late_answers_are_passed_over),
		cmocka_unit_test(receiving_does_not_wait),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
