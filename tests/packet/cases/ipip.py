# SPDX-License-Identifier: BSD-3-Clause
"""Mode ipip: the packet travels whole, behind an outer header of the backend's family."""
from ipaddress import ip_address, ip_network

from replay import *

SOURCE4, SOURCE6 = "10.0.9.2", "2001:db8:9::2"
OUTER_TTL = 64


def through(source4=None, source6=None, address=backend4):
    forward = {"mode": "ipip"}
    if source4:
        forward["source4"] = source4
    if source6:
        forward["source6"] = source6
    return config(forward=forward, members=backends(1, address=address))


def in_ipv4(frame, src=SOURCE4):
    inner = forwarded(frame)
    tos = inner.tos if IP in frame else inner.tc
    return to_backend(IP(src=src, dst=backend4(1), ttl=OUTER_TTL, tos=tos, id=0, flags="DF") / inner)


def in_ipv6(frame, src=SOURCE6, label=0):
    inner = forwarded(frame)
    tos = inner.tos if IP in frame else inner.tc
    outer = IPv6(src=src, dst=backend6(1), hlim=OUTER_TTL, tc=tos, fl=label)
    return to_backend(outer / inner)


def with_flow_label(send):
    """A check of one flow's frames in IPv6: any label (RFC 6438), the same in all of them."""
    def expect(sent):
        labels = {frame.fl for frame in sent}
        require(len(labels) == 1, f"flow labels of one flow: {labels}")
        compare_frames("sent", sent, [in_ipv6(p, label=sent[0].fl) for p in send])
    return expect


def some(make):
    """A connection, with DSCP and a payload on the way."""
    tos = {"tos": 0xb8} if make is tcp4 else {"tc": 0xb8}
    return [make("S"), make("A", **tos), make("PA", payload=b"GET / HTTP/1.0\r\n\r\n")]


@case
def four_in_four():
    send = some(tcp4)
    return Case(send, {"sent": 3}, [in_ipv4(p) for p in send], config=through(source4=SOURCE4))


@case
def six_in_four():
    send = some(tcp6)
    return Case(send, {"sent": 3}, [in_ipv4(p) for p in send], config=through(source4=SOURCE4))


@case
def four_in_six():
    send = some(tcp4)
    return Case(send, {"sent": 3}, with_flow_label(send),
                config=through(source6=SOURCE6, address=backend6))


@case
def six_in_six():
    send = some(tcp6)
    return Case(send, {"sent": 3}, with_flow_label(send),
                config=through(source6=SOURCE6, address=backend6))


@case
def link_padding_is_not_wrapped():
    send = [tcp4(), tcp6()]
    padded = [Ether(raw(p) + b"\xaa" * 6) for p in send]
    return Case(padded, {"sent": 2}, [in_ipv4(p) for p in send], config=through(source4=SOURCE4))


def entropy(prefix, outer, **settings):
    """200 flows: sources vary within the prefix, and a flow keeps its own."""
    send = [tcp4(flags, sport=40000 + n) for flags in ("S", "A") for n in range(200)]

    def expect(sent):
        of_flow = {}
        for frame, original in zip(sent, send):
            src = frame.payload.src
            require(ip_address(src) in ip_network(prefix), f"outer source {src} not in {prefix}")
            varying = (src, frame.fl) if outer is in_ipv6 else (src,)
            require(of_flow.setdefault(original.sport, varying) == varying, "a flow changed")
        sources = {src for src, *_ in of_flow.values()}
        require(len(sources) > 100, f"only {len(sources)} sources")
        compare_frames("sent", sent, [outer(p, *of_flow[p.sport]) for p in send])

    return Case(send, {"sent": 400}, expect, config=through(**settings))


@case
def outer_source_varies_in_ipv4():
    return entropy("10.77.0.0/16", in_ipv4, source4="10.77.0.0/16")


@case
def outer_source_varies_in_ipv6():
    return entropy("2001:db8:77::/96", in_ipv6, source6="2001:db8:77::/96", address=backend6)
