# SPDX-License-Identifier: BSD-3-Clause
"""Mode ipip: the packet travels whole, behind an outer header of the backend's family."""
from functools import partial

from tunnel import *


def ipip(frame, outer, like, dscp=None):
    return outer_ip(frame, outer, raw(forwarded(frame)), inner_proto(frame), like, dscp)


@case
def four_in_four():
    return tunnelled(ipip, 4, 4, "ipip")


@case
def six_in_four():
    return tunnelled(ipip, 4, 6, "ipip")


@case
def four_in_six():
    return tunnelled(ipip, 6, 4, "ipip")


@case
def six_in_six():
    return tunnelled(ipip, 6, 6, "ipip")


@case
def dscp_of_its_own_in_ipv4():
    return tunnelled(partial(ipip, dscp=46), 4, 4, "ipip", dscp=46)


@case
def dscp_of_its_own_in_ipv6():
    return tunnelled(partial(ipip, dscp=8), 6, 6, "ipip", dscp=8)


@case
def link_padding_is_not_wrapped():
    send = [tcp4(), tcp6()]
    padded = [Ether(raw(p) + b"\xaa" * 6) for p in send]
    return Case(padded, {"sent": 2}, lambda sent: compare_frames(
        "sent", sent, [ipip(p, 4, s.payload) for p, s in zip(send, sent)]),
        config=through("ipip", 4))


@case
def outer_source_varies_in_ipv4():
    return entropy(ipip, 4, "ipip")


@case
def outer_source_varies_in_ipv6():
    return entropy(ipip, 6, "ipip")
