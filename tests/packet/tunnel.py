# SPDX-License-Identifier: BSD-3-Clause
"""What the cases of tunnels share: an outer header of the backend's family, and what varies in it."""
from ipaddress import ip_address, ip_network

from replay import *

SOURCE4, SOURCE6 = "10.0.9.2", "2001:db8:9::2"
PREFIX4, PREFIX6 = "10.77.0.0/16", "2001:db8:77::/96"
OUTER_TTL = 64
SOURCE_PORTS = range(49152, 65536)


def through(mode, outer, prefix=False, **fields):
    """A configuration with one backend of family `outer`."""
    if outer == 4:
        fields["source4"] = PREFIX4 if prefix else SOURCE4
    else:
        fields["source6"] = PREFIX6 if prefix else SOURCE6
    return config(forward={"mode": mode, **fields},
                  members=backends(1, address=backend4 if outer == 4 else backend6))


def some(inner):
    """A connection over IPv4 or IPv6, with DSCP, ECN and a payload on the way."""
    make, tos = (tcp4, {"tos": 0xb9}) if inner == 4 else (tcp6, {"tc": 0xb9})
    return [make("S"), make("A", **tos), make("PA", payload=b"GET / HTTP/1.0\r\n\r\n")]


def outer_ip(frame, outer, payload, proto, like, dscp=None):
    """The frame to the backend. Source and flow label are those of `like`, which was sent."""
    inner = forwarded(frame)
    tos = inner.tos if IP in frame else inner.tc
    if dscp is not None:  # ECN stays the packet's
        tos = dscp << 2 | tos & 3
    if outer == 4:
        header = IP(src=like.src, dst=backend4(1), ttl=OUTER_TTL, tos=tos, id=0, flags="DF",
                    proto=proto)
    else:
        header = IPv6(src=like.src, dst=backend6(1), hlim=OUTER_TTL, tc=tos, fl=like.fl, nh=proto)
    return to_backend(header / Raw(payload))


def outer_udp(frame, outer, dport, payload, like):
    """The same over UDP, from the port of `like`."""
    sport = int.from_bytes(raw(like.payload)[:2], "big")
    header = UDP(sport=sport, dport=dport, len=8 + len(payload), chksum=0)
    return outer_ip(frame, outer, raw(header) + payload, 17, like)


def inner_proto(frame):
    return 4 if IP in frame else 41


def inner_ethertype(frame):
    return 0x0800 if IP in frame else 0x86dd


def varying(ip, has_port):
    """What of an outer header depends on the flow: source, flow label, source port."""
    label = ip.fl if isinstance(ip, IPv6) else None
    port = int.from_bytes(raw(ip.payload)[:2], "big") if has_port else None
    if has_port:
        require(port in SOURCE_PORTS, f"UDP source port {port}")
    return ip.src, label, port


def tunnelled(wrap, outer, inner, mode, has_port=False, **fields):
    """A connection's frames, wrapped by wrap(frame, outer, like): all with one outer header."""
    send = some(inner)

    def expect(sent):
        require(len(sent) == len(send), f"{len(sent)} frames, wanted {len(send)}")
        flows = {varying(frame.payload, has_port) for frame in sent}
        require(len(flows) == 1, f"outer headers of one flow: {flows}")
        source = SOURCE4 if outer == 4 else SOURCE6
        require(sent[0].payload.src == source, f"outer source {sent[0].payload.src}")
        compare_frames("sent", sent, [wrap(p, outer, s.payload) for p, s in zip(send, sent)])

    return Case(send, {"sent": len(send)}, expect, config=through(mode, outer, **fields))


def entropy(wrap, outer, mode, has_port=False, **fields):
    """200 flows: what may vary does, within its bounds, and a flow keeps its own."""
    send = [tcp4(flags, sport=40000 + n) for flags in ("S", "A") for n in range(200)]

    def expect(sent):
        require(len(sent) == len(send), f"{len(sent)} frames, wanted {len(send)}")
        of_flow = {}
        for frame, original in zip(sent, send):
            varies = varying(frame.payload, has_port)
            prefix = PREFIX4 if outer == 4 else PREFIX6
            require(ip_address(varies[0]) in ip_network(prefix), f"{varies[0]} not in {prefix}")
            require(of_flow.setdefault(original.sport, varies) == varies, "a flow changed")
        for what, values in zip(("sources", "flow labels", "ports"), zip(*of_flow.values())):
            require(values[0] is None or len(set(values)) > 100, f"only {len(set(values))} {what}")
        compare_frames("sent", sent, [wrap(p, outer, s.payload) for p, s in zip(send, sent)])

    return Case(send, {"sent": 400}, expect, config=through(mode, outer, prefix=True, **fields))


def too_big(wrap, outer, mode, overhead, **fields):
    """What fills the MTU of 1500 with the outer header, and a byte more, of which the client is told."""
    def with_df(length):
        return received(IP(src=CLIENT4, dst=VIP4, flags="DF"),
                        TCP(sport=40000, dport=80, flags="A"), Raw(b"x" * (length - 40)))

    mtu = 1500 - overhead
    fits, over = with_df(mtu), with_df(mtu + 1)

    def expect(sent):
        compare_frames("sent", sent[:1], [wrap(fits, outer, sent[0].payload)])
        require(len(sent) == 2, f"{len(sent)} frames, wanted 2")
        error = sent[1][ICMP]
        require((error.type, error.code, error.nexthopmtu) == (3, 4, mtu),
                f"told type {error.type} code {error.code} MTU {error.nexthopmtu}, wanted MTU {mtu}")

    return Case([fits, over], {"sent": 1, "answered_too_big": 1}, expect,
                config=through(mode, outer, **fields))
