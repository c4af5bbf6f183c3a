# SPDX-License-Identifier: BSD-3-Clause
"""What is not for a VIP goes to Linux as it came, or is dropped by name where there is no way."""
from replay import *


def not_ours():
    """Frames that Linux takes without answering."""
    return [
        received(IP(src=CLIENT4, dst=OTHER4), UDP(sport=1, dport=9), Raw(b"x")),
        received(IP(src=CLIENT4, dst=OTHER4, ttl=1), TCP(sport=1, dport=9)),
        received(IPv6(src=CLIENT6, dst=OTHER6), UDP(sport=1, dport=9), Raw(b"x")),
        Ether(src=ROUTER_MAC, dst=EDGE_MAC, type=0x88b5) / Raw(b"local experimental"),
    ]


@case
def not_for_a_vip():
    return Case(not_ours(), {"punted_other": 4}, punted=not_ours())


@case
def no_kernel_interface():
    return Case(not_ours(), {"drop_no_kernel_path": 4}, resolved=False,
                config=config(kernel_interface=False))


@case
def control_class():
    """ARP and BGP are told from the rest."""
    frames = [
        Ether(src=ROUTER_MAC, dst="ff:ff:ff:ff:ff:ff") / ARP(
            op=1, hwsrc=ROUTER_MAC, psrc="10.0.9.99", pdst="10.0.9.98"),
        received(IP(src=CLIENT4, dst=OTHER4), TCP(sport=40000, dport=179, flags="S")),
        received(IP(src=CLIENT4, dst=OTHER4, proto=89), Raw(b"x" * 24)),
    ]
    return Case(frames, {"punted_control": 3}, punted=frames)


@case
def vlan_without_configuration():
    """Tagged, it is Linux's, even if a VIP is inside."""
    tagged = [
        received(Dot1Q(vlan=7), IP(src=CLIENT4, dst=VIP4), TCP(dport=80, flags="S")),
        received(Dot1Q(vlan=7), Dot1Q(vlan=8), IPv6(src=CLIENT6, dst=VIP6), TCP(dport=80)),
    ]
    return Case(tagged, {"punted_other": 2}, punted=tagged)


@case
def broadcast_and_multicast():
    frames = [
        received(IP(src=CLIENT4, dst="255.255.255.255"), UDP(sport=68, dport=9),
                 dst="ff:ff:ff:ff:ff:ff"),
        received(IP(src=CLIENT4, dst="239.1.2.3"), UDP(sport=1, dport=9),
                 dst="01:00:5e:01:02:03"),
    ]
    return Case(frames, {"punted_other": 2}, punted=frames)
