# SPDX-License-Identifier: BSD-3-Clause
"""Which packets are for a service, and what becomes of those that are not."""
from craft import *
from replay import *


@case
def port_and_range():
    """80 and 8000 to 8099, and nothing beside them."""
    served = [tcp4(dport=port) for port in (80, 8000, 8050, 8099)]
    refused = [tcp4(dport=port) for port in (79, 81, 7999, 8100, 443, 65535)]
    return Case(served + refused, {"sent": 4, "answered_no_service": 6},
                [to_backend(forwarded(p)) for p in served]
                + [error_about(p, PORT_UNREACHABLE) for p in refused])


@case
def any_port():
    send = [make(dport=port) for make in (tcp4, tcp6, udp4, udp6) for port in (1, 80, 65535)]
    return Case(send, {"sent": 12}, [to_backend(forwarded(p)) for p in send],
                config=config(ports=["any"]))


@case
def protocols_are_apart():
    """80 is a TCP service and 53 a UDP one."""
    send = [udp4(dport=80), tcp4(dport=53), udp6(dport=80), tcp6(dport=53)]
    return Case(send, {"answered_no_service": 4}, [error_about(p, PORT_UNREACHABLE) for p in send])


@case
def other_protocol_to_a_vip():
    gre = received(IP(src=CLIENT4, dst=VIP4), GRE(), IP(src=CLIENT4, dst=VIP4))
    return Case([gre], {"answered_no_service": 1}, [error_about(gre, PORT_UNREACHABLE)])


@case
def silence():
    """No errors where the configuration wants none; the packets have their names all the same."""
    settings = config()
    settings["icmp"] = {"echo_pps": 0, "errors_pps": 0}
    ping = received(IP(src=CLIENT4, dst=VIP4), ICMP())
    return Case([tcp4(dport=9), tcp6(dport=9), tcp4(ttl=1), tcp6(hlim=1), ping],
                {"drop_no_service": 2, "drop_ttl_expired": 2, "drop_icmp_metered": 1},
                config=settings)


@case
def ping():
    """Any data, any options, either family; the reply carries it all back."""
    def four(data, **ip):
        return received(IP(src=CLIENT4, dst=VIP4, **ip), ICMP(id=7, seq=9), Raw(data))

    def six(data, **ip):
        return received(IPv6(src=CLIENT6, dst=VIP6, **ip), ICMPv6EchoRequest(id=7, seq=9, data=data))

    send = [four(b""), four(b"d" * 57), four(b"d" * 1472, ttl=3), four(b"tos", tos=0xb8),
            six(b""), six(b"d" * 56), six(b"d" * 1452, hlim=3), six(b"odd", tc=0xb8)]
    return Case(send, {"answered_echo": 8}, [reply_to(p) for p in send])


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
