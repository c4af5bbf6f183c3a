# SPDX-License-Identifier: BSD-3-Clause
"""Which packets are for a service, and what becomes of those that are not."""
from replay import *


@case
def port_and_range():
    """80 and 8000 to 8099, and nothing beside them."""
    served = [tcp4(dport=port) for port in (80, 8000, 8050, 8099)]
    refused = [tcp4(dport=port) for port in (79, 81, 7999, 8100, 443, 65535)]
    return Case(served + refused, {"sent": 4, "drop_no_service": 6},
                [to_backend(forwarded(p)) for p in served])


@case
def any_port():
    send = [make(dport=port) for make in (tcp4, tcp6, udp4, udp6) for port in (1, 80, 65535)]
    return Case(send, {"sent": 12}, [to_backend(forwarded(p)) for p in send],
                config=config(ports=["any"]))


@case
def protocols_are_apart():
    """80 is a TCP service and 53 a UDP one."""
    return Case([udp4(dport=80), tcp4(dport=53), udp6(dport=80), tcp6(dport=53)],
                {"drop_no_service": 4})


@case
def other_protocol_to_a_vip():
    return Case([received(IP(src=CLIENT4, dst=VIP4), GRE(), IP(src=CLIENT4, dst=VIP4))],
                {"drop_no_service": 1})


@case
def icmp_to_a_vip():
    return Case([received(IP(src=CLIENT4, dst=VIP4), ICMP()),
                 received(IPv6(src=CLIENT6, dst=VIP6), ICMPv6EchoRequest())], {"drop_icmp": 2})


@case
def source_is_a_vip():
    return Case([tcp4(src=VIP4), tcp6(src=VIP6)], {"drop_source_vip": 2})


@case
def martian_source():
    v4 = [tcp4(src=src) for src in ("0.0.0.1", "127.0.0.1", "224.0.0.5", "255.255.255.255")]
    v6 = [tcp6(src=src) for src in ("::", "::1", "ff02::5")]
    return Case(v4 + v6, {"drop_source_martian": 7})


@case
def vip_in_a_multicast_frame():
    broadcast = received(IP(src=CLIENT4, dst=VIP4), TCP(dport=80), dst="ff:ff:ff:ff:ff:ff")
    multicast = received(IPv6(src=CLIENT6, dst=VIP6), TCP(dport=80), dst="33:33:00:00:00:01")
    return Case([broadcast, multicast], {"drop_vip_multicast": 2})


@case
def frame_for_another_station():
    return Case([received(IP(src=CLIENT4, dst=VIP4), TCP(dport=80), dst="02:00:00:00:77:77"),
                 received(IP(src=CLIENT4, dst=OTHER4), UDP(), dst="02:00:00:00:77:77")],
                {"drop_other_mac": 2})


@case
def no_backend_takes_new_flows():
    members = [{"name": "b1", "address": backend4(1), "state": "drain"}]
    return Case([tcp4(), udp6()], {"drop_no_backend": 2}, config=config(members=members))


@case
def fragments_of_a_vip_packet():
    first = received(IP(src=CLIENT4, dst=VIP4, flags="MF", id=7), UDP(dport=53, len=24),
                     Raw(b"x" * 8))
    later = received(IP(src=CLIENT4, dst=VIP4, frag=2, id=7, proto=17), Raw(b"x" * 8))
    six = received(IPv6(src=CLIENT6, dst=VIP6), IPv6ExtHdrFragment(offset=2, id=7, nh=17),
                   Raw(b"x" * 8))
    return Case([first, later, six], {"drop_fragment": 3})


@case
def atomic_fragment_is_none():
    """RFC 6946: a fragment header that says neither offset nor more."""
    send = [received(IPv6(src=CLIENT6, dst=VIP6), IPv6ExtHdrFragment(id=7),
                     UDP(sport=40000, dport=53), Raw(QUERY))]
    return Case(send, {"sent": 1}, [to_backend(forwarded(p)) for p in send])
