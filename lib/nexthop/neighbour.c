/* SPDX-License-Identifier: BSD-3-Clause */
#include "neighbour.h"

#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "address_book.h"
#include "bounds.h"

#define REQUEST_BYTES 128

/* States in which the kernel itself would send frames to the MAC. */
#define NUD_USABLE (NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT | NUD_NOARP)
/* States that last, or that end without our doing. */
#define NUD_SETTLED (NUD_REACHABLE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT | NUD_NOARP)

bool
neighbour_read(const struct nlmsghdr *message, struct neighbour_report *report)
{
	const struct ndmsg *ndm = mnl_nlmsg_get_payload(message);
	if ((message->nlmsg_type != RTM_NEWNEIGH && message->nlmsg_type != RTM_DELNEIGH) ||
		mnl_nlmsg_get_payload_len(message) < sizeof(*ndm))
		return false;
	bool deleted = message->nlmsg_type == RTM_DELNEIGH;
	*report = (struct neighbour_report){
		.ifindex = (unsigned)ndm->ndm_ifindex,
		.state = deleted ? NUD_NONE : ndm->ndm_state,
	};
	bool has_address = false;
	const struct nlattr *attr;
	netlink_for_each_attr(attr, message, sizeof(*ndm))
	{
		const uint8_t *bytes = mnl_attr_get_payload(attr);
		size_t length = mnl_attr_get_payload_len(attr);
		uint16_t type = mnl_attr_get_type(attr);
		if (type == NDA_DST && ndm->ndm_family == AF_INET && length == 4) {
			report->address = addr_from_v4(mnl_attr_get_u32(attr));
			has_address = true;
		} else if (type == NDA_DST && ndm->ndm_family == AF_INET6 && length == 16) {
			report->address = addr_from_v6(bytes);
			has_address = true;
		} else if (type == NDA_LLADDR && length == sizeof(report->mac.bytes)) {
			memcpy(report->mac.bytes, bytes, length);
			report->has_mac = true;
		}
	}
	return has_address;
}

enum neighbour_news
neighbour_learn(struct neighbour *n, const struct neighbour_report *report)
{
	uint16_t before = n->state;
	n->state = report->state;
	if (report->state != NUD_NONE)
		n->table_full = false;
	if ((report->state & NUD_USABLE) && report->has_mac) {
		bool same = n->has_mac && memcmp(&n->mac, &report->mac, sizeof(n->mac)) == 0;
		n->has_mac = true;
		n->mac = report->mac;
		return same ? NEIGHBOUR_SAME : NEIGHBOUR_MOVED;
	}
	if (!(report->state & NUD_FAILED) || (before & NUD_FAILED))
		return NEIGHBOUR_SAME;
	n->has_mac = false;
	return NEIGHBOUR_FAILED;
}

bool
neighbour_wants_asking(const struct neighbour *n)
{
	return !(n->state & NUD_SETTLED);
}

static struct nlmsghdr *
put_request(char *buffer, uint16_t type, const struct neighbour *n, uint8_t flags)
{
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	request->nlmsg_type = type;
	struct ndmsg *ndm = mnl_nlmsg_put_extra_header(request, sizeof(*ndm));
	ndm->ndm_ifindex = (int)n->ifindex;
	ndm->ndm_flags = flags;
	if (addr_is_v4(&n->address)) {
		ndm->ndm_family = AF_INET;
		mnl_attr_put_u32(request, NDA_DST, addr_v4(&n->address));
	} else {
		ndm->ndm_family = AF_INET6;
		mnl_attr_put(request, NDA_DST, sizeof(n->address.bytes), n->address.bytes);
	}
	return request;
}

int
neighbour_use(struct netlink *nl, struct neighbour *n)
{
	_Alignas(struct nlmsghdr) char buffer[REQUEST_BYTES];
	struct nlmsghdr *request = put_request(buffer, RTM_NEWNEIGH, n, NTF_USE);
	request->nlmsg_flags = NLM_F_CREATE | NLM_F_REPLACE;
	int rc = netlink_request(nl, request, NULL, NULL);
	n->table_full = rc == -ENOBUFS;
	return rc;
}

static void
read_answer(const struct nlmsghdr *message, void *context)
{
	neighbour_read(message, context);
}

int
neighbour_query(struct netlink *nl, const struct neighbour *n, struct neighbour_report *report)
{
	_Alignas(struct nlmsghdr) char buffer[REQUEST_BYTES];
	struct nlmsghdr *request = put_request(buffer, RTM_GETNEIGH, n, 0);
	return netlink_request(nl, request, read_answer, report);
}

int
neighbour_dump(struct netlink *nl, netlink_handler *handler, void *context)
{
	_Alignas(struct nlmsghdr) char buffer[REQUEST_BYTES];
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	request->nlmsg_type = RTM_GETNEIGH;
	request->nlmsg_flags = NLM_F_DUMP;
	mnl_nlmsg_put_extra_header(request, sizeof(struct ndmsg)); /* AF_UNSPEC: both families */
	return netlink_request(nl, request, handler, context);
}

struct neighbours {
	struct neighbour list[BACKENDS_MAX + 1];
	uint32_t heads[ADDRESS_HASH_BUCKETS]; /* 0: empty */
	uint32_t highest;		      /* ever used */
	uint32_t free;			      /* first of the free ones below it; 0: none */
};

struct neighbours *
neighbours_create(void)
{
	return calloc(1, sizeof(struct neighbours));
}

void
neighbours_destroy(struct neighbours *ns)
{
	free(ns);
}

uint32_t
neighbours_find(const struct neighbours *ns, unsigned ifindex, const struct ip_addr *address)
{
	uint32_t i = ns->heads[address_hash(address, ifindex)];
	while (i && (ns->list[i].ifindex != ifindex || !addr_equal(&ns->list[i].address, address)))
		i = ns->list[i].next;
	return i;
}

uint32_t
neighbours_add(struct neighbours *ns, unsigned ifindex, const struct ip_addr *address)
{
	uint32_t i = ns->free;
	if (i)
		ns->free = ns->list[i].next;
	else
		i = ++ns->highest;
	uint32_t *head = &ns->heads[address_hash(address, ifindex)];
	ns->list[i] = (struct neighbour){.address = *address, .ifindex = ifindex, .next = *head};
	*head = i;
	return i;
}

void
neighbours_remove(struct neighbours *ns, uint32_t index)
{
	struct neighbour *n = &ns->list[index];
	uint32_t *link = &ns->heads[address_hash(&n->address, n->ifindex)];
	while (*link != index)
		link = &ns->list[*link].next;
	*link = n->next;
	*n = (struct neighbour){.next = ns->free};
	ns->free = index;
}

struct neighbour *
neighbours_at(struct neighbours *ns, uint32_t index)
{
	return &ns->list[index];
}

uint32_t
neighbours_highest(const struct neighbours *ns)
{
	return ns->highest;
}
