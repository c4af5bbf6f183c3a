# SPDX-License-Identifier: BSD-3-Clause
"""Hostile inputs 38 to 44 and 58: TCP and UDP."""
from craft import *
from replay import *

DATA = b"x" * 20


@case
def p38_udp_length():
    def says(length, make=udp4):
        frame = make(payload=DATA)
        frame[UDP].len, frame[UDP].chksum = length, 0xbeef
        return frame

    shorter_than_ip = says(20)
    return Case([says(n, make) for make in (udp4, udp6) for n in (0, 1, 7, 29, 65535)]
                + [shorter_than_ip], {"drop_udp_length": 10, "sent": 1},
                [to_backend(forwarded(shorter_than_ip))], well_formed=False)


@case
def p38_truncated_headers():
    def four(proto, length):
        return received(IP(src=CLIENT4, dst=VIP4, proto=proto), Raw(DATA[:length]))

    def six(proto, length):
        return received(IPv6(src=CLIENT6, dst=VIP6, nh=proto), Raw(DATA[:length]))

    return by_name(l4_truncated=[
        make(proto, length) for make in (four, six)
        for proto, header in ((6, 20), (17, 8), (1 if make is four else 58, 8))
        for length in range(header)])


@case
def p39_udp_checksum_zero():
    """Whether it is right is the backend's to judge, in IPv6 too (RFC 6936)."""
    def with_checksum(value, make):
        frame = make()
        frame[UDP].chksum = value
        return frame

    return sent([with_checksum(value, make) for make in (udp4, udp6) for value in (0, 1)],
                well_formed=False)


@case
def p40_tcp_header_length():
    def offset(words, make=tcp4):
        frame = make(payload=DATA)
        frame[TCP].dataofs = words
        return frame

    to_the_end = offset(10)
    return Case([offset(w, make) for make in (tcp4, tcp6) for w in (0, 1, 4, 11, 15)] + [to_the_end],
                {"drop_tcp_header_length": 10, "sent": 1}, [to_backend(forwarded(to_the_end))])


@case
def p41_flags():
    """All, none, SYN with FIN: a backend's TCP answers them; here they are a flow like others."""
    return sent([tcp4(flags, sport=40000 + n) for n, flags in
                 enumerate(("FSRPAUEC", 0, "SF", "SR", "FPU", "E"))], events={"inserted": 4})


@case
def p42_syn_on_a_living_flow():
    """It goes where the flow goes, which it does not shake."""
    again = [received(IP(src=CLIENT4, dst=VIP4), TCP(sport=40000, dport=80, flags="S", seq=n))
             for n in range(5)]
    send = [tcp4("S"), tcp4("A"), *again, tcp4("PA", payload=DATA)]
    return Case(send, {"sent": 8}, lambda frames: require(
        len({frame.dst for frame in frames}) == 1, "the flow moved"),
        config=config(members=backends(1, 2, 3)), events={"inserted": 1, "hit": 7})


@case
def p43_reset_without_a_flow():
    return sent([make(flags, sport=40000 + n) for make in (tcp4, tcp6) for n in range(5)
                 for flags in ("R", "RA")], events={"inserted": 0, "hit": 0})


@case
def p44_port_0():
    return by_name(port_zero=[
        make(**port) for make in (tcp4, tcp6, udp4, udp6) for port in ({"sport": 0}, {"dport": 0})])


@case
def p58_quic_without_a_connection_id():
    """A short header with nothing in it to go by: the four numbers of its addresses are all."""
    send = [make(dport=443, sport=50000 + n, payload=bytes([0x40 | n]) + DATA)
            for _ in range(2) for make in (udp4, udp6) for n in range(4)]
    return sent(send, config=config(ports=["any"]), events={"inserted": 8, "hit": 8})
