/* SPDX-License-Identifier: BSD-3-Clause */
#include "semantics.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "arena.h"
#include "semantics_parts.h"

int
compare_named(const void *a, const void *b)
{
	const struct named *x = a, *y = b;
	int order = strcmp(x->name, y->name);
	return order != 0 ? order : (x->index > y->index) - (x->index < y->index);
}

/*
 * Reports every name but the first of equals. `names` is sorted. `list` has the objects, of which
 * `key` is the member that is compared.
 */
static void
check_names_differ(struct report *report, struct named *names, size_t count,
	const struct node *list, const char *key, const char *wanted)
{
	qsort(names, count, sizeof(*names), compare_named);
	for (size_t i = 1; i < count; i++)
		if (strcmp(names[i].name, names[i - 1].name) == 0)
			report_member(report, REPORT_ERROR, list->children[names[i].index], key,
				"wanted %s, got \"%s\" again", wanted, names[i].name);
}

struct named *
gather_names(struct arena *arena, const void *elements, size_t count, size_t bytes, size_t offset,
	size_t *gathered)
{
	struct named *names = arena_array(arena, count, sizeof(*names));
	*gathered = 0;
	for (size_t i = 0; names && i < count; i++) {
		const char *element = (const char *)elements + i * bytes;
		const char *name = *(const char *const *)(element + offset);
		if (name)
			names[(*gathered)++] = (struct named){name, (uint32_t)i};
	}
	return names;
}

int
check_member_differs(struct check *c, const struct node *list, const void *elements, size_t count,
	size_t bytes, size_t offset, const char *key, const char *wanted)
{
	size_t gathered;
	struct named *names = gather_names(c->scratch, elements, count, bytes, offset, &gathered);
	if (!names)
		return -ENOMEM;
	check_names_differ(c->report, names, gathered, list, key, wanted);
	return 0;
}

int
compare_placed(const void *a, const void *b)
{
	const struct placed_address *x = a, *y = b;
	int order = addr_compare(&x->address, &y->address);
	if (order != 0)
		return order;
	if (x->owner != y->owner)
		return x->owner < y->owner ? -1 : 1;
	return (x->index > y->index) - (x->index < y->index);
}

bool
address_is_read(const struct ip_addr *address)
{
	return address->halves[0] != 0 || address->halves[1] != 0;
}

static void
check_control(struct check *c)
{
	if (c->config->control_socket_mode & S_IWOTH)
		report_member(c->report, REPORT_WARNING, document_member(c->root, "control"),
			"socket_mode", "everybody on this box may give orders to the daemon");
}

int
semantics_check(const struct config *config, const struct node *root, struct report *report)
{
	struct check c = {
		.config = config,
		.root = root,
		.pools = document_member(root, "pools"),
		.services = document_member(root, "services"),
		.scratch = arena_create(ARENA_ANY_NODE),
		.report = report,
	};
	if (!c.scratch)
		return -ENOMEM;
	int rc = check_ports(&c);
	if (rc == 0)
		rc = check_pools(&c);
	if (rc == 0)
		rc = check_services(&c);
	check_control(&c);
	if (config->has_announce)
		report_value(report, REPORT_WARNING, document_member(root, "announce"),
			"this version does not announce: no routes are put up");
	arena_destroy(c.scratch);
	return rc;
}
