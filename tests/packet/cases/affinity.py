# SPDX-License-Identifier: BSD-3-Clause
"""Which packets stay together: a flow, a client, or none."""
from collections import Counter, defaultdict

from replay import *

THREE = backends(1, 2, 3)


def places(sent, key):
    """{key of a frame: MACs that its frames were sent to}"""
    macs = defaultdict(set)
    for frame in sent:
        macs[key(frame)].add(frame.dst)
    return macs


def port_and_family(frame):
    return frame.sport, frame.version if IP in frame else 6


@case
def flow():
    """Each of 100 connections stays on one of three backends; all three have some."""
    send = [make(flags, sport=40000 + n) for flags in ("S", "A", "PA", "A", "FA")
            for n in range(50) for make in (tcp4, tcp6)]

    def expect(sent):
        macs = places(sent, port_and_family)
        require(len(macs) == 100, f"{len(macs)} flows came through")
        require(all(len(m) == 1 for m in macs.values()), "a flow moved")
        require(len(set.union(*macs.values())) == 3, "a backend got nothing")

    return Case(send, {"sent": 500}, expect, config=config(members=THREE),
                events={"inserted": 100, "hit": 400})


@case
def client():
    """It stays with its service, whatever ports it uses; clients spread."""
    send = [make(sport=40000 + n, src=f"198.51.100.{client}")
            for client in range(1, 31) for n in range(3) for make in (tcp4, udp4)]

    def expect(sent):
        macs = places(sent, lambda frame: (frame[IP].src, frame.dport))
        require(len(macs) == 60, f"{len(macs)} clients of two services came through")
        require(all(len(m) == 1 for m in macs.values()), "a client moved")
        require(len(set.union(*macs.values())) == 3, "a backend got nothing")

    return Case(send, {"sent": 180}, expect, config=config(members=THREE, affinity="client"))


@case
def none():
    """No entry in the flow table; the row alone decides, so the same packet goes the same way."""
    send = [udp4(sport=40000 + n) for _ in range(3) for n in range(50)]

    def expect(sent):
        macs = places(sent, port_and_family)
        require(all(len(m) == 1 for m in macs.values()), "a tuple moved")
        require(len(set.union(*macs.values())) == 3, "a backend got nothing")

    return Case(send, {"sent": 150}, expect, config=config(members=THREE, affinity="none"),
                events={"inserted": 0, "hit": 0})


@case
def weights():
    """1:2:5 of 800 flows: 100, 200 and 500, give or take five standard deviations."""
    members = backends(1, 2, 3)
    for member, weight in zip(members, (10, 20, 50)):
        member["weight"] = weight
    send = [tcp4(sport=10000 + n) for n in range(800)]

    def expect(sent):
        count = Counter(frame.dst for frame in sent)
        for n, share in ((1, 100), (2, 200), (3, 500)):
            got, deviation = count[backend_mac(n)], (share * (1 - share / 800)) ** 0.5
            require(abs(got - share) < 5 * deviation, f"b{n} has {got} flows, wanted {share}")

    return Case(send, {"sent": 800}, expect, config=config(members=members))


@case
def a_reset_without_a_flow_is_not_remembered():
    send = [tcp4("R"), tcp4("RA")]
    return Case(send, {"sent": 2}, [to_backend(forwarded(p)) for p in send],
                events={"inserted": 0})
