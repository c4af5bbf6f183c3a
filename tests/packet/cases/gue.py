# SPDX-License-Identifier: BSD-3-Clause
"""Mode gue: draft-ietf-intarea-gue, variant 0 with a header and variant 1 without."""
from tunnel import *

PORT = 6080
DIRECT = {"variant": 1, "port": 9886}


def gue(frame, outer, like):
    header = bytes([0, inner_proto(frame), 0, 0])  # variant 0, no control, no options; no flags
    return outer_udp(frame, outer, PORT, header + raw(forwarded(frame)), like)


def direct(frame, outer, like):
    return outer_udp(frame, outer, DIRECT["port"], raw(forwarded(frame)), like)


@case
def four_in_four():
    return tunnelled(gue, 4, 4, "gue", has_port=True)


@case
def six_in_four():
    return tunnelled(gue, 4, 6, "gue", has_port=True)


@case
def four_in_six():
    return tunnelled(gue, 6, 4, "gue", has_port=True)


@case
def six_in_six():
    return tunnelled(gue, 6, 6, "gue", has_port=True)


@case
def direct_four_in_four():
    return tunnelled(direct, 4, 4, "gue", has_port=True, **DIRECT)


@case
def direct_six_in_four():
    return tunnelled(direct, 4, 6, "gue", has_port=True, **DIRECT)


@case
def direct_four_in_six():
    return tunnelled(direct, 6, 4, "gue", has_port=True, **DIRECT)


@case
def direct_six_in_six():
    return tunnelled(direct, 6, 6, "gue", has_port=True, **DIRECT)


@case
def source_and_port_vary_in_ipv4():
    return entropy(gue, 4, "gue", has_port=True)


@case
def source_and_port_vary_in_ipv6():
    return entropy(gue, 6, "gue", has_port=True)


@case
def too_big_once_encapsulated():
    return too_big(gue, 4, "gue", overhead=32)
