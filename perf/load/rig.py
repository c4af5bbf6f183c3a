# SPDX-License-Identifier: BSD-3-Clause
"""What perf/load/run and perf/load/outage share: a generator on one CPU, a device under test on
another, and a device between them, on one machine and without a NIC.

    CPU 0: load_generator --- memif, or vhost-user and virtio-user --- CPU 1: fairlead or testpmd

The generator makes the socket and stays; devices under test come to it and go. Everything is in a
network namespace of its own, and without hugepages: memif keeps its rings and buffers in memory of
its own (memfd), and DPDK's memory without hugepages can be shared with a vhost-user back end.
"""
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build-perf"
PRIVATE = "FAIRLEAD_LOAD_NAMESPACE"

GENERATOR_CPU, DEVICE_CPU = 0, 1
MAC = "00:01:02:03:04:01"  # the one that testpmd's flowgen writes to
BACKENDS, ADDRESSES = 16, 201  # the kernel interface knows that many of them
WARM_UP_SECONDS = 0.5
START_ATTEMPTS = 3
VIRTIO_RING = 1024  # slots; the most that virtio-user takes
SIZES = {"64": "64", "570": "570", "1518": "1518",
         # 7:4:1, in an order that spreads the large ones
         "imix": "64,570,64,64,570,64,1518,64,570,64,64,570"}
VIP = {4: "192.0.2.80", 6: "2001:db8::80"}
MODES = {"l2": {}, "ipip": {}, "gre": {}, "gue": {}, "vxlan": {"vni": 7}}


class RigError(Exception):
    """What keeps the rig from measuring; the sentence says it."""


def enter_private_namespace():
    """A network of its own, which goes when the last process does. Ended by a signal, the caller
    still cleans up: what polls would go on for ever."""
    if os.geteuid() != 0:
        sys.exit(f"{sys.argv[0]}: needs root for a network namespace and a kernel interface")
    if os.environ.get(PRIVATE):
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        return
    os.environ[PRIVATE] = "1"
    os.execvp("unshare", ["unshare", "--net", sys.executable, "-B", *sys.argv])


def take_priority():
    """Other work of the machine gets what the rig leaves; returns what undoes it."""
    os.setpriority(os.PRIO_PROCESS, 0, -20)
    group = Path("/proc/self/autogroup")  # in which niceness counts for one session at a time
    if not group.exists():
        return lambda: None
    before = group.read_text().split()[-1]
    group.write_text("-20")
    return lambda: group.write_text(before)


def build():
    if not (BUILD / "build.ninja").exists():
        subprocess.run(["meson", "setup", BUILD, ROOT, "-Dperf=true"], check=True,
                       stdout=sys.stderr)
    subprocess.run(["ninja", "-C", BUILD, "perf/load/load_generator", "app/fairlead/fairlead",
                    "app/fairctl/fairctl"], check=True, stdout=sys.stderr)


def describe(what):
    """The machine, and what else it was doing, belong to the figures."""
    model = next(line.split(": ")[1] for line in Path("/proc/cpuinfo").read_text().splitlines()
                 if line.startswith("model name"))
    commit = subprocess.run(["git", "-C", ROOT, "describe", "--always", "--dirty"], text=True,
                            capture_output=True, check=False).stdout.strip() or "no commit"
    return (f"# {what}\n"
            f"# {model}, {os.cpu_count()} CPUs: generator on {GENERATOR_CPU}, device under test on "
            f"{DEVICE_CPU}, control on either\n"
            f"# load {os.getloadavg()[0]:.2f} before, {commit}, {time.strftime('%Y-%m-%d')}\n"
            "# what disturbs: whatever else runs takes a CPU from one of the two for milliseconds, "
            "longer than the rings last")


class Process:
    """One that is started, waited for, and ended; its output is in a file."""

    running = []

    def __init__(self, name, command, folder):
        self.name, self.log = name, folder / f"{name}.log"
        with open(self.log, "w", encoding="utf-8") as log:
            self.process = subprocess.Popen([str(c) for c in command], stdin=subprocess.PIPE,
                                            stdout=log, stderr=subprocess.STDOUT, text=True)
        Process.running.append(self)

    def said(self):
        return self.log.read_text(errors="replace")

    def wait_for(self, text, seconds=30):
        end = time.monotonic() + seconds
        while text not in self.said():
            if self.process.poll() is not None or time.monotonic() > end:
                raise RigError(f"{self.name} did not come to say '{text}':\n{self.said()[-1500:]}")
            time.sleep(0.002)

    def end(self, how="TERM"):
        if self.process.poll() is None:
            (self.process.kill if how == "KILL" else self.process.terminate)()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdin.close()
        Process.running.remove(self)


def make_folder():
    """In memory: a disk can take longer than a restart."""
    return Path(tempfile.mkdtemp(prefix="fairlead-load-", dir="/dev/shm"))


def end_all():
    """Devices under test first: they came last. EAL leaves folders behind."""
    for process in reversed(Process.running.copy()):
        process.end()
    for left in Path("/var/run/dpdk").glob(eal_prefix("*")):
        shutil.rmtree(left)


def eal_prefix(name):
    return f"fairlead-{name}-{os.getpid()}"


def eal(prefix, lcores, device):
    return ["--lcores", lcores, "--no-huge", "-m", 256, "--no-pci", "--no-telemetry",
            "--file-prefix", eal_prefix(prefix), "--vdev", device, "--"]


@dataclass
class Wire:
    """The device between the two."""
    kind: str
    folder: Path
    ring: int = 10  # memif: log2 of its slots

    def generator_end(self):
        (self.folder / "wire.sock").unlink(missing_ok=True)
        if self.kind == "memif":
            return (f"net_memif0,role=server,id=0,socket={self.folder}/wire.sock,"
                    f"socket-abstract=no,rsize={self.ring}")
        return f"net_vhost0,iface={self.folder}/wire.sock,queues=1"

    def device_end(self):
        if self.kind == "memif":
            return (f"net_memif0,role=client,id=0,socket={self.folder}/wire.sock,"
                    f"socket-abstract=no,rsize={self.ring},mac={MAC}")
        return (f"net_virtio_user0,path={self.folder}/wire.sock,queues=1,"
                f"queue_size={VIRTIO_RING},mac={MAC}")


@dataclass
class Trial:
    """Packets."""
    rate: float
    offered: int
    sent: int
    received: int

    @property
    def lost(self):
        return self.offered - self.received

    @property
    def loss(self):
        return self.lost / self.offered if self.offered else 1.0


class Generator(Process):
    def __init__(self, wire, flows, sizes, vip):
        super().__init__("generator", [
            BUILD / "perf/load/load_generator",
            *eal("generator", f"0@{GENERATOR_CPU}", wire.generator_end()),
            "--flows", flows, "--sizes", sizes, "--vip", vip, "--mac", MAC], wire.folder)
        self.flows = flows
        self.wait_for("ready\n")
        self.answers = 0

    def begin(self, rate, seconds):
        self.process.stdin.write(f"{rate:.0f} {seconds}\n")
        self.process.stdin.flush()
        self.rate, self.seconds = rate, seconds

    def result(self):
        lines, end = [], time.monotonic() + self.seconds + 40
        while len(lines) <= self.answers:
            if self.process.poll() is not None or time.monotonic() > end:
                raise RigError(f"no answer from the generator:\n{self.said()[-1500:]}")
            time.sleep(0.01)
            said = self.said().partition("ready\n")[2]
            lines = [l for l in said.splitlines(True) if l.endswith("\n") and l[0].isdigit()]
        self.answers += 1
        return Trial(self.rate, *map(int, lines[-1].split()))

    def trial(self, rate, seconds):
        self.begin(rate, seconds)
        return self.result()


class Flowgen(Process):
    """testpmd as the generator, as fast as it can: UDP, 64 bytes, one address varies."""

    VIPS = [f"10.253.0.{i}" for i in range(256)]

    def __init__(self, wire):
        lcores = f"0@{GENERATOR_CPU},1@{GENERATOR_CPU}"
        super().__init__("flowgen", [
            "stdbuf", "-oL", "dpdk-testpmd", *eal("generator", lcores, wire.generator_end()),
            "--interactive", "--forward-mode=flowgen", f"--flowgen-flows={len(self.VIPS)}",
            "--total-num-mbufs=16384", "--no-lsc-interrupt", "--disable-link-check"], wire.folder)
        self.wait_for("testpmd>")

    def say(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()

    def returned(self, seconds):
        """Packets a second that came back."""
        self.say("start")
        time.sleep(WARM_UP_SECONDS)
        counts = []
        for _ in range(2):
            self.say("show port stats 0")
            self.wait_for_count("Rx-pps", len(counts) + 1)
            counts.append((time.monotonic(), int(
                re.findall(r"RX-packets: (\d+)", self.said())[-1])))
            if len(counts) == 1:
                time.sleep(seconds)
        self.say("stop")
        return (counts[1][1] - counts[0][1]) / (counts[1][0] - counts[0][0])

    def wait_for_count(self, text, count):
        end = time.monotonic() + 10
        while self.said().count(text) < count:
            if time.monotonic() > end:
                raise RigError(f"{self.name}:\n{self.said()[-1500:]}")
            time.sleep(0.01)

    def end(self, how="TERM"):
        if self.process.poll() is None:
            self.say("quit")
        super().end(how)


class Testpmd(Process):
    """The yardstick: what the device and a loop around it cost. io looks at nothing, mac writes the
    Ethernet header."""

    def __init__(self, wire, mode):
        # It wants an lcore that forwards beside the main one, which sleeps.
        lcores = f"0@{DEVICE_CPU},1@{DEVICE_CPU}"
        super().__init__(f"testpmd-{mode}", [
            "stdbuf", "-oL", "dpdk-testpmd", *eal("testpmd", lcores, wire.device_end()),
            f"--forward-mode={mode}", "--auto-start", "--total-num-mbufs=16384",
            "--no-lsc-interrupt", "--disable-link-check", "--port-topology=loop"], wire.folder)
        self.wait_for("Press enter to exit")


class Fairlead(Process):
    def __init__(self, wire, mode, vips, flows, protocol="tcp", port=80, backends=BACKENDS):
        self.folder = wire.folder
        self.socket = self.folder / "control.sock"
        self.config = self.folder / "edge.json"
        self.flow_file = Path(f"/dev/shm/fairlead-load-{os.getpid()}.flows")
        self.settings = wire, mode, vips, flows, protocol, port
        self.configure(backends)
        self.launch()

    def configure(self, backends):
        wire, mode, vips, flows, protocol, l4_port = self.settings
        port = {"name": "load", "device": wire.device_end(), "kernel_interface": "load0"}
        pool = {"forward": {"mode": mode, **MODES[mode],
                            **({} if mode == "l2" else {"source4": "10.9.0.0/24"})},
                "backends": [{"name": f"b{i}", "address": f"10.0.0.{10 + i}"}
                             for i in range(backends)]}
        self.config.write_text(json.dumps({
            "edge": {"name": "load", "hash_key": "00112233445566778899aabbccddeeff"},
            "dataplane": {"workers": str(DEVICE_CPU), "ports": [port], "hugepages": False,
                          "flow_table": {"capacity": max(1 << 20, flows * 3 // 2),
                                         "path": str(self.flow_file)}},
            "pools": {"pool": pool},
            "services": [{"name": "web", "vips": vips, "protocol": protocol,
                          "ports": [l4_port], "pool": "pool"}],
            "control": {"socket": str(self.socket)}}))

    def launch(self):
        """Again, if it comes back before the generator's memif has seen it go."""
        for attempt in range(START_ATTEMPTS):
            super().__init__("fairlead", [BUILD / "app/fairlead/fairlead", "--config", self.config],
                             self.folder)
            try:
                self.wait_for("ready")
                break
            except RigError:
                if "Failed to connect socket" not in self.said() or attempt + 1 == START_ATTEMPTS:
                    raise
                super().end()
                print("# memif was not ready: started again", file=sys.stderr)
        self.give_addresses()

    def give_addresses(self):
        """What a routing daemon and ARP would do: the kernel interface is new in every process."""
        batch = ["link set load0 up", "addr add 10.0.0.1/24 dev load0"]
        batch += [f"neigh replace 10.0.0.{10 + i} lladdr 02:00:00:00:01:{i:02x} dev load0"
                  for i in range(ADDRESSES)]
        subprocess.run(["ip", "-batch", "-"], input="\n".join(batch), text=True, check=True)
        self.wait_resolved()

    def fairctl(self, *arguments):
        done = subprocess.run([BUILD / "app/fairctl/fairctl", "-s", self.socket, *arguments],
                              text=True, capture_output=True, check=False)
        if done.returncode != 0:
            raise RigError(f"fairctl {' '.join(arguments)}: {done.stdout}{done.stderr}")
        return done.stdout

    def wait_resolved(self):
        end = time.monotonic() + 20
        while json.loads(self.fairctl("-j", "stats"))["next_hops"]["unresolved"] > 0:
            if time.monotonic() > end:
                raise RigError(f"next hops stay unresolved:\n{self.fairctl('neighbours')}")
            time.sleep(0.01)

    def configurations(self):
        """How many have been in force."""
        return json.loads(self.fairctl("-j", "status"))["generation"]

    def end(self, how="TERM", keep_flows=False):
        super().end(how)
        if not keep_flows:
            self.flow_file.unlink(missing_ok=True)
