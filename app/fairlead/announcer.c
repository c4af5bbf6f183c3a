/* SPDX-License-Identifier: BSD-3-Clause */
#include "announcer.h"

#include "log.h"
#include "solicitation.h"

/* A thousand a second and port: 10,000 VIPs are known in ten seconds, at half a megabit. */
#define FRAMES_PER_STEP 10

static void
add_to_link(struct announcer *a, uint32_t port, const struct tables *tables,
	const struct tables *before)
{
	const struct service_table *services = &tables->services;
	uint32_t added = 0;
	for (const struct service_entry *entry = services->entries; entry <= services->last;
		entry++) {
		if (entry->range_count == 0 ||
			(before && service_table_vip(&before->services, &entry->vip)))
			continue;
		if (announcements_add(&a->links[port].due, &entry->vip) < 0) {
			log_warning("port %s: not enough memory to announce all VIPs",
				a->dp->ports[port].name);
			return;
		}
		added++;
	}
	if (added > 0)
		log_notice("port %s: announcing %u VIPs to its neighbours", a->dp->ports[port].name,
			added);
}

void
announcer_add(struct announcer *a, const struct tables *tables, const struct tables *before)
{
	/* A link that is down is told of all VIPs when it comes up. */
	for (uint32_t i = 0; i < a->dp->port_count; i++)
		if (a->links[i].is_up)
			add_to_link(a, i, tables, before);
}

void
announcer_tick(struct announcer *a, const struct tables *tables)
{
	for (uint32_t i = 0; i < a->dp->port_count; i++) {
		bool was_up = a->links[i].is_up;
		if (!a->dp->ports[i].answers_neighbours)
			continue;
		a->links[i].is_up = dataplane_link_is_up(&a->dp->ports[i]);
		if (a->links[i].is_up && !was_up)
			add_to_link(a, i, tables, NULL);
		if (!a->links[i].is_up)
			announcements_clear(&a->links[i].due);
	}
}

static void
announce(struct announcer *a, uint32_t port, const struct ip_addr *vip)
{
	uint8_t frame[SOLICITATION_FRAME_MAX];
	uint32_t length = solicitation_announce(frame, vip, &a->dp->ports[port].mac);
	/* One that finds no room is lost like one that is lost on the link: there are others. */
	for (uint32_t link = KERNELPATH_UNTAGGED; link <= a->dp->ports[port].vlan_count; link++)
		kernelpath_send(a->dp->kernelpath, port, link, frame, length);
}

void
announcer_step(struct announcer *a, const struct tables *tables, struct mono now)
{
	for (uint32_t i = 0; i < a->dp->port_count; i++) {
		struct ip_addr vip;
		for (unsigned n = 0; n < FRAMES_PER_STEP; n += 1 + a->dp->ports[i].vlan_count) {
			if (!announcements_next(&a->links[i].due, now, &vip))
				break;
			if (service_table_vip(&tables->services, &vip))
				announce(a, i, &vip);
		}
	}
}

void
announcer_fini(struct announcer *a)
{
	for (uint32_t i = 0; i < PORTS_MAX; i++)
		announcements_clear(&a->links[i].due);
}
