# SPDX-License-Identifier: BSD-3-Clause
"""Hostile inputs 28 to 37: the IPv6 header and what may follow it."""
from craft import *
from replay import *

SYN = raw(tcp6())[54:]


def six(*headers, **ip):
    return received(IPv6(src=CLIENT6, dst=VIP6, **ip), *headers)


def syn():
    return TCP(sport=40000, dport=80, flags="S")


def options(next_header, length=0, octets=b"\x01\x04\0\0\0\0"):
    """Hop-by-hop or destination options, as bytes."""
    return bytes([next_header, length]) + octets


@case
def p28_version_is_not_6():
    return by_name(ipv6_version=[changed(tcp6(), 14, v << 4) for v in range(16) if v != 6])


@case
def p29_payload_length():
    """0 with a header to come, past the frame, and the jumbogram, which no link here carries."""
    frame = tcp6(payload=b"x" * 20)
    jumbogram = changed(six(Raw(options(6, octets=b"\xc2\x04\0\x01\0\0") + SYN), nh=0), 18, 0, 0)
    return by_name(
        l4_truncated=[changed(frame, 18, 0, 0), changed(frame, 18, 0, 19)],
        ipv6_payload_length=[changed(frame, 18, 0, 41), changed(frame, 18, 0xff, 0xff), jumbogram])


@case
def p30_chain_of_50_headers():
    return by_name(ipv6_extension_chain=[
        six(*[IPv6ExtHdrDestOpt() for _ in range(50)], syn()),
        six(*[IPv6ExtHdrDestOpt() for _ in range(9)], syn())])


@case
def p30_chain_of_8_headers():
    return sent([six(*[IPv6ExtHdrDestOpt() for _ in range(8)], syn())])


@case
def p31_hop_by_hop_not_first():
    return by_name(ipv6_extension=[
        six(IPv6ExtHdrDestOpt(), IPv6ExtHdrHopByHop(), syn()),
        six(IPv6ExtHdrHopByHop(), IPv6ExtHdrHopByHop(), syn())])


@case
def p32_routing_header():
    """With segments left it is a source route (RFC 5095); without, it is over."""
    def routing(left, kind=0):
        return Raw(bytes([6, 2, kind, left]) + b"\0" * 20 + SYN)

    over = six(routing(0), nh=43)
    left = [six(routing(n, kind), nh=43) for n in (1, 255) for kind in (0, 2, 4)]
    return Case([over, *left], {"sent": 1, "drop_ipv6_routing_header": 6},
                [to_backend(forwarded(over))])


@case
def p33_atomic_fragment():
    """RFC 6946: a fragment header that says neither offset nor more is no fragment."""
    return sent([six(IPv6ExtHdrFragment(id=n), UDP(sport=40000, dport=53), Raw(QUERY))
                 for n in (0, 7)])


@case
def p34_two_fragment_headers():
    return by_name(fragment_malformed=[
        six(IPv6ExtHdrFragment(id=1), IPv6ExtHdrFragment(id=2), UDP(sport=40000, dport=53)),
        six(IPv6ExtHdrFragment(id=1, m=1), IPv6ExtHdrFragment(id=2, m=1), Raw(b"x" * 16))])


@case
def p35_no_next_header():
    """Nothing follows, so it is for no service."""
    send = [six(nh=59), six(Raw(b"x" * 40), nh=59), six(Raw(options(59)), nh=60)]
    return Case(send, {"answered_no_service": 3}, [error_about(p, PORT_UNREACHABLE) for p in send])


@case
def p36_truncated_extension():
    """A header of 24 bytes in a payload of 1 to 23, and lengths that lead past the end."""
    header = options(6, length=2, octets=b"\x01\x14" + b"\0" * 20)
    at_every_byte = [six(Raw(header[:length]), nh=60) for length in range(1, 24)]
    past = [six(Raw(options(6, length=n) + SYN), nh=60) for n in (3, 4, 255)]
    fragments = [six(Raw(b"\x11\0\0\x01" + b"\0" * n), nh=44) for n in range(4)]
    return by_name(ipv6_extension=at_every_byte + past + fragments)


@case
def p37_esp_and_ah():
    """AH is looked through in IPv6; what ESP hides, and AH in IPv4, is no service's."""
    ah = bytes([6, 4]) + b"\0" * 22
    through = six(Raw(ah + SYN), nh=51)
    esp = [six(Raw(b"x" * 40), nh=50), received(IP(src=CLIENT4, dst=VIP4, proto=50), Raw(b"x" * 40))]
    ah4 = received(IP(src=CLIENT4, dst=VIP4, proto=51), Raw(ah + SYN))
    too_short = six(Raw(b"\x06\0" + b"\0" * 6 + SYN), nh=51)
    return Case([through, *esp, ah4, too_short],
                {"sent": 1, "answered_no_service": 3, "drop_ipv6_extension": 1},
                [to_backend(forwarded(through))]
                + [error_about(p, PORT_UNREACHABLE) for p in (*esp, ah4)])
