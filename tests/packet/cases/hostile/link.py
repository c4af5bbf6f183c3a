# SPDX-License-Identifier: BSD-3-Clause
"""Hostile inputs 1 to 6: the link's header."""
from craft import *
from replay import *

LLC_LENGTH = 0x0026


def of_type(ethertype, payload=b"x" * 46, dst=EDGE_MAC):
    return Ether(src=ROUTER_MAC, dst=dst, type=ethertype) / Raw(payload)


@case
def p01_frame_of_0_to_13_bytes():
    return by_name(ether_truncated=[cut(tcp4(), length) for length in range(14)])


@case
def p02_frame_of_14_bytes():
    ends = [of_type(ethertype, b"") for ethertype in (0x0800, 0x86dd, 0x8100, 0x88a8, 0x88b5)]
    return Case(ends, {"drop_ipv4_truncated": 1, "drop_ipv6_truncated": 1,
                       "drop_ether_truncated": 2, "punted_other": 1})


@case
def p03_padding_is_no_part_of_the_packet():
    """Neither sent on nor counted by anybody's length, whatever the link has added."""
    short = [udp4(payload=b""), tcp4(), tcp6()]
    return Case([padded(p, to=len(raw(p)) + 46) for p in short], {"sent": 3},
                [to_backend(forwarded(p)) for p in short])


@case
def p04_vlan_tags_and_their_ends():
    inside = raw(tcp4())[14:]
    tags = [bytes([0x81, 0, 0, 7]), bytes([0x88, 0xa8, 0, 8])]
    addresses = raw(tcp4())[:12]

    def tagged(*stack, rest=b"\x08\x00" + inside):
        return Raw(addresses + b"".join(stack) + rest)

    many = [tagged(*tags), tagged(*reversed(tags)), tagged(*tags * 2), tagged(*tags * 20)]
    truncated = [cut(tagged(*tags), length) for length in range(14, 22)]
    return Case(many + truncated, {"punted_other": 4, "drop_ether_truncated": 8})


@case
def p04_priority_tag():
    """VLAN 0 is no VLAN (IEEE 802.1Q, 6.9): served as if there were no tag, whatever its priority."""
    untagged = [tcp4(), tcp6(sport=40001), udp4(sport=40002)]
    served = [tagged(p, vlan=0, prio=prio) for p in untagged for prio in (0, 7)]
    ping = received(IP(src=CLIENT4, dst=VIP4), ICMP(id=7, seq=1), Raw(b"ping"))
    twice = tagged(tagged(tcp4(), vlan=0), vlan=0)
    service_tag = tagged(tcp4(), vlan=0)
    service_tag.type = 0x88a8
    short = [cut(tagged(tcp4(), vlan=0), length) for length in (15, 17, 18, 37)]
    return Case([*served, tagged(ping, vlan=0, prio=3), twice, service_tag, *short],
                {"sent": 6, "answered_echo": 1, "punted_other": 2, "drop_ether_truncated": 2,
                 "drop_ipv4_truncated": 2},
                [to_backend(forwarded(p)) for p in untagged for _ in range(2)]
                + [tagged(reply_to(ping), vlan=0, prio=3)])


@case
def p05_unknown_ethertypes():
    unknown = [of_type(t) for t in (0x0000, LLC_LENGTH, 1500, 0x05ff, 0x0600, 0x6003, 0xffff)]
    bridges = [of_type(LLC_LENGTH, b"\x42\x42\x03" + b"\0" * 43, dst="01:80:c2:00:00:00")]
    return Case(unknown + bridges, {"punted_other": 8})


@case
def p06_frames_for_others():
    """Another station's unicast; a VIP in a broadcast or multicast frame."""
    others = [received(p.payload, dst="02:00:00:00:77:77") for p in (tcp4(), tcp6(), udp4())]
    groups = ("ff:ff:ff:ff:ff:ff", "01:00:5e:00:02:50", "33:33:00:00:00:80")
    many = [received(p.payload, dst=group) for p in (tcp4(), tcp6()) for group in groups]
    pings = [received(IP(src=CLIENT4, dst=VIP4), ICMP(), dst=groups[0])]
    return Case(others + many + pings, {"drop_other_mac": 3, "drop_vip_multicast": 7})


@case
def p06_frames_from_groups():
    """No station has such an address. What goes on does so with our own; nobody is answered there."""
    def from_group(packet, src="33:33:00:00:00:01"):
        return Ether(src=src, dst=EDGE_MAC) / packet.payload

    passed = [tcp4(), tcp6(sport=40001)]
    pings = [received(IP(src=CLIENT4, dst=VIP4), ICMP()),
             received(IPv6(src=CLIENT6, dst=VIP6), ICMPv6EchoRequest())]
    closed = [tcp4(dport=9), tcp6(hlim=1, sport=40002)]
    return Case([*map(from_group, passed + pings + closed), from_group(pings[0], "ff:ff:ff:ff:ff:ff")],
                {"sent": 2, "drop_vip_multicast": 3, "drop_no_service": 1, "drop_ttl_expired": 1},
                [to_backend(forwarded(p)) for p in passed])
