# SPDX-License-Identifier: BSD-3-Clause
"""Frames that are wrong in one place, and what the edge itself answers."""
import struct

from scapy.all import ICMP, IP, IPv6, Ether, Raw, fragment, in6_chksum, raw
from scapy.utils import checksum

from replay import EDGE_MAC, ROUTER_MAC, Case, forwarded, tcp4, to_backend

ICMP4_QUOTED_MAX = 576 - 20 - 8  # RFC 1812, 4.3.2.3
ICMP6_QUOTED_MAX = 1280 - 40 - 8  # RFC 4443, 3

PORT_UNREACHABLE = {4: (3, 3), 6: (1, 4)}
TIME_EXCEEDED = {4: (11, 0), 6: (3, 0)}
TOO_BIG = {4: (3, 4), 6: (2, 0)}


# Damage


def changed(frame, offset, *values):
    """The frame with bytes replaced from `offset` on, checksums left as they were."""
    octets = bytearray(raw(frame))
    octets[offset:offset + len(values)] = values
    return Raw(bytes(octets))


def ip4(**fields):
    """A SYN to the VIP whose IPv4 header says what it is told; the checksum is right."""
    frame = raw(tcp4(payload=b"x" * 20))
    ip = IP(frame[14:34])
    for name, value in fields.items():
        setattr(ip, name, value)
    header = bytearray(raw(ip)[:20])
    header[10:12] = b"\0\0"
    header[10:12] = struct.pack("!H", checksum(bytes(header)))
    return Raw(frame[:14] + bytes(header) + frame[34:])


def cut(frame, length):
    return Raw(raw(frame)[:length])


def padded(frame, *, to):
    """With what a link adds behind a short packet."""
    octets = raw(frame)
    return Ether(octets + b"\xaa" * (to - len(octets)))


# Cases


def by_name(**frames):
    """A case from {exit without "drop_": frames that must leave by it}."""
    return Case([frame for several in frames.values() for frame in several],
                {f"drop_{name}": len(several) for name, several in frames.items()})


def sent(frames, **settings):
    """A case in which all go on to the one backend, unchanged but for their TTL."""
    return Case(frames, {"sent": len(frames)}, [to_backend(forwarded(f)) for f in frames],
                **settings)


# Answers


def answered(packet):
    return Ether(src=EDGE_MAC, dst=ROUTER_MAC) / packet


def icmp_message(ip, kind, code, rest):
    """An ICMP or ICMPv6 message behind `ip`: a type, a code, and all that follows the checksum."""
    message = struct.pack("!BBH", kind, code, 0) + rest
    if isinstance(ip, IP):
        ip.proto, total = 1, checksum(message)
    else:
        ip.nh, ip.plen = 58, len(message)
        total = in6_chksum(58, ip, message)
    return ip / Raw(message[:2] + struct.pack("!H", total) + message[4:])


def error_about(frame, kinds, mtu=0):
    """The error that the VIP sends about a packet, which it quotes as it was received."""
    about = frame.payload
    six = isinstance(about, IPv6)
    length = len(raw(about)) if six else IP(raw(about)).len
    quoted = raw(about)[:length][:ICMP6_QUOTED_MAX if six else ICMP4_QUOTED_MAX]
    if six:
        ip = IPv6(src=about.dst, dst=about.src, hlim=64)
    else:
        ip = IP(src=about.dst, dst=about.src, tos=0xc0, id=0, flags="DF", ttl=64)
    return answered(icmp_message(ip, *kinds[6 if six else 4], struct.pack("!I", mtu) + quoted))


def reply_to(frame):
    """The echo reply: all that came, addresses and MACs swapped."""
    ip = frame.payload.copy()
    message = raw(ip.payload)
    ip.remove_payload()
    ip.src, ip.dst = ip.dst, ip.src
    if isinstance(ip, IP):
        ip.ttl, kind = 64, 0
        del ip.chksum, ip.len
    else:
        ip.hlim, kind = 64, 129
        del ip.plen
    return answered(icmp_message(ip, kind, 0, message[4:]))


def split_by_router(packet, mtu):
    """An IPv4 packet in fragments that fit `mtu`, by somebody else's hand."""
    return [IP(raw(piece)) for piece in fragment(packet, fragsize=(mtu - 20) // 8 * 8)]
