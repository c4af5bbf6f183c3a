/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The thread polls; it cannot wait, since a worker that puts a frame into a ring makes no system
 * call to wake it. When nothing has moved for a while it sleeps for a tenth of a millisecond at a
 * time, which costs a few percent of a core and, at worst, that much latency on the first frame.
 *
 * A ring's producers are workers, or the thread and control, and on a box with few cores one may
 * lose its core in the middle of an enqueue. In DPDK's plain multi-producer mode all the others would spin until it is back; in
 * relaxed-tail mode (RTS) they go on.
 */
#include "kernelpath.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_ether.h>
#include <rte_lcore.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>
#include <rte_ring.h>
#include <rte_thread.h>
#include <rte_version.h>

#include "bounds.h"
#include "kernel_interface.h"
#include "wire.h"

#define RING_FRAMES	     1024
#define THREAD_NAME	     "fairlead-kpath"
#define IDLE_SHORTEST_NS     20000
#define IDLE_LONGEST_NS	     200000
#define RINGS_PER_PORT	     (KERNELPATH_CLASSES + 1)
#define QUEUES_PER_INTERFACE 2

static_assert(RINGS_PER_PORT * RING_FRAMES + QUEUES_PER_INTERFACE * KERNEL_INTERFACE_QUEUE <=
		      KERNELPATH_FRAMES_PER_PORT,
	"what the header promises");
static_assert(QUEUES_PER_INTERFACE * KERNEL_INTERFACE_QUEUE <= KERNELPATH_FRAMES_PER_VLAN,
	"for a VLAN too, which uses its port's rings");

/* The untagged frames of a port, or one of its VLANs. */
struct link {
	struct kernel_interface interface;
	uint16_t vlan;		    /* 0: untagged */
	_Atomic uint64_t delivered; // thread: rw; anyone: ro; so the next three
	_Atomic uint64_t delivery_failed;
	_Atomic uint64_t collected;
	_Atomic uint64_t ring_full;
};

struct path {
	struct link links[1 + VLANS_PER_PORT_MAX];
	unsigned link_count;				// 0: the port has no kernel path
	struct rte_ring *to_kernel[KERNELPATH_CLASSES]; // workers: produce; thread: consumes
	struct rte_ring *from_kernel; // thread, control: produce; one worker: consumes
};

#if RTE_VERSION >= RTE_VERSION_NUM(23, 11, 0, 0)
typedef rte_thread_t control_thread;
#else
typedef pthread_t control_thread;
#endif

struct kernelpath {
	struct path paths[PORTS_MAX];
	unsigned port_count;
	struct rte_mempool *pool;
	const char *driver;
	control_thread thread;
	bool runs;
	atomic_bool stop; // control: wo; thread: ro
};

/* ---- the thread ---- */

static void
count(_Atomic uint64_t *counter, uint64_t n)
{
	uint64_t before = atomic_load_explicit(counter, memory_order_relaxed);
	atomic_store_explicit(counter, before + n, memory_order_relaxed);
}

/* Whose frame it is; that of a VLAN loses its tag. With a second tag it is nobody's VLAN. */
static struct link *
take_tag_off(struct path *path, struct rte_mbuf *frame)
{
	const struct wire_ether *ether = rte_pktmbuf_mtod(frame, const struct wire_ether *);
	const struct wire_vlan *tag = (const void *)(ether + 1);
	if (path->link_count == 1 || frame->data_len < sizeof(*ether) + sizeof(*tag) ||
		ether->type != wire_u16(ETHERTYPE_DOT1Q) ||
		tag->type == wire_u16(ETHERTYPE_DOT1Q) || tag->type == wire_u16(ETHERTYPE_QINQ))
		return &path->links[KERNELPATH_UNTAGGED];
	uint16_t vlan = wire_u16(tag->tci) & VLAN_ID_MASK;
	for (unsigned i = 1; i < path->link_count; i++)
		if (path->links[i].vlan == vlan) {
			rte_vlan_strip(frame);
			return &path->links[i];
		}
	return &path->links[KERNELPATH_UNTAGGED];
}

/* Takes all of them, whatever becomes of them. */
static void
deliver_to(struct link *link, struct rte_mbuf **frames, unsigned n)
{
	unsigned done = 0, failed = 0;
	while (done < n) {
		done += rte_eth_tx_burst(
			link->interface.ethdev, 0, &frames[done], (uint16_t)(n - done));
		/* The burst ends at a frame that is not taken, too long for one; the rest may be.
		 */
		if (done < n) {
			rte_pktmbuf_free(frames[done++]);
			failed++;
		}
	}
	count(&link->delivered, n - failed);
	count(&link->delivery_failed, failed);
}

static unsigned
deliver(struct path *path)
{
	struct rte_mbuf *frames[BURST_MAX];
	unsigned n = 0;
	for (unsigned class = 0; class < KERNELPATH_CLASSES && n < BURST_MAX; class ++)
		n += rte_ring_dequeue_burst(
			path->to_kernel[class], (void **)&frames[n], BURST_MAX - n, NULL);
	/* Runs of one link go together: mostly it is all of them. */
	struct link *link = NULL;
	unsigned first = 0;
	for (unsigned i = 0; i < n; i++) {
		struct link *next = take_tag_off(path, frames[i]);
		if (next != link && i > first) {
			deliver_to(link, &frames[first], i - first);
			first = i;
		}
		link = next;
	}
	if (n > 0)
		deliver_to(link, &frames[first], n - first);
	return n;
}

/* Frames of a VLAN get its tag; returns how many there are then, at the front. */
static unsigned
put_tag_on(uint16_t vlan, struct rte_mbuf **frames, unsigned n)
{
	unsigned kept = 0;
	if (vlan == 0)
		return n;
	for (unsigned i = 0; i < n; i++) {
		frames[i]->vlan_tci = vlan;
		/* Buffers have room in front: those that have not are not of our pool. */
		if (rte_vlan_insert(&frames[i]) == 0)
			frames[kept++] = frames[i];
		else
			rte_pktmbuf_free(frames[i]);
	}
	return kept;
}

static unsigned
collect(struct path *path, struct link *link)
{
	struct rte_mbuf *frames[BURST_MAX];
	unsigned n = rte_eth_rx_burst(link->interface.ethdev, 0, frames, BURST_MAX);
	if (n == 0)
		return 0;
	n = put_tag_on(link->vlan, frames, n);
	unsigned taken = rte_ring_enqueue_burst(path->from_kernel, (void **)frames, n, NULL);
	rte_pktmbuf_free_bulk(&frames[taken], n - taken);
	count(&link->collected, n);
	count(&link->ring_full, n - taken);
	return n;
}

static unsigned
move_frames_of(struct path *path)
{
	if (path->link_count == 0)
		return 0;
	unsigned moved = deliver(path);
	for (unsigned i = 0; i < path->link_count; i++)
		moved += collect(path, &path->links[i]);
	return moved;
}

static void
move_frames(struct kernelpath *kp)
{
	/* With a number of its own, the thread has a cache in the pool. Without, it is only slower.
	 */
	bool registered = rte_thread_register() == 0;
	struct timespec idle = {.tv_nsec = IDLE_SHORTEST_NS};
	while (!atomic_load_explicit(&kp->stop, memory_order_relaxed)) {
		unsigned moved = 0;
		for (unsigned i = 0; i < kp->port_count; i++)
			moved += move_frames_of(&kp->paths[i]);
		if (moved > 0) {
			idle.tv_nsec = IDLE_SHORTEST_NS;
		} else {
			nanosleep(&idle, NULL);
			idle.tv_nsec = RTE_MIN(idle.tv_nsec * 2, IDLE_LONGEST_NS);
		}
	}
	if (registered) {
		struct rte_mempool_cache *cache =
			rte_mempool_default_cache(kp->pool, rte_lcore_id());
		if (cache)
			rte_mempool_cache_flush(cache, kp->pool);
		rte_thread_unregister();
	}
}

/* DPDK's control threads keep off the cores that poll; how one is made changed in 23.11. */
#if RTE_VERSION >= RTE_VERSION_NUM(23, 11, 0, 0)
static uint32_t
thread_main(void *kp)
{
	move_frames(kp);
	return 0;
}

static int
thread_create(struct kernelpath *kp)
{
	return -rte_thread_create_control(&kp->thread, THREAD_NAME, thread_main, kp);
}

static void
thread_join(struct kernelpath *kp)
{
	rte_thread_join(kp->thread, NULL);
}
#else
static void *
thread_main(void *kp)
{
	move_frames(kp);
	return NULL;
}

static int
thread_create(struct kernelpath *kp)
{
	return rte_ctrl_thread_create(&kp->thread, THREAD_NAME, NULL, thread_main, kp);
}

static void
thread_join(struct kernelpath *kp)
{
	pthread_join(kp->thread, NULL);
}
#endif

int
kernelpath_start(struct kernelpath *kp, struct error *err)
{
	atomic_store_explicit(&kp->stop, false, memory_order_relaxed);
	int rc = thread_create(kp);
	if (rc < 0)
		return error_set(err, rc, "kernel path: cannot start a thread: %s", strerror(-rc));
	kp->runs = true;
	return 0;
}

void
kernelpath_stop(struct kernelpath *kp)
{
	if (!kp->runs)
		return;
	atomic_store_explicit(&kp->stop, true, memory_order_relaxed);
	thread_join(kp);
	kp->runs = false;
}

/* ---- life ---- */

static struct rte_ring *
create_ring(unsigned port, const char *what)
{
	char name[RTE_RING_NAMESIZE];
	snprintf(name, sizeof(name), "kernelpath%u_%s", port, what);
	return rte_ring_create(name, RING_FRAMES, SOCKET_ID_ANY,
		RING_F_MP_RTS_ENQ | RING_F_SC_DEQ | RING_F_EXACT_SZ);
}

static void
free_ring(struct rte_ring *ring)
{
	struct rte_mbuf *frame;
	while (ring && rte_ring_dequeue(ring, (void **)&frame) == 0)
		rte_pktmbuf_free(frame);
	rte_ring_free(ring);
}

static int
create_rings(struct path *path, unsigned port, struct error *err)
{
	path->to_kernel[KERNELPATH_CONTROL] = create_ring(port, "control");
	path->to_kernel[KERNELPATH_OTHER] = create_ring(port, "other");
	path->from_kernel = create_ring(port, "from");
	if (path->to_kernel[KERNELPATH_CONTROL] && path->to_kernel[KERNELPATH_OTHER] &&
		path->from_kernel)
		return 0;
	return error_set(err, -rte_errno, "kernel path: cannot make the rings of port %u: %s", port,
		rte_strerror(rte_errno));
}

static void
free_rings(struct path *path)
{
	for (unsigned class = 0; class < KERNELPATH_CLASSES; class ++)
		free_ring(path->to_kernel[class]);
	free_ring(path->from_kernel);
}

static int
add_link(struct path *path, unsigned port, const struct kernelpath_port *wanted, uint16_t vlan,
	struct rte_mempool *pool, struct error *err)
{
	struct link *link = &path->links[path->link_count];
	unsigned number = port * (1 + VLANS_PER_PORT_MAX) + path->link_count;
	int rc = kernel_interface_create(&link->interface, number, wanted, pool, err);
	if (rc < 0)
		return rc;
	link->vlan = vlan;
	path->link_count++;
	return 0;
}

/* What there is of it stays, to be destroyed. */
static int
create_path(struct path *path, unsigned port, const struct kernelpath_port *wanted,
	struct rte_mempool *pool, struct error *err)
{
	int rc = create_rings(path, port, err);
	if (rc == 0)
		rc = add_link(path, port, wanted, 0, pool, err);
	for (unsigned i = 0; i < wanted->vlan_count && rc == 0; i++) {
		struct kernelpath_port of_vlan = *wanted;
		of_vlan.interface = wanted->vlans[i].interface;
		rc = add_link(path, port, &of_vlan, wanted->vlans[i].id, pool, err);
	}
	return rc;
}

/* DPDK numbers its devices up to a limit of its build. */
static int
check_device_count(const struct kernelpath_port *ports, unsigned port_count, struct error *err)
{
	unsigned interfaces = 0, devices = rte_eth_dev_count_avail();
	for (unsigned i = 0; i < port_count; i++)
		if (ports[i].interface)
			interfaces += 1 + ports[i].vlan_count;
	if (devices + interfaces <= RTE_MAX_ETHPORTS)
		return 0;
	return error_set(err, -ENOSPC,
		"kernel path: %u ports and %u kernel interfaces, and this DPDK is built for %d "
		"devices in all",
		devices, interfaces, RTE_MAX_ETHPORTS);
}

int
kernelpath_create(struct kernelpath **out, const struct kernelpath_port *ports, unsigned port_count,
	struct rte_mempool *pool, struct error *err)
{
	if (port_count > PORTS_MAX)
		return error_set(err, -EINVAL, "kernel path: wanted at most %d ports, got %u",
			PORTS_MAX, port_count);
	int rc = check_device_count(ports, port_count, err);
	if (rc < 0)
		return rc;
	struct kernelpath *kp = calloc(1, sizeof(*kp));
	if (!kp)
		return error_set(err, -ENOMEM, "kernel path: out of memory");
	kp->pool = pool;
	kp->driver = kernel_interface_driver();
	kp->port_count = port_count;
	for (unsigned i = 0; i < port_count; i++) {
		if (!ports[i].interface)
			continue;
		rc = create_path(&kp->paths[i], i, &ports[i], pool, err);
		if (rc < 0) {
			kernelpath_destroy(kp);
			return rc;
		}
	}
	*out = kp;
	return 0;
}

void
kernelpath_destroy(struct kernelpath *kp)
{
	if (!kp)
		return;
	kernelpath_stop(kp);
	for (unsigned i = kp->port_count; i-- > 0;) {
		struct path *path = &kp->paths[i];
		for (unsigned l = path->link_count; l-- > 0;)
			kernel_interface_destroy(&path->links[l].interface);
		free_rings(path);
	}
	free(kp);
}

/* ---- for workers, and for others to read ---- */

unsigned
kernelpath_to_kernel(struct kernelpath *kp, unsigned port, enum kernelpath_class class,
	struct rte_mbuf **frames, unsigned frame_count)
{
	struct path *path = &kp->paths[port];
	if (path->link_count == 0)
		return 0;
	return rte_ring_enqueue_burst(path->to_kernel[class], (void **)frames, frame_count, NULL);
}

unsigned
kernelpath_from_kernel(
	struct kernelpath *kp, unsigned port, struct rte_mbuf **frames, unsigned frame_count)
{
	struct path *path = &kp->paths[port];
	if (path->link_count == 0)
		return 0;
	return rte_ring_dequeue_burst(path->from_kernel, (void **)frames, frame_count, NULL);
}

bool
kernelpath_send(
	struct kernelpath *kp, unsigned port, unsigned link, const uint8_t *frame, uint32_t length)
{
	struct path *path = &kp->paths[port];
	struct rte_mbuf *m = link < path->link_count ? rte_pktmbuf_alloc(kp->pool) : NULL;
	char *room = m ? rte_pktmbuf_append(m, (uint16_t)length) : NULL;
	if (room) {
		memcpy(room, frame, length);
		if (put_tag_on(path->links[link].vlan, &m, 1) == 0)
			return false;
		if (rte_ring_enqueue(path->from_kernel, m) == 0)
			return true;
	}
	rte_pktmbuf_free(m);
	return false;
}

unsigned
kernelpath_ifindex(const struct kernelpath *kp, unsigned port, unsigned link)
{
	const struct path *path = &kp->paths[port];
	return link < path->link_count ? path->links[link].interface.ifindex : 0;
}

const char *
kernelpath_driver(const struct kernelpath *kp)
{
	return kp->driver;
}

struct kernelpath_counters
kernelpath_counters(const struct kernelpath *kp, unsigned port, unsigned number)
{
	const struct link *link = &kp->paths[port].links[number];
	return (struct kernelpath_counters){
		.delivered = atomic_load_explicit(&link->delivered, memory_order_relaxed),
		.delivery_failed =
			atomic_load_explicit(&link->delivery_failed, memory_order_relaxed),
		.collected = atomic_load_explicit(&link->collected, memory_order_relaxed),
		.ring_full = atomic_load_explicit(&link->ring_full, memory_order_relaxed),
	};
}
