# SPDX-License-Identifier: BSD-3-Clause
"""Tagged frames: those of a port's VLANs are served like untagged ones, all others are Linux's."""
from replay import *

OTHER = 7  # a VLAN of nobody


@case
def from_vlan_to_untagged():
    """The way out is the next hop's alone: here it has no tag. Priority bits do not matter."""
    frames = [tcp4(), tcp6(sport=40001), udp4(sport=40002)]
    return Case([tagged(frame, prio=5) for frame in frames], {"sent": 3}, config=with_vlan(),
                expect=[to_backend(forwarded(frame)) for frame in frames])


@case
def from_untagged_to_vlan():
    """Backends behind the VLAN's interface: their frames have its tag."""
    frames = [tcp4(), tcp6(sport=40001)]
    return Case(frames, {"sent": 2}, config=with_vlan(), interface=VLAN_INTERFACE,
                expect=[tagged(to_backend(forwarded(frame))) for frame in frames])


@case
def from_vlan_to_vlan():
    return Case([tagged(tcp4(), vlan=4094)], {"sent": 1}, config=with_vlan(), interface=VLAN_INTERFACE,
                expect=[tagged(to_backend(forwarded(tcp4())))])


@case
def tunnel_into_vlan():
    """Mode ipip: the tag is outside, once."""
    def check(frames):
        require(len(frames) == 1, f"{len(frames)} frames")
        frame = frames[0]
        require(frame[Dot1Q].vlan == VLAN and frame[Dot1Q].type == 0x0800, "its tag")
        require(raw(frame).count(struct.pack("!HH", 0x8100, VLAN)) == 1, "one tag")
        require(isinstance(frame[IP].payload, IP), "IP in IP")

    forward = {"mode": "ipip", "source4": "10.255.0.0/16"}
    return Case([tagged(tcp4())], {"sent": 1}, config=with_vlan(forward=forward),
                interface=VLAN_INTERFACE, expect=check)


@case
def priority_tag_counts_as_untagged():
    frames = [tcp4(), tcp6(sport=40001)]
    return Case([tagged(frame, vlan=0, prio=6) for frame in frames], {"sent": 2},
                expect=[to_backend(forwarded(frame)) for frame in frames])


@case
def ping_in_a_vlan():
    """The answer has the tag that the question came with."""
    ping = tagged(received(IP(src=CLIENT4, dst=VIP4), ICMP(id=7, seq=1), Raw(b"abc")))
    pong = Ether(src=EDGE_MAC, dst=ROUTER_MAC) / IP(
        src=VIP4, dst=CLIENT4, ttl=64) / ICMP(type=0, id=7, seq=1) / Raw(b"abc")
    return Case([ping], {"answered_echo": 1}, config=with_vlan(), expect=[tagged(pong)])


@case
def error_in_a_vlan():
    """An ICMP error too, of either family, and that of a priority tag."""
    frames = [tagged(tcp4(dport=81)), tagged(tcp6(dport=81)), tagged(tcp4(dport=81), vlan=0)]

    def check(sent):
        require(len(sent) == 3, f"{len(sent)} frames")
        for frame, vlan in zip(sent, (VLAN, VLAN, 0)):
            require(frame[Dot1Q].vlan == vlan, f"the tag is {frame[Dot1Q].vlan}")
        require(sent[0][ICMP].type == 3 and sent[0][ICMP].code == 3, "port unreachable")

    return Case(frames, {"answered_no_service": 3}, config=with_vlan(), expect=check)


def to_linux():
    """Frames that are Linux's, which it takes without answering."""
    return [
        received(IP(src=CLIENT4, dst=OTHER4), UDP(sport=1, dport=9), Raw(b"x")),
        received(IPv6(src=CLIENT6, dst=OTHER6), UDP(sport=1, dport=9), Raw(b"x")),
        Ether(src=ROUTER_MAC, dst=EDGE_MAC, type=0x88b5) / Raw(b"local experimental"),
    ]


@case
def to_linux_without_the_tag():
    """What is not for a VIP is delivered on the VLAN's interface, as if there were no tag."""
    return Case([tagged(frame) for frame in to_linux()], {"punted_other": 3}, config=with_vlan(),
                interface=VLAN_INTERFACE, punted=to_linux())


@case
def control_class_in_a_vlan():
    frames = [
        Ether(src=ROUTER_MAC, dst="ff:ff:ff:ff:ff:ff") / ARP(
            op=1, hwsrc=ROUTER_MAC, psrc="10.0.9.99", pdst="10.0.9.98"),
        received(IP(src=CLIENT4, dst=OTHER4), TCP(sport=40000, dport=179, flags="S")),
    ]
    return Case([tagged(frame) for frame in frames], {"punted_control": 2}, config=with_vlan(),
                interface=VLAN_INTERFACE, punted=frames)


@case
def not_ours():
    """Another VLAN, QinQ with our VLAN outside or inside, a service tag: unchanged, to the port's
    own interface, even if a VIP is inside."""
    service_tag = Ether(raw(tagged(tcp4())))
    service_tag.type = 0x88a8
    frames = [
        tagged(tcp4(), vlan=OTHER),
        tagged(tagged(tcp4()), vlan=OTHER),
        tagged(tagged(tcp4(), vlan=OTHER)),
        tagged(tagged(tcp4(), vlan=0)),
        service_tag,
        tagged(Ether(src=ROUTER_MAC, dst="ff:ff:ff:ff:ff:ff") / ARP(
            op=1, hwsrc=ROUTER_MAC, psrc="10.0.9.99", pdst="10.0.9.98"), vlan=OTHER),
    ]
    return Case(frames, {"punted_other": 6}, config=with_vlan(), punted=frames)
