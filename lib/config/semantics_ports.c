/* SPDX-License-Identifier: BSD-3-Clause */
/* Ports, their VLANs and interfaces: each belongs to one. */
#include "semantics_parts.h"

#include <errno.h>
#include <string.h>

static void
check_vlan_ids(struct check *c, const struct config_port *port, const struct node *node)
{
	const struct node *list = document_member(node, "vlans");
	for (uint32_t i = 1; i < port->vlan_count; i++)
		for (uint32_t j = 0; j < i; j++)
			if (port->vlans[i].id != 0 && port->vlans[i].id == port->vlans[j].id) {
				report_member(c->report, REPORT_ERROR, list->children[i], "id",
					"wanted a VLAN that the port does not have yet, got %u "
					"again",
					port->vlans[i].id);
				break;
			}
}

/* What goes through the port's kernel interface, or is Linux's where VLANs end. */
static void
check_needs_interface(struct check *c, const struct config_port *port, const struct node *node)
{
	static const char wanted[] = "wanted a kernel_interface of the port, got none";
	if (port->kernel_interface || document_member(node, "kernel_interface"))
		return;
	if (port->answer_neighbours)
		report_member(c->report, REPORT_ERROR, node, "answer_neighbours", wanted);
	if (port->vlan_count > 0)
		report_member(c->report, REPORT_ERROR, node, "vlans", wanted);
}

/* Kernel interfaces seen so far, in the file's order: of ports and their VLANs. */
struct interfaces {
	const char *names[PORTS_MAX * (1 + VLANS_PER_PORT_MAX)];
	uint32_t count;
};

static bool
has_interface(const struct interfaces *seen, const char *name)
{
	for (uint32_t i = 0; i < seen->count; i++)
		if (strcmp(seen->names[i], name) == 0)
			return true;
	return false;
}

static void
check_interface(
	struct check *c, struct interfaces *seen, const char *name, const struct node *owner)
{
	if (!name)
		return;
	if (has_interface(seen, name))
		report_member(c->report, REPORT_ERROR, owner, "kernel_interface",
			"wanted an interface that no other port or VLAN has, got \"%s\" again",
			name);
	seen->names[seen->count++] = name;
}

static void
check_interfaces(struct check *c, const struct node *list, const struct node *announce)
{
	const struct config *config = c->config;
	struct interfaces seen = {.count = 0};
	for (uint32_t i = 0; i < config->port_count; i++) {
		const struct config_port *port = &config->ports[i];
		const struct node *vlans = document_member(list->children[i], "vlans");
		check_interface(c, &seen, port->kernel_interface, list->children[i]);
		for (uint32_t v = 0; v < port->vlan_count; v++)
			check_interface(
				c, &seen, port->vlans[v].kernel_interface, vlans->children[v]);
	}
	if (config->announce_interface && has_interface(&seen, config->announce_interface))
		report_member(c->report, REPORT_ERROR, announce, "interface",
			"wanted an interface that no port or VLAN has, got \"%s\"",
			config->announce_interface);
}

int
check_ports(struct check *c)
{
	const struct config *config = c->config;
	const struct node *list = document_member(document_member(c->root, "dataplane"), "ports");
	static const struct {
		size_t offset;
		const char *key, *wanted;
	} unique[] = {
		{offsetof(struct config_port, name), "name", "a name that no other port has"},
		{offsetof(struct config_port, device), "device", "a device that no other port has"},
	};
	for (size_t i = 0; i < sizeof(unique) / sizeof(unique[0]); i++) {
		int rc = check_member_differs(c, list, config->ports, config->port_count,
			sizeof(struct config_port), unique[i].offset, unique[i].key,
			unique[i].wanted);
		if (rc < 0)
			return rc;
	}
	for (uint32_t i = 0; i < config->port_count; i++) {
		check_vlan_ids(c, &config->ports[i], list->children[i]);
		check_needs_interface(c, &config->ports[i], list->children[i]);
	}
	check_interfaces(c, list, document_member(c->root, "announce"));
	return 0;
}
