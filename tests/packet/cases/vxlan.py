# SPDX-License-Identifier: BSD-3-Clause
"""Mode vxlan: RFC 7348, the packet in a frame of its own."""
from scapy.layers.vxlan import VXLAN

from tunnel import *

VNI = 0xabcdef
MACS = {"inner_destination": "02:66:6c:00:00:02", "inner_source": "02:66:6c:00:00:01"}
OTHERS = {"inner_destination": "02:00:00:00:0a:01", "inner_source": "02:00:00:00:0b:01"}


def vxlan(frame, outer, like, port=4789, macs=None):
    macs = macs or MACS
    ether = Ether(dst=macs["inner_destination"], src=macs["inner_source"],
                  type=inner_ethertype(frame))
    packet = raw(VXLAN(flags="Instance", vni=VNI) / ether) + raw(forwarded(frame))
    return outer_udp(frame, outer, port, packet, like)


def told(frame, outer, like):
    return vxlan(frame, outer, like, 8472, OTHERS)


@case
def four_in_four():
    return tunnelled(vxlan, 4, 4, "vxlan", has_port=True, vni=VNI)


@case
def six_in_four():
    return tunnelled(vxlan, 4, 6, "vxlan", has_port=True, vni=VNI)


@case
def four_in_six():
    return tunnelled(vxlan, 6, 4, "vxlan", has_port=True, vni=VNI)


@case
def six_in_six():
    return tunnelled(vxlan, 6, 6, "vxlan", has_port=True, vni=VNI)


@case
def port_and_addresses_as_told():
    return tunnelled(told, 6, 4, "vxlan", has_port=True, vni=VNI, port=8472, **OTHERS)


@case
def source_and_port_vary():
    return entropy(vxlan, 4, "vxlan", has_port=True, vni=VNI)


@case
def too_big_once_encapsulated():
    return too_big(vxlan, 4, "vxlan", overhead=50, vni=VNI)


@case
def too_big_once_encapsulated_in_ipv6():
    return too_big(vxlan, 6, "vxlan", overhead=70, vni=VNI)
