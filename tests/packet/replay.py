# SPDX-License-Identifier: BSD-3-Clause
"""Captures through the real binary: a pcap in, a pcap and counters out.

A case is a function marked @case that returns a Case. It says what is received, what must be sent,
byte for byte, and by which exits the packets leave; every other exit must stay at zero.

Next hops come from Linux as always, so each case runs beside a kernel interface with one route and
permanent neighbours, in a network namespace that holds nothing else. `fairlead --hold` keeps the
workers from reading the capture before those are known.
"""
import json
import os
import signal
import socket
import struct
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable

from scapy.all import (
    ARP, DNS, DNSQR, GRE, ICMP, IP, TCP, UDP, Dot1Q, Ether, ICMPv6EchoRequest, ICMPv6ND_NS, IPOption_LSRR,
    IPOption_NOP, IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment, IPv6ExtHdrHopByHop,
    IPv6ExtHdrRouting, Raw, RawPcapWriter, raw, rdpcap)

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("FAIRLEAD_BUILD", ROOT / "build"))
FAIRLEAD = BUILD / "app/fairlead/fairlead"
FAIRCTL = BUILD / "app/fairctl/fairctl"

EDGE_MAC = "02:70:63:61:70:00"  # what net_pcap calls its first port
ROUTER_MAC = "02:00:00:00:08:01"
VIP4, VIP6 = "192.0.2.80", "2001:db8::80"
QUERY = raw(DNS(id=7, qd=DNSQR(qname="example", qtype="TXT")))
CLIENT4, CLIENT6 = "198.51.100.7", "2001:db8:c::7"
VLAN, VLAN_INTERFACE = 10, "up10"
OTHER4, OTHER6 = "203.0.113.9", "2001:db8:f::9"  # neither a VIP nor anybody of ours


def backend4(n):
    return f"10.0.9.{10 + n}"


def backend6(n):
    return f"2001:db8:9::{10 + n}"


def backend_mac(n):
    return f"02:00:00:00:09:{10 + n:02d}"


@dataclass
class Case:
    send: list  # frames received by the edge, in order
    exits: dict  # every exit that is not zero
    expect: list | Callable = field(default_factory=list)  # frames sent; or a check of them
    config: dict = field(default_factory=lambda: config())
    punted: list | None = None  # frames that Linux must see, if the case looks at that
    events: dict = field(default_factory=dict)  # counters of the flow table, as far as named
    resolved: bool = True  # the backends have neighbour entries
    well_formed: bool = True  # what is sent; what came wrong beyond our concern goes on wrong
    interface: str = "uplink0"  # where the backends are, and where Linux is watched
    name: str = ""
    needs: str = ""


CASES = []


def case(function):
    CASES.append(function)
    return function


# Configurations


def backends(*numbers, address=backend4):
    return [{"name": f"b{n}", "address": address(n)} for n in numbers]


def config(forward=None, members=None, affinity="flow", kernel_interface=True, ports=None):
    """One port, two services on both VIPs, one backend in l2 mode unless told otherwise."""
    port = {"name": "uplink", "device": None}
    if kernel_interface:
        port["kernel_interface"] = "uplink0"
    pool = {"forward": forward or {"mode": "l2"}, "backends": members or backends(1)}
    service = {"vips": [VIP4, VIP6], "pool": "servers", "affinity": affinity}
    return {
        "edge": {"name": "packet-test", "hash_key": "000102030405060708090a0b0c0d0e0f"},
        "dataplane": {
            "workers": str(max(os.sched_getaffinity(0))),
            "ports": [port],
            "flow_table": {"capacity": 1024},
            "hugepages": False,
        },
        "pools": {"servers": pool},
        "services": [
            {"name": "web", "protocol": "tcp", "ports": ports or [80, "8000-8099"], **service},
            {"name": "dns", "protocol": "udp", "ports": ports or [53], **service},
        ],
        "control": {},
    }


def with_vlan(base=config, **members):
    """The port has two VLANs."""
    test = base(**members)
    test["dataplane"]["ports"][0]["vlans"] = [
        {"id": VLAN, "kernel_interface": VLAN_INTERFACE},
        {"id": 4094, "kernel_interface": "up4094"}]
    return test


# Frames


def received(*layers, dst=EDGE_MAC):
    """A frame as it comes from the router."""
    packet = Ether(src=ROUTER_MAC, dst=dst)
    for layer in layers:
        packet /= layer
    return packet


def tcp4(flags="S", sport=40000, dport=80, src=CLIENT4, dst=VIP4, payload=b"", **ip):
    return received(IP(src=src, dst=dst, **ip), TCP(sport=sport, dport=dport, flags=flags),
                    Raw(payload))


def tcp6(flags="S", sport=40000, dport=80, src=CLIENT6, dst=VIP6, payload=b"", **ip):
    return received(IPv6(src=src, dst=dst, **ip), TCP(sport=sport, dport=dport, flags=flags),
                    Raw(payload))


def udp4(sport=40000, dport=53, src=CLIENT4, dst=VIP4, payload=QUERY, **ip):
    return received(IP(src=src, dst=dst, **ip), UDP(sport=sport, dport=dport), Raw(payload))


def tagged(frame, vlan=VLAN, **fields):
    """The frame with a VLAN tag behind its MAC addresses."""
    ether = Ether(raw(frame))
    return Ether(src=ether.src, dst=ether.dst) / Dot1Q(
        vlan=vlan, type=ether.type, **fields) / Raw(raw(ether)[14:])


def udp6(sport=40000, dport=53, src=CLIENT6, dst=VIP6, payload=QUERY, **ip):
    return received(IPv6(src=src, dst=dst, **ip), UDP(sport=sport, dport=dport), Raw(payload))


def forwarded(frame):
    """The IP packet of a frame after a router has had it: TTL or hop limit one less."""
    ip = frame.payload.copy()
    if isinstance(ip, IP):
        ip = IP(raw(ip))
        ip.ttl -= 1
        del ip.chksum
    else:
        ip.hlim -= 1
    return ip


def to_backend(packet, n=1):
    return Ether(src=EDGE_MAC, dst=backend_mac(n)) / packet


# Running


class Failure(Exception):
    pass


def require(condition, why):
    if not condition:
        raise Failure(why)


def run(*command):
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


class Daemon:
    """fairlead on a capture, held until everything beside it is in place."""

    def __init__(self, directory, configuration):
        self.socket = directory / "control.sock"
        configuration["control"]["socket"] = str(self.socket)
        configuration["control"]["state"] = str(directory / "state")
        configuration["dataplane"]["flow_table"]["path"] = str(directory / "flows")
        configuration["dataplane"]["ports"][0]["device"] = (
            f"net_pcap0,rx_pcap={directory / 'in.pcap'},tx_pcap={directory / 'out.pcap'}")
        path = directory / "fairlead.json"
        path.write_text(json.dumps(configuration, indent=2))
        self.log = directory / "fairlead.log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [FAIRLEAD, "--config", path, "--hold"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def ask(self, *command):
        answer = subprocess.run([FAIRCTL, "-s", self.socket, "-j", *command],
                                capture_output=True, text=True, check=False)
        return json.loads(answer.stdout) if answer.returncode == 0 else None

    def wait(self, what, condition, seconds=20):
        deadline = time.monotonic() + seconds
        while not condition():
            require(self.process.poll() is None, f"fairlead ended: {self.last_words()}")
            require(time.monotonic() < deadline, f"{what} did not come about in {seconds} s")
            time.sleep(0.01)

    def free_buffers(self):
        return self.ask("status")["buffers"]["free"]

    def last_words(self):
        return " | ".join(self.log.read_text().splitlines()[-3:])

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.kill()
            raise Failure("fairlead did not end on SIGTERM") from None
        require(status == 0, f"exit status {status}: {self.last_words()}")

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def write_frames(path, frames):
    """A capture of Ethernet frames, whatever scapy thinks of them."""
    with RawPcapWriter(str(path), linktype=1) as writer:
        for frame in frames:
            writer.write(raw(frame))


def provide_next_hops(configuration, resolved, interface):
    """Linux's side of the port: one route to the backends, and their MACs."""
    run("ip", "addr", "replace", "10.0.9.2/24", "dev", interface)
    run("ip", "route", "replace", "2001:db8:9::/64", "dev", interface)
    if not resolved:
        return
    for pool in configuration["pools"].values():
        for member in pool["backends"]:
            n = int(member["name"][1:])
            run("ip", "neigh", "replace", member["address"], "lladdr", backend_mac(n),
                "nud", "permanent", "dev", interface)


def of_linux_itself(frame):
    """ARP requests and neighbour solicitations that Linux sends while it looks for neighbours."""
    if ARP in frame:
        return frame[ARP].op == 1 and frame[ARP].psrc != frame[ARP].pdst
    return ICMPv6ND_NS in frame


def hexdump(frame):
    return raw(frame).hex()


def compare_frames(what, got, wanted):
    for i, (g, w) in enumerate(zip(got, wanted)):
        require(raw(g) == raw(w), f"{what}: frame {i} is {hexdump(g)}, wanted {hexdump(w)}")
    require(len(got) == len(wanted), f"{what}: {len(got)} frames, wanted {len(wanted)}")


def check_counters(test, stats):
    exits = {row["name"]: row["packets"] for row in stats["exits"] if row["packets"]}
    require(exits == test.exits, f"exits are {exits}, wanted {test.exits}")
    kinds = {kind: stats[kind] for kind in ("sent", "punted", "answered", "dropped")}
    require(stats["received"] == sum(kinds.values()),
            f"received {stats['received']} is not the sum of {kinds}")
    for name, wanted in test.events.items():
        got = stats["flow_table"][name]
        require(got == wanted, f"flow event {name} is {got}, wanted {wanted}")


class Tap:
    """What Linux receives on the kernel interface."""

    # linux/if_packet.h; Linux takes the outer VLAN tag off a frame and tells it beside.
    SOL_PACKET, PACKET_AUXDATA, TP_STATUS_VLAN_VALID = 263, 8, 0x10
    AUXDATA = struct.Struct("=IIIHHHH")

    def __init__(self, interface):
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self.socket.setsockopt(self.SOL_PACKET, self.PACKET_AUXDATA, 1)
        self.socket.bind((interface, 0))
        self.socket.setblocking(False)
        self.frames = []

    def poll(self):
        """Takes what has come; returns how many frames there are by now."""
        while True:
            try:
                frame, beside, _, (_, _, kind, _, _) = self.socket.recvmsg(65536, 256)
            except BlockingIOError:
                return len(self.frames)
            if kind != socket.PACKET_OUTGOING:
                self.frames.append(self.with_tag(frame, beside[0][2]))

    def with_tag(self, frame, auxdata):
        status, *_, tag, ethertype = self.AUXDATA.unpack(auxdata)
        if not status & self.TP_STATUS_VLAN_VALID:
            return frame
        return frame[:12] + struct.pack("!HH", ethertype, tag) + frame[12:]

    def close(self):
        self.socket.close()


def silence_linux():
    """No frame of its own accord from the kernel interface."""
    run("ip", "link", "set", "lo", "up")
    run("sysctl", "-q", "-w", "net.ipv6.conf.default.addr_gen_mode=1",
        "net.ipv6.conf.default.accept_ra=0", "net.ipv6.conf.default.router_solicitations=0")


def play(frames, configuration, directory, resolved=True, punted=0, interface="uplink0"):
    """fairlead, from its start to its end, over what it receives; raises Failure.

    Returns its statistics, and what Linux was handed, of which it waits for `punted` frames.
    """
    write_frames(directory / "in.pcap", frames)
    daemon = Daemon(directory, configuration)
    tap = None
    try:
        daemon.wait("an answer on the control socket", lambda: daemon.ask("status") is not None)
        # One that Linux has used by now is in nobody's hands later, so there may be more then.
        free = daemon.free_buffers()
        if "kernel_interface" in configuration["dataplane"]["ports"][0]:
            provide_next_hops(configuration, resolved, interface)
            tap = Tap(interface)
        if resolved:
            daemon.wait("every next hop", lambda: all(
                neighbour["state"] == "resolved" for neighbour in daemon.ask("neighbours")))
        daemon.process.send_signal(signal.SIGUSR1)
        daemon.wait("the last packet", lambda: daemon.ask("stats")["received"] >= len(frames), 60)
        if punted:
            daemon.wait("what goes to Linux", lambda: tap.poll() >= punted)
        stats = daemon.ask("stats")
        daemon.wait("every buffer in its pool", lambda: daemon.free_buffers() >= free)
        daemon.stop()
    finally:
        daemon.kill()
        if tap:
            tap.close()
    return stats, tap.frames if tap else []


def replay(test, directory):
    """Runs one case in `directory`; raises Failure. Returns the frames that were sent."""
    stats, punted = play(
        test.send, test.config, directory, test.resolved, len(test.punted or []), test.interface)
    check_counters(test, stats)
    sent = [frame for frame in rdpcap(str(directory / "out.pcap")) if not of_linux_itself(frame)]
    if callable(test.expect):
        test.expect(sent)
    else:
        compare_frames("sent", sent, test.expect)
    if test.punted is not None:
        compare_frames("punted", punted, test.punted)
    return sent
