# SPDX-License-Identifier: BSD-3-Clause
"""Mode gre: RFC 2784, with a key RFC 2890."""
from tunnel import *

KEY = 0xfedcba98


def gre(frame, outer, like, **key):
    header = GRE(proto=inner_ethertype(frame), **key)
    return outer_ip(frame, outer, raw(header) + raw(forwarded(frame)), 47, like)


def keyed(frame, outer, like):
    return gre(frame, outer, like, key_present=1, key=KEY)


@case
def four_in_four():
    return tunnelled(gre, 4, 4, "gre")


@case
def six_in_four():
    return tunnelled(gre, 4, 6, "gre")


@case
def four_in_six():
    return tunnelled(gre, 6, 4, "gre")


@case
def six_in_six():
    return tunnelled(gre, 6, 6, "gre")


@case
def keyed_four_in_four():
    return tunnelled(keyed, 4, 4, "gre", key=KEY)


@case
def keyed_six_in_four():
    return tunnelled(keyed, 4, 6, "gre", key=KEY)


@case
def keyed_four_in_six():
    return tunnelled(keyed, 6, 4, "gre", key=KEY)


@case
def keyed_six_in_six():
    return tunnelled(keyed, 6, 6, "gre", key=KEY)


@case
def outer_source_varies():
    return entropy(gre, 4, "gre")


@case
def too_big_once_encapsulated():
    return too_big(keyed, 4, "gre", overhead=28, key=KEY)
