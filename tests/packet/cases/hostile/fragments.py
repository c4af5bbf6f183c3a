# SPDX-License-Identifier: BSD-3-Clause
"""Hostile inputs 22 to 27: fragments."""
from craft import *
from replay import *

HELD_PER_PACKET = 53  # FRAGMENT_HELD_PER_PACKET_MAX
HELD = 512  # FRAGMENT_HELD_MAX
THREE = backends(1, 2, 3)


def pieces4(ident=7, payload=b"y" * 1000, size=400, sport=40000):
    """A UDP packet in IPv4 fragments, as frames, the first one first."""
    packet = IP(src=CLIENT4, dst=VIP4, id=ident) / UDP(sport=sport, dport=53) / Raw(payload)
    return [Ether(raw(received(piece))) for piece in split_by_router(packet, size)]


def later4(ident, offset=3, payload=b"z" * 16, more=False):
    return received(IP(src=CLIENT4, dst=VIP4, id=ident, frag=offset, proto=17,
                       flags="MF" if more else 0), Raw(payload))


def pieces6(ident=7, payload=b"y" * 1000, sport=40000):
    datagram = raw(IPv6(src=CLIENT6, dst=VIP6) / UDP(sport=sport, dport=53) / Raw(payload))[40:]
    return [received(IPv6(src=CLIENT6, dst=VIP6),
                     IPv6ExtHdrFragment(id=ident, nh=17, offset=at // 8, m=at + 400 < len(datagram)),
                     Raw(datagram[at:at + 400])) for at in range(0, len(datagram), 400)]


def together(groups):
    """A check that each packet's pieces all came to one backend, that of its unfragmented flow."""
    def expect(frames):
        of_packet = {}
        for frame in frames:
            version = 4 if IP in frame else 6
            ident = frame.id if version == 4 else frame[IPv6ExtHdrFragment].id
            of_packet.setdefault((version, ident), []).append(frame)
        require(len(of_packet) == len(groups), f"{len(of_packet)} packets came through")
        for (version, ident), got in of_packet.items():
            n, = {int(frame.dst[-2:]) - 10 for frame in got}
            wanted = [raw(to_backend(forwarded(p), n)) for p in groups[version, ident]]
            require(sorted(map(raw, got)) == sorted(wanted), f"packet {ident} is not what it was")
    return expect


@case
def p22_first_fragment_alone():
    return sent([pieces4()[0], pieces6()[0]])


@case
def p23_later_fragment_alone():
    return Case([pieces4()[1], pieces6()[2], later4(9)], {"drop_fragment_timeout": 3})


@case
def p24_tiny_fragments():
    """Where the first does not hold the whole L4 header, nobody can know the flow."""
    def first(proto, payload, src=CLIENT4):
        return received(IP(src=src, dst=VIP4, id=5, flags="MF", proto=proto), Raw(payload))

    tcp, udp = raw(tcp4()[TCP]), raw(udp4()[UDP])
    with_options = raw(tcp4(payload=b"")[IP].copy()[TCP] / Raw(b"\x01" * 4))
    split_options = bytes([*with_options[:12], 0xa0, *with_options[13:24]])
    over_flags = received(IP(src=CLIENT4, dst=VIP4, id=6, frag=1, proto=6), Raw(tcp[8:]))
    whole = first(17, udp[:8])
    six = received(IPv6(src=CLIENT6, dst=VIP6), IPv6ExtHdrFragment(id=5, nh=6, m=1), Raw(tcp[:8]))
    headers_later = received(IPv6(src=CLIENT6, dst=VIP6), IPv6ExtHdrFragment(id=6, nh=60, m=1),
                             Raw(b"\x06\x01" + b"\0" * 6))
    return Case([first(6, tcp[:8]), first(6, tcp[:16]), first(6, split_options), over_flags,
                 six, headers_later, whole],
                {"drop_l4_truncated": 4, "drop_ipv6_extension": 1, "drop_fragment_timeout": 1,
                 "sent": 1}, [to_backend(forwarded(whole))])


@case
def p25_in_any_order():
    """Reversed, doubled, overlapping, many packets mixed: each goes where its first one went."""
    groups, send = {}, []
    for n in range(20):
        four, six = pieces4(ident=n, sport=41000 + n), pieces6(ident=n, sport=41000 + n)
        overlap = later4(n, offset=1, payload=b"o" * 80, more=True)
        groups[4, n], groups[6, n] = [*four, four[1], overlap], [*six, six[2]]
    for turn in range(5):
        for pieces in groups.values():
            send += list(reversed(pieces))[turn:turn + 1]
    return Case(send, {"sent": len(send)}, together(groups), config=config(members=THREE))


@case
def p25_all_of_a_flow_goes_to_its_backend():
    """The fragments and the whole packets of a flow."""
    groups = {(4, n): pieces4(ident=n, sport=42000 + n) for n in range(1, 40)}
    whole = [udp4(sport=42000 + n, payload=b"w", id=1000 + n) for n in range(1, 40)]

    def expect(frames):
        backend_of = {frame.sport: frame.dst for frame in frames if UDP in frame}
        ids = {frame.id: frame.dst for frame in frames if UDP not in frame}
        require(all(ids[n] == backend_of[42000 + n] for n in range(1, 40)), "a fragment strayed")
        require(len(set(ids.values())) == 3, "a backend got nothing")
        for frame in frames:
            require(frame.id < 1000 or frame.dst == backend_of[frame.sport], "a flow moved")

    send = [p for pieces in groups.values() for p in pieces] + whole
    return Case(send, {"sent": len(send)}, expect, config=config(members=THREE))


@case
def p26_past_65535_bytes():
    past4 = [later4(7, offset=8191), later4(7, offset=8189, payload=b"x" * 64)]
    past6 = [received(IPv6(src=CLIENT6, dst=VIP6), IPv6ExtHdrFragment(offset=8191, id=7, nh=17),
                      Raw(b"x" * 16))]
    odd = [later4(7, payload=b"x" * 21, more=True),
           received(IPv6(src=CLIENT6, dst=VIP6), IPv6ExtHdrFragment(id=7, nh=17, m=1), Raw(b"x" * 21))]
    empty = [later4(7, payload=b""),
             received(IPv6(src=CLIENT6, dst=VIP6), IPv6ExtHdrFragment(offset=4, id=7, nh=17))]
    return by_name(fragment_malformed=past4 + past6 + odd + empty)


@case
def p27_flood_with_one_id():
    """It gets one packet's share of the room, and costs others nothing."""
    flood = [later4(66, offset=3 + n) for n in range(600)]
    late = list(reversed(pieces4(ident=7)))
    return Case(flood + late, {"drop_fragment_too_many": 600 - HELD_PER_PACKET,
                               "drop_fragment_timeout": HELD_PER_PACKET, "sent": len(late)},
                lambda frames: require(len(frames) == len(late), "another packet suffered"))


@case
def p27_flood_with_many_ids():
    """The room is bounded; what found none is dropped at once, what comes with its first passes."""
    flood = [later4(1000 + n) for n in range(HELD + 100)]
    whole = pieces4(ident=7)
    return Case(flood + whole, {"drop_fragment_no_room": 100, "drop_fragment_timeout": HELD,
                                "sent": len(whole)}, [to_backend(forwarded(p)) for p in whole])
