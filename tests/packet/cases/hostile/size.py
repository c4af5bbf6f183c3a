# SPDX-License-Identifier: BSD-3-Clause
"""Hostile inputs 53 and 54: packets that are too long."""
from craft import *
from replay import *
from scapy.all import IPOption

SOURCE4 = "10.0.9.2"
OUTER = 20  # bytes of an outer IPv4 header
MTU = 1500


def through_ipip(**port):
    settings = config(forward={"mode": "ipip", "source4": SOURCE4})
    settings["dataplane"]["ports"][0].update(port)
    return settings


def wrapped(packet):
    tos = packet.tos if isinstance(packet, IP) else packet.tc
    return IP(src=SOURCE4, dst=backend4(1), ttl=64, tos=tos, id=0, flags="DF") / packet


def with_df(length):
    """A packet of so many bytes that no router may cut."""
    return received(IP(src=CLIENT4, dst=VIP4, flags="DF"),
                    TCP(sport=40000, dport=80, flags="A"), Raw(b"x" * (length - 40)))


@case
def p53_too_big_with_df():
    """The client is told what fits: the MTU less what is put in front."""
    fits = [with_df(MTU - OUTER),
            tcp6("A", payload=b"x" * (MTU - OUTER - 60))]
    big = [with_df(MTU - OUTER + 1),
           tcp6("A", payload=b"x" * (MTU - OUTER - 59)), tcp6("A", payload=b"x" * (MTU - 60))]
    return Case(fits + big, {"sent": 2, "answered_too_big": 3},
                [to_backend(wrapped(forwarded(p))) for p in fits]
                + [error_about(p, TOO_BIG, mtu=MTU - OUTER) for p in big], config=through_ipip())


def in_pieces(frame, mtu=MTU - OUTER):
    return [to_backend(wrapped(piece)) for piece in split_by_router(forwarded(frame), mtu)]


@case
def p53_too_big_without_df():
    """In fragments, each wrapped by itself; a fragment may be cut again."""
    whole = udp4(payload=bytes(range(256)) * 5 + b"y" * 192, id=77)
    first = received(IP(src=CLIENT4, dst=VIP4, id=79, flags="MF"),
                     UDP(sport=40000, dport=53, len=2960), Raw(b"f" * 1472))
    later = received(IP(src=CLIENT4, dst=VIP4, id=79, frag=185, proto=17), Raw(b"l" * 1477))
    send = [whole, first, later]
    return Case(send, {"sent_in_fragments": 3}, [f for p in send for f in in_pieces(p)],
                config=through_ipip())


@case
def p53_order_of_a_port():
    """Fragments go between those that came before and after their packet, in the same burst too."""
    def numbered(n):
        return udp4(sport=41000 + n, payload=b"s" * 20, id=n)

    big = udp4(sport=41005, payload=b"b" * 1472, id=5)
    send = [numbered(n) for n in range(5)] + [big] + [numbered(n) for n in range(6, 10)]
    return Case(send, {"sent": 9, "sent_in_fragments": 1},
                [f for p in send for f in (in_pieces(p) if p is big else
                                           [to_backend(wrapped(forwarded(p)))])],
                config=through_ipip())


@case
def p53_options_in_fragments():
    """All of them in the first fragment; in the rest those that say so (RFC 791, 3.1)."""
    record_route, stream_id = b"\x07\x07\x04\0\0\0\0", b"\x88\x04\x12\x34"
    whole = received(IP(src=CLIENT4, dst=VIP4, id=77, options=[
        IPOption(record_route), IPOption_NOP(), IPOption(stream_id)]),
        UDP(sport=40000, dport=53), Raw(bytes(range(256)) * 5 + b"y" * 170))
    whole = Ether(raw(whole))

    def expect(frames):
        inner = [IP(raw(frame[IP].payload)) for frame in frames]
        require(len(inner) == 2, f"{len(inner)} fragments")
        octets = [raw(ip)[20:ip.ihl * 4] for ip in inner]
        require(octets[0] == record_route + b"\x01" + stream_id, f"first has {octets[0].hex()}")
        require(octets[1].rstrip(b"\0\1") == stream_id, f"second has {octets[1].hex()}")
        data = b"".join(raw(ip)[ip.ihl * 4:] for ip in inner)
        require(data == raw(whole)[14 + whole[IP].ihl * 4:], "the data is not what it was")
        require([(ip.frag * 8, int(ip.flags)) for ip in inner]
                == [(0, 1), (len(raw(inner[0])) - inner[0].ihl * 4, 0)], "offsets or flags are wrong")

    return Case([whole], {"sent_in_fragments": 1}, expect, config=through_ipip())


@case
def p54_jumbo():
    """9000 bytes where the port carries them, and what is one longer once wrapped."""
    fits = with_df(9000 - OUTER)
    big = with_df(9000 - OUTER + 1)
    split = tcp4("A", payload=b"j" * (9000 - OUTER - 39), id=80)
    return Case([split, fits, big], {"sent": 1, "answered_too_big": 1, "sent_in_fragments": 1},
                [*in_pieces(split, 9000 - OUTER), to_backend(wrapped(forwarded(fits))),
                 error_about(big, TOO_BIG, mtu=9000 - OUTER)], config=through_ipip(mtu=9000))


JUMBO = 9000
MODES = {"l2": ({"mode": "l2"}, 0), "ipip": ({"mode": "ipip", "source4": SOURCE4}, OUTER),
         "vxlan": ({"mode": "vxlan", "source4": SOURCE4, "vni": 5}, OUTER + 8 + 8 + 14)}


def jumbo(mode):
    """What fills 9000 bytes once it is on its way to the backend, of both families; what has to be
    cut for that; and a byte more, of which the client is told."""
    forward, overhead = MODES[mode]
    settings = config(forward=forward)
    settings["dataplane"]["ports"][0]["mtu"] = JUMBO
    room = JUMBO - overhead
    fits = [with_df(room), tcp6("A", payload=b"6" * (room - 60)),
            udp4(payload=b"u" * (room - 28), id=81)]
    over = [with_df(room + 1), tcp6("A", payload=b"6" * (room - 59))]
    cut_up = [udp4(payload=bytes(range(250)) * 35 + b"u" * (room + 1 - 28 - 8750), id=82)]

    def expect(frames):
        inner = [raw(frame)[14 + overhead:] for frame in frames]
        require(all(len(raw(frame)) <= 14 + JUMBO for frame in frames), "a frame is too long")
        wanted = [raw(forwarded(p)) for p in fits]
        wanted += [raw(piece) for p in cut_up for piece in split_by_router(forwarded(p), room)]
        require(all(packet in inner for packet in wanted), "a packet is not what it was")
        errors = [error_about(p, TOO_BIG, mtu=room) for p in over]
        require(all(raw(error) in map(raw, frames) for error in errors), "the client is not told")
        require(len(frames) == len(wanted) + len(errors), f"{len(frames)} frames")

    return Case(fits + over + cut_up, {"sent": 3, "answered_too_big": 2, "sent_in_fragments": 1}, expect, config=settings)


@case
def p54_jumbo_l2():
    return jumbo("l2")


@case
def p54_jumbo_ipip():
    return jumbo("ipip")


@case
def p54_jumbo_vxlan():
    return jumbo("vxlan")


@case
def p54_jumbo_with_tags():
    """A tag is no part of the MTU: with a priority tag the frame has 9018 bytes."""
    settings = config()
    settings["dataplane"]["ports"][0]["mtu"] = JUMBO
    full = [with_df(JUMBO), tcp6("A", payload=b"6" * (JUMBO - 60))]
    other = tagged(tagged(with_df(JUMBO), vlan=7), vlan=8)
    return Case([*(tagged(p, vlan=0) for p in full), other], {"sent": 2, "punted_other": 1},
                [to_backend(forwarded(p)) for p in full], config=settings)


@case
def p54_jumbo_fragments():
    """Fragments as long as the link, the first one last."""
    settings = config()
    settings["dataplane"]["ports"][0]["mtu"] = JUMBO
    packet = IP(src=CLIENT4, dst=VIP4, id=83) / UDP(sport=40000, dport=53) / Raw(b"f" * 30000)
    pieces = [Ether(raw(received(piece))) for piece in split_by_router(packet, JUMBO)]
    require(len(raw(pieces[0])) > 8900, "they are not jumbo")
    return Case(pieces[::-1], {"sent": len(pieces)}, lambda frames: require(
        sorted(map(raw, frames)) == sorted(raw(to_backend(forwarded(p))) for p in pieces),
        "a fragment is not what it was"), config=settings)


@case
def p54_longer_than_any_port_has():
    """Several buffers' worth, where the port's MTU is 1500: no buffer holds it in one piece."""
    return Case([tcp4("A", payload=b"j" * 4000), tcp4("A", payload=b"j" * 8900),
                 received(IP(src=CLIENT4, dst=OTHER4), Raw(b"j" * 4000))],
                {"drop_frame_too_long": 3})


@case
def p54_longer_than_the_mtu_in_one_buffer():
    """What a device delivers beyond its MTU is judged by the way out, as ever."""
    return Case([with_df(1900), tcp4("A", payload=b"j" * 1900, id=84)],
                {"answered_too_big": 1, "sent_in_fragments": 1}, lambda frames: require(
                    len(frames) == 3 and all(len(f) <= 1514 for f in frames), "too long"))
