#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Writes captures for explain_capture.sh: packets of every kind that the edge treats in its own way.

usage: capture.py FILE MAC PORT    Ethernet, pcap; PORT is the client's of a flow that lives
       capture.py FILE             bare IP, pcapng
"""
import sys

from scapy.all import ARP, ICMP, IP, TCP, UDP, Ether, IPv6, PcapNgWriter, PcapWriter, Raw, fragment

DLT_RAW = 101  # as files have it
CLIENT, VIP, DNS = "10.0.1.2", "192.0.2.80", "192.0.2.53"


def ethernet(mac, port):
    to_edge = Ether(dst=mac, src="02:00:00:00:00:99")
    first, later = fragment(IP(src=CLIENT, dst=DNS, id=77) / UDP(sport=4000, dport=53) / Raw(b"x" * 1000), 600)
    lonely = fragment(IP(src=CLIENT, dst=DNS, id=78) / UDP(sport=4000, dport=53) / Raw(b"x" * 1000), 600)[1]
    return [
        to_edge / IP(src=CLIENT, dst=VIP) / TCP(sport=port, dport=7000, flags="A"),
        to_edge / IP(src=CLIENT, dst=VIP) / TCP(sport=port + 1, dport=80, flags="S"),
        to_edge / IPv6(src="2001:db8:1::2", dst="2001:db8::80") / TCP(sport=5, dport=80, flags="S"),
        to_edge / IP(src=CLIENT, dst=VIP) / TCP(sport=6, dport=81, flags="S"),
        to_edge / IP(src=CLIENT, dst=VIP) / ICMP(),
        to_edge / IP(src=CLIENT, dst=VIP, ttl=1) / TCP(sport=7, dport=80, flags="S"),
        to_edge / IP(src=CLIENT, dst=VIP, chksum=1) / TCP(sport=8, dport=80),
        to_edge / IP(src="127.0.0.1", dst=VIP) / TCP(sport=9, dport=80),
        to_edge / IP(src=CLIENT, dst="10.0.8.2") / TCP(sport=10, dport=22),
        Ether(dst="ff:ff:ff:ff:ff:ff") / ARP(pdst="10.0.8.2"),
        Ether(dst="02:00:00:00:00:77") / IP(src=CLIENT, dst=VIP) / TCP(sport=11, dport=80),
        to_edge / lonely,
        to_edge / first,
        to_edge / later,
        Raw(bytes(to_edge)[:9]),
    ]


def main():
    if len(sys.argv) == 2:
        with PcapNgWriter(sys.argv[1]) as writer:
            writer.linktype = DLT_RAW
            writer.write([IP(src=CLIENT, dst=VIP) / TCP(sport=1, dport=80, flags="S"),
                          IP(src=CLIENT, dst=DNS) / UDP(sport=1, dport=53)])
        return
    with PcapWriter(sys.argv[1], linktype=1) as writer:
        for number, packet in enumerate(ethernet(sys.argv[2], int(sys.argv[3]))):
            packet.time = 1700000000 + number / 10
            writer.write(packet)


main()
