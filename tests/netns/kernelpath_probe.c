/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The kernel path against a real kernel; kernelpath.sh runs this in a namespace of its own.
 * `check` plays a worker with a host on the wire behind it; `hold` waits to be killed.
 */
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <rte_arp.h>
#include <rte_eal.h>
#include <rte_ether.h>
#include <rte_icmp.h>
#include <rte_ip.h>
#include <rte_mbuf.h>

#include "bounds.h"
#include "kernelpath.h"
#include "mono.h"

#define POOL_FRAMES    16383
#define POOL_CACHE     256
#define ROUND_TRIPS    1000
#define ANSWER_MS      1000
#define ECHO_BYTES     56
#define JUMBO	       9000
#define ICMP6_SOLICIT  135
#define ICMP6_ADVERT   136
#define HOPS_ND	       255 /* RFC 4861, 7.1.1 */
#define PRIORITY_COUNT 8
#define FLOOD	       2000
#define SETTLE_US      200000

static const struct kernelpath_port ports[] = {
	{.interface = "kp0", .mac = {{2, 0, 0, 0, 0, 0x10}}, .mtu = 1400},
	{.interface = NULL},
	{.interface = "kp2", .mac = {{2, 0, 0, 0, 0, 0x12}}, .mtu = JUMBO},
};
#define PORTS	   (sizeof(ports) / sizeof(ports[0]))
#define LINUX_ADDR RTE_IPV4(10, 66, 0, 1)
#define HOST_ADDR  RTE_IPV4(10, 66, 0, 2)

static const struct rte_ether_addr host_mac = {{2, 0, 0, 0, 0, 0x99}};
static struct rte_mempool *pool;
static struct kernelpath *kp;
static unsigned failures;

static void __attribute__((format(printf, 2, 3))) check(bool good, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	printf(good ? "ok " : "not ok ");
	vprintf(format, args);
	putchar('\n');
	fflush(stdout);
	va_end(args);
	failures += !good;
}

static void
check_command(const char *what, const char *command)
{
	check(system(command) == 0, "%s", what);
}

static void
create(void)
{
	struct error err;
	if (kernelpath_create(&kp, ports, PORTS, pool, &err) < 0) {
		printf("not ok create: %s\n", err.text);
		exit(1);
	}
}

static void
start(void)
{
	struct error err;
	if (kernelpath_start(kp, &err) < 0) {
		printf("not ok start: %s\n", err.text);
		exit(1);
	}
}

/* ---- frames of the host on the wire ---- */

static struct rte_mbuf *
new_frame(uint16_t bytes, const uint8_t dst[6], uint16_t type)
{
	struct rte_mbuf *frame = rte_pktmbuf_alloc(pool);
	struct rte_ether_hdr *ether = (void *)rte_pktmbuf_append(frame, bytes);
	memset(ether, 0, bytes);
	memcpy(&ether->dst_addr, dst, 6);
	ether->src_addr = host_mac;
	ether->ether_type = htons(type);
	return frame;
}

static struct rte_mbuf *
arp_request(void)
{
	static const uint8_t broadcast[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
	struct rte_mbuf *frame =
		new_frame(sizeof(struct rte_ether_hdr) + sizeof(struct rte_arp_hdr), broadcast,
			RTE_ETHER_TYPE_ARP);
	struct rte_arp_hdr *arp =
		rte_pktmbuf_mtod_offset(frame, struct rte_arp_hdr *, sizeof(struct rte_ether_hdr));
	*arp = (struct rte_arp_hdr){
		.arp_hardware = htons(RTE_ARP_HRD_ETHER),
		.arp_protocol = htons(RTE_ETHER_TYPE_IPV4),
		.arp_hlen = 6,
		.arp_plen = 4,
		.arp_opcode = htons(RTE_ARP_OP_REQUEST),
		.arp_data = {.arp_sha = host_mac,
			.arp_sip = htonl(HOST_ADDR),
			.arp_tip = htonl(LINUX_ADDR)},
	};
	return frame;
}

static struct rte_mbuf *
echo_request(uint16_t sequence, uint16_t bytes)
{
	struct rte_mbuf *frame = new_frame(
		(uint16_t)(sizeof(struct rte_ether_hdr) + sizeof(struct rte_ipv4_hdr) + bytes),
		ports[0].mac.bytes, RTE_ETHER_TYPE_IPV4);
	struct rte_ipv4_hdr *ip =
		rte_pktmbuf_mtod_offset(frame, struct rte_ipv4_hdr *, sizeof(struct rte_ether_hdr));
	ip->version_ihl = RTE_IPV4_VHL_DEF;
	ip->total_length = htons((uint16_t)(sizeof(*ip) + bytes));
	ip->time_to_live = 64;
	ip->next_proto_id = IPPROTO_ICMP;
	ip->src_addr = htonl(HOST_ADDR);
	ip->dst_addr = htonl(LINUX_ADDR);
	ip->hdr_checksum = rte_ipv4_cksum(ip);
	struct rte_icmp_hdr *icmp = (void *)(ip + 1);
	icmp->icmp_type = RTE_IP_ICMP_ECHO_REQUEST;
	icmp->icmp_seq_nb = htons(sequence);
	icmp->icmp_cksum = (uint16_t)~rte_raw_cksum(icmp, bytes);
	return frame;
}

/* For fd66::1, to its solicited-node group (RFC 4861, 4.3). */
static struct rte_mbuf *
solicitation(void)
{
	static const uint8_t group_mac[6] = {0x33, 0x33, 0xff, 0, 0, 1};
	static const uint8_t source[16] = {0xfd, 0x66, [15] = 2};
	static const uint8_t group[16] = {0xff, 2, [11] = 1, 0xff, 0, 0, 1};
	static const uint8_t target[16] = {0xfd, 0x66, [15] = 1};
	const uint16_t bytes = 4 + 4 + 16 + 8;
	struct rte_mbuf *frame = new_frame(
		(uint16_t)(sizeof(struct rte_ether_hdr) + sizeof(struct rte_ipv6_hdr) + bytes),
		group_mac, RTE_ETHER_TYPE_IPV6);
	struct rte_ipv6_hdr *ip =
		rte_pktmbuf_mtod_offset(frame, struct rte_ipv6_hdr *, sizeof(struct rte_ether_hdr));
	ip->vtc_flow = htonl(6u << 28);
	ip->payload_len = htons(bytes);
	ip->proto = IPPROTO_ICMPV6;
	ip->hop_limits = HOPS_ND;
	memcpy(ip->src_addr, source, 16);
	memcpy(ip->dst_addr, group, 16);
	uint8_t *icmp = (uint8_t *)(ip + 1);
	icmp[0] = ICMP6_SOLICIT;
	memcpy(&icmp[8], target, 16);
	icmp[24] = 1; /* source link-layer address, in units of 8 bytes: 1 */
	icmp[25] = 1;
	memcpy(&icmp[26], &host_mac, 6);
	uint32_t sum = rte_ipv6_phdr_cksum(ip, 0) + rte_raw_cksum(icmp, bytes);
	sum = (sum & 0xffff) + (sum >> 16);
	uint16_t checksum = (uint16_t) ~((sum & 0xffff) + (sum >> 16));
	memcpy(&icmp[2], &checksum, 2);
	return frame;
}

/* ---- what Linux answers ---- */

static void
send_to_linux(unsigned port, enum kernelpath_class class, struct rte_mbuf *frame)
{
	while (kernelpath_to_kernel(kp, port, class, &frame, 1) != 1)
		sched_yield();
}

typedef bool frame_test(const uint8_t *frame, uint16_t sequence);

/* Frees what comes until the one that is awaited; Linux sends multicast of its own. */
static bool
await(frame_test *test, uint16_t sequence)
{
	struct mono began = mono_now();
	while (mono_ms_between(began, mono_now()) < ANSWER_MS) {
		struct rte_mbuf *frame;
		if (kernelpath_from_kernel(kp, 0, &frame, 1) == 0) {
			sched_yield();
			continue;
		}
		const struct rte_ether_hdr *ether = rte_pktmbuf_mtod(frame, void *);
		bool found = rte_is_same_ether_addr(&ether->dst_addr, &host_mac) &&
			     memcmp(&ether->src_addr, &ports[0].mac, 6) == 0 &&
			     test((const uint8_t *)ether, sequence);
		rte_pktmbuf_free(frame);
		if (found)
			return true;
	}
	return false;
}

static bool
is_arp_reply(const uint8_t *frame, uint16_t sequence)
{
	(void)sequence;
	const struct rte_arp_hdr *arp = (const void *)(frame + sizeof(struct rte_ether_hdr));
	return arp->arp_opcode == htons(RTE_ARP_OP_REPLY) &&
	       arp->arp_data.arp_sip == htonl(LINUX_ADDR) &&
	       memcmp(&arp->arp_data.arp_sha, &ports[0].mac, 6) == 0;
}

static bool
is_echo_reply(const uint8_t *frame, uint16_t sequence)
{
	const struct rte_ipv4_hdr *ip = (const void *)(frame + sizeof(struct rte_ether_hdr));
	const struct rte_icmp_hdr *icmp = (const void *)(ip + 1);
	return ip->next_proto_id == IPPROTO_ICMP && icmp->icmp_type == RTE_IP_ICMP_ECHO_REPLY &&
	       icmp->icmp_seq_nb == htons(sequence);
}

static bool
is_advertisement(const uint8_t *frame, uint16_t sequence)
{
	(void)sequence;
	const struct rte_ipv6_hdr *ip = (const void *)(frame + sizeof(struct rte_ether_hdr));
	return ip->proto == IPPROTO_ICMPV6 && *(const uint8_t *)(ip + 1) == ICMP6_ADVERT;
}

/* ---- the checks ---- */

static void
refusals(void)
{
	struct error err;
	struct kernelpath *none;
	struct kernelpath_port bad = ports[0];
	bad.interface = "sixteen-letters-";
	check(kernelpath_create(&none, &bad, 1, pool, &err) < 0, "refused name: %s", err.text);
	bad.interface = "lo";
	check(kernelpath_create(&none, &bad, 1, pool, &err) < 0, "refused name: %s", err.text);
	const struct kernelpath_port second_bad[] = {ports[0], {.interface = "a,b", .mtu = 1500}};
	check(kernelpath_create(&none, second_bad, 2, pool, &err) < 0, "refused name: %s",
		err.text);
	check(if_nametoindex("kp0") == 0, "and the first port's interface is gone again");
}

static void
interfaces(void)
{
	check(kernelpath_ifindex(kp, 0, KERNELPATH_UNTAGGED) == if_nametoindex("kp0") &&
			if_nametoindex("kp0") != 0,
		"interface is made: by %s", kernelpath_driver(kp));
	check_command(
		"MAC of the port", "ip link show kp0 | grep -q 'link/ether 02:00:00:00:00:10 '");
	check_command("MTU of the port", "ip link show kp0 | grep -q 'mtu 1400 '");
	check_command("up", "ip link show kp0 | grep -q '[<,]UP[,>]'");
	check_command(
		"a jumbo port has at least 1500", "ip link show kp2 | grep -Eq 'mtu (1504|9000) '");
	struct rte_mbuf *none;
	check(kernelpath_ifindex(kp, 1, KERNELPATH_UNTAGGED) == 0 &&
			kernelpath_to_kernel(kp, 1, KERNELPATH_OTHER, &none, 1) == 0,
		"a port without interface has no kernel path");
	bool quiet = true;
	for (int signal = SIGRTMIN; signal <= SIGRTMAX; signal++) {
		struct sigaction action;
		sigaction(signal, NULL, &action);
		quiet = quiet && action.sa_handler == SIG_DFL;
	}
	check(quiet, "no driver has taken a signal");
}

/* The thread is not running yet: both rings have frames when it starts. */
static void
priority(void)
{
	struct sockaddr_ll here = {.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = (int)kernelpath_ifindex(kp, 0, KERNELPATH_UNTAGGED)};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL));
	bind(fd, (struct sockaddr *)&here, sizeof(here));
	for (uint16_t i = 0; i < PRIORITY_COUNT; i++)
		send_to_linux(0, KERNELPATH_OTHER, echo_request(i, ECHO_BYTES));
	send_to_linux(0, KERNELPATH_CONTROL, arp_request());
	start();
	struct rte_ether_hdr ether;
	struct sockaddr_ll from;
	do {
		socklen_t length = sizeof(from);
		if (recvfrom(fd, &ether, sizeof(ether), 0, (struct sockaddr *)&from, &length) < 0)
			break;
	} while (from.sll_pkttype == PACKET_OUTGOING);
	close(fd);
	check(ether.ether_type == htons(RTE_ETHER_TYPE_ARP), "control frames overtake the others");
	check(await(is_echo_reply, PRIORITY_COUNT - 1), "which follow");
}

static void
answers(void)
{
	send_to_linux(0, KERNELPATH_CONTROL, arp_request());
	check(await(is_arp_reply, 0), "ARP request in, ARP reply out");
	send_to_linux(0, KERNELPATH_CONTROL, solicitation());
	check(await(is_advertisement, 0),
		"neighbour solicitation (multicast) in, advertisement out");
	send_to_linux(0, KERNELPATH_OTHER, echo_request(1, ECHO_BYTES));
	check(await(is_echo_reply, 1), "echo request in, echo reply out");
}

static int
compare_us(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return (x > y) - (x < y);
}

static void
latency(void)
{
	static uint64_t us[ROUND_TRIPS];
	unsigned lost = 0;
	for (uint16_t i = 0; i < ROUND_TRIPS; i++) {
		/* Long enough for the thread to have gone to sleep. */
		usleep(500);
		struct mono began = mono_now();
		send_to_linux(0, KERNELPATH_OTHER, echo_request(i, ECHO_BYTES));
		lost += !await(is_echo_reply, i);
		us[i] = mono_now().us - began.us;
	}
	qsort(us, ROUND_TRIPS, sizeof(us[0]), compare_us);
	check(lost == 0 && us[ROUND_TRIPS / 2] < 1000,
		"%d single echoes: median %lu us, 99 %% %lu us, lost %u", ROUND_TRIPS,
		us[ROUND_TRIPS / 2], us[ROUND_TRIPS * 99 / 100], lost);
}

static double
cpu_seconds(void)
{
	struct rusage usage;
	getrusage(RUSAGE_SELF, &usage);
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void
idleness(void)
{
	double before = cpu_seconds();
	sleep(2);
	double percent = (cpu_seconds() - before) * 100 / 2;
	check(percent < 25, "idle thread: %.1f %% of a core", percent);
}

static void
refused_frames(void)
{
	struct kernelpath_counters before = kernelpath_counters(kp, 0, KERNELPATH_UNTAGGED);
	send_to_linux(0, KERNELPATH_OTHER, echo_request(1, ECHO_BYTES));
	send_to_linux(0, KERNELPATH_OTHER, echo_request(2, 1900));
	send_to_linux(0, KERNELPATH_OTHER, echo_request(3, ECHO_BYTES));
	check(await(is_echo_reply, 3), "a frame over the MTU does not hold up the next");
	struct kernelpath_counters after = kernelpath_counters(kp, 0, KERNELPATH_UNTAGGED);
	check(after.delivered - before.delivered == 2 &&
			after.delivery_failed - before.delivery_failed == 1,
		"and is counted");
}

static void
interface_down(void)
{
	struct kernelpath_counters before = kernelpath_counters(kp, 0, KERNELPATH_UNTAGGED);
	check_command("interface set down", "ip link set kp0 down");
	send_to_linux(0, KERNELPATH_OTHER, echo_request(4, ECHO_BYTES));
	usleep(SETTLE_US);
	struct kernelpath_counters after = kernelpath_counters(kp, 0, KERNELPATH_UNTAGGED);
	check(after.delivery_failed - before.delivery_failed == 1, "it takes nothing, as counted");
	check_command("interface set up", "ip link set kp0 up");
}

/* As from a worker that does not come round to it. */
static void
slow_worker(void)
{
	struct kernelpath_counters before = kernelpath_counters(kp, 0, KERNELPATH_UNTAGGED);
	for (uint16_t i = 0; i < FLOOD; i++)
		send_to_linux(0, KERNELPATH_OTHER, echo_request(i, ECHO_BYTES));
	usleep(SETTLE_US);
	struct kernelpath_counters after = kernelpath_counters(kp, 0, KERNELPATH_UNTAGGED);
	uint64_t collected = after.collected - before.collected;
	uint64_t dropped = after.ring_full - before.ring_full, read = 0;
	struct rte_mbuf *frame;
	while (kernelpath_from_kernel(kp, 0, &frame, 1) == 1) {
		rte_pktmbuf_free(frame);
		read++;
	}
	check(collected >= FLOOD && dropped > 0 && read == collected - dropped,
		"nobody reads, dropped and counted: of %lu frames %lu are dropped, %lu are still "
		"there",
		collected, dropped, read);
}

static void
full_rings(void)
{
	unsigned taken = 0;
	struct rte_mbuf *frame = echo_request(1, ECHO_BYTES);
	while (kernelpath_to_kernel(kp, 0, KERNELPATH_OTHER, &frame, 1) == 1) {
		taken++;
		frame = echo_request(1, ECHO_BYTES);
	}
	rte_pktmbuf_free(frame);
	check(taken < KERNELPATH_FRAMES_PER_PORT, "a full ring takes no more: %u", taken);
}

static int
run_checks(void)
{
	unsigned baseline = rte_mempool_in_use_count(pool);
	refusals();
	check(rte_mempool_in_use_count(pool) == baseline, "refusals give every frame back");
	create();
	interfaces();
	if (system("ip addr add 10.66.0.1/24 dev kp0 && ip addr add fd66::1/64 dev kp0 nodad") != 0)
		return 1;
	priority();
	answers();
	latency();
	refused_frames();
	slow_worker();
	interface_down();
	idleness();
	kernelpath_stop(kp);
	full_rings();
	kernelpath_destroy(kp);
	check(if_nametoindex("kp0") == 0 && if_nametoindex("kp2") == 0,
		"a clean stop leaves nothing");
	unsigned left = rte_mempool_in_use_count(pool);
	check(left == baseline, "every frame is back in its pool: %u, %u before", left, baseline);
	return failures > 0;
}

int
main(int argc, char **argv)
{
	char *eal[] = {"kernelpath_probe", "--no-huge", "--no-shconf", "--no-pci", "-m", "256",
		"--log-level=warning", "--no-telemetry", NULL};
	if (argc != 2 || rte_eal_init((int)(sizeof(eal) / sizeof(eal[0])) - 1, eal) < 0) {
		fprintf(stderr, "usage: %s check|hold (see kernelpath.sh)\n", argv[0]);
		return 2;
	}
	pool = rte_pktmbuf_pool_create(
		"frames", POOL_FRAMES, POOL_CACHE, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	if (!pool) {
		printf("not ok pool\n");
		return 1;
	}
	int rc = 0;
	if (argv[1][0] == 'h') {
		create();
		start();
		pause();
	} else {
		rc = run_checks();
	}
	rte_eal_cleanup();
	return rc;
}
