/* SPDX-License-Identifier: BSD-3-Clause */
#include "eal.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_log.h>

#include "log.h"

#define ARGUMENTS_MAX (16 + 2 * PORTS_MAX)

/* The main lcore is 0, workers follow. */
#define MAIN_LCORE 0

unsigned
eal_worker_lcore(uint32_t worker)
{
	return MAIN_LCORE + 1 + worker;
}

void
eal_device_name(const char *device, char *name, size_t bytes)
{
	snprintf(name, bytes, "%.*s", (int)strcspn(device, ","), device);
}

bool
eal_is_pci(const char *device)
{
	unsigned domain, bus, slot, function;
	return sscanf(device, "%4x:%2x:%2x.%1x", &domain, &bus, &slot, &function) == 4;
}

/* "0@(0,2-3),1@1": the main thread on every allowed CPU that no worker polls on, one lcore a worker. */
static int
format_lcores(const struct config *config, char *text, size_t bytes, struct error *err)
{
	cpu_set_t allowed, control;
	if (sched_getaffinity(0, sizeof(allowed), &allowed) < 0)
		return error_set(err, -errno, "sched_getaffinity: %s", strerror(errno));
	control = allowed;
	for (uint32_t i = 0; i < config->worker_count; i++) {
		if (!CPU_ISSET(config->workers[i], &allowed))
			return error_set(err, -EINVAL,
				"/dataplane/workers: CPU %u does not exist or may not be used by "
				"this process",
				config->workers[i]);
		CPU_CLR(config->workers[i], &control);
	}
	if (CPU_COUNT(&control) == 0) {
		log_warning("workers poll on every CPU: control shares them");
		control = allowed;
	}
	size_t used = (size_t)snprintf(text, bytes, "%d@(", MAIN_LCORE);
	const char *comma = "";
	for (size_t cpu = 0; cpu < CPU_SETSIZE && used < bytes; cpu++)
		if (CPU_ISSET(cpu, &control)) {
			used += (size_t)snprintf(text + used, bytes - used, "%s%zu", comma, cpu);
			comma = ",";
		}
	if (used < bytes)
		used += (size_t)snprintf(text + used, bytes - used, ")");
	for (uint32_t i = 0; i < config->worker_count && used < bytes; i++)
		used += (size_t)snprintf(text + used, bytes - used, ",%u@%u", eal_worker_lcore(i),
			config->workers[i]);
	return used < bytes ? 0 : error_set(err, -E2BIG, "/dataplane/workers: too many CPUs");
}

/* Free hugepages of every size, in MB. */
static size_t
free_hugepages_mb(void)
{
	size_t total = 0;
	static const unsigned sizes_kb[] = {2048, 1048576};
	for (size_t i = 0; i < 2; i++) {
		char path[128];
		snprintf(path, sizeof(path),
			"/sys/kernel/mm/hugepages/hugepages-%ukB/free_hugepages", sizes_kb[i]);
		FILE *file = fopen(path, "r");
		size_t pages;
		if (file && fscanf(file, "%zu", &pages) == 1)
			total += pages * sizes_kb[i] / 1024;
		if (file)
			fclose(file);
	}
	return total;
}

static int
check_hugepages(size_t memory_mb, struct error *err)
{
	size_t have_mb = free_hugepages_mb();
	if (have_mb >= memory_mb)
		return 0;
	return error_set(err, -ENOMEM,
		"packet buffers need %zu MB of free hugepages, there are %zu MB. Reserve them: "
		"echo %zu > "
		"/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages; or run without: "
		"\"hugepages\": false",
		memory_mb, have_mb, (memory_mb - have_mb) / 2 + 1);
}

int
eal_start(const struct config *config, size_t buffer_bytes, struct error *err)
{
	char lcores[4096], memory[32];
	int rc = format_lcores(config, lcores, sizeof(lcores), err);
	if (rc < 0)
		return rc;
	/* Beside the buffers: rings, queues, drivers' own. */
	size_t memory_mb =
		config->memory_mb ? config->memory_mb : (buffer_bytes >> 20) * 5 / 4 + 64;
	if (config->hugepages) {
		rc = check_hugepages(memory_mb, err);
		if (rc < 0)
			return rc;
	}
	snprintf(memory, sizeof(memory), "%zu", memory_mb);

	const char *arguments[ARGUMENTS_MAX];
	int count = 0;
	arguments[count++] = "fairlead";
	arguments[count++] = "--lcores";
	arguments[count++] = lcores;
	/* No file that a crash could leave behind. (--in-memory is not for --no-huge in DPDK 22.11.) */
	if (config->hugepages) {
		arguments[count++] = "--in-memory";
	} else {
		arguments[count++] = "--no-huge";
		arguments[count++] = "--no-shconf";
	}
	arguments[count++] = "--no-telemetry";
	arguments[count++] = "-m";
	arguments[count++] = memory;
	bool any_pci = false;
	for (uint32_t i = 0; i < config->port_count; i++) {
		bool pci = eal_is_pci(config->ports[i].device);
		any_pci |= pci;
		arguments[count++] = pci ? "--allow" : "--vdev";
		arguments[count++] = config->ports[i].device;
	}
	if (!any_pci)
		arguments[count++] = "--no-pci";
	rte_log_set_global_level(RTE_LOG_WARNING);
	/* EAL reorders and keeps the vector; the strings are not written to. */
	if (rte_eal_init(count, (char **)(uintptr_t)arguments) < 0)
		return error_set(err, -(rte_errno ? rte_errno : EIO),
			"DPDK does not start: %s; its own lines above say more",
			rte_strerror(rte_errno));
	return 0;
}

void
eal_stop(void)
{
	char directory[PATH_MAX];
	snprintf(directory, sizeof(directory), "%s", rte_eal_get_runtime_dir());
	rte_eal_cleanup();
	/* EAL makes these even when it puts nothing there. They stay if somebody else uses them. */
	if (rmdir(directory) == 0)
		rmdir(dirname(directory));
}
