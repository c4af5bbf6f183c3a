# SPDX-License-Identifier: BSD-3-Clause
"""Mode l2: the packet goes on unchanged but for MACs, TTL and link padding."""
from replay import *


@case
def tcp4_connection():
    send = [tcp4("S"), tcp4("A"), tcp4("PA", payload=b"GET / HTTP/1.0\r\n\r\n")]
    return Case(send, {"sent": 3}, [to_backend(forwarded(p)) for p in send],
                events={"inserted": 1, "hit": 2})


@case
def tcp6_connection():
    send = [tcp6("S"), tcp6("A"), tcp6("PA", payload=b"GET / HTTP/1.0\r\n\r\n")]
    return Case(send, {"sent": 3}, [to_backend(forwarded(p)) for p in send],
                events={"inserted": 1, "hit": 2})


@case
def udp_query():
    send = [udp4(), udp4(), udp6()]
    return Case(send, {"sent": 3}, [to_backend(forwarded(p)) for p in send],
                events={"inserted": 2, "hit": 1})


@case
def backend_by_ipv6_address():
    send = [tcp4(), tcp6()]
    return Case(send, {"sent": 2}, [to_backend(forwarded(p)) for p in send],
                config=config(members=backends(1, address=backend6)))


@case
def link_padding_is_cut_off():
    """A minimum frame has 60 bytes; what goes on is as long as its IP header says."""
    send = [tcp4(), udp4()]
    padded = [Ether(raw(p) + b"\xaa" * (60 - len(raw(p)) + 6)) for p in send]
    return Case(padded, {"sent": 2}, [to_backend(forwarded(p)) for p in send])


@case
def largest_packet():
    send = [tcp4("A", payload=b"x" * 1460), tcp6("A", payload=b"x" * 1440)]
    return Case(send, {"sent": 2}, [to_backend(forwarded(p)) for p in send])


@case
def dscp_stays():
    send = [tcp4(tos=0xb8), tcp6(tc=0xb8)]
    return Case(send, {"sent": 2}, [to_backend(forwarded(p)) for p in send])


@case
def ipv4_options_stay():
    send = [tcp4(options=[IPOption_NOP(), IPOption_NOP(), IPOption_NOP(), IPOption_NOP()])]
    return Case(send, {"sent": 1}, [to_backend(forwarded(p)) for p in send])


@case
def ipv6_extensions_stay():
    send = [received(IPv6(src=CLIENT6, dst=VIP6), IPv6ExtHdrHopByHop(), IPv6ExtHdrDestOpt(),
                     TCP(sport=40000, dport=80, flags="S"))]
    return Case(send, {"sent": 1}, [to_backend(forwarded(p)) for p in send])


@case
def ttl_2_is_the_least_that_goes_on():
    send = [tcp4(ttl=2), tcp6(hlim=2)]
    return Case(send, {"sent": 2}, [to_backend(forwarded(p)) for p in send])


@case
def unresolved_next_hop_is_counted():
    return Case([tcp4("S"), tcp4("A"), tcp6("S")], {"drop_next_hop": 3}, resolved=False)
