# SPDX-License-Identifier: BSD-3-Clause
"""Hostile inputs 45 to 49 and 59: ICMP, ARP and neighbour discovery."""
import socket
import struct

from craft import *
from replay import *

ROUTER4, ROUTER6 = "203.0.113.1", "2001:db8:f::1"  # on the way to the client
PORTS = struct.pack("!HHI", 80, 40000, 1)  # 8 bytes of what the VIP sent: it may be all there is


def quote4(src=VIP4, dst=CLIENT4, proto=6, l4=PORTS, **ip):
    return raw(IP(src=src, dst=dst, proto=proto, len=1500, **ip))[:20] + l4


def quote6(src=VIP6, dst=CLIENT6, proto=6, l4=PORTS):
    return raw(IPv6(src=src, dst=dst, nh=proto, plen=1460)) + l4


def error4(quoted, kind=3, code=4, rest=struct.pack("!I", 1400)):
    return received(icmp_message(IP(src=ROUTER4, dst=VIP4), kind, code, rest + quoted))


def error6(quoted, kind=2, code=0, rest=struct.pack("!I", 1400)):
    return received(icmp_message(IPv6(src=ROUTER6, dst=VIP6), kind, code, rest + quoted))


@case
def p45_quotation_truncated_at_every_byte():
    """8 bytes behind the quoted header are enough; anything less names no flow."""
    four, six = quote4(), quote6()
    short = ([error4(four[:n]) for n in range(len(four))]
             + [error6(six[:n]) for n in range(len(six))])
    whole = [error4(four), error6(six), error4(four + b"x" * 520), error6(six + b"x" * 1180)]
    return Case(short + whole, {"drop_icmp_quote_truncated": len(short), "sent": 4},
                [to_backend(forwarded(p)) for p in whole])


@case
def p45_errors_follow_their_flow():
    """… and no other: of 40 flows on three backends, each error to where the flow's packets go."""
    flows = [make(flags, sport=41000 + n) for flags in "SA" for make in (tcp4, tcp6)
             for n in range(20)]

    def l4(n):
        return struct.pack("!HHI", 80, 41000 + n, 1)

    errors = [error for n in range(20) for error in
              (error4(quote4(l4=l4(n))), error6(quote6(l4=l4(n))),
               error4(quote4(l4=l4(n)), kind=11, code=0), error6(quote6(l4=l4(n)), kind=1, code=4))]

    def expect(frames):
        backend = {(IP in f, f[TCP].sport): f.dst for f in frames[:len(flows)]}
        for got, error in zip(frames[len(flows):], errors):
            port, = struct.unpack("!H", raw(error)[-6:-4])
            require(got.dst == backend[IP in error, port], f"the error about {port} strayed")
            require(raw(got)[14:] == raw(forwarded(error)), "the error is not what it was")
        require(len(set(backend.values())) == 3, "a backend got nothing")

    return Case(flows + errors, {"sent": len(flows) + len(errors)}, expect,
                config=config(members=backends(1, 2, 3)), events={"inserted": 40, "hit": 40})


@case
def p46_quoted_source_is_not_the_vip():
    other = [error4(quote4(src=src)) for src in (OTHER4, CLIENT4, "0.0.0.0", "10.0.9.11")]
    other += [error6(quote6(src=src)) for src in (OTHER6, CLIENT6, "::")]
    no_service = [error4(quote4(l4=struct.pack("!HHI", 81, 40000, 1))), error4(quote4(proto=17)),
                  error6(quote6(proto=47))]
    return by_name(icmp_quote_foreign=other + no_service)


@case
def p47_quotations_that_lie():
    """Fragments, header lengths, ICMP in ICMP; and a checksum that is not right."""
    fragment4 = quote4(frag=100)
    fragment6 = quote6(proto=44, l4=struct.pack("!BBHI", 6, 0, 100 << 3, 7) + PORTS)
    first = [quote4(flags="MF"), quote6(proto=44, l4=struct.pack("!BBHI", 6, 0, 1, 7) + PORTS)]
    in_icmp = [error4(quote4(proto=1, l4=b"\x08\0" + b"\0" * 6)),
               error6(quote6(proto=58, l4=b"\x80\0" + b"\0" * 6))]
    lies = [error4(bytes([version_ihl]) + quote4()[1:]) for version_ihl in (0x44, 0x40, 0x65, 0x00)]
    lies += [error6(b"\x45" + quote6()[1:]), error6(quote6(dst="::ffff:198.51.100.7"))]
    wrong_sum = [changed(error4(quote4()), 36, 0xde, 0xad), changed(error6(quote6()), 56, 0xde, 0xad)]
    right = [error4(quote4(flags="MF")), error6(first[1])]
    return Case(
        [error4(fragment4), error6(fragment6), *in_icmp, error4(b"\x4f" + quote4()[1:]),
         *lies, *wrong_sum, *right],
        {"drop_icmp_quote_foreign": 4, "drop_icmp_quote_truncated": 1,
         "drop_icmp_quote_malformed": 8, "sent": 2}, [to_backend(forwarded(p)) for p in right])


@case
def p48_packet_too_big_of_any_mtu():
    """What it says is for the backend's stack to believe (RFC 8201, 4; RFC 5927, 7)."""
    four = [error4(quote4(), rest=struct.pack("!I", mtu)) for mtu in (0, 1, 67, 68, 65535, 2**32 - 1)]
    six = [error6(quote6(), rest=struct.pack("!I", mtu)) for mtu in (0, 67, 1279, 65535, 2**32 - 1)]
    return sent(four + six)


def pings(count):
    return [received(IP(src=CLIENT4, dst=VIP4), ICMP(id=7, seq=n), Raw(b"ping")) for n in range(count)]


@case
def p49_echo_flood():
    """One a second is answered where the configuration says so."""
    settings = config()
    settings["icmp"] = {"echo_pps": 1}
    flood = pings(200)
    return Case(flood, {"answered_echo": 1, "drop_icmp_metered": 199}, [reply_to(flood[0])],
                config=settings)


@case
def p49_damaged_pings_cost_no_answers():
    """They are dropped by their own name before the rate is asked."""
    settings = config()
    settings["icmp"] = {"echo_pps": 1}
    damaged = [changed(ping, 36, 0xde, 0xad) for ping in pings(50)]
    right = pings(1)
    return Case(damaged + right, {"answered_echo": 1, "drop_icmp_checksum": 50},
                [reply_to(p) for p in right], config=settings)


@case
def p49_error_flood():
    """Of what would be answered by errors: one a second together, however it comes."""
    settings = config()
    settings["icmp"] = {"errors_pps": 1}
    flood = [make for n in range(50) for make in (tcp4(dport=9), tcp6(hlim=1, sport=41000 + n))]
    return Case(flood, {"answered_no_service": 1, "drop_icmp_metered": 99},
                [error_about(flood[0], PORT_UNREACHABLE)], config=settings)


@case
def p49_other_icmp():
    """Echo replies, redirects, timestamps and discovery to a VIP; pings that are damaged or cut."""
    four = [received(icmp_message(IP(src=CLIENT4, dst=VIP4), kind, 0, b"\0" * 32))
            for kind in (0, 4, 5, 9, 10, 13, 14, 15, 17, 42, 255)]
    six = [received(icmp_message(IPv6(src=CLIENT6, dst=VIP6, hlim=255), kind, 0, b"\0" * 32))
           for kind in (129, 133, 134, 136, 137, 200, 255)]
    wrong_sum = [changed(pings(1)[0], 36, 0xde, 0xad)]
    pieces = [received(IP(src=CLIENT4, dst=VIP4, proto=1, flags="MF"), Raw(b"\x08" + b"\0" * 15)),
              received(IP(src=CLIENT4, dst=VIP4, proto=1, frag=2), Raw(b"x" * 16))]
    return by_name(icmp_other=four + six, icmp_checksum=wrong_sum, icmp_fragment=pieces)


@case
def p49_icmp_of_the_other_family():
    """ICMP in IPv6 and ICMPv6 in IPv4 are protocols like any that no service has."""
    ping = bytes.fromhex("0800f7ff00000000")
    send = [received(IPv6(src=CLIENT6, dst=VIP6, nh=1), Raw(ping + quote6())),
            received(IP(src=CLIENT4, dst=VIP4, proto=58), Raw(b"\x80" + ping[1:]))]
    return Case(send, {"answered_no_service": 2}, [error_about(p, PORT_UNREACHABLE) for p in send])


def solicitation(target, src, dst, option=b"\x01\x01" + bytes.fromhex("020000006666"), hlim=255):
    """A neighbour solicitation from a liar: its option claims the address for another MAC."""
    body = b"\0\0\0\0" + socket.inet_pton(socket.AF_INET6, target) + option
    mac = EDGE_MAC if dst == VIP6 else "33:33:ff:00:00:80"
    return received(icmp_message(IPv6(src=src, dst=dst, hlim=hlim), 135, 0, body), dst=mac)


@case
def p59_solicitation_for_a_vip():
    """Where the port does not answer it is Linux's; one sent to the VIP itself is no service's."""
    group = "ff02::1:ff00:80"
    to_group = [solicitation(VIP6, src, group) for src in ("fe80::9", "::", CLIENT6, backend6(1))]
    to_vip = [solicitation(VIP6, CLIENT6, VIP6), solicitation(OTHER6, CLIENT6, VIP6)]
    return Case(to_group + to_vip + [solicitation(VIP6, "fe80::9", VIP6)],
                {"punted_control": 4, "drop_icmp_other": 2, "drop_source_martian": 1})


@case
def p59_solicitation_for_a_vip_answered():
    """Where it does, who asks is told, at the MAC that the question came from, whatever its option
    says; what is wrong is Linux's; and nothing that it claims moves a flow."""
    settings = config()
    settings["dataplane"]["ports"][0]["answer_neighbours"] = True
    group = "ff02::1:ff00:80"
    asked = [solicitation(VIP6, "fe80::9", group), solicitation(VIP6, CLIENT6, VIP6, option=b""),
             solicitation(VIP6, VIP6, group)]
    wrong = [solicitation(VIP6, "fe80::9", group, hlim=64),
             solicitation(VIP6, "fe80::9", group, option=b"\x01\0" + b"\0" * 6),
             changed(solicitation(VIP6, "fe80::9", group), 56, 0xde, 0xad)]
    flow = [tcp6("S"), tcp6("A")]

    def told(dst, mac):
        body = b"\x60\0\0\0" + socket.inet_pton(socket.AF_INET6, VIP6)
        body += b"\x02\x01" + bytes.fromhex(EDGE_MAC.replace(":", ""))
        return Ether(src=EDGE_MAC, dst=mac) / icmp_message(
            IPv6(src=VIP6, dst=dst, hlim=255), 136, 0, body)

    def expect(frames):
        got = {raw(frame) for frame in frames}
        for frame in [*(told(src, ROUTER_MAC) for src in ("fe80::9", CLIENT6, VIP6)),
                      *(to_backend(forwarded(p)) for p in flow)]:
            require(raw(frame) in got, f"missing: {frame.summary()}")

    return Case([flow[0], *asked, *wrong, flow[1]],
                {"sent": 2, "answered_neighbour": 3, "punted_control": 3}, expect,
                config=settings)


@case
def p59_spoofed_neighbours():
    """Claims to be a backend or the VIP go to Linux; what it is told for good stays."""
    everybody, liar = "ff:ff:ff:ff:ff:ff", "02:00:00:00:66:66"
    claims = [Ether(src=liar, dst=everybody)
              / ARP(op=op, hwsrc=liar, psrc=address, pdst=address, hwdst=everybody)
              for op in (1, 2) for address in (backend4(1), VIP4)]
    claims += [Ether(src=liar, dst=EDGE_MAC) / ARP(op=2, hwsrc=liar, psrc=backend4(1), pdst="10.0.9.2")]
    advertisement = b"\0\0\0\0\x20\0\0\0" + bytes(16) + b"\x02\x01" + bytes.fromhex("020000006666")
    claims += [received(icmp_message(IPv6(src=backend6(1), dst="ff02::1", hlim=255), 136, 0,
                                     advertisement[4:]), dst="33:33:00:00:00:01")]
    flow = [tcp4("S"), tcp4("A")]
    return Case([flow[0], *claims, flow[1]], {"sent": 2, "punted_control": len(claims)},
                [to_backend(forwarded(p)) for p in flow])
