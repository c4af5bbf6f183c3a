# SPDX-License-Identifier: BSD-3-Clause
"""What is wrong with a packet has a name, and the packet leaves by it."""
from replay import *


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
    total = sum(int.from_bytes(header[i:i + 2], "big") for i in range(0, 20, 2))
    while total > 0xffff:
        total = (total >> 16) + (total & 0xffff)
    header[10:12] = (total ^ 0xffff).to_bytes(2, "big")
    return Raw(frame[:14] + bytes(header) + frame[34:])


def cut(frame, length):
    return Raw(raw(frame)[:length])


def by_name(**frames):
    """A case from {exit without "drop_": frames that must leave by it}."""
    return Case([frame for several in frames.values() for frame in several],
                {f"drop_{name}": len(several) for name, several in frames.items()})


@case
def ethernet():
    tags = received(Dot1Q(vlan=7), IP(src=CLIENT4, dst=VIP4), TCP(dport=80))
    return by_name(ether_truncated=[cut(tcp4(), 13), cut(tcp4(), 1), cut(tags, 15), cut(tags, 17)])


@case
def ipv4():
    return by_name(
        ipv4_truncated=[cut(tcp4(), 14), cut(tcp4(), 33)],
        ipv4_version=[changed(tcp4(), 14, 0x65), changed(tcp4(), 14, 0x05)],
        ipv4_header_length=[ip4(ihl=4), ip4(ihl=0)],
        ipv4_total_length=[ip4(len=19), ip4(len=0), ip4(len=61), ip4(len=65535)],
        ipv4_checksum=[changed(tcp4(), 24, 0xde, 0xad), changed(tcp4(), 22, 77)],
        ipv4_options=[tcp4(options=[IPOption_LSRR(routers=["10.0.9.99"])])])


@case
def ipv6():
    syn = tcp6(payload=b"x" * 20)
    return by_name(
        ipv6_truncated=[cut(syn, 14), cut(syn, 53)],
        ipv6_version=[changed(syn, 14, 0x40)],
        ipv6_payload_length=[changed(syn, 18, 0, 41), changed(syn, 18, 0xff, 0xff)],
        ipv6_mapped=[tcp6(src="::ffff:198.51.100.7")],
        ipv6_extension=[
            received(IPv6(src=CLIENT6, dst=VIP6, nh=60), Raw(b"\x06\x04" + b"\0" * 6))],
        ipv6_extension_chain=[
            received(IPv6(src=CLIENT6, dst=VIP6), *[IPv6ExtHdrDestOpt() for _ in range(50)],
                     TCP(dport=80))],
        ipv6_routing_header=[
            received(IPv6(src=CLIENT6, dst=VIP6), IPv6ExtHdrRouting(addresses=["2001:db8::99"]),
                     TCP(dport=80))])


@case
def fragments():
    past_the_end = received(
        IP(src=CLIENT4, dst=VIP4, frag=8189, proto=17), Raw(b"x" * 64))
    odd_length = received(
        IP(src=CLIENT4, dst=VIP4, flags="MF", proto=17), Raw(b"x" * 21))
    return by_name(fragment_malformed=[past_the_end, odd_length])


@case
def layer_4():
    udp = received(IP(src=CLIENT4, dst=VIP4), UDP(sport=5353, dport=53), Raw(b"x" * 20))

    def udp_says(length):
        return received(IP(src=CLIENT4, dst=VIP4),
                        UDP(sport=5353, dport=53, len=length), Raw(b"x" * 20))

    return by_name(
        l4_truncated=[
            received(IP(src=CLIENT4, dst=VIP4, proto=6), Raw(raw(udp)[34:46])),
            received(IP(src=CLIENT4, dst=VIP4, proto=17), Raw(b"x" * 7)),
            received(IPv6(src=CLIENT6, dst=VIP6, nh=6), Raw(b"x" * 19)),
            received(IPv6(src=CLIENT6, dst=VIP6, nh=17))],
        udp_length=[udp_says(7), udp_says(0), udp_says(29), udp_says(65535)],
        tcp_header_length=[
            received(IP(src=CLIENT4, dst=VIP4), TCP(dport=80, dataofs=offset)) for offset in (0, 4, 6)],
        port_zero=[tcp4(sport=0), tcp4(dport=0), tcp6(dport=0), udp4(sport=0), udp6(dport=0)])
