# SPDX-License-Identifier: BSD-3-Clause
"""Neighbours that ask where a VIP is: answered on ports that are told to, Linux's otherwise."""
from replay import *
from scapy.all import (
    ICMPv6ND_NA, ICMPv6NDOptDstLLAddr, ICMPv6NDOptSrcLLAddr, ICMPv6NDOptUnknown, in6_getnsma,
    in6_getnsmac, inet_ntop, inet_pton)

BROADCAST = "ff:ff:ff:ff:ff:ff"
NEIGHBOUR4, NEIGHBOUR6 = "192.0.2.1", "fe80::9"
ALL_NODES, ALL_NODES_MAC = "ff02::1", "33:33:00:00:00:01"


def answering(**members):
    test = config(**members)
    test["dataplane"]["ports"][0]["answer_neighbours"] = True
    return test


def arp(target=VIP4, sender=NEIGHBOUR4, dst=BROADCAST, **fields):
    return Ether(src=ROUTER_MAC, dst=dst) / ARP(
        **{"op": 1, "hwsrc": ROUTER_MAC, "psrc": sender, "pdst": target, **fields})


def is_at(target, asker):
    return Ether(src=EDGE_MAC, dst=ROUTER_MAC) / ARP(
        op=2, hwsrc=EDGE_MAC, psrc=target, hwdst=ROUTER_MAC, pdst=asker)


def group_of(address):
    group = in6_getnsma(inet_pton(socket.AF_INET6, address))
    return inet_ntop(socket.AF_INET6, group), in6_getnsmac(group)


def nd(target=VIP6, sender=NEIGHBOUR6, dst=None, options=None, hlim=255, **fields):
    group, mac = group_of(target)
    if options is None:
        options = ICMPv6NDOptSrcLLAddr(lladdr=ROUTER_MAC)
    return Ether(src=ROUTER_MAC, dst=EDGE_MAC if dst else mac) / IPv6(
        src=sender, dst=dst or group, hlim=hlim) / ICMPv6ND_NS(tgt=target, **fields) / options


def advertised(target=VIP6, asker=NEIGHBOUR6):
    return Ether(src=EDGE_MAC, dst=ROUTER_MAC) / IPv6(
        src=target, dst=asker, hlim=255) / ICMPv6ND_NA(
            tgt=target, R=0, S=1, O=1) / ICMPv6NDOptDstLLAddr(lladdr=EDGE_MAC)


def announced(frame):
    """Told to all on the link, by nobody's asking."""
    if ARP in frame:
        return frame.dst == BROADCAST and frame[ARP].psrc == frame[ARP].pdst
    return ICMPv6ND_NA in frame and not frame[ICMPv6ND_NA].S and frame.dst == ALL_NODES_MAC


def answers(*wanted):
    """A check of what is sent, beside the announcements of the start and what Linux says itself."""
    def check(frames):
        got = [frame for frame in frames if not announced(frame) or frame in wanted]
        compare_frames("sent", got, list(wanted))
    return check


@case
def arp_for_a_vip():
    """Broadcast, unicast (a neighbour that makes sure) and a probe (RFC 5227)."""
    return Case([arp(), arp(dst=EDGE_MAC, hwdst=EDGE_MAC), arp(sender="0.0.0.0")],
                {"answered_neighbour": 3}, config=answering(),
                expect=answers(is_at(VIP4, NEIGHBOUR4), is_at(VIP4, NEIGHBOUR4),
                                        is_at(VIP4, "0.0.0.0")))


@case
def solicitation_for_a_vip():
    """By the solicited-node group, without the option, and to the VIP itself."""
    return Case([nd(), nd(options=Raw(b"")), nd(dst=VIP6), nd(sender=CLIENT6)],
                {"answered_neighbour": 4}, config=answering(),
                expect=answers(advertised(), advertised(), advertised(), advertised(asker=CLIENT6)))


@case
def probe_for_a_vip():
    """Who wants the VIP's address for itself is told, with all others, that it is taken."""
    told = Ether(src=EDGE_MAC, dst=ALL_NODES_MAC) / IPv6(
        src=VIP6, dst=ALL_NODES, hlim=255) / ICMPv6ND_NA(
            tgt=VIP6, R=0, S=0, O=1) / ICMPv6NDOptDstLLAddr(lladdr=EDGE_MAC)

    def check(frames):
        # The announcements look the same, and there may be up to three of them by now.
        require(raw(told) in map(raw, frames), "no answer to the probe")

    return Case([nd(sender="::", options=Raw(b""))], {"answered_neighbour": 1},
                config=answering(), expect=check)


@case
def not_for_a_vip():
    """Linux's own addresses, and nobody's."""
    frames = [arp(target=OTHER4), nd(target=OTHER6)]
    return Case(frames, {"punted_control": 2}, config=answering(), punted=frames,
                expect=answers())


@case
def port_that_does_not_answer():
    frames = [arp(), nd()]
    return Case(frames, {"punted_control": 2}, punted=frames)


@case
def arp_that_asks_nothing():
    """Replies, a sibling's announcement, other protocols and lengths: as if nothing were there."""
    frames = [
        arp(op=2, hwdst=EDGE_MAC),
        arp(sender=VIP4),
        arp(hwtype=6),
        arp(ptype=0x86dd),
        arp(sender="224.0.0.1"),
        Ether(src=ROUTER_MAC, dst=BROADCAST, type=0x806) / Raw(raw(ARP(pdst=VIP4))[:27]),
        Ether(src="03:00:00:00:00:01", dst=BROADCAST) / ARP(op=1, psrc=NEIGHBOUR4, pdst=VIP4),
    ]
    return Case(frames, {"punted_control": 7}, config=answering(), punted=frames,
                expect=answers())


@case
def solicitation_that_is_wrong():
    """All that RFC 4861, 7.1.1 forbids."""
    probe = {"sender": "::", "options": Raw(b"")}
    frames = [
        nd(hlim=254),
        nd(code=1),
        nd(cksum=1),
        nd(options=ICMPv6NDOptUnknown(type=1, len=0, data=b"\0" * 6)),
        nd(options=ICMPv6NDOptUnknown(type=1, len=9, data=b"\0" * 6)),
        nd(options=Raw(b"\1\1\0\0")),
        nd(sender="::"),  # a probe that says where it comes from
        nd(sender="ff02::5"),
    ]
    to_the_vip = [nd(**probe, dst=VIP6), nd(dst=VIP6, hlim=64), nd(sender=CLIENT6, dst=VIP6, code=1)]
    return Case(frames + to_the_vip,
                {"punted_control": 8, "drop_source_martian": 2, "drop_icmp_other": 1},
                config=answering(), punted=frames, expect=answers())


@case
def over_the_rate():
    """A burst is what a tenth of a second gives, at least one; the rest is dropped by name."""
    test = answering()
    test["icmp"] = {"neighbours_pps": 1}
    return Case([arp()] * 5, {"answered_neighbour": 1, "drop_neighbour_metered": 4}, config=test,
                expect=answers(is_at(VIP4, NEIGHBOUR4)))


@case
def in_a_vlan():
    """With the tag that the question came with; in a VLAN of nobody's there is no answer."""
    def check(frames):
        # The announcements that VLANs get as well are not of interest here.
        answered = [frame for frame in frames if ARP in frame and frame[ARP].op == 2]
        compare_frames("sent", answered, [tagged(is_at(VIP4, NEIGHBOUR4)),
                                          tagged(is_at(VIP4, NEIGHBOUR4), vlan=0)])

    return Case([tagged(arp()), tagged(arp(), vlan=0), tagged(arp(), vlan=7), tagged(nd())],
                {"answered_neighbour": 3, "punted_other": 1}, config=with_vlan(answering),
                expect=check)
