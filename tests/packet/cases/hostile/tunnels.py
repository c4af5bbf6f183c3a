# SPDX-License-Identifier: BSD-3-Clause
"""Hostile inputs 50 to 52: tunnels that come here instead of leaving."""
from craft import *
from replay import *

OWN4, OWN6 = "10.77.0.0/16", "2001:db8:77::/96"  # what outer sources are taken from
FROM4, FROM6 = ("10.77.0.1", "10.77.255.254"), ("2001:db8:77::1", "2001:db8:77::ffff:fffe")
GUE, DIRECT, VXLAN = 6080, 9886, 4789


def tunnels():
    """A pool for every mode, all with the same outer sources."""
    settings = config()
    for name, forward in {
            "i": {"mode": "ipip"}, "g": {"mode": "gre", "key": 7}, "u": {"mode": "gue"},
            "d": {"mode": "gue", "variant": 1, "port": DIRECT},
            "v": {"mode": "vxlan", "vni": 5}}.items():
        settings["pools"][name] = {
            "forward": {"source4": OWN4, "source6": OWN6, **forward},
            "backends": backends(1) + backends(2, address=backend6)}
    return settings


def outer(src, payload, proto, dst=None, **fields):
    """A frame with an outer header of the family of `src`."""
    if ":" in src:
        return received(IPv6(src=src, dst=dst or backend6(2), nh=proto, **fields), Raw(payload))
    return received(IP(src=src, dst=dst or backend4(1), proto=proto, id=0, flags="DF", **fields),
                    Raw(payload))


def datagram(port, payload):
    return raw(UDP(sport=50000, dport=port, len=8 + len(payload), chksum=0)) + payload


def in_every_mode(src, frame, **fields):
    """The packet of `frame` as the modes of tunnels() send it from `src`."""
    inner = raw(forwarded(frame))
    proto, ethertype = (4, 0x0800) if IP in frame else (41, 0x86dd)
    ether = raw(Ether(src="02:66:6c:00:00:01", dst="02:66:6c:00:00:02", type=ethertype))
    vxlan = struct.pack("!II", 8 << 24, 5 << 8)
    return [outer(src, inner, proto, **fields),
            outer(src, struct.pack("!HHI", 0x2000, ethertype, 7) + inner, 47, **fields),
            outer(src, datagram(GUE, bytes([0, proto, 0, 0]) + inner), 17, **fields),
            outer(src, datagram(DIRECT, inner), 17, **fields),
            outer(src, datagram(VXLAN, vxlan + ether + inner), 17, **fields)]


@case
def p50_our_own_encapsulation():
    """Of every mode and both families, inside and out, whoever sends it back and however far it came."""
    ours = [frame for src in FROM4 + FROM6 for inside in (tcp4(), tcp6(), udp4())
            for frame in in_every_mode(src, inside)]
    ours += in_every_mode(FROM4[0], tcp4(), ttl=1) + in_every_mode(FROM6[0], tcp6(), hlim=1)
    ours += in_every_mode(FROM4[0], tcp4(), dst=OTHER4)
    return Case(ours, {"drop_own_encapsulation": len(ours)}, config=tunnels())


@case
def p50_looks_like_our_own():
    """From others, of a kind that is not sent from here, or nothing that was in a tunnel: Linux's."""
    others = [frame for src in ("10.76.255.255", "10.78.0.0", "2001:db8:77:0:0:1::", CLIENT4)
              for frame in in_every_mode(src, tcp4())]
    kinds = [outer(src, raw(TCP(sport=4789, dport=6080)), 6) for src in (FROM4[0], FROM6[0])]
    kinds += [outer(src, datagram(port, b"x" * 60), 17) for src in (FROM4[0], FROM6[0])
              for port in (GUE + 1, 53, 4790)]
    kinds += [outer(src, b"x" * 60, 50) for src in (FROM4[0], FROM6[0])]
    return Case(others + kinds, {"punted_other": len(others) + len(kinds)}, config=tunnels())


@case
def p50_of_one_mode():
    """Of a source that one mode has, those of that mode; the others are Linux's."""
    settings = config(forward={"mode": "ipip", "source4": "10.0.9.2"})
    return Case(in_every_mode("10.0.9.2", tcp4()),
                {"drop_own_encapsulation": 1, "punted_other": 4}, config=settings)


@case
def p50_goes_round_no_more_than_its_hops():
    """A backend that takes the packet out and routes it here again: each time a hop less, then the
    client is told."""
    rounds = [tcp4(ttl=ttl) for ttl in (64, 63, 2, 1)]

    def expect(frames):
        require([frame[IP].ttl for frame in frames[:3]] == [63, 62, 1], "its hops")
        require(frames[3][ICMP].type == 11, "time exceeded")
        require(len(frames) == 4, f"{len(frames)} frames")

    return Case(rounds, {"sent": 3, "answered_ttl_expired": 1}, expect)


def nest(layer, depth=10):
    packet = raw(tcp4())[14:]
    for _ in range(depth):
        packet = raw(layer(packet))
    return received(IP(packet))


def in_ip(packet):
    return IP(src=CLIENT4, dst=VIP4, proto=4) / Raw(packet)


def in_gre(packet):
    return IP(src=CLIENT4, dst=VIP4) / GRE() / Raw(packet)


def in_gue(packet):
    return IP(src=CLIENT4, dst=VIP4) / UDP(sport=5, dport=GUE) / Raw(b"\0\x04\0\0" + packet)


@case
def p51_nested_tunnels():
    """IPIP, GRE and GUE ten deep: to the VIP they are nobody's service; inside, nobody looks."""
    no_service = [nest(layer) for layer in (in_ip, in_gre, in_gue)]
    return Case(no_service, {"answered_no_service": 3},
                [error_about(p, PORT_UNREACHABLE) for p in no_service])


@case
def p51_nested_through_a_tunnel():
    """A service on the port of GUE gets what is sent to it, wrapped once more and not looked into."""
    deep = nest(in_gue)
    return Case([deep], {"sent": 1}, config=config(
        forward={"mode": "ipip", "source4": "10.77.0.1"}, ports=[GUE]), expect=[to_backend(
            IP(src="10.77.0.1", dst=backend4(1), ttl=64, id=0, flags="DF") / forwarded(deep))])


# What GUE may say of itself: variant 2 bits, control 1, length in words 5; then protocol, flags.
WRONG_GUE = {
    "variant 2": b"\x80\x04\0\0", "variant 3": b"\xff\x04\0\0", "control": b"\x20\x04\0\0",
    "longer than the packet": b"\x1f\x04\0\0", "options that are not there": b"\x01\x04\0\0",
    "flags": b"\0\x04\xff\xff", "no protocol": b"\0\x3b\0\0", "protocol 255": b"\0\xff\0\0",
    "cut after 1": b"\0", "cut after 3": b"\0\x04\0", "empty": b"",
}


def wrong_gue(dport=GUE, **addresses):
    """With the inner packet behind the header, and with nothing there."""
    inner = raw(tcp4())[14:]
    whole = [header + inner for header in WRONG_GUE.values() if len(header) == 4]
    bodies = whole + list(WRONG_GUE.values()) + [b"\x45" + inner[1:10], b"\x6f" * 4]
    return [udp4(dport=dport, payload=body, **addresses) for body in bodies]


@case
def p52_gue_to_a_vip():
    """No matter how wrong it is: without a service it is answered, and with one it is a payload."""
    send = wrong_gue()
    return Case(send, {"answered_no_service": len(send)},
                [error_about(p, PORT_UNREACHABLE) for p in send])


@case
def p52_gue_to_a_service():
    return sent(wrong_gue(), config=config(ports=[GUE]))


@case
def p52_gue_from_our_own_source():
    """It is known by what is outside; what its header says of the inside is not believed."""
    ours = wrong_gue(src=FROM4[0], dst=backend4(1)) + wrong_gue(DIRECT, src=FROM4[1], dst=OTHER4)
    foreign = wrong_gue(src=CLIENT4, dst=backend4(1))
    udp_length = [changed(ours[0], 38, *value) for value in ((0, 7), (0xff, 0xff))]
    return Case(ours + foreign + udp_length,
                {"drop_own_encapsulation": len(ours), "punted_other": len(foreign) + 2},
                config=tunnels())
