# SPDX-License-Identifier: BSD-3-Clause
"""Hostile inputs 7 to 21: the IPv4 header."""
from craft import *
from replay import *


def with_options(octets):
    """A SYN whose header carries these options, a multiple of 4 bytes."""
    inner = raw(tcp4())[34:]
    header = bytearray(raw(IP(src=CLIENT4, dst=VIP4, proto=6, ihl=5 + len(octets) // 4,
                              len=20 + len(octets) + len(inner), chksum=0)))[:20] + octets
    header[10:12] = checksum(bytes(header)).to_bytes(2, "big")
    return Ether(raw(tcp4())[:14] + bytes(header) + inner)


@case
def p07_version_is_not_4():
    return by_name(ipv4_version=[changed(tcp4(), 14, v << 4 | 5) for v in range(16) if v != 4])


@case
def p08_header_length_below_5():
    return by_name(ipv4_header_length=[ip4(ihl=words) for words in range(5)])


@case
def p09_header_length_past_the_end():
    """Of the frame, and of the packet as its total length has it."""
    past_frame = [changed(cut(tcp4(), length), 14, 0x4f) for length in (34, 54, 73)]
    past_packet = [ip4(ihl=15, len=length) for length in (20, 59)]
    return by_name(ipv4_header_length=past_frame, ipv4_total_length=past_packet)


@case
def p10_total_length_below_the_header():
    return by_name(ipv4_total_length=[ip4(len=length) for length in (1, 4, 19)])


@case
def p11_total_length_past_the_frame():
    return by_name(ipv4_total_length=[ip4(len=length) for length in (61, 1500, 32768, 65535)])


@case
def p12_total_length_0():
    return by_name(ipv4_total_length=[ip4(len=0)])


@case
def p13_total_length_below_the_frame():
    """What lies behind the packet is padding, however long: a backend does not get it."""
    inside = [tcp4(payload=b"x" * 20), udp4()]
    return Case([padded(p, to=1400) for p in inside], {"sent": 2},
                [to_backend(forwarded(p)) for p in inside])


@case
def p14_bad_header_checksum():
    right = int.from_bytes(raw(tcp4())[24:26], "big")
    wrong = [changed(tcp4(), 24, *value.to_bytes(2, "big"))
             for value in (0, 0xffff, right ^ 1, right ^ 0x8000, right ^ 0xffff)]
    return by_name(ipv4_checksum=wrong + [changed(tcp4(), at, 77) for at in (15, 18, 22, 33)])


@case
def p15_options():
    """Well-formed ones stay as they are; source routes and what cannot be read do not pass."""
    fine = [b"\x01" * 4, b"\x01" * 40, b"\x00" + b"\xff" * 3, b"\x07\x07\x04\0\0\0\0\0",
            b"\x94\x04\0\0", b"\x01\x01\x01\x00" + b"\x83" * 4]
    refused = [b"\x83\x07\x04\x0a\0\x09\x63\0", b"\x89\x07\x04\x0a\0\x09\x63\0",
               b"\x01\x01\x83\x03\x04\0\0\0", b"\x07\x00\0\0", b"\x07\x01\0\0", b"\x07\x05\0\0",
               b"\x01\x01\x01\x07", b"\x01\x01\x44\xff", b"\x01" * 39 + b"\x83"]
    send = [with_options(o) for o in fine]
    return Case(send + [with_options(o) for o in refused],
                {"sent": len(fine), "drop_ipv4_options": len(refused)},
                [to_backend(forwarded(p)) for p in send])


@case
def p16_ttl_0():
    send = [tcp4(ttl=0), udp4(ttl=0), tcp6(hlim=0)]
    return Case(send, {"answered_ttl_expired": 3}, [error_about(p, TIME_EXCEEDED) for p in send])


@case
def p17_ttl_1():
    """Of a service's packets; a VIP is at home here, so its ping and a closed port are answered."""
    expired = [tcp4(ttl=1), udp4(ttl=1, payload=b"x" * 1400), tcp6(hlim=1)]
    ping = received(IP(src=CLIENT4, dst=VIP4, ttl=1), ICMP(id=7, seq=9), Raw(b"data"))
    closed = udp4(dport=33434, ttl=1)
    return Case([*expired, ping, closed],
                {"answered_ttl_expired": 3, "answered_echo": 1, "answered_no_service": 1},
                [error_about(p, TIME_EXCEEDED) for p in expired]
                + [reply_to(ping), error_about(closed, PORT_UNREACHABLE)])


@case
def p18_source_is_the_vip():
    same = [tcp4(src=VIP4), tcp6(src=VIP6), udp4(src=VIP4, sport=53),
            received(IP(src=VIP4, dst=VIP4), ICMP()), tcp4(src=VIP4, ttl=1), tcp4(src=VIP4, dport=9)]
    return by_name(source_vip=same)


@case
def p19_source_is_no_host():
    v4 = [tcp4(src=src) for src in ("0.0.0.0", "0.0.0.1", "127.0.0.1", "127.255.255.255",
                                    "224.0.0.5", "239.1.2.3", "255.255.255.255")]
    v6 = [tcp6(src=src) for src in ("::", "::1", "fe80::1", "ff02::5", "ff0e::1")]
    no_error = [tcp4(src="127.0.0.1", ttl=1), udp4(src="224.0.0.5", dport=9)]
    return by_name(source_martian=v4 + v6 + no_error)


@case
def p20_source_is_a_backend():
    """It may be a client of a VIP like anybody else, of its own too."""
    return sent([tcp4(src=backend4(1)), udp4(src=backend4(1)), tcp6(src=backend6(1))])


@case
def p21_destination_is_broadcast():
    """Nobody's service, whatever MAC it comes with: Linux knows what to do."""
    everybody = "ff:ff:ff:ff:ff:ff"
    return Case([udp4(dst="255.255.255.255", dport=9), tcp4(dst="10.0.9.255"),
                 received(IP(src=CLIENT4, dst="255.255.255.255"), UDP(dport=9), dst=everybody),
                 received(IP(src=CLIENT4, dst="10.0.9.255"), UDP(dport=9), dst=everybody)],
                {"punted_other": 4})
